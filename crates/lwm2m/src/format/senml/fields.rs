//! The fields of one record, and how base fields carry over to those that follow (RFC 8428 section 4).

use alloc::string::String;

use super::label::Label;
use super::{Purpose, SenmlFault};
use crate::format::LONGEST_NAME;
use crate::format::scalar::{Number, Scalar};

/// The newest version of SenML that is read; RFC 8428 is version 10.
const NEWEST_VERSION: i128 = 10;

/// The fields of one record as the pack has them.
#[derive(Default)]
pub(super) struct Fields<'a> {
    /// One bit a label.
    seen: u16,
    base_name: Option<String>,
    base_time: Option<Number>,
    base_value: Option<Number>,
    name: Option<String>,
    time: Option<Number>,
    value: Option<Scalar<'a>>,
    has_sum: bool,
}

impl<'a> Fields<'a> {
    /// Takes a field.
    pub(super) fn put(&mut self, label: Label, value: Scalar<'a>) -> Result<(), SenmlFault> {
        let bit = 1 << label as usize;
        if self.seen & bit != 0 {
            return Err(SenmlFault::Repeated(label.name()));
        }
        self.seen |= bit;
        let wrong = SenmlFault::WrongType(label.name());
        match label {
            Label::BaseName => self.base_name = Some(text(value).ok_or(wrong)?),
            Label::Name => self.name = Some(text(value).ok_or(wrong)?),
            Label::BaseTime => self.base_time = Some(number(&value).ok_or(wrong)?),
            Label::Time => self.time = Some(number(&value).ok_or(wrong)?),
            Label::BaseValue => self.base_value = Some(number(&value).ok_or(wrong)?),
            Label::BaseVersion => match number(&value).and_then(Number::whole) {
                Some(1..=NEWEST_VERSION) => {}
                Some(_) => return Err(SenmlFault::UnknownVersion),
                None => return Err(wrong),
            },
            Label::Sum => self.has_sum = number(&value).map(|_| true).ok_or(wrong)?,
            Label::BaseSum | Label::UpdateTime => drop(number(&value).ok_or(wrong)?),
            Label::BaseUnit | Label::Unit => drop(text(value).ok_or(wrong)?),
            Label::Value | Label::Text | Label::Boolean | Label::Data | Label::Link => {
                let value = shaped(label, value).ok_or(wrong)?;
                if self.value.replace(value).is_some() {
                    return Err(SenmlFault::TwoValues);
                }
            }
        }
        Ok(())
    }
}

/// The value of a field that holds one; null, which removes, may stand under each label.
fn shaped(label: Label, value: Scalar<'_>) -> Option<Scalar<'_>> {
    match (label, value) {
        (_, Scalar::Null) => Some(Scalar::Null),
        // Values have no tags here (RFC 8428 section 6): one that says "time" adds nothing.
        (Label::Value, Scalar::Number(number) | Scalar::Time(number)) => Some(Scalar::Number(number)),
        (Label::Text, value @ Scalar::Text(_))
        | (Label::Boolean, value @ Scalar::Boolean(_))
        | (Label::Data, value @ Scalar::Bytes(_)) => Some(value),
        (Label::Data, Scalar::Text(text)) => Scalar::from_base64(&text),
        (Label::Link, Scalar::Text(text)) => Scalar::from_link(&text),
        _ => None,
    }
}

fn text(value: Scalar<'_>) -> Option<String> {
    match value {
        Scalar::Text(text) => Some(text.into_owned()),
        _ => None,
    }
}

const fn number(value: &Scalar<'_>) -> Option<Number> {
    match value {
        Scalar::Number(number) | Scalar::Time(number) => Some(*number),
        _ => None,
    }
}

/// A record with the base fields worked in (RFC 8428 section 4.6).
pub(super) struct Resolved<'a> {
    pub(super) name: String,
    /// None without a value; [`Scalar::Null`] if there is none any more.
    pub(super) value: Option<Scalar<'a>>,
    pub(super) time: Option<f64>,
}

/// The base fields that hold so far.
#[derive(Default)]
pub(super) struct Bases {
    name: String,
    time: Option<Number>,
    value: Option<Number>,
}

impl Bases {
    /// Works the base fields in. None for a record that only sets them or holds only a sum, which LwM2M has no
    /// use for.
    pub(super) fn resolve<'a>(
        &mut self,
        fields: Fields<'a>,
        purpose: Purpose,
    ) -> Result<Option<Resolved<'a>>, SenmlFault> {
        let sets_base_name = fields.base_name.is_some();
        if let Some(name) = fields.base_name {
            self.name = name;
        }
        self.time = fields.base_time.or(self.time);
        self.value = fields.base_value.or(self.value);
        if fields.value.is_none() {
            let selects = purpose == Purpose::Etch && (fields.name.is_some() || sets_base_name);
            match fields.name {
                _ if selects => {}
                Some(_) if !fields.has_sum => return Err(SenmlFault::NoValue),
                _ => return Ok(None),
            }
        }
        let name = fields.name.unwrap_or_default();
        if self.name.len() + name.len() > LONGEST_NAME {
            return Err(SenmlFault::LongName);
        }
        let value = match (fields.value, self.value) {
            (Some(Scalar::Number(number)), Some(base)) => Some(Scalar::Number(base.plus(number))),
            (value, _) => value,
        };
        let time = match (self.time, fields.time) {
            (Some(base), Some(time)) => Some(base.plus(time)),
            (base, time) => base.or(time),
        };
        let time = time.map(Number::real);
        if time.is_some_and(|time| !time.is_finite()) {
            return Err(SenmlFault::NoTime);
        }
        Ok(Some(Resolved { name: self.name.clone() + &name, value, time }))
    }
}

//! application/vnd.oma.lwm2m+json of LwM2M 1.0 (TS 1.0 section 6.4.4), as Leshan, Contiki and the older
//! clients write it: `{"bn":"/3/0/","bt":25462634,"e":[{"n":"9","v":95,"t":-5}]}`.

use alloc::string::String;
use alloc::vec::Vec;

use super::json::{self, Reader};
use super::naming::{Naming, above_all, common_time, name_below, prefix};
use super::scalar::{Number, Scalar};
use super::{DecodeError, EncodeError, LONGEST_NAME, MOST_RECORDS, Record, base64};
use crate::model::ObjectModel;
use crate::path::Path;
use crate::value::{Kind, Value};

/// A text that is JSON but breaks the rules of the format.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Lwm2mJsonError {
    /// Two members of the text, or of one entry, have this name.
    #[error("member `{0}` comes twice")]
    Repeated(&'static str),
    /// The member does not have its type.
    #[error("member `{0}` is of another type")]
    WrongType(&'static str),
    /// There is no list of entries, `e`.
    #[error("there is no member `e`")]
    NoEntries,
    /// The entry with this number has two of `v`, `sv`, `bv` and `ov`.
    #[error("entry {0} has two values")]
    TwoValues(usize),
    /// The entry with this number has no value.
    #[error("entry {0} has no value")]
    NoValue(usize),
    /// The base name and the name of this entry are longer than [`LONGEST_NAME`].
    #[error("entry {0} has a long name")]
    LongName(usize),
    /// The base name and the name of this entry are no path of a value.
    #[error("entry {0} has a name that is no path of a value")]
    NotAPath(usize),
    /// There are more than [`MOST_RECORDS`] entries.
    #[error("more than {MOST_RECORDS} entries")]
    TooMany,
}

/// Reads the records of an answer to a request for `base`.
pub(super) fn decode(base: Path, payload: &[u8], model: &ObjectModel) -> Result<Vec<Record>, DecodeError> {
    let mut document = Document::default();
    let mut reader = Reader::new(payload)?;
    reader.object(|reader, name| match &*name {
        "bn" => set(&mut document.base_name, "bn", text(reader.scalar()?)),
        "bt" => set(&mut document.base_time, "bt", number(&reader.scalar()?)),
        "e" if document.entries.is_none() => {
            document.entries = Some(entries(reader)?);
            Ok(())
        }
        "e" => Err(Lwm2mJsonError::Repeated("e").into()),
        _ => Ok(reader.skip()?),
    })?;
    reader.end()?;
    document.records(base, model)
}

/// Appends the records.
pub(super) fn encode(records: &[Record], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let base = above_all(records);
    json::print(out, format_args!("{{\"bn\":\"{}\"", prefix(base)));
    let base_time = common_time(records);
    if let Some(time) = base_time {
        out.extend_from_slice(b",\"bt\":");
        json::write_time(time, out);
    }
    out.extend_from_slice(b",\"e\":[");
    for (index, record) in records.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        json::print(out, format_args!("{comma}{{\"n\":\"{}\"", name_below(base, record.path)));
        write_value(record, out)?;
        if let Some(time) = record.time.filter(|_| base_time.is_none()) {
            out.extend_from_slice(b",\"t\":");
            json::write_time(time, out);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

fn write_value(record: &Record, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let value = record.value.as_ref().ok_or(EncodeError::NoValue(record.path))?;
    let label = match value {
        Value::String(_) | Value::Opaque(_) => "sv",
        Value::Boolean(_) => "bv",
        Value::ObjectLink(..) => "ov",
        Value::Integer(_) | Value::Unsigned(_) | Value::Float(_) | Value::Time(_) => "v",
    };
    json::print(out, format_args!(",\"{label}\":"));
    if let Value::Opaque(bytes) = value {
        out.push(b'"');
        base64::encode(bytes, out);
        out.push(b'"');
        return Ok(());
    }
    json::write_value(value, record.path, out)
}

/// The whole text. Base name and base time may stand after the entries.
#[derive(Default)]
struct Document<'a> {
    base_name: Option<String>,
    base_time: Option<Number>,
    entries: Option<Vec<Entry<'a>>>,
}

/// One entry.
#[derive(Default)]
struct Entry<'a> {
    name: Option<String>,
    time: Option<Number>,
    value: Option<Scalar<'a>>,
}

impl Document<'_> {
    fn records(self, base: Path, model: &ObjectModel) -> Result<Vec<Record>, DecodeError> {
        // Without a base name the names are below what was asked for.
        let naming = if self.base_name.is_some() { Naming::Values } else { Naming::ValuesBelow };
        let base_name = self.base_name.unwrap_or_default();
        let entries = self.entries.ok_or(Lwm2mJsonError::NoEntries)?.into_iter().enumerate();
        let records = entries.map(|(index, entry)| {
            let name = entry.name.unwrap_or_default();
            if base_name.len() + name.len() > LONGEST_NAME {
                return Err(Lwm2mJsonError::LongName(index).into());
            }
            let path = naming.path(base, &(base_name.clone() + &name));
            let path = path.ok_or(Lwm2mJsonError::NotAPath(index))?;
            if !base.contains(path) {
                return Err(DecodeError::Outside { path, asked: base });
            }
            let value = entry.value.ok_or(Lwm2mJsonError::NoValue(index))?;
            let value = bytes_where_wanted(value, path, model)?.typed(path, model)?;
            let time = match (self.base_time, entry.time) {
                (Some(base), Some(time)) => Some(base.plus(time)),
                (base, time) => base.or(time),
            };
            Ok(Record { path, value, time: time.map(Number::real) })
        });
        records.collect()
    }
}

/// The format has no type for bytes: they are base64 in a text.
fn bytes_where_wanted<'a>(
    value: Scalar<'a>,
    path: Path,
    model: &ObjectModel,
) -> Result<Scalar<'a>, DecodeError> {
    match value {
        Scalar::Text(text) if model.kind_at(path) == Some(Kind::Opaque) => {
            Scalar::from_base64(&text).ok_or(DecodeError::WrongValue { path, kind: Kind::Opaque })
        }
        other => Ok(other),
    }
}

fn entries<'a>(reader: &mut Reader<'a>) -> Result<Vec<Entry<'a>>, DecodeError> {
    let mut entries = Vec::new();
    reader.array(|reader| {
        if entries.len() == MOST_RECORDS {
            return Err(DecodeError::from(Lwm2mJsonError::TooMany));
        }
        let mut entry = Entry::default();
        reader.object(|reader, name| match &*name {
            "n" => set(&mut entry.name, "n", text(reader.scalar()?)),
            "t" => set(&mut entry.time, "t", number(&reader.scalar()?)),
            "v" | "sv" | "bv" | "ov" => {
                let value = shaped(&name, reader.scalar()?)?;
                match entry.value.replace(value) {
                    None => Ok(()),
                    Some(_) => Err(Lwm2mJsonError::TwoValues(entries.len()).into()),
                }
            }
            _ => Ok(reader.skip()?),
        })?;
        entries.push(entry);
        Ok(())
    })?;
    Ok(entries)
}

fn shaped<'a>(name: &str, value: Scalar<'a>) -> Result<Scalar<'a>, Lwm2mJsonError> {
    match (name, value) {
        (_, Scalar::Null) => Ok(Scalar::Null),
        ("v", value @ Scalar::Number(_)) => Ok(value),
        ("v", _) => Err(Lwm2mJsonError::WrongType("v")),
        ("sv", value @ Scalar::Text(_)) => Ok(value),
        ("sv", _) => Err(Lwm2mJsonError::WrongType("sv")),
        ("bv", value @ (Scalar::Boolean(_) | Scalar::Number(_))) => Ok(value),
        ("bv", _) => Err(Lwm2mJsonError::WrongType("bv")),
        (_, Scalar::Text(text)) => Scalar::from_link(&text).ok_or(Lwm2mJsonError::WrongType("ov")),
        _ => Err(Lwm2mJsonError::WrongType("ov")),
    }
}

/// Fills a member that comes at most once.
fn set<T>(slot: &mut Option<T>, name: &'static str, value: Option<T>) -> Result<(), DecodeError> {
    let value = value.ok_or(Lwm2mJsonError::WrongType(name))?;
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Lwm2mJsonError::Repeated(name).into()),
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
        Scalar::Number(number) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

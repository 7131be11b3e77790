//! A value as a self-describing format carries it, before the object model gives it its type.

use alloc::borrow::Cow;

use super::{DecodeError, base64};
use crate::model::ObjectModel;
use crate::path::{InstanceId, ObjectId, Path};
use crate::value::{Kind, Value};

/// A number; whole ones stay exact.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Number {
    /// Without fraction and exponent.
    Whole(i128),
    /// Any other.
    Real(f64),
}

impl Number {
    /// As floating point, rounded to the nearest.
    pub(super) const fn real(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Real(number) => number,
        }
    }

    /// As a whole number; None if there is a fraction or if digits are lost.
    pub(super) fn whole(self) -> Option<i128> {
        match self {
            Self::Whole(number) => Some(number),
            Self::Real(number) => {
                let whole = number as i64;
                (whole as f64 == number && whole.unsigned_abs() <= 1 << 53).then(|| whole.into())
            }
        }
    }

    /// The sum, exact for whole numbers.
    pub(super) fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Whole(one), Self::Whole(two)) => Self::Whole(one.saturating_add(two)),
            _ => Self::Real(self.real() + other.real()),
        }
    }
}

/// A value without its LwM2M type.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Scalar<'a> {
    Null,
    Boolean(bool),
    Number(Number),
    /// A number that the format marks as a time.
    Time(Number),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    Link(ObjectId, InstanceId),
}

impl Scalar<'_> {
    /// The value at `path`, of the type that the model gives it, or without one of the most natural type.
    /// None if there is no value.
    pub(super) fn typed(self, path: Path, model: &ObjectModel) -> Result<Option<Value>, DecodeError> {
        if self == Scalar::Null {
            return Ok(None);
        }
        let kind = model.kind_at(path).unwrap_or_else(|| self.natural());
        self.of(kind).map(Some).ok_or(DecodeError::WrongValue { path, kind })
    }

    const fn natural(&self) -> Kind {
        match self {
            Scalar::Boolean(_) => Kind::Boolean,
            Scalar::Number(Number::Whole(number)) if *number > i64::MAX as i128 => Kind::Unsigned,
            Scalar::Number(Number::Whole(_)) => Kind::Integer,
            Scalar::Number(Number::Real(_)) => Kind::Float,
            Scalar::Time(_) => Kind::Time,
            Scalar::Null | Scalar::Text(_) => Kind::String,
            Scalar::Bytes(_) => Kind::Opaque,
            Scalar::Link(..) => Kind::ObjectLink,
        }
    }

    /// Lets through what can mean one thing only: 1 for true, 3.0 for 3, a link as text.
    fn of(self, kind: Kind) -> Option<Value> {
        Some(match (kind, self) {
            (Kind::String, Scalar::Text(text)) => Value::String(text.into_owned()),
            (Kind::Opaque, Scalar::Bytes(bytes)) => Value::Opaque(bytes.into_owned()),
            (Kind::Boolean, Scalar::Boolean(truth)) => Value::Boolean(truth),
            (Kind::Boolean, Scalar::Number(number)) => match number.whole()? {
                0 => Value::Boolean(false),
                1 => Value::Boolean(true),
                _ => return None,
            },
            (Kind::ObjectLink, Scalar::Link(object, instance)) => Value::ObjectLink(object, instance),
            (Kind::ObjectLink, Scalar::Text(text)) => {
                let (object, instance) = link(&text)?;
                Value::ObjectLink(object, instance)
            }
            (kind, Scalar::Number(number) | Scalar::Time(number)) => numeric(number, kind)?,
            _ => return None,
        })
    }

    /// Bytes that travel as text in a format without bytes; None if it is not base64.
    pub(super) fn from_base64(text: &str) -> Option<Self> {
        base64::decode(text.as_bytes()).map(|bytes| Scalar::Bytes(bytes.into()))
    }

    /// The text of a link, `66:0`; None if it is not one.
    pub(super) fn from_link(text: &str) -> Option<Self> {
        link(text).map(|(object, instance)| Scalar::Link(object, instance))
    }
}

fn numeric(number: Number, kind: Kind) -> Option<Value> {
    Some(match kind {
        Kind::Integer => Value::Integer(number.whole()?.try_into().ok()?),
        Kind::Unsigned => Value::Unsigned(number.whole()?.try_into().ok()?),
        Kind::Float => Value::Float(number.real()),
        // A resource of type Time counts seconds; some devices send fractions of them.
        Kind::Time => Value::Time(match number {
            Number::Whole(seconds) => seconds.try_into().ok()?,
            Number::Real(seconds) if seconds.is_finite() && seconds.abs() < 1e15 => seconds as i64,
            Number::Real(_) => return None,
        }),
        Kind::String | Kind::Boolean | Kind::Opaque | Kind::ObjectLink => return None,
    })
}

/// `object:instance` (LwM2M Core 1.1 appendix C).
pub(super) fn link(text: &str) -> Option<(ObjectId, InstanceId)> {
    let (object, instance) = text.split_once(':')?;
    Some((ObjectId(object.parse().ok()?), InstanceId(instance.parse().ok()?)))
}

/// A time as whole seconds, if it has no fraction and is not too large to have one.
pub(super) fn whole_seconds(time: f64) -> Option<i64> {
    Number::Real(time).whole()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(kind: Kind, scalar: Scalar<'_>) -> Option<Value> {
        scalar.of(kind)
    }

    #[test]
    fn whole_numbers_stay_exact() {
        let most = Scalar::Number(Number::Whole(i128::from(u64::MAX)));
        assert_eq!(at(Kind::Unsigned, most.clone()), Some(Value::Unsigned(u64::MAX)));
        assert_eq!(at(Kind::Integer, most), None);
        let least = Scalar::Number(Number::Whole(i128::from(i64::MIN)));
        assert_eq!(at(Kind::Integer, least.clone()), Some(Value::Integer(i64::MIN)));
        assert_eq!(at(Kind::Unsigned, least), None);
        assert_eq!(at(Kind::Integer, Scalar::Number(Number::Real(3.0))), Some(Value::Integer(3)));
        for odd in [0.5, 1e17, f64::NAN, f64::INFINITY] {
            assert_eq!(at(Kind::Integer, Scalar::Number(Number::Real(odd))), None, "{odd}");
        }
    }

    #[test]
    fn a_value_without_a_model_has_its_natural_type() {
        let natural = |scalar: Scalar<'_>| {
            scalar.typed(Path::resource(40_000, 0, 0), &ObjectModel::CORE).map(Option::unwrap)
        };
        assert_eq!(natural(Scalar::Number(Number::Whole(-1))), Ok(Value::Integer(-1)));
        let large = Number::Whole(i128::from(u64::MAX));
        assert_eq!(natural(Scalar::Number(large)), Ok(Value::Unsigned(u64::MAX)));
        assert_eq!(natural(Scalar::Number(Number::Real(0.5))), Ok(Value::Float(0.5)));
        assert_eq!(natural(Scalar::Time(Number::Whole(7))), Ok(Value::Time(7)));
        let enormous = Scalar::Number(Number::Whole(1 << 64));
        let path = Path::resource(40_000, 0, 0);
        assert_eq!(natural(enormous), Err(DecodeError::WrongValue { path, kind: Kind::Unsigned }));
    }

    #[test]
    fn what_can_mean_one_thing_only_is_let_through() {
        let one = Scalar::Number(Number::Whole(1));
        assert_eq!(at(Kind::Boolean, one.clone()), Some(Value::Boolean(true)));
        assert_eq!(at(Kind::Boolean, Scalar::Number(Number::Whole(2))), None);
        assert_eq!(at(Kind::Float, one.clone()), Some(Value::Float(1.0)));
        assert_eq!(at(Kind::Time, Scalar::Time(Number::Real(1.75))), Some(Value::Time(1)));
        assert_eq!(at(Kind::String, one), None);
        let to = Some(Value::ObjectLink(ObjectId(66), InstanceId(0)));
        assert_eq!(at(Kind::ObjectLink, Scalar::Text("66:0".into())), to);
        assert_eq!(at(Kind::ObjectLink, Scalar::Text("66".into())), None);
        assert_eq!(at(Kind::Opaque, Scalar::Text("AA".into())), None);
    }
}

//! One object and one resource as the model describes them.

use alloc::borrow::Cow;
use core::fmt;
use core::str::FromStr;

use crate::path::{ObjectId, ResourceId};
use crate::value::{Kind, Value};

/// What a server may do with a resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Read and observe.
    Read,
    /// Write.
    Write,
    /// Read, observe and write.
    ReadWrite,
    /// Execute.
    Execute,
    /// Only the bootstrap server.
    Bootstrap,
}

impl Access {
    /// Whether it can be read.
    pub const fn is_readable(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    /// Whether it can be written.
    pub const fn is_writable(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }

    /// As definitions write it: `R`, `W`, `RW`, `E`, or nothing.
    pub const fn letters(self) -> &'static str {
        match self {
            Self::Read => "R",
            Self::Write => "W",
            Self::ReadWrite => "RW",
            Self::Execute => "E",
            Self::Bootstrap => "",
        }
    }
}

/// Which values a resource takes; both ends belong to it.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Range {
    /// Everything that its type can hold.
    #[default]
    Any,
    /// Whole numbers from the first to the second.
    Whole(i64, i64),
    /// Numbers from the first to the second.
    Real(f64, f64),
    /// Texts and bytes of so many bytes.
    Length(u32, u32),
}

impl Range {
    /// Whether a value lies in it. A value of a type that the range does not speak of does.
    pub fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Whole(least, most), Value::Integer(number) | Value::Time(number)) => {
                (least..=most).contains(number)
            }
            (Self::Whole(least, most), Value::Unsigned(number)) => {
                i64::try_from(*number).is_ok_and(|number| (least..=most).contains(&number))
            }
            (Self::Real(least, most), Value::Float(number)) => (least..=most).contains(number),
            (Self::Length(least, most), Value::String(text)) => within(text.len(), least, most),
            (Self::Length(least, most), Value::Opaque(bytes)) => within(bytes.len(), least, most),
            _ => true,
        }
    }
}

fn within(length: usize, least: u32, most: u32) -> bool {
    u32::try_from(length).is_ok_and(|length| (least..=most).contains(&length))
}

impl fmt::Display for Range {
    /// As definitions write it, such as `0..255 bytes`; nothing for any value.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Whole(least, most) => write!(formatter, "{least}..{most}"),
            Self::Real(least, most) => write!(formatter, "{least}..{most}"),
            Self::Length(least, most) => write!(formatter, "{least}..{most} bytes"),
        }
    }
}

/// One resource of an object.
#[derive(Clone, PartialEq, Debug)]
pub struct ResourceDefinition {
    /// Its number.
    pub id: ResourceId,
    /// Its name.
    pub name: Cow<'static, str>,
    /// The type; execute-only resources have [`Kind::String`], the type of their argument.
    pub kind: Kind,
    /// Whether it holds several values.
    pub multiple: bool,
    /// Whether every instance has it.
    pub mandatory: bool,
    /// What a server may do.
    pub access: Access,
    /// Which values it takes.
    pub range: Range,
    /// The unit of its numbers as definitions write it, such as `s`; empty if there is none.
    pub unit: Cow<'static, str>,
    /// What it is for, in a sentence.
    pub description: Cow<'static, str>,
}

impl ResourceDefinition {
    /// An optional resource with one value of any size and no unit.
    pub const fn new(
        id: u16,
        name: &'static str,
        kind: Kind,
        access: Access,
        description: &'static str,
    ) -> Self {
        Self {
            id: ResourceId(id),
            name: Cow::Borrowed(name),
            kind,
            multiple: false,
            mandatory: false,
            access,
            range: Range::Any,
            unit: Cow::Borrowed(""),
            description: Cow::Borrowed(description),
        }
    }

    /// The same in this unit.
    #[must_use]
    pub fn unit(mut self, unit: &'static str) -> Self {
        self.unit = Cow::Borrowed(unit);
        self
    }
}

/// The version of an object, such as `1.1` (LwM2M Core 1.1 section 7.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectVersion {
    /// Changes when devices and servers of the version before do not understand it.
    pub major: u8,
    /// Changes with every addition.
    pub minor: u8,
}

impl ObjectVersion {
    /// What an object has that says nothing else.
    pub const FIRST: Self = Self::new(1, 0);

    /// The version with these numbers.
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }
}

impl fmt::Display for ObjectVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// The text is no version of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a version is written as two numbers up to 255, such as 1.1")]
pub struct ParseObjectVersionError;

impl FromStr for ObjectVersion {
    type Err = ParseObjectVersionError;

    fn from_str(text: &str) -> Result<Self, ParseObjectVersionError> {
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse().map_err(|_| ParseObjectVersionError),
            false => Err(ParseObjectVersionError),
        };
        let (major, minor) = text.split_once('.').ok_or(ParseObjectVersionError)?;
        Ok(Self { major: number(major)?, minor: number(minor)? })
    }
}

/// One object.
#[derive(Clone, PartialEq, Debug)]
pub struct ObjectDefinition {
    /// Its number.
    pub id: ObjectId,
    /// Which version of the object this is.
    pub version: ObjectVersion,
    /// Its name.
    pub name: Cow<'static, str>,
    /// Whether there may be several instances.
    pub multiple: bool,
    /// Whether every device has it.
    pub mandatory: bool,
    /// Its resources, in the order of their numbers.
    pub resources: Cow<'static, [ResourceDefinition]>,
    /// What it is for, in a sentence.
    pub description: Cow<'static, str>,
}

impl ObjectDefinition {
    /// An optional object of version 1.0 with one instance.
    pub const fn new(
        id: u16,
        name: &'static str,
        resources: &'static [ResourceDefinition],
        description: &'static str,
    ) -> Self {
        Self {
            id: ObjectId(id),
            version: ObjectVersion::FIRST,
            name: Cow::Borrowed(name),
            multiple: false,
            mandatory: false,
            resources: Cow::Borrowed(resources),
            description: Cow::Borrowed(description),
        }
    }

    /// The same with several instances.
    #[must_use]
    pub const fn several(mut self) -> Self {
        self.multiple = true;
        self
    }

    /// The definition of a resource.
    pub fn resource(&self, resource: ResourceId) -> Option<&ResourceDefinition> {
        let index = self.resources.binary_search_by_key(&resource, |definition| definition.id).ok()?;
        self.resources.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_speaks_of_its_own_type_only() {
        let percent = Range::Whole(0, 100);
        assert!(percent.holds(&Value::Integer(100)) && percent.holds(&Value::Unsigned(0)));
        assert!(!percent.holds(&Value::Integer(-1)) && !percent.holds(&Value::Unsigned(u64::MAX)));
        assert!(percent.holds(&Value::from("a text of another length")));
        assert!(!Range::Length(0, 3).holds(&Value::from("four")));
        assert!(!Range::Real(-90.0, 90.0).holds(&Value::Float(f64::NAN)));
        assert!(Range::Real(-90.0, 90.0).holds(&Value::Float(-90.0)));
    }

    #[test]
    fn versions_are_two_numbers_and_have_an_order() {
        let version = |text: &str| text.parse::<ObjectVersion>();
        assert_eq!(version("1.10"), Ok(ObjectVersion::new(1, 10)));
        assert!(ObjectVersion::new(1, 9) < ObjectVersion::new(1, 10));
        assert!(ObjectVersion::new(1, 10) < ObjectVersion::new(2, 0));
        for text in ["", "1", "1.", ".1", "1.+1", "1.0.1", "1.256", "1.1 "] {
            assert_eq!(version(text), Err(ParseObjectVersionError), "{text}");
        }
    }
}

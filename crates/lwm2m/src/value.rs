//! What lives at a path.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::path::{InstanceId, ObjectId, ResourceId, ResourceInstanceId};

/// The type of a resource (LwM2M Core 1.1 appendix C).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// UTF-8 text.
    String,
    /// Signed, up to 64 bits.
    Integer,
    /// Unsigned, up to 64 bits (since 1.1).
    Unsigned,
    /// 32 or 64 bits.
    Float,
    /// True or false.
    Boolean,
    /// Bytes.
    Opaque,
    /// Seconds since 1970-01-01T00:00:00Z.
    Time,
    /// A reference to an instance of an object.
    ObjectLink,
}

impl fmt::Display for Kind {
    /// In words, such as `unsigned integer`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Unsigned => "unsigned integer",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Opaque => "opaque",
            Self::Time => "time",
            Self::ObjectLink => "object link",
        })
    }
}

/// One value.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// UTF-8 text.
    String(String),
    /// A signed number.
    Integer(i64),
    /// An unsigned number.
    Unsigned(u64),
    /// A floating point number.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// Bytes; also what a resource holds that no object model describes.
    Opaque(Vec<u8>),
    /// Seconds since 1970-01-01T00:00:00Z.
    Time(i64),
    /// A reference; 65535:65535 points nowhere.
    ObjectLink(ObjectId, InstanceId),
}

impl Value {
    /// The type of the value.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::String(_) => Kind::String,
            Self::Integer(_) => Kind::Integer,
            Self::Unsigned(_) => Kind::Unsigned,
            Self::Float(_) => Kind::Float,
            Self::Boolean(_) => Kind::Boolean,
            Self::Opaque(_) => Kind::Opaque,
            Self::Time(_) => Kind::Time,
            Self::ObjectLink(..) => Kind::ObjectLink,
        }
    }

    /// The text of a string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number of an integer, an unsigned one that fits, or a time.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) | Self::Time(number) => Some(*number),
            Self::Unsigned(number) => i64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The bytes of an opaque value.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Opaque(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl fmt::Display for Value {
    /// As text/plain writes it; opaque values as hexadecimal.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => formatter.write_str(text),
            Self::Integer(number) | Self::Time(number) => write!(formatter, "{number}"),
            Self::Unsigned(number) => write!(formatter, "{number}"),
            Self::Float(number) => write!(formatter, "{number}"),
            Self::Boolean(truth) => formatter.write_str(if *truth { "1" } else { "0" }),
            Self::Opaque(bytes) => bytes.iter().try_for_each(|byte| write!(formatter, "{byte:02x}")),
            Self::ObjectLink(object, instance) => write!(formatter, "{}:{}", object.0, instance.0),
        }
    }
}

/// A resource: one value, or several with numbers.
#[derive(Clone, PartialEq, Debug)]
pub enum Resource {
    /// One value.
    Single(Value),
    /// Values by number; may be empty.
    Multiple(BTreeMap<ResourceInstanceId, Value>),
}

impl Resource {
    /// The value of a single resource.
    pub const fn single(&self) -> Option<&Value> {
        match self {
            Self::Single(value) => Some(value),
            Self::Multiple(_) => None,
        }
    }

    /// All values in the order of their numbers; one for a single resource.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let (one, many) = match self {
            Self::Single(value) => (Some(value), None),
            Self::Multiple(values) => (None, Some(values.values())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

/// The resources of an instance of an object.
pub type Instance = BTreeMap<ResourceId, Resource>;

/// What a path names: the payload of a read, a write or a notification.
#[derive(Clone, PartialEq, Debug)]
pub enum Node {
    /// Of `/3`.
    Object(BTreeMap<InstanceId, Instance>),
    /// Of `/3/0`.
    Instance(Instance),
    /// Of `/3/0/9`.
    Resource(Resource),
    /// Of `/3/0/6/1`.
    Value(Value),
}

impl Node {
    /// A single resource with this value.
    pub const fn single(value: Value) -> Self {
        Self::Resource(Resource::Single(value))
    }

    /// The only value, of a single resource or of a resource instance.
    pub const fn value(&self) -> Option<&Value> {
        match self {
            Self::Resource(resource) => resource.single(),
            Self::Value(value) => Some(value),
            Self::Object(_) | Self::Instance(_) => None,
        }
    }

    /// A resource of an instance.
    pub fn resource(&self, resource: u16) -> Option<&Resource> {
        match self {
            Self::Instance(instance) => instance.get(&ResourceId(resource)),
            _ => None,
        }
    }
}

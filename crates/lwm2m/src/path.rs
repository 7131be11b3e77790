//! Where a value lives: `/object/instance/resource/resource instance`.

use core::fmt;
use core::str::FromStr;

/// The number of an object, `/3` (LwM2M Core 1.1 section 7.1). 65535 is reserved.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectId(pub u16);

/// The number of an instance of an object, `/3/0`. 65535 is reserved.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InstanceId(pub u16);

/// The number of a resource, `/3/0/9`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ResourceId(pub u16);

/// The number of one value of a multiple resource, `/3/0/6/1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ResourceInstanceId(pub u16);

/// A place in a device's data, from the whole of it down to one value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Path {
    /// `/`
    Root,
    /// `/3`
    Object(ObjectId),
    /// `/3/0`
    Instance(ObjectId, InstanceId),
    /// `/3/0/9`
    Resource(ObjectId, InstanceId, ResourceId),
    /// `/3/0/6/1`
    ResourceInstance(ObjectId, InstanceId, ResourceId, ResourceInstanceId),
}

impl Path {
    /// `/object`
    pub const fn object(object: u16) -> Self {
        Self::Object(ObjectId(object))
    }

    /// `/object/instance`
    pub const fn instance(object: u16, instance: u16) -> Self {
        Self::Instance(ObjectId(object), InstanceId(instance))
    }

    /// `/object/instance/resource`
    pub const fn resource(object: u16, instance: u16, resource: u16) -> Self {
        Self::Resource(ObjectId(object), InstanceId(instance), ResourceId(resource))
    }

    /// `/object/instance/resource/value`
    pub const fn resource_instance(object: u16, instance: u16, resource: u16, value: u16) -> Self {
        Self::ResourceInstance(
            ObjectId(object),
            InstanceId(instance),
            ResourceId(resource),
            ResourceInstanceId(value),
        )
    }

    /// How many numbers it has, 0 to 4.
    pub const fn depth(self) -> usize {
        match self {
            Self::Root => 0,
            Self::Object(..) => 1,
            Self::Instance(..) => 2,
            Self::Resource(..) => 3,
            Self::ResourceInstance(..) => 4,
        }
    }

    /// The object, unless this is the root.
    pub const fn object_id(self) -> Option<ObjectId> {
        match self {
            Self::Root => None,
            Self::Object(object)
            | Self::Instance(object, _)
            | Self::Resource(object, ..)
            | Self::ResourceInstance(object, ..) => Some(object),
        }
    }

    /// The instance, if the path goes that deep.
    pub const fn instance_id(self) -> Option<InstanceId> {
        match self {
            Self::Root | Self::Object(_) => None,
            Self::Instance(_, instance)
            | Self::Resource(_, instance, _)
            | Self::ResourceInstance(_, instance, ..) => Some(instance),
        }
    }

    /// The resource, if the path goes that deep.
    pub const fn resource_id(self) -> Option<ResourceId> {
        match self {
            Self::Root | Self::Object(_) | Self::Instance(..) => None,
            Self::Resource(.., resource) | Self::ResourceInstance(_, _, resource, _) => Some(resource),
        }
    }

    /// The value's number, if the path goes that deep.
    pub const fn resource_instance_id(self) -> Option<ResourceInstanceId> {
        match self {
            Self::ResourceInstance(.., value) => Some(value),
            _ => None,
        }
    }

    /// The numbers from the object down; only the first [`Path::depth`] of them mean something.
    pub const fn numbers(self) -> [u16; 4] {
        match self {
            Self::Root => [0; 4],
            Self::Object(object) => [object.0, 0, 0, 0],
            Self::Instance(object, instance) => [object.0, instance.0, 0, 0],
            Self::Resource(object, instance, resource) => [object.0, instance.0, resource.0, 0],
            Self::ResourceInstance(object, instance, resource, value) => {
                [object.0, instance.0, resource.0, value.0]
            }
        }
    }

    /// The path with these numbers; `None` for more than four.
    pub const fn from_numbers(numbers: &[u16]) -> Option<Self> {
        match *numbers {
            [] => Some(Self::Root),
            [object] => Some(Self::object(object)),
            [object, instance] => Some(Self::instance(object, instance)),
            [object, instance, resource] => Some(Self::resource(object, instance, resource)),
            [object, instance, resource, value] => {
                Some(Self::resource_instance(object, instance, resource, value))
            }
            _ => None,
        }
    }

    /// The path one number deeper; `None` below a resource instance.
    pub fn child(self, number: u16) -> Option<Self> {
        let mut numbers = [0; 5];
        let depth = self.depth();
        numbers[..4].copy_from_slice(&self.numbers());
        numbers[depth] = number;
        Self::from_numbers(&numbers[..=depth])
    }

    /// Whether `other` is this place or lies inside it.
    pub fn contains(self, other: Self) -> bool {
        let depth = self.depth();
        depth <= other.depth() && self.numbers()[..depth] == other.numbers()[..depth]
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::Root {
            return formatter.write_str("/");
        }
        self.numbers()[..self.depth()].iter().try_for_each(|number| write!(formatter, "/{number}"))
    }
}

/// The text is not a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParsePathError {
    /// It does not start with a slash.
    #[error("a path starts with a slash")]
    NoLeadingSlash,
    /// A part is not a decimal number from 0 to 65534.
    #[error("each part of a path is a number from 0 to 65534")]
    NotANumber,
    /// It has more than four parts.
    #[error("a path has at most four parts")]
    TooDeep,
}

impl FromStr for Path {
    type Err = ParsePathError;

    /// Reads `/`, `/3`, `/3/0`, `/3/0/9` or `/3/0/6/1`; one slash at the end is let through.
    fn from_str(text: &str) -> Result<Self, ParsePathError> {
        let inner = text.strip_prefix('/').ok_or(ParsePathError::NoLeadingSlash)?;
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        if inner.is_empty() {
            return Ok(Self::Root);
        }
        let mut numbers = [0; 4];
        let mut depth = 0;
        for part in inner.split('/') {
            let slot = numbers.get_mut(depth).ok_or(ParsePathError::TooDeep)?;
            *slot = number(part).ok_or(ParsePathError::NotANumber)?;
            depth += 1;
        }
        Self::from_numbers(&numbers[..depth]).ok_or(ParsePathError::TooDeep)
    }
}

/// A decimal number without sign; 65535 is reserved (LwM2M Core 1.1 section 7.1).
fn number(part: &str) -> Option<u16> {
    if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    part.parse().ok().filter(|number| *number != u16::MAX)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        for text in ["/", "/3", "/3/0", "/3/0/9", "/3/0/6/1", "/65534/65534/65534/65534"] {
            assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_not_a_path() {
        for (text, error) in [
            ("", ParsePathError::NoLeadingSlash),
            ("3/0", ParsePathError::NoLeadingSlash),
            ("/3/x", ParsePathError::NotANumber),
            ("/3//1", ParsePathError::NotANumber),
            ("/+3", ParsePathError::NotANumber),
            ("/65535", ParsePathError::NotANumber),
            ("/70000", ParsePathError::NotANumber),
            ("/1/2/3/4/5", ParsePathError::TooDeep),
        ] {
            assert_eq!(text.parse::<Path>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_place_contains_itself_and_what_is_below() {
        let instance = Path::instance(3, 0);
        assert!(instance.contains(instance));
        assert!(instance.contains(Path::resource(3, 0, 9)));
        assert!(!instance.contains(Path::object(3)));
        assert!(!instance.contains(Path::resource(3, 1, 9)));
        assert_eq!(instance.child(9), Some(Path::resource(3, 0, 9)));
        assert_eq!(Path::resource_instance(3, 0, 6, 1).child(0), None);
    }
}

//! Why an operation was not sent, in plain words.

use alloc::string::String;

use super::attributes::{Attribute, AttributeConflict};
use crate::model::{Access, Range};
use crate::server::Version;
use crate::value::Kind;

/// What is wrong with an operation, and what to do instead. No device has seen it.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Reason {
    /// Keys and accounts are closed to every server but the bootstrap server (LwM2M Core 1.1 section 6.3).
    #[error("only a bootstrap server may use object {object}; change keys and accounts by a bootstrap")]
    Closed {
        /// 0 or 21.
        object: u16,
    },
    /// The operation is for another kind of place.
    #[error("{operation} takes {takes}")]
    Place {
        /// What was asked for, such as `Execute`.
        operation: &'static str,
        /// What it can be used on, with an example.
        takes: &'static str,
    },
    /// The model forbids it.
    #[error("\"{name}\" {}", allowed(*.access))]
    Access {
        /// The name of the resource.
        name: String,
        /// What can be done with it.
        access: Access,
    },
    /// The value has another type than the model says.
    #[error("\"{name}\" takes {} {needs}, not {} {given}", article(*.needs), article(*.given))]
    Type {
        /// The name of the resource.
        name: String,
        /// The type that the model says.
        needs: Kind,
        /// The type of the value.
        given: Kind,
    },
    /// The value is outside of what the model says.
    #[error("\"{name}\" takes {range}")]
    Range {
        /// The name of the resource.
        name: String,
        /// What the model says.
        range: Range,
    },
    /// Several values for a resource with one.
    #[error("\"{name}\" holds one value; give one without a number")]
    OneValue {
        /// The name of the resource.
        name: String,
    },
    /// One value without a number for a resource with several.
    #[error(
        "\"{name}\" holds several values; give them with their numbers, or write one of them by its path"
    )]
    SeveralValues {
        /// The name of the resource.
        name: String,
    },
    /// The value does not have the shape of the place.
    #[error("the value does not have the shape of this place")]
    Shape,
    /// There is nothing to write or to ask for.
    #[error("nothing is given; name at least one value or path")]
    Nothing,
    /// More paths than one request carries.
    #[error("{given} paths are more than {most}; split them")]
    TooMany {
        /// How many were given.
        given: usize,
        /// How many one request may have.
        most: usize,
    },
    /// The device speaks a version that does not have this.
    #[error("the device speaks LwM2M {spoken} and this needs {needed}; {instead}")]
    Version {
        /// What the device registered with.
        spoken: Version,
        /// The first version that has it.
        needed: Version,
        /// What can be done instead.
        instead: &'static str,
    },
    /// Every device has it.
    #[error("\"{name}\" belongs to every device and cannot be deleted")]
    Undeletable {
        /// The name of the object.
        name: String,
    },
    /// The argument of Execute is not written as the standard says (LwM2M Core 1.1 section 6.3.6).
    #[error(
        "part {part} of the argument must be a digit, or a digit and a text such as 0='text'; the text must not have spaces, quotes or backslashes"
    )]
    Argument {
        /// Which of the parts between commas, from 1.
        part: usize,
    },
    /// Attributes contradict each other (LwM2M Core 1.1 section 5.1.2).
    #[error("{0}")]
    Conflict(AttributeConflict),
    /// An attribute that compares numbers where there is no single number.
    #[error("{attribute} compares numbers; use it on a resource that holds one")]
    NotANumber {
        /// The attribute.
        attribute: Attribute,
    },
}

fn allowed(access: Access) -> &'static str {
    match access {
        Access::Read => "can only be read",
        Access::Write => "can only be written",
        Access::ReadWrite => "can be read and written, not executed",
        Access::Execute => "is a command; execute it",
        Access::Bootstrap => "belongs to the bootstrap server",
    }
}

fn article(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer | Kind::Unsigned | Kind::Opaque | Kind::ObjectLink => "an",
        Kind::String | Kind::Float | Kind::Boolean | Kind::Time => "a",
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn reasons_are_plain_sentences() {
        let name = || String::from("Lifetime");
        for (reason, text) in [
            (
                Reason::Type { name: name(), needs: Kind::Integer, given: Kind::String },
                "\"Lifetime\" takes an integer, not a string",
            ),
            (
                Reason::Access { name: "Reboot".into(), access: Access::Execute },
                "\"Reboot\" is a command; execute it",
            ),
            (Reason::Range { name: name(), range: Range::Whole(0, 9) }, "\"Lifetime\" takes 0..9"),
            (Reason::Conflict(AttributeConflict::Border), "lt must be below gt"),
        ] {
            assert_eq!(reason.to_string(), text);
        }
    }
}

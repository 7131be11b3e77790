//! What a device can be asked to do, and what comes of it.

use alloc::string::String;
use alloc::vec::Vec;

use coap::Code;

use super::attributes::Attributes;
use super::check::Rules;
use super::reason::Reason;
use crate::format::link::LinkError;
use crate::format::{DecodeError, Record};
use crate::model::ObjectModel;
use crate::path::Path;
use crate::server::Version;
use crate::value::Node;

/// Names an operation. Never used twice by one server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OperationId(pub u64);

/// What a registered device can be asked for.
#[derive(Clone, PartialEq, Debug)]
pub enum Operation {
    /// Read an object, an instance, a resource or a resource instance.
    Read(Path),
    /// Write a resource or one value of it, or those resources of an instance that are named; the others
    /// stay. Of a resource with several values, those that are not named stay too (since 1.1).
    Write(Path, Node),
    /// Write an instance or a resource, and take away what is not named.
    Replace(Path, Node),
    /// Execute a resource, with the argument as the standard writes it (LwM2M Core 1.1 section 6.3.6).
    Execute(Path, Option<String>),
    /// Create an instance: at an object, with an instance whose number the device chooses or an object of
    /// instances with their numbers; or at the path of the instance, with an instance.
    Create(Path, Node),
    /// Delete an instance, or one value of a resource (since 1.2).
    Delete(Path),
    /// List what is there, with its attributes.
    Discover(Path),
    /// Say when the device reports; takes effect on observations of this path.
    WriteAttributes(Path, Attributes),
    /// Report every change as [`Event::Notified`](super::super::Event::Notified); replaces an observation of
    /// the same path. It is kept while the device registers again and again, until it is canceled.
    Observe(Path),
    /// The same with attributes for this observation alone (since 1.2).
    ObserveWith(Path, Attributes),
    /// Ask the device to stop that.
    CancelObservation(Path),
    /// Stop that without a word: the next notification is reset.
    ResetObservation(Path),
    /// Read several places at once; `/` is the whole device (since 1.1).
    ReadComposite(Vec<Path>),
    /// Write several places at once; the device takes all or nothing (since 1.1).
    WriteComposite(Vec<Record>),
    /// Report changes of several places together as
    /// [`Event::CompositeNotified`](super::super::Event::CompositeNotified) (since 1.1).
    ObserveComposite(Vec<Path>),
    /// Ask the device to stop that; the same paths in the same order.
    CancelComposite(Vec<Path>),
}

impl Operation {
    /// Whether a device that speaks this version could take it, as far as the model knows (dm_06).
    ///
    /// # Errors
    /// [`OperationError::Invalid`] with the path and the reason.
    ///
    /// ```
    /// use lwm2m::model::ObjectModel;
    /// use lwm2m::path::Path;
    /// use lwm2m::server::{Operation, Version};
    ///
    /// let execute = Operation::Execute(Path::resource(3, 0, 9), None);
    /// let error = execute.check(&ObjectModel::CORE, Version::V1_1).unwrap_err();
    /// assert_eq!(error.to_string(), "/3/0/9: \"Battery Level\" can only be read");
    /// ```
    pub fn check(&self, model: &ObjectModel, spoken: Version) -> Result<(), OperationError> {
        Rules { model, spoken }.check(self)
    }

    /// What it is about; the root for composites.
    pub fn path(&self) -> Path {
        match self {
            Self::Read(path)
            | Self::Write(path, _)
            | Self::Replace(path, _)
            | Self::Execute(path, _)
            | Self::Create(path, _)
            | Self::Delete(path)
            | Self::Discover(path)
            | Self::WriteAttributes(path, _)
            | Self::Observe(path)
            | Self::ObserveWith(path, _)
            | Self::CancelObservation(path)
            | Self::ResetObservation(path) => *path,
            Self::ReadComposite(_)
            | Self::WriteComposite(_)
            | Self::ObserveComposite(_)
            | Self::CancelComposite(_) => Path::Root,
        }
    }
}

/// What an operation gave.
#[derive(Clone, PartialEq, Debug)]
pub enum OperationOutput {
    /// What was read, or the first value of an observation.
    Value(Node),
    /// The links of Discover, as the device wrote them; [`Discovered::read`](super::Discovered::read)
    /// understands them.
    Links(String),
    /// What a composite read or the start of a composite observation gave; what is not there is left out.
    Records(Vec<Record>),
    /// The instance was created here; `None` if the device did not tell and the new one could not be told
    /// from the others.
    Created(Option<Path>),
    /// It was done.
    Done,
}

/// Why an operation gave nothing.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum OperationError {
    /// The device is not registered, or not connected.
    #[error("the device is not registered")]
    NotRegistered,
    /// The operation makes no sense; nothing was sent.
    #[error("{path}: {reason}")]
    Invalid {
        /// Where.
        path: Path,
        /// Why, and what to do.
        reason: Reason,
    },
    /// There is no observation of this path.
    #[error("{0} is not observed")]
    NotObserved(Path),
    /// The device refused.
    #[error("{path}: the device answered {code}{}", Said(*.code, .diagnostic))]
    Refused {
        /// Where.
        path: Path,
        /// Its answer.
        code: Code,
        /// What it said about it, without control characters; empty if nothing.
        diagnostic: String,
    },
    /// The device answered something that could not be read.
    #[error("{path}: the answer could not be read")]
    Unreadable {
        /// Where.
        path: Path,
        /// Why.
        #[source]
        cause: Unreadable,
    },
    /// No answer came.
    #[error("{0}: no answer came")]
    NoAnswer(Path),
    /// Too much waits for the device already.
    #[error("too many operations wait for this device")]
    QueueFull,
}

/// Why an answer could not be read.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Unreadable {
    /// Its payload is not what its content format says.
    #[error(transparent)]
    Payload(#[from] DecodeError),
    /// Its links are broken.
    #[error(transparent)]
    Links(#[from] LinkError),
    /// It is no answer to what was asked.
    #[error("{0} is no answer to this operation")]
    Code(Code),
    /// Its blocks did not come together, or its options make no sense.
    #[error("its blocks or options make no sense")]
    Damaged,
}

/// What stands behind the code in a sentence: its meaning, and the device's own words.
struct Said<'a>(Code, &'a str);

impl core::fmt::Display for Said<'_> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let meaning = match self.0 {
            Code::BAD_REQUEST => "it does not take the request as it is",
            Code::UNAUTHORIZED | Code::FORBIDDEN => "this server has no right to it",
            Code::NOT_FOUND => "it is not there",
            Code::METHOD_NOT_ALLOWED => "the device does not allow this here",
            Code::NOT_ACCEPTABLE => "it writes none of the formats that this server reads",
            Code::UNSUPPORTED_CONTENT_FORMAT => "it reads none of the formats that this server writes",
            Code::CONFLICT => "it contradicts the device's state",
            Code::REQUEST_ENTITY_TOO_LARGE => "it is too large",
            Code::NOT_IMPLEMENTED => "the device cannot do this",
            Code::SERVICE_UNAVAILABLE | Code::TOO_MANY_REQUESTS => "the device is busy; try again later",
            Code::INTERNAL_SERVER_ERROR => "the device failed",
            _ => "",
        };
        if !meaning.is_empty() {
            write!(formatter, " ({meaning})")?;
        }
        if !self.1.is_empty() {
            write!(formatter, ": {}", self.1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn errors_name_the_path_and_the_reason() {
        let path = Path::resource(5, 0, 2);
        let refused = |code, diagnostic: &str| {
            OperationError::Refused { path, code, diagnostic: diagnostic.into() }.to_string()
        };
        assert_eq!(
            refused(Code::METHOD_NOT_ALLOWED, ""),
            "/5/0/2: the device answered 4.05 (the device does not allow this here)"
        );
        assert_eq!(refused(Code(0x8b), "why"), "/5/0/2: the device answered 4.11: why");
        let place = Reason::Place { operation: "Execute", takes: "a resource such as /3/0/4" };
        assert_eq!(
            OperationError::Invalid { path: Path::object(3), reason: place }.to_string(),
            "/3: Execute takes a resource such as /3/0/4"
        );
    }
}

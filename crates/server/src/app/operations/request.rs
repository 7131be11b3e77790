//! What an operator asks of a device, and what the protocol makes of it.

use std::fmt;

use lwm2m::model::ObjectModel;
use lwm2m::path::Path;
use lwm2m::server::{Operation, OperationError};
use serde_json::Value as Json;

use super::values::{self, BadValue};
use crate::store::operations as row;

/// What can be asked of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OperationKind {
    Read,
    Write,
    Execute,
    Discover,
    Observe,
    CancelObservation,
}

impl OperationKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Read, Self::Write, Self::Execute, Self::Discover, Self::Observe, Self::CancelObservation];

    /// The stable name for storage and interfaces.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Execute => "execute",
            Self::Discover => "discover",
            Self::Observe => "observe",
            Self::CancelObservation => "cancel-observation",
        }
    }

    /// The one with this name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whether doing it once more does no harm.
    pub const fn is_repeatable(self) -> bool {
        matches!(self, Self::Read | Self::Discover | Self::Observe | Self::CancelObservation)
    }
}

/// One operation as it was asked for.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    pub kind: OperationKind,
    /// One, or several for a composite.
    pub paths: Vec<Path>,
    /// The value of a write, the text of an execute; null if there is none.
    pub argument: Json,
}

/// Why an operation cannot be asked of any device.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum BadRequest {
    /// Where?
    #[error("a path is missing")]
    NoPath,
    /// There is no such composite operation.
    #[error("{0} takes one path")]
    OnePath(&'static str),
    /// It takes none, or another one.
    #[error("{0} takes no such argument")]
    Argument(&'static str),
    /// The value does not fit.
    #[error(transparent)]
    Value(#[from] BadValue),
    /// The object model forbids it.
    #[error(transparent)]
    Model(#[from] OperationError),
}

impl Request {
    /// The request of a stored operation; `None` if it was stored by a newer version.
    pub fn stored(operation: &row::Operation) -> Option<Self> {
        let paths = operation.paths.split(' ').map(|path| path.parse().ok());
        Some(Self {
            kind: OperationKind::from_code(&operation.kind)?,
            paths: paths.collect::<Option<_>>()?,
            argument: match &operation.argument {
                Some(text) => serde_json::from_str(text).ok()?,
                None => Json::Null,
            },
        })
    }

    /// The paths as they are stored.
    pub fn paths_text(&self) -> String {
        paths_text(&self.paths)
    }

    /// What the protocol is asked.
    ///
    /// # Errors
    /// It makes no sense for any device.
    pub fn operation(&self, model: &ObjectModel) -> Result<Operation, BadRequest> {
        let path = *self.paths.first().ok_or(BadRequest::NoPath)?;
        if self.paths.len() > 1 {
            return Err(BadRequest::OnePath(self.kind.code()));
        }
        let takes_argument = matches!(self.kind, OperationKind::Write | OperationKind::Execute);
        if !takes_argument && !self.argument.is_null() {
            return Err(BadRequest::Argument(self.kind.code()));
        }
        Ok(match self.kind {
            OperationKind::Read => Operation::Read(path),
            OperationKind::Write => Operation::Write(path, values::node(path, &self.argument, model)?),
            OperationKind::Execute => Operation::Execute(path, self.text()?),
            OperationKind::Discover => Operation::Discover(path),
            OperationKind::Observe => Operation::Observe(path),
            OperationKind::CancelObservation => Operation::CancelObservation(path),
        })
    }

    fn text(&self) -> Result<Option<String>, BadRequest> {
        match &self.argument {
            Json::Null => Ok(None),
            Json::String(text) => Ok(Some(text.clone())),
            _ => Err(BadRequest::Argument(self.kind.code())),
        }
    }
}

/// Paths with blanks between them.
pub fn paths_text(paths: &[Path]) -> String {
    paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind.code(), self.paths_text())
    }
}

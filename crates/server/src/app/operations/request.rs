//! What an operator asks of a device, and what the protocol makes of it.

use std::fmt;

use lwm2m::model::ObjectModel;
use lwm2m::path::Path;
use lwm2m::server::{AttributeError, Attributes, Operation, OperationError};
use serde_json::Value as Json;

use super::values::{self, BadValue};
use crate::store::operations as row;

/// What can be asked of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OperationKind {
    Read,
    Write,
    Replace,
    Execute,
    Create,
    Delete,
    Discover,
    WriteAttributes,
    Observe,
    CancelObservation,
    ReadComposite,
    WriteComposite,
    ObserveComposite,
    CancelComposite,
}

impl OperationKind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Read,
        Self::Write,
        Self::Replace,
        Self::Execute,
        Self::Create,
        Self::Delete,
        Self::Discover,
        Self::WriteAttributes,
        Self::Observe,
        Self::CancelObservation,
        Self::ReadComposite,
        Self::WriteComposite,
        Self::ObserveComposite,
        Self::CancelComposite,
    ];

    /// The stable name for storage and interfaces.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Replace => "replace",
            Self::Execute => "execute",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Discover => "discover",
            Self::WriteAttributes => "write-attributes",
            Self::Observe => "observe",
            Self::CancelObservation => "cancel-observation",
            Self::ReadComposite => "read-composite",
            Self::WriteComposite => "write-composite",
            Self::ObserveComposite => "observe-composite",
            Self::CancelComposite => "cancel-composite",
        }
    }

    /// The one with this name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whether doing it once more does no harm.
    pub const fn is_repeatable(self) -> bool {
        match self {
            Self::Read
            | Self::Discover
            | Self::WriteAttributes
            | Self::Observe
            | Self::CancelObservation
            | Self::ReadComposite
            | Self::ObserveComposite
            | Self::CancelComposite => true,
            Self::Write
            | Self::Replace
            | Self::Execute
            | Self::Create
            | Self::Delete
            | Self::WriteComposite => false,
        }
    }

    /// Whether it is about several places at once.
    pub const fn is_composite(self) -> bool {
        matches!(
            self,
            Self::ReadComposite | Self::WriteComposite | Self::ObserveComposite | Self::CancelComposite
        )
    }

    /// Whether it makes the device report from now on.
    pub const fn observes(self) -> bool {
        matches!(self, Self::Observe | Self::ObserveComposite)
    }

    /// Whether it makes the device report no more.
    pub const fn cancels(self) -> bool {
        matches!(self, Self::CancelObservation | Self::CancelComposite)
    }

    /// What it takes beside a path.
    pub const fn takes(self) -> Takes {
        match self {
            Self::Write | Self::Replace | Self::Create | Self::WriteComposite => Takes::Value,
            Self::Execute => Takes::Argument,
            Self::WriteAttributes | Self::Observe => Takes::Attributes,
            _ => Takes::Nothing,
        }
    }
}

/// What an operation takes beside a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    Nothing,
    Value,
    Argument,
    Attributes,
}

/// One operation as it was asked for.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    pub kind: OperationKind,
    /// One, or several for a composite.
    pub paths: Vec<Path>,
    /// The value of a write or a create, the values of a composite write by their paths, the text of an
    /// execute, attributes as a query; null if there is none.
    pub argument: Json,
}

/// Why an operation cannot be asked of any device.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum BadRequest {
    /// Where?
    #[error("{0}: a path is missing")]
    NoPath(&'static str),
    /// It is no composite.
    #[error("{0} takes one path; read-composite, write-composite and observe-composite take several")]
    OnePath(&'static str),
    /// One place is observed otherwise.
    #[error("{path}: {kind} takes two paths or more, or / for the whole device; use {instead} for one")]
    SeveralPaths {
        /// The one that was given.
        path: Path,
        /// What was asked.
        kind: &'static str,
        /// What does it.
        instead: &'static str,
    },
    /// It takes none, or another one.
    #[error("{0} takes no such argument")]
    Argument(&'static str),
    /// The value does not fit.
    #[error(transparent)]
    Value(#[from] BadValue),
    /// The object model forbids it.
    #[error(transparent)]
    Model(#[from] OperationError),
    /// The attributes are none.
    #[error("{path}: {error}")]
    Attributes {
        /// Where they were to be written.
        path: Path,
        /// Why.
        error: AttributeError,
    },
    /// There are none to write.
    #[error("{0}: attributes are missing; give such as pmin=10&pmax=60")]
    NoAttributes(Path),
}

impl Request {
    /// The request of a stored operation; `None` if it was stored by a newer version.
    pub fn stored(operation: &row::Operation) -> Option<Self> {
        Some(Self {
            kind: OperationKind::from_code(&operation.kind)?,
            paths: parse_paths(&operation.paths)?,
            argument: match &operation.argument {
                Some(text) => serde_json::from_str(text).ok()?,
                None => Json::Null,
            },
        })
    }

    /// The request that begins an observation of these paths, as [`Request::paths_text`] gave them.
    pub fn observing(paths: &str, attributes: &str) -> Option<Self> {
        let paths = parse_paths(paths)?;
        let kind = match paths[..] {
            [path] if path != Path::Root => OperationKind::Observe,
            _ => OperationKind::ObserveComposite,
        };
        let argument = if attributes.is_empty() { Json::Null } else { attributes.into() };
        Some(Self { kind, paths, argument })
    }

    /// The paths as they are stored.
    pub fn paths_text(&self) -> String {
        paths_text(&self.paths)
    }

    /// The attributes of an observation, as they are stored; empty if there are none.
    pub fn attributes_text(&self) -> &str {
        self.argument.as_str().filter(|_| self.kind == OperationKind::Observe).unwrap_or_default()
    }

    /// What the protocol is asked.
    ///
    /// # Errors
    /// It makes no sense for any device.
    pub fn operation(&self, model: &ObjectModel) -> Result<Operation, BadRequest> {
        if self.kind.takes() == Takes::Nothing && !self.argument.is_null() {
            return Err(BadRequest::Argument(self.kind.code()));
        }
        match self.kind.is_composite() {
            true => self.composite(model),
            false => self.single(model),
        }
    }

    fn single(&self, model: &ObjectModel) -> Result<Operation, BadRequest> {
        let path = match self.paths[..] {
            [] => return Err(BadRequest::NoPath(self.kind.code())),
            [path] => path,
            _ => return Err(BadRequest::OnePath(self.kind.code())),
        };
        Ok(match self.kind {
            OperationKind::Read => Operation::Read(path),
            OperationKind::Write => Operation::Write(path, values::node(path, &self.argument, model)?),
            OperationKind::Replace => Operation::Replace(path, values::node(path, &self.argument, model)?),
            OperationKind::Execute => Operation::Execute(path, self.text()?.map(str::to_owned)),
            OperationKind::Create => Operation::Create(path, values::created(path, &self.argument, model)?),
            OperationKind::Delete => Operation::Delete(path),
            OperationKind::Discover => Operation::Discover(path),
            OperationKind::WriteAttributes => {
                let attributes = self.attributes(path)?.ok_or(BadRequest::NoAttributes(path))?;
                Operation::WriteAttributes(path, attributes)
            }
            OperationKind::CancelObservation => Operation::CancelObservation(path),
            // The composites are made below.
            _ => match self.attributes(path)? {
                Some(attributes) => Operation::ObserveWith(path, attributes),
                None => Operation::Observe(path),
            },
        })
    }

    fn composite(&self, model: &ObjectModel) -> Result<Operation, BadRequest> {
        let paths = self.paths.clone();
        let several = |instead| match paths[..] {
            [] => Err(BadRequest::NoPath(self.kind.code())),
            [path] if path != Path::Root => {
                Err(BadRequest::SeveralPaths { path, kind: self.kind.code(), instead })
            }
            _ => Ok(()),
        };
        Ok(match self.kind {
            OperationKind::WriteComposite => {
                Operation::WriteComposite(values::records(&paths, &self.argument, model)?)
            }
            // One place and several are told apart by their number where they are kept.
            OperationKind::ObserveComposite => {
                several("observe")?;
                Operation::ObserveComposite(paths)
            }
            OperationKind::CancelComposite => {
                several("cancel-observation")?;
                Operation::CancelComposite(paths)
            }
            _ if paths.is_empty() => return Err(BadRequest::NoPath(self.kind.code())),
            _ => Operation::ReadComposite(paths),
        })
    }

    fn text(&self) -> Result<Option<&str>, BadRequest> {
        match &self.argument {
            Json::Null => Ok(None),
            Json::String(text) => Ok(Some(text)),
            _ => Err(BadRequest::Argument(self.kind.code())),
        }
    }

    fn attributes(&self, path: Path) -> Result<Option<Attributes>, BadRequest> {
        let Some(text) = self.text()?.filter(|text| !text.is_empty()) else { return Ok(None) };
        text.parse().map(Some).map_err(|error| BadRequest::Attributes { path, error })
    }
}

/// Paths with blanks between them.
pub fn paths_text(paths: &[Path]) -> String {
    paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn parse_paths(text: &str) -> Option<Vec<Path>> {
    text.split(' ').map(|path| path.parse().ok()).collect()
}

impl fmt::Display for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind.code(), self.paths_text())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(kind: OperationKind, paths: &[&str], argument: Json) -> Request {
        Request { kind, paths: paths.iter().map(|path| path.parse().unwrap()).collect(), argument }
    }

    fn refused(kind: OperationKind, paths: &[&str], argument: Json) -> String {
        let model = &ObjectModel::CORE;
        let operation = request(kind, paths, argument).operation(model);
        let checked =
            operation.and_then(|operation| Ok(operation.check(model, lwm2m::server::Version::V1_2)?));
        checked.unwrap_err().to_string()
    }

    #[test]
    fn every_kind_is_stored_under_a_name_and_found_by_it() {
        for kind in OperationKind::ALL {
            assert_eq!(OperationKind::from_code(kind.code()), Some(kind));
        }
    }

    #[test]
    fn errors_name_the_path_and_the_reason() {
        use OperationKind::*;
        for (kind, paths, argument, expect) in [
            (Read, &["/3", "/4"][..], Json::Null, "read takes one path"),
            (Read, &["/3"], json!(1), "read takes no such argument"),
            (ReadComposite, &[], Json::Null, "read-composite: a path is missing"),
            (ObserveComposite, &["/4"], Json::Null, "/4: observe-composite takes two paths or more"),
            (CancelComposite, &["/4"], Json::Null, "use cancel-observation for one"),
            (WriteAttributes, &["/3/0/9"], Json::Null, "/3/0/9: attributes are missing"),
            (WriteAttributes, &["/3/0/9"], json!("pmin=soon"), "/3/0/9: pmin does not take this number"),
            (WriteAttributes, &["/3/0/9"], json!("often"), "/3/0/9: the attributes are pmin, pmax"),
            (Observe, &["/3/0/9"], json!("pmin=-1"), "/3/0/9: pmin does not take this number"),
            (Read, &["/"], Json::Null, "/: Read takes an object or a place in it"),
            (Execute, &["/3"], Json::Null, "/3: Execute takes a resource such as /3/0/4"),
            (Write, &["/3/0/0"], json!("me"), "/3/0/0: \"Manufacturer\" can only be read"),
            (Delete, &["/3/0"], Json::Null, "/3/0: \"Device\" belongs to every device"),
            (ReadComposite, &["/3", "/0"], Json::Null, "/0: only a bootstrap server may use object 0"),
            (Create, &["/2/0/1"], json!({}), "/2/0/1: an instance is created at an object"),
            (WriteComposite, &["/1/0/1"], json!({"/1/0/1": "soon"}), "/1/0/1: \"soon\" is not an integer"),
            (WriteComposite, &["/1"], json!({"/1": {}}), "/1: a value is written to"),
        ] {
            let text = refused(kind, paths, argument);
            assert!(text.contains(expect), "{text}");
        }
    }

    #[test]
    fn what_is_observed_is_asked_again_as_it_was_wanted() {
        for (kind, paths, attributes) in [
            (OperationKind::Observe, &["/3/0/13"][..], json!("pmin=5")),
            (OperationKind::Observe, &["/4"], Json::Null),
            (OperationKind::ObserveComposite, &["/3/0/9", "/4"], Json::Null),
            (OperationKind::ObserveComposite, &["/"], Json::Null),
        ] {
            let request = request(kind, paths, attributes);
            request.operation(&ObjectModel::CORE).unwrap();
            let again = Request::observing(&request.paths_text(), request.attributes_text());
            assert_eq!(again, Some(request));
        }
    }

    #[test]
    fn dm_13_a_composite_write_carries_every_value_with_its_type() {
        let argument = json!({"/1/0/1": "300", "/3/0/15": "Europe/Berlin", "/2/0/2/101": null});
        let request = request(OperationKind::WriteComposite, &["/1/0/1", "/2/0/2/101", "/3/0/15"], argument);
        let Ok(Operation::WriteComposite(records)) = request.operation(&ObjectModel::CORE) else {
            panic!("it makes sense")
        };
        let values: Vec<_> = records.into_iter().map(|record| record.value).collect();
        let integer = lwm2m::value::Value::Integer(300);
        assert_eq!(values, [Some(integer), None, Some("Europe/Berlin".into())]);
    }
}

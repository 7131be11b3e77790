//! Refuses what no device would take, before anything is sent (dm_06, dm_08, att_06).

use super::attributes::{Attribute, Attributes};
use super::operation::{Operation, OperationError};
use super::reason::Reason;
use crate::format::Record;
use crate::model::{Access, ObjectModel, ResourceDefinition};
use crate::object;
use crate::path::{ObjectId, Path};
use crate::server::Version;
use crate::value::{Instance, Kind, Node, Resource, Value};

/// The most places of one composite operation: a body of FETCH that fits into a few datagrams.
pub(super) const MOST_PATHS: usize = 100;

/// What is checked against.
pub(super) struct Rules<'a> {
    pub(super) model: &'a ObjectModel,
    /// What the device speaks.
    pub(super) spoken: Version,
}

type Checked = Result<(), OperationError>;

fn invalid(path: Path, reason: Reason) -> OperationError {
    OperationError::Invalid { path, reason }
}

fn place(path: Path, operation: &'static str, takes: &'static str) -> Checked {
    Err(invalid(path, Reason::Place { operation, takes }))
}

impl Rules<'_> {
    pub(super) fn check(&self, operation: &Operation) -> Checked {
        let path = operation.path();
        self.check_open(path)?;
        match operation {
            Operation::Read(_) => self.check_read(path, "Read"),
            Operation::Observe(_) => self.check_read(path, "Observe"),
            Operation::ObserveWith(_, attributes) => {
                self.check_read(path, "Observe")?;
                self.needs(path, Version::V1_2, "write the attributes first, then observe without them")?;
                self.check_attributes(path, attributes)
            }
            Operation::Write(_, node) => self.check_write(path, node, "Write"),
            Operation::Replace(_, node) => self.check_write(path, node, "Replace"),
            Operation::Execute(_, argument) => self.check_execute(path, argument.as_deref()),
            Operation::Create(_, node) => self.check_create(path, node),
            Operation::Delete(_) => self.check_delete(path),
            Operation::Discover(_) => match path {
                Path::Root | Path::ResourceInstance(..) => {
                    place(path, "Discover", "an object, an instance or a resource, such as /3 or /3/0/9")
                }
                _ => Ok(()),
            },
            Operation::WriteAttributes(_, attributes) => self.check_attributes(path, attributes),
            Operation::CancelObservation(_) | Operation::ResetObservation(_) => Ok(()),
            Operation::ReadComposite(paths) | Operation::ObserveComposite(paths) => {
                self.check_composite(paths, "read or observe the places one by one")
            }
            Operation::CancelComposite(_) => Ok(()),
            Operation::WriteComposite(records) => self.check_records(records),
        }
    }

    fn check_open(&self, path: Path) -> Checked {
        match path.object_id() {
            Some(object) if object == object::SECURITY || object == object::OSCORE => {
                Err(invalid(path, Reason::Closed { object: object.0 }))
            }
            _ => Ok(()),
        }
    }

    fn needs(&self, path: Path, needed: Version, instead: &'static str) -> Checked {
        match self.spoken >= needed {
            true => Ok(()),
            false => Err(invalid(path, Reason::Version { spoken: self.spoken, needed, instead })),
        }
    }

    /// Single values of resources can be addressed since 1.1.
    fn needs_for_depth(&self, path: Path) -> Checked {
        match path {
            Path::ResourceInstance(..) => self.needs(path, Version::V1_1, "use the resource as a whole"),
            _ => Ok(()),
        }
    }

    fn allows(&self, path: Path, allows: fn(Access) -> bool) -> Checked {
        match self.model.resource_at(path) {
            Some(resource) if !allows(resource.access) => Err(invalid(
                path,
                Reason::Access { name: resource.name.as_ref().into(), access: resource.access },
            )),
            _ => Ok(()),
        }
    }

    fn check_read(&self, path: Path, operation: &'static str) -> Checked {
        if path == Path::Root {
            return place(
                path,
                operation,
                "an object or a place in it; for the whole device use a composite",
            );
        }
        self.needs_for_depth(path)?;
        self.allows(path, Access::is_readable)
    }

    fn check_write(&self, path: Path, node: &Node, operation: &'static str) -> Checked {
        self.needs_for_depth(path)?;
        match (path, node) {
            (Path::Root | Path::Object(_), _) => {
                place(path, operation, "an instance, a resource or a value of it, such as /1/0 or /1/0/1")
            }
            (Path::ResourceInstance(..), _) if operation == "Replace" => {
                place(path, operation, "an instance or a resource; to change one value, write it")
            }
            // Replacing by nothing would reset the instance; nobody means that.
            (Path::Instance(..), Node::Instance(instance)) if instance.is_empty() => {
                Err(invalid(path, Reason::Nothing))
            }
            (Path::Instance(..), Node::Instance(instance)) => self.check_instance(path, instance, false),
            (Path::Resource(..), Node::Resource(resource)) => {
                self.allows(path, Access::is_writable)?;
                self.check_resource(path, resource)
            }
            (Path::ResourceInstance(..), Node::Value(value)) => {
                self.allows(path, Access::is_writable)?;
                self.check_value(path, value)
            }
            _ => Err(invalid(path, Reason::Shape)),
        }
    }

    /// The resources of an instance to be written or created. A new one may bring values that are read-only
    /// later.
    fn check_instance(&self, path: Path, instance: &Instance, is_new: bool) -> Checked {
        for (id, resource) in instance {
            let Some(place) = path.child(id.0) else { continue };
            match is_new {
                true => self.allows(place, |access| access != Access::Execute)?,
                false => self.allows(place, Access::is_writable)?,
            }
            self.check_resource(place, resource)?;
        }
        Ok(())
    }

    fn check_resource(&self, path: Path, resource: &Resource) -> Checked {
        let definition = self.model.resource_at(path);
        let name = |definition: &ResourceDefinition| definition.name.as_ref().into();
        match (resource, definition) {
            (Resource::Multiple(_), Some(definition)) if !definition.multiple => {
                Err(invalid(path, Reason::OneValue { name: name(definition) }))
            }
            (Resource::Single(_), Some(definition)) if definition.multiple => {
                Err(invalid(path, Reason::SeveralValues { name: name(definition) }))
            }
            _ => resource.values().try_for_each(|value| self.check_value(path, value)),
        }
    }

    fn check_value(&self, path: Path, value: &Value) -> Checked {
        let Some(definition) = self.model.resource_at(path) else { return Ok(()) };
        let name = || definition.name.as_ref().into();
        if definition.kind != value.kind() {
            let reason = Reason::Type { name: name(), needs: definition.kind, given: value.kind() };
            return Err(invalid(path, reason));
        }
        match definition.range.holds(value) {
            true => Ok(()),
            false => Err(invalid(path, Reason::Range { name: name(), range: definition.range })),
        }
    }

    fn check_execute(&self, path: Path, argument: Option<&str>) -> Checked {
        let Path::Resource(..) = path else {
            return place(path, "Execute", "a resource such as /3/0/4");
        };
        self.allows(path, |access| access == Access::Execute)?;
        match argument.and_then(malformed_part) {
            Some(part) => Err(invalid(path, Reason::Argument { part })),
            None => Ok(()),
        }
    }

    fn check_create(&self, path: Path, node: &Node) -> Checked {
        match (path, node) {
            (Path::Object(_), Node::Object(instances)) if instances.is_empty() => {
                Err(invalid(path, Reason::Nothing))
            }
            (Path::Object(_), Node::Object(instances)) => instances.iter().try_for_each(|(id, instance)| {
                self.check_instance(path.child(id.0).unwrap_or(path), instance, true)
            }),
            (Path::Object(object), Node::Instance(instance)) => {
                // Which instance does not matter to the model.
                self.check_instance(Path::instance(object.0, 0), instance, true)
            }
            (Path::Instance(..), Node::Instance(instance)) => self.check_instance(path, instance, true),
            (Path::Object(_) | Path::Instance(..), _) => Err(invalid(path, Reason::Shape)),
            _ => place(path, "Create", "an object or the new instance, such as /16 or /16/1"),
        }
    }

    fn check_delete(&self, path: Path) -> Checked {
        match path {
            Path::Instance(object, _) | Path::ResourceInstance(object, ..) if object == object::DEVICE => {
                Err(invalid(path, Reason::Undeletable { name: self.object_name(object) }))
            }
            Path::Instance(..) => Ok(()),
            Path::ResourceInstance(..) => {
                self.needs(path, Version::V1_2, "replace the resource by its other values")?;
                self.allows(path, Access::is_writable)
            }
            _ => place(path, "Delete", "an instance such as /16/0"),
        }
    }

    fn object_name(&self, object: ObjectId) -> alloc::string::String {
        self.model.object(object).map(|object| object.name.as_ref().into()).unwrap_or_default()
    }

    fn check_attributes(&self, path: Path, attributes: &Attributes) -> Checked {
        if path == Path::Root {
            return place(path, "Write-Attributes", "an object or a place in it, such as /3/0/9");
        }
        if attributes.is_empty() {
            return Err(invalid(path, Reason::Nothing));
        }
        self.needs_for_depth(path)?;
        for (attribute, _) in attributes.iter() {
            self.needs(path, attribute.since(), "leave this attribute out")?;
            if attribute.is_about_numbers() && !self.is_number(path) {
                return Err(invalid(path, Reason::NotANumber { attribute }));
            }
        }
        match attributes.conflict() {
            Some(conflict) => Err(invalid(path, Reason::Conflict(conflict))),
            None => self.allows(path, Access::is_readable),
        }
    }

    /// Whether a place holds numbers as far as the model knows.
    fn is_number(&self, path: Path) -> bool {
        match path {
            Path::Resource(..) | Path::ResourceInstance(..) => self
                .model
                .kind_at(path)
                .is_none_or(|kind| matches!(kind, Kind::Integer | Kind::Unsigned | Kind::Float | Kind::Time)),
            _ => false,
        }
    }

    fn check_composite(&self, paths: &[Path], instead: &'static str) -> Checked {
        self.needs(Path::Root, Version::V1_1, instead)?;
        check_number(paths.len())?;
        // What cannot be read is left out by the device (ets 281), so only what is closed is refused here.
        paths.iter().try_for_each(|path| self.check_open(*path))
    }

    fn check_records(&self, records: &[Record]) -> Checked {
        self.needs(Path::Root, Version::V1_1, "write the places one by one")?;
        check_number(records.len())?;
        for record in records {
            self.check_open(record.path)?;
            if !matches!(record.path, Path::Resource(..) | Path::ResourceInstance(..)) {
                return place(record.path, "Write-Composite", "resources and values of them, such as /1/0/1");
            }
            self.allows(record.path, Access::is_writable)?;
            match &record.value {
                Some(value) => self.check_value(record.path, value)?,
                // Takes a value of a resource away.
                None if record.path.depth() == 4 => {}
                None => return Err(invalid(record.path, Reason::Nothing)),
            }
        }
        Ok(())
    }
}

fn check_number(given: usize) -> Checked {
    match given {
        0 => Err(invalid(Path::Root, Reason::Nothing)),
        1..=MOST_PATHS => Ok(()),
        _ => Err(invalid(Path::Root, Reason::TooMany { given, most: MOST_PATHS })),
    }
}

/// The first part, from 1, that is not as in `0='text',1` (LwM2M Core 1.1 section 6.3.6).
fn malformed_part(argument: &str) -> Option<usize> {
    let right = |part: &str| {
        let (digit, value) = part.split_once('=').map_or((part, None), |(digit, value)| (digit, Some(value)));
        let digit_is_right = digit.len() == 1 && digit.as_bytes()[0].is_ascii_digit();
        digit_is_right && value.is_none_or(is_quoted)
    };
    // A comma cannot be told from one inside of a text before the quotes are found.
    let mut start = 0;
    let mut number = 1;
    loop {
        let rest = &argument[start..];
        let mut quoted = false;
        let end = rest.bytes().position(|byte| {
            quoted ^= byte == b'\'';
            byte == b',' && !quoted
        });
        let part = &rest[..end.unwrap_or(rest.len())];
        if !right(part) {
            return Some(number);
        }
        start += end? + 1;
        number += 1;
    }
}

fn is_quoted(value: &str) -> bool {
    let inner = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    inner.is_some_and(|inner| {
        inner.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x26 | 0x28..=0x5B | 0x5D..=0x7E))
    })
}

/// Whether the attribute changes how often the server hears of an observation.
pub(super) fn changes_period(attributes: &Attributes) -> bool {
    attributes.iter().any(|(attribute, _)| attribute == Attribute::MaximumPeriod)
}

#[cfg(test)]
mod tests;

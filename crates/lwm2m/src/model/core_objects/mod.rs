//! The built-in objects. Facts (numbers, names, types, ranges) are those of the public OMA definitions;
//! the descriptions are ours.

mod account;
mod connectivity;
mod device;
mod update;

use super::definition::{Access, ObjectDefinition, ObjectVersion, Range, ResourceDefinition};
use crate::value::Kind;

const V1_0: ObjectVersion = ObjectVersion::FIRST;
const V1_1: ObjectVersion = ObjectVersion::new(1, 1);
const V1_2: ObjectVersion = ObjectVersion::new(1, 2);
const V1_3: ObjectVersion = ObjectVersion::new(1, 3);

/// Sorted by number.
pub(super) static OBJECTS: [&ObjectDefinition; 15] = [
    &account::SECURITY,
    &account::SERVER,
    &account::ACCESS_CONTROL,
    &device::DEVICE,
    &connectivity::MONITORING,
    &update::FIRMWARE,
    &device::LOCATION,
    &connectivity::STATISTICS,
    &update::SOFTWARE,
    &connectivity::CELLULAR,
    &connectivity::ACCESS_POINT,
    &device::PORTFOLIO,
    &device::APPLICATION_DATA,
    &account::OSCORE,
    &update::ADVANCED_FIRMWARE,
];

/// A resource of a table, on its way to a [`ResourceDefinition`].
#[derive(Clone, Copy)]
struct Row {
    id: u16,
    name: &'static str,
    kind: Kind,
    access: Access,
    multiple: bool,
    mandatory: bool,
    range: Range,
    unit: &'static str,
}

/// An optional resource with one value.
const fn row(id: u16, name: &'static str, kind: Kind, access: Access) -> Row {
    Row { id, name, kind, access, multiple: false, mandatory: false, range: Range::Any, unit: "" }
}

/// A resource to execute.
const fn order(id: u16, name: &'static str) -> Row {
    row(id, name, Kind::String, Access::Execute)
}

impl Row {
    const fn required(self) -> Self {
        Self { mandatory: true, ..self }
    }

    const fn several(self) -> Self {
        Self { multiple: true, ..self }
    }

    const fn spanning(self, least: i64, most: i64) -> Self {
        Self { range: Range::Whole(least, most), ..self }
    }

    const fn up_to(self, bytes: u32) -> Self {
        Self { range: Range::Length(0, bytes), ..self }
    }

    const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// Ends the row with its description.
    const fn about(self, description: &'static str) -> ResourceDefinition {
        use alloc::borrow::Cow::Borrowed;
        ResourceDefinition {
            id: crate::path::ResourceId(self.id),
            name: Borrowed(self.name),
            kind: self.kind,
            multiple: self.multiple,
            mandatory: self.mandatory,
            access: self.access,
            range: self.range,
            unit: Borrowed(self.unit),
            description: Borrowed(description),
        }
    }
}

/// An object of a table.
struct Head {
    id: u16,
    name: &'static str,
    version: ObjectVersion,
    multiple: bool,
    mandatory: bool,
}

impl Head {
    const fn one(id: u16, name: &'static str, version: ObjectVersion) -> Self {
        Self { id, name, version, multiple: false, mandatory: false }
    }

    const fn many(id: u16, name: &'static str, version: ObjectVersion) -> Self {
        Self { id, name, version, multiple: true, mandatory: false }
    }

    const fn required(self) -> Self {
        Self { mandatory: true, ..self }
    }

    const fn with(
        self,
        resources: &'static [ResourceDefinition],
        description: &'static str,
    ) -> ObjectDefinition {
        use alloc::borrow::Cow::Borrowed;
        ObjectDefinition {
            id: crate::path::ObjectId(self.id),
            version: self.version,
            name: Borrowed(self.name),
            multiple: self.multiple,
            mandatory: self.mandatory,
            resources: Borrowed(resources),
            description: Borrowed(description),
        }
    }
}

#[cfg(test)]
mod tests;

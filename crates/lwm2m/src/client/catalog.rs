//! The objects that this client can have, as tables. This is the client's own copy of the standard on purpose:
//! a mistake in the server's shows when the two meet.

use crate::object::Access;
use crate::path::{ObjectId, ResourceId};
use crate::value::Kind;

/// One object.
#[derive(Debug)]
pub(super) struct ObjectType {
    pub(super) id: ObjectId,
    /// The version if it is not 1.0.
    pub(super) version: Option<&'static str>,
    /// Whether a server may create and delete instances.
    pub(super) creatable: bool,
    pub(super) resources: &'static [ResourceType],
}

/// One resource.
#[derive(Debug)]
pub(super) struct ResourceType {
    pub(super) id: ResourceId,
    pub(super) access: Access,
    pub(super) kind: Kind,
    pub(super) multiple: bool,
    /// Whether a Create has to bring it.
    pub(super) mandatory: bool,
    /// The numbers that it may have.
    pub(super) range: Option<(i64, i64)>,
}

impl ObjectType {
    pub(super) fn resource(&self, resource: ResourceId) -> Option<&'static ResourceType> {
        self.resources.iter().find(|found| found.id == resource)
    }
}

/// The object with this number, if this client can have it.
pub(super) fn object_type(object: ObjectId) -> Option<&'static ObjectType> {
    OBJECTS.iter().find(|found| found.id == object)
}

const fn one(id: u16, access: Access, kind: Kind) -> ResourceType {
    let id = ResourceId(id);
    ResourceType { id, access, kind, multiple: false, mandatory: false, range: None }
}

const fn many(id: u16, access: Access, kind: Kind) -> ResourceType {
    ResourceType { multiple: true, ..one(id, access, kind) }
}

const fn number(id: u16, access: Access, lowest: i64, highest: i64) -> ResourceType {
    ResourceType { range: Some((lowest, highest)), ..one(id, access, Kind::Integer) }
}

/// Seconds, up to what 32 bits hold.
const fn seconds(id: u16, access: Access) -> ResourceType {
    number(id, access, 0, u32::MAX as i64)
}

const fn mandatory(resource: ResourceType) -> ResourceType {
    ResourceType { mandatory: true, ..resource }
}

const fn object(id: u16, resources: &'static [ResourceType]) -> ObjectType {
    ObjectType { id: ObjectId(id), version: None, creatable: false, resources }
}

/// By number (OMA lwm2m-registry: 0.xml to 5.xml, 9.xml, 16.xml, 19.xml; 33629.xml of AVSystem).
static OBJECTS: &[ObjectType] = &[
    object(0, SECURITY),
    ObjectType { version: Some("1.1"), ..object(1, SERVER) },
    object(2, ACCESS_CONTROL),
    ObjectType { version: Some("1.1"), ..object(3, DEVICE) },
    object(4, CONNECTIVITY),
    object(5, FIRMWARE),
    object(9, SOFTWARE),
    ObjectType { creatable: true, ..object(16, PORTFOLIO) },
    ObjectType { creatable: true, ..object(19, APPLICATION_DATA) },
    object(33_629, ADVANCED_FIRMWARE),
];

use Access::{Bootstrap, Execute, Read, ReadWrite, Write};
use Kind::{Boolean, Integer, ObjectLink, Opaque, String, Time, Unsigned};

const SECURITY: &[ResourceType] = &[
    mandatory(one(0, Bootstrap, String)),
    mandatory(one(1, Bootstrap, Boolean)),
    mandatory(number(2, Bootstrap, 0, 4)),
    one(3, Bootstrap, Opaque),
    one(4, Bootstrap, Opaque),
    one(5, Bootstrap, Opaque),
    number(6, Bootstrap, 0, 255),
    one(7, Bootstrap, Opaque),
    one(8, Bootstrap, Opaque),
    one(9, Bootstrap, String),
    number(10, Bootstrap, 1, 65_534),
    seconds(11, Bootstrap),
    seconds(12, Bootstrap),
    one(13, Bootstrap, Unsigned),
    one(14, Bootstrap, String),
    one(15, Bootstrap, Unsigned),
    many(16, Bootstrap, Unsigned),
];

const SERVER: &[ResourceType] = &[
    mandatory(number(0, Read, 1, 65_534)),
    mandatory(seconds(1, ReadWrite)),
    seconds(2, ReadWrite),
    seconds(3, ReadWrite),
    one(4, Execute, String),
    seconds(5, ReadWrite),
    mandatory(one(6, ReadWrite, Boolean)),
    mandatory(one(7, ReadWrite, String)),
    one(8, Execute, String),
    one(9, Execute, String),
    one(14, ReadWrite, Unsigned),
    one(16, ReadWrite, Boolean),
    one(17, ReadWrite, Unsigned),
    one(18, ReadWrite, Unsigned),
    one(19, ReadWrite, Unsigned),
    one(20, ReadWrite, Unsigned),
    one(23, ReadWrite, Boolean),
];

const ACCESS_CONTROL: &[ResourceType] = &[
    mandatory(number(0, Read, 1, 65_534)),
    mandatory(number(1, Read, 0, 65_535)),
    many(2, ReadWrite, Integer),
    mandatory(number(3, ReadWrite, 0, 65_535)),
];

const DEVICE: &[ResourceType] = &[
    one(0, Read, String),
    one(1, Read, String),
    one(2, Read, String),
    one(3, Read, String),
    one(4, Execute, String),
    one(5, Execute, String),
    many(6, Read, Integer),
    many(7, Read, Integer),
    many(8, Read, Integer),
    many(11, Read, Integer),
    one(12, Execute, String),
    one(13, ReadWrite, Time),
    one(14, ReadWrite, String),
    one(15, ReadWrite, String),
    one(16, Read, String),
];

const CONNECTIVITY: &[ResourceType] = &[
    one(0, Read, Integer),
    many(1, Read, Integer),
    one(2, Read, Integer),
    one(3, Read, Integer),
    many(4, Read, String),
    many(7, Read, String),
    one(8, Read, Integer),
    one(9, Read, Integer),
    one(10, Read, Integer),
    one(11, Read, Integer),
];

const FIRMWARE: &[ResourceType] = &[
    one(0, Write, Opaque),
    one(1, ReadWrite, String),
    one(2, Execute, String),
    one(3, Read, Integer),
    one(5, Read, Integer),
    one(6, Read, String),
    one(7, Read, String),
    many(8, Read, Integer),
    one(9, Read, Integer),
    one(10, Execute, String),
    one(11, ReadWrite, Integer),
    one(12, Read, Time),
    one(13, ReadWrite, Unsigned),
];

/// Without what asks the user (resources 10 to 13).
const ADVANCED_FIRMWARE: &[ResourceType] = &[
    one(0, Write, Opaque),
    one(1, ReadWrite, String),
    one(2, Execute, String),
    one(3, Read, Integer),
    one(5, Read, Integer),
    one(6, Read, String),
    one(7, Read, String),
    many(8, Read, Integer),
    one(9, Read, Integer),
    one(14, Read, String),
    one(15, Read, String),
    many(16, Read, ObjectLink),
];

const SOFTWARE: &[ResourceType] = &[
    one(0, Read, String),
    one(1, Read, String),
    one(7, Read, Integer),
    one(9, Read, Integer),
    one(12, Read, Boolean),
];

const PORTFOLIO: &[ResourceType] = &[
    mandatory(many(0, ReadWrite, String)),
    one(1, Execute, String),
    many(2, Read, Opaque),
    many(3, Read, Opaque),
];

const APPLICATION_DATA: &[ResourceType] = &[
    mandatory(many(0, ReadWrite, Opaque)),
    number(1, ReadWrite, 0, 255),
    one(2, ReadWrite, Time),
    one(3, ReadWrite, String),
    one(4, ReadWrite, String),
    one(5, ReadWrite, Integer),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_their_resources_are_in_order_without_repetition() {
        assert!(OBJECTS.is_sorted_by(|one, next| one.id < next.id));
        for object in OBJECTS {
            assert!(object.resources.is_sorted_by(|one, next| one.id < next.id), "{:?}", object.id);
        }
    }
}

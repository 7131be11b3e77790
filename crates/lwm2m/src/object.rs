//! Object numbers, and the part of the object model that the roles themselves need, as data.

use crate::path::{ObjectId, Path, ResourceId};
use crate::value::Kind;

/// LwM2M Security.
pub const SECURITY: ObjectId = ObjectId(0);
/// LwM2M Server.
pub const SERVER: ObjectId = ObjectId(1);
/// Access Control.
pub const ACCESS_CONTROL: ObjectId = ObjectId(2);
/// Device.
pub const DEVICE: ObjectId = ObjectId(3);
/// Connectivity Monitoring.
pub const CONNECTIVITY: ObjectId = ObjectId(4);
/// Firmware Update.
pub const FIRMWARE: ObjectId = ObjectId(5);

/// Paths of object 5, instance 0 (OMA 5.xml).
pub mod firmware {
    use crate::path::Path;

    /// The object's only instance.
    pub const INSTANCE: Path = Path::instance(5, 0);
    /// Package, the image itself (write).
    pub const PACKAGE: Path = Path::resource(5, 0, 0);
    /// Package URI, where to download it (read, write).
    pub const PACKAGE_URI: Path = Path::resource(5, 0, 1);
    /// Update (execute).
    pub const UPDATE: Path = Path::resource(5, 0, 2);
    /// State, 0 to 3.
    pub const STATE: Path = Path::resource(5, 0, 3);
    /// Update Result, 0 to 11.
    pub const RESULT: Path = Path::resource(5, 0, 5);
    /// Firmware Update Protocol Support, several.
    pub const PROTOCOLS: Path = Path::resource(5, 0, 8);
    /// Firmware Update Delivery Method: 0 pull, 1 push, 2 both.
    pub const DELIVERY: Path = Path::resource(5, 0, 9);
}

/// Paths of object 3, instance 0 (OMA 3.xml).
pub mod device {
    use crate::path::Path;

    /// The object's only instance.
    pub const INSTANCE: Path = Path::instance(3, 0);
    /// Manufacturer.
    pub const MANUFACTURER: Path = Path::resource(3, 0, 0);
    /// Model number.
    pub const MODEL: Path = Path::resource(3, 0, 1);
    /// Serial number.
    pub const SERIAL: Path = Path::resource(3, 0, 2);
    /// Firmware version.
    pub const FIRMWARE_VERSION: Path = Path::resource(3, 0, 3);
    /// Reboot (execute).
    pub const REBOOT: Path = Path::resource(3, 0, 4);
}

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
}

/// One resource of the object model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Definition {
    /// Which object.
    pub object: ObjectId,
    /// Which resource.
    pub resource: ResourceId,
    /// The name in OMA's registry.
    pub name: &'static str,
    /// The type; execute-only resources have [`Kind::String`], the type of their argument.
    pub kind: Kind,
    /// Whether it holds several values.
    pub multiple: bool,
    /// What a server may do.
    pub access: Access,
}

/// The definition of a resource, if it is one that this crate knows.
pub fn definition(object: ObjectId, resource: ResourceId) -> Option<&'static Definition> {
    DEFINITIONS
        .binary_search_by_key(&(object, resource), |entry| (entry.object, entry.resource))
        .ok()
        .and_then(|index| DEFINITIONS.get(index))
}

/// The definition of the resource that a path names or lies in.
pub fn definition_at(path: Path) -> Option<&'static Definition> {
    definition(path.object_id()?, path.resource_id()?)
}

const fn one(object: u16, resource: u16, name: &'static str, kind: Kind, access: Access) -> Definition {
    Definition {
        object: ObjectId(object),
        resource: ResourceId(resource),
        name,
        kind,
        multiple: false,
        access,
    }
}

const fn many(object: u16, resource: u16, name: &'static str, kind: Kind, access: Access) -> Definition {
    Definition { multiple: true, ..one(object, resource, name, kind, access) }
}

/// Sorted by object and resource (OMA lwm2m-registry: 0.xml v1.1, 1.xml v1.1, 3.xml v1.2, 4.xml v1.3, 5.xml v1.2).
static DEFINITIONS: &[Definition] = {
    use Access::{Bootstrap, Execute, Read, ReadWrite, Write};
    use Kind::{Boolean, Float, Integer, ObjectLink, Opaque, String, Time, Unsigned};
    &[
        one(0, 0, "LwM2M Server URI", String, Bootstrap),
        one(0, 1, "Bootstrap-Server", Boolean, Bootstrap),
        one(0, 2, "Security Mode", Integer, Bootstrap),
        one(0, 3, "Public Key or Identity", Opaque, Bootstrap),
        one(0, 4, "Server Public Key", Opaque, Bootstrap),
        one(0, 5, "Secret Key", Opaque, Bootstrap),
        one(0, 10, "Short Server ID", Integer, Bootstrap),
        one(0, 11, "Client Hold Off Time", Integer, Bootstrap),
        one(0, 12, "Bootstrap-Server Account Timeout", Integer, Bootstrap),
        one(1, 0, "Short Server ID", Integer, Read),
        one(1, 1, "Lifetime", Integer, ReadWrite),
        one(1, 2, "Default Minimum Period", Integer, ReadWrite),
        one(1, 3, "Default Maximum Period", Integer, ReadWrite),
        one(1, 4, "Disable", String, Execute),
        one(1, 5, "Disable Timeout", Integer, ReadWrite),
        one(1, 6, "Notification Storing When Disabled or Offline", Boolean, ReadWrite),
        one(1, 7, "Binding", String, ReadWrite),
        one(1, 8, "Registration Update Trigger", String, Execute),
        one(1, 9, "Bootstrap-Request Trigger", String, Execute),
        one(3, 0, "Manufacturer", String, Read),
        one(3, 1, "Model Number", String, Read),
        one(3, 2, "Serial Number", String, Read),
        one(3, 3, "Firmware Version", String, Read),
        one(3, 4, "Reboot", String, Execute),
        one(3, 5, "Factory Reset", String, Execute),
        many(3, 6, "Available Power Sources", Integer, Read),
        many(3, 7, "Power Source Voltage", Integer, Read),
        many(3, 8, "Power Source Current", Integer, Read),
        one(3, 9, "Battery Level", Integer, Read),
        one(3, 10, "Memory Free", Integer, Read),
        many(3, 11, "Error Code", Integer, Read),
        one(3, 12, "Reset Error Code", String, Execute),
        one(3, 13, "Current Time", Time, ReadWrite),
        one(3, 14, "UTC Offset", String, ReadWrite),
        one(3, 15, "Timezone", String, ReadWrite),
        one(3, 16, "Supported Binding and Modes", String, Read),
        one(3, 17, "Device Type", String, Read),
        one(3, 18, "Hardware Version", String, Read),
        one(3, 19, "Software Version", String, Read),
        one(3, 20, "Battery Status", Integer, Read),
        one(3, 21, "Memory Total", Integer, Read),
        many(3, 22, "ExtDevInfo", ObjectLink, Read),
        one(4, 0, "Network Bearer", Integer, Read),
        many(4, 1, "Available Network Bearer", Integer, Read),
        one(4, 2, "Radio Signal Strength", Integer, Read),
        one(4, 3, "Link Quality", Integer, Read),
        many(4, 4, "IP Addresses", String, Read),
        many(4, 5, "Router IP Addresses", String, Read),
        one(4, 6, "Link Utilization", Integer, Read),
        many(4, 7, "APN", String, Read),
        one(4, 8, "Cell ID", Integer, Read),
        one(4, 9, "SMNC", Integer, Read),
        one(4, 10, "SMCC", Integer, Read),
        one(4, 11, "Signal SNR", Integer, Read),
        one(4, 12, "LAC", Integer, Read),
        one(4, 13, "Coverage Enhancement Level", Integer, Read),
        one(5, 0, "Package", Opaque, Write),
        one(5, 1, "Package URI", String, ReadWrite),
        one(5, 2, "Update", String, Execute),
        one(5, 3, "State", Integer, Read),
        one(5, 5, "Update Result", Integer, Read),
        one(5, 6, "PkgName", String, Read),
        one(5, 7, "PkgVersion", String, Read),
        many(5, 8, "Firmware Update Protocol Support", Integer, Read),
        one(5, 9, "Firmware Update Delivery Method", Integer, Read),
        one(5, 10, "Cancel", String, Execute),
        one(5, 11, "Severity", Integer, ReadWrite),
        one(5, 12, "Last State Change Time", Time, Read),
        one(5, 13, "Maximum Defer Period", Unsigned, ReadWrite),
        one(6, 0, "Latitude", Float, Read),
        one(6, 1, "Longitude", Float, Read),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_every_entry_is_found() {
        for entry in DEFINITIONS {
            assert_eq!(definition(entry.object, entry.resource), Some(entry));
        }
    }

    #[test]
    fn a_resource_instance_has_the_definition_of_its_resource() {
        let path = Path::resource_instance(3, 0, 11, 0);
        assert_eq!(definition_at(path).map(|entry| entry.name), Some("Error Code"));
        assert_eq!(definition_at(Path::object(3)), None);
    }
}

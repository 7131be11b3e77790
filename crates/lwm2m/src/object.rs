//! Numbers and paths of the objects that the roles themselves need.

pub use crate::model::Access;
use crate::model::{ObjectModel, ResourceDefinition};
use crate::path::{ObjectId, Path, ResourceId};

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

/// OSCORE; closed to a server as Security is.
pub const OSCORE: ObjectId = ObjectId(21);
/// Advanced Firmware Update: one instance for each part of a device.
pub const ADVANCED_FIRMWARE: ObjectId = ObjectId(33_629);

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
    /// Cancel (execute; version 1.1).
    pub const CANCEL: Path = Path::resource(5, 0, 10);
    /// Severity: 0 critical, 1 mandatory, 2 optional (version 1.1).
    pub const SEVERITY: Path = Path::resource(5, 0, 11);
    /// Maximum Defer Period, in seconds (version 1.1).
    pub const DEFER_PERIOD: Path = Path::resource(5, 0, 13);
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

/// The definition of a built-in resource; [`ObjectModel::resource`] knows the loaded ones too.
pub fn definition(object: ObjectId, resource: ResourceId) -> Option<&'static ResourceDefinition> {
    static CORE: ObjectModel = ObjectModel::CORE;
    CORE.resource(object, resource)
}

/// The definition of the built-in resource that a path names or lies in.
pub fn definition_at(path: Path) -> Option<&'static ResourceDefinition> {
    definition(path.object_id()?, path.resource_id()?)
}

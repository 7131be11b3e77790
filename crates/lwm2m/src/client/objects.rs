//! Objects 1, 3, 4 and 5 as this client has them: what can be read.

use alloc::collections::BTreeMap;
use alloc::string::String;

use coap::Code;

use super::attributes::Periods;
use super::account::ServerAccount;
use super::config::{Device, Radio};
use super::firmware_store::FirmwareStore;
use super::firmware_update::FirmwareUpdate;
use crate::object::Access;
use crate::path::{InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId};
use crate::value::{Instance, Node, Resource, Value};

/// The objects that a server may see, and what it may do with their resources. This is the client's own
/// copy of the standard on purpose: a mistake in the server's shows when the two meet.
const OBJECTS: [(u16, &[(u16, Access)]); 4] = {
    use Access::{Execute, Read, ReadWrite, Write};
    [
        (
            1,
            &[
                (0, Read),
                (1, ReadWrite),
                (2, ReadWrite),
                (3, ReadWrite),
                (4, Execute),
                (5, ReadWrite),
                (6, ReadWrite),
                (7, ReadWrite),
                (8, Execute),
            ],
        ),
        (
            3,
            &[
                (0, Read),
                (1, Read),
                (2, Read),
                (3, Read),
                (4, Execute),
                (6, Read),
                (7, Read),
                (8, Read),
                (11, Read),
                (12, Execute),
                (14, ReadWrite),
                (15, ReadWrite),
                (16, Read),
            ],
        ),
        (
            4,
            &[
                (0, Read),
                (1, Read),
                (2, Read),
                (3, Read),
                (4, Read),
                (7, Read),
                (8, Read),
                (9, Read),
                (10, Read),
                (11, Read),
            ],
        ),
        (
            5,
            &[
                (0, Write),
                (1, ReadWrite),
                (2, Execute),
                (3, Read),
                (5, Read),
                (6, Read),
                (7, Read),
                (8, Read),
                (9, Read),
            ],
        ),
    ]
};

/// The numbers of the objects that are registered.
pub(super) fn object_numbers() -> impl Iterator<Item = u16> {
    OBJECTS.iter().map(|(object, _)| *object)
}

/// The resources of an object, 4.04 if there is none, 4.01 for Security.
pub(super) fn resources_of(object: ObjectId) -> Result<&'static [(u16, Access)], Code> {
    if object == crate::object::SECURITY {
        return Err(Code::UNAUTHORIZED);
    }
    let found = OBJECTS.iter().find(|(number, _)| *number == object.0);
    found.map(|(_, resources)| *resources).ok_or(Code::NOT_FOUND)
}

/// What may be done with the resource that a path names or lies in; 4.04 if there is none.
pub(super) fn access_of(path: Path) -> Result<Access, Code> {
    let resources = resources_of(path.object_id().ok_or(Code::METHOD_NOT_ALLOWED)?)?;
    if path.instance_id().is_some_and(|instance| instance != InstanceId(0)) {
        return Err(Code::NOT_FOUND);
    }
    let resource = path.resource_id().ok_or(Code::METHOD_NOT_ALLOWED)?;
    let found = resources.iter().find(|(number, _)| *number == resource.0);
    found.map(|(_, access)| *access).ok_or(Code::NOT_FOUND)
}

/// Object 1, instance 0.
#[derive(Debug)]
pub(super) struct ServerObject {
    pub(super) short_server_id: u16,
    pub(super) lifetime: u32,
    pub(super) periods: Periods,
    pub(super) disable_timeout: u32,
    pub(super) storing: bool,
    pub(super) binding: String,
}

/// `/1/0/5` unless written (OMA 1.xml).
const DEFAULT_DISABLE_TIMEOUT: u32 = 86_400;

impl ServerObject {
    pub(super) fn new(account: Option<&ServerAccount>) -> Self {
        Self {
            short_server_id: account.map_or(0, |account| account.short_server_id),
            lifetime: account.map_or(0, |account| account.lifetime),
            periods: Periods::default(),
            disable_timeout: DEFAULT_DISABLE_TIMEOUT,
            storing: false,
            binding: "U".into(),
        }
    }

    /// What a Write that replaces the instance takes away.
    pub(super) fn clear_optional(&mut self) {
        self.periods = Periods::default();
        self.disable_timeout = DEFAULT_DISABLE_TIMEOUT;
    }

    fn read(&self, resource: u16) -> Option<Resource> {
        Some(match resource {
            0 => number(self.short_server_id),
            1 => number(self.lifetime),
            2 => number(self.periods.minimum?),
            3 => number(self.periods.maximum?),
            5 => number(self.disable_timeout),
            6 => Resource::Single(Value::Boolean(self.storing)),
            7 => text(&self.binding),
            _ => return None,
        })
    }
}

impl Device {
    fn read(&self, resource: u16, version: &str, binding: &str) -> Option<Resource> {
        Some(match resource {
            0 => text(&self.manufacturer),
            1 => text(&self.model),
            2 => text(&self.serial),
            3 => text(version),
            6 => numbers(self.voltages.iter().map(|_| INTERNAL_BATTERY)),
            7 => numbers(self.voltages.iter().copied()),
            8 => numbers(self.currents.iter().copied()),
            // Instance 0 with 0 says that there is no error (OMA 3.xml).
            11 => numbers([0]),
            14 => text(&self.utc_offset),
            15 => text(&self.timezone),
            16 => text(binding),
            _ => return None,
        })
    }
}

/// `/3/0/6` (OMA 3.xml).
const INTERNAL_BATTERY: i64 = 1;

impl Radio {
    fn read(&self, resource: u16) -> Option<Resource> {
        Some(match resource {
            0 => number(self.bearer),
            1 => numbers([i64::from(self.bearer)]),
            2 => number(self.signal_strength),
            3 => number(self.link_quality),
            4 => texts(&self.addresses),
            7 => texts(&self.access_points),
            8 => number(self.cell),
            9 => number(self.network_code),
            10 => number(self.country_code),
            11 => number(self.noise_ratio),
            _ => return None,
        })
    }
}

impl<F: FirmwareStore> FirmwareUpdate<F> {
    fn read(&self, resource: u16) -> Option<Resource> {
        Some(match resource {
            1 => text(self.uri()),
            3 => number(self.state() as u8),
            5 => number(self.result() as u8),
            6 => text(&self.package()?.name),
            7 => text(&self.package()?.version),
            8 => numbers(self.schemes().iter().map(|scheme| scheme.protocol().into())),
            9 => number(self.method() as u8),
            _ => return None,
        })
    }
}

/// Everything that can be read, seen together.
pub(super) struct Objects<'a, F> {
    pub(super) server: &'a ServerObject,
    pub(super) device: &'a Device,
    pub(super) radio: &'a Radio,
    pub(super) firmware: &'a FirmwareUpdate<F>,
}

impl<F: FirmwareStore> Objects<'_, F> {
    /// What a path names, or the code that says why it cannot be read.
    pub(super) fn read(&self, path: Path) -> Result<Node, Code> {
        let object = path.object_id().ok_or(Code::METHOD_NOT_ALLOWED)?;
        let instance = || Ok(self.instance(object, resources_of(object)?));
        match path {
            Path::Root => Err(Code::METHOD_NOT_ALLOWED),
            Path::Object(_) => Ok(Node::Object(BTreeMap::from([(InstanceId(0), instance()?)]))),
            Path::Instance(_, InstanceId(0)) => Ok(Node::Instance(instance()?)),
            Path::Instance(..) => resources_of(object).and(Err(Code::NOT_FOUND)),
            Path::Resource(.., resource) => Ok(Node::Resource(self.readable(path, resource)?)),
            Path::ResourceInstance(_, _, resource, value) => match self.readable(path, resource)? {
                Resource::Multiple(mut values) => {
                    values.remove(&value).map(Node::Value).ok_or(Code::NOT_FOUND)
                }
                Resource::Single(_) => Err(Code::NOT_FOUND),
            },
        }
    }

    fn readable(&self, path: Path, resource: ResourceId) -> Result<Resource, Code> {
        if !access_of(path)?.is_readable() {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        let object = path.object_id().ok_or(Code::NOT_FOUND)?;
        self.resource(object, resource.0).ok_or(Code::NOT_FOUND)
    }

    fn instance(&self, object: ObjectId, resources: &[(u16, Access)]) -> Instance {
        let readable = resources.iter().filter(|(_, access)| access.is_readable());
        let present = readable.filter_map(|(id, _)| Some((ResourceId(*id), self.resource(object, *id)?)));
        present.collect()
    }

    fn resource(&self, object: ObjectId, resource: u16) -> Option<Resource> {
        match object {
            crate::object::SERVER => self.server.read(resource),
            crate::object::DEVICE => {
                self.device.read(resource, &self.firmware.running_version(), &self.server.binding)
            }
            crate::object::CONNECTIVITY => self.radio.read(resource),
            crate::object::FIRMWARE => self.firmware.read(resource),
            _ => None,
        }
    }

    /// Whether a resource exists now, for Discover; those without a value do when they can be used.
    pub(super) fn has(&self, object: ObjectId, resource: u16, access: Access) -> bool {
        !access.is_readable() || self.resource(object, resource).is_some()
    }

    /// How many values a multiple resource has.
    pub(super) fn dimension(&self, object: ObjectId, resource: u16) -> Option<usize> {
        match self.resource(object, resource)? {
            Resource::Multiple(values) => Some(values.len()),
            Resource::Single(_) => None,
        }
    }
}

fn text(text: &str) -> Resource {
    Resource::Single(Value::from(text))
}

fn number(number: impl Into<i64>) -> Resource {
    Resource::Single(Value::Integer(number.into()))
}

fn numbers(numbers: impl IntoIterator<Item = i64>) -> Resource {
    let values = (0..).map(ResourceInstanceId).zip(numbers.into_iter().map(Value::Integer));
    Resource::Multiple(values.collect())
}

fn texts(texts: &BTreeMap<u16, String>) -> Resource {
    let values = texts.iter().map(|(id, text)| (ResourceInstanceId(*id), Value::from(text.as_str())));
    Resource::Multiple(values.collect())
}

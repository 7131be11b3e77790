//! Everything that can be read, seen together.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use coap::Code;

use super::catalog::{ObjectType, ResourceType, object_type};
use super::components::{Place, is_firmware};
use super::config::Config;
use super::data::{Data, text};
use super::firmware_store::FirmwareStore;
use super::firmware_update::FirmwareUpdate;
use super::firmware_values::UpdateState;
use crate::object;
use crate::path::{InstanceId, ObjectId, Path, ResourceId};
use crate::value::{Instance, Node, Resource, Value};

/// The objects of a client as one server sees them.
pub(super) struct Objects<'a, F> {
    pub(super) config: &'a Config,
    pub(super) data: &'a Data,
    /// The update that is worked on, and the others.
    pub(super) update: &'a FirmwareUpdate<F>,
    pub(super) others: &'a [FirmwareUpdate<F>],
    /// The state of object 5 that counts, if it is not the real one.
    pub(super) shown_state: Option<UpdateState>,
    /// `/3/0/13`, in seconds since 1970-01-01T00:00:00Z.
    pub(super) time: i64,
    /// The only instance of object 1 that this server may see; `None`: the bootstrap server sees all.
    pub(super) own_server: Option<InstanceId>,
}

impl<F: FirmwareStore> Objects<'_, F> {
    /// An object that this server may use; 4.01 for Security, 4.04 for those that are not there.
    pub(super) fn object(&self, object: ObjectId) -> Result<&'static ObjectType, Code> {
        if object == object::SECURITY && self.own_server.is_some() {
            return Err(Code::UNAUTHORIZED);
        }
        let here = self.config.has_object(object);
        object_type(object).filter(|_| here).ok_or(Code::NOT_FOUND)
    }

    /// The instances of an object that this server may see.
    pub(super) fn instances(&self, object: ObjectId) -> Vec<InstanceId> {
        if is_firmware(object) {
            return self.updates_of(object);
        }
        let seen = |id: &InstanceId| object != object::SERVER || self.own_server.is_none_or(|own| own == *id);
        self.data.instances_of(object).map(|(id, _)| id).filter(seen).collect()
    }

    /// Whether there is such an instance; the error says why not.
    pub(super) fn has_instance(&self, object: ObjectId, instance: InstanceId) -> Result<(), Code> {
        self.object(object)?;
        self.instances(object).contains(&instance).then_some(()).ok_or(Code::NOT_FOUND)
    }

    /// What may be done with the resource that a path names or lies in.
    pub(super) fn resource_type(&self, path: Path) -> Result<&'static ResourceType, Code> {
        let object = path.object_id().ok_or(Code::METHOD_NOT_ALLOWED)?;
        let found = self.object(object)?;
        let instance = path.instance_id().ok_or(Code::METHOD_NOT_ALLOWED)?;
        self.has_instance(object, instance)?;
        let resource = path.resource_id().ok_or(Code::METHOD_NOT_ALLOWED)?;
        found.resource(resource).ok_or(Code::NOT_FOUND)
    }

    /// What a path names, or the code that says why it cannot be read.
    pub(super) fn read(&self, path: Path) -> Result<Node, Code> {
        match path {
            Path::Root => Err(Code::METHOD_NOT_ALLOWED),
            Path::Object(object) => {
                let found = self.object(object)?;
                let instances = self.instances(object).into_iter();
                Ok(Node::Object(instances.map(|id| (id, self.instance(found, id))).collect()))
            }
            Path::Instance(object, instance) => {
                self.has_instance(object, instance)?;
                Ok(Node::Instance(self.instance(self.object(object)?, instance)))
            }
            Path::Resource(..) => Ok(Node::Resource(self.readable(path)?)),
            Path::ResourceInstance(.., value) => match self.readable(path)? {
                Resource::Multiple(mut values) => {
                    values.remove(&value).map(Node::Value).ok_or(Code::NOT_FOUND)
                }
                Resource::Single(_) => Err(Code::NOT_FOUND),
            },
        }
    }

    fn readable(&self, path: Path) -> Result<Resource, Code> {
        let found = self.resource_type(path)?;
        if !self.may_read(found) {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        let (object, instance) = path.object_id().zip(path.instance_id()).ok_or(Code::NOT_FOUND)?;
        self.resource(object, instance, found.id).ok_or(Code::NOT_FOUND)
    }

    fn may_read(&self, resource: &ResourceType) -> bool {
        resource.access.is_readable()
    }

    fn instance(&self, object: &ObjectType, instance: InstanceId) -> Instance {
        let readable = object.resources.iter().filter(|found| self.may_read(found));
        let present =
            readable.filter_map(|found| Some((found.id, self.resource(object.id, instance, found.id)?)));
        present.collect()
    }

    /// The value of a resource, whoever may read it.
    pub(super) fn resource(
        &self,
        object: ObjectId,
        instance: InstanceId,
        resource: ResourceId,
    ) -> Option<Resource> {
        match (object, resource.0) {
            (object::FIRMWARE, 3) if self.shown_state.is_some() => {
                self.shown_state.map(|state| super::data::number(state as u8))
            }
            (_, number) if is_firmware(object) => self.update_at(object, instance)?.read(number, self.config),
            (object::DEVICE, 3) => {
                let Place { object, instance } = Place::FIRMWARE;
                Some(text(&self.update_at(object, instance)?.running_version()))
            }
            (object::DEVICE, 13) => Some(Resource::Single(Value::Time(self.time))),
            (object::DEVICE, 16) => Some(text(self.config.bindings())),
            _ => self.data.resource(object, instance, resource).cloned(),
        }
    }

    /// Whether a resource exists now, for Discover; those without a value do when they can be used.
    pub(super) fn has(&self, object: ObjectId, instance: InstanceId, resource: &ResourceType) -> bool {
        if is_firmware(object) && resource.id == ResourceId(10) {
            return self.update_at(object, instance).is_some_and(|update| update.policy().is_some());
        }
        !resource.access.is_readable() || self.resource(object, instance, resource.id).is_some()
    }

    /// How many values a multiple resource has.
    pub(super) fn dimension(
        &self,
        object: ObjectId,
        instance: InstanceId,
        resource: ResourceId,
    ) -> Option<usize> {
        match self.resource(object, instance, resource)? {
            Resource::Multiple(values) => Some(values.len()),
            Resource::Single(_) => None,
        }
    }

    /// All objects with their instances.
    pub(super) fn all(&self) -> BTreeMap<ObjectId, Vec<InstanceId>> {
        self.config.objects().into_iter().map(|object| (object, self.instances(object))).collect()
    }

    /// Those that are registered: Security never is (LwM2M Core 1.0.2 section 5.3.1).
    pub(super) fn registered(&self) -> BTreeMap<ObjectId, Vec<InstanceId>> {
        let mut objects = self.all();
        objects.remove(&object::SECURITY);
        objects
    }
}

/// Every client here has these objects.
const ALWAYS: [u16; 5] = [0, 1, 3, 4, 5];

impl Config {
    /// The objects of the device.
    fn objects(&self) -> BTreeSet<ObjectId> {
        let components = Some(object::ADVANCED_FIRMWARE).filter(|_| !self.components.is_empty());
        let optional = self.optional_objects.iter().copied().chain(components);
        ALWAYS.map(ObjectId).into_iter().chain(optional).collect()
    }

    pub(super) fn has_object(&self, object: ObjectId) -> bool {
        let components = object == object::ADVANCED_FIRMWARE && !self.components.is_empty();
        components || ALWAYS.contains(&object.0) || self.optional_objects.contains(&object)
    }

    /// `/3/0/16`
    pub(super) fn bindings(&self) -> &'static str {
        match (self.version, self.queue_mode) {
            (super::Version::V1_0, Some(_)) => "UQ",
            _ => "U",
        }
    }
}

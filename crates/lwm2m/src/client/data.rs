//! What the objects of a client hold, except what is computed when it is asked for (object 5).

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;

use super::config::{Config, Device, Radio};
use crate::path::{InstanceId, ObjectId, ResourceId, ResourceInstanceId};
use crate::value::{Instance, Resource, Value};

/// At most this many instances of an object; a further one is refused.
pub(super) const MOST_INSTANCES: usize = 16;

/// Instances by object and number.
#[derive(Clone, PartialEq, Default)]
pub(super) struct Data(BTreeMap<(ObjectId, InstanceId), Instance>);

impl Data {
    /// What the configuration says of objects 3, 4, 9, 16 and 19.
    pub(super) fn of_device(config: &Config) -> Self {
        let mut data = Self::default();
        data.put(crate::object::DEVICE, InstanceId(0), config.device.instance());
        data.put(crate::object::CONNECTIVITY, InstanceId(0), config.radio.instance());
        for object in &config.optional_objects {
            for (number, instance) in first_instances(*object, &config.device) {
                data.put(*object, InstanceId(number), instance);
            }
        }
        data
    }

    pub(super) fn instance(&self, object: ObjectId, instance: InstanceId) -> Option<&Instance> {
        self.0.get(&(object, instance))
    }

    pub(super) fn instances_of(&self, object: ObjectId) -> impl Iterator<Item = (InstanceId, &Instance)> {
        let all = (object, InstanceId(0))..=(object, InstanceId(u16::MAX));
        self.0.range(all).map(|((_, id), instance)| (*id, instance))
    }

    pub(super) fn resource(
        &self,
        object: ObjectId,
        instance: InstanceId,
        resource: ResourceId,
    ) -> Option<&Resource> {
        self.instance(object, instance)?.get(&resource)
    }

    fn value(&self, object: ObjectId, instance: InstanceId, resource: u16) -> Option<&Value> {
        self.resource(object, instance, ResourceId(resource))?.single()
    }

    pub(super) fn number(&self, object: ObjectId, instance: InstanceId, resource: u16) -> Option<i64> {
        self.value(object, instance, resource)?.as_integer()
    }

    /// A number that fits 32 bits without a sign, as all durations do.
    pub(super) fn seconds(&self, object: ObjectId, instance: InstanceId, resource: u16) -> Option<u32> {
        u32::try_from(self.number(object, instance, resource)?).ok()
    }

    pub(super) fn truth(&self, object: ObjectId, instance: InstanceId, resource: u16) -> bool {
        self.value(object, instance, resource) == Some(&Value::Boolean(true))
    }

    pub(super) fn text(&self, object: ObjectId, instance: InstanceId, resource: u16) -> Option<&str> {
        self.value(object, instance, resource)?.as_text()
    }

    pub(super) fn bytes(&self, object: ObjectId, instance: InstanceId, resource: u16) -> Option<&[u8]> {
        self.value(object, instance, resource)?.as_bytes()
    }

    pub(super) fn put(&mut self, object: ObjectId, instance: InstanceId, resources: Instance) {
        self.0.insert((object, instance), resources);
    }

    pub(super) fn set(
        &mut self,
        object: ObjectId,
        instance: InstanceId,
        resource: ResourceId,
        value: Resource,
    ) {
        self.0.entry((object, instance)).or_default().insert(resource, value);
    }

    pub(super) fn unset(&mut self, object: ObjectId, instance: InstanceId, resource: ResourceId) {
        if let Some(resources) = self.0.get_mut(&(object, instance)) {
            resources.remove(&resource);
        }
    }

    /// Whether there was such an instance.
    pub(super) fn remove(&mut self, object: ObjectId, instance: InstanceId) -> bool {
        self.0.remove(&(object, instance)).is_some()
    }

    /// Drops the instances that the test does not keep.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(ObjectId, InstanceId, &Instance) -> bool) {
        self.0.retain(|(object, id), instance| keep(*object, *id, instance));
    }

    /// The lowest number that no instance of the object has.
    pub(super) fn free_instance(&self, object: ObjectId) -> InstanceId {
        let taken = |number: &u16| self.instance(object, InstanceId(*number)).is_some();
        InstanceId((0..u16::MAX).find(|number| !taken(number)).unwrap_or(u16::MAX))
    }
}

impl fmt::Debug for Data {
    /// Names only: object 0 holds keys.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.keys().map(|(object, instance)| crate::path::Path::Instance(*object, *instance));
        formatter.debug_list().entries(names).finish()
    }
}

impl Device {
    fn instance(&self) -> Instance {
        Instance::from([
            (ResourceId(0), text(&self.manufacturer)),
            (ResourceId(1), text(&self.model)),
            (ResourceId(2), text(&self.serial)),
            (ResourceId(6), numbers(self.voltages.iter().map(|_| INTERNAL_BATTERY))),
            (ResourceId(7), numbers(self.voltages.iter().copied())),
            (ResourceId(8), numbers(self.currents.iter().copied())),
            // Instance 0 with 0 says that there is no error (OMA 3.xml).
            (ResourceId(11), numbers([0])),
            (ResourceId(14), text(&self.utc_offset)),
            (ResourceId(15), text(&self.timezone)),
        ])
    }
}

/// `/3/0/6` (OMA 3.xml).
const INTERNAL_BATTERY: i64 = 1;

impl Radio {
    pub(super) fn instance(&self) -> Instance {
        Instance::from([
            (ResourceId(0), number(self.bearer)),
            (ResourceId(1), numbers([i64::from(self.bearer)])),
            (ResourceId(2), number(self.signal_strength)),
            (ResourceId(3), number(self.link_quality)),
            (ResourceId(4), texts(&self.addresses)),
            (ResourceId(7), texts(&self.access_points)),
            (ResourceId(8), number(self.cell)),
            (ResourceId(9), number(self.network_code)),
            (ResourceId(10), number(self.country_code)),
            (ResourceId(11), number(self.noise_ratio)),
        ])
    }
}

/// What an optional object holds when the device leaves its factory.
fn first_instances(object: ObjectId, device: &Device) -> alloc::vec::Vec<(u16, Instance)> {
    let empty =
        || Resource::Multiple(BTreeMap::from([(ResourceInstanceId(0), Value::Opaque(Default::default()))]));
    match object.0 {
        // A part that came with the device: installed (3) and active.
        9 => alloc::vec![(
            0,
            Instance::from([
                (ResourceId(0), text(&device.model)),
                (ResourceId(1), text("1.0")),
                (ResourceId(7), number(3)),
                (ResourceId(9), number(0)),
                (ResourceId(12), Resource::Single(Value::Boolean(true))),
            ]),
        )],
        16 => alloc::vec![(
            0,
            Instance::from([(
                ResourceId(0),
                texts(&BTreeMap::from([(0, "host device".into()), (1, device.model.clone())])),
            )]),
        )],
        // 19/0 is for uplink data, which the server observes, 19/1 for downlink data (BC35-G).
        19 => [0, 1].map(|number| (number, Instance::from([(ResourceId(0), empty())]))).into(),
        _ => alloc::vec![],
    }
}

pub(super) fn text(text: &str) -> Resource {
    Resource::Single(Value::from(text))
}

pub(super) fn number(number: impl Into<i64>) -> Resource {
    Resource::Single(Value::Integer(number.into()))
}

pub(super) fn numbers(numbers: impl IntoIterator<Item = i64>) -> Resource {
    let values = (0..).map(ResourceInstanceId).zip(numbers.into_iter().map(Value::Integer));
    Resource::Multiple(values.collect())
}

fn texts(texts: &BTreeMap<u16, String>) -> Resource {
    let values = texts.iter().map(|(id, text)| (ResourceInstanceId(*id), Value::from(text.as_str())));
    Resource::Multiple(values.collect())
}

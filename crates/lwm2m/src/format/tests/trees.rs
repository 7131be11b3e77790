//! Random data of an object that has a resource of each type, once single and once multiple.

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use crate::model::{Access, ObjectDefinition, ObjectModel, ResourceDefinition};
use crate::path::{InstanceId, ObjectId, ResourceId, ResourceInstanceId};
use crate::value::{Instance, Kind, Resource, Value};

/// The object's number.
pub const OBJECT: u16 = 40_000;

const KINDS: [Kind; 8] = [
    Kind::String,
    Kind::Integer,
    Kind::Unsigned,
    Kind::Float,
    Kind::Boolean,
    Kind::Opaque,
    Kind::Time,
    Kind::ObjectLink,
];

/// The core objects and [`OBJECT`]: resources 0 to 7 are single, 300 to 307 are multiple.
pub fn model() -> ObjectModel {
    let definition = |base: u16, multiple: bool| {
        let with_ids = (base..).zip(KINDS);
        with_ids.map(move |(id, kind)| ResourceDefinition {
            multiple,
            ..ResourceDefinition::new(id, "", kind, Access::ReadWrite, "")
        })
    };
    let resources: Vec<_> = definition(0, false).chain(definition(300, true)).collect();
    let object =
        ObjectDefinition { resources: Cow::Owned(resources), ..ObjectDefinition::new(OBJECT, "", &[], "") };
    ObjectModel::CORE.with([object])
}

/// What a value of any type is made of.
type Seed = (i64, u32, String, Vec<u8>);

fn value(kind: Kind, (bits, shift, text, bytes): Seed) -> Value {
    // Small numbers are as likely as large ones.
    let number = bits >> shift;
    match kind {
        Kind::String => Value::String(text),
        Kind::Integer => Value::Integer(number),
        Kind::Unsigned => Value::Unsigned(bits as u64 >> shift),
        Kind::Float if f64::from_bits(bits as u64).is_finite() && shift % 2 == 0 => {
            Value::Float(f64::from_bits(bits as u64))
        }
        Kind::Float => Value::Float(number as f64 / 8.0),
        Kind::Boolean => Value::Boolean(number & 1 == 1),
        Kind::Opaque => Value::Opaque(bytes),
        Kind::Time => Value::Time(number),
        Kind::ObjectLink => Value::ObjectLink(ObjectId(bits as u16), InstanceId((bits >> 16) as u16)),
    }
}

fn seed() -> impl Strategy<Value = Seed> {
    (any::<i64>(), 0_u32..64, ".{0,6}", vec(any::<u8>(), 0..10))
}

fn resource() -> impl Strategy<Value = (ResourceId, Resource)> {
    (0_u16..16, seed(), btree_set(0_u16..65_535, 0..4)).prop_map(|(index, seed, ids)| {
        let kind = KINDS[usize::from(index % 8)];
        if index < 8 {
            return (ResourceId(index), Resource::Single(value(kind, seed)));
        }
        let values = ids.into_iter().map(|id| {
            let mut seed = seed.clone();
            seed.0 = seed.0.rotate_left(u32::from(id % 64));
            (ResourceInstanceId(id), value(kind, seed))
        });
        (ResourceId(index - 8 + 300), Resource::Multiple(values.collect()))
    })
}

/// Instances of [`OBJECT`].
pub fn instances() -> impl Strategy<Value = BTreeMap<InstanceId, Instance>> {
    let instance = vec(resource(), 0..5).prop_map(|resources| resources.into_iter().collect());
    btree_map((0_u16..65_535).prop_map(InstanceId), instance, 0..3)
}

/// The same without what formats that list values cannot carry.
pub fn without_empty(instances: &BTreeMap<InstanceId, Instance>) -> BTreeMap<InstanceId, Instance> {
    let full = |resource: &Resource| resource.values().next().is_some();
    let instances = instances.iter().map(|(id, instance)| {
        let kept = instance.iter().filter(|(_, resource)| full(resource));
        (*id, kept.map(|(id, resource)| (*id, resource.clone())).collect::<Instance>())
    });
    instances.filter(|(_, instance)| !instance.is_empty()).collect()
}

/// Numbers of paths.
pub fn numbers() -> impl Strategy<Value = Vec<u16>> {
    vec(0_u16..65_535, 1..5)
}

/// Places that do not lie inside each other.
pub fn apart(paths: Vec<crate::path::Path>) -> Vec<crate::path::Path> {
    let paths: BTreeSet<_> = paths.into_iter().collect();
    let inside = |path: &crate::path::Path| paths.iter().any(|other| other != path && other.contains(*path));
    paths.iter().copied().filter(|path| !inside(path)).collect()
}

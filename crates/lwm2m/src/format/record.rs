//! Values by path: what composite operations and Send carry, and how they become a [`Node`].

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{DecodeError, EncodeError};
use crate::model::ObjectModel;
use crate::path::{InstanceId, Path};
use crate::value::{Instance, Node, Resource, Value};

/// SenML's border between relative and absolute times, 2^28 seconds (RFC 8428 section 4.5.3).
const FIRST_ABSOLUTE_SECOND: f64 = 268_435_456.0;

/// One entry of a composite request or of a Send.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    /// Where the value lives; of a composite read also what is asked for.
    pub path: Path,
    /// The value. None in a composite read, and where a composite write removes a resource instance.
    pub value: Option<Value>,
    /// When it was so: seconds since 1970-01-01T00:00:00Z, or, if less than 2^28, seconds from the moment of
    /// sending (RFC 8428 section 4.5.3). None means now.
    pub time: Option<f64>,
}

impl Record {
    /// A value of now.
    pub const fn new(path: Path, value: Value) -> Self {
        Self { path, value: Some(value), time: None }
    }

    /// A place without a value.
    pub const fn place(path: Path) -> Self {
        Self { path, value: None, time: None }
    }

    /// When the value was so, in seconds since 1970, if it was sent `now`.
    pub fn seconds(&self, now: f64) -> f64 {
        match self.time {
            None => now,
            Some(time) if time < FIRST_ABSOLUTE_SECOND => now + time,
            Some(time) => time,
        }
    }
}

/// The values of `node`, which lives at `path`, one by one.
///
/// Instances without resources and multiple resources without values have no record.
///
/// # Errors
/// [`EncodeError::WrongShape`] if the node is not one of `path`.
pub fn records_of(path: Path, node: &Node) -> Result<Vec<Record>, EncodeError> {
    let mut records = Vec::new();
    match (path, node) {
        (Path::Object(_), Node::Object(instances)) => {
            for (id, instance) in instances {
                path.child(id.0).into_iter().for_each(|place| of_instance(place, instance, &mut records));
            }
        }
        (Path::Instance(..), Node::Instance(instance)) => of_instance(path, instance, &mut records),
        (Path::Resource(..), Node::Resource(resource)) => of_resource(path, resource, &mut records),
        (Path::ResourceInstance(..), Node::Value(value)) => records.push(Record::new(path, value.clone())),
        _ => return Err(EncodeError::WrongShape(path)),
    }
    Ok(records)
}

fn of_instance(path: Path, instance: &Instance, records: &mut Vec<Record>) {
    for (id, resource) in instance {
        path.child(id.0).into_iter().for_each(|place| of_resource(place, resource, records));
    }
}

fn of_resource(path: Path, resource: &Resource, records: &mut Vec<Record>) {
    match resource {
        Resource::Single(value) => records.push(Record::new(path, value.clone())),
        Resource::Multiple(values) => {
            let places = values.iter().filter_map(|(id, value)| Some((path.child(id.0)?, value)));
            records.extend(places.map(|(place, value)| Record::new(place, value.clone())));
        }
    }
}

/// What lives at `path`, from values one by one.
///
/// Of several values of one place the newest counts, and of those without a time the last; records without a
/// value count as absent. Without any record a resource that the model calls multiple has no values.
///
/// # Errors
/// A record lies outside of `path`, there is none for a resource, or a resource has both a value and
/// numbered values.
pub fn node_of(path: Path, records: &[Record], model: &ObjectModel) -> Result<Node, DecodeError> {
    node_from(path, records.iter().cloned(), model)
}

/// [`node_of`] from records that nobody else needs.
pub(super) fn node_from(
    path: Path,
    records: impl IntoIterator<Item = Record>,
    model: &ObjectModel,
) -> Result<Node, DecodeError> {
    let mut ages = BTreeMap::new();
    let mut places = Places::new();
    for record in records {
        if !path.contains(record.path) {
            return Err(DecodeError::Outside { path: record.path, asked: path });
        }
        let (age, value) = (age(record.time), record.value);
        let Some(value) = value else { continue };
        if ages.get(&record.path).is_none_or(|known| *known <= age) {
            ages.insert(record.path, age);
            places.insert(record.path, Some(value));
        }
    }
    node_at(path, places, model)
}

/// Larger for what is newer: no time is now, and times before 2^28 count from now.
fn age(time: Option<f64>) -> (bool, f64) {
    match time {
        None => (true, 0.0),
        Some(time) => (time < FIRST_ABSOLUTE_SECOND, time),
    }
}

/// Values by their paths; None where there is an object, instance or multiple resource with nothing inside.
pub(super) type Places = BTreeMap<Path, Option<Value>>;

/// What lives at `path`, below which all places must lie.
pub(super) fn node_at(path: Path, places: Places, model: &ObjectModel) -> Result<Node, DecodeError> {
    let mut instances: BTreeMap<InstanceId, Instance> = BTreeMap::new();
    for (place, value) in places {
        if let Some(id) = place.instance_id() {
            put(instances.entry(id).or_default(), place, value)?;
        }
    }
    let mut resources = path.instance_id().and_then(|id| instances.remove(&id)).unwrap_or_default();
    let missing = DecodeError::NotThere(path);
    match path {
        Path::Root => Err(missing),
        Path::Object(_) => Ok(Node::Object(instances)),
        Path::Instance(..) => Ok(Node::Instance(resources)),
        Path::Resource(.., id) => match resources.remove(&id) {
            Some(resource) => Ok(Node::Resource(resource)),
            None if model.resource_at(path).is_some_and(|definition| definition.multiple) => {
                Ok(Node::Resource(Resource::Multiple(BTreeMap::new())))
            }
            None => Err(missing),
        },
        Path::ResourceInstance(.., resource, id) => match resources.remove(&resource) {
            Some(Resource::Multiple(mut values)) => values.remove(&id).map(Node::Value).ok_or(missing),
            _ => Err(missing),
        },
    }
}

/// Puts what is at a place into the instance that it belongs to.
fn put(instance: &mut Instance, place: Path, value: Option<Value>) -> Result<(), DecodeError> {
    match (place, value) {
        (Path::Resource(.., id), Some(value)) => {
            let before = instance.insert(id, Resource::Single(value));
            return before.map_or(Ok(()), |_| Err(DecodeError::Conflict(place)));
        }
        (Path::Resource(.., id), None) => {
            instance.entry(id).or_insert_with(|| Resource::Multiple(BTreeMap::new()));
        }
        (Path::ResourceInstance(.., resource, id), Some(value)) => {
            match instance.entry(resource).or_insert_with(|| Resource::Multiple(BTreeMap::new())) {
                Resource::Multiple(values) => drop(values.insert(id, value)),
                Resource::Single(_) => return Err(DecodeError::Conflict(place)),
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;

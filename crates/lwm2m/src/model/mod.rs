//! What objects and resources are: names, types, ranges, and what a server may do with them.
//!
//! [`ObjectModel::CORE`] has the objects that the standard and this server need, as tables in the program;
//! definitions that were loaded stand beside them. A copy is cheap, so every shard has its own.
//!
//! ```
//! use lwm2m::model::ObjectModel;
//! use lwm2m::path::{ObjectId, Path};
//! use lwm2m::value::Kind;
//!
//! let model = ObjectModel::CORE;
//! assert_eq!(&*model.object(ObjectId(5)).unwrap().name, "Firmware Update");
//! assert_eq!(model.kind_at(Path::resource(5, 0, 3)), Some(Kind::Integer));
//! assert_eq!(model.kind_at(Path::resource(5, 0, 999)), None);
//! ```

mod core_objects;
#[cfg(feature = "ddf")]
pub mod ddf;
mod definition;

use alloc::sync::Arc;
use alloc::vec::Vec;

pub use self::definition::{
    Access, ObjectDefinition, ObjectVersion, ParseObjectVersionError, Range, ResourceDefinition,
};
use crate::path::{ObjectId, Path, ResourceId};
use crate::value::Kind;

/// All object definitions that are known.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ObjectModel {
    /// Sorted by number, then by version; shared by all copies.
    loaded: Option<Arc<[ObjectDefinition]>>,
    /// Objects of which another version than the newest counts; sorted by number.
    chosen: Option<Arc<[(ObjectId, ObjectVersion)]>>,
}

impl ObjectModel {
    /// The built-in objects only: 0 to 7, 9, 10, 11, 16, 19, 21 and 33629.
    pub const CORE: Self = Self { loaded: None, chosen: None };

    /// This model with more definitions. One that was loaded before with the same number and version is
    /// replaced; a built-in one stays, because the server itself relies on it
    /// ([`ObjectModel::is_built_in`]).
    #[must_use]
    pub fn with(self, definitions: impl IntoIterator<Item = ObjectDefinition>) -> Self {
        let mut loaded: Vec<ObjectDefinition> = self.loaded().to_vec();
        for mut definition in definitions {
            definition.resources.to_mut().sort_by_key(|resource| resource.id);
            match loaded.binary_search_by_key(&key(&definition), key) {
                Ok(index) => loaded[index] = definition,
                Err(index) => loaded.insert(index, definition),
            }
        }
        loaded.retain(|definition| !Self::is_built_in(definition.id));
        Self { loaded: (!loaded.is_empty()).then(|| loaded.into()), chosen: self.chosen }
    }

    /// This model as one device means it, which has objects of these versions. Where its version is not
    /// known, the newest counts. Built-in objects have one definition for all versions.
    ///
    /// ```
    /// use lwm2m::model::{ObjectDefinition, ObjectModel, ObjectVersion};
    /// use lwm2m::path::ObjectId;
    ///
    /// let old = ObjectDefinition::new(3303, "Temperature", &[], "");
    /// let new = ObjectDefinition { version: ObjectVersion::new(1, 1), ..old.clone() };
    /// let model = ObjectModel::CORE.with([old, new]);
    /// let version = |model: &ObjectModel| model.object(ObjectId(3303)).unwrap().version;
    /// assert_eq!(version(&model), ObjectVersion::new(1, 1));
    /// assert_eq!(version(&model.of_device(|_| ObjectVersion::FIRST)), ObjectVersion::FIRST);
    /// ```
    #[must_use]
    pub fn of_device(&self, version: impl Fn(ObjectId) -> ObjectVersion) -> Self {
        let of_one_object = self.loaded().chunk_by(|one, next| one.id == next.id);
        let several = of_one_object.filter(|versions| versions.len() > 1);
        let chosen: Vec<(ObjectId, ObjectVersion)> =
            several.map(|versions| (versions[0].id, version(versions[0].id))).collect();
        Self { loaded: self.loaded.clone(), chosen: (!chosen.is_empty()).then(|| chosen.into()) }
    }

    /// Whether it matters which versions of its objects a device has.
    pub fn has_versions(&self) -> bool {
        self.loaded().windows(2).any(|pair| pair[0].id == pair[1].id)
    }

    /// Whether an object is part of [`ObjectModel::CORE`].
    pub fn is_built_in(object: ObjectId) -> bool {
        built_in(object).is_some()
    }

    /// The definition of an object: the version that was chosen by [`ObjectModel::of_device`], otherwise the
    /// newest.
    pub fn object(&self, object: ObjectId) -> Option<&ObjectDefinition> {
        if let Some(definition) = built_in(object) {
            return Some(definition);
        }
        let newest = self.loaded().partition_point(|definition| definition.id <= object).checked_sub(1)?;
        let newest = self.loaded().get(newest).filter(|definition| definition.id == object)?;
        self.chosen(object).and_then(|version| self.version(object, version)).or(Some(newest))
    }

    /// A version of an object that was loaded.
    pub fn version(&self, object: ObjectId, version: ObjectVersion) -> Option<&ObjectDefinition> {
        let index = self.loaded().binary_search_by_key(&(object, version), key).ok()?;
        self.loaded().get(index)
    }

    fn chosen(&self, object: ObjectId) -> Option<ObjectVersion> {
        let chosen = self.chosen.as_deref()?;
        let index = chosen.binary_search_by_key(&object, |(object, _)| *object).ok()?;
        Some(chosen[index].1)
    }

    /// The definition of a resource.
    pub fn resource(&self, object: ObjectId, resource: ResourceId) -> Option<&ResourceDefinition> {
        self.object(object)?.resource(resource)
    }

    /// The definition of the resource that a path names or lies in.
    pub fn resource_at(&self, path: Path) -> Option<&ResourceDefinition> {
        self.resource(path.object_id()?, path.resource_id()?)
    }

    /// The type of the resource that a path names or lies in.
    pub fn kind_at(&self, path: Path) -> Option<Kind> {
        self.resource_at(path).map(|resource| resource.kind)
    }

    /// All objects in all versions, the built-in ones first, each part in the order of the numbers.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectDefinition> {
        core_objects::OBJECTS.iter().copied().chain(self.loaded())
    }

    /// Those that were loaded, in the order of their numbers and versions.
    pub fn loaded(&self) -> &[ObjectDefinition] {
        self.loaded.as_deref().unwrap_or_default()
    }
}

fn built_in(object: ObjectId) -> Option<&'static ObjectDefinition> {
    let index = core_objects::OBJECTS.binary_search_by_key(&object, |definition| definition.id).ok()?;
    Some(core_objects::OBJECTS[index])
}

fn key(definition: &ObjectDefinition) -> (ObjectId, ObjectVersion) {
    (definition.id, definition.version)
}

#[cfg(test)]
mod tests {
    use alloc::borrow::Cow;
    use alloc::vec;

    use super::*;

    fn thermometer(version: ObjectVersion) -> ObjectDefinition {
        let value = ResourceDefinition::new(5700, "Sensor Value", Kind::Float, Access::Read, "").unit("Cel");
        let reset = ResourceDefinition::new(5605, "Reset", Kind::String, Access::Execute, "");
        ObjectDefinition {
            version,
            resources: Cow::Owned(vec![value, reset]),
            ..ObjectDefinition::new(3303, "Temperature", &[], "").several()
        }
    }

    #[test]
    fn the_tables_are_sorted_so_that_every_entry_is_found() {
        let model = ObjectModel::CORE;
        for object in model.objects() {
            assert_eq!(model.object(object.id), Some(object));
            for resource in &*object.resources {
                assert_eq!(model.resource(object.id, resource.id), Some(resource), "{}", object.name);
            }
        }
        let numbers: Vec<u16> = model.objects().map(|object| object.id.0).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 16, 19, 21, 33_629]);
    }

    #[test]
    fn a_resource_instance_has_the_definition_of_its_resource() {
        let path = Path::resource_instance(3, 0, 11, 0);
        let model = ObjectModel::CORE;
        assert_eq!(model.resource_at(path).map(|resource| &*resource.name), Some("Error Code"));
        assert_eq!(model.resource_at(Path::object(3)), None);
    }

    const NEXT: ObjectVersion = ObjectVersion::new(1, 1);

    #[test]
    fn loaded_definitions_stand_beside_the_built_in_ones() {
        let model = ObjectModel::CORE.with([thermometer(ObjectVersion::FIRST)]);
        assert_eq!(model.kind_at(Path::resource(3303, 0, 5700)), Some(Kind::Float));
        assert_eq!(model.kind_at(Path::resource(3303, 0, 5605)), Some(Kind::String));
        assert_eq!(model.kind_at(Path::resource(3302, 0, 5605)), None);
        assert_eq!(model.kind_at(Path::resource(3304, 0, 5605)), None);
        assert_eq!(model.kind_at(Path::resource(3, 0, 3)), Some(Kind::String));
        let renamed = ObjectDefinition { name: "Heat".into(), ..thermometer(ObjectVersion::FIRST) };
        let newer = model.clone().with([renamed]);
        assert_eq!(newer.object(ObjectId(3303)).map(|object| &*object.name), Some("Heat"));
        assert_eq!(newer.loaded().len(), 1);
        assert_eq!(model.object(ObjectId(3303)).map(|object| &*object.name), Some("Temperature"));
    }

    #[test]
    fn the_version_that_a_device_has_counts_for_it_and_the_newest_otherwise() {
        let newest = ObjectVersion::new(2, 0);
        let model = ObjectModel::CORE.with([newest, ObjectVersion::FIRST, NEXT].map(thermometer));
        assert!(model.has_versions());
        let version = |model: &ObjectModel| model.object(ObjectId(3303)).map(|object| object.version);
        assert_eq!(version(&model), Some(newest));
        for known in [ObjectVersion::FIRST, NEXT, newest] {
            assert_eq!(version(&model.of_device(|_| known)), Some(known));
        }
        assert_eq!(version(&model.of_device(|_| ObjectVersion::new(1, 2))), Some(newest), "unknown");
        let one = ObjectModel::CORE.with([thermometer(NEXT)]);
        assert!(!one.has_versions());
        assert_eq!(one.of_device(|_| ObjectVersion::FIRST), one);
    }

    #[test]
    fn what_the_server_relies_on_cannot_be_redefined() {
        let other = ObjectDefinition { id: ObjectId(5), ..thermometer(ObjectVersion::new(9, 0)) };
        let model = ObjectModel::CORE.with([other]);
        assert_eq!(model, ObjectModel::CORE);
    }
}

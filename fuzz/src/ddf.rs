//! Object definitions in XML, as an operator uploads them: what is read can be written and then reads the same.

use lwm2m::model::{ObjectModel, ddf};

/// Takes a file.
///
/// # Panics
/// If what was read reads differently after it was written, or cannot be looked up.
pub fn target(bytes: &[u8]) {
    let Ok(objects) = ddf::read(bytes) else { return };
    for object in &objects {
        assert_eq!(ddf::read(ddf::write(object).as_bytes()).as_deref(), Ok(std::slice::from_ref(object)));
    }
    let model = ObjectModel::CORE.with(objects.clone());
    for object in objects.iter().filter(|object| !ObjectModel::is_built_in(object.id)) {
        assert_eq!(model.object(object.id), Some(object));
        for resource in &*object.resources {
            assert_eq!(model.resource(object.id, resource.id), Some(resource));
        }
    }
}

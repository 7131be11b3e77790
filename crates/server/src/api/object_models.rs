//! Objects and their resources as the API shows them.

use lwm2m::model::{ObjectDefinition, Range, ResourceDefinition};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::{FolderReading, KnownObject, Source};

/// An object definition in OMA's XML.
#[derive(ToSchema, Debug)]
#[schema(value_type = String)]
#[expect(dead_code, reason = "describes a body that is not JSON")]
pub struct ObjectXml(String);

/// Where a definition comes from.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectSource {
    /// It is part of the server and cannot be replaced.
    BuiltIn,
    /// A file of the configured folder.
    Folder,
    /// An operator uploaded it.
    Uploaded,
}

/// A version of an object.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct ObjectModel {
    /// Its number.
    #[schema(example = 3303)]
    pub object: u16,
    /// Its version. Of several, that which a device registered counts for that device.
    #[schema(example = "1.1")]
    pub version: String,
    /// Its name.
    #[schema(example = "Temperature")]
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether there may be several instances.
    pub multiple: bool,
    /// Whether every device has it.
    pub mandatory: bool,
    /// Where the definition comes from.
    pub source: ObjectSource,
    /// The file of the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// When it was uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added_at: Option<String>,
    /// Its resources, in the order of their numbers.
    pub resources: Vec<ResourceModel>,
}

/// A resource of an object.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct ResourceModel {
    /// Its number.
    #[schema(example = 5700)]
    pub resource: u16,
    /// Its name.
    #[schema(example = "Sensor Value")]
    pub name: String,
    /// Its type: string, integer, unsigned, float, boolean, opaque, time or objlnk.
    pub kind: String,
    /// What can be done with it: R, W, RW, E, or nothing where only a bootstrap server may.
    #[schema(example = "R")]
    pub operations: String,
    /// Whether it holds several values.
    pub multiple: bool,
    /// Whether every instance has it.
    pub mandatory: bool,
    /// Which values it takes, such as `0..100` or `0..255 bytes`; absent if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// The unit of its numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Cel")]
    pub unit: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// What came of reading the folder.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct ObjectModelFolder {
    /// The folder; absent if none is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// How many definitions were read.
    pub objects: u64,
    /// What was left out.
    pub faults: Vec<ObjectModelFault>,
}

/// A file of the folder that was left out, or an object in it.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct ObjectModelFault {
    /// Its name.
    pub file: String,
    /// What is wrong, with the line.
    pub reason: String,
}

impl From<KnownObject> for ObjectModel {
    fn from(known: KnownObject) -> Self {
        let ObjectDefinition { id, version, name, multiple, mandatory, resources, description } =
            known.definition;
        let (source, file, added_at) = match known.source {
            Source::BuiltIn => (ObjectSource::BuiltIn, None, None),
            Source::Folder { file } => (ObjectSource::Folder, Some(file), None),
            Source::Uploaded { at } => (ObjectSource::Uploaded, None, Some(at.to_string())),
        };
        Self {
            object: id.0,
            version: version.to_string(),
            name: name.into_owned(),
            description: description.into_owned(),
            multiple,
            mandatory,
            source,
            file,
            added_at,
            resources: resources.iter().map(ResourceModel::from).collect(),
        }
    }
}

impl From<&ResourceDefinition> for ResourceModel {
    fn from(resource: &ResourceDefinition) -> Self {
        let unit = resource.unit.to_string();
        Self {
            resource: resource.id.0,
            name: resource.name.to_string(),
            kind: crate::app::operations::values::code(resource.kind).to_owned(),
            operations: resource.access.letters().to_owned(),
            multiple: resource.multiple,
            mandatory: resource.mandatory,
            range: (resource.range != Range::Any).then(|| resource.range.to_string()),
            unit: (!unit.is_empty()).then_some(unit),
            description: resource.description.to_string(),
        }
    }
}

impl From<FolderReading> for ObjectModelFolder {
    fn from(reading: FolderReading) -> Self {
        let faults = reading.faults.into_iter();
        Self {
            folder: reading.folder.map(|folder| folder.display().to_string()),
            objects: reading.objects as u64,
            faults: faults.map(|fault| ObjectModelFault { file: fault.file, reason: fault.reason }).collect(),
        }
    }
}

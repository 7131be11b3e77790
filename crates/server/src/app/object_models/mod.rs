//! Object definitions beside the built-in ones: uploaded, or read from a folder.
//!
//! A built-in object stays as it is, because the server itself relies on it. Of several versions of an object
//! that which a device registered counts for that device. An uploaded definition goes before one of the
//! folder with the same number and version.

mod folder;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use lwm2m::model::ddf::{self, DdfError};
use lwm2m::model::{ObjectDefinition, ObjectModel, ObjectVersion};
use lwm2m::path::ObjectId;
use lwm2m::server::{ObjectList, Version};
use tokio::sync::Mutex;

use folder::Contents;
pub use folder::FolderFault;

use super::{App, Order};
use crate::clock::Moment;
use crate::store::{StoreError, devices, object_models};

/// Most definitions that were uploaded, and most that are read from the folder; the public registry has about
/// 400 objects.
pub const MOST_DEFINITIONS: usize = 1_000;

type Key = (ObjectId, ObjectVersion);

fn key(definition: &ObjectDefinition) -> Key {
    (definition.id, definition.version)
}

/// Where a definition comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// It is part of the server.
    BuiltIn,
    /// A file of the folder.
    Folder {
        /// Its name.
        file: String,
    },
    /// An operator uploaded it.
    Uploaded {
        /// When.
        at: Moment,
    },
}

/// A definition and where it comes from.
#[derive(Clone, PartialEq, Debug)]
pub struct KnownObject {
    pub definition: ObjectDefinition,
    pub source: Source,
}

/// What came of reading the folder.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FolderReading {
    /// `None` if no folder is configured.
    pub folder: Option<PathBuf>,
    /// How many definitions were read.
    pub objects: usize,
    /// What was left out.
    pub faults: Vec<FolderFault>,
}

/// Why a definition was not added. Nothing of the file was.
#[derive(Debug, thiserror::Error)]
pub enum AddObjectModelError {
    /// It does not define objects.
    #[error("the file is no object definition: {0}")]
    Bad(#[from] DdfError),
    /// The server relies on its own definition.
    #[error("object {object} ({name}) is built in and stays as it is", object = .object.0)]
    BuiltIn {
        /// Its number.
        object: ObjectId,
        /// Its built-in name.
        name: String,
    },
    /// There is one already that says something else.
    #[error("object {object} in version {version} exists and says something else", object = .object.0)]
    Exists {
        /// Its number.
        object: ObjectId,
        /// Its version.
        version: ObjectVersion,
    },
    /// So many are there.
    #[error("{MOST_DEFINITIONS} definitions were uploaded already")]
    Full,
    /// Could not be stored.
    #[error("the definition could not be stored")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for AddObjectModelError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Why a definition was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveObjectModelError {
    /// There is none.
    #[error("there is no definition of object {object} in version {version}", object = .0.0, version = .1)]
    Unknown(ObjectId, ObjectVersion),
    /// The server relies on it.
    #[error("object {object} is built in", object = .0.0)]
    BuiltIn(ObjectId),
    /// It is in a file of the folder.
    #[error("the definition comes from the file {0} of the folder")]
    InFolder(String),
    /// Could not be stored.
    #[error("the definition could not be removed")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for RemoveObjectModelError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// All definitions that are known.
#[derive(Debug)]
pub struct ObjectModels {
    folder: Option<PathBuf>,
    /// Held from a change in the store to that in memory.
    change: Mutex<()>,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    uploaded: BTreeMap<Key, (ObjectDefinition, Moment)>,
    in_folder: BTreeMap<Key, (ObjectDefinition, String)>,
    /// Made of both.
    model: ObjectModel,
}

impl ObjectModels {
    /// Knows the built-in objects until it is loaded.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, change: Mutex::default(), known: RwLock::default() }
    }

    fn read<T>(&self, read: impl FnOnce(&Known) -> T) -> T {
        // A panic elsewhere leaves at worst the model of before.
        read(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut known);
        let in_folder = known.in_folder.values().map(|(definition, _)| definition.clone());
        let uploaded = known.uploaded.values().map(|(definition, _)| definition.clone());
        known.model = ObjectModel::CORE.with(in_folder.chain(uploaded));
    }
}

impl App {
    /// The objects that are known.
    pub fn model(&self) -> ObjectModel {
        self.inner.object_models.read(|known| known.model.clone())
    }

    /// The objects as a device has them, and the version of LwM2M that it speaks, as far as it has told.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn model_of(&self, endpoint: &str) -> Result<(ObjectModel, Version), StoreError> {
        let model = self.model();
        let device = devices::by_endpoint(&mut *self.inner.store.read().await?, endpoint).await?;
        let state = device.and_then(|device| device.state);
        let version = state.as_ref().map_or(Version::V1_2, |state| match &*state.lwm2m_version {
            "1.0" => Version::V1_0,
            "1.1" => Version::V1_1,
            _ => Version::V1_2,
        });
        let links = state.and_then(|state| state.objects).filter(|_| model.has_versions());
        let objects: Option<ObjectList> = links.and_then(|links| links.parse().ok());
        Ok((objects.map_or(model.clone(), |list| model.of_device(|object| list.version(object))), version))
    }

    /// Everything that is known, by number and version.
    pub fn object_models(&self) -> Vec<KnownObject> {
        self.inner.object_models.read(|known| {
            let source = |definition: &ObjectDefinition| {
                let uploaded =
                    known.uploaded.get(&key(definition)).map(|(_, at)| Source::Uploaded { at: *at });
                let in_folder = || known.in_folder.get(&key(definition));
                uploaded
                    .or_else(|| in_folder().map(|(_, file)| Source::Folder { file: file.clone() }))
                    .unwrap_or(Source::BuiltIn)
            };
            let objects = known.model.objects();
            let mut all: Vec<KnownObject> = objects
                .map(|definition| KnownObject { definition: definition.clone(), source: source(definition) })
                .collect();
            all.sort_by_key(|known| key(&known.definition));
            all
        })
    }

    /// Adds the objects of a file in OMA's XML: all or none. What is known already with the same text stays;
    /// with another text it is an error unless `replace` is set. Gives what the file defines.
    ///
    /// # Errors
    /// The file cannot be used, or it cannot be stored.
    pub async fn add_object_models(
        &self,
        xml: &[u8],
        replace: bool,
    ) -> Result<Vec<KnownObject>, AddObjectModelError> {
        let definitions = ddf::read(xml)?;
        let _in_order = self.inner.object_models.change.lock().await;
        self.inner.object_models.read(|known| check(known, &definitions, replace))?;
        let at = self.now();
        let rows: Vec<_> = definitions.iter().map(|definition| row(definition, at)).collect();
        let write = self.inner.store.write(move |connection| {
            Box::pin(async move {
                for row in &rows {
                    object_models::put(connection, row).await?;
                }
                Ok::<_, AddObjectModelError>(())
            })
        });
        write.await?;
        for definition in &definitions {
            let (object, version) = (definition.id.0, definition.version.to_string());
            tracing::info!(object, version, name = &*definition.name, "object definition added");
        }
        self.inner.object_models.change(|known| {
            let added = definitions.iter().map(|definition| (key(definition), (definition.clone(), at)));
            known.uploaded.extend(added);
        });
        self.order(Order::ModelChanged).await;
        let known = |definition| KnownObject { definition, source: Source::Uploaded { at } };
        Ok(definitions.into_iter().map(known).collect())
    }

    /// Removes a definition that was uploaded. One of the folder with the same number and version counts
    /// again.
    ///
    /// # Errors
    /// There is none, it was not uploaded, or the store does not answer.
    pub async fn remove_object_model(
        &self,
        object: ObjectId,
        version: ObjectVersion,
    ) -> Result<(), RemoveObjectModelError> {
        let _in_order = self.inner.object_models.change.lock().await;
        self.inner.object_models.read(|known| removable(known, object, version))?;
        let text = version.to_string();
        let write = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let removed = object_models::delete(connection, i64::from(object.0), &text).await;
                Ok::<_, RemoveObjectModelError>(removed?)
            })
        });
        write.await?;
        self.inner.object_models.change(|known| {
            known.uploaded.remove(&(object, version));
        });
        tracing::info!(object = object.0, version = version.to_string(), "object definition removed");
        self.order(Order::ModelChanged).await;
        Ok(())
    }

    /// Reads the folder again.
    pub async fn reload_object_models(&self) -> FolderReading {
        let _in_order = self.inner.object_models.change.lock().await;
        let reading = self.read_folder().await;
        self.order(Order::ModelChanged).await;
        reading
    }

    /// Takes up what was uploaded in earlier lives, and the folder.
    pub(super) async fn load_object_models(&self) -> Result<(), StoreError> {
        let rows = object_models::all(&mut *self.inner.store.read().await?).await?;
        self.inner.object_models.change(|known| {
            for row in rows {
                match ddf::read(row.definition.as_bytes()) {
                    Ok(read) => known.uploaded.extend(
                        read.into_iter().map(|definition| (key(&definition), (definition, row.added_at))),
                    ),
                    // Only a version that reads more could have written it.
                    Err(error) => {
                        let (object, version) = (row.object, row.version);
                        tracing::warn!(object, version, %error, "a stored object definition is left out");
                    }
                }
            }
        });
        self.read_folder().await;
        Ok(())
    }

    async fn read_folder(&self) -> FolderReading {
        let Some(folder) = self.inner.object_models.folder.clone() else { return FolderReading::default() };
        let path = folder.clone();
        // Fails only if the reading panicked, which is told by the panic itself.
        let Contents { definitions, faults } =
            tokio::task::spawn_blocking(move || Contents::read(&path)).await.unwrap_or_default();
        let objects = definitions.len();
        for FolderFault { file, reason } in &faults {
            tracing::warn!(file, reason, "an object definition is left out");
        }
        tracing::info!(folder = %folder.display(), objects, "object definitions were read");
        self.inner.object_models.change(|known| known.in_folder = definitions);
        FolderReading { folder: Some(folder), objects, faults }
    }
}

fn check(known: &Known, definitions: &[ObjectDefinition], replace: bool) -> Result<(), AddObjectModelError> {
    for definition in definitions {
        let (object, version) = key(definition);
        if let Some(built_in) = ObjectModel::CORE.object(object) {
            let name = built_in.name.to_string();
            return Err(AddObjectModelError::BuiltIn { object, name });
        }
        let differs = known.model.version(object, version).is_some_and(|known| known != definition);
        if differs && !replace {
            return Err(AddObjectModelError::Exists { object, version });
        }
    }
    let added = definitions.iter().filter(|definition| !known.uploaded.contains_key(&key(definition)));
    match known.uploaded.len() + added.count() <= MOST_DEFINITIONS {
        true => Ok(()),
        false => Err(AddObjectModelError::Full),
    }
}

fn removable(known: &Known, object: ObjectId, version: ObjectVersion) -> Result<(), RemoveObjectModelError> {
    if known.uploaded.contains_key(&(object, version)) {
        return Ok(());
    }
    if let Some((_, file)) = known.in_folder.get(&(object, version)) {
        return Err(RemoveObjectModelError::InFolder(file.clone()));
    }
    match ObjectModel::CORE.object(object).is_some_and(|definition| definition.version == version) {
        true => Err(RemoveObjectModelError::BuiltIn(object)),
        false => Err(RemoveObjectModelError::Unknown(object, version)),
    }
}

fn row(definition: &ObjectDefinition, added_at: Moment) -> object_models::ObjectModel {
    object_models::ObjectModel {
        object: i64::from(definition.id.0),
        version: definition.version.to_string(),
        definition: ddf::write(definition),
        added_at,
    }
}

#[cfg(test)]
mod tests;

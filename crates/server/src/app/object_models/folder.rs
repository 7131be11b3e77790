//! Object definitions in the files of a folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use lwm2m::model::{ObjectDefinition, ObjectModel, ddf};

use super::{Key, MOST_DEFINITIONS, key};

/// Most files that are read; the public registry has about 400.
const MOST_FILES: usize = 1_000;

/// A file that was left out, or an object in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FolderFault {
    /// The name of the file, or the path of the folder.
    pub file: String,
    /// What is wrong.
    pub reason: String,
}

/// What a folder has, each definition with the name of its file.
#[derive(Debug, Default)]
pub struct Contents {
    pub definitions: BTreeMap<Key, (ObjectDefinition, String)>,
    pub faults: Vec<FolderFault>,
}

impl Contents {
    /// Reads the files `*.xml` in the order of their names; what cannot be used is told and left out.
    pub fn read(folder: &Path) -> Self {
        let mut contents = Self::default();
        let whole = folder.display().to_string();
        match xml_files(folder) {
            Ok(mut files) => {
                if files.len() > MOST_FILES {
                    contents.fault(&whole, format!("only the first {MOST_FILES} of its files are read"));
                    files.truncate(MOST_FILES);
                }
                files.iter().for_each(|file| contents.add_file(file));
            }
            Err(error) => contents.fault(&whole, format!("the folder cannot be read: {error}")),
        }
        contents
    }

    fn add_file(&mut self, path: &Path) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let definitions = match read_bounded(path) {
            Ok(bytes) => ddf::read(&bytes).map_err(|error| error.to_string()),
            Err(error) => Err(format!("the file cannot be read: {error}")),
        };
        match definitions {
            Ok(definitions) => definitions.into_iter().for_each(|definition| self.add(definition, &name)),
            Err(reason) => self.fault(&name, reason),
        }
    }

    fn add(&mut self, definition: ObjectDefinition, file: &str) {
        let (object, version) = key(&definition);
        if ObjectModel::is_built_in(object) {
            let reason = format!("object {} ({}) is built in and stays as it is", object.0, definition.name);
            return self.fault(file, reason);
        }
        if let Some((_, other)) = self.definitions.get(&(object, version)) {
            let reason = format!("object {} in version {version} is in {other} already", object.0);
            return self.fault(file, reason);
        }
        if self.definitions.len() == MOST_DEFINITIONS {
            return self.fault(file, format!("there are {MOST_DEFINITIONS} definitions already"));
        }
        self.definitions.insert((object, version), (definition, file.to_owned()));
    }

    fn fault(&mut self, file: &str, reason: String) {
        self.faults.push(FolderFault { file: file.to_owned(), reason });
    }
}

fn xml_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_xml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xml"));
        // A pipe would be waited for.
        if is_xml && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// One byte more than allowed, so that a larger file is told as such.
fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(ddf::MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

//! The data folder and its lock.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The data folder, locked for this process.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Held open: the lock ends with it, also after a kill.
    _lock: File,
}

/// The file that is there while a restore runs.
const RESTORING: &str = "restoring";

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another server has it.
    #[error(
        "the data folder {} is used by another updraft server{}; stop that one, or set data_dir to another \
         folder", path.display(), running_as(*.process)
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process id of that server, if it could be read.
        process: Option<u32>,
    },
    /// A restore began and did not end.
    #[error(
        "a restore into the data folder {} was interrupted; run `updraft restore` again", .0.display()
    )]
    HalfRestored(PathBuf),
    /// Cannot be made or written.
    #[error("cannot use the data folder {}; set data_dir to a folder that this user may write", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Whether a restore into this folder was interrupted, or runs.
pub fn restoring(folder: &Path) -> bool {
    folder.join(RESTORING).exists()
}

fn running_as(id: Option<u32>) -> String {
    id.map(|id| format!(" (process {id})")).unwrap_or_default()
}

impl DataFolder {
    /// Makes the folder if it is missing, for this user only, and locks it.
    ///
    /// # Errors
    /// Another server has it, a restore into it was interrupted, or it cannot be written.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let folder = Self::open_for_restore(path)?;
        if folder.path.join(RESTORING).exists() {
            return Err(FolderError::HalfRestored(folder.path));
        }
        Ok(folder)
    }

    /// The same for a restore, which may have been interrupted before.
    ///
    /// # Errors
    /// Another server has it, or it cannot be written.
    pub fn open_for_restore(path: &Path) -> Result<Self, FolderError> {
        let unusable = |source| FolderError::Unusable { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        // Its children are named by absolute paths, so the working folder may change.
        let path = fs::canonicalize(path).map_err(unusable)?;
        let file = path.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&file)
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok());
                return Err(FolderError::InUse { path, process });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(unusable)?;
        Ok(Self { path, _lock: lock })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the restore that began and was not seen to end.
    ///
    /// # Errors
    /// The mark cannot be read.
    pub fn restoring(&self) -> Result<Option<String>, FolderError> {
        match fs::read_to_string(self.path.join(RESTORING)) {
            Ok(name) => Ok(Some(name.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FolderError::Unusable { path: self.path.clone(), source }),
        }
    }

    /// Marks the folder as one that a restore works on: no server starts on it until the mark is gone.
    ///
    /// # Errors
    /// The mark cannot be made durable.
    pub fn begin_restore(&self, name: &str) -> Result<(), FolderError> {
        let mark = || {
            let mut file = File::create(self.path.join(RESTORING))?;
            writeln!(file, "{name}")?;
            file.sync_all()?;
            File::open(&self.path)?.sync_all()
        };
        mark().map_err(|source| FolderError::Unusable { path: self.path.clone(), source })
    }

    /// Removes the mark: everything is there and durable.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn end_restore(&self) -> Result<(), FolderError> {
        // What was restored first, then the end of the mark.
        let end = || {
            File::open(&self.path)?.sync_all()?;
            fs::remove_file(self.path.join(RESTORING))?;
            File::open(&self.path)?.sync_all()
        };
        end().map_err(|source| FolderError::Unusable { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_is_refused_and_told_which_one_has_the_folder() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/data");
        let first = DataFolder::open(&path).unwrap();
        let text = DataFolder::open(&path).unwrap_err().to_string();
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        drop(first);
        DataFolder::open(&path).unwrap();
    }

    #[test]
    fn a_path_that_is_no_folder_is_told() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        fs::write(&path, "x").unwrap();
        assert!(matches!(DataFolder::open(&path), Err(FolderError::Unusable { .. })));
    }
}

//! The data folder and its lock.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Location;

/// The data folder, locked for this process.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Held open: the lock ends with it, also after a kill.
    _lock: File,
}

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

fn running_as(id: Option<u32>) -> String {
    id.map(|id| format!(" (process {id})")).unwrap_or_default()
}

impl DataFolder {
    /// Makes the folder if it is missing, for this user only, and locks it.
    ///
    /// # Errors
    /// Another server has it, or it cannot be written.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
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

    /// The database in this folder.
    pub fn database(&self) -> Location {
        Location::File(self.path.join("updraft.db"))
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

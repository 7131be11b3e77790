//! What a module keeps beside its flash: the accounts of a bootstrap, and observations that outlive a restart.
//!
//! It is a file of its own, named like the flash file with `.accounts` behind, readable by its owner only since
//! there are keys in it. A new one takes the place of the old one in one step.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use lwm2m::client::Saved;

/// The largest that is read: all accounts and observations that a client can have take less.
const LARGEST: u64 = 64 << 10;

/// Where a module's accounts are kept.
#[derive(Clone, Debug)]
pub(super) struct AccountsFile(PathBuf);

impl AccountsFile {
    pub(super) fn beside(flash: &Path) -> Self {
        let mut name = flash.as_os_str().to_owned();
        name.push(".accounts");
        Self(name.into())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// What is kept, if anything is.
    pub(super) fn load(&self) -> io::Result<Option<Saved>> {
        let length = match std::fs::metadata(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata?.len(),
        };
        if length > LARGEST {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        Ok(Some(Saved::from_bytes(&std::fs::read(&self.0)?)))
    }

    pub(super) fn store(&self, saved: &Saved) -> io::Result<()> {
        let mut new = self.0.as_os_str().to_owned();
        new.push(".new");
        let new = PathBuf::from(new);
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(saved.as_bytes())?;
        file.sync_data()?;
        std::fs::rename(&new, &self.0)?;
        // The rename itself has to outlive a power cut too.
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty());
        std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_stored_is_loaded_and_nobody_else_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = AccountsFile::beside(&folder.path().join("module.flash"));
        assert_eq!(file.load().unwrap(), None);
        for bytes in [&b"one"[..], b"another"] {
            file.store(&Saved::from_bytes(bytes)).unwrap();
            assert_eq!(file.load().unwrap(), Some(Saved::from_bytes(bytes)));
        }
        assert!(file.path().ends_with("module.flash.accounts"));
        let mode = std::fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

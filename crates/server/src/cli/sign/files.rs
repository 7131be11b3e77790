//! Files of keys and archives: read within bounds, and never written over others by accident.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::failure::Failure;

/// The most that a file to be signed may have; more could not be uploaded.
const LONGEST: u64 = package::Limits::DEFAULT.expanded;

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Whoever the umask allows.
    Everybody,
    /// Only its owner.
    Owner,
}

/// The whole content of a file.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = || -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
        anyhow::ensure!(bytes.len() as u64 <= LONGEST, "it has more than {LONGEST} bytes");
        Ok(bytes)
    };
    read().with_context(|| format!("cannot read {}", path.display())).map_err(Failure::Usage)
}

/// The whole content of a text file.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path)?)
        .map_err(|_| Failure::usage(anyhow::anyhow!("{} is no text", path.display())))
}

/// Refuses to go on where a file would be written over.
pub fn refuse_existing(path: &Path, force: bool) -> Result<(), Failure> {
    if force || !path.exists() {
        return Ok(());
    }
    let what = format!("{} is there already; --force replaces it", path.display());
    Err(Failure::operation(anyhow::anyhow!(what)))
}

/// Writes a file. One that is there is replaced as a whole, and only with `force`.
pub fn write(path: &Path, bytes: &[u8], readers: Readers, force: bool) -> Result<(), Failure> {
    refuse_existing(path, force)?;
    let written = if force && path.exists() {
        let part = beside(path);
        create(&part, bytes, readers).and_then(|()| fs::rename(&part, path))
    } else {
        create(path, bytes, readers)
    };
    written.with_context(|| format!("cannot write {}", path.display())).map_err(Failure::operation)
}

/// A name in the same folder that nothing else uses.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

fn create(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let mode = match readers {
        Readers::Everybody => 0o666,
        Readers::Owner => 0o600,
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a file is worse than none; the first error is the one to tell.
        let _ = fs::remove_file(path);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_written_over_only_when_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("private.pem");
        write(&path, b"first", Readers::Owner, false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(write(&path, b"second", Readers::Owner, false), Err(Failure::Operation(_))));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        write(&path, b"third", Readers::Owner, true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

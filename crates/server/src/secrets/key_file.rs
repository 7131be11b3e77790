//! The file that holds the key-encryption key.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{KeyEncryptionKey, NoRandomness, from_hex, hex, random};

/// Why the key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Not there although keys were encrypted with it.
    #[error(
        "the key file {} is missing, and the device keys in the data folder cannot be read without it; \
         restore it from your backup, or set secrets.key_file to where it is", .0.display()
    )]
    Missing(PathBuf),
    /// Readable by others.
    #[error("the key file {} can be read by other users; run `chmod 400` on it", .0.display())]
    Exposed(PathBuf),
    /// Not 64 hexadecimal digits.
    #[error("the key file {} does not hold 64 hexadecimal digits; restore it from your backup", .0.display())]
    Malformed(PathBuf),
    /// The system refused.
    #[error("cannot use the key file {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No randomness for a new key.
    #[error("cannot make a key file")]
    Random(#[from] NoRandomness),
}

/// Reads the key file.
///
/// # Errors
/// It is missing, malformed or readable by others.
pub fn read_key_file(path: &Path) -> Result<KeyEncryptionKey, KeyFileError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => KeyFileError::Missing(path.to_owned()),
        _ => KeyFileError::Io { path: path.to_owned(), source },
    };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.permissions().mode() & 0o077 != 0 {
        return Err(KeyFileError::Exposed(path.to_owned()));
    }
    let mut text = Zeroizing::new(String::new());
    // One byte more than a valid file has, so that a longer one is noticed and never read whole.
    file.take(66).read_to_string(&mut text).map_err(failed)?;
    let bytes = from_hex(text.trim_end()).map(Zeroizing::new);
    let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
    key.map(|key| KeyEncryptionKey(Zeroizing::new(key)))
        .ok_or_else(|| KeyFileError::Malformed(path.to_owned()))
}

/// Makes the key file with a new key, readable by its owner only, and durable before anything uses it.
///
/// # Errors
/// It exists, or cannot be written.
pub fn create_key_file(path: &Path) -> Result<KeyEncryptionKey, KeyFileError> {
    let failed = |source: io::Error| KeyFileError::Io { path: path.to_owned(), source };
    let key = Zeroizing::new(random::<32>()?);
    let text = Zeroizing::new(format!("{}\n", hex(key.as_slice())));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(KeyEncryptionKey(key))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn sec_k01_a_new_file_is_readable_by_its_owner_only_and_gives_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = create_key_file(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);
        assert_eq!(read_key_file(&path).unwrap().0, made.0);
        assert!(matches!(create_key_file(&path), Err(KeyFileError::Io { .. })), "an old key is never lost");
    }

    #[test]
    fn sec_k01_tells_what_is_wrong_with_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(matches!(read_key_file(&path), Err(KeyFileError::Missing(_))));
        for text in ["", "xyz", &"ab".repeat(31), &"ab".repeat(33), &"ab".repeat(40)] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(read_key_file(&path), Err(KeyFileError::Malformed(_))), "{text:?}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read_key_file(&path), Err(KeyFileError::Exposed(_))));
    }
}

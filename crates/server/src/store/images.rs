//! Images as files named by their SHA-256.
//!
//! Write order, chosen for power loss: temporary file, its fsync, rename, fsync of the folder, then the row
//! in the database. What a cut leaves behind is a temporary file or an image without row; both are removed
//! at the next start.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sha2::{Digest, Sha256};

use crate::secrets::{from_hex, hex};
use crate::size::ByteCount;

/// The SHA-256 of an image.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ImageHash(pub [u8; 32]);

impl fmt::Display for ImageHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex(&self.0))
    }
}

impl ImageHash {
    /// Reads 64 hexadecimal digits.
    pub fn from_text(text: &str) -> Option<Self> {
        from_hex(text)?.try_into().ok().map(Self)
    }
}

/// How much images may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The largest image.
    pub max_size: ByteCount,
    /// All images together.
    pub storage: Option<ByteCount>,
    /// What stays free on the disk.
    pub reserve: ByteCount,
}

/// The folder of images.
#[derive(Clone, Debug)]
pub struct Images {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    images: PathBuf,
    incoming: PathBuf,
    limits: Limits,
    /// Images in memory, shared by all devices that get them; gone with the last of these.
    loaded: Mutex<BTreeMap<ImageHash, Weak<[u8]>>>,
}

/// Why an image could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Larger than allowed.
    #[error("the image is larger than {0}")]
    TooLarge(ByteCount),
    /// All images together would be larger than allowed.
    #[error("the packages together may take {0}")]
    StorageLimit(ByteCount),
    /// The disk has too little left.
    #[error("the disk is full: {0} must stay free for the database")]
    Reserve(ByteCount),
    /// The disk has nothing left.
    #[error("the disk is full")]
    DiskFull,
    /// The file is not there any more.
    #[error("the file of the image is missing")]
    Missing,
    /// The file is not what was uploaded.
    #[error("the file of the image is damaged: its SHA-256 is another")]
    Damaged,
    /// The system refused.
    #[error("cannot store or read an image")]
    Io(#[source] io::Error),
}

impl From<io::Error> for ImageError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Io(error),
        }
    }
}

impl Images {
    /// Opens the folders inside `folder`, makes them if they are missing, and removes what an interrupted
    /// upload left.
    ///
    /// # Errors
    /// The folders cannot be written.
    pub fn open(folder: &Path, limits: Limits) -> Result<Self, ImageError> {
        let (images, incoming) = (folder.join("images"), folder.join("incoming"));
        for folder in [&images, &incoming] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        for entry in fs::read_dir(&incoming)? {
            fs::remove_file(entry?.path())?;
        }
        let loaded = Mutex::default();
        Ok(Self { inner: Arc::new(Inner { images, incoming, limits, loaded }) })
    }

    /// Removes images that no package refers to, left by a cut between file and row.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn remove_unreferenced(&self, referenced: &BTreeSet<ImageHash>) -> Result<(), ImageError> {
        for entry in fs::read_dir(&self.inner.images)? {
            let entry = entry?;
            let hash = entry.file_name().to_str().and_then(ImageHash::from_text);
            if hash.is_none_or(|hash| !referenced.contains(&hash)) {
                tracing::info!(file = %entry.path().display(), "removing an image that no package refers to");
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Starts to receive an image.
    ///
    /// # Errors
    /// `announced` bytes would be too many, or the disk has no room.
    pub fn receive(&self, announced: Option<ByteCount>) -> Result<Incoming, ImageError> {
        self.check_room(announced.unwrap_or_default())?;
        let path = self.inner.incoming.join(uuid::Uuid::now_v7().to_string());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Incoming {
            images: self.clone(),
            file,
            path,
            hasher: Sha256::new(),
            size: 0,
            checked_at: 0,
            stored: self.stored()?,
        })
    }

    fn check_room(&self, more: ByteCount) -> Result<(), ImageError> {
        let limits = &self.inner.limits;
        if more > limits.max_size {
            return Err(ImageError::TooLarge(limits.max_size));
        }
        let disk = rustix::fs::statvfs(&self.inner.incoming).map_err(io::Error::from)?;
        // A reserve made for a server's disk must not make a small one useless.
        let twentieth = ByteCount(disk.f_blocks.saturating_mul(disk.f_frsize) / 20);
        let reserve = limits.reserve.min(twentieth);
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < reserve.0.saturating_add(more.0) { Err(ImageError::Reserve(reserve)) } else { Ok(()) }
    }

    fn stored(&self) -> Result<ByteCount, ImageError> {
        let mut total = 0;
        for entry in fs::read_dir(&self.inner.images)? {
            total += entry?.metadata()?.len();
        }
        Ok(ByteCount(total))
    }

    /// The image with this hash, read and checked once for all who hold it.
    ///
    /// # Errors
    /// The file is missing or damaged.
    pub fn load(&self, hash: ImageHash) -> Result<Arc<[u8]>, ImageError> {
        if let Some(image) = self.loaded().get(&hash).and_then(Weak::upgrade) {
            return Ok(image);
        }
        let mut bytes = Vec::new();
        File::open(self.path(hash))?.read_to_end(&mut bytes)?;
        if Sha256::digest(&bytes).as_slice() != hash.0 {
            return Err(ImageError::Damaged);
        }
        let image: Arc<[u8]> = bytes.into();
        let mut loaded = self.loaded();
        loaded.retain(|_, image| image.strong_count() > 0);
        loaded.insert(hash, Arc::downgrade(&image));
        Ok(image)
    }

    /// Removes an image that no package refers to.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(&self, hash: ImageHash) -> Result<(), ImageError> {
        Ok(fs::remove_file(self.path(hash))?)
    }

    fn path(&self, hash: ImageHash) -> PathBuf {
        self.inner.images.join(hash.to_string())
    }

    fn loaded(&self) -> std::sync::MutexGuard<'_, BTreeMap<ImageHash, Weak<[u8]>>> {
        self.inner.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An image on its way in. Dropped before [`Incoming::keep`], it leaves nothing behind.
#[derive(Debug)]
pub struct Incoming {
    images: Images,
    file: File,
    path: PathBuf,
    hasher: Sha256,
    size: u64,
    checked_at: u64,
    stored: ByteCount,
}

/// How much is written between two looks at the free space.
const CHECK_EVERY: u64 = 1 << 20;

impl Incoming {
    /// Adds bytes.
    ///
    /// # Errors
    /// A limit is reached or the disk is full.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ImageError> {
        let size = self.size + bytes.len() as u64;
        let limits = &self.images.inner.limits;
        if size > limits.max_size.0 {
            return Err(ImageError::TooLarge(limits.max_size));
        }
        if let Some(limit) = limits.storage.filter(|limit| self.stored.0.saturating_add(size) > limit.0) {
            return Err(ImageError::StorageLimit(limit));
        }
        if size - self.checked_at > CHECK_EVERY {
            self.images.check_room(ByteCount::default())?;
            self.checked_at = size;
        }
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size = size;
        Ok(())
    }

    /// How many bytes have come.
    pub fn size(&self) -> ByteCount {
        ByteCount(self.size)
    }

    /// Makes the image durable under its hash.
    ///
    /// # Errors
    /// The disk is full or refuses.
    pub fn keep(self) -> Result<ImageHash, ImageError> {
        // Others may have come while this one was on its way.
        if let Some(limit) = self.images.inner.limits.storage {
            let stored = self.images.stored()?;
            if stored.0.saturating_add(self.size) > limit.0 {
                return Err(ImageError::StorageLimit(limit));
            }
        }
        self.file.sync_all()?;
        let hash = ImageHash(self.hasher.clone().finalize().into());
        fs::rename(&self.path, self.images.path(hash))?;
        File::open(&self.images.inner.images)?.sync_all()?;
        Ok(hash)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Gone already if it was kept; what cannot be removed now is removed at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { max_size: ByteCount(100), storage: Some(ByteCount(150)), reserve: ByteCount(0) }
    }

    fn store(images: &Images, bytes: &[u8]) -> Result<ImageHash, ImageError> {
        let mut incoming = images.receive(None)?;
        for piece in bytes.chunks(7) {
            incoming.write(piece)?;
        }
        incoming.keep()
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn what_was_kept_is_read_back_and_shared() {
        let folder = tempfile::tempdir().unwrap();
        let images = Images::open(folder.path(), limits()).unwrap();
        let hash = store(&images, b"machine code").unwrap();
        let one = images.load(hash).unwrap();
        assert_eq!(&*one, b"machine code");
        assert!(Arc::ptr_eq(&one, &images.load(hash).unwrap()));
        assert_eq!(store(&images, b"machine code").unwrap(), hash, "the same content is one file");
        assert_eq!(files(&folder.path().join("images")), 1);
    }

    #[test]
    fn f22_a_damaged_or_missing_file_is_never_served() {
        let folder = tempfile::tempdir().unwrap();
        let images = Images::open(folder.path(), limits()).unwrap();
        let hash = store(&images, b"machine code").unwrap();
        let file = folder.path().join("images").join(hash.to_string());
        fs::write(&file, b"machine c0de").unwrap();
        assert!(matches!(images.load(hash), Err(ImageError::Damaged)));
        fs::remove_file(&file).unwrap();
        assert!(matches!(images.load(hash), Err(ImageError::Missing)));
    }

    #[test]
    fn f21_limits_stop_an_upload_and_leave_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let images = Images::open(folder.path(), limits()).unwrap();
        assert!(matches!(images.receive(Some(ByteCount(101))), Err(ImageError::TooLarge(ByteCount(100)))));
        assert!(matches!(store(&images, &[0; 101]), Err(ImageError::TooLarge(_))));
        store(&images, &[1; 100]).unwrap();
        assert!(matches!(store(&images, &[2; 51]), Err(ImageError::StorageLimit(ByteCount(150)))));
        store(&images, &[2; 50]).unwrap();
        assert_eq!(files(&folder.path().join("incoming")), 0);
    }

    #[test]
    fn leftovers_are_removed_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let images = Images::open(folder.path(), limits()).unwrap();
        let (kept, orphan) = (store(&images, b"kept").unwrap(), store(&images, b"orphan").unwrap());
        fs::write(folder.path().join("incoming/half"), b"half").unwrap();
        let images = Images::open(folder.path(), limits()).unwrap();
        images.remove_unreferenced(&BTreeSet::from([kept])).unwrap();
        assert_eq!(files(&folder.path().join("incoming")), 0);
        assert!(images.load(kept).is_ok());
        assert!(matches!(images.load(orphan), Err(ImageError::Missing)));
    }
}

//! The files of packages, named by their SHA-256, as they were uploaded.
//!
//! They are in a folder beside the database, or in a bucket that speaks the protocol of Amazon's S3. Either
//! way a file comes in through the folder `incoming` first, where size, quota and hash are reckoned while it
//! is written; what an interrupted upload leaves there is removed at the next start.

mod incoming;
mod place;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sha2::{Digest, Sha256};

pub use incoming::Incoming;
use place::{Object, Place};

use crate::config::PackageStore;
use crate::secrets::{from_hex, hex};
use crate::size::ByteCount;

/// The SHA-256 of a file.
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

    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// How much files may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The largest file.
    pub max_size: ByteCount,
    /// All files together.
    pub storage: Option<ByteCount>,
    /// What stays free on the disk.
    pub reserve: ByteCount,
}

/// The files of packages. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Images {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    place: Place,
    incoming: PathBuf,
    limits: Limits,
}

/// Names one state of a stored file: as long as it is the same, so are the bytes (FAULTS F22).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamp {
    modified: i64,
    size: u64,
    /// Of a local file its inode, time and size.
    tag: Option<String>,
}

/// Why a file could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Larger than allowed.
    #[error("the package is larger than {0}")]
    TooLarge(ByteCount),
    /// All files together would be larger than allowed.
    #[error("the packages together may take {0}")]
    StorageLimit(ByteCount),
    /// The disk has too little left.
    #[error("the disk is full: {0} must stay free for the database")]
    Reserve(ByteCount),
    /// The disk has nothing left.
    #[error("the disk is full")]
    DiskFull,
    /// The file is not there any more.
    #[error("the file of the package is missing")]
    Missing,
    /// The file is not what was uploaded.
    #[error("the file of the package is damaged: its SHA-256 is another")]
    Damaged,
    /// The system refused.
    #[error("cannot store or read the file of a package")]
    Io(#[source] io::Error),
    /// The folder or the bucket refused.
    #[error("the store of packages does not do what it is asked")]
    Store(#[source] Box<object_store::Error>),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

impl ImageError {
    /// Whether it says nothing of the file itself: the folder or the bucket does not answer now.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Store(_) | Self::Stopping)
    }
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

impl From<object_store::Error> for ImageError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing,
            other => Self::Store(Box::new(other)),
        }
    }
}

impl Images {
    /// Opens the folders inside `folder` and the place where packages are kept, and removes what an
    /// interrupted upload left.
    ///
    /// # Errors
    /// A folder cannot be written, or the bucket cannot be spoken to in the way that is configured.
    pub async fn open(folder: &Path, store: &PackageStore, limits: Limits) -> Result<Self, ImageError> {
        let incoming = folder.join("incoming");
        DirBuilder::new().recursive(true).mode(0o700).create(&incoming)?;
        let place = Place::open(folder, store)?;
        // So that no cut takes a folder away in which a file is durable.
        File::open(folder)?.sync_all()?;
        let images = Self { inner: Arc::new(Inner { place, incoming, limits }) };
        for entry in fs::read_dir(&images.inner.incoming)? {
            let path = entry?.path();
            // The name of a file on its way into a bucket; see `Incoming::keep`.
            if path.extension().is_none_or(|extension| extension != incoming::SENT) {
                fs::remove_file(path)?;
            }
        }
        Ok(images)
    }

    /// The same for somebody who only reads, also beside a server that runs.
    ///
    /// # Errors
    /// The bucket cannot be spoken to in the way that is configured.
    pub fn beside(folder: &Path, store: &PackageStore) -> Result<Self, ImageError> {
        let limits = Limits { max_size: ByteCount(0), storage: None, reserve: ByteCount(0) };
        let (place, incoming) = (Place::open(folder, store)?, folder.join("incoming"));
        Ok(Self { inner: Arc::new(Inner { place, incoming, limits }) })
    }

    /// Whether nothing is kept that could be mixed up with what will come. A bucket may be shared, and names
    /// there are hashes, so it counts as such.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub async fn is_unused(&self) -> Result<bool, ImageError> {
        Ok(!self.inner.place.is_ours() || self.inner.place.list().await?.is_empty())
    }

    /// Removes files that no package refers to, left by a cut between file and row.
    ///
    /// In a folder, that is every other file. A bucket may hold what other servers put there, so only files
    /// are removed whose upload this server noted and did not finish.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub async fn remove_unreferenced(&self, referenced: &BTreeSet<ImageHash>) -> Result<(), ImageError> {
        if self.inner.place.is_ours() {
            for Object { name, hash, .. } in self.inner.place.list().await? {
                if hash.is_none_or(|hash| !referenced.contains(&hash)) {
                    tracing::info!(file = name, "removing a file that no package refers to");
                    self.inner.place.remove_named(&name).await?;
                }
            }
        }
        for entry in fs::read_dir(&self.inner.incoming)? {
            let path = entry?.path();
            let hash = path.file_stem().and_then(|stem| ImageHash::from_text(stem.to_str()?));
            if let Some(hash) = hash.filter(|hash| !referenced.contains(hash)) {
                tracing::info!(%hash, "removing a file whose upload did not end");
                self.inner.place.remove(hash).await?;
            }
            fs::remove_file(path)?;
        }
        Ok(())
    }

    /// Starts to receive a file.
    ///
    /// # Errors
    /// `announced` bytes would be too many, or the disk has no room.
    pub async fn receive(&self, announced: Option<ByteCount>) -> Result<Incoming, ImageError> {
        self.check_room(announced.unwrap_or_default())?;
        let stored = self.stored().await?;
        Incoming::create(self.clone(), stored)
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

    /// What all files take, if that is limited.
    async fn stored(&self) -> Result<ByteCount, ImageError> {
        match self.inner.limits.storage {
            Some(_) => Ok(ByteCount(self.all().await?.iter().map(|(_, size)| size.0).sum())),
            None => Ok(ByteCount::default()),
        }
    }

    /// The bytes of a file that was uploaded with this size, hashed again. What may be uploaded now does not
    /// matter to it.
    ///
    /// # Errors
    /// The file is missing or damaged.
    pub async fn read(&self, hash: ImageHash, size: ByteCount) -> Result<Vec<u8>, ImageError> {
        let bytes = self.inner.place.read(hash, size).await?;
        let checked = tokio::task::spawn_blocking(move || {
            if ImageHash::of(&bytes) == hash { Ok(bytes) } else { Err(ImageError::Damaged) }
        });
        checked.await.unwrap_or(Err(ImageError::Stopping))
    }

    /// All files, with their sizes.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn all(&self) -> Result<Vec<(ImageHash, ByteCount)>, ImageError> {
        let all = self.inner.place.list().await?;
        Ok(all.into_iter().filter_map(|object| Some((object.hash?, object.size))).collect())
    }

    /// The bytes of a file, piece by piece as they come: not hashed yet.
    ///
    /// # Errors
    /// The file is missing; or a piece cannot be read.
    pub async fn stream(
        &self,
        hash: ImageHash,
    ) -> Result<(ByteCount, BoxStream<'static, Result<Bytes, ImageError>>), ImageError> {
        self.inner.place.stream(hash).await
    }

    /// Hashes a file without holding it; gives its size.
    ///
    /// # Errors
    /// The file is missing or damaged.
    pub async fn verify(&self, hash: ImageHash) -> Result<ByteCount, ImageError> {
        let (size, mut pieces) = self.stream(hash).await?;
        let mut hasher = Sha256::new();
        while let Some(piece) = pieces.try_next().await? {
            hasher.update(&piece);
        }
        if hasher.finalize().as_slice() == hash.0 { Ok(size) } else { Err(ImageError::Damaged) }
    }

    /// The state of a file.
    ///
    /// # Errors
    /// The file is missing.
    pub async fn stamp(&self, hash: ImageHash) -> Result<Stamp, ImageError> {
        self.inner.place.stamp(hash).await
    }

    /// Removes a file that no package refers to; one that is gone already is no error.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub async fn remove(&self, hash: ImageHash) -> Result<(), ImageError> {
        if !self.inner.place.is_ours() {
            // A bucket that does not answer now is asked again at the next start.
            fs::File::create(self.note_of(hash))?;
        }
        self.inner.place.remove(hash).await?;
        self.settle(hash)
    }

    /// Forgets that a file was on its way into a bucket, since now it has a row.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn settle(&self, hash: ImageHash) -> Result<(), ImageError> {
        match fs::remove_file(self.note_of(hash)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn note_of(&self, hash: ImageHash) -> PathBuf {
        self.inner.incoming.join(format!("{hash}.{}", incoming::SENT))
    }
}

#[cfg(test)]
mod tests;

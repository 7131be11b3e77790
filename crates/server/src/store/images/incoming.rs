//! A file on its way in.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::{ImageError, ImageHash, Images};
use crate::size::ByteCount;

/// The ending of a file that is being sent to a bucket.
pub(super) const SENT: &str = "sent";

/// How much is written between two looks at the free space.
const CHECK_EVERY: u64 = 1 << 20;

/// A file on its way in, readable by this user only. Dropped before [`Incoming::keep`], it leaves nothing
/// behind (SECURITY rule u05).
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

impl Incoming {
    pub(super) fn create(images: Images, stored: ByteCount) -> Result<Self, ImageError> {
        let path = images.inner.incoming.join(uuid::Uuid::now_v7().to_string());
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { images, file, path, hasher: Sha256::new(), size: 0, checked_at: 0, stored })
    }

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

    /// The SHA-256 of what has come.
    pub fn hash(&self) -> ImageHash {
        ImageHash(self.hasher.clone().finalize().into())
    }

    /// What has come, to be looked into.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn open(&self) -> Result<File, ImageError> {
        Ok(File::open(&self.path)?)
    }

    /// Makes the file durable under its hash.
    ///
    /// In a folder: fsync of the file, rename, fsync of the folder (FAULTS §4 rule 4). In a bucket: the file is
    /// renamed to its hash within `incoming` before the first byte leaves, so that the next start knows what
    /// may lie in the bucket without a row; [`Images::settle`] forgets it.
    ///
    /// # Errors
    /// The disk is full or refuses.
    pub async fn keep(self) -> Result<ImageHash, ImageError> {
        // Others may have come while this one was on its way.
        if let Some(limit) = self.images.inner.limits.storage {
            let stored = self.images.stored().await?;
            if stored.0.saturating_add(self.size) > limit.0 {
                return Err(ImageError::StorageLimit(limit));
            }
        }
        let hash = self.hash();
        let images = self.images.clone();
        if images.inner.place.is_ours() {
            // The fsync takes as long as the disk does.
            let adopted = tokio::task::spawn_blocking(move || {
                self.file.sync_all()?;
                self.images.inner.place.adopt(&self.path, hash)
            });
            adopted.await.unwrap_or(Err(ImageError::Stopping))?;
        } else {
            let note = images.note_of(hash);
            fs::rename(&self.path, &note)?;
            if let Err(error) = images.inner.place.send(&note, hash).await {
                // A part may have come; what cannot be removed now is removed at the next start.
                if let Err(error) = images.remove(hash).await {
                    tracing::warn!(%hash, %error, "a file that did not reach the bucket whole is removed at the next start");
                }
                return Err(error);
            }
        }
        Ok(hash)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Gone already if it was kept; what cannot be removed now is removed at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

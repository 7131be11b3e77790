//! Where files are kept: a folder of this machine, or a bucket.

use std::fs::{self, DirBuilder, File};
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};

use super::{ImageError, ImageHash, Stamp};
use crate::config::PackageStore;
use crate::size::ByteCount;

/// A file larger than this goes to a bucket in parts, as S3 wants it: none but the last under 5 MiB.
const PART: usize = 8 << 20;

/// Parts under way at once, so at most 32 MiB in memory for an upload.
const PARTS: usize = 4;

/// A file that is kept.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) name: String,
    /// `None` if somebody else put it there.
    pub(super) hash: Option<ImageHash>,
    pub(super) size: ByteCount,
}

/// A folder or a bucket.
#[derive(Debug)]
pub(super) struct Place {
    objects: Box<dyn ObjectStore>,
    prefix: Key,
    /// The folder, if it is one. Files are renamed into it rather than written through `objects`: what was
    /// uploaded is on the same disk already, so a second copy would cost its time and space again.
    folder: Option<PathBuf>,
}

impl Place {
    pub(super) fn open(folder: &Path, store: &PackageStore) -> Result<Self, ImageError> {
        match store {
            PackageStore::Folder => {
                let folder = folder.join("images");
                DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
                let objects = Box::new(LocalFileSystem::new_with_prefix(&folder)?);
                Ok(Self { objects, prefix: Key::default(), folder: Some(folder) })
            }
            PackageStore::S3(bucket) => {
                // What is not configured comes from the usual variables, such as AWS_ACCESS_KEY_ID.
                let mut builder = AmazonS3Builder::from_env().with_bucket_name(&bucket.name);
                if let Some(region) = &bucket.region {
                    builder = builder.with_region(region);
                }
                if let Some(endpoint) = &bucket.endpoint {
                    // Other makes of store than Amazon's are addressed by path and often have no TLS.
                    builder = builder
                        .with_endpoint(endpoint)
                        .with_virtual_hosted_style_request(false)
                        .with_allow_http(endpoint.starts_with("http://"));
                }
                if let Some(id) = &bucket.access_key_id {
                    builder = builder.with_access_key_id(id);
                }
                if let Some(file) = &bucket.secret_access_key_file {
                    builder = builder.with_secret_access_key(fs::read_to_string(file)?.trim());
                }
                let objects = Box::new(builder.build()?);
                Ok(Self { objects, prefix: Key::from(&*bucket.prefix), folder: None })
            }
        }
    }

    /// Whether nobody else puts files here.
    pub(super) fn is_ours(&self) -> bool {
        self.folder.is_some()
    }

    /// Moves a file of the same disk in; its bytes are durable already.
    pub(super) fn adopt(&self, file: &Path, hash: ImageHash) -> Result<(), ImageError> {
        let Some(folder) = &self.folder else { return Err(ImageError::Missing) };
        fs::rename(file, folder.join(hash.to_string()))?;
        Ok(File::open(folder)?.sync_all()?)
    }

    /// Sends a file; it is there when this returns, or not at all.
    pub(super) async fn send(&self, file: &Path, hash: ImageHash) -> Result<(), ImageError> {
        let mut file = File::open(file)?;
        let size = file.metadata()?.len();
        let key = self.key(hash);
        if size <= PART as u64 {
            let (_, bytes) = piece(file).await?;
            self.objects.put(&key, PutPayload::from(bytes)).await?;
            return Ok(());
        }
        let mut upload = WriteMultipart::new_with_chunk_size(self.objects.put_multipart(&key).await?, PART);
        loop {
            let (rest, bytes) = match piece(file).await {
                Ok(piece) => piece,
                Err(error) => {
                    upload.abort().await?;
                    return Err(error);
                }
            };
            if bytes.is_empty() {
                // Aborts by itself if a part was refused.
                upload.finish().await?;
                return Ok(());
            }
            file = rest;
            if let Err(error) = upload.wait_for_capacity(PARTS).await {
                upload.abort().await?;
                return Err(error.into());
            }
            upload.put(bytes.into());
        }
    }

    /// The bytes of a file; one of another size is damaged, and no room is made for it.
    pub(super) async fn read(&self, hash: ImageHash, expected: ByteCount) -> Result<Vec<u8>, ImageError> {
        let (size, mut pieces) = self.stream(hash).await?;
        if size != expected {
            return Err(ImageError::Damaged);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size.0).unwrap_or_default());
        while let Some(piece) = pieces.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    pub(super) async fn stream(
        &self,
        hash: ImageHash,
    ) -> Result<(ByteCount, BoxStream<'static, Result<Bytes, ImageError>>), ImageError> {
        let found = self.objects.get(&self.key(hash)).await?;
        let size = ByteCount(found.meta.size);
        Ok((size, found.into_stream().map_err(ImageError::from).boxed()))
    }

    pub(super) async fn stamp(&self, hash: ImageHash) -> Result<Stamp, ImageError> {
        let meta = self.objects.head(&self.key(hash)).await?;
        Ok(Stamp { modified: meta.last_modified.timestamp_micros(), size: meta.size, tag: meta.e_tag })
    }

    pub(super) async fn list(&self) -> Result<Vec<Object>, ImageError> {
        let objects = self.objects.list(Some(&self.prefix)).map_ok(|object| {
            let name = object.location.filename().unwrap_or_default().to_owned();
            Object { hash: ImageHash::from_text(&name), name, size: ByteCount(object.size) }
        });
        Ok(objects.try_collect().await?)
    }

    pub(super) async fn remove(&self, hash: ImageHash) -> Result<(), ImageError> {
        self.remove_named(&hash.to_string()).await
    }

    pub(super) async fn remove_named(&self, name: &str) -> Result<(), ImageError> {
        match self.objects.delete(&self.prefix.clone().join(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn key(&self, hash: ImageHash) -> Key {
        self.prefix.clone().join(hash.to_string())
    }
}

/// The next part of a file, empty at its end.
async fn piece(mut file: File) -> Result<(File, Vec<u8>), ImageError> {
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        file.by_ref().take(PART as u64).read_to_end(&mut bytes)?;
        Ok((file, bytes))
    });
    read.await.unwrap_or(Err(ImageError::Stopping))
}

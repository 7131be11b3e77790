//! Taking packages in.

use firmware::{
    ChecksumStream, HeaderError, IMAGE_HEADER_SIZE, IMAGE_MAGIC, ImageHeader, Model, TextError, Version,
};

use super::App;
use crate::size::ByteCount;
use crate::store::packages::{self, Package};
use crate::store::{ImageError, ImageHash, Incoming, ROOT_DOMAIN, StoreError};

/// What is said about a package when it is uploaded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PackageText {
    /// What people call it.
    pub name: String,
    /// Anything worth knowing; may be empty.
    pub description: String,
    /// The name of the uploaded file.
    pub file_name: String,
    /// The model it is for; read from the image if that says so.
    pub model: Option<String>,
    /// The version a device reports afterwards; read from the image if that says so.
    pub version: Option<String>,
    /// The version it must be installed over, if it is made for only one.
    pub source_version: Option<String>,
}

/// Why a package was not taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Not a text.
    #[error("{field} has 1 to {longest} bytes and no control characters")]
    BadText {
        /// Which.
        field: &'static str,
        /// How long it may be.
        longest: usize,
    },
    /// Not a model or version that a device could report.
    #[error("{field} cannot be {value:?}: {reason}")]
    BadIdentity {
        /// Which.
        field: &'static str,
        /// What was given.
        value: String,
        /// Why not.
        reason: TextError,
    },
    /// Nothing came.
    #[error("the package is empty")]
    Empty,
    /// Nothing says which version it brings.
    #[error("the image does not say which version it brings, and none was given")]
    NoVersion,
    /// The image starts as ours do, but its header is damaged.
    #[error("the image cannot be used: {0}")]
    BadHeader(HeaderError),
    /// The image is not as long as it says.
    #[error("the image has {found} but its header says {expected}: it was cut off or extended")]
    WrongLength {
        /// What the header says.
        expected: ByteCount,
        /// What came.
        found: ByteCount,
    },
    /// The image is not what its header says.
    #[error("the image is damaged: its checksums are not those of its header")]
    Damaged,
    /// What was given is not what the image says.
    #[error("{field} {given:?} was given, but the image says {image:?}")]
    Contradiction {
        /// Which.
        field: &'static str,
        /// What was given.
        given: String,
        /// What the image says.
        image: String,
    },
    /// No room or no permission.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Could not be stored.
    #[error("the package could not be stored")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for UploadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A package on its way in.
#[derive(Debug)]
pub struct Upload {
    incoming: Incoming,
    text: PackageText,
    head: Vec<u8>,
    payload: ChecksumStream,
}

const LONGEST_NAME: usize = 255;
const LONGEST_DESCRIPTION: usize = 2_000;

impl App {
    /// Starts to take a package in. `announced` is how many bytes will come, if that is known.
    ///
    /// # Errors
    /// The texts are wrong or there is no room.
    pub async fn begin_upload(
        &self,
        text: PackageText,
        announced: Option<ByteCount>,
    ) -> Result<Upload, UploadError> {
        check(&text)?;
        let incoming = self.inner.images.receive(announced).await?;
        Ok(Upload { incoming, text, head: Vec::new(), payload: ChecksumStream::new() })
    }

    /// Checks what came and makes it durable.
    ///
    /// # Errors
    /// The image is damaged, contradicts what was given, or cannot be stored.
    pub async fn finish_upload(&self, upload: Upload) -> Result<Package, UploadError> {
        let (package, incoming) = upload.describe(self)?;
        let _in_order = self.inner.packages_change.lock().await;
        let hash = incoming.keep().await?;
        let package = Package { sha256: hash.to_string(), ..package };
        let row = package.clone();
        let insert = self.inner.store.write(move |connection| {
            Box::pin(async move { Ok::<_, UploadError>(packages::insert(connection, &row).await?) })
        });
        if let Err(error) = insert.await {
            self.remove_if_unreferenced(hash).await;
            return Err(error);
        }
        if let Err(error) = self.inner.images.settle(hash) {
            tracing::warn!(%error, "a note of an upload is removed at the next start");
        }
        tracing::info!(
            package = package.id,
            name = package.name,
            version = package.version,
            size_bytes = package.size_bytes,
            "package uploaded"
        );
        Ok(package)
    }

    /// Whatever cannot be removed now is removed at the next start.
    async fn remove_if_unreferenced(&self, hash: ImageHash) {
        let Ok(mut reader) = self.inner.store.read().await else { return };
        if let Ok(false) = packages::refers_to(&mut reader, &hash.to_string()).await
            && let Err(error) = self.inner.images.remove(hash).await
        {
            tracing::warn!(%error, "an image without package could not be removed");
        }
    }

    /// The package with this id.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn package(&self, id: &str) -> Result<Option<Package>, StoreError> {
        Ok(packages::by_id(&mut *self.inner.store.read().await?, id).await?)
    }

    /// Packages, newest first, older than `before`; of one name unless it is empty.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn packages(&self, name: &str, before: &str, limit: i64) -> Result<Vec<Package>, StoreError> {
        Ok(packages::page(&mut *self.inner.store.read().await?, name, before, limit).await?)
    }
}

impl Upload {
    /// Adds bytes.
    ///
    /// # Errors
    /// A limit is reached or the disk is full.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        let missing = IMAGE_HEADER_SIZE - self.head.len();
        let (head, payload) = bytes.split_at(missing.min(bytes.len()));
        self.head.extend_from_slice(head);
        self.payload.update(payload);
        Ok(self.incoming.write(bytes)?)
    }

    fn describe(self, app: &App) -> Result<(Package, Incoming), UploadError> {
        let size = self.incoming.size();
        if size.0 == 0 {
            return Err(UploadError::Empty);
        }
        let text = self.text;
        let header = match ImageHeader::parse(&self.head) {
            // A file of another form is somebody else's image; one that starts as ours must be whole.
            _ if !self.head.starts_with(&IMAGE_MAGIC) => None,
            Ok(header) => Some(header),
            Err(error) => return Err(UploadError::BadHeader(error)),
        };
        let (model, version, source_version) = match &header {
            Some(header) => {
                check_payload(header, size, self.payload)?;
                from_header(header, &text)?
            }
            None => (text.model, text.version.ok_or(UploadError::NoVersion)?, text.source_version),
        };
        let package = Package {
            id: uuid::Uuid::now_v7().to_string(),
            domain: ROOT_DOMAIN.to_owned(),
            name: text.name,
            description: text.description,
            file_name: text.file_name,
            model,
            version,
            source_version,
            has_header: header.is_some(),
            size_bytes: i64::try_from(size.0).unwrap_or(i64::MAX),
            sha256: String::new(),
            created_at: app.inner.clock.now(),
        };
        Ok((package, self.incoming))
    }
}

fn check(text: &PackageText) -> Result<(), UploadError> {
    let fields = [
        ("name", &text.name, 1, LONGEST_NAME),
        ("file_name", &text.file_name, 1, LONGEST_NAME),
        ("description", &text.description, 0, LONGEST_DESCRIPTION),
    ];
    for (field, value, shortest, longest) in fields {
        let has_control = value.contains(|letter: char| letter.is_control() && letter != '\n');
        if value.len() < shortest || value.len() > longest || has_control {
            return Err(UploadError::BadText { field, longest });
        }
    }
    let bad = |field, value: &Option<String>, reason: Option<TextError>| match (value, reason) {
        (Some(value), Some(reason)) => Err(UploadError::BadIdentity { field, value: value.clone(), reason }),
        _ => Ok(()),
    };
    let model = text.model.as_deref().and_then(|model| Model::new(model).err());
    bad("model", &text.model, model)?;
    let version = |value: &Option<String>| value.as_deref().and_then(|version| Version::new(version).err());
    bad("version", &text.version, version(&text.version))?;
    bad("source_version", &text.source_version, version(&text.source_version))
}

fn check_payload(header: &ImageHeader, size: ByteCount, payload: ChecksumStream) -> Result<(), UploadError> {
    let expected = ByteCount(u64::from(header.payload_length.0) + IMAGE_HEADER_SIZE as u64);
    if size != expected {
        return Err(UploadError::WrongLength { expected, found: size });
    }
    let (crc, digest) = payload.finish();
    if crc != header.payload_crc || digest != header.payload_digest {
        return Err(UploadError::Damaged);
    }
    Ok(())
}

type Identity = (Option<String>, String, Option<String>);

fn from_header(header: &ImageHeader, text: &PackageText) -> Result<Identity, UploadError> {
    let agree = |field, given: &Option<String>, image: &str| match given {
        Some(given) if given != image => {
            Err(UploadError::Contradiction { field, given: given.clone(), image: image.to_owned() })
        }
        _ => Ok(image.to_owned()),
    };
    let model = agree("model", &text.model, header.model.as_str())?;
    let version = agree("version", &text.version, header.version.as_str())?;
    let source = header.source.as_ref().map_or("any", |source| source.as_str());
    agree("source_version", &text.source_version, source)?;
    Ok((Some(model), version, header.source.map(|source| source.as_str().to_owned())))
}

//! Taking packages in.
//!
//! The product is known before the first byte. Then: size and quota while the bytes come, their hash, the
//! envelope, the signatures, the manifest, the rules of the product; only then is the file durable and gets
//! its row (SECURITY rule p07).

use std::sync::Arc;

use firmware::{HeaderError, TextError, Version};

use super::contents::{Contents, ContentsError, Trust, examine};
use super::describe::{Description, PeriodError, check_period, describe};
use super::target::{Target, TargetError};
use super::{App, Keep, Kind, Package, State};
use crate::app::Actor;
use crate::app::products::{Product, VersionMismatch};
use crate::app::text::{is_line, is_text};
use crate::size::ByteCount;
use crate::store::packages::{self, Identity, Payload};
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
    /// The product that it is for.
    pub target: Target,
    /// The version a device reports afterwards; otherwise what the manifest, the image or the file name says.
    pub version: Option<String>,
    /// The version it must be installed over, if it is made for only one.
    pub source_version: Option<String>,
    /// Whether it is made for only one; `None` if nobody says.
    pub kind: Option<Kind>,
    /// How long the file is kept.
    pub keep: Keep,
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
    /// Not a version that a device could report.
    #[error("{field} cannot be {value:?}: {reason}")]
    BadVersion {
        /// Which.
        field: &'static str,
        /// What was given.
        value: String,
        /// Why not.
        reason: TextError,
    },
    /// Not for a product that is known.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Its profile says that it cannot be upgraded.
    #[error("the profile of {0} has no capability for upgrades")]
    NotUpgradable(String),
    /// The manifest is for something else.
    #[error("the manifest does not fit: {0}")]
    ManifestProduct(TargetError),
    /// Nothing came.
    #[error("the package is empty")]
    Empty,
    /// Nothing says which version it brings.
    #[error("neither the package nor the name of its file says which version it brings, and none was given")]
    NoVersion,
    /// Not a version of this product.
    #[error(transparent)]
    Version(#[from] VersionMismatch),
    /// Both cannot be.
    #[error("a full image is not made for one version only, so there is no source_version")]
    FullWithSource,
    /// One of both is missing.
    #[error("a delta is made for one version only, and nothing says for which")]
    DeltaWithoutSource,
    /// Not an archive that is taken, or nobody vouches for it.
    #[error(transparent)]
    Contents(#[from] ContentsError),
    /// Its time has not come, or is over.
    #[error(transparent)]
    Period(#[from] PeriodError),
    /// A module of two banks takes either.
    #[error("a module of two banks needs an image for each of them, and the package has {0}")]
    TwoFilesNeeded(usize),
    /// Only modules of two banks take two.
    #[error("the package has two images, and {0} takes one")]
    OneFileNeeded(String),
    /// An image for a bank that is none.
    #[error("{name}: {problem}")]
    Bank {
        /// The file.
        name: String,
        /// What is wrong.
        problem: String,
    },
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
    /// Two say different things.
    #[error("{field} is {given:?} for {one}, but {found:?} for {other}")]
    Contradiction {
        /// Which.
        field: &'static str,
        /// Who says the one.
        one: &'static str,
        /// What the one says.
        given: String,
        /// Who says the other.
        other: &'static str,
        /// What the other says.
        found: String,
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
    product: Arc<Product>,
    actor: Actor,
}

impl Upload {
    /// Adds bytes.
    ///
    /// # Errors
    /// A limit is reached or the disk is full.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        Ok(self.incoming.write(bytes)?)
    }
}

impl App {
    /// Starts to take a package in. `announced` is how many bytes will come, if that is known.
    ///
    /// # Errors
    /// The texts are wrong, it is for no product that takes packages, or there is no room.
    pub async fn begin_upload(
        &self,
        text: PackageText,
        actor: &Actor,
        announced: Option<ByteCount>,
    ) -> Result<Upload, UploadError> {
        check(&text)?;
        let product = self.target_product(&text.target)?;
        check_capability(&product)?;
        let incoming = self.inner.images.receive(announced).await?;
        Ok(Upload { incoming, text, product, actor: actor.clone() })
    }

    /// Checks what came and makes it durable.
    ///
    /// # Errors
    /// Nobody vouches for it, it is damaged or contradicts what was given, or it cannot be stored.
    pub async fn finish_upload(&self, upload: Upload) -> Result<Package, UploadError> {
        let Upload { incoming, text, product, actor } = upload;
        if incoming.size().0 == 0 {
            return Err(UploadError::Empty);
        }
        // It may have been changed while the bytes came.
        let product = self.product(&product.id).ok_or(TargetError::NoProducts)?;
        check_capability(&product)?;
        let trust = self.trust_in(&product).await?;
        let contents = self.examine_upload(&incoming, trust).await?;
        if let Some(signed) = &contents.manifest {
            match check_period(&signed.manifest, self.inner.clock.now()) {
                // Packages are prepared before their time.
                Ok(()) | Err(PeriodError::NotYet(_)) => {}
                Err(over) => return Err(over.into()),
            }
        }
        let description = describe(&text, &contents, &product)?;
        let hash = incoming.hash();
        let size = incoming.size();
        let package = row(self, text, &product, &contents, description, &actor, (hash, size));
        drop(contents);
        self.keep_upload(incoming, package).await
    }

    async fn examine_upload(&self, incoming: &Incoming, trust: Trust) -> Result<Contents, UploadError> {
        let _one_at_a_time = self.inner.examinations.acquire().await.map_err(|_| ImageError::Stopping)?;
        let file = incoming.open()?;
        let examined = tokio::task::spawn_blocking(move || examine(file, &trust));
        Ok(examined.await.map_err(|_| ImageError::Stopping)??)
    }

    async fn keep_upload(&self, incoming: Incoming, package: Package) -> Result<Package, UploadError> {
        let _in_order = self.inner.packages_change.lock().await;
        let hash = incoming.keep().await?;
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
            state = package.state,
            by = package.uploaded_by,
            "package uploaded"
        );
        Ok(package)
    }
}

fn row(
    app: &App,
    text: PackageText,
    product: &Product,
    contents: &Contents,
    description: Description,
    actor: &Actor,
    (hash, size): (ImageHash, ByteCount),
) -> Package {
    let now = app.inner.clock.now();
    let bytes = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
    let payload = match &contents.files[..] {
        [file] => Some(Payload {
            name: file.name.clone().unwrap_or_else(|| text.file_name.clone()),
            size_bytes: bytes(file.bytes.len() as u64),
            sha256: ImageHash::of(&file.bytes).to_string(),
        }),
        _ => None,
    };
    let manifest = contents.manifest.as_ref();
    let state = if contents.signers.is_empty() { State::Uploaded } else { State::Verified };
    Package {
        id: uuid::Uuid::now_v7().to_string(),
        domain: ROOT_DOMAIN.to_owned(),
        name: text.name,
        description: text.description,
        file_name: text.file_name,
        product_id: Some(product.id.clone()),
        identity: Identity {
            device_type: product.identity.device_type.clone(),
            manufacturer: product.identity.manufacturer_name.clone(),
            model: product.identity.model.clone(),
            protocol: product.identity.protocol_type.clone(),
        },
        model: description.model,
        version: description.version,
        source_version: description.source_version,
        has_header: description.has_header,
        content: contents.form.code().to_owned(),
        size_bytes: bytes(size.0),
        sha256: hash.to_string(),
        payload,
        banks: contents.files.len() as i64,
        manifest: manifest.map(|signed| {
            (String::from_utf8_lossy(&signed.manifest.to_bytes()).into_owned(), signed.sha256.to_string())
        }),
        signers: contents.signers.iter().map(ToString::to_string).collect(),
        state: state.code().to_owned(),
        uploaded_by: actor.as_str().to_owned(),
        created_at: now,
        approval: None,
        withdrawal: None,
        keep: text.keep.code().to_owned(),
        expires_at: text.keep.until(now),
        removed_at: None,
    }
}

fn check(text: &PackageText) -> Result<(), UploadError> {
    let longest = super::LONGEST_NAME;
    for (field, value) in [("name", &text.name), ("file_name", &text.file_name)] {
        if !is_line(value, 1..=longest) {
            return Err(UploadError::BadText { field, longest });
        }
    }
    let longest = super::LONGEST_DESCRIPTION;
    if !is_text(&text.description, 0..=longest) {
        return Err(UploadError::BadText { field: "description", longest });
    }
    for (field, value) in [("version", &text.version), ("source_version", &text.source_version)] {
        if let Some(value) = value
            && let Err(reason) = Version::new(value)
        {
            return Err(UploadError::BadVersion { field, value: value.clone(), reason });
        }
    }
    Ok(())
}

fn check_capability(product: &Product) -> Result<(), UploadError> {
    if product.can_upgrade() { Ok(()) } else { Err(UploadError::NotUpgradable(product.name())) }
}

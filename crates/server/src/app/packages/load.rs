//! The bytes that devices receive, checked at every load (SECURITY rule p08, FAULTS F22 and F27).

use std::io::Cursor;
use std::sync::Arc;

use package::{Algorithm, Manifest, PublicKey};

use super::contents::{Contents, ContentsError, Trust, examine};
use super::describe::{PeriodError, check_period};
use super::{App, Package, State};
use crate::app::products::Product;
use crate::clock::Moment;
use crate::size::ByteCount;
use crate::store::packages::Withdrawal;
use crate::store::{ImageError, ImageHash, StoreError, signing_keys};

/// Why no device may receive a package.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// Its file is missing, damaged, or cannot be read.
    #[error(transparent)]
    File(#[from] ImageError),
    /// Its file was deleted on purpose.
    #[error("the file of the package was deleted at {0}")]
    Removed(Moment),
    /// It was uploaded before there were products.
    #[error("the package belongs to no product")]
    NoProduct,
    /// Nobody has decided that it may be sent.
    #[error("the package is not approved; it is {0}")]
    NotApproved(&'static str),
    /// Somebody decided that it may not.
    #[error("{by} withdrew the package: {reason}")]
    Withdrawn {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// The approval is of other bytes.
    #[error("the package is not what was approved")]
    ApprovalVoid,
    /// What it holds is not good, or nobody vouches for it any more.
    #[error(transparent)]
    Contents(#[from] ContentsError),
    /// A key that signed it counts no more.
    #[error("the key {0} that signed the package counts no more")]
    KeyGone(String),
    /// Its manifest does not allow it now.
    #[error(transparent)]
    Period(#[from] PeriodError),
    /// One file for each bank, which LwM2M cannot choose between.
    #[error(
        "the package has one file for each of two banks, and only a Wi-SUN upgrade can ask which one to send"
    )]
    TwoBanks,
    /// It cannot be read now.
    #[error("the package could not be read")]
    Store(#[from] StoreError),
}

impl PayloadError {
    /// The stable name of the cause.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File(ImageError::Missing) => "package-missing",
            Self::File(error) if error.is_passing() => "package-store",
            Self::File(_) => "package-damaged",
            Self::Removed(_) => "package-removed",
            Self::NoProduct => "package-without-product",
            Self::NotApproved(_) => "package-not-approved",
            Self::Withdrawn { .. } => "package-withdrawn",
            Self::ApprovalVoid => "approval-void",
            Self::Contents(ContentsError::NotSigned { .. }) => "signature-missing",
            Self::Contents(error) if error.is_about_signatures() => "signature-invalid",
            Self::Contents(_) => "package-damaged",
            Self::KeyGone(_) => "signature-invalid",
            Self::Period(_) => "package-expired",
            Self::TwoBanks => "two-banks",
            Self::Store(_) => "store",
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::File(error) if error.is_passing() => {
                "See the log of the server, and packages.store and packages.s3_* in its configuration."
            }
            Self::File(_) | Self::Removed(_) => "Upload the package again, then start the upgrade again.",
            Self::NoProduct => "Import the product of the device, then upload the package for it.",
            Self::NotApproved(_) => "Approve it with `updraft package approve`.",
            Self::Withdrawn { .. } => "Choose another package.",
            Self::ApprovalVoid => "Look at the package again and approve it, or upload it again.",
            Self::Contents(error) if error.is_about_signatures() => {
                "Sign the package with a key of the manufacturer that counts, and upload it again; \
                 `updraft signing-key list` shows the keys."
            }
            Self::Contents(_) => "Upload the package again, then start the upgrade again.",
            Self::KeyGone(_) => "Sign the package with another key, and upload and approve it again.",
            Self::Period(_) => "Ask the supplier for a package that is valid now.",
            Self::TwoBanks => "Send it with a Wi-SUN upgrade.",
            Self::Store(_) => "See the log of the server, then try again.",
        }
    }
}

impl From<sqlx::Error> for PayloadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What the payload is read for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// A device is to begin with it.
    Start,
    /// A device has begun with it: what was withdrawn or uploaded before there were products goes on.
    Resume,
}

impl App {
    /// The bytes that a device receives: never the archive they came in. Hash, signatures, manifest, dates and
    /// approval are checked every time; what is in memory and whose file was not touched is not read again.
    ///
    /// # Errors
    /// Something is not as it was approved, or is not allowed any more.
    pub async fn payload(&self, package: &Package, purpose: Purpose) -> Result<Arc<[u8]>, PayloadError> {
        check_state(package, purpose)?;
        let hash = ImageHash::from_text(&package.sha256).ok_or(ImageError::Damaged)?;
        let stamp = self.inner.images.stamp(hash).await?;
        let Some(product) = self.product_of_package(package) else {
            // Checked above: only an upgrade of before goes on so.
            let bytes = self.inner.images.read(hash, size_of(package)).await?;
            return Ok(self.inner.payloads.keep(hash, stamp, bytes.into()));
        };
        if let Some(payload) = self.inner.payloads.find(hash, &stamp) {
            self.check_known(package, &product).await?;
            return Ok(payload);
        }
        let contents = self.contents(package, &product).await?;
        match <[_; 1]>::try_from(contents.files) {
            Ok([file]) => Ok(self.inner.payloads.keep(hash, stamp, file.bytes.into())),
            Err(_) => Err(PayloadError::TwoBanks),
        }
    }

    /// Checks what would be checked before a device receives it, but for the approval.
    pub(super) async fn check_package(&self, package: &Package) -> Result<(), PayloadError> {
        let product = self.product_of_package(package).ok_or(PayloadError::NoProduct)?;
        self.contents(package, &product).await.map(|_| ())
    }

    /// Whose signatures count for packages of a product now.
    pub(super) async fn trust_in(&self, product: &Product) -> Result<Trust, StoreError> {
        let manufacturer = &product.identity.manufacturer_name;
        let rows =
            signing_keys::valid_of(&mut *self.inner.store.read().await?, &product.domain, manufacturer)
                .await?;
        let keys = rows.iter().filter_map(|row| {
            let algorithm = Algorithm::from_code(&row.algorithm)?;
            // Checked when it was added; one that cannot be read counts for nothing.
            PublicKey::from_pem(&row.pem, algorithm).ok()
        });
        Ok(Trust { keys: keys.collect(), required: product.settings.required_signatures() })
    }

    fn product_of_package(&self, package: &Package) -> Option<Arc<Product>> {
        self.product(package.product_id.as_deref()?)
    }

    /// Reads the file and looks into it as if it came from a stranger.
    async fn contents(&self, package: &Package, product: &Product) -> Result<Contents, PayloadError> {
        let hash = ImageHash::from_text(&package.sha256).ok_or(ImageError::Damaged)?;
        let trust = self.trust_in(product).await?;
        let one_at_a_time = self.inner.examinations.acquire().await.map_err(|_| ImageError::Stopping)?;
        let bytes = self.inner.images.read(hash, size_of(package)).await?;
        let examined = tokio::task::spawn_blocking(move || examine(Cursor::new(bytes), &trust));
        let contents = examined.await.map_err(|_| ImageError::Stopping)??;
        drop(one_at_a_time);
        let manifest = contents.manifest.as_ref().map(|manifest| manifest.sha256.to_string());
        if manifest.as_ref() != package.manifest.as_ref().map(|(_, sha256)| sha256) {
            return Err(ImageError::Damaged.into());
        }
        if let Some(signed) = &contents.manifest {
            check_period(&signed.manifest, self.inner.clock.now())?;
        }
        let payload = package.payload.as_ref().map(|payload| payload.sha256.as_str());
        if let (Some(expected), [file]) = (payload, &contents.files[..])
            && ImageHash::of(&file.bytes).to_string() != expected
        {
            return Err(ImageError::Damaged.into());
        }
        Ok(contents)
    }

    /// What may have changed since the payload in memory was read.
    async fn check_known(&self, package: &Package, product: &Product) -> Result<(), PayloadError> {
        let trust = self.trust_in(product).await?;
        if package.signers.len() < trust.required {
            return Err(ContentsError::NotSigned { required: trust.required }.into());
        }
        for signer in &package.signers {
            if !trust.keys.iter().any(|key| key.id().to_string() == *signer) {
                return Err(PayloadError::KeyGone(signer.clone()));
            }
        }
        if let Some((text, _)) = &package.manifest {
            let manifest = Manifest::parse(text.as_bytes()).map_err(|_| ImageError::Damaged)?;
            check_period(&manifest, self.inner.clock.now())?;
        }
        Ok(())
    }
}

/// The size of its file.
fn size_of(package: &Package) -> ByteCount {
    ByteCount(u64::try_from(package.size_bytes).unwrap_or_default())
}

/// Whether a package is approved as it is, or may at least go on.
///
/// # Errors
/// It may not.
pub fn check_state(package: &Package, purpose: Purpose) -> Result<(), PayloadError> {
    if let Some(at) = package.removed_at {
        return Err(PayloadError::Removed(at));
    }
    if package.product_id.is_none() {
        return if purpose == Purpose::Resume { Ok(()) } else { Err(PayloadError::NoProduct) };
    }
    match (State::of(package), &package.withdrawal) {
        (State::Approved, _) => {}
        (State::Withdrawn, _) if purpose == Purpose::Resume => {}
        (_, Some(Withdrawal { by, reason, .. })) => {
            return Err(PayloadError::Withdrawn { by: by.clone(), reason: reason.clone() });
        }
        (state, None) => return Err(PayloadError::NotApproved(state.code())),
    }
    let manifest = package.manifest.as_ref().map(|(_, sha256)| sha256);
    match &package.approval {
        Some(approval)
            if approval.sha256 == package.sha256 && approval.manifest_sha256.as_ref() == manifest =>
        {
            Ok(())
        }
        _ => Err(PayloadError::ApprovalVoid),
    }
}

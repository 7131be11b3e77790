//! Packages: taken in, vouched for, loaded, deleted.
//!
//! ```text
//!   upload ──▶ uploaded (no signature, where the product allows it) ──┐
//!         └──▶ verified (enough good signatures) ─────────────────────┴─ approve ──▶ approved
//!                                 any of them ─── withdraw ──▶ withdrawn
//! ```
//!
//! Upgrades start with approved packages only. Deleting the file is apart from that: the row stays.

mod approval;
mod banks;
mod contents;
mod describe;
mod load;
mod retention;
mod target;
mod upload;

#[cfg(test)]
mod tests;

pub use approval::{ApproveError, Shown, WithdrawError};
pub use contents::{ContentsError, Form};
pub use describe::PeriodError;
pub(super) use load::check_state;
pub use load::{PayloadError, Purpose};
pub use retention::{ChangePackageError, Keep, PackageChange, RemovePackageError};
pub use target::{Difference, Differences, Target, TargetError};
pub use upload::{PackageText, Upload, UploadError};

use futures_util::stream::BoxStream;

use super::App;
use crate::size::ByteCount;
use crate::store::packages::{self, Filter, Package};
use crate::store::{ImageError, ImageHash, StoreError};

const LONGEST_NAME: usize = 255;
const LONGEST_DESCRIPTION: usize = 2_000;

/// Whether a package is made for one version only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// For any version.
    Full,
    /// For one.
    Delta,
}

/// Who has vouched for a package so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Nobody; its product needs no signature.
    Uploaded,
    /// Its signers.
    Verified,
    /// Somebody here decided that it may be sent.
    Approved,
    /// Somebody here decided that it may not.
    Withdrawn,
}

impl State {
    const ALL: [Self; 4] = [Self::Uploaded, Self::Verified, Self::Approved, Self::Withdrawn];

    /// The stable name for storage and interfaces.
    pub fn code(self) -> &'static str {
        match self {
            Self::Uploaded => "uploaded",
            Self::Verified => "verified",
            Self::Approved => "approved",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The state of a package. An unknown word can only come from a newer version; nothing starts then.
    pub fn of(package: &Package) -> Self {
        Self::ALL.into_iter().find(|state| state.code() == package.state).unwrap_or(Self::Withdrawn)
    }
}

/// Why the file of a package cannot be downloaded.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is no such package.
    #[error("there is no package with the id {0}")]
    Unknown(String),
    /// It was deleted on purpose.
    #[error("the file of the package was deleted")]
    Removed,
    /// It is missing or damaged.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The store does not answer.
    #[error("the package could not be read")]
    Store(#[from] StoreError),
}

/// The bytes of a file as it was uploaded, piece by piece.
pub struct PackageFile {
    pub package: Package,
    pub size: ByteCount,
    pub pieces: BoxStream<'static, Result<bytes::Bytes, ImageError>>,
}

impl std::fmt::Debug for PackageFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PackageFile")
            .field("package", &self.package.id)
            .field("size", &self.size)
            .finish()
    }
}

impl App {
    /// The package with this id.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn package(&self, id: &str) -> Result<Option<Package>, StoreError> {
        Ok(packages::by_id(&mut *self.inner.store.read().await?, id).await?)
    }

    /// Packages that pass the filter, newest first, older than `before`.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn packages(
        &self,
        filter: &Filter,
        before: &str,
        limit: i64,
    ) -> Result<Vec<Package>, StoreError> {
        Ok(packages::page(&mut *self.inner.store.read().await?, filter, before, limit).await?)
    }

    /// What was uploaded, byte for byte. It is hashed before the first byte is given.
    ///
    /// # Errors
    /// There is no such file, or it is not what was uploaded.
    pub async fn package_file(&self, id: &str) -> Result<PackageFile, FileError> {
        let package = self.package(id).await?.ok_or_else(|| FileError::Unknown(id.to_owned()))?;
        if package.is_removed() {
            return Err(FileError::Removed);
        }
        let hash = ImageHash::from_text(&package.sha256).ok_or(ImageError::Damaged)?;
        self.inner.images.verify(hash).await?;
        let (size, pieces) = self.inner.images.stream(hash).await?;
        Ok(PackageFile { package, size, pieces })
    }
}

//! Where the client role keeps firmware, as object 5 sees it.

use alloc::string::String;
use alloc::vec::Vec;

use super::firmware_values::UpdateResult;

/// Keeps one package beside the running firmware, and remembers over a reboot what became of it.
///
/// The client calls `begin`, `identify` (when it learns more about the package), `write` in order and
/// without gaps, `finish`, and on Execute `activate`. After [`StoreError::PowerLost`] it goes silent and
/// waits for its owner to drop it.
pub trait FirmwareStore {
    /// The version of the firmware that runs now (`/3/0/3`).
    fn running_version(&self) -> String;

    /// What earlier boots left behind. Asked once, when the client starts.
    fn recover(&mut self) -> Recovered;

    /// Makes room for a package. If the same source was begun before and some of it is kept, says so;
    /// otherwise forgets whatever was kept.
    fn begin(&mut self, source: Source<'_>) -> Result<Kept, StoreError>;

    /// Forgets the bytes, not the source, of the package that is being stored: its content has changed.
    fn restart(&mut self) -> Result<(), StoreError>;

    /// Learns the entity tag and the size of the package before its first byte is written.
    fn identify(&mut self, etag: Option<&[u8]>, total: Option<u64>) -> Result<(), StoreError>;

    /// Stores the bytes at `offset`, which is where the last ones ended.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError>;

    /// All bytes are there: checks them. Only then may the package be activated.
    fn finish(&mut self) -> Result<(), StoreError>;

    /// Name and version of a package that was checked (`/5/0/6`, `/5/0/7`).
    fn package(&self) -> Option<PackageName>;

    /// Makes the checked package what boots next.
    fn activate(&mut self) -> Result<(), StoreError>;

    /// Forgets the package and its outcome.
    fn discard(&mut self) -> Result<(), StoreError>;
}

/// Where a package comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source<'a> {
    /// The server writes it to `/5/0/0`.
    Pushed,
    /// The client downloads it from this Package URI.
    Uri(&'a str),
}

/// What is there already of a package that is begun again.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Kept {
    /// How many bytes from the start are kept.
    pub offset: u64,
    /// The entity tag they had (RFC 7252 section 5.10.6), if any.
    pub etag: Option<Vec<u8>>,
    /// The size of the whole package in bytes, if known.
    pub total: Option<u64>,
}

/// What earlier boots left behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recovered {
    /// No package.
    Nothing,
    /// Part of a package whose download did not come to its end; the client goes on with it.
    Interrupted {
        /// The Package URI.
        uri: String,
    },
    /// A package that was checked and not activated.
    Downloaded {
        /// The Package URI; `None` if it was pushed.
        uri: Option<String>,
    },
    /// The activated package runs.
    Installed,
    /// A package was activated, but something else runs.
    InstallFailed,
}

/// Name and version of a package.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PackageName {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Why a package cannot be stored or used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not fit.
    #[error("the package is larger than the flash memory for it")]
    NoSpace,
    /// Memory ran out while it was handled.
    #[error("out of memory while handling the package")]
    OutOfMemory,
    /// It is damaged.
    #[error("the package is damaged")]
    Damaged,
    /// It is not for this device: another type of file, another model, another source version.
    #[error("the package is not for this device")]
    Unsuitable,
    /// The flash memory failed.
    #[error("the flash memory failed")]
    Broken,
    /// The power was cut in the middle of the operation.
    #[error("the power was cut")]
    PowerLost,
}

impl StoreError {
    /// The Update Result that tells the server (OMA 5.xml, resource 5).
    pub const fn result(self) -> UpdateResult {
        match self {
            Self::NoSpace => UpdateResult::NotEnoughSpace,
            Self::OutOfMemory => UpdateResult::OutOfMemory,
            Self::Damaged => UpdateResult::IntegrityFailure,
            Self::Unsuitable => UpdateResult::UnsupportedPackage,
            Self::Broken | Self::PowerLost => UpdateResult::UpdateFailed,
        }
    }
}

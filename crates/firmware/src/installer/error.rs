//! Why an image is not installed, and what a server is told about it.

use crate::upgrade::UpdateResult;
use crate::{ByteCount, Crc32, Digest, FlashError, HeaderError, Model, Version};

/// Why an image is not, or not yet, installed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InstallError {
    /// The flash failed; what is stored can be resumed.
    #[error("the flash failed while an image was installed")]
    Flash(#[from] FlashError),
    /// No boot record says which bank must not be touched.
    #[error("the flash has no boot record; initialise it")]
    NoBootRecord,
    /// The running image is on trial and needs the other bank to fall back to.
    #[error("the running image is not confirmed yet, so the other bank must be kept")]
    OnTrial,
    /// Bytes before these are missing.
    #[error("the next byte of the image is number {expected}, not {found}")]
    Gap {
        /// Where the next bytes have to start.
        expected: u32,
        /// Where they started.
        found: u32,
    },
    /// The header is not one, is damaged or of an unknown kind.
    #[error(transparent)]
    Header(HeaderError),
    /// The image is for another model.
    #[error("the image is for model {found}, this device is a {expected}")]
    WrongModel {
        /// The model of this device.
        expected: Model,
        /// The model in the header.
        found: Model,
    },
    /// The image is for another version to start from.
    #[error("the image must be installed over version {found}, this device runs {expected}")]
    WrongSource {
        /// The version that runs.
        expected: Version,
        /// The source version in the header.
        found: Version,
    },
    /// The image does not fit into a bank.
    #[error("the image has {length}, a bank holds {capacity}")]
    TooLarge {
        /// The image, header included.
        length: ByteCount,
        /// The bank.
        capacity: ByteCount,
    },
    /// More bytes came than the header says.
    #[error("the image goes on after the {length} that its header says")]
    TooLong {
        /// What the header says, header included.
        length: ByteCount,
    },
    /// The image was finished before all of it was there.
    #[error("the image ends after {received}, its header says {expected}")]
    Truncated {
        /// What the header says, header included; the size of a header if that is not complete.
        expected: ByteCount,
        /// What there is.
        received: ByteCount,
    },
    /// The CRC-32 of what was stored is not the one in the header.
    #[error("the payload is damaged: its CRC-32 is {found}, the header says {expected}")]
    WrongCrc {
        /// What the header says.
        expected: Crc32,
        /// What was stored.
        found: Crc32,
    },
    /// The SHA-256 of what was stored is not the one in the header.
    #[error("the payload is not the one of its header: its SHA-256 is {found}")]
    WrongDigest {
        /// What was stored.
        found: Digest,
    },
}

impl InstallError {
    /// The Update Result that tells a server about this (OMA object 5, resource 5).
    pub const fn update_result(&self) -> UpdateResult {
        match self {
            Self::TooLarge { .. } => UpdateResult::NOT_ENOUGH_FLASH,
            Self::Header(HeaderError::Damaged | HeaderError::TooShort)
            | Self::TooLong { .. }
            | Self::Truncated { .. }
            | Self::WrongCrc { .. }
            | Self::WrongDigest { .. } => UpdateResult::INTEGRITY_FAILED,
            Self::Header(_) | Self::WrongModel { .. } | Self::WrongSource { .. } => {
                UpdateResult::UNSUPPORTED_PACKAGE
            }
            Self::Flash(_) | Self::NoBootRecord | Self::OnTrial | Self::Gap { .. } => {
                UpdateResult::UPDATE_FAILED
            }
        }
    }

    /// Whether what was stored can never be activated; it is forgotten, and the next fetch starts at zero.
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Flash(_) | Self::NoBootRecord | Self::OnTrial | Self::Gap { .. })
    }
}

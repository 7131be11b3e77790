//! Why a file is not what it should be.

use std::io;

use crate::archive::ArchiveError;
use crate::keys::{Algorithm, KeyError, KeyId, SignatureError};
use crate::manifest::ManifestError;
use crate::signatures::SignaturesError;

/// Why an archive is refused, or cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    /// The archive itself is refused.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// There is a manifest that nobody signed.
    #[error("there is a manifest.json, but no signatures.json: nobody signed it")]
    SignaturesMissing,
    /// There are signatures over nothing.
    #[error("there is a signatures.json, but no manifest.json")]
    ManifestMissing,
    /// Only an archive with one file is clear without a manifest.
    #[error("the archive holds {found} files; without a manifest there must be exactly one, the firmware")]
    NotOnePayload {
        /// How many there are.
        found: usize,
    },
    /// The list of signatures is damaged.
    #[error("signatures.json is not a list of signatures")]
    Signatures(#[from] SignaturesError),
    /// One signature counts for nothing, so nothing does.
    #[error("the signature of key {key_id} is refused: {fault}")]
    Key {
        /// Whose it says to be.
        key_id: KeyId,
        /// Why.
        fault: KeyFault,
    },
    /// Not enough keys vouch for it.
    #[error("{found} of {required} needed keys signed it")]
    TooFewSigners {
        /// How many different keys signed.
        found: usize,
        /// How many must.
        required: usize,
    },
    /// The manifest, though signed, has no meaning.
    #[error("manifest.json is not a manifest")]
    Manifest(#[from] ManifestError),
    /// A payload is not there.
    #[error("the manifest names `{name}`, which is not in the archive")]
    PayloadMissing {
        /// Its name.
        name: String,
    },
    /// Something is there that nobody signed.
    #[error("`{name}` is in the archive, but not in the manifest, so nobody vouches for it")]
    NotInManifest {
        /// Its name.
        name: String,
    },
    /// A payload has another size.
    #[error("`{name}` has {actual} bytes; the manifest says {expected}")]
    PayloadSize {
        /// Its name.
        name: String,
        /// What the manifest says.
        expected: u64,
        /// What is there.
        actual: u64,
    },
    /// A payload has another content.
    #[error("the SHA-256 of `{name}` is not that of the manifest")]
    PayloadHash {
        /// Its name.
        name: String,
    },
    /// No payload is for this bank.
    #[error("there is no payload {}", match bank { Some(bank) => format!("for bank {bank}"), None => "without a bank".to_owned() })]
    NoPayloadFor {
        /// Which one; `None` for modules without a choice.
        bank: Option<u8>,
    },
    /// The key signed it already.
    #[error("key {key_id} signed it already")]
    SignedByThisKey {
        /// Which one.
        key_id: KeyId,
    },
    /// Nothing could be signed.
    #[error("it could not be signed")]
    Signing(#[source] KeyError),
}

/// Why a signature counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The key is none of those that may sign, or was revoked.
    #[error("it is none of the keys that are valid here")]
    Unknown,
    /// The signature says to be of another kind than the key makes.
    #[error("the key is for {key}, the signature says {signature}")]
    Algorithm {
        /// What the key is for.
        key: Algorithm,
        /// What stands beside the signature.
        signature: Algorithm,
    },
    /// It does not verify.
    #[error(transparent)]
    Signature(SignatureError),
    /// The manifest says who may sign, and this key is not among them.
    #[error("the manifest does not name it among the keys that may sign")]
    NotInManifest,
}

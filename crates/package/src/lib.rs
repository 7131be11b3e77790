//! What travels to the server: archives with firmware, who signed them, and what they say of themselves.
//!
//! [`bundle::inspect`] is the way in: it tells what a file is and checks the envelope of an archive;
//! [`bundle::Signed::verify`] says who vouches for it, and only then what its [`Manifest`] says.
//!
//! ```
//! use std::io::Cursor;
//!
//! use package::bundle::{self, Content};
//! use package::{Algorithm, ArchiveWriter, Limits, Manifest, PrivateKey};
//!
//! let mut zip = ArchiveWriter::new(Vec::new());
//! zip.add("firmware.bin", b"machine code")?;
//! let Content::Unsigned(mut zip) = bundle::inspect(Cursor::new(zip.finish()?), Limits::DEFAULT)? else {
//!     unreachable!("nobody signed it");
//! };
//! let key = PrivateKey::generate(Algorithm::Ed25519)?;
//! let manifest = Manifest { payloads: bundle::payloads(&mut zip)?, ..Manifest::default() };
//! let signed = bundle::sign(&mut zip, &manifest, &key, Vec::new())?;
//!
//! let Content::Signed(signed) = bundle::inspect(Cursor::new(signed), Limits::DEFAULT)? else {
//!     unreachable!("somebody signed it");
//! };
//! let mut verified = signed.verify(&[key.public_key().clone()], 1)?;
//! assert_eq!(verified.payload(None)?, b"machine code");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is never here: a socket, a task, a database; the `rsa` crate (RUSTSEC-2023-0071); a guess at which algorithm
//! a signature could be meant for; anything written to disk under a name from an archive.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod archive;
pub mod bundle;
mod digest;
mod keys;
mod manifest;
mod signatures;

pub use archive::{
    Archive, ArchiveError, ArchiveFormat, ArchiveWriter, Entry, EntryKind, HeaderField, LONGEST_NAME, Limits,
    NameFault, is_archive,
};
pub use digest::Sha256;
pub use keys::{
    Algorithm, KeyError, KeyId, Passphrase, PassphraseError, PrivateKey, PublicKey, SignatureError,
};
pub use manifest::{
    Kind, LONGEST_MANIFEST, Manifest, ManifestError, Payload, ProductIdentity, SourceVersion, ValueProblem,
};
pub use signatures::{
    LONGEST_SIGNATURES, MOST_SIGNATURES, Signature, SignaturesError, parse_signatures, write_signatures,
};

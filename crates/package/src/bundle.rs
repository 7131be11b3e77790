//! The signed archive.
//!
//! ```text
//! manifest.json      what the package says of itself, with size and SHA-256 of each payload
//! signatures.json    who vouches for exactly these bytes of manifest.json
//! <payload> ..       one file, or one for each of two banks, as the supplier made it
//! ```
//!
//! Before a signature is good, only the bounded envelope is looked at: the directory of the archive and
//! `signatures.json`. Then come the manifest, the list of entries, and each payload when it is taken out.

mod error;
mod sign;

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};

pub use error::{BundleError, KeyFault};
pub use sign::{co_sign, payloads, sign};

use crate::archive::{Archive, Entry, Limits, is_archive};
use crate::digest::Sha256;
use crate::keys::{KeyId, PublicKey};
use crate::manifest::{LONGEST_MANIFEST, Manifest, Payload};
use crate::signatures::{LONGEST_SIGNATURES, Signature, parse_signatures};

/// The name of the manifest in a signed archive.
pub const MANIFEST: &str = "manifest.json";
/// The name of the list of signatures in a signed archive.
pub const SIGNATURES: &str = "signatures.json";

/// What a file is, before anything in it is believed.
#[derive(Debug)]
pub enum Content<R> {
    /// No archive: the file is its own payload.
    Raw(R),
    /// An archive that nobody signed.
    Unsigned(Unsigned<R>),
    /// An archive with a manifest and signatures, which nobody verified yet.
    Signed(Signed<R>),
}

/// Looks at a file. Of an archive only the envelope is read.
///
/// # Errors
/// The envelope is not what is allowed; there is a manifest without signatures or the reverse.
pub fn inspect<R: Read + Seek>(mut file: R, limits: Limits) -> Result<Content<R>, BundleError> {
    let mut head = Vec::with_capacity(4);
    let read = |file: &mut R, head: &mut Vec<u8>| -> io::Result<()> {
        file.seek(SeekFrom::Start(0))?;
        file.by_ref().take(4).read_to_end(head)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(())
    };
    read(&mut file, &mut head).map_err(BundleError::Read)?;
    if !is_archive(&head) {
        return Ok(Content::Raw(file));
    }
    let archive = Archive::open(file, limits)?;
    let has = |name: &str| archive.entries().iter().any(|entry| entry.name == name);
    match (has(MANIFEST), has(SIGNATURES)) {
        (true, true) => Ok(Content::Signed(Signed { archive })),
        (true, false) => Err(BundleError::SignaturesMissing),
        (false, true) => Err(BundleError::ManifestMissing),
        (false, false) => Ok(Content::Unsigned(Unsigned { archive })),
    }
}

/// An archive that nobody signed. It holds exactly one file.
#[derive(Debug)]
pub struct Unsigned<R> {
    archive: Archive<R>,
}

impl<R: Read + Seek> Unsigned<R> {
    /// The file in it.
    ///
    /// # Errors
    /// There are several; which one is for which bank only a manifest can say.
    pub fn entry(&self) -> Result<&Entry, BundleError> {
        match self.archive.entries() {
            [entry] => Ok(entry),
            entries => Err(BundleError::NotOnePayload { found: entries.len() }),
        }
    }

    /// What the file in it holds.
    ///
    /// # Errors
    /// There are several, or it is damaged.
    pub fn payload(&mut self) -> Result<Vec<u8>, BundleError> {
        let Entry { name, size, .. } = self.entry()?.clone();
        Ok(self.archive.read(&name, size)?)
    }
}

/// An archive that says it is signed.
#[derive(Debug)]
pub struct Signed<R> {
    archive: Archive<R>,
}

impl<R: Read + Seek> Signed<R> {
    /// Verifies it: every listed signature is by one of `keys`, made as that key makes them, over the exact bytes
    /// of the manifest; at least `required` of these keys are really different ones; only then the manifest is
    /// parsed, must allow these signers, and must name exactly the files that are there.
    ///
    /// `keys` are those that are valid now. With `required` 0, one signature is still needed.
    ///
    /// # Errors
    /// The first of these that does not hold.
    pub fn verify(mut self, keys: &[PublicKey], required: usize) -> Result<Verified<R>, BundleError> {
        let listed = self.signatures()?;
        let bytes = self.archive.read(MANIFEST, LONGEST_MANIFEST as u64)?;
        let mut signers: Vec<&PublicKey> = Vec::new();
        for signature in &listed {
            let key = keys
                .iter()
                .find(|key| key.id() == signature.key_id)
                .ok_or(BundleError::Key { key_id: signature.key_id, fault: KeyFault::Unknown })?;
            verify_one(key, signature, &bytes)?;
            signers.push(key);
        }
        let different = signers
            .iter()
            .enumerate()
            .filter(|(index, key)| !signers[..*index].iter().any(|other| other.shares_private_key_with(key)))
            .count();
        let required = required.max(1);
        if different < required {
            return Err(BundleError::TooFewSigners { found: different, required });
        }
        let manifest = Manifest::parse(&bytes)?;
        let signers: Vec<KeyId> = signers.iter().map(|key| key.id()).collect();
        check_signers(&manifest, &signers)?;
        check_entries(&manifest, self.archive.entries())?;
        Ok(Verified { manifest, manifest_sha256: Sha256::of(&bytes), signers, archive: self.archive })
    }

    /// Who signed it, by its own words.
    ///
    /// # Errors
    /// The list is damaged.
    pub fn signatures(&mut self) -> Result<Vec<Signature>, BundleError> {
        Ok(parse_signatures(&self.archive.read(SIGNATURES, LONGEST_SIGNATURES as u64)?)?)
    }
}

/// A signed archive whose signatures are good.
#[derive(Debug)]
pub struct Verified<R> {
    manifest: Manifest,
    manifest_sha256: Sha256,
    signers: Vec<KeyId>,
    archive: Archive<R>,
}

impl<R: Read + Seek> Verified<R> {
    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What an approval is bound to: the hash of the exact bytes that were signed.
    pub fn manifest_sha256(&self) -> Sha256 {
        self.manifest_sha256
    }

    /// Who signed it, in the order of the list.
    pub fn signers(&self) -> &[KeyId] {
        &self.signers
    }

    /// What a device with this bank receives; `None` where modules have no banks to choose from.
    ///
    /// # Errors
    /// There is none for it; size or SHA-256 are not those of the manifest.
    pub fn payload(&mut self, bank: Option<u8>) -> Result<Vec<u8>, BundleError> {
        let found = self.manifest.payloads.iter().find(|payload| payload.bank == bank);
        let payload = found.ok_or(BundleError::NoPayloadFor { bank })?;
        let bytes = self.archive.read(&payload.name, payload.size_bytes)?;
        check_payload(payload, &bytes)?;
        Ok(bytes)
    }
}

fn verify_one(key: &PublicKey, signature: &Signature, bytes: &[u8]) -> Result<(), BundleError> {
    let fault = |fault| BundleError::Key { key_id: key.id(), fault };
    if key.algorithm() != signature.algorithm {
        return Err(fault(KeyFault::Algorithm { key: key.algorithm(), signature: signature.algorithm }));
    }
    key.verify(bytes, &signature.bytes).map_err(|error| fault(KeyFault::Signature(error)))
}

fn check_signers(manifest: &Manifest, signers: &[KeyId]) -> Result<(), BundleError> {
    let allowed: BTreeSet<&str> = manifest.key_ids.iter().map(String::as_str).collect();
    let outsider =
        signers.iter().find(|id| !allowed.is_empty() && !allowed.contains(id.to_string().as_str()));
    match outsider {
        Some(id) => Err(BundleError::Key { key_id: *id, fault: KeyFault::NotInManifest }),
        None => Ok(()),
    }
}

/// Every payload is an entry of that size, and every other entry is one of the two files about it.
fn check_entries(manifest: &Manifest, entries: &[Entry]) -> Result<(), BundleError> {
    for payload in &manifest.payloads {
        let entry = entries.iter().find(|entry| entry.name == payload.name);
        let entry = entry.ok_or_else(|| BundleError::PayloadMissing { name: payload.name.clone() })?;
        if entry.size != payload.size_bytes {
            return Err(BundleError::PayloadSize {
                name: payload.name.clone(),
                expected: payload.size_bytes,
                actual: entry.size,
            });
        }
    }
    let named = |name: &str| manifest.payloads.iter().any(|payload| payload.name == name);
    match entries.iter().find(|entry| ![MANIFEST, SIGNATURES].contains(&&*entry.name) && !named(&entry.name))
    {
        Some(entry) => Err(BundleError::NotInManifest { name: entry.name.clone() }),
        None => Ok(()),
    }
}

fn check_payload(payload: &Payload, bytes: &[u8]) -> Result<(), BundleError> {
    let (expected, actual) = (payload.size_bytes, bytes.len() as u64);
    if expected != actual {
        return Err(BundleError::PayloadSize { name: payload.name.clone(), expected, actual });
    }
    if Sha256::of(bytes) != payload.sha256 {
        return Err(BundleError::PayloadHash { name: payload.name.clone() });
    }
    Ok(())
}

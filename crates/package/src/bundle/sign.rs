//! Making signed archives.

use std::io::{Read, Seek, Write};

use super::{
    BundleError, KeyFault, MANIFEST, SIGNATURES, Signed, Unsigned, check_entries, check_payload,
    check_signers,
};
use crate::archive::{Archive, ArchiveWriter};
use crate::digest::Sha256;
use crate::keys::PrivateKey;
use crate::manifest::{LONGEST_MANIFEST, Manifest, Payload};
use crate::signatures::{LONGEST_SIGNATURES, Signature, parse_signatures, write_signatures};

/// What a manifest must say of the files in an archive that nobody signed yet, without banks.
///
/// # Errors
/// A file in it is damaged.
pub fn payloads<R: Read + Seek>(unsigned: &mut Unsigned<R>) -> Result<Vec<Payload>, BundleError> {
    let entries = unsigned.archive.entries().to_vec();
    entries
        .into_iter()
        .map(|entry| {
            let bytes = unsigned.archive.read(&entry.name, entry.size)?;
            Ok(Payload { name: entry.name, size_bytes: entry.size, sha256: Sha256::of(&bytes), bank: None })
        })
        .collect()
}

/// Writes the archive again with a manifest and a signature over it. The same input gives the same archive, as far
/// as the algorithm of the key gives the same signature.
///
/// # Errors
/// The manifest has no meaning, or says something else than what is in the archive; the key is none that it names.
pub fn sign<R: Read + Seek, W: Write>(
    unsigned: &mut Unsigned<R>,
    manifest: &Manifest,
    key: &PrivateKey,
    output: W,
) -> Result<W, BundleError> {
    manifest.check()?;
    let archive = &mut unsigned.archive;
    check_entries(manifest, archive.entries())?;
    check_signers(manifest, &[key.public_key().id()])?;
    let bytes = manifest.to_bytes();
    // What is signed is what a verifier will read.
    Manifest::parse(&bytes)?;
    let signature = signature_by(key, &bytes)?;
    write(archive, manifest, &bytes, &[signature], output)
}

/// Adds a signature to a signed archive: over the same manifest, beside those that are there, which stay as they
/// are. Payloads are compared with the manifest first, so nobody signs for what is not there; whether the other
/// signatures are good is not asked, since that takes their keys.
///
/// # Errors
/// This key signed it already; something in it is not as the manifest says; the key is none that
/// the manifest names.
pub fn co_sign<R: Read + Seek, W: Write>(
    signed: Signed<R>,
    key: &PrivateKey,
    output: W,
) -> Result<(Manifest, W), BundleError> {
    let mut archive = signed.archive;
    let bytes = archive.read(MANIFEST, LONGEST_MANIFEST as u64)?;
    let mut signatures = parse_signatures(&archive.read(SIGNATURES, LONGEST_SIGNATURES as u64)?)?;
    let manifest = Manifest::parse(&bytes)?;
    check_entries(&manifest, archive.entries())?;
    let key_id = key.public_key().id();
    check_signers(&manifest, &[key_id])?;
    if signatures.iter().any(|signature| signature.key_id == key_id) {
        return Err(BundleError::SignedByThisKey { key_id });
    }
    signatures.push(signature_by(key, &bytes)?);
    let output = write(&mut archive, &manifest, &bytes, &signatures, output)?;
    Ok((manifest, output))
}

fn signature_by(key: &PrivateKey, bytes: &[u8]) -> Result<Signature, BundleError> {
    let public = key.public_key();
    let signature = key.sign(bytes).map_err(BundleError::Signing)?;
    // A fault while it was computed could tell the private key; it never leaves.
    public
        .verify(bytes, &signature)
        .map_err(|error| BundleError::Key { key_id: public.id(), fault: KeyFault::Signature(error) })?;
    Ok(Signature { key_id: public.id(), algorithm: public.algorithm(), bytes: signature })
}

fn write<R: Read + Seek, W: Write>(
    archive: &mut Archive<R>,
    manifest: &Manifest,
    bytes: &[u8],
    signatures: &[Signature],
    output: W,
) -> Result<W, BundleError> {
    let signatures = write_signatures(signatures);
    // A list that nobody would read is not written.
    parse_signatures(&signatures)?;
    let mut writer = ArchiveWriter::new(output);
    writer.add(MANIFEST, bytes)?;
    writer.add(SIGNATURES, &signatures)?;
    for payload in &manifest.payloads {
        let content = archive.read(&payload.name, payload.size_bytes)?;
        check_payload(payload, &content)?;
        writer.add(&payload.name, &content)?;
    }
    Ok(writer.finish()?)
}

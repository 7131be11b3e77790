//! What an uploaded file is: looked into at its upload, and again at every load (SECURITY rules p07, p08).
//!
//! Size and hash are known before this. Then: the envelope of an archive, the signatures, the manifest, the
//! files for devices, in this order, each only if what is before it is good.

use std::io::{Read, Seek, SeekFrom};

use package::bundle::{self, BundleError, Content, Signed, Unsigned};
use package::{KeyId, Limits, Manifest, PublicKey, Sha256};

/// Whose signatures count, and how many there must be.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The manufacturer's keys that count now.
    pub keys: Vec<PublicKey>,
    /// 0 if packages need no signature.
    pub required: usize,
}

/// What is in an uploaded file.
#[derive(Debug)]
pub struct Contents {
    pub form: Form,
    /// One, or one for each bank in the order of the banks.
    pub files: Vec<DeviceFile>,
    pub manifest: Option<SignedManifest>,
    /// The keys that signed.
    pub signers: Vec<KeyId>,
}

/// In what form a file for devices came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// As it is.
    Raw,
    /// In a zip archive.
    Archive,
    /// In a zip archive with manifest and signatures.
    SignedArchive,
}

impl Form {
    /// The stable name for storage and interfaces.
    pub fn code(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Archive => "archive",
            Self::SignedArchive => "signed_archive",
        }
    }
}

/// A file that devices receive, byte for byte as its maker gave it.
#[derive(Debug)]
pub struct DeviceFile {
    /// `None` if it is the uploaded file itself.
    pub name: Option<String>,
    /// For which of two banks; `None` where a module has no two to choose from.
    pub bank: Option<u8>,
    pub bytes: Vec<u8>,
}

/// A manifest whose signatures are good.
#[derive(Debug)]
pub struct SignedManifest {
    pub manifest: Manifest,
    /// Of the exact bytes that were signed.
    pub sha256: Sha256,
}

/// Why a file is no package.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// Nobody vouches for it, and somebody must.
    #[error("the package is not signed, and {required} signatures are needed for its product")]
    NotSigned {
        /// How many.
        required: usize,
    },
    /// The archive, its signatures or its manifest.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Io(#[from] std::io::Error),
}

impl ContentsError {
    /// Whether it is about who vouches for the package, and not about what is in it.
    pub fn is_about_signatures(&self) -> bool {
        use BundleError::{Key, Signatures, SignaturesMissing, TooFewSigners};
        match self {
            Self::NotSigned { .. } => true,
            Self::Bundle(error) => {
                matches!(error, Key { .. } | Signatures(_) | SignaturesMissing | TooFewSigners { .. })
            }
            Self::Io(_) => false,
        }
    }
}

/// Looks into a file. Takes memory for what devices receive, at most what an archive may hold or what was
/// uploaded.
///
/// # Errors
/// It is no package, or not enough keys vouch for it.
pub fn examine<R: Read + Seek>(file: R, trust: &Trust) -> Result<Contents, ContentsError> {
    match bundle::inspect(file, Limits::DEFAULT)? {
        Content::Signed(signed) => verified(signed, trust),
        Content::Raw(_) | Content::Unsigned(_) if trust.required > 0 => {
            Err(ContentsError::NotSigned { required: trust.required })
        }
        Content::Raw(file) => raw(file),
        Content::Unsigned(archive) => single(archive),
    }
}

fn raw(mut file: impl Read + Seek) -> Result<Contents, ContentsError> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let files = vec![DeviceFile { name: None, bank: None, bytes }];
    Ok(Contents { form: Form::Raw, files, manifest: None, signers: Vec::new() })
}

/// An archive of somebody else: exactly one file (ruling B-7).
fn single<R: Read + Seek>(mut archive: Unsigned<R>) -> Result<Contents, ContentsError> {
    let name = archive.entry()?.name.clone();
    let files = vec![DeviceFile { name: Some(name), bank: None, bytes: archive.payload()? }];
    Ok(Contents { form: Form::Archive, files, manifest: None, signers: Vec::new() })
}

/// What says that it is signed has to be, also where no signature is needed.
fn verified<R: Read + Seek>(signed: Signed<R>, trust: &Trust) -> Result<Contents, ContentsError> {
    let mut verified = signed.verify(&trust.keys, trust.required)?;
    let mut payloads: Vec<_> =
        verified.manifest().payloads.iter().map(|payload| (payload.bank, payload.name.clone())).collect();
    payloads.sort();
    let mut files = Vec::with_capacity(payloads.len());
    for (bank, name) in payloads {
        files.push(DeviceFile { name: Some(name), bank, bytes: verified.payload(bank)? });
    }
    let manifest =
        SignedManifest { manifest: verified.manifest().clone(), sha256: verified.manifest_sha256() };
    let signers = verified.signers().to_vec();
    Ok(Contents { form: Form::SignedArchive, files, manifest: Some(manifest), signers })
}

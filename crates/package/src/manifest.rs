//! `manifest.json`: what a package says of itself. It is signed as its exact bytes; there is no canonical form.

mod json;

use crate::archive::LONGEST_NAME;
use crate::digest::Sha256;

/// The most bytes that `manifest.json` may have.
pub const LONGEST_MANIFEST: usize = 64 * 1_024;

/// The most bytes that a text in it may have.
const LONGEST_TEXT: usize = 128;

/// The most hardware revisions or key ids it may list.
const MOST_LISTED: usize = 32;

/// What a package says of itself.
///
/// ```
/// use package::{Kind, Manifest, Payload, Sha256};
///
/// let manifest = Manifest {
///     version: Some("BC35GJBR01A04".to_owned()),
///     payloads: vec![Payload { name: "image.bin".to_owned(), size_bytes: 3, sha256: Sha256::of(b"abc"), bank: None }],
///     ..Manifest::default()
/// };
/// let read = Manifest::parse(&manifest.to_bytes())?;
/// assert_eq!(read, manifest);
/// assert_eq!(read.kind, Kind::Full);
/// # Ok::<(), package::ManifestError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Which product it is for.
    pub product: Option<ProductIdentity>,
    /// Which domain (tenant, as a path) it is for.
    pub domain: Option<String>,
    /// Which hardware revisions it is for; empty = all.
    pub hardware_revisions: Vec<String>,
    /// The whole image, or the way from another one.
    pub kind: Kind,
    /// What the device reports afterwards.
    pub version: Option<String>,
    /// The files that devices receive: one without a bank, or one for each of the banks 0 and 1.
    pub payloads: Vec<Payload>,
    /// Never lower than that of what was released before (RFC 9019 calls it the sequence number of security).
    pub security_counter: Option<u64>,
    /// Counts the manifests of one signer.
    pub sequence: Option<u64>,
    /// When it begins to be valid, in seconds since 1970.
    pub not_before: Option<i64>,
    /// When it ends to be valid, in seconds since 1970.
    pub not_after: Option<i64>,
    /// Whether a lower version may follow a higher one.
    pub allow_downgrade: bool,
    /// Which keys may vouch for it, as [`crate::KeyId`] in hexadecimal digits; empty = any that are trusted.
    pub key_ids: Vec<String>,
}

/// The four values that must be exactly those of a product (seed S1-21).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductIdentity {
    /// The name of the manufacturer.
    pub manufacturer: String,
    /// The model.
    pub model: String,
    /// The type of the device.
    pub device_type: String,
    /// The protocol.
    pub protocol: String,
}

/// Whether the payload is a whole image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// It is.
    #[default]
    Full,
    /// It only leads from another version.
    Delta {
        /// What must be there.
        from: SourceVersion,
    },
}

/// What a delta leads from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceVersion {
    /// What the device reports before.
    pub version: String,
    /// SHA-256 of the image that is there, if the supplier tells it.
    pub sha256: Option<Sha256>,
}

/// A file in the archive that a device receives unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Its name in the archive.
    pub name: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Its hash.
    pub sha256: Sha256,
    /// The bank it is linked for, 0 or 1, where a module has two.
    pub bank: Option<u8>,
}

/// Why bytes are no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Too many bytes.
    #[error("the manifest has {actual} bytes; at most {LONGEST_MANIFEST} are allowed")]
    Size {
        /// How many there are.
        actual: u64,
    },
    /// No JSON, or not of this shape. Unknown and repeated fields are refused.
    #[error("{path}: {problem}")]
    Json {
        /// Where, such as `payloads[0].sha256`.
        path: String,
        /// What the reader says.
        problem: String,
    },
    /// A format that this version does not know.
    #[error("format: {found} is unknown; 1 is known")]
    Format {
        /// What it says.
        found: u64,
    },
    /// A value that has no meaning there.
    #[error("{path}: {problem}")]
    Value {
        /// Where.
        path: String,
        /// What is wrong with it.
        problem: ValueProblem,
    },
}

/// What is wrong with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueProblem {
    /// Empty, too long or with control characters.
    #[error("a text of 1 to {LONGEST_TEXT} bytes without control characters is needed")]
    Text,
    /// More than the bound of the list.
    #[error("at most {MOST_LISTED} are allowed")]
    TooMany,
    /// The same value twice.
    #[error("it is there twice")]
    Repeated,
    /// No SHA-256.
    #[error("64 lower-case hexadecimal digits are needed")]
    Digest,
    /// A name that cannot stand for a file in the archive.
    #[error("the name of a file in the archive is needed, and none that has a meaning of its own")]
    Name,
    /// A file of no bytes.
    #[error("a payload has at least one byte")]
    Empty,
    /// Neither one file without a bank nor one for each of two.
    #[error("one payload without a bank is needed, or one for each of the banks 0 and 1")]
    Banks,
    /// A delta without a version to start from.
    #[error("a delta needs the version it leads from")]
    FromMissing,
    /// A full image with a version to start from.
    #[error("only a delta leads from a version")]
    FromNotAllowed,
    /// It would never be valid.
    #[error("it ends before it begins")]
    NeverValid,
}

impl Manifest {
    /// Reads a manifest: JSON of at most 64 KiB, no unknown fields, none twice, nothing after it.
    ///
    /// # Errors
    /// It is not that; the error names the place.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > LONGEST_MANIFEST {
            return Err(ManifestError::Size { actual: bytes.len() as u64 });
        }
        let manifest = json::read(bytes)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Writes it, for people too; the same manifest always gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        json::write(self)
    }

    /// Whether every value has a meaning: what [`Self::parse`] demands of a manifest and a signer of his own.
    ///
    /// # Errors
    /// One has none; the error names it.
    pub fn check(&self) -> Result<(), ManifestError> {
        if let Some(product) = &self.product {
            text("product.manufacturer", &product.manufacturer)?;
            text("product.model", &product.model)?;
            text("product.device_type", &product.device_type)?;
            text("product.protocol", &product.protocol)?;
        }
        self.domain.iter().try_for_each(|domain| text("domain", domain))?;
        self.version.iter().try_for_each(|version| text("version", version))?;
        if let Kind::Delta { from } = &self.kind {
            text("from.version", &from.version)?;
        }
        distinct("hardware_revisions", &self.hardware_revisions, text)?;
        distinct("key_ids", &self.key_ids, |path, id| match Sha256::from_hex(id) {
            Some(_) => Ok(()),
            None => wrong(path, ValueProblem::Digest),
        })?;
        match (self.not_before, self.not_after) {
            (Some(begin), Some(end)) if end < begin => wrong("not_after", ValueProblem::NeverValid)?,
            _ => {}
        }
        self.check_payloads()
    }

    fn check_payloads(&self) -> Result<(), ManifestError> {
        match self.payloads.as_slice() {
            [payload] if payload.bank.is_none() => {}
            [first, second]
                if matches!((first.bank, second.bank), (Some(0), Some(1)) | (Some(1), Some(0))) =>
            {
                if first.name == second.name {
                    return wrong("payloads[1].name", ValueProblem::Repeated);
                }
            }
            _ => return wrong("payloads", ValueProblem::Banks),
        }
        for (index, payload) in self.payloads.iter().enumerate() {
            let path = format!("payloads[{index}]");
            if payload.size_bytes == 0 {
                return wrong(&format!("{path}.size_bytes"), ValueProblem::Empty);
            }
            let name = payload.name.as_str();
            let own = [crate::bundle::MANIFEST, crate::bundle::SIGNATURES].contains(&name);
            // Which names a file may have, the archive says that has it.
            if own || name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
                return wrong(&format!("{path}.name"), ValueProblem::Name);
            }
        }
        Ok(())
    }
}

fn wrong(path: &str, problem: ValueProblem) -> Result<(), ManifestError> {
    Err(ManifestError::Value { path: path.to_owned(), problem })
}

fn text(path: &str, text: &str) -> Result<(), ManifestError> {
    if text.is_empty() || text.len() > LONGEST_TEXT || text.chars().any(char::is_control) {
        return wrong(path, ValueProblem::Text);
    }
    Ok(())
}

fn distinct(
    path: &str,
    values: &[String],
    check: impl Fn(&str, &str) -> Result<(), ManifestError>,
) -> Result<(), ManifestError> {
    if values.len() > MOST_LISTED {
        return wrong(path, ValueProblem::TooMany);
    }
    for (index, value) in values.iter().enumerate() {
        let path = format!("{path}[{index}]");
        check(&path, value)?;
        if values[..index].contains(value) {
            return wrong(&path, ValueProblem::Repeated);
        }
    }
    Ok(())
}

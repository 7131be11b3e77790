//! What an image file holds.

use std::collections::BTreeSet;
use std::fmt;

use firmware::{HeaderError, Image, ImageError, ImageHeader, version_of, versions_in};
use serde::Serialize;

/// What an image file holds, for people (`Display`) and programs (`Serialize`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "format", rename_all = "kebab-case")]
pub enum ImageContent {
    /// An image with our header.
    Updraft {
        /// The model it is for.
        model: String,
        /// The version it brings.
        version: String,
        /// The version it must be installed over.
        source_version: Option<String>,
        /// Bytes in the file.
        image_bytes: u64,
        /// Bytes of payload, as the header says.
        payload_bytes: u32,
        /// CRC-32 of the payload, as the header says.
        payload_crc32: String,
        /// SHA-256 of the payload, as the header says.
        payload_sha256: String,
        /// What is wrong with the payload; `None` if it is intact.
        fault: Option<String>,
    },
    /// Anything else: an image in a vendor's own format, as modules of that vendor take it.
    Vendor {
        /// Bytes in the file.
        image_bytes: u64,
        /// The version, if the file names exactly one.
        version: Option<String>,
        /// Every version string in the file.
        versions: BTreeSet<String>,
    },
}

/// Looks into an image.
///
/// A payload that is not what the header says is part of the answer; a header that cannot be read is an
/// error.
pub fn inspect(image: &[u8]) -> Result<ImageContent, HeaderError> {
    let image_bytes = image.len() as u64;
    let header = match ImageHeader::parse(image) {
        Ok(header) => header,
        Err(HeaderError::NotAnImage) => {
            let version = version_of(image).map(|version| version.to_string());
            let versions = versions_in(image).map(str::to_owned).collect();
            return Ok(ImageContent::Vendor { image_bytes, version, versions });
        }
        Err(error) => return Err(error),
    };
    let fault = Image::parse(image).err().map(|error: ImageError| error.to_string());
    Ok(ImageContent::Updraft {
        model: header.model.to_string(),
        version: header.version.to_string(),
        source_version: header.source.map(|version| version.to_string()),
        image_bytes,
        payload_bytes: header.payload_length.0,
        payload_crc32: header.payload_crc.to_string(),
        payload_sha256: header.payload_digest.to_string(),
        fault,
    })
}

impl ImageContent {
    /// What is wrong with the payload.
    pub fn fault(&self) -> Option<&str> {
        match self {
            Self::Updraft { fault, .. } => fault.as_deref(),
            Self::Vendor { .. } => None,
        }
    }
}

impl fmt::Display for ImageContent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Updraft { model, version, source_version, payload_bytes, .. } => {
                writeln!(formatter, "model    {model}")?;
                writeln!(formatter, "version  {version}")?;
                writeln!(formatter, "over     {}", source_version.as_deref().unwrap_or("any version"))?;
                writeln!(formatter, "payload  {payload_bytes} bytes")?;
            }
            Self::Vendor { image_bytes, version, versions } => {
                writeln!(formatter, "format   a vendor's own, {image_bytes} bytes")?;
                let found: Vec<&str> = versions.iter().map(String::as_str).collect();
                let found = if found.is_empty() { "none found".to_owned() } else { found.join(", ") };
                writeln!(formatter, "version  {}", version.as_ref().unwrap_or(&found))?;
            }
        }
        if let Self::Updraft { payload_crc32, payload_sha256, fault, .. } = self {
            writeln!(formatter, "crc32    {payload_crc32}")?;
            writeln!(formatter, "sha256   {payload_sha256}")?;
            writeln!(formatter, "intact   {}", if fault.is_none() { "yes" } else { "no" })?;
        }
        Ok(())
    }
}

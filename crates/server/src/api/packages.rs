//! Packages as the API shows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::size::ByteCount;
use crate::store::packages as row;

/// A firmware image, as it is.
#[derive(ToSchema, Debug)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "describes a body that is streamed and never held as a value")]
pub struct Image(Vec<u8>);

/// An uploaded package.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct Package {
    /// Names it in upgrades.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Anything worth knowing; may be empty.
    pub description: String,
    /// The name of the uploaded file.
    pub file_name: String,
    /// The model it is for; absent if it was not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The version that a device reports afterwards.
    pub version: String,
    /// The version it must be installed over; absent if any will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_version: Option<String>,
    /// Whether the image itself says model and versions.
    pub has_header: bool,
    /// Its size.
    pub size_bytes: u64,
    /// Its size in both units, such as `34.5 kB (35343 B)`.
    pub size: String,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// When it was uploaded.
    pub created_at: String,
}

impl From<row::Package> for Package {
    fn from(package: row::Package) -> Self {
        let size = ByteCount(u64::try_from(package.size_bytes).unwrap_or_default());
        Self {
            id: package.id,
            name: package.name,
            description: package.description,
            file_name: package.file_name,
            model: package.model,
            version: package.version,
            source_version: package.source_version,
            has_header: package.has_header,
            size_bytes: size.0,
            size: size.to_string(),
            sha256: package.sha256,
            created_at: package.created_at.to_string(),
        }
    }
}

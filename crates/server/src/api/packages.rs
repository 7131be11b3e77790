//! Packages as the API shows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app;
use crate::size::ByteCount;
use crate::store::packages as row;

/// A file of firmware, as it is.
#[derive(ToSchema, Debug)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "describes a body that is streamed and never held as a value")]
pub struct Image(Vec<u8>);

/// Whether a package is made for one version only.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum PackageKind {
    /// For any version.
    Full,
    /// For one.
    Delta,
}

/// In what form the uploaded file is.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum PackageForm {
    /// What devices receive.
    Raw,
    /// A zip archive with it.
    Archive,
    /// A zip archive with it, a manifest and signatures.
    SignedArchive,
}

/// Who has vouched for a package so far.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum PackageState {
    /// Nobody; its product needs no signature.
    Uploaded,
    /// Its signers.
    Verified,
    /// Somebody here decided that it may be sent.
    Approved,
    /// Somebody here decided that it may not.
    Withdrawn,
}

impl PackageState {
    /// As it is written.
    pub fn code(self) -> &'static str {
        match self {
            Self::Uploaded => "uploaded",
            Self::Verified => "verified",
            Self::Approved => "approved",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// For how long a file is kept; then the server deletes it, unless an upgrade uses it.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Keep {
    /// 24 hours.
    #[serde(rename = "24h")]
    Day,
    /// 7 days.
    #[serde(rename = "1week")]
    Week,
    /// 30 days.
    #[serde(rename = "1month")]
    Month,
    /// Until somebody deletes it.
    #[default]
    #[serde(rename = "forever")]
    Forever,
}

impl From<Keep> for app::Keep {
    fn from(keep: Keep) -> Self {
        match keep {
            Keep::Day => Self::Day,
            Keep::Week => Self::Week,
            Keep::Month => Self::Month,
            Keep::Forever => Self::Forever,
        }
    }
}

/// Who checks what a device installs.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct Checks {
    /// Whether this platform verified signatures; it does again whenever the package is used.
    pub verified_by_platform: bool,
    /// What the device checks: `vendor check` is the format of the module's maker. It knows none of our keys, so
    /// the check by this platform is the only one of these signatures.
    pub by_device: String,
}

/// The one file that devices receive.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct Payload {
    /// Its name.
    pub name: String,
    /// Its size.
    pub size_bytes: u64,
    /// Its size in both units.
    pub size: String,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: String,
}

/// Who decided about a package, and when.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Who, as they said themselves.
    pub by: String,
    /// When.
    pub at: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

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
    /// The id of its product; absent if it was uploaded before there were products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The device type of the product.
    pub device_type: String,
    /// The manufacturer of the product.
    pub manufacturer: String,
    /// The model of the product.
    pub model: String,
    /// The protocol of the product.
    pub protocol: String,
    /// The model that devices report, if the image says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_model: Option<String>,
    /// The version that a device reports afterwards.
    pub version: String,
    /// Whether it is made for one version only.
    pub kind: PackageKind,
    /// The version it must be installed over; absent if any will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_version: Option<String>,
    /// Whether the image itself says model and versions.
    pub has_header: bool,
    /// In what form it was uploaded.
    pub form: PackageForm,
    /// Size of the uploaded file.
    pub size_bytes: u64,
    /// That size in both units, such as `34.5 kB (35343 B)`.
    pub size: String,
    /// SHA-256 of the uploaded file in hexadecimal digits.
    pub sha256: String,
    /// What devices receive; absent if there is a file for each of two banks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Payload>,
    /// How many files there are for devices: 2 if there is one for each bank.
    pub banks: i64,
    /// The manifest, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub manifest: Option<serde_json::Value>,
    /// SHA-256 of the manifest as it was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_sha256: Option<String>,
    /// The ids of the keys that signed it.
    pub signed_by: Vec<String>,
    /// Who checks what a device installs.
    pub checks: Checks,
    /// Who has vouched for it so far.
    pub state: PackageState,
    /// Who uploaded it, as they said themselves.
    pub uploaded_by: String,
    /// When it was uploaded.
    pub created_at: String,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Decision>,
    /// Who withdrew it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Decision>,
    /// For how long its file is kept: `24h`, `1week`, `1month` or `forever`.
    pub keep: String,
    /// When its file will be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When its file was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<String>,
}

/// An approval of exactly what was shown.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct ApprovePackage {
    /// The SHA-256 of the file.
    pub sha256: String,
    /// The SHA-256 of the manifest, if the package has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_sha256: Option<String>,
}

/// A withdrawal.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct WithdrawPackage {
    /// Why.
    pub reason: String,
}

/// What is changed of a package; what is absent stays.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct ChangePackage {
    /// Anything worth knowing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// For how long its file is kept from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
}

fn size(bytes: i64) -> ByteCount {
    ByteCount(u64::try_from(bytes).unwrap_or_default())
}

impl From<row::Payload> for Payload {
    fn from(payload: row::Payload) -> Self {
        let size = size(payload.size_bytes);
        Self { name: payload.name, size_bytes: size.0, size: size.to_string(), sha256: payload.sha256 }
    }
}

impl From<row::Approval> for Decision {
    fn from(approval: row::Approval) -> Self {
        Self { by: approval.by, at: approval.at.to_string(), reason: None }
    }
}

impl From<row::Withdrawal> for Decision {
    fn from(withdrawal: row::Withdrawal) -> Self {
        Self { by: withdrawal.by, at: withdrawal.at.to_string(), reason: Some(withdrawal.reason) }
    }
}

impl From<row::Package> for Package {
    fn from(package: row::Package) -> Self {
        let state = app::State::of(&package);
        let size = size(package.size_bytes);
        let (manifest, manifest_sha256) = package.manifest.unzip();
        Self {
            id: package.id,
            name: package.name,
            description: package.description,
            file_name: package.file_name,
            product: package.product_id,
            device_type: package.identity.device_type,
            manufacturer: package.identity.manufacturer,
            model: package.identity.model,
            protocol: package.identity.protocol,
            reported_model: package.model,
            version: package.version,
            kind: if package.source_version.is_some() { PackageKind::Delta } else { PackageKind::Full },
            source_version: package.source_version,
            has_header: package.has_header,
            form: match &*package.content {
                "archive" => PackageForm::Archive,
                "signed_archive" => PackageForm::SignedArchive,
                _ => PackageForm::Raw,
            },
            size_bytes: size.0,
            size: size.to_string(),
            sha256: package.sha256,
            payload: package.payload.map(Payload::from),
            banks: package.banks,
            manifest: manifest.and_then(|text| serde_json::from_str(&text).ok()),
            manifest_sha256,
            checks: Checks {
                verified_by_platform: !package.signers.is_empty(),
                by_device: "vendor check".to_owned(),
            },
            signed_by: package.signers,
            state: match state {
                app::State::Uploaded => PackageState::Uploaded,
                app::State::Verified => PackageState::Verified,
                app::State::Approved => PackageState::Approved,
                app::State::Withdrawn => PackageState::Withdrawn,
            },
            uploaded_by: package.uploaded_by,
            created_at: package.created_at.to_string(),
            approved: package.approval.map(Decision::from),
            withdrawn: package.withdrawal.map(Decision::from),
            keep: package.keep,
            expires_at: package.expires_at.map(|at| at.to_string()),
            removed_at: package.removed_at.map(|at| at.to_string()),
        }
    }
}

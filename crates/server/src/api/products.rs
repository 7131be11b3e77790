//! Products as the API shows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Delivery, Protocol};
use crate::app::products as app;

/// The profile of a product, as its maker wrote it.
#[derive(ToSchema, Debug)]
#[schema(value_type = Object)]
pub struct ProductProfile(());

/// A kind of device.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct Product {
    /// Names it.
    pub id: String,
    /// Manufacturer, model and device type; names it as well, as long as no other product is called so.
    #[schema(example = "Quectel/NBIoTDevice/WaterMeter")]
    pub name: String,
    /// `manufacturerId` of the profile.
    pub manufacturer_id: String,
    /// `manufacturerName` of the profile. Like all of these it is compared exactly.
    #[schema(example = "Quectel")]
    pub manufacturer_name: String,
    /// `model` of the profile.
    #[schema(example = "NBIoTDevice")]
    pub model: String,
    /// `deviceType` of the profile.
    #[schema(example = "WaterMeter")]
    pub device_type: String,
    /// `protocolType` of the profile.
    #[schema(example = "CoAP")]
    pub protocol_type: String,
    /// Whether packages and upgrades are possible: the profile has the maintenance capability.
    pub can_upgrade: bool,
    /// By which protocol its devices download, unless an upgrade says otherwise; absent if it is not fixed.
    /// `coap` is CoAP over DTLS for devices with a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_protocol: Option<Protocol>,
    /// What it decides.
    pub settings: ProductSettings,
    /// When it was imported first.
    pub created_at: String,
    /// When it was changed last.
    pub changed_at: String,
}

/// What a product decides, beside its profile.
///
/// It can stand in the profile too, as the object `updraft` of a device. In a change, what is absent stays as
/// it is, and `null` takes a setting back.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug, Default)]
#[serde(default)]
pub struct ProductSettings {
    /// The make of the radio module; otherwise `other`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_family: Option<ModuleFamily>,
    /// Whether packages must be signed; otherwise `required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureRule>,
    /// How many different keys must have signed, 1 to 8; otherwise 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_signatures: Option<u8>,
    /// Who may approve packages; otherwise `anybody`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalRule>,
    /// Whether devices may connect without encryption; otherwise not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_no_security: Option<bool>,
    /// Whether devices may have keys of fewer than 16 bytes; otherwise not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_legacy_keys: Option<bool>,
    /// A regular expression that whole versions must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "BC35G[A-Z0-9]+A\\d+")]
    pub version_pattern: Option<String>,
    /// How versions are ordered; otherwise `numbers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_order: Option<VersionOrder>,
    /// What devices report, by which they are known as this product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reports: Option<ProductReports>,
    /// Who moves the bytes, unless an upgrade says it; otherwise `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// By which protocol devices download, unless an upgrade says it; otherwise that of the profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download_protocol: Option<Protocol>,
}

/// What devices report of themselves. They are known by it only if both are given.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug, Default)]
#[serde(default)]
pub struct ProductReports {
    /// What they say at /3/0/0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// What they say at /3/0/1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// The make of a radio module.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum ModuleFamily {
    /// Renesas RYZ014A (Sequans GM01Q).
    Ryz014,
    /// Quectel BC35-G.
    Bc35g,
    /// Quectel BC28.
    Bc28,
    /// Quectel BC95.
    Bc95,
    /// Rohm BP35C0-J11.
    J11,
    /// Another one.
    Other,
}

/// Whether packages must be signed.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum SignatureRule {
    /// By keys of the manufacturer.
    Required,
    /// Whoever may upload decides.
    NotRequired,
}

/// Who may approve packages.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalRule {
    /// The uploader too.
    Anybody,
    /// Anybody but the uploader.
    AnotherPerson,
}

/// How versions are ordered.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum VersionOrder {
    /// Runs of digits count as numbers: 5.4.1.1-57857 is newer than 5.4.1.1-57830.
    Numbers,
    /// Byte by byte.
    Text,
    /// Nobody can tell.
    None,
}

/// What importing did, or would do.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct ImportedProducts {
    /// Whether it was only tried.
    pub dry_run: bool,
    /// The devices of the profile, in their order.
    pub products: Vec<ImportedProduct>,
}

/// What became of one device of a profile.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct ImportedProduct {
    /// What.
    pub change: ProductChange,
    /// The product as it is now, or would be.
    pub product: Product,
    /// What an operator should know of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What became of one device of a profile.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum ProductChange {
    /// It is new.
    Added,
    /// Its profile took the place of the one before.
    Replaced,
    /// It was there already, the same.
    Unchanged,
}

impl From<&app::Product> for Product {
    fn from(product: &app::Product) -> Self {
        let identity = &product.identity;
        let download = product.settings.download_protocol.or(product.upgrade.download);
        Self {
            id: product.id.clone(),
            name: product.name(),
            manufacturer_id: identity.manufacturer_id.clone(),
            manufacturer_name: identity.manufacturer_name.clone(),
            model: identity.model.clone(),
            device_type: identity.device_type.clone(),
            protocol_type: identity.protocol_type.clone(),
            can_upgrade: product.can_upgrade(),
            download_protocol: download.and_then(Protocol::of),
            settings: (&product.settings).into(),
            created_at: product.created_at.to_string(),
            changed_at: product.changed_at.to_string(),
        }
    }
}

impl From<&app::Settings> for ProductSettings {
    fn from(settings: &app::Settings) -> Self {
        Self {
            module_family: Some(match settings.module_family {
                app::ModuleFamily::Ryz014 => ModuleFamily::Ryz014,
                app::ModuleFamily::Bc35g => ModuleFamily::Bc35g,
                app::ModuleFamily::Bc28 => ModuleFamily::Bc28,
                app::ModuleFamily::Bc95 => ModuleFamily::Bc95,
                app::ModuleFamily::J11 => ModuleFamily::J11,
                app::ModuleFamily::Other => ModuleFamily::Other,
            }),
            signature: Some(match settings.signature {
                app::Signature::Required => SignatureRule::Required,
                app::Signature::NotRequired => SignatureRule::NotRequired,
            }),
            required_signatures: Some(settings.signatures.0),
            approval: Some(match settings.approval {
                app::Approval::Anybody => ApprovalRule::Anybody,
                app::Approval::AnotherPerson => ApprovalRule::AnotherPerson,
            }),
            allow_no_security: Some(settings.allow_no_security),
            allow_legacy_keys: Some(settings.allow_legacy_keys),
            version_pattern: settings.version_pattern.as_ref().map(|pattern| pattern.as_str().to_owned()),
            version_order: Some(match settings.version_order {
                app::VersionOrder::Numbers => VersionOrder::Numbers,
                app::VersionOrder::Text => VersionOrder::Text,
                app::VersionOrder::None => VersionOrder::None,
            }),
            reports: settings.reports.as_ref().map(|reports| ProductReports {
                manufacturer: reports.manufacturer.clone(),
                model: reports.model.clone(),
            }),
            delivery: Some(Delivery::from(settings.delivery)),
            download_protocol: settings.download_protocol.and_then(Protocol::of),
        }
    }
}

impl From<app::Imported> for ImportedProduct {
    fn from(imported: app::Imported) -> Self {
        let product = &*imported.product;
        let mut warnings = Vec::new();
        if !product.can_upgrade() {
            warnings.push(format!(
                "{} has no maintenance capability (omCapability.fwUpgradeCapability), as profiles of platform \
                 v1.5: packages and upgrades are refused until it is added",
                product.name()
            ));
        }
        Self {
            change: match imported.change {
                app::Change::Added => ProductChange::Added,
                app::Change::Replaced => ProductChange::Replaced,
                app::Change::Unchanged => ProductChange::Unchanged,
            },
            product: product.into(),
            warnings,
        }
    }
}

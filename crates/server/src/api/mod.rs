//! The public JSON: what the REST API says and takes. Nothing else derives it.
//!
//! Fields are only added; a field that was released keeps its name and meaning.

mod bootstrap;
mod devices;
mod files;
mod object_models;
mod operations;
mod packages;
mod problem;
mod products;
mod signing_keys;
mod upgrades;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use bootstrap::{
    AddBootstrap, BootstrapAccounts, BootstrapServer, BootstrapSource, BootstrapState, BootstrapStep,
    DeviceBootstrap, PutBootstrapServer, StagedCredential, TriggerBootstrap,
};
pub use devices::{AddDevice, AddedDevice, Device, DeviceProduct, Security, SetDeviceProduct};
pub use files::FilesCertificate;
pub use object_models::{
    ObjectModel, ObjectModelFault, ObjectModelFolder, ObjectSource, ObjectXml, ResourceModel,
};
pub use operations::{Answer, DeviceValue, Operation, OperationKind, OperationState, QueueOperation};
pub use packages::{
    ApprovePackage, ChangePackage, Checks, Decision, Image, Keep, Package, PackageForm, PackageKind,
    PackageState, Payload, WithdrawPackage,
};
pub use problem::Problem;
pub use products::{
    ApprovalRule, ImportedProduct, ImportedProducts, ModuleFamily, Product, ProductChange, ProductProfile,
    ProductReports, ProductSettings, SignatureRule, VersionOrder,
};
pub use signing_keys::{AddSigningKey, AddedSigningKey, Revocation, RevokeSigningKey, SigningKey};
pub use upgrades::{
    ComponentPackage, Delivery, EventKind, Outcome, Protocol, Severity, StartUpgrade, Transfer, Upgrade,
    UpgradeEvent, UpgradeHistory,
};

/// The header in which whoever asks says who they are; until there are accounts nobody proves it.
pub const ACTOR_HEADER: &str = "updraft-actor";

/// One page of a list.
#[derive(Serialize, Deserialize, ToSchema, Debug)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Give it as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How the server is.
#[derive(Serialize, Deserialize, ToSchema, Debug)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The version of the server.
    pub version: String,
}

impl Default for Health {
    fn default() -> Self {
        Self { status: "ok".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

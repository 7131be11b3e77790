//! Products: what is known of a kind of device, and what that decides.

mod change;
mod devices;
mod json;
mod profile;
mod settings;
mod upgrades;
mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use firmware::upgrade::Protocol;
use tokio::sync::Mutex;

pub use change::{Change, ImportError, Imported, RemoveProductError, SetProductError, StillOpen};
pub use devices::{NeedsPermission, SetDeviceProductError};
pub(super) use devices::{check_open, key_lengths};
pub use json::Fault;
pub use profile::{ProfileError, Upgrade};
pub use settings::{Approval, ModuleFamily, Reports, Settings, Signature, Signatures};
pub use version::{PatternError, VersionOrder, VersionPattern};

use super::{App, Security};
use crate::clock::Moment;
use crate::secrets::PskLengths;
use crate::store::devices::Device;
use crate::store::products::{self as rows, Identity};
use crate::store::{StoreError, products};

/// A product, read.
#[derive(Clone, PartialEq, Debug)]
pub struct Product {
    pub id: String,
    pub domain: String,
    pub identity: Identity,
    pub upgrade: Upgrade,
    pub settings: Settings,
    /// What stands in the profile under `updraft`.
    settings_text: Option<String>,
    /// The profile as it was imported, with our settings in it.
    pub profile: String,
    pub created_at: Moment,
    pub changed_at: Moment,
}

/// A version that no device of a product could have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the version {version:?} does not look like one of {product}: its pattern is {pattern}")]
pub struct VersionMismatch {
    /// What was given.
    pub version: String,
    /// Which product.
    pub product: String,
    /// What its versions look like.
    pub pattern: String,
}

impl Product {
    fn read(row: rows::Product) -> Result<Self, ProfileError> {
        let profile = profile::read(&row.profile)?.pop().ok_or(ProfileError::NoDevice)?;
        Ok(Self {
            id: row.id,
            domain: row.domain,
            identity: row.identity,
            upgrade: profile.upgrade,
            settings: profile.settings,
            settings_text: profile.settings_text,
            profile: row.profile,
            created_at: row.created_at,
            changed_at: row.changed_at,
        })
    }

    /// Manufacturer, model and device type, as people name it.
    pub fn name(&self) -> String {
        let Identity { manufacturer_name, model, device_type, .. } = &self.identity;
        format!("{manufacturer_name}/{model}/{device_type}")
    }

    /// Whether packages and upgrades are possible for it: its profile has the maintenance capability
    /// (seed S1-2).
    pub fn can_upgrade(&self) -> bool {
        self.upgrade.supported
    }

    /// Whether a version looks like one of this product.
    ///
    /// # Errors
    /// It does not.
    pub fn check_version(&self, version: &str) -> Result<(), VersionMismatch> {
        match &self.settings.version_pattern {
            Some(pattern) if !pattern.matches(version) => Err(VersionMismatch {
                version: version.to_owned(),
                product: self.name(),
                pattern: pattern.as_str().to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Which keys its devices may have (SECURITY rule k03).
    pub fn key_lengths(&self) -> PskLengths {
        if self.settings.allow_legacy_keys { PskLengths::AnyLength } else { PskLengths::Strong }
    }

    /// By which protocol a device that connects so fetches images; `None` is the best one that it speaks.
    pub fn download_protocol(&self, security: Security) -> Option<Protocol> {
        match self.settings.download_protocol.or(self.upgrade.download) {
            // Profiles say CoAP and mean that of the registration.
            Some(Protocol::Coap) if security == Security::Psk => Some(Protocol::Coaps),
            protocol => protocol,
        }
    }

    /// The model that its devices report, if that is known.
    pub fn reported_model(&self) -> Option<&str> {
        self.settings.reports.as_ref()?.model.as_deref()
    }

    /// Whether devices that report this are known as this product.
    pub fn is_reported_by(&self, manufacturer: &str, model: &str) -> bool {
        self.settings.reports.as_ref().is_some_and(|reports| {
            reports.manufacturer.as_deref() == Some(manufacturer) && reports.model.as_deref() == Some(model)
        })
    }
}

/// Why no product is meant by a name.
#[derive(Debug, thiserror::Error)]
pub enum FindProductError {
    /// There is none that is called so.
    #[error("there is no product {name}{}", nearly(.near))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What is written almost so.
        near: Option<String>,
    },
    /// Several are.
    #[error("{count} products are called {name}; add the device type, or give the id")]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// How many.
        count: usize,
    },
}

fn nearly(near: &Option<String>) -> String {
    near.as_ref().map(|near| format!("; {near} is written in another way")).unwrap_or_default()
}

/// Most products; each has at most the size of a profile, and all are in memory.
pub(super) const MOST_PRODUCTS: usize = 1_000;

type ById = BTreeMap<String, Arc<Product>>;

/// All products, in memory: each upgrade, each list of devices asks for them.
#[derive(Debug, Default)]
pub(super) struct Products {
    known: RwLock<Arc<ById>>,
    /// Held from the change in the store to that in memory.
    change: Mutex<()>,
}

impl Products {
    fn all(&self) -> Arc<ById> {
        // A panic elsewhere leaves the one or the other list, both whole.
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, change: impl FnOnce(&mut ById)) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut known));
    }
}

impl App {
    pub(super) async fn load_products(&self) -> Result<(), StoreError> {
        const PAGE: i64 = 100;
        let mut all = ById::new();
        let mut after = String::new();
        loop {
            let page = products::page(&mut *self.inner.store.read().await?, &after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.id);
            for row in page {
                let id = row.id.clone();
                match Product::read(row) {
                    Ok(product) => drop(all.insert(id, Arc::new(product))),
                    // Without it less is allowed, not more.
                    Err(error) => tracing::error!(product = id, %error, "a product cannot be read"),
                }
            }
        }
        self.inner.products.replace(|known| *known = all);
        Ok(())
    }

    /// Products in the order of their ids, after `after`; of one manufacturer unless it is empty.
    pub fn products_after(&self, manufacturer: &str, after: &str, limit: i64) -> Vec<Arc<Product>> {
        let all = self.inner.products.all();
        let later = all.values().filter(|product| &*product.id > after);
        let wanted =
            later.filter(|one| manufacturer.is_empty() || one.identity.manufacturer_name == manufacturer);
        wanted.take(usize::try_from(limit).unwrap_or_default()).cloned().collect()
    }

    /// The names of all manufacturers, each once.
    pub fn manufacturers(&self) -> BTreeSet<String> {
        let all = self.inner.products.all();
        all.values().map(|product| product.identity.manufacturer_name.clone()).collect()
    }

    /// The product with this id.
    pub fn product(&self, id: &str) -> Option<Arc<Product>> {
        self.inner.products.all().get(id).cloned()
    }

    /// The product that is called so in every part.
    pub fn product_by_identity(
        &self,
        manufacturer: &str,
        model: &str,
        device_type: &str,
        protocol: &str,
    ) -> Option<Arc<Product>> {
        let all = self.inner.products.all();
        let found = all.values().find(|product| {
            let identity = &product.identity;
            identity.manufacturer_name == manufacturer
                && identity.model == model
                && identity.device_type == device_type
                && identity.protocol_type == protocol
        });
        found.cloned()
    }

    /// The product that is meant by an id, by `manufacturer/model`, or by `manufacturer/model/device type`.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn find_product(&self, name: &str) -> Result<Arc<Product>, FindProductError> {
        let all = self.inner.products.all();
        if let Some(product) = all.get(name) {
            return Ok(product.clone());
        }
        let short =
            |product: &Product| format!("{}/{}", product.identity.manufacturer_name, product.identity.model);
        let named: Vec<&Arc<Product>> =
            all.values().filter(|product| product.name() == name || short(product) == name).collect();
        match &named[..] {
            [one] => Ok(Arc::clone(one)),
            [] => {
                let alike = |text: String| text.to_lowercase() == name.to_lowercase();
                let near = all.values().find(|product| alike(product.name()) || alike(short(product)));
                Err(FindProductError::Unknown { name: name.to_owned(), near: near.map(|near| near.name()) })
            }
            several => Err(FindProductError::Ambiguous { name: name.to_owned(), count: several.len() }),
        }
    }

    /// The product that a device is: the one that it was said to be, otherwise the only one that is known by
    /// what the device reports.
    pub fn product_of(&self, device: &Device) -> Option<Arc<Product>> {
        if let Some(id) = &device.product_id {
            return self.product(id);
        }
        let state = device.state.as_ref()?;
        let (manufacturer, model) = (state.manufacturer.as_deref()?, state.model.as_deref()?);
        let all = self.inner.products.all();
        let mut matching = all.values().filter(|product| product.is_reported_by(manufacturer, model));
        match (matching.next(), matching.next()) {
            (Some(only), None) => Some(only.clone()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

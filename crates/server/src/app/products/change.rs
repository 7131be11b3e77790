//! Importing, changing and removing products.

use std::sync::Arc;

use sqlx::AnyConnection;

use super::profile::{self, Profile, ProfileError};
use super::{MOST_PRODUCTS, Product};
use crate::app::App;
use crate::store::products::Identity;
use crate::store::{ROOT_DOMAIN, StoreError, devices, packages, products as rows};

/// What became of one device of a profile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It is new.
    Added,
    /// Its profile took the place of the one before.
    Replaced,
    /// It was there already, the same.
    Unchanged,
}

/// A product that was imported.
#[derive(Clone, PartialEq, Debug)]
pub struct Imported {
    pub product: Arc<Product>,
    pub change: Change,
}

/// Why a profile was not imported. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is no profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// There is one already, with another profile.
    #[error("the product {0} exists already with another profile")]
    Exists(String),
    /// Too many.
    #[error("there are {MOST_PRODUCTS} products, which is as many as there can be")]
    Full,
    /// Devices rely on what would end.
    #[error(transparent)]
    Open(#[from] StillOpen),
    /// Could not be stored.
    #[error("the products could not be stored")]
    Store(#[from] StoreError),
}

/// Devices connect without encryption, and their product would not allow it any more.
#[derive(Debug, thiserror::Error)]
#[error("{count} devices of {product} connect without encryption")]
pub struct StillOpen {
    pub product: String,
    pub count: i64,
}

/// Why a product was not changed.
#[derive(Debug, thiserror::Error)]
pub enum SetProductError {
    /// There is none.
    #[error("there is no product with the id {0}")]
    Unknown(String),
    /// A value cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// Devices rely on what would end.
    #[error(transparent)]
    Open(#[from] StillOpen),
    /// Could not be stored.
    #[error("the product could not be stored")]
    Store(#[from] StoreError),
}

/// Why a product was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveProductError {
    /// There is none.
    #[error("there is no product with the id {0}")]
    Unknown(String),
    /// Something is of it.
    #[error("{devices} devices and {packages} packages use the product {product}")]
    Used {
        /// Its name.
        product: String,
        /// How many.
        devices: i64,
        /// How many.
        packages: i64,
    },
    /// Could not be removed.
    #[error("the product could not be removed")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ImportError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<sqlx::Error> for SetProductError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<sqlx::Error> for RemoveProductError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl App {
    /// Imports the devices of a profile, all or none; with `replace` also those that are there with another
    /// profile. Settings of ours that the file does not name stay as they are.
    ///
    /// # Errors
    /// It is no profile, a device is there already, or it cannot be stored.
    pub async fn import_products(&self, text: &str, replace: bool) -> Result<Vec<Imported>, ImportError> {
        let _in_order = self.inner.products.change.lock().await;
        // No device without encryption comes while one is no longer allowed.
        let _devices = self.inner.devices_change.write().await;
        let planned = self.plan(profile::read(text)?, replace)?;
        let rows = planned.clone();
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                for Imported { product, change } in rows {
                    match change {
                        Change::Added => rows::insert(connection, &row(&product)).await?,
                        Change::Replaced => {
                            check_open::<ImportError>(connection, &product).await?;
                            rows::update(connection, &row(&product)).await?;
                        }
                        Change::Unchanged => {}
                    }
                }
                Ok::<_, ImportError>(())
            })
        });
        change.await?;
        for Imported { product, change } in planned.iter().filter(|one| one.change != Change::Unchanged) {
            tracing::info!(product = product.name(), ?change, "product imported");
            self.keep(product);
        }
        Ok(planned)
    }

    /// What importing would do, without doing it.
    ///
    /// # Errors
    /// As [`App::import_products`], as far as it can be told beforehand.
    pub fn check_import(&self, text: &str, replace: bool) -> Result<Vec<Imported>, ImportError> {
        self.plan(profile::read(text)?, replace)
    }

    fn plan(&self, profiles: Vec<Profile>, replace: bool) -> Result<Vec<Imported>, ImportError> {
        let mut planned = Vec::with_capacity(profiles.len());
        for profile in profiles {
            let Identity { manufacturer_name, model, device_type, protocol_type, .. } = &profile.identity;
            let known = self.product_by_identity(manufacturer_name, model, device_type, protocol_type);
            planned.push(match known {
                None => Imported { product: Arc::new(self.new_product(profile)), change: Change::Added },
                Some(known) => self.changed(known, profile, replace)?,
            });
        }
        let added = planned.iter().filter(|one| one.change == Change::Added).count();
        if self.inner.products.all().len() + added > MOST_PRODUCTS {
            return Err(ImportError::Full);
        }
        Ok(planned)
    }

    fn new_product(&self, profile: Profile) -> Product {
        let now = self.now();
        Product {
            id: uuid::Uuid::now_v7().to_string(),
            domain: ROOT_DOMAIN.to_owned(),
            identity: profile.identity,
            upgrade: profile.upgrade,
            settings: profile.settings,
            settings_text: profile.settings_text,
            profile: profile.text,
            created_at: now,
            changed_at: now,
        }
    }

    /// What comes of a profile for a product that is there.
    fn changed(&self, known: Arc<Product>, profile: Profile, replace: bool) -> Result<Imported, ImportError> {
        let text = match (&profile.settings_text, &known.settings_text) {
            (None, Some(settings)) => profile::with_settings(&profile.text, settings)?,
            _ => profile.text,
        };
        if text == known.profile {
            return Ok(Imported { product: known, change: Change::Unchanged });
        }
        if !replace {
            return Err(ImportError::Exists(known.name()));
        }
        let product = Arc::new(self.with_profile(&known, &text)?);
        Ok(Imported { product, change: Change::Replaced })
    }

    /// The same product with another profile.
    fn with_profile(&self, known: &Product, text: &str) -> Result<Product, ProfileError> {
        let profile = profile::read(text)?.pop().ok_or(ProfileError::NoDevice)?;
        let (id, created_at) = (known.id.clone(), known.created_at);
        Ok(Product { id, created_at, ..self.new_product(profile) })
    }

    /// Changes settings of a product. `changes` is a JSON object; `null` takes a setting back.
    ///
    /// # Errors
    /// There is no such product, a value cannot be used, devices rely on what would end, or it cannot be
    /// stored.
    pub async fn set_product(&self, id: &str, changes: &str) -> Result<Arc<Product>, SetProductError> {
        self.change_profile(id, |known| profile::with_settings(&known.profile, changes)).await
    }

    /// Adds the maintenance capability, which profiles of platform v1.5 lack (seed S1-2).
    ///
    /// # Errors
    /// There is no such product, or it cannot be stored.
    pub async fn add_upgrade_capability(&self, id: &str) -> Result<Arc<Product>, SetProductError> {
        let change = |known: &Product| match known.can_upgrade() {
            true => Ok(known.profile.clone()),
            false => profile::with_capability(&known.profile),
        };
        self.change_profile(id, change).await
    }

    async fn change_profile(
        &self,
        id: &str,
        change: impl FnOnce(&Product) -> Result<String, ProfileError>,
    ) -> Result<Arc<Product>, SetProductError> {
        let _in_order = self.inner.products.change.lock().await;
        let _devices = self.inner.devices_change.write().await;
        let known = self.product(id).ok_or_else(|| SetProductError::Unknown(id.to_owned()))?;
        let text = change(&known)?;
        if text == known.profile {
            return Ok(known);
        }
        let product = Arc::new(self.with_profile(&known, &text)?);
        let stored = product.clone();
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                check_open::<SetProductError>(connection, &stored).await?;
                Ok::<_, SetProductError>(rows::update(connection, &row(&stored)).await?)
            })
        });
        change.await?;
        self.keep(&product);
        tracing::info!(product = product.name(), "product changed");
        Ok(product)
    }

    /// Removes a product that nothing uses.
    ///
    /// # Errors
    /// There is none, something uses it, or it cannot be removed.
    pub async fn remove_product(&self, id: &str) -> Result<(), RemoveProductError> {
        let _in_order = self.inner.products.change.lock().await;
        let _devices = self.inner.devices_change.write().await;
        let product = self.product(id).ok_or_else(|| RemoveProductError::Unknown(id.to_owned()))?;
        let wanted = product.clone();
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let reports = wanted.settings.reports.as_ref();
                let reported = reports.and_then(|reports| {
                    Some((&**reports.manufacturer.as_ref()?, &**reports.model.as_ref()?))
                });
                let devices = devices::count_of_product(connection, &wanted.id, reported).await?;
                let packages = packages::count_of_product(connection, &wanted.id).await?;
                if devices > 0 || packages > 0 {
                    return Err(RemoveProductError::Used { product: wanted.name(), devices, packages });
                }
                Ok(rows::delete(connection, &wanted.id).await?)
            })
        });
        change.await?;
        self.inner.products.replace(|known| drop(known.remove(id)));
        tracing::info!(product = product.name(), "product removed");
        Ok(())
    }

    fn keep(&self, product: &Arc<Product>) {
        self.inner.products.replace(|known| drop(known.insert(product.id.clone(), product.clone())));
    }
}

/// Whether what a product allows is enough for the devices that are of it.
async fn check_open<E: From<sqlx::Error> + From<StillOpen>>(
    connection: &mut AnyConnection,
    product: &Product,
) -> Result<(), E> {
    if product.settings.allow_no_security {
        return Ok(());
    }
    match devices::count_open_of_product(connection, &product.id).await? {
        0 => Ok(()),
        count => Err(StillOpen { product: product.name(), count }.into()),
    }
}

fn row(product: &Product) -> rows::Product {
    rows::Product {
        id: product.id.clone(),
        domain: product.domain.clone(),
        identity: product.identity.clone(),
        profile: product.profile.clone(),
        settings: product.settings_text.clone().unwrap_or_else(|| "{}".to_owned()),
        created_at: product.created_at,
        changed_at: product.changed_at,
    }
}

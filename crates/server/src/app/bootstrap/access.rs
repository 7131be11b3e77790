//! Which devices may come to the bootstrap server, and how.

use super::super::devices::{check_bootstrap, check_unused, own_key};
use super::super::products;
use super::super::{AddBootstrap, AddDeviceError, AddedDevice, App, BootstrapAccess, Security};
use crate::store::{StoreError, bootstraps, credentials, devices};

impl App {
    /// Lets a device that is there already come to the bootstrap server; if it may, its key for that is
    /// replaced.
    ///
    /// # Errors
    /// There is no such device, a value is wrong or taken, or it cannot be stored.
    pub async fn allow_bootstrap(
        &self,
        endpoint: &str,
        wanted: AddBootstrap,
    ) -> Result<AddedDevice, AddDeviceError> {
        check_bootstrap(&wanted)?;
        let AddBootstrap { key, model } = wanted;
        let _in_order = self.inner.devices_change.write().await;
        let unknown = || AddDeviceError::Unknown(endpoint.to_owned());
        let product = self.product_of(&self.device(endpoint).await?.ok_or_else(unknown)?);
        let (key, generated_bootstrap) = own_key(key, products::key_lengths(product.as_deref()))?;
        let security = if key.is_some() { Security::Psk } else { Security::None };
        if security == Security::None {
            products::check_open(product.as_deref())?;
        }
        let (app, name) = (self.clone(), endpoint.to_owned());
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let Some(device) = devices::by_endpoint(connection, &name).await? else {
                    return Err(AddDeviceError::Unknown(name));
                };
                let kind = credentials::BOOTSTRAP;
                let version = credentials::next_version(connection, &device.id, kind).await?;
                credentials::delete(connection, &device.id, kind).await?;
                bootstraps::allow(connection, &device.id, security.code(), model.as_deref()).await?;
                if let (None, Some(product)) = (&key, &product) {
                    // What allows it must not change with what the device reports.
                    devices::set_product(connection, &device.id, Some(&product.id)).await?;
                }
                let key = key.map(|key| super::super::DeviceKey { version, ..key });
                if let Some(key) = &key {
                    let place = (&*device.domain, &*device.id);
                    let sealed = app.seal_key(place, (kind, credentials::ACTIVE), key, app.now())?;
                    check_unused(connection, &sealed).await?;
                    credentials::insert(connection, &sealed).await?;
                }
                let device = devices::by_endpoint(connection, &name).await?;
                Ok((device.ok_or(AddDeviceError::Unknown(name))?, key))
            })
        });
        let (device, key) = change.await?;
        let access = key.map_or(BootstrapAccess::None, BootstrapAccess::Psk);
        self.inner.directory.set_bootstrap(endpoint, Some(access));
        tracing::info!(endpoint, security = security.code(), "the device may bootstrap");
        Ok(AddedDevice { device, generated: None, generated_bootstrap })
    }

    /// Lets a device come to the bootstrap server no more. It keeps what it was given. False if there is no
    /// such device, or it might not come.
    ///
    /// # Errors
    /// It cannot be stored.
    pub async fn forbid_bootstrap(&self, endpoint: &str) -> Result<bool, StoreError> {
        let _in_order = self.inner.devices_change.write().await;
        let name = endpoint.to_owned();
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let device = devices::by_endpoint(connection, &name).await?;
                let Some(device) = device.filter(|device| device.bootstrap.is_some()) else {
                    return Ok(false);
                };
                credentials::delete(connection, &device.id, credentials::BOOTSTRAP).await?;
                bootstraps::forbid(connection, &device.id).await?;
                Ok::<_, StoreError>(true)
            })
        });
        let might = change.await?;
        self.inner.directory.set_bootstrap(endpoint, None);
        // Fails if the bootstrap server is off.
        let _ = self.inner.left_bootstrap.send(endpoint.to_owned());
        Ok(might)
    }
}

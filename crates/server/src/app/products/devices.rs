//! Which product a device is, and what that allows it.

use std::sync::Arc;

use super::{FindProductError, Product};
use crate::app::{Admitted, App, Security};
use crate::secrets::PskLengths;
use crate::store::devices::{self, Device};
use crate::store::{StoreError, credentials};

/// A device may connect without encryption only where its product says so (SECURITY rule n03).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NeedsPermission {
    /// Nobody says what it is.
    #[error("a device without encryption needs a product that allows it, and none is known for this one")]
    NoProduct,
    /// It is one that must be secured.
    #[error("the product {0} does not allow devices without encryption")]
    NotAllowed(String),
}

/// Why a device was not made a product.
#[derive(Debug, thiserror::Error)]
pub enum SetDeviceProductError {
    /// There is none.
    #[error("there is no device with the endpoint name {0}")]
    UnknownDevice(String),
    /// No product is meant by that name.
    #[error(transparent)]
    Product(#[from] FindProductError),
    /// It connects without encryption, which the product does not allow.
    #[error(transparent)]
    NeedsPermission(#[from] NeedsPermission),
    /// Could not be stored.
    #[error("the product of the device could not be stored")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for SetDeviceProductError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Whether devices of a product may connect without encryption.
///
/// # Errors
/// They may not.
pub(in crate::app) fn check_open(product: Option<&Product>) -> Result<(), NeedsPermission> {
    match product {
        None => Err(NeedsPermission::NoProduct),
        Some(product) if product.settings.allow_no_security => Ok(()),
        Some(product) => Err(NeedsPermission::NotAllowed(product.name())),
    }
}

/// Which keys devices of a product may have.
pub(in crate::app) fn key_lengths(product: Option<&Product>) -> PskLengths {
    product.map_or(PskLengths::Strong, Product::key_lengths)
}

/// Whether a device connects without encryption, to whichever port.
fn is_open(device: &Device) -> bool {
    let open = |security: &str| security == Security::None.code();
    open(&device.security) || device.bootstrap.as_ref().is_some_and(|bootstrap| open(&bootstrap.security))
}

impl App {
    /// Says which product a device is; `None`: what it reports says so. Keys that it has stay as they are.
    ///
    /// # Errors
    /// There is no such device or product, the device connects without encryption and the product does not
    /// allow it, or it cannot be stored.
    pub async fn set_device_product(
        &self,
        endpoint: &str,
        product: Option<&str>,
    ) -> Result<Device, SetDeviceProductError> {
        let _in_order = self.inner.devices_change.write().await;
        let product: Option<Arc<Product>> = product.map(|name| self.find_product(name)).transpose()?;
        let wanted = endpoint.to_owned();
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let device = devices::by_endpoint(connection, &wanted).await?;
                let mut device = device.ok_or(SetDeviceProductError::UnknownDevice(wanted))?;
                if is_open(&device) {
                    check_open(product.as_deref())?;
                }
                device.product_id = product.map(|product| product.id.clone());
                devices::set_product(connection, &device.id, device.product_id.as_deref()).await?;
                let admitted = credentials::admitted(connection, &device.id).await?;
                Ok::<_, SetDeviceProductError>((device, admitted))
            })
        });
        let (device, admitted) = change.await?;
        if let Some(admitted) = admitted.and_then(|row| self.admitted(row)) {
            self.let_in(admitted);
        }
        tracing::info!(endpoint, product = device.product_id, "the product of the device was set");
        Ok(device)
    }

    /// Lets a device in that was kept out for want of a product. Its keys are known better than the store does.
    fn let_in(&self, admitted: Admitted) {
        let directory = &self.inner.directory;
        match directory.by_endpoint(&admitted.endpoint) {
            None => directory.insert(admitted),
            Some(known) if known.bootstrap.is_none() => {
                directory.set_bootstrap(&known.endpoint, admitted.bootstrap.map(|access| *access));
            }
            Some(_) => {}
        }
    }
}

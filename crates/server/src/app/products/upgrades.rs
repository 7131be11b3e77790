//! How a product's devices are upgraded where the operator does not say it.

use std::cmp::Ordering;

use firmware::upgrade::{Delivery, Protocol};

use crate::app::{App, Security, StartUpgrade, StartUpgradeError};
use crate::store::packages::Package;

impl App {
    /// With what its product says where the operator says nothing.
    pub(in crate::app) async fn with_defaults(
        &self,
        mut wanted: StartUpgrade,
    ) -> Result<StartUpgrade, StartUpgradeError> {
        let device = self.device(&wanted.endpoint).await?;
        let device = device.ok_or_else(|| StartUpgradeError::UnknownDevice(wanted.endpoint.clone()))?;
        let Some(product) = self.product_of(&device) else { return Ok(wanted) };
        wanted.delivery = wanted.delivery.or(product.settings.delivery);
        if wanted.protocol.is_some() || wanted.base_uri.is_some() || wanted.delivery == Some(Delivery::Push) {
            return Ok(wanted);
        }
        let security = Security::from_code(&device.security).unwrap_or(Security::Psk);
        let protocol = product.download_protocol(security);
        let offered =
            |protocol| self.pull_bases().iter().any(|base| Protocol::of_uri(base) == Some(protocol));
        match protocol {
            // Another protocol than the product's is no way out.
            Some(protocol) if wanted.delivery.is_none() && !offered(protocol) => {
                wanted.delivery = Some(Delivery::Push);
            }
            protocol => wanted.protocol = protocol,
        }
        Ok(wanted)
    }

    /// Whether a package takes a device that runs this version back to an older one. `false` also where the
    /// order of its product does not tell.
    pub(in crate::app) fn is_downgrade(&self, package: &Package, running: &str) -> bool {
        let product = package.product_id.as_deref().and_then(|id| self.product(id));
        let order =
            product.and_then(|product| product.settings.version_order.compare(&package.version, running));
        order == Some(Ordering::Less)
    }
}

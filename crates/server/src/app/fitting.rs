//! Whether a device, a package and what an operator wants fit together.

use std::sync::Arc;

use firmware::upgrade::{Delivery, Protocol};

use super::{App, PayloadError, Purpose, Security, StartUpgrade, StartUpgradeError, Target};
use crate::store::devices::{self, Device};
use crate::store::packages::{self, Package};

impl App {
    /// Where the device has to fetch from, if it is not free to choose.
    pub(super) fn base_uri(&self, wanted: &StartUpgrade) -> Result<Option<String>, StartUpgradeError> {
        match (wanted.protocol, &wanted.base_uri) {
            (Some(_), Some(_)) => Err(StartUpgradeError::ProtocolNotPossible),
            (Some(_), None) if wanted.delivery == Some(Delivery::Push) => {
                Err(StartUpgradeError::ProtocolNotPossible)
            }
            (Some(protocol), None) => {
                let mut bases = self.pull_bases().into_iter();
                let base = bases.find(|base| Protocol::of_uri(base) == Some(protocol));
                base.map(Some).ok_or(StartUpgradeError::ProtocolOff(protocol))
            }
            (None, base) => Ok(base.as_ref().map(ToString::to_string)),
        }
    }

    /// The device, the package and its image, if they fit together.
    pub(super) async fn fitting(
        &self,
        wanted: &StartUpgrade,
        has_base: bool,
    ) -> Result<(Device, Package, Arc<[u8]>), StartUpgradeError> {
        let (device, package) = {
            let reader = &mut *self.inner.store.read().await?;
            let device = devices::by_endpoint(reader, &wanted.endpoint).await?;
            let device = device.ok_or_else(|| StartUpgradeError::UnknownDevice(wanted.endpoint.clone()))?;
            let package = packages::by_id(reader, &wanted.package).await?;
            (device, package.ok_or_else(|| StartUpgradeError::UnknownPackage(wanted.package.clone()))?)
        };
        // A component is another thing than the device that it is in.
        if wanted.component.is_none() {
            self.check_product(&device, &package)?;
        }
        let security = Security::from_code(&device.security).unwrap_or(Security::Psk);
        if wanted.delivery == Some(Delivery::Pull) && !has_base && !self.can_pull(security) {
            return Err(StartUpgradeError::NoPullAddress);
        }
        let image = self.payload(&package, Purpose::Start).await?;
        Ok((device, self.with_model(package), image))
    }

    /// The device is of the product that the package is for. One that has never said what it is may begin: its
    /// model is read and compared before anything is sent.
    fn check_product(&self, device: &Device, package: &Package) -> Result<(), StartUpgradeError> {
        let wanted = package.product_id.as_deref().and_then(|id| self.product(id));
        let wanted = wanted.ok_or(PayloadError::NoProduct)?;
        if !wanted.can_upgrade() {
            return Err(StartUpgradeError::NotUpgradable(wanted.name()));
        }
        let found = self.product_of(device);
        if let Some(found) = found.as_ref().filter(|found| found.id != wanted.id) {
            let differences = Target::from(&wanted.identity).differences(&found.identity);
            return Err(StartUpgradeError::WrongProduct(differences));
        }
        self.check_model(device, package)?;
        let state = device.state.as_ref();
        let said = state.is_some_and(|state| state.model.is_some() && state.manufacturer.is_some());
        let is_compared = package.model.is_some() || wanted.reported_model().is_some();
        if found.is_none() && (said || !is_compared) {
            return Err(StartUpgradeError::NoProduct(device.endpoint.clone()));
        }
        Ok(())
    }

    /// The device reports the model that the package is for, if it has said any.
    fn check_model(&self, device: &Device, package: &Package) -> Result<(), StartUpgradeError> {
        let found = device.state.as_ref().and_then(|state| state.model.as_deref());
        let wanted = self.with_model(package.clone()).model;
        match (wanted, found) {
            (Some(wanted), Some(found)) if wanted != found => {
                Err(StartUpgradeError::WrongModel { package: wanted, device: found.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// The package with the model that devices must report: what its image says, otherwise its product.
    pub(super) fn with_model(&self, mut package: Package) -> Package {
        let product = package.product_id.as_deref().and_then(|id| self.product(id));
        let reported = product.and_then(|product| product.reported_model().map(str::to_owned));
        package.model = package.model.or(reported);
        package
    }
}

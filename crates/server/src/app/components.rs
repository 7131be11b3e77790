//! Upgrades of several components of a device (object 33629).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{App, PayloadError, Purpose, StartUpgrade, StartUpgradeError};
use crate::store::StoreError;
use crate::store::packages::{self, Package};
use crate::store::upgrade_components::Component;

/// So many components one upgrade can have.
pub const MOST_COMPONENTS: usize = 16;

/// What one component gets.
#[derive(Clone, Debug)]
pub struct ComponentImage {
    /// The instance of object 33629.
    pub instance: u16,
    pub package: Package,
    /// The checked image.
    pub image: Arc<[u8]>,
}

/// Why the images of components are not there.
pub(super) enum ComponentError {
    Unknown(String),
    Payload(PayloadError),
    Store(StoreError),
}

/// The components that are wanted, the first one with the package of the upgrade.
pub(super) fn components(wanted: &StartUpgrade) -> Result<Vec<Component>, StartUpgradeError> {
    let first = wanted.component.map(|instance| (instance, wanted.package.clone()));
    let all: Vec<Component> = { first.into_iter() }
        .chain(wanted.further.iter().cloned())
        .map(|(instance, package_id)| Component { instance, package_id })
        .collect();
    let instances: BTreeSet<u16> = all.iter().map(|component| component.instance).collect();
    let orphaned = wanted.component.is_none() && !all.is_empty();
    if orphaned || instances.len() != all.len() || all.len() > MOST_COMPONENTS {
        return Err(StartUpgradeError::BadComponents);
    }
    Ok(all)
}

impl App {
    /// The packages and checked images of components.
    pub(super) async fn component_images(
        &self,
        rows: &[Component],
        purpose: Purpose,
    ) -> Result<Vec<ComponentImage>, ComponentError> {
        let mut images = Vec::with_capacity(rows.len());
        for Component { instance, package_id } in rows {
            let package = {
                let reader = &mut *self.inner.store.read().await.map_err(ComponentError::Store)?;
                packages::by_id(reader, package_id)
                    .await
                    .map_err(|error| ComponentError::Store(error.into()))?
            };
            let package = package.ok_or_else(|| ComponentError::Unknown(package_id.clone()))?;
            let image = self.payload(&package, purpose).await.map_err(ComponentError::Payload)?;
            images.push(ComponentImage { instance: *instance, package, image });
        }
        Ok(images)
    }
}

//! Adding, finding and removing devices.

use super::products::{self, FindProductError, NeedsPermission};
use super::text::is_line;
use super::{Admitted, App, BootstrapAccess, DeviceKey, Order, Security};
use crate::clock::Moment;
use crate::secrets::{Fingerprint, NoRandomness, Psk, PskError, PskLengths};
use crate::store::bootstraps::{self, DeviceBootstrap};
use crate::store::credentials::{self, Credential};
use crate::store::devices::{self, Device};
use crate::store::{ROOT_DOMAIN, StoreError, upgrades};

/// A device to be added.
#[derive(Debug)]
pub struct AddDevice {
    /// The name it registers with.
    pub endpoint: String,
    /// What people call it; may be empty.
    pub name: String,
    /// The product that it is, by id or name; without it, what it reports says so.
    pub product: Option<String>,
    /// How it connects to the management server.
    pub security: Security,
    /// Identity and key for that; with [`Security::Psk`] it may do without only if it is bootstrapped.
    pub key: Option<(String, Key)>,
    /// How it is bootstrapped, if it is.
    pub bootstrap: Option<AddBootstrap>,
}

/// How a new device is bootstrapped.
#[derive(Debug)]
pub struct AddBootstrap {
    /// Identity and key at the bootstrap server; `None` for a device that comes without encryption.
    pub key: Option<(String, Key)>,
    /// What it is, so that it is given what others of its model are given.
    pub model: Option<String>,
}

/// Where the key of a new device comes from.
#[derive(Debug)]
pub enum Key {
    /// Given.
    Given(Psk),
    /// Made here and shown once.
    Generated,
}

/// A device that was added.
#[derive(Debug)]
pub struct AddedDevice {
    /// As it is stored.
    pub device: Device,
    /// The key, if it was made here: the only time that it is shown.
    pub generated: Option<Psk>,
    /// The same of the key for the bootstrap server.
    pub generated_bootstrap: Option<Psk>,
}

/// Why a device was not added.
#[derive(Debug, thiserror::Error)]
pub enum AddDeviceError {
    /// Not a name.
    #[error("an endpoint name has 1 to 255 bytes and no control characters")]
    BadEndpoint,
    /// Not a name for people.
    #[error("a name has at most 255 bytes and no control characters")]
    BadName,
    /// Not an identity.
    #[error("a key identity has 1 to 128 bytes and no control characters")]
    BadIdentity,
    /// There is none to be changed.
    #[error("there is no device with the endpoint name {0}")]
    Unknown(String),
    /// Not a model.
    #[error("a model has 1 to 255 bytes and no control characters")]
    BadModel,
    /// It cannot prove itself.
    #[error("a device with security \"psk\" needs an identity, or a bootstrap that gives it one")]
    NoIdentity,
    /// It needs none.
    #[error("a device with security \"none\" has no identity and no key")]
    NeedlessIdentity,
    /// Whoever has one would have both.
    #[error("the key for the bootstrap server is that for the management server as well; they must differ")]
    SameKey,
    /// Not a key.
    #[error(transparent)]
    BadKey(PskError),
    /// No product is meant by that name.
    #[error(transparent)]
    Product(#[from] FindProductError),
    /// Only some products may do without.
    #[error(transparent)]
    NeedsPermission(#[from] NeedsPermission),
    /// There is such a device.
    #[error("a device with the endpoint name {0} exists already")]
    EndpointTaken(String),
    /// Another device has that identity.
    #[error("the device {0} has this key identity already")]
    IdentityTaken(String),
    /// Another device has that key.
    #[error("the device {0} has this key already; every device needs its own")]
    KeyTaken(String),
    /// No key could be made.
    #[error("no key could be made")]
    Random(#[from] NoRandomness),
    /// Could not be stored.
    #[error("the device could not be stored")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for AddDeviceError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Why a device was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveDeviceError {
    /// There is none.
    #[error("there is no device with the endpoint name {0}")]
    Unknown(String),
    /// It is being upgraded.
    #[error("the upgrade {0} of this device has not ended")]
    Upgrading(String),
    /// Could not be removed.
    #[error("the device could not be removed")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for RemoveDeviceError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// RFC 7925 section 4.2 leaves identities to 128 bytes for constrained devices.
pub(super) const LONGEST_IDENTITY: usize = 128;
const LONGEST_NAME: usize = 255;

impl App {
    /// Adds a device; it may connect at once.
    ///
    /// # Errors
    /// What was asked for is wrong or taken, or cannot be stored.
    pub async fn add_device(&self, wanted: AddDevice) -> Result<AddedDevice, AddDeviceError> {
        check(&wanted)?;
        // What its product allows is not taken back while the device is added.
        let _in_order = self.inner.devices_change.read().await;
        let product = wanted.product.as_deref().map(|name| self.find_product(name)).transpose()?;
        let is_open = wanted.security == Security::None
            || wanted.bootstrap.as_ref().is_some_and(|bootstrap| bootstrap.key.is_none());
        if is_open {
            products::check_open(product.as_deref())?;
        }
        let lengths = products::key_lengths(product.as_deref());
        let mut device = Device {
            id: uuid::Uuid::now_v7().to_string(),
            domain: ROOT_DOMAIN.to_owned(),
            endpoint: wanted.endpoint,
            name: wanted.name,
            security: wanted.security.code().to_owned(),
            created_at: self.inner.clock.now(),
            state: None,
            identity: None,
            key_prefix: None,
            staged: None,
            bootstrap: None,
            product_id: product.map(|product| product.id.clone()),
        };
        let (active, generated) = own_key(wanted.key, lengths)?;
        let (first, generated_bootstrap) = match wanted.bootstrap {
            Some(AddBootstrap { key, model }) => {
                let (key, generated) = own_key(key, lengths)?;
                let security = if key.is_some() { Security::Psk } else { Security::None };
                let security = security.code().to_owned();
                device.bootstrap = Some(DeviceBootstrap { security, model, ..DeviceBootstrap::default() });
                (Some(key.map_or(BootstrapAccess::None, BootstrapAccess::Psk)), generated)
            }
            None => (None, None),
        };
        let mut sealed = Vec::new();
        if let Some(key) = &active {
            sealed.push(self.seal_for(&device, credentials::PSK, key)?);
        }
        if let Some(BootstrapAccess::Psk(key)) = &first {
            if active.as_ref().is_some_and(|active| active.psk == key.psk) {
                return Err(AddDeviceError::SameKey);
            }
            sealed.push(self.seal_for(&device, credentials::BOOTSTRAP, key)?);
        }
        let device = self.insert(device, sealed).await?;
        self.inner.directory.insert(Admitted {
            device_id: device.id.clone(),
            endpoint: device.endpoint.clone(),
            security: wanted.security,
            active,
            staged: None,
            bootstrap: first.map(Box::new),
        });
        tracing::info!(endpoint = device.endpoint, security = device.security, "device added");
        Ok(AddedDevice { device, generated, generated_bootstrap })
    }

    fn seal_for(
        &self,
        device: &Device,
        kind: &'static str,
        key: &DeviceKey,
    ) -> Result<Credential, NoRandomness> {
        let place = (&*device.domain, &*device.id);
        self.seal_key(place, (kind, credentials::ACTIVE), key, device.created_at)
    }

    async fn insert(&self, mut device: Device, sealed: Vec<Credential>) -> Result<Device, AddDeviceError> {
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                if devices::by_endpoint(connection, &device.endpoint).await?.is_some() {
                    return Err(AddDeviceError::EndpointTaken(device.endpoint));
                }
                devices::insert(connection, &device).await?;
                for credential in sealed {
                    check_unused(connection, &credential).await?;
                    credentials::insert(connection, &credential).await?;
                    let (identity, prefix) = match &mut device.bootstrap {
                        Some(bootstrap) if credential.kind == credentials::BOOTSTRAP => {
                            (&mut bootstrap.identity, &mut bootstrap.key_prefix)
                        }
                        _ => (&mut device.identity, &mut device.key_prefix),
                    };
                    *identity = Some(credential.identity);
                    *prefix = Some(credential.prefix);
                }
                if let Some(DeviceBootstrap { security, model, .. }) = &device.bootstrap {
                    bootstraps::allow(connection, &device.id, security, model.as_deref()).await?;
                }
                Ok(device)
            })
        });
        change.await
    }

    /// The device with this endpoint name.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn device(&self, endpoint: &str) -> Result<Option<Device>, StoreError> {
        Ok(devices::by_endpoint(&mut *self.inner.store.read().await?, endpoint).await?)
    }

    /// Devices in the order of their endpoint names, after `after`, that contain `search`.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn devices(&self, search: &str, after: &str, limit: i64) -> Result<Vec<Device>, StoreError> {
        Ok(devices::page(&mut *self.inner.store.read().await?, search, after, limit).await?)
    }

    /// Removes a device with its key and history; its session ends.
    ///
    /// # Errors
    /// There is none, it is being upgraded, or it cannot be removed.
    pub async fn remove_device(&self, endpoint: &str) -> Result<(), RemoveDeviceError> {
        let _in_order = self.inner.devices_change.write().await;
        let wanted = endpoint.to_owned();
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let Some(device) = devices::by_endpoint(connection, &wanted).await? else {
                    return Err(RemoveDeviceError::Unknown(wanted));
                };
                if let Some(upgrade) = upgrades::unfinished_of(connection, &device.id).await? {
                    return Err(RemoveDeviceError::Upgrading(upgrade.history_id()));
                }
                Ok(devices::delete(connection, &device.id).await?)
            })
        });
        change.await?;
        self.inner.directory.remove(endpoint);
        tracing::info!(endpoint, "device removed");
        // Fails if the bootstrap server is off.
        let _ = self.inner.left_bootstrap.send(endpoint.to_owned());
        self.order(Order::Removed { endpoint: endpoint.to_owned() }).await;
        Ok(())
    }

    /// What the wall clock shows.
    pub fn now(&self) -> Moment {
        self.inner.clock.now()
    }
}

/// A key as it was asked for, and once more if it was made here.
pub(super) fn own_key(
    wanted: Option<(String, Key)>,
    lengths: PskLengths,
) -> Result<(Option<DeviceKey>, Option<Psk>), AddDeviceError> {
    let Some((identity, key)) = wanted else { return Ok((None, None)) };
    let (psk, generated) = match key {
        Key::Given(psk) => (psk, None),
        Key::Generated => {
            let psk = Psk::generate()?;
            (psk.clone(), Some(psk))
        }
    };
    psk.check_length(lengths).map_err(AddDeviceError::BadKey)?;
    Ok((Some(DeviceKey { version: 1, identity, psk }), generated))
}

pub(super) async fn check_unused(
    connection: &mut sqlx::AnyConnection,
    credential: &Credential,
) -> Result<(), AddDeviceError> {
    let (kind, identity) = (credential.kind, &credential.identity);
    if let Some(endpoint) = credentials::endpoint_of_identity(connection, kind, identity).await? {
        return Err(AddDeviceError::IdentityTaken(endpoint));
    }
    let fingerprint: &Fingerprint = &credential.fingerprint;
    match credentials::endpoint_of_key(connection, fingerprint).await? {
        Some(endpoint) => Err(AddDeviceError::KeyTaken(endpoint)),
        None => Ok(()),
    }
}

fn check(wanted: &AddDevice) -> Result<(), AddDeviceError> {
    if !is_line(&wanted.endpoint, 1..=LONGEST_NAME) {
        return Err(AddDeviceError::BadEndpoint);
    }
    if !is_line(&wanted.name, 0..=LONGEST_NAME) {
        return Err(AddDeviceError::BadName);
    }
    match (wanted.security, &wanted.key) {
        (Security::Psk, None) if wanted.bootstrap.is_none() => return Err(AddDeviceError::NoIdentity),
        (Security::None, Some(_)) => return Err(AddDeviceError::NeedlessIdentity),
        _ => {}
    }
    if let Some(bootstrap) = &wanted.bootstrap {
        check_bootstrap(bootstrap)?;
    }
    check_identity(wanted.key.as_ref())
}

/// Whether a device can be bootstrapped so.
pub(super) fn check_bootstrap(wanted: &AddBootstrap) -> Result<(), AddDeviceError> {
    if wanted.model.as_ref().is_some_and(|model| !is_model(model)) {
        return Err(AddDeviceError::BadModel);
    }
    check_identity(wanted.key.as_ref())
}

fn check_identity(key: Option<&(String, Key)>) -> Result<(), AddDeviceError> {
    if key.is_none_or(|(identity, _)| is_identity(identity)) {
        Ok(())
    } else {
        Err(AddDeviceError::BadIdentity)
    }
}

/// Whether a text can be the identity of a key.
pub(super) fn is_identity(text: &str) -> bool {
    is_line(text, 1..=LONGEST_IDENTITY)
}

/// Whether a text can be the name of a model.
pub(super) fn is_model(text: &str) -> bool {
    is_line(text, 1..=LONGEST_NAME)
}

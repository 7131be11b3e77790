//! Adding, finding and removing devices.

use super::{Admitted, App, Order, Security};
use crate::clock::Moment;
use crate::secrets::{Fingerprint, NoRandomness, Owner, Psk, PskError};
use crate::store::devices::{self, Device};
use crate::store::{ROOT_DOMAIN, StoreError, credentials, upgrades};

/// A device to be added.
#[derive(Debug)]
pub struct AddDevice {
    /// The name it registers with.
    pub endpoint: String,
    /// What people call it; may be empty.
    pub name: String,
    /// Identity and key; `None` for a device without encryption.
    pub key: Option<(String, Key)>,
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
    /// Not a key.
    #[error(transparent)]
    BadKey(PskError),
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
const LONGEST_IDENTITY: usize = 128;
const LONGEST_NAME: usize = 255;

impl App {
    /// Adds a device; it may connect at once.
    ///
    /// # Errors
    /// What was asked for is wrong or taken, or cannot be stored.
    pub async fn add_device(&self, wanted: AddDevice) -> Result<AddedDevice, AddDeviceError> {
        check(&wanted)?;
        let security = if wanted.key.is_some() { Security::Psk } else { Security::None };
        let device = Device {
            id: uuid::Uuid::now_v7().to_string(),
            domain: ROOT_DOMAIN.to_owned(),
            endpoint: wanted.endpoint,
            name: wanted.name,
            security: security.code().to_owned(),
            created_at: self.inner.clock.now(),
            state: None,
            identity: None,
            key_prefix: None,
        };
        let (credential, generated) = match wanted.key {
            Some((identity, Key::Given(psk))) => (Some((identity, psk)), None),
            Some((identity, Key::Generated)) => {
                let psk = Psk::generate()?;
                (Some((identity, psk.clone())), Some(psk))
            }
            None => (None, None),
        };
        if let Some((_, psk)) = &credential {
            psk.check_length(self.inner.settings.key_lengths).map_err(AddDeviceError::BadKey)?;
        }
        let sealed =
            credential.as_ref().map(|(identity, psk)| self.seal(&device, identity, psk)).transpose()?;
        let _in_order = self.inner.devices_change.read().await;
        let device = self.insert(device, sealed).await?;
        self.inner.directory.insert(Admitted {
            device_id: device.id.clone(),
            endpoint: device.endpoint.clone(),
            security,
            credential,
        });
        tracing::info!(endpoint = device.endpoint, security = security.code(), "device added");
        Ok(AddedDevice { device, generated })
    }

    fn seal(
        &self,
        device: &Device,
        identity: &str,
        psk: &Psk,
    ) -> Result<credentials::Credential, NoRandomness> {
        let owner = Owner { domain: &device.domain, device: &device.id, kind: credentials::PSK, version: 1 };
        Ok(credentials::Credential {
            device_id: device.id.clone(),
            domain: device.domain.clone(),
            kind: credentials::PSK.to_owned(),
            version: 1,
            identity: identity.to_owned(),
            sealed_key: self.inner.vault.seal(owner, psk)?,
            fingerprint: self.inner.vault.fingerprint(psk),
            prefix: psk.prefix(),
            created_at: device.created_at,
        })
    }

    async fn insert(
        &self,
        mut device: Device,
        credential: Option<credentials::Credential>,
    ) -> Result<Device, AddDeviceError> {
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                if devices::by_endpoint(connection, &device.endpoint).await?.is_some() {
                    return Err(AddDeviceError::EndpointTaken(device.endpoint));
                }
                devices::insert(connection, &device).await?;
                if let Some(credential) = credential {
                    check_unused(connection, &credential.identity, &credential.fingerprint).await?;
                    credentials::insert(connection, &credential).await?;
                    device.identity = Some(credential.identity);
                    device.key_prefix = Some(credential.prefix);
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
        self.order(Order::Removed { endpoint: endpoint.to_owned() }).await;
        Ok(())
    }

    /// What the wall clock shows.
    pub fn now(&self) -> Moment {
        self.inner.clock.now()
    }
}

async fn check_unused(
    connection: &mut sqlx::AnyConnection,
    identity: &str,
    fingerprint: &Fingerprint,
) -> Result<(), AddDeviceError> {
    if let Some(endpoint) = credentials::endpoint_of_identity(connection, identity).await? {
        return Err(AddDeviceError::IdentityTaken(endpoint));
    }
    match credentials::endpoint_of_key(connection, fingerprint).await? {
        Some(endpoint) => Err(AddDeviceError::KeyTaken(endpoint)),
        None => Ok(()),
    }
}

fn check(wanted: &AddDevice) -> Result<(), AddDeviceError> {
    let is_text = |text: &str, longest| text.len() <= longest && !text.contains(char::is_control);
    if wanted.endpoint.is_empty() || !is_text(&wanted.endpoint, LONGEST_NAME) {
        return Err(AddDeviceError::BadEndpoint);
    }
    if !is_text(&wanted.name, LONGEST_NAME) {
        return Err(AddDeviceError::BadName);
    }
    match &wanted.key {
        Some((identity, _)) if identity.is_empty() || !is_text(identity, LONGEST_IDENTITY) => {
            Err(AddDeviceError::BadIdentity)
        }
        _ => Ok(()),
    }
}

//! Bootstrap: what devices are given, and how it went.

mod access;
mod keys;
mod servers;
#[cfg(test)]
mod tests;

use std::time::Duration;

use lwm2m::bootstrap::{Plan, ServerAccount};
use machine::Credential;
use sqlx::AnyConnection;

pub use servers::{Effective, PutServer, ServersError, Source, Target};

use super::operations::{OperationKind, QueueOperation, QueueOperationError, Request};
use super::{App, DeviceKey, Security};
use crate::clock::Moment;
use crate::secrets::{NoRandomness, Owner, Psk, Unsealable};
use crate::store::bootstrap_servers::BootstrapServer;
use crate::store::bootstraps::{self, Last};
use crate::store::devices::{self, Device};
use crate::store::operations::Operation;
use crate::store::{StoreError, credentials};

/// Why a device cannot be given anything.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Removed, or not to be bootstrapped any more.
    #[error("the device was removed")]
    Unknown,
    /// Nobody knows where this server is.
    #[error(
        "devices cannot be told where this server is: set lwm2m.public_host and listen on \
         {0}, or give the account an address with `updraft bootstrap set`"
    )]
    NoAddress(&'static str),
    /// A key was changed in the database, or belongs to another key file.
    #[error("the key of the device cannot be opened")]
    Sealed(#[from] Unsealable),
    /// No key could be made.
    #[error("no key could be made")]
    Random(#[from] NoRandomness),
    /// Could not be stored.
    #[error("the new key could not be stored")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for PrepareError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Why a device was not told to bootstrap.
#[derive(Debug, thiserror::Error)]
pub enum TriggerError {
    /// There is none.
    #[error("there is no device with the endpoint name {0}")]
    UnknownDevice(String),
    /// It would find nobody.
    #[error("the device {0} may not bootstrap at this server")]
    NotBootstrapped(String),
    /// It was not queued.
    #[error(transparent)]
    Queue(#[from] QueueOperationError),
    /// The store does not answer.
    #[error("the device could not be read")]
    Store(#[from] StoreError),
}

/// How a bootstrap ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BootstrapEnd {
    /// Why it came to nothing; `None` if it did not.
    pub failure: Option<String>,
    /// What was asked and answered, one in a line.
    pub steps: String,
    /// What an operator should know of.
    pub warning: String,
    /// When it began.
    pub started_at: Moment,
}

impl App {
    /// What a device is to be given now. All of it is durable, its new key lets it in from here on, and the
    /// one that it has goes on doing so (SECURITY rule k06).
    ///
    /// # Errors
    /// There is nothing that can be given, or it cannot be stored.
    pub async fn prepare_bootstrap(&self, endpoint: &str) -> Result<Plan, PrepareError> {
        let _in_order = self.inner.devices_change.read().await;
        let (app, wanted) = (self.clone(), endpoint.to_owned());
        let change = self
            .inner
            .store
            .write(move |connection| Box::pin(async move { app.stage(connection, &wanted).await }));
        let (device, servers, key) = change.await?;
        if let Some(key) = &key {
            self.inner.directory.stage(endpoint, key.clone());
        }
        let security = Security::from_code(&device.security).unwrap_or(Security::Psk);
        let accounts = servers.iter().map(|server| self.account(&device, security, server, key.as_ref()));
        let servers = accounts.collect::<Result<Vec<_>, _>>()?;
        Ok(Plan { shared_access: servers.len() > 1, servers, ..Plan::default() })
    }

    /// Stores what the device will be given, as far as it is new.
    async fn stage(
        &self,
        connection: &mut AnyConnection,
        endpoint: &str,
    ) -> Result<(Device, Vec<BootstrapServer>, Option<DeviceKey>), PrepareError> {
        let device = devices::by_endpoint(connection, endpoint).await?;
        let device = device.filter(|device| device.bootstrap.is_some()).ok_or(PrepareError::Unknown)?;
        let servers = servers::effective(connection, &device).await?.servers;
        let security = Security::from_code(&device.security).unwrap_or(Security::Psk);
        let mut needs_key = false;
        for server in &servers {
            let uri = self.uri(security, server)?;
            needs_key |= uri.starts_with("coaps:") && server.given.is_none();
        }
        let key = if needs_key { Some(self.staged_key(connection, &device).await?) } else { None };
        let last =
            Last { result: bootstraps::RUNNING.to_owned(), started_at: self.now().0, ..Last::default() };
        bootstraps::note(connection, &device.id, &last, "").await?;
        Ok((device, servers, key))
    }

    /// The key that waits for its proof, or a new one.
    async fn staged_key(
        &self,
        connection: &mut AnyConnection,
        device: &Device,
    ) -> Result<DeviceKey, PrepareError> {
        let place = (&*device.domain, &*device.id);
        if let Some(stored) = credentials::staged(connection, &device.id).await? {
            let kind = credentials::PSK;
            let owner = Owner { domain: place.0, device: place.1, kind, version: stored.version };
            let psk = self.inner.vault.open(owner, &stored.sealed)?;
            return Ok(DeviceKey { version: stored.version, identity: stored.identity, psk });
        }
        let version = credentials::next_version(connection, &device.id, credentials::PSK).await?;
        let key = self.new_key(&device.endpoint, version)?;
        let sealed = self.seal_key(place, (credentials::PSK, credentials::STAGED), &key, self.now())?;
        credentials::insert(connection, &sealed).await?;
        Ok(key)
    }

    fn uri<'a>(&'a self, security: Security, server: &'a BootstrapServer) -> Result<&'a str, PrepareError> {
        let listens = match security {
            Security::Psk => "lwm2m.coaps_bind",
            Security::None => "lwm2m.coap_bind",
        };
        let own = || self.own_uri(security).ok_or(PrepareError::NoAddress(listens));
        server.uri.as_deref().map_or_else(own, Ok)
    }

    fn account(
        &self,
        device: &Device,
        security: Security,
        server: &BootstrapServer,
        key: Option<&DeviceKey>,
    ) -> Result<ServerAccount, PrepareError> {
        let seconds = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        let uri = self.uri(security, server)?;
        let credential = |identity: &str, psk: &Psk| {
            let (identity, key) = (identity.as_bytes().to_vec(), psk.as_bytes().to_vec());
            lwm2m::bootstrap::Security::PreSharedKey(Credential { identity, key })
        };
        let security = match (uri.starts_with("coaps:"), &server.given) {
            (false, _) => lwm2m::bootstrap::Security::None,
            (true, Some(_)) => {
                let (identity, psk) = self.open_given(&device.id, server).ok_or(Unsealable)?;
                credential(&identity, &psk)
            }
            (true, None) => {
                let key = key.ok_or(PrepareError::Unknown)?;
                credential(&key.identity, &key.psk)
            }
        };
        Ok(ServerAccount {
            short_id: u16::try_from(server.short_id).unwrap_or(1),
            uri: uri.to_owned(),
            security,
            lifetime: seconds(server.lifetime_seconds),
            hold_off: seconds(server.hold_off_seconds),
            binding: server.binding.clone(),
            store_notifications: server.store_notifications,
            minimum_period: server.minimum_period_seconds.map(seconds),
            maximum_period: server.maximum_period_seconds.map(seconds),
        })
    }

    /// Stores how the bootstrap of a device ended.
    ///
    /// # Errors
    /// It cannot be stored.
    pub async fn record_bootstrap(&self, endpoint: &str, end: BootstrapEnd) -> Result<(), StoreError> {
        let Some(device) = self.inner.directory.by_endpoint(endpoint) else { return Ok(()) };
        let result = if end.failure.is_none() { bootstraps::DONE } else { bootstraps::FAILED };
        let last = Last {
            result: result.to_owned(),
            detail: end.failure.unwrap_or_default(),
            steps: end.steps,
            started_at: end.started_at.0,
            finished_at: Some(self.now().0),
        };
        let (id, warning) = (device.device_id.clone(), end.warning);
        let change = self.inner.store.write(move |connection| {
            Box::pin(
                async move { Ok::<_, StoreError>(bootstraps::note(connection, &id, &last, &warning).await?) },
            )
        });
        change.await
    }

    /// Puts something that an operator should know of onto the page of a device.
    ///
    /// # Errors
    /// It cannot be stored.
    pub async fn warn_bootstrap(&self, endpoint: &str, warning: String) -> Result<(), StoreError> {
        let Some(device) = self.inner.directory.by_endpoint(endpoint) else { return Ok(()) };
        let id = device.device_id.clone();
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move { Ok::<_, StoreError>(bootstraps::warn(connection, &id, &warning).await?) })
        });
        change.await
    }

    /// Ends the bootstraps that an earlier life of the server has left under way.
    ///
    /// # Errors
    /// It cannot be stored.
    pub async fn end_interrupted_bootstraps(&self) -> Result<(), StoreError> {
        let now = self.now();
        let detail = "the server ended while it was under way; the device begins anew";
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                Ok::<_, StoreError>(bootstraps::end_interrupted(connection, detail, now).await?)
            })
        });
        change.await
    }

    /// Queues what makes a device bootstrap anew: it executes /1/x/9 when the device is there.
    ///
    /// # Errors
    /// There is no such device, it may not bootstrap here, or the operation is not queued.
    pub async fn trigger_bootstrap(
        &self,
        endpoint: &str,
        expires_in: Duration,
    ) -> Result<Operation, TriggerError> {
        let device = self.device(endpoint).await?;
        let device = device.ok_or_else(|| TriggerError::UnknownDevice(endpoint.to_owned()))?;
        if device.bootstrap.is_none() {
            return Err(TriggerError::NotBootstrapped(endpoint.to_owned()));
        }
        let objects = device.state.and_then(|state| state.objects).unwrap_or_default();
        let request = Request {
            kind: OperationKind::Execute,
            paths: vec![lwm2m::path::Path::resource(1, server_instance(&objects), 9)],
            argument: serde_json::Value::Null,
        };
        let wanted = QueueOperation { endpoint: endpoint.to_owned(), request, expires_in };
        Ok(self.queue_operation(wanted).await?)
    }
}

/// The first instance of object 1 in a list of objects; a server sees its own only (LwM2M Core 1.1 section
/// 6.2.1), so each of them is as good.
fn server_instance(objects: &str) -> u16 {
    let targets = objects.split('<').skip(1).filter_map(|link| link.split_once('>'));
    let instance = |target: &str| {
        let (rest, instance) = target.rsplit_once('/')?;
        let instance = instance.parse().ok()?;
        (rest.rsplit('/').next() == Some("1") && !rest.is_empty()).then_some(instance)
    };
    targets.filter_map(|(target, _)| instance(target)).min().unwrap_or_default()
}

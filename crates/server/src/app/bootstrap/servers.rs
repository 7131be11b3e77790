//! Which management servers a bootstrap gives to whom.
//!
//! A device gets the accounts that were made for it; without any those of its model; without these the ones
//! for everybody; and if there are none at all, one account at this server.

use std::sync::Arc;
use std::time::Duration;

use sqlx::AnyConnection;

use super::super::devices::{is_identity, is_model};
use super::super::{App, Security, products};
use crate::secrets::{NoRandomness, Owner, Psk, PskError};
use crate::store::bootstrap_servers::{self as rows, BootstrapServer, GivenKey};
use crate::store::devices::{self, Device};
use crate::store::{ROOT_DOMAIN, StoreError};
use crate::uri::BaseUri;

/// Whose accounts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// Of one device, by its endpoint name.
    Device(String),
    /// Of all devices of a model that have none of their own.
    Model(String),
    /// Of all others.
    Default,
}

/// An account to be given to devices.
#[derive(Debug)]
pub struct PutServer {
    /// 1 to 65534.
    pub short_id: i64,
    /// `None` is this server.
    pub uri: Option<String>,
    /// How long a registration lasts.
    pub lifetime: Duration,
    /// How long a device waits before it registers there.
    pub hold_off: Duration,
    /// Such as `U` or `UQ`.
    pub binding: String,
    /// Whether it keeps notifications that it cannot send.
    pub store_notifications: bool,
    /// The shortest time between two notifications.
    pub minimum_period: Option<Duration>,
    /// The longest one.
    pub maximum_period: Option<Duration>,
    /// What one device proves there, if not its key here.
    pub given: Option<(String, Psk)>,
}

/// Accounts and where they come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effective {
    /// Whose they are.
    pub from: Source,
    /// By short id.
    pub servers: Vec<BootstrapServer>,
}

/// Where the accounts of a device come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// They were made for it.
    Device,
    /// They are those of its model.
    Model(String),
    /// They are those for everybody.
    Default,
    /// Nobody has made any.
    BuiltIn,
}

/// Why an account was not stored or removed.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    /// There is none.
    #[error("there is no device with the endpoint name {0}")]
    UnknownDevice(String),
    /// There is none.
    #[error("there is no such account")]
    UnknownServer,
    /// Not a model.
    #[error("a model has 1 to 255 bytes and no control characters")]
    BadModel,
    /// Not a number for a server.
    #[error("a short server id is a number from 1 to 65534, not {0}")]
    BadShortId(i64),
    /// Not a place for a server.
    #[error("{0:?} is no address of a management server")]
    BadUri(String),
    /// Not a time.
    #[error("{0} must be from {1} to {2} seconds")]
    BadTime(&'static str, u64, u64),
    /// Not a binding.
    #[error("{0:?} is no binding")]
    BadBinding(String),
    /// The periods exclude each other.
    #[error("the shortest time between notifications is longer than the longest one")]
    BadPeriods,
    /// Only one device can have a key.
    #[error("a key can be given for one device only; devices of a model must not share one")]
    SharedKey,
    /// It would not be used.
    #[error("a key is for a coaps:// address of another server")]
    NeedlessKey,
    /// Not an identity.
    #[error("a key identity has 1 to 128 bytes and no control characters")]
    BadIdentity,
    /// Not a key.
    #[error(transparent)]
    BadKey(PskError),
    /// More than a device can be given.
    #[error("{MOST} accounts are there already")]
    TooMany,
    /// The key could not be encrypted.
    #[error("the key could not be encrypted")]
    Random(#[from] NoRandomness),
    /// Could not be stored.
    #[error("the account could not be stored")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ServersError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Accounts of one device; as many as the protocol side writes.
const MOST: usize = 16;
/// Seconds of 68 years: what a signed number of 32 bits holds, which is what small devices have.
const LONGEST: u64 = i32::MAX as u64;

impl App {
    /// Adds an account, or replaces the one with its short id. Devices get it at their next bootstrap.
    ///
    /// # Errors
    /// A value cannot be used, there is no such device, or it cannot be stored.
    pub async fn put_bootstrap_server(
        &self,
        target: Target,
        server: PutServer,
    ) -> Result<BootstrapServer, ServersError> {
        check(&target, &server)?;
        let (app, server) = (self.clone(), Arc::new(server));
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let (owner, device) = owner(connection, &target).await?;
                if let Some((_, psk)) = &server.given {
                    let product = device.as_ref().and_then(|device| app.product_of(device));
                    let lengths = products::key_lengths(product.as_deref());
                    psk.check_length(lengths).map_err(ServersError::BadKey)?;
                }
                let known = rows::of(connection, &owner).await?;
                if known.len() >= MOST && known.iter().all(|known| known.short_id != server.short_id) {
                    return Err(ServersError::TooMany);
                }
                let row = app.server_row(owner, device.as_ref(), &server)?;
                rows::put(connection, &row).await?;
                Ok(row)
            })
        });
        change.await
    }

    fn server_row(
        &self,
        owner: String,
        device: Option<&Device>,
        server: &PutServer,
    ) -> Result<BootstrapServer, NoRandomness> {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let given = match (device, &server.given) {
            (Some(device), Some((identity, psk))) => {
                let sealed = self.inner.vault.seal(key_owner(&device.id, server.short_id), psk)?;
                Some(GivenKey { identity: identity.clone(), sealed, prefix: psk.prefix() })
            }
            _ => None,
        };
        Ok(BootstrapServer {
            owner,
            short_id: server.short_id,
            device_id: device.map(|device| device.id.clone()),
            uri: server.uri.clone(),
            lifetime_seconds: seconds(server.lifetime),
            hold_off_seconds: seconds(server.hold_off),
            binding: server.binding.clone(),
            store_notifications: server.store_notifications,
            minimum_period_seconds: server.minimum_period.map(seconds),
            maximum_period_seconds: server.maximum_period.map(seconds),
            given,
        })
    }

    /// Removes one account, or all of them.
    ///
    /// # Errors
    /// There is none, or it cannot be removed.
    pub async fn remove_bootstrap_servers(
        &self,
        target: Target,
        short_id: Option<i64>,
    ) -> Result<(), ServersError> {
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let (owner, _) = owner(connection, &target).await?;
                match rows::remove(connection, &owner, short_id).await? {
                    0 => Err(ServersError::UnknownServer),
                    _ => Ok(()),
                }
            })
        });
        change.await
    }

    /// All accounts that are not of one device: those for everybody and those of models.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn shared_bootstrap_servers(&self) -> Result<Vec<BootstrapServer>, StoreError> {
        Ok(rows::shared(&mut *self.inner.store.read().await?).await?)
    }

    /// What a device is given at its next bootstrap; `None` if there is no such device.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn bootstrap_servers_of(&self, endpoint: &str) -> Result<Option<Effective>, StoreError> {
        let reader = &mut *self.inner.store.read().await?;
        let Some(device) = devices::by_endpoint(reader, endpoint).await? else { return Ok(None) };
        Ok(Some(effective(reader, &device).await?))
    }

    /// The key of another server that a device was given by hand.
    pub(super) fn open_given(&self, device_id: &str, server: &BootstrapServer) -> Option<(String, Psk)> {
        let given = server.given.as_ref()?;
        let opened = self.inner.vault.open(key_owner(device_id, server.short_id), &given.sealed);
        let opened = opened.inspect_err(|error| tracing::error!(%error, "the key of another server"));
        Some((given.identity.clone(), opened.ok()?))
    }

    /// Where a device reaches this server.
    pub(super) fn own_uri(&self, security: Security) -> Option<&str> {
        let bases = &self.inner.settings.pull_bases;
        match security {
            Security::Psk => bases.coaps.as_deref(),
            Security::None => bases.coap.as_deref(),
        }
    }
}

/// Whose the key of another server is, for the vault.
fn key_owner(device: &str, short_id: i64) -> Owner<'_> {
    Owner { domain: ROOT_DOMAIN, device, kind: "other server", version: short_id }
}

async fn owner(
    connection: &mut AnyConnection,
    target: &Target,
) -> Result<(String, Option<Device>), ServersError> {
    match target {
        Target::Default => Ok((rows::DEFAULT.to_owned(), None)),
        Target::Model(model) => Ok((rows::model(model), None)),
        Target::Device(endpoint) => {
            let device = devices::by_endpoint(connection, endpoint).await?;
            let device = device.ok_or_else(|| ServersError::UnknownDevice(endpoint.clone()))?;
            Ok((rows::device(&device.id), Some(device)))
        }
    }
}

/// What a device is given.
pub(super) async fn effective(
    connection: &mut AnyConnection,
    device: &Device,
) -> Result<Effective, sqlx::Error> {
    let told = device.bootstrap.as_ref().and_then(|bootstrap| bootstrap.model.clone());
    let model = told.or_else(|| device.state.as_ref()?.model.clone());
    let sources = [
        Some((Source::Device, rows::device(&device.id))),
        model.map(|model| (Source::Model(model.clone()), rows::model(&model))),
        Some((Source::Default, rows::DEFAULT.to_owned())),
    ];
    for (from, owner) in sources.into_iter().flatten() {
        let servers = rows::of(connection, &owner).await?;
        if !servers.is_empty() {
            return Ok(Effective { from, servers });
        }
    }
    Ok(Effective { from: Source::BuiltIn, servers: vec![built_in()] })
}

/// What a device is given that nobody has thought of: an account at this server for a day.
fn built_in() -> BootstrapServer {
    BootstrapServer {
        owner: String::new(),
        short_id: 1,
        device_id: None,
        uri: None,
        lifetime_seconds: 86_400,
        hold_off_seconds: 0,
        binding: "U".to_owned(),
        store_notifications: true,
        minimum_period_seconds: None,
        maximum_period_seconds: None,
        given: None,
    }
}

fn check(target: &Target, server: &PutServer) -> Result<(), ServersError> {
    if let Target::Model(model) = target
        && !is_model(model)
    {
        return Err(ServersError::BadModel);
    }
    if !(1..=65_534).contains(&server.short_id) {
        return Err(ServersError::BadShortId(server.short_id));
    }
    let is_server = |uri: &str| uri.starts_with("coap") && uri.parse::<BaseUri>().is_ok();
    if let Some(uri) = server.uri.as_ref().filter(|uri| !is_server(uri)) {
        return Err(ServersError::BadUri(uri.clone()));
    }
    // LwM2M Core 1.1 section 6.2.1.2, and `S` for the SMS that real modules have.
    let is_binding = |text: &str| {
        (1..=6).contains(&text.len()) && text.chars().all(|letter| "UMHTSNQ".contains(letter)) && text != "Q"
    };
    if !is_binding(&server.binding) {
        return Err(ServersError::BadBinding(server.binding.clone()));
    }
    check_times(server)?;
    match &server.given {
        None => Ok(()),
        Some(_) if !matches!(target, Target::Device(_)) => Err(ServersError::SharedKey),
        Some(_) if server.uri.as_ref().is_none_or(|uri| !uri.starts_with("coaps:")) => {
            Err(ServersError::NeedlessKey)
        }
        Some((identity, _)) if !is_identity(identity) => Err(ServersError::BadIdentity),
        Some(_) => Ok(()),
    }
}

fn check_times(server: &PutServer) -> Result<(), ServersError> {
    let times = [
        ("the lifetime", 1, Some(server.lifetime)),
        ("the hold-off", 0, Some(server.hold_off)),
        ("the shortest time between notifications", 0, server.minimum_period),
        ("the longest time between notifications", 1, server.maximum_period),
    ];
    for (what, least, time) in times {
        if time.is_some_and(|time| !(least..=LONGEST).contains(&time.as_secs())) {
            return Err(ServersError::BadTime(what, least, LONGEST));
        }
    }
    match (server.minimum_period, server.maximum_period) {
        (Some(shortest), Some(longest)) if shortest > longest => Err(ServersError::BadPeriods),
        _ => Ok(()),
    }
}

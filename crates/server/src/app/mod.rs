//! The use cases: what operators and devices can make happen.
//!
//! Everything here works on the [`Store`] and on memory that is rebuilt from it. The protocol side learns
//! of changes as [`Order`]s through a channel and reports back by calling [`App`]; it is never called.

mod actor;
mod admission;
pub mod bootstrap;
mod components;
mod devices;
mod directory;
mod feed;
mod fitting;
mod image_watch;
mod known;
mod object_models;
pub mod operations;
mod packages;
mod payloads;
pub mod products;
mod signing_keys;
mod start;
mod text;
mod upgrade_errors;
mod upgrades;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{Mutex, RwLock, Semaphore, broadcast, mpsc};

pub use actor::{Actor, BadActor};
pub use admission::Port;
pub use components::ComponentImage;
pub use devices::{AddBootstrap, AddDevice, AddDeviceError, AddedDevice, Key, RemoveDeviceError};
pub use directory::{Admitted, BootstrapAccess, DeviceKey, Directory, Security};
pub use feed::{Feed, News, Transfer};
pub use known::{KnownDevices, KnownRegistration, SessionBytes, StoredRegistration};
pub use object_models::{
    AddObjectModelError, FolderFault, FolderReading, KnownObject, RemoveObjectModelError, Source,
};
pub use packages::{
    ApproveError, ChangePackageError, ContentsError, Difference, Differences, FileError, Form, Keep, Kind,
    PackageChange, PackageFile, PackageText, PayloadError, PeriodError, Purpose, RemovePackageError, Shown,
    State, Target, TargetError, Upload, UploadError, WithdrawError,
};
pub use signing_keys::{
    AddSigningKey, AddSigningKeyError, AddedSigningKey, RevokeSigningKeyError, UnknownManufacturer,
};
pub use start::{StartError, open_vault};
pub use upgrade_errors::{CancelError, StartUpgradeError};
pub use upgrades::{AUTOMATIC, Past, ResumeError, StartUpgrade, Started, UpgradeChange};

use crate::clock::WallClock;
use crate::config::Config;
use crate::secrets::Vault;
use crate::store::upgrades::UpgradeKey;
use crate::store::{Images, Store};
use crate::uri::Host;

/// What the protocol side is told.
#[derive(Debug)]
pub enum Order {
    /// A device was removed: its registration and session end.
    Removed {
        /// Its endpoint name.
        endpoint: String,
    },
    /// An upgrade was started and is durable.
    Start(Box<Started>),
    /// An operator wants an upgrade canceled; the wish is durable.
    Cancel(UpgradeKey),
    /// Other objects are known from now on ([`App::model`]).
    ModelChanged,
    /// An operation was queued and is durable.
    Operate(Box<operations::Queued>),
    /// An operation was taken back; that is durable.
    CancelOperation {
        /// Of which device.
        endpoint: String,
        /// Which.
        id: uuid::Uuid,
    },
}

/// Orders that wait for the protocol side; who gives more waits.
const ORDERS: usize = 1_024;

/// The addresses at which devices reach this server, as they stand in download URIs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PullBases {
    /// For devices with a key.
    pub coaps: Option<String>,
    /// For devices without encryption.
    pub coap: Option<String>,
    /// For devices that download over HTTPS.
    pub https: Option<String>,
    /// For devices that download over plain HTTP.
    pub http: Option<String>,
    /// What devices have to trust for HTTPS: certificates in PEM.
    pub trust: Option<String>,
}

/// Where this server listens for devices.
#[derive(Clone, Copy, Debug, Default)]
pub struct Listening<'a> {
    /// CoAP over DTLS.
    pub coaps: &'a [SocketAddr],
    /// Plain CoAP.
    pub coap: &'a [SocketAddr],
    /// Images over HTTPS.
    pub https: &'a [SocketAddr],
    /// Images over HTTP.
    pub http: &'a [SocketAddr],
}

impl PullBases {
    /// From the configured host, or the address listened on if it is a single one; with the ports that were
    /// really bound.
    pub fn new(host: Option<&Host>, listening: Listening<'_>, trust: Option<String>) -> Self {
        let base = |scheme: &str, bound: &[SocketAddr]| {
            let address = bound.first()?;
            match host {
                Some(host) => Some(format!("{scheme}://{host}:{}", address.port())),
                None if address.ip().is_unspecified() => None,
                None => Some(format!("{scheme}://{address}")),
            }
        };
        Self {
            coaps: base("coaps", listening.coaps),
            coap: base("coap", listening.coap),
            https: base("https", listening.https),
            http: base("http", listening.http),
            trust,
        }
    }

    /// Whether a device can download from here at all.
    pub fn any_for(&self, security: Security) -> bool {
        let coap = match security {
            Security::Psk => &self.coaps,
            Security::None => &self.coap,
        };
        [coap, &self.https, &self.http].into_iter().any(Option::is_some)
    }
}

/// What the use cases need to know of the configuration.
#[derive(Clone, Debug)]
struct Settings {
    /// `None` is reckoned from size and rate.
    upgrade_timeout: Option<std::time::Duration>,
    pull_bases: PullBases,
    awake: std::time::Duration,
}

/// All use cases. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    images: Images,
    payloads: payloads::Payloads,
    vault: Vault,
    clock: WallClock,
    directory: Arc<Directory>,
    feed: Feed,
    operations: operations::EndedOperations,
    object_models: object_models::ObjectModels,
    products: products::Products,
    orders: mpsc::Sender<Order>,
    /// Endpoint names of devices that may bootstrap no more.
    left_bootstrap: broadcast::Sender<String>,
    settings: Settings,
    /// Held from the change of a device in the store to that of the directory: shared while adding, so that
    /// additions share commits, alone while removing, so that a device added again is not removed.
    devices_change: RwLock<()>,
    /// Held while an image gets its row, so that an equal one of a failed upload is not removed under it.
    packages_change: Mutex<()>,
    /// Who looks into a package holds what it has for devices in memory.
    examinations: Semaphore,
}

/// Packages that are looked into at once.
const EXAMINATIONS: usize = 2;

impl App {
    /// Builds the use cases over an open store and loads who may connect.
    ///
    /// # Errors
    /// What is stored cannot be read.
    pub async fn start(
        store: Store,
        images: Images,
        vault: Vault,
        clock: WallClock,
        config: &Config,
        pull_bases: PullBases,
    ) -> Result<(Self, mpsc::Receiver<Order>), StartError> {
        let (orders, received) = mpsc::channel(ORDERS);
        let settings =
            Settings { upgrade_timeout: config.upgrade.timeout, pull_bases, awake: config.lwm2m.awake };
        let inner = Inner {
            store,
            images,
            payloads: payloads::Payloads::default(),
            vault,
            clock,
            directory: Arc::default(),
            feed: Feed::default(),
            operations: operations::EndedOperations::default(),
            object_models: object_models::ObjectModels::new(config.lwm2m.object_models.clone()),
            products: products::Products::default(),
            orders,
            left_bootstrap: broadcast::Sender::new(ORDERS),
            settings,
            devices_change: RwLock::default(),
            packages_change: Mutex::default(),
            examinations: Semaphore::new(EXAMINATIONS),
        };
        let app = Self { inner: Arc::new(inner) };
        app.load().await?;
        Ok((app, received))
    }

    /// Who may connect.
    pub fn directory(&self) -> Arc<Directory> {
        self.inner.directory.clone()
    }

    /// News of upgrades.
    pub fn feed(&self) -> &Feed {
        &self.inner.feed
    }

    /// Endpoint names of devices that may bootstrap no more from now on.
    pub fn left_bootstrap(&self) -> broadcast::Receiver<String> {
        self.inner.left_bootstrap.subscribe()
    }

    /// The images of packages.
    pub fn images(&self) -> &Images {
        &self.inner.images
    }

    /// 32 bytes for this purpose that are the same in every life of the server.
    pub fn secret(&self, purpose: &[u8]) -> [u8; 32] {
        self.inner.vault.secret(purpose)
    }

    /// The wall clock.
    pub fn clock(&self) -> &WallClock {
        &self.inner.clock
    }

    /// Whether a device can download from this server at all.
    pub fn can_pull(&self, security: Security) -> bool {
        self.inner.settings.pull_bases.any_for(security)
    }

    /// What devices have to trust to download over HTTPS, in PEM; `None` if that is off.
    pub fn trust(&self) -> Option<&str> {
        self.inner.settings.pull_bases.trust.as_deref()
    }

    /// All places that devices can fetch images from, most wanted first.
    pub fn pull_bases(&self) -> Vec<String> {
        let bases = &self.inner.settings.pull_bases;
        [&bases.coaps, &bases.coap, &bases.https, &bases.http].into_iter().flatten().cloned().collect()
    }

    /// How long a device in queue mode listens after its last message.
    pub fn awake(&self) -> std::time::Duration {
        self.inner.settings.awake
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn check(&self) -> Result<(), crate::store::StoreError> {
        self.inner.store.read().await.map(|_| ())
    }

    async fn order(&self, order: Order) {
        if self.inner.orders.send(order).await.is_err() {
            // The protocol side has stopped; what was ordered is durable and done at the next start.
            tracing::debug!("an order came while the server was stopping");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;

//! What the protocol side knows of devices, made durable behind it and given back after a restart.

use std::num::NonZeroU32;

use zeroize::Zeroizing;

use super::App;
use crate::clock::Moment;
use crate::secrets::{NoRandomness, Owner, Psk, SealedKey};
use crate::store::devices::{self, DeviceChange};
use crate::store::registrations::{self, Registration, Stored};
use crate::store::values::{self, DeviceValue};
use crate::store::{Life, ROOT_DOMAIN, StoreError};

/// What is new about devices, by their ids.
#[derive(Clone, Debug, Default)]
pub struct KnownDevices {
    pub changes: Vec<(String, DeviceChange)>,
    pub values: Vec<(String, DeviceValue)>,
    /// Registrations as they are now.
    pub registrations: Vec<KnownRegistration>,
    /// Devices whose registrations have ended.
    pub gone: Vec<String>,
}

impl KnownDevices {
    /// Whether there is nothing new.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.values.is_empty()
            && self.registrations.is_empty()
            && self.gone.is_empty()
    }
}

/// A registration as it is now.
#[derive(Clone, Debug)]
pub struct KnownRegistration {
    pub device_id: String,
    pub shard: u8,
    pub snapshot: Vec<u8>,
    pub session: Option<SessionBytes>,
    /// The life of the server in which the session was saved.
    pub life: Life,
}

/// A session as bytes, as secret as a key: wiped when dropped and never printed.
#[derive(Clone)]
pub struct SessionBytes(pub Zeroizing<Vec<u8>>);

impl std::fmt::Debug for SessionBytes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("***")
    }
}

/// A registration that was stored.
#[derive(Clone, Debug)]
pub struct StoredRegistration {
    pub device_id: String,
    pub shard: u8,
    pub snapshot: Vec<u8>,
    /// The session, and how often the server has started since it was saved.
    pub session: Option<(SessionBytes, NonZeroU32)>,
    /// When the device was last heard of.
    pub last_seen: Moment,
}

/// The kind of secret that a session is, for the vault.
const SESSION: &str = "dtls session";

impl App {
    /// Stores what the protocol told of devices.
    ///
    /// # Errors
    /// It cannot be stored now; nothing of it was.
    pub async fn record_devices(&self, known: KnownDevices) -> Result<(), StoreError> {
        let KnownDevices { changes, values, registrations, gone } = known;
        let rows: Vec<Registration> = registrations.into_iter().map(|known| self.sealed(known)).collect();
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                devices::write_changes(connection, &changes).await?;
                registrations::delete(connection, &gone).await?;
                registrations::write(connection, &rows).await?;
                Ok(values::write(connection, &values).await?)
            })
        });
        change.await
    }

    fn sealed(&self, known: KnownRegistration) -> Registration {
        let KnownRegistration { device_id, shard, snapshot, session, life } = known;
        let sealed = session.and_then(|session| {
            let owner = Owner { version: life.number, ..session_of(ROOT_DOMAIN, &device_id) };
            let sealed: Result<SealedKey, NoRandomness> =
                self.inner.vault.seal(owner, &Psk::from_bytes(session.0.to_vec()));
            // Without it the device makes a new session after a restart.
            sealed.inspect_err(|error| tracing::warn!(%error, "a session is not kept")).ok()
        });
        Registration { device_id, shard: shard.into(), snapshot, session: sealed, life: life.number }
    }

    /// Registrations that were stored, in the order of device ids, after `after`.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn stored_registrations(
        &self,
        after: &str,
        life: Life,
    ) -> Result<Vec<StoredRegistration>, StoreError> {
        let page = registrations::page(&mut *self.inner.store.read().await?, after, PAGE).await?;
        Ok(page.into_iter().map(|stored| self.unsealed(stored, life)).collect())
    }

    fn unsealed(&self, stored: Stored, life: Life) -> StoredRegistration {
        let Stored { registration, domain, last_seen_at } = stored;
        let starts = u32::try_from(life.number - registration.life).ok().and_then(NonZeroU32::new);
        let session = registration.session.as_ref().zip(starts).and_then(|(sealed, starts)| {
            let owner = Owner { version: registration.life, ..session_of(&domain, &registration.device_id) };
            let opened = self.inner.vault.open(owner, sealed);
            let opened = opened.inspect_err(|error| tracing::warn!(%error, "a session is not taken up"));
            Some((SessionBytes(Zeroizing::new(opened.ok()?.as_bytes().to_vec())), starts))
        });
        StoredRegistration {
            shard: u8::try_from(registration.shard).unwrap_or_default(),
            device_id: registration.device_id,
            snapshot: registration.snapshot,
            session,
            last_seen: Moment(last_seen_at),
        }
    }
}

fn session_of<'a>(domain: &'a str, device: &'a str) -> Owner<'a> {
    Owner { domain, device, kind: SESSION, version: 0 }
}

/// Rows read at once.
const PAGE: i64 = 2_000;

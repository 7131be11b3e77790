//! The keys that devices are given: NEW → STAGED → ACTIVE → RETIRED.
//!
//! | step | what is durable | the device has | it gets in with |
//! | --- | --- | --- | --- |
//! | before | active 1 | 1 | 1 |
//! | a key is staged, nothing has left yet | active 1, staged 2 | 1 | 1 |
//! | it is written, the device loses power | active 1, staged 2 | 1 or 2 | whichever it has |
//! | the device bootstraps once more | the same: an unproved key is written again | 1 or 2 | whichever it has |
//! | the device registers with 2 | active 1, staged 2 | 2 | 2 |
//! | the proof is stored | active 2 | 2 | 2 |
//!
//! A key that was not proved is never replaced: the device may hold it. So there are never three.

use std::sync::Arc;

use super::super::devices::LONGEST_IDENTITY;
use super::super::{Admitted, App, DeviceKey};
use crate::clock::Moment;
use crate::secrets::{NoRandomness, Owner, Psk, hex, random};
use crate::store::StoreError;
use crate::store::credentials::{self, Credential};

/// So many random bytes tell the identities of a device apart.
const TOLD_APART: usize = 4;
/// So many tell all devices apart whose names do not fit into an identity.
const NAMELESS: usize = 16;

impl App {
    /// A device has proved an identity to the management server. If that is of a key that was written to it,
    /// that key is its key from now on, and the one before it is deleted.
    pub fn identity_proved(&self, device: &Arc<Admitted>, identity: Option<&[u8]>) {
        let Some(identity) = identity.filter(|identity| device.awaits(identity)) else { return };
        // It was found by this identity, so it is a text.
        let Ok(identity) = str::from_utf8(identity).map(str::to_owned) else { return };
        let (app, device) = (self.clone(), device.clone());
        // As many at a time as devices have unproved keys; each waits for the store alone.
        tokio::spawn(async move {
            if let Err(error) = app.activate_key(&device, identity).await {
                // Both keys stay valid, and the next registration proves it again.
                let error = &error as &dyn std::error::Error;
                tracing::warn!(endpoint = device.endpoint, error, "a proved key could not be noted");
            }
        });
    }

    pub(super) async fn activate_key(&self, device: &Admitted, identity: String) -> Result<(), StoreError> {
        let _in_order = self.inner.devices_change.read().await;
        let (id, proved) = (device.device_id.clone(), identity.clone());
        let change = self.inner.store.write(move |connection| {
            Box::pin(
                async move { Ok::<_, StoreError>(credentials::activate(connection, &id, &proved).await?) },
            )
        });
        if change.await? {
            self.inner.directory.activate(&device.endpoint, &identity);
            tracing::info!(endpoint = device.endpoint, identity, "the device has proved its new key");
        }
        Ok(())
    }

    /// A new key of a device with an identity that none of its keys had.
    pub(super) fn new_key(&self, endpoint: &str, version: i64) -> Result<DeviceKey, NoRandomness> {
        let suffix = hex(&random::<TOLD_APART>()?);
        let identity = if endpoint.len() + 1 + suffix.len() <= LONGEST_IDENTITY {
            format!("{endpoint}.{suffix}")
        } else {
            hex(&random::<NAMELESS>()?)
        };
        Ok(DeviceKey { version, identity, psk: Psk::generate()? })
    }

    /// A key as it is stored.
    pub(in crate::app) fn seal_key(
        &self,
        (domain, device): (&str, &str),
        (kind, state): (&'static str, &'static str),
        key: &DeviceKey,
        now: Moment,
    ) -> Result<Credential, NoRandomness> {
        let owner = Owner { domain, device, kind, version: key.version };
        Ok(Credential {
            device_id: device.to_owned(),
            kind,
            state,
            version: key.version,
            identity: key.identity.clone(),
            sealed_key: self.inner.vault.seal(owner, &key.psk)?,
            fingerprint: self.inner.vault.fingerprint(&key.psk),
            prefix: key.psk.prefix(),
            created_at: now,
        })
    }
}

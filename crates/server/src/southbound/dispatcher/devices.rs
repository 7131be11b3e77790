//! What devices do, as far as it is not an upgrade or an operation.

use std::net::SocketAddr;

use lwm2m::format::Record;
use lwm2m::path::Path;
use lwm2m::server::{Endpoint, Refusal, Registration};
use lwm2m::value::Node;

use super::super::messages::{Fact, Receiver, ShardCommand};
use super::super::strangers::Stranger;
use super::Dispatcher;
use crate::app::{App, KnownDevices};
use crate::store::StoreError;

impl Dispatcher {
    pub(super) fn registered(&mut self, shard: u8, endpoint: &Endpoint, registration: &Registration) {
        // Removed between its registration and now.
        let Some(device) = self.app.directory().by_endpoint(endpoint) else {
            return self.outboxes.send(shard, ShardCommand::Remove(endpoint.to_string()));
        };
        self.app.identity_proved(&device, registration.identity.as_deref());
        let now = self.app.now();
        let stayed = self.presence.shard(endpoint) == Some(shard);
        let before = self.presence.registered(&device.device_id, endpoint, shard, registration, now);
        let told = self.upgrades.moved(endpoint, shard);
        if let Some(before) = before.filter(|before| told.first().is_none_or(|(old, _)| old != before)) {
            self.outboxes.send(before, ShardCommand::Release(endpoint.to_string()));
        }
        self.tell(told);
        let told = self.upgrades.is_at(endpoint, self.receiver_at(endpoint, registration));
        self.tell(told);
        // A shard that had the device before begins its observations again by itself.
        if !stayed {
            self.wanted.all_ended(endpoint);
        }
        self.queues.registered(endpoint, true);
        self.observe_wanted(endpoint);
        tracing::info!(%endpoint, shard, "device registered");
    }

    /// Who may fetch the image for a device with this registration.
    fn receiver_at(&self, endpoint: &Endpoint, registration: &Registration) -> Receiver {
        Receiver { identity: registration.identity.clone(), address: self.presence.address(endpoint) }
    }

    pub(super) fn updated(&mut self, endpoint: &Endpoint, registration: Option<&Registration>) {
        let Some(device) = self.app.directory().by_endpoint(endpoint) else { return };
        self.presence.updated(&device.device_id, endpoint, registration, self.app.now());
        if let Some(registration) = registration {
            let told = self.upgrades.is_at(endpoint, self.receiver_at(endpoint, registration));
            self.tell(told);
        }
        self.queues.listens(endpoint);
        self.observe_wanted(endpoint);
    }

    /// A device listens: it is sent what waits for it.
    pub(super) fn listens(&mut self, endpoint: &Endpoint) {
        self.presence.set_listens(endpoint, true);
        self.queues.listens(endpoint);
        self.observe_wanted(endpoint);
    }

    /// A device in queue mode does not listen any more.
    pub(super) fn sleeps(&mut self, endpoint: &Endpoint) {
        self.presence.set_listens(endpoint, false);
        self.queues.sleeps(endpoint);
    }

    pub(super) fn deregistered(&mut self, shard: u8, endpoint: &Endpoint) {
        let device = self.app.directory().by_endpoint(endpoint);
        let device_id = device.as_ref().map(|device| &*device.device_id);
        if self.presence.gone(device_id, endpoint, shard) {
            self.queues.gone(endpoint);
            self.wanted.all_ended(endpoint);
            if let Some(device_id) = device_id {
                self.forget_registration(device_id);
            }
        }
    }

    pub(super) fn described(&mut self, endpoint: &Endpoint, fact: Fact, text: String) {
        if let Some(device) = self.app.directory().by_endpoint(endpoint) {
            self.presence.described(&device.device_id, fact, text);
        }
    }

    pub(super) fn refused(&mut self, identity: Option<&[u8]>, endpoint: Option<&str>, refusal: Refusal) {
        let Some(identity) = identity else {
            if refusal == Refusal::UnknownEndpoint {
                self.strangers.knocked(Stranger::Endpoint(endpoint.unwrap_or_default().to_owned()));
            }
            return;
        };
        // It has the key, so it is one of ours with a wrong name, or was removed since its handshake.
        let Some(device) = self.app.directory().by_identity(identity) else { return };
        let claimed = endpoint.unwrap_or_default();
        tracing::info!(endpoint = device.endpoint, claimed, %refusal, "a registration was refused");
        let warning = format!("it was refused when it registered as {claimed:?}: {refusal}");
        self.presence.warned(&device.device_id, warning);
    }

    pub(super) fn key_rejected(&mut self, endpoint: &str, remote: SocketAddr) {
        if let Some(device) = self.app.directory().by_endpoint(endpoint) {
            let warning = format!("somebody at {remote} used its identity with another key");
            tracing::info!(endpoint, %remote, "a handshake failed: the key is another one");
            self.presence.warned(&device.device_id, warning);
        }
    }

    /// An operator removed the device. An upgrade of it would have kept it from being removed, but a shard
    /// may still wait for it.
    pub(super) fn removed(&mut self, endpoint: String) {
        self.queues.removed(&endpoint);
        self.wanted.removed(&endpoint);
        if let Some(shard) = self.presence.removed(&endpoint) {
            self.outboxes.send(shard, ShardCommand::Remove(endpoint));
        }
    }

    pub(super) fn notified(&mut self, endpoint: &Endpoint, path: Path, value: &Node) {
        if let Some(device) = self.app.directory().by_endpoint(endpoint) {
            self.values.told(&device.device_id, path, value, self.app.now());
        }
    }

    /// A device told the values of several places, each with its own time.
    pub(super) fn recorded(&mut self, endpoint: &Endpoint, records: &[Record]) {
        if let Some(device) = self.app.directory().by_endpoint(endpoint) {
            self.values.recorded(&device.device_id, records, self.app.now());
        }
    }

    /// Starts a write of what is known of devices, unless one is under way.
    pub(super) fn write_devices(&mut self) {
        let app = self.app.clone();
        self.device_writes.retry(|known| write(app, known));
        if self.device_writes.is_free() {
            let known = KnownDevices {
                changes: self.presence.take_changes(),
                values: self.values.take(),
                registrations: std::mem::take(&mut self.registrations).into_values().collect(),
                gone: std::mem::take(&mut self.ended),
            };
            if !known.is_empty() {
                let app = self.app.clone();
                self.device_writes.start(known, |known| write(app, known));
            }
        }
    }
}

async fn write(app: App, known: KnownDevices) -> Result<(), StoreError> {
    app.record_devices(known).await
}

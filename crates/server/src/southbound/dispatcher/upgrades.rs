//! Upgrades, from the use cases to the shards and back.

use lwm2m::server::upgrade::{UpgradeEvent, UpgradeId};
use lwm2m::server::{Endpoint, StartError};

use super::super::SouthboundError;
use super::super::messages::{Fact, Receiver, ShardCommand};
use super::super::running::{Batch, Told, upgrade_id};
use super::Dispatcher;
use crate::app::{App, PayloadError, ResumeError, Started, Transfer};
use crate::files::Served;
use crate::store::StoreError;
use crate::store::upgrades::UpgradeKey;

impl Dispatcher {
    /// Takes up the upgrades that have not ended. Gives the commands that go on with them.
    pub(super) async fn load_upgrades(&mut self) -> Result<Vec<Told>, SouthboundError> {
        let mut told = Vec::new();
        for upgrade in self.app.unfinished_upgrades().await? {
            // Registrations were taken up before: their devices do not tell again where they are.
            let shard = self.shard_of(&upgrade.endpoint, upgrade.key);
            let canceled = upgrade.progress.cancel_wanted;
            let key = upgrade.key;
            match self.app.resumed(upgrade.clone()).await {
                Ok(started) => {
                    let receiver = self.receiver(&upgrade.endpoint);
                    told.extend(self.upgrades.add(started, receiver, shard, self.app.now())?);
                    told.extend(canceled.then(|| (shard, ShardCommand::Cancel(upgrade_id(key)).into())));
                }
                Err(ResumeError::Payload(PayloadError::Store(error))) => return Err(error.into()),
                Err(ResumeError::Payload(PayloadError::File(error))) if error.is_passing() => {
                    return Err(SouthboundError::Packages(error));
                }
                Err(ResumeError::Payload(error)) => {
                    tracing::error!(
                        upgrade = upgrade.history_id(),
                        error = &error as &dyn std::error::Error,
                        "an upgrade cannot go on"
                    );
                    self.upgrades.refuse(upgrade, &error, self.app.now());
                }
                Err(ResumeError::Store(error)) => return Err(error.into()),
            }
        }
        Ok(told)
    }

    pub(super) fn start_upgrade(&mut self, started: Started) {
        let upgrade = &started.upgrade;
        let shard = self.shard_of(&upgrade.endpoint, upgrade.key);
        let receiver = self.receiver(&upgrade.endpoint);
        match self.upgrades.add(started, receiver, shard, self.app.now()) {
            Ok(told) => self.tell(told),
            // It is durable and taken up at the next start.
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "an upgrade must wait"),
        }
    }

    /// The shard that carries an upgrade out: where its device is, or where it waits for it.
    fn shard_of(&self, endpoint: &str, key: UpgradeKey) -> u8 {
        self.presence.shard(endpoint).unwrap_or_else(|| home(key, self.count.get()))
    }

    /// Who may fetch the image for this device: its session, or whoever is at its address.
    fn receiver(&self, endpoint: &str) -> Receiver {
        let device = self.app.directory().by_endpoint(endpoint);
        let identity = device.as_ref().and_then(|device| device.identity());
        let identity = identity.map(|identity| identity.as_bytes().to_vec());
        Receiver { identity, address: self.presence.address(endpoint) }
    }

    pub(super) fn cancel_upgrade(&mut self, key: UpgradeKey) {
        if let Some(shard) = self.upgrades.shard(key) {
            let text = "An operator wants the upgrade canceled.".to_owned();
            self.upgrades.event(key, "cancel-requested", self.app.now(), text);
            self.outboxes.send(shard, ShardCommand::Cancel(upgrade_id(key)));
        }
    }

    /// A device fetched bytes over HTTP: its upgrade is told as if they had gone over CoAP.
    pub(super) fn served(&mut self, served: Served) {
        if let Some(shard) = self.upgrades.shard(served.upgrade) {
            let Served { upgrade, offset, length } = served;
            self.outboxes.send(shard, ShardCommand::Served { id: upgrade_id(upgrade), offset, length });
        }
    }

    /// Two upgrades of one device cannot be started, so this is a full server or a fault of ours.
    pub(super) fn upgrade_not_started(&mut self, shard: u8, id: UpgradeId, error: StartError) {
        tracing::error!(upgrade = id.0, %error, "a shard did not take an upgrade");
        if let Some(key) = self.upgrades.at(id, shard) {
            let text = format!("The server could not go on: {error}.");
            self.upgrades.event(key, "warning", self.app.now(), text);
        }
    }

    pub(super) fn handle_upgrade(&mut self, key: UpgradeKey, event: UpgradeEvent) {
        let now = self.app.now();
        match event {
            UpgradeEvent::Stage { stage, record } => self.upgrades.reached(key, stage, record, now),
            UpgradeEvent::IntentWanted { record } => self.upgrades.intended(key, record),
            UpgradeEvent::Progress { bytes, total } => self.app.feed().moved(key, Transfer { bytes, total }),
            UpgradeEvent::TransferLearnt(memory) => self.upgrades.learnt(key, memory),
            UpgradeEvent::Warning(warning) => {
                let text = format!("Odd, but tolerated: {warning}.");
                self.upgrades.event(key, "warning", now, text);
            }
            UpgradeEvent::Finished { outcome, facts } => {
                if let (Some(endpoint), Some(version)) = (self.upgrades.endpoint(key), &facts.version_after) {
                    let endpoint = Endpoint::from(endpoint);
                    self.described(&endpoint, Fact::FirmwareVersion, version.clone());
                    // Whoever waited for the end looks at the device next.
                    self.write_devices();
                }
                let told = self.upgrades.finish(key, outcome, Some(&facts), now);
                self.tell(told);
            }
        }
    }

    /// Starts a write if there is something to write and none is under way.
    pub(super) fn advance_upgrades(&mut self) {
        if self.upgrade_writes.is_free() {
            let batch = self.upgrades.take_batch();
            if !batch.changes.is_empty() {
                let app = self.app.clone();
                self.upgrade_writes.start(batch, |batch| write(app, batch));
            }
        }
    }

    pub(super) fn retry_upgrades(&mut self) {
        let app = self.app.clone();
        self.upgrade_writes.retry(|batch| write(app, batch));
    }

    pub(super) fn upgrades_written(&mut self, written: Option<(Batch, ())>) {
        let Some((batch, ())) = written else { return };
        for key in batch.intents {
            if let Some(shard) = self.upgrades.shard(key) {
                self.outboxes.send(shard, ShardCommand::IntentDurable(upgrade_id(key)));
            }
        }
    }
}

/// Where an upgrade waits for a device that is not there.
fn home(key: UpgradeKey, shards: u8) -> u8 {
    (key.0.unsigned_abs() % u64::from(shards.max(1))) as u8
}

async fn write(app: App, batch: Batch) -> Result<(), StoreError> {
    app.record_upgrades(batch.changes).await
}

//! Upgrades that run: what is known of each, and what of it must become durable.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use firmware::upgrade::{Cause, Delivery, Outcome, Stage};
use lwm2m::server::upgrade::{Facts, TransferMemory, UpgradeId, UpgradePlan, UpgradeRecord};

use super::messages::{Command, Receiver, ShardCommand};
use super::plans::{Image, images, plan};
use crate::app::{PayloadError, Started, UpgradeChange};
use crate::clock::Moment;
use crate::config;
use crate::files::Offers;
use crate::secrets::{NoRandomness, hex, random};
use crate::store::upgrade_events::UpgradeEvent;
use crate::store::upgrades::{End, Progress, UpgradeKey};

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub(super) reach: Duration,
    pub(super) back: Duration,
}

impl From<&config::Upgrade> for Timeouts {
    fn from(config: &config::Upgrade) -> Self {
        Self { reach: config.reach_timeout, back: config.return_timeout }
    }
}

/// All upgrades that have not ended.
#[derive(Debug)]
pub struct Upgrades {
    timeouts: Timeouts,
    /// How many shards there are.
    shards: u8,
    /// What can be downloaded over HTTP.
    offers: Offers,
    running: BTreeMap<UpgradeKey, Run>,
    by_endpoint: HashMap<String, UpgradeKey>,
    /// What is to be stored next, by upgrade; bounded by the upgrades that run, each with the events since
    /// the last write.
    changes: BTreeMap<UpgradeKey, UpgradeChange>,
    /// Intents that become durable with it.
    intents: Vec<UpgradeKey>,
}

#[derive(Debug)]
struct Run {
    endpoint: String,
    /// Who may fetch the image, on any shard.
    receiver: Receiver,
    id: String,
    plan: UpgradePlan,
    /// What the device may fetch, the image of each component by itself.
    images: Vec<Image>,
    record: UpgradeRecord,
    progress: Progress,
    /// The shard that carries it out; what others say about it is old.
    shard: u8,
}

/// What to store in one piece.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub changes: Vec<UpgradeChange>,
    pub intents: Vec<UpgradeKey>,
}

/// A command and the shard that it is for.
pub type Told = (u8, Command);

/// 128 random bits name an image, so that nobody can guess its path (SECURITY rule p12).
const TOKEN_LENGTH: usize = 16;

/// Most events of one upgrade that wait for a write; later ones of a device that goes round in circles
/// are left out of the history, while its state is always stored.
const MOST_EVENTS: usize = 256;

impl Upgrades {
    pub fn new(timeouts: Timeouts, shards: u8, offers: Offers) -> Self {
        Self {
            timeouts,
            shards,
            offers,
            running: BTreeMap::new(),
            by_endpoint: HashMap::new(),
            changes: BTreeMap::new(),
            intents: Vec::new(),
        }
    }

    /// Takes an upgrade on, at this shard. Gives the commands for it, none if its record cannot be read:
    /// then it has ended.
    ///
    /// # Errors
    /// The system has no randomness for the path of the image.
    pub fn add(
        &mut self,
        started: Started,
        receiver: Receiver,
        shard: u8,
        now: Moment,
    ) -> Result<Vec<Told>, NoRandomness> {
        let key = started.upgrade.key;
        let stored = started.upgrade.progress.record.clone();
        let parsed = stored.as_deref().map(|stored| std::str::from_utf8(stored).ok()?.parse().ok());
        let fresh = UpgradeRecord::new(&hex(&random::<TOKEN_LENGTH>()?));
        let record = parsed.clone().flatten().unwrap_or(fresh);
        let run = Run {
            endpoint: started.upgrade.endpoint.clone(),
            receiver,
            id: started.upgrade.history_id(),
            progress: started.upgrade.progress.clone(),
            images: images(&started, &record.token),
            plan: plan(started, self.timeouts),
            record,
            shard,
        };
        self.by_endpoint.insert(run.endpoint.clone(), key);
        self.running.insert(key, run);
        match parsed {
            Some(None) => {
                self.finish(key, Outcome::Failed(Cause::RecordDamaged), None, now);
                return Ok(Vec::new());
            }
            Some(Some(_)) => {
                self.event(key, "resumed", now, "The server was restarted and goes on.".to_owned());
            }
            None => {}
        }
        if let Some(run) = self.running.get(&key).filter(|run| may_pull(run)) {
            for Image { token, bytes, sha256 } in &run.images {
                self.offers.publish(token, key, bytes.clone(), sha256);
            }
        }
        // The image first: the device may fetch it on a session that another shard has.
        let mut told = self.elsewhere(key, publish);
        told.extend(self.start_command(key));
        Ok(told)
    }

    /// A command about the image for all shards but the one that carries the upgrade out.
    fn elsewhere(&self, key: UpgradeKey, command: impl Fn(&Run, &Image) -> ShardCommand) -> Vec<Told> {
        let Some(run) = self.running.get(&key).filter(|run| may_pull(run)) else {
            return Vec::new();
        };
        let others = (0..self.shards).filter(|shard| *shard != run.shard);
        let each = |shard| run.images.iter().map(move |image| (shard, image));
        others.flat_map(each).map(|(shard, image)| (shard, command(run, image).into())).collect()
    }

    /// Ends an upgrade that cannot go on because no device may receive its package.
    pub fn refuse(&mut self, upgrade: crate::store::upgrades::Upgrade, error: &PayloadError, now: Moment) {
        let reason = format!("The upgrade cannot go on: {error}.");
        let end = End {
            outcome: "failed".to_owned(),
            cause: Some(error.code().to_owned()),
            reason: reason.clone(),
            advice: Some(error.advice().to_owned()),
            at: now,
        };
        let mut progress = upgrade.progress;
        progress.last_event += 1;
        let event = UpgradeEvent {
            number: progress.last_event,
            at: now,
            kind: "finished".to_owned(),
            stage: progress.stage.clone(),
            attempt: progress.attempt,
            detail: reason,
        };
        let change = UpgradeChange { key: upgrade.key, progress, end: Some(end), events: vec![event] };
        self.changes.insert(upgrade.key, change);
    }

    fn start_command(&self, key: UpgradeKey) -> Option<Told> {
        let run = self.running.get(&key)?;
        let command = ShardCommand::Start {
            id: upgrade_id(key),
            endpoint: run.endpoint.clone(),
            plan: Box::new(run.plan.clone()),
            record: Box::new(run.record.clone()),
        };
        Some((run.shard, command.into()))
    }

    /// The device of an upgrade is at this shard now. If the upgrade was elsewhere, gives the commands that
    /// carry it on here; the first releases it there.
    pub fn moved(&mut self, endpoint: &str, shard: u8) -> Vec<Told> {
        let Some(key) = self.by_endpoint.get(endpoint).copied() else { return Vec::new() };
        let Some(run) = self.running.get_mut(&key).filter(|run| run.shard != shard) else {
            return Vec::new();
        };
        let before = std::mem::replace(&mut run.shard, shard);
        let mut told = vec![(before, ShardCommand::Release(endpoint.to_owned()).into())];
        if may_pull(run) {
            told.extend(run.images.iter().map(|image| (before, publish(run, image).into())));
        }
        told.extend(self.start_command(key));
        told
    }

    /// The device of an upgrade is at another address now, or proves another identity since it was
    /// bootstrapped. Gives the commands that serve it there.
    pub fn is_at(&mut self, endpoint: &str, receiver: Receiver) -> Vec<Told> {
        let Some(key) = self.by_endpoint.get(endpoint).copied() else { return Vec::new() };
        match self.running.get_mut(&key) {
            Some(run) if run.receiver != receiver => run.receiver = receiver,
            _ => return Vec::new(),
        }
        self.elsewhere(key, publish)
    }

    /// The shard of an upgrade that runs.
    pub fn shard(&self, key: UpgradeKey) -> Option<u8> {
        self.running.get(&key).map(|run| run.shard)
    }

    /// The upgrade with this number, if this shard carries it out.
    pub fn at(&self, id: UpgradeId, shard: u8) -> Option<UpgradeKey> {
        let key = UpgradeKey(i64::try_from(id.0).ok()?);
        self.running.get(&key).filter(|run| run.shard == shard).map(|_| key)
    }

    /// A stage was reached.
    pub fn reached(&mut self, key: UpgradeKey, stage: Stage, record: UpgradeRecord, now: Moment) {
        let Some(run) = self.running.get_mut(&key) else { return };
        if stage != Stage::Waiting {
            run.progress.started_at.get_or_insert(now.0);
        }
        let before = (run.progress.stage.clone(), run.progress.attempt, run.progress.last_event);
        stage.code().clone_into(&mut run.progress.stage);
        let version = record.version_before.clone();
        self.recorded(key, record);
        // The same stage with a newer record is nothing new for people.
        let created = 1;
        if let Some(run) = self.running.get(&key)
            && before.2 > created
            && (before.0.as_str(), before.1) == (stage.code(), run.progress.attempt)
        {
            self.change(key);
            return;
        }
        let detail = match (stage, version) {
            (Stage::Offering, Some(version)) => format!("{} The device runs {version}.", sentence(stage)),
            _ => sentence(stage).to_owned(),
        };
        tracing::info!(upgrade = self.running.get(&key).map(|run| &*run.id), stage = stage.code(), "upgrade");
        self.event(key, "stage", now, detail);
    }

    /// The order to install waits for this to be durable.
    pub fn intended(&mut self, key: UpgradeKey, record: UpgradeRecord) {
        self.recorded(key, record);
        self.change(key);
        self.intents.push(key);
    }

    fn recorded(&mut self, key: UpgradeKey, record: UpgradeRecord) {
        let Some(run) = self.running.get_mut(&key) else { return };
        run.progress.attempt = i64::from(record.offers.max(1));
        run.progress.bytes_sent = i64::try_from(record.bytes).unwrap_or(i64::MAX);
        if record.version_before.is_some() {
            run.progress.version_before.clone_from(&record.version_before);
        }
        run.progress.record = Some(record.to_string().into_bytes());
        run.record = record;
    }

    /// How the device takes images was measured.
    pub fn learnt(&mut self, key: UpgradeKey, memory: TransferMemory) {
        if let Some(run) = self.running.get_mut(&key) {
            run.record.memory = memory;
            run.progress.record = Some(run.record.to_string().into_bytes());
        }
        self.change(key);
    }

    /// Something happened that does not change the record.
    pub fn event(&mut self, key: UpgradeKey, kind: &str, now: Moment, detail: String) {
        if let Some(run) = self.running.get_mut(&key) {
            run.progress.last_event += 1;
        }
        let Some(change) = self.change(key) else { return };
        let event = UpgradeEvent {
            number: change.progress.last_event,
            at: now,
            kind: kind.to_owned(),
            stage: change.progress.stage.clone(),
            attempt: change.progress.attempt,
            detail,
        };
        if change.events.len() < MOST_EVENTS || kind == "finished" {
            change.events.push(event);
        }
    }

    /// The change that is to be stored, brought up to date.
    fn change(&mut self, key: UpgradeKey) -> Option<&mut UpgradeChange> {
        let progress = self.running.get(&key)?.progress.clone();
        let change = self.changes.entry(key).or_insert_with(|| UpgradeChange {
            key,
            progress: progress.clone(),
            end: None,
            events: Vec::new(),
        });
        change.progress = progress;
        Some(change)
    }

    /// The upgrade is over. Gives the commands that take its image back.
    pub fn finish(
        &mut self,
        key: UpgradeKey,
        outcome: Outcome,
        facts: Option<&Facts>,
        now: Moment,
    ) -> Vec<Told> {
        for image in self.running.get(&key).iter().flat_map(|run| &run.images) {
            self.offers.withdraw(&image.token);
        }
        let withdrawn = self.elsewhere(key, |_, image| ShardCommand::Withdraw(image.token.clone()));
        let Some(run) = self.running.get_mut(&key) else { return withdrawn };
        if let Some(facts) = facts {
            let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            run.progress.version_after.clone_from(&facts.version_after);
            run.progress.version_before = facts.version_before.clone().or(run.progress.version_before.take());
            run.progress.bytes_sent = number(facts.bytes);
            run.progress.retransmissions = number(facts.retransmissions);
        }
        tracing::info!(upgrade = run.id, %outcome, "upgrade finished");
        let cause = if let Outcome::Failed(cause) = outcome { Some(cause) } else { None };
        let reason = match cause.and_then(Cause::detail) {
            Some(number) => format!("{} ({})", outcome.sentence(), detail(cause, number)),
            None => outcome.sentence().to_owned(),
        };
        self.event(key, "finished", now, reason.clone());
        if let Some(change) = self.change(key) {
            change.end = Some(End {
                outcome: outcome.code().to_owned(),
                cause: cause.map(|cause| cause.code().to_owned()),
                reason,
                advice: cause.map(|cause| cause.advice().to_owned()),
                at: now,
            });
        }
        if let Some(run) = self.running.remove(&key) {
            self.by_endpoint.remove(&run.endpoint);
        }
        withdrawn
    }

    /// What is to be stored now; empty if nothing has changed.
    pub fn take_batch(&mut self) -> Batch {
        let changes = std::mem::take(&mut self.changes).into_values().collect();
        Batch { changes, intents: std::mem::take(&mut self.intents) }
    }

    /// The version that a device runs after an upgrade, for its page.
    pub fn endpoint(&self, key: UpgradeKey) -> Option<&str> {
        self.running.get(&key).map(|run| &*run.endpoint)
    }
}

/// Whether the device may fetch the image.
fn may_pull(run: &Run) -> bool {
    run.plan.delivery != Some(Delivery::Push)
}

/// A shard that does not carry the upgrade out serves the image too.
fn publish(run: &Run, image: &Image) -> ShardCommand {
    let (token, bytes) = (image.token.clone(), image.bytes.clone());
    ShardCommand::Publish { token, receiver: run.receiver.clone(), bytes }
}

/// A CoAP code as people write it, or a number of the device.
fn detail(cause: Option<Cause>, number: u8) -> String {
    match cause {
        Some(Cause::OfferRefused(_) | Cause::ExecuteRefused(_)) => {
            format!("the device answered {}.{:02}", number >> 5, number & 31)
        }
        _ => format!("result {number}"),
    }
}

/// The number of an upgrade in the protocol.
pub fn upgrade_id(key: UpgradeKey) -> UpgradeId {
    UpgradeId(u64::try_from(key.0).unwrap_or_default())
}

fn sentence(stage: Stage) -> &'static str {
    match stage {
        Stage::Waiting => "Waiting for the device.",
        Stage::Precheck => "Reading what the device is and runs.",
        Stage::Offering => "Offering the image.",
        Stage::Downloading => "The device takes the image.",
        Stage::Downloaded => "The device has the image and checked it.",
        Stage::Executing => "The device is told to install.",
        Stage::Updating => "The device installs the image and restarts.",
        Stage::Verifying => "The device is back; its version and result are read.",
        Stage::Closing => "The verdict is known; observations are taken back.",
    }
}

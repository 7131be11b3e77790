//! Upgrades that run: what is known of each, and what of it must become durable.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use firmware::upgrade::{Cause, Delivery, Outcome, Stage};
use lwm2m::server::upgrade::{Facts, Package, Timing, UpgradeId, UpgradePlan, UpgradeRecord};

use super::shard::Command;
use crate::app::{Started, UpgradeChange};
use crate::clock::Moment;
use crate::config;
use crate::store::upgrade_events::UpgradeEvent;
use crate::store::upgrades::{End, Progress, UpgradeKey};

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    reach: Duration,
    back: Duration,
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
    id: String,
    plan: UpgradePlan,
    record: Option<UpgradeRecord>,
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

/// Most events of one upgrade that wait for a write; later ones of a device that goes round in circles
/// are left out of the history, while its state is always stored.
const MOST_EVENTS: usize = 256;

impl Upgrades {
    pub fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            running: BTreeMap::new(),
            by_endpoint: HashMap::new(),
            changes: BTreeMap::new(),
            intents: Vec::new(),
        }
    }

    /// Takes an upgrade on, at this shard. Gives the command that starts it there, or nothing if its
    /// record cannot be read: then it has ended.
    pub fn add(&mut self, started: Started, shard: u8, now: Moment) -> Option<Command> {
        let key = started.upgrade.key;
        let stored = started.upgrade.progress.record.clone();
        let run = Run {
            endpoint: started.upgrade.endpoint.clone(),
            id: started.upgrade.history_id(),
            progress: started.upgrade.progress.clone(),
            plan: plan(started, self.timeouts),
            record: None,
            shard,
        };
        self.by_endpoint.insert(run.endpoint.clone(), key);
        self.running.insert(key, run);
        if let Some(stored) = stored {
            let Some(record) = std::str::from_utf8(&stored).ok().and_then(|text| text.parse().ok()) else {
                self.finish(key, Outcome::Failed(Cause::RecordDamaged), None, now);
                return None;
            };
            self.event(key, "resumed", now, "The server was restarted and goes on.".to_owned());
            self.running.get_mut(&key)?.record = Some(record);
        }
        self.start_command(key)
    }

    /// Ends an upgrade that cannot go on because its image is gone.
    pub fn refuse(&mut self, upgrade: crate::store::upgrades::Upgrade, reason: &str, now: Moment) {
        let end = End {
            outcome: "failed".to_owned(),
            cause: Some("package-damaged".to_owned()),
            reason: reason.to_owned(),
            advice: Some("Upload the package again, then start the upgrade again.".to_owned()),
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
            detail: reason.to_owned(),
        };
        let change = UpgradeChange { key: upgrade.key, progress, end: Some(end), events: vec![event] };
        self.changes.insert(upgrade.key, change);
    }

    fn start_command(&self, key: UpgradeKey) -> Option<Command> {
        let run = self.running.get(&key)?;
        Some(Command::Start {
            id: upgrade_id(key),
            endpoint: run.endpoint.clone(),
            plan: Box::new(run.plan.clone()),
            record: run.record.clone().map(Box::new),
        })
    }

    /// The device of an upgrade is at this shard now. If the upgrade was elsewhere, gives that shard and the
    /// command that starts it here.
    pub fn moved(&mut self, endpoint: &str, shard: u8) -> Option<(u8, Command)> {
        let key = *self.by_endpoint.get(endpoint)?;
        let run = self.running.get_mut(&key).filter(|run| run.shard != shard)?;
        let before = std::mem::replace(&mut run.shard, shard);
        Some((before, self.start_command(key)?))
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
        stage.code().clone_into(&mut run.progress.stage);
        let version = record.version_before.clone();
        self.recorded(key, record);
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
        run.record = Some(record);
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

    /// The upgrade is over.
    pub fn finish(&mut self, key: UpgradeKey, outcome: Outcome, facts: Option<&Facts>, now: Moment) {
        let Some(run) = self.running.get_mut(&key) else { return };
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

fn plan(started: Started, timeouts: Timeouts) -> UpgradePlan {
    let delivery = Delivery::from_code(&started.upgrade.delivery).unwrap_or(Delivery::Pull);
    let package = Package {
        name: started.package.name,
        bytes: started.image,
        model: started.package.model,
        version: Some(started.package.version),
        source_version: started.package.source_version,
    };
    let timeout = Duration::from_secs(u64::try_from(started.upgrade.timeout_seconds).unwrap_or_default());
    UpgradePlan {
        observe: started.upgrade.observe,
        base_uri: started.upgrade.base_uri,
        timeout: Some(timeout),
        leftovers_are_ours: started.leftovers_are_ours,
        timing: Timing { reach: timeouts.reach, update: timeouts.back, ..Timing::DEFAULT },
        ..UpgradePlan::new(package, delivery)
    }
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

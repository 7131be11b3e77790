//! The task between the shards and the use cases.
//!
//! It keeps in memory which shard has which device and upgrade, hands upgrades over when a device turns up
//! elsewhere, and writes behind. An order to install goes to the shard only after the write that holds its
//! intent was committed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use lwm2m::server::upgrade::UpgradeEvent;
use lwm2m::server::{Event, Refusal, Registration};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::SouthboundError;
use super::index;
use super::presence::Presence;
use super::running::{Batch, Timeouts, Told, Upgrades, upgrade_id};
use super::shard::{Command, Fact, Report};
use super::strangers::{Stranger, Strangers};
use crate::app::{App, Order, ResumeError, Started, Transfer};
use crate::files::{Offers, Served};
use crate::store::StoreError;
use crate::store::upgrades::UpgradeKey;

/// How often states are written, and writes that failed tried again.
const TICK: Duration = Duration::from_secs(1);
/// Reports taken at once.
const PIECE: usize = 1_024;

/// What a write left: nothing, or the batch that could not be stored.
type Written = (Batch, Result<(), StoreError>);

#[derive(Debug)]
pub struct Dispatcher {
    app: App,
    shards: Vec<Outbox>,
    /// How many shards there are.
    count: u8,
    presence: Presence,
    strangers: Strangers,
    upgrades: Upgrades,
    /// The write that is under way.
    writing: Option<JoinHandle<Written>>,
    /// A write that failed, tried again before anything newer.
    failed: Option<Batch>,
    states: Option<JoinHandle<()>>,
    /// Whether the store refused the last write.
    refused: bool,
}

/// Commands on their way to a shard. What does not fit into its queue waits here, so that the dispatcher
/// never waits for a shard; bounded by the upgrades that run and the devices that were removed.
#[derive(Debug)]
struct Outbox {
    shard: mpsc::Sender<Command>,
    waiting: VecDeque<Command>,
}

impl Outbox {
    fn send(&mut self, command: Command) {
        self.waiting.push_back(command);
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(command) = self.waiting.pop_front() {
            match self.shard.try_send(command) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(command)) => return self.waiting.push_front(command),
                // The shard has stopped; everything that matters is durable.
                Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        }
    }
}

impl Dispatcher {
    /// Loads the upgrades that have not ended. Gives, for each shard, the commands that go on with them.
    pub async fn load(
        app: App,
        count: u8,
        timeouts: Timeouts,
        offers: Offers,
    ) -> Result<(Self, Vec<Vec<Command>>), SouthboundError> {
        let mut upgrades = Upgrades::new(timeouts, count, offers);
        let mut commands: Vec<Vec<Command>> = (0..count).map(|_| Vec::new()).collect();
        for upgrade in app.unfinished_upgrades().await? {
            let shard = home(upgrade.key, count);
            let canceled = upgrade.progress.cancel_wanted;
            let key = upgrade.key;
            match app.resumed(upgrade.clone()).await {
                Ok(started) => {
                    let identity = identity(&app, &upgrade.endpoint);
                    let told = upgrades.add(started, identity, shard, app.now())?;
                    let cancel = canceled.then(|| (shard, Command::Cancel(upgrade_id(key))));
                    for (shard, command) in told.into_iter().chain(cancel) {
                        commands[index(shard)].push(command);
                    }
                }
                Err(ResumeError::Image(error)) => {
                    tracing::error!(upgrade = upgrade.history_id(), %error, "an upgrade cannot go on");
                    upgrades.refuse(upgrade, "The package is damaged on the server's disk.", app.now());
                }
                Err(ResumeError::Store(error)) => return Err(error.into()),
            }
        }
        let dispatcher = Self {
            app,
            shards: Vec::with_capacity(index(count)),
            count,
            presence: Presence::default(),
            strangers: Strangers::default(),
            upgrades,
            writing: None,
            failed: None,
            states: None,
            refused: false,
        };
        Ok((dispatcher, commands))
    }

    /// Adds the next shard.
    pub fn attach(&mut self, shard: mpsc::Sender<Command>) {
        self.shards.push(Outbox { shard, waiting: VecDeque::new() });
    }

    /// Works until all shards have stopped, then stores what is left.
    pub async fn run(
        mut self,
        mut reports: mpsc::Receiver<(u8, Report)>,
        mut orders: mpsc::Receiver<Order>,
        mut served: mpsc::Receiver<Served>,
    ) {
        let mut tick = ticks();
        let mut piece = Vec::with_capacity(PIECE);
        let mut more_orders = true;
        loop {
            self.write();
            tokio::select! {
                taken = reports.recv_many(&mut piece, PIECE) => {
                    if taken == 0 {
                        break;
                    }
                    for (shard, report) in piece.drain(..) {
                        self.handle_report(shard, report);
                    }
                }
                order = orders.recv(), if more_orders => match order {
                    Some(order) => self.handle_order(order),
                    None => more_orders = false,
                },
                Some(served) = served.recv() => self.handle_served(served),
                written = finished(&mut self.writing) => self.handle_written(written),
                _ = tick.tick() => self.handle_tick(),
            }
        }
        self.finish(tick).await;
    }

    fn handle_order(&mut self, order: Order) {
        match order {
            Order::Removed { endpoint } => {
                // An upgrade of it would have kept it from being removed, but a shard may still wait for it.
                let shard = self.presence.removed(&endpoint);
                if let Some(shard) = shard {
                    self.send(shard, Command::Remove(endpoint));
                }
            }
            Order::Start(started) => self.start(*started),
            Order::Cancel(key) => {
                if let Some(shard) = self.upgrades.shard(key) {
                    let text = "An operator wants the upgrade canceled.".to_owned();
                    self.upgrades.event(key, "cancel-requested", self.app.now(), text);
                    self.send(shard, Command::Cancel(upgrade_id(key)));
                }
            }
        }
    }

    /// A device fetched bytes over HTTP: its upgrade is told as if they had gone over CoAP.
    fn handle_served(&mut self, served: Served) {
        if let Some(shard) = self.upgrades.shard(served.upgrade) {
            let Served { upgrade, offset, length } = served;
            self.send(shard, Command::Served { id: upgrade_id(upgrade), offset, length });
        }
    }

    fn start(&mut self, started: Started) {
        let upgrade = &started.upgrade;
        let shard = self.presence.shard(&upgrade.endpoint).unwrap_or_else(|| home(upgrade.key, self.count));
        let identity = identity(&self.app, &upgrade.endpoint);
        match self.upgrades.add(started, identity, shard, self.app.now()) {
            Ok(told) => self.tell(told),
            // It is durable and taken up at the next start.
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "an upgrade must wait"),
        }
    }

    fn handle_report(&mut self, shard: u8, report: Report) {
        match report {
            Report::Event(event) => self.handle_event(shard, event),
            Report::Described { endpoint, fact, text } => self.presence.described(&endpoint, fact, text),
            Report::NotStarted(id, error) => {
                // Two upgrades of one device cannot be started, so this is a full server or a fault of ours.
                tracing::error!(upgrade = id.0, %error, "a shard did not take an upgrade");
                if let Some(key) = self.upgrades.at(id, shard) {
                    let text = format!("The server could not go on: {error}.");
                    self.upgrades.event(key, "warning", self.app.now(), text);
                }
            }
            Report::IdentityUnknown(stranger) => self.strangers.knocked(stranger),
            Report::KeyRejected { endpoint, remote } => {
                if let Some(device) = self.app.directory().by_endpoint(&endpoint) {
                    let warning = format!("somebody at {remote} used its identity with another key");
                    tracing::info!(endpoint, %remote, "a handshake failed: the key is another one");
                    self.presence.warned(device.device_id.clone(), &endpoint, warning);
                }
            }
        }
    }

    fn handle_event(&mut self, shard: u8, event: Event) {
        match event {
            Event::Registered { endpoint, registration, .. } => {
                self.registered(shard, &endpoint, &registration);
            }
            Event::Updated { endpoint, registration } => {
                self.presence.updated(&endpoint, registration.as_deref(), self.app.now());
            }
            Event::Deregistered { endpoint, .. } => self.presence.gone(&endpoint, shard),
            Event::Refused { identity, endpoint, refusal } => {
                self.refused(identity.as_deref(), endpoint.as_deref(), refusal);
            }
            Event::Upgrade { id, event, .. } => {
                // What a shard says about an upgrade that it lost to another is old.
                if let Some(key) = self.upgrades.at(id, shard) {
                    self.handle_upgrade(key, event);
                }
            }
            Event::OperationDone { .. } | Event::Notified { .. } | Event::ObservationEnded { .. } => {}
        }
    }

    fn refused(&mut self, identity: Option<&[u8]>, endpoint: Option<&str>, refusal: Refusal) {
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
        self.presence.warned(device.device_id.clone(), &device.endpoint, warning);
    }

    fn registered(&mut self, shard: u8, endpoint: &str, registration: &Registration) {
        // Removed between its registration and now.
        let Some(device) = self.app.directory().by_endpoint(endpoint) else {
            return self.send(shard, Command::Remove(endpoint.to_owned()));
        };
        let now = self.app.now();
        let before = self.presence.registered(device.device_id.clone(), endpoint, shard, registration, now);
        let told = self.upgrades.moved(endpoint, shard);
        if let Some(before) = before.filter(|before| told.first().is_none_or(|(old, _)| old != before)) {
            self.send(before, Command::Release(endpoint.to_owned()));
        }
        self.tell(told);
        tracing::info!(endpoint, shard, "device registered");
    }

    fn handle_upgrade(&mut self, key: UpgradeKey, event: UpgradeEvent) {
        let now = self.app.now();
        match event {
            UpgradeEvent::Stage { stage, record } => self.upgrades.reached(key, stage, record, now),
            UpgradeEvent::IntentWanted { record } => self.upgrades.intended(key, record),
            UpgradeEvent::Progress { bytes, total } => self.app.feed().moved(key, Transfer { bytes, total }),
            UpgradeEvent::Warning(warning) => {
                let text = format!("Odd, but tolerated: {warning}.");
                self.upgrades.event(key, "warning", now, text);
            }
            UpgradeEvent::Finished { outcome, facts } => {
                if let (Some(endpoint), Some(version)) = (self.upgrades.endpoint(key), &facts.version_after) {
                    self.presence.described(endpoint, Fact::FirmwareVersion, version.clone());
                    // Whoever waited for the end looks at the device next.
                    self.write_states();
                }
                let told = self.upgrades.finish(key, outcome, Some(&facts), now);
                self.tell(told);
            }
        }
    }

    fn tell(&mut self, told: Vec<Told>) {
        for (shard, command) in told {
            self.send(shard, command);
        }
    }

    fn send(&mut self, shard: u8, command: Command) {
        if let Some(outbox) = self.shards.get_mut(index(shard)) {
            outbox.send(command);
        }
    }

    /// Starts a write if there is something to write and none is under way.
    fn write(&mut self) {
        if self.writing.is_some() || self.failed.is_some() {
            return;
        }
        let batch = self.upgrades.take_batch();
        if !batch.changes.is_empty() {
            self.writing = Some(tokio::spawn(store(self.app.clone(), batch)));
        }
    }

    fn handle_written(&mut self, (batch, result): Written) {
        self.writing = None;
        match result {
            Ok(()) => {
                if std::mem::take(&mut self.refused) {
                    tracing::warn!("the store takes changes again");
                }
                for key in batch.intents {
                    if let Some(shard) = self.upgrades.shard(key) {
                        self.send(shard, Command::IntentDurable(upgrade_id(key)));
                    }
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.refused, true) {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the store refuses changes; upgrades wait until it takes them");
                }
                self.failed = Some(batch);
            }
        }
    }

    fn handle_tick(&mut self) {
        if let Some((knocks, last)) = self.strangers.take() {
            tracing::info!(knocks, "{last}");
        }
        for outbox in &mut self.shards {
            outbox.flush();
        }
        if let Some(batch) = self.failed.take_if(|_| self.writing.is_none()) {
            self.writing = Some(tokio::spawn(store(self.app.clone(), batch)));
        }
        self.write_states();
    }

    /// Starts a write of what is known of devices, unless one is under way.
    fn write_states(&mut self) {
        if self.states.as_ref().is_none_or(JoinHandle::is_finished) {
            let changed = self.presence.take_changed();
            if !changed.is_empty() {
                self.states = Some(tokio::spawn(store_states(self.app.clone(), changed)));
            }
        }
    }

    /// Stores what is left, for as long as the store may take to come back.
    async fn finish(mut self, mut tick: Interval) {
        const TRIES: usize = 10;
        for _ in 0..TRIES {
            self.handle_tick();
            self.write();
            if self.writing.is_none() {
                break;
            }
            let written = finished(&mut self.writing).await;
            self.handle_written(written);
            if self.failed.is_some() {
                tick.tick().await;
            }
        }
        if let Some(states) = self.states.take()
            && states.await.is_err()
        {
            tracing::error!("the last states were not stored");
        }
    }
}

/// Where an upgrade waits for a device that is not there.
fn home(key: UpgradeKey, shards: u8) -> u8 {
    (key.0.unsigned_abs() % u64::from(shards.max(1))) as u8
}

/// The identity that a device proves.
fn identity(app: &App, endpoint: &str) -> Option<Vec<u8>> {
    let device = app.directory().by_endpoint(endpoint)?;
    device.credential.as_ref().map(|(identity, _)| identity.clone().into_bytes())
}

fn ticks() -> Interval {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

async fn store(app: App, batch: Batch) -> Written {
    let result = app.record_upgrades(batch.changes.clone()).await;
    (batch, result)
}

async fn store_states(app: App, states: Vec<(String, crate::store::devices::DeviceState)>) {
    if let Err(error) = app.record_states(states).await {
        // The devices tell it again.
        tracing::warn!(error = &error as &dyn std::error::Error, "states of devices were not stored");
    }
}

/// What the write gave; never if none is under way.
async fn finished(writing: &mut Option<JoinHandle<Written>>) -> Written {
    match writing {
        Some(handle) => match handle.await {
            Ok(written) => written,
            Err(error) => {
                // A write that panicked has stored nothing; there is nothing left to try again with.
                let error = Arc::new(sqlx::Error::Io(std::io::Error::other(error)));
                (Batch::default(), Err(StoreError::Database(error)))
            }
        },
        None => std::future::pending().await,
    }
}

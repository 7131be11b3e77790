//! The task between the shards and the use cases.
//!
//! It keeps in memory which shard has which device, upgrade and operation, hands upgrades over when a device
//! turns up elsewhere, and writes behind. An order to install, or any other that must not be carried out
//! twice, goes to the shard only after the write that holds its intent was committed.

mod devices;
mod operations;
mod outbox;
mod registrations;
mod upgrades;
mod write_behind;

use std::collections::BTreeMap;
use std::num::NonZeroU8;
use std::time::Duration;

use lwm2m::server::{Endpoint, Event};
use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};
use uuid::Uuid;

use super::SouthboundError;
use super::index;
use super::messages::{Command, Report};
use super::presence::Presence;
use super::queue::Queues;
use super::running::{Batch, Timeouts, Told, Upgrades};
use super::strangers::Strangers;
use super::values::Values;
use super::wanted::Wanted;
use crate::app::operations::OperationChange;
use crate::app::{App, KnownDevices, KnownRegistration, Order};
use crate::clock::Moment;
use crate::files::{Offers, Served};
use crate::store::Life;
use outbox::Outboxes;
use write_behind::WriteBehind;

/// How often states are written, and writes that failed tried again.
const TICK: Duration = Duration::from_secs(1);
/// Reports taken at once.
const PIECE: usize = 1_024;

#[derive(Debug)]
pub struct Dispatcher {
    app: App,
    outboxes: Outboxes,
    /// How many shards there are.
    count: NonZeroU8,
    presence: Presence,
    strangers: Strangers,
    upgrades: Upgrades,
    queues: Queues,
    wanted: Wanted,
    values: Values,
    upgrade_writes: WriteBehind<Batch, ()>,
    operation_writes: WriteBehind<OperationsBatch, Vec<Uuid>>,
    device_writes: WriteBehind<KnownDevices, ()>,
    life: Life,
    /// Registrations to be stored next, by device id, and devices whose registrations have ended.
    registrations: BTreeMap<String, KnownRegistration>,
    ended: Vec<String>,
    /// When it was last stored when devices were heard.
    heard_saved: Moment,
}

/// Operations to be stored in one piece.
#[derive(Clone, Debug)]
struct OperationsBatch {
    changes: Vec<OperationChange>,
    starting: Vec<(Endpoint, Uuid)>,
}

impl Dispatcher {
    /// Loads what has not ended. Gives, for each shard, the commands that go on with it.
    pub async fn load(
        app: App,
        count: NonZeroU8,
        timeouts: Timeouts,
        offers: Offers,
        life: Life,
    ) -> Result<(Self, Vec<Vec<Command>>), SouthboundError> {
        let mut dispatcher = Self {
            heard_saved: app.now(),
            app,
            outboxes: Outboxes::default(),
            count,
            presence: Presence::default(),
            strangers: Strangers::default(),
            upgrades: Upgrades::new(timeouts, count.get(), offers),
            queues: Queues::default(),
            wanted: Wanted::default(),
            values: Values::default(),
            upgrade_writes: WriteBehind::new("upgrades"),
            operation_writes: WriteBehind::new("operations"),
            device_writes: WriteBehind::new("states of devices"),
            life,
            registrations: BTreeMap::new(),
            ended: Vec::new(),
        };
        let mut commands: Vec<Vec<Command>> = (0..count.get()).map(|_| Vec::new()).collect();
        dispatcher.load_operations().await?;
        let registrations = dispatcher.load_registrations().await?;
        let upgrades = dispatcher.load_upgrades().await?;
        for (shard, command) in registrations.into_iter().chain(upgrades) {
            commands[index(shard)].push(command);
        }
        Ok((dispatcher, commands))
    }

    /// Adds the next shard.
    pub fn attach(&mut self, shard: mpsc::Sender<Command>) {
        self.outboxes.attach(shard);
    }

    /// Works until all shards have stopped, then stores what is left.
    pub async fn run(
        mut self,
        mut reports: mpsc::Receiver<(u8, Report)>,
        mut orders: mpsc::Receiver<Order>,
        mut served: mpsc::Receiver<Served>,
        (mut stopping, shards): (watch::Receiver<bool>, watch::Sender<bool>),
    ) {
        let mut tick = ticks();
        let mut piece = Vec::with_capacity(PIECE);
        let mut more_orders = true;
        loop {
            self.advance();
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
                Some(served) = served.recv() => self.served(served),
                written = self.upgrade_writes.finished() => self.upgrades_written(written),
                written = self.operation_writes.finished() => self.operations_written(written),
                _ = self.device_writes.finished() => {}
                _ = tick.tick() => self.handle_tick(),
                // An error means that whoever stops the server is gone.
                _ = stopping.wait_for(|stop| *stop), if !*shards.borrow() => self.stop(&shards),
            }
        }
        self.finish(tick).await;
    }

    /// Does what follows from what has happened, as far as nothing must be waited for.
    fn advance(&mut self) {
        self.advance_upgrades();
        self.advance_operations();
    }

    /// The shards give what is not stored yet, then stop: they carry out what was sent before.
    fn stop(&mut self, shards: &watch::Sender<bool>) {
        self.presence.save_heard();
        self.save_registrations(self.app.now());
        shards.send_replace(true);
    }

    fn handle_order(&mut self, order: Order) {
        match order {
            Order::Removed { endpoint } => self.removed(endpoint),
            Order::Start(started) => self.start_upgrade(*started),
            Order::Cancel(key) => self.cancel_upgrade(key),
            Order::ModelChanged => self.tell_model(),
            Order::Operate(queued) => self.operate(*queued),
            Order::CancelOperation { endpoint, id } => self.queues.canceled(&endpoint, id),
        }
    }

    fn handle_report(&mut self, shard: u8, report: Report) {
        match report {
            Report::Event(event) => self.handle_event(shard, event),
            Report::Described { endpoint, fact, text } => self.described(&endpoint, fact, text),
            Report::Saved(saved) => self.saved(shard, saved),
            Report::NotRestored(endpoint) => self.not_restored(shard, &endpoint),
            Report::NotStarted(id, error) => self.upgrade_not_started(shard, id, error),
            Report::Operated { id, endpoint, result } => self.operated(&endpoint, id, *result),
            Report::NotAsked { id, endpoint, detail } => self.not_asked(&endpoint, id, &detail),
            Report::IdentityUnknown(stranger) => self.strangers.knocked(stranger),
            Report::KeyRejected { endpoint, remote } => self.key_rejected(&endpoint, remote),
        }
    }

    fn handle_event(&mut self, shard: u8, event: Event) {
        match event {
            Event::Registered { endpoint, registration, .. } => {
                self.registered(shard, &endpoint, &registration);
            }
            Event::Updated { endpoint, registration } => self.updated(&endpoint, registration.as_deref()),
            Event::Awake { endpoint } => self.listens(&endpoint),
            Event::Asleep { endpoint } => self.sleeps(&endpoint),
            Event::Deregistered { endpoint, .. } => self.deregistered(shard, &endpoint),
            Event::Refused { identity, endpoint, refusal } => {
                self.refused(identity.as_deref(), endpoint.as_deref(), refusal);
            }
            Event::Upgrade { id, event, .. } => {
                // What a shard says about an upgrade that it lost to another is old.
                if let Some(key) = self.upgrades.at(id, shard) {
                    self.handle_upgrade(key, event);
                }
            }
            Event::Notified { endpoint, path, value } => self.notified(&endpoint, path, &value),
            Event::ObservationEnded { endpoint, path } => self.observation_ended(shard, &endpoint, &[path]),
            Event::CompositeNotified { endpoint, records, .. } | Event::Sent { endpoint, records } => {
                self.recorded(&endpoint, &records);
            }
            Event::CompositeEnded { endpoint, paths } => self.observation_ended(shard, &endpoint, &paths),
            Event::FormatLearnt { endpoint, .. } => self.presence.is_newer(&endpoint),
            // Shards have taken what these were for.
            Event::OperationDone { .. } => {}
        }
    }

    fn tell(&mut self, told: Vec<Told>) {
        for (shard, command) in told {
            self.outboxes.send(shard, command);
        }
    }

    fn handle_tick(&mut self) {
        if let Some((knocks, last)) = self.strangers.take() {
            tracing::info!(knocks, "{last}");
        }
        self.outboxes.flush();
        self.retry_upgrades();
        self.retry_operations();
        self.save_registrations(self.app.now());
        self.write_devices();
    }

    fn operations_written(&mut self, written: Option<(OperationsBatch, Vec<Uuid>)>) {
        if let Some((batch, noted)) = written {
            self.queues.started(&batch.starting, &noted);
        }
    }

    /// Stores what is left, for as long as the store may take to come back.
    async fn finish(mut self, mut tick: Interval) {
        const TRIES: usize = 10;
        for _ in 0..TRIES {
            self.handle_tick();
            self.advance();
            while self.upgrade_writes.is_writing()
                || self.operation_writes.is_writing()
                || self.device_writes.is_writing()
            {
                tokio::select! {
                    written = self.upgrade_writes.finished() => self.upgrades_written(written),
                    written = self.operation_writes.finished() => self.operations_written(written),
                    _ = self.device_writes.finished() => {}
                }
                self.advance();
            }
            let failed = self.upgrade_writes.has_failed()
                || self.operation_writes.has_failed()
                || self.device_writes.has_failed();
            if !failed {
                return;
            }
            tick.tick().await;
        }
        tracing::error!("the last changes were not stored");
    }
}

fn ticks() -> Interval {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

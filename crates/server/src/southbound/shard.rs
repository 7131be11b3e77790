//! The machine of one shard, what it is told and what it reports.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use lwm2m::object::device::{FIRMWARE_VERSION, MANUFACTURER, MODEL};
use lwm2m::path::Path;
use lwm2m::server::upgrade::{UpgradeEvent, UpgradeId, UpgradePlan, UpgradeRecord};
use lwm2m::server::{Endpoint, Event, Operation, OperationId, OperationOutput, Server, StartError};
use machine::{Instant, Link, Machine, SessionCommand, SessionEvent, SessionMachine};
use net::Commanded;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::strangers::Stranger;

/// What a shard is told.
#[derive(Debug)]
pub enum Command {
    /// Carry this upgrade out.
    Start { id: UpgradeId, endpoint: String, plan: Box<UpgradePlan>, record: Box<UpgradeRecord> },
    /// Serve the image of an upgrade that another shard carries out.
    Publish { token: String, identity: Option<Vec<u8>>, bytes: Arc<[u8]> },
    /// The device of an upgrade fetched these bytes over HTTP.
    Served { id: UpgradeId, offset: u64, length: u64 },
    /// Serve it no more.
    Withdraw(String),
    /// The intent to install is durable.
    IntentDurable(UpgradeId),
    /// Cancel this upgrade.
    Cancel(UpgradeId),
    /// Forget this device: another shard has it.
    Release(String),
    /// Forget this device and end its session: it was removed (SECURITY rule k07).
    Remove(String),
}

/// What a shard tells.
#[derive(Debug)]
pub enum Report {
    /// Something that its server says.
    Event(Event),
    /// What a device says it is.
    Described { endpoint: Endpoint, fact: Fact, text: String },
    /// An upgrade could not be started there.
    NotStarted(UpgradeId, StartError),
    /// Somebody claimed the identity of this device and had another key.
    KeyRejected { endpoint: String, remote: SocketAddr },
    /// Somebody claimed an identity that no device has.
    IdentityUnknown(Stranger),
}

/// What is read from a device when it registers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fact {
    Manufacturer,
    Model,
    FirmwareVersion,
}

const FACTS: [(Fact, Path); 3] =
    [(Fact::Manufacturer, MANUFACTURER), (Fact::Model, MODEL), (Fact::FirmwareVersion, FIRMWARE_VERSION)];

/// The LwM2M server of one shard, which also reads what every device is.
#[derive(Debug)]
pub struct Shard {
    server: Server,
    /// Readings under way: three for each device that has just registered.
    readings: BTreeMap<OperationId, Fact>,
    reports: VecDeque<Report>,
    /// Sessions of devices that were removed; emptied after each command.
    closing: VecDeque<Link>,
    /// The time of the last call, for readings that follow from events.
    now: Instant,
}

impl Shard {
    pub fn new(server: Server) -> Self {
        Self {
            server,
            readings: BTreeMap::new(),
            reports: VecDeque::new(),
            closing: VecDeque::new(),
            now: Instant::ZERO,
        }
    }

    /// Turns events of the server into reports.
    fn digest(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Registered { ref endpoint, .. } => {
                    for (fact, path) in FACTS {
                        let id = self.server.operate(endpoint, Operation::Read(path), self.now);
                        self.readings.insert(id, fact);
                    }
                    self.reports.push_back(Report::Event(event));
                }
                Event::OperationDone { id, endpoint, result } => {
                    let Some(fact) = self.readings.remove(&id) else { continue };
                    // A device that does not tell stays without; it can be upgraded all the same.
                    if let Ok(OperationOutput::Value(node)) = result
                        && let Some(text) = node.value().and_then(lwm2m::value::Value::as_text)
                    {
                        self.reports.push_back(Report::Described { endpoint, fact, text: text.to_owned() });
                    }
                }
                event => self.reports.push_back(Report::Event(event)),
            }
        }
    }
}

impl Machine for Shard {
    type Peer = Link;
    type Event = Report;

    fn handle_input(&mut self, from: Link, bytes: &[u8], now: Instant) {
        self.now = now;
        self.server.handle_input(from, bytes, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.server.handle_timeout(now);
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Link, usize)> {
        self.server.poll_transmit(buffer)
    }

    fn poll_event(&mut self) -> Option<Report> {
        self.digest();
        self.reports.pop_front()
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.server.poll_timeout()
    }
}

impl SessionMachine for Shard {
    fn handle_session(&mut self, event: SessionEvent<'_>, now: Instant) {
        self.now = now;
        self.server.handle_session(event, now);
    }

    fn poll_session(&mut self) -> Option<SessionCommand> {
        let close = self.closing.pop_front().map(SessionCommand::Close);
        close.or_else(|| self.server.poll_session())
    }
}

impl Commanded for Shard {
    type Command = Command;

    fn handle_command(&mut self, command: Command, now: Instant) {
        self.now = now;
        match command {
            Command::Start { id, endpoint, plan, record } => {
                if let Err(error) = self.server.start_upgrade(id, &endpoint, *plan, Some(*record), now) {
                    self.reports.push_back(Report::NotStarted(id, error));
                }
            }
            Command::Publish { token, identity, bytes } => {
                self.server.publish_image(&token, identity.as_deref(), bytes);
            }
            Command::Served { id, offset, length } => self.server.image_served(id, offset, length, now),
            Command::Withdraw(token) => self.server.withdraw_image(&token),
            Command::IntentDurable(id) => self.server.intent_durable(id, now),
            Command::Cancel(id) => self.server.cancel_upgrade(id, now),
            Command::Release(endpoint) => self.server.release(&endpoint, now),
            Command::Remove(endpoint) => {
                let link = self.server.registration(&endpoint).map(|registration| registration.link);
                self.closing.extend(link.filter(|link| link.is_secured()));
                self.server.release(&endpoint, now);
            }
        }
    }
}

impl Report {
    /// Whether the next report of its kind makes up for it.
    fn is_volatile(&self) -> bool {
        match self {
            Self::Event(Event::Upgrade { event, .. }) => matches!(event, UpgradeEvent::Progress { .. }),
            Self::Event(Event::Registered { .. } | Event::Deregistered { .. }) | Self::NotStarted(..) => {
                false
            }
            Self::Event(_) | Self::Described { .. } | Self::KeyRejected { .. } | Self::IdentityUnknown(_) => {
                true
            }
        }
    }
}

/// Carries the reports of all shards to the dispatcher.
#[derive(Clone, Debug)]
pub struct Reporter {
    reports: mpsc::Sender<(u8, Report)>,
}

impl Reporter {
    pub fn new(bound: usize) -> (Self, mpsc::Receiver<(u8, Report)>) {
        let (reports, received) = mpsc::channel(bound);
        (Self { reports }, received)
    }

    /// The one of this shard.
    pub fn of(&self, shard: u8) -> ShardReporter {
        ShardReporter { shard, reports: self.reports.clone() }
    }
}

/// Carries the reports of one shard.
#[derive(Clone, Debug)]
pub struct ShardReporter {
    shard: u8,
    reports: mpsc::Sender<(u8, Report)>,
}

impl ShardReporter {
    /// Reports without waiting, from inside a protocol thread.
    ///
    /// The last quarter of the queue is kept for what must not be lost. Should even that be full, the shard
    /// is held until there is room: the dispatcher takes reports without waiting for anything, so the queue
    /// empties as fast as memory allows, and an upgrade whose step is not known would be worse.
    pub fn report(&mut self, report: Report) {
        if report.is_volatile() {
            return self.mention(report);
        }
        let mut item = (self.shard, report);
        while let Err(TrySendError::Full(back)) = self.reports.try_send(item) {
            item = back;
            std::thread::yield_now();
        }
    }

    /// Reports what may be lost.
    pub fn mention(&self, report: Report) {
        if self.reports.capacity() > self.reports.max_capacity() / 4 {
            // Fails if the dispatcher has ended or others were faster.
            let _ = self.reports.try_send((self.shard, report));
        }
    }
}

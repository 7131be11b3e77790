//! The machine of one shard.

use std::collections::{BTreeMap, VecDeque};

use lwm2m::server::{
    Endpoint, Event, Operation, OperationId, OperationOutput, RegistrationSnapshot, RestoreError, Server,
};
use machine::{Instant, Link, Machine, SessionCommand, SessionEvent, SessionMachine};
use net::Commanded;
use uuid::Uuid;

use super::messages::{FACTS, Fact, Receiver, Report, ShardCommand};
use crate::app::operations::Request;

/// The LwM2M server of one shard, which also reads what every device is.
#[derive(Debug)]
pub struct Shard {
    server: Server,
    /// What is asked of devices: three readings for each that has just registered, and one operation of the
    /// dispatcher for each.
    asked: BTreeMap<OperationId, Asked>,
    reports: VecDeque<Report>,
    /// Sessions of devices that were removed; emptied after each command.
    closing: VecDeque<Link>,
    /// The time of the last call, for readings that follow from events.
    now: Instant,
}

/// What the answer to an operation is for.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Fact(Fact),
    Operation(Uuid),
}

impl Shard {
    pub fn new(server: Server) -> Self {
        Self {
            server,
            asked: BTreeMap::new(),
            reports: VecDeque::new(),
            closing: VecDeque::new(),
            now: Instant::ZERO,
        }
    }

    /// A registration as it is now.
    pub fn snapshot(&self, endpoint: &str, now: Instant) -> Option<RegistrationSnapshot> {
        self.server.snapshot(endpoint, now)
    }

    /// Takes a registration up again.
    pub fn restore(&mut self, snapshot: RegistrationSnapshot, now: Instant) -> Result<(), RestoreError> {
        self.now = now;
        self.server.restore(snapshot, now)
    }

    /// Asks a device in the types of the versions of objects that it registered.
    fn operate(&mut self, id: Uuid, endpoint: Endpoint, request: &Request) {
        match request.operation(&self.server.model_of(&endpoint)) {
            Ok(operation) => {
                let asked = self.server.operate(&endpoint, operation, self.now);
                self.asked.insert(asked, Asked::Operation(id));
            }
            Err(error) => {
                let detail = error.to_string();
                self.reports.push_back(Report::NotAsked { id, endpoint, detail });
            }
        }
    }

    /// Turns events of the server into reports.
    fn digest(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Registered { ref endpoint, .. } => {
                    for (fact, path) in FACTS {
                        let id = self.server.operate(endpoint, Operation::Read(path), self.now);
                        self.asked.insert(id, Asked::Fact(fact));
                    }
                    self.reports.push_back(Report::Event(event));
                }
                Event::OperationDone { id, endpoint, result } => match self.asked.remove(&id) {
                    Some(Asked::Operation(id)) => {
                        self.reports.push_back(Report::Operated { id, endpoint, result: Box::new(result) });
                    }
                    // A device that does not tell stays without; it can be upgraded all the same.
                    Some(Asked::Fact(fact)) => {
                        if let Ok(OperationOutput::Value(node)) = result
                            && let Some(text) = node.value().and_then(lwm2m::value::Value::as_text)
                        {
                            let text = text.to_owned();
                            self.reports.push_back(Report::Described { endpoint, fact, text });
                        }
                    }
                    None => {}
                },
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
    type Command = ShardCommand;

    fn handle_command(&mut self, command: ShardCommand, now: Instant) {
        self.now = now;
        match command {
            ShardCommand::Start { id, endpoint, plan, record } => {
                if let Err(error) = self.server.start_upgrade(id, &endpoint, *plan, Some(*record), now) {
                    self.reports.push_back(Report::NotStarted(id, error));
                }
            }
            ShardCommand::Publish { token, receiver, bytes } => {
                let Receiver { identity, address } = receiver;
                self.server.publish_image(&token, identity.as_deref(), address, bytes);
            }
            ShardCommand::Withdraw(token) => self.server.withdraw_image(&token),
            ShardCommand::IntentDurable(id) => self.server.intent_durable(id, now),
            ShardCommand::Cancel(id) => self.server.cancel_upgrade(id, now),
            ShardCommand::Release(endpoint) => self.server.release(&endpoint, now),
            ShardCommand::Remove(endpoint) => {
                let link = self.server.registration(&endpoint).and_then(|registration| registration.link);
                self.closing.extend(link.filter(|link| link.is_secured()));
                self.server.release(&endpoint, now);
            }
            ShardCommand::Served { id, offset, length } => self.server.image_served(id, offset, length, now),
            ShardCommand::Operate { id, endpoint, request } => self.operate(id, endpoint, &request),
            ShardCommand::Model(model) => self.server.set_model(model),
        }
    }
}

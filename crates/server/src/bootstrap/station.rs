//! The machine of the bootstrap thread.

use lwm2m::bootstrap::{Event, Plan, RunId, Server};
use machine::{Instant, Link, Machine, SessionCommand, SessionEvent, SessionMachine};
use net::Commanded;

/// What the thread is told.
#[derive(Debug)]
pub enum Command {
    /// All of this is durable: write it.
    Start(RunId, Box<Plan>),
    /// There is nothing to write.
    Refuse(RunId),
    /// The device was removed.
    Release(String),
}

/// The bootstrap server, as its thread drives it.
#[derive(Debug)]
pub struct Station(Server);

impl Station {
    pub fn new(server: Server) -> Self {
        Self(server)
    }
}

impl Machine for Station {
    type Peer = Link;
    type Event = Event;

    fn handle_input(&mut self, from: Link, bytes: &[u8], now: Instant) {
        self.0.handle_input(from, bytes, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Link, usize)> {
        self.0.poll_transmit(buffer)
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.0.poll_event()
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.0.poll_timeout()
    }
}

impl SessionMachine for Station {
    fn handle_session(&mut self, event: SessionEvent<'_>, now: Instant) {
        self.0.handle_session(event, now);
    }

    fn poll_session(&mut self) -> Option<SessionCommand> {
        self.0.poll_session()
    }
}

impl Commanded for Station {
    type Command = Command;

    fn handle_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Start(run, plan) => self.0.start(run, *plan, now),
            Command::Refuse(run) => self.0.refuse(run, now),
            Command::Release(endpoint) => self.0.release(&endpoint, now),
        }
    }
}

//! One shard with the DTLS below it: registrations go out with their sessions, and come back with them.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use lwm2m::server::{Endpoint, RegistrationSnapshot};
use machine::{Instant, Machine, Path};
use net::{Commanded, Stack};

use super::messages::{Command, Report, Saved};
use super::shard::Shard;
use crate::app::SessionBytes;

/// What the driver of a shard drives.
#[derive(Debug)]
pub struct Station {
    stack: Stack<Shard>,
    /// Emptied by the driver after each call.
    reports: VecDeque<Report>,
}

/// A registration to be taken up, with its session and how often the server has started since it was saved.
#[derive(Clone, Debug)]
pub struct Restored {
    pub snapshot: RegistrationSnapshot,
    pub session: Option<(SessionBytes, NonZeroU32)>,
    /// Whether the session is found by its number, so that it cannot get another one.
    pub keeps_number: bool,
}

impl Station {
    pub fn new(stack: Stack<Shard>) -> Self {
        Self { stack, reports: VecDeque::new() }
    }

    /// How many sessions are up.
    #[cfg(test)]
    pub fn sessions(&mut self) -> usize {
        self.stack.endpoints_mut().map(|endpoint| endpoint.session_count()).sum()
    }

    fn save(&mut self, endpoints: &[Endpoint], now: Instant) {
        let saved = endpoints.iter().filter_map(|endpoint| {
            let snapshot = self.stack.inner().snapshot(endpoint, now)?;
            let session = snapshot.link.and_then(|link| self.stack.save_session(link)).map(SessionBytes);
            Some(Saved { endpoint: endpoint.clone(), snapshot, session })
        });
        self.reports.push_back(Report::Saved(saved.collect()));
    }

    fn restore(&mut self, restored: Restored, now: Instant) {
        let Restored { mut snapshot, session, keeps_number: _ } = restored;
        let endpoint = Endpoint::from(&*snapshot.endpoint);
        if snapshot.identity.is_some() {
            let restored = snapshot.link.zip(session).and_then(|(link, (bytes, starts))| {
                let restored = self.stack.restore_session(link, &bytes.0, starts, now);
                restored.inspect_err(|error| tracing::debug!(%endpoint, %error, "a session has ended")).ok()
            });
            snapshot.link = restored;
        }
        if let Err(error) = self.stack.inner_mut().restore(snapshot, now) {
            tracing::info!(%endpoint, %error, "a registration was not taken up");
            self.reports.push_back(Report::NotRestored(endpoint));
        }
    }
}

impl Machine for Station {
    type Peer = Path;
    type Event = Report;

    fn handle_input(&mut self, from: Path, bytes: &[u8], now: Instant) {
        self.stack.handle_input(from, bytes, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.stack.handle_timeout(now);
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Path, usize)> {
        self.stack.poll_transmit(buffer)
    }

    fn poll_event(&mut self) -> Option<Report> {
        self.reports.pop_front().or_else(|| self.stack.poll_event())
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.stack.poll_timeout()
    }
}

impl Commanded for Station {
    type Command = Command;

    fn handle_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Save(endpoints) => self.save(&endpoints, now),
            Command::Restore(restored) => self.restore(*restored, now),
            Command::Shard(command) => self.stack.handle_command(command, now),
        }
    }
}

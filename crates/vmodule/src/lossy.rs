//! A bad network in front of a machine.

use machine::{Instant, Machine, Path, Random};
use net::Commanded;

/// Drops a part of all datagrams in each direction, the same ones for the same seed.
#[derive(Debug)]
pub struct Lossy<M> {
    inner: M,
    loss: f64,
    random: Random,
    lost: u64,
}

impl<M> Lossy<M> {
    /// Puts `inner` behind a network that loses this part (0.0 to 1.0) of what is sent and of what comes.
    pub fn new(inner: M, loss: f64, random: Random) -> Self {
        Self { inner, loss, random, lost: 0 }
    }

    /// Datagrams lost so far.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The machine behind the network.
    pub fn inner(&self) -> &M {
        &self.inner
    }

    fn loses(&mut self) -> bool {
        let lost = self.random.chance(self.loss);
        self.lost += u64::from(lost);
        lost
    }
}

impl<M: Machine<Peer = Path>> Machine for Lossy<M> {
    type Peer = Path;
    type Event = M::Event;

    fn handle_input(&mut self, from: Path, bytes: &[u8], now: Instant) {
        if !self.loses() {
            self.inner.handle_input(from, bytes, now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.inner.handle_timeout(now);
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Path, usize)> {
        loop {
            let sent = self.inner.poll_transmit(buffer)?;
            if !self.loses() {
                return Some(sent);
            }
        }
    }

    fn poll_event(&mut self) -> Option<M::Event> {
        self.inner.poll_event()
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.inner.poll_timeout()
    }
}

impl<M: Commanded<Peer = Path>> Commanded for Lossy<M> {
    type Command = M::Command;

    fn handle_command(&mut self, command: M::Command, now: Instant) {
        self.inner.handle_command(command, now);
    }
}

//! The floor: the same driver around a machine that does nothing.

use std::convert::Infallible;

use machine::{Instant, Machine, Path};
use net::{Commanded, DATAGRAM_LIMIT};

/// Sends every datagram back.
pub struct Echo {
    pending: Option<Path>,
    bytes: [u8; DATAGRAM_LIMIT],
    length: usize,
}

impl Default for Echo {
    fn default() -> Self {
        Self { pending: None, bytes: [0; DATAGRAM_LIMIT], length: 0 }
    }
}

impl Machine for Echo {
    type Peer = Path;
    type Event = Infallible;

    fn handle_input(&mut self, from: Path, bytes: &[u8], _now: Instant) {
        // The driver polls after every datagram, so there is never more than one.
        self.length = bytes.len();
        self.bytes[..self.length].copy_from_slice(bytes);
        self.pending = Some(from);
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Path, usize)> {
        let to = self.pending.take()?;
        buffer[..self.length].copy_from_slice(&self.bytes[..self.length]);
        Some((to, self.length))
    }

    fn poll_event(&mut self) -> Option<Infallible> {
        None
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        None
    }
}

impl Commanded for Echo {
    type Command = Infallible;

    fn handle_command(&mut self, command: Infallible, _now: Instant) {
        match command {}
    }
}

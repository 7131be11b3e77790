//! An established session.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use machine::{Instant, Random};

use crate::channel::Channel;
use crate::handshake::LastFlight;

/// What is kept of an established session. A million of them must fit into memory: mind the size.
pub(super) struct Session {
    pub(super) remote: SocketAddr,
    pub(super) channel: Channel,
    pub(super) heard: Instant,
    /// Our Finished, until the client shows by an application record that it has it.
    pub(super) last_flight: Option<Box<LastFlight>>,
}

impl Session {
    pub(super) fn encode_last_flight(&mut self, random: &mut Random) -> Option<Vec<u8>> {
        let flight = self.last_flight.as_mut()?;
        Some(flight.encode(&mut self.channel, random))
    }
}

//! An established session.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use machine::{Instant, Random};

use crate::channel::Channel;
use crate::handshake::LastFlight;

/// How many times the bytes that came from an unproved address may go to it (SECURITY n02, RFC 9000 section 8).
const AMPLIFICATION: usize = 3;

/// What is kept of an established session. A million of them must fit into memory: mind the size.
pub(super) struct Session {
    pub(super) remote: SocketAddr,
    pub(super) channel: Channel,
    pub(super) heard: Instant,
    pub(super) identity: Box<[u8]>,
    /// Our last flight, until the peer shows by an application record that it has it.
    pub(super) last_flight: Option<Box<LastFlight>>,
    /// The peer has moved to `remote` and has not spoken from there again.
    pub(super) unproved: Option<Box<Unproved>>,
    pub(super) outgoing: bool,
    pub(super) extended_master_secret: bool,
}

/// An address that one record came from: perhaps somebody has only repeated it from there.
pub(super) struct Unproved {
    /// How many bytes may go there.
    budget: usize,
    /// The address before, which the peer may return to.
    proved: SocketAddr,
}

impl Session {
    pub(super) fn encode_last_flight(&mut self, random: &mut Random) -> Option<Vec<u8>> {
        let flight = self.last_flight.as_mut()?;
        let datagram = flight.encode(&mut self.channel, random);
        self.may_send(datagram.len()).then_some(datagram)
    }

    /// An authentic record of this length came from where the peer is.
    pub(super) fn heard_at_home(&mut self, length: usize, is_newest: bool) {
        if is_newest {
            self.unproved = None;
        } else if let Some(unproved) = &mut self.unproved {
            unproved.budget += AMPLIFICATION * length;
        }
    }

    /// The peer's newest record, of this length, came from elsewhere: that is where it is now.
    pub(super) fn move_to(&mut self, remote: SocketAddr, length: usize) {
        let before = core::mem::replace(&mut self.remote, remote);
        let proved = self.unproved.take().map_or(before, |unproved| unproved.proved);
        self.unproved =
            (proved != remote).then(|| Box::new(Unproved { budget: AMPLIFICATION * length, proved }));
    }

    /// Counts bytes that are to go to the peer, if they may.
    pub(super) fn may_send(&mut self, length: usize) -> bool {
        let Some(unproved) = &mut self.unproved else { return true };
        let rest = unproved.budget.checked_sub(length);
        unproved.budget = rest.unwrap_or(unproved.budget);
        rest.is_some()
    }
}

//! One endpoint.

use core::net::SocketAddr;

use machine::{Credential, Instant, Machine, Seed, SessionId};

use crate::{Config, Event, HandshakeId, SendError, Statistics};

/// Serves and calls DTLS peers through one socket.
#[derive(Debug)]
pub struct Endpoint {
    statistics: Statistics,
}

impl Endpoint {
    /// An endpoint without sessions.
    pub fn new(_config: Config, _seed: Seed) -> Self {
        Self { statistics: Statistics::default() }
    }

    /// Calls `to`; ends in [`Event::Up`] or [`Event::Down`] with the number returned here.
    pub fn connect(&mut self, _to: SocketAddr, _credential: Credential, _now: Instant) -> SessionId {
        SessionId(0)
    }

    /// Answers [`Event::KeyWanted`]; `None` says that the identity is unknown.
    pub fn provide_key(&mut self, _handshake: HandshakeId, _key: Option<&[u8]>, _now: Instant) {}

    /// Writes one application record into `buffer` and says where to send it and how long it is.
    pub fn seal(
        &mut self,
        _session: SessionId,
        _plaintext: &[u8],
        _buffer: &mut [u8],
    ) -> Result<(SocketAddr, usize), SendError> {
        Err(SendError::NotUp)
    }

    /// Ends a session or gives a call up; [`Event::Down`] follows.
    pub fn close(&mut self, _session: SessionId, _now: Instant) {}

    /// Where the other side of a session is.
    pub fn address(&self, _session: SessionId) -> Option<SocketAddr> {
        None
    }

    /// What was counted since the endpoint was made.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }
}

impl Machine for Endpoint {
    type Peer = SocketAddr;
    type Event = Event;

    fn handle_input(&mut self, _from: SocketAddr, _bytes: &[u8], _now: Instant) {}

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self, _buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        None
    }

    fn poll_event(&mut self) -> Option<Event> {
        None
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        None
    }
}

//! The five verbs that every machine has.

use crate::Instant;

/// A state machine that serves peers.
///
/// Commands are methods of the concrete type and only change state. After any call the driver polls
/// `poll_transmit` and `poll_event` until both are `None`, then asks `poll_timeout`; state is consistent
/// only then. An *endpoint* serves all peers of one shard, so the work of a call must not grow with the
/// number of peers.
pub trait Machine {
    /// Whom a datagram comes from and goes to.
    type Peer: Copy + Ord;
    /// What the machine tells its owner.
    type Event;

    /// A datagram has arrived. Bytes of a peer never panic; what is malformed is dropped or answered.
    fn handle_input(&mut self, from: Self::Peer, bytes: &[u8], now: Instant);

    /// The time of [`Machine::poll_timeout`] has come. Calling it early is harmless.
    fn handle_timeout(&mut self, now: Instant);

    /// Writes the next datagram into `buffer` and says whom it is for and how long it is.
    ///
    /// `buffer` must hold the largest datagram that the machine is configured to send.
    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Self::Peer, usize)>;

    /// The next event.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When the machine wants [`Machine::handle_timeout`], and why.
    fn poll_timeout(&self) -> Option<(Instant, &'static str)>;
}

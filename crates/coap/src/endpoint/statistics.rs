//! What an endpoint counts.

/// Counters since the endpoint was made.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Statistics {
    /// Datagrams that came in.
    pub received: u64,
    /// Datagrams that went out.
    pub sent: u64,
    /// Of those, repetitions of ours.
    pub retransmissions: u64,
    /// Copies of messages that came in.
    pub duplicates: u64,
    /// Datagrams that were no messages.
    pub malformed: u64,
    /// Requests refused for their format, before the owner saw them.
    pub refused: u64,
    /// Resets that we sent, answers to pings included.
    pub resets: u64,
    /// Message ids forgotten before their time, because of a bound.
    pub forgotten: u64,
    /// Bodies in the making dropped, because of a bound or their age.
    pub abandoned_bodies: u64,
    /// Confirmable messages of ours that were never acknowledged.
    pub given_up: u64,
    /// Notifications whose further blocks could not be read.
    pub lost_notifications: u64,
    /// Messages not sent because their receiver has not proved its address, or answered by an Echo option
    /// instead.
    pub withheld: u64,
    /// Notifications that came faster than allowed and were dropped.
    pub notifications_dropped: u64,
    /// Messages of ours that did not fit into a datagram or into the driver's buffer.
    pub oversized: u64,
}

/// Counters of one peer, since it was last idle for longer than the exchange lifetime.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PeerStatistics {
    /// Repetitions of ours.
    pub retransmissions: u32,
    /// Copies of its messages that came in.
    pub duplicates: u32,
}

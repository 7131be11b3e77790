//! Counters of a socket.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a socket did so far. Written by its driver, read by anybody.
#[derive(Debug, Default)]
pub struct SocketStatistics {
    pub(crate) received: Counter,
    pub(crate) received_bytes: Counter,
    pub(crate) receive_calls: Counter,
    pub(crate) oversized: Counter,
    pub(crate) receive_errors: Counter,
    pub(crate) sent: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) send_calls: Counter,
    pub(crate) too_long: Counter,
    pub(crate) send_errors: Counter,
    pub(crate) blocked: Counter,
}

/// The counters of a socket at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SocketCounts {
    /// Datagrams handed to the machine.
    pub received: u64,
    /// Their payload in bytes.
    pub received_bytes: u64,
    /// System calls that brought datagrams.
    pub receive_calls: u64,
    /// Datagrams dropped because they are longer than [`DATAGRAM_LIMIT`](crate::DATAGRAM_LIMIT).
    pub oversized: u64,
    /// Failed receive calls; nothing is lost by them.
    pub receive_errors: u64,
    /// Datagrams given to the system.
    pub sent: u64,
    /// Their payload in bytes.
    pub sent_bytes: u64,
    /// System calls that took datagrams.
    pub send_calls: u64,
    /// Datagrams dropped because the way to their peer carries only shorter ones (EMSGSIZE).
    pub too_long: u64,
    /// Datagrams dropped for any other reason (no buffer, no route, not allowed).
    pub send_errors: u64,
    /// How often the send buffer was full and the shard waited for it.
    pub blocked: u64,
}

impl SocketStatistics {
    /// The counters now. Each is exact; together they may be one batch apart.
    pub fn counts(&self) -> SocketCounts {
        SocketCounts {
            received: self.received.value(),
            received_bytes: self.received_bytes.value(),
            receive_calls: self.receive_calls.value(),
            oversized: self.oversized.value(),
            receive_errors: self.receive_errors.value(),
            sent: self.sent.value(),
            sent_bytes: self.sent_bytes.value(),
            send_calls: self.send_calls.value(),
            too_long: self.too_long.value(),
            send_errors: self.send_errors.value(),
            blocked: self.blocked.value(),
        }
    }
}

/// A number that only grows. One thread writes it, so reading and writing need no order.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, number: usize) {
        // A plain load and store: there is one writer, and a locked instruction per batch would cost more.
        self.0.store(self.value() + number as u64, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

//! What an endpoint tells its owner.

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use machine::{SessionEnd, SessionId};

use crate::Suite;

/// A handshake that waits for [`crate::Endpoint::provide_key`]. Numbers are never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HandshakeId(pub u64);

/// What has happened.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// A client names its identity and waits for [`crate::Endpoint::provide_key`].
    KeyWanted {
        /// The handshake that waits.
        handshake: HandshakeId,
        /// The identity that the client claims, at most 128 bytes.
        identity: Vec<u8>,
    },
    /// A client's handshake failed after it had named an identity: something that its operator wants to know.
    Rejected {
        /// The identity that the client claimed; nothing proves it.
        identity: Vec<u8>,
        /// Where the client is.
        remote: SocketAddr,
        /// Why.
        cause: Rejection,
    },
    /// A handshake is finished; both sides have proved that they know the key.
    Up {
        /// The new session.
        session: SessionId,
        /// The identity whose key was proved.
        identity: Vec<u8>,
        /// Where the other side is.
        remote: SocketAddr,
        /// Whether we called.
        outgoing: bool,
        /// What protects the records.
        suite: Suite,
        /// Whether it continues an earlier session with fewer messages (the client still knows what it did then,
        /// so an LwM2M client is expected to Update and not to Register).
        resumed: bool,
    },
    /// A session's peer is at another address now: its newest record came from there with our connection id.
    /// Until it speaks again from there, at most three times as many bytes are sent to it as came from it.
    Moved {
        /// The session.
        session: SessionId,
        /// Where its peer is now.
        remote: SocketAddr,
    },
    /// One application record.
    Data {
        /// The session it came by.
        session: SessionId,
        /// What it carried.
        bytes: Vec<u8>,
    },
    /// A session has ended, or a call has failed.
    Down {
        /// The session; its number is never used again.
        session: SessionId,
        /// Why.
        end: SessionEnd,
    },
}

/// Why a handshake that had named an identity failed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rejection {
    /// No key belongs to the identity.
    UnknownIdentity,
    /// The client has another key than we.
    WrongKey,
    /// The key was not tried, since it was wrong too often lately (see [`crate::KeyTries`]).
    TooManyTries,
}

impl fmt::Debug for Event {
    /// Application bytes may be secrets of a device (keys travel in bootstrap): only their number is shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyWanted { handshake, identity } => formatter
                .debug_struct("KeyWanted")
                .field("handshake", handshake)
                .field("identity", &format_args!("{}", identity.escape_ascii()))
                .finish(),
            Self::Rejected { identity, remote, cause } => formatter
                .debug_struct("Rejected")
                .field("identity", &format_args!("{}", identity.escape_ascii()))
                .field("remote", remote)
                .field("cause", cause)
                .finish(),
            Self::Up { session, identity, remote, outgoing, suite, resumed } => formatter
                .debug_struct("Up")
                .field("session", session)
                .field("identity", &format_args!("{}", identity.escape_ascii()))
                .field("remote", remote)
                .field("outgoing", outgoing)
                .field("suite", suite)
                .field("resumed", resumed)
                .finish(),
            Self::Moved { session, remote } => {
                formatter.debug_struct("Moved").field("session", session).field("remote", remote).finish()
            }
            Self::Data { session, bytes } => formatter
                .debug_struct("Data")
                .field("session", session)
                .field("size_bytes", &bytes.len())
                .finish(),
            Self::Down { session, end } => {
                formatter.debug_struct("Down").field("session", session).field("end", end).finish()
            }
        }
    }
}

/// Why a record could not be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// The session has ended or is not up yet.
    #[error("the session is not up")]
    NotUp,
    /// A record carries at most 16,384 bytes (RFC 5246 section 6.2.1).
    #[error("{0} bytes do not fit into one record of 16384")]
    TooLong(usize),
    /// The caller's buffer is too small for the record.
    #[error("the record needs a buffer of {needed} bytes")]
    BufferTooSmall {
        /// How many bytes it must hold.
        needed: usize,
    },
    /// The peer has not proved yet that it receives at its new address, and has had its share of bytes there.
    #[error("the new address of the peer is not proved yet")]
    AddressUnproved,
    /// The session has used up its sequence numbers and has ended; a new handshake gives new ones.
    #[error("the session has used up its sequence numbers")]
    Exhausted,
}

/// What an endpoint has counted since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Statistics {
    /// Handshakes that were finished, of both roles.
    pub handshakes: u64,
    /// Those of them that resumed an earlier session.
    pub resumptions: u64,
    /// Sessions whose peer moved to another address.
    pub moves: u64,
    /// HelloVerifyRequests sent: first contacts.
    pub cookies: u64,
    /// Flights sent again, on a timeout or because the peer repeated its own.
    pub retransmissions: u64,
    /// Calls and verified clients given up, by cause.
    pub failures: Failures,
    /// Records that were not used, by cause.
    pub dropped: Dropped,
}

/// Handshakes that failed after the client had proved its address, or that we began.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Failures {
    /// Nothing more came within the time limit.
    pub timed_out: u64,
    /// The identity is unknown.
    pub unknown_identity: u64,
    /// The key is wrong.
    pub wrong_key: u64,
    /// The key was wrong too often lately.
    pub too_many_tries: u64,
    /// Suite, version or policy do not fit.
    pub no_agreement: u64,
    /// The peer broke the protocol.
    pub misbehaved: u64,
    /// The peer gave up with an alert.
    pub alert: u64,
    /// A newer handshake took the place.
    pub evicted: u64,
}

/// Records dropped without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Dropped {
    /// Not a record, or nothing that could be in one.
    pub malformed: u64,
    /// Of an epoch, type or state in which nothing of its kind is expected.
    pub unexpected: u64,
    /// Nobody at this address has a session or a handshake.
    pub stray: u64,
    /// The authentication failed.
    pub unauthentic: u64,
    /// Seen before, or too old to tell.
    pub replayed: u64,
    /// A queue of ours was full.
    pub overload: u64,
    /// Its source has had its share (see [`crate::Limits`]).
    pub limited: u64,
}

//! What a machine above DTLS sees of sessions.

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use zeroize::Zeroize;

use crate::{Instant, Link, Machine};

/// A machine above DTLS: sessions coming and going are inputs like datagrams.
pub trait SessionMachine: Machine<Peer = Link> {
    /// A session came up, failed to come up, or ended.
    fn handle_session(&mut self, event: SessionEvent<'_>, now: Instant);

    /// What the machine wants done with sessions.
    fn poll_session(&mut self) -> Option<SessionCommand> {
        None
    }
}

/// What happened to a session.
#[derive(Clone, Copy, Debug)]
pub enum SessionEvent<'a> {
    /// A handshake completed.
    Up {
        /// The new session.
        link: Link,
        /// The identity proved by the pre-shared key (RFC 4279 section 5.1).
        identity: &'a [u8],
        /// Where the other side is now; it may move.
        remote: SocketAddr,
        /// The request that opened it, when we did.
        request: Option<OpenRequest>,
        /// Whether it goes on with the keys of an earlier session, so that the other side may still know us.
        resumed: bool,
    },
    /// The other side of a session is at another address now. Its link goes on.
    Moved {
        /// The session.
        link: Link,
        /// Where the other side is.
        remote: SocketAddr,
    },
    /// A session ended; its link will never carry anything again.
    Down {
        /// The session that ended.
        link: Link,
        /// Why.
        end: SessionEnd,
    },
    /// A session that we wanted to open did not come up.
    Failed {
        /// The request that asked for it.
        request: OpenRequest,
        /// Why.
        end: SessionEnd,
    },
}

/// Why a session ended or did not come up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionEnd {
    /// The other side said goodbye (close_notify).
    ClosedByPeer,
    /// We closed it.
    ClosedHere,
    /// The other side sent a fatal alert with this description (RFC 5246 section 7.2).
    Alert(u8),
    /// The other side did not answer in time.
    TimedOut,
    /// The identity is unknown or the key is wrong; both look the same on purpose.
    NotAuthenticated,
    /// The same identity came with a new handshake from the same address.
    Replaced,
    /// A bound was reached and this session was the oldest.
    Evicted,
}

/// Names a wish to open a session, so that its result can be told apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OpenRequest(pub u32);

/// What a machine wants done with sessions.
#[derive(Debug)]
pub enum SessionCommand {
    /// Open a session to this address.
    Open {
        /// Names the wish.
        request: OpenRequest,
        /// Whom to call.
        remote: SocketAddr,
        /// Who we are.
        credential: Credential,
    },
    /// End a session.
    Close(Link),
}

/// An identity and its pre-shared key. The key is wiped when this is dropped and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The identity, sent in clear (RFC 4279 section 5.1).
    pub identity: Vec<u8>,
    /// The pre-shared key.
    pub key: Vec<u8>,
}

impl Drop for Credential {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credential").field("identity", &self.identity).field("key", &"***").finish()
    }
}

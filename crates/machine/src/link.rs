//! Whom a machine talks to: an address below DTLS, a link above it.

use core::net::SocketAddr;

/// Which of a driver's sockets a datagram used, counted from zero in the order they were given.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Socket(pub u8);

/// The two ends of a datagram's way: our socket and the address of the other side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Path {
    /// Our socket.
    pub socket: Socket,
    /// The address of the other side.
    pub remote: SocketAddr,
}

/// One DTLS session. Numbers are never used twice by one endpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(pub u64);

/// Whom a machine above DTLS talks to. A session keeps its link when its address changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Link {
    /// Plain UDP: the address is all there is.
    Open(Path),
    /// A DTLS session with a proved identity.
    Secured(SessionId),
}

impl Link {
    /// Whether what travels here is encrypted and its sender known.
    pub const fn is_secured(self) -> bool {
        matches!(self, Self::Secured(_))
    }
}

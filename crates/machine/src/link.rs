//! Whom a machine talks to: an address below DTLS, a link above it.

use core::hash::{Hash, Hasher};
use core::net::SocketAddr;

/// Which of a driver's sockets a datagram used, counted from zero in the order they were given.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Socket(pub u8);

/// The two ends of a datagram's way: our socket and the address of the other side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Path {
    /// Our socket.
    pub socket: Socket,
    /// The address of the other side.
    pub remote: SocketAddr,
}

/// In one number where it fits: each datagram is looked up several times.
impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ends = u64::from(self.socket.0) << 16 | u64::from(self.remote.port());
        match self.remote {
            SocketAddr::V4(remote) => state.write_u64(ends << 32 | u64::from(remote.ip().to_bits())),
            SocketAddr::V6(remote) => {
                let address = remote.ip().to_bits();
                state.write_u64(ends << 32 | u64::from(remote.scope_id()));
                state.write_u64((address >> 64) as u64);
                state.write_u64(address as u64);
            }
        }
    }
}

/// One DTLS session. Numbers are never used twice by one endpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(pub u64);

/// Whom a machine above DTLS talks to. A session keeps its link when its address changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Link {
    /// Plain UDP: the address is all there is.
    Open(Path),
    /// A DTLS session with a proved identity.
    Secured(SessionId),
}

/// A session may hash like an address: one each, so nobody can make use of it.
impl Hash for Link {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Open(path) => path.hash(state),
            Self::Secured(SessionId(number)) => state.write_u64(*number),
        }
    }
}

impl Link {
    /// Whether what travels here is encrypted and its sender known.
    pub const fn is_secured(self) -> bool {
        matches!(self, Self::Secured(_))
    }
}

//! What can name a peer.

use core::fmt::Debug;
use core::hash::Hash;
use core::net::{IpAddr, SocketAddr};

use machine::{Link, Path, SessionId};

/// What can name a peer: an address, a session, or what a test likes.
pub trait Peer: Copy + Ord + Hash + Debug {
    /// Whether the layer below has proved that the peer receives what is sent to it. If not,
    /// [`Config::amplification`](crate::Config::amplification) bounds how much it is sent.
    fn is_proved(&self) -> bool;
}

impl Peer for Link {
    fn is_proved(&self) -> bool {
        self.is_secured()
    }
}

macro_rules! peers {
    ($proved:literal: $($name:ty),*) => {
        $(impl Peer for $name {
            fn is_proved(&self) -> bool {
                $proved
            }
        })*
    };
}

// Anybody can write an address into a datagram.
peers!(false: Path, SocketAddr, IpAddr);
// Names that a layer below has given away itself.
peers!(true: SessionId, char, u8, u16, u32, u64, usize);

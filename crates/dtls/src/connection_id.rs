//! Connection ids (RFC 9146): a session is found by what its records say, wherever they come from.
//!
//! ```text
//! byte   0       1 - 2    3 - 5               6 - 7
//!        shard   node     place in the table  how often the place was used, lower 16 bits
//! ```
//! Nothing secret is in one: it is a name, and the record behind it must still be authentic.

use crate::wire::record;

/// Where the connection ids of an endpoint lead to; with it a server asks its clients to use them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionIds {
    /// The shard: the first byte, by which datagrams are steered.
    pub shard: u8,
    /// The node: bytes 1 and 2.
    pub node: u16,
}

/// A connection id that an endpoint of ours gave out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub [u8; ConnectionId::LENGTH]);

/// The places that fit into bytes 3 to 5.
const PLACES: u64 = 1 << 24;

impl ConnectionId {
    /// How many bytes each of ours has; the records do not say it.
    pub const LENGTH: usize = 8;

    /// The connection id of the first record in a datagram, if that is a record with one. Who serves several
    /// shards or nodes steers by it; nothing else about the datagram has been looked at.
    pub fn of_datagram(datagram: &[u8]) -> Option<Self> {
        record::peek_connection_id(datagram).map(Self)
    }

    /// The shard that it leads to.
    pub const fn shard(self) -> u8 {
        self.0[0]
    }

    /// The node that it leads to.
    pub const fn node(self) -> u16 {
        u16::from_be_bytes([self.0[1], self.0[2]])
    }

    /// For the session of this number; `None` where its place has no room in an id.
    pub(crate) fn new(ids: ConnectionIds, session: u64) -> Option<Self> {
        let (place, generation) = (session & u64::from(u32::MAX), session >> 32);
        if place >= PLACES {
            return None;
        }
        let [_, a, b, c] = (place as u32).to_be_bytes();
        let [high, low] = (generation as u16).to_be_bytes();
        let [node_high, node_low] = ids.node.to_be_bytes();
        Some(Self([ids.shard, node_high, node_low, a, b, c, high, low]))
    }

    /// Whether it leads to this endpoint.
    pub(crate) fn is_of(self, ids: ConnectionIds) -> bool {
        self.shard() == ids.shard && self.node() == ids.node
    }

    /// The place in the table, and the lower 16 bits of how often it was used.
    pub(crate) const fn place(self) -> (u32, u16) {
        let [_, _, _, a, b, c, high, low] = self.0;
        (u32::from_be_bytes([0, a, b, c]), u16::from_be_bytes([high, low]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: ConnectionIds = ConnectionIds { shard: 3, node: 0x0102 };

    #[test]
    fn says_shard_node_place_and_generation() {
        let id = ConnectionId::new(IDS, 0x0009_1234_00AB_CDEF).unwrap();
        assert_eq!(id.0, [3, 1, 2, 0xAB, 0xCD, 0xEF, 0x12, 0x34]);
        assert_eq!((id.shard(), id.node(), id.place()), (3, 0x0102, (0x00AB_CDEF, 0x1234)));
        assert!(id.is_of(IDS) && !id.is_of(ConnectionIds { node: 0x0103, ..IDS }));
    }

    #[test]
    fn place_beyond_three_bytes_gets_none() {
        assert!(ConnectionId::new(IDS, 0x00FF_FFFF).is_some());
        assert_eq!(ConnectionId::new(IDS, 0x0100_0000), None);
    }
}

//! Which shard a datagram reaches.

use std::num::NonZeroU8;

use libc::{BPF_ABS, BPF_B, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, sock_filter};

/// The content type of a DTLS record that carries a connection id (RFC 9146 section 4).
const RECORD_WITH_CONNECTION_ID: u32 = 25;
/// Where the connection id starts in such a record: after type, version, epoch and sequence number.
const CONNECTION_ID: u32 = 11;
/// `ret A` (linux/filter.h; `libc` lacks it).
const BPF_A: u32 = 0x10;
/// No socket of the group: the kernel then chooses by the addresses, as without a program.
const BY_ADDRESS: u32 = u32::MAX;

/// A program for the kernel (SO_ATTACH_REUSEPORT_CBPF, socket(7)): a record with a connection id goes to the
/// shard that the id names in its first byte, wherever it comes from; everything else, and an id that names
/// no shard, to the shard that the addresses give. The kernel shows it the payload of the datagram.
pub(crate) fn program(shards: NonZeroU8) -> [sock_filter; 6] {
    let shards = u32::from(shards.get());
    [
        statement(BPF_LD | BPF_B | BPF_ABS, 0),
        jump(BPF_JEQ, RECORD_WITH_CONNECTION_ID, 0, 3),
        statement(BPF_LD | BPF_B | BPF_ABS, CONNECTION_ID),
        jump(BPF_JGE, shards, 1, 0),
        statement(BPF_RET | BPF_A, 0),
        statement(BPF_RET | BPF_K, BY_ADDRESS),
    ]
}

fn statement(code: u32, operand: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k: operand }
}

/// Skips so many statements if the comparison with the accumulator holds, or if it does not.
fn jump(comparison: u32, operand: u32, if_true: u8, if_false: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | comparison | BPF_K) as u16, jt: if_true, jf: if_false, k: operand }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, UdpSocket};

    use crate::{BatchSocket, SocketOptions, bind};

    use super::*;

    const FOUR: NonZeroU8 = NonZeroU8::new(4).expect("four is not zero");

    fn four_shards() -> (Vec<BatchSocket>, SocketAddr) {
        let shards = bind(&[([127, 0, 0, 1], 0).into()], FOUR, SocketOptions::default());
        let sockets: Vec<_> = shards.expect("a port is free").into_iter().flatten().collect();
        let address = sockets[0].address();
        (sockets, address)
    }

    /// Sends each datagram from a port of its own and says which shards got it.
    fn reached(sockets: &[BatchSocket], to: SocketAddr, datagram: &[u8], times: usize) -> Vec<usize> {
        for _ in 0..times {
            let sender = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
            sender.send_to(datagram, to).expect("loopback takes it");
        }
        let count = |shard: &BatchSocket| {
            let mut buffer = [0; 64];
            std::iter::from_fn(|| shard.socket.recv(&mut buffer).ok()).count()
        };
        sockets.iter().map(count).collect()
    }

    #[test]
    fn a_connection_id_reaches_its_shard_from_any_address() {
        let (sockets, address) = four_shards();
        for shard in 0..4 {
            let mut record = [0; 40];
            record[0] = 25;
            record[11] = shard;
            let mut expected = vec![0; 4];
            expected[usize::from(shard)] = 16;
            assert_eq!(reached(&sockets, address, &record, 16), expected);
        }
    }

    #[test]
    fn everything_else_is_spread_by_address() {
        let (sockets, address) = four_shards();
        let mut foreign = [0; 40];
        (foreign[0], foreign[11]) = (25, 200);
        for datagram in [&[22, 0xfe, 0xfd][..], b"coap", &foreign] {
            let shards = reached(&sockets, address, datagram, 64);
            assert_eq!(shards.iter().sum::<usize>(), 64);
            assert!(shards.iter().filter(|count| **count > 0).count() > 1, "{shards:?}");
        }
    }
}

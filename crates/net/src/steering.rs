//! Which shard a datagram reaches.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU8;

use libc::{
    BPF_ABS, BPF_ALU, BPF_B, BPF_H, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_MISC, BPF_MOD, BPF_MUL,
    BPF_RET, BPF_RSH, BPF_TAX, BPF_W, BPF_X, BPF_XOR, SKF_NET_OFF, sock_filter,
};

/// The content type of a DTLS record that carries a connection id (RFC 9146 section 4).
const RECORD_WITH_CONNECTION_ID: u32 = 25;
/// Where the connection id starts in such a record: after type, version, epoch and sequence number.
const CONNECTION_ID: u32 = 11;
/// `ret A` (linux/filter.h; `libc` lacks it).
const BPF_A: u32 = 0x10;
/// Where the headers of the network begin; the payload of the datagram begins at zero.
const NETWORK: u32 = SKF_NET_OFF as u32;
/// An odd number without a pattern (2^32 divided by the golden ratio), so that neighbours are spread.
const SPREAD: u32 = 0x9E37_79B1;
/// The lower half of a product hardly depends on the upper half of what was multiplied.
const UPPER_HALF: u32 = 16;

/// The parts of a source address in the headers of a datagram, where there are no options or extensions.
struct Source {
    words: &'static [u32],
    port: u32,
}

/// RFC 791 section 3.1, RFC 768.
const IPV4: Source = Source { words: &[12], port: 20 };
/// RFC 8200 section 3, RFC 768.
const IPV6: Source = Source { words: &[8, 12, 16, 20], port: 40 };

/// The shard that gets what a peer sends without a connection id. It follows from nothing but the address
/// and the number of shards, so that whoever takes a registration up after a restart finds its shard. That
/// the rule is public lets a flood aim at one shard; each has limits of its own against that.
pub fn shard_of(peer: SocketAddr, shards: NonZeroU8) -> u8 {
    let mixed = match peer.ip() {
        IpAddr::V4(address) => u32::from(address),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            (bits >> 96) as u32 ^ (bits >> 64) as u32 ^ (bits >> 32) as u32 ^ bits as u32
        }
    };
    let mixed = (mixed ^ u32::from(peer.port())).wrapping_mul(SPREAD) >> UPPER_HALF;
    // The remainder is below the number of shards.
    (mixed % u32::from(shards.get())) as u8
}

/// A program for the kernel (SO_ATTACH_REUSEPORT_CBPF, socket(7)): a record with a connection id goes to the
/// shard that the id names in its first byte, wherever it comes from; everything else, and an id that names
/// no shard, to that of [`shard_of`].
pub(crate) fn program(shards: NonZeroU8, is_ipv6: bool) -> Vec<sock_filter> {
    let shards = u32::from(shards.get());
    let source = if is_ipv6 { IPV6 } else { IPV4 };
    let mut program = vec![
        statement(BPF_LD | BPF_B | BPF_ABS, 0),
        jump(BPF_JEQ, RECORD_WITH_CONNECTION_ID, 0, 3),
        statement(BPF_LD | BPF_B | BPF_ABS, CONNECTION_ID),
        jump(BPF_JGE, shards, 1, 0),
        statement(BPF_RET | BPF_A, 0),
        statement(BPF_LD | BPF_H | BPF_ABS, NETWORK.wrapping_add(source.port)),
    ];
    for word in source.words {
        program.push(statement(BPF_MISC | BPF_TAX, 0));
        program.push(statement(BPF_LD | BPF_W | BPF_ABS, NETWORK.wrapping_add(*word)));
        program.push(statement(BPF_ALU | BPF_XOR | BPF_X, 0));
    }
    program.push(statement(BPF_ALU | BPF_MUL | BPF_K, SPREAD));
    program.push(statement(BPF_ALU | BPF_RSH | BPF_K, UPPER_HALF));
    program.push(statement(BPF_ALU | BPF_MOD | BPF_K, shards));
    program.push(statement(BPF_RET | BPF_A, 0));
    program
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
    use std::net::UdpSocket;

    use crate::{BatchSocket, SocketOptions, bind};

    use super::*;

    const FOUR: NonZeroU8 = NonZeroU8::new(4).expect("four is not zero");

    fn four_shards(address: &str) -> (Vec<BatchSocket>, SocketAddr) {
        let address = address.parse().expect("it is one");
        let shards = bind(&[address], FOUR, SocketOptions::default());
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
        let (sockets, address) = four_shards("127.0.0.1:0");
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
        let (sockets, address) = four_shards("127.0.0.1:0");
        let mut foreign = [0; 40];
        (foreign[0], foreign[11]) = (25, 200);
        for datagram in [&[22, 0xfe, 0xfd][..], b"coap", &foreign] {
            let shards = reached(&sockets, address, datagram, 64);
            assert_eq!(shards.iter().sum::<usize>(), 64);
            assert!(shards.iter().all(|count| *count > 0), "{shards:?}");
        }
    }

    #[test]
    fn the_kernel_and_we_agree_where_an_address_leads() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let (sockets, address) = four_shards(any);
            for _ in 0..64 {
                let sender = UdpSocket::bind(any).expect("a port is free");
                sender.send_to(b"coap", address).expect("loopback takes it");
                let mut buffer = [0; 64];
                let got = sockets.iter().position(|shard| shard.socket.recv(&mut buffer).is_ok());
                let peer = sender.local_addr().expect("it is bound");
                assert_eq!(got, Some(usize::from(shard_of(peer, FOUR))), "{peer}");
            }
        }
    }
}

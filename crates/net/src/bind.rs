//! Sockets of shards.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroU8;
use std::os::fd::AsFd;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use crate::batch::attach_steering;
use crate::{SocketStatistics, steering};

/// A bound UDP socket that waits for its driver.
#[derive(Debug)]
pub struct BatchSocket {
    pub(crate) socket: UdpSocket,
    pub(crate) statistics: Arc<SocketStatistics>,
    address: SocketAddr,
}

impl BatchSocket {
    /// The address it is bound to, with the port that the system chose if it was asked to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its counters, which outlive it.
    pub fn statistics(&self) -> Arc<SocketStatistics> {
        Arc::clone(&self.statistics)
    }
}

/// Sizes of the system's buffers, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketOptions {
    /// Datagrams that wait for the shard.
    pub receive_buffer: usize,
    /// Datagrams that wait for the network card.
    pub send_buffer: usize,
}

impl Default for SocketOptions {
    /// 4 MiB each: about 5,000 small datagrams (the kernel counts some 800 bytes for each), what arrives
    /// in 50 ms at 100,000 a second. The system may grant less (`net.core.rmem_max`).
    fn default() -> Self {
        Self { receive_buffer: 4 << 20, send_buffer: 4 << 20 }
    }
}

/// Why an address could not be bound.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum BindError {
    /// Somebody else has it.
    #[error(
        "UDP {address} is in use by another program; stop that one (`ss -ulpn 'sport = :{}'` names it) \
         or configure another port",
        address.port()
    )]
    InUse {
        /// What was asked for.
        address: SocketAddr,
    },
    /// Ports below 1,024 are kept for the administrator.
    #[error("not allowed to bind UDP {address}; configure a port from 1024 on or grant CAP_NET_BIND_SERVICE")]
    NotPermitted {
        /// What was asked for.
        address: SocketAddr,
    },
    /// No interface has it.
    #[error("UDP {address} is not an address of this machine; configure one that `ip address` shows, or {} \
             for all of them", any(*address))]
    NotLocal {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The system does not speak this family.
    #[error("this machine has no {}; remove UDP {address} from the configuration or enable it", family(*address))]
    NoSuchFamily {
        /// What was asked for.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot bind UDP {address}; see the cause that the system gave")]
    Refused {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl BindError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::EADDRINUSE) => Self::InUse { address },
            Some(libc::EACCES | libc::EPERM) => Self::NotPermitted { address },
            Some(libc::EADDRNOTAVAIL) => Self::NotLocal { address },
            Some(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT) => Self::NoSuchFamily { address },
            _ => Self::Refused { address, source },
        }
    }
}

fn any(address: SocketAddr) -> &'static str {
    if address.is_ipv4() { "0.0.0.0" } else { "[::]" }
}

fn family(address: SocketAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// Binds every address once per shard: the result has one list per shard, in the order of `addresses`.
///
/// A DTLS record with a connection id reaches the shard that the first byte of the id names. The rest of the
/// peers of a port are spread over the shards by address ([`shard_of`](crate::shard_of)), so all datagrams of
/// one peer reach the same shard for as long as the peer keeps its address. Port 0 lets the system choose a free port,
/// the same one for all shards. An IPv6 address serves IPv6 only; for both families give both addresses.
///
/// # Errors
/// An address that is in use is noticed even if its user would share it.
pub fn bind(
    addresses: &[SocketAddr],
    shards: NonZeroU8,
    options: SocketOptions,
) -> Result<Vec<Vec<BatchSocket>>, BindError> {
    let mut sockets: Vec<Vec<BatchSocket>> = (0..shards.get()).map(|_| Vec::new()).collect();
    for &address in addresses {
        let of_address =
            bind_shared(address, shards, options).map_err(|source| BindError::new(address, source))?;
        for (shard, socket) in sockets.iter_mut().zip(of_address) {
            shard.push(socket);
        }
    }
    Ok(sockets)
}

fn bind_shared(
    address: SocketAddr,
    shards: NonZeroU8,
    options: SocketOptions,
) -> io::Result<Vec<BatchSocket>> {
    // Bound without SO_REUSEPORT, so this fails if anybody has the port, sharing or not. Sharing is
    // switched on afterwards on the same socket: nobody can slip in between a probe and the real thing.
    let probe = open(address, options)?;
    probe.bind(&address.into())?;
    let address = probe.local_addr()?.as_socket().unwrap_or(address);
    let mut sockets = Vec::with_capacity(usize::from(shards.get()));
    if shards.get() > 1 {
        probe.set_reuse_port(true)?;
    }
    sockets.push(batch(probe, address));
    for _ in 1..shards.get() {
        let socket = open(address, options)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        sockets.push(batch(socket, address));
    }
    if let [first, _, ..] = &sockets[..] {
        steer(first, &mut steering::program(shards, address.is_ipv6()));
    }
    Ok(sockets)
}

/// Where the system has no such programs the server works all the same: a device that reaches another shard,
/// since it has another address or the server has started anew, then needs a new handshake.
fn steer(first: &BatchSocket, program: &mut [libc::sock_filter]) {
    if let Err(error) = attach_steering(first.socket.as_fd(), program) {
        let address = first.address;
        tracing::warn!(%address, %error, "the system does not let us choose shards: devices that get another \
                        address need new handshakes, and so do many after a restart");
    }
}

fn open(address: SocketAddr, options: SocketOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(options.receive_buffer)?;
    socket.set_send_buffer_size(options.send_buffer)?;
    Ok(socket)
}

fn batch(socket: Socket, address: SocketAddr) -> BatchSocket {
    BatchSocket { socket: socket.into(), statistics: Arc::default(), address }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: NonZeroU8 = NonZeroU8::new(2).expect("two is not zero");

    fn loopback(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn shards_share_the_port_that_the_system_chose() {
        let addresses = [loopback(0), "[::1]:0".parse().expect("a valid address")];
        let shards = bind(&addresses, TWO, SocketOptions::default()).expect("ports are free");
        assert_eq!(shards.len(), 2);
        for (one, two) in shards[0].iter().zip(&shards[1]) {
            assert_ne!(one.address().port(), 0);
            assert_eq!(one.address(), two.address());
        }
        assert!(shards[0][0].address().is_ipv4() && shards[0][1].address().is_ipv6());
    }

    #[test]
    fn datagrams_are_spread_over_the_shards() {
        let shards = bind(&[loopback(0)], TWO, SocketOptions::default()).expect("a port is free");
        let target = shards[0][0].address();
        for _ in 0..64 {
            let client = UdpSocket::bind(loopback(0)).expect("a port is free");
            client.send_to(b"x", target).expect("loopback takes it");
        }
        let waiting = |shard: &[BatchSocket]| {
            let mut buffer = [0; 8];
            std::iter::from_fn(|| shard[0].socket.recv_from(&mut buffer).ok()).count()
        };
        let (one, two) = (waiting(&shards[0]), waiting(&shards[1]));
        assert_eq!(one + two, 64);
        assert!(one > 0 && two > 0, "one shard got everything: {one} and {two}");
    }

    #[test]
    fn a_program_that_the_system_refuses_leaves_the_shards_without() {
        let shards = bind(&[loopback(0)], TWO, SocketOptions::default()).expect("a port is free");
        let mut jumps_outside = [libc::sock_filter { code: 5, jt: 0, jf: 0, k: 1_000 }];
        assert!(attach_steering(shards[0][0].socket.as_fd(), &mut jumps_outside).is_err());
        steer(&shards[0][0], &mut jumps_outside);
        let client = UdpSocket::bind(loopback(0)).expect("a port is free");
        client.send_to(b"x", shards[0][0].address()).expect("loopback takes it");
        let came = shards.iter().filter(|shard| shard[0].socket.recv_from(&mut [0; 8]).is_ok()).count();
        assert_eq!(came, 1);
    }

    #[test]
    fn a_port_in_use_is_noticed_even_if_its_user_shares_it() {
        let first = bind(&[loopback(0)], TWO, SocketOptions::default()).expect("a port is free");
        let address = first[0][0].address();
        let error = bind(&[address], TWO, SocketOptions::default()).expect_err("it is in use");
        assert!(matches!(error, BindError::InUse { address: named } if named == address));
        let text = error.to_string();
        assert!(text.contains(&address.to_string()) && text.contains("another port"), "{text}");
    }

    #[test]
    fn an_address_of_another_machine_is_named_with_a_remedy() {
        let address: SocketAddr = "192.0.2.1:5683".parse().expect("a valid address");
        let error = bind(&[address], TWO, SocketOptions::default()).expect_err("nobody here has it");
        assert!(matches!(error, BindError::NotLocal { .. }));
        assert!(error.to_string().contains("0.0.0.0"), "{error}");
    }
}

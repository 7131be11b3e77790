//! Many datagrams per system call. The only unsafe code of this crate.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Datagrams per system call: beyond 32 the saving per datagram is lost in noise, and the first of a batch
/// would wait longer for its answer.
pub const BATCH: usize = 32;

/// The longest datagram that is received or sent, in bytes. What crosses the Internet unfragmented is at
/// most 1,472; the rest is room for local links.
pub const DATAGRAM_LIMIT: usize = 2_048;

pub(crate) type Datagram = [u8; DATAGRAM_LIMIT];

/// A socket address as the kernel writes it, for both families.
///
/// `sockaddr_in` is shorter than `sockaddr_in6`, and has its address where the other has its flow label,
/// so this one type can hold both.
#[derive(Clone, Copy)]
struct Name(libc::sockaddr_in6);

const IPV4_NAME: libc::socklen_t = size_of::<libc::sockaddr_in>() as libc::socklen_t;
const IPV6_NAME: libc::socklen_t = size_of::<libc::sockaddr_in6>() as libc::socklen_t;

/// Gives the kernel a program that chooses the socket for each datagram of a SO_REUSEPORT group.
pub(crate) fn attach_steering(socket: BorrowedFd<'_>, program: &mut [libc::sock_filter]) -> io::Result<()> {
    let length = program.len() as libc::c_ushort;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    #[expect(unsafe_code, reason = "no safe wrapper of this option exists in the crates that we use")]
    // SAFETY: the kernel copies `program` and the statements that it points to, both alive here, and writes
    // to neither.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            ptr::from_ref(&program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl Name {
    const EMPTY: Self = Self(libc::sockaddr_in6 {
        sin6_family: libc::AF_UNSPEC as libc::sa_family_t,
        sin6_port: 0,
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
        sin6_scope_id: 0,
    });

    fn new(address: SocketAddr) -> (Self, libc::socklen_t) {
        let mut name = Self::EMPTY.0;
        name.sin6_port = address.port().to_be();
        match address {
            SocketAddr::V4(v4) => {
                name.sin6_family = libc::AF_INET as libc::sa_family_t;
                name.sin6_flowinfo = u32::from_ne_bytes(v4.ip().octets());
                (Self(name), IPV4_NAME)
            }
            SocketAddr::V6(v6) => {
                name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                name.sin6_addr.s6_addr = v6.ip().octets();
                name.sin6_scope_id = v6.scope_id();
                (Self(name), IPV6_NAME)
            }
        }
    }

    /// The flow label is left out: it is not part of who the peer is.
    fn address(&self) -> Option<SocketAddr> {
        let port = u16::from_be(self.0.sin6_port);
        match i32::from(self.0.sin6_family) {
            libc::AF_INET => {
                let ip = Ipv4Addr::from(self.0.sin6_flowinfo.to_ne_bytes());
                Some(SocketAddrV4::new(ip, port).into())
            }
            libc::AF_INET6 => {
                let ip = Ipv6Addr::from(self.0.sin6_addr.s6_addr);
                Some(SocketAddrV6::new(ip, port, 0, self.0.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

/// The datagrams of one receive call.
pub(crate) struct Inbox {
    buffers: Box<[Datagram; BATCH]>,
    names: [Name; BATCH],
    lengths: [usize; BATCH],
    truncated: [bool; BATCH],
    received: usize,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            buffers: Box::new([[0; DATAGRAM_LIMIT]; BATCH]),
            names: [Name::EMPTY; BATCH],
            lengths: [0; BATCH],
            truncated: [false; BATCH],
            received: 0,
        }
    }

    /// Takes what is waiting, at most [`BATCH`] datagrams, and says how many. Never blocks.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.received = 0;
        let mut vectors = [NO_VECTOR; BATCH];
        let mut headers = empty_headers();
        for (slot, header) in headers.iter_mut().enumerate() {
            vectors[slot].iov_base = self.buffers[slot].as_mut_ptr().cast();
            vectors[slot].iov_len = DATAGRAM_LIMIT;
            header.msg_hdr.msg_iov = &raw mut vectors[slot];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = (&raw mut self.names[slot].0).cast();
            header.msg_hdr.msg_namelen = IPV6_NAME;
        }
        #[expect(unsafe_code, reason = "no safe wrapper of recvmmsg exists in the crates that we use")]
        // SAFETY: every header points at one vector, every vector at DATAGRAM_LIMIT bytes of its own, every
        // name at IPV6_NAME bytes of its own; all of them live and are not touched until the call returns.
        // The descriptor is borrowed, so it is open. A null timeout is allowed.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        self.received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (slot, header) in headers[..self.received].iter().enumerate() {
            self.lengths[slot] = (header.msg_len as usize).min(DATAGRAM_LIMIT);
            self.truncated[slot] = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        }
        Ok(self.received)
    }

    /// What came in, in order of arrival. `None` stands for a datagram that did not fit.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = Option<(SocketAddr, &[u8])>> {
        (0..self.received).map(|slot| {
            let address = self.names[slot].address().filter(|_| !self.truncated[slot])?;
            Some((address, &self.buffers[slot][..self.lengths[slot]]))
        })
    }
}

/// Datagrams of one socket that wait for the next send call.
pub(crate) struct Outbox {
    #[expect(clippy::vec_box, reason = "a datagram is queued by exchanging its box, not its bytes")]
    buffers: Vec<Box<Datagram>>,
    names: [(Name, libc::socklen_t); BATCH],
    lengths: [usize; BATCH],
    first: usize,
    end: usize,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            buffers: (0..BATCH).map(|_| Box::new([0; DATAGRAM_LIMIT])).collect(),
            names: [(Name::EMPTY, 0); BATCH],
            lengths: [0; BATCH],
            first: 0,
            end: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first == self.end
    }

    pub(crate) fn is_full(&self) -> bool {
        self.end == BATCH
    }

    /// Queues the first `length` bytes of `datagram` without copying: the buffers change places.
    ///
    /// The caller has looked that the outbox is not full.
    pub(crate) fn push(&mut self, to: SocketAddr, length: usize, datagram: &mut Box<Datagram>) {
        debug_assert!(!self.is_full() && length <= DATAGRAM_LIMIT);
        std::mem::swap(&mut self.buffers[self.end], datagram);
        self.names[self.end] = Name::new(to);
        self.lengths[self.end] = length.min(DATAGRAM_LIMIT);
        self.end += 1;
    }

    /// Gives the system as much as it takes in one call and says how many datagrams and bytes that was.
    /// An error is about the first datagram, the others have not been looked at. Never blocks.
    pub(crate) fn send(&mut self, socket: BorrowedFd<'_>) -> io::Result<(usize, usize)> {
        let waiting = self.end - self.first;
        let mut vectors = [NO_VECTOR; BATCH];
        let mut headers = empty_headers();
        for (index, header) in headers[..waiting].iter_mut().enumerate() {
            let slot = self.first + index;
            vectors[index].iov_base = self.buffers[slot].as_mut_ptr().cast();
            vectors[index].iov_len = self.lengths[slot];
            header.msg_hdr.msg_iov = &raw mut vectors[index];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = (&raw mut self.names[slot].0.0).cast();
            header.msg_hdr.msg_namelen = self.names[slot].1;
        }
        #[expect(unsafe_code, reason = "no safe wrapper of sendmmsg exists in the crates that we use")]
        // SAFETY: the first `waiting` headers point at one vector each, every vector at `lengths` (at most
        // DATAGRAM_LIMIT) bytes of its own, every name at its length (at most IPV6_NAME) of bytes; all of
        // them live until the call returns. The descriptor is borrowed, so it is open.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                waiting as libc::c_uint,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        };
        let sent = usize::try_from(sent).map_err(|_| io::Error::last_os_error())?;
        let bytes = self.lengths[self.first..self.first + sent].iter().sum();
        self.advance(sent);
        Ok((sent, bytes))
    }

    /// Gives up on the first datagram.
    pub(crate) fn skip(&mut self) {
        self.advance(1);
    }

    fn advance(&mut self, number: usize) {
        self.first = (self.first + number).min(self.end);
        if self.is_empty() {
            (self.first, self.end) = (0, 0);
        }
    }
}

const NO_VECTOR: libc::iovec = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };

fn empty_headers() -> [libc::mmsghdr; BATCH] {
    #[expect(unsafe_code, reason = "mmsghdr has private padding on some systems, so it has no literal")]
    // SAFETY: mmsghdr consists of integers and raw pointers, for which all bits zero is a value.
    unsafe {
        zeroed()
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    fn pair(address: &str) -> (UdpSocket, UdpSocket) {
        let bind = || UdpSocket::bind(address).expect("loopback has free ports");
        (bind(), bind())
    }

    #[test]
    fn addresses_survive_the_way_to_the_kernel_and_back() {
        for text in ["192.0.2.7:5683", "[2001:db8::1]:5684", "[fe80::1%3]:1"] {
            let address: SocketAddr = text.parse().expect("a valid address");
            assert_eq!(Name::new(address).0.address(), Some(address));
        }
        assert_eq!(Name::EMPTY.address(), None);
    }

    #[test]
    fn a_batch_arrives_as_it_was_sent() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (from, to) = pair(address);
            let target = to.local_addr().expect("it is bound");
            let mut outbox = Outbox::new();
            let mut spare = Box::new([0; DATAGRAM_LIMIT]);
            for number in 0..BATCH {
                spare[..=number].fill(number as u8);
                outbox.push(target, number + 1, &mut spare);
            }
            assert!(outbox.is_full());
            while !outbox.is_empty() {
                outbox.send(from.as_fd()).expect("loopback takes a batch");
            }
            let mut inbox = Inbox::new();
            assert_eq!(inbox.receive(to.as_fd()).expect("it is there"), BATCH);
            for (number, datagram) in inbox.datagrams().enumerate() {
                let (sender, bytes) = datagram.expect("nothing was too long");
                assert_eq!(sender, from.local_addr().expect("it is bound"));
                assert_eq!(bytes, vec![number as u8; number + 1]);
            }
            let empty = inbox.receive(to.as_fd()).expect_err("nothing is left");
            assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
            assert_eq!(inbox.datagrams().count(), 0);
        }
    }

    #[test]
    fn an_oversized_datagram_is_marked_and_the_next_one_is_whole() {
        let (from, to) = pair("127.0.0.1:0");
        let target = to.local_addr().expect("it is bound");
        from.send_to(&[1; DATAGRAM_LIMIT + 1], target).expect("loopback takes it");
        from.send_to(b"next", target).expect("loopback takes it");
        let mut inbox = Inbox::new();
        assert_eq!(inbox.receive(to.as_fd()).expect("both are there"), 2);
        let lengths: Vec<_> = inbox.datagrams().map(|item| item.map(|(_, bytes)| bytes.len())).collect();
        assert_eq!(lengths, [None, Some(4)]);
    }

    #[test]
    fn a_refused_datagram_is_skipped_and_the_rest_goes_on() {
        let (from, to) = pair("127.0.0.1:0");
        let mut outbox = Outbox::new();
        let mut spare = Box::new([0; DATAGRAM_LIMIT]);
        // An IPv6 name on an IPv4 socket is refused by the system.
        outbox.push("[2001:db8::1]:9".parse().expect("a valid address"), 1, &mut spare);
        outbox.push(to.local_addr().expect("it is bound"), 1, &mut spare);
        assert!(outbox.send(from.as_fd()).is_err());
        outbox.skip();
        assert_eq!(outbox.send(from.as_fd()).expect("the second one goes"), (1, 1));
        assert!(outbox.is_empty());
    }
}

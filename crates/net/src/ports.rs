//! The sockets of one shard under its runtime.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use machine::{Path, Socket};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::batch::{BATCH, DATAGRAM_LIMIT, Datagram, Inbox, Outbox};
use crate::{BatchSocket, SocketStatistics};

/// All sockets of a shard, the datagrams that came in last, and those that wait to go out.
pub(crate) struct Ports {
    ports: Vec<Port>,
    /// Taken out while it is delivered.
    inbox: Option<Box<Inbox>>,
    /// Which port the inbox was filled from, until it is delivered.
    filled: Option<usize>,
    /// Where the machine writes its next datagram.
    spare: Box<Datagram>,
    /// The port that is looked at first next time.
    next: usize,
}

struct Port {
    socket: UdpSocket,
    outbox: Outbox,
    statistics: Arc<SocketStatistics>,
}

impl Ports {
    /// Must be called inside a runtime.
    pub(crate) fn register(sockets: Vec<BatchSocket>) -> io::Result<Self> {
        let register = |BatchSocket { socket, statistics, .. }| {
            Ok(Port { socket: UdpSocket::from_std(socket)?, outbox: Outbox::new(), statistics })
        };
        Ok(Self {
            ports: sockets.into_iter().map(register).collect::<io::Result<_>>()?,
            inbox: Some(Box::new(Inbox::new())),
            filled: None,
            spare: Box::new([0; DATAGRAM_LIMIT]),
            next: 0,
        })
    }

    /// The buffer for the next datagram.
    pub(crate) fn buffer(&mut self) -> &mut [u8] {
        &mut *self.spare
    }

    /// Whether every socket can take another datagram.
    pub(crate) fn has_room(&self) -> bool {
        self.ports.iter().all(|port| !port.outbox.is_full())
    }

    /// Queues what was written into [`Ports::buffer`], and sends when the batch is full.
    pub(crate) fn push(&mut self, path: Path, length: usize) {
        let Some(port) = self.ports.get_mut(usize::from(path.socket.0)) else {
            tracing::error!(socket = path.socket.0, "a machine sends on a socket that it was not given");
            return;
        };
        port.outbox.push(path.remote, length, &mut self.spare);
        if port.outbox.is_full() {
            port.flush();
        }
    }

    /// Sends what is queued, as far as the system takes it.
    pub(crate) fn flush(&mut self) {
        self.ports.iter_mut().for_each(Port::flush);
    }

    /// Ready when there is something to deliver or a socket that was blocked took more. While one is
    /// blocked nothing is received: the answers would have no way out.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(blocked) = self.ports.iter_mut().find(|port| !port.outbox.is_empty()) {
            return blocked.poll_send(context);
        }
        let Some(inbox) = &mut self.inbox else { return Poll::Pending };
        for step in 0..self.ports.len() {
            let index = (self.next + step) % self.ports.len();
            if self.ports[index].poll_receive(context, inbox).is_ready() {
                self.next = (index + 1) % self.ports.len();
                self.filled = Some(index);
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// Hands out what came in.
    pub(crate) fn deliver(&mut self, mut take: impl FnMut(&mut Self, Path, &[u8])) {
        let Some(index) = self.filled.take() else { return };
        let Some(inbox) = self.inbox.take() else { return };
        let (mut datagrams, mut bytes, mut oversized) = (0, 0, 0);
        for datagram in inbox.datagrams() {
            let Some((remote, content)) = datagram else {
                oversized += 1;
                continue;
            };
            datagrams += 1;
            bytes += content.len();
            take(self, Path { socket: Socket(index as u8), remote }, content);
        }
        self.inbox = Some(inbox);
        let statistics = &self.ports[index].statistics;
        statistics.received.add(datagrams);
        statistics.received_bytes.add(bytes);
        statistics.oversized.add(oversized);
        statistics.receive_calls.add(1);
    }
}

/// Receive errors in a row after which the other sockets and the timers have their turn.
const ERRORS_IN_A_ROW: usize = 4;

impl Port {
    fn poll_receive(&self, context: &mut Context<'_>, inbox: &mut Inbox) -> Poll<()> {
        let mut errors = 0;
        loop {
            // An error means that the runtime is shutting down: nothing will come any more.
            let Ok(()) = ready!(self.socket.poll_recv_ready(context)) else { return Poll::Pending };
            let mut received = 0;
            let outcome = self.socket.try_io(Interest::READABLE, || {
                received = inbox.receive(self.socket.as_fd())?;
                // A short batch emptied the queue. Saying so makes the runtime wait for the next edge, which
                // saves a call that would come back empty.
                if received < BATCH { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            if received > 0 {
                return Poll::Ready(());
            }
            let Err(error) = outcome else { continue };
            if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) {
                // ICMP errors of earlier datagrams end here; reporting them clears them.
                self.statistics.receive_errors.add(1);
                tracing::debug!(%error, "receiving failed");
                errors += 1;
                if errors >= ERRORS_IN_A_ROW {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
    }

    /// Sends what is queued until it is gone or the system takes no more.
    fn flush(&mut self) {
        while !self.outbox.is_empty() && self.send().is_ready() {}
    }

    /// Waits until the system takes some of what is queued.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let Ok(()) = ready!(self.socket.poll_send_ready(context)) else { return Poll::Pending };
            // Tried under the runtime's eyes, so that a full buffer makes it wait for the next edge.
            let outcome = self.socket.try_io(Interest::WRITABLE, || {
                match send(&mut self.outbox, self.socket.as_fd(), &self.statistics) {
                    Poll::Ready(()) => Ok(()),
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                }
            });
            if outcome.is_ok() {
                return Poll::Ready(());
            }
        }
    }

    fn send(&mut self) -> Poll<()> {
        let sent = send(&mut self.outbox, self.socket.as_fd(), &self.statistics);
        if sent.is_pending() {
            self.statistics.blocked.add(1);
        }
        sent
    }
}

/// One send call. Pending means that the send buffer is full; anything else makes progress.
fn send(outbox: &mut Outbox, socket: BorrowedFd<'_>, statistics: &SocketStatistics) -> Poll<()> {
    match outbox.send(socket) {
        Ok((datagrams, bytes)) => {
            statistics.sent.add(datagrams);
            statistics.sent_bytes.add(bytes);
            statistics.send_calls.add(1);
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => {
            // The first datagram cannot go (too long for its way, no buffer, no route): to its machine that
            // is a datagram lost in the network, and the ones behind it are not to suffer.
            let counter = match error.raw_os_error() {
                Some(libc::EMSGSIZE) => &statistics.too_long,
                _ => &statistics.send_errors,
            };
            counter.add(1);
            tracing::debug!(%error, "a datagram could not be sent");
            outbox.skip();
        }
    }
    Poll::Ready(())
}

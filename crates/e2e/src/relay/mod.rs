//! A UDP relay between modules and a server.
//!
//! ```text
//! module ──► front ──┐                ┌──► upstream of that module ──► server
//!                    ├─► one thread ──┤        (a reader thread each way)
//! module ◄── front ◄─┘                └──◄ upstream of that module ◄── server
//! ```
//! All decisions are made by one thread in order of arrival, so one seed means one course of fates.

mod capture;
mod fate;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use capture::Capture;
pub use fate::{Conditions, Counts, Traffic};
use fate::{Direction, Fates};

use crate::process::now;

/// The longest datagram that UDP can carry.
const LONGEST: usize = 65_535;

/// A running relay. Dropping it stops it.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    orders: Sender<Message>,
    traffic: Arc<Mutex<Traffic>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

enum Message {
    /// A module sent this.
    Up {
        module: SocketAddr,
        bytes: Vec<u8>,
    },
    /// The server sent this to a module, through the upstream socket of this number.
    Down {
        module: SocketAddr,
        upstream: u64,
        bytes: Vec<u8>,
    },
    Conditions(Conditions),
    Blackout(bool),
    Rebind,
    Flush(Sender<()>),
    Stop,
}

impl Relay {
    /// Relays between whoever sends to [`Relay::address`] and `server`. What gets through is written to
    /// `capture`, under the addresses that module and server really have.
    ///
    /// # Errors
    /// No port is free, or the file cannot be made.
    pub fn start(
        server: SocketAddr,
        conditions: Conditions,
        seed: u64,
        capture: Option<&Path>,
    ) -> io::Result<Self> {
        let front = UdpSocket::bind((server.ip(), 0))?;
        let address = front.local_addr()?;
        let capture = capture.map(Capture::create).transpose()?;
        let (orders, messages) = mpsc::channel();
        let traffic = Arc::new(Mutex::new(Traffic::default()));
        let core = Core {
            server,
            front: Reader::start(front, orders.clone(), |module, bytes| Some(Message::Up { module, bytes }))?,
            orders: orders.clone(),
            upstreams: BTreeMap::new(),
            next_upstream: 0,
            fates: Fates::new(conditions, seed),
            waiting: BTreeMap::new(),
            sequence: 0,
            capture,
            started: now(),
            traffic: Arc::clone(&traffic),
        };
        let thread = std::thread::spawn(move || core.run(&messages));
        Ok(Self { address, orders, traffic, thread: Some(thread) })
    }

    /// Where modules send to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the network is like this.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.order(Message::Conditions(conditions));
    }

    /// Nothing gets through in either direction until `over`.
    pub fn start_blackout(&self) {
        self.order(Message::Blackout(true));
    }

    /// Ends [`Relay::start_blackout`].
    pub fn end_blackout(&self) {
        self.order(Message::Blackout(false));
    }

    /// Gives every module another port towards the server, as a NAT does that has forgotten them. What the
    /// server sends to the old port is lost.
    pub fn rebind(&self) {
        self.order(Message::Rebind);
    }

    /// What has happened to datagrams so far.
    pub fn traffic(&self) -> Traffic {
        *self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the capture out as far as it is, for a look at it while the relay runs.
    pub fn flush_capture(&self) {
        let (done, wait) = mpsc::channel();
        self.order(Message::Flush(done));
        // An error means that the relay has ended; its capture is written then.
        let _ = wait.recv();
    }

    /// Stops it, what is delayed is dropped. The capture is complete now.
    ///
    /// # Errors
    /// The capture could not be written.
    pub fn finish(mut self) -> io::Result<Traffic> {
        self.stop()?;
        Ok(self.traffic())
    }

    fn order(&self, message: Message) {
        // Nobody listens only after a fault that `finish` reports.
        drop(self.orders.send(message));
    }

    fn stop(&mut self) -> io::Result<()> {
        self.order(Message::Stop);
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the relay panicked")))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Whoever wants to know calls `finish`.
        drop(self.stop());
    }
}

/// A socket whose datagrams a thread turns into messages.
struct Reader {
    socket: UdpSocket,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn start(
        socket: UdpSocket,
        messages: Sender<Message>,
        make: impl Fn(SocketAddr, Vec<u8>) -> Option<Message> + Send + 'static,
    ) -> io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        let (reading, stop) = (socket.try_clone()?, Arc::clone(&stopping));
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; LONGEST];
            while !stop.load(Ordering::Acquire) {
                // Errors are ICMP reports about datagrams sent earlier: a server that is being restarted.
                let Ok((length, from)) = reading.recv_from(&mut buffer) else { continue };
                let message = make(from, buffer[..length].to_vec());
                if message.is_some_and(|message| messages.send(message).is_err()) {
                    return;
                }
            }
        });
        Ok(Self { socket, stopping, thread: Some(thread) })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        // Wakes the thread out of its blocking call.
        let woken = self.socket.local_addr().and_then(|own| self.socket.send_to(&[], own));
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            drop(thread.join());
        }
    }
}

struct Upstream {
    number: u64,
    reader: Reader,
}

/// A datagram that is on its way.
struct Delayed {
    direction: Direction,
    module: SocketAddr,
    bytes: Vec<u8>,
}

struct Core {
    server: SocketAddr,
    front: Reader,
    orders: Sender<Message>,
    upstreams: BTreeMap<SocketAddr, Upstream>,
    next_upstream: u64,
    fates: Fates,
    waiting: BTreeMap<(Instant, u64), Delayed>,
    sequence: u64,
    capture: Option<Capture>,
    started: Instant,
    traffic: Arc<Mutex<Traffic>>,
}

impl Core {
    fn run(mut self, messages: &Receiver<Message>) -> io::Result<()> {
        loop {
            let due = self.waiting.first_key_value().map(|((at, _), _)| at.saturating_duration_since(now()));
            let message = match due {
                Some(Duration::ZERO) => {
                    self.deliver_first()?;
                    continue;
                }
                Some(wait) => messages.recv_timeout(wait),
                None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match message {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(message) => self.handle(message)?,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        self.capture.as_mut().map_or(Ok(()), Capture::flush)
    }

    fn handle(&mut self, message: Message) -> io::Result<()> {
        match message {
            Message::Up { module, bytes } => self.decide(Direction::Up, module, bytes),
            Message::Down { module, upstream, bytes } => {
                let current = self.upstreams.get(&module).is_some_and(|known| known.number == upstream);
                if current {
                    self.decide(Direction::Down, module, bytes);
                }
            }
            Message::Conditions(conditions) => self.fates.conditions = conditions,
            Message::Blackout(blackout) => self.fates.blackout = blackout,
            Message::Rebind => self.upstreams.clear(),
            Message::Flush(done) => {
                self.capture.as_mut().map_or(Ok(()), Capture::flush)?;
                // The asker may have given up.
                let _ = done.send(());
            }
            Message::Stop => {}
        }
        Ok(())
    }

    fn decide(&mut self, direction: Direction, module: SocketAddr, bytes: Vec<u8>) {
        let mut traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        let delays = self.fates.decide(traffic.of(direction));
        drop(traffic);
        for delay in delays.into_iter().flatten() {
            self.sequence += 1;
            let delayed = Delayed { direction, module, bytes: bytes.clone() };
            self.waiting.insert((now() + delay, self.sequence), delayed);
        }
    }

    fn deliver_first(&mut self) -> io::Result<()> {
        let Some((_, Delayed { direction, module, bytes })) = self.waiting.pop_first() else { return Ok(()) };
        let (from, to) = match direction {
            Direction::Up => (module, self.server),
            Direction::Down => (self.server, module),
        };
        // Counted and captured before it is sent, so that whoever sees its effect finds it there. A send
        // that fails is a loss of the real network.
        let mut traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = traffic.of(direction);
        counts.delivered += 1;
        counts.delivered_bytes += bytes.len() as u64;
        drop(traffic);
        if let Some(capture) = &mut self.capture {
            capture.write(now().saturating_duration_since(self.started), from, to, &bytes)?;
        }
        let socket = match direction {
            Direction::Up => self.upstream(module)?,
            Direction::Down => &self.front.socket,
        };
        drop(socket.send_to(&bytes, to));
        Ok(())
    }

    fn upstream(&mut self, module: SocketAddr) -> io::Result<&UdpSocket> {
        if !self.upstreams.contains_key(&module) {
            self.next_upstream += 1;
            let (number, server) = (self.next_upstream, self.server);
            let socket = UdpSocket::bind((server.ip(), 0))?;
            let reader = Reader::start(socket, self.orders.clone(), move |from, bytes| {
                // Only the server is listened to.
                (from == server).then_some(Message::Down { module, upstream: number, bytes })
            })?;
            self.upstreams.insert(module, Upstream { number, reader });
        }
        Ok(&self.upstreams[&module].reader.socket)
    }
}

#[cfg(test)]
mod tests;

//! DTLS under a machine.
//!
//! ```text
//! sockets    Open ───────────────────────────┐
//!            Secured ── dtls::Endpoint ───┐  │
//!                                         │  │
//! M: SessionMachine        Link::Secured ─┘  └─ Link::Open
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use machine::{
    Credential, Instant, Link, Machine, OpenRequest, Path, Random, Seed, SessionCommand, SessionEnd,
    SessionEvent, SessionId, SessionMachine, Socket,
};

use crate::{Commanded, DATAGRAM_LIMIT, KeySource};

/// What a socket carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SocketKind {
    /// The machine's datagrams as they are.
    Open,
    /// DTLS records.
    Secured,
}

/// A machine above DTLS made into one that speaks to sockets.
///
/// Each secured socket has a DTLS endpoint of its own. Nothing is queued here: what the machine sends is
/// sealed straight into the driver's buffer, and what a record carried is handed on at once. Memory is that
/// of the machine, that of the endpoints (bounded by [`dtls::Config`]) and one entry per session that this
/// side opened.
pub struct Stack<M> {
    inner: M,
    sockets: Vec<Layer>,
    keys: Arc<dyn KeySource>,
    /// Sessions that we opened, until they end.
    opened: BTreeMap<SessionId, Opened>,
    /// Plaintext on its way from the machine to the seal.
    plaintext: Box<[u8; DATAGRAM_LIMIT]>,
    /// The latest time that was told.
    now: Instant,
    unsealed: u64,
}

enum Layer {
    Open,
    Secured(Box<dtls::Endpoint>),
}

struct Opened {
    remote: SocketAddr,
    /// Until the session is up or has failed.
    request: Option<OpenRequest>,
}

impl<M: SessionMachine> Stack<M> {
    /// Puts `inner` on these sockets, in the order in which the driver has them.
    ///
    /// `keys` is asked when somebody calls us; `seed` comes from the operating system (tests pass any).
    pub fn new(
        inner: M,
        sockets: Vec<SocketKind>,
        dtls: dtls::Config,
        keys: Arc<dyn KeySource>,
        seed: Seed,
    ) -> Self {
        let mut random = Random::new(seed);
        let layer = |kind| match kind {
            SocketKind::Open => Layer::Open,
            SocketKind::Secured => Layer::Secured(Box::new(dtls::Endpoint::new(dtls.clone(), random.seed()))),
        };
        Self {
            inner,
            sockets: sockets.into_iter().map(layer).collect(),
            keys,
            opened: BTreeMap::new(),
            plaintext: Box::new([0; DATAGRAM_LIMIT]),
            now: Instant::ZERO,
            unsealed: 0,
        }
    }

    /// The machine above DTLS.
    pub fn inner(&self) -> &M {
        &self.inner
    }

    /// The machine above DTLS, to give it commands; poll afterwards as after any input.
    pub fn inner_mut(&mut self) -> &mut M {
        &mut self.inner
    }

    /// What the DTLS endpoint of a socket has counted; `None` for an open socket.
    pub fn dtls_statistics(&self, socket: Socket) -> Option<dtls::Statistics> {
        match self.sockets.get(index(socket))? {
            Layer::Open => None,
            Layer::Secured(endpoint) => Some(endpoint.statistics()),
        }
    }

    /// Datagrams of the machine that were dropped because their session had ended or they did not fit.
    pub fn unsealed(&self) -> u64 {
        self.unsealed
    }

    fn endpoint(&mut self, socket: Socket) -> Option<&mut dtls::Endpoint> {
        match self.sockets.get_mut(index(socket))? {
            Layer::Open => None,
            Layer::Secured(endpoint) => Some(endpoint),
        }
    }

    /// Carries events of the endpoints up and wishes of the machine down until there are none.
    fn settle(&mut self) {
        loop {
            let mut idle = true;
            for number in 0..self.sockets.len() {
                let socket = Socket(number as u8);
                while let Some(event) = self.endpoint(socket).and_then(Machine::poll_event) {
                    self.dtls_event(socket, event);
                    idle = false;
                }
            }
            while let Some(command) = self.inner.poll_session() {
                self.session_command(command);
                idle = false;
            }
            if idle {
                return;
            }
        }
    }

    fn dtls_event(&mut self, socket: Socket, event: dtls::Event) {
        let now = self.now;
        match event {
            dtls::Event::Data { session, bytes } => {
                self.inner.handle_input(link(socket, session), &bytes, now);
            }
            dtls::Event::KeyWanted { handshake, identity } => {
                let key = self.keys.key(&identity);
                if let Some(endpoint) = self.endpoint(socket) {
                    endpoint.provide_key(handshake, key.as_deref().map(Vec::as_slice), now);
                }
            }
            dtls::Event::Rejected { identity, remote, cause } => self.keys.rejected(&identity, remote, cause),
            dtls::Event::Up { session, identity, remote, resumed, .. } => {
                let link = link(socket, session);
                let opened = self.opened.get_mut(&global(socket, session));
                let request = opened.and_then(|opened| opened.request.take());
                let up = SessionEvent::Up { link, identity: &identity, remote, request, resumed };
                self.inner.handle_session(up, now);
            }
            dtls::Event::Moved { session, remote } => {
                self.inner.handle_session(SessionEvent::Moved { link: link(socket, session), remote }, now);
            }
            dtls::Event::Down { session, end } => {
                let opened = self.opened.remove(&global(socket, session));
                let down = match opened.and_then(|opened| opened.request) {
                    Some(request) => SessionEvent::Failed { request, end },
                    None => SessionEvent::Down { link: link(socket, session), end },
                };
                self.inner.handle_session(down, now);
            }
        }
    }

    fn session_command(&mut self, command: SessionCommand) {
        let now = self.now;
        match command {
            SessionCommand::Open { request, remote, credential } => self.open(request, remote, credential),
            SessionCommand::Close(Link::Secured(session)) => {
                // The socket is free at once, so that the session that follows can resume this one.
                if self.opened.get(&session).is_some_and(|opened| opened.request.is_none()) {
                    self.opened.remove(&session);
                }
                let (socket, session) = local(session);
                if let Some(endpoint) = self.endpoint(socket) {
                    endpoint.close(session, now);
                }
            }
            SessionCommand::Close(Link::Open(_)) => {}
        }
    }

    fn open(&mut self, request: OpenRequest, remote: SocketAddr, credential: Credential) {
        let now = self.now;
        let socket = self.socket_for(remote);
        let Some((socket, endpoint)) = socket.and_then(|socket| Some((socket, self.endpoint(socket)?)))
        else {
            // Without a secured socket nothing can be opened.
            let end = SessionEnd::ClosedHere;
            self.inner.handle_session(SessionEvent::Failed { request, end }, now);
            return;
        };
        let session = endpoint.connect(remote, credential, now);
        self.opened.insert(global(socket, session), Opened { remote, request: Some(request) });
    }

    /// An endpoint has one session per address. Whoever wants two to the same one (a device that downloads
    /// on a session of its own beside the one of its registration) needs two sockets: the first is taken
    /// that has none to `remote`, and if all have one, the first of all, whose session is then replaced.
    fn socket_for(&self, remote: SocketAddr) -> Option<Socket> {
        let secured = || {
            let kinds = self.sockets.iter().enumerate();
            kinds.filter_map(|(number, layer)| {
                matches!(layer, Layer::Secured(_)).then_some(Socket(number as u8))
            })
        };
        let taken = |socket: &Socket| {
            self.opened
                .iter()
                .any(|(session, opened)| local(*session).0 == *socket && opened.remote == remote)
        };
        secured().find(|socket| !taken(socket)).or_else(|| secured().next())
    }

    /// The next datagram of the machine, sealed if it goes through a session.
    fn transmit_inner(&mut self, buffer: &mut [u8]) -> Option<(Path, usize)> {
        loop {
            let (link, length) = self.inner.poll_transmit(&mut *self.plaintext)?;
            let plaintext = &self.plaintext[..length];
            match link {
                // Never in clear through a secured socket, whatever the machine says.
                Link::Open(path) if matches!(self.sockets.get(index(path.socket)), Some(Layer::Open)) => {
                    buffer[..length].copy_from_slice(plaintext);
                    return Some((path, length));
                }
                Link::Open(_) => {}
                Link::Secured(session) => {
                    let (socket, session) = local(session);
                    if let Some(Layer::Secured(endpoint)) = self.sockets.get_mut(index(socket))
                        && let Ok((remote, length)) = endpoint.seal(session, plaintext, buffer)
                    {
                        return Some((Path { socket, remote }, length));
                    }
                }
            }
            // The session ended while the datagram waited: to the machine it is lost in the network.
            self.unsealed += 1;
        }
    }
}

impl<M: SessionMachine> Machine for Stack<M> {
    type Peer = Path;
    type Event = M::Event;

    fn handle_input(&mut self, from: Path, bytes: &[u8], now: Instant) {
        self.now = now;
        match self.sockets.get_mut(index(from.socket)) {
            Some(Layer::Secured(endpoint)) => endpoint.handle_input(from.remote, bytes, now),
            Some(Layer::Open) => self.inner.handle_input(Link::Open(from), bytes, now),
            None => {}
        }
        self.settle();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        for layer in &mut self.sockets {
            if let Layer::Secured(endpoint) = layer
                && due(endpoint.poll_timeout(), now)
            {
                endpoint.handle_timeout(now);
            }
        }
        if due(self.inner.poll_timeout(), now) {
            self.inner.handle_timeout(now);
        }
        self.settle();
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Path, usize)> {
        self.settle();
        for (number, layer) in self.sockets.iter_mut().enumerate() {
            if let Layer::Secured(endpoint) = layer
                && let Some((remote, length)) = endpoint.poll_transmit(buffer)
            {
                return Some((Path { socket: Socket(number as u8), remote }, length));
            }
        }
        self.transmit_inner(buffer)
    }

    fn poll_event(&mut self) -> Option<M::Event> {
        self.settle();
        self.inner.poll_event()
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let endpoints = self.sockets.iter().filter_map(|layer| match layer {
            Layer::Open => None,
            Layer::Secured(endpoint) => endpoint.poll_timeout(),
        });
        endpoints.chain(self.inner.poll_timeout()).min_by_key(|(at, _)| *at)
    }
}

impl<M: SessionMachine + Commanded> Commanded for Stack<M> {
    type Command = M::Command;

    fn handle_command(&mut self, command: M::Command, now: Instant) {
        self.now = now;
        self.inner.handle_command(command, now);
        self.settle();
    }
}

impl<M: std::fmt::Debug> std::fmt::Debug for Stack<M> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Stack")
            .field("inner", &self.inner)
            .field("sockets", &self.sockets.len())
            .field("opened", &self.opened.len())
            .finish_non_exhaustive()
    }
}

fn due(timeout: Option<(Instant, &'static str)>, now: Instant) -> bool {
    timeout.is_some_and(|(at, _)| at <= now)
}

/// Endpoints number their sessions independently, so above them a number also says which socket it is of:
/// in its upper 8 bits. 2^56 sessions of one endpoint do not happen.
const SOCKET_SHIFT: u32 = 56;

fn global(socket: Socket, session: SessionId) -> SessionId {
    SessionId(u64::from(socket.0) << SOCKET_SHIFT | session.0)
}

fn local(session: SessionId) -> (Socket, SessionId) {
    (Socket((session.0 >> SOCKET_SHIFT) as u8), SessionId(session.0 & ((1 << SOCKET_SHIFT) - 1)))
}

fn index(socket: Socket) -> usize {
    usize::from(socket.0)
}

fn link(socket: Socket, session: SessionId) -> Link {
    Link::Secured(global(socket, session))
}

mod saved;

pub use saved::RestoreError;

#[cfg(test)]
mod tests;

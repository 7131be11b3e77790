//! A client and a server on a wire that tests can cut.

use core::net::SocketAddr;
use std::collections::VecDeque;
use std::time::Duration;

use dtls::{Config, Endpoint, Event, Suite};
use machine::{Credential, Instant, Machine, SessionId};

pub const IDENTITY: &[u8] = b"urn:imei:490154203237518";
pub const KEY: &[u8] = b"0123456789abcdef";

pub fn client_address() -> SocketAddr {
    "192.0.2.1:40000".parse().unwrap()
}

pub fn server_address() -> SocketAddr {
    "192.0.2.2:5684".parse().unwrap()
}

/// The flights of a handshake, numbered as RFC 6347 figure 1 does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flight {
    Hello,
    Verify,
    HelloWithCookie,
    ServerHello,
    Keys,
    Finished,
    Other,
}

impl Flight {
    pub const ALL: [Self; 6] =
        [Self::Hello, Self::Verify, Self::HelloWithCookie, Self::ServerHello, Self::Keys, Self::Finished];

    /// Which flight a datagram is.
    pub fn of(datagram: &[u8]) -> Self {
        match (datagram[0], datagram.get(13)) {
            (22, Some(1)) if datagram[25 + 35 + usize::from(datagram[25 + 34])] == 0 => Self::Hello,
            (22, Some(1)) => Self::HelloWithCookie,
            (22, Some(2)) => Self::ServerHello,
            (22, Some(3)) => Self::Verify,
            (22, Some(16)) => Self::Keys,
            (20, _) => Self::Finished,
            _ => Self::Other,
        }
    }
}

/// A datagram under way.
#[derive(Clone, Debug)]
pub struct Packet {
    pub to_server: bool,
    pub bytes: Vec<u8>,
}

pub struct Pair {
    pub client: Endpoint,
    pub server: Endpoint,
    pub now: Instant,
    /// What `KeyWanted` is answered with.
    pub key: Option<Vec<u8>>,
    pub client_events: Vec<Event>,
    pub server_events: Vec<Event>,
    pub wire: VecDeque<Packet>,
}

impl Pair {
    pub fn new() -> Self {
        Self::with(Config::default(), Config::default())
    }

    pub fn of_suite(suite: Suite) -> Self {
        let config = Config { suites: vec![suite], ..Config::default() };
        Self::with(config.clone(), config)
    }

    pub fn with(client: Config, server: Config) -> Self {
        Self {
            client: Endpoint::new(client, [1; 32]),
            server: Endpoint::new(server, [2; 32]),
            now: Instant::ZERO,
            key: Some(KEY.to_vec()),
            client_events: Vec::new(),
            server_events: Vec::new(),
            wire: VecDeque::new(),
        }
    }

    pub fn call(&mut self) -> SessionId {
        self.client.connect(server_address(), credential(KEY), self.now)
    }

    /// A pair with a session, and its number on either side.
    pub fn up(suite: Suite) -> (Self, SessionId, SessionId) {
        let mut pair = Self::of_suite(suite);
        let ours = pair.call();
        pair.settle();
        let theirs = pair.server_session().unwrap();
        pair.client_events.clear();
        pair.server_events.clear();
        (pair, ours, theirs)
    }

    /// Takes in what both sides want to send and say.
    pub fn gather(&mut self) {
        loop {
            let before = (self.wire.len(), self.client_events.len(), self.server_events.len());
            for to_server in [true, false] {
                let endpoint = if to_server { &mut self.client } else { &mut self.server };
                let mut buffer = [0; 2_048];
                while let Some((_, length)) = endpoint.poll_transmit(&mut buffer) {
                    self.wire.push_back(Packet { to_server, bytes: buffer[..length].to_vec() });
                }
            }
            while let Some(event) = self.client.poll_event() {
                self.client_events.push(event);
            }
            while let Some(event) = self.server.poll_event() {
                if let Event::KeyWanted { handshake, .. } = &event {
                    self.server.provide_key(*handshake, self.key.as_deref(), self.now);
                }
                self.server_events.push(event);
            }
            if before == (self.wire.len(), self.client_events.len(), self.server_events.len()) {
                return;
            }
        }
    }

    pub fn deliver(&mut self, packet: &Packet) {
        if packet.to_server {
            self.server.handle_input(client_address(), &packet.bytes, self.now);
        } else {
            self.client.handle_input(server_address(), &packet.bytes, self.now);
        }
    }

    /// Runs at the present time until nothing is under way. `pass` says what becomes of each datagram.
    pub fn settle_with(&mut self, mut pass: impl FnMut(&Packet) -> Vec<Packet>) {
        self.gather();
        while let Some(packet) = self.wire.pop_front() {
            for packet in pass(&packet) {
                self.deliver(&packet);
            }
            self.gather();
        }
    }

    pub fn settle(&mut self) {
        self.settle_with(|packet| vec![packet.clone()]);
    }

    /// Goes to the next time that either side waits for; `false` if neither waits within `limit`.
    pub fn sleep(&mut self, limit: Instant) -> bool {
        let next = [self.client.poll_timeout(), self.server.poll_timeout()];
        let Some((at, _)) = next.into_iter().flatten().min() else { return false };
        if at > limit {
            return false;
        }
        self.now = self.now.max(at);
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        self.gather();
        true
    }

    /// Runs until both sides are up or `limit` is over.
    pub fn run_with(&mut self, limit: Duration, mut pass: impl FnMut(&Packet) -> Vec<Packet>) -> bool {
        let limit = self.now + limit;
        loop {
            self.settle_with(&mut pass);
            if self.client_session().is_some() && self.server_session().is_some() {
                return true;
            }
            if !self.sleep(limit) {
                return false;
            }
        }
    }

    pub fn client_session(&self) -> Option<SessionId> {
        session(&self.client_events)
    }

    pub fn server_session(&self) -> Option<SessionId> {
        session(&self.server_events)
    }

    /// Sends from the client to the server and says whether it came.
    pub fn reaches_server(&mut self, session: SessionId, bytes: &[u8]) -> bool {
        let record = self.seal_to_server(session, bytes);
        self.server_events.clear();
        self.server.handle_input(client_address(), &record, self.now);
        self.gather();
        received(&self.server_events, bytes)
    }

    /// Sends from the server to the client and says whether it came.
    pub fn reaches_client(&mut self, session: SessionId, bytes: &[u8]) -> bool {
        let mut buffer = [0; 2_048];
        let (to, length) = self.server.seal(session, bytes, &mut buffer).unwrap();
        assert_eq!(to, client_address());
        self.client_events.clear();
        self.client.handle_input(server_address(), &buffer[..length], self.now);
        self.gather();
        received(&self.client_events, bytes)
    }

    pub fn seal_to_server(&mut self, session: SessionId, bytes: &[u8]) -> Vec<u8> {
        let mut buffer = [0; 2_048];
        let (to, length) = self.client.seal(session, bytes, &mut buffer).unwrap();
        assert_eq!(to, server_address());
        buffer[..length].to_vec()
    }
}

pub fn credential(key: &[u8]) -> Credential {
    Credential { identity: IDENTITY.to_vec(), key: key.to_vec() }
}

fn session(events: &[Event]) -> Option<SessionId> {
    events.iter().rev().find_map(|event| match event {
        Event::Up { session, .. } => Some(*session),
        _ => None,
    })
}

fn received(events: &[Event], wanted: &[u8]) -> bool {
    events.iter().any(|event| matches!(event, Event::Data { bytes, .. } if bytes == wanted))
}

/// A ClientHello, field by field.
#[derive(Clone)]
pub struct Hello {
    pub record_version: u16,
    pub version: u16,
    pub random: [u8; 32],
    pub session: Vec<u8>,
    pub cookie: Vec<u8>,
    pub suites: Vec<u16>,
    pub compressions: Vec<u8>,
    /// With its length; empty for a client that knows of none.
    pub extensions: Vec<u8>,
    pub sequence: u16,
}

impl Default for Hello {
    fn default() -> Self {
        Self {
            record_version: 0xFEFD,
            version: 0xFEFD,
            random: [5; 32],
            session: Vec::new(),
            cookie: Vec::new(),
            suites: vec![0xC0A8],
            compressions: vec![0],
            extensions: Vec::new(),
            sequence: 0,
        }
    }
}

impl Hello {
    pub fn datagram(&self) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend_from_slice(&self.random);
        body.push(self.session.len() as u8);
        body.extend_from_slice(&self.session);
        body.push(self.cookie.len() as u8);
        body.extend_from_slice(&self.cookie);
        body.extend_from_slice(&(2 * self.suites.len() as u16).to_be_bytes());
        body.extend(self.suites.iter().flat_map(|suite| suite.to_be_bytes()));
        body.push(self.compressions.len() as u8);
        body.extend_from_slice(&self.compressions);
        body.extend_from_slice(&self.extensions);
        let message = message(1, self.sequence, &body);
        record(22, self.record_version, u64::from(self.sequence), &message)
    }

    /// The same hello with the cookie that this server asks for.
    pub fn with_cookie_of(mut self, server: &mut Endpoint, from: SocketAddr, now: Instant) -> Self {
        server.handle_input(from, &self.datagram(), now);
        let answer = answer(server);
        assert_eq!(Flight::of(&answer), Flight::Verify);
        self.cookie = answer[28..].to_vec();
        self.sequence += 1;
        self
    }
}

/// The one datagram that an endpoint wants to send.
pub fn answer(endpoint: &mut Endpoint) -> Vec<u8> {
    let mut buffer = [0; 2_048];
    let (_, length) = endpoint.poll_transmit(&mut buffer).expect("an answer");
    let answer = buffer[..length].to_vec();
    assert_eq!(endpoint.poll_transmit(&mut buffer), None);
    answer
}

/// A handshake message in one fragment.
pub fn message(kind: u8, sequence: u16, body: &[u8]) -> Vec<u8> {
    fragment(kind, body.len(), sequence, 0, body)
}

pub fn fragment(kind: u8, length: usize, sequence: u16, offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![kind];
    message.extend_from_slice(&(length as u32).to_be_bytes()[1..]);
    message.extend_from_slice(&sequence.to_be_bytes());
    message.extend_from_slice(&(offset as u32).to_be_bytes()[1..]);
    message.extend_from_slice(&(bytes.len() as u32).to_be_bytes()[1..]);
    message.extend_from_slice(bytes);
    message
}

/// A record; the epoch is in the upper 16 bits of `position`.
pub fn record(kind: u8, version: u16, position: u64, fragment: &[u8]) -> Vec<u8> {
    let mut record = vec![kind];
    record.extend_from_slice(&version.to_be_bytes());
    record.extend_from_slice(&position.to_be_bytes());
    record.extend_from_slice(&(fragment.len() as u16).to_be_bytes());
    record.extend_from_slice(fragment);
    record
}

/// The records of a datagram.
pub fn split(datagram: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut rest = datagram;
    while rest.len() >= 13 {
        // A connection id of ours stands before the length.
        let end = if rest[0] == 25 { 21 } else { 13 };
        let length = end + usize::from(u16::from_be_bytes([rest[end - 2], rest[end - 1]]));
        let (record, behind) = rest.split_at(length);
        records.push(record.to_vec());
        rest = behind;
    }
    records
}

//! A client and a server, and the way between them.

use std::net::{Ipv4Addr, SocketAddr};

use dtls::{Config, ConnectionIds, Endpoint, Event, Suite};
use machine::{Credential, Instant, Machine, SessionId};

/// A datagram on its way: from the client if `true`.
pub type Datagram = (bool, Vec<u8>);

/// Both ends.
pub struct Ends {
    pub client: Endpoint,
    pub server: Endpoint,
    pub now: Instant,
    pub call: SessionId,
    /// What has happened at the client, and at the server.
    pub events: [Vec<Event>; 2],
}

pub const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40_000);
pub const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 5_684);
const KEY: &[u8] = b"0123456789abcdef";

impl Ends {
    /// A client that calls; the byte chooses what both can do.
    pub fn calling(choice: u8) -> Self {
        let suite = Suite::ALL[usize::from(choice & 3)];
        let ids = Some(ConnectionIds { shard: 1, node: 2 });
        let connection_id = |wanted| if wanted { ids } else { None };
        let client = Config {
            suites: vec![suite],
            connection_id: connection_id(choice & 4 != 0),
            ..Config::default()
        };
        let server = Config {
            connection_id: connection_id(choice & 8 != 0),
            issue_tickets: choice & 16 != 0,
            ..Config::default()
        };
        let mut ends = Self {
            client: Endpoint::new(client, [1; 32]),
            server: Endpoint::new(server, [2; 32]),
            now: Instant::ZERO,
            call: SessionId(0),
            events: [Vec::new(), Vec::new()],
        };
        ends.call();
        ends
    }

    /// Calls again, in place of an earlier call or session.
    pub fn call(&mut self) {
        let credential = Credential { identity: b"device".to_vec(), key: KEY.to_vec() };
        self.call = self.client.connect(SERVER, credential, self.now);
    }

    /// The next datagram of either side.
    pub fn next(&mut self) -> Option<Datagram> {
        self.answer();
        let mut buffer = [0; 20_000];
        if let Some((_, length)) = self.client.poll_transmit(&mut buffer) {
            return Some((true, buffer[..length].to_vec()));
        }
        let (_, length) = self.server.poll_transmit(&mut buffer)?;
        Some((false, buffer[..length].to_vec()))
    }

    /// Brings a datagram to the other side.
    pub fn deliver(&mut self, (from_client, bytes): &Datagram) {
        if *from_client {
            self.server.handle_input(CLIENT, bytes, self.now);
        } else {
            self.client.handle_input(SERVER, bytes, self.now);
        }
        self.answer();
    }

    /// Carries everything, unharmed.
    pub fn carry(&mut self) {
        while let Some(datagram) = self.next() {
            self.deliver(&datagram);
        }
    }

    /// Lets time pass for both.
    pub fn pass(&mut self, time: std::time::Duration) {
        self.now += time;
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        self.answer();
    }

    /// Takes all events and gives keys.
    fn answer(&mut self) {
        while let Some(event) = self.server.poll_event() {
            if let Event::KeyWanted { handshake, identity } = &event {
                let key = (identity == b"device").then_some(KEY);
                self.server.provide_key(*handshake, key, self.now);
            }
            self.events[1].push(event);
        }
        while let Some(event) = self.client.poll_event() {
            self.events[0].push(event);
        }
    }

    /// The server's newest session.
    pub fn server_session(&self) -> Option<SessionId> {
        self.events[1].iter().rev().find_map(|event| match event {
            Event::Up { session, .. } => Some(*session),
            _ => None,
        })
    }
}

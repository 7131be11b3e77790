//! A device that is nothing but a session: it says what a test wants, from whichever port.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use coap::{Code, Encoder, Kind, Message, MessageId, OptionNumber, Token};
use dtls::{ConnectionId, Endpoint, Event};
use e2e::wait_until;
use machine::{Credential, Machine, Random, SessionId};
use net::Clock;

use super::PATIENCE;

/// How long a socket is listened to before timers are looked at.
const LISTENED: Duration = Duration::from_millis(20);

/// A DTLS client on a socket of its own.
pub struct Caller {
    endpoint: Endpoint,
    credential: Credential,
    server: SocketAddr,
    socket: UdpSocket,
    clock: Clock,
    session: Option<SessionId>,
    message_id: u16,
    /// Which shard the last record said that it is for.
    shard: Option<u8>,
}

/// How a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Called {
    pub resumed: bool,
}

impl Caller {
    pub fn new(server: SocketAddr, identity: &str, key: Vec<u8>, config: dtls::Config) -> Self {
        Self {
            endpoint: Endpoint::new(config, Random::from_number(5).seed()),
            credential: Credential { identity: identity.into(), key },
            server,
            socket: socket(),
            clock: Clock::start(),
            session: None,
            message_id: 0,
            shard: None,
        }
    }

    /// What an address translator does that has forgotten the device.
    pub fn take_another_port(&mut self) {
        self.socket = socket();
    }

    /// Makes a session, with the help of the last one if the server takes it.
    pub fn call(&mut self) -> Called {
        self.session = Some(self.endpoint.connect(self.server, self.credential.clone(), self.clock.now()));
        let called = wait_until(PATIENCE, || {
            self.turn();
            std::iter::from_fn(|| self.endpoint.poll_event()).find_map(|event| match event {
                Event::Up { resumed, .. } => Some(Called { resumed }),
                Event::Down { session, end } if Some(session) == self.session => {
                    panic!("no session: {end:?}")
                }
                _ => None,
            })
        });
        called.expect("the server answers")
    }

    /// Which shard the connection id of the last record names; `None` if it had none.
    pub fn shard(&self) -> Option<u8> {
        self.shard
    }

    /// Handshakes so far.
    pub fn handshakes(&self) -> u64 {
        self.endpoint.statistics().handshakes
    }

    /// Registers; gives the location.
    pub fn register(&mut self, endpoint: &str) -> Vec<String> {
        let endpoint = format!("ep={endpoint}");
        let query = [endpoint.as_str(), "lt=300", "lwm2m=1.1", "b=U"];
        let (code, location) = self.ask(&["rd"], &query, b"</3/0>").expect("the server answers");
        assert_eq!(code, Code::CREATED);
        location
    }

    /// Updates the registration at this location; `None` if no answer comes.
    pub fn update(&mut self, location: &[String]) -> Option<Code> {
        let path: Vec<&str> = location.iter().map(String::as_str).collect();
        self.ask(&path, &[], b"").map(|(code, _)| code)
    }

    /// Sends a request a few times, as a device does, until it is answered.
    fn ask(&mut self, path: &[&str], query: &[&str], payload: &[u8]) -> Option<(Code, Vec<String>)> {
        self.message_id += 1;
        let token = Token::new(&self.message_id.to_be_bytes()).expect("two bytes are a token");
        let mut request = [0; 256];
        let mut encoder =
            Encoder::new(&mut request, Kind::Confirmable, Code::POST, MessageId(self.message_id), token);
        for segment in path {
            encoder.option(OptionNumber::URI_PATH, segment.as_bytes());
        }
        if !payload.is_empty() {
            encoder.option_uint(OptionNumber::CONTENT_FORMAT, 40);
        }
        for part in query {
            encoder.option(OptionNumber::URI_QUERY, part.as_bytes());
        }
        encoder.payload(payload);
        let length = encoder.finish().expect("there is room");
        (0..4).find_map(|_| {
            self.send(&request[..length]);
            wait_until(Duration::from_secs(2), || self.answer(token))
        })
    }

    /// Refuses what the server asks until `is_done`; gives how much that was.
    pub fn refuse_until(&mut self, mut is_done: impl FnMut() -> bool) -> usize {
        let mut refused = 0;
        let done = wait_until(PATIENCE, || {
            for message in self.messages() {
                refused += usize::from(self.refuse(&message));
            }
            is_done().then_some(())
        });
        done.expect("the server is done");
        refused
    }

    fn refuse(&mut self, bytes: &[u8]) -> bool {
        let Ok(message) = Message::parse(bytes) else { return false };
        if message.kind() != Kind::Confirmable {
            return false;
        }
        let (mut answer, id, token) = ([0; 16], message.message_id(), message.token());
        let encoder = Encoder::new(&mut answer, Kind::Acknowledgement, Code::NOT_FOUND, id, token);
        let length = encoder.finish().expect("there is room");
        self.send(&answer[..length]);
        true
    }

    fn answer(&mut self, token: Token) -> Option<(Code, Vec<String>)> {
        self.messages().iter().find_map(|bytes| {
            let message = Message::parse(bytes).ok()?;
            let is_answer = message.kind() == Kind::Acknowledgement && message.token() == token;
            let location = message.options().filter(|(number, _)| *number == OptionNumber::LOCATION_PATH);
            let location = location.map(|(_, segment)| String::from_utf8_lossy(segment).into_owned());
            is_answer.then(|| (message.code(), location.collect()))
        })
    }

    /// What the server has said on the session.
    fn messages(&mut self) -> Vec<Vec<u8>> {
        self.turn();
        let events = std::iter::from_fn(|| self.endpoint.poll_event());
        let data = events.filter_map(|event| match event {
            Event::Data { bytes, .. } => Some(bytes),
            _ => None,
        });
        data.collect()
    }

    fn send(&mut self, message: &[u8]) {
        let mut buffer = [0; 512];
        let session = self.session.expect("it has called");
        let (to, length) = self.endpoint.seal(session, message, &mut buffer).expect("the session is up");
        self.shard = ConnectionId::of_datagram(&buffer[..length]).map(|id| id.shard());
        self.socket.send_to(&buffer[..length], to).expect("loopback takes it");
    }

    /// Sends what the endpoint wants to, listens for a moment, and looks at its timers.
    fn turn(&mut self) {
        let mut buffer = [0; 2_048];
        while let Some((to, length)) = self.endpoint.poll_transmit(&mut buffer) {
            self.socket.send_to(&buffer[..length], to).expect("loopback takes it");
        }
        if let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            self.endpoint.handle_input(from, &buffer[..length], self.clock.now());
        }
        self.endpoint.handle_timeout(self.clock.now());
        while let Some((to, length)) = self.endpoint.poll_transmit(&mut buffer) {
            self.socket.send_to(&buffer[..length], to).expect("loopback takes it");
        }
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    socket.set_read_timeout(Some(LISTENED)).expect("it is a valid time");
    socket
}

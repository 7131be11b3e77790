//! One endpoint, with the test as all its peers: raw messages in, raw messages out, on a clock of its own.
#![expect(dead_code, reason = "every test file includes this and uses a part of it")]

use core::time::Duration;

use coap::{
    Block, BlockSize, Code, Config, Encoder, Endpoint, Event, Kind, Message, MessageId, OptionNumber, Peer,
    Token,
};
use machine::{Instant, Link, Machine, Path, SessionId, Socket};

/// The endpoint under test and its surroundings. Peers are named by numbers, or as they are above DTLS.
pub struct OneSide<P: Peer = u32> {
    pub endpoint: Endpoint<P>,
    pub now: Instant,
}

/// The peer of most tests.
pub const PEER: u32 = 1;

/// A datagram of the endpoint and when it was sent.
pub struct Sent<P = u32> {
    pub at: Instant,
    pub to: P,
    pub bytes: Vec<u8>,
}

impl<P> Sent<P> {
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).expect("an endpoint sends messages only")
    }

    pub fn path(&self) -> String {
        let segments = self.message().options().filter(|(number, _)| *number == OptionNumber::URI_PATH);
        segments.map(|(_, value)| format!("/{}", String::from_utf8_lossy(value))).collect()
    }

    pub fn block(&self, number: OptionNumber) -> Option<Block> {
        Block::decode(self.message().option(number)?).ok()
    }
}

impl OneSide<u32> {
    pub fn new() -> Self {
        Self::with(Config::default())
    }

    pub fn with(config: Config) -> Self {
        Self::among(config)
    }
}

impl OneSide<Link> {
    /// With peers that are addresses or sessions.
    pub fn with_links(config: Config) -> Self {
        Self::among(config)
    }
}

/// An address whose owner nobody knows.
pub fn open(port: u16) -> Link {
    Link::Open(Path { socket: Socket(0), remote: ([192, 0, 2, 1], port).into() })
}

/// A DTLS session.
pub fn secured(number: u64) -> Link {
    Link::Secured(SessionId(number))
}

impl<P: Peer> OneSide<P> {
    fn among(config: Config) -> Self {
        Self { endpoint: Endpoint::new(config, [9; 32]), now: Instant::from_secs(1_000) }
    }

    /// Gives a datagram to the endpoint and takes what it sends at once.
    pub fn input(&mut self, from: P, bytes: &[u8]) -> Vec<Sent<P>> {
        self.endpoint.handle_input(from, bytes, self.now);
        self.sent()
    }

    pub fn sent(&mut self) -> Vec<Sent<P>> {
        let (mut sent, mut buffer) = (Vec::new(), [0; 1_500]);
        while let Some((to, length)) = self.endpoint.poll_transmit(&mut buffer) {
            sent.push(Sent { at: self.now, to, bytes: buffer[..length].to_vec() });
        }
        sent
    }

    /// The one datagram that the endpoint sends now.
    pub fn sent_one(&mut self) -> Sent<P> {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1);
        sent.remove(0)
    }

    pub fn events(&mut self) -> Vec<Event<P>> {
        core::iter::from_fn(|| self.endpoint.poll_event()).collect()
    }

    /// The one event that has happened.
    pub fn event(&mut self) -> Event<P> {
        let mut events = self.events();
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    /// Lets time pass; what the endpoint sends meanwhile comes with its time.
    pub fn pass(&mut self, time: Duration) -> Vec<Sent<P>> {
        let (until, mut sent) = (self.now + time, Vec::new());
        while let Some((at, _)) = self.endpoint.poll_timeout().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
            sent.extend(self.sent());
        }
        self.now = until;
        sent
    }

    pub fn pass_secs(&mut self, seconds: u64) -> Vec<Sent<P>> {
        self.pass(Duration::from_secs(seconds))
    }
}

/// A message to put together and to give to the endpoint.
#[derive(Clone)]
pub struct Raw {
    pub kind: Kind,
    pub code: Code,
    pub message_id: u16,
    pub token: Token,
    options: Vec<(OptionNumber, Vec<u8>)>,
    payload: Vec<u8>,
}

impl Raw {
    pub fn new(kind: Kind, code: Code, message_id: u16, token: &[u8]) -> Self {
        let token = Token::new(token).expect("at most eight bytes");
        Self { kind, code, message_id, token, options: Vec::new(), payload: Vec::new() }
    }

    /// A confirmable request.
    pub fn request(code: Code, path: &str, message_id: u16) -> Self {
        let raw = Self::new(Kind::Confirmable, code, message_id, &[0x4a]);
        path.split('/')
            .filter(|segment| !segment.is_empty())
            .fold(raw, |raw, segment| raw.option(OptionNumber::URI_PATH, segment.as_bytes()))
    }

    /// The answer in the acknowledgement.
    pub fn piggybacked<P>(to: &Sent<P>, code: Code) -> Self {
        let message = to.message();
        let token = message.token();
        Self::new(Kind::Acknowledgement, code, message.message_id().0, token.as_bytes())
    }

    /// The answer in a message of its own.
    pub fn separate<P>(to: &Sent<P>, kind: Kind, code: Code, message_id: u16) -> Self {
        Self::new(kind, code, message_id, to.message().token().as_bytes())
    }

    /// An acknowledgement or reset without content.
    pub fn empty<P>(kind: Kind, to: &Sent<P>) -> Vec<u8> {
        Self::new(kind, Code::EMPTY, to.message().message_id().0, &[]).bytes()
    }

    pub fn option(mut self, number: OptionNumber, value: &[u8]) -> Self {
        self.options.push((number, value.to_vec()));
        self.options.sort_by_key(|(number, _)| *number);
        self
    }

    pub fn uint(self, number: OptionNumber, value: u32) -> Self {
        let bytes = value.to_be_bytes();
        self.option(number, &bytes[value.leading_zeros() as usize / 8..])
    }

    pub fn block(self, option: OptionNumber, number: u32, more: bool, size: usize) -> Self {
        self.uint(option, Block { number, more, size: block_size(size) }.encode())
    }

    pub fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut buffer = [0; 70_000];
        let message_id = MessageId(self.message_id);
        let mut encoder = Encoder::new(&mut buffer, self.kind, self.code, message_id, self.token);
        for (number, value) in &self.options {
            encoder.option(*number, value);
        }
        let length = encoder.payload(&self.payload).finish().expect("the buffer is large");
        buffer[..length].to_vec()
    }
}

pub fn block_size(bytes: usize) -> BlockSize {
    BlockSize::at_most(bytes).expect("at least 16 bytes")
}

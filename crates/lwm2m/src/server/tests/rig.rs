//! Devices that a test speaks for, each on a link of its own.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use coap::{Code, ContentFormat, Failure, IncomingId, Request, Response};
use machine::{
    Instant, Link, Machine, Path as Way, SessionEnd, SessionEvent, SessionId, SessionMachine, Socket,
};

use super::super::*;

/// Knows the devices `a` to `z`; the identity of `a` is `key-a`. Those in capitals may come without DTLS.
pub(super) struct Alphabet;

impl Directory for Alphabet {
    fn admit(&self, identity: Option<&[u8]>, endpoint: Option<&str>) -> Admission {
        let own = identity.and_then(|identity| core::str::from_utf8(identity).ok()?.strip_prefix("key-"));
        match (own, endpoint) {
            (Some(own), None) => Admission::Accept { endpoint: own.into() },
            (Some(own), Some(endpoint)) if own == endpoint => Admission::Accept { endpoint: own.into() },
            (Some(_), Some(_)) => Admission::Refuse(Refusal::WrongEndpoint),
            (None, None) => Admission::Refuse(Refusal::NoEndpoint),
            (None, Some(name)) if name.chars().all(|letter| letter.is_ascii_uppercase()) => {
                Admission::Accept { endpoint: name.into() }
            }
            (None, Some(_)) => Admission::Refuse(Refusal::SecurityRequired),
        }
    }
}

pub(super) struct Rig {
    pub(super) server: Server,
    config: Config,
    pub(super) now: Instant,
    devices: BTreeMap<Link, coap::Endpoint<u8>>,
    /// Requests of the server that wait for an answer, oldest first.
    pub(super) asked: Vec<(Link, IncomingId, Request)>,
    pub(super) events: Vec<Event>,
    /// Tokens of notifications that the server reset.
    pub(super) canceled: Vec<(Link, coap::Token)>,
    /// Answers to the requests of devices, by request.
    answers: BTreeMap<(Link, coap::RequestId), Response>,
    sessions: u64,
}

pub(super) const OBJECTS: &str = "</>;rt=\"oma.lwm2m\";ct=11542,</1/0>,</3/0>,</5/0>";

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(super) fn with(config: Config) -> Self {
        let config = Config {
            public_uris: ["coap://u.example".into(), "coaps://u.example:5684".into()].into(),
            ..config
        };
        Self {
            server: Server::new(config.clone(), Arc::new(Alphabet), [1; 32]),
            config,
            now: Instant::from_secs(1),
            devices: BTreeMap::new(),
            asked: Vec::new(),
            events: Vec::new(),
            canceled: Vec::new(),
            answers: BTreeMap::new(),
            sessions: 0,
        }
    }

    /// A server that knows nothing takes the place of the old one, on the same address.
    pub(super) fn restart(&mut self) {
        self.server = Server::new(self.config.clone(), Arc::new(Alphabet), [2; 32]);
        self.events.clear();
    }

    /// After a restart: a session that was restored has this number.
    pub(super) fn session_again(&mut self, link: Link, identity: &str) {
        let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1_000);
        let up =
            SessionEvent::Up { link, identity: identity.as_bytes(), remote, request: None, resumed: false };
        self.server.handle_session(up, self.now);
    }

    /// A device with a DTLS session and this identity.
    pub(super) fn session(&mut self, identity: &str) -> Link {
        self.sessions += 1;
        let link = Link::Secured(SessionId(self.sessions));
        let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1_000 + self.sessions as u16);
        let identity = identity.as_bytes();
        let up = SessionEvent::Up { link, identity, remote, request: None, resumed: false };
        self.server.handle_session(up, self.now);
        self.attach(link)
    }

    pub(super) fn end_session(&mut self, link: Link) {
        let down = SessionEvent::Down { link, end: SessionEnd::ClosedByPeer };
        self.server.handle_session(down, self.now);
        self.devices.remove(&link);
        self.pump();
    }

    /// A device on an open link.
    pub(super) fn open(&mut self, port: u16) -> Link {
        let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        self.attach(Link::Open(Way { socket: Socket(0), remote }))
    }

    fn attach(&mut self, link: Link) -> Link {
        let number = self.devices.len() as u8;
        self.devices
            .entry(link)
            .or_insert_with(|| coap::Endpoint::new(coap::Config::default(), [number; 32]));
        link
    }

    /// Sends a request of a device and gives the server's answer.
    pub(super) fn request(&mut self, link: Link, request: Request) -> Response {
        let id = self.devices.get_mut(&link).unwrap().request(0, request, self.now);
        self.pump();
        self.answers.remove(&(link, id)).unwrap()
    }

    pub(super) fn register(&mut self, link: Link, query: &str) -> Response {
        let request = query.split('&').fold(Request::post("/rd"), Request::query);
        self.request(link, request.content(ContentFormat::LINK_FORMAT, OBJECTS))
    }

    /// As `register`, for an answer that a patient client would wait for: the first one is given.
    pub(super) fn register_once(&mut self, link: Link, query: &str) -> Response {
        let patient = self.make_hasty(link);
        let response = self.register(link, query);
        self.devices.insert(link, patient);
        response
    }

    /// From now on this device does not wait when the server is busy; gives the endpoint that did.
    pub(super) fn make_hasty(&mut self, link: Link) -> coap::Endpoint<u8> {
        let config = coap::Config { busy_retries: 0, ..coap::Config::default() };
        self.devices.insert(link, coap::Endpoint::new(config, [77; 32])).unwrap()
    }

    /// Registers with a good query and gives the location.
    pub(super) fn registered(&mut self, link: Link, query: &str) -> String {
        let response = self.register(link, query);
        assert_eq!(response.code, Code::CREATED, "{:?}", response.payload);
        location(&response)
    }

    /// Answers the oldest request of the server, which must be for this path.
    pub(super) fn reply(&mut self, path: &str, response: Response) -> Request {
        let request = self.take(path);
        let (link, id, request) = request;
        self.devices.get_mut(&link).unwrap().respond(id, response, self.now);
        self.pump();
        request
    }

    pub(super) fn take(&mut self, path: &str) -> (Link, IncomingId, Request) {
        assert!(!self.asked.is_empty(), "nothing was asked, {path} expected; events: {:?}", self.events);
        let (link, id, request) = self.asked.remove(0);
        assert_eq!(request.options.path_string(), path);
        (link, id, request)
    }

    pub(super) fn notify(&mut self, link: Link, token: coap::Token, sequence: u32, text: &str) {
        let response = Response::new(Code::CONTENT).content(ContentFormat::TEXT_PLAIN, text);
        self.notify_with(link, token, sequence, response);
    }

    pub(super) fn notify_with(&mut self, link: Link, token: coap::Token, sequence: u32, response: Response) {
        self.devices.get_mut(&link).unwrap().notify(0, token, sequence, response, true, self.now);
        self.pump();
    }

    /// A message with this token and without Observe.
    pub(super) fn send_separate(&mut self, link: Link, token: coap::Token, response: Response) {
        let mut datagram = [0; 64];
        let kind = coap::Kind::Confirmable;
        let mut message =
            coap::Encoder::new(&mut datagram, kind, response.code, coap::MessageId(0x7777), token);
        message.option(coap::OptionNumber::CONTENT_FORMAT, &[]).payload(&response.payload);
        let length = message.finish().unwrap();
        self.server.handle_input(link, &datagram[..length], self.now);
        self.pump();
    }

    /// Lets so much time pass.
    pub(super) fn wait(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            let server = self.server.poll_timeout().map(|(at, _)| at);
            let devices = self.devices.values().filter_map(|device| device.poll_timeout().map(|(at, _)| at));
            let Some(next) = devices.chain(server).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.server.handle_timeout(self.now);
            self.devices.values_mut().for_each(|device| device.handle_timeout(self.now));
            self.pump();
        }
        self.now = end;
    }

    /// Carries datagrams until there are none, and collects events.
    pub(super) fn pump(&mut self) {
        let mut buffer = [0; 2_048];
        loop {
            let mut quiet = true;
            while let Some((link, length)) = self.server.poll_transmit(&mut buffer) {
                quiet = false;
                if let Some(device) = self.devices.get_mut(&link) {
                    device.handle_input(0, &buffer[..length], self.now);
                }
            }
            for (link, device) in &mut self.devices {
                while let Some((_, length)) = device.poll_transmit(&mut buffer) {
                    quiet = false;
                    self.server.handle_input(*link, &buffer[..length], self.now);
                }
                while let Some(event) = device.poll_event() {
                    match event {
                        coap::Event::Request { id, request, .. } => self.asked.push((*link, id, request)),
                        coap::Event::Response { id, response, .. } => {
                            self.answers.insert((*link, id), response);
                        }
                        coap::Event::Failed { id, failure: Failure::TransferRejected(code), .. } => {
                            self.answers.insert((*link, id), Response::new(code));
                        }
                        coap::Event::ObservationCanceled { token, .. } => self.canceled.push((*link, token)),
                        _ => {}
                    }
                }
            }
            while let Some(event) = self.server.poll_event() {
                self.events.push(event);
            }
            if quiet {
                return;
            }
        }
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }

    /// Runs an operation; its result must come with what follows.
    pub(super) fn operate(&mut self, endpoint: &str, operation: Operation) -> OperationId {
        let id = self.server.operate(endpoint, operation, self.now);
        self.pump();
        id
    }

    pub(super) fn result(&mut self, id: OperationId) -> Result<OperationOutput, OperationError> {
        let index = self
            .events
            .iter()
            .position(|event| matches!(event, Event::OperationDone { id: done, .. } if *done == id));
        match self.events.remove(index.unwrap()) {
            Event::OperationDone { result, .. } => result,
            _ => unreachable!(),
        }
    }
}

/// The path behind `/rd/` of a registration.
pub(super) fn location(response: &Response) -> String {
    let segments: Vec<&[u8]> = response.options.location_path().collect();
    assert_eq!(segments[0], b"rd");
    core::str::from_utf8(segments[1]).unwrap().to_string()
}

//! The client against a server that only does what the test says.

mod bootstrap;
mod components;
mod composites;
mod deferral;
mod fetch;
mod firmware;
mod instances;
mod lite_os;
mod lock_step;
mod management;
mod queue_mode;
mod registration;
mod several_servers;
mod silent_session;

use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use coap::{Code, Failure, IncomingId, Request, Response};
use machine::{Credential, Machine, Path as Way, SessionEvent, SessionId, SessionMachine, Socket};

use super::*;

/// What the store was asked to do lives here, so that tests can look.
#[derive(Default, Debug)]
pub(super) struct MemoryStore {
    pub(super) recovered: Option<Recovered>,
    pub(super) kept: Kept,
    pub(super) bytes: Vec<u8>,
    pub(super) fails: Option<(&'static str, StoreError)>,
    pub(super) etag: Option<Vec<u8>>,
    pub(super) activated: bool,
    pub(super) discarded: u32,
}

impl MemoryStore {
    fn outcome(&self, operation: &str) -> Result<(), StoreError> {
        match self.fails {
            Some((failing, error)) if failing == operation => Err(error),
            _ => Ok(()),
        }
    }
}

impl FirmwareStore for MemoryStore {
    fn running_version(&self) -> String {
        "1.0".to_string()
    }

    fn recover(&mut self) -> Recovered {
        self.recovered.take().unwrap_or(Recovered::Nothing)
    }

    fn begin(&mut self, _: Source<'_>) -> Result<Kept, StoreError> {
        self.outcome("begin")?;
        self.bytes.truncate(self.kept.offset as usize);
        Ok(self.kept.clone())
    }

    fn restart(&mut self) -> Result<(), StoreError> {
        self.bytes.clear();
        Ok(())
    }

    fn identify(&mut self, etag: Option<&[u8]>, _: Option<u64>) -> Result<(), StoreError> {
        self.etag = etag.map(<[u8]>::to_vec);
        self.outcome("identify")
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.outcome("write")?;
        assert_eq!(offset, self.bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        self.outcome("finish")
    }

    fn package(&self) -> Option<PackageName> {
        None
    }

    fn activate(&mut self) -> Result<(), StoreError> {
        self.outcome("activate")?;
        self.activated = true;
        Ok(())
    }

    fn discard(&mut self) -> Result<(), StoreError> {
        self.bytes.clear();
        self.discarded += 1;
        self.outcome("discard")
    }
}

pub(super) fn open_link() -> Link {
    Link::Open(Way { socket: Socket(0), remote: "192.0.2.1:5683".parse().unwrap() })
}

pub(super) fn open_config() -> Config {
    let Link::Open(path) = open_link() else { unreachable!() };
    let access = Access::Open(path);
    Config::new("node-1", ServerAccount { access, short_server_id: 1, lifetime: 300 })
}

pub(super) fn secured_config() -> Config {
    let credential = Credential { identity: b"node-1".to_vec(), key: vec![7; 16] };
    let access = Access::Secured { remote: "192.0.2.1:5684".parse().unwrap(), credential };
    let account = ServerAccount { access, short_server_id: 1, lifetime: 300 };
    Config { accounts: account.into(), ..open_config() }
}

/// A client and, at the other end of a perfect wire, the CoAP endpoint of a server without any role.
pub(super) struct Pair {
    pub(super) client: Client<MemoryStore>,
    server: coap::Endpoint<Link>,
    pub(super) now: Instant,
    pub(super) link: Link,
    /// Whether what the server sends, or the client, is lost.
    pub(super) deaf: bool,
    pub(super) asked: VecDeque<(IncomingId, Request)>,
    /// Who asks, in the order of `asked`.
    askers: VecDeque<Link>,
    pub(super) answered: VecDeque<Result<Response, Failure>>,
    pub(super) notified: VecDeque<Response>,
    pub(super) events: Vec<Event>,
    pub(super) commands: VecDeque<SessionCommand>,
}

impl Pair {
    pub(super) fn new(config: Config, store: MemoryStore) -> Self {
        Self::of(Client::new(config, store, [1; 32], OpenRequest(10), Instant::ZERO))
    }

    pub(super) fn of(client: Client<MemoryStore>) -> Self {
        let mut pair = Self {
            client,
            server: coap::Endpoint::new(coap::Config::default(), [2; 32]),
            now: Instant::ZERO,
            link: open_link(),
            deaf: false,
            asked: VecDeque::new(),
            askers: VecDeque::new(),
            answered: VecDeque::new(),
            notified: VecDeque::new(),
            events: Vec::new(),
            commands: VecDeque::new(),
        };
        pair.client.handle_timeout(Instant::ZERO);
        pair.exchange();
        pair
    }

    /// A client that has registered.
    pub(super) fn registered(config: Config, store: MemoryStore) -> Self {
        let mut pair = Self::new(config, store);
        if pair.asked.is_empty() {
            pair.session_up(SessionId(1));
        }
        pair.accept_registration();
        pair
    }

    pub(super) fn accept_registration(&mut self) {
        let request = self.answer(Response::new(Code::CREATED).location(&["rd", "7"]));
        assert_eq!(request.options.path_string(), "/rd");
        assert!(self.client.is_registered());
    }

    pub(super) fn session_up(&mut self, session: SessionId) {
        self.session_back(session, false);
    }

    /// The session that the client wants is there; `resumed` if the server still knows an earlier one.
    pub(super) fn session_back(&mut self, session: SessionId, resumed: bool) {
        let Some(SessionCommand::Open { request, remote, credential }) = self.commands.pop_front() else {
            panic!("the client wants no session")
        };
        self.link = Link::Secured(session);
        let (link, request) = (self.link, Some(request));
        let identity = &credential.identity;
        self.client.handle_session(SessionEvent::Up { link, identity, remote, request, resumed }, self.now);
        self.exchange();
    }

    /// Answers the oldest open request of the client and gives it back.
    pub(super) fn answer(&mut self, response: Response) -> Request {
        let (id, request) = self.asked.pop_front().expect("the client has asked for something");
        // Whoever was asked is the server that speaks from now on.
        self.link = self.askers.pop_front().unwrap_or(self.link);
        self.server.respond(id, response, self.now);
        self.exchange();
        request
    }

    /// Asks the client and waits for its answer.
    pub(super) fn ask(&mut self, request: Request) -> Response {
        self.try_ask(request).expect("the client answers")
    }

    pub(super) fn try_ask(&mut self, request: Request) -> Result<Response, Failure> {
        self.server.request(self.link, request, self.now);
        self.exchange();
        self.answered.pop_front().expect("an answer at once")
    }

    pub(super) fn observe(&mut self, path: &str) -> Response {
        self.server.observe(self.link, Request::get(path), self.now);
        self.exchange();
        self.answered.pop_front().expect("an answer at once").expect("the client answers")
    }

    /// Lets time pass, waking both sides when they want it.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        self.exchange();
        loop {
            let wakes = [self.client.poll_timeout(), self.server.poll_timeout()];
            let next = wakes.into_iter().flatten().map(|(at, _)| at).min().unwrap_or(Instant::FAR_FUTURE);
            if next > until {
                self.now = until;
                return;
            }
            self.now = self.now.max(next);
            self.client.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
            self.exchange();
        }
    }

    fn exchange(&mut self) {
        let mut buffer = [0; 2_048];
        loop {
            let mut idle = true;
            while let Some((link, length)) = self.client.poll_transmit(&mut buffer) {
                idle = false;
                if !self.deaf {
                    self.server.handle_input(link, &buffer[..length], self.now);
                }
            }
            while let Some((link, length)) = self.server.poll_transmit(&mut buffer) {
                idle = false;
                if !self.deaf {
                    self.client.handle_input(link, &buffer[..length], self.now);
                }
            }
            self.collect();
            if idle {
                return;
            }
        }
    }

    fn collect(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                coap::Event::Request { peer, id, request, .. } => {
                    self.asked.push_back((id, request));
                    self.askers.push_back(peer);
                }
                coap::Event::Response { response, .. } => self.answered.push_back(Ok(response)),
                coap::Event::Notification { response, .. } => self.notified.push_back(response),
                coap::Event::Failed { failure, .. } => self.answered.push_back(Err(failure)),
                _ => {}
            }
        }
        self.events.extend(core::iter::from_fn(|| self.client.poll_event()));
        self.commands.extend(core::iter::from_fn(|| self.client.poll_session()));
    }
}

pub(super) fn text(response: &Response) -> &str {
    core::str::from_utf8(&response.payload).unwrap()
}

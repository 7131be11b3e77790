//! The bootstrap server role: gives devices the accounts of their management servers.
//!
//! ```text
//! device                       server                              owner
//!   │ POST /bs?ep=&pct=  ───────▶│ Directory::admit
//!   │◀─────────────── 2.04 ──────│ Event::Requested ────────────────▶│ makes a key, stores it,
//!   │                            │◀───────────── Server::start(plan) │ only then goes on
//!   │◀──────── Discover / ───────│
//!   │◀──────── Delete /0/1 … ────│ never the account of this server, never /3/0
//!   │◀──────── Write /0/1 /1/0 … │ Event::Step after each answer
//!   │◀──────── Finish (POST /bs) │ 4.06: written anew, at most three times in all
//!   │──────────── 2.04 ─────────▶│ Event::Ended ────────────────────▶│
//! ```
//! Nothing is written before the owner has stored what will be written: a device never holds a key that the
//! server could have forgotten (SECURITY rule k06). One bootstrap runs per device; a new request replaces it.
//!
//! ```
//! use std::sync::Arc;
//! use lwm2m::bootstrap::{Config, Server};
//! use lwm2m::server::{Admission, Directory, Refusal};
//! use machine::Machine;
//!
//! /// Nobody may come.
//! struct Nobody;
//!
//! impl Directory for Nobody {
//!     fn admit(&self, _identity: Option<&[u8]>, _endpoint: Option<&str>) -> Admission {
//!         Admission::Refuse(Refusal::UnknownEndpoint)
//!     }
//! }
//!
//! let server = Server::new(Config::default(), Arc::new(Nobody), [0; 32]);
//! assert_eq!(server.poll_timeout(), None);
//! ```

mod discovered;
mod event;
mod plan;
mod run;
mod steps;

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use coap::{Code, OptionNumber, Request, RequestId, Response};
use machine::{
    Instant, KeyedState, Link, Machine, Map, Random, Seed, SessionCommand, SessionEvent, SessionId,
    SessionMachine, Timers,
};

pub use event::{Event, Failure, RunId, Step};
pub use plan::{Plan, Security, ServerAccount};

use self::run::Run;
use crate::format;
use crate::server::{Admission, Directory, Refusal};

/// Parameters and bounds of a [`Server`].
#[derive(Clone, Debug)]
pub struct Config {
    /// How many devices may be bootstrapped at a time; others are asked to come again.
    pub max_runs: usize,
    /// How long one step may take, and how long the owner may take for the plan: EXCHANGE_LIFETIME of
    /// RFC 7252, after which no answer can come any more.
    pub patience: Duration,
    /// How long a session is kept after the end, so that the last acknowledgement arrives.
    pub linger: Duration,
    /// When a device that is not served now may come again.
    pub retry_after: Duration,
    /// The CoAP layer below.
    pub coap: coap::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_runs: 10_000,
            patience: Duration::from_secs(247),
            linger: Duration::from_secs(10),
            retry_after: Duration::from_secs(30),
            coap: coap::Config::default(),
        }
    }
}

/// The bootstrap server of one shard. See the [module](self).
pub struct Server {
    config: Config,
    directory: Arc<dyn Directory>,
    coap: coap::Endpoint<Link>,
    /// Identities of the sessions that are up; bounded by the DTLS layer.
    sessions: Map<SessionId, Box<[u8]>>,
    /// Bounded by [`Config::max_runs`], as are the three maps behind it.
    runs: Map<RunId, Run>,
    by_endpoint: Map<Arc<str>, RunId>,
    by_link: Map<Link, RunId>,
    by_request: Map<RequestId, RunId>,
    timers: Timers<Timer>,
    /// Emptied by the driver after each call, as is `commands`.
    events: VecDeque<Event>,
    commands: VecDeque<SessionCommand>,
    last_run: u64,
}

#[derive(Clone, Copy, Debug)]
enum Timer {
    /// The plan or an answer should have come.
    Patience(RunId),
    /// A session is needed no more.
    Close(Link),
}

/// So many timers fire in one call at most; the rest is due at once in the next.
const TIMERS_PER_CALL: usize = 256;

impl Server {
    /// A server that bootstraps nobody yet. `seed` makes tokens unguessable.
    pub fn new(config: Config, directory: Arc<dyn Directory>, seed: Seed) -> Self {
        let mut random = Random::new(seed);
        Self {
            coap: coap::Endpoint::new(config.coap.clone(), random.seed()),
            sessions: Map::with_hasher(KeyedState::new(&mut random)),
            runs: Map::with_hasher(KeyedState::new(&mut random)),
            by_endpoint: Map::with_hasher(KeyedState::new(&mut random)),
            by_link: Map::with_hasher(KeyedState::new(&mut random)),
            by_request: Map::with_hasher(KeyedState::new(&mut random)),
            timers: Timers::new(),
            events: VecDeque::new(),
            commands: VecDeque::new(),
            last_run: 0,
            config,
            directory,
        }
    }

    /// How many devices are being bootstrapped.
    pub fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// What [`Event::Requested`] asked for is stored: writes it. Nothing happens if the run has ended.
    pub fn start(&mut self, run: RunId, plan: Plan, now: Instant) {
        if let Some(found) = self.runs.get_mut(&run)
            && found.take_plan(plan)
        {
            self.next_step(run, now);
        }
        self.work(now);
    }

    /// The owner has no plan for this device: the run ends.
    pub fn refuse(&mut self, run: RunId, now: Instant) {
        self.end(run, Err(Failure::NoPlan), now);
        self.work(now);
    }

    /// Ends the run of a device that was removed, and its session.
    pub fn release(&mut self, endpoint: &str, now: Instant) {
        if let Some(run) = self.by_endpoint.get(endpoint).copied() {
            self.end(run, Err(Failure::Released), now);
        }
        self.work(now);
    }

    fn work(&mut self, now: Instant) {
        while let Some(event) = self.coap.poll_event() {
            match event {
                coap::Event::Request { peer, id, request, .. } => {
                    let response = self.answer(peer, &request, now);
                    self.coap.respond(id, response, now);
                }
                coap::Event::Response { id, response, .. } => self.handle_answer(id, &response, now),
                coap::Event::Failed { id, failure, .. } => self.handle_lost(id, failure, now),
                // Nothing is observed here.
                _ => {}
            }
        }
    }

    fn answer(&mut self, peer: Link, request: &Request, now: Instant) -> Response {
        let path = request.options.path_string();
        match (path.as_str(), request.method) {
            ("/bs", Code::POST) => self.requested(peer, request, now),
            // A pack would have to be sealed before it is known whether it arrives; the device asks with
            // POST /bs next (PEERS 16).
            ("/bspack", Code::GET) => Response::new(Code::NOT_IMPLEMENTED),
            ("/bs" | "/bspack", _) => Response::new(Code::METHOD_NOT_ALLOWED),
            _ => Response::new(Code::NOT_FOUND),
        }
    }

    fn requested(&mut self, peer: Link, request: &Request, now: Instant) -> Response {
        let Some(wish) = Wish::parse(request) else {
            return Response::new(Code::BAD_REQUEST).diagnostic("ep must have 1 to 255 bytes of UTF-8");
        };
        let identity = match peer {
            Link::Secured(session) => self.sessions.get(&session).map(|identity| &**identity),
            Link::Open(_) => None,
        };
        match self.directory.admit(identity, wish.endpoint) {
            Admission::Accept { endpoint } => self.accept(peer, &endpoint, wish.format, now),
            Admission::Refuse(refusal) => {
                let identity = identity.map(ToOwned::to_owned);
                let endpoint = wish.endpoint.map(ToOwned::to_owned);
                self.events.push_back(Event::Refused { identity, endpoint, refusal });
                let code = match refusal {
                    Refusal::Blocked => Code::FORBIDDEN,
                    _ => Code::BAD_REQUEST,
                };
                Response::new(code).diagnostic(&alloc::format!("{refusal}"))
            }
        }
    }

    fn accept(&mut self, peer: Link, endpoint: &str, format: Option<u16>, now: Instant) -> Response {
        let before = [self.by_endpoint.get(endpoint).copied(), self.by_link.get(&peer).copied()];
        for run in before.into_iter().flatten() {
            // A device that asks again before anything was written waits for the same plan.
            if self.runs.get(&run).is_some_and(|run| run.waits_for_plan() && run.is_of(endpoint, peer)) {
                return Response::new(Code::CHANGED);
            }
            self.end(run, Err(Failure::Superseded), now);
        }
        if self.runs.len() >= self.config.max_runs {
            let later = self.config.retry_after.as_secs().to_be_bytes();
            let busy = Response::new(Code::SERVICE_UNAVAILABLE);
            return busy.option(OptionNumber::MAX_AGE, &later[7..]).diagnostic("too many devices at once");
        }
        self.last_run += 1;
        let id = RunId(self.last_run);
        let endpoint: Arc<str> = endpoint.into();
        let timer = self.timers.set(now + self.config.patience, Timer::Patience(id));
        self.runs.insert(id, Run::new(endpoint.clone(), peer, format, timer));
        self.by_endpoint.insert(endpoint.clone(), id);
        self.by_link.insert(peer, id);
        self.events.push_back(Event::Requested { run: id, endpoint, link: peer });
        Response::new(Code::CHANGED)
    }

    /// Ends a run, well or not.
    fn end(&mut self, id: RunId, result: Result<(), Failure>, now: Instant) {
        let Some(run) = self.runs.remove(&id) else { return };
        self.timers.cancel(run.timer);
        self.by_endpoint.remove(&run.endpoint);
        self.by_link.remove(&run.link);
        if let Some(asked) = run.asked {
            self.by_request.remove(&asked);
            self.coap.cancel(asked, now);
        }
        if result != Err(Failure::Superseded) && run.link.is_secured() {
            self.timers.set(now + self.config.linger, Timer::Close(run.link));
        }
        self.events.push_back(Event::Ended { run: id, endpoint: run.endpoint, result });
    }

    fn close(&mut self, link: Link) {
        // The device may have begun anew on the same session.
        if !self.by_link.contains_key(&link) {
            self.commands.push_back(SessionCommand::Close(link));
        }
    }
}

/// What the query of a request says.
struct Wish<'a> {
    endpoint: Option<&'a str>,
    /// The preferred content format, if we have it (LwM2M Core 1.1 section 6.1.7.1).
    format: Option<u16>,
}

impl<'a> Wish<'a> {
    fn parse(request: &'a Request) -> Option<Self> {
        let mut wish = Self { endpoint: None, format: None };
        for part in request.options.uri_query() {
            let part = core::str::from_utf8(part).ok()?;
            match part.split_once('=') {
                Some(("ep", name)) if (1..=255).contains(&name.len()) => wish.endpoint = Some(name),
                Some(("ep", _)) => return None,
                Some(("pct", number)) => {
                    let known = |format: &u16| steps::FORMATS.contains(format);
                    wish.format = number.parse().ok().filter(known);
                }
                _ => {}
            }
        }
        Some(wish)
    }
}

impl Machine for Server {
    type Peer = Link;
    type Event = Event;

    fn handle_input(&mut self, from: Link, bytes: &[u8], now: Instant) {
        self.coap.handle_input(from, bytes, now);
        self.work(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.coap.handle_timeout(now);
        self.work(now);
        for _ in 0..TIMERS_PER_CALL {
            match self.timers.expire(now) {
                Some(Timer::Patience(run)) => self.lose_patience(run, now),
                Some(Timer::Close(link)) => self.close(link),
                None => break,
            }
        }
        self.work(now);
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Link, usize)> {
        self.coap.poll_transmit(buffer)
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let own = self.timers.next().map(|at| (at, "a bootstrap takes too long or is over"));
        own.into_iter().chain(self.coap.poll_timeout()).min()
    }
}

impl SessionMachine for Server {
    fn handle_session(&mut self, event: SessionEvent<'_>, now: Instant) {
        match event {
            SessionEvent::Up { link: Link::Secured(session), identity, .. } => {
                self.sessions.insert(session, identity.into());
            }
            SessionEvent::Down { link, .. } => {
                if let Link::Secured(session) = link {
                    self.sessions.remove(&session);
                }
                if let Some(run) = self.by_link.get(&link).copied() {
                    self.disconnected(run, now);
                }
                self.coap.forget(link, now);
            }
            // A moved session keeps its link; the server opens none.
            _ => {}
        }
        self.work(now);
    }

    fn poll_session(&mut self) -> Option<SessionCommand> {
        self.commands.pop_front()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("bootstrap::Server")
            .field("runs", &self.runs.len())
            .field("sessions", &self.sessions.len())
            .finish_non_exhaustive()
    }
}

/// Where the formats of a device begin when it names none: every version has it.
const FIRST_FORMAT: u16 = format::LWM2M_TLV;

#[cfg(test)]
mod tests;

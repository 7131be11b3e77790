//! One endpoint: all handshakes and sessions of a socket.

mod addresses;
mod associations;
mod input;
mod movement;
mod persistence;
mod roster;
mod session;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use machine::{Credential, Index, Instant, KeyedState, Machine, Random, Seed, SessionEnd, SessionId, Timers};

use self::roster::{Key, Line, Roster, Slot};
use self::session::Session;
use crate::connection_id::ConnectionId;
use crate::cookie::CookieJar;
use crate::fault::DropCause;
use crate::handshake::{Handshake, Lookup, Remembered, Schedule, Step, Tools};
use crate::limits::{FailingIdentities, Sources};
use crate::resumption::TicketSeal;
use crate::secrets::USUAL_KEY;
use crate::wire::alert::Alert;
use crate::wire::record::ContentType;
use crate::{
    Config, CookieKeys, Event, HandshakeId, ResumptionTable, SendError, SessionCache, Statistics, TicketKeys,
};

/// Datagrams that wait to be polled; what comes beyond counts as lost. A driver polls after every datagram; the
/// room is for the repetitions of a full table of handshakes that fall due at once, of both roles.
const MAX_TRANSMITS: usize = 8_192;
/// Application records that wait to be polled; further ones are dropped as the network would.
const MAX_WAITING_EVENTS: usize = 4_096;
/// How many sessions a client keeps to be resumed, the oldest out: a device has few servers.
const MAX_REMEMBERED: usize = 16;

/// Serves and calls the DTLS peers of one socket.
///
/// At one remote address there is at most one running handshake, and one session without connection id. A
/// handshake that is finished replaces the session at its address, unless that is another identity's and can be
/// found by its connection id; until then that session stays usable. Sessions of one identity at several
/// addresses live side by side.
///
/// [`Machine::poll_transmit`] needs a buffer of 1,024 bytes.
pub struct Endpoint {
    config: Config,
    random: Random,
    cookies: CookieJar,
    tickets: TicketSeal,
    /// Sessions of our clients that can be resumed by their id.
    cache: Box<dyn SessionCache>,
    /// Sessions with servers that can be resumed, the oldest first.
    remembered: VecDeque<(SocketAddr, Remembered)>,
    sources: Sources,
    failing: FailingIdentities,
    /// How long the last key was that somebody had.
    usual_key: usize,
    roster: Roster<Association>,
    /// Sessions, the one that was unheard for longest first.
    live: Line,
    /// Handshakes with clients, the oldest first.
    half_open: Line,
    /// Handshakes with servers, the oldest first.
    calling: Line,
    sessions_at: Index,
    handshakes_at: Index,
    timers: Timers<Key>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    statistics: Statistics,
}

enum Association {
    Handshake(Box<Handshake>),
    Session(Session),
}

enum Transmit {
    Datagram(SocketAddr, Vec<u8>),
    /// The flight of a handshake, or the last one of a session.
    Flight(Key),
}

impl Endpoint {
    /// An endpoint without sessions. `seed` must come from the operating system's random source.
    pub fn new(config: Config, seed: Seed) -> Self {
        let mut random = Random::new(seed);
        Self {
            cookies: CookieJar::new(CookieKeys::new(random.seed()), config.cookie_rotation),
            tickets: TicketSeal::new(TicketKeys::new(random.seed(), Duration::ZERO)),
            cache: Box::new(ResumptionTable::new(config.max_resumable_sessions, random.seed())),
            remembered: VecDeque::new(),
            sources: Sources::new(config.max_sources, &mut random),
            failing: FailingIdentities::new(config.max_failing_identities, &mut random),
            usual_key: USUAL_KEY,
            sessions_at: Index::new(KeyedState::new(&mut random)),
            handshakes_at: Index::new(KeyedState::new(&mut random)),
            config,
            roster: Roster::new(&mut random),
            random,
            live: Line::default(),
            half_open: Line::default(),
            calling: Line::default(),
            timers: Timers::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            statistics: Statistics::default(),
        }
    }

    /// Calls `to`. Ends in [`Event::Up`] or [`Event::Down`] with the number returned here; with `Down` at once
    /// if the identity is longer than 128 bytes, the key not of 1 to 64, or `max_half_open` calls are running.
    /// An earlier call to the same address that is still running ends as [`SessionEnd::Replaced`].
    pub fn connect(&mut self, to: SocketAddr, credential: Credential, now: Instant) -> SessionId {
        let Some(slot) = self.roster.reserve() else {
            let session = SessionId(u64::MAX);
            self.events.push_back(Event::Down { session, end: SessionEnd::Evicted });
            return session;
        };
        let session = SessionId(self.roster.key(slot).0);
        match self.call(slot, to, &credential, now) {
            Ok(handshake) => self.begin(slot, handshake, Step::Send, now),
            Err(end) => {
                self.roster.release(slot);
                self.events.push_back(Event::Down { session, end });
            }
        }
        session
    }

    fn call(
        &mut self,
        slot: Slot,
        to: SocketAddr,
        credential: &Credential,
        now: Instant,
    ) -> Result<Handshake, SessionEnd> {
        if self.calling.len() >= self.config.max_half_open {
            return Err(SessionEnd::Evicted);
        }
        let schedule = Schedule::until(now + self.config.connect_timeout);
        let earlier = self.recall(to, &credential.identity, now);
        let id = self.connection_id(slot);
        Handshake::call(to, credential, earlier, id, &self.config, schedule, &mut self.random)
            .ok_or(SessionEnd::NotAuthenticated)
    }

    /// The session with this server that can be resumed.
    fn recall(&mut self, to: SocketAddr, identity: &[u8], now: Instant) -> Option<Remembered> {
        let is_it = |(server, earlier): &(SocketAddr, Remembered)| {
            *server == to && earlier.session.identity == identity
        };
        let index = self.remembered.iter().position(is_it)?;
        let (_, earlier) = self.remembered.remove(index)?;
        let age = self.tickets.wall(now).since(earlier.session.established);
        (age <= self.config.resumption_lifetime).then_some(earlier)
    }

    fn remember(&mut self, server: SocketAddr, session: Remembered) {
        if self.remembered.len() >= MAX_REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back((server, session));
    }

    /// The connection id of what is, or will be, in a slot.
    fn connection_id(&self, slot: Slot) -> Option<ConnectionId> {
        let ids = self.config.connection_id?;
        ConnectionId::new(ids, self.roster.key(slot).0)
    }

    /// Answers [`Event::KeyWanted`]. `None` says that the identity is unknown; so does a key that is not of 1 to
    /// 64 bytes.
    pub fn provide_key(&mut self, handshake: HandshakeId, key: Option<&[u8]>, now: Instant) {
        let Some(slot) = self.roster.find(Key(handshake.0)) else { return };
        let lookup = match key {
            Some(key) if (1..=64).contains(&key.len()) => {
                self.usual_key = key.len();
                Lookup::Known(key)
            }
            _ => Lookup::Unknown,
        };
        self.unpark(slot, lookup, now);
    }

    fn unpark(&mut self, slot: Slot, lookup: Lookup<'_>, now: Instant) {
        let Self { config, random, tickets, usual_key, .. } = self;
        let Some(Association::Handshake(parked)) = self.roster.get_mut(slot) else { return };
        let mut tools = Tools { config, random, tickets, now, usual_key: *usual_key };
        let step = parked.provide_key(lookup, &mut tools);
        self.proceed(slot, step, now);
    }

    /// Writes one application record into `buffer` and says where to send it and how long it is. Any session
    /// needs at most 77 bytes more than the plaintext, and those of the peer's connection id (at most 32) and one.
    pub fn seal(
        &mut self,
        session: SessionId,
        plaintext: &[u8],
        buffer: &mut [u8],
    ) -> Result<(SocketAddr, usize), SendError> {
        let slot = self.roster.find(Key(session.0)).ok_or(SendError::NotUp)?;
        let Some(Association::Session(live)) = self.roster.get_mut(slot) else {
            return Err(SendError::NotUp);
        };
        if !live.may_send(live.channel.record_length(plaintext.len())) {
            return Err(SendError::AddressUnproved);
        }
        let sealed = live.channel.seal(ContentType::APPLICATION_DATA, plaintext, &mut self.random, buffer);
        let remote = live.remote;
        if sealed == Err(SendError::Exhausted) {
            self.end_with_alert(slot, Alert::CLOSE_NOTIFY, SessionEnd::ClosedHere);
        }
        Ok((remote, sealed?))
    }

    /// Ends a session or gives a call up; [`Event::Down`] follows.
    pub fn close(&mut self, session: SessionId, _now: Instant) {
        let Some(slot) = self.roster.find(Key(session.0)) else { return };
        match self.roster.get(slot) {
            Some(Association::Session(_)) => {
                self.end_with_alert(slot, Alert::CLOSE_NOTIFY, SessionEnd::ClosedHere);
            }
            Some(Association::Handshake(_)) => self.abandon(slot, SessionEnd::ClosedHere),
            None => {}
        }
    }

    /// Where the other side of a session or call is.
    pub fn address(&self, session: SessionId) -> Option<SocketAddr> {
        let slot = self.roster.find(Key(session.0))?;
        self.roster.get(slot).map(Association::remote)
    }

    /// How many sessions are up.
    pub const fn session_count(&self) -> usize {
        self.live.len()
    }

    /// How many handshakes with clients are running.
    pub const fn half_open_count(&self) -> usize {
        self.half_open.len()
    }

    /// What was counted since the endpoint was made.
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    fn answer(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        if self.transmits.len() < MAX_TRANSMITS {
            self.transmits.push_back(Transmit::Datagram(to, datagram));
        } else {
            self.drop_record(DropCause::Overload);
        }
    }

    const fn drop_record(&mut self, cause: DropCause) {
        cause.count(&mut self.statistics.dropped);
    }

    fn encode(&mut self, transmit: Transmit) -> Option<(SocketAddr, Vec<u8>)> {
        match transmit {
            Transmit::Datagram(to, datagram) => Some((to, datagram)),
            Transmit::Flight(key) => {
                let slot = self.roster.find(key)?;
                let association = self.roster.get_mut(slot)?;
                let remote = association.remote();
                let datagram = match association {
                    Association::Handshake(handshake) => handshake.encode_flight(&mut self.random),
                    Association::Session(session) => session.encode_last_flight(&mut self.random)?,
                };
                Some((remote, datagram))
            }
        }
    }
}

impl Association {
    fn remote(&self) -> SocketAddr {
        match self {
            Self::Handshake(handshake) => handshake.remote,
            Self::Session(session) => session.remote,
        }
    }
}

impl Machine for Endpoint {
    type Peer = SocketAddr;
    type Event = Event;

    fn handle_input(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        self.handle_datagram(from, bytes, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some(key) = self.timers.expire(now) {
            self.handle_timer(key, now);
        }
        while let Some(slot) = self.idle_session(now) {
            self.end_session(slot, SessionEnd::TimedOut);
        }
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        loop {
            let transmit = self.transmits.pop_front()?;
            let Some((to, datagram)) = self.encode(transmit) else { continue };
            if let Some(front) = buffer.get_mut(..datagram.len()) {
                front.copy_from_slice(&datagram);
                return Some((to, datagram.len()));
            }
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let handshake = self.timers.next().map(|at| (at, "a handshake is due"));
        let session = self.idle_at().map(|at| (at, "a session is idle"));
        [handshake, session].into_iter().flatten().min()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Endpoint")
            .field("sessions", &self.live.len())
            .field("half_open", &self.half_open.len())
            .field("calling", &self.calling.len())
            .field("statistics", &self.statistics)
            .finish_non_exhaustive()
    }
}

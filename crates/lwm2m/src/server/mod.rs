//! The server role: registrations, operations and upgrades of all devices of one shard.
//!
//! A [`Server`] is one machine above DTLS. Devices register (`interface`); the owner asks them for things
//! ([`Server::operate`]) and upgrades them ([`Server::start_upgrade`], [`upgrade`]); images are served on the
//! same endpoint under unguessable paths. The work of a call does not depend on the number of devices.
//!
//! ```
//! use std::sync::Arc;
//! use lwm2m::server::{Admission, Config, Directory, Event, Operation, Refusal, Server};
//! use machine::{Instant, Machine};
//!
//! /// Knows one device, which may come without DTLS.
//! struct OneDevice;
//!
//! impl Directory for OneDevice {
//!     fn admit(&self, _identity: Option<&[u8]>, endpoint: Option<&str>) -> Admission {
//!         match endpoint {
//!             Some("meter-1") => Admission::Accept { endpoint: "meter-1".into() },
//!             _ => Admission::Refuse(Refusal::UnknownEndpoint),
//!         }
//!     }
//! }
//!
//! let mut server = Server::new(Config::default(), Arc::new(OneDevice), [0; 32]);
//! // The device is not there yet, and the operation ends at once.
//! let id = server.operate("meter-1", Operation::Read("/3/0/3".parse().unwrap()), Instant::ZERO);
//! assert!(matches!(server.poll_event(), Some(Event::OperationDone { id: done, .. }) if done == id));
//! ```

mod config;
mod devices;
mod directory;
mod event;
mod exchange;
mod images;
mod interface;
mod lifetime;
mod objects;
mod oddity;
mod operations;
mod pace;
mod parameters;
mod registered;
mod restore;
mod snapshot;
pub mod upgrade;
mod upgrades;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use coap::RequestId;
use machine::{
    Instant, KeyedState, Link, Machine, Map, Random, Seed, SessionEvent, SessionId, SessionMachine, Timers,
};

pub use config::Config;
pub use directory::{Admission, Directory, Refusal};
pub use event::{Endpoint, Event, Gone, Registration};
pub use objects::ObjectList;
pub use oddity::Oddity;
pub use operations::{
    Attribute, AttributeConflict, AttributeError, Attributes, Discovered, FormatMemory, Operation,
    OperationError, OperationId, OperationOutput, ParseFormatMemoryError, Reason, Unreadable,
};
pub use parameters::{ParameterError, Version};
pub use restore::RestoreError;
pub use snapshot::{ObservationSnapshot, RegistrationSnapshot, SnapshotError};
pub use upgrades::StartError;

use self::devices::{DeviceKey, Devices};
use self::exchange::Exchange;
use self::images::Image;
use self::pace::Pace;
use self::upgrade::UpgradeId;

/// The path of an image, in front of its token.
pub const IMAGE_PATH: &str = "/fw/";

/// The LwM2M server of one shard. See the [module](self).
pub struct Server {
    config: Config,
    directory: Arc<dyn Directory>,
    random: Random,
    coap: coap::Endpoint<Link>,
    /// Sessions that are up; bounded by the DTLS layer.
    sessions: Map<SessionId, Session>,
    devices: Devices,
    timers: Timers<Timer>,
    /// What our requests are for; bounded by the queues of the CoAP layer.
    exchanges: Map<RequestId, Exchange>,
    /// What a token opens: one per running upgrade, and those that other shards published.
    images: Map<Box<str>, Image>,
    upgrades: Map<UpgradeId, DeviceKey>,
    /// Emptied by the driver after each call.
    events: VecDeque<Event>,
    last_operation: u64,
}

/// What is known of a session.
struct Session {
    identity: Arc<[u8]>,
    remote: SocketAddr,
    /// Counts registrations.
    pace: Pace,
    /// Counts bytes.
    upstream: Pace,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug)]
enum Timer {
    /// A registration may have run out, or its device may have fallen asleep.
    Registration(DeviceKey),
    /// An upgrade wants to go on.
    Upgrade(DeviceKey),
    /// An observation may have to be begun again.
    Observations(DeviceKey),
    /// A device that was busy may be asked again.
    Busy(RequestId),
}

/// So many timers fire in one call at most; the rest is due at once in the next.
const TIMERS_PER_CALL: usize = 256;

impl Server {
    /// A server without devices. `seed` makes locations, image paths and CoAP tokens unguessable.
    pub fn new(config: Config, directory: Arc<dyn Directory>, seed: Seed) -> Self {
        let mut random = Random::new(seed);
        let coap = coap::Endpoint::new(config.coap.clone(), random.seed());
        Self {
            coap,
            sessions: Map::with_hasher(KeyedState::new(&mut random)),
            devices: Devices::new(&mut random),
            timers: Timers::new(),
            exchanges: Map::with_hasher(KeyedState::new(&mut random)),
            images: Map::with_hasher(KeyedState::new(&mut random)),
            upgrades: Map::with_hasher(KeyedState::new(&mut random)),
            events: VecDeque::new(),
            last_operation: 0,
            config,
            directory,
            random,
        }
    }

    /// How many devices are known: registered, or waited for by an upgrade.
    pub fn device_count(&self) -> usize {
        self.devices.len()
    }

    /// What is known of a device's registration.
    pub fn registration(&self, endpoint: &str) -> Option<Registration> {
        let device = self.devices.get(self.devices.by_endpoint(endpoint)?)?;
        let registered = device.registration.as_deref()?;
        Some(registered.describe(registered.link.and_then(|link| self.remote(link))))
    }

    /// The session of a link, while it is up.
    fn session(&self, link: Link) -> Option<&Session> {
        match link {
            Link::Secured(session) => self.sessions.get(&session),
            Link::Open(_) => None,
        }
    }

    /// The address of the session of a link.
    fn remote(&self, link: Link) -> Option<SocketAddr> {
        self.session(link).map(|session| session.remote)
    }

    /// Counters of the CoAP layer.
    pub fn statistics(&self) -> coap::Statistics {
        self.coap.statistics()
    }

    /// Forgets a device: its registration and operations end, its upgrade is dropped without a word to the
    /// device or an event. For a device that was removed, or that another shard owns now.
    pub fn release(&mut self, endpoint: &str, now: Instant) {
        let Some(key) = self.devices.by_endpoint(endpoint) else { return };
        self.drop_upgrade(key, now);
        self.end_registration(key, Gone::Dropped, now);
        self.remove_if_idle(key);
        self.work(now);
    }

    /// Carries out what the CoAP layer has to tell.
    fn work(&mut self, now: Instant) {
        while let Some(event) = self.coap.poll_event() {
            match event {
                coap::Event::Request { peer, id, request, block: _ } => {
                    let response = self.answer(peer, &request, now);
                    self.coap.respond(id, response, now);
                    self.after_answer(peer, now);
                    self.renew_observations(peer, now);
                }
                coap::Event::Response { id, response, .. } => self.handle_response(id, response, now),
                coap::Event::Notification { id, response, .. } => {
                    self.handle_notification(id, &response, now);
                }
                coap::Event::ObservationEnded { id, response, .. } => {
                    self.handle_observation_ended(id, response.as_ref(), now);
                }
                coap::Event::Progress { id, sent, .. } => self.handle_progress(id, sent, now),
                coap::Event::Failed { id, failure, .. } => self.handle_failure(id, failure, now),
                // Only for the observed side, which a server never is.
                coap::Event::Delivered { .. } | coap::Event::ObservationCanceled { .. } => {}
            }
        }
    }

    fn emit(&mut self, event: Event) {
        self.events.push_back(event);
    }
}

impl Machine for Server {
    type Peer = Link;
    type Event = Event;

    fn handle_input(&mut self, from: Link, bytes: &[u8], now: Instant) {
        self.coap.handle_input(from, bytes, now);
        self.work(now);
        self.heard(from, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.coap.handle_timeout(now);
        self.work(now);
        for _ in 0..TIMERS_PER_CALL {
            match self.timers.expire(now) {
                Some(Timer::Registration(key)) => self.check_registration(key, now),
                Some(Timer::Upgrade(key)) => self.wake_upgrade(key, now),
                Some(Timer::Observations(key)) => self.check_observations(key, now),
                Some(Timer::Busy(id)) => self.ask_again(id, now),
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
        let own = self.timers.next().map(|at| (at, "a lifetime or an upgrade"));
        own.into_iter().chain(self.coap.poll_timeout()).min()
    }
}

impl SessionMachine for Server {
    fn handle_session(&mut self, event: SessionEvent<'_>, now: Instant) {
        match event {
            SessionEvent::Up { link, identity, remote, .. } => {
                if let Link::Secured(session) = link {
                    let (pace, upstream) = (Pace::default(), Pace::default());
                    let identity = identity.into();
                    self.sessions.insert(session, Session { identity, remote, pace, upstream });
                }
            }
            SessionEvent::Moved { link, remote } => {
                if let Link::Secured(session) = link
                    && let Some(moved) = self.sessions.get_mut(&session)
                {
                    moved.remote = remote;
                    self.moved(link);
                }
            }
            SessionEvent::Down { link, .. } => {
                if let Link::Secured(session) = link {
                    self.sessions.remove(&session);
                }
                self.disconnect(link, now);
            }
            // The server opens no sessions.
            SessionEvent::Failed { .. } => {}
        }
        self.work(now);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Server")
            .field("shard", &self.config.shard)
            .field("devices", &self.devices.len())
            .field("sessions", &self.sessions.len())
            .field("upgrades", &self.upgrades.len())
            .finish_non_exhaustive()
    }
}

/// RFC 4648 section 5, without padding: for paths.
fn url_safe(bytes: &[u8]) -> alloc::string::String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut letters = Vec::with_capacity(bytes.len() * 4 / 3 + 1);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(group);
        letters.extend((0..=chunk.len()).map(|place| ALPHABET[(bits >> (18 - 6 * place)) as usize & 0x3F]));
    }
    letters.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests;

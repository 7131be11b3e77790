//! What devices ask the server for: Register, Update, De-register, and images.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use coap::{Code, ContentFormat, OptionNumber, Request, Response};
use machine::{Instant, Link};

use super::Server;
use super::devices::DeviceKey;
use super::directory::{Admission, Refusal};
use super::event::{Event, Gone};
use super::objects::ObjectList;
use super::oddity::Oddity;
use super::pace::Pace;
use super::parameters::{ParameterError, Parameters, Version};
use super::registered::{Location, Registered};
use crate::format;

/// Why a request is refused, with the code that says so.
pub(super) struct Refused {
    code: Code,
    text: String,
    /// When it may be tried again.
    wait: Option<Duration>,
}

impl Refused {
    pub(super) fn new(code: Code, diagnostic: impl ToString) -> Self {
        Self { code, text: diagnostic.to_string(), wait: None }
    }

    pub(super) fn until(wait: Duration, diagnostic: impl ToString) -> Self {
        Self { wait: Some(wait), ..Self::new(Code::SERVICE_UNAVAILABLE, diagnostic) }
    }

    fn response(self) -> Response {
        let response = Response::new(self.code).diagnostic(&self.text);
        let Some(wait) = self.wait else { return response };
        let seconds = wait.as_secs().saturating_add(1).min(0xFF) as u8;
        response.option(OptionNumber::MAX_AGE, &[seconds])
    }
}

impl From<ParameterError> for Refused {
    fn from(error: ParameterError) -> Self {
        let code = match error {
            ParameterError::VersionNotServed => Code::PRECONDITION_FAILED,
            _ => Code::BAD_REQUEST,
        };
        Self::new(code, error)
    }
}

impl Server {
    /// The answer to a request of a peer.
    pub(super) fn answer(&mut self, peer: Link, request: &Request, now: Instant) -> Response {
        if !request.method.is_known_method() {
            return Response::new(Code::METHOD_NOT_ALLOWED);
        }
        let path: Vec<&[u8]> = request.options.uri_path().collect();
        if path.iter().any(|segment| matches!(*segment, b"." | b"..")) {
            return Response::new(Code::BAD_REQUEST);
        }
        if let Err(busy) = self.check_upstream(peer, request, now) {
            return busy.response();
        }
        let answered = match (&path[..], request.method) {
            ([b"rd"], Code::POST) => self.register(peer, request, now),
            ([b"rd", location], Code::POST) => self.update(peer, location, request, now),
            ([b"rd", location], Code::DELETE) => self.deregister(peer, location, now),
            ([b"dp"], Code::POST) => self.receive_data(peer, request, now),
            ([b"fw", token], Code::GET) => self.serve_image(peer, token, request, now),
            ([b".well-known", b"core"], Code::GET) => directory_listing(peer, request),
            ([b"rd" | b"rd/" | b"dp"] | [b"rd", _] | [b"fw", _] | [b".well-known", b"core"], _) => {
                Ok(Response::new(Code::METHOD_NOT_ALLOWED))
            }
            _ => Ok(Response::new(Code::NOT_FOUND)),
        };
        answered.unwrap_or_else(Refused::response)
    }

    fn register(&mut self, peer: Link, request: &Request, now: Instant) -> Result<Response, Refused> {
        if !request.confirmable {
            return Err(Refused::new(Code::BAD_REQUEST, "Register must be confirmable"));
        }
        let no_format = check_content_format(request)?;
        let mut parameters = Parameters::parse(request.options.uri_query())?;
        let version = parameters.version.unwrap_or(Version::V1_0);
        parameters.check_binding(version)?;
        if parameters.version.is_none() {
            parameters.note(Oddity::NoVersion);
        }
        if no_format {
            parameters.note(Oddity::NoContentFormat);
        }
        if parameters.profile && request.payload.is_empty() {
            return Err(Refused::new(Code::BAD_REQUEST, "this profile is not known: send the object list"));
        }
        let objects = objects_of(request, &mut parameters)?;
        let identity = self.session(peer).map(|session| Arc::clone(&session.identity));
        let endpoint = self.admit(identity.as_deref(), parameters.endpoint.as_deref())?;
        let pace = self.check_pace(peer, &endpoint, now)?;
        let location = Location::new(self.config.shard, &mut self.random);
        let registered = Registered {
            location,
            link: Some(peer),
            identity,
            lifetime: parameters.lifetime.unwrap_or(self.config.default_lifetime),
            version,
            binding: parameters.binding.unwrap_or_default(),
            queue_mode: parameters.queue_mode.unwrap_or(false),
            sms: parameters.sms,
            objects,
            oddities: parameters.oddities,
            awake: true,
            heard: now,
            heard_before_start: 0,
            active: now,
            pace,
            timer: None,
        };
        self.store_registration(&endpoint, peer, registered, now);
        Ok(Response::new(Code::CREATED).location(&["rd", &location.to_string()]))
    }

    fn admit(&mut self, identity: Option<&[u8]>, endpoint: Option<&str>) -> Result<String, Refused> {
        let refusal = match self.directory.admit(identity, endpoint) {
            Admission::Accept { endpoint } => {
                let known = self.devices.by_endpoint(&endpoint).is_some();
                if known || self.devices.len() < self.config.max_devices {
                    return Ok(endpoint);
                }
                Refusal::Full
            }
            Admission::Refuse(refusal) => refusal,
        };
        self.emit(Event::Refused {
            identity: identity.map(ToOwned::to_owned),
            endpoint: endpoint.map(ToOwned::to_owned),
            refusal,
        });
        let code = match refusal {
            Refusal::Blocked => Code::FORBIDDEN,
            Refusal::Full => Code::SERVICE_UNAVAILABLE,
            _ => Code::BAD_REQUEST,
        };
        Err(Refused::new(code, refusal))
    }

    /// SECURITY rule n06. A device that registers too often is told when it may come again.
    fn check_pace(&mut self, peer: Link, endpoint: &str, now: Instant) -> Result<Pace, Refused> {
        let (interval, burst) = (self.config.register_interval, self.config.register_burst);
        let known = self.devices.by_endpoint(endpoint).and_then(|key| self.devices.get(key));
        let mut pace =
            known.and_then(|device| device.registration.as_ref()).map_or(Pace::default(), |old| old.pace);
        let count = match peer {
            Link::Secured(session) => self.sessions.get_mut(&session).map(|session| &mut session.pace),
            Link::Open(_) => Some(&mut pace),
        };
        match count.map_or(Ok(()), |count| count.take(interval, burst, now)) {
            Ok(()) => Ok(pace),
            Err(wait) => Err(Refused::until(wait, "too many registrations")),
        }
    }

    /// SECURITY rule n06. A device that sends too much is told when it may go on; without DTLS nobody knows
    /// whose bytes these are.
    fn check_upstream(&mut self, peer: Link, request: &Request, now: Instant) -> Result<(), Refused> {
        let Link::Secured(session) = peer else { return Ok(()) };
        let Some(session) = self.sessions.get_mut(&session) else { return Ok(()) };
        let rate = self.config.upstream_per_second.max(1);
        let (bytes, each) = (request.payload.len() as u32, Duration::from_secs(1) / rate);
        let taken = session.upstream.take_many(bytes, each, rate.saturating_mul(2), now);
        taken.map_err(|wait| Refused::until(wait, "too many bytes"))
    }

    fn store_registration(&mut self, endpoint: &str, link: Link, registered: Registered, now: Instant) {
        let key = self.devices.find_or_add(endpoint);
        let replaced = self.replace_registration(key, link, now);
        let told = Box::new(registered.describe(self.remote(link)));
        let queue_mode = registered.queue_mode;
        self.devices.register(key, Box::new(registered));
        self.renew_timer(key);
        let Some(device) = self.devices.get(key) else { return };
        let endpoint = device.endpoint.clone();
        self.emit(Event::Registered { endpoint: endpoint.clone(), registration: told, replaced });
        if queue_mode {
            self.emit(Event::Awake { endpoint });
        }
        self.upgrade_registered(key, now);
    }

    /// Observations are begun again after the answer. That of an upgrade is kept, since some clients go on
    /// notifying it (PEERS 8 and 10).
    fn replace_registration(&mut self, key: DeviceKey, link: Link, now: Instant) -> bool {
        let Some(old) = self.devices.unregister(key) else { return false };
        if let Some(timer) = old.timer {
            self.timers.cancel(timer);
        }
        self.expect_observations(key, now);
        if let Some(from) = old.link {
            self.move_link(key, from, link, now);
        }
        true
    }

    /// What goes over when a device changes its link; requests under way on the old one are lost.
    fn move_link(&mut self, key: DeviceKey, from: Link, to: Link, now: Instant) {
        if from != to {
            self.keep_retransmissions(key, from);
            self.coap.move_observations(from, to, now);
            self.coap.forget(from, now);
        }
    }

    fn update(
        &mut self,
        peer: Link,
        location: &[u8],
        request: &Request,
        now: Instant,
    ) -> Result<Response, Refused> {
        let key = self.find_own(peer, location)?;
        let mut parameters = Parameters::parse(request.options.uri_query())?;
        let objects = if request.payload.is_empty() {
            None
        } else {
            check_content_format(request)?;
            Some(objects_of(request, &mut parameters)?)
        };
        let remote = self.remote(peer);
        let registered = self.devices.get(key).and_then(|device| device.registration.as_ref());
        let registered = registered.ok_or_else(not_registered)?;
        parameters.check_binding(registered.version)?;
        let (lifetime, queue_mode) = (registered.lifetime, registered.queue_mode);
        let (from, moved) = (registered.link, registered.link != Some(peer));
        if moved {
            self.devices.relink(key, Some(peer));
        } else {
            // Only who received the answer to Register knows the location.
            self.coap.prove(peer);
        }
        let Some(device) = self.devices.get_mut(key) else { return Err(not_registered()) };
        let Some(registered) = device.registration.as_mut() else { return Err(not_registered()) };
        let changed = apply(registered, parameters, objects) || moved;
        registered.hear(now);
        // A timer that fires too early is set anew then; one that fires too late must be set anew now.
        let sooner = registered.lifetime < lifetime || registered.queue_mode != queue_mode;
        let registration = changed.then(|| Box::new(registered.describe(remote)));
        let endpoint = device.endpoint.clone();
        self.emit(Event::Updated { endpoint, registration });
        if let Some(from) = from.filter(|_| moved) {
            self.move_link(key, from, peer, now);
        }
        self.keep_awake(key, sooner);
        self.upgrade_contacted(key, now);
        Ok(Response::new(Code::CHANGED))
    }

    fn deregister(&mut self, peer: Link, location: &[u8], now: Instant) -> Result<Response, Refused> {
        let key = self.find_own(peer, location)?;
        self.end_registration(key, Gone::Deregistered, now);
        self.remove_if_idle(key);
        Ok(Response::new(Code::DELETED))
    }

    /// The device of a location, if this peer may use it: the same identity, or without DTLS the same
    /// address. A location that was guessed looks like one that does not exist.
    fn find_own(&self, peer: Link, location: &[u8]) -> Result<DeviceKey, Refused> {
        let location = Location::from_path(location).ok_or_else(not_registered)?;
        let key = self.devices.by_location(location).ok_or_else(not_registered)?;
        let registered = self.devices.get(key).and_then(|device| device.registration.as_ref());
        let registered = registered.ok_or_else(not_registered)?;
        let own = match (&registered.identity, self.session(peer)) {
            (Some(identity), Some(session)) => *identity == session.identity,
            (None, None) => registered.link == Some(peer),
            _ => false,
        };
        if own { Ok(key) } else { Err(not_registered()) }
    }

    /// Ends a registration and everything that needs it.
    pub(super) fn end_registration(&mut self, key: DeviceKey, why: Gone, now: Instant) {
        let Some(registered) = self.devices.unregister(key) else { return };
        if let Some(timer) = registered.timer {
            self.timers.cancel(timer);
        }
        if let Some(link) = registered.link {
            self.keep_retransmissions(key, link);
        }
        self.fail_operations(key, now);
        self.end_observations(key, now);
        if let Some(device) = self.devices.get(key) {
            let endpoint = device.endpoint.clone();
            self.emit(Event::Deregistered { endpoint, why });
        }
        self.upgrade_gone(key, now);
    }

    pub(super) fn remove_if_idle(&mut self, key: DeviceKey) {
        let device = self.devices.get(key);
        if device.is_some_and(|device| device.registration.is_none() && device.upgrade.is_none()) {
            self.devices.remove(key);
        }
    }
}

/// 4.15 for anything but link-format; whether it is missing.
fn check_content_format(request: &Request) -> Result<bool, Refused> {
    match request.options.content_format() {
        Some(ContentFormat::LINK_FORMAT) => Ok(false),
        None => Ok(true),
        Some(_) => {
            Err(Refused::new(Code::UNSUPPORTED_CONTENT_FORMAT, "the body must be in link-format (40)"))
        }
    }
}

fn objects_of(request: &Request, parameters: &mut Parameters) -> Result<ObjectList, Refused> {
    let (objects, oddities) =
        ObjectList::parse(&request.payload).map_err(|error| Refused::new(Code::BAD_REQUEST, error))?;
    oddities.into_iter().for_each(|oddity| parameters.note(oddity));
    Ok(objects)
}

fn not_registered() -> Refused {
    Refused::new(Code::NOT_FOUND, "not registered")
}

/// What an Update says replaces what was there (reg_15: the object list as a whole); whether it differs.
fn apply(registered: &mut Registered, parameters: Parameters, objects: Option<ObjectList>) -> bool {
    let mut changed = parameters.lifetime.is_some_and(|lifetime| replace(&mut registered.lifetime, lifetime));
    changed |= parameters.binding.is_some_and(|binding| replace(&mut registered.binding, binding));
    changed |= parameters.queue_mode.is_some_and(|queue| replace(&mut registered.queue_mode, queue));
    changed |= parameters.sms.is_some_and(|sms| replace(&mut registered.sms, Some(sms)));
    changed |= objects.is_some_and(|objects| replace(&mut registered.objects, objects));
    for oddity in parameters.oddities {
        if !registered.oddities.contains(&oddity) {
            registered.oddities.push(oddity);
            changed = true;
        }
    }
    changed
}

/// Whether this changed the value.
fn replace<T: PartialEq>(slot: &mut T, value: T) -> bool {
    let changed = *slot != value;
    *slot = value;
    changed
}

/// RFC 6690 section 4. Without DTLS nothing is listed: a short request with a forged sender must not have a
/// longer answer (SECURITY rule n03).
fn directory_listing(peer: Link, request: &Request) -> Result<Response, Refused> {
    if request.options.accept().is_some_and(|format| format.0 != format::LINK_FORMAT) {
        return Ok(Response::new(Code::NOT_ACCEPTABLE));
    }
    if !peer.is_secured() {
        return Err(Refused::new(Code::NOT_FOUND, ""));
    }
    let mut links = format::link::LinkWriter::new();
    links.link("/rd").attribute("rt", "\"core.rd\"");
    Ok(Response::new(Code::CONTENT).content(ContentFormat::LINK_FORMAT, links.into_bytes()))
}

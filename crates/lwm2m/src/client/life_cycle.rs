//! Carries out the steps of registrations and of the bootstrap, and follows up on their outcomes.

use alloc::format;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use coap::{Code, ContentFormat, OptionNumber, Request, RequestId, Response};
use machine::{Credential, Instant, Link, OpenRequest, SessionCommand, SessionEnd};

use super::account_objects::{Reach, bootstrap_entry};
use super::bootstrap::{BootstrapOutcome, BootstrapStep};
use super::config::{ObservationsAtRegister, Version};
use super::event::Event;
use super::firmware_store::FirmwareStore;
use super::firmware_values::UpdateResult;
use super::registration::{Outcome, Step};
use super::saved::KeptObservation;
use super::servers::{Servers, Untold};
use super::{Access, Client, MOST_SERVERS};
use crate::object::{SECURITY, SERVER, firmware};
use crate::path::Path;

/// Added to the sequence number of an observation at a restart, so that what was sent since it was saved is
/// older.
const SEQUENCE_STEP: u32 = 1 << 16;

impl<F: FirmwareStore> Client<F> {
    // Links.

    /// Opens a link to a server, now or when its address is known.
    fn open(&mut self, request: OpenRequest, reach: Reach, now: Instant) {
        let address = reach.address().or_else(|| self.addresses.get(&reach.host).copied());
        match address.map(|address| reach.access(address, self.config.open_socket)) {
            Some(Access::Open(path)) => drop(self.link_up(request, Link::Open(path), false, now)),
            Some(Access::Secured { remote, credential }) => {
                self.sessions.push_back(SessionCommand::Open { request, remote, credential });
            }
            None => {
                self.events.push_back(Event::AddressWanted { host: reach.host.clone() });
                // One for each account, and only one attempt of each at a time.
                self.unresolved.truncate(MOST_SERVERS);
                self.unresolved.push((request, reach));
            }
        }
    }

    /// Answers [`Event::AddressWanted`]; `None`: there is no such host.
    pub fn address_found(&mut self, host: &str, address: Option<IpAddr>, now: Instant) {
        let waiting = core::mem::take(&mut self.unresolved);
        let (found, others): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(_, reach)| reach.host == host);
        self.unresolved = others;
        match address {
            Some(address) if self.addresses.len() <= MOST_SERVERS => {
                self.addresses.insert(host.into(), address);
            }
            Some(_) => self.addresses.clear(),
            None => {}
        }
        for (request, reach) in found {
            match address {
                Some(_) => self.open(request, reach, now),
                None => self.link_failed(request, SessionEnd::TimedOut, now),
            }
        }
        self.settle(now);
    }

    /// A link is there. Whether anybody wants it.
    pub(super) fn link_up(&mut self, request: OpenRequest, link: Link, resumed: bool, now: Instant) -> bool {
        if let Some(server) = self.servers.opening(request) {
            return self.servers.0[server].registration.opened(request, link, resumed, now);
        }
        self.bootstrap.opened(request, link) || self.pull_opened(request, link, now)
    }

    pub(super) fn link_down(&mut self, link: Link, end: SessionEnd, now: Instant) {
        if let Some(index) = self.servers.by_link(link) {
            let server = &mut self.servers.0[index];
            server.registration.closed(link, now);
            let server = Some(server.entry.short_server_id);
            self.events.push_back(Event::SessionEnded { server, end });
            self.session_lost(index, now);
        } else if let Some(retry) = self.bootstrap.closed(link, now, &mut self.random) {
            self.events.push_back(Event::SessionEnded { server: None, end });
            self.bootstrap_failed(BootstrapOutcome::Silence(retry), now);
        } else {
            self.pull_session_lost(Ok(link), now);
        }
    }

    pub(super) fn link_failed(&mut self, request: OpenRequest, end: SessionEnd, now: Instant) {
        if let Some(index) = self.servers.opening(request) {
            let server = &mut self.servers.0[index];
            let retry = server.registration.open_failed(request, now, &mut self.random).unwrap_or_default();
            let server = Some(server.entry.short_server_id);
            self.events.push_back(Event::SessionFailed { server, end, retry });
            self.fall_back(now);
        } else if let Some(retry) = self.bootstrap.open_failed(request, now, &mut self.random) {
            self.events.push_back(Event::SessionFailed { server: None, end, retry });
            self.take_up_servers(now);
        } else {
            self.pull_session_lost(Err(request), now);
        }
    }

    /// The session of a registration is gone, and with it whatever was under way on it.
    fn session_lost(&mut self, index: usize, now: Instant) {
        if self.download_index() != Some(index) {
            return;
        }
        if self.update.is_pushing() {
            self.update.abandon(UpdateResult::ConnectionLost);
        }
        if self.pull_is_asking_the_server() {
            self.pull_unanswered(now);
        }
    }

    // What a download needs of the registrations.

    /// The server that has written to object 5; the first one after a restart.
    fn download_index(&self) -> Option<usize> {
        let wanted = |id: u16| self.servers.0.iter().position(|server| server.entry.short_server_id == id);
        self.download_server.and_then(wanted).or((!self.servers.0.is_empty()).then_some(0))
    }

    /// The link to the server that downloads come from, while nothing suggests that it is broken.
    pub(super) fn download_link(&self) -> Option<Link> {
        self.servers.0.get(self.download_index()?)?.registration.proven_link()
    }

    /// How the client proves itself to that server; `None` for plain CoAP.
    pub(super) fn download_credential(&self) -> Option<Credential> {
        let reach = &self.servers.0.get(self.download_index()?)?.entry.reach;
        reach.credential().cloned()
    }

    /// The link to that server is doubted: a new session is to take its place, or an update to prove it.
    pub(super) fn prove_download_link(&mut self, now: Instant) {
        let Some(index) = self.download_index() else { return };
        let registration = &mut self.servers.0[index].registration;
        let is_secured = registration.proven_link().is_some_and(|link| link.is_secured());
        if is_secured && !self.config.quirks.clings_to_session {
            self.renew_session(index, now);
        } else {
            registration.update_now(now);
        }
    }

    /// Leaves the session with a server for a new one, on which the registration may be found again.
    pub(super) fn renew_session(&mut self, index: usize, now: Instant) {
        let left = self.servers.0[index].registration.renew_session(now);
        if let Some(link @ Link::Secured(_)) = left {
            self.endpoint.forget(link, now);
            self.sessions.push_back(SessionCommand::Close(link));
        }
    }

    /// A number for a session that no other one of this client has.
    pub(super) fn new_open_request(&mut self) -> OpenRequest {
        self.requests.next()
    }

    // Registrations.

    pub(super) fn advance_servers(&mut self, now: Instant) {
        if self.bootstrap.is_under_way() {
            return;
        }
        for index in 0..self.servers.0.len() {
            let due = |client: &Self| client.servers.0.get(index)?.registration.due();
            if self.sleep.needs_session() && due(self).is_some_and(|due| due <= now) {
                self.renew_session(index, now);
            }
            while let Some(server) = self.servers.0.get_mut(index)
                && let Some(step) = server.registration.next_step(&mut self.requests, now)
            {
                self.take(index, step, now);
            }
        }
    }

    fn take(&mut self, index: usize, step: Step, now: Instant) {
        let (link, request) = match step {
            Step::Open(request) => {
                let reach = self.servers.0[index].entry.reach.clone();
                // An attempt to speak ends the sleep, even if nobody answers.
                self.wake();
                return self.open(request, reach, now);
            }
            Step::Register(link) => (link, self.register_request(index)),
            Step::Update(link, location) => (link, self.update_request(index, &location)),
            Step::Deregister(link, location) => {
                (link, Request::with_segments(Code::DELETE, location.iter().map(|part| &part[..])))
            }
        };
        let id = self.endpoint.request(link, request, now);
        self.servers.0[index].registration.sent(id);
    }

    pub(super) fn server_answered(&mut self, id: RequestId, response: &Response, now: Instant) {
        let Some(index) = self.servers.asking(id) else { return };
        let server = &mut self.servers.0[index];
        let link = server.registration.link();
        let update_after = server.update_after(&self.data, self.config.queue_mode);
        let outcome = server.registration.answered(id, response, update_after, now, &mut self.random);
        if let (Some(Outcome::Deregistered), Some(link @ Link::Secured(_))) = (outcome, link) {
            self.sessions.push_back(SessionCommand::Close(link));
        }
        if let Some(outcome) = outcome {
            self.follow(index, outcome, now);
        }
    }

    pub(super) fn server_unanswered(&mut self, id: RequestId, now: Instant) {
        let Some(index) = self.servers.asking(id) else { return };
        let registration = &mut self.servers.0[index].registration;
        let Some((link, outcome)) = registration.unanswered(id, now, &mut self.random) else { return };
        if link.is_secured() && !matches!(outcome, Outcome::Deregistered) {
            self.endpoint.forget(link, now);
            self.sessions.push_back(SessionCommand::Close(link));
            self.session_lost(index, now);
        }
        self.follow(index, outcome, now);
    }

    fn follow(&mut self, index: usize, outcome: Outcome, now: Instant) {
        let server = self.servers.0[index].entry.short_server_id;
        let event = match outcome {
            Outcome::Registered => {
                self.registered(index, now);
                Event::Registered { server }
            }
            Outcome::Updated => {
                self.servers.0[index].untold = Untold::default();
                self.pull_link_proved();
                Event::RegistrationUpdated { server }
            }
            Outcome::Refused(code, retry) => {
                let lowered = &mut self.servers.0[index];
                if code == Code::PRECONDITION_FAILED && lowered.version > Version::V1_0 {
                    lowered.version = Version::V1_0;
                    lowered.registration.hurry(now);
                }
                Event::RegistrationRefused { server, code, retry }
            }
            Outcome::Forgotten(code) => Event::RegistrationForgotten { server, code },
            Outcome::Silence(retry) => Event::ServerSilent { server, retry },
            Outcome::Deregistered => {
                if self.download_index() == Some(index) {
                    self.drop_pull(now);
                }
                self.servers.0[index].observations.clear();
                Event::Deregistered { server }
            }
        };
        self.events.push_back(event);
        if matches!(outcome, Outcome::Refused(..) | Outcome::Silence(_)) {
            self.fall_back(now);
        }
    }

    fn registered(&mut self, index: usize, now: Instant) {
        let kept = self.config.observations == ObservationsAtRegister::Kept;
        let server = &mut self.servers.0[index];
        (server.untold, server.registered_at) = (Untold::default(), now);
        if !kept {
            server.observations.clear();
        }
        self.bootstrap.rest_if_waiting();
        self.pull_link_proved();
        self.changed = true;
    }

    /// LwM2M Core 1.0.2 section 5.3.1.
    fn register_request(&self, index: usize) -> Request {
        let server = &self.servers.0[index];
        let request = Request::post("/rd")
            .query(&format!("ep={}", self.config.endpoint_name))
            .query(&format!("lt={}", server.lifetime(&self.data)))
            .query(server.version.parameter());
        let request = self.with_binding(request, index);
        request.content(ContentFormat::LINK_FORMAT, self.object_list().into_bytes())
    }

    /// Since 1.1 queue mode is a parameter of its own (LwM2M Core 1.1 section 6.2.1).
    fn with_binding(&self, request: Request, index: usize) -> Request {
        let server = &self.servers.0[index];
        let binding = self.data.text(SERVER, server.entry.instance, 7).unwrap_or("U");
        let queues = self.config.queue_mode.is_some() || binding.contains('Q');
        match (server.version, queues) {
            (Version::V1_0, true) => request.query("b=UQ"),
            (_, true) => request.query("b=U").query("Q"),
            (_, false) => request.query("b=U"),
        }
    }

    fn update_request(&self, index: usize, location: &[Vec<u8>]) -> Request {
        let server = &self.servers.0[index];
        let mut request = Request::with_segments(Code::POST, location.iter().map(|part| &part[..]));
        if server.untold.lifetime {
            let lifetime = format!("lt={}", server.lifetime(&self.data));
            request = request.option(OptionNumber::URI_QUERY, lifetime.as_bytes());
        }
        if server.untold.binding {
            request = self.with_binding(request, index);
        }
        if server.untold.objects {
            request = request.content(ContentFormat::LINK_FORMAT, self.object_list().into_bytes());
        }
        request
    }

    /// The links of a registration, in the style of the client that is imitated.
    fn object_list(&self) -> alloc::string::String {
        let style = &self.config.quirks.object_list;
        let mut links: Vec<_> =
            [style.root].into_iter().filter(|root| !root.is_empty()).map(Into::into).collect();
        for (object, instances) in self.view(None, Instant::ZERO).registered() {
            let newer = object == crate::object::FIRMWARE && self.config.firmware.deferral.is_some();
            let version = super::catalog::object_type(object).and_then(|found| found.version);
            let version = if newer { Some("1.1") } else { version };
            match (style.version_quote, version) {
                (Some(quote), Some(version)) => {
                    links.push(format!("<{}>;ver={quote}{version}{quote}", Path::Object(object)));
                }
                _ if instances.is_empty() => links.push(format!("<{}>", Path::Object(object))),
                _ => {}
            }
            // One link for all servers: what another server's account is, is none of their business.
            links.extend(instances.into_iter().map(|id| format!("<{}>", Path::Instance(object, id))));
        }
        links.join(style.separator) + style.end
    }

    // Observations that outlive a restart.

    pub(super) fn state_is_observed(&self) -> bool {
        self.servers.0.iter().any(|server| server.observations.observes(firmware::STATE))
    }

    pub(super) fn observations_changed(&mut self) {
        self.save_wanted |= self.config.observations == ObservationsAtRegister::Kept;
    }

    pub(super) fn observations_to_keep(&self) -> Vec<KeptObservation> {
        if self.config.observations != ObservationsAtRegister::Kept {
            return Vec::new();
        }
        let of_server = |server: &super::servers::Server| {
            let short_server_id = server.entry.short_server_id;
            let single = server.observations.0.iter().filter_map(|observation| match observation.target {
                super::observations::Target::Single(path) => Some((path, observation)),
                super::observations::Target::Composite(_) => None,
            });
            let kept = single.map(|(path, observation)| KeptObservation {
                short_server_id,
                token: observation.token,
                path,
                format: observation.format,
                sequence: observation.sequence(),
            });
            kept.collect::<Vec<_>>()
        };
        self.servers.0.iter().flat_map(of_server).collect()
    }

    pub(super) fn restore_observations(&mut self, now: Instant) {
        for kept in core::mem::take(&mut self.kept) {
            let of_it =
                |server: &&mut super::servers::Server| server.entry.short_server_id == kept.short_server_id;
            if let Some(server) = self.servers.0.iter_mut().find(of_it) {
                let sequence = kept.sequence.wrapping_add(SEQUENCE_STEP) & 0x00FF_FFFF;
                server.observations.restore(kept.token, kept.path, kept.format, sequence, now);
            }
        }
    }

    // The bootstrap.

    /// Asks for a bootstrap after the hold-off time of its account, if there is one.
    pub(super) fn want_bootstrap(&mut self, now: Instant) {
        let Some(entry) = bootstrap_entry(&self.data).filter(|_| !self.bootstrap.is_wanted()) else { return };
        self.bootstrap.start(now + entry.hold_off);
        self.events.push_back(Event::BootstrapWanted { wait: entry.hold_off });
    }

    /// No server can be reached: maybe there are better accounts (LwM2M Core 1.1 section 6.2.1.1).
    fn fall_back(&mut self, now: Instant) {
        if self.servers.are_exhausted() && !self.shutting_down {
            self.want_bootstrap(now);
        }
    }

    pub(super) fn advance_bootstrap(&mut self, now: Instant) {
        if let Some(link @ Link::Secured(_)) = self.bootstrap.take_lingering(now) {
            self.endpoint.forget(link, now);
            self.sessions.push_back(SessionCommand::Close(link));
        }
        if self.bootstrap_account_ends.take_if(|end| *end <= now).is_some()
            && let Some(entry) = bootstrap_entry(&self.data)
        {
            self.data.remove(SECURITY, entry.instance);
            self.save_wanted = true;
        }
        if self.bootstrap.has_stalled(now) {
            self.bootstrap_stalled(now);
        }
        while let Some(step) = self.bootstrap.next_step(&mut self.requests, now) {
            self.take_bootstrap(step, now);
        }
    }

    fn take_bootstrap(&mut self, step: BootstrapStep, now: Instant) {
        let name = format!("ep={}", self.config.endpoint_name);
        let (link, mut request) = match step {
            BootstrapStep::Open(request) => {
                self.leave_servers(now);
                match bootstrap_entry(&self.data) {
                    Some(entry) => self.open(request, entry.reach, now),
                    None => self.bootstrap.abandon(),
                }
                return;
            }
            BootstrapStep::AskForPack(link) => (link, Request::get("/bspack").query(&name)),
            BootstrapStep::Ask(link) => (link, Request::post("/bs").query(&name)),
        };
        if let Some(format) = self.config.quirks.bootstrap.preferred_format
            && self.config.version > Version::V1_0
        {
            request = request.query(&format!("pct={format}"));
        }
        let id = self.endpoint.request(link, request, now);
        self.bootstrap.sent(id);
    }

    pub(super) fn bootstrap_answered(&mut self, code: Code, now: Instant) {
        match self.bootstrap.answered(code, now, &mut self.random) {
            Some(BootstrapOutcome::Begun) => self.events.push_back(Event::BootstrapBegun),
            Some(outcome) => self.bootstrap_failed(outcome, now),
            None => {}
        }
    }

    pub(super) fn bootstrap_stalled(&mut self, now: Instant) {
        let Some((link, outcome)) = self.bootstrap.unanswered(now, &mut self.random) else { return };
        if link.is_secured() {
            self.endpoint.forget(link, now);
            self.sessions.push_back(SessionCommand::Close(link));
        }
        self.bootstrap_failed(outcome, now);
    }

    /// Back to the accounts of before, which may have become usable meanwhile.
    fn bootstrap_failed(&mut self, outcome: BootstrapOutcome, now: Instant) {
        self.events.extend(match outcome {
            BootstrapOutcome::Begun => None,
            BootstrapOutcome::Refused(code, retry) => Some(Event::BootstrapRefused { code, retry }),
            BootstrapOutcome::Silence(retry) => Some(Event::BootstrapSilent { retry }),
        });
        if let Some(before) = self.before_bootstrap.take() {
            self.data = before;
        }
        self.take_up_servers(now);
    }

    pub(super) fn bootstrap_finished(&mut self, now: Instant) {
        self.before_bootstrap = None;
        self.bootstrap.finish(now);
        self.end_bootstrap_account_later(now);
        self.save_wanted = true;
        self.take_up_servers(now);
        let servers = self.servers.0.iter().map(|server| server.entry.short_server_id).collect();
        self.events.push_back(Event::Bootstrapped { servers });
    }

    /// The time of the bootstrap account (`/0/x/12`) runs from the bootstrap on, and anew from each start,
    /// since nobody knows how long the device was off.
    pub(super) fn end_bootstrap_account_later(&mut self, now: Instant) {
        let timeout: Option<Duration> = bootstrap_entry(&self.data).and_then(|entry| entry.account_timeout);
        self.bootstrap_account_ends = timeout.map(|timeout| now + timeout);
    }

    /// Registers with the accounts that are there now.
    fn take_up_servers(&mut self, now: Instant) {
        self.leave_servers(now);
        self.servers = Servers::of(&self.config, &self.data, now);
        self.changed = true;
    }

    /// Forgets the servers, without a word to them.
    pub(super) fn leave_servers(&mut self, now: Instant) {
        if self.update.is_pushing() {
            self.update.abandon(UpdateResult::ConnectionLost);
        }
        self.drop_pull_of_registration(now);
        for server in core::mem::take(&mut self.servers).0 {
            if let Some(link) = server.registration.link() {
                self.endpoint.forget(link, now);
                if link.is_secured() {
                    self.sessions.push_back(SessionCommand::Close(link));
                }
            }
        }
    }

    /// A download on a session of a server that is left waits for the next registration.
    fn drop_pull_of_registration(&mut self, now: Instant) {
        if self.pull_is_asking_the_server() {
            self.pull_unanswered(now);
        }
    }
}

//! Carries out the steps of registrations, and follows up on their outcomes.

use alloc::format;
use alloc::vec::Vec;

use coap::{Code, ContentFormat, OptionNumber, Request, RequestId, Response};
use machine::{Instant, Link, SessionCommand};

use super::Client;
use super::config::{ObservationsAtRegister, Version};
use super::event::Event;
use super::firmware_store::FirmwareStore;
use super::registration::{Outcome, Step};
use super::saved::KeptObservation;
use super::servers::Untold;
use crate::object::{SERVER, firmware};
use crate::path::Path;

/// Added to the sequence number of an observation at a restart, so that what was sent since it was saved is
/// older.
const SEQUENCE_STEP: u32 = 1 << 16;

impl<F: FirmwareStore> Client<F> {
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
}

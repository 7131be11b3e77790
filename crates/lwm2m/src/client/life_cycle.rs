//! Carries out the steps of a registration and follows up on their outcomes.

use alloc::format;
use alloc::vec::Vec;

use coap::{Code, ContentFormat, OptionNumber, Request};
use machine::{Instant, SessionCommand};

use super::account::Access;
use super::config::{ObservationsAtRegister, Version};
use super::event::Event;
use super::firmware_store::FirmwareStore;
use super::firmware_values::UpdateResult;
use super::registration::{Outcome, Step};
use super::{Client, objects};
use crate::format::{LWM2M_TLV, link::LinkWriter};
use crate::path::Path;

impl<F: FirmwareStore> Client<F> {
    /// The session of the registration is gone, and with it whatever was under way on it.
    pub(super) fn session_lost(&mut self, now: Instant) {
        if self.update.is_pushing() {
            self.update.abandon(UpdateResult::ConnectionLost);
        }
        if self.pull_is_asking_the_server() {
            self.pull_unanswered(now);
        }
    }

    pub(super) fn follow(&mut self, outcome: Option<Outcome>, now: Instant) {
        let Some(outcome) = outcome else { return };
        let event = match outcome {
            Outcome::Registered => {
                self.keep_or_drop_observations();
                self.pull_link_proved();
                Event::Registered
            }
            Outcome::Updated => {
                self.lifetime_changed = false;
                self.pull_link_proved();
                Event::RegistrationUpdated
            }
            Outcome::Refused(Code::PRECONDITION_FAILED, retry) if self.version > Version::V1_0 => {
                self.version = Version::V1_0;
                self.registration.hurry(now);
                Event::RegistrationRefused { code: Code::PRECONDITION_FAILED, retry }
            }
            Outcome::Refused(code, retry) => Event::RegistrationRefused { code, retry },
            Outcome::Forgotten(code) => Event::RegistrationForgotten(code),
            Outcome::Silence(retry) => Event::ServerSilent { retry },
            Outcome::Deregistered => {
                self.drop_pull(now);
                self.observations.clear();
                Event::Deregistered
            }
        };
        self.events.push_back(event);
    }

    fn keep_or_drop_observations(&mut self) {
        match (self.config.observations, self.registration.link()) {
            (ObservationsAtRegister::Kept, Some(link)) => self.observations.move_to(link),
            _ => self.observations.clear(),
        }
    }

    pub(super) fn take(&mut self, step: Step, now: Instant) {
        let (link, request) = match step {
            Step::Open(request) => {
                if let Some(Access::Secured { remote, credential }) = self.access() {
                    let (remote, credential) = (*remote, credential.clone());
                    self.sessions.push_back(SessionCommand::Open { request, remote, credential });
                }
                return;
            }
            Step::Register(link) => (link, self.register_request()),
            Step::Update(link, location) => (link, self.update_request(&location)),
            Step::Deregister(link, location) => {
                (link, Request::with_segments(Code::DELETE, location.iter().map(|part| &part[..])))
            }
        };
        let id = self.endpoint.request(link, request, now);
        self.registration.sent(id);
    }

    /// LwM2M Core 1.0.2 section 5.3.1: the Security object is never listed.
    fn register_request(&self) -> Request {
        let mut links = LinkWriter::new();
        links.link("/").attribute("rt", "\"oma.lwm2m\"").attribute("ct", LWM2M_TLV);
        for object in objects::object_numbers() {
            links.link(Path::instance(object, 0));
        }
        Request::post("/rd")
            .query(&format!("ep={}", self.config.endpoint_name))
            .query(&format!("lt={}", self.server.lifetime))
            .query(self.version.parameter())
            .query(&format!("b={}", self.server.binding))
            .content(ContentFormat::LINK_FORMAT, links.into_bytes())
    }

    fn update_request(&self, location: &[Vec<u8>]) -> Request {
        let request = Request::with_segments(Code::POST, location.iter().map(|part| &part[..]));
        if self.lifetime_changed {
            let lifetime = format!("lt={}", self.server.lifetime);
            return request.option(OptionNumber::URI_QUERY, lifetime.as_bytes());
        }
        request
    }
}

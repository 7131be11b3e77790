//! Carries out the steps of a bootstrap, and follows up on its outcome.

use alloc::format;
use core::time::Duration;

use coap::{Code, Request};
use machine::{Instant, Link, SessionCommand};

use super::Client;
use super::account_objects::bootstrap_entry;
use super::bootstrap::{BootstrapOutcome, BootstrapStep};
use super::config::Version;
use super::event::Event;
use super::firmware_store::FirmwareStore;
use super::firmware_values::UpdateResult;
use super::servers::Servers;
use crate::object::SECURITY;

impl<F: FirmwareStore> Client<F> {
    /// Asks for a bootstrap after the hold-off time of its account, if there is one.
    pub(super) fn want_bootstrap(&mut self, now: Instant) {
        let Some(entry) = bootstrap_entry(&self.data).filter(|_| !self.bootstrap.is_wanted()) else { return };
        self.bootstrap.start(now + entry.hold_off);
        self.events.push_back(Event::BootstrapWanted { wait: entry.hold_off });
    }

    /// No server can be reached: maybe there are better accounts (LwM2M Core 1.1 section 6.2.1.1).
    pub(super) fn fall_back(&mut self, now: Instant) {
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
    pub(super) fn bootstrap_failed(&mut self, outcome: BootstrapOutcome, now: Instant) {
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
    pub(super) fn take_up_servers(&mut self, now: Instant) {
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

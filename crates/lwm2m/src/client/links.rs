//! Links to servers: how they come up, what their end means, and what a download needs of them.

use alloc::vec::Vec;
use core::net::IpAddr;

use machine::{Credential, Instant, Link, OpenRequest, SessionCommand, SessionEnd};

use super::account_objects::Reach;
use super::bootstrap::BootstrapOutcome;
use super::event::Event;
use super::firmware_store::FirmwareStore;
use super::firmware_values::UpdateResult;
use super::{Access, Client, MOST_SERVERS};

impl<F: FirmwareStore> Client<F> {
    /// Opens a link to a server, now or when its address is known.
    pub(super) fn open(&mut self, request: OpenRequest, reach: Reach, now: Instant) {
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
    pub(super) fn session_lost(&mut self, index: usize, now: Instant) {
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
    pub(super) fn download_index(&self) -> Option<usize> {
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
}

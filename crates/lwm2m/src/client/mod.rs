//! The client role: a device with objects 0, 1, 3, 4 and 5.
//!
//! A [`Client`] registers, keeps its registration alive, answers the server and updates its firmware, which
//! it keeps in a [`FirmwareStore`] of its owner. It shares nothing with the server role but the codecs and
//! the CoAP endpoint.
//!
//! ```text
//!  Register ► 2.01 ► Read, Observe … ► PUT /5/0/1 or /5/0/0 ► state 2 ► POST /5/0/2
//!  ► Event::RebootWanted ► the owner drops the client, boots the store's new image, makes a new client
//!  ► Register ► /5/0/5 and /3/0/3 tell what became of it
//! ```

use alloc::collections::VecDeque;

use coap::{Endpoint, Failure, RequestId};
use machine::{
    Instant, Link, Machine, OpenRequest, Random, Seed, SessionCommand, SessionEvent, SessionMachine,
};

mod account;
mod attributes;
mod config;
mod event;
mod fetch;
mod firmware_store;
mod firmware_update;
mod firmware_values;
mod life_cycle;
mod objects;
mod observations;
mod package_uri;
mod pull;
pub mod quirks;
mod registration;
mod requests;
#[cfg(test)]
mod tests;

pub use account::{Access, Accounts, BootstrapAccount, MOST_SERVERS, ServerAccount};
pub use config::{
    Config, Device, DownloadRoute, FirmwareSettings, ObservationsAtRegister, QueueMode, Radio, Saved, Version,
};
pub use event::{Event, RebootReason};
pub use fetch::{FetchFailure, FetchId, FetchStart};
pub use firmware_store::{FirmwareStore, Kept, PackageName, Recovered, Source, StoreError};
pub use firmware_values::{DeliveryMethod, StateAfterFailure, UpdateResult, UpdateState};
pub use package_uri::{PackageUri, PackageUriError, Scheme};

use attributes::Attributes;
use fetch::Fetch;
use firmware_update::{FirmwareUpdate, UriWritten};
use objects::{Objects, ServerObject};
use observations::Observations;
use pull::Pull;
use registration::{Outcome, Registration};

/// One LwM2M device.
#[derive(Debug)]
pub struct Client<F> {
    config: Config,
    version: Version,
    endpoint: Endpoint<Link>,
    random: Random,
    registration: Registration,
    update: FirmwareUpdate<F>,
    pull: Option<Pull>,
    fetch: Option<Fetch>,
    server: ServerObject,
    attributes: Attributes,
    observations: Observations,
    sessions: VecDeque<SessionCommand>,
    events: VecDeque<Event>,
    /// A value that somebody may observe has changed.
    changed: bool,
    /// The server has to be told a new lifetime.
    lifetime_changed: bool,
    /// What the owner was told last of object 5: state, result, bytes.
    told: (UpdateState, UpdateResult, u64),
    dark: bool,
}

impl<F: FirmwareStore> Client<F> {
    /// A client that has just started and registers at once.
    ///
    /// `first_request` must be beyond all requests of clients that ran on the same sockets before, so that
    /// a late answer to one of theirs is not taken for ours.
    pub fn new(config: Config, store: F, seed: Seed, first_request: OpenRequest, now: Instant) -> Self {
        let mut random = Random::new(seed);
        let account = config.accounts.servers.first();
        let open_link = account.and_then(|account| match &account.access {
            Access::Open(path) => Some(Link::Open(*path)),
            Access::Secured { .. } => None,
        });
        let lifetime = account.map_or(0, |account| account.lifetime);
        let retry = (config.shortest_retry, config.longest_retry);
        let update = FirmwareUpdate::new(store, &config.firmware);
        let mut client = Self {
            version: config.version,
            endpoint: Endpoint::new(config.coap.clone(), random.seed()),
            registration: Registration::new(open_link, lifetime, retry, first_request, now),
            pull: None,
            fetch: None,
            server: ServerObject::new(account),
            attributes: Attributes::default(),
            observations: Observations::default(),
            sessions: VecDeque::new(),
            events: VecDeque::new(),
            changed: false,
            lifetime_changed: false,
            told: (update.state(), update.result(), 0),
            dark: false,
            config,
            random,
            update,
        };
        if let Some(UriWritten::Download(uri, kept)) = client.update.interrupted_download() {
            client.start_pull(uri, &kept, now);
        }
        client
    }

    /// Where the firmware is.
    pub fn store(&self) -> &F {
        self.update.store()
    }

    /// Where the firmware is, to change what lies outside of this client's view.
    pub fn store_mut(&mut self) -> &mut F {
        self.update.store_mut()
    }

    /// Ends the client without a word to the server and gives the store back.
    pub fn into_store(self) -> F {
        self.update.into_store()
    }

    /// State and result of object 5.
    pub fn firmware(&self) -> (UpdateState, UpdateResult) {
        (self.update.state(), self.update.result())
    }

    /// Whether the server has accepted the registration and nothing has gone wrong since.
    pub fn is_registered(&self) -> bool {
        self.registration.proven_link().is_some()
    }

    /// Whether the client has deregistered for good.
    pub fn has_ended(&self) -> bool {
        self.registration.has_ended()
    }

    /// The first session request that a later client on the same sockets may use.
    pub fn next_request(&mut self) -> OpenRequest {
        self.registration.open_request()
    }

    /// Deregisters; [`Event::Deregistered`] follows.
    pub fn shut_down(&mut self, now: Instant) {
        self.registration.deregister(None, now);
        self.settle(now);
    }

    /// Tries to register now instead of waiting for the next attempt.
    pub fn hurry(&mut self, now: Instant) {
        self.registration.hurry(now);
        self.settle(now);
    }

    /// Sets what object 4 shows.
    pub fn set_radio(&mut self, radio: Radio, now: Instant) {
        self.config.radio = radio;
        self.changed = true;
        self.settle(now);
    }

    /// What the owner is to keep over a restart; see [`Event::SaveWanted`].
    pub fn save(&self) -> Saved {
        Saved::from_bytes(&[])
    }

    fn access(&self) -> Option<&Access> {
        self.config.accounts.servers.first().map(|account| &account.access)
    }

    fn objects(&self) -> Objects<'_, F> {
        Objects {
            server: &self.server,
            device: &self.config.device,
            radio: &self.config.radio,
            firmware: &self.update,
        }
    }

    /// Follows up on whatever has just happened, until nothing is left to do now.
    fn settle(&mut self, now: Instant) {
        if self.dark {
            return;
        }
        while let Some(event) = self.endpoint.poll_event() {
            self.handle_endpoint(event, now);
        }
        if self.update.push_deadline().is_some_and(|deadline| deadline <= now) {
            self.update.abandon(UpdateResult::ConnectionLost);
        }
        while let Some(step) = self.registration.next_step(now) {
            self.take(step, now);
        }
        self.advance_pull(now);
        self.tell_firmware();
        if self.update.power_lost() {
            self.dark = true;
            self.events.push_back(Event::PowerLost);
        } else {
            self.notify(now);
        }
    }

    fn handle_endpoint(&mut self, event: coap::Event<Link>, now: Instant) {
        use coap::Event as Coap;
        match event {
            Coap::Request { peer, id, request, block } => self.handle_request(peer, id, &request, block, now),
            Coap::Response { id, response, .. } if self.is_pull(id) => self.pull_answered(&response, now),
            Coap::Response { id, response, .. } => {
                let link = self.registration.link();
                let outcome = self.registration.answered(id, &response, now, &mut self.random);
                if let (Some(Outcome::Deregistered), Some(link @ Link::Secured(_))) = (outcome, link) {
                    self.sessions.push_back(SessionCommand::Close(link));
                }
                self.follow(outcome, now);
            }
            Coap::Failed { id, failure, .. } => self.handle_failure(id, failure, now),
            Coap::ObservationCanceled { peer, token } => drop(self.observations.end(peer, token)),
            // An unacknowledged notification leaves the observation as it is (RFC 7641 section 4.5 lets
            // the client choose).
            Coap::Delivered { .. }
            | Coap::Notification { .. }
            | Coap::ObservationEnded { .. }
            | Coap::Progress { .. } => {}
        }
    }

    fn handle_failure(&mut self, id: RequestId, failure: Failure, now: Instant) {
        // A session that ended has been dealt with where its end was reported.
        if failure == Failure::PeerGone {
            return;
        }
        if self.is_pull(id) {
            self.pull_unanswered(now);
        } else if let Some((link, outcome)) = self.registration.unanswered(id, now, &mut self.random) {
            if link.is_secured() && !matches!(outcome, Outcome::Deregistered) {
                self.endpoint.forget(link, now);
                self.sessions.push_back(SessionCommand::Close(link));
                self.session_lost(now);
            }
            self.follow(Some(outcome), now);
        }
    }

    /// A reset of object 5 over one delivery ends a download that runs over the other.
    fn stop_pull_unless_downloading(&mut self, now: Instant) {
        if self.update.state() != UpdateState::Downloading || self.update.is_pushing() {
            self.drop_pull(now);
        }
    }

    fn tell_firmware(&mut self) {
        let (state, result, (bytes, total)) =
            (self.update.state(), self.update.result(), self.update.progress());
        let (old_state, old_result, old_bytes) = self.told;
        if state == UpdateState::Downloading && old_state != state {
            self.told.2 = 0;
        }
        if (state, result) != (old_state, old_result) {
            self.changed = true;
            self.events.push_back(Event::Firmware { state, result });
        }
        if state == UpdateState::Downloading && bytes != old_bytes {
            self.events.push_back(Event::Progress { bytes, total });
        }
        self.told = (state, result, bytes);
    }
}

impl<F: FirmwareStore> Machine for Client<F> {
    type Peer = Link;
    type Event = Event;

    fn handle_input(&mut self, from: Link, bytes: &[u8], now: Instant) {
        if !self.dark {
            self.endpoint.handle_input(from, bytes, now);
            self.settle(now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if !self.dark {
            self.endpoint.handle_timeout(now);
            self.settle(now);
        }
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Link, usize)> {
        if self.dark { None } else { self.endpoint.poll_transmit(buffer) }
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        if self.dark {
            return None;
        }
        let own = [
            (self.registration.due(), "registration"),
            (self.pull_due(), "next block of a download"),
            (self.update.push_deadline(), "push abandoned"),
            (self.observations.due(), "notification"),
        ];
        let own = own.into_iter().filter_map(|(at, why)| Some((at?, why)));
        own.chain(self.endpoint.poll_timeout()).min_by_key(|(at, _)| *at)
    }
}

impl<F: FirmwareStore> SessionMachine for Client<F> {
    fn handle_session(&mut self, event: SessionEvent<'_>, now: Instant) {
        if self.dark {
            return;
        }
        match event {
            SessionEvent::Up { link, request: Some(request), .. } => {
                let ours =
                    self.registration.opened(request, link, now) || self.pull_opened(request, link, now);
                if !ours {
                    self.sessions.push_back(SessionCommand::Close(link));
                }
            }
            SessionEvent::Up { request: None, .. } | SessionEvent::Moved { .. } => {}
            SessionEvent::Down { link, end } => {
                self.endpoint.forget(link, now);
                if self.registration.closed(link, now) {
                    self.events.push_back(Event::SessionEnded(end));
                    self.session_lost(now);
                } else {
                    self.pull_session_lost(Ok(link), now);
                }
            }
            SessionEvent::Failed { request, end } => {
                match self.registration.open_failed(request, now, &mut self.random) {
                    Some(retry) => self.events.push_back(Event::SessionFailed { end, retry }),
                    None => self.pull_session_lost(Err(request), now),
                }
            }
        }
        self.settle(now);
    }

    fn poll_session(&mut self) -> Option<SessionCommand> {
        self.sessions.pop_front()
    }
}

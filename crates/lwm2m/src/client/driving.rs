//! What comes in and goes out: the contract of every machine.

use coap::{Failure, RequestId};
use machine::{Instant, Link, Machine, SessionCommand, SessionEvent, SessionMachine};

use super::event::{Event, RebootReason};
use super::firmware_store::FirmwareStore;
use super::firmware_update::FirmwareUpdate;
use super::firmware_values::{UpdateResult, UpdateState};
use super::{Client, writing};

impl<F: FirmwareStore> Client<F> {
    /// Follows up on whatever has just happened, until nothing is left to do now.
    pub(super) fn settle(&mut self, now: Instant) {
        if self.dark {
            return;
        }
        while let Some(event) = self.endpoint.poll_event() {
            self.handle_endpoint(event, now);
        }
        if self.update.push_deadline().is_some_and(|deadline| deadline <= now) {
            self.update.abandon(UpdateResult::ConnectionLost);
        }
        if self.update.end_deferral(now) {
            self.events.push_back(Event::RebootWanted(RebootReason::Update));
        }
        self.advance_bootstrap(now);
        self.advance_servers(now);
        self.advance_pull(now);
        if self.update.state() != self.told.0 {
            self.update.note_change(self.clock.saturating_add(writing::seconds_of(now)));
        }
        self.tell_firmware();
        if self.updates().any(FirmwareUpdate::power_lost) {
            self.dark = true;
            self.events.push_back(Event::PowerLost);
            return;
        }
        self.notify(now);
        self.fall_asleep(now);
        if core::mem::take(&mut self.save_wanted) {
            self.events.push_back(Event::SaveWanted);
        }
    }

    fn handle_endpoint(&mut self, event: coap::Event<Link>, now: Instant) {
        use coap::Event as Coap;
        match event {
            Coap::Request { peer, id, request, block } => self.handle_request(peer, id, &request, block, now),
            Coap::Response { id, response, .. } if self.is_pull(id) => self.pull_answered(&response, now),
            Coap::Response { id, response, .. } if self.bootstrap.awaits(id) => {
                self.bootstrap_answered(response.code, now);
            }
            Coap::Response { id, response, .. } => {
                let sent = self.send_ended(id, Some(response.code));
                if !sent {
                    self.server_answered(id, &response, now);
                }
            }
            Coap::Failed { id, failure, .. } => self.handle_failure(id, failure, now),
            Coap::ObservationCanceled { peer, token } => {
                if let Some(server) = self.servers.by_link(peer) {
                    self.servers.0[server].observations.end(token);
                    self.observations_changed();
                }
            }
            Coap::Delivered { id, .. } => {
                if let Some(passage) = self.gate.delivered(id) {
                    self.gate_passed(passage, now);
                }
            }
            // What only the other role sees.
            _ => {}
        }
    }

    fn handle_failure(&mut self, id: RequestId, failure: Failure, now: Instant) {
        // An unacknowledged notification leaves the observation as it is (RFC 7641 section 4.5 lets the
        // client choose).
        if let Some(passage) = self.gate.failed(id) {
            return self.gate_passed(passage, now);
        }
        // A session that ended has been dealt with where its end was reported.
        if self.send_ended(id, None) || failure == Failure::PeerGone {
            return;
        }
        if self.is_pull(id) {
            self.pull_unanswered(now);
        } else if self.bootstrap.awaits(id) {
            self.bootstrap_stalled(now);
        } else {
            self.server_unanswered(id, now);
        }
    }

    /// A reset of object 5 over one delivery ends a download that runs over the other.
    pub(super) fn stop_pull_unless_downloading(&mut self, now: Instant) {
        if self.update.state() != UpdateState::Downloading || self.update.is_pushing() {
            self.drop_pull(now);
        }
    }

    fn tell_firmware(&mut self) {
        let observed = self.state_is_observed();
        self.gate.follow(self.update.state(), observed);
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
            self.stir(now);
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
        if self.dark {
            return None;
        }
        let sent = self.endpoint.poll_transmit(buffer)?;
        self.spoken();
        Some(sent)
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        if self.dark {
            return None;
        }
        let own = [
            (self.bootstrap.due(), "bootstrap"),
            (self.bootstrap_account_ends, "the bootstrap account ends"),
            (self.servers.due().filter(|_| !self.bootstrap.is_under_way()), "registration"),
            (self.pull_due(), "next block of a download"),
            (self.update.push_deadline(), "push abandoned"),
            (self.update.deferred_until(), "the installation was put off until then"),
            (self.notification_due(), "notification"),
            (self.sleep_due(), "sleep"),
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
            SessionEvent::Up { link, request: Some(request), resumed, .. } => {
                let wanted = self.link_up(request, link, resumed, now);
                if !wanted {
                    self.sessions.push_back(SessionCommand::Close(link));
                }
            }
            SessionEvent::Up { request: None, .. } | SessionEvent::Moved { .. } => {}
            SessionEvent::Down { link, end } => {
                self.endpoint.forget(link, now);
                self.link_down(link, end, now);
            }
            SessionEvent::Failed { request, end } => self.link_failed(request, end, now),
        }
        self.settle(now);
    }

    fn poll_session(&mut self) -> Option<SessionCommand> {
        self.sessions.pop_front()
    }
}

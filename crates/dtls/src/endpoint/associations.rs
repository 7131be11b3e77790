//! How handshakes begin, go on, become sessions, and end.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use machine::{Instant, SessionEnd, SessionId};

use super::roster::{Key, Line, Slot};
use super::session::Session;
use super::{Association, Endpoint, MAX_TRANSMITS, Transmit};
use crate::fault::{DropCause, Fault};
use crate::handshake::{Handshake, Lookup, Step};
use crate::limits::{Kind, Source};
use crate::suite::Role;
use crate::wire::alert::{Alert, Description};
use crate::wire::record::ContentType;
use crate::{Event, HandshakeId, Rejection};

/// Whatever the settings say: a timer of no length would never stop firing.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);

impl Endpoint {
    /// Takes a new handshake into its reserved slot, in place of one at the same address, and does what it wants
    /// first.
    pub(super) fn begin(&mut self, slot: Slot, handshake: Handshake, step: Step, now: Instant) {
        let (remote, role) = (handshake.remote, handshake.role());
        if let Some(running) = self.handshake_at(remote) {
            self.abandon(running, SessionEnd::Replaced);
        }
        if role == Role::Server
            && self.half_open.len() >= self.config.max_half_open
            && let Some(oldest) = self.half_open.oldest()
        {
            self.statistics.failures.evicted += 1;
            self.abandon(oldest, SessionEnd::Evicted);
        }
        self.roster.put(slot, Association::Handshake(Box::new(handshake)));
        self.roster.join(line_of(role, &mut self.half_open, &mut self.calling), slot);
        self.occupy(slot);
        if step == Step::WantKey {
            // No flight goes out yet whose timer would end the handshake.
            self.set_timer(slot);
        }
        self.proceed(slot, Ok(step), now);
    }

    /// Does what a handshake wants after an input.
    pub(super) fn proceed(&mut self, slot: Slot, step: Result<Step, Fault>, now: Instant) {
        match step {
            Ok(Step::Nothing) => {}
            Ok(Step::Dropped(cause)) => self.drop_record(cause),
            Ok(Step::Send) => self.send_flight(slot, now),
            Ok(Step::Repeat) => self.repeat_flight(slot, now),
            Ok(Step::WantKey) => self.ask_for_key(slot, now),
            Ok(Step::Finished) => self.establish(slot, now),
            Ok(Step::PeerAlert(alert)) => self.handle_refusal(slot, alert),
            Err(fault) => self.fail(slot, fault, now),
        }
    }

    /// Sends a new flight; its repetitions start from the shortest time again.
    fn send_flight(&mut self, slot: Slot, now: Instant) {
        let first = self.config.first_retransmission.max(SHORTEST_TIMEOUT);
        let Some(handshake) = self.handshake_mut(slot) else { return };
        handshake.schedule.timeout = first;
        handshake.schedule.repeat_at = now + first;
        self.queue_flight(slot);
        self.set_timer(slot);
    }

    fn repeat_flight(&mut self, slot: Slot, now: Instant) {
        let Some(handshake) = self.handshake_mut(slot) else { return };
        let schedule = &mut handshake.schedule;
        schedule.repeat_at = now + schedule.timeout;
        self.statistics.retransmissions += 1;
        self.queue_flight(slot);
        self.set_timer(slot);
    }

    /// A flight for which there is no room now is repeated later as if it had been lost.
    pub(super) fn queue_flight(&mut self, slot: Slot) {
        if self.transmits.len() < MAX_TRANSMITS {
            self.transmits.push_back(Transmit::Flight(self.roster.key(slot)));
        } else {
            self.drop_record(DropCause::Overload);
        }
    }

    fn set_timer(&mut self, slot: Slot) {
        let key = self.roster.key(slot);
        let Some(Association::Handshake(handshake)) = self.roster.get_mut(slot) else { return };
        let schedule = &mut handshake.schedule;
        if let Some(timer) = schedule.timer.take() {
            self.timers.cancel(timer);
        }
        schedule.timer = Some(self.timers.set(schedule.repeat_at.min(schedule.deadline), key));
    }

    /// The timer of a handshake has fired: time to repeat its flight or to give up.
    pub(super) fn handle_timer(&mut self, key: Key, now: Instant) {
        let longest = self.config.longest_retransmission.max(SHORTEST_TIMEOUT);
        let Some(slot) = self.roster.find(key) else { return };
        let Some(handshake) = self.handshake_mut(slot) else { return };
        let waits_for_peer = handshake.waits_for_peer();
        let schedule = &mut handshake.schedule;
        schedule.timer = None;
        if schedule.deadline <= now {
            self.expire(slot, now);
        } else if waits_for_peer {
            schedule.timeout = schedule.timeout.saturating_mul(2).min(longest);
            self.repeat_flight(slot, now);
        } else {
            schedule.repeat_at = now + schedule.timeout;
            self.set_timer(slot);
        }
    }

    fn expire(&mut self, slot: Slot, now: Instant) {
        let rejection = self.handshake_mut(slot).and_then(|handshake| handshake.rejection());
        let failures = &mut self.statistics.failures;
        match rejection {
            None => failures.timed_out += 1,
            Some(Rejection::WrongKey) => failures.wrong_key += 1,
            Some(Rejection::UnknownIdentity) => failures.unknown_identity += 1,
            Some(Rejection::TooManyTries) => failures.too_many_tries += 1,
        }
        if let Some(cause) = rejection {
            self.report_rejection(slot, cause, now);
        }
        self.abandon(slot, SessionEnd::TimedOut);
    }

    fn ask_for_key(&mut self, slot: Slot, now: Instant) {
        let handshake = HandshakeId(self.roster.key(slot).0);
        let Some(Association::Handshake(parked)) = self.roster.get(slot) else { return };
        let (tries, source) = (&self.config.key_tries, Source::of(parked.remote.ip()));
        if parked.tries_key() && !self.failing.may_try(&parked.identity, source, tries, now) {
            return self.unpark(slot, Lookup::Slowed, now);
        }
        let identity = parked.identity.clone();
        self.events.push_back(Event::KeyWanted { handshake, identity });
    }

    /// We give a handshake up, and say so to the peer.
    fn fail(&mut self, slot: Slot, fault: Fault, now: Instant) {
        fault.count(&mut self.statistics.failures);
        let Some(Association::Handshake(handshake)) = self.roster.get_mut(slot) else { return };
        let (remote, datagram) = (handshake.remote, handshake.encode_alert(fault, &mut self.random));
        self.answer(remote, datagram);
        match fault {
            Fault::WrongKey => self.report_rejection(slot, Rejection::WrongKey, now),
            Fault::TooManyTries => self.report_rejection(slot, Rejection::TooManyTries, now),
            Fault::UnknownIdentity | Fault::IdentityRefused => {
                self.report_rejection(slot, Rejection::UnknownIdentity, now);
            }
            _ => {}
        }
        let wrong = fault == Fault::WrongFinished;
        self.abandon(slot, if wrong { SessionEnd::NotAuthenticated } else { SessionEnd::ClosedHere });
    }

    fn report_rejection(&mut self, slot: Slot, cause: Rejection, now: Instant) {
        let Some(handshake) = self.handshake_mut(slot) else { return };
        let (identity, remote) = (core::mem::take(&mut handshake.identity), handshake.remote);
        self.take(Kind::FirstContact, remote, now);
        if cause != Rejection::TooManyTries {
            self.failing.failed(&identity, Source::of(remote.ip()), &self.config.key_tries, now);
        }
        self.events.push_back(Event::Rejected { identity, remote, cause });
    }

    /// The peer gives a handshake up.
    pub(super) fn handle_refusal(&mut self, slot: Slot, alert: Alert) {
        self.statistics.failures.alert += 1;
        let end = match alert.description {
            Description::BAD_RECORD_MAC | Description::DECRYPT_ERROR | Description::UNKNOWN_PSK_IDENTITY => {
                SessionEnd::NotAuthenticated
            }
            Description::CLOSE_NOTIFY => SessionEnd::ClosedByPeer,
            description => SessionEnd::Alert(description.0),
        };
        self.abandon(slot, end);
    }

    /// Forgets a handshake. Who called learns it; who was called had not heard of it.
    pub(super) fn abandon(&mut self, slot: Slot, end: SessionEnd) {
        let session = SessionId(self.roster.key(slot).0);
        let Some(handshake) = self.take_handshake(slot) else { return };
        self.roster.release(slot);
        if handshake.role() == Role::Client {
            let remote = handshake.remote;
            if let Some(earlier) = handshake.into_undecided() {
                self.remember(remote, earlier);
            }
            self.events.push_back(Event::Down { session, end });
        }
    }

    /// Takes a handshake out of its slot, its line and its address. The slot keeps its number.
    fn take_handshake(&mut self, slot: Slot) -> Option<Box<Handshake>> {
        let Some(Association::Handshake(handshake)) = self.roster.get_mut(slot) else { return None };
        let role = handshake.role();
        if let Some(timer) = handshake.schedule.timer.take() {
            self.timers.cancel(timer);
        }
        self.roster.leave(line_of(role, &mut self.half_open, &mut self.calling), slot);
        self.vacate(slot);
        match self.roster.take(slot)? {
            Association::Handshake(handshake) => Some(handshake),
            Association::Session(_) => None,
        }
    }

    /// Turns a finished handshake into a session, in place of the one at its address.
    fn establish(&mut self, slot: Slot, now: Instant) {
        let Some(handshake) = self.take_handshake(slot) else { return };
        let (remote, outgoing) = (handshake.remote, handshake.role() == Role::Client);
        let Some(outcome) = handshake.into_outcome(self.tickets.wall(now)) else { return };
        self.make_room(remote, &outcome.identity);
        if let Some((id, session)) = outcome.resumable {
            self.cache.insert(id, session);
        }
        if let Some(session) = outcome.remembered {
            self.remember(remote, session);
        }
        if !outgoing {
            self.failing.proved(&outcome.identity, Source::of(remote.ip()));
        }
        let (identity, resumed) = (outcome.identity, outcome.is_resumed);
        let suite = outcome.channel.keys().suite();
        let last_flight = outcome.last_flight.map(Box::new);
        let answers = last_flight.is_some();
        let session = Session {
            remote,
            channel: outcome.channel,
            heard: now,
            identity: identity.clone().into(),
            last_flight,
            unproved: None,
            outgoing,
            extended_master_secret: outcome.extended_master_secret,
        };
        self.roster.put(slot, Association::Session(session));
        self.roster.join(&mut self.live, slot);
        self.occupy(slot);
        self.statistics.handshakes += 1;
        self.statistics.resumptions += u64::from(resumed);
        let session = SessionId(self.roster.key(slot).0);
        self.events.push_back(Event::Up { session, identity, remote, outgoing, suite, resumed });
        if answers {
            self.queue_flight(slot);
        }
    }

    /// Ends the sessions that stand in the way of a new one. Whoever is found by a connection id may have left
    /// the address to another device behind the same translator.
    fn make_room(&mut self, remote: SocketAddr, identity: &[u8]) {
        if let Some(old) = self.session_at(remote)
            && let Some(Association::Session(session)) = self.roster.get(old)
            && !(session.channel.receives_connection_id() && *session.identity != *identity)
        {
            self.end_session(old, SessionEnd::Replaced);
        }
        while self.live.len() >= self.config.max_sessions.max(1) {
            let Some(oldest) = self.live.oldest() else { break };
            self.end_session(oldest, SessionEnd::Evicted);
        }
    }

    /// Ends a session and tells its owner.
    pub(super) fn end_session(&mut self, slot: Slot, end: SessionEnd) {
        let session = SessionId(self.roster.key(slot).0);
        let Some(Association::Session(_)) = self.roster.get(slot) else { return };
        self.vacate(slot);
        self.roster.leave(&mut self.live, slot);
        self.roster.take(slot);
        self.roster.release(slot);
        self.events.push_back(Event::Down { session, end });
    }

    /// Ends a session, telling its owner and the peer.
    pub(super) fn end_with_alert(&mut self, slot: Slot, alert: Alert, end: SessionEnd) {
        self.send_alert(slot, alert);
        self.end_session(slot, end);
    }

    pub(super) fn send_alert(&mut self, slot: Slot, alert: Alert) {
        let Some(Association::Session(session)) = self.roster.get_mut(slot) else { return };
        let (remote, mut datagram) = (session.remote, Vec::new());
        session.channel.push(ContentType::ALERT, &alert.encode(), &mut self.random, &mut datagram);
        if session.may_send(datagram.len()) {
            self.answer(remote, datagram);
        }
    }

    /// The session that has been idle for too long, if there is one.
    pub(super) fn idle_session(&self, now: Instant) -> Option<Slot> {
        self.live.oldest().filter(|_| self.idle_at().is_some_and(|at| at <= now))
    }

    /// When the session that was unheard for longest is forgotten.
    pub(super) fn idle_at(&self) -> Option<Instant> {
        match self.roster.get(self.live.oldest()?)? {
            Association::Session(session) => Some(session.heard + self.config.idle_limit),
            Association::Handshake(_) => None,
        }
    }

    fn handshake_mut(&mut self, slot: Slot) -> Option<&mut Handshake> {
        match self.roster.get_mut(slot)? {
            Association::Handshake(handshake) => Some(handshake),
            Association::Session(_) => None,
        }
    }
}

fn line_of<'a>(role: Role, half_open: &'a mut Line, calling: &'a mut Line) -> &'a mut Line {
    match role {
        Role::Client => calling,
        Role::Server => half_open,
    }
}

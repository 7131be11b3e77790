//! What comes in: which session or handshake a record belongs to.

use alloc::vec::Vec;
use core::net::SocketAddr;

use machine::{Instant, SessionEnd, SessionId};

use super::roster::Slot;
use super::session::Session;
use super::{Association, Endpoint, MAX_WAITING_EVENTS};
use crate::Event;
use crate::channel::{EPOCH, Opened};
use crate::cookie::COOKIE;
use crate::fault::{DropCause, Fault};
use crate::handshake::{Handshake, Request, Schedule};
use crate::limits::Kind;
use crate::resumption::ResumableSession;
use crate::suite::Role;
use crate::wire::Version;
use crate::wire::alert::Alert;
use crate::wire::hello::{self, ClientHello};
use crate::wire::message::{Fragment, Fragments, Message, MessageType};
use crate::wire::record::{self, ContentType, Record, Records};

impl Endpoint {
    pub(super) fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        for record in Records::of(datagram) {
            match record {
                Err(record::Malformed) => self.drop_record(DropCause::Malformed),
                Ok(record) => match (record.position.epoch(), record.connection_id) {
                    (0, None) => self.handle_plain(from, &record, now),
                    (EPOCH, None) => self.handle_sealed(from, &record, now),
                    (EPOCH, Some(id)) => self.handle_identified(from, id, &record, now),
                    _ => self.drop_record(DropCause::Unexpected),
                },
            }
        }
    }

    /// An unprotected record: only handshakes take them, and nothing in them touches a session.
    fn handle_plain(&mut self, from: SocketAddr, record: &Record<'_>, now: Instant) {
        match record.kind {
            ContentType::HANDSHAKE => self.handle_plain_messages(from, record, now),
            ContentType::CHANGE_CIPHER_SPEC if record.fragment == [1] => {
                let Some(slot) = self.handshake_at(from) else {
                    return self.drop_record(DropCause::Stray);
                };
                if let Some(Association::Handshake(handshake)) = self.roster.get_mut(slot) {
                    let step = handshake.handle_change();
                    self.proceed(slot, step, now);
                }
            }
            ContentType::ALERT => self.handle_plain_alert(from, record),
            _ => self.drop_record(DropCause::Unexpected),
        }
    }

    fn handle_plain_messages(&mut self, from: SocketAddr, record: &Record<'_>, now: Instant) {
        for fragment in Fragments::of(record.fragment) {
            let Some(fragment) = fragment else { return self.drop_record(DropCause::Malformed) };
            if fragment.kind == MessageType::CLIENT_HELLO {
                self.handle_client_hello(from, record, &fragment, now);
                continue;
            }
            let Some(slot) = self.handshake_at(from) else { return self.drop_record(DropCause::Stray) };
            if let Some(Association::Handshake(handshake)) = self.roster.get_mut(slot) {
                let step = handshake.handle_fragment(&fragment);
                self.proceed(slot, step, now);
            }
        }
    }

    /// Nothing proves who sent it. A client that is calling believes it, since silence would be all it got
    /// otherwise; a server has nothing to gain, and sessions are out of its reach.
    fn handle_plain_alert(&mut self, from: SocketAddr, record: &Record<'_>) {
        let alert = Alert::parse(record.fragment).filter(|alert| alert.fatal);
        let slot = self.handshake_at(from).filter(|slot| self.is_calling(*slot));
        match (slot, alert) {
            (Some(slot), Some(alert)) => self.handle_refusal(slot, alert),
            _ => self.drop_record(DropCause::Unexpected),
        }
    }

    fn is_calling(&self, slot: Slot) -> bool {
        matches!(self.roster.get(slot), Some(Association::Handshake(handshake)) if handshake.role() == Role::Client)
    }

    /// A client wants a session. Until it has returned its cookie it costs no memory. Its hello must come in
    /// one piece: putting it together would cost memory.
    fn handle_client_hello(
        &mut self,
        from: SocketAddr,
        record: &Record<'_>,
        fragment: &Fragment<'_>,
        now: Instant,
    ) {
        let parsed = fragment
            .whole()
            .and_then(|message| ClientHello::parse(message.body).map(|hello| (message, hello)));
        let Some((message, hello)) = parsed else { return self.drop_record(DropCause::Malformed) };
        let handshake = self.handshake_at(from);
        if handshake.is_some_and(|slot| self.is_calling(slot)) {
            return self.drop_record(DropCause::Unexpected);
        }
        if !self.is_verified(from, &hello, now) {
            return self.answer_first_contact(from, record, (&message, &hello), now);
        }
        if let Some(slot) = handshake
            && let Some(Association::Handshake(running)) = self.roster.get(slot)
            && running.began_with(&hello)
        {
            let step = running.hello_repeated();
            return self.proceed(slot, Ok(step), now);
        }
        if self.is_late_copy(from, &hello) {
            return self.drop_record(DropCause::Replayed);
        }
        if !self.take_handshake_of(from, now) {
            return self.drop_record(DropCause::Limited);
        }
        self.accept(from, record, (&message, &hello), now);
    }

    /// Whether the hello has a good cookie. A source whose cookies were wrong too often is not believed any.
    fn is_verified(&mut self, from: SocketAddr, hello: &ClientHello<'_>, now: Instant) -> bool {
        if hello.cookie.is_empty() || !self.has_room(Kind::Unauthentic, from, now) {
            return false;
        }
        let is_good = self.cookies.accepts(from, hello, now);
        if !is_good {
            self.take(Kind::Unauthentic, from, now);
        }
        is_good
    }

    fn answer_first_contact(
        &mut self,
        from: SocketAddr,
        record: &Record<'_>,
        (message, hello): (&Message<'_>, &ClientHello<'_>),
        now: Instant,
    ) {
        if !self.take(Kind::FirstContact, from, now) {
            return self.drop_record(DropCause::Limited);
        }
        let cookie = self.cookies.issue(from, hello, now);
        self.send_cookie(from, record, message, cookie);
    }

    /// Whether the hello is a copy of the one that began the session at its address. Once the client has sent
    /// data the copy is not remembered: a device without randomness says the same hello after every restart.
    fn is_late_copy(&self, from: SocketAddr, hello: &ClientHello<'_>) -> bool {
        let session = self.session_at(from).and_then(|slot| self.roster.get(slot));
        matches!(session, Some(Association::Session(Session { last_flight: Some(flight), .. }))
            if flight.client_random == *hello.random)
    }

    /// Numbered like the hello, since nothing here counts (RFC 6347 section 4.2.1).
    fn send_cookie(
        &mut self,
        to: SocketAddr,
        record: &Record<'_>,
        message: &Message<'_>,
        cookie: [u8; COOKIE],
    ) {
        let body = hello::verify_request(&cookie);
        let kind = MessageType::HELLO_VERIFY_REQUEST;
        let mut answer = Vec::new();
        Message { kind, sequence: message.sequence, body: &body }.push(&mut answer);
        let mut datagram = Vec::new();
        let sequence = record.position.sequence();
        record::push_plain(&mut datagram, ContentType::HANDSHAKE, Version::DTLS_1_0, sequence, &answer);
        self.statistics.cookies += 1;
        self.answer(to, datagram);
    }

    fn accept(
        &mut self,
        from: SocketAddr,
        record: &Record<'_>,
        hello: (&Message<'_>, &ClientHello<'_>),
        now: Instant,
    ) {
        let Some(slot) = self.roster.reserve() else { return self.drop_record(DropCause::Overload) };
        let schedule = Schedule::until(now + self.config.handshake_timeout);
        let record_sequence = record.position.sequence();
        let (message, hello) = hello;
        let request = Request {
            remote: from,
            message,
            hello,
            record_sequence,
            own_connection_id: self.connection_id(slot),
            earlier: self.earlier_session(hello, now),
            wall: self.tickets.wall(now),
        };
        match Handshake::accept(request, &self.config, schedule, &mut self.random) {
            Ok((handshake, step)) => self.begin(slot, handshake, step, now),
            Err(fault) => {
                self.roster.release(slot);
                self.refuse(from, record_sequence, fault);
            }
        }
    }

    /// The session that a hello wants to go on with, if we know it.
    fn earlier_session(&mut self, hello: &ClientHello<'_>, now: Instant) -> Option<ResumableSession> {
        if self.config.resumption_lifetime.is_zero() {
            return None;
        }
        match hello.extensions.ticket {
            Some(ticket) if !ticket.is_empty() => self.tickets.open(ticket, now),
            _ => self.cache.find(hello.session.try_into().ok()?),
        }
    }

    /// A client that proved its address and cannot be served learns why.
    fn refuse(&mut self, to: SocketAddr, sequence: u64, fault: Fault) {
        fault.count(&mut self.statistics.failures);
        let mut datagram = Vec::new();
        let alert = Alert::fatal(fault.alert()).encode();
        record::push_plain(&mut datagram, ContentType::ALERT, Version::DTLS_1_2, sequence, &alert);
        self.answer(to, datagram);
    }

    /// A protected record belongs to the session at its address, or to a handshake that is about to replace
    /// it: the keys tell.
    fn handle_sealed(&mut self, from: SocketAddr, record: &Record<'_>, now: Instant) {
        let mut cause = DropCause::Stray;
        if let Some(slot) = self.session_at(from)
            && let Some(Association::Session(session)) = self.roster.get_mut(slot)
        {
            cause = match session.channel.open(record) {
                Ok(opened) => return self.handle_content(slot, opened, now),
                Err(unusable) => unusable.into(),
            };
        }
        let slot = self.handshake_at(from);
        let handshake = slot.and_then(|slot| Some((slot, self.roster.get_mut(slot)?)));
        let Some((slot, Association::Handshake(handshake))) = handshake else {
            return self.drop_record(cause);
        };
        let step = handshake.handle_sealed(record);
        self.proceed(slot, step, now);
    }

    /// The authentic content of a record of a session.
    pub(super) fn handle_content(&mut self, slot: Slot, opened: Opened, now: Instant) {
        let Opened { kind, bytes: plaintext, .. } = opened;
        self.roster.refresh(&mut self.live, slot);
        let session = SessionId(self.roster.key(slot).0);
        let Some(Association::Session(live)) = self.roster.get_mut(slot) else { return };
        live.heard = now;
        match kind {
            ContentType::APPLICATION_DATA => {
                live.last_flight = None;
                if self.events.len() < MAX_WAITING_EVENTS {
                    self.events.push_back(Event::Data { session, bytes: plaintext });
                } else {
                    self.drop_record(DropCause::Overload);
                }
            }
            ContentType::ALERT => self.handle_alert(slot, &plaintext),
            ContentType::HANDSHAKE => self.handle_late_message(slot, &plaintext),
            _ => self.drop_record(DropCause::Unexpected),
        }
    }

    fn handle_alert(&mut self, slot: Slot, bytes: &[u8]) {
        match Alert::parse(bytes) {
            Some(alert) if alert.description == Alert::CLOSE_NOTIFY.description => {
                self.end_with_alert(slot, Alert::CLOSE_NOTIFY, SessionEnd::ClosedByPeer);
            }
            Some(alert) if alert.fatal => self.end_session(slot, SessionEnd::Alert(alert.description.0)),
            Some(_) => {}
            None => self.drop_record(DropCause::Malformed),
        }
    }

    /// A handshake message inside a session: the client's Finished again, because ours was lost, or a wish to
    /// renegotiate, which is declined (RFC 5246 section 7.2.2).
    fn handle_late_message(&mut self, slot: Slot, bytes: &[u8]) {
        let Some(Some(fragment)) = Fragments::of(bytes).next() else {
            return self.drop_record(DropCause::Malformed);
        };
        match fragment.kind {
            MessageType::FINISHED => {
                self.statistics.retransmissions += 1;
                self.queue_flight(slot);
            }
            MessageType::CLIENT_HELLO | MessageType::HELLO_REQUEST => {
                self.send_alert(slot, Alert::NO_RENEGOTIATION);
            }
            _ => self.drop_record(DropCause::Unexpected),
        }
    }
}

//! What comes in: copies are recognized, the rest goes where it belongs. And what time brings.

use machine::Instant;

use super::allowance::{Allowance, echo_of};
use super::check::is_acceptable_response;
use super::conversation::{Conversation, PeerState};
use super::core::{Context, Timer};
use super::requests::Purpose;
use super::{Config, Endpoint, Failure, Peer};
use crate::{Code, Kind, Message, MessageId, OptionNumber};

impl<P: Peer> Endpoint<P> {
    /// Whether a message has come before; its answer is then sent again (RFC 7252 section 4.5). `length`
    /// is that of the datagram: one with the id of an old message may be shorter than that was.
    pub(super) fn is_copy(&mut self, peer: P, message: &Message<'_>, length: usize, now: Instant) -> bool {
        let Some(answer) = self.core.remembered.find(peer, message.message_id(), now) else { return false };
        self.core.statistics.duplicates += 1;
        let Some(state) = self.peers.get_mut(&peer) else { return true };
        state.statistics.duplicates = state.statistics.duplicates.saturating_add(1);
        state.allowance.earn(length, &self.core.config);
        match answer.filter(|_| message.kind() == Kind::Confirmable) {
            Some(answer) if state.allowance.spend(answer.bytes()) => {
                let answer = answer.clone();
                self.core.transmits.push_back((peer, answer));
            }
            Some(_) => self.core.statistics.withheld += 1,
            None => {}
        }
        true
    }

    pub(super) fn remember(&mut self, peer: P, message: &Message<'_>, length: usize, now: Instant) {
        let config = &self.core.config;
        let state = self.peers.entry(peer);
        let state = state.or_insert_with(|| PeerState::new(Allowance::of_stranger(peer, config)));
        if !state.allowance.is_proved() {
            state.allowance.earn(length, config);
            if echo_of(message).is_some_and(|value| self.core.echo.is_genuine(value, peer, now)) {
                state.allowance = Allowance::PROVED;
            }
        }
        if state.recent.length as usize >= self.core.config.max_remembered_per_peer {
            self.core.statistics.forgotten += 1;
            self.core.remembered.forget_oldest(&mut state.recent);
        }
        let confirmable = message.kind() == Kind::Confirmable;
        self.core.remembered.insert(&mut state.recent, peer, message.message_id(), confirmable, now);
        let (max, max_bytes) = (self.core.config.max_remembered, self.core.config.max_remembered_bytes);
        while self.core.remembered.length() > max || self.core.remembered.bytes() > max_bytes {
            self.core.statistics.forgotten += 1;
            self.forget_oldest_message();
        }
    }

    fn forget_oldest_message(&mut self) {
        let Some((peer, _)) = self.core.remembered.oldest() else { return };
        let Some(state) = self.peers.get_mut(&peer) else { return };
        self.core.remembered.forget_oldest(&mut state.recent);
        if state.recent.length == 0 && state.conversation.is_none() {
            self.peers.remove(&peer);
        }
    }

    pub(super) fn forget_outlived_messages(&mut self, most: usize, now: Instant) {
        for _ in 0..most {
            match self.core.remembered.oldest() {
                Some((_, seen)) if now - seen >= self.core.config.exchange_lifetime => {
                    self.forget_oldest_message();
                }
                _ => return,
            }
        }
    }

    pub(super) fn take_message(&mut self, peer: P, message: &Message<'_>, length: usize, now: Instant) {
        let (message_id, code) = (message.message_id(), message.code());
        match message.kind() {
            Kind::Reset => {
                self.if_conversing(peer, now, |conversation, context| {
                    conversation.rejected(message_id, context);
                });
            }
            Kind::Acknowledgement if code == Code::EMPTY => {
                self.if_conversing(peer, now, |conversation, context| {
                    conversation.acknowledged(message_id, context);
                });
            }
            Kind::Acknowledgement => self.take_piggybacked(peer, message, now),
            Kind::Confirmable if code == Code::EMPTY => {
                self.core.send_empty(peer, Kind::Reset, message_id);
            }
            Kind::Confirmable | Kind::NonConfirmable => {
                if self.is_copy(peer, message, length, now) || self.comes_too_fast(peer, message, now) {
                    return;
                }
                self.remember(peer, message, length, now);
                if code.is_request() {
                    self.take_request(peer, message, now);
                } else {
                    self.take_separate(peer, message, now);
                }
            }
        }
    }

    /// Whether a message is a notification beyond what a peer may send. It leaves no trace: it is not
    /// acknowledged, so the peer repeats it if it wants to be heard, and the copy is then taken.
    fn comes_too_fast(&mut self, peer: P, message: &Message<'_>, now: Instant) -> bool {
        if !message.code().is_response() || message.option(OptionNumber::OBSERVE).is_none() {
            return false;
        }
        let too_fast = self.if_conversing(peer, now, |conversation, context| {
            conversation.who_waits_for(message) == Waiting::Observation
                && !conversation.admits_notification(now, &context.core.config)
        });
        let too_fast = too_fast == Some(true);
        self.core.statistics.notifications_dropped += u64::from(too_fast);
        too_fast
    }

    /// A response in an acknowledgement: both message id and token must match (RFC 7252 section 5.3.2).
    fn take_piggybacked(&mut self, peer: P, message: &Message<'_>, now: Instant) {
        self.if_conversing(peer, now, |conversation, context| {
            let matches = conversation.active.as_ref().is_some_and(|active| {
                active.is_in_flight(message.message_id()) && active.token == message.token()
            });
            if matches {
                context.take_as_proof(message.token());
                conversation.take_or_refuse_response(message, context);
            }
        });
    }

    /// A response in a message of its own, or a notification: the token decides. What nobody waits for is
    /// reset if it can be understood as a wish to go on (RFC 7641 section 3.2 and 3.6).
    fn take_separate(&mut self, peer: P, message: &Message<'_>, now: Instant) {
        let confirmable = message.kind() == Kind::Confirmable;
        let notifies = message.option(OptionNumber::OBSERVE).is_some();
        let waiting = self.if_conversing(peer, now, |conversation, _| conversation.who_waits_for(message));
        let waiting = waiting.unwrap_or(Waiting::Nobody);
        let welcome = waiting != Waiting::Nobody && is_acceptable_response(message);
        // The acknowledgement goes out ahead of what the response makes us send.
        let reply = match (welcome, confirmable, notifies) {
            (true, true, _) => Some(Kind::Acknowledgement),
            (true, false, _) | (false, false, false) => None,
            (false, ..) => Some(Kind::Reset),
        };
        if let Some(kind) = reply {
            let datagram = self.core.send_empty(peer, kind, message.message_id());
            self.core.remembered.answer(peer, message.message_id(), datagram);
        }
        self.if_conversing(peer, now, |conversation, context| {
            if waiting != Waiting::Nobody {
                context.take_as_proof(message.token());
            }
            match waiting {
                Waiting::Request => conversation.take_or_refuse_response(message, context),
                Waiting::Observation if welcome => conversation.take_notification(message, context),
                Waiting::Observation | Waiting::EndOfObservation | Waiting::Nobody => {}
            }
        });
    }

    pub(super) fn timer_fired(&mut self, timer: Timer<P>, now: Instant) {
        match timer {
            Timer::Flight { peer, message_id } => self.repeat(peer, message_id, now),
            Timer::Response { peer, id } => {
                self.if_conversing(peer, now, |conversation, context| {
                    conversation.waited_long_enough(id, context);
                });
            }
            Timer::Unanswered { slot, generation } => self.answer_is_late(slot, generation, now),
            Timer::Body { peer, id } => self.abandon_body(peer, id, now),
            Timer::Tidy { peer } => self.tidy(peer, now),
        }
    }

    fn repeat(&mut self, peer: P, message_id: MessageId, now: Instant) {
        let before = self.core.statistics.retransmissions;
        self.if_conversing(peer, now, |conversation, context| conversation.repeat(message_id, context));
        let repeated = (self.core.statistics.retransmissions - before) as u32;
        if let Some(state) = self.peers.get_mut(&peer) {
            state.statistics.retransmissions = state.statistics.retransmissions.saturating_add(repeated);
        }
    }

    /// Drops what is kept for a peer if nothing is going on with it.
    pub(super) fn tidy(&mut self, peer: P, now: Instant) {
        let lifetime = self.core.config.exchange_lifetime;
        let over = self.if_conversing(peer, now, |conversation, context| {
            let over = conversation.is_over(now, lifetime);
            conversation.cancel_tidy_timer(context);
            if !over {
                conversation.set_tidy_timer(context);
            }
            over
        });
        let Some(state) = self.peers.get_mut(&peer).filter(|_| over == Some(true)) else { return };
        state.conversation = None;
        if state.recent.length == 0 {
            self.peers.remove(&peer);
        }
    }
}

/// What the token of a response belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Waiting {
    Request,
    Observation,
    /// A notification that crossed our wish to end the observation.
    EndOfObservation,
    Nobody,
}

impl Conversation {
    fn who_waits_for(&self, message: &Message<'_>) -> Waiting {
        let token = message.token();
        match self.active.as_ref().filter(|active| active.token == token) {
            Some(active) if matches!(active.purpose, Purpose::EndObservation(_)) => {
                let notifies = message.option(OptionNumber::OBSERVE).is_some();
                if notifies { Waiting::EndOfObservation } else { Waiting::Request }
            }
            Some(_) => Waiting::Request,
            None if self.has_observation(token) => Waiting::Observation,
            None => Waiting::Nobody,
        }
    }

    /// Counts a notification that has come; false if it came too fast.
    fn admits_notification(&mut self, now: Instant, config: &Config) -> bool {
        let paid_until = self.notifications_paid_until.max(now) + config.notification_pause;
        let admits = paid_until <= now + config.notification_pause * config.notification_burst;
        if admits {
            self.notifications_paid_until = paid_until;
        }
        admits
    }

    fn take_or_refuse_response<P: Peer>(&mut self, message: &Message<'_>, context: &mut Context<'_, P>) {
        if is_acceptable_response(message) {
            self.take_response(message, context);
        } else {
            self.fail_active(Failure::Malformed, context);
            self.start_next(context);
        }
    }
}

//! What is kept for one peer.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use machine::{Instant, TimerId};

use super::allowance::Allowance;
use super::bodies::OpenBody;
use super::core::{Context, Timer};
use super::flight::Flight;
use super::notify::{Notifying, WaitingNotification};
use super::observations::Observation;
use super::remembered::RecentList;
use super::requests::{Active, Queued};
use super::{Event, Failure, Peer, PeerStatistics};
use crate::{MessageId, Token};

/// All that is kept for a peer. A peer that has only asked and been answered has no conversation.
#[derive(Debug)]
pub(super) struct PeerState {
    pub(super) recent: RecentList,
    pub(super) statistics: PeerStatistics,
    pub(super) allowance: Allowance,
    pub(super) conversation: Option<Box<Conversation>>,
}

impl PeerState {
    pub(super) fn new(allowance: Allowance) -> Self {
        let (recent, statistics) = (RecentList::default(), PeerStatistics::default());
        Self { recent, statistics, allowance, conversation: None }
    }
}

/// What goes on with a peer beyond answering it at once.
#[derive(Debug)]
pub(super) struct Conversation {
    next_message_id: u16,
    /// When the last message id was used, if one ever was.
    last_used: Option<Instant>,
    tidy: Option<TimerId>,
    pub(super) held: bool,
    pub(super) queue: VecDeque<Queued>,
    pub(super) active: Option<Active>,
    pub(super) observations: Vec<Observation>,
    /// Up to when the notifications that came have used up what the peer may send: ahead of the time by
    /// at most the burst.
    pub(super) notifications_paid_until: Instant,
    pub(super) bodies: Vec<OpenBody>,
    pub(super) separate: Vec<Flight>,
    pub(super) notifying: Option<Notifying>,
    pub(super) notifications: VecDeque<WaitingNotification>,
    /// The last notifications that were not confirmable, since a reset may still come.
    pub(super) notified: VecDeque<(MessageId, Token)>,
}

impl Conversation {
    pub(super) fn new<P: Peer>(context: &mut Context<'_, P>) -> Self {
        let mut conversation = Self {
            next_message_id: context.core.random.u32() as u16,
            last_used: None,
            tidy: None,
            held: false,
            queue: VecDeque::new(),
            active: None,
            observations: Vec::new(),
            notifications_paid_until: Instant::ZERO,
            bodies: Vec::new(),
            separate: Vec::new(),
            notifying: None,
            notifications: VecDeque::new(),
            notified: VecDeque::new(),
        };
        conversation.set_tidy_timer(context);
        conversation
    }

    /// The message id for the next message of ours.
    pub(super) fn message_id(&mut self, now: Instant) -> MessageId {
        let message_id = MessageId(self.next_message_id);
        self.next_message_id = self.next_message_id.wrapping_add(1);
        self.last_used = Some(now);
        message_id
    }

    /// Whether nothing is going on and the message ids that we used last may be used again, so that a
    /// new conversation may start at a random one.
    pub(super) fn is_over(&self, now: Instant, exchange_lifetime: Duration) -> bool {
        let quiet = !self.held
            && self.queue.is_empty()
            && self.active.is_none()
            && self.observations.is_empty()
            && self.bodies.is_empty()
            && self.separate.is_empty()
            && self.notifying.is_none()
            && self.notifications.is_empty();
        quiet && self.last_used.is_none_or(|at| now - at >= exchange_lifetime)
    }

    pub(super) fn set_tidy_timer<P: Peer>(&mut self, context: &mut Context<'_, P>) {
        let lifetime = context.core.config.exchange_lifetime;
        let soonest = context.now + lifetime / 4;
        let at = self.last_used.map_or(soonest, |at| soonest.max(at + lifetime));
        self.tidy = Some(context.core.timers.set(at, Timer::Tidy { peer: context.peer }));
    }

    pub(super) fn cancel_tidy_timer<P: Peer>(&mut self, context: &mut Context<'_, P>) {
        if let Some(timer) = self.tidy.take() {
            context.core.timers.cancel(timer);
        }
    }

    /// An acknowledgement without content.
    pub(super) fn acknowledged<P: Peer>(&mut self, message_id: MessageId, context: &mut Context<'_, P>) {
        if let Some(flight) = self.flight(message_id) {
            context.allowance.give_back(flight.bytes_sent());
        }
        if self.active.as_ref().is_some_and(|active| active.is_in_flight(message_id)) {
            self.wait_for_response(context);
        } else if self.notifying.as_ref().is_some_and(|sent| sent.flight.message_id == message_id) {
            self.notification_delivered(context);
        } else {
            self.separate_done(message_id, context);
        }
    }

    /// A reset.
    pub(super) fn rejected<P: Peer>(&mut self, message_id: MessageId, context: &mut Context<'_, P>) {
        if self.active.as_ref().is_some_and(|active| active.is_in_flight(message_id)) {
            self.fail_active(Failure::Reset, context);
            self.start_next(context);
        } else if !self.notification_rejected(message_id, context) {
            self.separate_done(message_id, context);
        }
    }

    /// The time to repeat a confirmable message has come.
    pub(super) fn repeat<P: Peer>(&mut self, message_id: MessageId, context: &mut Context<'_, P>) {
        let Some(flight) = self.flight(message_id) else { return };
        if flight.repeat(context) {
            return;
        }
        if self.active.as_ref().is_some_and(|active| active.is_in_flight(message_id)) {
            self.fail_active(Failure::TimedOut, context);
            self.start_next(context);
        } else if self.notifying.as_ref().is_some_and(|sent| sent.flight.message_id == message_id) {
            self.notification_failed(Failure::TimedOut, context);
        } else {
            self.separate_done(message_id, context);
        }
    }

    /// The confirmable message of ours with this id.
    fn flight(&mut self, message_id: MessageId) -> Option<&mut Flight> {
        let active = self.active.as_mut().and_then(|active| active.flight.as_mut());
        let notifying = self.notifying.as_mut().map(|sent| &mut sent.flight);
        let mut flights = active.into_iter().chain(notifying).chain(&mut self.separate);
        flights.find(|flight| flight.message_id == message_id)
    }

    /// The peer is gone.
    pub(super) fn close<P: Peer>(&mut self, context: &mut Context<'_, P>) {
        self.held = true;
        self.cancel_tidy_timer(context);
        self.fail_active(Failure::PeerGone, context);
        for queued in core::mem::take(&mut self.queue) {
            self.fail_queued(queued.id, queued.purpose, Failure::PeerGone, context);
        }
        for observation in core::mem::take(&mut self.observations) {
            context.core.owners.remove(&observation.id);
            let (peer, id) = (context.peer, observation.id);
            context.event(Event::ObservationEnded { peer, id, response: None });
        }
        for waiting in core::mem::take(&mut self.notifications) {
            context.failed(waiting.id, Failure::PeerGone);
        }
        self.notification_failed(Failure::PeerGone, context);
        for flight in core::mem::take(&mut self.separate) {
            flight.land(context.core);
        }
        while !self.bodies.is_empty() {
            self.drop_body(Some(0), context);
        }
    }

    fn separate_done<P: Peer>(&mut self, message_id: MessageId, context: &mut Context<'_, P>) {
        let found = self.separate.iter().position(|flight| flight.message_id == message_id);
        if let Some(found) = found {
            self.separate.swap_remove(found).land(context.core);
        }
    }
}

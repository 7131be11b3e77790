//! The endpoint: exchanges with all peers of a shard, in both directions.
//!
//! In: a datagram is checked ([`Message`]), copies are recognized (`receive`, `remembered`), then it goes to `incoming`
//! (requests, whose bodies `bodies` joins), to `requests` (responses; `transfer` cuts and joins bodies) or
//! to `observations`. Out: `flight` repeats what must be acknowledged; `slice` cuts what is served.

mod allowance;
mod bodies;
mod check;
mod config;
mod conversation;
mod core;
mod datagram;
mod event;
mod flight;
mod incoming;
mod notify;
mod observations;
mod peer;
mod receive;
mod remembered;
mod requests;
mod slice;
mod statistics;
mod transfer;
mod unanswered;

use alloc::boxed::Box;

use machine::{Instant, KeyedState, Machine, Map, Seed};

pub use config::{BodyLimit, Config};
pub use event::{BodyBlock, CancelBy, Event, Failure, IncomingId, RequestId};
pub use peer::Peer;
pub use statistics::{PeerStatistics, Statistics};

use self::allowance::Allowance;
use self::conversation::{Conversation, PeerState};
use self::core::{Context, Core};
use self::notify::WaitingNotification;
use self::observations::Observation;
use self::requests::{Purpose, Queued};
use crate::{Kind, Message, OptionNumber, Reply, Request, Response, Token};

/// Both roles of CoAP, for all peers of one shard. See the [crate] for an example.
///
/// The work of a call does not depend on the number of peers, and every queue and table has a bound in
/// [`Config`].
#[derive(Debug)]
pub struct Endpoint<P> {
    peers: Map<P, PeerState>,
    core: Core<P>,
}

/// So many timers fire in one call at most; the rest is due at once in the next.
const TIMERS_PER_CALL: usize = 256;
/// So many outlived message ids are forgotten in one call at most.
const FORGOTTEN_PER_CALL: usize = 1_024;

impl<P: Peer> Endpoint<P> {
    /// An endpoint without peers.
    pub fn new(config: Config, seed: Seed) -> Self {
        let mut core = Core::new(config, seed);
        Self { peers: Map::with_hasher(KeyedState::new(&mut core.random)), core }
    }

    /// Asks a peer for something. One request runs per peer at a time (NSTART = 1, RFC 7252 section 4.7),
    /// the others wait. [`Event::Response`] or [`Event::Failed`] follows.
    pub fn request(&mut self, peer: P, request: Request, now: Instant) -> RequestId {
        self.enqueue(peer, request, Purpose::Answer, now)
    }

    /// Asks a peer (with GET or FETCH) to report a resource whenever it changes. [`Event::Response`]
    /// follows, then [`Event::Notification`]s with the same id.
    pub fn observe(&mut self, peer: P, mut request: Request, now: Instant) -> RequestId {
        request.options.set_uint(OptionNumber::OBSERVE, 0);
        self.enqueue(peer, request, Purpose::Observe, now)
    }

    fn enqueue(&mut self, peer: P, request: Request, purpose: Purpose, now: Instant) -> RequestId {
        let id = self.core.new_request_id();
        self.core.owners.insert(id, peer);
        self.converse(peer, now, |conversation, context| {
            let config = &context.core.config;
            let observing = conversation.queue.iter().filter(|queued| queued.purpose == Purpose::Observe);
            let observing = observing.count() + conversation.observations.len();
            if conversation.queue.len() >= config.max_queue {
                context.failed(id, Failure::QueueFull);
            } else if purpose == Purpose::Observe && observing >= config.max_observations {
                context.failed(id, Failure::TooManyObservations);
            } else {
                conversation.queue.push_back(Queued { id, request, purpose, fetch: None });
                conversation.start_next(context);
            }
        });
        id
    }

    /// Drops a request or observation of ours. No event follows; what still comes for it is reset.
    pub fn cancel(&mut self, id: RequestId, now: Instant) {
        if let Some(peer) = self.core.owners.get(&id).copied() {
            self.if_conversing(peer, now, |conversation, context| conversation.drop_request(id, context));
        }
    }

    /// Ends an observation of ours.
    pub fn cancel_observation(&mut self, id: RequestId, how: CancelBy, now: Instant) {
        if let Some(peer) = self.core.owners.get(&id).copied() {
            self.if_conversing(peer, now, |conversation, context| {
                conversation.cancel_observation(id, how, context);
            });
        }
    }

    /// The token that notifications of an observation carry, once the peer has confirmed it.
    pub fn observation_token(&self, id: RequestId) -> Option<Token> {
        let conversation = self.peers.get(self.core.owners.get(&id)?)?.conversation.as_ref()?;
        conversation.observations.iter().find(|found| found.id == id).map(|found| found.token)
    }

    /// Takes up an observation that the peer confirmed before we were restarted. `request` is the one
    /// that began it.
    pub fn restore_observation(
        &mut self,
        peer: P,
        token: Token,
        mut request: Request,
        now: Instant,
    ) -> RequestId {
        let id = self.core.new_request_id();
        request.options.set_uint(OptionNumber::OBSERVE, 0);
        self.core.owners.insert(id, peer);
        self.converse(peer, now, |conversation, _| {
            conversation.observations.push(Observation { id, token, request, heard: None });
        });
        id
    }

    /// Expects the notifications of `from` at `to` from now on: a device has come back on a new link and
    /// goes on using its old tokens.
    pub fn move_observations(&mut self, from: P, to: P, now: Instant) {
        let moved = self
            .if_conversing(from, now, |conversation, _| ::core::mem::take(&mut conversation.observations));
        let Some(mut moved) = moved.filter(|moved| from != to && !moved.is_empty()) else { return };
        for observation in &moved {
            self.core.owners.insert(observation.id, to);
        }
        self.converse(to, now, |conversation, _| conversation.observations.append(&mut moved));
    }

    /// Reports a state to a peer that observes it with `token`. Of `sequence` the low 24 bits count.
    /// [`Event::Delivered`] or [`Event::Failed`] follows if it is confirmable.
    pub fn notify(
        &mut self,
        peer: P,
        token: Token,
        sequence: u32,
        response: Response,
        confirmable: bool,
        now: Instant,
    ) -> RequestId {
        let id = self.core.new_request_id();
        let response = response.observe(sequence);
        self.converse(peer, now, |conversation, context| {
            if confirmable {
                conversation.notify_confirmable(WaitingNotification { id, token, response }, context);
            } else {
                conversation.notify_once(id, token, response, context);
            }
        });
        id
    }

    /// The peer is gone, and nothing will come from this address or session again: its requests fail with
    /// [`Failure::PeerGone`], its observations end, its buffers are freed.
    pub fn forget(&mut self, peer: P, now: Instant) {
        self.if_conversing(peer, now, Conversation::close);
        let Some(mut state) = self.peers.remove(&peer) else { return };
        while state.recent.length > 0 {
            self.core.remembered.forget_oldest(&mut state.recent);
        }
    }

    /// Keeps requests for this peer waiting until [`Endpoint::release`]; the running one goes on.
    pub fn hold(&mut self, peer: P, now: Instant) {
        self.converse(peer, now, |conversation, _| conversation.held = true);
    }

    /// Lets the requests for this peer go again.
    pub fn release(&mut self, peer: P, now: Instant) {
        self.if_conversing(peer, now, |conversation, context| {
            conversation.held = false;
            conversation.start_next(context);
        });
    }

    /// The owner knows that the peer receives what is sent to it: it has presented something that nobody
    /// but the receiver of earlier messages can know. Holds until nothing is kept for the peer any more.
    pub fn prove(&mut self, peer: P) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.allowance = Allowance::PROVED;
        }
    }

    /// Whether the peer may be sent more than [`Config::amplification`] allows.
    pub fn is_proved(&self, peer: P) -> bool {
        let state = self.peers.get(&peer);
        state.map_or_else(|| peer.is_proved(), |state| state.allowance.is_proved())
    }

    /// Counters of all peers.
    pub fn statistics(&self) -> Statistics {
        self.core.statistics
    }

    /// Counters of one peer.
    pub fn peer_statistics(&self, peer: P) -> PeerStatistics {
        self.peers.get(&peer).map(|state| state.statistics).unwrap_or_default()
    }

    /// How many peers something is kept for.
    pub fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// The conversation with a peer, begun if there is none.
    fn converse<R>(
        &mut self,
        peer: P,
        now: Instant,
        act: impl FnOnce(&mut Conversation, &mut Context<'_, P>) -> R,
    ) -> R {
        // Whom we speak to first we have chosen ourselves.
        let state = self.peers.entry(peer).or_insert_with(|| PeerState::new(Allowance::PROVED));
        let PeerState { conversation, allowance, .. } = state;
        let mut context = Context { core: &mut self.core, peer, now, allowance };
        let conversation = conversation.get_or_insert_with(|| Box::new(Conversation::new(&mut context)));
        act(conversation, &mut context)
    }

    /// The conversation with a peer, if there is one.
    fn if_conversing<R>(
        &mut self,
        peer: P,
        now: Instant,
        act: impl FnOnce(&mut Conversation, &mut Context<'_, P>) -> R,
    ) -> Option<R> {
        let PeerState { conversation, allowance, .. } = self.peers.get_mut(&peer)?;
        let mut context = Context { core: &mut self.core, peer, now, allowance };
        Some(act(conversation.as_mut()?, &mut context))
    }
}

impl<P: Peer> Machine for Endpoint<P> {
    type Peer = P;
    type Event = Event<P>;

    fn handle_input(&mut self, from: P, bytes: &[u8], now: Instant) {
        self.core.statistics.received += 1;
        self.forget_outlived_messages(2, now);
        match Message::parse(bytes) {
            Ok(message) if bytes.len() <= self.core.config.max_datagram_in => {
                self.take_message(from, &message, bytes.len(), now);
            }
            Ok(message) if message.code().is_request() => {
                if !self.is_copy(from, &message, bytes.len(), now) {
                    self.remember(from, &message, bytes.len(), now);
                    self.take_oversized(from, &message, now);
                }
            }
            Ok(_) => self.core.statistics.malformed += 1,
            Err(error) => {
                self.core.statistics.malformed += 1;
                if let Reply::Reset(message_id) = error.reply {
                    self.core.send_empty(from, Kind::Reset, message_id);
                }
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.forget_outlived_messages(FORGOTTEN_PER_CALL, now);
        for _ in 0..TIMERS_PER_CALL {
            let Some(timer) = self.core.timers.expire(now) else { return };
            self.timer_fired(timer, now);
        }
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(P, usize)> {
        loop {
            let (peer, datagram) = self.core.transmits.pop_front()?;
            match datagram.write(buffer) {
                Some(length) => {
                    self.core.statistics.sent += 1;
                    return Some((peer, length));
                }
                None => self.core.statistics.oversized += 1,
            }
        }
    }

    fn poll_event(&mut self) -> Option<Event<P>> {
        self.core.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let timer = self.core.timers.next().map(|at| (at, "a message must be repeated or given up"));
        // Forgetting can wait a little, so that one wake-up serves many messages.
        let lifetime = self.core.config.exchange_lifetime;
        let outlived = self.core.remembered.oldest().map(|(_, seen)| seen + lifetime + lifetime / 16);
        let outlived = outlived.map(|at| (at, "messages have outlived the exchange lifetime"));
        timer.into_iter().chain(outlived).min()
    }
}

//! What all peers of an endpoint share.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use alloc::vec::Vec;

use machine::{Instant, KeyedState, Map, Random, Seed, Timers};

use super::allowance::{Allowance, EchoMaker};
use super::bodies::BodyId;
use super::datagram::{Datagram, Draft};
use super::remembered::Remembered;
use super::unanswered::Unanswered;
use super::{Config, Event, Failure, Peer, RequestId, Statistics};
use crate::{EncodeError, Kind, MessageId, Token};

/// Outputs, timers and bounded tables.
#[derive(Debug)]
pub(super) struct Core<P> {
    pub(super) config: Config,
    pub(super) random: Random,
    pub(super) hasher: KeyedState,
    pub(super) echo: EchoMaker,
    pub(super) timers: Timers<Timer<P>>,
    pub(super) remembered: Remembered<P>,
    pub(super) unanswered: Unanswered<P>,
    /// Bodies in the making of all peers, oldest first, and their bytes.
    pub(super) open_bodies: BTreeMap<BodyId, P>,
    pub(super) open_bytes: usize,
    pub(super) next_body: u64,
    /// Whom our requests and observations belong to.
    pub(super) owners: Map<RequestId, P>,
    next_request: u64,
    /// For peers without a conversation.
    next_message_id: u16,
    /// Both queues are emptied by the driver after each call, and a call fills them by a bounded number.
    pub(super) transmits: VecDeque<(P, Datagram)>,
    pub(super) events: VecDeque<Event<P>>,
    pub(super) statistics: Statistics,
    scratch: Vec<u8>,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timer<P> {
    /// A confirmable message must be repeated.
    Flight { peer: P, message_id: MessageId },
    /// A request has waited long enough for its response.
    Response { peer: P, id: RequestId },
    /// A request of a peer must be acknowledged without our answer, or forgotten.
    Unanswered { slot: u32, generation: u32 },
    /// A body has been in the making for too long.
    Body { peer: P, id: BodyId },
    /// What is kept for an idle peer can go.
    Tidy { peer: P },
}

impl<P: Peer> Core<P> {
    pub(super) fn new(config: Config, seed: Seed) -> Self {
        let mut random = Random::new(seed);
        Self {
            hasher: KeyedState::new(&mut random),
            echo: EchoMaker::new(&mut random),
            timers: Timers::new(),
            remembered: Remembered::new(&mut random, (config.exchange_lifetime, config.non_lifetime)),
            unanswered: Unanswered::default(),
            open_bodies: BTreeMap::new(),
            open_bytes: 0,
            next_body: 0,
            owners: Map::with_hasher(KeyedState::new(&mut random)),
            next_request: 0,
            next_message_id: random.u32() as u16,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            statistics: Statistics::default(),
            scratch: vec![0; config.max_datagram_out],
            config,
            random,
        }
    }

    pub(super) fn new_request_id(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    /// The message id of a non-confirmable answer to a peer without a conversation. All such peers share
    /// the numbers: a conversation would cost memory that anybody could make us spend.
    pub(super) fn shared_message_id(&mut self) -> MessageId {
        self.next_message_id = self.next_message_id.wrapping_add(1);
        MessageId(self.next_message_id)
    }

    /// 64 random bits unless configured otherwise, so that no token comes twice while a late answer could
    /// match it (RFC 9175 section 4).
    pub(super) fn new_token(&mut self) -> Token {
        let length = self.config.token_length.min(Token::MAX_LENGTH);
        Token::new(&self.random.u64().to_be_bytes()[..length]).unwrap_or_default()
    }

    pub(super) fn compose(&mut self, draft: Draft<'_>) -> Result<Datagram, EncodeError> {
        let composed = draft.compose(&mut self.scratch);
        self.statistics.oversized += u64::from(composed.is_err());
        composed
    }

    pub(super) fn send_empty(&mut self, peer: P, kind: Kind, message_id: MessageId) -> Datagram {
        self.statistics.resets += u64::from(kind == Kind::Reset);
        let datagram = Datagram::empty(kind, message_id);
        self.transmits.push_back((peer, datagram.clone()));
        datagram
    }
}

/// A call that concerns one peer.
#[derive(Debug)]
pub(super) struct Context<'a, P> {
    pub(super) core: &'a mut Core<P>,
    pub(super) peer: P,
    pub(super) now: Instant,
    pub(super) allowance: &'a mut Allowance,
}

impl<P: Peer> Context<'_, P> {
    /// Sends a message, unless the peer has not proved its address and the message would be too much for
    /// it: then it counts as lost on the way.
    pub(super) fn transmit(&mut self, datagram: Datagram) {
        if self.allowance.spend(datagram.bytes()) {
            self.core.transmits.push_back((self.peer, datagram));
        } else {
            self.core.statistics.withheld += 1;
        }
    }

    /// The peer has sent back a token of ours, which nobody can guess if it is long.
    pub(super) fn take_as_proof(&mut self, token: Token) {
        if token.as_bytes().len() == Token::MAX_LENGTH {
            *self.allowance = Allowance::PROVED;
        }
    }

    pub(super) fn event(&mut self, event: Event<P>) {
        self.core.events.push_back(event);
    }

    pub(super) fn failed(&mut self, id: RequestId, failure: Failure) {
        self.core.owners.remove(&id);
        self.event(Event::Failed { peer: self.peer, id, failure });
    }
}

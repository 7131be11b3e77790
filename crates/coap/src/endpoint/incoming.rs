//! Requests of peers: from the message to the answer.

use machine::Instant;

use super::allowance::Allowance;
use super::bodies::{BodyId, Joined};
use super::check::check_request;
use super::core::{Context, Core, Timer};
use super::datagram::{Body, Changes, Datagram, Draft};
use super::flight::{Flight, Patience};
use super::slice::slice;
use super::unanswered::Incoming;
use super::{BodyBlock, Endpoint, Event, IncomingId, Peer};
use crate::{Block, Code, Kind, Message, OptionNumber, Options, Payload, Request, Response};

/// The largest answer by the endpoint itself is small, so it always fits.
const EMPTY: Options = Options::new();

impl<P: Peer> Endpoint<P> {
    /// A request that has not been seen before.
    pub(super) fn take_request(&mut self, peer: P, message: &Message<'_>, now: Instant) {
        let incoming = incoming_of(peer, message);
        if let Err(refusal) = check_request(message, &self.core.config) {
            self.core.statistics.refused += 1;
            if incoming.confirmable || !refusal.silent_if_non_confirmable {
                self.send_answer(incoming, Response::new(refusal.code), Changes::default(), now);
            }
            return;
        }
        if self.core.unanswered.length() >= self.core.config.max_unanswered {
            let busy = Response::new(Code::SERVICE_UNAVAILABLE);
            return self.send_answer(incoming, busy, Changes::default(), now);
        }
        let request = Request::of(message, incoming.confirmable);
        match incoming.block1 {
            None if request.payload.len() > self.core.config.body_limit(&request.options) => {
                self.core.statistics.refused += 1;
                self.refuse_size(incoming, self.core.config.body_limit(&request.options), now);
            }
            None => self.hand_over(incoming, request, None, now),
            Some(block) => self.take_block(incoming, message, block, request, now),
        }
    }

    /// A message larger than [`Config::max_datagram_in`](super::Config::max_datagram_in): a request can
    /// be told so, anything else is dropped.
    pub(super) fn take_oversized(&mut self, peer: P, message: &Message<'_>, now: Instant) {
        self.core.statistics.refused += 1;
        let limit = self.core.config.block_size.bytes();
        self.refuse_size(incoming_of(peer, message), limit, now);
    }

    fn refuse_size(&mut self, incoming: Incoming<P>, limit: usize, now: Instant) {
        let mut changes = Changes::default();
        changes.set(OptionNumber::SIZE1, limit as u32);
        self.send_answer(incoming, Response::new(Code::REQUEST_ENTITY_TOO_LARGE), changes, now);
    }

    fn take_block(
        &mut self,
        mut incoming: Incoming<P>,
        message: &Message<'_>,
        block: Block,
        request: Request,
        now: Instant,
    ) {
        let peer = incoming.peer;
        let joined = self
            .converse(peer, now, |conversation, context| conversation.join(message, block, request, context));
        self.enforce_body_bounds(now);
        match joined {
            Joined::Whole(request) => self.hand_over(incoming, request, None, now),
            Joined::Part(request, part, id) => {
                incoming.body = Some(id);
                self.hand_over(incoming, request, Some(part), now);
            }
            Joined::Answer { code, limit: None } => {
                let changes = block1_echo(&incoming, code, &self.core.config);
                self.send_answer(incoming, Response::new(code), changes, now);
            }
            Joined::Answer { limit: Some(limit), .. } => self.refuse_size(incoming, limit, now),
        }
    }

    fn enforce_body_bounds(&mut self, now: Instant) {
        while self.core.open_bodies.len() > self.core.config.max_bodies
            || self.core.open_bytes > self.core.config.max_body_bytes
        {
            let Some((id, peer)) = self.core.open_bodies.first_key_value().map(|(id, peer)| (*id, *peer))
            else {
                return;
            };
            self.abandon_body(peer, id, now);
            self.core.open_bodies.remove(&id);
        }
    }

    /// Drops a body in the making, and all else that is kept for its peer only because of it.
    pub(super) fn abandon_body(&mut self, peer: P, id: BodyId, now: Instant) {
        self.if_conversing(peer, now, |conversation, context| conversation.abandon_body(id, context));
        self.tidy(peer, now);
    }

    fn hand_over(
        &mut self,
        mut incoming: Incoming<P>,
        request: Request,
        block: Option<BodyBlock>,
        now: Instant,
    ) {
        let (peer, confirmable) = (incoming.peer, incoming.confirmable);
        incoming.timer = None;
        let id = self.core.unanswered.insert(incoming);
        let wait =
            if confirmable { self.core.config.piggyback_window } else { self.core.config.exchange_lifetime };
        self.set_unanswered_timer(id.slot, id.generation, now + wait);
        self.core.events.push_back(Event::Request { peer, id, request, block });
    }

    fn set_unanswered_timer(&mut self, slot: u32, generation: u32, at: Instant) {
        if let Some(incoming) = self.core.unanswered.get_mut(slot, generation) {
            incoming.timer = Some(self.core.timers.set(at, Timer::Unanswered { slot, generation }));
        }
    }

    /// The owner has not answered in time: acknowledges, so that the peer stops repeating; much later
    /// forgets.
    pub(super) fn answer_is_late(&mut self, slot: u32, generation: u32, now: Instant) {
        let Some(incoming) = self.core.unanswered.get_mut(slot, generation) else { return };
        if !incoming.confirmable || incoming.acknowledged {
            self.core.unanswered.take(slot, generation);
            return;
        }
        incoming.acknowledged = true;
        let (peer, message_id) = (incoming.peer, incoming.message_id);
        let datagram = self.core.send_empty(peer, Kind::Acknowledgement, message_id);
        self.core.remembered.answer(peer, message_id, datagram);
        let at = now + self.core.config.exchange_lifetime;
        self.set_unanswered_timer(slot, generation, at);
    }

    /// Answers a request of a peer. The second answer to one request, or one that comes after
    /// [`Endpoint::forget`], leads to nothing.
    ///
    /// While the acknowledgement is still owed the answer travels in it, later in a message of its own.
    /// Of a payload that does not fit into one block, or when the request asks for a block, only that block
    /// is sent; the peer asks for the others with requests of their own, and the owner gives the same
    /// payload again. A [`Payload::Shared`] is not copied.
    pub fn respond(&mut self, to: IncomingId, mut response: Response, now: Instant) {
        let Some(incoming) = self.core.unanswered.take(to.slot, to.generation) else { return };
        if let Some(timer) = incoming.timer {
            self.core.timers.cancel(timer);
        }
        if let Some(body) = incoming.body {
            let code = response.code;
            self.if_conversing(incoming.peer, now, |conversation, context| {
                conversation.part_answered(body, code, context);
            });
        }
        let echo = block1_echo(&incoming, response.code, &self.core.config);
        match slice(&mut response, incoming.block2, incoming.size_wanted, &self.core) {
            Ok((sliced, changes)) => {
                let changes = changes.and(&echo);
                let draft = draft_of(&incoming, &response, changes, sliced.of(&response.payload));
                self.launch_answer(&incoming, draft, now);
            }
            Err(code) => self.send_answer(incoming, Response::new(code), Changes::default(), now),
        }
    }

    fn send_answer(&mut self, incoming: Incoming<P>, response: Response, changes: Changes, now: Instant) {
        let Payload::Owned(body) = &response.payload else { return };
        let draft = draft_of(&incoming, &response, changes, Body::Copied(body));
        self.launch_answer(&incoming, draft, now);
    }

    fn launch_answer(&mut self, incoming: &Incoming<P>, draft: Draft<'_>, now: Instant) {
        let peer = incoming.peer;
        // A peer whose request has just come is known, unless it was forgotten since.
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if incoming.acknowledged {
            return self.launch_separate(incoming, draft, now);
        }
        let message_id = match &mut state.conversation {
            _ if incoming.confirmable => incoming.message_id,
            Some(conversation) => conversation.message_id(now),
            None => self.core.shared_message_id(),
        };
        let draft = Draft { message_id, ..draft };
        let datagram = self.core.compose_answer(draft, incoming, state.allowance, now);
        if incoming.confirmable {
            self.core.remembered.answer(peer, message_id, datagram.clone());
        }
        let mut context = Context { core: &mut self.core, peer, now, allowance: &mut state.allowance };
        context.transmit(datagram);
    }

    fn launch_separate(&mut self, incoming: &Incoming<P>, draft: Draft<'_>, now: Instant) {
        self.converse(incoming.peer, now, |conversation, context| {
            let message_id = conversation.message_id(now);
            let draft = Draft { message_id, ..draft };
            let datagram = context.core.compose_answer(draft, incoming, *context.allowance, now);
            if conversation.separate.len() < context.core.config.max_separate {
                conversation.separate.push(Flight::launch(context, message_id, datagram, Patience::Message));
            } else {
                context.transmit(datagram);
            }
        });
    }
}

impl<P: Peer> Core<P> {
    /// The answer; or what a peer gets instead that has not proved its address, if the answer is too large
    /// for it: a question that proves the address when it is answered (RFC 9175 section 2.4), or no more
    /// than the code if something has been changed already.
    fn compose_answer(
        &mut self,
        draft: Draft<'_>,
        incoming: &Incoming<P>,
        allowance: Allowance,
        now: Instant,
    ) -> Datagram {
        let Draft { kind, code, message_id, token, .. } = draft;
        let answer = self.compose_or_apologize(draft);
        if allowance.covers(answer.bytes()) {
            return answer;
        }
        let code = if incoming.safe { Code::UNAUTHORIZED } else { code };
        let mut question = Options::new();
        let small = |options| {
            let (changes, body) = (Changes::default(), Body::Copied(&[]));
            Draft { kind, code, message_id, token, options, changes, body }
        };
        if incoming.safe {
            question.push(OptionNumber::ECHO, &self.echo.make(incoming.peer, now));
            let question = self.compose_or_apologize(small(&question));
            if allowance.covers(question.bytes()) {
                self.statistics.withheld += 1;
                return question;
            }
        }
        self.compose_or_apologize(small(&EMPTY))
    }

    fn compose_or_apologize(&mut self, draft: Draft<'_>) -> Datagram {
        let Draft { kind, message_id, token, .. } = draft;
        self.compose(draft).unwrap_or_else(|_| {
            let code = Code::INTERNAL_SERVER_ERROR;
            let (changes, body) = (Changes::default(), Body::Copied(&[]));
            let apology = Draft { kind, code, message_id, token, options: &EMPTY, changes, body };
            self.compose(apology).unwrap_or_else(|_| Datagram::empty(Kind::Reset, message_id))
        })
    }
}

fn incoming_of<P: Peer>(peer: P, message: &Message<'_>) -> Incoming<P> {
    let block = |number| Block::decode(message.option(number)?).ok();
    Incoming {
        peer,
        token: message.token(),
        message_id: message.message_id(),
        confirmable: message.kind() == Kind::Confirmable,
        safe: matches!(message.code(), Code::GET | Code::FETCH),
        acknowledged: false,
        block1: block(OptionNumber::BLOCK1),
        block2: block(OptionNumber::BLOCK2),
        size_wanted: message.option(OptionNumber::SIZE2).is_some(),
        body: None,
        timer: None,
    }
}

fn draft_of<'a, P: Peer>(
    incoming: &Incoming<P>,
    response: &'a Response,
    changes: Changes,
    body: Body<'a>,
) -> Draft<'a> {
    let kind = match (incoming.confirmable, incoming.acknowledged) {
        (true, false) => Kind::Acknowledgement,
        (true, true) => Kind::Confirmable,
        (false, _) => Kind::NonConfirmable,
    };
    let message_id = incoming.message_id;
    Draft {
        kind,
        code: response.code,
        message_id,
        token: incoming.token,
        options: &response.options,
        changes,
        body,
    }
}

/// The Block1 option of an answer: which block it is for, and how large the next ones should be.
fn block1_echo<P: Peer>(incoming: &Incoming<P>, code: Code, config: &super::Config) -> Changes {
    let mut changes = Changes::default();
    if let Some(block) = incoming.block1 {
        let more = code == Code::CONTINUE;
        let size = if block.number == 0 { block.size.min(config.block_size) } else { block.size };
        changes.set(OptionNumber::BLOCK1, Block { more, size, ..block }.encode());
    }
    changes
}

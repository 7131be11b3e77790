//! Requests of ours to one peer: one at a time (NSTART = 1, RFC 7252 section 4.7), from the queue to the
//! whole answer.

use alloc::boxed::Box;
use core::time::Duration;

use machine::TimerId;

use super::conversation::Conversation;
use super::core::{Context, Timer};
use super::datagram::{Body, Changes, Datagram, Draft, Part};
use super::flight::{Flight, Patience};
use super::observations::Observation;
use super::transfer::{Fetch, Step, Upload};
use super::{Event, Failure, Peer, RequestId};
use crate::{
    Code, EncodeError, Kind, Message, MessageId, OptionNumber, Payload, Request, Response, Token, decode_uint,
};

/// A request that waits for its turn.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) id: RequestId,
    pub(super) request: Request,
    pub(super) purpose: Purpose,
    /// The first block of a body whose rest is to be read.
    pub(super) fetch: Option<Fetch>,
}

/// What becomes of the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// It goes to the owner.
    Answer,
    /// It goes to the owner and begins an observation.
    Observe,
    /// It ends the observation with this token.
    EndObservation(Token),
    /// It is the rest of a notification.
    Rest,
}

/// The request that is being carried out.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) id: RequestId,
    pub(super) request: Request,
    pub(super) purpose: Purpose,
    pub(super) token: Token,
    /// Until the message is acknowledged.
    pub(super) flight: Option<Flight>,
    /// From then on.
    waiting: Option<TimerId>,
    pub(super) upload: Option<Upload>,
    pub(super) fetch: Option<Fetch>,
    pub(super) fetch_restarted: bool,
    /// How often the peer has said that it is busy.
    busy: u8,
    /// Whether the time is awaited at which the peer is not busy any more.
    paused: bool,
    /// How often the peer has asked for an echo.
    echoed: u8,
    /// The request proper, if this is one that makes the peer prove its address first.
    after_proof: Option<Box<Queued>>,
}

/// So many questions for an echo are answered per request: one, and one more if the peer forgets meanwhile.
const MAX_ECHOES: u8 = 2;

impl Active {
    pub(super) fn is_in_flight(&self, message_id: MessageId) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.message_id == message_id)
    }

    fn begin<P: Peer>(queued: Queued, context: &mut Context<'_, P>) -> Self {
        let Queued { id, mut request, purpose, fetch } = queued;
        let upload = if fetch.is_some() { None } else { Upload::begin(&mut request, &context.core.config) };
        Self {
            id,
            request,
            purpose,
            token: Token::EMPTY,
            flight: None,
            waiting: None,
            upload,
            fetch,
            fetch_restarted: false,
            busy: 0,
            paused: false,
            echoed: 0,
            after_proof: None,
        }
    }

    fn patience(&self) -> Patience {
        let has_begun = self.fetch.is_some() || self.upload.as_ref().is_some_and(|upload| upload.offset > 0);
        if has_begun { Patience::Transfer } else { Patience::Message }
    }

    /// Stops all timers.
    pub(super) fn land<P: Peer>(&mut self, context: &mut Context<'_, P>) {
        if let Some(flight) = self.flight.take() {
            flight.land(context.core);
        }
        if let Some(timer) = self.waiting.take() {
            context.core.timers.cancel(timer);
        }
    }

    fn wait<P: Peer>(&mut self, time: Duration, context: &mut Context<'_, P>) {
        let at = context.now + time;
        let timer = Timer::Response { peer: context.peer, id: self.id };
        self.waiting = Some(context.core.timers.set(at, timer));
    }

    /// The smallest request there is, whose response proves the address of a peer that may not be sent the
    /// request itself yet.
    fn after_proof<P: Peer>(self, context: &mut Context<'_, P>) -> Self {
        let Self { id, request, purpose, fetch, .. } = self;
        let question = Queued { id, request: Request::get("/"), purpose, fetch: None };
        let after_proof = Some(Box::new(Queued { id, request, purpose, fetch }));
        Self { after_proof, ..Self::begin(question, context) }
    }

    /// How long to wait before the same is asked again: the peer is busy and says for how long (RFC 7252
    /// section 5.9.3.4).
    fn busy_wait<P: Peer>(&mut self, message: &Message<'_>, context: &Context<'_, P>) -> Option<Duration> {
        let config = &context.core.config;
        if message.code() != Code::SERVICE_UNAVAILABLE || self.busy >= config.busy_retries {
            return None;
        }
        let seconds = message.option(OptionNumber::MAX_AGE).and_then(decode_uint)?;
        let wait = Duration::from_secs(seconds.into());
        let waits = wait <= config.longest_busy_wait;
        self.busy += u8::from(waits);
        waits.then_some(wait)
    }

    /// Whether the peer wants to see that we receive what it sends; its value then goes with the request
    /// (RFC 9175 section 2.3).
    fn echoes(&mut self, message: &Message<'_>) -> bool {
        let value = message.option(OptionNumber::ECHO).filter(|_| message.code() == Code::UNAUTHORIZED);
        let allowed = |value: &&[u8]| OptionNumber::ECHO.format().is_some_and(|of| of.allows(value.len()));
        let Some(value) = value.filter(allowed).filter(|_| self.echoed < MAX_ECHOES) else { return false };
        self.echoed += 1;
        self.request.options.set(OptionNumber::ECHO, value);
        true
    }

    /// The message for the step at which the exchange stands. Each step has a token of its own, so that a
    /// late answer to one block is not taken for the answer to the next.
    fn compose<P: Peer>(
        &mut self,
        message_id: MessageId,
        context: &mut Context<'_, P>,
    ) -> Result<Datagram, EncodeError> {
        self.token = match self.purpose {
            Purpose::EndObservation(token) if self.after_proof.is_none() => token,
            _ => context.core.new_token(),
        };
        let mut changes = Changes::default();
        let body = self.shape(&mut changes);
        let kind = if self.request.confirmable { Kind::Confirmable } else { Kind::NonConfirmable };
        context.core.compose(Draft {
            kind,
            code: self.request.method,
            message_id,
            token: self.token,
            options: &self.request.options,
            changes,
            body,
        })
    }

    fn shape(&self, changes: &mut Changes) -> Body<'_> {
        if let Some(fetch) = &self.fetch {
            changes.remove(OptionNumber::OBSERVE).remove(OptionNumber::BLOCK1).remove(OptionNumber::SIZE1);
            changes.set(OptionNumber::BLOCK2, fetch.next_block().encode());
            // Only FETCH says in its body what it asks for (RFC 8132 section 2); the body of all others
            // has been taken already.
            let resent = self.request.method == Code::FETCH;
            return Body::Copied(if resent { &self.request.payload } else { &[] });
        }
        if let Some(upload) = &self.upload {
            changes.set(OptionNumber::BLOCK1, upload.block().encode());
            if upload.offset == 0 {
                changes.set(OptionNumber::SIZE1, upload.body.len() as u32);
            }
            return Body::Part(upload.part());
        }
        changes.remove(OptionNumber::BLOCK1);
        match &self.request.payload {
            Payload::Owned(bytes) => Body::Copied(bytes),
            Payload::Shared(bytes) => Body::Part(Part::new(bytes.clone(), 0..bytes.len())),
        }
    }
}

impl Conversation {
    /// Begins the next request unless one is running or the peer is held.
    pub(super) fn start_next<P: Peer>(&mut self, context: &mut Context<'_, P>) {
        while self.active.is_none() && !self.held {
            let Some(queued) = self.queue.pop_front() else { return };
            let active = Active::begin(queued, context);
            self.send(active, context);
        }
    }

    pub(super) fn send<P: Peer>(&mut self, mut active: Active, context: &mut Context<'_, P>) {
        let message_id = self.message_id(context.now);
        match active.compose(message_id, context) {
            Ok(datagram) if active.after_proof.is_none() && !context.allowance.covers(datagram.bytes()) => {
                let question = active.after_proof(context);
                self.send(question, context);
            }
            Ok(datagram) if active.request.confirmable => {
                let patience = active.patience();
                active.flight = Some(Flight::launch(context, message_id, datagram, patience));
                self.active = Some(active);
            }
            Ok(datagram) => {
                context.transmit(datagram);
                active.wait(context.core.config.response_timeout, context);
                self.active = Some(active);
            }
            Err(_) => self.fail(active, Failure::TooLarge, context),
        }
    }

    pub(super) fn wait_for_response<P: Peer>(&mut self, context: &mut Context<'_, P>) {
        if let Some(active) = &mut self.active {
            active.land(context);
            active.wait(context.core.config.response_timeout, context);
        }
    }

    /// No response has come, or the time is over for which the peer said it would be busy.
    pub(super) fn waited_long_enough<P: Peer>(&mut self, id: RequestId, context: &mut Context<'_, P>) {
        let Some(mut active) = self.active.take_if(|active| active.id == id) else { return };
        active.land(context);
        if core::mem::take(&mut active.paused) {
            self.send(active, context);
        } else {
            self.fail(active, Failure::TimedOut, context);
        }
        self.start_next(context);
    }

    /// The response to the running request.
    pub(super) fn take_response<P: Peer>(&mut self, message: &Message<'_>, context: &mut Context<'_, P>) {
        let Some(mut active) = self.active.take() else { return };
        active.land(context);
        if let Some(queued) = active.after_proof.take() {
            self.queue.push_front(*queued);
            return self.start_next(context);
        }
        if let Some(wait) = active.busy_wait(message, context) {
            (active.paused, active.token) = (true, context.core.new_token());
            active.wait(wait, context);
            self.active = Some(active);
            return;
        }
        if active.echoes(message) {
            self.send(active, context);
            return self.start_next(context);
        }
        self.begin_observation(&active, message, context);
        match active.advance(message, context) {
            Step::Send => self.send(active, context),
            Step::Done(response) => self.finish(active, response, context),
            Step::Failed(failure) => self.fail(active, failure, context),
        }
        self.start_next(context);
    }

    fn begin_observation<P: Peer>(
        &mut self,
        active: &Active,
        message: &Message<'_>,
        context: &mut Context<'_, P>,
    ) {
        let Some(sequence) = message.option(OptionNumber::OBSERVE).and_then(decode_uint) else { return };
        if active.purpose == Purpose::Observe && active.fetch.is_none() && message.code().is_success() {
            self.observations.push(Observation {
                id: active.id,
                token: active.token,
                request: active.request.clone(),
                heard: Some((sequence, context.now)),
            });
        }
    }

    pub(super) fn finish<P: Peer>(
        &mut self,
        active: Active,
        response: Response,
        context: &mut Context<'_, P>,
    ) {
        let (peer, id) = (context.peer, active.id);
        let observed = self.observations.iter().any(|observation| observation.id == id);
        if !observed {
            context.core.owners.remove(&id);
        }
        match active.purpose {
            Purpose::Answer => context.event(Event::Response { peer, id, response }),
            Purpose::Observe => {
                context.event(Event::Response { peer, id, response });
                if !observed {
                    context.event(Event::ObservationEnded { peer, id, response: None });
                }
            }
            Purpose::Rest if observed => context.event(Event::Notification { peer, id, response }),
            Purpose::Rest => {}
            Purpose::EndObservation(_) => {
                context.event(Event::ObservationEnded { peer, id, response: Some(response) });
            }
        }
    }

    pub(super) fn fail_active<P: Peer>(&mut self, failure: Failure, context: &mut Context<'_, P>) {
        if let Some(mut active) = self.active.take() {
            active.land(context);
            self.fail(active, failure, context);
        }
    }

    fn fail<P: Peer>(&mut self, active: Active, failure: Failure, context: &mut Context<'_, P>) {
        self.fail_queued(active.id, active.purpose, failure, context);
    }

    pub(super) fn fail_queued<P: Peer>(
        &mut self,
        id: RequestId,
        purpose: Purpose,
        failure: Failure,
        context: &mut Context<'_, P>,
    ) {
        match purpose {
            Purpose::Answer => context.failed(id, failure),
            Purpose::Observe => {
                self.observations.retain(|observation| observation.id != id);
                context.failed(id, failure);
            }
            // The observation goes on: the next notification may fare better.
            Purpose::Rest => context.core.statistics.lost_notifications += 1,
            Purpose::EndObservation(_) => {
                context.core.owners.remove(&id);
                context.event(Event::ObservationEnded { peer: context.peer, id, response: None });
            }
        }
    }

    /// Drops a request or observation of ours without an event.
    pub(super) fn drop_request<P: Peer>(&mut self, id: RequestId, context: &mut Context<'_, P>) {
        context.core.owners.remove(&id);
        self.queue.retain(|queued| queued.id != id);
        self.observations.retain(|observation| observation.id != id);
        if let Some(mut active) = self.active.take_if(|active| active.id == id) {
            active.land(context);
        }
        self.start_next(context);
    }
}

//! Resources of a peer that we observe (RFC 7641).

use core::time::Duration;

use machine::Instant;

use super::conversation::Conversation;
use super::core::Context;
use super::requests::{Purpose, Queued};
use super::transfer::{Fetch, whole};
use super::{CancelBy, Event, Peer, RequestId};
use crate::{Message, OptionNumber, Request, Response, Token, decode_uint};

/// An observation that the peer has confirmed.
#[derive(Debug)]
pub(super) struct Observation {
    pub(super) id: RequestId,
    pub(super) token: Token,
    pub(super) request: Request,
    /// The newest sequence number and when it came; `None` after a restart.
    pub(super) heard: Option<(u32, Instant)>,
}

/// After this time any number is newer (RFC 7641 section 3.4).
const REORDERING_WINDOW: Duration = Duration::from_secs(128);
/// Half of the 24 bits of a sequence number.
const HALF: u32 = 1 << 23;
const SEQUENCE_MASK: u32 = (1 << 24) - 1;

impl Observation {
    /// Whether a notification is newer than all before; it then counts as heard.
    fn hear(&mut self, sequence: u32, now: Instant) -> bool {
        let newer = self.heard.is_none_or(|(last, at)| {
            let ahead = sequence.wrapping_sub(last) & SEQUENCE_MASK;
            (ahead != 0 && ahead < HALF) || now - at > REORDERING_WINDOW
        });
        if newer {
            self.heard = Some((sequence, now));
        }
        newer
    }
}

impl Conversation {
    pub(super) fn has_observation(&self, token: Token) -> bool {
        self.observations.iter().any(|observation| observation.token == token)
    }

    /// A notification for an observation that exists.
    pub(super) fn take_notification<P: Peer>(&mut self, message: &Message<'_>, context: &mut Context<'_, P>) {
        let token = message.token();
        let Some(index) = self.observations.iter().position(|observation| observation.token == token) else {
            return;
        };
        let id = self.observations[index].id;
        let sequence = message.option(OptionNumber::OBSERVE).and_then(decode_uint);
        let Some(sequence) = sequence.filter(|_| message.code().is_success()) else {
            return self.end_observation(index, message, context);
        };
        if !self.observations[index].hear(sequence & SEQUENCE_MASK, context.now) {
            return;
        }
        match Fetch::begin(message, &context.core.config) {
            Ok(None) => self.deliver(id, whole(message), context),
            Ok(Some(fetch)) => {
                let request = self.observations[index].request.clone();
                self.read_rest(id, request, fetch, context);
            }
            Err(_) => context.core.statistics.lost_notifications += 1,
        }
    }

    /// An answer without Observe, or an error, is the last word (RFC 7641 section 3.2).
    fn end_observation<P: Peer>(
        &mut self,
        index: usize,
        message: &Message<'_>,
        context: &mut Context<'_, P>,
    ) {
        let Observation { id, .. } = self.observations.remove(index);
        self.queue.retain(|queued| queued.id != id);
        if let Some(mut active) = self.active.take_if(|active| active.id == id && active.reads_notification())
        {
            active.land(context);
        }
        context.core.owners.remove(&id);
        let response = Some(Response::of(message));
        context.event(Event::ObservationEnded { peer: context.peer, id, response });
        self.start_next(context);
    }

    /// A whole notification replaces one whose rest is still being read.
    fn deliver<P: Peer>(&mut self, id: RequestId, response: Response, context: &mut Context<'_, P>) {
        self.queue.retain(|queued| queued.id != id || queued.purpose != Purpose::Rest);
        let reading = self.active.take_if(|active| active.id == id && active.reads_notification());
        match reading {
            Some(mut active) => {
                active.land(context);
                self.finish(active, response, context);
                self.start_next(context);
            }
            None => context.event(Event::Notification { peer: context.peer, id, response }),
        }
    }

    /// Reads the further blocks of a notification with GETs that do not observe (RFC 7959 section 2.6).
    fn read_rest<P: Peer>(
        &mut self,
        id: RequestId,
        request: Request,
        fetch: Fetch,
        context: &mut Context<'_, P>,
    ) {
        self.queue.retain(|queued| queued.id != id || queued.purpose != Purpose::Rest);
        match self.active.take_if(|active| active.id == id && active.reads_notification()) {
            Some(mut active) => {
                active.land(context);
                active.fetch = Some(fetch);
                self.send(active, context);
            }
            None => {
                self.queue.push_front(Queued { id, request, purpose: Purpose::Rest, fetch: Some(fetch) });
            }
        }
        self.start_next(context);
    }

    pub(super) fn cancel_observation<P: Peer>(
        &mut self,
        id: RequestId,
        how: CancelBy,
        context: &mut Context<'_, P>,
    ) {
        let index = self.observations.iter().position(|observation| observation.id == id);
        let observation = index.map(|index| self.observations.remove(index));
        self.drop_request(id, context);
        if how == CancelBy::Reset {
            return;
        }
        let Some(Observation { token, mut request, .. }) = observation else {
            context.event(Event::ObservationEnded { peer: context.peer, id, response: None });
            return;
        };
        if self.queue.len() >= context.core.config.max_queue {
            context.event(Event::ObservationEnded { peer: context.peer, id, response: None });
            return;
        }
        request.options.set_uint(OptionNumber::OBSERVE, 1);
        context.core.owners.insert(id, context.peer);
        let purpose = Purpose::EndObservation(token);
        self.queue.push_back(Queued { id, request, purpose, fetch: None });
        self.start_next(context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(first: u32, second: u32, seconds: u64) -> bool {
        let request = Request::get("/5/0/3");
        let mut observation = Observation { id: RequestId(1), token: Token::EMPTY, request, heard: None };
        assert!(observation.hear(first, Instant::ZERO));
        observation.hear(second, Instant::from_secs(seconds))
    }

    #[test]
    fn newer_is_judged_by_serial_numbers_and_time() {
        assert!(heard(5, 7, 1));
        assert!(!heard(7, 6, 1));
        assert!(!heard(7, 7, 1));
        assert!(heard(0xff_fffe, 1, 1));
        assert!(!heard(1, 0xff_fffe, 128));
        assert!(heard(7, 6, 129));
    }
}

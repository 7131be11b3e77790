//! Notifications that we send (RFC 7641, the observed side).

use alloc::vec::Vec;

use super::conversation::Conversation;
use super::core::Context;
use super::datagram::Draft;
use super::flight::{Flight, Patience};
use super::slice::slice;
use super::{Event, Failure, Peer, RequestId};
use crate::{Kind, MessageId, Response, Token};

/// A confirmable notification on its way.
#[derive(Debug)]
pub(super) struct Notifying {
    id: RequestId,
    token: Token,
    pub(super) flight: Flight,
}

/// A confirmable notification that waits for its turn.
#[derive(Debug)]
pub(super) struct WaitingNotification {
    pub(super) id: RequestId,
    pub(super) token: Token,
    pub(super) response: Response,
}

/// A reset that comes later than this many notifications is not understood; the next one gets another.
const REMEMBERED_NOTIFICATIONS: usize = 8;

impl Conversation {
    /// One confirmable notification is under way at a time (RFC 7641 section 4.5.1).
    pub(super) fn notify_confirmable<P: Peer>(
        &mut self,
        notification: WaitingNotification,
        context: &mut Context<'_, P>,
    ) {
        if self.notifications.len() >= context.core.config.max_notifications {
            return context.failed(notification.id, Failure::QueueFull);
        }
        self.notifications.push_back(notification);
        self.next_notification(context);
    }

    fn next_notification<P: Peer>(&mut self, context: &mut Context<'_, P>) {
        while self.notifying.is_none() {
            let Some(WaitingNotification { id, token, response }) = self.notifications.pop_front() else {
                return;
            };
            match self.compose_notification(Kind::Confirmable, token, response, context) {
                Some((message_id, datagram)) => {
                    let flight = Flight::launch(context, message_id, datagram, Patience::Message);
                    self.notifying = Some(Notifying { id, token, flight });
                }
                None => context.failed(id, Failure::TooLarge),
            }
        }
    }

    pub(super) fn notify_once<P: Peer>(
        &mut self,
        id: RequestId,
        token: Token,
        response: Response,
        context: &mut Context<'_, P>,
    ) {
        match self.compose_notification(Kind::NonConfirmable, token, response, context) {
            Some((message_id, datagram)) => {
                context.transmit(datagram);
                if self.notified.len() >= REMEMBERED_NOTIFICATIONS {
                    self.notified.pop_front();
                }
                self.notified.push_back((message_id, token));
            }
            None => context.failed(id, Failure::TooLarge),
        }
    }

    fn compose_notification<P: Peer>(
        &mut self,
        kind: Kind,
        token: Token,
        mut response: Response,
        context: &mut Context<'_, P>,
    ) -> Option<(MessageId, super::datagram::Datagram)> {
        let message_id = self.message_id(context.now);
        let (body, changes) = slice(&mut response, None, true, context.core).ok()?;
        let (code, options) = (response.code, &response.options);
        let body = body.of(&response.payload);
        let draft = Draft { kind, code, message_id, token, options, changes, body };
        Some((message_id, context.core.compose(draft).ok()?))
    }

    pub(super) fn notification_delivered<P: Peer>(&mut self, context: &mut Context<'_, P>) {
        if let Some(sent) = self.notifying.take() {
            sent.flight.land(context.core);
            context.event(Event::Delivered { peer: context.peer, id: sent.id });
        }
        self.next_notification(context);
    }

    pub(super) fn notification_failed<P: Peer>(&mut self, failure: Failure, context: &mut Context<'_, P>) {
        if let Some(sent) = self.notifying.take() {
            sent.flight.land(context.core);
            context.failed(sent.id, failure);
        }
        self.next_notification(context);
    }

    /// A reset: whether it was for a notification of ours.
    pub(super) fn notification_rejected<P: Peer>(
        &mut self,
        message_id: MessageId,
        context: &mut Context<'_, P>,
    ) -> bool {
        let (peer, mut ended) = (context.peer, Vec::new());
        if let Some(sent) = self.notifying.as_ref().filter(|sent| sent.flight.message_id == message_id) {
            ended.push(sent.token);
            self.notification_failed(Failure::Reset, context);
        }
        if let Some(index) = self.notified.iter().position(|(sent, _)| *sent == message_id) {
            ended.extend(self.notified.remove(index).map(|(_, token)| token));
        }
        for token in &ended {
            context.event(Event::ObservationCanceled { peer, token: *token });
        }
        !ended.is_empty()
    }
}

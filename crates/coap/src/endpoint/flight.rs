//! A confirmable message of ours on its way (RFC 7252 section 4.2).

use core::time::Duration;

use machine::{Instant, TimerId};

use super::core::{Context, Timer};
use super::datagram::Datagram;
use super::{Peer, core::Core};
use crate::MessageId;

/// How much a message is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Patience {
    /// MAX_RETRANSMIT repetitions.
    Message,
    /// Giving up a block in the middle of a transfer would throw away all blocks before it, so it is
    /// repeated for as long as the peer surely knows its message id.
    Transfer,
}

/// Sent, perhaps several times, and not acknowledged yet.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) message_id: MessageId,
    datagram: Datagram,
    patience: Patience,
    launched: Instant,
    repeated: u8,
    wait: Duration,
    timer: TimerId,
}

impl Flight {
    /// Sends a message for the first time.
    pub(super) fn launch<P: Peer>(
        context: &mut Context<'_, P>,
        message_id: MessageId,
        datagram: Datagram,
        patience: Patience,
    ) -> Self {
        let config = &context.core.config;
        let (shortest, longest) = (config.ack_timeout, config.longest_first_wait());
        let wait = context.core.random.duration(shortest, longest);
        context.transmit(datagram.clone());
        let timer = set_timer(context, message_id, wait);
        Self { message_id, datagram, patience, launched: context.now, repeated: 0, wait, timer }
    }

    fn is_hopeless<P: Peer>(&self, context: &Context<'_, P>) -> bool {
        let config = &context.core.config;
        match self.patience {
            Patience::Message => self.repeated >= config.max_retransmit,
            Patience::Transfer => context.now - self.launched >= config.block_patience,
        }
    }

    /// The time to the next repetition is over: repeats, or returns false to give up.
    pub(super) fn repeat<P: Peer>(&mut self, context: &mut Context<'_, P>) -> bool {
        if self.is_hopeless(context) {
            context.core.statistics.given_up += 1;
            return false;
        }
        self.repeated = self.repeated.saturating_add(1);
        self.wait *= 2;
        if self.patience == Patience::Transfer {
            self.wait = self.wait.min(context.core.config.longest_block_wait);
        }
        context.core.statistics.retransmissions += 1;
        context.transmit(self.datagram.clone());
        self.timer = set_timer(context, self.message_id, self.wait);
        true
    }

    /// What all its transmissions together took.
    pub(super) fn bytes_sent(&self) -> usize {
        self.datagram.bytes() * (1 + usize::from(self.repeated))
    }

    /// Acknowledged, rejected or not wanted any more.
    pub(super) fn land<P: Peer>(self, core: &mut Core<P>) {
        core.timers.cancel(self.timer);
    }
}

fn set_timer<P: Peer>(context: &mut Context<'_, P>, message_id: MessageId, wait: Duration) -> TimerId {
    let timer = Timer::Flight { peer: context.peer, message_id };
    context.core.timers.set(context.now + wait, timer)
}

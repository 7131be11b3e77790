//! Requests of peers that wait for our answer.

use alloc::vec::Vec;

use machine::TimerId;

use super::bodies::BodyId;
use super::event::IncomingId;
use crate::{Block, MessageId, Token};

/// Where an answer goes and what it has to match.
#[derive(Debug)]
pub(super) struct Incoming<P> {
    pub(super) peer: P,
    pub(super) token: Token,
    pub(super) message_id: MessageId,
    pub(super) confirmable: bool,
    /// Whether asking again changes nothing (GET, FETCH).
    pub(super) safe: bool,
    /// Whether an empty acknowledgement has been sent, so that the answer must travel alone.
    pub(super) acknowledged: bool,
    pub(super) block1: Option<Block>,
    pub(super) block2: Option<Block>,
    /// Whether the size of the body is wanted (Size2).
    pub(super) size_wanted: bool,
    /// The streamed body that the request is a part of.
    pub(super) body: Option<BodyId>,
    pub(super) timer: Option<TimerId>,
}

/// A slab of [`Incoming`]; ids carry a generation, so that a late answer hits nothing.
#[derive(Debug)]
pub(super) struct Unanswered<P> {
    slots: Vec<Slot<P>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot<P> {
    generation: u32,
    incoming: Option<Incoming<P>>,
}

impl<P> Default for Unanswered<P> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<P> Unanswered<P> {
    pub(super) fn length(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, incoming: Incoming<P>) -> IncomingId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, incoming: None });
            (self.slots.len() - 1) as u32
        });
        let place = &mut self.slots[slot as usize];
        let token = incoming.token;
        place.generation = place.generation.wrapping_add(1);
        place.incoming = Some(incoming);
        IncomingId { slot, generation: place.generation, token }
    }

    pub(super) fn get_mut(&mut self, slot: u32, generation: u32) -> Option<&mut Incoming<P>> {
        let place = self.slots.get_mut(slot as usize)?;
        place.incoming.as_mut().filter(|_| place.generation == generation)
    }

    pub(super) fn take(&mut self, slot: u32, generation: u32) -> Option<Incoming<P>> {
        self.get_mut(slot, generation)?;
        self.free.push(slot);
        self.slots[slot as usize].incoming.take()
    }
}

//! Two kinds of nodes in one world.

use alloc::boxed::Box;

use crate::{Instant, Machine};

/// A machine of one of two kinds with the same peers, such as a server among modules.
#[derive(Debug)]
pub enum Either<A, B> {
    /// One kind.
    One(Box<A>),
    /// The other kind.
    Other(Box<B>),
}

impl<A, B> Either<A, B> {
    /// The machine if it is of the one kind.
    pub fn one(&self) -> Option<&A> {
        if let Self::One(machine) = self { Some(machine) } else { None }
    }

    /// The machine if it is of the other kind.
    pub fn other(&self) -> Option<&B> {
        if let Self::Other(machine) = self { Some(machine) } else { None }
    }

    /// The machine if it is of the one kind, to give it commands.
    pub fn one_mut(&mut self) -> Option<&mut A> {
        if let Self::One(machine) = self { Some(machine) } else { None }
    }

    /// The machine if it is of the other kind, to give it commands.
    pub fn other_mut(&mut self) -> Option<&mut B> {
        if let Self::Other(machine) = self { Some(machine) } else { None }
    }
}

impl<A: Machine, B: Machine<Peer = A::Peer>> Machine for Either<A, B> {
    type Peer = A::Peer;
    type Event = Either<A::Event, B::Event>;

    fn handle_input(&mut self, from: A::Peer, bytes: &[u8], now: Instant) {
        match self {
            Self::One(machine) => machine.handle_input(from, bytes, now),
            Self::Other(machine) => machine.handle_input(from, bytes, now),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::One(machine) => machine.handle_timeout(now),
            Self::Other(machine) => machine.handle_timeout(now),
        }
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(A::Peer, usize)> {
        match self {
            Self::One(machine) => machine.poll_transmit(buffer),
            Self::Other(machine) => machine.poll_transmit(buffer),
        }
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        match self {
            Self::One(machine) => machine.poll_event().map(|event| Either::One(Box::new(event))),
            Self::Other(machine) => machine.poll_event().map(|event| Either::Other(Box::new(event))),
        }
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        match self {
            Self::One(machine) => machine.poll_timeout(),
            Self::Other(machine) => machine.poll_timeout(),
        }
    }
}

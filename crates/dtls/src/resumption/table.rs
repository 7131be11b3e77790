//! Resumable sessions in memory, the oldest out.

use alloc::collections::VecDeque;

use machine::{KeyedState, Map, Random, Seed};

use super::{ResumableSession, ResumptionId, SessionCache};

/// A [`SessionCache`] of a fixed size. To share it, put it behind a lock and implement the trait for a handle.
pub struct ResumptionTable {
    sessions: Map<ResumptionId, ResumableSession>,
    /// In the order in which they came. One that was removed keeps its place here until it is the oldest.
    order: VecDeque<ResumptionId>,
    capacity: usize,
}

impl ResumptionTable {
    /// A table of at most `capacity` sessions of some 250 bytes each. `seed` comes from the operating system.
    pub fn new(capacity: usize, seed: Seed) -> Self {
        let state = KeyedState::new(&mut Random::new(seed));
        Self { sessions: Map::with_hasher(state), order: VecDeque::new(), capacity }
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}

impl SessionCache for ResumptionTable {
    fn insert(&mut self, id: ResumptionId, session: ResumableSession) {
        if self.capacity == 0 {
            return;
        }
        if self.order.len() >= self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.sessions.remove(&oldest);
        }
        if self.sessions.insert(id, session).is_none() {
            self.order.push_back(id);
        }
    }

    fn find(&self, id: &ResumptionId) -> Option<ResumableSession> {
        self.sessions.get(id).cloned()
    }

    fn remove(&mut self, id: &ResumptionId) {
        self.sessions.remove(id);
    }
}

impl core::fmt::Debug for ResumptionTable {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("ResumptionTable")
            .field("sessions", &self.sessions.len())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

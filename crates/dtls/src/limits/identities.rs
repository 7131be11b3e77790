//! Identities whose key was wrong too often.
//!
//! Counted for an identity *at one source*: an attacker elsewhere must not be able to use up the tries of a
//! device. Guessing gains nothing from it that the source's other limits would not take away.

use alloc::collections::VecDeque;
use core::hash::BuildHasher;

use machine::{Instant, KeyedState, Map, Random};

use super::{KeyTries, Source};

/// A table of a fixed size, the oldest out.
pub(crate) struct FailingIdentities {
    failures: Map<u64, Failures>,
    /// In the order in which they failed first. One that was removed keeps its place until it is the oldest.
    order: VecDeque<u64>,
    capacity: usize,
    state: KeyedState,
}

struct Failures {
    count: u8,
    first: Instant,
    last: Instant,
    next_try: Instant,
}

impl FailingIdentities {
    pub(crate) fn new(capacity: usize, random: &mut Random) -> Self {
        let state = KeyedState::new(random);
        let failures = Map::with_hasher(KeyedState::new(random));
        Self { failures, order: VecDeque::new(), capacity: capacity.max(1), state }
    }

    /// Whether a key may be tried now; if so and tries are slowed down, this is the one of its time.
    pub(crate) fn may_try(&mut self, identity: &[u8], from: Source, tries: &KeyTries, now: Instant) -> bool {
        if self.failures.is_empty() {
            return true;
        }
        let name = self.name(identity, from);
        let Some(failures) = self.failures.get_mut(&name) else { return true };
        if failures.count < tries.failures || now.since(failures.last) > tries.window {
            return true;
        }
        let may = now >= failures.next_try;
        if may {
            failures.next_try = now + tries.pause;
        }
        may
    }

    /// A key was wrong.
    pub(crate) fn failed(&mut self, identity: &[u8], from: Source, tries: &KeyTries, now: Instant) {
        let name = self.name(identity, from);
        if !self.failures.contains_key(&name) {
            if self.order.len() >= self.capacity
                && let Some(oldest) = self.order.pop_front()
            {
                self.failures.remove(&oldest);
            }
            self.order.push_back(name);
        }
        let fresh = Failures { count: 0, first: now, last: now, next_try: now };
        let failures = self.failures.entry(name).or_insert(fresh);
        let is_slow = failures.count >= tries.failures;
        let since = if is_slow { failures.last } else { failures.first };
        if now.since(since) > tries.window {
            *failures = Failures { count: 0, first: now, last: now, next_try: now };
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        failures.next_try = failures.next_try.max(now + tries.pause);
    }

    /// A key was right: its device is forgiven.
    pub(crate) fn proved(&mut self, identity: &[u8], from: Source) {
        if !self.failures.is_empty() {
            self.failures.remove(&self.name(identity, from));
        }
    }

    fn name(&self, identity: &[u8], from: Source) -> u64 {
        self.state.hash_one((identity, from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIES: KeyTries = KeyTries {
        failures: 5,
        window: core::time::Duration::from_secs(60),
        pause: core::time::Duration::from_secs(10),
    };

    fn source(last: u8) -> Source {
        Source::of([192, 0, 2, last].into())
    }

    #[test]
    fn five_failures_in_a_minute_slow_down_and_never_lock() {
        let mut identities = FailingIdentities::new(8, &mut Random::from_number(1));
        let mut tried = 0;
        // One try a second for ten minutes.
        for second in 0..600 {
            let now = Instant::from_secs(second);
            if identities.may_try(b"a", source(1), &TRIES, now) {
                tried += 1;
                identities.failed(b"a", source(1), &TRIES, now);
            }
            assert!(identities.may_try(b"b", source(1), &TRIES, now), "another identity");
            assert!(identities.may_try(b"a", source(2), &TRIES, now), "another source");
        }
        assert!((5 + 58..=5 + 60).contains(&tried), "{tried}");
        assert!(identities.may_try(b"a", source(1), &TRIES, Instant::from_secs(700)));
        identities.proved(b"a", source(1));
        assert!((0..9).all(|_| identities.may_try(b"a", source(1), &TRIES, Instant::from_secs(701))));
    }

    #[test]
    fn slow_failures_never_slow_down() {
        let mut identities = FailingIdentities::new(8, &mut Random::from_number(1));
        for number in 0..100 {
            let now = Instant::from_secs(16 * number);
            assert!(identities.may_try(b"a", source(1), &TRIES, now), "{number}");
            identities.failed(b"a", source(1), &TRIES, now);
        }
    }

    #[test]
    fn table_keeps_its_size() {
        let mut identities = FailingIdentities::new(4, &mut Random::from_number(1));
        for number in 0..100_u8 {
            identities.failed(&[number], source(1), &TRIES, Instant::ZERO);
            if number % 3 == 0 {
                identities.proved(&[number], source(1));
            }
        }
        assert!(identities.failures.len() <= 4 && identities.order.len() <= 4);
    }
}

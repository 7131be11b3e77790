//! One wheel for the timers of all peers.

use alloc::vec::Vec;

use crate::Instant;

/// Names a timer that is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimerId {
    slot: u32,
    generation: u32,
}

/// Timers of many peers; setting, cancelling and expiring cost the same however many are set.
///
/// A hierarchical wheel: eight levels of 64 buckets, the lowest one 1,024 microseconds wide, so that the
/// span covers thousands of years and rounding is under what a radio link could notice. Timers never fire
/// early. Those of one bucket fire in the order of their time, equal ones in the order they were set.
#[derive(Debug)]
pub struct Timers<T> {
    entries: Vec<Entry<T>>,
    free: u32,
    length: usize,
    /// First entry of each bucket, `NONE` if empty.
    buckets: [[u32; BUCKETS]; LEVELS],
    /// Which buckets of a level have entries.
    occupied: [u64; LEVELS],
    /// All ticks before this one have been moved to `due`.
    tick: u64,
    /// Expired entries, latest first, so that `pop` takes the earliest.
    due: Vec<(Instant, u64, u32)>,
    sequence: u64,
}

const NONE: u32 = u32::MAX;
const BUCKETS: usize = 64;
const LEVELS: usize = 8;
const BUCKET_BITS: u32 = 6;
const TICK_BITS: u32 = 10;

#[derive(Debug)]
struct Entry<T> {
    value: Option<T>,
    at: Instant,
    sequence: u64,
    generation: u32,
    level: u8,
    bucket: u8,
    next: u32,
    previous: u32,
}

/// The level of entries that wait in `due`.
const IN_DUE: u8 = u8::MAX;

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Timers<T> {
    /// No timer is set.
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: NONE,
            length: 0,
            buckets: [[NONE; BUCKETS]; LEVELS],
            occupied: [0; LEVELS],
            tick: 0,
            due: Vec::new(),
            sequence: 0,
        }
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Sets a timer; `value` comes out of [`Timers::expire`] at `at` or up to a millisecond later.
    pub fn set(&mut self, at: Instant, value: T) -> TimerId {
        self.sequence += 1;
        let slot = self.take_slot(at, value);
        self.link(slot);
        self.length += 1;
        TimerId { slot, generation: self.entries[slot as usize].generation }
    }

    /// Unsets a timer and gives its value back, unless it has fired.
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        let entry = self.entries.get(id.slot as usize)?;
        if entry.generation != id.generation || entry.value.is_none() {
            return None;
        }
        if entry.level == IN_DUE {
            self.due.retain(|(_, _, slot)| *slot != id.slot);
        } else {
            self.unlink(id.slot);
        }
        self.release(id.slot)
    }

    /// The next value whose time has come. Call until `None`.
    pub fn expire(&mut self, now: Instant) -> Option<T> {
        self.advance(now);
        let (at, _, slot) = *self.due.last()?;
        if at > now {
            return None;
        }
        self.due.pop();
        self.release(slot)
    }

    /// When to call [`Timers::expire`]: never later than the earliest timer plus one tick, and early only
    /// when a coarse bucket must be sorted into finer ones.
    pub fn next(&self) -> Option<Instant> {
        let due = self.due.last().map(|(at, _, _)| *at);
        let waiting = self.next_bucket().map(|(start, level, bucket)| {
            if level > 0 { Instant::from_micros(start << TICK_BITS) } else { self.earliest_in(bucket) }
        });
        [due, waiting].into_iter().flatten().min()
    }

    fn earliest_in(&self, bucket: usize) -> Instant {
        let mut earliest = Instant::FAR_FUTURE;
        let mut slot = self.buckets[0][bucket];
        while slot != NONE {
            let entry = &self.entries[slot as usize];
            earliest = earliest.min(entry.at);
            slot = entry.next;
        }
        earliest
    }

    /// Moves every bucket that starts at or before `now` down, the lowest level's to `due`.
    fn advance(&mut self, now: Instant) {
        let target = now.as_micros() >> TICK_BITS;
        while let Some((start, level, bucket)) = self.next_bucket() {
            if start > target {
                break;
            }
            self.tick = self.tick.max(start);
            let mut slot = core::mem::replace(&mut self.buckets[level][bucket], NONE);
            self.occupied[level] &= !(1 << bucket);
            while slot != NONE {
                let next = self.entries[slot as usize].next;
                if level == 0 {
                    let entry = &mut self.entries[slot as usize];
                    entry.level = IN_DUE;
                    self.due.push((entry.at, entry.sequence, slot));
                } else {
                    self.link(slot);
                }
                slot = next;
            }
            if level == 0 {
                self.due.sort_unstable_by(|left, right| right.cmp(left));
            }
        }
        self.tick = self.tick.max(target);
    }

    /// The occupied bucket that starts first: its first tick, level and index.
    fn next_bucket(&self) -> Option<(u64, usize, usize)> {
        let mut first: Option<(u64, usize, usize)> = None;
        for level in 0..LEVELS {
            if self.occupied[level] == 0 {
                continue;
            }
            let shift = BUCKET_BITS * level as u32;
            let current = self.tick >> shift;
            let index = (current % BUCKETS as u64) as u32;
            let ahead = u64::from(self.occupied[level].rotate_right(index).trailing_zeros());
            let start = ((current + ahead) << shift).max(self.tick);
            let bucket = ((current + ahead) % BUCKETS as u64) as usize;
            // At the same start the coarser level goes first: it may hold entries for the finer one.
            if first.is_none_or(|(earliest, _, _)| start <= earliest) {
                first = Some((start, level, bucket));
            }
        }
        first
    }

    fn take_slot(&mut self, at: Instant, value: T) -> u32 {
        let slot = if self.free == NONE {
            self.entries.push(Entry {
                value: None,
                at,
                sequence: 0,
                generation: 0,
                level: 0,
                bucket: 0,
                next: NONE,
                previous: NONE,
            });
            (self.entries.len() - 1) as u32
        } else {
            let slot = self.free;
            self.free = self.entries[slot as usize].next;
            slot
        };
        let entry = &mut self.entries[slot as usize];
        entry.value = Some(value);
        entry.at = at;
        entry.sequence = self.sequence;
        entry.generation = entry.generation.wrapping_add(1);
        slot
    }

    fn release(&mut self, slot: u32) -> Option<T> {
        self.length -= 1;
        let entry = &mut self.entries[slot as usize];
        entry.next = self.free;
        self.free = slot;
        entry.value.take()
    }

    /// Puts an entry into the bucket of its time.
    fn link(&mut self, slot: u32) {
        let tick = (self.entries[slot as usize].at.as_micros() >> TICK_BITS).max(self.tick);
        // The lowest level at which entry and wheel differ only within one turn.
        let different = tick ^ self.tick;
        let level = (different.checked_ilog2().unwrap_or(0) / BUCKET_BITS).min(LEVELS as u32 - 1);
        let bucket = ((tick >> (BUCKET_BITS * level)) % BUCKETS as u64) as usize;
        let level = level as usize;
        let head = self.buckets[level][bucket];
        let entry = &mut self.entries[slot as usize];
        entry.level = level as u8;
        entry.bucket = bucket as u8;
        entry.next = head;
        entry.previous = NONE;
        if head != NONE {
            self.entries[head as usize].previous = slot;
        }
        self.buckets[level][bucket] = slot;
        self.occupied[level] |= 1 << bucket;
    }

    fn unlink(&mut self, slot: u32) {
        let entry = &self.entries[slot as usize];
        let (level, bucket) = (usize::from(entry.level), usize::from(entry.bucket));
        let (next, previous) = (entry.next, entry.previous);
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
        if previous == NONE {
            self.buckets[level][bucket] = next;
            if next == NONE {
                self.occupied[level] &= !(1 << bucket);
            }
        } else {
            self.entries[previous as usize].next = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::*;
    use crate::Random;

    #[test]
    fn fires_in_order_of_time_then_of_setting() {
        let mut timers = Timers::new();
        timers.set(Instant::from_secs(90), 'c');
        timers.set(Instant::from_millis(5), 'a');
        timers.set(Instant::from_millis(5), 'b');
        assert_eq!(timers.expire(Instant::from_millis(4)), None);
        let later = Instant::from_secs(100);
        let fired: Vec<char> = core::iter::from_fn(|| timers.expire(later)).collect();
        assert_eq!(fired, ['a', 'b', 'c']);
        assert!(timers.is_empty());
    }

    #[test]
    fn a_cancelled_timer_does_not_fire_and_its_id_stays_dead() {
        let mut timers = Timers::new();
        let first = timers.set(Instant::from_secs(1), 1);
        assert_eq!(timers.cancel(first), Some(1));
        let second = timers.set(Instant::from_secs(1), 2);
        assert_eq!(timers.cancel(first), None);
        assert_eq!(timers.expire(Instant::from_secs(2)), Some(2));
        assert_eq!(timers.cancel(second), None);
    }

    /// Beside an ordered map under random use: same values, never early, `next` never late.
    #[test]
    fn agrees_with_an_ordered_map() {
        for seed in 0..40 {
            let mut random = Random::from_number(seed);
            let mut timers = Timers::new();
            let mut model: BTreeMap<(Instant, u64), TimerId> = BTreeMap::new();
            let mut now = Instant::ZERO;
            for number in 0..2_000_u64 {
                match random.below(4) {
                    0 | 1 => {
                        let spread = 1 << random.below(50);
                        let at = Instant::from_micros(now.as_micros() + random.below(spread));
                        model.insert((at, number), timers.set(at, (at, number)));
                    }
                    2 => {
                        let chosen = model.keys().nth(random.below(model.len() as u64) as usize).copied();
                        if let Some(key) = chosen {
                            let id = model.remove(&key).unwrap();
                            assert_eq!(timers.cancel(id), Some(key));
                        }
                    }
                    _ => {
                        // Go where the wheel says, as a driver does, or jump anywhere.
                        let spread = 1 << random.below(45);
                        let jump = Instant::from_micros(now.as_micros() + random.below(spread));
                        now = match timers.next() {
                            Some(next) if random.chance(0.7) => now.max(next),
                            _ => jump,
                        };
                        while let Some(key) = timers.expire(now) {
                            assert!(key.0 <= now, "fired early");
                            assert!(model.remove(&key).is_some());
                        }
                        assert!(model.keys().all(|(at, _)| *at > now), "a due timer did not fire");
                    }
                }
                assert_eq!(timers.len(), model.len());
                if let Some(((earliest, _), _)) = model.first_key_value() {
                    assert!(timers.next().unwrap() <= *earliest, "would wake late");
                }
            }
        }
    }
}

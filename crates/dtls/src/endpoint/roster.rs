//! Handshakes and sessions in one table, in lines ordered by when each was last heard.

use core::num::NonZeroU32;

use alloc::vec::Vec;

use machine::Random;

/// A place in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot(NonZeroU32);

impl Slot {
    fn new(index: usize) -> Option<Self> {
        u32::try_from(index + 1).ok().and_then(NonZeroU32::new).map(Self)
    }

    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    /// The slot that [`Self::place`] named.
    pub(super) fn of_place(place: u32) -> Option<Self> {
        NonZeroU32::new(place).map(Self)
    }

    /// The lower 32 bits of the number of what is in it.
    pub(super) const fn place(self) -> u32 {
        self.0.get()
    }
}

/// How often a place is used before it is given up: the upper 8 bits of a number are left to those who number
/// sessions of several endpoints.
const LAST_GENERATION: u32 = (1 << 24) - 1;

/// A number for what is in a slot now; it is never used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key(pub(super) u64);

impl Key {
    const fn new(slot: Slot, generation: u32) -> Self {
        Self(((generation as u64) << 32) | slot.0.get() as u64)
    }

    const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn slot(self) -> Option<Slot> {
        NonZeroU32::new(self.0 as u32).map(Slot)
    }
}

/// Some of the entries of a roster in order; the roster holds the links.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Line {
    oldest: Option<Slot>,
    newest: Option<Slot>,
    length: usize,
}

impl Line {
    pub(super) const fn oldest(&self) -> Option<Slot> {
        self.oldest
    }

    pub(super) const fn len(&self) -> usize {
        self.length
    }
}

/// A table that grows with its entries and never shrinks.
pub(super) struct Roster<T> {
    entries: Vec<Entry<T>>,
    free: Option<Slot>,
    /// Of a place that was never used.
    first_generation: u32,
}

struct Entry<T> {
    value: Option<T>,
    generation: u32,
    older: Option<Slot>,
    /// Of a free entry: the next free one, and in `older` the one before it.
    newer: Option<Slot>,
}

impl<T> Roster<T> {
    /// Numbers begin somewhere, so that those of an earlier life mean nothing in this one.
    pub(super) fn new(random: &mut Random) -> Self {
        let first_generation = random.u32() & (LAST_GENERATION >> 2);
        Self { entries: Vec::new(), free: None, first_generation }
    }

    #[cfg(test)]
    fn insert(&mut self, value: T) -> Option<Slot> {
        let slot = self.reserve()?;
        self.put(slot, value);
        Some(slot)
    }

    /// A place with a number and nothing in it yet; `None` if all 2^32 - 1 places are taken.
    pub(super) fn reserve(&mut self) -> Option<Slot> {
        if self.free.is_none() {
            self.grow()?;
        }
        let slot = self.free?;
        self.unchain(slot);
        Some(slot)
    }

    /// The place of a number that was given in an earlier life; `None` if it was used since, or is not among the
    /// first `bound` places.
    pub(super) fn reserve_at(&mut self, key: Key, bound: usize) -> Option<Slot> {
        let slot = key.slot().filter(|slot| slot.index() < bound && key.generation() <= LAST_GENERATION)?;
        while self.entries.len() <= slot.index() {
            self.grow()?;
        }
        let entry = &mut self.entries[slot.index()];
        let is_free = entry.value.is_none() && (self.free == Some(slot) || entry.older.is_some());
        let is_unused = entry.generation == self.first_generation || entry.generation <= key.generation();
        if !is_free || !is_unused {
            return None;
        }
        entry.generation = key.generation();
        self.unchain(slot);
        Some(slot)
    }

    /// Adds a free place.
    fn grow(&mut self) -> Option<()> {
        let slot = Slot::new(self.entries.len())?;
        let generation = self.first_generation;
        self.entries.push(Entry { value: None, generation, older: None, newer: None });
        self.chain(slot);
        Some(())
    }

    /// Puts a place before the free ones.
    fn chain(&mut self, slot: Slot) {
        let next = self.free.replace(slot);
        self.entries[slot.index()].newer = next;
        if let Some(next) = next {
            self.entries[next.index()].older = Some(slot);
        }
    }

    /// Takes a place out of the free ones.
    fn unchain(&mut self, slot: Slot) {
        let entry = &mut self.entries[slot.index()];
        let (before, next) = (entry.older.take(), entry.newer.take());
        match before {
            Some(before) => self.entries[before.index()].newer = next,
            None => self.free = next,
        }
        if let Some(next) = next {
            self.entries[next.index()].older = before;
        }
    }

    /// Fills a place whose number stays as it is.
    pub(super) fn put(&mut self, slot: Slot, value: T) {
        self.entries[slot.index()].value = Some(value);
    }

    /// Empties a place that must be in no line; its number stays reserved until [`Self::release`].
    pub(super) fn take(&mut self, slot: Slot) -> Option<T> {
        self.entries.get_mut(slot.index())?.value.take()
    }

    /// Gives an empty place back; its number will find nothing.
    pub(super) fn release(&mut self, slot: Slot) {
        let entry = &mut self.entries[slot.index()];
        // A place whose numbers are used up is given up.
        if entry.generation < LAST_GENERATION {
            entry.generation += 1;
            self.chain(slot);
        }
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&T> {
        self.entries.get(slot.index())?.value.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.entries.get_mut(slot.index())?.value.as_mut()
    }

    pub(super) fn key(&self, slot: Slot) -> Key {
        Key::new(slot, self.entries[slot.index()].generation)
    }

    /// Where the entry with this number is, if it still is.
    pub(super) fn find(&self, key: Key) -> Option<Slot> {
        let slot = key.slot()?;
        let entry = self.entries.get(slot.index())?;
        (entry.value.is_some() && entry.generation == key.generation()).then_some(slot)
    }

    /// Where the entry in this place is, if the lower 16 bits of its generation are these.
    pub(super) fn find_place(&self, (place, generation): (u32, u16)) -> Option<Slot> {
        let slot = Slot::of_place(place)?;
        let entry = self.entries.get(slot.index())?;
        (entry.value.is_some() && entry.generation as u16 == generation).then_some(slot)
    }

    /// The numbers in a line, the oldest first.
    pub(super) fn line(&self, line: &Line) -> impl Iterator<Item = Key> {
        let next = |slot: &Slot| self.entries[slot.index()].newer;
        core::iter::successors(line.oldest, next).map(|slot| self.key(slot))
    }

    /// Puts an entry at the new end of a line.
    pub(super) fn join(&mut self, line: &mut Line, slot: Slot) {
        let older = line.newest.replace(slot);
        let entry = &mut self.entries[slot.index()];
        entry.older = older;
        entry.newer = None;
        match older {
            Some(older) => self.entries[older.index()].newer = Some(slot),
            None => line.oldest = Some(slot),
        }
        line.length += 1;
    }

    /// Takes an entry out of the line it stands in.
    pub(super) fn leave(&mut self, line: &mut Line, slot: Slot) {
        let entry = &mut self.entries[slot.index()];
        let (older, newer) = (entry.older.take(), entry.newer.take());
        match older {
            Some(older) => self.entries[older.index()].newer = newer,
            None => line.oldest = newer,
        }
        match newer {
            Some(newer) => self.entries[newer.index()].older = older,
            None => line.newest = older,
        }
        line.length -= 1;
    }

    /// Moves an entry to the new end of its line.
    pub(super) fn refresh(&mut self, line: &mut Line, slot: Slot) {
        if line.newest != Some(slot) {
            self.leave(line, slot);
            self.join(line, slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(roster: &mut Roster<char>, line: &mut Line) -> Vec<char> {
        let mut order = Vec::new();
        while let Some(slot) = line.oldest() {
            roster.leave(line, slot);
            order.extend(roster.take(slot));
            roster.release(slot);
        }
        order
    }

    fn roster() -> Roster<char> {
        Roster::new(&mut Random::from_number(1))
    }

    #[test]
    fn numbers_of_an_earlier_life_can_be_reserved() {
        let mut earlier = roster();
        let slots = ['a', 'b', 'c', 'd', 'e'].map(|value| earlier.insert(value).unwrap());
        earlier.take(slots[3]);
        earlier.release(slots[3]);
        let slots = [slots[0], slots[1], earlier.insert('f').unwrap(), slots[4]];
        let mut roster = Roster::new(&mut Random::from_number(2));
        for slot in slots.into_iter().rev() {
            let key = earlier.key(slot);
            assert_eq!(roster.reserve_at(key, 5), Some(slot));
            roster.put(slot, 'r');
            assert_eq!(roster.find(key), Some(slot));
            assert_eq!(roster.reserve_at(key, 5), None, "taken");
        }
        assert_eq!(roster.reserve_at(Key::new(slots[3], 1), 4), None, "beyond the bound");
        let new = roster.insert('n').unwrap();
        assert!(!slots.contains(&new) && new.index() < 5);
        assert_eq!(roster.insert('m').map(Slot::index), Some(5));
        roster.take(slots[0]);
        roster.release(slots[0]);
        assert_eq!(roster.reserve_at(earlier.key(slots[0]), 5), None, "used since");
        assert_eq!(roster.insert('x'), Some(slots[0]));
    }

    #[test]
    fn a_line_keeps_the_order_of_joining_and_refreshing() {
        let (mut roster, mut line) = (roster(), Line::default());
        let slots = ['a', 'b', 'c', 'd'].map(|value| {
            let slot = roster.insert(value).unwrap();
            roster.join(&mut line, slot);
            slot
        });
        roster.refresh(&mut line, slots[0]);
        roster.refresh(&mut line, slots[0]);
        roster.leave(&mut line, slots[2]);
        assert_eq!(line.len(), 2 + 1);
        assert_eq!(order(&mut roster, &mut line), ['b', 'd', 'a']);
        assert_eq!(line.len(), 0);
    }

    #[test]
    fn numbers_of_removed_entries_find_nothing() {
        let mut roster = roster();
        let slot = roster.insert('a').unwrap();
        let first = roster.key(slot);
        assert_eq!(roster.find(first), Some(slot));
        roster.take(slot);
        assert_eq!(roster.find(first), None);
        roster.release(slot);
        assert_eq!(roster.find(first), None);
        assert_eq!(roster.insert('b'), Some(slot), "the place is used again");
        assert_eq!(roster.find(first), None);
        assert_ne!(roster.key(slot), first);
    }
}

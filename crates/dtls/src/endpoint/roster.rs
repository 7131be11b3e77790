//! Handshakes and sessions in one table, in lines ordered by when each was last heard.

use core::num::NonZeroU32;

use alloc::vec::Vec;

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
}

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
}

struct Entry<T> {
    value: Option<T>,
    generation: u32,
    older: Option<Slot>,
    /// Of a free entry: the next free one.
    newer: Option<Slot>,
}

impl<T> Roster<T> {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new(), free: None }
    }

    /// Adds an entry that stands in no line yet; `None` if all 2^32 - 1 places are taken.
    pub(super) fn insert(&mut self, value: T) -> Option<Slot> {
        let slot = self.reserve()?;
        self.put(slot, value);
        Some(slot)
    }

    /// A place with a number and nothing in it yet.
    pub(super) fn reserve(&mut self) -> Option<Slot> {
        let Some(slot) = self.free else {
            let slot = Slot::new(self.entries.len())?;
            self.entries.push(Entry { value: None, generation: 0, older: None, newer: None });
            return Some(slot);
        };
        self.free = self.entries[slot.index()].newer.take();
        Some(slot)
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
        if let Some(generation) = entry.generation.checked_add(1) {
            entry.generation = generation;
            entry.newer = self.free.replace(slot);
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

    #[test]
    fn a_line_keeps_the_order_of_joining_and_refreshing() {
        let (mut roster, mut line) = (Roster::new(), Line::default());
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
        let mut roster = Roster::new();
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

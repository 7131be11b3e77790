//! Which messages have been seen, and what was answered: what makes copies harmless (RFC 7252
//! section 4.5).

use alloc::vec::Vec;
use core::time::Duration;

use machine::{Index, Instant, KeyedState, Random};

use super::Peer;
use super::datagram::Datagram;
use crate::MessageId;

/// The message ids of all peers, oldest first, and first of one peer at once. Looking up, adding and
/// forgetting cost the same however many there are.
#[derive(Debug)]
pub(super) struct Remembered<P> {
    index: Index,
    entries: Vec<Entry<P>>,
    free: u32,
    oldest: u32,
    newest: u32,
    bytes: usize,
    /// How long a confirmable message is remembered, and any other.
    lifetimes: (Duration, Duration),
}

#[derive(Debug)]
struct Entry<P> {
    peer: P,
    message_id: MessageId,
    seen: Instant,
    confirmable: bool,
    answer: Option<Datagram>,
    /// Neighbours in the order of all peers; `newer` also chains free entries.
    older: u32,
    newer: u32,
    /// The next newer of the same peer.
    next_of_peer: u32,
}

/// The remembered messages of one peer, oldest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RecentList {
    oldest: u32,
    newest: u32,
    pub(super) length: u32,
}

const NONE: u32 = u32::MAX;

impl Default for RecentList {
    fn default() -> Self {
        Self { oldest: NONE, newest: NONE, length: 0 }
    }
}

impl<P: Peer> Entry<P> {
    fn key(&self) -> (P, MessageId) {
        (self.peer, self.message_id)
    }
}

impl<P: Peer> Remembered<P> {
    pub(super) fn new(random: &mut Random, lifetimes: (Duration, Duration)) -> Self {
        Self {
            index: Index::new(KeyedState::new(random)),
            entries: Vec::new(),
            free: NONE,
            oldest: NONE,
            newest: NONE,
            bytes: 0,
            lifetimes,
        }
    }

    /// How many messages are remembered.
    pub(super) fn length(&self) -> usize {
        self.index.len()
    }

    /// Bytes of answers.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// `None`: not seen. `Some(None)`: seen, and nothing is to be answered (yet).
    pub(super) fn find(&self, peer: P, message_id: MessageId, now: Instant) -> Option<Option<&Datagram>> {
        let entry = &self.entries[self.slot(peer, message_id)? as usize];
        let lifetime = if entry.confirmable { self.lifetimes.0 } else { self.lifetimes.1 };
        (now - entry.seen < lifetime).then_some(entry.answer.as_ref())
    }

    /// Adds a message that has just been seen.
    pub(super) fn insert(
        &mut self,
        list: &mut RecentList,
        peer: P,
        message_id: MessageId,
        confirmable: bool,
        now: Instant,
    ) {
        let entry = Entry {
            peer,
            message_id,
            seen: now,
            confirmable,
            answer: None,
            older: self.newest,
            newer: NONE,
            next_of_peer: NONE,
        };
        let slot = self.place(entry);
        match self.entries.get_mut(self.newest as usize) {
            Some(newest) => newest.newer = slot,
            None => self.oldest = slot,
        }
        self.newest = slot;
        match self.entries.get_mut(list.newest as usize) {
            Some(newest) => newest.next_of_peer = slot,
            None => list.oldest = slot,
        }
        list.newest = slot;
        list.length += 1;
        // An entry of the same id that has outlived itself stays in its lists until its turn comes.
        self.index.insert(slot, |slot| self.entries[slot as usize].key());
    }

    /// Keeps the answer to a remembered message.
    pub(super) fn answer(&mut self, peer: P, message_id: MessageId, answer: Datagram) {
        if let Some(slot) = self.slot(peer, message_id) {
            self.bytes += answer.own_bytes();
            let old = self.entries[slot as usize].answer.replace(answer);
            self.bytes -= old.map_or(0, |old| old.own_bytes());
        }
    }

    /// Whose message is the oldest, and when it was seen.
    pub(super) fn oldest(&self) -> Option<(P, Instant)> {
        self.entries.get(self.oldest as usize).map(|entry| (entry.peer, entry.seen))
    }

    /// Forgets the oldest message of a peer.
    pub(super) fn forget_oldest(&mut self, list: &mut RecentList) {
        let slot = list.oldest;
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        let (older, newer, next) = (entry.older, entry.newer, entry.next_of_peer);
        let answer = entry.answer.take();
        entry.newer = core::mem::replace(&mut self.free, slot);
        self.bytes -= answer.map_or(0, |answer| answer.own_bytes());
        match self.entries.get_mut(older as usize) {
            Some(entry) => entry.newer = newer,
            None => self.oldest = newer,
        }
        match self.entries.get_mut(newer as usize) {
            Some(entry) => entry.older = older,
            None => self.newest = older,
        }
        list.oldest = next;
        list.length -= 1;
        if next == NONE {
            list.newest = NONE;
        }
        self.index.remove(slot, |slot| self.entries[slot as usize].key());
    }

    fn slot(&self, peer: P, message_id: MessageId) -> Option<u32> {
        self.index.find((peer, message_id), |slot| self.entries[slot as usize].key())
    }

    fn place(&mut self, entry: Entry<P>) -> u32 {
        match self.entries.get_mut(self.free as usize) {
            Some(place) => {
                let slot = self.free;
                self.free = place.newer;
                *place = entry;
                slot
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::*;

    /// A device that only updates its registration costs one of these and one peer for 247 seconds, and
    /// nothing after that. The index adds five bytes, the answer its bytes and 32 more.
    #[test]
    fn a_remembered_message_is_small() {
        assert!(size_of::<Entry<machine::Link>>() <= 120, "{}", size_of::<Entry<machine::Link>>());
        assert!(size_of::<crate::endpoint::conversation::PeerState>() <= 32);
    }

    /// Beside an ordered map: same contents whatever is forgotten.
    #[test]
    fn agrees_with_an_ordered_map() {
        let mut random = Random::from_number(3);
        let mut remembered =
            Remembered::new(&mut random, (Duration::from_secs(247), Duration::from_secs(145)));
        let mut lists = [RecentList::default(); 4];
        let mut model: BTreeMap<u64, (usize, MessageId)> = BTreeMap::new();
        for number in 0..20_000_u64 {
            let peer = random.below(4) as usize;
            let message_id = MessageId(number as u16);
            if random.below(5) < 3 {
                remembered.insert(&mut lists[peer], peer, message_id, true, Instant::from_millis(number));
                model.insert(number, (peer, message_id));
            } else {
                remembered.forget_oldest(&mut lists[peer]);
                let oldest = model.iter().find(|(_, (owner, _))| *owner == peer).map(|(number, _)| *number);
                oldest.map(|number| model.remove(&number));
            }
            let oldest =
                model.first_key_value().map(|(number, (peer, _))| (*peer, Instant::from_millis(*number)));
            assert_eq!(remembered.oldest(), oldest);
            assert_eq!(remembered.length(), model.len());
        }
        let now = Instant::from_secs(20);
        assert!(model.values().all(|(peer, id)| remembered.find(*peer, *id, now).is_some()));
    }
}

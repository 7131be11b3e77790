//! Puts handshake messages together from fragments and into order (RFC 6347 section 4.2.3).

use alloc::vec::Vec;

use crate::wire::message::{Fragment, Message, MessageType};

/// How many bytes of messages wait at the same time: more than ten times the longest flight with a pre-shared
/// key.
const CAPACITY: usize = 4_096;
/// How many messages may wait. The longest flight has five (RFC 4279 section 2).
const MAX_WAITING: usize = 6;

/// Messages of a peer that are incomplete or came too early.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    next: u16,
    waiting: Vec<Partial>,
}

#[derive(Debug)]
struct Partial {
    kind: MessageType,
    sequence: u16,
    body: Vec<u8>,
    /// One flag a byte.
    received: Vec<bool>,
    missing: usize,
}

/// A message that was put together.
#[derive(Debug)]
pub(crate) struct Assembled {
    kind: MessageType,
    sequence: u16,
    body: Vec<u8>,
}

impl Assembled {
    pub(crate) fn message(&self) -> Message<'_> {
        Message { kind: self.kind, sequence: self.sequence, body: &self.body }
    }
}

impl Inbox {
    /// Expects the message with this number.
    pub(crate) const fn starting_at(next: u16) -> Self {
        Self { next, waiting: Vec::new() }
    }

    pub(crate) const fn next_sequence(&self) -> u16 {
        self.next
    }

    /// The message with the next number has been taken, here or elsewhere.
    pub(crate) fn advance(&mut self) {
        let done = self.next;
        self.waiting.retain(|partial| partial.sequence != done);
        self.next = self.next.wrapping_add(1);
    }

    /// Stores a fragment. `false` if it is of no use: behind the expected message, too far ahead, too much, or
    /// in conflict with an earlier one. After a conflict the message starts anew, so that one forged fragment
    /// cannot spoil it for good.
    pub(crate) fn insert(&mut self, fragment: &Fragment<'_>) -> bool {
        let ahead = usize::from(fragment.sequence.wrapping_sub(self.next));
        if ahead >= MAX_WAITING {
            return false;
        }
        let known = self.waiting.iter().position(|partial| partial.sequence == fragment.sequence);
        let index = match known {
            Some(index) => index,
            None if self.has_room(fragment.length) => {
                self.waiting.push(Partial::new(fragment));
                self.waiting.len() - 1
            }
            None => return false,
        };
        let is_consistent = self.waiting[index].insert(fragment);
        if !is_consistent {
            self.waiting.swap_remove(index);
        }
        is_consistent
    }

    /// The next message, once it is complete. The caller goes on with [`Self::advance`].
    pub(crate) fn take(&mut self) -> Option<Assembled> {
        let next = self.next;
        let index =
            self.waiting.iter().position(|partial| partial.sequence == next && partial.missing == 0)?;
        let Partial { kind, sequence, body, .. } = self.waiting.swap_remove(index);
        Some(Assembled { kind, sequence, body })
    }

    fn has_room(&self, length: usize) -> bool {
        self.waiting.iter().map(|partial| partial.body.len()).sum::<usize>() + length <= CAPACITY
    }
}

impl Partial {
    fn new(fragment: &Fragment<'_>) -> Self {
        Self {
            kind: fragment.kind,
            sequence: fragment.sequence,
            body: alloc::vec![0; fragment.length],
            received: alloc::vec![false; fragment.length],
            missing: fragment.length,
        }
    }

    /// Copies the fragment in, unless it contradicts what is there.
    fn insert(&mut self, fragment: &Fragment<'_>) -> bool {
        if fragment.kind != self.kind || fragment.length != self.body.len() {
            return false;
        }
        let range = fragment.offset..fragment.offset + fragment.bytes.len();
        let (body, received) = (&mut self.body[range.clone()], &mut self.received[range]);
        for ((byte, received), new) in body.iter_mut().zip(received).zip(fragment.bytes) {
            if *received && byte != new {
                return false;
            }
            if !*received {
                *received = true;
                *byte = *new;
                self.missing -= 1;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"abcdefgh";

    fn fragment(sequence: u16, offset: usize, bytes: &[u8]) -> Fragment<'_> {
        let kind = MessageType::CLIENT_KEY_EXCHANGE;
        Fragment { kind, length: BODY.len(), sequence, offset, bytes }
    }

    fn body(inbox: &mut Inbox) -> Option<Vec<u8>> {
        let assembled = inbox.take()?;
        inbox.advance();
        Some(assembled.message().body.to_vec())
    }

    #[test]
    fn d09_fragments_in_any_order_with_overlap_make_the_message() {
        let mut inbox = Inbox::starting_at(1);
        assert!(inbox.insert(&fragment(1, 5, b"fgh")));
        assert!(inbox.insert(&fragment(1, 2, b"")));
        assert!(inbox.insert(&fragment(1, 0, b"abc")));
        assert!(body(&mut inbox).is_none());
        assert!(inbox.insert(&fragment(1, 2, b"cdef")));
        assert_eq!(body(&mut inbox).as_deref(), Some(BODY));
        assert!(!inbox.insert(&fragment(1, 0, BODY)), "it has been taken");
    }

    #[test]
    fn d09_overlap_with_other_bytes_discards_what_was_there() {
        let mut inbox = Inbox::starting_at(0);
        assert!(inbox.insert(&fragment(0, 0, b"abXX")));
        assert!(!inbox.insert(&fragment(0, 2, b"cdefgh")));
        assert!(inbox.insert(&fragment(0, 2, b"cdefgh")));
        assert!(body(&mut inbox).is_none());
        assert!(inbox.insert(&fragment(0, 0, b"ab")));
        assert_eq!(body(&mut inbox).as_deref(), Some(BODY));
    }

    #[test]
    fn d09_length_that_changes_between_fragments_is_a_conflict() {
        let mut inbox = Inbox::starting_at(0);
        assert!(inbox.insert(&fragment(0, 0, b"abcd")));
        assert!(!inbox.insert(&Fragment { length: 9, ..fragment(0, 4, b"efgh") }));
        assert!(inbox.insert(&fragment(0, 0, BODY)));
        assert_eq!(body(&mut inbox).as_deref(), Some(BODY));
    }

    #[test]
    fn d08_messages_beyond_the_capacity_are_not_stored() {
        let mut inbox = Inbox::starting_at(0);
        assert!(!inbox.insert(&Fragment { length: (1 << 24) - 1, ..fragment(0, 0, b"a") }));
        assert!(inbox.insert(&Fragment { length: 4_000, ..fragment(0, 0, b"a") }));
        assert!(!inbox.insert(&Fragment { length: 97, ..fragment(1, 0, b"a") }));
        assert!(inbox.insert(&Fragment { length: 96, ..fragment(1, 0, b"a") }));
        assert!(!inbox.insert(&fragment(6, 0, b"a")), "too far ahead");
    }

    #[test]
    fn messages_come_out_in_order() {
        let mut inbox = Inbox::starting_at(u16::MAX);
        assert!(inbox.insert(&fragment(0, 0, BODY)));
        assert!(inbox.take().is_none());
        assert!(inbox.insert(&fragment(u16::MAX, 0, BODY)));
        assert!(body(&mut inbox).is_some());
        assert!(body(&mut inbox).is_some());
        assert_eq!(inbox.next_sequence(), 1);
    }
}

//! The protected records of one session, both ways.

use alloc::boxed::Box;
use alloc::vec::Vec;

use machine::Random;

use crate::suite::{Keys, Outgoing};
use crate::wire::Version;
use crate::wire::record::{ContentType, MAX_PLAINTEXT, Position, Record};
use crate::{SavedSession, SendError};

/// All protected records are of this epoch: nothing here renegotiates.
pub(crate) const EPOCH: u16 = 1;

/// Why a record is not used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unusable {
    Replayed,
    Unauthentic,
}

/// The highest record number there is. It belongs to nobody: its successor would be a repetition.
pub(crate) const LAST_NUMBER: u64 = Position::SEQUENCE_MASK;

/// One life of the process uses the numbers of one block only, see [`crate::SavedSession`].
const BLOCK_BITS: u32 = 32;
/// Application records end this many numbers before the end of a block; the others are for the alerts that end
/// the session. A number that came twice would give the key stream away.
const RESERVED: u64 = 16;

/// The longest connection id that a peer may ask for; nobody is known to use more.
pub(crate) const MAX_PEER_CONNECTION_ID: usize = 32;

/// Keys, the number of the next record, and which records have come.
pub(crate) struct Channel {
    keys: Keys,
    next_sequence: u64,
    window: Window,
    /// What the peer wants to find in our records.
    peer_connection_id: Option<Box<PeerConnectionId>>,
    /// Whether the peer puts an id of ours into its records.
    receives_connection_id: bool,
}

/// A connection id that a peer has chosen for the records to it; it is not empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PeerConnectionId {
    length: u8,
    bytes: [u8; MAX_PEER_CONNECTION_ID],
}

impl PeerConnectionId {
    /// `None` if it is empty or too long.
    pub(crate) fn new(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_PEER_CONNECTION_ID];
        bytes.get_mut(..id.len()).filter(|_| !id.is_empty())?.copy_from_slice(id);
        Some(Self { length: id.len() as u8, bytes })
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl Channel {
    pub(crate) fn new(
        keys: Keys,
        peer_connection_id: Option<PeerConnectionId>,
        receives_connection_id: bool,
    ) -> Self {
        let peer_connection_id = peer_connection_id.map(Box::new);
        Self { keys, next_sequence: 0, window: Window::EMPTY, peer_connection_id, receives_connection_id }
    }

    /// Goes on with a saved session in a block of numbers that nobody has used. All records up to the newest
    /// that had come count as seen.
    pub(crate) fn restored(saved: SavedSession) -> Self {
        let peer_connection_id = PeerConnectionId::new(&saved.peer_connection_id).map(Box::new);
        Self {
            keys: saved.keys,
            next_sequence: u64::from(saved.block) << BLOCK_BITS,
            window: Window { newest: saved.newest_read, seen: u64::MAX },
            peer_connection_id,
            receives_connection_id: saved.own_connection_id.is_some(),
        }
    }

    pub(crate) const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The block of the numbers in use.
    pub(crate) const fn block(&self) -> u16 {
        (self.next_sequence >> BLOCK_BITS) as u16
    }

    pub(crate) const fn newest_read(&self) -> u64 {
        self.window.newest
    }

    pub(crate) const fn receives_connection_id(&self) -> bool {
        self.receives_connection_id
    }

    pub(crate) fn peer_connection_id(&self) -> &[u8] {
        self.peer_connection_id.as_ref().map_or(&[], |id| id.as_slice())
    }

    /// The length of a record that carries this many bytes.
    pub(crate) fn record_length(&self, plaintext: usize) -> usize {
        self.keys.record_length(self.peer_connection_id(), plaintext)
    }

    /// Writes a record and returns its length.
    pub(crate) fn seal(
        &mut self,
        kind: ContentType,
        plaintext: &[u8],
        random: &mut Random,
        out: &mut [u8],
    ) -> Result<usize, SendError> {
        if plaintext.len() > MAX_PLAINTEXT {
            return Err(SendError::TooLong(plaintext.len()));
        }
        let needed = self.record_length(plaintext.len());
        if out.len() < needed {
            return Err(SendError::BufferTooSmall { needed });
        }
        let end = self.next_sequence | ((1 << BLOCK_BITS) - 1);
        let limit = if kind == ContentType::ALERT { end } else { end - RESERVED };
        if self.next_sequence >= limit {
            return Err(SendError::Exhausted);
        }
        let position = Position::new(EPOCH, self.next_sequence);
        self.next_sequence += 1;
        let outgoing = Outgoing { kind, position, connection_id: self.peer_connection_id(), plaintext };
        Ok(self.keys.seal(&outgoing, random, out))
    }

    /// Appends a record to `out`; nothing if the numbers are used up.
    pub(crate) fn push(
        &mut self,
        kind: ContentType,
        plaintext: &[u8],
        random: &mut Random,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        out.resize(start + self.record_length(plaintext.len()), 0);
        let length = self.seal(kind, plaintext, random, &mut out[start..]).unwrap_or(0);
        out.truncate(start + length);
    }

    /// What a record carries, once.
    pub(crate) fn open(&mut self, record: &Record<'_>) -> Result<Opened, Unusable> {
        let sequence = record.position.sequence();
        if !self.window.is_new(sequence) {
            return Err(Unusable::Replayed);
        }
        let fits = record.version == Version::DTLS_1_2
            && record.connection_id.is_some() == self.receives_connection_id
            && sequence != LAST_NUMBER;
        if !fits {
            return Err(Unusable::Unauthentic);
        }
        let (kind, bytes) = self.keys.open(record).map_err(|_| Unusable::Unauthentic)?;
        if bytes.len() > MAX_PLAINTEXT {
            return Err(Unusable::Unauthentic);
        }
        let is_newest = self.window.is_newest(sequence);
        self.window.insert(sequence);
        Ok(Opened { kind, bytes, is_newest })
    }

    #[cfg(test)]
    pub(crate) const fn set_next_sequence(&mut self, sequence: u64) {
        self.next_sequence = sequence;
    }
}

/// An authentic record.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) kind: ContentType,
    pub(crate) bytes: Vec<u8>,
    /// Whether no later one has come.
    pub(crate) is_newest: bool,
}

/// Which of the newest 64 records have come (RFC 6347 section 4.1.2.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Window {
    newest: u64,
    /// Bit 0 is `newest` itself.
    seen: u64,
}

impl Window {
    const EMPTY: Self = Self { newest: 0, seen: 0 };

    const fn is_newest(self, sequence: u64) -> bool {
        sequence > self.newest || self.seen == 0
    }

    const fn is_new(self, sequence: u64) -> bool {
        if sequence > self.newest {
            return true;
        }
        let age = self.newest - sequence;
        age < 64 && (self.seen >> age) & 1 == 0
    }

    const fn insert(&mut self, sequence: u64) {
        if sequence > self.newest {
            let ahead = sequence - self.newest;
            self.seen = if ahead < 64 { self.seen << ahead } else { 0 };
            self.newest = sequence;
        }
        self.seen |= 1 << (self.newest - sequence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d16_window_takes_each_of_the_newest_64_once() {
        let mut window = Window::EMPTY;
        assert!(window.is_new(0));
        window.insert(0);
        assert!(!window.is_new(0));
        window.insert(100);
        assert!(window.is_new(37), "63 behind the newest");
        assert!(!window.is_new(36), "64 behind the newest");
        assert!(!window.is_new(35), "65 behind the newest");
        window.insert(37);
        assert!(!window.is_new(37));
        assert!(window.is_new(38));
        window.insert(1_000);
        assert!(!window.is_new(100));
    }
}

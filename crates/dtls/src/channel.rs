//! The protected records of one session, both ways.

use alloc::vec::Vec;

use machine::Random;

use crate::SendError;
use crate::suite::Keys;
use crate::wire::Version;
use crate::wire::record::{ContentType, MAX_PLAINTEXT, Position, Record};

/// All protected records are of this epoch: nothing here renegotiates.
pub(crate) const EPOCH: u16 = 1;

/// Application records end here; the numbers behind it are for the alerts that end the session. A number that
/// came twice would give the key stream away.
const LAST_SEQUENCE: u64 = Position::SEQUENCE_MASK - 16;

/// Why a record is not used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unusable {
    Replayed,
    Unauthentic,
}

/// Keys, the number of the next record, and which records have come.
pub(crate) struct Channel {
    keys: Keys,
    next_sequence: u64,
    window: Window,
}

impl Channel {
    pub(crate) const fn new(keys: Keys) -> Self {
        Self { keys, next_sequence: 0, window: Window::EMPTY }
    }

    pub(crate) const fn keys(&self) -> &Keys {
        &self.keys
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
        let needed = self.keys.record_length(plaintext.len());
        if out.len() < needed {
            return Err(SendError::BufferTooSmall { needed });
        }
        let limit = if kind == ContentType::ALERT { Position::SEQUENCE_MASK } else { LAST_SEQUENCE };
        if self.next_sequence >= limit {
            return Err(SendError::Exhausted);
        }
        let position = Position::new(EPOCH, self.next_sequence);
        self.next_sequence += 1;
        Ok(self.keys.seal(kind, position, plaintext, random, out))
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
        out.resize(start + self.keys.record_length(plaintext.len()), 0);
        let length = self.seal(kind, plaintext, random, &mut out[start..]).unwrap_or(0);
        out.truncate(start + length);
    }

    /// What a record carries, once.
    pub(crate) fn open(&mut self, record: &Record<'_>) -> Result<Vec<u8>, Unusable> {
        let sequence = record.position.sequence();
        if !self.window.is_new(sequence) {
            return Err(Unusable::Replayed);
        }
        // The number before a wrap belongs to nobody: its successor would be a repetition.
        if record.version != Version::DTLS_1_2 || sequence == Position::SEQUENCE_MASK {
            return Err(Unusable::Unauthentic);
        }
        let plaintext = self.keys.open(record).map_err(|_| Unusable::Unauthentic)?;
        if plaintext.len() > MAX_PLAINTEXT {
            return Err(Unusable::Unauthentic);
        }
        self.window.insert(sequence);
        Ok(plaintext)
    }

    #[cfg(test)]
    pub(crate) const fn set_next_sequence(&mut self, sequence: u64) {
        self.next_sequence = sequence;
    }
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

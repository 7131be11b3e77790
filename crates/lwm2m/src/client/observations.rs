//! Who observes what, and when to notify (RFC 7641; LwM2M Core 1.0.2 section 5.5).

use alloc::vec::Vec;

use coap::Token;
use machine::{Instant, Link};

use super::attributes::Periods;
use crate::path::Path;

/// At most this many observations; a further one is answered like a plain Read (RFC 7641 section 4.1).
const MOST_OBSERVATIONS: usize = 32;

#[derive(Default, Debug)]
pub(super) struct Observations(Vec<Observation>);

#[derive(Debug)]
pub(super) struct Observation {
    pub(super) peer: Link,
    pub(super) token: Token,
    pub(super) path: Path,
    pub(super) format: u16,
    /// What the observer was told last.
    payload: Vec<u8>,
    sequence: u32,
    told_at: Instant,
    /// The value differs from what the observer was told last.
    stale: bool,
    periods: Periods,
}

impl Observations {
    /// Begins an observation or begins it again; its sequence number, unless there are too many.
    pub(super) fn begin(
        &mut self,
        (peer, token): (Link, Token),
        path: Path,
        (format, payload): (u16, Vec<u8>),
        periods: Periods,
        now: Instant,
    ) -> Option<u32> {
        let before = self.end(peer, token);
        if self.0.len() == MOST_OBSERVATIONS {
            return None;
        }
        let sequence = before.map_or(1, |observation| observation.next_sequence());
        let told_at = now;
        self.0.push(Observation {
            peer,
            token,
            path,
            format,
            payload,
            sequence,
            told_at,
            stale: false,
            periods,
        });
        Some(sequence)
    }

    pub(super) fn end(&mut self, peer: Link, token: Token) -> Option<Observation> {
        let index = self.0.iter().position(|one| one.peer == peer && one.token == token)?;
        Some(self.0.remove(index))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The server is reached by another link now.
    pub(super) fn move_to(&mut self, link: Link) {
        self.0.iter_mut().for_each(|observation| observation.peer = link);
    }

    /// Values, attributes or defaults may have changed: compares each with what was told.
    pub(super) fn refresh(
        &mut self,
        mut current: impl FnMut(Path, u16) -> Option<Vec<u8>>,
        periods: impl Fn(Path) -> Periods,
    ) {
        for observation in &mut self.0 {
            let value = current(observation.path, observation.format);
            // What cannot be read any more stays as it was told.
            observation.stale = value.is_some_and(|value| value != observation.payload);
            observation.periods = periods(observation.path);
        }
    }

    /// When the next notification is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().filter_map(Observation::due).min()
    }

    /// The next observation whose observer has to be told.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<&mut Observation> {
        self.0.iter_mut().find(|observation| observation.due().is_some_and(|due| due <= now))
    }
}

impl Observation {
    fn due(&self) -> Option<Instant> {
        if self.stale {
            return Some(self.told_at + self.periods.shortest());
        }
        self.periods.longest().map(|longest| self.told_at + longest)
    }

    /// Notes that the observer is told this now; the sequence number of the notification.
    pub(super) fn tell(&mut self, payload: &[u8], now: Instant) -> u32 {
        self.payload.clear();
        self.payload.extend_from_slice(payload);
        self.stale = false;
        self.told_at = now;
        self.sequence = self.next_sequence();
        self.sequence
    }

    /// 24 bits (RFC 7641 section 3.4).
    const fn next_sequence(&self) -> u32 {
        (self.sequence + 1) & 0x00FF_FFFF
    }
}

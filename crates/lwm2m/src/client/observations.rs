//! Who observes what, and when to notify (RFC 7641; LwM2M Core 1.1 section 6.4).

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use coap::Token;
use machine::Instant;

use super::attributes::Conditions;
use crate::path::Path;

/// At most this many observations of a server; a further one is answered like a plain Read (RFC 7641
/// section 4.1).
const MOST_OBSERVATIONS: usize = 32;
/// At most this many notifications of an observation are kept while its server cannot be reached; the oldest
/// goes first.
const MOST_STORED: usize = 16;

#[derive(Default, Debug)]
pub(super) struct Observations(pub(super) Vec<Observation>);

/// What is observed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Target {
    Single(Path),
    Composite(Vec<Path>),
}

impl Target {
    pub(super) fn paths(&self) -> &[Path] {
        match self {
            Self::Single(path) => core::slice::from_ref(path),
            Self::Composite(paths) => paths,
        }
    }

    /// Whether the place, or something in it, is observed.
    pub(super) fn touches(&self, place: Path) -> bool {
        self.paths().iter().any(|path| path.contains(place) || place.contains(*path))
    }
}

/// A value as it would be sent: its bytes, and the number if it is one.
#[derive(Clone, PartialEq, Default, Debug)]
pub(super) struct Sample {
    pub(super) payload: Vec<u8>,
    pub(super) number: Option<f64>,
}

#[derive(Debug)]
pub(super) struct Observation {
    pub(super) token: Token,
    pub(super) target: Target,
    pub(super) format: u16,
    /// What the Observe itself asked for, before what is written to the place.
    pub(super) asked: Conditions,
    pub(super) conditions: Conditions,
    /// Changes are reported this much later, whatever the conditions say.
    pub(super) delay: Duration,
    /// What the observer was told last.
    told: Sample,
    sequence: u32,
    pub(super) told_at: Instant,
    evaluated_at: Instant,
    changed_at: Instant,
    /// Something may have changed that was not looked at yet.
    unseen: bool,
    /// The value differs enough from what the observer was told last.
    stale: bool,
    /// What could not be sent, oldest first.
    stored: VecDeque<Vec<u8>>,
}

impl Observations {
    /// Begins an observation or begins it again; its sequence number, unless there are too many.
    pub(super) fn begin(
        &mut self,
        token: Token,
        (target, format, asked): (Target, u16, Conditions),
        told: Sample,
        now: Instant,
    ) -> Option<u32> {
        let before = self.end(token);
        if self.0.len() == MOST_OBSERVATIONS {
            return None;
        }
        let sequence = before.map_or(1, |observation| observation.next_sequence());
        self.0.push(Observation::new(token, target, format, asked, told, sequence, now));
        Some(sequence)
    }

    /// Takes up an observation from before a restart; its observer is told the value as soon as possible.
    pub(super) fn restore(&mut self, token: Token, path: Path, format: u16, sequence: u32, now: Instant) {
        if self.0.len() < MOST_OBSERVATIONS {
            let (target, asked) = (Target::Single(path), Conditions::default());
            let mut observation =
                Observation::new(token, target, format, asked, Sample::default(), sequence, now);
            observation.unseen = true;
            self.0.push(observation);
        }
    }

    pub(super) fn end(&mut self, token: Token) -> Option<Observation> {
        let index = self.0.iter().position(|one| one.token == token)?;
        Some(self.0.remove(index))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Values, attributes or defaults may have changed.
    pub(super) fn look_again(&mut self, now: Instant) {
        for observation in &mut self.0 {
            if !observation.unseen {
                observation.unseen = true;
                observation.changed_at = now;
            }
        }
    }

    /// When there is something to do for a server that can be reached, or for one that cannot.
    pub(super) fn due(&self, reachable: bool) -> Option<Instant> {
        self.0.iter().filter_map(|observation| observation.due(reachable)).min()
    }

    pub(super) fn observes(&self, place: Path) -> bool {
        self.0.iter().any(|observation| observation.target.touches(place))
    }
}

impl Observation {
    fn new(
        token: Token,
        target: Target,
        format: u16,
        asked: Conditions,
        told: Sample,
        sequence: u32,
        now: Instant,
    ) -> Self {
        Self {
            token,
            target,
            format,
            asked,
            conditions: asked,
            delay: Duration::ZERO,
            told,
            sequence,
            told_at: now,
            evaluated_at: now,
            changed_at: now,
            // The conditions have to be put together.
            unseen: true,
            stale: false,
            stored: VecDeque::new(),
        }
    }

    pub(super) fn sequence(&self) -> u32 {
        self.sequence
    }

    fn due(&self, reachable: bool) -> Option<Instant> {
        if reachable && !self.stored.is_empty() {
            return Some(Instant::ZERO);
        }
        let look = self.unseen.then(|| self.evaluation_due());
        let tell = if self.stale {
            Some(self.told_at + self.conditions.shortest())
        } else {
            self.conditions.longest().map(|longest| self.told_at + longest)
        };
        look.into_iter().chain(tell).min()
    }

    fn evaluation_due(&self) -> Instant {
        let pause = self.conditions.evaluation_pause();
        let paced = if pause.is_zero() { Instant::ZERO } else { self.evaluated_at + pause };
        let delayed = if self.delay.is_zero() { Instant::ZERO } else { self.changed_at + self.delay };
        paced.max(delayed)
    }

    /// Whether the value has to be looked at now.
    pub(super) fn wants_evaluation(&self, now: Instant) -> bool {
        self.unseen && self.evaluation_due() <= now
    }

    /// Compares the value with what was told last. `None`: it cannot be read any more and stays as it was
    /// told.
    pub(super) fn evaluate(&mut self, current: Option<&Sample>, now: Instant) {
        (self.unseen, self.evaluated_at) = (false, now);
        self.stale = current.is_some_and(|current| {
            let numbers = self.told.number.zip(current.number);
            match numbers.filter(|_| self.conditions.has_thresholds()) {
                Some((from, to)) => self.conditions.is_told(from, to),
                None => current.payload != self.told.payload,
            }
        });
    }

    /// Whether the observer has to be told the value now.
    pub(super) fn wants_notification(&self, now: Instant) -> bool {
        let due = if self.stale {
            Some(self.told_at + self.conditions.shortest())
        } else {
            self.conditions.longest().map(|longest| self.told_at + longest)
        };
        due.is_some_and(|due| due <= now)
    }

    /// The next notification that could not be sent before.
    pub(super) fn take_stored(&mut self) -> Option<(u32, Vec<u8>)> {
        let payload = self.stored.pop_front()?;
        self.sequence = self.next_sequence();
        Some((self.sequence, payload))
    }

    /// Keeps a value for later.
    pub(super) fn store(&mut self, sample: Sample, now: Instant) {
        let most = self.conditions.stored.map_or(MOST_STORED, |most| MOST_STORED.min(most as usize).max(1));
        while self.stored.len() >= most {
            self.stored.pop_front();
        }
        self.stored.push_back(sample.payload.clone());
        self.note(sample, now);
    }

    /// Notes that the observer is told this now; the sequence number of the notification.
    pub(super) fn tell(&mut self, sample: Sample, now: Instant) -> u32 {
        self.note(sample, now);
        self.sequence = self.next_sequence();
        self.sequence
    }

    fn note(&mut self, sample: Sample, now: Instant) {
        self.told = sample;
        self.stale = false;
        self.told_at = now;
    }

    /// 24 bits (RFC 7641 section 3.4).
    const fn next_sequence(&self) -> u32 {
        (self.sequence + 1) & 0x00FF_FFFF
    }
}

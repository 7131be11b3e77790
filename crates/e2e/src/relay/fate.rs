//! What becomes of a datagram.

use std::time::Duration;

use machine::Random;

/// How bad the network is, the same in both directions. Probabilities are from 0.0 to 1.0.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Conditions {
    /// How likely a datagram is lost.
    pub loss: f64,
    /// How likely one that is not lost arrives twice.
    pub duplication: f64,
    /// How likely a copy is held back by [`Conditions::reordering_delay`], so that later ones overtake it.
    pub reordering: f64,
    /// How much later.
    pub reordering_delay: Duration,
    /// How long every datagram is on its way.
    pub delay: Duration,
}

impl Conditions {
    /// Everything arrives at once, once and in order.
    pub const PERFECT: Self = Self {
        loss: 0.0,
        duplication: 0.0,
        reordering: 0.0,
        reordering_delay: Duration::ZERO,
        delay: Duration::ZERO,
    };

    /// A cell edge: 20 % lost, some repeated and some late.
    pub const BAD_RADIO: Self = Self {
        loss: 0.2,
        duplication: 0.05,
        reordering: 0.05,
        reordering_delay: Duration::from_millis(15),
        delay: Duration::from_millis(1),
    };
}

/// What happened in one direction, in datagrams unless the name says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Came in.
    pub received: u64,
    /// Went out, copies included.
    pub delivered: u64,
    /// The payload of those.
    pub delivered_bytes: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Lost in a blackout.
    pub blacked_out: u64,
    /// Sent twice.
    pub duplicated: u64,
    /// Copies held back.
    pub reordered: u64,
}

/// What happened in both directions.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Traffic {
    /// Modules to the server.
    pub upward: Counts,
    /// The server to modules.
    pub downward: Counts,
}

impl Traffic {
    pub(super) fn of(&mut self, direction: Direction) -> &mut Counts {
        match direction {
            Direction::Up => &mut self.upward,
            Direction::Down => &mut self.downward,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    Up,
    Down,
}

/// Decides by a seed.
pub(super) struct Fates {
    pub(super) conditions: Conditions,
    pub(super) blackout: bool,
    random: Random,
}

impl Fates {
    pub(super) fn new(conditions: Conditions, seed: u64) -> Self {
        Self { conditions, blackout: false, random: Random::from_number(seed) }
    }

    /// After which times the copies of a datagram arrive.
    pub(super) fn decide(&mut self, counts: &mut Counts) -> [Option<Duration>; 2] {
        counts.received += 1;
        // All numbers are drawn for every datagram, so that a blackout does not change later fates.
        let Conditions { loss, duplication, .. } = self.conditions;
        let (lost, duplicated) = (self.random.chance(loss), self.random.chance(duplication));
        let delays = [self.delay(), self.delay()];
        if self.blackout {
            counts.blacked_out += 1;
            return [None, None];
        }
        if lost {
            counts.lost += 1;
            return [None, None];
        }
        let copies = if duplicated { &delays[..] } else { &delays[..1] };
        counts.duplicated += u64::from(duplicated);
        counts.reordered += copies.iter().filter(|(_, held)| *held).count() as u64;
        [Some(delays[0].0), duplicated.then_some(delays[1].0)]
    }

    fn delay(&mut self) -> (Duration, bool) {
        let Conditions { reordering, reordering_delay, delay, .. } = self.conditions;
        let held = self.random.chance(reordering);
        (if held { delay + reordering_delay } else { delay }, held)
    }
}

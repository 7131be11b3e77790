//! How much each source has asked for lately.

use alloc::collections::VecDeque;
use core::net::IpAddr;

use hashbrown::hash_map::Entry;
use machine::{Instant, KeyedState, Map, Random};

use super::{Limits, Rate};

/// An IPv4 address, or the first half of an IPv6 address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Source(u64);

impl Source {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            // No IPv6 source begins with these 32 bits: they are those of a group.
            IpAddr::V4(address) => Self(0xFFFF_FFFF << 32 | u64::from(address.to_bits())),
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64),
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    FirstContact,
    Unauthentic,
    Handshake,
}

impl Kind {
    const fn rate(self, limits: &Limits) -> Rate {
        match self {
            Self::FirstContact => limits.first_contacts,
            Self::Unauthentic => limits.unauthentic,
            Self::Handshake => limits.handshakes,
        }
    }
}

/// A table of a fixed size. Who floods it from many addresses pushes others out, which frees them of their past
/// and harms nobody.
pub(crate) struct Sources {
    used: Map<Source, Used>,
    /// In the order in which they came.
    order: VecDeque<Source>,
    capacity: usize,
}

/// For each kind the time at which a source that had asked evenly would have asked this often, in microseconds
/// (the generic cell rate algorithm): behind the present it has credit, ahead of it it borrows from its burst.
type Used = [u64; 3];

impl Sources {
    pub(crate) fn new(capacity: usize, random: &mut Random) -> Self {
        let used = Map::with_hasher(KeyedState::new(random));
        Self { used, order: VecDeque::new(), capacity: capacity.max(1) }
    }

    /// Counts one, unless the source has had its share.
    pub(crate) fn take(&mut self, kind: Kind, source: Source, limits: &Limits, now: Instant) -> bool {
        let rate = kind.rate(limits);
        rate == Rate::UNLIMITED || self.with_used(source, |used| take(&mut used[kind as usize], rate, now))
    }

    /// Takes one back that was counted, and counts one of another kind, unless the source has had its share of
    /// that.
    pub(crate) fn exchange(
        &mut self,
        back: Kind,
        kind: Kind,
        source: Source,
        limits: &Limits,
        now: Instant,
    ) -> bool {
        let (back_rate, rate) = (back.rate(limits), kind.rate(limits));
        if back_rate == Rate::UNLIMITED && rate == Rate::UNLIMITED {
            return true;
        }
        self.with_used(source, |used| {
            let counted = &mut used[back as usize];
            *counted = counted.saturating_sub(interval_and_room(back_rate).0);
            rate == Rate::UNLIMITED || take(&mut used[kind as usize], rate, now)
        })
    }

    /// Whether [`Self::take`] would count one now.
    pub(crate) fn has_room(&self, kind: Kind, source: Source, limits: &Limits, now: Instant) -> bool {
        let rate = kind.rate(limits);
        let used = self.used.get(&source).map_or(0, |used| used[kind as usize]);
        rate == Rate::UNLIMITED || used.saturating_sub(now.as_micros()) <= interval_and_room(rate).1
    }

    fn with_used(&mut self, source: Source, change: impl FnOnce(&mut Used) -> bool) -> bool {
        let result = match self.used.entry(source) {
            Entry::Occupied(mut entry) => change(entry.get_mut()),
            Entry::Vacant(entry) => {
                self.order.push_back(source);
                change(entry.insert(Used::default()))
            }
        };
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.used.remove(&oldest);
        }
        result
    }
}

fn take(used: &mut u64, rate: Rate, now: Instant) -> bool {
    let (interval, room) = interval_and_room(rate);
    let from = (*used).max(now.as_micros());
    let has_room = from - now.as_micros() <= room;
    if has_room {
        *used = from + interval;
    }
    has_room
}

/// The microseconds between two, and how far ahead the burst reaches.
const fn interval_and_room(rate: Rate) -> (u64, u64) {
    let per_second = if rate.per_second == 0 { 1 } else { rate.per_second };
    let interval = 1_000_000 / per_second as u64;
    (interval, interval * rate.burst.saturating_sub(1) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(address: &str) -> Source {
        Source::of(address.parse().unwrap())
    }

    fn sources(capacity: usize) -> Sources {
        Sources::new(capacity, &mut Random::from_number(1))
    }

    #[test]
    fn burst_at_once_then_the_rate() {
        let (mut sources, limits) = (sources(4), Limits::default());
        let from = source("192.0.2.1");
        let taken = |at: u64, tries: u32, sources: &mut Sources| {
            let now = Instant::from_millis(at);
            (0..tries).filter(|_| sources.take(Kind::FirstContact, from, &limits, now)).count()
        };
        assert_eq!(taken(0, 1_000, &mut sources), 50);
        assert_eq!(taken(1_000, 1_000, &mut sources), 20);
        assert_eq!(taken(1_049, 1_000, &mut sources), 0);
        assert_eq!(taken(1_050, 1_000, &mut sources), 1);
        assert_eq!(taken(1_000_000, 1_000, &mut sources), 50);
    }

    #[test]
    fn given_back_ones_can_be_taken_again() {
        let (mut sources, limits) = (sources(4), Limits::default());
        let (from, now) = (source("192.0.2.1"), Instant::from_secs(5));
        for _ in 0..10_000 {
            assert!(sources.take(Kind::FirstContact, from, &limits, now));
            sources.exchange(Kind::FirstContact, Kind::Unauthentic, from, &limits, now);
        }
        while sources.take(Kind::FirstContact, from, &limits, now) {}
        assert!(!sources.has_room(Kind::FirstContact, from, &limits, now));
        assert!(sources.has_room(Kind::Handshake, from, &limits, now), "kinds are apart");
    }

    #[test]
    fn source_is_an_ipv4_address_or_an_ipv6_network() {
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_eq!(source("192.0.2.1"), source("::ffff:192.0.2.1"));
    }

    #[test]
    fn table_keeps_its_size() {
        let (mut sources, limits) = (sources(4), Limits::default());
        for number in 0..100_u32 {
            let from = Source::of(IpAddr::from(number.to_be_bytes()));
            assert!(sources.take(Kind::FirstContact, from, &limits, Instant::ZERO));
        }
        assert_eq!((sources.used.len(), sources.order.len()), (4, 4));
    }
}

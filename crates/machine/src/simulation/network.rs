//! What happens to a datagram on its way.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use crate::{Instant, Random};

use super::NodeId;

/// How good a way is, in one direction.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Quality {
    /// Probability that a datagram is lost.
    pub loss: f64,
    /// Probability that a datagram that is not lost arrives twice.
    pub duplication: f64,
    /// Probability that a datagram takes up to four times the longest delay and so lets others overtake.
    pub reordering: f64,
    /// The least time on the way.
    pub shortest_delay: Duration,
    /// The longest time on the way, reordering aside.
    pub longest_delay: Duration,
}

impl Quality {
    /// Nothing is lost and every datagram takes ten milliseconds.
    pub const PERFECT: Self = Self {
        loss: 0.0,
        duplication: 0.0,
        reordering: 0.0,
        shortest_delay: Duration::from_millis(10),
        longest_delay: Duration::from_millis(10),
    };

    /// A narrow-band cell: 50 ms to 1.5 s on the way, some reordering, `loss` of the datagrams lost.
    pub const fn narrow_band(loss: f64) -> Self {
        Self {
            loss,
            duplication: 0.02,
            reordering: 0.05,
            shortest_delay: Duration::from_millis(50),
            longest_delay: Duration::from_millis(1_500),
        }
    }
}

/// What the network carried.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Traffic {
    /// Datagrams given to the network.
    pub sent: u64,
    /// Datagrams that arrived, copies included.
    pub delivered: u64,
    /// Datagrams lost by chance.
    pub lost: u64,
    /// Extra copies made.
    pub duplicated: u64,
    /// Datagrams stopped by a partition.
    pub cut: u64,
    /// Datagrams to an address that nobody has (any more).
    pub unreachable: u64,
}

/// The ways between all nodes.
#[derive(Debug)]
pub struct Network {
    quality: Quality,
    by_way: BTreeMap<(NodeId, NodeId), Quality>,
    isolated: BTreeSet<NodeId>,
    severed: BTreeSet<(NodeId, NodeId)>,
    pub(super) traffic: Traffic,
}

impl Network {
    /// A network on which every way is equally good.
    pub fn new(quality: Quality) -> Self {
        Self {
            quality,
            by_way: BTreeMap::new(),
            isolated: BTreeSet::new(),
            severed: BTreeSet::new(),
            traffic: Traffic::default(),
        }
    }

    /// Sets the quality of all ways that have none of their own.
    pub fn set_quality(&mut self, quality: Quality) {
        self.quality = quality;
    }

    /// Gives one way, in one direction, a quality of its own.
    pub fn set_way(&mut self, from: NodeId, to: NodeId, quality: Quality) {
        self.by_way.insert((from, to), quality);
    }

    /// Cuts a node off from everybody, or connects it again.
    pub fn isolate(&mut self, node: NodeId, isolated: bool) {
        if isolated {
            self.isolated.insert(node);
        } else {
            self.isolated.remove(&node);
        }
    }

    /// Cuts two nodes off from each other, or connects them again.
    pub fn sever(&mut self, one: NodeId, other: NodeId, severed: bool) {
        for way in [(one, other), (other, one)] {
            if severed {
                self.severed.insert(way);
            } else {
                self.severed.remove(&way);
            }
        }
    }

    /// What was carried so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// When the copies of a datagram arrive: none, one or two moments.
    pub(super) fn fate(
        &mut self,
        from: NodeId,
        to: NodeId,
        now: Instant,
        random: &mut Random,
    ) -> [Option<Instant>; 2] {
        self.traffic.sent += 1;
        let cut =
            [from, to].iter().any(|node| self.isolated.contains(node)) || self.severed.contains(&(from, to));
        if cut {
            self.traffic.cut += 1;
            return [None, None];
        }
        let quality = *self.by_way.get(&(from, to)).unwrap_or(&self.quality);
        if random.chance(quality.loss) {
            self.traffic.lost += 1;
            return [None, None];
        }
        let first = Some(now + delay(&quality, random));
        let second = random.chance(quality.duplication).then(|| now + delay(&quality, random));
        self.traffic.duplicated += u64::from(second.is_some());
        [first, second]
    }
}

fn delay(quality: &Quality, random: &mut Random) -> Duration {
    let longest =
        if random.chance(quality.reordering) { quality.longest_delay * 4 } else { quality.longest_delay };
    random.duration(quality.shortest_delay, longest)
}

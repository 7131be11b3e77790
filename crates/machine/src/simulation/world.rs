//! Runs machines in virtual time.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};

use crate::{Instant, Machine, Path, Random, Socket};

use super::Network;

/// Names a node of a [`World`], counted from zero in the order they were added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u32);

/// Machines, the network between them, and the clock.
///
/// After [`World::next_event`] or [`World::with`] every machine has been polled until it had nothing more
/// to say, as the contract asks.
#[derive(Debug)]
pub struct World<N> {
    nodes: Vec<Node<N>>,
    network: Network,
    random: Random,
    now: Instant,
    owners: BTreeMap<SocketAddr, (NodeId, Socket)>,
    on_the_way: BTreeMap<(Instant, u64), Datagram>,
    timeouts: BTreeSet<(Instant, NodeId)>,
    ready: VecDeque<NodeId>,
    sequence: u64,
    next_port: u16,
    trace: u64,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Node<N> {
    machine: N,
    addresses: Vec<SocketAddr>,
    timeout: Option<Instant>,
    ready: bool,
}

#[derive(Debug)]
struct Datagram {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// Larger than any datagram that fits into one IP packet.
const LARGEST_DATAGRAM: usize = 65_535;
const FIRST_PORT: u16 = 10_000;

impl<N: Machine<Peer = Path>> World<N> {
    /// A world without nodes, at [`Instant::ZERO`]; everything random in it comes from `seed`.
    pub fn new(network: Network, seed: u64) -> Self {
        Self {
            nodes: Vec::new(),
            network,
            random: Random::from_number(seed),
            now: Instant::ZERO,
            owners: BTreeMap::new(),
            on_the_way: BTreeMap::new(),
            timeouts: BTreeSet::new(),
            ready: VecDeque::new(),
            sequence: 0,
            next_port: FIRST_PORT,
            trace: 0,
            buffer: vec![0; LARGEST_DATAGRAM],
        }
    }

    /// Adds a machine with this many sockets. `make` gets the world's randomness and the time.
    pub fn add(&mut self, sockets: u8, make: impl FnOnce(&mut Random, Instant) -> N) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        let machine = make(&mut self.random, self.now);
        let mut node = Node { machine, addresses: Vec::new(), timeout: None, ready: false };
        for socket in 0..sockets {
            let address = self.free_address(id);
            self.owners.insert(address, (id, Socket(socket)));
            node.addresses.push(address);
        }
        self.nodes.push(node);
        self.wake(id);
        id
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node's machine. Use [`World::with`] to change it.
    pub fn node(&self, id: NodeId) -> &N {
        &self.nodes[id.0 as usize].machine
    }

    /// The address that others see for a node's socket now.
    pub fn address(&self, id: NodeId, socket: Socket) -> SocketAddr {
        self.nodes[id.0 as usize].addresses[usize::from(socket.0)]
    }

    /// The network, to change its quality or partitions.
    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// A number that differs as soon as the time, way or content of one datagram that arrived does.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// Gives commands to a node's machine.
    pub fn with<R>(&mut self, id: NodeId, command: impl FnOnce(&mut N, Instant) -> R) -> R {
        let result = command(&mut self.nodes[id.0 as usize].machine, self.now);
        self.wake(id);
        self.transmit_all(id);
        result
    }

    /// Moves all sockets of a node to new ports, as a NAT does that has forgotten them. What is on the way
    /// to the old ports is lost.
    pub fn rebind(&mut self, id: NodeId) {
        for socket in 0..self.nodes[id.0 as usize].addresses.len() {
            let address = self.free_address(id);
            let old = core::mem::replace(&mut self.nodes[id.0 as usize].addresses[socket], address);
            self.owners.remove(&old);
            self.owners.insert(address, (id, Socket(socket as u8)));
        }
    }

    /// Lets time pass until a machine has an event, but not past `until`. `None`: it is `until` now.
    pub fn next_event(&mut self, until: Instant) -> Option<(NodeId, N::Event)> {
        loop {
            if let Some(event) = self.poll_ready() {
                return Some(event);
            }
            let arrival = self.on_the_way.first_key_value().map(|(key, _)| key.0);
            let timeout = self.timeouts.first().map(|(at, _)| *at);
            let next = [arrival, timeout].into_iter().flatten().min().filter(|next| *next <= until);
            let Some(next) = next else {
                self.now = self.now.max(until);
                return None;
            };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                self.deliver();
            } else {
                self.fire();
            }
        }
    }

    fn free_address(&mut self, id: NodeId) -> SocketAddr {
        // One IPv4 address a node, in 10.0.0.0/8, so that a trace can be read by eye.
        let [_, high, middle, low] = id.0.to_be_bytes();
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        SocketAddr::from((Ipv4Addr::new(10, high, middle, low), port))
    }

    fn wake(&mut self, id: NodeId) {
        let node = &mut self.nodes[id.0 as usize];
        if !core::mem::replace(&mut node.ready, true) {
            self.ready.push_back(id);
        }
    }

    /// Polls the nodes that were touched, in the order they were touched.
    fn poll_ready(&mut self) -> Option<(NodeId, N::Event)> {
        while let Some(id) = self.ready.front().copied() {
            self.transmit_all(id);
            let node = &mut self.nodes[id.0 as usize];
            if let Some(event) = node.machine.poll_event() {
                return Some((id, event));
            }
            node.ready = false;
            self.ready.pop_front();
            self.schedule(id);
        }
        None
    }

    fn schedule(&mut self, id: NodeId) {
        let node = &mut self.nodes[id.0 as usize];
        let timeout = node.machine.poll_timeout().map(|(at, _)| at);
        if timeout != node.timeout {
            if let Some(old) = node.timeout {
                self.timeouts.remove(&(old, id));
            }
            if let Some(at) = timeout {
                self.timeouts.insert((at, id));
            }
            node.timeout = timeout;
        }
    }

    fn transmit_all(&mut self, id: NodeId) {
        let mut buffer = core::mem::take(&mut self.buffer);
        while let Some((path, length)) = self.nodes[id.0 as usize].machine.poll_transmit(&mut buffer) {
            let from = self.address(id, path.socket);
            self.send(id, from, path.remote, &buffer[..length]);
        }
        self.buffer = buffer;
    }

    fn send(&mut self, node: NodeId, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Some((receiver, _)) = self.owners.get(&to).copied() else {
            self.network.traffic.sent += 1;
            self.network.traffic.unreachable += 1;
            return;
        };
        let fate = self.network.fate(node, receiver, self.now, &mut self.random);
        for at in fate.into_iter().flatten() {
            self.sequence += 1;
            let datagram = Datagram { from, to, bytes: bytes.to_vec() };
            self.on_the_way.insert((at, self.sequence), datagram);
        }
    }

    fn deliver(&mut self) {
        let Some((_, datagram)) = self.on_the_way.pop_first() else { return };
        let Some((id, socket)) = self.owners.get(&datagram.to).copied() else {
            self.network.traffic.unreachable += 1;
            return;
        };
        self.network.traffic.delivered += 1;
        self.trace_datagram(&datagram);
        let path = Path { socket, remote: datagram.from };
        self.nodes[id.0 as usize].machine.handle_input(path, &datagram.bytes, self.now);
        self.wake(id);
    }

    fn fire(&mut self) {
        let Some((_, id)) = self.timeouts.pop_first() else { return };
        let node = &mut self.nodes[id.0 as usize];
        node.timeout = None;
        node.machine.handle_timeout(self.now);
        self.wake(id);
    }

    /// FNV-1a over time, way and content.
    fn trace_datagram(&mut self, datagram: &Datagram) {
        let time = self.now.as_micros().to_be_bytes();
        let ports = [datagram.from.port().to_be_bytes(), datagram.to.port().to_be_bytes()].concat();
        for byte in time.iter().chain(&ports).chain(&datagram.bytes) {
            self.trace = (self.trace ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::super::{Quality, Traffic};
    use super::*;

    #[test]
    fn loss_takes_its_share_and_nothing_else() {
        let traffic = exchange(Quality { loss: 0.2, ..Quality::PERFECT }, 3).1;
        assert!((150..250).contains(&traffic.lost), "{traffic:?}");
        assert_eq!(traffic.delivered, traffic.sent - traffic.lost);
    }

    #[test]
    fn delays_let_datagrams_overtake_each_other() {
        let (arrived, _) = exchange(Quality { reordering: 0.2, ..Quality::narrow_band(0.0) }, 3);
        assert!(!arrived.is_sorted());
        let (arrived, _) = exchange(Quality::PERFECT, 3);
        assert!(arrived.is_sorted());
    }

    #[test]
    fn duplicates_arrive_twice() {
        let (arrived, traffic) = exchange(Quality { duplication: 1.0, ..Quality::PERFECT }, 3);
        assert_eq!(arrived.len(), 2_000);
        assert_eq!(traffic.duplicated, 1_000);
    }

    #[test]
    fn same_seed_gives_same_trace() {
        let quality = Quality::narrow_band(0.3);
        assert_eq!(run(quality, 5).trace(), run(quality, 5).trace());
        assert_ne!(run(quality, 5).trace(), run(quality, 6).trace());
    }

    #[test]
    fn a_partition_stops_everything_until_it_heals() {
        let mut world = run(Quality::PERFECT, 1);
        world.network().isolate(NodeId(1), true);
        world.with(NodeId(0), |counter, _| counter.left = 10);
        while world.next_event(Instant::from_secs(10)).is_some() {}
        assert_eq!(world.network().traffic().cut, 10);
        world.network().isolate(NodeId(1), false);
        world.with(NodeId(0), |counter, _| counter.left = 10);
        while world.next_event(Instant::from_secs(70)).is_some() {}
        assert_eq!(world.node(NodeId(1)).arrived.len(), 1_010);
    }

    #[test]
    fn a_rebound_node_is_gone_from_its_old_address() {
        let mut world = run(Quality::PERFECT, 1);
        let old = world.address(NodeId(1), Socket(0));
        world.rebind(NodeId(1));
        assert_ne!(world.address(NodeId(1), Socket(0)), old);
        world.with(NodeId(0), |counter, _| counter.left = 10);
        while world.next_event(Instant::from_secs(10)).is_some() {}
        assert_eq!(world.network().traffic().unreachable, 10);
    }

    #[test]
    fn time_stops_at_the_given_moment() {
        let mut world = run(Quality::PERFECT, 1);
        let later = world.now() + Duration::from_secs(7);
        assert!(world.next_event(later).is_none());
        assert_eq!(world.now(), later);
    }

    /// Sends its numbers downwards; notes what arrives.
    struct Counter {
        to: Option<SocketAddr>,
        left: u32,
        arrived: Vec<core::cmp::Reverse<u32>>,
    }

    impl Machine for Counter {
        type Peer = Path;
        type Event = ();

        fn handle_input(&mut self, _: Path, bytes: &[u8], _: Instant) {
            let number = u32::from_be_bytes(bytes.try_into().unwrap());
            self.arrived.push(core::cmp::Reverse(number));
        }

        fn handle_timeout(&mut self, _: Instant) {}

        fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Path, usize)> {
            let remote = self.to?;
            buffer[..4].copy_from_slice(&self.left.to_be_bytes());
            self.left = self.left.checked_sub(1)?;
            Some((Path { socket: Socket(0), remote }, 4))
        }

        fn poll_event(&mut self) -> Option<()> {
            None
        }

        fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
            None
        }
    }

    fn run(quality: Quality, seed: u64) -> World<Counter> {
        let mut world = World::new(Network::new(quality), seed);
        let sender = world.add(1, |_, _| Counter { to: None, left: 1_000, arrived: Vec::new() });
        let receiver = world.add(1, |_, _| Counter { to: None, left: 0, arrived: Vec::new() });
        let address = world.address(receiver, Socket(0));
        world.with(sender, |counter, _| counter.to = Some(address));
        while world.next_event(Instant::from_secs(60)).is_some() {}
        world
    }

    fn exchange(quality: Quality, seed: u64) -> (Vec<core::cmp::Reverse<u32>>, Traffic) {
        let mut world = run(quality, seed);
        let traffic = world.network().traffic();
        (world.node(NodeId(1)).arrived.clone(), traffic)
    }
}

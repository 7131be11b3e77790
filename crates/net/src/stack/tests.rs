use std::collections::VecDeque;
use std::time::Duration;

use machine::simulation::{Network, NodeId, Quality, World};
use zeroize::Zeroizing;

use super::*;
use crate::NoKeys;

/// Answers every message that does not begin with `!` by the same with `!` in front, and tells everything.
#[derive(Default)]
struct Talker {
    out: VecDeque<(Link, Vec<u8>)>,
    wishes: VecDeque<SessionCommand>,
    heard: VecDeque<Heard>,
    links: Vec<Link>,
}

#[derive(PartialEq, Eq, Debug, Clone)]
enum Heard {
    Up(Vec<u8>, Option<OpenRequest>),
    Moved(SocketAddr),
    Down(SessionEnd),
    Failed(OpenRequest, SessionEnd),
    Message { secured: bool, bytes: Vec<u8> },
}

impl Machine for Talker {
    type Peer = Link;
    type Event = Heard;

    fn handle_input(&mut self, from: Link, bytes: &[u8], _now: Instant) {
        self.heard.push_back(Heard::Message { secured: from.is_secured(), bytes: bytes.to_vec() });
        if !bytes.starts_with(b"!") {
            self.out.push_back((from, [b"!", bytes].concat()));
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Link, usize)> {
        let (to, bytes) = self.out.pop_front()?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Some((to, bytes.len()))
    }

    fn poll_event(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        None
    }
}

impl SessionMachine for Talker {
    fn handle_session(&mut self, event: SessionEvent<'_>, _now: Instant) {
        self.heard.push_back(match event {
            SessionEvent::Up { link, identity, request, .. } => {
                self.links.push(link);
                Heard::Up(identity.to_vec(), request)
            }
            SessionEvent::Moved { remote, .. } => Heard::Moved(remote),
            SessionEvent::Down { end, .. } => Heard::Down(end),
            SessionEvent::Failed { request, end } => Heard::Failed(request, end),
        });
    }

    fn poll_session(&mut self) -> Option<SessionCommand> {
        self.wishes.pop_front()
    }
}

struct OneKey;

impl KeySource for OneKey {
    fn key(&self, identity: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        (identity == b"module").then(|| Zeroizing::new(b"sixteen byte key".to_vec()))
    }
}

type Nodes = World<Stack<Talker>>;

const OPEN: Socket = Socket(0);
const SECURED: Socket = Socket(1);

fn world(quality: Quality) -> (Nodes, NodeId, NodeId) {
    let mut world = World::new(Network::new(quality), 7);
    let mut add = |keys: Arc<dyn KeySource>, kinds: &[SocketKind]| {
        world.add(kinds.len() as u8, |random, _| {
            Stack::new(Talker::default(), kinds.to_vec(), dtls::Config::default(), keys, random.seed())
        })
    };
    let server = add(Arc::new(OneKey), &[SocketKind::Open, SocketKind::Secured]);
    let client = add(Arc::new(NoKeys), &[SocketKind::Open, SocketKind::Secured, SocketKind::Secured]);
    (world, server, client)
}

fn call(world: &mut Nodes, server: NodeId, client: NodeId, request: u32, key: &[u8]) {
    let remote = world.address(server, SECURED);
    let credential = Credential { identity: b"module".to_vec(), key: key.to_vec() };
    let open = SessionCommand::Open { request: OpenRequest(request), remote, credential };
    world.with(client, |stack, _| stack.inner_mut().wishes.push_back(open));
}

/// What each node has heard until nothing more happens within `wait`.
fn listen(world: &mut Nodes, wait: Duration) -> Vec<(NodeId, Heard)> {
    let until = world.now() + wait;
    std::iter::from_fn(|| world.next_event(until)).collect()
}

fn of(node: NodeId, heard: &[(NodeId, Heard)]) -> Vec<Heard> {
    heard.iter().filter(|(id, _)| *id == node).map(|(_, what)| what.clone()).collect()
}

fn message(secured: bool, bytes: &[u8]) -> Heard {
    Heard::Message { secured, bytes: bytes.to_vec() }
}

#[test]
fn open_sockets_carry_the_machine_as_it_is() {
    let (mut world, server, client) = world(Quality::PERFECT);
    let remote = world.address(server, OPEN);
    let path = Path { socket: OPEN, remote };
    world.with(client, |stack, _| stack.inner_mut().out.push_back((Link::Open(path), b"hi".to_vec())));
    let heard = listen(&mut world, Duration::from_secs(1));
    assert_eq!(heard, [(server, message(false, b"hi")), (client, message(false, b"!hi"))]);
}

#[test]
fn nothing_leaves_a_secured_socket_in_clear() {
    let (mut world, server, client) = world(Quality::PERFECT);
    let remote = world.address(server, OPEN);
    let path = Path { socket: SECURED, remote };
    world.with(client, |stack, _| stack.inner_mut().out.push_back((Link::Open(path), b"secret".to_vec())));
    assert_eq!(listen(&mut world, Duration::from_secs(1)), []);
    assert_eq!(world.node(client).unsealed(), 1);
}

#[test]
fn a_datagram_for_a_session_that_does_not_exist_is_dropped() {
    let (mut world, _, client) = world(Quality::PERFECT);
    let nowhere = Link::Secured(SessionId(u64::MAX));
    world.with(client, |stack, _| stack.inner_mut().out.push_back((nowhere, b"lost".to_vec())));
    assert_eq!(listen(&mut world, Duration::from_secs(1)), []);
    assert_eq!(world.node(client).unsealed(), 1);
}

#[test]
fn a_machine_without_a_secured_socket_is_told_that_it_cannot_call() {
    let mut world: Nodes = World::new(Network::new(Quality::PERFECT), 1);
    let make = |random: &mut Random, _| {
        let kinds = vec![SocketKind::Open];
        Stack::new(Talker::default(), kinds, dtls::Config::default(), Arc::new(NoKeys), random.seed())
    };
    let node = world.add(1, make);
    let credential = Credential { identity: b"x".to_vec(), key: b"y".to_vec() };
    let remote = world.address(node, OPEN);
    let open = SessionCommand::Open { request: OpenRequest(3), remote, credential };
    world.with(node, |stack, _| stack.inner_mut().wishes.push_back(open));
    let failed = Heard::Failed(OpenRequest(3), SessionEnd::ClosedHere);
    assert_eq!(listen(&mut world, Duration::from_secs(1)), [(node, failed)]);
}

#[test]
fn session_numbers_of_different_sockets_never_meet() {
    let session = SessionId(0x00ab_cdef_0123_4567);
    for socket in [Socket(0), Socket(1), Socket(255)] {
        assert_eq!(local(global(socket, session)), (socket, session));
    }
    assert_ne!(global(Socket(0), session), global(Socket(1), session));
}

fn sessions_work(quality: Quality) {
    let (mut world, server, client) = world(quality);
    call(&mut world, server, client, 9, b"sixteen byte key");
    let heard = listen(&mut world, Duration::from_secs(120));
    assert_eq!(of(client, &heard), [Heard::Up(b"module".to_vec(), Some(OpenRequest(9)))]);
    assert_eq!(of(server, &heard), [Heard::Up(b"module".to_vec(), None)]);

    let link = world.node(client).inner().links[0];
    for number in 0..50_u8 {
        world.with(client, |stack, _| stack.inner_mut().out.push_back((link, vec![number; 100])));
    }
    let heard = listen(&mut world, Duration::from_secs(120));
    let arrived = of(server, &heard);
    assert!(arrived.iter().all(|item| matches!(item, Heard::Message { secured: true, .. })));
    assert!(!arrived.is_empty() && (quality.loss > 0.0 || arrived.len() == 50));

    world.with(client, |stack, _| stack.inner_mut().wishes.push_back(SessionCommand::Close(link)));
    let heard = listen(&mut world, Duration::from_secs(10));
    assert_eq!(of(client, &heard), [Heard::Down(SessionEnd::ClosedHere)]);
}

#[test]
fn a_session_carries_messages_both_ways_and_ends() {
    sessions_work(Quality::PERFECT);
}

#[test]
fn a_session_comes_up_through_losses() {
    sessions_work(Quality { loss: 0.2, ..Quality::PERFECT });
}

#[test]
fn a_wrong_key_is_a_failed_request_and_no_session() {
    let (mut world, server, client) = world(Quality::PERFECT);
    call(&mut world, server, client, 1, b"another byte key");
    let heard = listen(&mut world, Duration::from_secs(300));
    assert!(matches!(of(client, &heard)[..], [Heard::Failed(OpenRequest(1), _)]), "{heard:?}");
    assert_eq!(of(server, &heard), []);
}

/// A device that downloads on a session of its own keeps the one of its registration (PULL by coaps).
#[test]
fn a_second_session_to_the_same_server_takes_another_socket() {
    let (mut world, server, client) = world(Quality::PERFECT);
    for request in [1, 2] {
        call(&mut world, server, client, request, b"sixteen byte key");
    }
    let heard = listen(&mut world, Duration::from_secs(60));
    assert_eq!(of(client, &heard).len(), 2, "{heard:?}");
    assert_eq!(of(server, &heard).len(), 2, "{heard:?}");
    for link in world.node(client).inner().links.clone() {
        world.with(client, |stack, _| stack.inner_mut().out.push_back((link, b"ping".to_vec())));
    }
    let heard = listen(&mut world, Duration::from_secs(10));
    assert_eq!(of(client, &heard), [message(true, b"!ping"), message(true, b"!ping")]);
}

#[test]
fn d31_a_saved_session_goes_on_after_a_restart_without_a_handshake() {
    let (mut world, server, client) = world(Quality::PERFECT);
    call(&mut world, server, client, 1, b"sixteen byte key");
    listen(&mut world, Duration::from_secs(10));
    let link = world.node(server).inner().links[0];
    let saved = world.node(server).save_session(link).unwrap();
    let kinds = vec![SocketKind::Open, SocketKind::Secured];
    let fresh = Stack::new(Talker::default(), kinds, dtls::Config::default(), Arc::new(OneKey), [9; 32]);
    let starts = std::num::NonZeroU32::MIN;
    world.with(server, |stack, now| {
        *stack = fresh;
        assert_eq!(stack.restore_session(link, &saved, starts, now), Ok(link));
        assert!(matches!(stack.restore_session(link, &saved, starts, now), Err(RestoreError::Endpoint(_))));
        assert!(matches!(stack.restore_session(link, b"", starts, now), Err(RestoreError::Bytes(_))));
        let elsewhere = Link::Open(Path { socket: OPEN, remote: "192.0.2.1:1".parse().unwrap() });
        assert_eq!(stack.restore_session(elsewhere, &saved, starts, now), Err(RestoreError::NoSocket));
    });
    let of_client = world.node(client).inner().links[0];
    world.with(client, |stack, _| stack.inner_mut().out.push_back((of_client, b"ping".to_vec())));
    let heard = listen(&mut world, Duration::from_secs(10));
    assert_eq!(of(client, &heard), [message(true, b"!ping")]);
    assert_eq!(of(server, &heard), [Heard::Up(b"module".to_vec(), None), message(true, b"ping")]);
}

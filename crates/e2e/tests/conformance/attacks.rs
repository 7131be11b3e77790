//! SECURITY rules n01 to n09 on the whole server: strangers throw datagrams at it while a device is served.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use coap::{Code, Encoder, Kind, Message, MessageId, OptionNumber, Token};
use lwm2m::server::{Event, Refusal, Server};
use machine::{Credential, Instant, Link, Machine, Path, Random, Socket};
use net::{SocketKind, Stack};

use crate::system::{ENDPOINT, KEY, OneDevice, System};
use crate::vectors::table::vectors;

const SECURED: Socket = Socket(0);
const OPEN: Socket = Socket(1);

/// The server with both kinds of sockets, and what it sent to whom.
struct Site {
    stack: Stack<Server>,
    now: Instant,
    sent: BTreeMap<Path, Vec<Vec<u8>>>,
    /// Bytes from and to each address.
    traffic: BTreeMap<Path, (usize, usize)>,
    told: Vec<Event>,
}

impl Site {
    fn new() -> Self {
        let server = Server::new(lwm2m::server::Config::default(), Arc::new(OneDevice), [1; 32]);
        let kinds = vec![SocketKind::Secured, SocketKind::Open];
        let stack = Stack::new(server, kinds, dtls::Config::default(), Arc::new(OneDevice), [2; 32]);
        let now = Instant::ZERO;
        Self { stack, now, sent: BTreeMap::new(), traffic: BTreeMap::new(), told: Vec::new() }
    }

    /// Throws a datagram at the server; gives what comes back at once.
    fn throw(&mut self, from: Path, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.traffic.entry(from).or_default().0 += bytes.len();
        self.stack.handle_input(from, bytes, self.now);
        self.gather();
        self.sent.remove(&from).unwrap_or_default()
    }

    fn gather(&mut self) {
        let mut buffer = [0; 2_048];
        loop {
            let told = self.told.len();
            self.told.extend(std::iter::from_fn(|| self.stack.poll_event()));
            while let Some((to, length)) = self.stack.poll_transmit(&mut buffer) {
                self.traffic.entry(to).or_default().1 += length;
                self.sent.entry(to).or_default().push(buffer[..length].to_vec());
            }
            if told == self.told.len() {
                return;
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.stack.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.stack.handle_timeout(self.now);
            self.gather();
        }
        self.now = end;
        self.gather();
    }

    fn statistics(&self) -> dtls::Statistics {
        self.stack.dtls_statistics(SECURED).expect("the socket is secured")
    }

    /// Carries a handshake of this client as far as it goes; gives its datagrams.
    fn handshake(&mut self, client: &mut dtls::Endpoint, from: Path) -> Vec<Vec<u8>> {
        let credential = Credential { identity: ENDPOINT.into(), key: KEY.into() };
        client.connect(server_address(), credential, self.now);
        let (mut said, mut buffer) = (Vec::new(), [0; 2_048]);
        while let Some((_, length)) = client.poll_transmit(&mut buffer) {
            said.push(buffer[..length].to_vec());
            for answer in self.throw(from, &buffer[..length]) {
                client.handle_input(server_address(), &answer, self.now);
            }
        }
        said
    }
}

fn server_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5_684))
}

fn somebody(socket: Socket, number: u32) -> Path {
    let address = Ipv4Addr::from_bits(0x0A00_0000 + number);
    Path { socket, remote: SocketAddr::from((address, 40_000)) }
}

fn client(seed: u8) -> dtls::Endpoint {
    dtls::Endpoint::new(dtls::Config::default(), [seed; 32])
}

/// The first ClientHello of a client that has no cookie.
fn hello(seed: u8) -> Vec<u8> {
    let mut client = client(seed);
    let credential = Credential { identity: ENDPOINT.into(), key: KEY.into() };
    client.connect(server_address(), credential, Instant::ZERO);
    let mut buffer = [0; 2_048];
    let (_, length) = client.poll_transmit(&mut buffer).expect("it says hello");
    buffer[..length].to_vec()
}

/// Whether this asks for a cookie and nothing else.
fn asks_for_cookie(answers: &[Vec<u8>]) -> bool {
    matches!(answers, [answer] if answer[0] == 22 && answer[13] == 3)
}

#[test]
fn n01_every_first_contact_is_asked_for_a_cookie_that_is_good_for_its_address_and_two_minutes() {
    let mut site = Site::new();
    let device = somebody(SECURED, 1);
    let mut known = client(1);
    let said = site.handshake(&mut known, device);
    assert_eq!(site.statistics().handshakes, 1);
    let [first, with_cookie, ..] = &said[..] else { panic!("two hellos") };
    assert!(asks_for_cookie(&site.throw(somebody(SECURED, 2), first)));
    assert!(asks_for_cookie(&site.throw(somebody(SECURED, 2), with_cookie)), "another address");
    site.pass(Duration::from_secs(121));
    assert!(asks_for_cookie(&site.throw(device, with_cookie)), "too old");
    // A session to be resumed does not do in its place (CVE-2022-2576).
    let resuming = site.handshake(&mut known, device);
    assert_eq!((resuming.len(), site.statistics().handshakes), (3, 2), "two hellos and a Finished");
    assert!(asks_for_cookie(&site.throw(somebody(SECURED, 3), &resuming[0])));
    assert!(asks_for_cookie(&site.throw(somebody(SECURED, 3), &resuming[1])));
}

#[test]
fn n02_nobody_unproved_gets_more_than_three_times_what_he_sent_nor_more_than_that_by_dtls() {
    let mut site = Site::new();
    let mut number = 0;
    let mut throw = |site: &mut Site, socket, bytes: &[u8]| {
        number += 1;
        site.throw(somebody(socket, number), bytes);
    };
    let mut random = Random::from_number(3);
    for vector in vectors() {
        for datagram in &vector.datagrams {
            for round in 0..20 {
                let mut datagram = datagram.clone();
                if round > 0 && !datagram.is_empty() {
                    let at = random.below(datagram.len() as u64) as usize;
                    datagram[at] = random.u32() as u8;
                }
                throw(&mut site, OPEN, &datagram);
                throw(&mut site, SECURED, &datagram);
            }
        }
    }
    for seed in 0..20 {
        let hello = hello(seed);
        for at in 0..hello.len() {
            let mut hello = hello.clone();
            hello[at] ^= 1 << random.below(8);
            throw(&mut site, SECURED, &hello);
        }
    }
    site.pass(Duration::from_secs(600));
    let mut answered = 0;
    for (path, (received, sent)) in &site.traffic {
        let most = if path.socket == OPEN { 3 * received } else { *received };
        assert!(*sent <= most, "{path:?}: {sent} bytes for {received}");
        answered += usize::from(*sent > 0);
    }
    assert!(answered > 1_000, "{answered}");
}

/// A request in clear, with this token.
fn request(code: Code, path: &[&str], query: &[&str]) -> Vec<u8> {
    let mut bytes = [0; 256];
    let token = Token::new(&[1, 2]).expect("two bytes are a token");
    let mut encoder = Encoder::new(&mut bytes, Kind::Confirmable, code, MessageId(7), token);
    for segment in path {
        encoder.option(OptionNumber::URI_PATH, segment.as_bytes());
    }
    for part in query {
        encoder.option(OptionNumber::URI_QUERY, part.as_bytes());
    }
    let length = encoder.finish().expect("there is room");
    bytes[..length].to_vec()
}

#[test]
fn n03_who_must_use_dtls_gets_nothing_without() {
    let query = [format!("ep={ENDPOINT}"), "lwm2m=1.1".into(), "lt=300".into()];
    let query: Vec<&str> = query.iter().map(String::as_str).collect();
    let register = request(Code::POST, &["rd"], &query);
    let cases = [
        (register.clone(), Code::BAD_REQUEST),
        (request(Code::POST, &["rd", "AAAAAAAAAAAA"], &[]), Code::NOT_FOUND),
        (request(Code::GET, &[".well-known", "core"], &[]), Code::NOT_FOUND),
        (request(Code::GET, &["fw", "0123456789abcdef0123456789abcdef"], &[]), Code::NOT_FOUND),
        (request(Code::POST, &["dp"], &[]), Code::NOT_FOUND),
    ];
    let mut site = Site::new();
    for (number, (bytes, code)) in (0..).zip(&cases) {
        let answers = site.throw(somebody(OPEN, number), bytes);
        let [answer] = &answers[..] else { panic!("one answer, not {answers:?}") };
        assert_eq!(Message::parse(answer).expect("it is CoAP").code(), *code);
        assert!(
            site.throw(somebody(SECURED, number), bytes).is_empty(),
            "no CoAP in clear on a secured port"
        );
    }
    let refusals: Vec<_> = site.told.iter().collect();
    assert!(
        matches!(refusals[..], [Event::Refused { refusal: Refusal::SecurityRequired, .. }]),
        "{refusals:?}"
    );
}

/// Lets strangers throw at the server while the module of a system registers; gives when it had.
fn registered_under(mut attack: impl FnMut(&mut Stack<Server>, u32, Instant)) -> (Instant, System) {
    let mut system = System::new();
    for round in 0..20 {
        system.world.with(system.server, |node, now| {
            let stack = node.other_mut().expect("the first node is the server");
            attack(stack, round, now);
        });
        system.pass(Duration::from_millis(100));
    }
    if system.told.is_empty() {
        system.wait_for_registration();
    }
    (system.told[0].0, system)
}

fn discard(stack: &mut Stack<Server>) {
    let mut buffer = [0; 2_048];
    while stack.poll_transmit(&mut buffer).is_some() {}
}

#[test]
fn n04_a_flood_of_hellos_does_not_keep_a_device_out() {
    let (undisturbed, _) = registered_under(|_, _, _| {});
    let spoofed = hello(9);
    let (at, system) = registered_under(|stack, round, now| {
        for number in 0..5_000 {
            stack.handle_input(somebody(SECURED, 5_000 * round + number), &spoofed, now);
            discard(stack);
        }
        let single = SocketAddr::from(([203, 0, 113, 9], 1));
        for _ in 0..1_000 {
            stack.handle_input(Path { socket: SECURED, remote: single }, &spoofed, now);
            discard(stack);
        }
    });
    assert!(at <= undisturbed + Duration::from_secs(2), "{at:?} instead of {undisturbed:?}");
    let server = system.world.node(system.server).other().expect("the first node is the server");
    let statistics = server.dtls_statistics(SECURED).expect("the socket is secured");
    // 50 at once and 20 a second of the single source.
    assert!(statistics.dropped.limited >= 19_000, "{statistics:?}");
    assert!(statistics.cookies >= 90_000 && statistics.handshakes == 1, "{statistics:?}");
}

/// A client that calls from somewhere with an identity and a key.
fn calling(seed: u8, from: Path, identity: &str, key: &str, now: Instant) -> (dtls::Endpoint, Path) {
    let mut client = client(seed);
    client.connect(server_address(), Credential { identity: identity.into(), key: key.into() }, now);
    (client, from)
}

/// Lets clients and server speak for a time; gives when the server said what, without the bytes themselves.
fn converse(
    site: &mut Site,
    clients: &mut [(dtls::Endpoint, Path)],
    time: Duration,
) -> Vec<(Instant, usize, u8)> {
    let (end, mut seen, mut buffer) = (site.now + time, Vec::new(), [0; 2_048]);
    while site.now < end {
        for (client, from) in clients.iter_mut() {
            loop {
                for answer in site.sent.remove(from).unwrap_or_default() {
                    seen.push((site.now, answer.len(), answer[0]));
                    client.handle_input(server_address(), &answer, site.now);
                }
                let Some((_, length)) = client.poll_transmit(&mut buffer) else { break };
                let answers = site.throw(*from, &buffer[..length]);
                site.sent.insert(*from, answers);
            }
        }
        site.pass(Duration::from_millis(250));
        clients.iter_mut().for_each(|(client, _)| client.handle_timeout(site.now));
    }
    seen
}

#[test]
fn n05_wrong_keys_elsewhere_do_not_slow_the_device_and_here_only_for_a_while() {
    let mut site = Site::new();
    let at_port = |number, port| {
        let mut path = somebody(SECURED, number);
        path.remote.set_port(port);
        path
    };
    let wrong = |port| calling(port as u8, at_port(1, port), ENDPOINT, "0123456789abcdef", Instant::ZERO);
    let mut attackers: Vec<_> = (1..=8).map(wrong).collect();
    converse(&mut site, &mut attackers, Duration::from_secs(100));
    assert!(site.statistics().failures.wrong_key >= 5, "{:?}", site.statistics().failures);
    let slow = calling(9, at_port(1, 9), ENDPOINT, "0123456789abcdef", site.now);
    converse(&mut site, &mut [slow], Duration::from_secs(5));
    // The device is elsewhere.
    let device = calling(30, at_port(2, 1), ENDPOINT, KEY, site.now);
    converse(&mut site, &mut [device], Duration::from_secs(1));
    assert_eq!(site.statistics().handshakes, 1);
    // Behind the same address it waits, but is never locked out.
    let device = calling(31, at_port(1, 10), ENDPOINT, KEY, site.now);
    converse(&mut site, &mut [device], Duration::from_secs(93));
    let device = calling(32, at_port(1, 11), ENDPOINT, KEY, site.now);
    converse(&mut site, &mut [device], Duration::from_secs(93));
    assert!(site.statistics().handshakes >= 2);
}

/// What an attacker sees in a handshake under this identity with a key that is not right.
fn seen(identity: &str) -> Vec<(Instant, usize, u8)> {
    let mut site = Site::new();
    let client = calling(4, somebody(SECURED, 1), identity, "0123456789abcdef", site.now);
    let seen = converse(&mut site, &mut [client], Duration::from_secs(400));
    assert_eq!(site.statistics().handshakes, 0);
    seen
}

#[test]
fn n07_an_unknown_identity_and_a_wrong_key_look_alike() {
    let wrong_key = seen(ENDPOINT);
    assert!(wrong_key.len() >= 3);
    assert_eq!(seen("urn:imei:015770000031767"), wrong_key);
}

/// Tokens, message ids and locations cannot be foreseen: those of one server say nothing of another's, and none
/// comes twice.
#[test]
fn n09_what_the_server_numbers_is_random() {
    let mut locations = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let config = lwm2m::server::Config { register_interval: Duration::ZERO, ..Default::default() };
        let mut server = Server::new(config, Arc::new(OneDevice), [seed; 32]);
        let link = Link::Secured(machine::SessionId(1));
        let up = machine::SessionEvent::Up {
            link,
            identity: ENDPOINT.as_bytes(),
            remote: server_address(),
            request: None,
            resumed: false,
        };
        machine::SessionMachine::handle_session(&mut server, up, Instant::ZERO);
        for number in 0..20 {
            let query = ["lwm2m=1.1", "lt=300"];
            let mut register = request(Code::POST, &["rd"], &query);
            register[2..4].copy_from_slice(&[9, number]);
            server.handle_input(link, &register, Instant::ZERO);
            let location = server.registration(ENDPOINT).expect("it is registered").location;
            // Base 64 of the shard and 64 random bits.
            assert_eq!(location.len(), 12);
            assert!(locations.insert(location), "one location twice");
        }
    }
}

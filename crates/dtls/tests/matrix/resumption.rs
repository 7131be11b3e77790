//! D03, D24: sessions that go on with fewer messages.

use core::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dtls::{
    Config, CookieKeys, Endpoint, Event, ResumableSession, ResumptionId, ResumptionTable, SessionCache,
    Suite, TicketKeys,
};
use machine::{Machine, SessionId};

use crate::pair::{Flight, Hello, KEY, Packet, Pair, answer, client_address, split};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn by_id() -> Config {
    Config { issue_tickets: false, ..Config::default() }
}

fn by_ticket() -> Config {
    Config::default()
}

/// Calls, settles and says whether the session was resumed on both sides.
fn call(pair: &mut Pair) -> (SessionId, bool) {
    pair.client_events.clear();
    pair.server_events.clear();
    let call = pair.call();
    assert!(pair.run_with(Duration::from_secs(90), |packet| vec![packet.clone()]));
    assert_eq!(pair.client_session(), Some(call));
    (call, is_resumed(pair))
}

fn is_resumed(pair: &Pair) -> bool {
    let resumed = |events: &[Event]| {
        events.iter().rev().find_map(|event| match event {
            Event::Up { resumed, identity, .. } => Some((*resumed, identity.clone())),
            _ => None,
        })
    };
    assert_eq!(resumed(&pair.client_events), resumed(&pair.server_events));
    resumed(&pair.client_events).unwrap().0
}

#[test]
fn d24_session_is_resumed_by_id_and_by_ticket() {
    for suite in Suite::ALL {
        for config in [by_id(), by_ticket()] {
            let server = Config { suites: vec![suite], ..config };
            let mut pair = Pair::with(Config::default(), server);
            for number in 0..5 {
                let (ours, resumed) = call(&mut pair);
                assert_eq!(resumed, number > 0, "{suite:?} call {number}");
                let theirs = pair.server_session().unwrap();
                assert!(pair.reaches_server(ours, b"ping") && pair.reaches_client(theirs, b"pong"));
            }
            assert_eq!(pair.server.statistics().resumptions, 4);
            assert_eq!(pair.server.session_count(), 1, "each replaces the one before");
        }
    }
}

#[test]
fn d24_resumption_from_a_new_port_works_with_and_without_connection_ids() {
    for server in [by_id(), by_ticket(), crate::connection_ids::with_ids(Suite::PskAes128Ccm8)] {
        let mut pair = Pair::with(Config::default(), server);
        call(&mut pair);
        let elsewhere: SocketAddr = "198.51.100.7:9".parse().unwrap();
        let again = pair.call();
        let mut buffer = [0; 2_048];
        let mut up = None;
        for _ in 0..4 {
            while let Some((_, length)) = pair.client.poll_transmit(&mut buffer) {
                pair.server.handle_input(elsewhere, &buffer[..length], pair.now);
            }
            while let Some(event) = pair.server.poll_event() {
                match event {
                    Event::KeyWanted { handshake, .. } => {
                        pair.server.provide_key(handshake, Some(KEY), pair.now)
                    }
                    Event::Up { session, resumed, remote, .. } => up = Some((session, resumed, remote)),
                    _ => {}
                }
            }
            while let Some((to, length)) = pair.server.poll_transmit(&mut buffer) {
                assert_eq!(to, elsewhere);
                pair.client.handle_input(crate::pair::server_address(), &buffer[..length], pair.now);
            }
        }
        assert!(matches!(up, Some((_, true, remote)) if remote == elsewhere));
        let (_, length) = pair.client.seal(again, b"ping", &mut buffer).unwrap();
        pair.server.handle_input(elsewhere, &buffer[..length], pair.now);
        assert!(matches!(pair.server.poll_event(), Some(Event::Data { bytes, .. }) if bytes == b"ping"));
    }
}

#[test]
fn d03_resumption_needs_the_cookie_too() {
    for config in [by_id(), by_ticket()] {
        let mut pair = Pair::with(Config::default(), config);
        call(&mut pair);
        pair.client_events.clear();
        pair.server_events.clear();
        pair.call();
        let mut flights = Vec::new();
        let mut amplified = (0, 0);
        pair.settle_with(|packet| {
            let flight = Flight::of(&packet.bytes);
            match flight {
                Flight::Hello => amplified.0 += packet.bytes.len(),
                Flight::Verify => amplified.1 += packet.bytes.len(),
                _ => {}
            }
            flights.push(flight);
            vec![packet.clone()]
        });
        let expected =
            [Flight::Hello, Flight::Verify, Flight::HelloWithCookie, Flight::ServerHello, Flight::Finished];
        assert_eq!(flights, expected);
        assert!(amplified.1 <= amplified.0 && is_resumed(&pair));
    }
}

/// CVE-2022-2576: what cannot be resumed falls back to a full handshake, and only behind the cookie.
#[test]
fn d03_hello_with_an_unknown_session_gets_a_cookie_and_then_a_full_handshake() {
    let mut server = Endpoint::new(by_id(), [3; 32]);
    let hello = Hello { session: vec![8; 16], ..Hello::default() };
    let hello = hello.with_cookie_of(&mut server, client_address(), machine::Instant::ZERO);
    assert_eq!(server.half_open_count(), 0);
    server.handle_input(client_address(), &hello.datagram(), machine::Instant::ZERO);
    let answer = answer(&mut server);
    assert_eq!(Flight::of(&answer), Flight::ServerHello);
    assert_eq!(split(&answer).len(), 2, "ServerHello and ServerHelloDone");
}

#[test]
fn d24_what_does_not_fit_any_more_makes_a_full_handshake() {
    for config in [by_id(), by_ticket()] {
        // Another suite.
        let first = Config { suites: vec![Suite::PskAes128Ccm8], ..config.clone() };
        let mut pair = Pair::with(Config::default(), first);
        pair.server.set_ticket_keys(TicketKeys::new([6; 32], Duration::ZERO));
        call(&mut pair);
        let wants = Config { suites: vec![Suite::PskAes128Gcm], ..config.clone() };
        // It knows the keys of the tickets and has another seed, so it gives other ids.
        pair.server = Endpoint::new(wants, [78; 32]);
        pair.server.set_ticket_keys(TicketKeys::new([6; 32], Duration::ZERO));
        assert!(!call(&mut pair).1);

        // Too old.
        let mut pair = Pair::with(Config::default(), config.clone());
        call(&mut pair);
        pair.now += DAY;
        assert!(call(&mut pair).1, "just young enough");
        pair.now += Duration::from_secs(1);
        assert!(!call(&mut pair).1, "resuming makes nothing younger");

        // Another key, and none at all.
        let mut pair = Pair::with(Config::default(), config.clone());
        call(&mut pair);
        for key in [None, Some(b"another key".to_vec())] {
            pair.key = key;
            pair.client_events.clear();
            pair.server_events.clear();
            pair.call();
            assert!(!pair.run_with(Duration::from_secs(90), |packet| vec![packet.clone()]));
            assert!(pair.server_session().is_none());
        }

        // A server that has forgotten.
        let mut pair = Pair::with(Config::default(), config.clone());
        call(&mut pair);
        pair.server = Endpoint::new(config.clone(), [77; 32]);
        assert!(!call(&mut pair).1);
        assert!(call(&mut pair).1, "and learns anew");

        // Nobody wants it.
        let never = Config { resumption_lifetime: Duration::ZERO, ..config };
        for (client, server) in [(never.clone(), Config::default()), (Config::default(), never)] {
            let mut pair = Pair::with(client, server);
            assert!(!call(&mut pair).1 && !call(&mut pair).1);
        }
    }
}

/// Session and answer of a server to hand-made hellos: its ServerHello, or its alert.
fn offer(pair: &mut Pair, hello: Hello) -> Vec<u8> {
    let from = "198.51.100.7:9".parse().unwrap();
    let hello = hello.with_cookie_of(&mut pair.server, from, pair.now);
    pair.server.handle_input(from, &hello.datagram(), pair.now);
    while let Some(event) = pair.server.poll_event() {
        if let Event::KeyWanted { handshake, .. } = event {
            pair.server.provide_key(handshake, Some(KEY), pair.now);
        }
    }
    answer(&mut pair.server)
}

fn resumes(answer: &[u8]) -> bool {
    split(answer).iter().any(|record| record[0] == 20)
}

/// A pair after a handshake without tickets, and the id of its session.
fn known_session() -> (Pair, Vec<u8>) {
    let mut pair = Pair::with(Config::default(), by_id());
    let mut id = Vec::new();
    pair.call();
    pair.settle_with(|packet| {
        if Flight::of(&packet.bytes) == Flight::ServerHello {
            id = packet.bytes[60..76].to_vec();
        }
        vec![packet.clone()]
    });
    (pair, id)
}

#[test]
fn d24_extended_master_secret_decides_as_rfc_7627_says() {
    let extension = vec![0, 4, 0, 23, 0, 0];
    let (mut pair, session) = known_session();
    let with = Hello { session: session.clone(), extensions: extension.clone(), ..Hello::default() };
    assert!(resumes(&offer(&mut pair, with)));
    let without = Hello { session, random: [6; 32], ..Hello::default() };
    assert_eq!(offer(&mut pair, without)[13..], [2, 40], "must be refused");
}

#[test]
fn d24_other_server_name_makes_a_full_handshake() {
    let (mut pair, session) = known_session();
    let mut extensions = vec![0, 17, 0, 23, 0, 0, 0, 0, 0, 9, 0, 7, 0, 0, 4];
    extensions.extend_from_slice(b"else");
    let hello = Hello { session, extensions, ..Hello::default() };
    assert!(!resumes(&offer(&mut pair, hello)));
}

#[test]
fn d10_resumption_survives_the_loss_of_each_flight() {
    for config in [by_id(), by_ticket()] {
        for flight in
            [Flight::Hello, Flight::Verify, Flight::HelloWithCookie, Flight::ServerHello, Flight::Finished]
        {
            for lost in 1..=4 {
                let mut pair = Pair::with(Config::default(), config.clone());
                call(&mut pair);
                pair.client_events.clear();
                pair.server_events.clear();
                let ours = pair.call();
                let mut copies = 0;
                let is_up = pair.run_with(Duration::from_secs(93), |packet| {
                    let is_it = Flight::of(&packet.bytes) == flight;
                    copies += usize::from(is_it);
                    if is_it && copies <= lost { vec![] } else { vec![packet.clone()] }
                });
                assert!(is_up && is_resumed(&pair), "{flight:?} lost {lost} times");
                let theirs = pair.server_session().unwrap();
                assert!(pair.reaches_server(ours, b"ping") && pair.reaches_client(theirs, b"pong"));
            }
        }
    }
}

#[test]
fn records_of_a_resumption_may_come_one_by_one_in_any_order() {
    for config in [by_id(), by_ticket()] {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut pair = Pair::with(Config::default(), config.clone());
            call(&mut pair);
            pair.client_events.clear();
            pair.server_events.clear();
            pair.call();
            let is_up = pair.run_with(Duration::ZERO, |packet| {
                let records = split(&packet.bytes);
                let order = order.iter().filter_map(|index| records.get(*index));
                order.map(|bytes| Packet { bytes: bytes.clone(), ..packet.clone() }).collect()
            });
            assert!(is_up && is_resumed(&pair), "{order:?}");
        }
    }
}

#[test]
fn call_that_was_not_answered_may_resume_the_next_time() {
    let mut pair = Pair::with(Config::default(), by_ticket());
    call(&mut pair);
    pair.client_events.clear();
    pair.server_events.clear();
    pair.call();
    assert!(!pair.run_with(Duration::from_secs(200), |_| vec![]));
    assert!(call(&mut pair).1);
}

/// A cache behind a lock, as shards share it.
#[derive(Clone)]
struct Shared(Arc<Mutex<ResumptionTable>>);

impl SessionCache for Shared {
    fn insert(&mut self, id: ResumptionId, session: ResumableSession) {
        self.0.lock().unwrap().insert(id, session);
    }

    fn find(&self, id: &ResumptionId) -> Option<ResumableSession> {
        self.0.lock().unwrap().find(id)
    }

    fn remove(&mut self, id: &ResumptionId) {
        self.0.lock().unwrap().remove(id);
    }
}

/// Every datagram comes to another shard until the handshake has begun; every session to another one.
#[test]
fn d24_sessions_are_resumed_at_any_shard() {
    for config in [by_id(), by_ticket()] {
        let cache = Shared(Arc::new(Mutex::new(ResumptionTable::new(10, [4; 32]))));
        let (cookies, tickets) =
            (CookieKeys::new([5; 32]), TicketKeys::new([6; 32], Duration::from_secs(1_800_000_000)));
        let mut shards: Vec<Endpoint> = (0..4)
            .map(|number| {
                let mut shard = Endpoint::new(config.clone(), [number; 32]);
                shard.set_cookie_keys(cookies.clone());
                shard.set_ticket_keys(tickets.clone());
                shard.set_session_cache(Box::new(cache.clone()));
                shard
            })
            .collect();
        let mut pair = Pair::with(Config::default(), Config::default());
        for number in 0..8 {
            pair.client_events.clear();
            pair.server_events.clear();
            pair.server = shards.remove(0);
            pair.call();
            pair.gather();
            let hello = pair.wire.pop_front().unwrap();
            pair.deliver(&hello);
            pair.gather();
            let next = shards.remove(0);
            shards.push(core::mem::replace(&mut pair.server, next));
            assert!(pair.run_with(Duration::ZERO, |packet| vec![packet.clone()]));
            assert_eq!(is_resumed(&pair), number > 0, "call {number}");
            shards.push(core::mem::replace(&mut pair.server, Endpoint::new(Config::default(), [9; 32])));
        }
    }
}

#[test]
fn cache_is_bounded_and_the_oldest_goes() {
    let mut server = Endpoint::new(Config { max_resumable_sessions: 2, ..by_id() }, [2; 32]);
    let mut clients: Vec<Pair> = (0..3)
        .map(|number| {
            let mut pair = Pair::with(Config::default(), Config::default());
            pair.client = Endpoint::new(Config::default(), [number; 32]);
            core::mem::swap(&mut pair.server, &mut server);
            call(&mut pair);
            core::mem::swap(&mut pair.server, &mut server);
            pair
        })
        .collect();
    for (index, is_known) in [(0, false), (2, true)] {
        core::mem::swap(&mut clients[index].server, &mut server);
        assert_eq!(call(&mut clients[index]).1, is_known, "client {index}");
        core::mem::swap(&mut clients[index].server, &mut server);
    }
}

/// A session that was resumed proves the same identity, and the owner is asked for its key each time.
#[test]
fn revoked_key_ends_resumption() {
    for config in [by_id(), by_ticket()] {
        let mut pair = Pair::with(Config::default(), config);
        call(&mut pair);
        assert!(call(&mut pair).1);
        let asked =
            pair.server_events.iter().filter(|event| matches!(event, Event::KeyWanted { .. })).count();
        assert_eq!(asked, 1);
    }
}

#[test]
fn nonsense_in_the_place_of_a_ticket_is_a_full_handshake() {
    let mut pair = Pair::with(Config::default(), by_ticket());
    for length in [1_usize, 15, 16, 31, 32, 33, 200, 512, 900] {
        let mut extensions = ((length + 4) as u16).to_be_bytes().to_vec();
        extensions.extend_from_slice(&[0, 35]);
        extensions.extend_from_slice(&(length as u16).to_be_bytes());
        extensions.extend_from_slice(&vec![0; length]);
        let hello = Hello { extensions, random: [length as u8; 32], ..Hello::default() };
        assert!(!resumes(&offer(&mut pair, hello)), "{length}");
    }
}

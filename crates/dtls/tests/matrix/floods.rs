//! D23: bounds.

use core::net::SocketAddr;

use dtls::{Config, Endpoint, Event, Suite};
use machine::{Instant, Machine, SessionEnd};

use crate::pair::{Flight, Hello, Pair, answer, client_address, credential, message, record, server_address};

fn address(number: u32) -> SocketAddr {
    SocketAddr::from((number.to_be_bytes(), 1_000))
}

fn half_open(server: &mut Endpoint, from: SocketAddr, now: Instant) {
    let hello = Hello::default().with_cookie_of(server, from, now);
    server.handle_input(from, &hello.datagram(), now);
    assert_eq!(Flight::of(&answer(server)), Flight::ServerHello);
}

#[test]
fn d23_ten_thousand_half_open_handshakes_leave_room_for_real_clients() {
    let mut pair = Pair::new();
    for number in 0..10_000 {
        half_open(&mut pair.server, address(number), Instant::ZERO);
    }
    assert_eq!(pair.server.half_open_count(), 2_000);
    assert_eq!(pair.server.statistics().failures.evicted, 8_000);

    let call = pair.call();
    pair.settle();
    assert!(pair.reaches_server(call, b"ping"));

    pair.server.handle_timeout(Instant::from_secs(181));
    assert_eq!((pair.server.half_open_count(), pair.server.session_count()), (0, 1));
    assert_eq!(pair.server.statistics().failures.timed_out, 1_999);
    pair.gather();
    assert!(pair.wire.iter().all(|packet| !packet.to_server));
}

/// A key store that takes its time: handshakes wait for it, as many as there may be, and nobody else does.
#[test]
fn d23_a_slow_key_store_holds_up_only_those_whose_keys_are_wanted() {
    let mut server = Endpoint::new(Config::default(), [3; 32]);
    let key_exchange = record(22, 0xFEFD, 2, &message(16, 2, &[&[0, 4][..], b"slow"].concat()));
    let mut parked = Vec::new();
    for number in 0..3_000 {
        half_open(&mut server, address(number), Instant::ZERO);
        server.handle_input(address(number), &key_exchange, Instant::ZERO);
        let Some(Event::KeyWanted { handshake, .. }) = server.poll_event() else {
            panic!("its key is wanted")
        };
        parked.push(handshake);
        // Asked once, however often it is repeated.
        server.handle_input(address(number), &key_exchange, Instant::ZERO);
        assert_eq!(server.poll_event(), None);
    }
    assert_eq!(server.half_open_count(), 2_000);

    // A device whose key is at hand is served meanwhile.
    let mut client = Endpoint::new(Config::default(), [8; 32]);
    let call = client.connect(server_address(), credential(crate::pair::KEY), Instant::ZERO);
    let session = connect(&mut client, address(9_999), &mut server, &mut Vec::new());
    let mut buffer = [0; 256];
    let (_, length) = client.seal(call, b"ping", &mut buffer).unwrap();
    server.handle_input(address(9_999), &buffer[..length], Instant::ZERO);
    assert_eq!(server.poll_event(), Some(Event::Data { session, bytes: b"ping".to_vec() }));

    // The store answers after all: those that were pushed out are gone, the others go on.
    for handshake in parked {
        server.provide_key(handshake, Some(crate::pair::KEY), Instant::from_secs(60));
    }
    assert_eq!((server.half_open_count(), server.session_count()), (1_999, 1));
    server.handle_timeout(Instant::from_secs(181));
    assert_eq!((server.half_open_count(), server.session_count()), (0, 1));
}

#[test]
fn oldest_half_open_handshake_makes_place() {
    let mut server = Endpoint::new(Config { max_half_open: 2, ..Config::default() }, [3; 32]);
    for number in 0..3 {
        half_open(&mut server, address(number), Instant::from_secs(number.into()));
    }
    // The first is gone, so its hello starts anew; the second is known, so its hello is a repetition.
    let hello = Hello::default().with_cookie_of(&mut server, address(1), Instant::from_secs(5));
    server.handle_input(address(1), &hello.datagram(), Instant::from_secs(5));
    assert_eq!(server.statistics().retransmissions, 1);
    answer(&mut server);
    half_open(&mut server, address(0), Instant::from_secs(5));
    assert_eq!((server.half_open_count(), server.statistics().failures.evicted), (2, 2));
}

#[test]
fn new_hello_of_the_same_address_takes_the_place_of_the_old_one() {
    let mut server = Endpoint::new(Config::default(), [3; 32]);
    for random in [[1; 32], [2; 32], [3; 32]] {
        let hello = Hello { random, ..Hello::default() };
        let hello = hello.with_cookie_of(&mut server, client_address(), Instant::ZERO);
        server.handle_input(client_address(), &hello.datagram(), Instant::ZERO);
        answer(&mut server);
    }
    assert_eq!(server.half_open_count(), 1);
}

#[test]
fn session_that_was_unheard_for_longest_makes_place() {
    let config = Config { max_sessions: 2, ..Config::default() };
    let mut server = Endpoint::new(config, [2; 32]);
    let mut clients: Vec<(Endpoint, SocketAddr)> = (0..3)
        .map(|number| (Endpoint::new(Config::default(), [number; 32]), address(number.into())))
        .collect();
    let mut sessions = Vec::new();
    let mut ended = Vec::new();
    for index in 0..3 {
        let (client, from) = &mut clients[index];
        let call = client.connect(server_address(), credential(crate::pair::KEY), Instant::ZERO);
        let ours = connect(client, *from, &mut server, &mut ended);
        sessions.push((call, ours));
        if index == 1 {
            // The first is heard after the second came up.
            let mut buffer = [0; 256];
            let (client, from) = &mut clients[0];
            let (_, length) = client.seal(sessions[0].0, b"still here", &mut buffer).unwrap();
            server.handle_input(*from, &buffer[..length], Instant::from_secs(1));
        }
    }
    assert_eq!(ended, [Event::Down { session: sessions[1].1, end: SessionEnd::Evicted }]);
    assert_eq!(server.session_count(), 2);
}

fn connect(
    client: &mut Endpoint,
    from: SocketAddr,
    server: &mut Endpoint,
    ended: &mut Vec<Event>,
) -> machine::SessionId {
    let mut buffer = [0; 2_048];
    loop {
        while let Some((_, length)) = client.poll_transmit(&mut buffer) {
            server.handle_input(from, &buffer[..length], Instant::ZERO);
        }
        let mut up = None;
        while let Some(event) = server.poll_event() {
            match event {
                Event::KeyWanted { handshake, .. } => {
                    server.provide_key(handshake, Some(crate::pair::KEY), Instant::ZERO);
                }
                Event::Up { session, .. } => up = Some(session),
                Event::Down { .. } => ended.push(event),
                _ => {}
            }
        }
        while let Some((to, length)) = server.poll_transmit(&mut buffer) {
            if to == from {
                client.handle_input(server_address(), &buffer[..length], Instant::ZERO);
            }
        }
        if let Some(session) = up {
            return session;
        }
    }
}

#[test]
fn calls_beyond_the_bound_fail_at_once() {
    let mut client = Endpoint::new(Config { max_half_open: 1, ..Config::default() }, [1; 32]);
    client.connect(address(1), credential(b"key"), Instant::ZERO);
    let second = client.connect(address(2), credential(b"key"), Instant::ZERO);
    assert_eq!(client.poll_event(), Some(Event::Down { session: second, end: SessionEnd::Evicted }));
}

#[test]
fn idle_session_is_forgotten() {
    let (mut pair, ours, theirs) = Pair::up(Suite::PskAes128Ccm8);
    pair.now = Instant::from_secs(600_000);
    assert!(pair.reaches_server(ours, b"ping"));
    let (at, why) = pair.server.poll_timeout().unwrap();
    assert_eq!((at, why), (Instant::from_secs(600_000 + 7 * 86_400), "a session is idle"));
    pair.server.handle_timeout(at);
    assert_eq!(pair.server.poll_event(), Some(Event::Down { session: theirs, end: SessionEnd::TimedOut }));
    assert_eq!(pair.server.poll_timeout(), None);
}

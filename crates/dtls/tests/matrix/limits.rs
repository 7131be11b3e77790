//! Limits of what sources and guessers get (SECURITY n02, n04, n05, n07).

use core::net::SocketAddr;
use std::time::Duration;

use dtls::{Config, Endpoint, Event, KeyTries, Limits, NetworkLimits, Rate, Rejection, Suite};
use machine::{Instant, Machine};

use crate::pair::{Flight, Hello, KEY, Pair, answer, client_address, record};

fn server(config: Config) -> Endpoint {
    Endpoint::new(config, [3; 32])
}

fn from(network: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, network], port))
}

/// How many of these first contacts are answered.
fn answered(server: &mut Endpoint, count: u16, network: u8, now: Instant) -> usize {
    let hello = Hello::default().datagram();
    let ports = 1_000..1_000 + count;
    ports
        .filter(|port| {
            server.handle_input(from(network, *port), &hello, now);
            server.poll_transmit(&mut [0; 256]).is_some()
        })
        .count()
}

#[test]
fn n04_first_contacts_of_a_source_are_limited() {
    let mut server = server(Config::default());
    assert_eq!(answered(&mut server, 1_000, 1, Instant::ZERO), 50);
    assert_eq!(answered(&mut server, 1_000, 1, Instant::from_secs(1)), 20);
    assert_eq!(answered(&mut server, 1_000, 2, Instant::from_secs(1)), 50, "others are not touched");
    assert_eq!(server.statistics().dropped.limited, 950 + 980 + 950);
}

#[test]
fn n04_devices_that_mean_it_are_not_counted() {
    let mut server = server(Config::default());
    for port in 0..1_500 {
        let remote = from(1, 1_000 + port);
        let hello = Hello::default().with_cookie_of(&mut server, remote, Instant::ZERO);
        server.handle_input(remote, &hello.datagram(), Instant::ZERO);
        assert_eq!(Flight::of(&answer(&mut server)), Flight::ServerHello, "device {port}");
    }
    assert_eq!(server.statistics().dropped.limited, 0);
}

#[test]
fn n04_handshakes_with_a_cookie_are_limited_per_source() {
    let limits = Limits { handshakes: Rate::new(10, 10), ..Limits::default() };
    let mut server = server(Config { limits, ..Config::default() });
    let mut begun = 0;
    for port in 0..40 {
        let remote = from(1, 1_000 + port);
        let hello = Hello::default().with_cookie_of(&mut server, remote, Instant::ZERO);
        server.handle_input(remote, &hello.datagram(), Instant::ZERO);
        begun += usize::from(server.poll_transmit(&mut [0; 2_048]).is_some());
    }
    assert_eq!((begun, server.half_open_count()), (10, 10));
}

#[test]
fn n04_records_that_fail_their_check_are_limited_and_sessions_are_not() {
    let (mut pair, ours, _) = crate::connection_ids::up(Suite::PskAes128Ccm8);
    let mut bad = pair.seal_to_server(ours, b"bad");
    *bad.last_mut().unwrap() ^= 1;
    for _ in 0..1_000 {
        pair.server.handle_input(from(6, 666), &bad, pair.now);
    }
    let dropped = pair.server.statistics().dropped;
    assert_eq!((dropped.unauthentic, dropped.limited), (200, 800));
    // From the device's own address, forged, as often as one likes.
    for _ in 0..1_000 {
        pair.server.handle_input(client_address(), &bad, pair.now);
    }
    assert!(pair.reaches_server(ours, b"ping"));
}

#[test]
fn n04_wrong_cookies_are_limited() {
    let mut server = server(Config::default());
    for number in 0..1_000_u16 {
        let hello = Hello { cookie: vec![number as u8; 16], ..Hello::default() };
        server.handle_input(from(1, 1_000 + number), &hello.datagram(), Instant::ZERO);
    }
    let mut answers = 0;
    while server.poll_transmit(&mut [0; 256]).is_some() {
        answers += 1;
    }
    assert_eq!((answers, server.statistics().dropped.limited), (50, 950));
}

#[test]
fn n04_networks_may_have_their_own_limits() {
    let network = NetworkLimits { network: [203, 0, 113, 0].into(), prefix_length: 24, limits: Limits::NONE };
    let mut server = server(Config { network_limits: vec![network], ..Config::default() });
    assert_eq!(answered(&mut server, 1_000, 7, Instant::ZERO), 1_000);
    let mut elsewhere = 0;
    for port in 0..100 {
        server.handle_input(
            SocketAddr::from(([192, 0, 2, 1], 1_000 + port)),
            &Hello::default().datagram(),
            Instant::ZERO,
        );
        elsewhere += usize::from(server.poll_transmit(&mut [0; 256]).is_some());
    }
    assert_eq!(elsewhere, 50);
}

#[test]
fn n04_a_hundred_thousand_spoofed_addresses_do_not_keep_a_device_out() {
    let mut pair = Pair::new();
    let hello = Hello::default().datagram();
    for number in 0..100_000_u32 {
        let spoofed = SocketAddr::from(((0x0A00_0000 + number).to_be_bytes(), 1_000));
        pair.server.handle_input(spoofed, &hello, pair.now);
        while pair.server.poll_transmit(&mut [0; 256]).is_some() {}
    }
    let call = pair.call();
    assert!(pair.run_with(Duration::ZERO, |packet| vec![packet.clone()]));
    assert!(pair.reaches_server(call, b"ping"));
}

/// Calls with a wrong key and says how the server saw it.
fn wrong(pair: &mut Pair) -> Rejection {
    pair.client_events.clear();
    pair.server_events.clear();
    pair.call();
    let limit = pair.now + Duration::from_secs(30);
    loop {
        pair.settle();
        let rejection = pair.server_events.iter().find_map(|event| match event {
            Event::Rejected { cause, .. } => Some(*cause),
            _ => None,
        });
        if let Some(cause) = rejection {
            return cause;
        }
        assert!(pair.sleep(limit));
    }
}

#[test]
fn n05_five_wrong_keys_in_a_minute_slow_tries_down_and_never_lock_out() {
    let tries = KeyTries { window: Duration::from_secs(600), ..KeyTries::default() };
    let server = Config { key_tries: tries, ..Config::default() };
    let mut pair = Pair::with(Config::default(), server);
    pair.key = Some(b"not that key".to_vec());
    for _ in 0..5 {
        assert_eq!(wrong(&mut pair), Rejection::WrongKey);
    }
    assert_eq!(wrong(&mut pair), Rejection::TooManyTries);
    assert!(
        !pair.server_events.iter().any(|event| matches!(event, Event::KeyWanted { .. })),
        "nobody is asked"
    );
    // The device has its key again: it comes in after the pause, not after the window.
    pair.key = Some(KEY.to_vec());
    pair.now += Duration::from_secs(10);
    pair.client_events.clear();
    pair.server_events.clear();
    pair.call();
    assert!(pair.run_with(Duration::from_secs(3), |packet| vec![packet.clone()]));
    assert_eq!(pair.server.statistics().failures.too_many_tries, 1);
    // And is forgiven.
    pair.key = Some(b"not that key".to_vec());
    pair.client = Endpoint::new(Config::default(), [9; 32]);
    assert_eq!(wrong(&mut pair), Rejection::WrongKey);
}

/// What an attacker sees of a wrong key, an unknown identity and a slowed one: sizes and times.
#[test]
fn n07_slowed_tries_look_like_wrong_keys() {
    let mut seen = Vec::new();
    for (key, tries) in [(None, 5), (Some(b"not that key".to_vec()), 5), (Some(KEY.to_vec()), 0)] {
        let tries = KeyTries { failures: tries, window: Duration::from_secs(600), ..KeyTries::default() };
        let server = Config { key_tries: tries, ..Config::default() };
        let mut pair = Pair::with(Config::default(), server);
        pair.key = key;
        if tries.failures == 0 {
            // Slowed from the first failure on: make one.
            pair.key = None;
            wrong(&mut pair);
            pair.key = Some(b"another key".to_vec());
        }
        let begun = pair.now;
        pair.call();
        let mut sent = Vec::new();
        for _ in 0..20 {
            let at = pair.now - begun;
            pair.settle_with(|packet| {
                if !packet.to_server {
                    sent.push((at, packet.bytes.len(), packet.bytes[0]));
                }
                vec![packet.clone()]
            });
            if !pair.sleep(begun + Duration::from_secs(60)) {
                break;
            }
        }
        seen.push(sent);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

/// Whatever comes from an address that has not proved itself, no more goes back than came.
#[test]
fn n02_no_first_datagram_is_answered_with_more_bytes() {
    let extensions = |kind: u8, body: &[u8]| {
        let mut extensions = ((body.len() + 4) as u16).to_be_bytes().to_vec();
        extensions.extend_from_slice(&[0, kind]);
        extensions.extend_from_slice(&(body.len() as u16).to_be_bytes());
        extensions.extend_from_slice(body);
        extensions
    };
    let hellos = [
        Hello::default(),
        Hello { suites: vec![], compressions: vec![], ..Hello::default() },
        Hello { cookie: vec![1; 16], ..Hello::default() },
        Hello { cookie: vec![1; 255], ..Hello::default() },
        Hello { session: vec![1; 32], ..Hello::default() },
        Hello { extensions: extensions(35, &[1; 200]), ..Hello::default() },
        Hello { extensions: extensions(54, &[2, 1, 1]), ..Hello::default() },
        Hello { version: 0xFEFF, ..Hello::default() },
    ];
    let mut datagrams: Vec<Vec<u8>> = hellos.iter().map(Hello::datagram).collect();
    datagrams.push(datagrams.concat());
    datagrams.push(record(25, 0xFEFD, 1 << 48, &[7; 60]));
    datagrams.push(record(21, 0xFEFD, 0, &[2, 40]));
    let mut server = server(crate::connection_ids::with_ids(Suite::PskAes128Ccm8));
    for (number, datagram) in datagrams.iter().enumerate() {
        server.handle_input(from(number as u8, 9), datagram, Instant::ZERO);
        let (mut sent, mut buffer) = (0, [0; 2_048]);
        while let Some((_, length)) = server.poll_transmit(&mut buffer) {
            sent += length;
        }
        assert!(sent <= datagram.len(), "datagram {number}: {sent} for {}", datagram.len());
    }
    assert_eq!(server.half_open_count(), 0);
}

//! D01, D02, D04: first contacts.

use core::net::SocketAddr;
use std::time::Duration;

use dtls::{Config, Endpoint};
use machine::{Instant, Machine};

use crate::pair::{Flight, Hello, answer, client_address};

fn server() -> Endpoint {
    Endpoint::new(Config::default(), [3; 32])
}

#[test]
fn d01_first_contact_is_answered_in_fewer_bytes_and_leaves_nothing() {
    let mut server = server();
    let shortest = Hello::default().datagram();
    for number in 0..100_000_u32 {
        let from = SocketAddr::from((number.to_be_bytes(), 1_000));
        server.handle_input(from, &shortest, Instant::ZERO);
        let answer = answer(&mut server);
        assert_eq!(Flight::of(&answer), Flight::Verify);
        assert!(answer.len() <= shortest.len());
    }
    assert_eq!((server.half_open_count(), server.session_count()), (0, 0));
    assert_eq!(server.poll_timeout(), None);
    assert!(server.poll_event().is_none());
    assert_eq!(server.statistics().cookies, 100_000);
}

#[test]
fn d01_the_answer_has_the_numbers_of_the_hello() {
    let mut server = server();
    let hello = Hello { sequence: 7, ..Hello::default() };
    server.handle_input(client_address(), &hello.datagram(), Instant::ZERO);
    let answer = answer(&mut server);
    assert_eq!(answer[1..3], [0xFE, 0xFF]);
    assert_eq!(answer[3..11], [0, 0, 0, 0, 0, 0, 0, 7], "record sequence number");
    assert_eq!(answer[17..19], [0, 7], "message_seq");
    assert_eq!(answer[25..27], [0xFE, 0xFF], "server_version");
}

#[test]
fn d02_cookie_counts_only_for_its_address_and_its_hello() {
    let now = Instant::ZERO;
    let mut server = server();
    let good = Hello::default().with_cookie_of(&mut server, client_address(), now);

    let other_port = SocketAddr::new(client_address().ip(), 40_001);
    let others = [
        (other_port, good.clone()),
        ("192.0.2.9:40000".parse().unwrap(), good.clone()),
        (client_address(), Hello { random: [6; 32], ..good.clone() }),
        (client_address(), Hello { suites: vec![0xC0A8, 0x00AE], ..good.clone() }),
        (client_address(), Hello { version: 0xFEFF, ..good.clone() }),
        (client_address(), Hello { compressions: vec![0, 1], ..good.clone() }),
        (client_address(), Hello { cookie: good.cookie[..15].to_vec(), ..good.clone() }),
    ];
    for (from, hello) in others {
        server.handle_input(from, &hello.datagram(), now);
        assert_eq!(Flight::of(&answer(&mut server)), Flight::Verify);
    }
    server.handle_input(client_address(), &good.datagram(), now);
    assert_eq!(Flight::of(&answer(&mut server)), Flight::ServerHello);
}

#[test]
fn d02_cookie_is_good_for_one_to_two_rotations() {
    for (begin, age, is_good) in
        [(0, 59, true), (30, 89, true), (59, 60, true), (0, 120, false), (30, 91, false)]
    {
        let mut server = server();
        let begin = Instant::from_secs(begin);
        let hello = Hello::default().with_cookie_of(&mut server, client_address(), begin);
        // Others knock meanwhile: rotation must not depend on who comes.
        for second in 1..=age {
            let now = begin + Duration::from_secs(second);
            Hello::default().with_cookie_of(&mut server, "192.0.2.7:1".parse().unwrap(), now);
        }
        server.handle_input(client_address(), &hello.datagram(), begin + Duration::from_secs(age));
        let expected = if is_good { Flight::ServerHello } else { Flight::Verify };
        assert_eq!(Flight::of(&answer(&mut server)), expected, "after {age} s");
    }
}

#[test]
fn d02_cookie_is_stale_after_a_quiet_time_too() {
    let mut server = server();
    let hello = Hello::default().with_cookie_of(&mut server, client_address(), Instant::ZERO);
    server.handle_input(client_address(), &hello.datagram(), Instant::from_secs(3_600));
    assert_eq!(Flight::of(&answer(&mut server)), Flight::Verify);
}

#[test]
fn d04_record_version_does_not_matter_before_the_handshake() {
    for record_version in [0xFE00, 0xFEFF, 0xFEFD, 0xFEFC] {
        let mut server = server();
        let hello = Hello { record_version, ..Hello::default() };
        let hello = hello.with_cookie_of(&mut server, client_address(), Instant::ZERO);
        server.handle_input(client_address(), &hello.datagram(), Instant::ZERO);
        assert_eq!(Flight::of(&answer(&mut server)), Flight::ServerHello, "{record_version:04x}");
    }
}

/// Newer versions count down and are answered with 1.2 (RFC 5246 appendix E.1).
#[test]
fn d04_client_version_is_checked_only_after_the_cookie() {
    for (version, is_served) in
        [(0xFEFF, false), (0xFEFD, true), (0xFEFC, true), (0xFE00, true), (0x0303, false)]
    {
        let mut server = server();
        let hello = Hello { version, ..Hello::default() };
        let hello = hello.with_cookie_of(&mut server, client_address(), Instant::ZERO);
        server.handle_input(client_address(), &hello.datagram(), Instant::ZERO);
        let answer = answer(&mut server);
        if is_served {
            assert_eq!(Flight::of(&answer), Flight::ServerHello, "{version:04x}");
            assert_eq!(answer[25..27], [0xFE, 0xFD]);
        } else {
            assert_eq!((answer[0], &answer[13..]), (21, &[2, 70][..]), "protocol_version for {version:04x}");
            assert_eq!(server.half_open_count(), 0);
        }
    }
}

#[test]
fn hello_in_fragments_is_dropped_before_the_cookie() {
    let mut server = server();
    let mut datagram = Hello::default().datagram();
    // The message claims one more byte than its only fragment has.
    datagram[16] += 1;
    server.handle_input(client_address(), &datagram, Instant::ZERO);
    assert_eq!(server.poll_transmit(&mut [0; 2_048]), None);
    assert_eq!(server.statistics().dropped.malformed, 1);
}

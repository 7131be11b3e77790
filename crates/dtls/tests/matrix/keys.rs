//! D06, D07: identities and keys.

use std::time::Duration;

use dtls::{Config, Endpoint, Event, HandshakeId, Rejection, Suite};
use machine::{Credential, Instant, Machine, SessionEnd};

use crate::pair::{
    Flight, Hello, IDENTITY, KEY, Pair, answer, client_address, credential, message, record, server_address,
};

/// Everything that a server sends to a client whose key or identity is not right.
fn conversation(suite: Suite, key: Option<&[u8]>) -> (Vec<(u64, usize, u8)>, Pair) {
    let mut pair = Pair::of_suite(suite);
    pair.key = key.map(<[u8]>::to_vec);
    pair.call();
    let mut sent = Vec::new();
    loop {
        let now = pair.now;
        pair.settle_with(|packet| {
            if !packet.to_server {
                sent.push((now.as_micros(), packet.bytes.len(), packet.bytes[0]));
            }
            vec![packet.clone()]
        });
        if !pair.sleep(Instant::from_secs(300)) {
            return (sent, pair);
        }
    }
}

#[test]
fn d06_unknown_identity_and_wrong_key_look_alike() {
    for suite in Suite::ALL {
        let (unknown, unknown_pair) = conversation(suite, None);
        let (wrong, wrong_pair) = conversation(suite, Some(b"another key"));
        assert_eq!(unknown, wrong, "same sizes at the same times");
        for (pair, cause) in [(&unknown_pair, Rejection::UnknownIdentity), (&wrong_pair, Rejection::WrongKey)]
        {
            let identity = IDENTITY.to_vec();
            let remote = client_address();
            assert!(pair.server_events.contains(&Event::Rejected { identity, remote, cause }));
            let end = SessionEnd::NotAuthenticated;
            assert!(
                pair.client_events
                    .iter()
                    .any(|event| matches!(event, Event::Down { end: e, .. } if *e == end))
            );
            assert_eq!((pair.server.half_open_count(), pair.server.session_count()), (0, 0));
        }
        assert_eq!(unknown_pair.server.statistics().failures.unknown_identity, 1);
        assert_eq!(wrong_pair.server.statistics().failures.wrong_key, 1);
    }
}

#[test]
fn d06_policy_can_reveal_unknown_identities() {
    let server = Config { reveal_unknown_identities: true, ..Config::default() };
    let mut pair = Pair::with(Config::default(), server);
    pair.key = None;
    let call = pair.call();
    let mut alert = None;
    pair.settle_with(|packet| {
        alert = (packet.bytes[0] == 21).then(|| packet.bytes[13..].to_vec()).or(alert.take());
        vec![packet.clone()]
    });
    assert_eq!(alert, Some(vec![2, 115]));
    assert!(pair.client_events.contains(&Event::Down { session: call, end: SessionEnd::NotAuthenticated }));
}

#[test]
fn d06_one_damaged_finished_does_not_count_as_wrong_key() {
    let mut pair = Pair::new();
    let call = pair.call();
    let mut damaged = false;
    let is_up = pair.run_with(Duration::from_secs(5), |packet| {
        let mut packet = packet.clone();
        if Flight::of(&packet.bytes) == Flight::Keys && !core::mem::replace(&mut damaged, true) {
            *packet.bytes.last_mut().unwrap() ^= 1;
        }
        vec![packet]
    });
    assert!(is_up);
    assert!(pair.reaches_server(call, b"ping"));
}

/// A server that waits for the ClientKeyExchange.
fn server_after_hello() -> Endpoint {
    let mut server = Endpoint::new(Config::default(), [3; 32]);
    let hello = Hello::default().with_cookie_of(&mut server, client_address(), Instant::ZERO);
    server.handle_input(client_address(), &hello.datagram(), Instant::ZERO);
    assert_eq!(Flight::of(&answer(&mut server)), Flight::ServerHello);
    server
}

fn send_identity(server: &mut Endpoint, claimed: u16, identity: &[u8]) {
    let mut body = claimed.to_be_bytes().to_vec();
    body.extend_from_slice(identity);
    let datagram = record(22, 0xFEFD, 2, &message(16, 2, &body));
    server.handle_input(client_address(), &datagram, Instant::ZERO);
}

#[test]
fn d07_identities_up_to_128_bytes_are_looked_up() {
    for length in [0, 1, 128] {
        let mut server = server_after_hello();
        send_identity(&mut server, length, &vec![b'a'; length.into()]);
        let event = server.poll_event();
        assert!(matches!(event, Some(Event::KeyWanted { identity, .. }) if identity.len() == length.into()));
    }
}

#[test]
fn d07_longer_identities_are_refused() {
    for (claimed, length, alert) in [(129, 129, 47), (65_535, 5, 50), (65_535, 1_200, 50), (5, 6, 50)] {
        let mut server = server_after_hello();
        send_identity(&mut server, claimed, &vec![b'a'; length]);
        assert_eq!(server.poll_event(), None);
        assert_eq!(answer(&mut server)[13..], [2, alert], "{claimed} {length}");
        assert_eq!(server.half_open_count(), 0);
    }
}

#[test]
fn d08_message_that_claims_the_most_is_dropped() {
    let mut server = server_after_hello();
    let message = crate::pair::fragment(16, (1 << 24) - 1, 2, 0, &[0; 1_000]);
    server.handle_input(client_address(), &record(22, 0xFEFD, 2, &message), Instant::ZERO);
    assert_eq!(server.statistics().dropped.malformed, 1);
    send_identity(&mut server, 3, b"abc");
    assert!(matches!(server.poll_event(), Some(Event::KeyWanted { .. })));
}

#[test]
fn key_may_come_later_and_the_finished_waits_for_it() {
    let mut pair = Pair::new();
    let call = pair.call();
    // Poll by hand, since the pair would answer at once.
    let mut parked: Option<HandshakeId> = None;
    while parked.is_none() {
        let mut buffer = [0; 2_048];
        while let Some((_, length)) = pair.client.poll_transmit(&mut buffer) {
            pair.server.handle_input(client_address(), &buffer[..length], pair.now);
        }
        while let Some((_, length)) = pair.server.poll_transmit(&mut buffer) {
            pair.client.handle_input(server_address(), &buffer[..length], pair.now);
        }
        if let Some(Event::KeyWanted { handshake, identity }) = pair.server.poll_event() {
            assert_eq!(identity, IDENTITY);
            parked = Some(handshake);
        }
    }
    let handshake = parked.unwrap();
    pair.server.provide_key(handshake, Some(KEY), Instant::from_millis(700));
    pair.settle();
    assert_eq!(pair.client_session(), Some(call), "without waiting for a repetition");
    pair.server.provide_key(handshake, Some(KEY), Instant::from_millis(800));
    assert!(pair.reaches_server(call, b"ping"), "a second answer changes nothing");
}

#[test]
fn impossible_credentials_fail_at_once() {
    let mut client = Endpoint::new(Config::default(), [1; 32]);
    let impossible =
        [Credential { identity: vec![b'a'; 129], key: KEY.to_vec() }, credential(b""), credential(&[1; 65])];
    let mut sessions = Vec::new();
    for credential in impossible {
        let session = client.connect(server_address(), credential, Instant::ZERO);
        let end = SessionEnd::NotAuthenticated;
        assert_eq!(client.poll_event(), Some(Event::Down { session, end }));
        assert!(!sessions.contains(&session));
        sessions.push(session);
    }
    assert_eq!(client.poll_transmit(&mut [0; 2_048]), None);
}

#[test]
fn keys_of_1_and_64_bytes_work() {
    for key in [&[7; 1][..], &[7; 64][..]] {
        let mut pair = Pair::new();
        pair.key = Some(key.to_vec());
        pair.client.connect(server_address(), credential(key), pair.now);
        assert!(pair.run_with(Duration::ZERO, |packet| vec![packet.clone()]));
    }
}

#[test]
fn nothing_printed_contains_a_secret() {
    let (mut pair, ours, _) = Pair::up(Suite::PskAes128Ccm8);
    let text = format!("{:?} {:?} {:?}", pair.client, pair.server, credential(KEY));
    assert!(!text.contains("0123456789abcdef") && !text.contains("[48, 49, 50"), "{text}");
    assert!(pair.reaches_server(ours, b"private"));
    let text = format!("{:?}", pair.server_events);
    assert!(!text.contains("private") && !text.contains("112, 114"), "{text}");
}

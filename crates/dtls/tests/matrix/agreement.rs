//! D05: what both sides agree on, with clients that can less than we.

use std::time::Duration;

use dtls::{Config, Endpoint, Event, Suite};
use machine::{Instant, Machine, SessionEnd};

use crate::pair::{Flight, Hello, Pair, answer, client_address};

fn hello_answer(config: Config, hello: Hello) -> Vec<u8> {
    let mut server = Endpoint::new(config, [3; 32]);
    let hello = hello.with_cookie_of(&mut server, client_address(), Instant::ZERO);
    server.handle_input(client_address(), &hello.datagram(), Instant::ZERO);
    answer(&mut server)
}

/// Suite and extensions of a ServerHello.
fn chosen(answer: &[u8]) -> (u16, &[u8]) {
    assert_eq!(Flight::of(answer), Flight::ServerHello);
    let length = usize::from(u16::from_be_bytes([answer[11], answer[12]]));
    let session = usize::from(answer[25 + 34]);
    let rest = &answer[25 + 35 + session..13 + length];
    (u16::from_be_bytes([rest[0], rest[1]]), &rest[3..])
}

#[test]
fn d05_no_common_suite_is_a_handshake_failure() {
    let hello = Hello { suites: vec![0x00A9, 0xC02B], ..Hello::default() };
    let answer = hello_answer(Config::default(), hello);
    assert_eq!((answer[0], &answer[13..]), (21, &[2, 40][..]));
}

#[test]
fn d05_client_without_any_extension_is_served_without_any() {
    let answer = hello_answer(Config::default(), Hello::default());
    assert_eq!(chosen(&answer), (0xC0A8, &[][..]));
}

#[test]
fn d05_empty_block_of_extensions_is_fine() {
    let answer = hello_answer(Config::default(), Hello { extensions: vec![0, 0], ..Hello::default() });
    assert_eq!(chosen(&answer), (0xC0A8, &[][..]));
}

#[test]
fn d05_policy_can_require_the_extended_master_secret() {
    let config = Config { require_extended_master_secret: true, ..Config::default() };
    let answer = hello_answer(config.clone(), Hello::default());
    assert_eq!((answer[0], &answer[13..]), (21, &[2, 40][..]));
    let mut pair = Pair::with(config.clone(), config);
    pair.call();
    assert!(pair.run_with(Duration::ZERO, |packet| vec![packet.clone()]));
}

#[test]
fn unknown_extensions_and_an_address_as_server_name_are_skipped() {
    // server_name 192.0.2.2, heartbeat, max_fragment_length with nonsense, a grease value, EMS.
    let mut extensions = vec![0, 0, 0, 14, 0, 12, 0, 0, 9];
    extensions.extend_from_slice(b"192.0.2.2");
    extensions.extend_from_slice(&[0, 15, 0, 1, 1, 0, 1, 0, 3, 9, 9, 9, 0x5A, 0x5A, 0, 0, 0, 23, 0, 0]);
    extensions.splice(0..0, (extensions.len() as u16).to_be_bytes());
    let answer = hello_answer(Config::default(), Hello { extensions, ..Hello::default() });
    assert_eq!(chosen(&answer), (0xC0A8, &[0, 4, 0, 23, 0, 0][..]));
}

#[test]
fn renegotiation_info_is_answered_to_signal_and_extension() {
    let info = &[0, 5, 0xFF, 0x01, 0, 1, 0][..];
    let signal = Hello { suites: vec![0xC0A8, 0x00FF], ..Hello::default() };
    let answer = hello_answer(Config::default(), signal);
    assert_eq!(chosen(&answer), (0xC0A8, info));
    let answer = hello_answer(Config::default(), Hello { extensions: info.to_vec(), ..Hello::default() });
    assert_eq!(chosen(&answer), (0xC0A8, info));
}

#[test]
fn first_handshake_that_claims_to_be_another_one_is_refused() {
    let extensions = vec![0, 7, 0xFF, 0x01, 0, 3, 2, 1, 2];
    let answer = hello_answer(Config::default(), Hello { extensions, ..Hello::default() });
    assert_eq!((answer[0], &answer[13..]), (21, &[2, 40][..]));
}

#[test]
fn encrypt_then_mac_is_agreed_for_cbc_only() {
    let extensions = vec![0, 4, 0, 22, 0, 0];
    let both = Hello { suites: vec![0x00AE, 0xC0A8], extensions, ..Hello::default() };
    assert_eq!(chosen(&hello_answer(Config::default(), both.clone())), (0xC0A8, &[][..]));
    let cbc = Hello { suites: vec![0x00AE], ..both };
    assert_eq!(chosen(&hello_answer(Config::default(), cbc)), (0x00AE, &[0, 4, 0, 22, 0, 0][..]));
}

#[test]
fn client_that_wants_compression_only_is_refused() {
    let answer = hello_answer(Config::default(), Hello { compressions: vec![1], ..Hello::default() });
    assert_eq!((answer[0], &answer[13..]), (21, &[2, 47][..]));
}

#[test]
fn every_suite_carries_data_both_ways() {
    for suite in Suite::ALL {
        let (mut pair, ours, theirs) = Pair::up(suite);
        for length in [0, 1, 15, 16, 17, 64, 1_024, 1_300] {
            let bytes = vec![length as u8; length];
            assert!(pair.reaches_server(ours, &bytes), "{suite:?} {length}");
            assert!(pair.reaches_client(theirs, &bytes), "{suite:?} {length}");
        }
    }
}

#[test]
fn both_sides_say_the_same_of_a_session() {
    let mut pair = Pair::of_suite(Suite::PskAes128CbcSha256);
    let call = pair.call();
    pair.settle();
    let up = |events: &[Event]| {
        events.iter().find_map(|event| match event {
            Event::Up { identity, outgoing, suite, .. } => Some((identity.clone(), *outgoing, *suite)),
            _ => None,
        })
    };
    let identity = crate::pair::IDENTITY.to_vec();
    assert_eq!(up(&pair.client_events), Some((identity.clone(), true, Suite::PskAes128CbcSha256)));
    assert_eq!(up(&pair.server_events), Some((identity, false, Suite::PskAes128CbcSha256)));
    assert_eq!(pair.client_session(), Some(call));
    assert_eq!((pair.client.statistics().handshakes, pair.server.statistics().handshakes), (1, 1));
}

#[test]
fn client_refuses_what_it_has_not_offered() {
    let client = Config { suites: vec![Suite::PskAes128Ccm8], ..Config::default() };
    let mut pair = Pair::with(client, Config::default());
    let call = pair.call();
    pair.settle_with(|packet| {
        let mut packet = packet.clone();
        if Flight::of(&packet.bytes) == Flight::ServerHello {
            packet.bytes[25 + 35..25 + 37].copy_from_slice(&[0x00, 0xAE]);
        }
        vec![packet]
    });
    assert!(pair.client_events.contains(&Event::Down { session: call, end: SessionEnd::ClosedHere }));
    assert_eq!(pair.client.statistics().failures.misbehaved, 1);
}

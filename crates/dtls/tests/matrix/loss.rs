//! D09 to D12: what the network does to a handshake.

use std::time::Duration;

use dtls::{Config, Event, Suite};
use machine::{Instant, Machine, Random, SessionEnd};

use crate::pair::{Flight, Packet, Pair, fragment, record, split};

/// Flights of a full handshake × copies lost × suites × connection ids; `resumption` has the same for the other.
#[test]
fn d10_every_flight_may_lose_its_first_four_copies() {
    for (suite, ids) in Suite::ALL.into_iter().flat_map(|suite| [(suite, false), (suite, true)]) {
        let config = Config { suites: vec![suite], ..Config::default() };
        let server = if ids { crate::connection_ids::with_ids(suite) } else { config.clone() };
        for flight in Flight::ALL {
            for lost in 0..=4 {
                let mut pair = Pair::with(config.clone(), server.clone());
                let call = pair.call();
                let mut copies = 0;
                let is_up = pair.run_with(Duration::from_secs(93), |packet| {
                    copies += usize::from(Flight::of(&packet.bytes) == flight);
                    let is_lost = Flight::of(&packet.bytes) == flight && copies <= lost;
                    if is_lost { vec![] } else { vec![packet.clone()] }
                });
                assert!(is_up, "{suite:?}, {flight:?} lost {lost} times");
                let theirs = pair.server_session().unwrap();
                assert!(pair.reaches_server(call, b"ping") && pair.reaches_client(theirs, b"pong"));
            }
        }
    }
}

#[test]
fn d10_repetitions_back_off_from_one_second_to_sixty() {
    let mut pair = Pair::new();
    let call = pair.call();
    let mut times = Vec::new();
    pair.gather();
    while pair.client_events.is_empty() {
        times.extend(pair.wire.drain(..).map(|_| pair.now));
        assert!(pair.sleep(Instant::from_secs(1_000)));
    }
    let seconds: Vec<u64> = times.iter().map(|at| at.as_micros() / 1_000_000).collect();
    assert_eq!(seconds, [0, 1, 3, 7, 15, 31, 63]);
    assert_eq!(pair.client_events, [Event::Down { session: call, end: SessionEnd::TimedOut }]);
    assert_eq!(pair.now.as_micros() / 1_000_000, 93);
    assert_eq!(pair.client.statistics().failures.timed_out, 1);
    assert_eq!(pair.client.poll_timeout(), None);
}

#[test]
fn d10_a_quarter_of_the_datagrams_may_be_lost_others_doubled_and_overtaken() {
    let mut failures = 0;
    for seed in 0..300 {
        let mut random = Random::from_number(seed);
        let mut pair = Pair::of_suite(Suite::ALL[seed as usize % 4]);
        let call = pair.call();
        let mut late: Vec<Packet> = Vec::new();
        let is_up = pair.run_with(Duration::from_secs(92), |packet| {
            let mut passed = core::mem::take(&mut late);
            if random.chance(0.25) {
                return passed;
            }
            if random.chance(0.2) {
                late.push(packet.clone());
            }
            passed.push(packet.clone());
            if random.chance(0.3) {
                passed.reverse();
            }
            passed
        });
        failures += usize::from(!is_up);
        if is_up {
            let call_is_up = pair.client_session() == Some(call);
            assert!(call_is_up && pair.reaches_server(call, b"ping"), "seed {seed}");
        }
    }
    // Seven tries of each flight: a call in some hundred is out of luck.
    assert!(failures <= 3, "{failures} of 300");
}

#[test]
fn records_of_a_flight_may_come_one_by_one_in_any_order() {
    for suite in Suite::ALL {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut pair = Pair::of_suite(suite);
            pair.call();
            let is_up = pair.run_with(Duration::ZERO, |packet| {
                let records = split(&packet.bytes);
                let order = order.iter().filter_map(|index| records.get(*index));
                order.map(|bytes| Packet { bytes: bytes.clone(), ..packet.clone() }).collect()
            });
            assert!(is_up, "{suite:?} {order:?}");
        }
    }
}

#[test]
fn every_datagram_may_come_twice() {
    let mut pair = Pair::new();
    let call = pair.call();
    assert!(pair.run_with(Duration::ZERO, |packet| vec![packet.clone(), packet.clone()]));
    assert_eq!((pair.server.session_count(), pair.server.half_open_count()), (1, 0));
    assert!(pair.reaches_server(call, b"ping"));
}

#[test]
fn d11_repeated_hello_does_not_restart_the_handshake() {
    let mut pair = Pair::new();
    pair.call();
    let (mut randoms, mut hello) = (Vec::new(), None);
    pair.settle_with(|packet| match Flight::of(&packet.bytes) {
        Flight::HelloWithCookie => {
            hello = Some(packet.clone());
            vec![packet.clone(), packet.clone(), packet.clone()]
        }
        Flight::ServerHello => {
            randoms.push(packet.bytes[27..59].to_vec());
            vec![packet.clone()]
        }
        _ => vec![packet.clone()],
    });
    assert_eq!(randoms.len(), 3, "each copy is answered");
    assert!(randoms.iter().all(|random| *random == randoms[0]));
    assert_eq!(pair.server.statistics().handshakes, 1);
    // A copy that comes when all is over starts nothing either.
    pair.deliver(&hello.unwrap());
    assert_eq!(pair.server.half_open_count(), 0);
}

#[test]
fn d11_lost_cookie_is_asked_for_again() {
    let mut pair = Pair::new();
    pair.call();
    let mut hellos = 0;
    let is_up = pair.run_with(Duration::from_secs(5), |packet| {
        hellos += usize::from(Flight::of(&packet.bytes) == Flight::Hello);
        let is_lost = Flight::of(&packet.bytes) == Flight::Verify && hellos == 1;
        if is_lost { vec![] } else { vec![packet.clone()] }
    });
    assert!(is_up);
    assert_eq!(pair.server.statistics().handshakes, 1);
}

#[test]
fn d12_finished_is_sent_again_when_the_client_repeats_its_own() {
    for suite in Suite::ALL {
        let mut pair = Pair::of_suite(suite);
        let call = pair.call();
        let mut lost = 0;
        let is_up = pair.run_with(Duration::from_secs(20), |packet| {
            let is_lost = Flight::of(&packet.bytes) == Flight::Finished && lost < 3;
            lost += usize::from(is_lost);
            if is_lost { vec![] } else { vec![packet.clone()] }
        });
        assert!(is_up);
        let ups = pair.server_events.iter().filter(|event| matches!(event, Event::Up { .. })).count();
        assert_eq!(ups, 1, "the session came up once");
        assert!(pair.reaches_server(call, b"ping"));
    }
}

#[test]
fn d09_fragments_of_one_byte_in_reverse_order_are_put_together() {
    let mut pair = Pair::new();
    pair.call();
    let is_up = pair.run_with(Duration::ZERO, |packet| match Flight::of(&packet.bytes) {
        Flight::ServerHello | Flight::Keys => {
            split(&packet.bytes).iter().flat_map(|record| crumble(packet, record)).collect()
        }
        _ => vec![packet.clone()],
    });
    assert!(is_up);
}

#[test]
fn d09_contradicting_fragments_delay_the_handshake_and_do_not_end_it() {
    let mut pair = Pair::new();
    let call = pair.call();
    let mut forged = false;
    let is_up = pair.run_with(Duration::from_secs(10), |packet| {
        if Flight::of(&packet.bytes) != Flight::Keys || core::mem::replace(&mut forged, true) {
            return vec![packet.clone()];
        }
        let real = &split(&packet.bytes)[0];
        let length = real.len() - 25;
        let [head, other_tail, other_length] = [
            fragment(16, length, 2, 0, &real[25..30]),
            fragment(16, length, 2, 4, &[0xFF; 6]),
            fragment(16, length + 1, 2, 0, &[0; 5]),
        ]
        .map(|message| Packet { bytes: record(22, 0xFEFD, 9, &message), ..packet.clone() });
        vec![head, other_tail, other_length]
    });
    assert!(is_up);
    assert!(pair.reaches_server(call, b"ping"));
}

/// A plain handshake record as fragments of one byte, last byte first; other records as they are.
fn crumble(packet: &Packet, bytes: &[u8]) -> Vec<Packet> {
    if bytes[0] != 22 || bytes[4] != 0 || bytes.len() == 25 {
        return vec![Packet { bytes: bytes.to_vec(), ..packet.clone() }];
    }
    let sequence = u16::from_be_bytes([bytes[17], bytes[18]]);
    let body = &bytes[25..];
    let pieces = (0..body.len()).rev().map(|offset| {
        let message = fragment(bytes[13], body.len(), sequence, offset, &body[offset..=offset]);
        Packet { bytes: record(22, 0xFEFD, offset as u64, &message), ..packet.clone() }
    });
    pieces.collect()
}

//! D13 to D22, D30: live sessions.

use std::time::Duration;

use dtls::{Event, SendError, Suite};
use machine::{Instant, Machine, SessionEnd, SessionId};

use crate::pair::{
    Flight, Hello, KEY, Pair, answer, client_address, credential, message, record, server_address,
};

const CCM_8: Suite = Suite::PskAes128Ccm8;

#[test]
fn d13_unfinished_new_handshake_leaves_the_session_alone() {
    let (mut pair, ours, theirs) = Pair::up(CCM_8);
    let hello = Hello::default().with_cookie_of(&mut pair.server, client_address(), pair.now);
    pair.server.handle_input(client_address(), &hello.datagram(), pair.now);
    answer(&mut pair.server);
    assert!(pair.reaches_server(ours, b"ping") && pair.reaches_client(theirs, b"pong"));
    // Up to its keys, which nobody can prove.
    let exchange = message(16, 2, &[0, 1, b'x']);
    pair.server.handle_input(client_address(), &record(22, 0xFEFD, 2, &exchange), pair.now);
    pair.server.handle_input(client_address(), &record(20, 0xFEFD, 3, &[1]), pair.now);
    pair.gather();
    pair.server.handle_input(client_address(), &record(22, 0xFEFD, 1 << 48, &[9; 40]), pair.now);
    assert!(pair.reaches_server(ours, b"ping") && pair.reaches_client(theirs, b"pong"));
    pair.server.handle_timeout(Instant::from_secs(1_000));
    assert_eq!(pair.server.half_open_count(), 0);
    assert!(pair.reaches_server(ours, b"ping"));
}

#[test]
fn d14_finished_new_handshake_replaces_the_session() {
    let (mut pair, ours, theirs) = Pair::up(CCM_8);
    // The device has restarted: it knows nothing of the session.
    pair.client = dtls::Endpoint::new(dtls::Config::default(), [9; 32]);
    let again = pair.call();
    pair.settle();
    let new = pair.server_session().unwrap();
    assert_ne!(new, theirs);
    let down = Event::Down { session: theirs, end: SessionEnd::Replaced };
    let position = |wanted: &dyn Fn(&Event) -> bool| pair.server_events.iter().position(wanted).unwrap();
    assert!(position(&|event| *event == down) < position(&|event| matches!(event, Event::Up { .. })));
    assert_eq!(pair.server.session_count(), 1);
    assert!(pair.reaches_server(again, b"ping") && pair.reaches_client(new, b"pong"));
    assert_eq!(pair.server.seal(theirs, b"", &mut [0; 99]), Err(SendError::NotUp));
    let _ = ours;
}

#[test]
fn client_may_call_again_over_its_own_session() {
    let (mut pair, ours, _) = Pair::up(CCM_8);
    let again = pair.call();
    pair.settle_with(|packet| if packet.to_server { vec![] } else { vec![packet.clone()] });
    assert!(pair.reaches_server(ours, b"ping"), "usable until the new one is up");
    assert!(pair.run_with(Duration::from_secs(3), |packet| vec![packet.clone()]));
    assert_eq!(pair.client_session(), Some(again));
    assert!(pair.client_events.contains(&Event::Down { session: ours, end: SessionEnd::Replaced }));
    assert_eq!((pair.client.session_count(), pair.server.session_count()), (1, 1));
}

#[test]
fn sessions_of_one_identity_at_two_addresses_live_side_by_side() {
    let (mut pair, ours, _) = Pair::up(CCM_8);
    let mut second = Pair::of_suite(CCM_8);
    core::mem::swap(&mut second.server, &mut pair.server);
    let elsewhere = "192.0.2.1:40001".parse().unwrap();
    let call = second.call();
    let mut buffer = [0; 2_048];
    while second.client_session().is_none() {
        while let Some((_, length)) = second.client.poll_transmit(&mut buffer) {
            second.server.handle_input(elsewhere, &buffer[..length], second.now);
        }
        second.gather();
        while let Some(packet) = second.wire.pop_front() {
            if packet.to_server {
                second.server.handle_input(elsewhere, &packet.bytes, second.now);
            } else {
                second.client.handle_input(server_address(), &packet.bytes, second.now);
            }
        }
    }
    assert_eq!(second.client_session(), Some(call));
    core::mem::swap(&mut second.server, &mut pair.server);
    assert_eq!(pair.server.session_count(), 2);
    assert!(pair.reaches_server(ours, b"ping"));
}

#[test]
fn d15_plain_alert_on_a_live_session_is_ignored() {
    let (mut pair, ours, theirs) = Pair::up(CCM_8);
    for alert in [[2, 40], [1, 0], [2, 0]] {
        let datagram = record(21, 0xFEFD, 50, &alert);
        pair.server.handle_input(client_address(), &datagram, pair.now);
        pair.client.handle_input(server_address(), &datagram, pair.now);
    }
    pair.gather();
    assert!(pair.server_events.is_empty() && pair.client_events.is_empty());
    assert!(pair.reaches_server(ours, b"ping") && pair.reaches_client(theirs, b"pong"));
}

#[test]
fn d16_replayed_and_too_old_records_are_dropped() {
    for suite in Suite::ALL {
        let (mut pair, ours, _) = Pair::up(suite);
        let records: Vec<Vec<u8>> = (0..70_u8).map(|number| pair.seal_to_server(ours, &[number])).collect();
        let newest = records.len() - 1;
        let mut deliver = |index: usize| {
            pair.server.handle_input(client_address(), &records[index], pair.now);
            matches!(pair.server.poll_event(), Some(Event::Data { bytes, .. }) if bytes == [index as u8])
        };
        assert!(deliver(newest) && !deliver(newest), "replayed");
        assert!(deliver(newest - 63) && !deliver(newest - 63), "63 behind");
        assert!(!deliver(newest - 64) && !deliver(newest - 65), "too old to tell");
        assert!(deliver(newest - 1));
        assert_eq!(pair.server.statistics().dropped.replayed, 4);
    }
}

#[test]
fn d17_hundred_thousand_bad_records_change_nothing() {
    let (mut pair, ours, theirs) = Pair::up(CCM_8);
    let mut bad = pair.seal_to_server(ours, b"never arrives");
    *bad.last_mut().unwrap() ^= 1;
    for _ in 0..100_000 {
        pair.server.handle_input(client_address(), &bad, pair.now);
    }
    pair.gather();
    assert!(pair.server_events.is_empty() && pair.wire.is_empty());
    assert_eq!(pair.server.statistics().dropped.unauthentic, 100_000);
    assert!(pair.reaches_server(ours, b"ping") && pair.reaches_client(theirs, b"pong"));
}

#[test]
fn every_changed_bit_of_a_record_makes_it_useless() {
    for suite in Suite::ALL {
        let (mut pair, ours, _) = Pair::up(suite);
        let good = pair.seal_to_server(ours, b"good");
        for bit in 0..8 * good.len() {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            pair.server.handle_input(client_address(), &bad, pair.now);
            assert_eq!(pair.server.poll_event(), None, "{suite:?} bit {bit}");
        }
        pair.server.handle_input(client_address(), &good, pair.now);
        assert!(matches!(pair.server.poll_event(), Some(Event::Data { .. })));
    }
}

#[test]
fn d18_other_epochs_and_the_last_number_are_dropped() {
    let (mut pair, ours, _) = Pair::up(CCM_8);
    let good = pair.seal_to_server(ours, b"good");
    for position in [2 << 48, 0xFFFF << 48, (2 << 48) - 1] {
        let mut bad = good.clone();
        bad[3..11].copy_from_slice(&u64::to_be_bytes(position));
        pair.server.handle_input(client_address(), &bad, pair.now);
    }
    assert!(pair.server.poll_event().is_none());
    pair.server.handle_input(client_address(), &good, pair.now);
    assert!(pair.server.poll_event().is_some());
}

#[test]
fn d20_data_before_the_finished_is_dropped() {
    let mut pair = Pair::new();
    pair.call();
    pair.settle_with(|packet| {
        let is_keys = Flight::of(&packet.bytes) == Flight::Keys;
        let mut packets = vec![packet.clone()];
        if is_keys {
            let early = record(23, 0xFEFD, (1 << 48) + 7, &[3; 40]);
            packets.insert(0, crate::pair::Packet { bytes: early, ..packet.clone() });
        }
        packets
    });
    assert!(pair.server_session().is_some());
    assert!(!pair.server_events.iter().any(|event| matches!(event, Event::Data { .. })));
    assert_eq!(pair.server.statistics().dropped.unexpected, 1);
}

#[test]
fn d20_finished_without_change_cipher_spec_is_dropped() {
    let mut pair = Pair::new();
    pair.call();
    let is_up = pair.run_with(Duration::from_secs(60), |packet| {
        let records = crate::pair::split(&packet.bytes).into_iter().filter(|record| record[0] != 20);
        vec![crate::pair::Packet { bytes: records.flatten().collect(), ..packet.clone() }]
    });
    assert!(!is_up);
    assert_eq!(pair.server.session_count(), 0);
}

#[test]
fn d21_broken_record_does_not_hurt_its_neighbours() {
    let (mut pair, ours, _) = Pair::up(CCM_8);
    let mut datagram = pair.seal_to_server(ours, b"one");
    let mut broken = pair.seal_to_server(ours, b"two");
    *broken.last_mut().unwrap() ^= 1;
    datagram.extend_from_slice(&broken);
    datagram.extend_from_slice(&pair.seal_to_server(ours, b"three"));
    pair.server.handle_input(client_address(), &datagram, pair.now);
    pair.gather();
    let received: Vec<&[u8]> = pair
        .server_events
        .iter()
        .filter_map(|event| if let Event::Data { bytes, .. } = event { Some(&bytes[..]) } else { None })
        .collect();
    assert_eq!(received, [&b"one"[..], b"three"]);
}

#[test]
fn d22_what_is_no_record_is_dropped() {
    let (mut pair, ours, _) = Pair::up(CCM_8);
    let nonsense = [
        vec![0x16],
        vec![0x16; 12],
        record(22, 0xFEFD, 0, &[]),
        record(23, 0xFEFD, 1 << 48, &[]),
        record(23, 0xFEFD, 1 << 48, &[0; 16_385]),
        record(23, 0xFEFD, 1 << 48, &vec![0; 65_000]),
        record(99, 0xFEFD, 0, &[1]),
        record(99, 0xFEFD, 1 << 48, &[1; 40]),
        record(22, 0x0303, 0, &[1]),
        vec![],
    ];
    for from in [client_address(), "192.0.2.77:7".parse().unwrap()] {
        for datagram in &nonsense {
            pair.server.handle_input(from, datagram, pair.now);
        }
    }
    pair.gather();
    assert!(pair.server_events.is_empty() && pair.wire.is_empty());
    assert!(pair.reaches_server(ours, b"ping"));
}

#[test]
fn d30_close_notify_ends_the_session_on_both_sides() {
    for suite in Suite::ALL {
        let (mut pair, ours, theirs) = Pair::up(suite);
        pair.client.close(ours, pair.now);
        pair.settle();
        assert_eq!(pair.client_events, [Event::Down { session: ours, end: SessionEnd::ClosedHere }]);
        assert_eq!(pair.server_events, [Event::Down { session: theirs, end: SessionEnd::ClosedByPeer }]);
        assert_eq!((pair.client.session_count(), pair.server.session_count()), (0, 0));
        assert_eq!(pair.client.seal(ours, b"", &mut [0; 99]), Err(SendError::NotUp));
        assert_eq!(pair.server.address(theirs), None);
    }
}

#[test]
fn call_that_is_given_up_is_silent() {
    let mut pair = Pair::new();
    let call = pair.call();
    pair.client.close(call, pair.now);
    pair.gather();
    assert_eq!(pair.client_events, [Event::Down { session: call, end: SessionEnd::ClosedHere }]);
    assert!(pair.wire.is_empty());
    assert_eq!(pair.client.poll_timeout(), None);
}

#[test]
fn second_call_to_the_same_address_replaces_the_first() {
    let mut pair = Pair::new();
    let first = pair.call();
    let second = pair.client.connect(server_address(), credential(KEY), pair.now);
    pair.settle();
    assert_eq!(pair.client_events[0], Event::Down { session: first, end: SessionEnd::Replaced });
    assert_eq!(pair.client_session(), Some(second));
}

#[test]
fn records_that_cannot_be_sent_say_why() {
    let (mut pair, ours, _) = Pair::up(CCM_8);
    assert_eq!(pair.client.seal(SessionId(99), b"x", &mut [0; 99]), Err(SendError::NotUp));
    let needed = 13 + 8 + 5 + 8;
    assert_eq!(
        pair.client.seal(ours, b"12345", &mut vec![0; needed - 1]),
        Err(SendError::BufferTooSmall { needed })
    );
    assert!(pair.client.seal(ours, b"12345", &mut vec![0; needed]).is_ok());
    let long = vec![0; 16_385];
    assert_eq!(pair.client.seal(ours, &long, &mut vec![0; 20_000]), Err(SendError::TooLong(16_385)));
}

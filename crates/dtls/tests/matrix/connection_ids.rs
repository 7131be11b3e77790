//! D25 to D29: records that say themselves which session they are of, and peers that move.

use core::net::SocketAddr;

use dtls::{Config, ConnectionId, ConnectionIds, Endpoint, Event, SendError, Suite};
use machine::{Instant, Machine, SessionId};

use crate::pair::{Pair, client_address, record, server_address};

const IDS: ConnectionIds = ConnectionIds { shard: 3, node: 0x0102 };

pub fn with_ids(suite: Suite) -> Config {
    Config { suites: vec![suite], connection_id: Some(IDS), ..Config::default() }
}

/// A client that asks for no ids and a server that does, and their session.
pub fn up(suite: Suite) -> (Pair, SessionId, SessionId) {
    up_between(Config { suites: vec![suite], ..Config::default() }, with_ids(suite))
}

fn up_between(client: Config, server: Config) -> (Pair, SessionId, SessionId) {
    let mut pair = Pair::with(client, server);
    let ours = pair.call();
    pair.settle();
    let theirs = pair.server_session().unwrap();
    assert!(pair.reaches_server(ours, b"ping") && pair.reaches_client(theirs, b"pong"));
    pair.client_events.clear();
    pair.server_events.clear();
    (pair, ours, theirs)
}

fn port(number: u16) -> SocketAddr {
    SocketAddr::new(client_address().ip(), number)
}

/// What the server says when this record comes from there.
fn hear(pair: &mut Pair, from: SocketAddr, record: &[u8]) -> Vec<Event> {
    pair.server_events.clear();
    pair.server.handle_input(from, record, pair.now);
    pair.gather();
    pair.server_events.clone()
}

fn data(theirs: SessionId, bytes: &[u8]) -> Event {
    Event::Data { session: theirs, bytes: bytes.to_vec() }
}

#[test]
fn d25_session_survives_a_new_port_and_is_answered_there() {
    for suite in Suite::ALL {
        let (mut pair, ours, theirs) = up(suite);
        for (number, from) in
            [port(50_000), port(50_001), "198.51.100.9:7".parse().unwrap()].into_iter().enumerate()
        {
            let question = [number as u8; 40];
            let record = pair.seal_to_server(ours, &question);
            assert_eq!(
                ConnectionId::of_datagram(&record).map(|id| (id.shard(), id.node())),
                Some((3, 0x0102))
            );
            let moved = Event::Moved { session: theirs, remote: from };
            assert_eq!(hear(&mut pair, from, &record), [moved, data(theirs, &question)], "{suite:?}");
            let mut buffer = [0; 256];
            let (to, length) = pair.server.seal(theirs, b"answer", &mut buffer).unwrap();
            assert_eq!((to, pair.server.address(theirs)), (from, Some(from)));
            pair.client.handle_input(server_address(), &buffer[..length], pair.now);
            pair.gather();
            assert_eq!(pair.client_events.pop(), Some(data(ours, b"answer")));
        }
        assert_eq!(pair.server.statistics().handshakes, 1);
        assert_eq!(pair.server.statistics().moves, 3);
    }
}

/// A device in the middle of a download: its next question is not answered in full, the copy of it is.
#[test]
fn d25_download_goes_on_after_the_first_repetition() {
    let (mut pair, ours, theirs) = up(Suite::PskAes128Ccm8);
    let mut blocks = 0;
    for number in 0..100_u16 {
        // A new port for every tenth block.
        let from = port(50_000 + number / 10);
        let mut tries = 0;
        loop {
            tries += 1;
            let record = pair.seal_to_server(ours, b"GET the next block");
            hear(&mut pair, from, &record);
            let mut buffer = [0; 1_200];
            match pair.server.seal(theirs, &[7; 1_024], &mut buffer) {
                Ok((to, _)) => break assert_eq!(to, from),
                Err(error) => assert_eq!(error, SendError::AddressUnproved),
            }
        }
        assert!(tries == 1 || number % 10 == 0 && tries == 2, "block {number}");
        blocks += 1;
    }
    assert_eq!((blocks, pair.server.statistics().handshakes), (100, 1));
}

#[test]
fn d25_client_may_ask_for_an_id_too_and_stays_with_its_server() {
    for suite in Suite::ALL {
        let (mut pair, ours, theirs) = up_between(with_ids(suite), with_ids(suite));
        let mut buffer = [0; 256];
        let (_, length) = pair.server.seal(theirs, b"news", &mut buffer).unwrap();
        assert!(ConnectionId::of_datagram(&buffer[..length]).is_some());
        pair.client.handle_input("203.0.113.1:5684".parse().unwrap(), &buffer[..length], pair.now);
        assert_eq!(pair.client.poll_event(), Some(data(ours, b"news")));
        assert_eq!((pair.client.poll_event(), pair.client.address(ours)), (None, Some(server_address())));
    }
}

#[test]
fn d25_two_devices_may_trade_ports() {
    let (mut pair, ours, theirs) = up(Suite::PskAes128Ccm8);
    let mut second = Pair::with(Config::default(), Config::default());
    // Another device, at another port of the same translator.
    core::mem::swap(&mut second.server, &mut pair.server);
    let call = second.call();
    let mut buffer = [0; 2_048];
    let mut other = None;
    while other.is_none() {
        while let Some((_, length)) = second.client.poll_transmit(&mut buffer) {
            second.server.handle_input(port(40_001), &buffer[..length], second.now);
        }
        while let Some(event) = second.server.poll_event() {
            match event {
                Event::KeyWanted { handshake, .. } => {
                    second.server.provide_key(handshake, second.key.as_deref(), second.now);
                }
                Event::Up { session, .. } => other = Some(session),
                _ => {}
            }
        }
        while let Some((_, length)) = second.server.poll_transmit(&mut buffer) {
            second.client.handle_input(server_address(), &buffer[..length], second.now);
        }
    }
    core::mem::swap(&mut second.server, &mut pair.server);
    let record = pair.seal_to_server(ours, b"one");
    assert_eq!(hear(&mut pair, port(40_001), &record).last(), Some(&data(theirs, b"one")));
    let record = second.seal_to_server(call, b"two");
    assert_eq!(hear(&mut pair, client_address(), &record).last(), Some(&data(other.unwrap(), b"two")));
    assert_eq!(pair.server.session_count(), 2);
}

#[test]
fn d26_repeated_record_from_elsewhere_moves_nothing() {
    let (mut pair, ours, theirs) = up(Suite::PskAes128Ccm8);
    let records: Vec<_> = (0..3_u8).map(|number| pair.seal_to_server(ours, &[number])).collect();
    assert_eq!(hear(&mut pair, client_address(), &records[2]), [data(theirs, &[2])]);
    assert_eq!(hear(&mut pair, port(666), &records[2]), [], "a copy");
    // Older, but not seen yet: what it says counts, where it comes from does not.
    assert_eq!(hear(&mut pair, port(666), &records[0]), [data(theirs, &[0])]);
    assert_eq!(pair.server.address(theirs), Some(client_address()));
    assert_eq!(pair.server.statistics().moves, 0);
}

#[test]
fn d27_bad_record_from_elsewhere_moves_nothing_and_is_not_answered() {
    for suite in Suite::ALL {
        let (mut pair, ours, theirs) = up(suite);
        let good = pair.seal_to_server(ours, b"good");
        for bit in 0..8 * good.len() {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // Slowly enough for the limit of its source.
            pair.now += core::time::Duration::from_millis(5);
            assert_eq!(hear(&mut pair, port(666), &bad), [], "{suite:?} bit {bit}");
        }
        assert!(pair.wire.is_empty());
        assert_eq!(pair.server.address(theirs), Some(client_address()));
        assert!(pair.reaches_server(ours, b"ping"));
    }
}

#[test]
fn d28_unknown_short_or_unasked_ids_are_dropped() {
    let (mut pair, ours, _) = up(Suite::PskAes128Ccm8);
    let good = pair.seal_to_server(ours, b"good");
    for index in 11..19 {
        let mut unknown = good.clone();
        unknown[index] ^= 0x10;
        assert_eq!(hear(&mut pair, client_address(), &unknown), [], "byte {index}");
    }
    for length in [0, 4, 7, 9] {
        let mut other = good[..11].to_vec();
        other.extend_from_slice(&vec![3; length]);
        other.extend_from_slice(&good[19..]);
        assert_eq!(hear(&mut pair, client_address(), &other), [], "{length} bytes");
    }
    // Without the id that was agreed on.
    let mut without = good[..11].to_vec();
    without[0] = 23;
    without.extend_from_slice(&good[19..]);
    assert_eq!(hear(&mut pair, client_address(), &without), []);
    assert_eq!(hear(&mut pair, client_address(), &record(25, 0xFEFD, 1 << 48, &[9; 40])), []);
    assert!(pair.wire.is_empty());
    assert!(pair.reaches_server(ours, b"ping"));
}

#[test]
fn d28_record_with_an_id_that_was_not_agreed_on_is_dropped() {
    let (mut pair, ours, _) = up(Suite::PskAes128Ccm8);
    let good = pair.seal_to_server(ours, b"good");
    for (client, server) in [
        (Config::default(), Config::default()),
        (Config { honor_connection_ids: false, ..Config::default() }, with_ids(Suite::PskAes128Ccm8)),
        (Config::default(), Config { honor_connection_ids: false, ..with_ids(Suite::PskAes128Ccm8) }),
    ] {
        let (mut plain, ours, _) = up_between(client, server);
        let record = plain.seal_to_server(ours, b"plain");
        assert_eq!(record[0], 23);
        assert_eq!(hear(&mut plain, client_address(), &good), []);
        assert_eq!(hear(&mut plain, port(666), &record), [], "nobody is there");
        assert!(plain.reaches_server(ours, b"ping"));
    }
}

#[test]
fn d29_record_relayed_from_elsewhere_gets_three_times_its_bytes() {
    for suite in Suite::ALL {
        let (mut pair, ours, theirs) = up(suite);
        let stolen = pair.seal_to_server(ours, b"GET image");
        hear(&mut pair, port(666), &stolen);
        assert_eq!(pair.server.address(theirs), Some(port(666)));
        let mut sent = 0;
        let mut buffer = [0; 2_048];
        for length in [1_024, 100, 40, 20, 10, 4, 1, 0, 0, 0, 0, 0] {
            match pair.server.seal(theirs, &vec![0; length], &mut buffer) {
                Ok((_, length)) => sent += length,
                Err(error) => assert_eq!(error, SendError::AddressUnproved),
            }
        }
        assert!(sent > 0 && sent <= 3 * stolen.len(), "{suite:?} {sent} {}", stolen.len());
        // Copies of it do not buy more, nor move anything.
        for from in [port(666), port(667)] {
            assert_eq!(hear(&mut pair, from, &stolen), []);
        }
        assert_eq!(pair.server.seal(theirs, &[0; 64], &mut buffer), Err(SendError::AddressUnproved));
        // The device speaks: back it goes, to where it is known to be.
        let next = pair.seal_to_server(ours, b"hello?");
        let events = hear(&mut pair, client_address(), &next);
        assert_eq!(events[0], Event::Moved { session: theirs, remote: client_address() });
        assert!(pair.server.seal(theirs, &[0; 1_024], &mut buffer).is_ok());
    }
}

#[test]
fn d29_goodbye_to_an_unproved_address_keeps_to_the_limit() {
    let (mut pair, ours, theirs) = up(Suite::PskAes128Ccm8);
    let stolen = pair.seal_to_server(ours, b"");
    hear(&mut pair, port(666), &stolen);
    let mut buffer = [0; 256];
    while pair.server.seal(theirs, b"", &mut buffer).is_ok() {}
    pair.server.close(theirs, pair.now);
    assert_eq!(pair.server.poll_transmit(&mut buffer), None);
}

#[test]
fn new_handshake_of_another_identity_leaves_a_session_with_an_id_alone() {
    let (mut pair, ours, theirs) = up(Suite::PskAes128Ccm8);
    let mut stranger = Endpoint::new(Config::default(), [9; 32]);
    core::mem::swap(&mut pair.client, &mut stranger);
    let credential = machine::Credential { identity: b"another".to_vec(), key: crate::pair::KEY.to_vec() };
    pair.client.connect(server_address(), credential, pair.now);
    pair.settle();
    assert_eq!(pair.server.session_count(), 2);
    core::mem::swap(&mut pair.client, &mut stranger);
    let record = pair.seal_to_server(ours, b"still here");
    assert_eq!(hear(&mut pair, port(50_000), &record).last(), Some(&data(theirs, b"still here")));
}

/// With a rebind before every message, in both roles and under loss of the moving record.
#[test]
fn every_message_may_come_from_another_port() {
    let (mut pair, ours, theirs) = up(Suite::PskAes128Ccm8);
    pair.now = Instant::from_secs(1);
    for number in 0..2_000_u16 {
        let bytes = number.to_be_bytes();
        let record = pair.seal_to_server(ours, &bytes);
        let from = port(1_024 + number);
        assert_eq!(hear(&mut pair, from, &record).last(), Some(&data(theirs, &bytes)));
        let mut buffer = [0; 256];
        assert_eq!(pair.server.seal(theirs, &bytes, &mut buffer).map(|(to, _)| to), Ok(from));
    }
    assert_eq!(pair.server.session_count(), 1);
}

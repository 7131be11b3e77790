//! No bytes make an endpoint panic, and none that were changed on the way make it lie.

use dtls::{Config, Event, Suite};
use machine::{Machine, Random};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::pair::{Packet, Pair, client_address, server_address};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(4),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_datagram_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        feed(&bytes);
    }

    #[test]
    fn anything_in_a_record_is_survived(
        kind in 20_u8..26,
        epoch in 0_u64..3,
        sequence in 0_u64..80,
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        feed(&crate::pair::record(kind, 0xFEFD, epoch << 48 | sequence, &bytes));
    }

    #[test]
    fn anything_in_a_handshake_message_is_survived(
        kind in prop::sample::select(vec![0_u8, 1, 2, 3, 4, 11, 12, 14, 16, 20, 99]),
        sequence in 0_u16..5,
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        feed(&crate::pair::record(22, 0xFEFD, 1, &crate::pair::message(kind, sequence, &bytes)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(5),
        ..ProptestConfig::default()
    })]

    #[test]
    fn anything_with_a_connection_id_is_survived(
        start in prop::collection::vec(any::<u8>(), 0..24),
        is_real in any::<bool>(),
        sequence in 0_u64..80,
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let (mut pair, ours, _) = crate::connection_ids::up(Suite::PskAes128CbcSha256);
        let mut datagram = vec![25, 0xFE, 0xFD];
        datagram.extend_from_slice(&(1 << 48 | sequence).to_be_bytes());
        if is_real {
            datagram.extend_from_slice(&pair.seal_to_server(ours, b"")[11..19]);
            datagram.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
        } else {
            datagram.extend_from_slice(&start);
        }
        datagram.extend_from_slice(&bytes);
        for from in [client_address(), "198.51.100.7:9".parse().unwrap()] {
            pair.server.handle_input(from, &datagram, pair.now);
            pair.client.handle_input(server_address(), &datagram, pair.now);
        }
        pair.gather();
        prop_assert!(pair.server_events.is_empty() && pair.client_events.is_empty());
        prop_assert!(pair.reaches_server(ours, b"ping"));
    }

    #[test]
    fn any_ticket_session_and_extension_is_survived(
        session in prop::collection::vec(any::<u8>(), 0..34),
        kind in prop::sample::select(vec![0_u8, 22, 23, 35, 54, 99]),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut pair = Pair::new();
        let mut extensions = ((bytes.len() + 4) as u16).to_be_bytes().to_vec();
        extensions.extend_from_slice(&[0, kind]);
        extensions.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
        extensions.extend_from_slice(&bytes);
        let hello = crate::pair::Hello { session, extensions, ..crate::pair::Hello::default() };
        pair.server.handle_input(client_address(), &hello.datagram(), pair.now);
        let mut buffer = [0; 256];
        if pair.server.poll_transmit(&mut buffer).is_some() {
            let hello = hello.with_cookie_of(&mut pair.server, client_address(), pair.now);
            pair.server.handle_input(client_address(), &hello.datagram(), pair.now);
            pair.gather();
        }
        prop_assert_eq!(pair.server.session_count(), 0);
    }
}

/// Gives a datagram to endpoints in every state.
fn feed(bytes: &[u8]) {
    let mut calling = Pair::new();
    calling.call();
    let (up, _, _) = Pair::up(Suite::PskAes128CbcSha256);
    for mut pair in [Pair::new(), calling, up] {
        for _ in 0..2 {
            pair.server.handle_input(client_address(), bytes, pair.now);
            pair.client.handle_input(server_address(), bytes, pair.now);
            pair.gather();
        }
        assert!(!pair.server_events.iter().any(|event| matches!(event, Event::Data { .. })));
    }
}

/// Real flights with a few bits, lengths or orders changed: never a panic, never a session whose two ends
/// disagree, and data only as it was sent.
#[test]
fn damaged_handshakes_never_panic_or_deceive() {
    for seed in 0..6_000 {
        let mut random = Random::from_number(seed);
        let mut pair = pair_of_any_kind(seed);
        let call = pair.call();
        pair.settle_with(|packet| damage(packet, &mut random));
        pair.sleep(pair.now + core::time::Duration::from_secs(2));
        pair.settle_with(|packet| damage(packet, &mut random));
        if pair.client_session() == Some(call) && pair.server_session().is_some() {
            assert!(pair.reaches_server(call, b"exactly this"), "seed {seed}");
        }
        assert!(
            !pair
                .server_events
                .iter()
                .any(|event| { matches!(event, Event::Data { bytes, .. } if bytes != b"exactly this") })
        );
    }
}

/// Every suite, with and without connection ids and tickets; a third of them have a session to resume.
fn pair_of_any_kind(seed: u64) -> Pair {
    let suite = Suite::ALL[seed as usize % 4];
    let plain = Config { suites: vec![suite], issue_tickets: seed % 5 < 3, ..Config::default() };
    let ids = crate::connection_ids::with_ids(suite);
    let client = if seed % 7 < 3 { ids.clone() } else { plain.clone() };
    let server =
        Config { issue_tickets: plain.issue_tickets, ..if seed.is_multiple_of(3) { ids } else { plain } };
    let mut pair = Pair::with(client, server);
    if seed % 3 == 1 {
        pair.call();
        pair.settle();
        pair.client_events.clear();
        pair.server_events.clear();
    }
    pair
}

fn damage(packet: &Packet, random: &mut Random) -> Vec<Packet> {
    let mut packet = packet.clone();
    if random.chance(0.6) {
        return vec![packet];
    }
    for _ in 0..=random.below(3) {
        let at = random.below(packet.bytes.len() as u64) as usize;
        match random.below(5) {
            0 => packet.bytes[at] ^= 1 << random.below(8),
            1 => packet.bytes[at] = random.u32() as u8,
            2 => packet.bytes.truncate(at.max(1)),
            3 => packet.bytes.insert(at, random.u32() as u8),
            _ => {
                let tail = packet.bytes.split_off(at);
                packet.bytes.splice(0..0, tail);
            }
        }
    }
    vec![packet]
}

//! D14, D31, D32: what becomes of sessions when the server starts anew or a key changes.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use dtls::{
    Config, ConnectionIds, Endpoint, Event, RestoreError, SavedSession, SavedSessionError, SendError, Spent,
    Suite,
};
use machine::{Instant, Machine, Random, SessionEnd, SessionId};
use proptest::prelude::*;

use crate::connection_ids::{up as up_with_id, with_ids};
use crate::pair::{Flight, Pair, client_address, credential, server_address};

fn once() -> NonZeroU32 {
    NonZeroU32::MIN
}

/// The server's life ends; another one begins with this session.
fn restart(pair: &mut Pair, config: Config, session: SessionId, seed: u8) -> SessionId {
    let bytes = pair.server.save(session).unwrap().to_bytes();
    pair.server = Endpoint::new(config, [seed; 32]);
    let saved = SavedSession::from_bytes(&bytes).unwrap();
    pair.server.restore(saved.advance(once()).unwrap(), pair.now).unwrap()
}

#[test]
fn d31_without_saved_sessions_records_are_dropped_and_a_new_handshake_works_at_once() {
    let (mut pair, ours, _) = Pair::up(Suite::PskAes128Ccm8);
    pair.server = Endpoint::new(Config::default(), [7; 32]);
    let record = pair.seal_to_server(ours, b"anybody?");
    pair.server.handle_input(client_address(), &record, pair.now);
    pair.gather();
    assert!(pair.server_events.is_empty() && pair.wire.is_empty());
    assert_eq!(pair.server.statistics().dropped.stray, 1);
    let again = pair.call();
    assert!(pair.run_with(Duration::ZERO, |packet| vec![packet.clone()]));
    assert!(pair.reaches_server(again, b"ping"));
}

#[test]
fn d31_with_saved_sessions_devices_notice_nothing() {
    for suite in Suite::ALL {
        let config = Config { suites: vec![suite], ..Config::default() };
        let plain = Pair::up(suite);
        let identified = up_with_id(suite);
        for ((mut pair, ours, theirs), config) in [(plain, config), (identified, with_ids(suite))] {
            assert!(pair.reaches_server(ours, b"before") && pair.reaches_client(theirs, b"before"));
            for seed in 10..14 {
                assert_eq!(restart(&mut pair, config.clone(), theirs, seed), theirs, "the same number");
                assert_eq!(pair.server.identity(theirs), Some(crate::pair::IDENTITY));
                assert_eq!(pair.server.sessions().collect::<Vec<_>>(), [theirs]);
                assert!(pair.reaches_client(theirs, b"after"), "{suite:?} {seed}");
                assert!(pair.reaches_server(ours, b"after"));
            }
            assert_eq!(pair.server.statistics().handshakes, 0);
        }
    }
}

#[test]
fn d31_restored_session_with_an_id_follows_its_device() {
    let (mut pair, ours, theirs) = up_with_id(Suite::PskAes128Ccm8);
    restart(&mut pair, with_ids(Suite::PskAes128Ccm8), theirs, 9);
    let elsewhere = "198.51.100.7:9".parse().unwrap();
    let record = pair.seal_to_server(ours, b"moved meanwhile");
    pair.server.handle_input(elsewhere, &record, pair.now);
    assert_eq!(pair.server.poll_event(), Some(Event::Moved { session: theirs, remote: elsewhere }));
}

#[test]
fn d31_what_came_before_the_save_is_a_replay_after_it() {
    let (mut pair, ours, theirs) = Pair::up(Suite::PskAes128Ccm8);
    let old: Vec<_> = (0..10_u8).map(|number| pair.seal_to_server(ours, &[number])).collect();
    // Only every other one has come.
    for record in old.iter().skip(1).step_by(2) {
        pair.server.handle_input(client_address(), record, pair.now);
    }
    restart(&mut pair, Config::default(), theirs, 9);
    for record in &old {
        pair.server.handle_input(client_address(), record, pair.now);
    }
    assert_eq!(pair.server.poll_event(), None);
    assert_eq!(pair.server.statistics().dropped.replayed, 10);
    assert!(pair.reaches_server(ours, b"ping"));
}

/// The number of a record: epoch and sequence.
fn number(record: &[u8]) -> u64 {
    u64::from_be_bytes(record[3..11].try_into().unwrap())
}

/// A server that saves, crashes and restores in any order, from any of the states that it has saved, with the
/// starts counted as the rule asks. What it sends is what an attacker sees.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Send(u8),
    Save,
    /// Crash and restore from the saved state of this index, counted back from the newest.
    Restart(u8),
    /// A start that restores nothing: the process crashed before it did.
    VainStart,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (1_u8..20).prop_map(Happening::Send),
        2 => Just(Happening::Save),
        2 => (0_u8..6).prop_map(Happening::Restart),
        1 => Just(Happening::VainStart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_record_number_is_used_twice_whatever_is_saved_and_restored(
        happenings in prop::collection::vec(happening(), 1..60),
        with_id in any::<bool>(),
    ) {
        let suite = Suite::PskAes128Ccm8;
        let (mut pair, _, theirs) = if with_id { up_with_id(suite) } else { Pair::up(suite) };
        let config = if with_id { with_ids(suite) } else { Config::default() };
        // What is durable: each saved state with the count of starts at that time, and that count.
        let mut starts = 1_u32;
        let mut saved = vec![(starts, pair.server.save(theirs).unwrap().to_bytes())];
        let mut used = BTreeSet::new();
        for happening in happenings {
            let is_up = pair.server.session_count() == 1;
            match happening {
                Happening::Send(count) if is_up => {
                    for _ in 0..count {
                        let mut buffer = [0; 64];
                        let (_, length) = pair.server.seal(theirs, b"x", &mut buffer).unwrap();
                        prop_assert!(used.insert(number(&buffer[..length])), "a nonce came twice");
                    }
                }
                Happening::Save if is_up => saved.push((starts, pair.server.save(theirs).unwrap().to_bytes())),
                Happening::Send(_) | Happening::Save => {}
                Happening::VainStart => {
                    starts += 1;
                    pair.server = Endpoint::new(config.clone(), [starts as u8; 32]);
                }
                Happening::Restart(back) => {
                    starts += 1;
                    let index = saved.len() - 1 - usize::from(back).min(saved.len() - 1);
                    let (then, bytes) = &saved[index];
                    let advanced = SavedSession::from_bytes(bytes).unwrap();
                    let advanced = advanced.advance(NonZeroU32::new(starts - then).unwrap()).unwrap();
                    pair.server = Endpoint::new(config.clone(), [starts as u8; 32]);
                    prop_assert_eq!(pair.server.restore(advanced, pair.now), Ok(theirs));
                }
            }
        }
    }

    #[test]
    fn any_saved_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = SavedSession::from_bytes(&bytes);
    }
}

#[test]
fn changed_saved_bytes_never_panic() {
    let (mut pair, ours, theirs) = up_with_id(Suite::PskAes128CbcSha256);
    let good = pair.server.save(theirs).unwrap().to_bytes();
    let mut random = Random::from_number(3);
    for round in 0..20_000 {
        let mut bytes = good.to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.u32() as u8;
        }
        if round % 5 == 0 {
            bytes.truncate(random.below(bytes.len() as u64) as usize);
        }
        let config = Config { max_sessions: 8, max_half_open: 8, ..with_ids(Suite::PskAes128CbcSha256) };
        let mut server = Endpoint::new(config, [3; 32]);
        if let Ok(saved) = SavedSession::from_bytes(&bytes)
            && let Ok(advanced) = saved.advance(once())
            && let Ok(session) = server.restore(advanced, Instant::ZERO)
        {
            let _ = server.seal(session, b"x", &mut [0; 256]);
            let record = pair.seal_to_server(ours, b"x");
            server.handle_input(client_address(), &record, Instant::ZERO);
        }
    }
}

#[test]
fn saved_bytes_say_what_they_are_and_hide_their_keys() {
    let (pair, _, theirs) = up_with_id(Suite::PskAes128Gcm);
    let saved = pair.server.save(theirs).unwrap();
    let bytes = saved.to_bytes();
    assert!(bytes.len() <= 470, "{}", bytes.len());
    let read = SavedSession::from_bytes(&bytes).unwrap();
    assert_eq!(*read.to_bytes(), *bytes);
    assert_eq!(
        (read.session(), read.remote(), read.suite()),
        (theirs, client_address(), Suite::PskAes128Gcm)
    );
    assert_eq!((read.identity(), read.is_outgoing()), (crate::pair::IDENTITY, false));
    let text = format!("{read:?}");
    assert!(text.contains("490154203237518") && !text.contains("keys"), "{text}");

    let with = |index: usize, byte| {
        let mut other = bytes.to_vec();
        other[index] = byte;
        SavedSession::from_bytes(&other).map(|saved| saved.session())
    };
    assert_eq!(with(0, 9), Err(SavedSessionError::Form(9)));
    assert_eq!(with(9, 0xEE), Err(SavedSessionError::Suite(0xEEA8)));
    for length in 0..bytes.len() {
        assert!(SavedSession::from_bytes(&bytes[..length]).is_err(), "{length}");
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert_eq!(SavedSession::from_bytes(&longer).map(|_| ()), Err(SavedSessionError::Damaged));
}

#[test]
fn what_cannot_be_restored_says_why() {
    let (pair, _, theirs) = up_with_id(Suite::PskAes128Ccm8);
    let saved = || pair.server.save(theirs).unwrap();
    let advanced = || saved().advance(once()).unwrap();
    assert_eq!(saved().advance(NonZeroU32::new(65_536).unwrap()).map(|_| ()), Err(Spent));
    assert!(saved().advance(NonZeroU32::new(65_535).unwrap()).is_ok());

    let restore = |config: Config| Endpoint::new(config, [9; 32]).restore(advanced(), Instant::ZERO);
    let good = with_ids(Suite::PskAes128Ccm8);
    assert_eq!(restore(good.clone()), Ok(theirs));
    let elsewhere = ConnectionIds { shard: 4, node: 0x0102 };
    assert_eq!(
        restore(Config { connection_id: Some(elsewhere), ..good.clone() }),
        Err(RestoreError::Elsewhere)
    );
    assert_eq!(restore(Config { connection_id: None, ..good.clone() }), Err(RestoreError::Elsewhere));

    let mut server = Endpoint::new(Config { max_sessions: 1, ..good }, [9; 32]);
    assert_eq!(server.restore(advanced(), Instant::ZERO), Ok(theirs));
    assert_eq!(server.restore(advanced(), Instant::ZERO), Err(RestoreError::Full));
    let mut server = Endpoint::new(with_ids(Suite::PskAes128Ccm8), [9; 32]);
    assert_eq!(server.restore(advanced(), Instant::ZERO), Ok(theirs));
    assert_eq!(server.restore(advanced(), Instant::ZERO), Err(RestoreError::Taken));
}

#[test]
fn session_handed_to_another_shard_is_dropped_without_a_word() {
    let (mut pair, ours, theirs) = Pair::up(Suite::PskAes128Ccm8);
    let advanced = pair.server.save(theirs).unwrap().advance(once()).unwrap();
    pair.server.forget(theirs);
    assert_eq!(pair.server.poll_event(), Some(Event::Down { session: theirs, end: SessionEnd::Replaced }));
    assert_eq!(pair.server.poll_transmit(&mut [0; 64]), None);
    assert_eq!(pair.server.seal(theirs, b"", &mut [0; 64]), Err(SendError::NotUp));
    pair.server = Endpoint::new(Config::default(), [5; 32]);
    pair.server.restore(advanced, pair.now).unwrap();
    assert!(pair.reaches_server(ours, b"ping") && pair.reaches_client(theirs, b"pong"));
}

/// With fewer shards than before, sessions of several endpoints go on in one.
#[test]
fn sessions_of_two_endpoints_come_together_in_one() {
    let (first, _, one) = Pair::up(Suite::PskAes128Ccm8);
    let (mut pair, _, two) = Pair::up(Suite::PskAes128Ccm8);
    let mut bytes = pair.server.save(two).unwrap().to_bytes().to_vec();
    let address = bytes.windows(4).position(|bytes| bytes == [192, 0, 2, 1]).unwrap();
    bytes[address + 3] = 9;
    pair.server = Endpoint::new(Config::default(), [5; 32]);
    let restore = |pair: &mut Pair, saved: SavedSession| {
        pair.server.restore(saved.advance(once()).unwrap(), pair.now).unwrap()
    };
    assert_eq!(restore(&mut pair, first.server.save(one).unwrap()), one);
    let elsewhere = restore(&mut pair, SavedSession::from_bytes(&bytes).unwrap());
    assert_ne!(elsewhere, one);
    let mut buffer = [0; 64];
    let (to, length) = pair.server.seal(elsewhere, b"pong", &mut buffer).unwrap();
    assert_eq!(to, "192.0.2.9:40000".parse().unwrap());
    pair.client.handle_input(server_address(), &buffer[..length], pair.now);
    let told = core::iter::from_fn(|| pair.client.poll_event()).last();
    assert!(matches!(told, Some(Event::Data { bytes, .. }) if bytes[..] == b"pong"[..]));
}

/// Numbers of an earlier life mean nothing in a new one, so nobody is taken for somebody else.
#[test]
fn numbers_of_sessions_that_were_not_restored_find_nobody() {
    let (pair, _, theirs) = Pair::up(Suite::PskAes128Ccm8);
    let mut later = Pair::new();
    later.server = Endpoint::new(Config::default(), [99; 32]);
    later.call();
    later.settle();
    assert_eq!(later.server.session_count(), 1);
    assert_eq!(later.server.address(theirs), None);
    let _ = pair;
}

#[test]
fn d32_new_key_works_old_key_is_refused_and_the_live_session_lives_until_it_is_closed() {
    for suite in Suite::ALL {
        let (mut pair, ours, theirs) = Pair::up(suite);
        pair.key = Some(b"the key after it".to_vec());
        assert!(pair.reaches_server(ours, b"still") && pair.reaches_client(theirs, b"here"));
        // Somebody with the old key, resuming or not.
        let mut old = Endpoint::new(Config { suites: vec![suite], ..Config::default() }, [8; 32]);
        core::mem::swap(&mut pair.client, &mut old);
        pair.call();
        pair.run_with(Duration::from_secs(100), |packet| vec![packet.clone()]);
        assert!(pair.client_session().is_none());
        core::mem::swap(&mut pair.client, &mut old);
        pair.client_events.clear();
        pair.call();
        assert!(!pair.run_with(Duration::from_secs(100), |packet| vec![packet.clone()]));
        // With the new one.
        let mut resumed = false;
        pair.client.connect(crate::pair::server_address(), credential(b"the key after it"), pair.now);
        let is_up = pair.run_with(Duration::from_secs(100), |packet| {
            let is_keys = Flight::of(&packet.bytes) == Flight::Keys;
            resumed |= !packet.to_server && Flight::of(&packet.bytes) == Flight::ServerHello && is_keys;
            vec![packet.clone()]
        });
        assert!(is_up && !resumed);
    }
}

//! Downloads over HTTP, with the test in the place of the owner that transfers.

use coap::ContentFormat;

use super::*;

const URI: &str = "https://192.0.2.9:8443/fw/token";
const TAG: &[u8] = b"\"one\"";

fn started(store: MemoryStore) -> Pair {
    let mut config = open_config();
    config.firmware.schemes = vec![Scheme::Coap, Scheme::Http, Scheme::Https];
    config.firmware.attempts = 2;
    let mut pair = Pair::registered(config, store);
    let written = Request::put("/5/0/1").content(ContentFormat::TEXT_PLAIN, URI);
    assert_eq!(pair.ask(written).code, Code::CHANGED);
    pair
}

/// The transfer that was asked for last: its name, where it begins and under which entity tag.
fn wanted(pair: &mut Pair) -> (FetchId, u64, Option<Vec<u8>>) {
    pair.exchange();
    let wanted = pair.events.iter().rev().find_map(|event| match event {
        Event::FetchWanted { fetch, uri, offset, etag } => {
            assert_eq!(uri, URI);
            Some((*fetch, *offset, etag.clone()))
        }
        _ => None,
    });
    wanted.unwrap()
}

fn start(offset: u64, etag: &[u8], total: u64) -> FetchStart {
    FetchStart { offset, etag: Some(etag.to_vec()), total: Some(total) }
}

#[test]
fn a_whole_body_is_a_package() {
    let mut pair = started(MemoryStore::default());
    let (fetch, offset, etag) = wanted(&mut pair);
    assert_eq!((offset, etag), (0, None));
    pair.client.fetch_started(fetch, start(0, TAG, 5), pair.now);
    pair.client.fetch_chunk(fetch, b"ima", pair.now);
    pair.client.fetch_chunk(fetch, b"ge", pair.now);
    assert_eq!(pair.client.firmware().0, UpdateState::Downloading);
    pair.client.fetch_ended(fetch, pair.now);
    assert_eq!(pair.client.firmware(), (UpdateState::Downloaded, UpdateResult::Initial));
    assert_eq!(pair.client.store().bytes, b"image");
}

#[test]
fn a_connection_that_breaks_goes_on_where_it_was() {
    let mut pair = started(MemoryStore::default());
    let (first, ..) = wanted(&mut pair);
    pair.client.fetch_started(first, start(0, TAG, 10), pair.now);
    pair.client.fetch_chunk(first, b"01234", pair.now);
    pair.client.fetch_failed(first, FetchFailure::Interrupted(None), pair.now);
    pair.pass(Duration::from_secs(2));
    let (second, offset, etag) = wanted(&mut pair);
    assert_eq!((offset, etag.as_deref()), (5, Some(TAG)));
    assert_ne!(first, second);
    pair.client.fetch_chunk(first, b"late", pair.now);
    pair.client.fetch_started(second, start(5, TAG, 10), pair.now);
    pair.client.fetch_chunk(second, b"56789", pair.now);
    pair.client.fetch_ended(second, pair.now);
    assert_eq!(pair.client.store().bytes, b"0123456789");
    assert_eq!(pair.client.firmware().0, UpdateState::Downloaded);
}

#[test]
fn another_image_at_the_same_place_is_fetched_from_its_start() {
    let mut pair = started(MemoryStore::default());
    let (first, ..) = wanted(&mut pair);
    pair.client.fetch_started(first, start(0, TAG, 10), pair.now);
    pair.client.fetch_chunk(first, b"01234", pair.now);
    pair.client.fetch_failed(first, FetchFailure::Interrupted(None), pair.now);
    pair.pass(Duration::from_secs(2));
    let (second, ..) = wanted(&mut pair);
    pair.client.fetch_started(second, start(0, b"\"two\"", 3), pair.now);
    pair.client.fetch_chunk(second, b"new", pair.now);
    pair.client.fetch_ended(second, pair.now);
    assert_eq!(pair.client.store().bytes, b"new");
}

#[test]
fn a_server_that_knows_no_ranges_is_read_from_the_start_without_writing_twice() {
    let kept = Kept { offset: 4, etag: Some(TAG.to_vec()), total: Some(8) };
    let store = MemoryStore { kept, bytes: b"0123".to_vec(), ..MemoryStore::default() };
    let mut pair = started(store);
    let (fetch, offset, _) = wanted(&mut pair);
    assert_eq!(offset, 4);
    pair.client.fetch_started(fetch, start(0, TAG, 8), pair.now);
    for piece in [&b"01"[..], b"2345", b"67"] {
        pair.client.fetch_chunk(fetch, piece, pair.now);
    }
    pair.client.fetch_ended(fetch, pair.now);
    assert_eq!(pair.client.store().bytes, b"01234567");
}

#[test]
fn a_range_that_is_not_there_means_everything_from_the_start() {
    let kept = Kept { offset: 4, etag: Some(TAG.to_vec()), total: Some(8) };
    let store = MemoryStore { kept, bytes: b"0123".to_vec(), ..MemoryStore::default() };
    let mut pair = started(store);
    let (fetch, ..) = wanted(&mut pair);
    pair.client.fetch_failed(fetch, FetchFailure::NothingFromThere, pair.now);
    pair.pass(Duration::from_secs(2));
    let (_, offset, etag) = wanted(&mut pair);
    assert_eq!((offset, etag), (0, None));
    assert!(pair.client.store().bytes.is_empty());
}

#[test]
fn a_body_that_ends_early_is_asked_for_again() {
    let mut pair = started(MemoryStore::default());
    let (first, ..) = wanted(&mut pair);
    pair.client.fetch_started(first, start(0, TAG, 10), pair.now);
    pair.client.fetch_chunk(first, b"01234", pair.now);
    pair.client.fetch_ended(first, pair.now);
    assert_eq!(pair.client.firmware().0, UpdateState::Downloading);
    pair.pass(Duration::from_secs(2));
    assert_eq!(wanted(&mut pair).1, 5);
}

#[test]
fn every_failure_of_a_transfer_has_its_result() {
    for (failure, result) in [
        (FetchFailure::Refused, UpdateResult::InvalidUri),
        (FetchFailure::Untrusted, UpdateResult::ConnectionLost),
        (FetchFailure::UnsupportedProtocol, UpdateResult::UnsupportedProtocol),
    ] {
        let mut pair = started(MemoryStore::default());
        let (fetch, ..) = wanted(&mut pair);
        pair.client.fetch_failed(fetch, failure, pair.now);
        assert_eq!(pair.client.firmware(), (UpdateState::Idle, result), "{failure:?}");
    }
}

#[test]
fn a_server_that_stays_away_gives_result_4_and_is_asked_when_it_says() {
    let mut pair = started(MemoryStore::default());
    for _ in 0..3 {
        let (fetch, ..) = wanted(&mut pair);
        let wait = Duration::from_secs(30);
        pair.client.fetch_failed(fetch, FetchFailure::Interrupted(Some(wait)), pair.now);
        pair.pass(wait);
    }
    assert_eq!(pair.client.firmware(), (UpdateState::Idle, UpdateResult::ConnectionLost));
    assert_eq!(pair.client.store().discarded, 0, "what is stored may be of use later");
}

#[test]
fn ets_780_a_scheme_that_the_device_lacks_gives_result_9() {
    let mut pair = Pair::registered(open_config(), MemoryStore::default());
    let written = Request::put("/5/0/1").content(ContentFormat::TEXT_PLAIN, URI);
    assert_eq!(pair.ask(written).code, Code::CHANGED);
    assert_eq!(pair.client.firmware(), (UpdateState::Idle, UpdateResult::UnsupportedProtocol));
}

#[test]
fn a_reset_stops_the_transfer() {
    let mut pair = started(MemoryStore::default());
    let (fetch, ..) = wanted(&mut pair);
    assert_eq!(pair.ask(Request::put("/5/0/1").content(ContentFormat::TEXT_PLAIN, "")).code, Code::CHANGED);
    assert!(pair.events.contains(&Event::FetchStopped(fetch)));
    pair.client.fetch_chunk(fetch, b"late", pair.now);
    assert_eq!(pair.client.firmware(), (UpdateState::Idle, UpdateResult::Initial));
}

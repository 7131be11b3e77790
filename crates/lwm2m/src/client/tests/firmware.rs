use coap::{ContentFormat, OptionNumber};

use super::*;

const URI: &str = "coap://192.0.2.9/fw";

fn pair(adjust: impl FnOnce(&mut FirmwareSettings), store: MemoryStore) -> Pair {
    let mut config = open_config();
    adjust(&mut config.firmware);
    Pair::registered(config, store)
}

fn failing(operation: &'static str, error: StoreError) -> MemoryStore {
    MemoryStore { fails: Some((operation, error)), ..MemoryStore::default() }
}

fn write_uri(uri: &str) -> Request {
    Request::put("/5/0/1").content(ContentFormat::TEXT_PLAIN, uri)
}

fn push(bytes: &[u8]) -> Request {
    Request::put("/5/0/0").content(ContentFormat::OCTET_STREAM, bytes)
}

fn package(bytes: &[u8], etag: &[u8]) -> Response {
    Response::new(Code::CONTENT).content(ContentFormat::OCTET_STREAM, bytes).etag(etag)
}

#[test]
fn every_failure_of_the_store_has_its_result() {
    for (error, result) in [
        (StoreError::NoSpace, UpdateResult::NotEnoughSpace),
        (StoreError::OutOfMemory, UpdateResult::OutOfMemory),
        (StoreError::Damaged, UpdateResult::IntegrityFailure),
        (StoreError::Unsuitable, UpdateResult::UnsupportedPackage),
        (StoreError::Broken, UpdateResult::UpdateFailed),
    ] {
        for operation in ["begin", "identify", "write", "finish"] {
            let mut pair = pair(|_| {}, failing(operation, error));
            assert_eq!(pair.ask(write_uri(URI)).code, Code::CHANGED);
            if operation != "begin" {
                pair.pass(Duration::ZERO);
                pair.answer(package(b"image", b"1"));
            }
            assert_eq!(pair.client.firmware(), (UpdateState::Idle, result), "pull, {operation}");
            let expected = if operation == "finish" { Code::CHANGED } else { Code::INTERNAL_SERVER_ERROR };
            assert_eq!(pair.ask(push(b"image")).code, expected, "{operation}");
            assert_eq!(pair.client.firmware(), (UpdateState::Idle, result), "push, {operation}");
        }
    }
}

#[test]
fn a_failed_activation_gives_result_8_in_the_state_of_the_kind() {
    for (after_failure, state) in [
        (StateAfterFailure::Idle, UpdateState::Idle),
        (StateAfterFailure::Downloaded, UpdateState::Downloaded),
    ] {
        let store = failing("activate", StoreError::Broken);
        let mut pair = pair(|settings| settings.after_failure = after_failure, store);
        assert_eq!(pair.ask(push(b"image")).code, Code::CHANGED);
        assert_eq!(pair.ask(Request::post("/5/0/2")).code, Code::CHANGED);
        assert_eq!(pair.client.firmware(), (state, UpdateResult::UpdateFailed));
    }
}

#[test]
fn execute_works_in_downloaded_only() {
    let mut pair = pair(|_| {}, MemoryStore::default());
    assert_eq!(pair.ask(Request::post("/5/0/2")).code, Code::METHOD_NOT_ALLOWED);
    assert_eq!(pair.ask(push(b"image")).code, Code::CHANGED);
    assert_eq!(pair.ask(Request::post("/5/0/2")).code, Code::CHANGED);
    assert!(pair.client.store().activated);
    assert!(pair.events.contains(&Event::RebootWanted(RebootReason::Update)));
    for late in [Request::post("/5/0/2"), push(&[0]), write_uri("")] {
        assert_eq!(pair.ask(late).code, Code::METHOD_NOT_ALLOWED);
    }
    assert_eq!(pair.client.firmware().0, UpdateState::Updating);
}

#[test]
fn a_store_without_power_silences_the_client() {
    for operation in ["write", "finish"] {
        let mut pair = pair(|_| {}, failing(operation, StoreError::PowerLost));
        assert_eq!(pair.ask(write_uri(URI)).code, Code::CHANGED);
        pair.pass(Duration::ZERO);
        pair.answer(package(b"image", b"1"));
        assert!(pair.events.contains(&Event::PowerLost));
        assert_eq!(pair.client.poll_timeout(), None);
        assert_eq!(pair.client.store().discarded, 0, "nothing is done without power");
        pair.server.request(pair.link, Request::get("/5/0/3"), pair.now);
        pair.exchange();
        assert!(pair.answered.is_empty());
    }
}

#[test]
fn what_a_boot_finds_decides_the_first_state() {
    let uri = || Some(String::from(URI));
    for (recovered, state, result) in [
        (Recovered::Nothing, UpdateState::Idle, UpdateResult::Initial),
        (Recovered::Interrupted { uri: URI.into() }, UpdateState::Downloading, UpdateResult::Initial),
        (Recovered::Downloaded { uri: uri() }, UpdateState::Downloaded, UpdateResult::Initial),
        (Recovered::Installed, UpdateState::Idle, UpdateResult::Success),
        (Recovered::InstallFailed, UpdateState::Idle, UpdateResult::UpdateFailed),
    ] {
        let store = MemoryStore { recovered: Some(recovered.clone()), ..MemoryStore::default() };
        let pair = Pair::registered(open_config(), store);
        assert_eq!(pair.client.firmware(), (state, result), "{recovered:?}");
    }
}

#[test]
fn a_download_goes_on_with_what_is_kept_if_it_is_still_the_same() {
    for (etag, expected) in [(b"1", &b"0123456789abcdefrest"[..]), (b"2", b"0123456789ABCDEFREST")] {
        let kept = Kept { offset: 16, etag: Some(b"1".to_vec()), total: Some(20) };
        let store = MemoryStore { kept, bytes: b"0123456789abcdef".to_vec(), ..MemoryStore::default() };
        let mut pair = pair(|settings| settings.block_size = coap::BlockSize::SMALLEST, store);
        assert_eq!(pair.ask(write_uri(URI)).code, Code::CHANGED);
        pair.pass(Duration::ZERO);
        let block = pair.asked[0].1.options.block2().unwrap();
        assert_eq!(block.offset(), 16);
        while !pair.asked.is_empty() {
            pair.answer(package(expected, etag));
            pair.pass(Duration::ZERO);
        }
        assert_eq!(pair.client.store().bytes, expected);
        assert_eq!(pair.client.firmware().0, UpdateState::Downloaded);
    }
}

#[test]
fn a_server_in_trouble_is_asked_again_when_it_says() {
    let mut pair = pair(|_| {}, MemoryStore::default());
    assert_eq!(pair.ask(write_uri(URI)).code, Code::CHANGED);
    pair.pass(Duration::ZERO);
    let busy = Response::new(Code::SERVICE_UNAVAILABLE).option(OptionNumber::MAX_AGE, &[30]);
    pair.answer(busy);
    pair.pass(Duration::from_secs(29));
    assert!(pair.asked.is_empty());
    pair.pass(Duration::from_secs(1));
    pair.answer(package(b"image", b"1"));
    assert_eq!(pair.client.firmware().0, UpdateState::Downloaded);
}

#[test]
fn a_server_in_trouble_for_too_long_gives_result_4() {
    let mut pair = pair(|settings| settings.attempts = 2, MemoryStore::default());
    assert_eq!(pair.ask(write_uri(URI)).code, Code::CHANGED);
    for _ in 0..3 {
        pair.pass(Duration::from_secs(60));
        pair.answer(Response::new(Code::SERVICE_UNAVAILABLE));
    }
    assert_eq!(pair.client.firmware(), (UpdateState::Idle, UpdateResult::ConnectionLost));
    assert_eq!(pair.client.store().discarded, 0, "what is stored may be of use later");
}

#[test]
fn delivery_methods_that_are_not_there_are_refused() {
    let mut pull_only = pair(|settings| settings.method = DeliveryMethod::Pull, MemoryStore::default());
    assert_eq!(pull_only.ask(push(b"image")).code, Code::METHOD_NOT_ALLOWED);
    assert_eq!(pull_only.ask(push(&[0])).code, Code::CHANGED);
    let mut push_only = pair(|settings| settings.method = DeliveryMethod::Push, MemoryStore::default());
    assert_eq!(push_only.ask(write_uri(URI)).code, Code::METHOD_NOT_ALLOWED);
    for (pair, method) in [(&mut pull_only, "0"), (&mut push_only, "1")] {
        assert_eq!(text(&pair.ask(Request::get("/5/0/9"))), method);
    }
}

#[test]
fn a_device_that_is_busy_with_a_push_says_so() {
    let mut pair = pair(|settings| settings.busy_during_push = true, MemoryStore::default());
    // The first of several blocks by hand, since an endpoint would send the others by itself:
    // PUT /5/0/0, Content-Format 42, Block1 0/1/16.
    let first = b"\x40\x03\x77\x77\xB15\x010\x010\x11\x2A\xD1\x02\x08\xFF0123456789abcdef";
    pair.client.handle_input(pair.link, first, pair.now);
    assert_eq!(pair.client.firmware().0, UpdateState::Downloading);
    assert_eq!(pair.ask(Request::get("/5/0/3")).code, Code::SERVICE_UNAVAILABLE);
    pair.pass(Duration::from_secs(300));
    assert_eq!(pair.client.firmware(), (UpdateState::Idle, UpdateResult::ConnectionLost));
    assert_eq!(text(&pair.ask(Request::get("/5/0/5"))), "4");
}

#[test]
fn a_strict_device_puts_off_a_push_that_starts_over() {
    // First blocks of a PUT of /5/0/0 by hand: Content-Format 42, Block1 0/1/16.
    let first = |identifier: u8| {
        let head = [0x40, 0x03, 0x77, identifier, 0xB1, b'5', 0x01, b'0', 0x01, b'0', 0x11, 0x2A, 0xD1, 0x02];
        [&head[..], &[0x08, 0xFF], b"0123456789abcdef"].concat()
    };
    for (strict, code) in [(false, 0x5F), (true, 0xA3)] {
        let mut config = open_config();
        config.quirks.strict_push = strict;
        let mut pair = Pair::registered(config, MemoryStore::default());
        let mut answer = |datagram: &[u8]| {
            pair.client.handle_input(pair.link, datagram, pair.now);
            let mut buffer = [0; 64];
            let sent = pair.client.poll_transmit(&mut buffer);
            assert!(sent.is_some(), "every request is answered");
            buffer[1]
        };
        assert_eq!(answer(&first(0)), 0x5F, "2.31");
        assert_eq!(answer(&first(1)), code, "again from the start");
        assert_eq!(pair.client.firmware().0, UpdateState::Downloading);
    }
}

#[test]
fn a_download_can_have_a_session_of_its_own() {
    let mut config = secured_config();
    config.firmware.route = DownloadRoute::Separate(Socket(3));
    let mut pair = Pair::registered(config, MemoryStore::default());
    let registered = pair.link;
    assert_eq!(pair.ask(write_uri("coaps://192.0.2.9:5700/fw")).code, Code::CHANGED);
    let Some(SessionCommand::Open { remote, .. }) = pair.commands.front() else { panic!() };
    assert_eq!(*remote, "192.0.2.9:5700".parse().unwrap());
    pair.session_up(SessionId(2));
    pair.pass(Duration::ZERO);
    pair.answer(package(b"image", b"1"));
    assert_eq!(pair.client.firmware().0, UpdateState::Downloaded);
    assert!(matches!(pair.commands.pop_front(), Some(SessionCommand::Close(link)) if link == pair.link));
    pair.link = registered;
    assert_eq!(text(&pair.ask(Request::get("/5/0/3"))), "2");
}

#[test]
fn a_separate_session_that_never_comes_up_gives_result_4() {
    let mut config = secured_config();
    config.firmware.route = DownloadRoute::Separate(Socket(3));
    config.firmware.attempts = 2;
    let mut pair = Pair::registered(config, MemoryStore::default());
    assert_eq!(pair.ask(write_uri("coaps://192.0.2.9:5700/fw")).code, Code::CHANGED);
    while let Some(SessionCommand::Open { request, .. }) = pair.commands.pop_front() {
        let end = machine::SessionEnd::TimedOut;
        pair.client.handle_session(SessionEvent::Failed { request, end }, pair.now);
        pair.pass(Duration::ZERO);
    }
    assert_eq!(pair.client.firmware(), (UpdateState::Idle, UpdateResult::ConnectionLost));
}

#[test]
fn a_session_lost_in_a_pull_is_opened_again_and_the_pull_goes_on() {
    let mut pair = Pair::registered(secured_config(), MemoryStore::default());
    assert_eq!(pair.ask(write_uri(URI)).code, Code::CHANGED);
    pair.pass(Duration::ZERO);
    assert_eq!(pair.asked.pop_front().unwrap().1.options.path_string(), "/fw");
    let end = machine::SessionEnd::ClosedByPeer;
    pair.client.handle_session(SessionEvent::Down { link: pair.link, end }, pair.now);
    pair.pass(Duration::from_secs(1));
    pair.session_up(SessionId(2));
    pair.accept_registration();
    pair.pass(Duration::ZERO);
    pair.answer(package(b"image", b"1"));
    assert_eq!(pair.client.firmware().0, UpdateState::Downloaded);
}

//! What a download does when nobody answers its blocks any more.

use coap::{ContentFormat, OptionNumber};

use super::*;

/// The time after which a block is given up, with room.
const GIVEN_UP: Duration = Duration::from_secs(94);

fn registered(adjust: impl FnOnce(&mut Config)) -> Pair {
    let mut config = secured_config();
    // No update of the registration comes by itself meanwhile.
    config.accounts.servers[0].lifetime = 86_400;
    adjust(&mut config);
    Pair::registered(config, MemoryStore::default())
}

/// The endpoint of the server cuts the block that is asked for out of it: there are two.
fn image() -> Response {
    Response::new(Code::CONTENT).content(ContentFormat::OCTET_STREAM, vec![5; 1_100]).etag(b"1")
}

/// A download from there whose second block is not answered until it is given up.
fn fall_silent(pair: &mut Pair, uri: &str) {
    let written = pair.ask(Request::put("/5/0/1").content(ContentFormat::TEXT_PLAIN, uri));
    assert_eq!(written.code, Code::CHANGED);
    pair.pass(Duration::ZERO);
    if uri.starts_with("coaps://192.0.2.9") {
        pair.session_up(SessionId(7));
    }
    pair.pass(Duration::ZERO);
    pair.answer(image());
    pair.pass(Duration::ZERO);
    pair.deaf = true;
    pair.asked.clear();
    pair.commands.clear();
    pair.pass(GIVEN_UP);
    pair.deaf = false;
}

/// The session that is left, and that another one is wanted.
fn assert_renewed(pair: &mut Pair, left: SessionId) {
    let closed = pair.commands.pop_front();
    assert!(matches!(closed, Some(SessionCommand::Close(link)) if link == Link::Secured(left)), "{closed:?}");
    assert!(matches!(pair.commands.front(), Some(SessionCommand::Open { .. })), "{:?}", pair.commands);
}

#[test]
fn a_block_that_is_given_up_leads_to_a_new_session_at_once() {
    let mut pair = registered(|_| {});
    fall_silent(&mut pair, "coaps://192.0.2.1/fw");
    assert_renewed(&mut pair, SessionId(1));
    pair.session_up(SessionId(2));
    pair.accept_registration();
    pair.pass(Duration::ZERO);
    let last = pair.answer(image());
    assert_eq!(last.options.path_string(), "/fw");
    assert_eq!(pair.client.firmware().0, UpdateState::Downloaded);
}

#[test]
fn a_session_that_is_resumed_needs_an_update_only() {
    let mut pair = registered(|_| {});
    fall_silent(&mut pair, "coaps://192.0.2.1/fw");
    assert_renewed(&mut pair, SessionId(1));
    pair.session_back(SessionId(2), true);
    let update = pair.answer(Response::new(Code::CHANGED));
    assert_eq!(update.options.path_string(), "/rd/7");
    pair.pass(Duration::ZERO);
    pair.answer(image());
    assert_eq!(pair.client.firmware().0, UpdateState::Downloaded);
}

#[test]
fn a_session_of_the_download_alone_is_replaced_too() {
    let mut pair = registered(|config| config.firmware.route = DownloadRoute::Separate(Socket(0)));
    fall_silent(&mut pair, "coaps://192.0.2.9/fw");
    assert_renewed(&mut pair, SessionId(7));
    pair.session_up(SessionId(8));
    pair.pass(Duration::ZERO);
    pair.answer(image());
    assert_eq!(pair.client.firmware().0, UpdateState::Downloaded);
    assert!(pair.client.is_registered(), "the registration was not touched");
}

#[test]
fn a_client_that_clings_to_its_session_tries_an_update_first() {
    let mut pair = registered(|config| config.quirks.clings_to_session = true);
    fall_silent(&mut pair, "coaps://192.0.2.1/fw");
    assert_eq!(pair.commands.len(), 0);
    pair.deaf = true;
    pair.pass(Duration::from_secs(100));
    assert_renewed(&mut pair, SessionId(1));
}

#[test]
fn a_profile_may_ask_for_the_first_block_without_saying_so() {
    for (plainly, block_size) in [(false, true), (true, false)] {
        let mut config = open_config();
        config.quirks.begins_plainly = plainly;
        let mut pair = Pair::registered(config, MemoryStore::default());
        let uri = Request::put("/5/0/1").content(ContentFormat::TEXT_PLAIN, "coap://192.0.2.1/fw");
        assert_eq!(pair.ask(uri).code, Code::CHANGED);
        pair.pass(Duration::ZERO);
        let first = pair.answer(image());
        assert_eq!(first.options.get(OptionNumber::BLOCK2).is_some(), block_size);
        pair.pass(Duration::ZERO);
        let second = pair.answer(image());
        assert!(second.options.get(OptionNumber::BLOCK2).is_some());
        assert_eq!(pair.client.firmware().0, UpdateState::Downloaded);
    }
}

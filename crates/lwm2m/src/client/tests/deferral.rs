//! Resources 10 to 13 of object 5.

use coap::ContentFormat;

use super::*;

fn newer(puts_off: u64) -> Pair {
    let mut config = open_config();
    config.firmware.deferral = Some(Deferral { puts_off: Duration::from_secs(puts_off) });
    Pair::registered(config, MemoryStore::default())
}

fn write(path: &str, value: &str) -> Request {
    Request::put(path).content(ContentFormat::TEXT_PLAIN, value)
}

fn push(pair: &mut Pair) {
    let image = Request::put("/5/0/0").content(ContentFormat::OCTET_STREAM, &b"image"[..]);
    assert_eq!(pair.ask(image).code, Code::CHANGED);
    assert_eq!(pair.client.firmware(), (UpdateState::Downloaded, UpdateResult::Initial));
}

#[test]
fn ets_781_a_cancel_before_the_installation_gives_result_10() {
    let mut pair = newer(0);
    assert_eq!(
        pair.ask(Request::post("/5/0/10")).code,
        Code::METHOD_NOT_ALLOWED,
        "there is nothing to cancel"
    );
    push(&mut pair);
    assert_eq!(pair.ask(Request::post("/5/0/10")).code, Code::CHANGED);
    assert_eq!(pair.client.firmware(), (UpdateState::Idle, UpdateResult::Canceled));
    assert_eq!(pair.ask(write("/5/0/1", "coap://192.0.2.9/fw")).code, Code::CHANGED);
    assert_eq!(pair.ask(Request::post("/5/0/10")).code, Code::CHANGED);
    assert_eq!(pair.client.firmware(), (UpdateState::Idle, UpdateResult::Canceled));
    push(&mut pair);
    assert_eq!(pair.ask(Request::post("/5/0/2")).code, Code::CHANGED);
    assert_eq!(pair.ask(Request::post("/5/0/10")).code, Code::METHOD_NOT_ALLOWED, "it is too late");
    assert_eq!(pair.client.firmware().0, UpdateState::Updating);
}

#[test]
fn ets_781_a_deferral_gives_result_11_and_ends_by_itself() {
    let mut pair = newer(7_200);
    for (path, value, code) in [
        ("/5/0/11", "3", Code::BAD_REQUEST),
        ("/5/0/11", "2", Code::CHANGED),
        ("/5/0/13", "-1", Code::BAD_REQUEST),
        ("/5/0/13", "3600", Code::CHANGED),
    ] {
        assert_eq!(pair.ask(write(path, value)).code, code, "{path} {value}");
    }
    push(&mut pair);
    assert_eq!(pair.ask(Request::post("/5/0/2")).code, Code::CHANGED);
    assert_eq!(pair.client.firmware(), (UpdateState::Downloaded, UpdateResult::Deferred));
    pair.pass(Duration::from_secs(3_599));
    assert_eq!(pair.client.firmware().0, UpdateState::Downloaded);
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.client.firmware().0, UpdateState::Updating);
    assert!(pair.events.contains(&Event::RebootWanted(RebootReason::Update)));
}

#[test]
fn ets_781_what_is_critical_or_not_deferrable_is_installed_at_once() {
    for (severity, period) in [("0", "3600"), ("1", "0")] {
        let mut pair = newer(7_200);
        assert_eq!(pair.ask(write("/5/0/11", severity)).code, Code::CHANGED);
        assert_eq!(pair.ask(write("/5/0/13", period)).code, Code::CHANGED);
        push(&mut pair);
        assert_eq!(pair.ask(Request::post("/5/0/2")).code, Code::CHANGED);
        assert_eq!(pair.client.firmware().0, UpdateState::Updating);
    }
}

#[test]
fn a_device_of_version_1_0_has_none_of_it() {
    let mut pair = Pair::registered(open_config(), MemoryStore::default());
    for path in ["/5/0/11", "/5/0/12", "/5/0/13"] {
        assert_eq!(pair.ask(Request::get(path)).code, Code::NOT_FOUND, "{path}");
    }
    assert_eq!(pair.ask(Request::post("/5/0/10")).code, Code::NOT_FOUND);
    assert_eq!(pair.ask(write("/5/0/13", "1")).code, Code::NOT_FOUND);
}

use coap::ContentFormat;

use super::*;
use crate::format;
use crate::model::ObjectModel;
use crate::path::Path;
use crate::value::{Node, Value};

fn pair() -> Pair {
    Pair::registered(open_config(), MemoryStore::default())
}

fn put(path: &str, text: &str) -> Request {
    Request::put(path).content(ContentFormat::TEXT_PLAIN, text)
}

#[test]
fn ets_201_a_resource_is_read_as_text_and_203_an_instance_as_tlv() {
    let mut pair = pair();
    let response = pair.ask(Request::get("/3/0/0").accept(ContentFormat::TEXT_PLAIN));
    assert_eq!((response.code, text(&response)), (Code::CONTENT, "Updraft"));
    let response = pair.ask(Request::get("/3/0").accept(ContentFormat::LWM2M_TLV));
    let device = format::tlv::decode(Path::instance(3, 0), &response.payload, &ObjectModel::CORE).unwrap();
    assert_eq!(device.resource(1).unwrap().single(), Some(&Value::from("virtual")));
    assert_eq!(device.resource(11).unwrap().values().collect::<Vec<_>>(), [&Value::Integer(0)]);
}

#[test]
fn a_read_without_accept_is_answered_in_the_clients_own_taste() {
    let format_of = |config: Config, path: &str| {
        let mut pair = Pair::registered(config, MemoryStore::default());
        pair.ask(Request::get(path)).options.content_format().unwrap()
    };
    assert_eq!(format_of(open_config(), "/3/0/3"), ContentFormat::TEXT_PLAIN);
    assert_eq!(format_of(open_config(), "/3/0/11/0"), ContentFormat::TEXT_PLAIN);
    assert_eq!(format_of(open_config(), "/3/0/11"), ContentFormat::LWM2M_TLV);
    let wakaama = Config { quirks: quirks::Profile::Wakaama.quirks(), ..open_config() };
    assert_eq!(format_of(wakaama, "/3/0/3"), ContentFormat::LWM2M_TLV);
}

#[test]
fn errors_have_the_codes_of_the_standard() {
    let mut pair = pair();
    for (request, code) in [
        (Request::get("/0/0"), Code::UNAUTHORIZED),
        (Request::get("/0"), Code::UNAUTHORIZED),
        (put("/0/0/0", "x"), Code::UNAUTHORIZED),
        (Request::get("/9"), Code::NOT_FOUND),
        (Request::get("/3/1"), Code::NOT_FOUND),
        (Request::get("/3/0/99"), Code::NOT_FOUND),
        (Request::get("/3/0/11/5"), Code::NOT_FOUND),
        (Request::get("/nonsense"), Code::NOT_FOUND),
        (Request::get("/5/0/0"), Code::METHOD_NOT_ALLOWED),
        (Request::get("/3/0/4"), Code::METHOD_NOT_ALLOWED),
        (put("/1/0/0", "5"), Code::METHOD_NOT_ALLOWED),
        (Request::post("/3/0/0"), Code::METHOD_NOT_ALLOWED),
        (Request::delete("/3/0"), Code::METHOD_NOT_ALLOWED),
        (Request::post("/1"), Code::METHOD_NOT_ALLOWED),
        (Request::get("/3/0").accept(ContentFormat::TEXT_PLAIN), Code::NOT_ACCEPTABLE),
        (Request::get("/3/0/3").accept(ContentFormat(65_000)), Code::NOT_ACCEPTABLE),
        (Request::put("/1/0/1").content(ContentFormat(65_000), "[]"), Code::UNSUPPORTED_CONTENT_FORMAT),
        (put("/5/0/0", "x"), Code::UNSUPPORTED_CONTENT_FORMAT),
        (put("/1/0/1", "x"), Code::BAD_REQUEST),
        (put("/1/0/1", "-1"), Code::BAD_REQUEST),
        (put("/1/0/7", "SMS"), Code::BAD_REQUEST),
    ] {
        let what = alloc::format!("{} {}", request.method, request.options.path_string());
        assert_eq!(pair.ask(request).code, code, "{what}");
    }
}

#[test]
fn somebody_else_is_not_served() {
    let mut pair = pair();
    pair.link = Link::Secured(SessionId(5));
    assert_eq!(pair.ask(Request::get("/3/0/3")).code, Code::UNAUTHORIZED);
}

#[test]
fn ets_215_an_instance_is_written_in_part_and_replaced() {
    let mut pair = pair();
    let saved = pair.ask(Request::get("/1/0").accept(ContentFormat::LWM2M_TLV)).payload;
    // Resources 2 = 101 and 3 = 1010.
    let part: &[u8] = &[0xC1, 2, 101, 0xC2, 3, 0x03, 0xF2];
    assert_eq!(pair.ask(Request::post("/1/0").content(ContentFormat::LWM2M_TLV, part)).code, Code::CHANGED);
    assert_eq!(text(&pair.ask(Request::get("/1/0/2"))), "101");
    assert_eq!(text(&pair.ask(Request::get("/1/0/3"))), "1010");
    let restore = Request::put("/1/0").content(ContentFormat::LWM2M_TLV, saved.clone());
    assert_eq!(pair.ask(restore).code, Code::CHANGED);
    assert_eq!(pair.ask(Request::get("/1/0").accept(ContentFormat::LWM2M_TLV)).payload, saved);
}

#[test]
fn ets_256_one_forbidden_value_leaves_all_as_they_were() {
    let mut pair = pair();
    // Lifetime 60, and short server id 9, which is read-only.
    let write: &[u8] = &[0xC1, 1, 60, 0xC1, 0, 9];
    let answer = pair.ask(Request::post("/1/0").content(ContentFormat::LWM2M_TLV, write));
    assert_eq!(answer.code, Code::METHOD_NOT_ALLOWED);
    assert_eq!(text(&pair.ask(Request::get("/1/0/1"))), "300");
}

#[test]
fn ets_260_discover_lists_what_is_there_with_its_attributes() {
    let mut pair = pair();
    let write = Request::put("/3/0/7").query("pmin=10").query("pmax=60");
    assert_eq!(pair.ask(write).code, Code::CHANGED);
    let list = pair.ask(Request::get("/3").accept(ContentFormat::LINK_FORMAT));
    assert_eq!(
        text(&list),
        "</3>,</3/0>,</3/0/0>,</3/0/1>,</3/0/2>,</3/0/3>,</3/0/4>,</3/0/5>,</3/0/6>;dim=1,\
         </3/0/7>;dim=1;pmin=10;pmax=60,</3/0/8>;dim=1,</3/0/11>;dim=1,</3/0/12>,</3/0/13>,</3/0/14>,</3/0/15>,</3/0/16>"
    );
    let list = pair.ask(Request::get("/3/0/7").accept(ContentFormat::LINK_FORMAT));
    assert_eq!(text(&list), "</3/0/7>;dim=1;pmin=10;pmax=60");
    let list = pair.ask(Request::get("/0").accept(ContentFormat::LINK_FORMAT));
    assert_eq!(list.code, Code::UNAUTHORIZED);
}

#[test]
fn ets_301_notifications_keep_both_periods() {
    let mut pair = pair();
    let write = Request::put("/4/0/2").query("pmin=10").query("pmax=100");
    assert_eq!(pair.ask(write).code, Code::CHANGED);
    assert_eq!(text(&pair.observe("/4/0/2")), "-95");
    let change = |pair: &mut Pair, signal_strength| {
        pair.client.set_radio(Radio { signal_strength, ..Radio::default() }, pair.now);
    };
    // Two changes within the minimum period are one notification, at its end.
    pair.pass(Duration::from_secs(1));
    change(&mut pair, -100);
    pair.pass(Duration::from_secs(5));
    change(&mut pair, -105);
    assert!(pair.notified.is_empty());
    pair.pass(Duration::from_secs(4));
    assert_eq!(pair.notified.pop_front().as_ref().map(text), Some("-105"));
    // Nothing changes: once in the maximum period.
    pair.pass(Duration::from_secs(99));
    assert!(pair.notified.is_empty());
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.notified.len(), 1);
    // There and back within the minimum period is no change.
    pair.notified.clear();
    change(&mut pair, -70);
    change(&mut pair, -105);
    pair.pass(Duration::from_secs(50));
    assert!(pair.notified.is_empty());
}

#[test]
fn an_instance_can_be_observed() {
    let mut pair = pair();
    let first = pair.observe("/5/0");
    assert_eq!(first.options.observe(), Some(1));
    let bad = put("/5/0/1", "nonsense");
    assert_eq!(pair.ask(bad).code, Code::CHANGED);
    let notified = pair.notified.pop_front().expect("a notification");
    let node = format::tlv::decode(Path::instance(5, 0), &notified.payload, &ObjectModel::CORE).unwrap();
    let Node::Instance(_) = &node else { panic!() };
    assert_eq!(node.resource(5).unwrap().single(), Some(&Value::Integer(7)));
}

#[test]
fn a_registration_drops_observations_or_keeps_them() {
    for (observations, expected) in [(ObservationsAtRegister::Dropped, 0), (ObservationsAtRegister::Kept, 1)]
    {
        let mut pair = Pair::registered(Config { observations, ..open_config() }, MemoryStore::default());
        pair.observe("/5/0/5");
        assert_eq!(pair.ask(Request::post("/1/0/8")).code, Code::CHANGED);
        pair.pass(Duration::ZERO);
        pair.answer(Response::new(Code::NOT_FOUND));
        pair.accept_registration();
        assert_eq!(pair.ask(put("/5/0/1", "nonsense")).code, Code::CHANGED);
        assert_eq!(pair.notified.len(), expected, "{observations:?}");
    }
}

#[test]
fn a_reboot_is_answered_first_and_left_to_the_owner() {
    let mut pair = pair();
    assert_eq!(pair.ask(Request::post("/3/0/4")).code, Code::CHANGED);
    assert!(pair.events.contains(&Event::RebootWanted(RebootReason::Requested)));
}

#[test]
fn more_observations_than_there_is_room_for_are_plain_reads() {
    let mut pair = pair();
    for _ in 0..32 {
        assert!(pair.observe("/5/0/3").options.observe().is_some());
    }
    let link = pair.link;
    pair.server.observe(link, Request::get("/5/0/3"), pair.now);
    pair.exchange();
    let answer = pair.answered.pop_front().unwrap().unwrap();
    assert_eq!((answer.code, answer.options.observe()), (Code::CONTENT, None));
}

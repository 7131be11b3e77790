use coap::ContentFormat;

use super::*;
use crate::path::ObjectId;

fn pair() -> Pair {
    let optional_objects = vec![ObjectId(16), ObjectId(19)];
    Pair::registered(Config { optional_objects, ..open_config() }, MemoryStore::default())
}

/// Portfolio with the identities 0 = "a".
const PORTFOLIO: &[u8] = &[0x83, 0, 0x41, 0, b'a'];

fn create(body: &[u8]) -> Request {
    Request::post("/16").content(ContentFormat::LWM2M_TLV, body)
}

#[test]
fn ets_1630_an_instance_is_created_and_every_server_is_told() {
    let mut pair = pair();
    let created = pair.ask(create(PORTFOLIO));
    assert_eq!(created.code, Code::CREATED);
    assert_eq!(created.options.location_path().collect::<Vec<_>>(), [b"16", &b"1"[..]]);
    assert_eq!(text(&pair.ask(Request::get("/16/1/0/0"))), "a");
    pair.pass(Duration::ZERO);
    let update = pair.answer(Response::new(Code::CHANGED));
    assert!(core::str::from_utf8(&update.payload).unwrap().contains("</16/0>,</16/1>,</19/0>,</19/1>"));
    // With a number of its own, and once more with the same.
    let numbered = [&[0x08, 7, PORTFOLIO.len() as u8][..], PORTFOLIO].concat();
    assert_eq!(pair.ask(create(&numbered)).code, Code::CREATED);
    assert_eq!(pair.ask(create(&numbered)).code, Code::BAD_REQUEST);
    assert_eq!(pair.ask(create(&[])).code, Code::BAD_REQUEST, "the identities are mandatory");
}

#[test]
fn ets_1635_an_instance_is_deleted() {
    let mut pair = pair();
    assert_eq!(pair.ask(Request::delete("/16/0")).code, Code::DELETED);
    assert_eq!(pair.ask(Request::get("/16/0")).code, Code::NOT_FOUND);
    assert_eq!(pair.ask(Request::delete("/16/0")).code, Code::NOT_FOUND);
}

#[test]
fn ets_680_the_device_is_neither_created_nor_deleted() {
    let mut pair = pair();
    assert_eq!(pair.ask(Request::post("/3")).code, Code::METHOD_NOT_ALLOWED);
    assert_eq!(pair.ask(Request::delete("/3/0")).code, Code::METHOD_NOT_ALLOWED);
}

#[test]
fn ets_228_one_value_of_several_is_written_and_removed() {
    let mut pair = pair();
    let write = Request::put("/16/0/0/5").content(ContentFormat::TEXT_PLAIN, "serial");
    assert_eq!(pair.ask(write).code, Code::CHANGED);
    assert_eq!(text(&pair.ask(Request::get("/16/0/0/5"))), "serial");
    assert_eq!(text(&pair.ask(Request::get("/16/0/0/0"))), "host device", "the others stay");
    assert_eq!(pair.ask(Request::delete("/16/0/0/5")).code, Code::DELETED);
    assert_eq!(pair.ask(Request::get("/16/0/0/5")).code, Code::NOT_FOUND);
}

#[test]
fn uplink_data_reach_the_observer_of_object_19_and_downlink_data_are_written() {
    let mut pair = pair();
    pair.observe("/19/0/0");
    pair.client.set_uplink_data(b"123", pair.now);
    pair.pass(Duration::ZERO);
    assert_eq!(pair.notified.len(), 1);
    let write = Request::put("/19/1/0/0").content(ContentFormat::OCTET_STREAM, &b"down"[..]);
    assert_eq!(pair.ask(write).code, Code::CHANGED);
}

#[test]
fn thresholds_and_steps_decide_what_is_told() {
    let mut pair = pair();
    let write = Request::put("/4/0/2").query("gt=-80").query("st=10");
    assert_eq!(pair.ask(write).code, Code::CHANGED);
    pair.observe("/4/0/2");
    let mut told = Vec::new();
    for signal_strength in [-94, -90, -86, -84, -79, -78] {
        pair.client.set_radio(Radio { signal_strength, ..Radio::default() }, pair.now);
        pair.pass(Duration::from_secs(1));
        told.extend(pair.notified.drain(..).map(|response| text(&response).to_string()));
    }
    // A step of ten from -95, then the border.
    assert_eq!(told, ["-84", "-79"]);
}

#[test]
fn ets_656_a_factory_reset_undoes_what_was_written_and_registers_anew() {
    let mut pair = pair();
    let write = Request::put("/3/0/15").content(ContentFormat::TEXT_PLAIN, "Asia/Tokyo");
    assert_eq!(pair.ask(write).code, Code::CHANGED);
    assert_eq!(pair.ask(Request::post("/3/0/5")).code, Code::CHANGED);
    pair.pass(Duration::ZERO);
    pair.accept_registration();
    assert_eq!(text(&pair.ask(Request::get("/3/0/15"))), "Etc/UTC");
}

#[test]
fn the_clock_runs_and_can_be_set_and_its_passing_is_no_change() {
    let mut pair = pair();
    pair.observe("/3/0/13");
    let set = Request::put("/3/0/13").content(ContentFormat::TEXT_PLAIN, "1700000000");
    assert_eq!(pair.ask(set).code, Code::CHANGED);
    assert_eq!(pair.notified.drain(..).count(), 1);
    pair.pass(Duration::from_secs(60));
    assert_eq!(text(&pair.ask(Request::get("/3/0/13"))), "1700000060");
    pair.client.set_radio(Radio { cell: 5, ..Radio::default() }, pair.now);
    pair.pass(Duration::ZERO);
    assert!(pair.notified.is_empty());
}

#[test]
fn attributes_of_the_observation_itself_count_first() {
    let mut pair = pair();
    let (link, now) = (pair.link, pair.now);
    pair.server.observe(link, Request::get("/4/0/2").query("pmin=30"), now);
    pair.exchange();
    pair.client.set_radio(Radio { signal_strength: -60, ..Radio::default() }, pair.now);
    pair.pass(Duration::from_secs(29));
    assert!(pair.notified.is_empty());
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.notified.len(), 1);
}

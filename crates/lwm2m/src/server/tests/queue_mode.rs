//! Devices that sleep.

use alloc::format;
use alloc::vec::Vec;

use coap::{Code, ContentFormat, Request, Response};

use super::super::*;
use super::rig::*;

const SLEEPY: &str = "ep=a&lt=86400&lwm2m=1.1&b=U&Q";

fn sleep_events(rig: &mut Rig) -> Vec<&'static str> {
    let name = |event: &Event| match event {
        Event::Awake { .. } => Some("awake"),
        Event::Asleep { .. } => Some("asleep"),
        _ => None,
    };
    rig.take_events().iter().filter_map(name).collect()
}

fn read() -> Operation {
    Operation::Read("/3/0/3".parse().unwrap())
}

#[test]
fn ets_108_queue_mode_is_seen_in_both_forms() {
    let mut rig = Rig::new();
    for (query, queue_mode) in
        [(SLEEPY, true), ("ep=a&b=UQ", true), ("ep=a&lwm2m=1.1&b=U", false), ("ep=a&lwm2m=1.1", false)]
    {
        let link = rig.session("key-a");
        rig.registered(link, query);
        assert_eq!(rig.server.registration("a").unwrap().queue_mode, queue_mode, "{query}");
        let expected: &[_] = if queue_mode { &["awake"] } else { &[] };
        assert_eq!(sleep_events(&mut rig), expected, "{query}");
    }
}

#[test]
fn ets_109_nothing_is_sent_while_a_device_sleeps() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    let location = rig.registered(link, SLEEPY);
    rig.wait(92);
    assert_eq!(sleep_events(&mut rig), ["awake"]);
    rig.wait(2);
    assert_eq!(sleep_events(&mut rig), ["asleep"]);
    let [first, second] = [rig.operate("a", read()), rig.operate("a", read())];
    rig.wait(600);
    assert!(rig.asked.is_empty(), "it sleeps");
    assert_eq!(rig.request(link, Request::post(&format!("/rd/{location}"))).code, Code::CHANGED);
    assert_eq!(rig.asked.len(), 1, "one at a time");
    let value = || Response::new(Code::CONTENT).content(ContentFormat::TEXT_PLAIN, "1.0");
    rig.reply("/3/0/3", value());
    rig.reply("/3/0/3", value());
    assert!(rig.result(first).is_ok() && rig.result(second).is_ok());
    assert_eq!(sleep_events(&mut rig), ["awake"]);
}

#[test]
fn qm_each_message_keeps_a_device_awake() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    rig.registered(link, SLEEPY);
    for _ in 0..5 {
        rig.wait(60);
        rig.request(link, Request::get("/.well-known/core"));
    }
    assert_eq!(sleep_events(&mut rig), ["awake"]);
    rig.wait(94);
    assert_eq!(sleep_events(&mut rig), ["asleep"]);
    // Without DTLS a message does not prolong the registration, but the device listens.
    let open = rig.open(9);
    rig.registered(open, "ep=A&lt=86400&b=UQ");
    rig.wait(94);
    rig.request(open, Request::get("/.well-known/core"));
    rig.wait(92);
    assert_eq!(sleep_events(&mut rig), ["awake", "asleep", "awake"]);
    rig.wait(2);
    assert_eq!(sleep_events(&mut rig), ["asleep"]);
}

#[test]
fn qm_02_a_hundred_requests_go_one_at_a_time_and_in_order() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    let location = rig.registered(link, SLEEPY);
    rig.wait(94);
    let ids: Vec<_> = (0..100)
        .map(|resource| rig.operate("a", Operation::Read(format!("/3303/{resource}/5700").parse().unwrap())))
        .collect();
    rig.request(link, Request::post(&format!("/rd/{location}")));
    for (resource, id) in ids.into_iter().enumerate() {
        assert_eq!(rig.asked.len(), 1, "one at a time");
        let value = Response::new(Code::CONTENT).content(ContentFormat::TEXT_PLAIN, "1.0");
        rig.reply(&format!("/3303/{resource}/5700"), value);
        assert!(rig.result(id).is_ok());
    }
    let more = (0..102).map(|_| rig.server.operate("a", read(), rig.now)).last().unwrap();
    rig.pump();
    assert_eq!(rig.result(more), Err(OperationError::QueueFull), "the queue is bounded");
}

#[test]
fn qm_what_a_device_does_not_answer_stops_the_rest() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    let location = rig.registered(link, SLEEPY);
    let ids: Vec<_> = (0..4).map(|_| rig.operate("a", read())).collect();
    // The first one is repeated until the device counts as asleep; the others wait for it to wake.
    rig.asked.clear();
    rig.wait(600);
    let lost = ids.into_iter().filter(|id| {
        let done = |event: &Event| matches!(event, Event::OperationDone { id: done, .. } if done == id);
        rig.events.iter().any(done)
    });
    assert!(lost.count() < 4, "a sleeping device is not asked");
    rig.asked.clear();
    rig.request(link, Request::post(&format!("/rd/{location}")));
    assert_eq!(rig.asked.len(), 1);
}

#[test]
fn qm_05_a_device_that_wakes_on_a_new_session_is_asked_there() {
    let mut rig = Rig::new();
    let first = rig.session("key-a");
    let location = rig.registered(first, SLEEPY);
    rig.wait(94);
    rig.end_session(first);
    let second = rig.session("key-a");
    rig.request(second, Request::post(&format!("/rd/{location}")));
    rig.operate("a", read());
    assert_eq!(rig.take("/3/0/3").0, second);
    assert_eq!(sleep_events(&mut rig), ["awake", "asleep", "awake"]);
}

#[test]
fn an_update_may_end_queue_mode_or_begin_it() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    let location = rig.registered(link, SLEEPY);
    let update = |query: &str| Request::post(&format!("/rd/{location}")).query(query);
    rig.wait(94);
    rig.request(link, update("b=U"));
    assert_eq!(sleep_events(&mut rig), ["awake", "asleep", "awake"]);
    rig.wait(1_000);
    assert!(!rig.server.registration("a").unwrap().queue_mode);
    assert!(sleep_events(&mut rig).is_empty());
    rig.operate("a", read());
    rig.take("/3/0/3");
    rig.request(link, update("b=UQ"));
    rig.wait(94);
    assert_eq!(sleep_events(&mut rig), ["asleep"]);
}

//! Observations: begun, kept, begun again, ended.

use coap::{Code, ContentFormat, Request, Response, Token};
use machine::Link;

use super::super::*;
use super::rig::*;
use crate::path::Path;
use crate::value::{Node, Value};

const STATE: Path = Path::resource(5, 0, 3);
const QUERY: &str = "ep=a&lt=86400&lwm2m=1.1&b=U";

fn text(value: &str) -> Response {
    Response::new(Code::CONTENT).content(ContentFormat::TEXT_PLAIN, value)
}

/// A registered device whose /5/0/3 is observed, and the token of its notifications.
fn observed() -> (Rig, Link, Token) {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    rig.registered(link, QUERY);
    rig.operate("a", Operation::Observe(STATE));
    let token = confirm(&mut rig, "0");
    rig.take_events();
    (rig, link, token)
}

/// The device confirms the observation that the server asks for.
fn confirm(rig: &mut Rig, value: &str) -> Token {
    let token = rig.asked[0].1.token();
    let request = rig.reply("/5/0/3", text(value).observe(1));
    assert_eq!(request.options.observe(), Some(0));
    token
}

fn is_value(event: &Event, number: i64) -> bool {
    matches!(event, Event::Notified { path: STATE, value, .. } if *value == Node::single(Value::Integer(number)))
}

#[test]
fn ets_301_303_observations_report_until_they_are_canceled() {
    let (mut rig, link, token) = observed();
    rig.notify(link, token, 2, "1");
    assert!(is_value(&rig.take_events()[0], 1));
    let id = rig.operate("a", Operation::CancelObservation(STATE));
    let request = rig.reply("/5/0/3", text("1"));
    assert_eq!(request.options.observe(), Some(1));
    assert_eq!(rig.result(id), Ok(OperationOutput::Done));
    rig.notify(link, token, 3, "2");
    assert!(rig.events.is_empty());
    let id = rig.operate("a", Operation::CancelObservation(STATE));
    assert_eq!(rig.result(id), Err(OperationError::NotObserved(STATE)));
}

#[test]
fn ets_302_an_observation_ends_by_reset() {
    let (mut rig, link, token) = observed();
    let id = rig.operate("a", Operation::ResetObservation(STATE));
    assert_eq!(rig.result(id), Ok(OperationOutput::Done));
    assert!(rig.asked.is_empty(), "without a word");
    rig.notify(link, token, 2, "1");
    assert!(rig.canceled.contains(&(link, token)), "the notification was reset");
    assert!(rig.events.is_empty());
}

#[test]
fn observing_a_place_again_replaces_the_observation() {
    let (mut rig, link, token) = observed();
    rig.operate("a", Operation::Observe(STATE));
    let second = confirm(&mut rig, "0");
    rig.take_events();
    assert_ne!(token, second);
    rig.notify(link, token, 2, "1");
    assert!(rig.events.is_empty());
    rig.notify(link, second, 3, "1");
    assert!(is_value(&rig.events[0], 1));
}

#[test]
fn ets_312_attributes_go_with_the_request() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    rig.registered(link, "ep=a&lt=300&lwm2m=1.2&b=U");
    rig.operate("a", Operation::ObserveWith(STATE, "pmin=5&pmax=60".parse().unwrap()));
    let request = rig.reply("/5/0/3", text("0").observe(1));
    let query: alloc::vec::Vec<&[u8]> = request.options.uri_query().collect();
    assert_eq!((request.options.observe(), query), (Some(0), [&b"pmin=5"[..], b"pmax=60"].into()));
}

#[test]
fn an_answer_without_observe_is_told_as_the_end() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    rig.registered(link, QUERY);
    rig.take_events();
    let id = rig.operate("a", Operation::Observe(STATE));
    rig.reply("/5/0/3", text("0"));
    assert_eq!(rig.result(id), Ok(OperationOutput::Value(Node::single(Value::Integer(0)))));
    assert!(matches!(rig.events[..], [Event::ObservationEnded { path: STATE, .. }]));
    rig.registered(link, QUERY);
    assert!(rig.asked.is_empty(), "it is not wanted any more");
}

#[test]
fn o04_a_notification_without_observe_is_the_last_value() {
    let (mut rig, link, token) = observed();
    rig.send_separate(link, token, text("3"));
    let events = rig.take_events();
    assert!(is_value(&events[0], 3), "{events:?}");
    assert!(matches!(events[1..], [Event::ObservationEnded { path: STATE, .. }]), "{events:?}");
}

#[test]
fn o05_after_an_error_the_device_is_asked_again_later() {
    let (mut rig, link, token) = observed();
    rig.notify_with(link, token, 2, Response::new(Code::INTERNAL_SERVER_ERROR));
    assert!(rig.take_events().is_empty(), "the value is kept");
    rig.wait(59);
    assert!(rig.asked.is_empty());
    rig.wait(1);
    let second = confirm(&mut rig, "2");
    assert!(is_value(&rig.take_events()[0], 2));
    rig.notify(link, second, 5, "3");
    assert!(is_value(&rig.take_events()[0], 3));
    // One that refuses again and again has ended it.
    rig.notify_with(link, second, 6, Response::new(Code::NOT_FOUND));
    for wait in [60, 120, 240, 480, 960] {
        assert!(rig.take_events().is_empty());
        rig.wait(wait - 1);
        assert!(rig.asked.is_empty(), "{wait}");
        rig.wait(1);
        rig.reply("/5/0/3", Response::new(Code::NOT_FOUND));
    }
    assert!(matches!(rig.take_events()[..], [Event::ObservationEnded { path: STATE, .. }]));
    rig.wait(10_000);
    assert!(rig.asked.is_empty());
}

#[test]
fn o08_a_device_that_registers_again_is_observed_again() {
    let (mut rig, link, token) = observed();
    rig.registered(link, QUERY);
    // Some clients go on with the old token (PEERS 10), which counts until the new one is confirmed.
    rig.notify(link, token, 2, "1");
    assert!(rig.take_events().iter().any(|event| is_value(event, 1)));
    let second = confirm(&mut rig, "2");
    assert_ne!(token, second, "a new token");
    assert!(is_value(&rig.take_events()[0], 2));
    rig.notify(link, second, 3, "3");
    assert!(is_value(&rig.take_events()[0], 3));
    rig.notify(link, token, 4, "9");
    assert!(rig.canceled.contains(&(link, token)), "the old token is reset");
    assert!(rig.take_events().is_empty());
}

#[test]
fn o08_on_another_link_too() {
    let (mut rig, _, _) = observed();
    let second = rig.session("key-a");
    rig.registered(second, QUERY);
    assert_eq!(rig.asked[0].0, second);
    let token = confirm(&mut rig, "2");
    rig.take_events();
    rig.notify(second, token, 3, "3");
    assert!(is_value(&rig.take_events()[0], 3));
}

#[test]
fn peers_18_a_device_that_is_busy_after_its_registration_is_observed_later() {
    let (mut rig, link, _) = observed();
    rig.registered(link, QUERY);
    rig.take_events();
    rig.reply("/5/0/3", Response::new(Code::SERVICE_UNAVAILABLE));
    rig.wait(2);
    confirm(&mut rig, "1");
    assert!(is_value(&rig.take_events()[0], 1));
}

#[test]
fn a_device_that_gives_no_answer_is_observed_when_it_is_heard_again() {
    let (mut rig, link, _) = observed();
    let location = rig.registered(link, QUERY);
    rig.take_events();
    rig.asked.clear();
    rig.wait(300);
    rig.request(link, Request::post(&alloc::format!("/rd/{location}")));
    confirm(&mut rig, "1");
    assert!(rig.take_events().iter().any(|event| is_value(event, 1)));
}

#[test]
fn o09_after_a_restart_with_the_table_notifications_are_matched() {
    let (mut rig, link, token) = observed();
    let snapshot = rig.server.snapshot("a", rig.now).unwrap();
    rig.restart();
    rig.session_again(link, "key-a");
    rig.server.restore(RegistrationSnapshot::from_bytes(&snapshot.to_bytes()).unwrap(), rig.now).unwrap();
    rig.notify(link, token, 2, "1");
    assert!(is_value(&rig.take_events()[0], 1));
}

#[test]
fn o09_after_a_restart_without_the_table_notifications_are_reset() {
    let (mut rig, link, token) = observed();
    let mut snapshot = rig.server.snapshot("a", rig.now).unwrap();
    snapshot.observations.clear();
    rig.restart();
    rig.session_again(link, "key-a");
    rig.server.restore(snapshot, rig.now).unwrap();
    rig.notify(link, token, 2, "1");
    assert!(rig.canceled.contains(&(link, token)));
    assert!(rig.take_events().is_empty());
}

#[test]
fn o09_a_device_that_comes_back_with_an_update_keeps_its_tokens() {
    let (mut rig, link, token) = observed();
    let location = rig.server.registration("a").unwrap().location;
    rig.end_session(link);
    assert!(rig.take_events().is_empty());
    let back = rig.session("key-a");
    rig.request(back, Request::post(&alloc::format!("/rd/{location}")));
    assert!(rig.asked.is_empty());
    rig.take_events();
    rig.notify(back, token, 7, "2");
    assert!(is_value(&rig.take_events()[0], 2));
}

#[test]
fn o11_silence_past_pmax_begins_the_observation_again() {
    let (mut rig, link, token) = observed();
    let attributes = "pmax=100".parse().unwrap();
    rig.operate("a", Operation::WriteAttributes(Path::instance(5, 0), attributes));
    rig.reply("/5/0", Response::new(Code::CHANGED));
    rig.wait(150);
    rig.notify(link, token, 2, "1");
    rig.take_events();
    // 100 s, and 93 s in which a confirmable notification may still be repeated.
    rig.wait(192);
    assert!(rig.asked.is_empty());
    rig.wait(1);
    // Late, but not lost after all.
    rig.notify(link, token, 3, "2");
    assert!(is_value(&rig.take_events()[0], 2));
    let second = confirm(&mut rig, "2");
    rig.take_events();
    rig.notify(link, second, 5, "3");
    assert!(is_value(&rig.take_events()[0], 3));
    rig.notify(link, token, 4, "4");
    assert!(rig.take_events().is_empty());
}

#[test]
fn o11_without_pmax_silence_means_nothing() {
    let (mut rig, link, token) = observed();
    rig.wait(80_000);
    assert!(rig.asked.is_empty());
    rig.notify(link, token, 2, "1");
    assert!(is_value(&rig.take_events()[0], 1));
}

#[test]
fn the_end_of_a_registration_ends_its_observations() {
    let (mut rig, link, token) = observed();
    let location = rig.server.registration("a").unwrap().location;
    rig.request(link, Request::delete(&alloc::format!("/rd/{location}")));
    assert!(rig.take_events().iter().any(|event| matches!(event, Event::ObservationEnded { .. })));
    rig.notify(link, token, 2, "1");
    assert!(rig.take_events().is_empty());
}

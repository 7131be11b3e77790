//! A server that is stopped and started again, with what its owner stored of it.

use alloc::format;
use core::time::Duration;

use coap::{Code, ContentFormat, Request, Response};

use super::super::*;
use super::rig::*;

const GOOD: &str = "ep=a&lt=300&lwm2m=1.1&b=U&sms=+49";

fn observe() -> Operation {
    Operation::Observe("/5/0/3".parse().unwrap())
}

/// The stored form of a registration.
fn stored(rig: &Rig, endpoint: &str) -> RegistrationSnapshot {
    let snapshot = rig.server.snapshot(endpoint, rig.now).unwrap();
    RegistrationSnapshot::from_bytes(&snapshot.to_bytes()).unwrap()
}

#[test]
fn a_device_without_dtls_does_not_notice_a_restart() {
    let mut rig = Rig::new();
    let link = rig.open(9);
    let location = rig.registered(link, "ep=A&lt=300&lwm2m=1.1&b=U");
    let before = rig.server.registration("A");
    rig.wait(20);
    let snapshot = stored(&rig, "A");
    assert_eq!(snapshot.silence, Duration::from_secs(20));
    rig.restart();
    // It was down for 80 s: the device was heard before the clock of the new server began.
    let snapshot = RegistrationSnapshot { silence: Duration::from_secs(100), ..snapshot };
    rig.server.restore(snapshot.clone(), rig.now).unwrap();
    assert_eq!(rig.server.registration("A"), before);
    rig.operate("A", Operation::Read("/3/0/3".parse().unwrap()));
    assert_eq!(rig.take("/3/0/3").0, link);
    assert_eq!(rig.server.restore(snapshot, rig.now), Err(RestoreError::Registered));
    // 300 s of lifetime and 93 s of grace, of which 100 s had passed.
    rig.wait(292);
    assert!(rig.server.registration("A").is_some());
    rig.wait(2);
    assert!(rig.server.registration("A").is_none());
    assert_eq!(rig.request(link, Request::post(&format!("/rd/{location}"))).code, Code::NOT_FOUND);
}

#[test]
fn an_observation_lives_on_where_its_session_does() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    rig.registered(link, GOOD);
    rig.operate("a", observe());
    let (_, asked, _) = rig.asked[0].clone();
    let first = Response::new(Code::CONTENT).observe(1).content(ContentFormat::TEXT_PLAIN, "0");
    rig.reply("/5/0/3", first);
    let snapshot = stored(&rig, "a");
    assert_eq!(snapshot.observations.len(), 1);
    rig.restart();
    rig.session_again(link, "key-a");
    rig.server.restore(snapshot, rig.now).unwrap();
    rig.take_events();
    rig.notify(link, asked.token(), 2, "1");
    let [Event::Notified { endpoint, .. }] = &rig.take_events()[..] else {
        panic!("the notification belongs to the observation")
    };
    assert_eq!(&**endpoint, "a");
    assert_eq!(stored(&rig, "a").observations.len(), 1);
}

#[test]
fn reg_17_a_device_whose_session_is_gone_comes_back_with_an_update() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    let location = rig.registered(link, GOOD);
    rig.operate("a", observe());
    rig.reply("/5/0/3", Response::new(Code::CONTENT).observe(1).content(ContentFormat::TEXT_PLAIN, "0"));
    let snapshot = stored(&rig, "a");
    rig.restart();
    // The number of the old session is that of another device now.
    rig.session_again(link, "key-b");
    rig.server.restore(snapshot, rig.now).unwrap();
    assert_eq!(rig.server.registration("a").unwrap().link, None);
    rig.pump();
    assert!(rig.take_events().is_empty());
    let id = rig.operate("a", Operation::Read("/3/0/3".parse().unwrap()));
    assert_eq!(rig.result(id), Err(OperationError::NotRegistered));
    let update = Request::post(&format!("/rd/{location}"));
    assert_eq!(rig.request(link, update.clone()).code, Code::NOT_FOUND, "the identity is another");
    let back = rig.session("key-a");
    assert_eq!(rig.request(back, update).code, Code::CHANGED);
    let registration = rig.server.registration("a").unwrap();
    assert_eq!((registration.link, registration.sms.as_deref()), (Some(back), Some("+49")));
}

#[test]
fn a_lifetime_that_passed_meanwhile_ends_the_registration() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    rig.registered(link, GOOD);
    let snapshot = stored(&rig, "a");
    rig.restart();
    let down = Duration::from_secs(300 + 94);
    let snapshot = RegistrationSnapshot { silence: snapshot.silence + down, ..snapshot };
    rig.server.restore(snapshot, rig.now).unwrap();
    rig.pump();
    let events = rig.take_events();
    assert!(matches!(&events[..], [Event::Deregistered { why: Gone::Expired, .. }]), "{events:?}");
    assert_eq!(rig.server.device_count(), 0);
}

#[test]
fn a_device_that_sleeps_sleeps_on() {
    let mut rig = Rig::new();
    let link = rig.open(9);
    rig.registered(link, "ep=A&lt=300&b=UQ");
    rig.wait(50);
    let snapshot = stored(&rig, "A");
    rig.restart();
    rig.server.restore(snapshot.clone(), rig.now).unwrap();
    rig.pump();
    assert!(matches!(&rig.take_events()[..], [Event::Awake { .. }]));
    rig.wait(44);
    assert!(matches!(&rig.take_events()[..], [Event::Asleep { .. }]));
    rig.restart();
    let snapshot = RegistrationSnapshot { silence: Duration::from_secs(100), ..snapshot };
    rig.server.restore(snapshot, rig.now).unwrap();
    rig.operate("A", Operation::Read("/3/0/3".parse().unwrap()));
    assert!(rig.take_events().is_empty() && rig.asked.is_empty());
}

#[test]
fn what_cannot_be_taken_up_is_refused() {
    let mut rig = Rig::with(Config { max_devices: 0, ..Config::default() });
    let mut other = Rig::new();
    let link = other.open(9);
    other.registered(link, "ep=A");
    let snapshot = stored(&other, "A");
    assert_eq!(rig.server.restore(snapshot.clone(), rig.now), Err(RestoreError::Full));
    let bad = RegistrationSnapshot { location: "short".into(), ..snapshot.clone() };
    assert_eq!(rig.server.restore(bad, rig.now), Err(RestoreError::Location));
    let bad = RegistrationSnapshot { objects: "</3".into(), ..snapshot };
    assert_eq!(rig.server.restore(bad, rig.now), Err(RestoreError::Objects));
}

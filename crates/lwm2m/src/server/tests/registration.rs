//! Rows 101 to 111 of the ETS, and what it leaves out.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use coap::{Code, ContentFormat, Request};

use super::super::*;
use super::rig::*;

const GOOD: &str = "ep=a&lt=300&lwm2m=1.1&b=U";

fn names(events: &[Event]) -> Vec<&'static str> {
    let name = |event: &Event| match event {
        Event::Registered { replaced: false, .. } => "registered",
        Event::Registered { .. } => "registered again",
        Event::Updated { .. } => "updated",
        Event::Deregistered { why: Gone::Deregistered, .. } => "deregistered",
        Event::Deregistered { why: Gone::Expired, .. } => "expired",
        Event::Deregistered { why: Gone::Dropped, .. } => "dropped",
        Event::Awake { .. } => "awake",
        Event::Refused { .. } => "refused",
        Event::OperationDone { .. } => "operation",
        _ => "other",
    };
    events.iter().map(name).collect()
}

#[test]
fn ets_101_a_registration_is_stored_as_it_was_said() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    let response = rig.register(link, "ep=a&lt=300&lwm2m=1.1&b=U&Q&sms=+4912345");
    assert_eq!(response.code, Code::CREATED);
    assert_eq!(names(&rig.take_events()), ["registered", "awake"]);
    let registration = rig.server.registration("a").unwrap();
    assert_eq!(registration.location, location(&response));
    assert_eq!(registration.link, Some(link));
    assert_eq!(registration.identity.as_deref(), Some(&b"key-a"[..]));
    assert_eq!(registration.remote.map(|remote| remote.port()), Some(1_001));
    assert_eq!(registration.lifetime, Duration::from_secs(300));
    assert_eq!((registration.version, registration.binding.as_str()), (Version::V1_1, "U"));
    assert_eq!((registration.queue_mode, registration.sms.as_deref()), (true, Some("+4912345")));
    assert!(registration.objects.contains(crate::object::FIRMWARE));
    assert_eq!((&registration.objects.formats[..], &registration.oddities[..]), (&[11_542][..], &[][..]));
}

#[test]
fn ets_102_107_an_update_counts_from_its_own_time_and_keeps_what_it_does_not_say() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    let location = rig.registered(link, "ep=a&lt=60&lwm2m=1.1&b=U");
    rig.take_events();
    rig.wait(50);
    let update = Request::post(&format!("/rd/{location}"));
    assert_eq!(rig.request(link, update.clone().query("lt=20")).code, Code::CHANGED);
    assert_eq!(rig.server.registration("a").unwrap().lifetime, Duration::from_secs(20));
    rig.wait(15);
    assert_eq!(rig.request(link, update.clone()).code, Code::CHANGED);
    let [Event::Updated { registration: Some(told), .. }, Event::Updated { registration: None, .. }] =
        &rig.take_events()[..]
    else {
        panic!("an update tells what changed");
    };
    assert_eq!((told.lifetime, told.binding.as_str()), (Duration::from_secs(20), "U"));
    // 20 s of lifetime and 93 s of grace from the last message on.
    rig.wait(112);
    assert!(rig.server.registration("a").is_some());
    rig.wait(2);
    assert_eq!(names(&rig.take_events()), ["expired"]);
    assert_eq!(rig.server.device_count(), 0);
    assert_eq!(rig.request(link, update).code, Code::NOT_FOUND);
}

#[test]
fn reg_13_traffic_of_an_authenticated_device_is_a_sign_of_life() {
    let mut rig = Rig::new();
    let secured = rig.session("key-a");
    rig.registered(secured, "ep=a&lt=20");
    let open = rig.open(9);
    rig.registered(open, "ep=A&lt=20");
    for _ in 0..5 {
        rig.wait(60);
        for link in [secured, open] {
            rig.request(link, Request::get("/.well-known/core"));
        }
    }
    assert!(rig.server.registration("a").is_some());
    assert!(rig.server.registration("A").is_none());
}

#[test]
fn ets_103_a_device_that_deregisters_is_gone() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    let location = rig.registered(link, GOOD);
    let delete = Request::delete(&format!("/rd/{location}"));
    assert_eq!(rig.request(link, delete.clone()).code, Code::DELETED);
    assert_eq!(rig.request(link, delete).code, Code::NOT_FOUND);
    assert_eq!(names(&rig.take_events()), ["registered", "deregistered"]);
    assert_eq!(rig.server.device_count(), 0);
}

#[test]
fn ets_105_reg_12_registering_again_replaces() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    let first = rig.registered(link, GOOD);
    let moved = rig.session("key-a");
    let second = rig.registered(moved, GOOD);
    assert_ne!(first, second);
    assert_eq!(rig.request(link, Request::post(&format!("/rd/{first}"))).code, Code::NOT_FOUND);
    assert_eq!(rig.server.registration("a").unwrap().link, Some(moved));
    assert_eq!(
        (rig.server.device_count(), names(&rig.take_events())),
        (1, ["registered", "registered again"].into())
    );
    rig.wait(300 + 92);
    assert_eq!(rig.server.device_count(), 1);
    rig.wait(2);
    assert_eq!(rig.server.device_count(), 0, "one timer, that of the second registration");
}

#[test]
fn reg_02_the_name_may_come_from_the_identity() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    rig.registered(link, "lt=300&lwm2m=1.1");
    assert!(rig.server.registration("a").is_some());
    let open = rig.open(9);
    let response = rig.register(open, "lt=300&lwm2m=1.1");
    assert_eq!(
        (response.code, &response.payload[..]),
        (Code::BAD_REQUEST, &b"the endpoint name is missing"[..])
    );
}

#[test]
fn reg_05_a_location_is_of_no_use_to_others() {
    let mut rig = Rig::new();
    let a = rig.session("key-a");
    let location = rig.registered(a, GOOD);
    assert!(location.len() >= 12, "a shard and 64 random bits");
    let b = rig.session("key-b");
    let open = rig.open(9);
    for link in [b, open] {
        let path = format!("/rd/{location}");
        assert_eq!(rig.request(link, Request::post(&path)).code, Code::NOT_FOUND);
        assert_eq!(rig.request(link, Request::delete(&path)).code, Code::NOT_FOUND);
    }
    assert!(rig.server.registration("a").is_some());
}

#[test]
fn reg_11_17_a_new_session_of_the_same_identity_takes_the_registration_along() {
    let mut rig = Rig::new();
    let first = rig.session("key-a");
    let location = rig.registered(first, GOOD);
    rig.end_session(first);
    let id = rig.operate("a", Operation::Read("/3/0/3".parse().unwrap()));
    assert_eq!(rig.result(id), Err(OperationError::NotRegistered));
    let second = rig.session("key-a");
    assert_eq!(rig.request(second, Request::post(&format!("/rd/{location}"))).code, Code::CHANGED);
    assert_eq!(rig.server.registration("a").unwrap().link, Some(second));
    rig.operate("a", Operation::Read("/3/0/3".parse().unwrap()));
    assert_eq!(rig.take("/3/0/3").0, second);
    // Without DTLS nothing proves that it is the same device.
    let here = rig.open(9);
    let location = rig.registered(here, "ep=A&lt=300");
    let there = rig.open(10);
    assert_eq!(rig.request(there, Request::post(&format!("/rd/{location}"))).code, Code::NOT_FOUND);
}

#[test]
fn reg_15_the_object_list_of_an_update_replaces() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    let location = rig.registered(link, GOOD);
    let update = Request::post(&format!("/rd/{location}"));
    rig.request(link, update.clone().content(ContentFormat::LINK_FORMAT, "</1/0>,</3/0>"));
    assert!(!rig.server.registration("a").unwrap().objects.contains(crate::object::FIRMWARE));
    let response = rig.request(link, update.clone().content(ContentFormat::LINK_FORMAT, "</1/0>,/3"));
    assert_eq!(response.code, Code::BAD_REQUEST);
    assert_eq!(rig.request(link, update.query("lt=abc")).code, Code::BAD_REQUEST);
    assert!(rig.server.registration("a").is_some(), "a bad update changes nothing");
}

#[test]
fn ets_401x_sec_06_another_devices_name_is_refused_and_told() {
    let mut rig = Rig::new();
    let link = rig.session("key-b");
    assert_eq!(rig.register(link, GOOD).code, Code::BAD_REQUEST);
    let refused = Event::Refused {
        identity: Some(b"key-b".to_vec()),
        endpoint: Some("a".into()),
        refusal: Refusal::WrongEndpoint,
    };
    assert_eq!(rig.take_events(), [refused]);
    assert_eq!(rig.server.device_count(), 0);
}

#[test]
fn reg_04_an_unknown_version_makes_the_client_try_a_lower_one() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    assert_eq!(rig.register(link, "ep=a&lwm2m=9.0").code, Code::PRECONDITION_FAILED);
    assert_eq!(rig.register(link, "ep=a&lt=abc").code, Code::BAD_REQUEST);
    assert_eq!(rig.register(link, "ep=a").code, Code::CREATED);
    let registration = rig.server.registration("a").unwrap();
    assert_eq!(registration.oddities, [Oddity::NoVersion]);
    assert_eq!(registration.lifetime, Duration::from_secs(86_400));
}

#[test]
fn the_number_of_devices_is_bounded() {
    let mut rig = Rig::with(Config { max_devices: 1, ..Config::default() });
    let a = rig.session("key-a");
    rig.registered(a, GOOD);
    let b = rig.session("key-b");
    assert_eq!(rig.register(b, "ep=b").code, Code::SERVICE_UNAVAILABLE);
    rig.registered(a, GOOD);
}

#[test]
fn pages_that_are_not_there_say_so() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    for (request, code) in [
        (Request::post("/bs").query("ep=a"), Code::NOT_FOUND),
        (Request::get("/bspack").query("ep=a"), Code::NOT_FOUND),
        (Request::get("/"), Code::NOT_FOUND),
        (Request::get("/rd"), Code::METHOD_NOT_ALLOWED),
        (Request::get("/rd/x"), Code::METHOD_NOT_ALLOWED),
        (Request::get("/fw/x"), Code::NOT_FOUND),
        (Request::put("/fw/x"), Code::METHOD_NOT_ALLOWED),
        (Request::get("/.well-known/core"), Code::CONTENT),
        (Request::get("/rd").option(coap::OptionNumber::URI_PATH, b".."), Code::BAD_REQUEST),
    ] {
        let path = request.options.path_string();
        assert_eq!(rig.request(link, request).code, code, "{path}");
    }
}

#[test]
fn reg_a_registration_in_small_blocks_is_read_whole() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    let objects: Vec<_> = (0..200).map(|instance| format!("</3303/{instance}>")).collect();
    let block = coap::Block { number: 0, more: true, size: coap::BlockSize::at_most(128).unwrap() };
    let request = GOOD.split('&').fold(Request::post("/rd"), Request::query);
    let request = request.content(ContentFormat::LINK_FORMAT, objects.join(","));
    let bytes = block.encode().to_be_bytes();
    let request = request.option(coap::OptionNumber::BLOCK1, &bytes[3..]);
    assert_eq!(rig.request(link, request).code, Code::CREATED);
    assert_eq!(rig.server.registration("a").unwrap().objects.objects.len(), 200);
}

#[test]
fn releasing_a_device_ends_everything_about_it() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    let location = rig.registered(link, GOOD);
    rig.operate("a", Operation::Read("/3/0/3".parse().unwrap()));
    rig.server.release("a", rig.now);
    rig.pump();
    assert_eq!(names(&rig.take_events()), ["registered", "operation", "dropped"]);
    assert_eq!(rig.server.device_count(), 0);
    assert_eq!(rig.request(link, Request::post(&format!("/rd/{location}"))).code, Code::NOT_FOUND);
}

#[test]
fn sec_n06_a_device_that_registers_too_often_is_told_to_wait() {
    let mut rig = Rig::new();
    let secured = rig.session("key-a");
    let open = rig.open(9);
    for (link, query) in [(secured, GOOD), (open, "ep=A")] {
        for _ in 0..5 {
            rig.registered(link, query);
        }
        let busy = rig.register_once(link, query);
        assert_eq!(busy.code, Code::SERVICE_UNAVAILABLE);
        assert!(busy.options.max_age().is_some_and(|seconds| (5..=6).contains(&seconds)));
    }
    // The registration that it has is not touched, and a loop over DELETE does not help.
    assert_eq!(rig.server.device_count(), 2);
    let location = rig.server.registration("a").unwrap().location;
    rig.request(secured, Request::delete(&format!("/rd/{location}")));
    assert_eq!(rig.register_once(secured, GOOD).code, Code::SERVICE_UNAVAILABLE);
    rig.wait(6);
    rig.registered(secured, GOOD);
}

#[test]
fn ets_110_an_unknown_profile_is_refused_and_the_full_list_taken() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    let parts = "ep=a&lwm2m=1.2&pid=42".split('&');
    let request = parts.fold(Request::post("/rd"), Request::query);
    let bare = request.clone().content(ContentFormat::LINK_FORMAT, "");
    assert_eq!(rig.request(link, bare).code, Code::BAD_REQUEST);
    assert_eq!(rig.server.device_count(), 0);
    let full = request.content(ContentFormat::LINK_FORMAT, OBJECTS);
    assert_eq!(rig.request(link, full).code, Code::CREATED);
    assert_eq!(rig.server.registration("a").unwrap().version, Version::V1_2);
}

#[test]
fn reg_11_an_address_that_moved_is_told() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    rig.registered(link, GOOD);
    rig.take_events();
    let remote = "192.0.2.7:40007".parse().unwrap();
    rig.server.handle_session(SessionEvent::Moved { link, remote }, rig.now);
    rig.pump();
    let [Event::Updated { registration: Some(told), .. }] = &rig.take_events()[..] else {
        panic!("a new address is news")
    };
    assert_eq!((told.remote, told.link), (Some(remote), Some(link)));
}

/// One message of a device, delivered in any order.
#[derive(Clone, Copy, Debug)]
enum Sent {
    Register,
    Update,
    Deregister,
}

/// Delivers messages and checks server, events and a model of three lines against each other.
fn check_order(order: &[Sent]) {
    let mut rig = Rig::with(Config { register_burst: 100, ..Config::default() });
    let link = rig.session("key-a");
    let (mut location, mut registered) = (alloc::string::String::from("none"), false);
    for sent in order {
        let path = format!("/rd/{location}");
        let (request, expected) = match sent {
            Sent::Register => {
                location = rig.registered(link, GOOD);
                registered = true;
                continue;
            }
            Sent::Update => (Request::post(&path).query("lt=77"), Code::CHANGED),
            Sent::Deregister => (Request::delete(&path), Code::DELETED),
        };
        let expected = if registered { expected } else { Code::NOT_FOUND };
        assert_eq!(rig.request(link, request).code, expected, "{order:?}");
        registered &= !matches!(sent, Sent::Deregister);
    }
    assert_eq!(rig.server.registration("a").is_some(), registered, "{order:?}");
    assert_eq!(rig.server.device_count(), usize::from(registered), "{order:?}");
    // What the owner stores from the events is what the server has.
    let mut stored = None;
    for event in rig.take_events() {
        match event {
            Event::Registered { registration, replaced, .. } => {
                assert_eq!(replaced, stored.is_some(), "{order:?}");
                stored = Some(registration);
            }
            Event::Updated { registration: Some(registration), .. } => stored = Some(registration),
            Event::Deregistered { .. } => stored = None,
            _ => {}
        }
    }
    assert_eq!(stored.map(|stored| *stored), rig.server.registration("a"), "{order:?}");
}

#[test]
fn alt_01_all_orders_of_two_registers_an_update_and_a_delete_agree() {
    let sent = [Sent::Register, Sent::Register, Sent::Update, Sent::Deregister];
    for first in 0..4 {
        for second in (0..4).filter(|place| *place != first) {
            for third in (0..4).filter(|place| *place != first && *place != second) {
                check_order(&[first, second, third, 6 - first - second - third].map(|place| sent[place]));
            }
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn alt_01_any_messages_agree(order in proptest::collection::vec(0..3_u8, 0..12)) {
        let sent = |number: &u8| [Sent::Register, Sent::Update, Sent::Deregister][usize::from(*number)];
        check_order(&order.iter().map(sent).collect::<Vec<_>>());
    }
}

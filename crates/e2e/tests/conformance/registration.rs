//! Registration: int-101 to int-111.

use std::time::Duration;

use coap::Code;
use lwm2m::path::ObjectId;
use lwm2m::server::{Event, Gone, OperationError, Version};
use lwm2m::value::Value;
use machine::simulation::NodeId;

use crate::system::{LIFETIME, System};

#[test]
fn ets_101_initial_registration() {
    let mut system = System::new();
    let registration = system.wait_for_registration();
    assert_eq!(registration.lifetime, Duration::from_secs(LIFETIME.into()));
    assert_eq!(registration.version, Version::V1_0);
    assert_eq!(registration.binding, "U");
    assert_eq!(registration.remote, Some(system.world.address(system.device, machine::Socket(0))));
    for object in [1, 3, 4, 5] {
        assert!(registration.objects.contains(ObjectId(object)), "/{object} of {:?}", registration.objects);
    }
    assert!(!registration.objects.contains(ObjectId(0)), "the Security object is nobody's business");
    assert!(registration.oddities.is_empty(), "{:?}", registration.oddities);
}

#[test]
fn ets_102_update() {
    let mut system = System::registered();
    system.write("/1/0/1", Value::Integer(20)).expect("the lifetime can be written");
    system.wait_for_update();
    assert_eq!(system.registration().expect("registered").lifetime, Duration::from_secs(20));
    // It lives on by its Updates, far beyond the first lifetime.
    system.pass(Duration::from_secs(200));
    assert_eq!(system.registration().expect("registered").lifetime, Duration::from_secs(20));
    assert_eq!(system.count(|event| matches!(event, Event::Registered { .. })), 1);
}

#[test]
fn ets_103_deregister() {
    let mut system = System::registered();
    system.execute("/1/0/4").expect("Disable can be executed");
    let why = system.wait_for("deregistration", |event| match event {
        Event::Deregistered { why, .. } => Some(*why),
        _ => None,
    });
    assert_eq!(why, Gone::Deregistered);
    assert_eq!(system.read("/3/0/0"), Err(OperationError::NotRegistered));
}

#[test]
fn ets_104_update_trigger() {
    let mut system = System::registered();
    system.write("/1/0/1", Value::Integer(60)).expect("the lifetime can be written");
    system.wait_for_update();
    let updates = |system: &System| system.count(|event| matches!(event, Event::Updated { .. }));
    let before = updates(&system);
    system.execute("/1/0/8").expect("the trigger can be executed");
    system.pass(Duration::from_secs(5));
    assert_eq!(updates(&system), before + 1, "at once, not when the lifetime asks for it");
    system.pass(Duration::from_secs(58));
    assert!(system.registration().is_some(), "the Update started a new lifetime");
}

#[test]
fn ets_105_discarded_update() {
    let mut system = System::registered();
    system.command(|server, now| server.release(crate::system::ENDPOINT, now));
    assert!(system.registration().is_none());
    // Its next Update is answered 4.04, and it registers anew.
    system.wait_within(Duration::from_secs(2 * u64::from(LIFETIME)), "registration", |event| {
        matches!(event, Event::Registered { replaced: false, .. }).then_some(())
    });
    assert_eq!(system.command(|server, _| server.device_count()), 1);
}

#[test]
fn ets_107_extend_lifetime() {
    let mut system = System::registered();
    system.write("/1/0/1", Value::Integer(120)).expect("the lifetime can be written");
    system.wait_for_update();
    let before = system.world.now();
    // Without the device the registration ends by the new lifetime, not by the old one.
    let device: NodeId = system.device;
    system.world.network().isolate(device, true);
    system.wait_within(Duration::from_secs(600), "expiry", |event| {
        matches!(event, Event::Deregistered { why: Gone::Expired, .. }).then_some(())
    });
    let lived = system.world.now().since(before);
    assert!(lived >= Duration::from_secs(120) && lived < Duration::from_secs(300), "{lived:?}");
}

#[test]
fn ets_256_write_failure() {
    let mut system = System::registered();
    let before = system.value("/1/0/0");
    // The server refuses by itself what the object model forbids; a device would answer 4.05.
    let refused = system.write("/1/0/0", Value::Integer(7)).expect_err("it is read-only");
    assert!(!matches!(refused, OperationError::Refused { code: Code::CHANGED, .. }), "{refused}");
    assert_eq!(system.value("/1/0/0"), before);
}

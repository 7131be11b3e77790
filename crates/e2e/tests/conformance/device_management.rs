//! Device management: int-201 to int-290, and the objects of int-551 to int-710.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lwm2m::client::Version;
use lwm2m::path::{InstanceId, ObjectId, ResourceId, ResourceInstanceId};
use lwm2m::server::{Event, Operation, OperationOutput};
use lwm2m::value::{Instance, Node, Resource, Value};

use crate::system::{ENDPOINT, System, VERSION, at};

#[test]
fn ets_201_read_plain_text() {
    let mut system = System::registered();
    assert_eq!(system.value("/3/0/0"), Value::from("SEQUANS Communications"));
    assert_eq!(system.value("/3/0/1"), Value::from("GM01Q"));
    assert_eq!(system.value("/3/0/2"), Value::from(ENDPOINT.trim_start_matches("urn:imei:")));
}

#[test]
fn ets_202_210_read_and_write_opaque() {
    let mut system = with_application_data();
    for (number, bytes) in (0..).zip([vec![], vec![0], vec![0x00, 0xFF, 0x00], vec![0; 300]]) {
        let value = Value::Opaque(bytes);
        let place = format!("/19/0/0/{number}");
        let written = system.ask(Operation::Write(at(&place), Node::Value(value.clone())));
        assert_eq!(written, Ok(OperationOutput::Done), "{place}");
        assert_eq!(system.read(&place), Ok(Node::Value(value)), "{place}");
    }
}

#[test]
fn ets_203_read_tlv() {
    let mut system = System::registered();
    let device = system.read("/3/0").expect("the instance can be read");
    assert_eq!(device.resource(3), Some(&Resource::Single(Value::from(VERSION))));
    // Several values are a list, by number.
    let Some(Resource::Multiple(errors)) = device.resource(11) else { panic!("no list in {device:?}") };
    assert_eq!(errors.get(&ResourceInstanceId(0)), Some(&Value::Integer(0)));
}

#[test]
fn ets_204_211_the_values_are_equal_in_all_formats() {
    let mut system = with_application_data();
    let places = ["/1", "/1/0", "/3/0", "/3/0/11", "/4/0", "/5/0", "/19/0", "/1/0/0", "/1/0/6", "/1/0/7"];
    let tlv: Vec<_> = places.into_iter().map(|place| told_in(&mut system, "11542", place)).collect();
    for format in ["11543", "110", "112", "11544"] {
        for (place, wanted) in places.into_iter().zip(&tlv) {
            assert_eq!(told_in(&mut system, format, place), *wanted, "{place} in {format}");
        }
    }
    for (place, kind) in
        [("/1/0/0", Value::Integer(1)), ("/1/0/6", Value::Boolean(false)), ("/1/0/7", Value::from("U"))]
    {
        assert_eq!(told_in(&mut system, "60", place), Node::single(kind), "{place} in CBOR");
    }
}

#[test]
fn ets_211_212_220_what_is_written_in_each_format_is_read_back() {
    let mut system = with_application_data();
    for (format, offset) in ["11543", "11542", "110", "112", "11544", "60", "0"].into_iter().zip(0..) {
        let changed = [2, 3, 5].map(|id: u16| (ResourceId(id), Value::Integer(100 * i64::from(id) + offset)));
        prefer(&mut system, &format!("write-one={format} write-many={format}"));
        if matches!(format, "60" | "0") {
            for (resource, value) in &changed {
                system.write(&format!("/1/0/{}", resource.0), value.clone()).expect("it can be written");
            }
        } else {
            let node = Instance::from(changed.clone().map(|(id, value)| (id, Resource::Single(value))));
            let done = system.ask(Operation::Write(at("/1/0"), Node::Instance(node)));
            assert_eq!(done, Ok(OperationOutput::Done), "{format}");
        }
        let spoken = spoken(&mut system);
        assert!(spoken.contains(&format!("={format}")) && !spoken.contains("=-"), "{format}: {spoken}");
        let now = instance(&mut system, "/1/0");
        for (resource, value) in changed {
            assert_eq!(now.get(&resource), Some(&Resource::Single(value)), "{resource:?} in {format}");
        }
    }
}

#[test]
fn ets_205_write_plain_text() {
    let mut system = System::registered();
    let wanted = [("/1/0/2", 101), ("/1/0/3", 1_010), ("/1/0/5", 2_000)];
    let before = wanted.map(|(path, _)| system.value(path));
    for (path, number) in wanted {
        system.write(path, Value::Integer(number)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(system.value(path), Value::Integer(number));
    }
    for ((path, _), value) in wanted.into_iter().zip(before) {
        system.write(path, value.clone()).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(system.value(path), value);
    }
}

#[test]
fn ets_221_operations_on_security() {
    let mut system = System::registered();
    let sent = system.world.network().traffic().sent;
    for operation in [Operation::Read(at("/0/0")), Operation::Discover(at("/0"))] {
        let refused = system.ask(operation);
        assert!(refused.is_err(), "{refused:?}");
    }
    assert_eq!(system.world.network().traffic().sent, sent, "the server refuses by itself");
}

#[test]
fn ets_222_read_object_instance_resource_and_resource_instance() {
    let mut system = System::registered();
    let Ok(Node::Object(instances)) = system.read("/1") else { panic!("no object") };
    let instance = instances.get(&InstanceId(0)).expect("instance 0");
    assert_eq!(system.read("/1/0"), Ok(Node::Instance(instance.clone())));
    let lifetime = instance.get(&ResourceId(1)).expect("the lifetime");
    assert_eq!(system.read("/1/0/1"), Ok(Node::Resource(lifetime.clone())));
    // 1.0 knows no resource instances.
    let refused = system.read("/3/0/11/0").unwrap_err().to_string();
    assert!(refused.contains("/3/0/11/0") && refused.contains("1.1"), "{refused}");
    let mut system = System::with(|settings| settings.client.version = Version::V1_1);
    system.wait_for_registration();
    assert_eq!(system.read("/3/0/11/0"), Ok(Node::Value(Value::Integer(0))));
}

#[test]
fn ets_226_partial_update() {
    let mut system = System::registered();
    let before = instance(&mut system, "/1/0");
    let change = Instance::from([
        (ResourceId(1), Resource::Single(Value::Integer(60))),
        (ResourceId(6), Resource::Single(Value::Boolean(true))),
    ]);
    let done = system.ask(Operation::Write(at("/1/0"), Node::Instance(change.clone())));
    assert_eq!(done, Ok(OperationOutput::Done));
    let mut expected = before;
    expected.extend(change);
    assert_eq!(instance(&mut system, "/1/0"), expected, "nothing else has changed");
}

#[test]
fn ets_227_replace_a_resource() {
    let mut system = System::registered();
    system.write("/1/0/1", Value::Integer(63)).expect("the lifetime can be written");
    system.wait_for_update();
    assert_eq!(system.registration().expect("registered").lifetime, Duration::from_secs(63));
}

#[test]
fn ets_237_read_without_accept() {
    // The device chooses the format, also one that the server has not asked for.
    let mut system =
        System::with(|settings| settings.client.quirks.formats.single = lwm2m::format::TEXT_PLAIN);
    system.wait_for_registration();
    assert_eq!(system.value("/3/0/1"), Value::from("GM01Q"));
    assert!(matches!(system.read("/3"), Ok(Node::Object(_))));
    assert!(matches!(system.read("/1"), Ok(Node::Object(_))));
}

#[test]
fn ets_241_execute_reboot() {
    let mut system = System::registered();
    system.execute("/3/0/4").expect("Reboot can be executed");
    let replaced = system.wait_for("new registration", |event| match event {
        Event::Registered { replaced, .. } => Some(*replaced),
        _ => None,
    });
    assert!(replaced, "no De-register came before");
    assert_eq!(system.command(|server, _| server.device_count()), 1, "no ghost is left");
}

#[test]
fn ets_260_discover() {
    let mut system = System::registered();
    let found = discover(&mut system, "/3");
    for resource in ["</3/0/0>", "</3/0/1>", "</3/0/4>", "</3/0/11>"] {
        assert!(found.contains(resource), "{resource} of {found}");
    }
    assert!(found.contains("dim=1"), "the number of values of /3/0/11: {found}");
}

#[test]
fn ets_651_device_object() {
    let mut system = System::registered();
    system.write("/3/0/14", "+02:00").expect("UTC Offset can be written");
    assert_eq!(system.value("/3/0/14"), Value::from("+02:00"));
    assert_eq!(system.value("/3/0/3"), Value::from(VERSION));
    system.execute("/3/0/5").expect("Factory Reset can be executed");
    system.wait_for_registration();
    assert_ne!(system.value("/3/0/14"), Value::from("+02:00"), "the reset has undone the change");
}

#[test]
fn ets_701_connectivity_monitoring() {
    let mut system = System::registered();
    let radio = instance(&mut system, "/4/0");
    for resource in [0, 1, 2, 4, 8] {
        assert!(radio.contains_key(&ResourceId(resource)), "/4/0/{resource} of {radio:?}");
    }
    assert_eq!(system.value("/4/0/2"), Value::Integer(-95));
    assert_eq!(system.value("/4/0/8"), Value::Integer(0x0001_9A2B));
    let asked = system.ask(Operation::Observe(at("/4/0/2")));
    assert_eq!(asked, Ok(OperationOutput::Value(Node::single(Value::Integer(-95)))));
}

#[test]
fn ets_551_server_object() {
    let mut system = System::registered();
    let own: BTreeSet<u16> = instance(&mut system, "/1/0").into_keys().map(|resource| resource.0).collect();
    assert!(own.is_superset(&BTreeSet::from([0, 1, 6, 7])), "{own:?}");
    system.write("/1/0/5", Value::Integer(60)).expect("Disable Timeout can be written");
    system.execute("/1/0/4").expect("Disable can be executed");
    system.wait_for("deregistration", |event| matches!(event, Event::Deregistered { .. }).then_some(()));
    let left = system.world.now();
    system.wait_for_registration();
    let away = system.world.now().since(left);
    assert!(away >= Duration::from_secs(55) && away < Duration::from_secs(90), "{away:?}");
}

/// A device of LwM2M 1.1 with data in `/19/0/0`.
fn with_application_data() -> System {
    let mut system = System::with(|settings| {
        settings.client.version = Version::V1_1;
        settings.client.optional_objects = vec![ObjectId(19)];
    });
    system.wait_for_registration();
    let data = Resource::Multiple(BTreeMap::from([(ResourceInstanceId(0), Value::Opaque(vec![0, 1, 0]))]));
    let written = system.ask(Operation::Write(at("/19/0/0"), Node::Resource(data)));
    assert_eq!(written, Ok(OperationOutput::Done));
    system
}

/// What a place reads as when it is asked for in this format, and the device had it.
fn told_in(system: &mut System, format: &str, place: &str) -> Node {
    prefer(system, &format!("read-one={format} read-bytes={format} read-many={format}"));
    let node = system.read(place).unwrap_or_else(|error| panic!("{place} in {format}: {error}"));
    let spoken = spoken(system).replace(&format!("={format}"), "");
    assert!(!spoken.contains(|other: char| other.is_ascii_digit()), "{place} in {format}: {spoken}");
    node
}

/// Makes the server believe that these formats have worked.
fn prefer(system: &mut System, memory: &str) {
    let memory = memory.parse().expect("a memory of formats");
    system.command(|server, _| server.set_formats(ENDPOINT, memory));
}

/// What the server believes now: a refused format would be listed, with another that worked.
fn spoken(system: &mut System) -> String {
    system.command(|server, now| server.snapshot(ENDPOINT, now)).expect("registered").formats.to_string()
}

fn instance(system: &mut System, path: &str) -> Instance {
    match system.read(path) {
        Ok(Node::Instance(instance)) => instance,
        other => panic!("{path} is {other:?}"),
    }
}

fn discover(system: &mut System, path: &str) -> String {
    match system.ask(Operation::Discover(at(path))) {
        Ok(OperationOutput::Links(links)) => links,
        other => panic!("Discover of {path} gave {other:?}"),
    }
}

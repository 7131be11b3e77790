//! A device of several parts, each with firmware of its own (object 33629).

use firmware::upgrade::{Cause, Delivery, Outcome, Proof};
use lwm2m::client::ComponentSettings;
use lwm2m::path::InstanceId;
use lwm2m::server::upgrade::{Component, Package, UpgradePlan};
use lwm2m::value::Value;
use machine::simulation::Quality;
use vmodule::Event;

use crate::firmware_update::upgrade;
use crate::system::{System, VERSION, image};

const NEW: &str = "5.4.1.1-60000";
const SUCCEEDED: Outcome = Outcome::Succeeded(Proof::VersionAndResult);

#[test]
fn components_are_upgraded_in_the_order_of_the_plan() {
    for delivery in [Delivery::Pull, Delivery::Push] {
        let mut system = device(&[]);
        assert_eq!(upgrade(&mut system, plan(&[1, 0], image(NEW), delivery)).0, SUCCEEDED);
        assert_eq!(installed(&system), [1, 0], "{delivery:?}");
        assert_eq!(versions(&mut system), [NEW, NEW, VERSION]);
    }
}

#[test]
fn components_are_upgraded_over_a_link_that_loses_a_fifth() {
    for delivery in [Delivery::Pull, Delivery::Push] {
        let mut system = device(&[]);
        system.world.network().set_quality(Quality { loss: 0.2, ..Quality::PERFECT });
        assert_eq!(upgrade(&mut system, plan(&[0, 1], image(NEW), delivery)).0, SUCCEEDED);
        assert_eq!(installed(&system), [0, 1], "{delivery:?}");
    }
}

#[test]
fn linked_components_are_installed_by_one_order() {
    let mut system = device(&[1]);
    let restarts = |system: &System| {
        let restart = |(_, event): &&(_, Event)| matches!(event, Event::Rebooting(_));
        system.device_told.iter().filter(restart).count()
    };
    assert_eq!(upgrade(&mut system, plan(&[0, 1], image(NEW), Delivery::Pull)).0, SUCCEEDED);
    assert_eq!(restarts(&system), 1);
    assert_eq!(versions(&mut system), [NEW, NEW, VERSION]);
}

#[test]
fn the_first_component_that_fails_ends_the_upgrade() {
    let mut system = device(&[]);
    let mut damaged = image(NEW);
    *damaged.last_mut().expect("it is not empty") ^= 1;
    let outcome = upgrade(&mut system, plan(&[0, 1], damaged, Delivery::Push)).0;
    assert_eq!(outcome, Outcome::Failed(Cause::IntegrityFailed));
    assert_eq!(versions(&mut system), [VERSION, VERSION, VERSION]);
}

#[test]
fn a_device_with_components_still_has_object_5() {
    let mut system = device(&[]);
    let plan = UpgradePlan::new(package(image(NEW)), Delivery::Pull);
    assert_eq!(upgrade(&mut system, plan).0, SUCCEEDED);
    assert_eq!(versions(&mut system), [VERSION, VERSION, NEW]);
}

/// A registered device with two components; what the first one is linked to.
fn device(linked: &[u16]) -> System {
    let mut system = System::with(|settings| {
        let linked = linked.iter().copied().map(InstanceId).collect();
        settings.client.components = vec![
            ComponentSettings { name: "modem".into(), linked },
            ComponentSettings { name: "host".into(), linked: Vec::new() },
        ];
    });
    system.wait_for_registration();
    system
}

fn package(bytes: Vec<u8>) -> Package {
    Package {
        name: NEW.into(),
        bytes: bytes.into(),
        model: None,
        version: Some(NEW.into()),
        source_version: None,
    }
}

/// The first one gets this image, the others an intact one.
fn plan(instances: &[u16], first: Vec<u8>, delivery: Delivery) -> UpgradePlan {
    let images = [first].into_iter().chain(std::iter::repeat_with(|| image(NEW)));
    let components = instances.iter().zip(images);
    let components = components
        .map(|(id, bytes)| Component { instance: InstanceId(*id), package: package(bytes) })
        .collect();
    UpgradePlan::of_components(components, delivery).expect("there are some")
}

/// Which components have booted a new image, in that order.
fn installed(system: &System) -> Vec<u16> {
    let booted = system.device_told.iter().filter_map(|(_, event)| match event {
        Event::ComponentBooted { component, state: firmware::BootState::Testing { .. }, .. } => {
            Some(component.0)
        }
        _ => None,
    });
    booted.collect()
}

/// Those of both components and of the module itself.
fn versions(system: &mut System) -> [String; 3] {
    ["/33629/0/15", "/33629/1/15", "/3/0/3"].map(|path| match system.value(path) {
        Value::String(version) => version,
        other => panic!("{path} is {other:?}"),
    })
}

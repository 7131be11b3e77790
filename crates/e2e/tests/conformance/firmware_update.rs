//! Firmware update: int-751 to int-780, with the module's own flash and boot loader.

use std::time::Duration;

use firmware::upgrade::{Cause, Delivery, Outcome, Proof, Stage};
use lwm2m::client::Scheme;
use lwm2m::server::Event;
use lwm2m::server::upgrade::{Package, UpgradeEvent, UpgradeId, UpgradePlan};
use lwm2m::value::Value;

use crate::system::{ENDPOINT, System, VERSION, image};

const NEW: &str = "5.4.1.1-60000";
/// A download and an installation on a quiet link take minutes.
const LIMIT: Duration = Duration::from_secs(7_200);

#[test]
fn ets_751_read_the_firmware_object() {
    for (schemes, delivery) in [(vec![Scheme::Coap, Scheme::Coaps], Delivery::Pull), (vec![], Delivery::Push)]
    {
        let mut system = System::with(|settings| settings.client.firmware.schemes = schemes);
        system.wait_for_registration();
        assert_eq!(system.value("/5/0/3"), Value::Integer(0));
        assert_eq!(system.value("/5/0/5"), Value::Integer(0));
        let (outcome, _) = upgrade(&mut system, plan(image(NEW), delivery));
        assert_eq!(outcome, Outcome::Succeeded(Proof::VersionAndResult));
    }
}

#[test]
fn ets_760_state_is_followed_with_and_without_observation() {
    for observe in [true, false] {
        let mut system = System::registered();
        let plan = UpgradePlan { observe, ..plan(image(NEW), Delivery::Pull) };
        let (outcome, stages) = upgrade(&mut system, plan);
        assert_eq!(outcome, Outcome::Succeeded(Proof::VersionAndResult), "observe: {observe}");
        assert!(stages.contains(&Stage::Downloaded), "{stages:?}");
    }
}

#[test]
fn ets_770_success_by_push() {
    succeeds(Delivery::Push);
}

#[test]
fn ets_771_success_by_uri() {
    succeeds(Delivery::Pull);
}

#[test]
fn ets_772_execute_without_package() {
    let mut system = System::registered();
    let refused = system.execute("/5/0/2").expect_err("there is nothing to install");
    assert!(refused.to_string().contains("4.05"), "{refused}");
    assert_eq!(system.value("/5/0/3"), Value::Integer(0));
    assert_eq!(system.value("/5/0/5"), Value::Integer(0));
}

#[test]
fn ets_773_no_storage() {
    let large = vmodule_image(40_000, NEW, "GM01Q");
    fails(large, Cause::NotEnoughFlash);
}

#[test]
fn ets_775_connection_lost() {
    let mut system = System::registered();
    let id = start(&mut system, plan(image(NEW), Delivery::Pull));
    system.wait_within(LIMIT, "progress", |event| match event {
        Event::Upgrade { event: UpgradeEvent::Progress { bytes, .. }, .. } => (*bytes > 4_000).then_some(()),
        _ => None,
    });
    // The link is gone for a while; the download goes on where it was.
    let device = system.device;
    system.world.network().isolate(device, true);
    system.pass(Duration::from_secs(120));
    system.world.network().isolate(device, false);
    assert_eq!(finish(&mut system, id).0, Outcome::Succeeded(Proof::VersionAndResult));
}

#[test]
fn ets_776_integrity_check_failed() {
    let mut damaged = image(NEW);
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    fails(damaged, Cause::IntegrityFailed);
}

#[test]
fn ets_777_unsupported_package() {
    fails(vmodule_image(12_000, NEW, "BC35-G"), Cause::UnsupportedPackage);
}

#[test]
fn ets_780_unsupported_protocol() {
    let mut system = System::with(|settings| settings.client.firmware.schemes = vec![Scheme::Coap]);
    system.wait_for_registration();
    let base_uri = Some("https://updates.example.com".into());
    let plan = UpgradePlan { base_uri, ..plan(image(NEW), Delivery::Pull) };
    let (outcome, stages) = upgrade(&mut system, plan);
    assert_eq!(outcome, Outcome::Failed(Cause::UnsupportedProtocol));
    assert!(!stages.contains(&Stage::Offering), "nothing was written: {stages:?}");
    assert_eq!(system.value("/5/0/5"), Value::Integer(0));
}

fn succeeds(delivery: Delivery) {
    let mut system = System::registered();
    let (outcome, stages) = upgrade(&mut system, plan(image(NEW), delivery));
    assert_eq!(outcome, Outcome::Succeeded(Proof::VersionAndResult));
    assert!(stages.is_sorted(), "{stages:?}");
    assert_eq!(system.value("/3/0/3"), Value::from(NEW));
    assert_eq!(system.value("/5/0/3"), Value::Integer(0));
}

/// Both ways end with this cause, and the device goes on with what it had.
fn fails(bytes: Vec<u8>, cause: Cause) {
    for delivery in [Delivery::Pull, Delivery::Push] {
        let mut system = System::registered();
        let (outcome, stages) = upgrade(&mut system, plan(bytes.clone(), delivery));
        assert_eq!(outcome, Outcome::Failed(cause), "{delivery}");
        assert!(!stages.contains(&Stage::Executing), "{stages:?}");
        assert_eq!(system.value("/5/0/3"), Value::Integer(0));
        assert_eq!(system.value("/3/0/3"), Value::from(VERSION));
    }
}

pub fn plan(bytes: Vec<u8>, delivery: Delivery) -> UpgradePlan {
    let package = Package {
        name: NEW.into(),
        bytes: bytes.into(),
        model: None,
        version: Some(NEW.into()),
        source_version: None,
    };
    UpgradePlan::new(package, delivery)
}

fn vmodule_image(payload: usize, version: &str, model: &str) -> Vec<u8> {
    let model = model.parse().expect("a model");
    let identity =
        vmodule::image::Identity { model, version: version.parse().expect("a version"), source: None };
    vmodule::image::build(&identity, &vec![0xA5; payload])
}

pub fn upgrade(system: &mut System, plan: UpgradePlan) -> (Outcome, Vec<Stage>) {
    let id = start(system, plan);
    finish(system, id)
}

pub fn start(system: &mut System, plan: UpgradePlan) -> UpgradeId {
    let id = UpgradeId(1);
    let started = system.command(|server, now| server.start_upgrade(id, ENDPOINT, plan, None, now));
    started.expect("nothing else runs");
    id
}

/// Lets the upgrade go on to its end, with every intent durable at once.
fn finish(system: &mut System, id: UpgradeId) -> (Outcome, Vec<Stage>) {
    let mut stages = Vec::new();
    loop {
        let event = system.wait_within(LIMIT, "end of the upgrade", |event| match event {
            Event::Upgrade { event, .. } => Some(event.clone()),
            _ => None,
        });
        match event {
            UpgradeEvent::Stage { stage, .. } => stages.push(stage),
            UpgradeEvent::IntentWanted { .. } => system.command(|server, now| server.intent_durable(id, now)),
            UpgradeEvent::Finished { outcome, .. } => return (outcome, stages),
            _ => {}
        }
    }
}

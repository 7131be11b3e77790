//! Several components of one device (object 33629).

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use coap::Code;
use firmware::upgrade::Delivery::Pull;
use firmware::upgrade::{Cause, Outcome, Proof, Stage};
use machine::{Instant, Link, SessionId};

use super::super::*;
use super::rig::{NEW, OLD};
use crate::object::{ADVANCED_FIRMWARE, device};
use crate::path::{InstanceId, ResourceId, ResourceInstanceId};
use crate::value::{Instance, Resource, Value};

const SUCCESS: Option<Outcome> = Some(Outcome::Succeeded(Proof::VersionAndResult));

#[derive(Clone, Debug)]
struct Part {
    state: i64,
    result: i64,
    version: &'static str,
    linked: Vec<u16>,
    /// The result of its installation; 1 works.
    ends: i64,
}

/// A device whose components do at once what they are told, and write down what it was.
struct Device {
    parts: BTreeMap<u16, Part>,
    told: Vec<String>,
}

impl Device {
    fn new(linked: &[(u16, &[u16])]) -> Self {
        let part =
            |linked: &[u16]| Part { state: 0, result: 0, version: OLD, linked: linked.to_vec(), ends: 1 };
        Self { parts: linked.iter().map(|(id, linked)| (*id, part(linked))).collect(), told: Vec::new() }
    }

    fn read(&self, path: Path) -> Answer {
        if path == device::INSTANCE {
            let values = [(device::MODEL, "GM01Q"), (device::FIRMWARE_VERSION, NEW)];
            let values =
                values.map(|(path, text)| (path.resource_id().unwrap(), Resource::Single(Value::from(text))));
            return Answer::Value(Node::Instance(Instance::from_iter(values)));
        }
        let Some(part) = path.instance_id().and_then(|id| self.parts.get(&id.0)) else {
            return Answer::Refused(Code::NOT_FOUND);
        };
        let number = |number| Resource::Single(Value::Integer(number));
        let links = (0..).map(ResourceInstanceId).zip(&part.linked);
        let links = links.map(|(id, linked)| (id, Value::ObjectLink(ADVANCED_FIRMWARE, InstanceId(*linked))));
        let all = Instance::from_iter([
            (ResourceId(3), number(part.state)),
            (ResourceId(5), number(part.result)),
            (ResourceId(9), number(2)),
            (ResourceId(15), Resource::Single(Value::from(part.version))),
            (ResourceId(16), Resource::Multiple(links.collect())),
        ]);
        match path.resource_id() {
            None => Answer::Value(Node::Instance(all)),
            Some(id) => Answer::Value(Node::Resource(all.get(&id).unwrap().clone())),
        }
    }

    fn execute(&mut self, id: u16) {
        let ready = |part: &Part| part.state == 2;
        let linked = self.parts[&id].linked.clone();
        for id in linked.into_iter().chain([id]) {
            if let Some(part) = self.parts.get_mut(&id).filter(|part| ready(part)) {
                (part.state, part.result) = (0, part.ends);
                part.version = if part.ends == 1 { NEW } else { OLD };
            }
        }
    }
}

fn package(name: &str) -> Package {
    Package {
        name: name.into(),
        bytes: [7; 2_000].into(),
        model: None,
        version: Some(NEW.into()),
        source_version: None,
    }
}

fn plan(instances: &[u16]) -> UpgradePlan {
    let component = |id: &u16| Component { instance: InstanceId(*id), package: package(&id.to_string()) };
    UpgradePlan::of_components(instances.iter().map(component).collect(), Pull).unwrap()
}

/// Runs to the end, or until a stage of a part, and gives the verdict and the last record.
fn run(device: &mut Device, plan: UpgradePlan, record: UpgradeRecord) -> (Option<Outcome>, UpgradeRecord) {
    let mut now = Instant::ZERO;
    let mut record = record;
    let mut procedure = Procedure::new(plan, [String::from("coaps://u.example")].into(), record.clone(), now);
    let mut registers = true;
    for session in 0..10_000 {
        if core::mem::take(&mut registers) {
            procedure.handle_registered(Duration::from_secs(300), Link::Secured(SessionId(session)), now);
        }
        while let Some(event) = procedure.poll_event() {
            match event {
                UpgradeEvent::Stage { record: stored, .. } => record = stored,
                UpgradeEvent::IntentWanted { record: stored } => {
                    record = stored;
                    procedure.intent_durable(now);
                }
                UpgradeEvent::Finished { outcome, .. } => return (Some(outcome), record),
                _ => {}
            }
            assert_eq!(record.to_string().parse(), Ok(record.clone()));
        }
        let Some(action) = procedure.poll_action() else {
            now = procedure.poll_timeout().unwrap().0;
            procedure.handle_timeout(now);
            continue;
        };
        let answer = match &action {
            Action::Read(path) => device.read(procedure.place(*path)),
            Action::Observe | Action::CancelObservation => Answer::Done,
            Action::WriteUri(uri) => {
                let id = procedure.place(crate::object::firmware::PACKAGE_URI).instance_id().unwrap().0;
                device.parts.get_mut(&id).unwrap().state = if uri.is_empty() { 0 } else { 2 };
                device.told.push(alloc::format!("{id} {}", uri.rsplit('/').next().unwrap()));
                Answer::Done
            }
            Action::Execute => {
                let id = procedure.place(crate::object::firmware::UPDATE).instance_id().unwrap().0;
                device.told.push(alloc::format!("{id} execute"));
                device.execute(id);
                registers = true;
                Answer::Done
            }
            other => panic!("{other:?}"),
        };
        procedure.handle_answer(answer, now);
    }
    panic!("does not end: {:?}", device.told);
}

#[test]
fn components_are_upgraded_in_the_order_of_the_plan() {
    let mut device = Device::new(&[(0, &[]), (1, &[]), (4, &[])]);
    let (outcome, record) = run(&mut device, plan(&[4, 0, 1]), UpgradeRecord::new("token"));
    assert_eq!((outcome, record.part), (SUCCESS, 2));
    let told = ["4 token", "4 execute", "0 token-1", "0 execute", "1 token-2", "1 execute"];
    assert_eq!(device.told, told);
    assert!(device.parts.values().all(|part| part.version == NEW));
}

#[test]
fn linked_components_are_delivered_before_the_one_that_installs_them() {
    let mut device = Device::new(&[(0, &[2, 1]), (1, &[]), (2, &[])]);
    let (outcome, _) = run(&mut device, plan(&[0, 1, 2]), UpgradeRecord::new("token"));
    assert_eq!(outcome, SUCCESS);
    assert_eq!(device.told, ["0 token", "1 token-1", "2 token-2", "0 execute"]);
}

#[test]
fn a_linked_component_that_has_its_target_is_left_alone() {
    let mut device = Device::new(&[(0, &[1]), (1, &[])]);
    device.parts.get_mut(&1).unwrap().version = NEW;
    let (outcome, _) = run(&mut device, plan(&[0, 1]), UpgradeRecord::new("token"));
    assert_eq!((outcome, device.told.len()), (SUCCESS, 2));
}

#[test]
fn the_first_component_that_fails_ends_the_upgrade() {
    for (result, cause) in
        [(8, Cause::InstallFailed), (12, Cause::ConflictingState), (13, Cause::DependencyError)]
    {
        let mut device = Device::new(&[(0, &[]), (1, &[]), (2, &[])]);
        device.parts.get_mut(&1).unwrap().ends = result;
        let (outcome, record) = run(&mut device, plan(&[0, 1, 2]), UpgradeRecord::new("token"));
        assert_eq!((outcome, record.part), (Some(Outcome::Failed(cause)), 1));
        assert_eq!(device.parts[&2].version, OLD, "nothing is sent to those behind it");
    }
}

#[test]
fn the_verdict_is_as_strong_as_the_weakest_proof() {
    let mut device = Device::new(&[(0, &[]), (1, &[])]);
    device.parts.get_mut(&1).unwrap().version = NEW;
    assert_eq!(run(&mut device, plan(&[0, 1]), UpgradeRecord::new("token")).0, SUCCESS);
    assert_eq!(
        run(&mut device, plan(&[0, 1]), UpgradeRecord::new("token")).0,
        Some(Outcome::AlreadyAtTarget)
    );
}

#[test]
fn a_restart_goes_on_with_the_component_that_was_its_turn() {
    let mut device = Device::new(&[(0, &[]), (1, &[])]);
    device.parts.get_mut(&0).unwrap().version = NEW;
    let record =
        UpgradeRecord { part: 1, offers: 1, stage: Stage::Downloading, ..UpgradeRecord::new("token") };
    device.parts.get_mut(&1).unwrap().state = 2;
    let (outcome, _) = run(&mut device, plan(&[0, 1]), record);
    assert_eq!((outcome, &device.told[..]), (SUCCESS, &["1 execute".to_string()][..]));
}

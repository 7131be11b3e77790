//! A module of several parts, each with firmware of its own (object 33629).

use e2e::Conditions;
use serde_json::Value;

use crate::rig::{ENDPOINT, Module, NEW, OLD, Rig};

#[test]
fn components_are_upgraded_in_order_over_the_end_of_the_server_and_back_by_push() {
    let mut rig = Rig::start(Conditions::PERFECT);
    let parts = ["modem", "host"].map(|name| format!("{name}={}", rig.files.make_flash(name, &[])));
    let mut module = rig.module(&["--component", &parts[0], "--component", &parts[1]]);
    module.event("registered");
    rig.wait_for_device("firmware_version", &OLD.into());

    let id = start(&rig, &["new", "--component", "1", "--then", "0=new", "--delivery", "pull"]);
    // Between the two: the first one runs, the second one comes.
    while module.event("component-booted")["version"] != NEW {}
    rig.server.kill();
    rig.server.restart();
    rig.server.watch(&id).end().assert_success(NEW);
    assert_eq!(booted(&module, NEW), [1, 0]);
    assert_eq!(versions(&rig), [NEW, NEW, OLD]);

    let id = start(&rig, &["old", "--component", "0", "--delivery", "push"]);
    rig.server.watch(&id).end().assert_success(OLD);
    assert_eq!(versions(&rig), [OLD, NEW, OLD]);
    assert_eq!(rig.files.flash_version(), OLD, "the module itself was left alone");
}

#[test]
fn components_that_make_no_sense_are_refused() {
    let rig = Rig::start(Conditions::PERFECT);
    let arguments = ["upgrade", "start", ENDPOINT, "new", "--component", "1", "--then", "1=old"];
    let (code, problem) = rig.server.refusal(&arguments);
    assert_eq!(code, Some(1));
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("instances")), "{problem}");
}

fn start(rig: &Rig, arguments: &[&str]) -> String {
    let all = [&["upgrade", "start", ENDPOINT], arguments].concat();
    rig.server.answer(&all)["id"].as_str().expect("it is text").to_owned()
}

/// The components in the order in which they first ran this version.
fn booted(module: &Module, version: &str) -> Vec<u64> {
    let mut order = Vec::new();
    for event in module.events("component-booted").iter().filter(|event| event["version"] == version) {
        let component = event["component"].as_u64().expect("it is a number");
        if !order.contains(&component) {
            order.push(component);
        }
    }
    order
}

/// Those of both components and of the module itself.
fn versions(rig: &Rig) -> [Value; 3] {
    ["/33629/0/15", "/33629/1/15", "/3/0/3"].map(|path| {
        let read = rig.server.answer(&["device", "read", ENDPOINT, path]);
        read["answer"]["values"][0]["value"].clone()
    })
}

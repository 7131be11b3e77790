//! Modules that sleep: queue mode with a radio that cannot be reached, or only now and then.

use e2e::{Conditions, wait_until};
use serde_json::Value;

use crate::rig::{ENDPOINT, NEW, PATIENCE, Rig};

/// The server knows how short these modules listen.
const AWAKE: [(&str, &str); 1] = [("UPDRAFT_LWM2M__AWAKE", "2s")];

#[test]
fn qm_01_operations_wait_for_a_module_in_power_saving_mode_and_are_done_when_it_wakes() {
    let rig = Rig::start_with(Conditions::PERFECT, &AWAKE);
    // Its lifetime makes it wake each five seconds.
    let mut module = rig.module(&["--sleep", "psm:3600", "--awake", "2"]);
    module.event("registered");
    module.event("asleep");
    rig.wait_for_device("queue_mode", &true.into());
    let queued: Vec<String> = ["/3/0/0", "/3/0/1", "/4/0/2"]
        .map(|path| rig.server.answer(&["device", "read", ENDPOINT, path, "--queue"]))
        .iter()
        .map(|operation| operation["id"].as_str().expect("it is text").to_owned())
        .collect();
    assert!(queued.iter().all(|id| operation(&rig, id)["state"] != "done"), "nobody heard them");
    module.event("awake");
    for id in &queued {
        let done = wait_until(PATIENCE, || (operation(&rig, id)["state"] == "done").then_some(()));
        assert!(done.is_some(), "{}", operation(&rig, id));
    }
    let mut at: Vec<_> = queued.iter().map(|id| operation(&rig, id)["ended_at"].to_string()).collect();
    let in_order = at.clone();
    at.sort();
    assert_eq!(in_order, at, "one after the other");
}

#[test]
fn f31_a_sleeping_module_is_upgraded_when_it_wakes() {
    let rig = Rig::start_with(Conditions::PERFECT, &AWAKE);
    let mut module = rig.module(&["--sleep", "psm:3600", "--awake", "2"]);
    module.event("asleep");
    rig.upgrade("new", "pull").assert_success(NEW);
    assert_eq!(rig.executes(), 1);
}

#[test]
fn a_module_with_extended_reception_hears_at_its_next_paging() {
    // The server takes it to be awake: what it sends is kept by the network.
    let rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&["--sleep", "edrx:2", "--awake", "1", "--lwm2m-1-1"]);
    module.event("registered");
    module.event("asleep");
    let read = rig.server.answer(&["device", "read", ENDPOINT, "/3/0/0"]);
    assert_eq!(read["state"], "done", "{read}");
    module.event("awake");
}

#[test]
fn a_module_that_wakes_with_a_new_session_resumes_the_old_one_and_only_updates() {
    let rig = Rig::start_with(Conditions::PERFECT, &AWAKE);
    let mut module = rig.module(&["--sleep", "psm:3600", "--awake", "1", "--reconnect"]);
    module.event("registered");
    for _ in 0..2 {
        module.event("asleep");
        module.event("registration-updated");
    }
    assert_eq!(module.events("registered").len(), 1, "{:?}", module.events("registered"));
    let id = rig.server.answer(&["device", "read", ENDPOINT, "/3/0/0", "--queue"])["id"].clone();
    let id = id.as_str().expect("it is text").to_owned();
    let done = wait_until(PATIENCE, || (operation(&rig, &id)["state"] == "done").then_some(()));
    assert!(done.is_some(), "{}", operation(&rig, &id));
}

fn operation(rig: &Rig, id: &str) -> Value {
    let operations = rig.server.answer(&["device", "operations", ENDPOINT]);
    let found = operations.as_array().and_then(|list| list.iter().find(|one| one["id"] == id));
    found.cloned().expect("it is listed")
}

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
    assert_in_order(&rig, &queued);
}

#[test]
fn qm_02_what_waits_for_a_sleeping_module_survives_the_server_and_goes_one_by_one() {
    let mut rig = Rig::start_with(Conditions::PERFECT, &AWAKE);
    let mut module = rig.module(&["--sleep", "psm:3600", "--awake", "2", "--ack-timeout", "1"]);
    module.event("registered");
    rig.wait_for_device("queue_mode", &true.into());
    let objects = || rig.device(ENDPOINT)["objects"].as_array().map(|objects| assert!(!objects.is_empty()));
    wait_until(PATIENCE, objects).expect("the registration is stored");
    module.event("asleep");
    let queue = |arguments: &[&str]| {
        let all = [&["device"], arguments, &["--queue"]].concat();
        rig.server.answer(&all)["id"].as_str().expect("it is text").to_owned()
    };
    let expired = queue(&["execute", ENDPOINT, "/1/0/8", "--expires-in", "1"]);
    let mut queued = vec![queue(&["write", ENDPOINT, "/3/0/15", "Asia/Tokyo"])];
    queued.extend((0..20).map(|_| queue(&["read", ENDPOINT, "/3/0/15"])));
    rig.server.kill();
    rig.server.restart();
    let mut module = module;
    module.event("awake");
    let last = queued.last().expect("there are some");
    let is_done = || (operation(&rig, last)["state"] == "done").then_some(());
    wait_until(PATIENCE, is_done).expect("the last one is done");
    assert_in_order(&rig, &queued);
    let read = operation(&rig, last);
    assert_eq!(read["answer"]["values"][0]["value"], "Asia/Tokyo", "{read}");
    let expired = operation(&rig, &expired);
    assert_eq!((&expired["state"], &expired["problem"]["type"]), (&"expired".into(), &EXPIRED.into()));
    assert!(
        expired["problem"]["detail"].as_str().is_some_and(|detail| detail.contains("/1/0/8")),
        "{expired}"
    );
    assert_eq!(module.events("registered").len(), 1, "it slept through the restart");
}

const EXPIRED: &str = "urn:updraft:problem:expired";

/// All are done, and none before one that was queued before it.
fn assert_in_order(rig: &Rig, queued: &[String]) {
    let ended = |id: &String| {
        let operation = operation(rig, id);
        assert_eq!(operation["state"], "done", "{operation}");
        operation["finished_at"].as_str().expect("it has ended").to_owned()
    };
    let at: Vec<String> = queued.iter().map(ended).collect();
    assert!(at.is_sorted(), "one after the other: {at:?}");
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

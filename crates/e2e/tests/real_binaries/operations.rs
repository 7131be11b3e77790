//! What operators ask of a module, and what comes of it.

use e2e::{Conditions, wait_until};
use serde_json::json;

use crate::rig::{ENDPOINT, PATIENCE, Rig};

#[test]
fn a_module_is_read_written_executed_discovered_and_observed() {
    let rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&[]);
    module.event("registered");
    let read =
        |path: &str| rig.server.answer(&["device", "read", ENDPOINT, path])["answer"]["values"].clone();
    let manufacturer = &read("/3/0/0")[0];
    assert_eq!((&manufacturer["path"], &manufacturer["name"]), (&json!("/3/0/0"), &json!("Manufacturer")));
    assert!(read("/3/0").as_array().is_some_and(|values| values.len() > 3));

    rig.server.answer(&["device", "write", ENDPOINT, "/1/0/1", "20"]);
    assert_eq!(read("/1/0/1")[0]["value"], json!(20));
    let links = rig.server.answer(&["device", "discover", ENDPOINT, "/5"])["answer"]["links"].clone();
    assert!(links.as_str().is_some_and(|links| links.contains("</5/0/3>")), "{links}");
    rig.server.answer(&["device", "observe", ENDPOINT, "/5/0/3"]);
    module.event("registration-updated");
    rig.server.answer(&["device", "execute", ENDPOINT, "/1/0/8"]);
    module.event("registration-updated");

    // What it refuses and what makes no sense is told with the path.
    let (code, problem) = rig.server.refusal(&["device", "read", ENDPOINT, "/3/0/999"]);
    assert_eq!(code, Some(1));
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("/3/0/999")), "{problem}");
    let (_, problem) = rig.server.refusal(&["device", "write", ENDPOINT, "/1/0/1", "soon"]);
    assert_eq!(problem["type"], "urn:updraft:problem:refused-by-model");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("/1/0/1")), "{problem}");

    let values = wait_until(PATIENCE, || {
        let values = rig.server.answer(&["device", "values", ENDPOINT]);
        let list = values.as_array()?;
        list.iter().any(|value| value["path"] == "/1/0/1" && value["value"] == 20).then_some(())
    });
    assert!(values.is_some(), "the last values are kept");
}

#[test]
fn an_operation_waits_for_its_module_over_the_end_of_the_server() {
    let mut rig = Rig::start(Conditions::PERFECT);
    let queued = rig.server.answer(&["device", "read", ENDPOINT, "/3/0/0", "--queue"]);
    let gone = rig.server.answer(&["device", "execute", ENDPOINT, "/1/0/8", "--queue", "--expires-in", "1"]);
    let canceled = rig.server.answer(&["device", "read", ENDPOINT, "/4", "--queue"]);
    let id = |operation: &serde_json::Value| operation["id"].as_str().expect("it is text").to_owned();
    rig.server.answer(&["device", "cancel-operation", ENDPOINT, &id(&canceled)]);
    rig.server.kill();
    rig.server.restart();
    let state = |rig: &Rig, wanted: &str| {
        let operations = rig.server.answer(&["device", "operations", ENDPOINT]);
        let found = operations.as_array().and_then(|list| list.iter().find(|one| one["id"] == wanted));
        found.map(|operation| operation["state"].clone()).expect("it is listed")
    };
    assert!(wait_until(PATIENCE, || (state(&rig, &id(&gone)) == "expired").then_some(())).is_some());
    assert_eq!(state(&rig, &id(&queued)), "waiting");
    let _module = rig.module(&[]);
    assert!(wait_until(PATIENCE, || (state(&rig, &id(&queued)) == "done").then_some(())).is_some());
    assert_eq!(state(&rig, &id(&canceled)), "canceled");
}

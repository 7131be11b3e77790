//! What operators ask of a module, and what comes of it.

use e2e::{Conditions, wait_until};
use serde_json::{Value, json};

use crate::rig::{ENDPOINT, IMEI, PATIENCE, Rig};

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
fn every_verb_reaches_a_module_and_its_answer_comes_back() {
    let rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&["--lwm2m-1-1"]);
    module.event("registered");
    let ask = |verb: &str, arguments: &[&str]| {
        let done = rig.server.answer(&[&["device", verb, ENDPOINT], arguments].concat());
        assert_eq!(done["state"], "done", "{done}");
        done["answer"].clone()
    };
    let value = |answer: &Value, path: &str| {
        let values = answer["values"].as_array().expect("it has values");
        let found = values.iter().find(|value| value["path"] == path);
        found.unwrap_or_else(|| panic!("{path} is not in {answer}"))["value"].clone()
    };
    // On every depth.
    for (path, place) in
        [("/3", "/3/0/6/0"), ("/3/0", "/3/0/6/0"), ("/3/0/6", "/3/0/6/0"), ("/3/0/6/0", "/3/0/6/0")]
    {
        assert_eq!(value(&ask("read", &[path]), place), json!(1), "{path}");
    }
    ask("write", &["/3/0", r#"{"14": "+02:00", "15": "Europe/Berlin"}"#]);
    ask("write", &["--replace", "/3/0/15", "Asia/Tokyo"]);
    let read = ask("read-composite", &["/3/0/14", "/3/0/15", "/5/0/3", "/3/0/99"]);
    assert_eq!((value(&read, "/3/0/14"), value(&read, "/3/0/15")), (json!("+02:00"), json!("Asia/Tokyo")));
    assert_eq!(read["values"].as_array().map(Vec::len), Some(3), "what is not there is left out");
    ask("write-composite", &["/1/0/1=30", "/3/0/15=Europe/Berlin"]);
    let read = ask("read-composite", &["/1/0/1", "/3/0/15"]);
    assert_eq!((value(&read, "/1/0/1"), value(&read, "/3/0/15")), (json!(30), json!("Europe/Berlin")));

    ask("write-attributes", &["/3/0/13", "pmin=1", "pmax=60"]);
    let links = ask("discover", &["/3/0/13"])["links"].clone();
    assert_eq!(links, "</3/0/13>;pmin=1;pmax=60");
    ask("write-attributes", &["/3/0/13", "pmin"]);
    assert_eq!(ask("discover", &["/3/0/13"])["links"], "</3/0/13>;pmax=60");
    assert!(value(&ask("observe", &["/3/0/13"]), "/3/0/13").is_i64());
    ask("cancel-observation", &["/3/0/13"]);
    assert_eq!(value(&ask("observe-composite", &["/3/0/15", "/5"]), "/3/0/15"), json!("Europe/Berlin"));
    ask("cancel-composite", &["/3/0/15", "/5"]);
    ask("execute", &["/1/0/8"]);
    module.event("registration-updated");
}

#[test]
fn instances_are_created_and_deleted() {
    let rig = Rig::start(Conditions::PERFECT);
    rig.add_device(IMEI, "bc35", "bc35.key");
    let flash = rig.files.make_flash("bc35.bin", &["--model", "BC35-G"]);
    let arguments = ["--kind", "bc35-g", "--identity", "bc35"];
    let mut module = rig.module_with(&flash, IMEI, "bc35.key", &arguments);
    module.event("registered");
    let ask = |verb: &str, arguments: &[&str]| {
        let done = rig.server.answer(&[&["device", verb, IMEI], arguments].concat());
        assert_eq!(done["state"], "done", "{done}");
        done["answer"].clone()
    };
    ask("create", &["/19/7", r#"{"0": {"0": "aGVsbG8="}}"#]);
    assert_eq!(ask("read", &["/19/7/0"])["values"][0]["value"], "aGVsbG8=");
    let chosen = ask("create", &["/19", r#"{"0": {"0": "aGVsbG8="}}"#])["location"].clone();
    let chosen = chosen.as_str().expect("the module says where");
    ask("delete", &[chosen]);
    ask("delete", &["/19/7"]);
    let (code, problem) = rig.server.refusal(&["device", "delete", IMEI, "/19/7"]);
    assert_eq!((code, &problem["type"]), (Some(1), &json!("urn:updraft:problem:refused-by-device")));
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("/19/7")), "{problem}");
}

#[test]
fn what_no_device_would_take_is_refused_even_if_the_device_is_away() {
    let rig = Rig::start(Conditions::PERFECT);
    for (arguments, path, part) in [
        (&["read", ENDPOINT, "/"][..], "/", "composite"),
        (&["execute", ENDPOINT, "/3/0/0"], "/3/0/0", "can only be read"),
        (&["execute", ENDPOINT, "/3/0/4", "now"], "/3/0/4", "part 1 of the argument"),
        (&["write", ENDPOINT, "/3/0/4", "1"], "/3/0/4", "execute it"),
        (&["write", ENDPOINT, "/1/0/1", "soon"], "/1/0/1", "integer"),
        (&["delete", ENDPOINT, "/3/0"], "/3/0", "cannot be deleted"),
        (&["discover", ENDPOINT, "/"], "/", "Discover takes"),
        (&["write-attributes", ENDPOINT, "/3/0/13", "often"], "/3/0/13", "pmin"),
        (&["write-attributes", ENDPOINT, "/3/0/13", "pmin=9", "pmax=5"], "/3/0/13", "pmax"),
        (&["observe-composite", ENDPOINT, "/4"], "/4", "use observe"),
        (&["read-composite", ENDPOINT, "/3", "/0"], "/0", "bootstrap"),
        (&["write-composite", ENDPOINT, "/1/0/1=soon"], "/1/0/1", "integer"),
        (&["create", ENDPOINT, "/3/0/1", "{}"], "/3/0/1", "created at an object"),
    ] {
        let (code, problem) = rig.server.refusal(&[&["device"], arguments].concat());
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert_eq!(code, Some(1), "{arguments:?}: {problem}");
        assert!(detail.contains(&format!("{path}: ")) && detail.contains(part), "{arguments:?}: {detail}");
        assert_eq!(problem["type"], "urn:updraft:problem:refused-by-model", "{arguments:?}");
    }
    let operations = rig.server.answer(&["device", "operations", ENDPOINT]);
    assert_eq!(operations, json!([]), "nothing waits for the device");
}

#[test]
fn an_operation_waits_for_its_module_over_the_end_of_the_server() {
    let mut rig = Rig::start(Conditions::PERFECT);
    let queued = rig.server.answer(&["device", "read", ENDPOINT, "/3/0/0", "--queue"]);
    let gone = rig.server.answer(&["device", "execute", ENDPOINT, "/1/0/8", "--queue", "--expires-in", "1"]);
    let canceled = rig.server.answer(&["device", "read", ENDPOINT, "/4", "--queue"]);
    let id = |operation: &Value| operation["id"].as_str().expect("it is text").to_owned();
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

//! Values that a module sends without being asked (LwM2M Send), and data of its host (object 19).

use e2e::{Conditions, wait_until};
use serde_json::{Value, json};

use crate::rig::{ENDPOINT, PATIENCE, Rig};

#[test]
fn what_a_module_sends_is_kept() {
    let rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&["--lwm2m-1-1", "--send", "/4/0/2,/3/0/7@1"]);
    assert_eq!(module.event("sent")["answer"], "2.04");
    let value = |path: &str| {
        let values = rig.server.answer(&["device", "values", ENDPOINT]);
        let found = values.as_array()?.iter().find(|value| value["path"] == path)?;
        Some(found["value"].clone())
    };
    for (path, wanted) in [("/4/0/2", json!(-95)), ("/3/0/7/0", json!(3_800))] {
        let mut seen = Value::Null;
        let found = wait_until(PATIENCE, || {
            seen = value(path)?;
            (seen == wanted).then_some(())
        });
        assert!(found.is_some(), "{path} is {seen}");
    }
}

#[test]
fn data_for_the_host_of_a_module_goes_through_object_19() {
    let rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&["--object", "19", "--lwm2m-1-1"]);
    module.event("registered");
    rig.server.answer(&["device", "observe", ENDPOINT, "/19/0/0"]);
    // The bytes of "on" in base64.
    rig.server.answer(&["device", "write", ENDPOINT, "/19/1/0/0", "b24="]);
    let read = rig.server.answer(&["device", "read", ENDPOINT, "/19/1/0/0"]);
    assert_eq!(read["answer"]["values"][0]["value"], "b24=", "{read}");
}

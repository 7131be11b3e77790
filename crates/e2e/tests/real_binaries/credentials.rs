//! Nobody gets in with another key, another identity or another name, and the operator is told why.

use e2e::{Conditions, wait_until};

use crate::rig::{ENDPOINT, IMEI, PATIENCE, Rig};

const OTHER_IMEI: &str = "490154203237518";
const OTHER_ENDPOINT: &str = "urn:imei:490154203237518";

/// The exit code of a module that has given up.
const GIVEN_UP: Option<i32> = Some(5);

#[test]
fn a_wrong_key_is_refused_and_shown_on_the_page_of_the_device() {
    let mut rig = Rig::start(Conditions::PERFECT);
    rig.files.write_secret("wrong.key", &"42".repeat(32));
    let mut module = rig.module_of(IMEI, "wrong.key", &["--give-up-after", "1"]);
    assert_eq!(module.event("session-failed")["cause"], "identity or key is not accepted");
    assert_eq!(module.end(), GIVEN_UP);
    let line = rig.server.wait_for_log("the key is another one");
    assert!(line.contains(ENDPOINT), "{line}");
    assert!(warning(&rig).contains("with another key"));
    assert_eq!(rig.device(ENDPOINT)["registered"], false);
}

#[test]
fn an_unknown_identity_is_refused_as_a_wrong_key_is() {
    let mut rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module_of(OTHER_IMEI, "device.key", &["--give-up-after", "1"]);
    assert_eq!(module.event("session-failed")["cause"], "identity or key is not accepted");
    assert_eq!(module.end(), GIVEN_UP);
    let line = rig.server.wait_for_log("no device has the identity");
    assert!(line.contains(OTHER_ENDPOINT) && line.contains("updraft device add"), "{line}");
}

#[test]
fn the_name_of_another_device_is_refused() {
    let mut rig = Rig::start(Conditions::PERFECT);
    rig.add_device(OTHER_ENDPOINT, OTHER_ENDPOINT, "other.key");
    let arguments = ["--identity", ENDPOINT, "--give-up-after", "1"];
    let mut module = rig.module_of(OTHER_IMEI, "device.key", &arguments);
    module.event("registration-refused");
    assert_eq!(module.end(), GIVEN_UP);
    let line = rig.server.wait_for_log("a registration was refused");
    assert!(line.contains(ENDPOINT) && line.contains(OTHER_ENDPOINT), "{line}");
    assert!(warning(&rig).contains(OTHER_ENDPOINT));
    for endpoint in [ENDPOINT, OTHER_ENDPOINT] {
        assert_eq!(rig.device(endpoint)["registered"], false);
    }
}

/// The warning on the page of the device, once there is one.
fn warning(rig: &Rig) -> String {
    let warning = wait_until(PATIENCE, || rig.device(ENDPOINT)["warning"].as_str().map(str::to_owned));
    warning.expect("the operator is warned")
}

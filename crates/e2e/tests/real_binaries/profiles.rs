//! The server against modules that behave like the clients in the field, each with the DTLS suites, formats and
//! deliveries of its original.

use e2e::Conditions;

use crate::rig::{ENDPOINT, NEW, OLD, Rig};

#[test]
fn a_module_like_anjay_pulls_on_a_session_of_its_own_and_is_pushed_to() {
    serves("anjay", &["pull", "push"]);
}

#[test]
fn a_module_like_anjay_lite_pulls_on_a_session_of_its_own_and_is_pushed_to() {
    serves("anjay-lite", &["pull", "push"]);
}

#[test]
fn a_module_like_wakaama_pulls_and_is_pushed_to() {
    serves("wakaama", &["pull", "push"]);
}

#[test]
fn a_module_like_contiki_is_pushed_to_since_it_takes_nothing_else() {
    serves("contiki", &["auto"]);
}

#[test]
fn a_module_like_liteos_pulls_since_it_takes_nothing_else() {
    serves("liteos", &["auto", "pull"]);
}

/// Registers, is read and written, and is upgraded there and back.
fn serves(profile: &str, deliveries: &[&str]) {
    // A lost block costs seconds, and Contiki's are small.
    let loss = if profile == "contiki" { 0.0 } else { 0.01 };
    let rig = Rig::start(Conditions { loss, ..Conditions::PERFECT });
    let mut module = rig.module(&["--profile", profile]);
    module.event("registered");
    rig.wait_for_device("firmware_version", &OLD.into());
    let answer = rig.server.answer(&["device", "read", ENDPOINT, "/3/0"])["answer"]["values"].clone();
    let values = answer.as_array().expect("it is a list");
    assert!(values.iter().any(|value| value["path"] == "/3/0/3" && value["value"] == OLD), "{answer}");
    rig.server.answer(&["device", "write", ENDPOINT, "/1/0/1", "20"]);
    let lifetime = rig.server.answer(&["device", "read", ENDPOINT, "/1/0/1"]);
    assert_eq!(lifetime["answer"]["values"][0]["value"], 20, "{lifetime}");

    for (delivery, (package, version)) in deliveries.iter().zip([("new", NEW), ("old", OLD)]) {
        rig.upgrade(package, delivery).assert_success(version);
        assert_eq!(rig.files.flash_version(), version);
    }
    assert_eq!(rig.executes(), deliveries.len());
}

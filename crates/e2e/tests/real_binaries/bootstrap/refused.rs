//! Who is bootstrapped how, and who is not.

use e2e::{Conditions, wait_until};

use super::Field;
use crate::rig::{ENDPOINT, LAB_PRODUCT, PATIENCE};

/// The exit code of a module that has given up.
const GIVEN_UP: Option<i32> = Some(5);

#[test]
fn ets_401x_a_wrong_key_is_refused_and_shown() {
    let mut field = Field::start(Conditions::PERFECT);
    field.files.write_secret("wrong.key", &"42".repeat(32));
    let server = format!("coaps://{}", field.relay.address());
    let mut module = field.module_at(&server, "wrong.key", &["--give-up-after", "1"]);
    assert_eq!(module.event("session-failed")["cause"], "identity or key is not accepted");
    assert_eq!(module.end(), GIVEN_UP);
    let line = field.server.wait_for_log("at the bootstrap server with another key");
    assert!(line.contains(ENDPOINT), "{line}");
    let warned = || field.device()["bootstrap"]["warnings"][0].as_str().map(str::to_owned);
    let warning = wait_until(PATIENCE, warned).expect("the operator is warned");
    assert!(warning.contains("with another key"), "{warning}");
    assert_eq!(field.device()["bootstrap"]["state"], "never");
}

#[test]
fn sec_k05_the_key_for_one_server_does_not_open_the_other() {
    let field = Field::start(Conditions::PERFECT);
    let management = format!("coaps://{}", field.server.coaps());
    let mut module = field.module_at(&management, "bootstrap.key", &["--give-up-after", "1"]);
    module.event("session-failed");
    assert_eq!(module.end(), GIVEN_UP);
    let key = field.files.path("bootstrap.key").display().to_string();
    let both = ["device", "add", "two", "--identity", "two", "--key-file", &key];
    let (code, problem) = field.server.refusal(&both);
    assert_eq!((code, &problem["type"]), (Some(1), &"urn:updraft:problem:key-taken".into()));
}

#[test]
fn a_device_with_a_key_is_not_bootstrapped_without_encryption() {
    let mut field = Field::start(Conditions::PERFECT);
    let plain = format!("coap://{}", field.server.bootstrap().1);
    let mut module = field.module_at(&plain, "bootstrap.key", &["--give-up-after", "1"]);
    assert_eq!(module.event("bootstrap-refused")["code"], "4.00");
    assert_eq!(module.end(), GIVEN_UP);
    let line = field.server.wait_for_log("must use DTLS");
    assert!(line.contains("--bootstrap-no-security"), "{line}");
}

#[test]
fn a_device_that_may_is_bootstrapped_without_encryption_and_the_operator_is_warned() {
    let field = Field::start_without_device(Conditions::PERFECT);
    field.server.answer(&["device", "add", ENDPOINT, "--bootstrap-no-security", "--product", LAB_PRODUCT]);
    field.files.write_secret("bootstrap.key", &"42".repeat(32));
    let plain = format!("coap://{}", field.server.bootstrap().1);
    let mut module = field.module_at(&plain, "bootstrap.key", &[]);
    module.event("bootstrapped");
    module.event("registered");
    let device = field.settled("done");
    assert_eq!(device["bootstrap"]["security"], "none");
    let warning = device["bootstrap"]["warnings"][0].as_str().expect("there is one");
    assert!(warning.contains("without encryption"), "{warning}");
    assert!(device["address"].as_str().is_some_and(|address| address.starts_with("coaps://")), "{device:#}");
    let answer = field.server.answer(&["device", "bootstrap", ENDPOINT]);
    assert_eq!(answer["state"], "done");
    module.event("bootstrapped");
    module.event("registered");
}

#[test]
fn who_has_no_account_here_is_told_what_to_do() {
    let field = Field::start_without_device(Conditions::PERFECT);
    field.server.answer(&["device", "add", "one", "--identity", "one"]);
    let (code, problem) = field.server.refusal(&["device", "bootstrap", "one"]);
    assert_eq!((code, &problem["type"]), (Some(1), &"urn:updraft:problem:not-bootstrapped".into()));
    assert!(problem["remedy"].as_str().is_some_and(|remedy| remedy.contains("bootstrap allow")));
}

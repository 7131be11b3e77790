//! Module or server lose power while a bootstrap is under way: nobody is locked out, and it is made up for.

use std::time::Duration;

use e2e::{Conditions, wait_until};

use super::Field;
use crate::rig::{ENDPOINT, PATIENCE};

/// So much time that a cut comes between two steps.
const LONG_WAY: Conditions = Conditions { delay: Duration::from_millis(100), ..Conditions::PERFECT };

/// The second bootstrap: Discover, two Deletes, two Writes, Finish.
const STEPS: usize = 6;

#[test]
fn sec_k06_f37_a_module_that_loses_power_at_any_step_gets_in_without_the_bootstrap_server() {
    let field = Field::start(LONG_WAY);
    let mut module = field.module(&[]);
    module.event("registered");
    let mut before = field.settled("done")["identity"].clone();
    for step in 1..=STEPS {
        begin_and_wait_for(&field, step);
        module.kill();
        // It has the old key or the new one, and nobody to ask for another.
        field.relay.start_blackout();
        module = field.module(&[]);
        module.event("registered");
        let answer = field.server.answer(&["device", "read", ENDPOINT, "/3/0/0"]);
        assert_eq!(answer["state"], "done", "cut after step {step}: {answer}");

        field.relay.end_blackout();
        let staged = field.device()["staged_credential"]["identity"].clone();
        field.server.answer(&["device", "bootstrap", ENDPOINT]);
        module.event("bootstrapped");
        module.event("registered");
        let after = field.settled("done")["identity"].clone();
        assert_ne!(after, before, "cut after step {step}");
        // What it may have been given is given again: there is never a third key.
        assert!(staged.is_null() || staged == after, "cut after step {step}: {staged}, then {after}");
        before = after;
    }
}

#[test]
fn sec_k06_f37_a_bootstrap_is_made_up_for_when_the_server_was_killed_at_any_step() {
    let mut field = Field::start(LONG_WAY);
    let mut module = field.module(&[]);
    module.event("registered");
    let mut before = field.settled("done")["identity"].clone();
    // After the last write Finish is on its way already.
    for step in 1..STEPS - 1 {
        begin_and_wait_for(&field, step);
        field.server.kill();
        field.server.restart();
        let device = field.device();
        assert_eq!(device["bootstrap"]["state"], "failed", "{device:#}");
        let staged = device["staged_credential"]["identity"].clone();
        assert!(staged.is_string(), "it may have been written: {device:#}");
        // The module goes back to what it had when nothing comes any more.
        module.event("bootstrap-silent");
        module.event("registered");
        field.server.answer(&["device", "bootstrap", ENDPOINT]);
        module.event("bootstrapped");
        module.event("registered");
        let after = field.settled("done")["identity"].clone();
        assert_eq!(after, staged, "there is never a third key");
        assert_ne!(after, before);
        before = after;
    }
}

#[test]
fn sec_k06_f37_a_module_that_finished_while_the_server_was_killed_gets_in() {
    let mut field = Field::start(LONG_WAY);
    let mut module = field.module(&[]);
    module.event("registered");
    let before = field.settled("done")["identity"].clone();
    begin_and_wait_for(&field, STEPS - 1);
    field.server.kill();
    module.event("bootstrapped");
    field.server.restart();
    module.event("registered");
    let device = field.settled("failed");
    assert_ne!(device["identity"], before, "it has proved what it was given");
    let detail = device["bootstrap"]["detail"].as_str().expect("it is text");
    assert!(detail.contains("the server ended"), "{detail}");
}

/// Tells the module to bootstrap and waits until it has answered so many steps.
fn begin_and_wait_for(field: &Field, step: usize) {
    let answered = || {
        let part = format!("number={step} ");
        field.server.log().iter().filter(|line| line.contains(&part)).count()
    };
    let before = answered();
    field.server.answer(&["device", "bootstrap", ENDPOINT, "--queue"]);
    let come = wait_until(PATIENCE, || (answered() > before).then_some(()));
    assert!(come.is_some(), "step {step} never came");
}

//! Registrations and sessions that outlive the server.

use e2e::{Conditions, wait_until};

use crate::rig::{ENDPOINT, PATIENCE, Rig, Server, read};

#[test]
fn d31_a_module_goes_on_without_a_handshake_when_the_server_was_killed() {
    goes_on(Server::kill);
}

#[test]
fn d31_a_module_goes_on_without_a_handshake_when_the_server_was_stopped() {
    goes_on(Server::terminate);
}

fn goes_on(end: impl Fn(&mut Server)) {
    let mut rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&[]);
    module.event("registered");
    let is_saved = || rig.device(ENDPOINT)["objects"].as_array().map(|objects| assert!(!objects.is_empty()));
    wait_until(PATIENCE, is_saved).expect("the registration is stored");
    let hellos = handshakes(&rig);
    end(&mut rig.server);
    rig.server.restart();
    assert_eq!(rig.device(ENDPOINT)["registered"], true);
    // The server asks at once, on the session that it had.
    let answer = rig.server.answer(&["device", "read", ENDPOINT, "/3/0/0"]);
    assert_eq!(answer["state"], "done", "{answer}");
    module.event("registration-updated");
    assert_eq!(module.events("registered").len(), 1);
    assert_eq!(handshakes(&rig), hellos, "no new handshake was needed");
}

/// ClientHellos so far.
fn handshakes(rig: &Rig) -> usize {
    read(rig.tshark().fields("dtls.handshake.type == 1", &["frame.number"])).len()
}

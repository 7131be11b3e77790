//! A NAT forgets the module and gives it another port.

use e2e::Conditions;

use crate::rig::{NEW, PAYLOAD, Rig};

#[test]
fn a_pull_goes_on_from_another_port() {
    let rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&["--speed", "60000"]);
    module.event("registered");
    rig.wait_for_device("registered", &true.into());
    let before = rig.device(crate::rig::ENDPOINT)["address"].clone();
    let watch = rig.server.watch(&rig.start_upgrade("new", "pull"));
    module.stored(PAYLOAD / 2);
    rig.relay.rebind();
    watch.end().assert_success(NEW);
    assert_ne!(rig.device(crate::rig::ENDPOINT)["address"], before);
    assert_eq!(module.events("downloading").len(), 1, "the download was not begun again");
    assert_eq!(rig.executes(), 1);
}

//! The main job: by PULL, and back by PUSH.

use e2e::Conditions;

use crate::rig::{NEW, OLD, PAYLOAD, Rig};

#[test]
fn a_module_is_upgraded_by_pull_and_back_by_push() {
    let rig = Rig::start(Conditions { loss: 0.01, ..Conditions::PERFECT });
    let mut module = rig.module(&[]);
    module.event("registered");
    rig.wait_for_device("firmware_version", &OLD.into());

    for (package, delivery, before, after, bank) in
        [("new", "pull", OLD, NEW, "B"), ("old", "push", NEW, OLD, "A")]
    {
        let ended = rig.upgrade(package, delivery);
        ended.assert_success(after);
        assert_eq!(ended.upgrade["version_before"], before);
        assert!(ended.upgrade["bytes_sent"].as_u64() >= Some(PAYLOAD), "{}", ended.upgrade);
        assert_eq!(ended.stages(), STAGES, "{delivery}");
        rig.wait_for_device("firmware_version", &after.into());
        assert_eq!(rig.files.flash_content()["boots"], bank);
        assert_eq!(rig.files.flash_version(), after);
    }
    assert_eq!(module.events("booted").len(), 3);
}

const STAGES: [&str; 9] = [
    "waiting",
    "precheck",
    "offering",
    "downloading",
    "downloaded",
    "executing",
    "updating",
    "verifying",
    "closing",
];

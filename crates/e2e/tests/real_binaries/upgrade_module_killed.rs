//! The module loses its power in the middle; its flash is all that stays.

use std::time::Duration;

use e2e::Conditions;

use crate::rig::{ENDPOINT, Module, NEW, OLD, PAYLOAD, Rig};

#[test]
fn a_pull_goes_on_from_what_the_flash_has_when_the_module_was_killed() {
    let rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&["--speed", "60000"]);
    module.event("registered");
    let watch = rig.server.watch(&rig.start_upgrade("new", "pull"));
    let stored = module.stored(PAYLOAD / 2);
    module.kill();
    let mut module = rig.module(&[]);
    let first = module.stored(1);
    assert!(first + SAFE_EVERY > stored, "it went on at {first} though {stored} bytes were stored");

    let ended = watch.end();
    ended.assert_success(NEW);
    let sent = ended.upgrade["bytes_sent"].as_u64().expect("it is a number");
    assert!(sent < PAYLOAD * 3 / 2, "{sent} bytes were sent for an image of {PAYLOAD}");
    assert_eq!(rig.executes(), 1);
    assert_eq!(rig.files.flash_version(), NEW);
}

/// What may be fetched again: the flash keeps whole sectors.
const SAFE_EVERY: u64 = 4_096 + 1_024;

#[test]
fn a_push_is_repeated_when_the_module_was_killed() {
    let rig = Rig::start(Conditions { delay: Duration::from_millis(5), ..Conditions::PERFECT });
    let mut module = rig.module(&[]);
    module.event("registered");
    let watch = rig.server.watch(&rig.start_upgrade("new", "push"));
    module.stored(PAYLOAD / 2);
    module.kill();
    let _module = rig.module(&[]);
    watch.end().assert_success(NEW);
    assert_eq!(rig.executes(), 1);
    assert_eq!(rig.files.flash_version(), NEW);
}

#[test]
fn power_fails_while_the_boot_record_is_written_and_the_upgrade_succeeds() {
    let rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&[]);
    module.event("registered");
    // Without observation the server asks every ten seconds, which leaves the time to cut the power between
    // the end of the download and the order to install.
    let started = rig.server.answer(&["upgrade", "start", ENDPOINT, "new", "--no-observe"]);
    let watch = rig.server.watch(started["id"].as_str().expect("it is text"));
    module.event("downloaded");
    module.kill();

    // The first write that follows is that of the boot record, at the order to install.
    for (operation, tear) in [(0, "garbage"), (1, "half"), (2, "garbage")] {
        let mut module = cut_module(&rig, operation, tear);
        assert_eq!(module.end(), POWER_LOST);
        assert_eq!(module.events("updating").len(), 0);
        assert_eq!(rig.files.flash_version(), OLD);
    }
    let mut module = rig.module(&[]);
    module.event("updating");
    module.kill();
    assert_eq!(rig.files.flash_version(), NEW);

    // The next ones are those of the trial of the new image, during its start.
    for (operation, tear) in [(0, "garbage"), (1, "half"), (2, "garbage")] {
        let mut module = cut_module(&rig, operation, tear);
        assert_eq!(module.end(), POWER_LOST);
    }
    let mut module = rig.module(&[]);
    assert_eq!(module.event("booted")["version"], NEW);
    watch.end().assert_success(NEW);
    assert_eq!(rig.executes(), 4, "one for each time that the boot record was not written");
}

/// The exit code of a module without power.
const POWER_LOST: Option<i32> = Some(3);

/// A module whose power fails in this flash operation, counted from its start.
fn cut_module(rig: &Rig, operation: u64, tear: &str) -> Module {
    rig.module(&["--power-cut-after", &operation.to_string(), "--tear", tear])
}

//! The server is restored from a backup that is older than what its device has done since (FAULTS F49).

use std::fs;

use e2e::Conditions;

use crate::rig::{Module, NEW, PAYLOAD, Rig};

/// A module downloads this many bytes a second.
const SLOWLY: &str = "60000";

#[test]
fn f49_an_upgrade_that_waited_when_the_backup_was_made_is_not_done_again() {
    restored(|_| {});
}

#[test]
fn f49_an_upgrade_that_was_half_done_when_the_backup_was_made_is_not_done_again() {
    restored(|module| assert!(module.stored(PAYLOAD / 2) < PAYLOAD));
}

#[test]
fn f49_an_upgrade_whose_device_restarted_when_the_backup_was_made_is_not_done_again() {
    restored(|module| {
        module.event("updating");
    });
}

/// Makes a backup at a moment of an upgrade, lets it end, and goes back to the backup.
fn restored(moment: impl Fn(&mut Module)) {
    let mut rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&["--speed", SLOWLY]);
    module.event("registered");
    let id = rig.start_upgrade("new", "pull");
    let watch = rig.server.watch(&id);
    moment(&mut module);
    let (data, backup) = (rig.files.path("data"), rig.files.path("backup").display().to_string());
    let folder = ["--data-dir", data.to_str().expect("it is text")];
    rig.server.answer(&[&["backup", &backup][..], &folder].concat());
    watch.end().assert_success(NEW);
    assert_eq!(rig.executes(), 1);

    rig.server.terminate();
    fs::rename(&data, rig.files.path("lost")).expect("nobody uses it");
    rig.server.answer(&[&["restore", &backup][..], &folder].concat());
    let key = "key-encryption.key";
    fs::copy(rig.files.path("lost").join(key), data.join(key)).expect("the operator has a copy");
    assert_eq!(rig.server.answer(&[&["check"][..], &folder].concat())["whole"], true);
    rig.server.restart();

    let ended = rig.server.watch(&id).end();
    assert_eq!(ended.upgrade["outcome"]["code"], "already-at-target", "{ended:#?}");
    assert!(ended.has("restored"), "{ended:#?}");
    assert_eq!((rig.executes(), module.events("downloading").len()), (1, 1), "nothing was sent again");
    assert_eq!(rig.files.flash_version(), NEW);
}

//! The server on PostgreSQL: the main job, ends of either, and two servers that want one database.

use std::path::Path;

use e2e::{Conditions, wait_until};
use serde_json::Value;
use xtask::postgres::Cluster;

use crate::rig::{ENDPOINT, NEW, OLD, PATIENCE, PAYLOAD, Rig, Server, Setting};
use crate::sessions::{PATIENT, assert_goes_on, handshakes, registered};
use crate::upgrade_server_killed::{SLOWLY, interrupted};

const OTHER: &str = "urn:imei:015770000031767";
const OTHER_IMEI: &str = "015770000031767";

/// A PostgreSQL server of this test. Its files go with it.
fn cluster() -> Cluster {
    Cluster::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap_or_else(|failure| panic!("{failure}"))
}

/// What makes a server use it.
fn on(cluster: &Cluster) -> Setting {
    ("UPDRAFT_DATABASE__URL", cluster.url().leak())
}

/// Adds a device with a key of its own; gives what the command line prints.
fn add(rig: &Rig, name: &str) -> String {
    let key = rig.server.answer(&["psk", "generate"]);
    let key_file = rig.files.write_secret("key", key["key"].as_str().expect("it is text"));
    rig.server.output_of(&["device", "add", name, "--identity", name, "--key-file", &key_file])
}

#[test]
fn a_module_is_upgraded_by_pull_and_back_by_push() {
    let cluster = cluster();
    let rig = Rig::start_with(Conditions::PERFECT, &[on(&cluster)]);
    let mut module = rig.module(&[]);
    module.event("registered");
    rig.wait_for_device("firmware_version", &OLD.into());
    for (package, delivery, after) in [("new", "pull", NEW), ("old", "push", OLD)] {
        rig.upgrade(package, delivery).assert_success(after);
        rig.wait_for_device("firmware_version", &after.into());
        assert_eq!(rig.files.flash_version(), after);
    }
    assert!(!rig.files.path("data/updraft.db").exists(), "nothing is in a file");
}

#[test]
fn an_upgrade_goes_on_when_the_server_was_killed() {
    let cluster = cluster();
    let mut rig = Rig::start_with(Conditions::PERFECT, &[on(&cluster)]);
    let (module, ended) = interrupted(&mut rig, "pull", &["--speed", SLOWLY], Server::kill);
    ended.assert_success(NEW);
    assert!(ended.has("resumed"), "{ended:#?}");
    assert_eq!(rig.executes(), 1);
    assert_eq!(module.events("downloading").len(), 1, "the download was not begun again");
}

#[test]
fn a_module_goes_on_without_a_handshake_when_the_server_was_killed() {
    let cluster = cluster();
    let mut rig = Rig::start_with(Conditions::PERFECT, &[on(&cluster)]);
    let mut module = rig.module(&PATIENT);
    registered(&rig, &mut module);
    let hellos = handshakes(&rig);
    rig.server.kill();
    rig.server.restart();
    assert_goes_on(&rig, &mut module, hellos);
}

/// The download goes on from memory, a known device registers, what is asked for is refused with its reason, and
/// nothing is announced that is not stored: the order to install waits for the database.
#[test]
fn f20_devices_go_on_while_the_database_is_away_and_everything_else_when_it_is_back() {
    let cluster = cluster();
    let rig = Rig::start_with(Conditions::PERFECT, &[on(&cluster)]);
    rig.add_device(OTHER, OTHER, "other.key");
    let mut module = rig.module(&["--speed", SLOWLY]);
    registered(&rig, &mut module);
    let watch = rig.server.watch(&rig.start_upgrade("new", "pull"));
    assert!(module.stored(PAYLOAD / 4) < PAYLOAD);

    cluster.crash().unwrap_or_else(|failure| panic!("{failure}"));
    module.event("downloaded");
    let mut other = rig.module_with(&rig.files.make_flash("other.bin", &[]), OTHER_IMEI, "other.key", &[]);
    other.event("registered");
    let told = add(&rig, "third");
    assert!(told.contains("urn:updraft:problem:database-unavailable"), "{told}");
    let (_, problem) = rig.server.refusal(&["device", "show", ENDPOINT]);
    assert_eq!(problem["type"], "urn:updraft:problem:database-unavailable", "{problem}");
    assert_eq!(rig.executes(), 0, "its intent cannot be stored");

    cluster.up().unwrap_or_else(|failure| panic!("{failure}"));
    let ended = watch.end();
    ended.assert_success(NEW);
    assert_eq!(rig.executes(), 1);
    let is_stored = || (rig.device(OTHER)["registered"] == Value::Bool(true)).then_some(());
    wait_until(PATIENCE, is_stored).expect("what was learnt meanwhile is stored");
    let (_, problem) = rig.server.refusal(&["device", "show", "third"]);
    assert_eq!(problem["type"], "urn:updraft:problem:not-found", "what was refused is not there: {problem}");
}

#[test]
fn f20_a_database_that_takes_no_changes_is_told_and_used_again() {
    let cluster = cluster();
    let rig = Rig::start_with(Conditions::PERFECT, &[on(&cluster)]);
    let set = |value: &str| {
        let setting = format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
        for text in [&*setting, "SELECT pg_reload_conf()"] {
            cluster.query(text).unwrap_or_else(|failure| panic!("{failure}"));
        }
    };
    set("on");
    let mut number = 0;
    // The connection takes the setting over when it is told to, a moment later.
    let refused = wait_until(PATIENCE, || {
        number += 1;
        let told = add(&rig, &format!("device-{number}"));
        told.contains("database-read-only").then_some(told)
    });
    refused.expect("it is refused");
    assert_eq!(rig.device(ENDPOINT)["endpoint"], ENDPOINT, "it can be read");
    set("off");
    let taken = wait_until(PATIENCE, || (!add(&rig, "last").contains("database-read-only")).then_some(()));
    taken.expect("it is taken");
    assert_eq!(rig.device("last")["endpoint"], "last");
}

#[test]
fn the_server_that_was_started_first_ends_when_another_takes_its_database() {
    let cluster = cluster();
    let mut rig = Rig::start_with(Conditions::PERFECT, &[on(&cluster)]);
    let other = tempfile::tempdir().expect("there is room");
    let key_file: &str = rig.files.path("data/key-encryption.key").display().to_string().leak();
    let second = Server::start_with(other.path(), &[on(&cluster), ("UPDRAFT_SECRETS__KEY_FILE", key_file)]);
    let told = rig.server.wait_for_log("another updraft server has taken over the database");
    assert!(told.contains("ERROR"), "{told}");
    assert!(!rig.server.wait_for_end().success());
    let shown = second.answer(&["device", "show", ENDPOINT]);
    assert_eq!(shown["endpoint"], ENDPOINT);
    let key_file = rig.files.path("device.key").display().to_string();
    second.answer(&["device", "remove", ENDPOINT]);
    second.answer(&["device", "add", "third", "--identity", "third", "--key-file", &key_file]);
}

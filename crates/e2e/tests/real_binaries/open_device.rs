//! A module without encryption: it is known by its address alone.

use e2e::Conditions;
use serde_json::json;

use crate::rig::{LAB_PRODUCT, Module, NEW, PATIENCE, Rig};

const OPEN_IMEI: &str = "356938035643809";
const OPEN_ENDPOINT: &str = "urn:imei:356938035643809";

#[test]
fn a_module_without_encryption_is_where_it_was_after_restarts_with_any_number_of_shards() {
    let mut rig = Rig::start(Conditions::PERFECT);
    let mut module = open_module(&rig, &["--ack-timeout", "1"]);
    module.event("registered");
    stored(&rig);
    for shards in ["1", "5", "64", "3"] {
        rig.server.set_shards(shards);
        rig.server.kill();
        rig.server.restart();
        let read = rig.server.answer(&["device", "read", OPEN_ENDPOINT, "/3/0/0"]);
        assert_eq!(read["state"], "done", "{read}");
        module.event("registration-updated");
        assert_eq!(module.events("registered").len(), 1, "it never had to register again");
    }
}

#[test]
fn a_module_without_encryption_downloads_from_a_shard_that_is_not_its_own() {
    // With so many, a download on a socket of its own comes to another shard as good as always.
    let rig = Rig::start_with(Conditions::PERFECT, &[("UPDRAFT_LWM2M__SHARDS", "64")]);
    let mut module = open_module(&rig, &["--separate-download"]);
    module.event("registered");
    let started = rig.server.answer(&["upgrade", "start", OPEN_ENDPOINT, "new", "--delivery", "pull"]);
    rig.server.watch(started["id"].as_str().expect("it is text")).end().assert_success(NEW);
}

/// Adds a device that comes without encryption and switches its module on. There is no relay between them.
fn open_module(rig: &Rig, arguments: &[&str]) -> Module {
    rig.server.answer(&["device", "add", OPEN_ENDPOINT, "--no-security", "--product", LAB_PRODUCT]);
    rig.module_at(&format!("coap://{}", rig.server.coap()), OPEN_IMEI, arguments)
}

/// Waits until the registration is stored.
fn stored(rig: &Rig) {
    let is_stored = || (rig.device(OPEN_ENDPOINT)["objects"] != json!(null)).then_some(());
    e2e::wait_until(PATIENCE, is_stored).expect("the registration is stored");
}

//! What modules are given: several servers, each with times of its own.

use std::fs;

use e2e::{Conditions, wait_until};
use serde_json::json;

use super::Field;
use super::field::IDENTITY;
use crate::rig::{ENDPOINT, PATIENCE, Server};

#[test]
fn s0_106_a_module_is_given_two_servers_with_their_own_keys_lifetimes_and_hold_off() {
    let field = Field::start(Conditions::PERFECT);
    let folder = field.files.path("second");
    fs::create_dir(&folder).expect("the disk has room");
    let second = Server::start(&folder);
    let key = field.files.write_secret("second.key", &"5a".repeat(32));
    second.answer(&["device", "add", ENDPOINT, "--identity", "there", "--key-file", &key]);

    let set = |arguments: &[&str]| {
        let all = [&["bootstrap", "set", "--device", ENDPOINT], arguments].concat();
        field.server.answer(&all)
    };
    set(&["--short-id", "101", "--lifetime", "300s", "--minimum-period", "2s", "--maximum-period", "1h"]);
    let uri = format!("coaps://{}", second.coaps());
    let there = ["--short-id", "102", "--uri", &uri, "--lifetime", "40s", "--hold-off", "2s"];
    let shown = set(&[&there[..], &["--identity", "there", "--key-file", &key]].concat());
    assert_eq!((&shown["identity"], &shown["key_prefix"]), (&json!("there"), &json!("5a5a")));

    let mut module = field.module(&[]);
    assert_eq!(module.event("bootstrapped")["servers"], json!([101, 102]));
    let first = module.event("registered");
    let last = module.event("registered");
    assert_eq!((&first["server"], &last["server"]), (&json!(101), &json!(102)));
    let waited = last["time_ms"].as_u64().expect("a number") - first["time_ms"].as_u64().expect("a number");
    assert!(waited >= 1_500, "the second server has a hold-off: {waited} ms");

    field.settled("done");
    let lifetime = |server: &Server| server.answer(&["device", "show", ENDPOINT])["lifetime_seconds"].clone();
    assert_eq!(lifetime(&field.server), 300);
    let second_lifetime = wait_until(PATIENCE, || Some(lifetime(&second)).filter(|time| !time.is_null()));
    assert_eq!(second_lifetime, Some(json!(40)));
    // Each server reads its own account; pmin and pmax are those that were set.
    let read = |path: &str| {
        let answer = field.server.answer(&["device", "read", ENDPOINT, path]);
        answer["answer"]["values"][0]["value"].clone()
    };
    assert_eq!((read("/1/0/0"), read("/1/0/2"), read("/1/0/3")), (json!(101), json!(2), json!(3_600)));
}

#[test]
fn a_module_is_given_what_its_model_is_given_and_what_is_wrong_is_told() {
    let mut field = Field::start_without_device(Conditions::PERFECT);
    let key = field.files.write_secret("bootstrap.key", &"42".repeat(32));
    let device = ["device", "add", ENDPOINT, "--bootstrap-identity", IDENTITY, "--bootstrap-model", "GM01Q"];
    field.server.answer(&[&device[..], &["--bootstrap-key-file", &key]].concat());
    field.server.answer(&["bootstrap", "set", "--model", "GM01Q", "--short-id", "7", "--lifetime", "77s"]);
    field.server.answer(&["bootstrap", "set", "--short-id", "8"]);
    let effective = field.server.answer(&["bootstrap", "show", "--device", ENDPOINT]);
    assert_eq!((&effective["source"], &effective["model"]), (&json!("model"), &json!("GM01Q")));
    assert_eq!(field.server.answer(&["bootstrap", "show"]).as_array().map(Vec::len), Some(2));
    let mut module = field.module(&[]);
    assert_eq!(module.event("bootstrapped")["servers"], json!([7]));
    module.event("registered");
    assert_eq!(field.settled("done")["lifetime_seconds"], 77);

    let (code, problem) = field.server.refusal(&["bootstrap", "set", "--uri", "http://x"]);
    assert_eq!(code, Some(1));
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("http://x")), "{problem}");
    let (_, problem) = field.server.refusal(&["bootstrap", "remove", "--model", "BC35"]);
    assert_eq!(problem["type"], "urn:updraft:problem:not-found");

    // It is removed while nothing keeps it: it is not bootstrapped any more.
    field.server.answer(&["device", "remove", ENDPOINT]);
    module.kill();
    fs::remove_file(format!("{}.accounts", field.files.flash())).expect("it was bootstrapped");
    let mut module = field.module(&["--give-up-after", "1"]);
    module.event("session-failed");
    let line = field.server.wait_for_log("at the bootstrap server that");
    assert!(line.contains(IDENTITY) && line.contains("--bootstrap-identity"), "{line}");
}

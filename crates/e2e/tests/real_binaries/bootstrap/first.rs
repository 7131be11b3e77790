//! The first bootstrap of a module, and the next ones.

use e2e::Conditions;
use serde_json::json;

use super::Field;
use crate::rig::{ENDPOINT, NEW, read};

#[test]
fn ets_1_a_module_with_a_bootstrap_account_only_is_upgraded() {
    let field = Field::start(Conditions::PERFECT);
    let mut module = field.module(&[]);
    module.event("bootstrapped");
    module.event("registered");
    let device = field.settled("done");
    let identity = device["identity"].as_str().expect("it is text");
    assert!(identity.starts_with(&format!("{ENDPOINT}.")), "{device:#}");
    let steps = device["bootstrap"]["steps"].as_array().expect("it is a list");
    let steps: Vec<_> = steps.iter().map(|step| (&step["request"], &step["answer"])).collect();
    let (discover, finish) = ((&json!("Discover"), &json!("2.05")), (&json!("Finish"), &json!("2.04")));
    assert_eq!((steps.first(), steps.last()), (Some(&discover), Some(&finish)));

    let started = field.server.answer(&["upgrade", "start", ENDPOINT, "new", "--delivery", "pull"]);
    field.server.watch(started["id"].as_str().expect("it is text")).end().assert_success(NEW);
    module.event("registered");
    assert_eq!(module.events("bootstrapped").len(), 1, "what it was given outlives the restart");
}

#[test]
fn ets_5_each_bootstrap_gives_a_fresh_key_and_the_old_one_is_gone_once_it_is_proved() {
    let field = Field::start(Conditions::PERFECT);
    let mut module = field.module(&[]);
    module.event("registered");
    let first = field.settled("done");
    let answer = field.server.answer(&["device", "bootstrap", ENDPOINT]);
    assert_eq!((&answer["state"], &answer["paths"]), (&json!("done"), &json!(["/1/0/9"])));
    module.event("bootstrapped");
    module.event("registered");
    let second = field.settled("done");
    assert_ne!(first["identity"], second["identity"]);
    assert_ne!(first["key_prefix"], second["key_prefix"]);
    let log = field.server.log();
    let told = |part: &str| log.iter().filter(|line| line.contains(part)).count();
    assert_eq!(told("the device has proved its new key"), 2, "{log:#?}");

    // What a foreign dissector sees of it, opened with the key for the bootstrap server.
    let tshark = field.tshark();
    read(tshark.check());
    assert_eq!(read(tshark.unopened()), [""; 0]);
    let port = field.server.bootstrap().0.port();
    let codes = read(tshark.fields(
        &format!("udp.srcport == {port} && coap.code < 32"),
        &["coap.code", "coap.opt.uri_path_recon"],
    ));
    let codes: Vec<String> = codes.into_iter().map(|fields| fields.join(" ")).collect();
    // GET, then PUT of both accounts, then POST.
    let first: Vec<&str> = codes.iter().map(String::as_str).take(4).collect();
    assert_eq!(first, ["1 ", "3 /0/1", "3 /1/0", "2 /bs"], "{codes:?}");
    let second: Vec<&str> = codes.iter().map(String::as_str).skip(4).collect();
    assert_eq!(second, ["1 ", "4 /0/1", "4 /1/0", "3 /0/1", "3 /1/0", "2 /bs"]);
}

#[test]
fn ets_10_a_module_like_anjay_asks_for_a_pack_first_and_is_bootstrapped_all_the_same() {
    let field = Field::start(Conditions::PERFECT);
    let mut module = field.module(&["--profile", "anjay"]);
    module.event("bootstrapped");
    module.event("registered");
    field.settled("done");
    let port = field.server.bootstrap().0.port();
    let tshark = field.tshark();
    let asked = |filter: &str| read(tshark.fields(filter, &["coap.opt.uri_path_recon"])).concat();
    assert_eq!(asked(&format!("udp.dstport == {port} && coap.code < 32")), ["/bspack", "/bs"]);
    // 5.01, and the accounts in the format that the module named.
    let refused = read(tshark.lines(&format!("udp.srcport == {port} && coap.code == 161")));
    assert_eq!(refused.len(), 1, "{refused:?}");
    let formats =
        read(tshark.fields(&format!("udp.srcport == {port} && coap.code == 3"), &["coap.opt.ctype"]));
    let in_cbor = formats.concat().iter().filter(|format| format.contains("senml+cbor")).count();
    assert_eq!(in_cbor, 2, "{formats:?}");
}

#[test]
fn d32_after_a_bootstrap_during_a_session_the_new_key_works_and_the_old_one_is_refused() {
    let field = Field::start(Conditions::PERFECT);
    let accounts = format!("{}.accounts", field.files.flash());
    let mut module = field.module(&[]);
    module.event("registered");
    field.settled("done");
    let old = std::fs::read(&accounts).expect("it was bootstrapped");
    field.server.answer(&["device", "bootstrap", ENDPOINT]);
    module.event("bootstrapped");
    module.event("registered");
    let identity = field.settled("done")["identity"].clone();
    let answer = field.server.answer(&["device", "read", ENDPOINT, "/3/0/0"]);
    assert_eq!(answer["state"], "done", "the session with the new key is the one that is used");
    module.kill();

    // Whoever has a copy of the old key, and nobody to ask for another.
    field.relay.start_blackout();
    let new = std::fs::read(&accounts).expect("as above");
    std::fs::write(&accounts, old).expect("the disk has room");
    let mut thief = field.module(&["--give-up-after", "1"]);
    assert_eq!(thief.event("session-failed")["cause"], "identity or key is not accepted");
    thief.kill();
    std::fs::write(&accounts, new).expect("the disk has room");
    let mut module = field.module(&[]);
    module.event("registered");
    assert_eq!(field.device()["identity"], identity);
}

#[test]
fn a_module_that_had_a_key_goes_over_to_what_it_is_given() {
    let field = Field::start_without_device(Conditions::PERFECT);
    let key = field.files.write_secret("bootstrap.key", &"42".repeat(32));
    field.server.answer(&["device", "add", ENDPOINT, "--identity", "by hand"]);
    let allow = ["bootstrap", "allow", ENDPOINT, "--identity", super::field::IDENTITY];
    let allowed = field.server.answer(&[&allow[..], &["--key-file", &key]].concat());
    assert_eq!(allowed["device"]["bootstrap"]["state"], "never");
    let mut module = field.module(&[]);
    module.event("registered");
    let device = field.settled("done");
    assert_ne!(device["identity"], "by hand");
    field.server.answer(&["bootstrap", "forbid", ENDPOINT]);
    let (_, problem) = field.server.refusal(&["device", "bootstrap", ENDPOINT]);
    assert_eq!(problem["type"], "urn:updraft:problem:not-bootstrapped");
}

//! Registrations and sessions that outlive the server.

use std::collections::BTreeSet;

use e2e::{Conditions, wait_until};

use serde_json::Value;

use crate::rig::{ENDPOINT, Module, PATIENCE, Rig, Server, read};

/// The module repeats what the server did not answer for longer than a busy machine needs to start one.
pub const PATIENT: [&str; 2] = ["--ack-timeout", "1"];

#[test]
fn d31_a_module_goes_on_without_a_handshake_when_the_server_was_killed() {
    goes_on(Server::kill);
}

#[test]
fn d31_a_module_goes_on_without_a_handshake_when_the_server_was_stopped() {
    goes_on(Server::terminate);
}

/// Its connection id names the first shard, which is always there; one that names a shard which is not there any
/// more leads nowhere, and its device makes a new handshake.
#[test]
fn d31_a_module_goes_on_without_a_handshake_with_other_numbers_of_shards() {
    let mut rig = Rig::start_with(Conditions::PERFECT, &[("UPDRAFT_LWM2M__SHARDS", "1")]);
    let mut module = rig.module(&PATIENT);
    registered(&rig, &mut module);
    let hellos = handshakes(&rig);
    for shards in ["2", "5", "1", "64", "3"] {
        rig.server.set_shards(shards);
        rig.server.kill();
        rig.server.restart();
        assert_goes_on(&rig, &mut module, hellos);
    }
    // The key stream was never used twice: every record of every life has a number of its own, and each life
    // is 2^32 or more beyond the one before.
    let filter = format!("{RECORDS} && udp.srcport == {}", rig.server.coaps().port());
    let sent = read(rig.tshark().fields(&filter, &["dtls.record.sequence_number"]));
    let sent = sent.iter().flatten().flat_map(|numbers| numbers.split(','));
    let sent: Vec<u64> = sent.map(|number| number.parse().expect("it is a number")).collect();
    let used: BTreeSet<_> = sent.iter().collect();
    assert_eq!(used.len(), sent.len(), "{sent:?}");
    let blocks: BTreeSet<_> = sent.iter().map(|number| number >> 32).collect();
    assert_eq!(blocks, BTreeSet::from([0, 1, 2, 3, 4, 5]));
}

#[test]
fn o09_what_is_observed_is_reported_after_a_restart_without_asking_again() {
    let mut rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&["--lwm2m-1-1", "--ack-timeout", "1"]);
    registered(&rig, &mut module);
    let ask = |rig: &Rig, arguments: &[&str]| rig.server.answer(&[&["device"], arguments].concat());
    ask(&rig, &["write-attributes", ENDPOINT, "/3/0/13", "pmin=1", "pmax=1"]);
    ask(&rig, &["observe", ENDPOINT, "/3/0/13"]);
    ask(&rig, &["observe-composite", ENDPOINT, "/3/0/15", "/1/0/1"]);
    let is_seen = || last_value(&rig, "/3/0/13").is_i64().then_some(());
    wait_until(PATIENCE, is_seen).expect("the first value is kept");
    saved(&rig);
    for end in [Server::kill, Server::terminate] {
        let asked = observes(&rig);
        end(&mut rig.server);
        rig.server.restart();
        // pmax goes on in the module, and the server knows what the notifications are about.
        let before = last_value(&rig, "/3/0/13");
        let is_newer = || (last_value(&rig, "/3/0/13") != before).then_some(());
        wait_until(PATIENCE, is_newer).expect("it is reported");
        let zone = if last_value(&rig, "/3/0/15") == "Asia/Tokyo" { "Europe/Berlin" } else { "Asia/Tokyo" };
        ask(&rig, &["write", ENDPOINT, "/3/0/15", zone]);
        let is_told = || (last_value(&rig, "/3/0/15") == zone).then_some(());
        wait_until(PATIENCE, is_told).expect("the composite is reported");
        assert_eq!(observes(&rig), asked, "nothing was observed anew");
    }
    // A module that starts anew has forgotten all: it is asked again.
    let asked = observes(&rig);
    module.kill();
    let mut module = rig.module(&["--lwm2m-1-1", "--ack-timeout", "1"]);
    module.event("registered");
    let is_asked = || (observes(&rig) >= asked + 2).then_some(());
    wait_until(PATIENCE, is_asked).expect("both are begun again");
    // Who takes one back is not told of it any more.
    ask(&rig, &["cancel-composite", ENDPOINT, "/3/0/15", "/1/0/1"]);
    let (_, problem) = rig.server.refusal(&["device", "cancel-composite", ENDPOINT, "/3/0/15", "/1/0/1"]);
    assert_eq!(problem["type"], "urn:updraft:problem:not-observed", "{problem}");
}

fn goes_on(end: impl Fn(&mut Server)) {
    let mut rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&PATIENT);
    registered(&rig, &mut module);
    let hellos = handshakes(&rig);
    end(&mut rig.server);
    rig.server.restart();
    assert_goes_on(&rig, &mut module, hellos);
}

/// Waits until the module is registered and the server has stored that.
pub fn registered(rig: &Rig, module: &mut Module) {
    module.event("registered");
    let is_saved =
        || rig.device(ENDPOINT)["objects"].as_array().filter(|objects| !objects.is_empty()).cloned();
    wait_until(PATIENCE, is_saved).expect("the registration is stored");
}

/// Waits until what is known of the device now is stored: one write after another, at most a second apart.
fn saved(rig: &Rig) {
    let stored = || rig.device(ENDPOINT)["last_seen_at"].clone();
    let before = stored();
    wait_until(PATIENCE, || (stored() != before).then_some(())).expect("it is stored");
}

/// The server asks at once, on the session that it had, and the module never notices that it was away.
pub fn assert_goes_on(rig: &Rig, module: &mut Module, hellos: usize) {
    assert_eq!(rig.device(ENDPOINT)["registered"], true);
    let answer = rig.server.answer(&["device", "read", ENDPOINT, "/3/0/0"]);
    assert_eq!(answer["state"], "done", "{answer}");
    module.event("registration-updated");
    assert_eq!(module.events("registered").len(), 1);
    assert_eq!(handshakes(rig), hellos, "no new handshake was needed");
}

/// Killed at any moment, before what it sent last is saved: whoever records the wire must not see a number twice
/// under one key, and there is one key in each direction as long as there is no new handshake.
#[test]
fn d31_no_record_number_is_used_twice_however_often_the_server_is_killed() {
    let mut rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&[]);
    registered(&rig, &mut module);
    let hellos = handshakes(&rig);
    for life in 1..=5 {
        for _ in 0..life {
            let answer = rig.server.answer(&["device", "read", ENDPOINT, "/3/0/0"]);
            assert_eq!(answer["state"], "done", "{answer}");
        }
        rig.server.kill();
        rig.server.restart();
    }
    assert_eq!(rig.server.answer(&["device", "read", ENDPOINT, "/3/0/0"])["state"], "done");
    assert_eq!(handshakes(&rig), hellos, "no new handshake was needed");
    let sent = format!("dtls.record.epoch == 1 && udp.srcport == {}", rig.server.coaps().port());
    let datagrams = read(rig.tshark().fields(&sent, &["dtls.record.epoch", "dtls.record.sequence_number"]));
    let records = datagrams.iter().flat_map(|fields| fields[0].split(',').zip(fields[1].split(',')));
    let protected = records.filter(|(epoch, _)| *epoch == "1");
    let numbers: Vec<u64> = protected.map(|(_, number)| number.parse().expect("it is a number")).collect();
    let different: BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!(different.len(), numbers.len(), "{numbers:?}");
    let blocks: BTreeSet<u64> = numbers.iter().map(|number| number >> 32).collect();
    assert_eq!(blocks.len(), 6, "each life has numbers of its own: {blocks:?}");
}

/// Application data, with a connection id or without (RFC 9146 section 4).
const RECORDS: &str = "(dtls.record.content_type == 23 || dtls.record.content_type == 25)";

/// ClientHellos so far.
pub fn handshakes(rig: &Rig) -> usize {
    read(rig.tshark().fields("dtls.handshake.type == 1", &["frame.number"])).len()
}

/// Requests so far that begin an observation.
fn observes(rig: &Rig) -> usize {
    let filter = "coap.opt.observe == 0 && (coap.code == 1 || coap.code == 5)";
    let mut sent = read(rig.tshark().fields(filter, &["coap.mid", "coap.token"]));
    sent.sort();
    sent.dedup();
    sent.len()
}

fn last_value(rig: &Rig, path: &str) -> Value {
    let values = rig.server.answer(&["device", "values", ENDPOINT]);
    let value = values.as_array().and_then(|values| values.iter().find(|value| value["path"] == path));
    value.map(|value| value["value"].clone()).unwrap_or_default()
}

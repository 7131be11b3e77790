//! Everything that server and module say to each other, as a foreign dissector sees it.

use e2e::{Conditions, Tshark};

use crate::rig::{NEW, OLD, Rig, read};

#[test]
fn both_ways_over_a_lossy_network_are_dissected_without_a_fault() {
    let rig = Rig::start(Conditions { loss: 0.05, ..Conditions::PERFECT });
    for (name, version) in [("small-new", NEW), ("small-old", OLD)] {
        // A block that the server has to repeat costs seconds.
        let image = rig.files.image(name, version, &["--payload-take", "40000"]);
        rig.server.upload(name, &image, &[]);
    }
    let mut module = rig.module(&[]);
    module.event("registered");
    rig.upgrade("small-new", "pull").assert_success(NEW);
    rig.upgrade("small-old", "push").assert_success(OLD);

    let tshark = rig.tshark();
    read(tshark.check());
    assert_eq!(read(tshark.unopened()), [""; 0]);
    let traffic = rig.relay.traffic();
    assert!(traffic.upward.lost > 0 && traffic.downward.lost > 0, "{traffic:?}");

    let to_server = format!("udp.dstport == {}", rig.server.coaps().port());
    let to_module = format!("udp.srcport == {}", rig.server.coaps().port());
    for (what, filter) in [
        ("Register", format!("{to_server} && coap.code == 2 && {PATH} == \"/rd\"")),
        ("Observe", format!("{to_module} && coap.code == 1 && coap.opt.observe && {PATH} == \"/5/0/3\"")),
        ("the Package URI", format!("{to_module} && coap.code == 3 && {PATH} == \"/5/0/1\"")),
        ("PULL", format!("{to_server} && coap.code == 1 && {PATH} contains \"/fw/\"")),
        ("Block2", format!("{to_module} && coap.code == 69 && coap.opt.block_number == 39")),
        ("PUSH", format!("{to_module} && coap.code == 3 && {PATH} == \"/5/0/0\"")),
        ("Block1", format!("{to_server} && coap.code == 95")),
        ("Execute", format!("{to_module} && coap.code == 2 && {PATH} == \"/5/0/2\"")),
    ] {
        assert!(count(&tshark, &filter) > 0, "no packet shows {what}: {filter}");
    }
}

const PATH: &str = "coap.opt.uri_path_recon";

fn count(tshark: &Tshark, filter: &str) -> usize {
    read(tshark.lines(filter)).len()
}

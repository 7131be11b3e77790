//! What an upgrade has learnt about a module helps the next one, also after the end of the server.

use e2e::Conditions;

use crate::rig::{NEW, OLD, Rig, read};

#[test]
fn blocks_and_format_that_a_module_took_are_remembered_over_the_end_of_the_server() {
    let mut rig = Rig::start(Conditions::PERFECT);
    // It takes blocks of 128 bytes, and a package in some formats only.
    let mut module = rig.module(&["--profile", "contiki"]);
    module.event("registered");
    rig.upgrade("new", "push").assert_success(NEW);
    let first = first_blocks(&rig);
    assert!(first.len() > 1, "another format had to be found: {first:?}");
    assert!(first.iter().all(|block| block == OF_1024_BYTES), "{first:?}");

    rig.server.kill();
    rig.server.restart();
    rig.upgrade("old", "push").assert_success(OLD);
    assert_eq!(first_blocks(&rig)[first.len()..], [OF_128_BYTES], "once, in the format and size that worked");
}

// SZX (RFC 7959 section 2.2).
const OF_1024_BYTES: &str = "6";
const OF_128_BYTES: &str = "3";

/// The sizes of the first blocks of all pushes so far, repetitions of one aside.
fn first_blocks(rig: &Rig) -> Vec<String> {
    let filter = "coap.code == 3 && coap.opt.uri_path_recon == \"/5/0/0\" && coap.opt.block_number == 0";
    let mut blocks = read(rig.tshark().fields(filter, &["coap.mid", "coap.opt.block_size"]));
    blocks.dedup();
    blocks.into_iter().map(|mut block| block.remove(1)).collect()
}

//! A device on aiocoap and cbor2, software that we did not write: registration by Block1, reads in the formats that
//! it has, observation, and an upgrade by PULL over plain CoAP with Block2.

use std::path::Path;
use std::process::Command;

use e2e::{Conditions, Process, Program, binary};

use crate::rig::{LAB_PRODUCT, NEW, OLD, PATIENCE, Rig};

#[test]
fn a_device_on_aiocoap_is_upgraded_by_pull() {
    let rig = Rig::start(Conditions::PERFECT);
    rig.server.answer(&["device", "add", "aiocoap-1", "--no-security", "--product", LAB_PRODUCT]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/aiocoap_device.py");
    let mut command = Command::new(binary(Program::ForeignPython).unwrap_or_else(|error| panic!("{error}")));
    command.arg(script).args([&rig.server.coap().port().to_string(), "aiocoap-1", OLD, NEW]);
    let mut device = Process::start("aiocoap", &mut command).expect("it starts");
    device.wait_for_line("\"registered\", \"code\": \"2.01 Created\"", PATIENCE).expect("it registers");

    let started = rig.server.answer(&["upgrade", "start", "aiocoap-1", "new", "--delivery", "pull"]);
    let ended = rig.server.watch(started["id"].as_str().expect("it is text")).end();
    ended.assert_success(NEW);
    assert_eq!(ended.upgrade["version_before"], OLD);
    let image = std::fs::metadata(rig.files.path("new.img")).expect("it was made").len();
    let downloaded = format!("\"code\": \"2.05 Content\", \"bytes\": {image}");
    device.wait_for_line(&downloaded, PATIENCE).expect("it had the whole image");
    assert_eq!(rig.device("aiocoap-1")["manufacturer"], "aiocoap");
}

//! A server of four shards: who moves to another port stays where it was or begins anew without loss.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use coap::Code;
use e2e::Conditions;

use crate::rig::{Caller, ENDPOINT, NEW, Rig, read};

/// A server of four shards.
fn four() -> Rig {
    Rig::start_with(Conditions::PERFECT, &[("UPDRAFT_LWM2M__SHARDS", "4")])
}

fn caller(rig: &Rig, config: dtls::Config) -> Caller {
    Caller::new(rig.server.coaps(), ENDPOINT, rig.files.secret("device.key"), config)
}

/// With a connection id the record itself says where its session is.
#[test]
fn d25_every_message_may_come_from_another_port_and_reaches_its_shard() {
    let rig = four();
    let mut caller = caller(&rig, dtls::Config::default());
    let mut shards = BTreeSet::new();
    // Of so many calls one goes to another shard than the first, or the kernel spreads nobody.
    for call in 1..=16 {
        caller.take_another_port();
        caller.call();
        let location = caller.register(ENDPOINT);
        shards.insert(caller.shard().expect("the server asks for an id"));
        for _ in 0..8 {
            caller.take_another_port();
            assert_eq!(caller.update(&location), Some(Code::CHANGED));
        }
        assert_eq!(caller.handshakes(), call);
        if call >= 4 && shards.len() > 1 {
            return;
        }
    }
    panic!("every session was at {shards:?}");
}

#[test]
fn d25_a_download_goes_on_through_nine_ports() {
    let rig = four();
    let mut module = rig.module(&["--speed", "60000"]);
    module.event("registered");
    rig.wait_for_device("registered", &true.into());
    let hellos = || read(rig.tshark().fields("dtls.handshake.type == 1", &["frame.number"])).len();
    let before = hellos();
    let watch = rig.server.watch(&rig.start_upgrade("new", "pull"));
    for _ in 0..8 {
        module.event("progress");
        rig.relay.rebind();
    }
    module.event("downloaded");
    assert_eq!(hellos(), before, "no handshake was needed");
    watch.end().assert_success(NEW);
    assert_eq!(module.events("downloading").len(), 1, "the download was not begun again");
    assert_eq!(rig.executes(), 1);
}

/// Without connection ids, or where the kernel cannot tell shards by them, a device that has moved is not known;
/// its next handshake brings it to the shard that now gets its records.
#[test]
fn d24_a_device_without_connection_id_goes_on_at_another_shard() {
    let rig = four();
    let mut caller = caller(&rig, dtls::Config { honor_connection_ids: false, ..dtls::Config::default() });
    assert!(!caller.call().resumed);
    let mut location = caller.register(ENDPOINT);
    let mut registrations = 1;
    for _ in 0..6 {
        caller.take_another_port();
        // Its ticket is good at any shard, its cookie is asked for all the same.
        assert!(caller.call().resumed);
        match caller.update(&location) {
            Some(Code::CHANGED) => {}
            // Another shard does not know the registration: the device registers there.
            Some(Code::NOT_FOUND) => {
                location = caller.register(ENDPOINT);
                registrations += 1;
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(caller.shard(), None);
        assert_eq!(caller.update(&location), Some(Code::CHANGED));
    }
    assert!(registrations > 1, "six ports lead to one shard of four once in 4,096 runs");
    // The device is asked where it is now, and only there.
    std::thread::scope(|scope| {
        let read = scope.spawn(|| rig.server.output_of(&["device", "read", ENDPOINT, "/3/0/1"]));
        let refused = caller.refuse_until(|| read.is_finished());
        let answer = read.join().expect("the command line does not panic");
        assert!(refused > 0 && answer.contains("4.04"), "{refused} {answer}");
    });
}

/// By session id, since OpenSSL is told to take no ticket; the table of ids is one for all shards.
#[test]
fn d24_openssl_resumes_by_session_id_at_any_shard() {
    let rig = four();
    let key: String = rig.files.secret("device.key").iter().map(|byte| format!("{byte:02x}")).collect();
    let (at, file) = (rig.server.coaps().to_string(), rig.files.path("session.pem"));
    let file = file.to_str().expect("the path is text");
    let call = |session: &str| {
        let mut command = Command::new("timeout");
        command.args(["30", "openssl", "s_client", "-dtls1_2", "-connect", &at, "-no_ticket", session, file]);
        command.args([
            "-cipher",
            "PSK-AES128-CBC-SHA256:@SECLEVEL=0",
            "-psk_identity",
            ENDPOINT,
            "-psk",
            &key,
        ]);
        let output = command.stdin(Stdio::null()).output().expect("openssl is there");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let first = call("-sess_out");
    assert!(first.contains("New, "), "{first}");
    // Each from a port of its own: all to the first shard is as likely as one in 16,384.
    for _ in 0..8 {
        let next = call("-sess_in");
        assert!(next.contains("Reused, "), "{next}");
    }
}

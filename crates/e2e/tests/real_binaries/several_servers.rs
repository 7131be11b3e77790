//! A module with accounts of two servers.

use std::fs;

use e2e::Conditions;

use crate::rig::{ENDPOINT, NEW, Rig, Server};

#[test]
fn a_module_belongs_to_two_servers_at_once() {
    let rig = Rig::start(Conditions::PERFECT);
    let folder = rig.files.path("second");
    fs::create_dir(&folder).expect("the disk has room");
    let mut second = Server::start(&folder);
    let key = rig.files.path("device.key").display().to_string();
    second.answer(&["device", "add", ENDPOINT, "--identity", ENDPOINT, "--key-file", &key]);
    let mut module = rig.module(&["--server", &format!("coaps://{}", second.coaps())]);
    let mut servers = [0, 1].map(|_| module.event("registered")["server"].as_u64());
    servers.sort();
    assert_eq!(servers, [Some(1), Some(2)]);

    // Each sees its own account and no other.
    for (server, instance, id) in [(&rig.server, 0, 1), (&second, 1, 2)] {
        let account = server.answer(&["device", "read", ENDPOINT, &format!("/1/{instance}/0")]);
        assert_eq!(account["answer"]["values"][0]["value"], id, "{account}");
        let other = format!("/1/{}/0", 1 - instance);
        assert_eq!(server.refusal(&["device", "read", ENDPOINT, &other]).0, Some(1));
    }

    rig.upgrade("new", "pull").assert_success(NEW);
    let mut again = [0, 1].map(|_| module.event("registered")["server"].as_u64());
    again.sort();
    assert_eq!(again, [Some(1), Some(2)], "it is back at both after the update");
    let version = second.answer(&["device", "read", ENDPOINT, "/3/0/3"]);
    assert_eq!(version["answer"]["values"][0]["value"], NEW, "{version}");

    second.kill();
    let still = rig.server.answer(&["device", "read", ENDPOINT, "/3/0/3"]);
    assert_eq!(still["state"], "done", "the end of one server is nothing to the other: {still}");
}

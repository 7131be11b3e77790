//! Upgrades that wait for their device: what is durable, what is streamed, and how they end.

mod process;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use process::{Server, image, text};
use serde_json::Value;

/// A device that never comes, and a package for it.
fn prepare(server: &Server) {
    server.json(&["device", "add", "urn:imei:1", "--identity", "1"]);
    let headers = [("content-type", "application/octet-stream")];
    let bytes = image("GM01Q", "2.0", &[7; 10_000]);
    server.lab_product();
    let address = "/api/v1/packages?name=May&file_name=may.bin";
    let (status, package) = server.request("POST", address, &headers, &bytes);
    assert_eq!(status, 201, "{package}");
    let hash = package["sha256"].as_str().expect("it is text");
    server.json(&["package", "approve", "May", "--sha256", hash]);
}

fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.ports["http"].as_str().expect("it is an address")).expect("the server listens")
}

/// Reads events until one of this name, as a client with a connection of its own.
fn events_until(server: &Server, last: Option<&str>, name: &str) -> Vec<(String, String)> {
    let mut connection = connect(server);
    let last = last.map(|last| format!("last-event-id: {last}\r\n")).unwrap_or_default();
    let head =
        format!("GET /api/v1/upgrades/d:urn:imei:1:1/events HTTP/1.1\r\nhost: 127.0.0.1\r\n{last}\r\n");
    connection.write_all(head.as_bytes()).expect("the server listens");
    let (mut events, mut id) = (Vec::new(), String::new());
    for line in BufReader::new(connection).lines() {
        let line = line.expect("the stream is text");
        if let Some(value) = line.strip_prefix("id: ") {
            value.clone_into(&mut id);
        }
        if let Some(value) = line.strip_prefix("event: ") {
            events.push((id.clone(), value.to_owned()));
            if value == name {
                break;
            }
        }
    }
    events
}

fn names(events: &[(String, String)]) -> Vec<&str> {
    events.iter().map(|(_, name)| &**name).collect()
}

#[test]
fn an_upgrade_is_started_followed_and_canceled() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    prepare(&server);
    let upgrade = server.json(&["upgrade", "start", "urn:imei:1", "May", "--timeout", "90m"]);
    assert_eq!(upgrade["id"], "d:urn:imei:1:1");
    assert_eq!(upgrade["action"], "Upgrade: May (may.bin)");
    assert_eq!((&upgrade["timeout_seconds"], &upgrade["delivery"]), (&5_400.into(), &"auto".into()));
    let told = server.fails(1, &["upgrade", "start", "urn:imei:1", "May", "--delivery", "push"]);
    assert!(told.contains("d:urn:imei:1:1") && told.contains("cancel"), "{told}");
    assert!(server.fails(1, &["device", "remove", "urn:imei:1"]).contains("d:urn:imei:1:1"));

    let canceled = server.json(&["upgrade", "cancel", "d:urn:imei:1:1"]);
    assert_eq!(canceled["cancel_requested"], true);
    let watched = server.run(&["upgrade", "watch", "d:urn:imei:1:1"]);
    assert_eq!(watched.status.code(), Some(4), "{}", text(&watched.stderr));
    assert!(text(&watched.stdout).contains("An operator wants the upgrade canceled."));
    assert!(text(&watched.stderr).contains("canceled"));
    let shown = server.json(&["upgrade", "show", "d:urn:imei:1:1"]);
    assert_eq!(
        (&shown["outcome"]["code"], &shown["outcome"]["success"]),
        (&"canceled".into(), &false.into())
    );
    assert!(server.fails(1, &["upgrade", "cancel", "d:urn:imei:1:1"]).contains("has ended"));
    let listed = server.json(&["upgrade", "list", "--device", "urn:imei:1"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);

    // In JSON every event is a line, and the last one is the upgrade.
    let watched = server.run(&["--json", "upgrade", "watch", "d:urn:imei:1:1"]);
    let lines: Vec<Value> =
        text(&watched.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["kind"], "created");
    assert_eq!(lines[lines.len() - 2]["kind"], "finished");
    assert_eq!(lines[lines.len() - 1]["id"], "d:urn:imei:1:1");
    // Numbers of upgrades are not used again.
    assert_eq!(server.json(&["upgrade", "start", "urn:imei:1", "May"])["id"], "d:urn:imei:1:2");
}

#[test]
fn f17_what_was_acknowledged_survives_a_kill_and_the_upgrade_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    prepare(&server);
    server.json(&["upgrade", "start", "urn:imei:1", "May"]);
    let before: Vec<Value> =
        [["device", "list"], ["package", "list"]].iter().map(|list| server.json(list)).collect();
    server.kill();

    let server = Server::start(&data);
    let after: Vec<Value> =
        [["device", "list"], ["package", "list"]].iter().map(|list| server.json(list)).collect();
    assert_eq!(after, before);
    assert_eq!(server.json(&["upgrade", "show", "d:urn:imei:1:1"]).get("outcome"), None);
    server.json(&["upgrade", "cancel", "d:urn:imei:1:1"]);
    let events = events_until(&server, None, "finished");
    assert_eq!(names(&events)[0], "created");
    let numbers: Vec<usize> = events.iter().filter_map(|(id, _)| id.parse().ok()).collect();
    assert_eq!(numbers, (1..=events.len()).collect::<Vec<_>>(), "the history has no gap");
    let (status, log) = server.stop();
    assert!(status.success() && !log.contains("ERROR"), "{log}");
}

#[test]
fn a_stream_goes_on_behind_the_last_event_that_was_received() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    prepare(&server);
    server.json(&["upgrade", "start", "urn:imei:1", "May"]);
    server.json(&["upgrade", "cancel", "d:urn:imei:1:1"]);
    let all = events_until(&server, None, "finished");
    let rest = events_until(&server, Some("2"), "finished");
    assert_eq!(rest, all[2..]);
    let headers = [("last-event-id", "x")];
    assert_eq!(server.request("GET", "/api/v1/upgrades/d:urn:imei:1:1/events", &headers, b"").0, 422);
}

#[test]
fn a_server_that_stops_ends_its_streams() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    prepare(&server);
    server.json(&["upgrade", "start", "urn:imei:1", "May"]);
    let mut stream = connect(&server);
    let head = "GET /api/v1/upgrades/d:urn:imei:1:1/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines();
    assert!(lines.any(|line| line.unwrap() == "event: created"));
    let (status, _) = server.stop();
    assert!(status.success());
    assert!(lines.all(|line| line.is_ok()), "the stream ends in order");
}

#[test]
fn f26_what_cannot_work_is_refused_before_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let everywhere = &["lwm2m.coaps_bind=0.0.0.0:0", "files.https_bind=0.0.0.0:0"];
    let server = Server::start_with(&data, everywhere);
    prepare(&server);
    assert!(server.fails(1, &["upgrade", "start", "nobody", "May"]).contains("device list"));
    assert!(server.fails(1, &["upgrade", "start", "urn:imei:1", "June"]).contains("package list"));
    // All addresses: nobody can know which one devices reach.
    assert!(
        server
            .fails(1, &["upgrade", "start", "urn:imei:1", "May", "--delivery", "pull"])
            .contains("lwm2m.public_host")
    );
    let wrong = server.fails(1, &["upgrade", "start", "urn:imei:1", "May", "--base-uri", "ftp://x"]);
    assert!(wrong.contains("base_uri"), "{wrong}");
    assert_eq!(
        server.run(&["upgrade", "start", "urn:imei:1", "May", "--timeout", "soon"]).status.code(),
        Some(2)
    );
    server.json(&["upgrade", "start", "urn:imei:1", "May", "--base-uri", "coaps://fota.example.org:5684"]);
}

//! The life of devices, over the command line and over REST.

mod process;

use process::{Server, text, updraft};
use serde_json::{Value, json};

const KEY: &str = "caf23b8150cd4d93f23d917acf93c00cec79fab86aef370382330e68413b201b";
const OTHER: &str = "62ea8b6c8da61fe5b0867eb6cad81fd4e8d9a356bda79be5b311a068eda93962";
const ENDPOINT: &str = "urn:imei:015770000031766";
const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn a_device_is_added_listed_shown_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let key_file = folder.path().join("key");
    std::fs::write(&key_file, format!("{ENDPOINT}:{KEY}\n")).unwrap();
    let added = server.json(&[
        "device",
        "add",
        ENDPOINT,
        "--identity",
        ENDPOINT,
        "--name",
        "Meter",
        "--key-file",
        key_file.to_str().unwrap(),
    ]);
    assert_eq!(added["device"]["key_prefix"], "caf2");
    assert_eq!(added.get("generated_key"), None, "a key that was given is not given back");

    let made = server.json(&["device", "add", "odd/name ?", "--identity", "odd"]);
    assert_eq!(made["generated_key"].as_str().unwrap().len(), 64);
    let refused = server.fails(1, &["device", "add", "plain", "--no-security"]);
    assert!(refused.contains("allow_no_security=true"), "{refused}");
    let lab = server.lab_product();
    let plain = server.json(&["device", "add", "plain", "--no-security", "--product", lab]);
    assert_eq!(plain["device"]["security"], "none");
    assert_eq!(plain["device"]["product"]["name"], "Lab/GM01Q/Bench");

    let listed = server.json(&["device", "list"]);
    let endpoints: Vec<&str> =
        listed.as_array().unwrap().iter().filter_map(|d| d["endpoint"].as_str()).collect();
    assert_eq!(endpoints, ["odd/name ?", "plain", ENDPOINT]);
    assert_eq!(server.json(&["device", "list", "--search", "METER"]).as_array().unwrap().len(), 1);
    assert_eq!(server.json(&["device", "show", "odd/name ?"])["identity"], "odd");

    let shown = server.run(&["device", "show", ENDPOINT]);
    let shown = text(&shown.stdout);
    assert!(shown.contains("Meter") && shown.contains("caf2…") && !shown.contains(KEY), "{shown}");

    server.json(&["device", "remove", "odd/name ?"]);
    let told = server.fails(1, &["device", "show", "odd/name ?"]);
    assert!(told.contains("there is no device") && told.contains("device list"), "{told}");
}

#[test]
fn wrong_input_is_refused_with_cause_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    server.json(&["device", "add", "one", "--identity", "one", "--key", KEY]);
    let good = json!({"endpoint": "two", "identity": "two", "key": OTHER});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body.to_string()
    };
    let table = [
        (with("endpoint", json!("one")), 409, "endpoint-taken"),
        (with("identity", json!("one")), 409, "identity-taken"),
        (with("key", json!(KEY)), 409, "key-taken"),
        (with("key", json!("abc")), 422, "bad-value"),
        (with("key", json!("87493467538357")), 422, "bad-value"),
        (with("key", json!("ab".repeat(65))), 422, "bad-value"),
        (with("endpoint", json!("")), 422, "bad-value"),
        (with("endpoint", json!(7)), 422, "bad-value"),
        (with("identity", Value::Null), 422, "bad-value"),
        (with("identity", json!("x".repeat(129))), 422, "bad-value"),
        (with("security", json!("none")), 422, "bad-value"),
        (with("security", json!("magic")), 422, "bad-value"),
        (with("colour", json!("blue")), 422, "bad-value"),
        ("{".to_owned(), 400, "bad-json"),
        (format!("{{\"endpoint\": \"{}\"}}", "x".repeat(70_000)), 413, "too-large"),
    ];
    for (body, status, kind) in table {
        let (got, problem) = server.request("POST", "/api/v1/devices", &[JSON], body.as_bytes());
        assert_eq!(got, status, "{body} {problem}");
        assert_eq!(problem["type"], format!("urn:updraft:problem:{kind}"), "{body}");
        assert_eq!(problem["status"], status);
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        assert!(!problem.to_string().contains(OTHER), "a key never comes back: {problem}");
    }
    let (status, _) = server.request("POST", "/api/v1/devices", &[], good.to_string().as_bytes());
    assert_eq!(status, 415);
    assert_eq!(server.json(&["device", "list"]).as_array().unwrap().len(), 1, "nothing of it was stored");
    let (status, _) = server.request("POST", "/api/v1/devices", &[JSON], good.to_string().as_bytes());
    assert_eq!(status, 201);
}

#[test]
fn what_does_not_exist_and_what_other_pages_ask_is_a_problem_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let check = |method: &str, path: &str, headers: &[(&str, &str)], status: u16, kind: &str| {
        let (got, problem) = server.request(method, path, headers, b"");
        assert_eq!(
            (got, &problem["type"]),
            (status, &json!(format!("urn:updraft:problem:{kind}"))),
            "{path}"
        );
    };
    check("GET", "/nothing", &[], 404, "not-found");
    check("GET", "/api/v1/devices/x", &[], 404, "not-found");
    check("DELETE", "/api/v1/devices/x", &[], 404, "not-found");
    check("GET", "/api/v1/packages/x", &[], 404, "not-found");
    check("GET", "/api/v1/upgrades/d:x:1", &[], 404, "not-found");
    check("GET", "/api/v1/upgrades/d:x:1/events", &[], 404, "not-found");
    check("PUT", "/api/v1/devices", &[], 405, "method");
    check("GET", "/api/v1/devices?limit=0", &[], 422, "bad-value");
    check("GET", "/api/v1/devices?limit=x", &[], 400, "bad-query");
    check("GET", "/api/v1/devices?colour=blue", &[], 400, "bad-query");
    check("GET", "/api/v1/devices?cursor=xyz", &[], 422, "bad-value");
    check("GET", "/api/v1/devices", &[("host", "evil.example")], 403, "foreign-origin");
    check("GET", "/api/v1/devices", &[("origin", "http://evil.example")], 403, "foreign-origin");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.request("GET", path, &[], b"").0, 200);
    }
    let (status, document) = server.request("GET", "/api/v1/openapi.json", &[], b"");
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
}

#[test]
fn long_lists_come_in_pages_without_gap_or_repetition() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let lab = server.lab_product();
    for number in 0..25 {
        let endpoint = format!("device {number:02}");
        let body = json!({"endpoint": endpoint, "security": "none", "product": lab}).to_string();
        assert_eq!(server.request("POST", "/api/v1/devices", &[JSON], body.as_bytes()).0, 201);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = server.request("GET", &format!("/api/v1/devices?limit=10{cursor}"), &[], b"");
        seen.extend(
            page["items"].as_array().unwrap().iter().map(|d| d["endpoint"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, (0..25).map(|number| format!("device {number:02}")).collect::<Vec<_>>());
}

#[test]
fn exit_codes_tell_what_went_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let code = |arguments: &[&str]| server.run(arguments).status.code();
    assert_eq!(code(&["device", "list"]), Some(0));
    assert_eq!(code(&["device", "remove", "x"]), Some(1));
    assert_eq!(code(&["device", "add", "x"]), Some(2), "neither identity nor --no-security");
    assert_eq!(code(&["device", "add", "x", "--identity", "x", "--key", "zz"]), Some(2));
    assert_eq!(code(&["fly"]), Some(2));
    assert_eq!(code(&["--server", "https://127.0.0.1", "device", "list"]), Some(2));
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let output = updraft().args(["--server", &nobody, "device", "list"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("updraft serve"), "{}", text(&output.stderr));
    let output = updraft().args(["--json", "--server", &nobody, "device", "list"]).output().unwrap();
    let problem: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(problem["type"], "urn:updraft:problem:unreachable");
}

#[test]
fn generated_keys_have_the_form_that_devices_take() {
    let output = updraft().args(["psk", "generate"]).output().unwrap();
    let key = text(&output.stdout);
    assert_eq!(key.trim().len(), 64);
    assert!(key.trim().bytes().all(|byte| byte.is_ascii_hexdigit()));
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

//! sec_k01: what is stored, logged and answered never contains a device key.

mod process;

use std::collections::HashSet;
use std::fs;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use process::{Server, files, text};
use serde_json::json;

const DEVICES: usize = 1_000;

#[test]
fn sec_k01_no_key_is_found_in_data_folder_backup_log_or_answers() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // Everything that the server can say.
    let server = Server::start_with(&data, &["log.filter=trace"]);
    let mut keys: Vec<Vec<u8>> = (0..DEVICES).map(key).collect();
    std::thread::scope(|scope| {
        // Many at once share a commit.
        for (part, keys) in keys.chunks(DEVICES / 10).enumerate() {
            let server = &server;
            scope.spawn(move || add_devices(server, part * DEVICES / 10, keys));
        }
    });
    let made = server.json(&["device", "add", "made", "--identity", "made"]);
    keys.push(unhex(made["generated_key"].as_str().unwrap()));
    let bootstrapped = server.json(&["device", "add", "bootstrapped", "--bootstrap-identity", "b"]);
    keys.push(unhex(bootstrapped["generated_bootstrap_key"].as_str().unwrap()));
    // The key of another server, which devices are given.
    let other = folder.path().join("other.key");
    fs::write(&other, hex(&key(DEVICES))).unwrap();
    keys.push(key(DEVICES));
    let other = ["--identity", "there", "--key-file", other.to_str().unwrap()];
    let set = ["bootstrap", "set", "--device", "bootstrapped", "--uri", "coaps://x"];
    let set = server.run(&[&set[..], &other].concat());
    assert!(set.status.success(), "{}", text(&set.stderr));
    // A key that is refused must not be kept or told either.
    let told = server.fails(1, &["device", "add", "again", "--identity", "again", "--key", &hex(&keys[0])]);
    let mut haystacks = vec![("answer".to_owned(), told.into_bytes()), ("answer".to_owned(), set.stdout)];
    for arguments in [["device", "show", "bootstrapped"], ["bootstrap", "show", "--device=bootstrapped"]] {
        haystacks.push(("answer".to_owned(), server.run(&arguments).stdout));
    }
    for arguments in [["device", "list"], ["device", "show"]] {
        let arguments =
            if arguments[1] == "show" { vec!["device", "show", "made"] } else { arguments.to_vec() };
        haystacks.push(("answer".to_owned(), server.run(&arguments).stdout));
    }
    server.json(&["device", "remove", "endpoint-0"]);

    let backup = folder.path().join("the.backup");
    let mut command = process::updraft();
    command.args(["backup", "--data-dir"]).arg(&data).arg(&backup);
    let made = command.output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    haystacks.push(("answer".to_owned(), made.stdout));
    haystacks.push(("the.backup".to_owned(), fs::read(&backup).unwrap()));

    // Killed, so that the write-ahead log is there as well; then started and stopped in order.
    haystacks.push(("log".to_owned(), server.kill().into_bytes()));
    haystacks.extend(contents(&data));
    let (_, log) = Server::start_with(&data, &["log.filter=trace"]).stop();
    haystacks.push(("log".to_owned(), log.into_bytes()));
    haystacks.extend(contents(&data));

    // What is no secret is found this way, so a key would be.
    let known = b"endpoint-1";
    let found: Vec<&str> = haystacks
        .iter()
        .filter(|(_, bytes)| bytes.windows(known.len()).any(|window| window == known))
        .map(|(name, _)| &**name)
        .collect();
    for place in ["answer", "log", "updraft.db", "updraft.db-wal", "the.backup"] {
        assert!(found.iter().any(|name| name.ends_with(place)), "{place} is not searched: {found:?}");
    }
    let starts: HashSet<[u8; START]> = keys.iter().flat_map(|key| forms(key)).map(start_of).collect();
    for (name, bytes) in &haystacks {
        let found = bytes.windows(START).find(|window| starts.contains(*window));
        assert_eq!(found.map(text), None, "{name} contains a key");
    }
}

fn add_devices(server: &Server, first: usize, keys: &[Vec<u8>]) {
    for (number, key) in (first..).zip(keys) {
        let body = json!({"endpoint": format!("endpoint-{number}"), "identity": format!("i{number}"), "key": hex(key)});
        let headers = [("content-type", "application/json")];
        let (status, answer) =
            server.request("POST", "/api/v1/devices", &headers, body.to_string().as_bytes());
        assert_eq!(status, 201, "{answer}");
        assert!(!answer.to_string().contains(&hex(key)));
    }
}

/// So many bytes of a form are enough to know it, and too many to be there by chance.
const START: usize = 8;

fn start_of(form: Vec<u8>) -> [u8; START] {
    form[..START].try_into().expect("forms are longer")
}

fn contents(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    files(folder)
        .into_iter()
        .map(|path| (path.display().to_string(), fs::read(&path).expect("it can be read")))
        .collect()
}

/// A key that is no pattern, so that a part of it is found nowhere by chance.
fn key(number: usize) -> Vec<u8> {
    let mut random = machine::Random::from_number(number as u64 + 1);
    let mut key = vec![0; 32];
    random.fill(&mut key);
    key
}

/// Raw, hexadecimal and base64; parts are enough, since a form may be cut or padded.
fn forms(key: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![key[..16].to_vec(), key[16..].to_vec()];
    for text in [hex(&key[..8]), hex(&key[24..])] {
        forms.push(text.to_uppercase().into_bytes());
        forms.push(text.into_bytes());
    }
    for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        forms.push(engine.encode(&key[..24]).into_bytes());
    }
    forms
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
}

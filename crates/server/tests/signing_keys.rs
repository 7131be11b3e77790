//! Signing keys over the real binary: `updraft signing-key` and `/api/v1/signing-keys`.

mod process;

use std::fs;

use package::{Algorithm, PrivateKey};
use process::{Server, text};
use serde_json::json;

const JSON: (&str, &str) = ("content-type", "application/json");

fn pem(algorithm: Algorithm) -> String {
    PrivateKey::generate(algorithm).expect("there is randomness").public_key().to_pem()
}

#[test]
fn a_key_is_added_shown_and_revoked_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    server.lab_product();
    let file = folder.path().join("public.pem");
    fs::write(&file, pem(Algorithm::RsaPkcs1v15)).unwrap();
    let file = file.to_str().unwrap();
    let add = ["signing-key", "add", file, "--manufacturer", "Lab", "--comment", "of the lab"];
    let added = server.json(&[&["--as", "Änne"], &add[..]].concat());
    assert_eq!(
        (&added["added_by"], &added["algorithm"]),
        (&json!("Änne"), &json!("rsa2048-sha256-pkcs1v15"))
    );
    assert_eq!(added.get("warnings"), None);
    let id = added["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 64);
    let told = server.fails(1, &add);
    assert!(told.contains(&id) && told.contains("sign keygen"), "{told}");

    let shown = text(&server.run(&["signing-key", "show", &id]).stdout);
    assert!(shown.contains("BEGIN PUBLIC KEY") && shown.contains("valid"), "{shown}");
    let listed = text(&server.run(&["signing-key", "list", "--manufacturer", "Lab"]).stdout);
    assert!(listed.contains(&id[..8]) && listed.contains("valid"), "{listed}");
    assert_eq!(server.json(&["signing-key", "list", "--manufacturer", "lab"]), json!([]));

    server.fails(2, &["signing-key", "revoke", &id]);
    let revoke = ["--as", "bert", "signing-key", "revoke", &id, "--reason", "the laptop was stolen"];
    assert_eq!(server.json(&revoke)["revocation"]["by"], "bert");
    server.kill();
    let server = Server::start(&data);
    let shown = server.json(&["signing-key", "show", &id]);
    assert_eq!(shown["revocation"]["reason"], "the laptop was stolen");
    assert!(server.fails(1, &revoke).contains("revoked already"));
    assert!(server.fails(1, &add).contains(", revoked"));
}

#[test]
fn s1_12_a_name_that_is_not_that_of_the_profile_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    server.lab_product();
    let file = folder.path().join("public.pem");
    fs::write(&file, pem(Algorithm::Ed25519)).unwrap();
    let added = server.run(&["signing-key", "add", file.to_str().unwrap(), "--manufacturer", "LAB"]);
    let warning = text(&added.stderr);
    assert!(added.status.success() && warning.contains("products are of \"Lab\""), "{warning}");
}

#[test]
fn what_is_no_public_key_is_refused_and_a_private_one_does_not_leave() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let file = folder.path().join("private.pem");
    fs::write(&file, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n").unwrap();
    let told = server.fails(2, &["signing-key", "add", file.to_str().unwrap(), "--manufacturer", "Lab"]);
    assert!(told.contains("is a private key"), "{told}");
    let good = json!({"manufacturer": "Lab", "pem": pem(Algorithm::EcdsaP256)});
    let check = |field: &str, value: &str, kind: &str| {
        let mut body = good.clone();
        body[field] = value.into();
        let body = body.to_string();
        let (status, problem) = server.request("POST", "/api/v1/signing-keys", &[JSON], body.as_bytes());
        let expect = json!(format!("urn:updraft:problem:{kind}"));
        assert_eq!((status, &problem["type"]), (422, &expect), "{field} {problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    };
    check("pem", "hello", "bad-value");
    check("algorithm", "rsa", "bad-value");
    check("algorithm", "ed25519", "bad-value");
    check("manufacturer", "", "bad-value");
    check("colour", "blue", "bad-value");
    let (status, _) = server.request("GET", "/api/v1/signing-keys/x", &[], b"");
    assert_eq!(status, 404);
    let reason = json!({"reason": "x"}).to_string();
    let path = "/api/v1/signing-keys/x/revoke";
    assert_eq!(server.request("POST", path, &[JSON], reason.as_bytes()).0, 404);
    let body = good.to_string();
    assert_eq!(server.request("POST", "/api/v1/signing-keys", &[JSON], body.as_bytes()).0, 201);
    assert_eq!(server.request("POST", "/api/v1/signing-keys", &[JSON], body.as_bytes()).0, 409);
}

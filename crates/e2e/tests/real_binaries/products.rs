//! A product decides what its devices may do.

use std::path::Path;
use std::process::Command;

use e2e::Conditions;
use serde_json::{Value, json};

use crate::rig::{ENDPOINT, LAB_PRODUCT, NEW, Rig};

/// The profile of the seed, as it is shipped as an example.
fn example() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/water-meter.json");
    std::fs::read_to_string(file).expect("it is in the repository")
}

#[test]
fn a_module_is_known_by_what_it_reports_and_upgraded_as_its_product_says() {
    let rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&[]);
    module.event("registered");
    rig.wait_for_device("model", &json!("GM01Q"));
    rig.wait_for_device("manufacturer", &json!("SEQUANS Communications"));
    let product = &rig.device(ENDPOINT)["product"];
    assert_eq!((&product["name"], &product["assigned"]), (&json!("Lab/GM01Q/Bench"), &json!(false)));
    rig.server.answer(&["product", "set", "Lab/GM01Q", "delivery=push"]);
    let started = rig.server.answer(&["upgrade", "start", ENDPOINT, "new"]);
    assert_eq!(started["delivery"], "push");
    rig.server.watch(started["id"].as_str().expect("it is text")).end().assert_success(NEW);
}

#[test]
fn s1_4_profiles_go_in_as_they_are_and_wrong_ones_are_told_where() {
    let rig = Rig::start(Conditions::PERFECT);
    let file = rig.files.path("profile.json");
    let import = |profile: &str| {
        std::fs::write(&file, profile).expect("the disk has room");
        ["product".to_owned(), "import".to_owned(), file.display().to_string()]
    };
    let seed = example();
    for (spelling, kind) in [("omCapability", "WaterMeter"), ("omCapabilities", "HeatMeter")] {
        let profile = seed.replace("omCapability", spelling).replace("WaterMeter", kind);
        let command = import(&profile);
        let imported = rig.server.answer(&command.each_ref().map(String::as_str));
        assert_eq!(imported["products"][0]["change"], "added");
        let exported = rig.server.output_of(&["product", "export", &format!("Quectel/NBIoTDevice/{kind}")]);
        assert_eq!(exported, profile);
    }
    for (from, to, place) in [
        ("\"Quectel\",\n      \"model\"", "7, \"model\"", "devices[0].manufacturerName is 7"),
        ("\"supportUpgrade\": true", "\"supportUpgrade\": 1", "fwUpgradeCapability.supportUpgrade is 1"),
        ("\"deviceType\"", "\"devicetype\"", "devices[0].deviceType is missing"),
    ] {
        let wrong = seed.replace(from, to);
        assert_ne!(wrong, seed);
        let command = import(&wrong);
        let (code, problem) = rig.server.refusal(&command.each_ref().map(String::as_str));
        let detail = problem["detail"].as_str().expect("it is text");
        assert!(code == Some(1) && detail.contains(place), "{detail}");
    }
    let meter = "Quectel/NBIoTDevice/WaterMeter";
    let add = ["device", "add", "plain", "--no-security", "--product", meter];
    let (code, problem) = rig.server.refusal(&add);
    assert_eq!((code, &problem["type"]), (Some(1), &Value::from("urn:updraft:problem:needs-permission")));
    rig.server.answer(&["product", "set", meter, "allow_no_security=true"]);
    assert_eq!(rig.server.answer(&add)["device"]["product"]["name"], meter);
    let (_, problem) = rig.server.refusal(&["product", "set", meter, "allow_no_security=false"]);
    assert_eq!(problem["type"], "urn:updraft:problem:devices-without-encryption");
}

/// The key of seed 000's transcript has 7 bytes.
#[test]
fn sec_k03_a_module_with_a_legacy_key_connects_where_its_product_allows_it() {
    const IMEI: &str = "490154203237518";
    const ENDPOINT: &str = "urn:imei:490154203237518";
    let rig = Rig::start(Conditions::PERFECT);
    let key_file = rig.files.write_secret("legacy.key", "87493467538357");
    let add = ["device", "add", ENDPOINT, "--identity", ENDPOINT, "--key-file", &key_file];
    let (code, problem) = rig.server.refusal(&add);
    let remedy = problem["remedy"].as_str().expect("it is text");
    assert!(code == Some(1) && remedy.contains("allow_legacy_keys"), "{problem}");
    rig.server.answer(&[&add[..], &["--product", LAB_PRODUCT]].concat());
    rig.module_of(IMEI, "legacy.key", &[]).event("registered");
    assert_eq!(rig.device(ENDPOINT).get("key_prefix"), None, "four of its digits would give too much away");
}

#[test]
fn a_key_that_openssl_made_is_added_once_and_revoked_for_good() {
    let mut rig = Rig::start(Conditions::PERFECT);
    let (private, public) = (rig.files.path("private.pem"), rig.files.path("public.pem"));
    let (private, public) = (private.display().to_string(), public.display().to_string());
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).output().expect("cargo xtask test installs it");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let bits = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", &private];
    openssl(&[&["genpkey"], &bits[..]].concat());
    openssl(&["pkey", "-in", &private, "-pubout", "-out", &public]);
    let add = ["--as", "anna", "signing-key", "add", &public, "--manufacturer", "Lab"];
    let added = rig.server.answer(&add);
    assert_eq!(
        (&added["added_by"], &added["algorithm"]),
        (&json!("anna"), &json!("rsa2048-sha256-pkcs1v15"))
    );
    let id = added["id"].as_str().expect("it is text");
    let other = ["signing-key", "add", &public, "--manufacturer", "lab", "--algorithm", PSS];
    let (_, problem) = rig.server.refusal(&other);
    let detail = problem["detail"].as_str().expect("it is text");
    assert!(detail.contains(id) && detail.contains("of Lab"), "{detail}");

    rig.server.answer(&["signing-key", "revoke", id, "--reason", "lost"]);
    rig.server.kill();
    rig.server.restart();
    assert_eq!(rig.server.answer(&["signing-key", "show", id])["revocation"]["reason"], "lost");
    assert_eq!(rig.server.refusal(&add).1["type"], "urn:updraft:problem:signing-key-known");

    openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", &private]);
    openssl(&["pkey", "-in", &private, "-pubout", "-out", &public]);
    let detail = rig.server.refusal(&add).1["detail"].as_str().expect("it is text").to_owned();
    assert!(detail.contains("1024"), "{detail}");
}

const PSS: &str = "rsa2048-sha256-pss-mgf1sha256-salt32";

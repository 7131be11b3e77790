//! Products over the real binary: `updraft product` and `/api/v1/products`.

mod process;

use std::fs;

use process::{Server, text};
use serde_json::{Value, json};

const SEED: &str = include_str!("../../../docs/examples/water-meter.json");
const JSON: (&str, &str) = ("content-type", "application/json");
const NAME: &str = "Quectel/NBIoTDevice/WaterMeter";

#[test]
fn s1_4_the_seeds_profile_goes_in_and_comes_out_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let file = folder.path().join("profile.json");
    let file = file.to_str().unwrap();
    for (spelling, kind) in [("omCapability", "WaterMeter"), ("omCapabilities", "GasMeter")] {
        let profile = SEED.replace("omCapability", spelling).replace("WaterMeter", kind);
        fs::write(file, &profile).unwrap();
        let tried = server.json(&["product", "import", file, "--dry-run"]);
        assert_eq!((&tried["dry_run"], &tried["products"][0]["change"]), (&json!(true), &json!("added")));
        let imported = server.json(&["product", "import", file]);
        assert_eq!(imported["products"][0]["product"]["can_upgrade"], true);
        let name = format!("Quectel/NBIoTDevice/{kind}");
        assert_eq!(text(&server.run(&["product", "export", &name]).stdout), profile);
        let copy = folder.path().join("copy.json");
        server.json(&["product", "export", &name, "--output", copy.to_str().unwrap()]);
        assert_eq!(fs::read_to_string(copy).unwrap(), profile);
        assert_eq!(server.json(&["product", "import", file])["products"][0]["change"], "unchanged");
    }
    assert_eq!(server.json(&["product", "list"]).as_array().unwrap().len(), 2);
    assert_eq!(server.json(&["product", "list", "--manufacturer", "quectel"]), json!([]));
    let told = server.fails(1, &["product", "show", "Quectel/NBIoTDevice"]);
    assert!(told.contains("2 products are called") && told.contains("product list"), "{told}");
    let shown = text(&server.run(&["product", "show", NAME]).stdout);
    assert!(shown.contains("possible") && shown.contains("not allowed") && shown.contains("coap"), "{shown}");
    server.json(&["product", "remove", NAME]);
    assert_eq!(server.json(&["product", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn s1_2_a_profile_of_platform_v1_5_is_warned_about_and_completed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let mut profile: Value = serde_json::from_str(SEED).unwrap();
    profile["devices"][0].as_object_mut().unwrap().remove("omCapability");
    let file = folder.path().join("old.json");
    fs::write(&file, profile.to_string()).unwrap();
    let imported = server.run(&["product", "import", file.to_str().unwrap()]);
    assert!(text(&imported.stderr).contains("add-capability"), "{}", text(&imported.stderr));
    assert_eq!(server.json(&["product", "show", NAME])["can_upgrade"], false);
    assert_eq!(server.json(&["product", "add-capability", NAME])["can_upgrade"], true);
    let exported = text(&server.run(&["product", "export", NAME]).stdout);
    assert_eq!(
        serde_json::from_str::<Value>(&exported).unwrap(),
        serde_json::from_str::<Value>(SEED).unwrap()
    );
}

#[test]
fn settings_are_changed_one_by_one_and_a_wrong_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    server.request("POST", "/api/v1/products", &[JSON], SEED.as_bytes());
    let all = [
        "module_family=bc35g",
        "approval=another_person",
        "required_signatures=2",
        "version_pattern=BC35G.*",
        "reports.manufacturer=Quectel",
        "reports.model=BC35-G",
    ];
    let set = server.json(&[&["product", "set", NAME], &all[..]].concat());
    assert_eq!(set["settings"]["required_signatures"], 2);
    assert_eq!(set["settings"]["reports"], json!({"manufacturer": "Quectel", "model": "BC35-G"}));
    let set = server.json(&["product", "set", NAME, "required_signatures=", "delivery=push"]);
    assert_eq!(set["settings"]["required_signatures"], 1);
    assert_eq!(
        (&set["settings"]["delivery"], &set["settings"]["module_family"]),
        (&json!("push"), &json!("bc35g"))
    );
    let told = server.fails(1, &["product", "set", NAME, "version_pattern=BC35[A-"]);
    assert!(told.contains("version_pattern") && told.contains("letter 5"), "{told}");
    let told = server.fails(1, &["product", "set", NAME, "colour=blue"]);
    assert!(told.contains("colour is not known") && told.contains("module_family"), "{told}");
    server.fails(2, &["product", "set", NAME, "delivery"]);
    assert_eq!(server.json(&["product", "show", NAME]), set, "what is refused changes nothing");
}

#[test]
fn wrong_requests_are_problems() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let check = |path: &str, headers: &[(&str, &str)], body: &str, status: u16, kind: &str| {
        let (got, problem) = server.request("POST", path, headers, body.as_bytes());
        let kind = json!(format!("urn:updraft:problem:{kind}"));
        assert_eq!((got, &problem["type"]), (status, &kind), "{path} {problem}");
        problem["detail"].as_str().unwrap().to_owned()
    };
    let products = "/api/v1/products";
    let wrong = SEED.replace("\"CoAP\",", "\"MQTT\",");
    let detail = check(products, &[JSON], &wrong, 422, "bad-value");
    assert!(detail.starts_with("devices[0].protocolType is \"MQTT\"; expected \"CoAP\""), "{detail}");
    check(products, &[JSON], "{", 422, "bad-value");
    check(products, &[], SEED, 415, "media-type");
    check(products, &[JSON, ("updraft-actor", "")], SEED, 422, "bad-value");
    check(products, &[JSON], &format!("{SEED}{}", " ".repeat(300_000)), 413, "too-large");
    check("/api/v1/products?colour=1", &[JSON], SEED, 400, "bad-query");
    check("/api/v1/products/x/upgrade-capability", &[], "", 404, "not-found");
    let marked = format!("\u{FEFF}{SEED}");
    let by = ("updraft-actor", "anna");
    assert_eq!(server.request("POST", products, &[JSON, by], marked.as_bytes()).0, 201);
    let other = SEED.replace("Brightness", "Colour");
    check(products, &[JSON], &other, 409, "exists");
    assert_eq!(server.request("POST", "/api/v1/products?replace=true", &[JSON], other.as_bytes()).0, 201);

    server.json(&["device", "add", "one", "--identity", "one", "--product", NAME]);
    let told = server.fails(1, &["product", "remove", NAME]);
    assert!(told.contains("1 devices and 0 packages use the product"), "{told}");
    server.json(&["device", "set-product", "one"]);
    assert_eq!(server.json(&["device", "show", "one"]).get("product"), None);
    let shown = server.json(&["device", "set-product", "one", NAME]);
    assert_eq!((&shown["product"]["name"], &shown["product"]["assigned"]), (&json!(NAME), &json!(true)));
    assert!(text(&server.run(&["device", "list"]).stdout).contains(NAME));
}

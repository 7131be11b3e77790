use super::*;

/// The seed's profile, repaired as ruling B-1 says.
const SEED: &str = include_str!("../../../../../../docs/examples/water-meter.json");

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn told(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn s1_3_the_seeds_profile_is_taken_as_it_is() {
    let [profile] = <[Profile; 1]>::try_from(read(SEED).unwrap()).unwrap();
    let expect = Identity {
        manufacturer_id: "Quectel".to_owned(),
        manufacturer_name: "Quectel".to_owned(),
        model: "NBIoTDevice".to_owned(),
        device_type: "WaterMeter".to_owned(),
        protocol_type: "CoAP".to_owned(),
    };
    assert_eq!(profile.identity, expect);
    assert_eq!(profile.upgrade, Upgrade { supported: true, download: Some(Protocol::Coap) });
    assert_eq!(profile.settings, Settings::default());
    assert_eq!(profile.text, SEED, "byte for byte");
}

#[test]
fn b_1_both_spellings_of_the_capability_mean_the_same() {
    let other = SEED.replace("\"omCapability\"", "\"omCapabilities\"");
    let [profile] = <[Profile; 1]>::try_from(read(&other).unwrap()).unwrap();
    assert!(profile.upgrade.supported);
    assert_eq!(profile.text, other, "it keeps the spelling that it came with");
    let both =
        SEED.replace("\"serviceTypeCapabilities\"", "\"omCapabilities\": {}, \"serviceTypeCapabilities\"");
    let error = told(&both);
    assert!(error.contains("devices[0].omCapability and devices[0].omCapabilities"), "{error}");
}

#[test]
fn what_a_maker_adds_is_kept() {
    let added = SEED.replace("\"model\"", "\"colour\": {\"x\": [1e300, -0]}, \"model\"");
    assert_eq!(read(&added).unwrap()[0].text, added);
    let around = SEED.replacen('{', "{\"version\": 3,", 1);
    assert_eq!(read(&around).unwrap()[0].text, around);
}

#[test]
fn of_several_devices_each_is_a_product_with_a_file_of_its_own() {
    let mut file = value(SEED);
    file["origin"] = "a maker".into();
    let mut second = file["devices"][0].clone();
    second["deviceType"] = "GasMeter".into();
    second["updraft"] = serde_json::json!({"delivery": "push"});
    file["devices"].as_array_mut().unwrap().push(second.clone());
    let profiles = read(&file.to_string()).unwrap();
    assert_eq!(profiles.len(), 2);
    assert_eq!(profiles[1].identity.device_type, "GasMeter");
    assert_eq!(value(&profiles[1].text), serde_json::json!({"devices": [second], "origin": "a maker"}));
    assert_eq!(profiles[1].settings_text.as_deref(), Some(r#"{"delivery":"push"}"#));
    assert_eq!(value(&read(&profiles[1].text).unwrap()[0].text), value(&profiles[1].text));

    file["devices"][1]["deviceType"] = "WaterMeter".into();
    file["devices"][1]["manufacturerId"] = "another id is no other product".into();
    assert_eq!(told(&file.to_string()), "devices[0] and devices[1] are the same product");
}

#[test]
fn every_fault_is_told_with_its_place_and_what_was_expected() {
    let check = |pointer: &str, put: Option<Value>, expect: &str| {
        let mut file = value(SEED);
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = file.pointer_mut(parent).unwrap();
        match put {
            Some(put) => parent[name] = put,
            None => drop(parent.as_object_mut().unwrap().remove(name)),
        }
        let error = told(&file.to_string());
        assert!(error.starts_with(expect), "{pointer}: {error}");
    };
    let device = "/devices/0";
    for name in ["manufacturerId", "manufacturerName", "model", "protocolType", "deviceType"] {
        let place = format!("{device}/{name}");
        check(&place, None, &format!("devices[0].{name} is missing; expected a text of 1 to 255 bytes"));
        check(&place, Some(7.into()), &format!("devices[0].{name} is 7; expected a text of 1 to 255 bytes"));
        check(&place, Some("".into()), &format!("devices[0].{name} is \"\"; expected a text"));
        check(&place, Some("a\nb".into()), &format!("devices[0].{name} is \"a\\nb\"; expected a text"));
    }
    check(
        "/devices/0/protocolType",
        Some("MQTT".into()),
        "devices[0].protocolType is \"MQTT\"; expected \"CoAP\"",
    );
    check("/devices", None, "devices is missing; expected a list of devices");
    check("/devices", Some(7.into()), "devices is 7; expected a list");
    check("/devices", Some(Value::Array(vec![])), "devices is empty; expected a list of 1 to 100 devices");
    check("/devices", Some(vec![7; 101].into()), "devices has 101 entries; expected a list of 1 to 100");
    check("/devices", Some(vec![7].into()), "devices[0] is 7; expected an object");
    let firmware = "/devices/0/omCapability/fwUpgradeCapability";
    let told_at = "devices[0].omCapability.fwUpgradeCapability";
    check(
        &format!("{firmware}/supportUpgrade"),
        None,
        &format!("{told_at}.supportUpgrade is missing; expected true or"),
    );
    check(
        &format!("{firmware}/supportUpgrade"),
        Some("yes".into()),
        &format!("{told_at}.supportUpgrade is \"yes\"; expected true"),
    );
    check(
        &format!("{firmware}/upgradeProtocolType"),
        None,
        &format!("{told_at}.upgradeProtocolType is missing; expected \"LWM2M\""),
    );
    check(
        &format!("{firmware}/upgradeProtocolType"),
        Some("PCP".into()),
        &format!("{told_at}.upgradeProtocolType is \"PCP\"; expected \"LWM2M\""),
    );
    check(
        &format!("{firmware}/downloadProtocolType"),
        Some("FTP".into()),
        &format!("{told_at}.downloadProtocolType is \"FTP\"; expected \"CoAP\""),
    );
    check(
        "/devices/0/omCapability",
        Some(vec![1].into()),
        "devices[0].omCapability is a list; expected an object",
    );
    check(
        "/devices/0/omCapability/upgradeCapability/supportUpgrade",
        Some(0.into()),
        "devices[0].omCapability.upgradeCapability.supportUpgrade is 0;",
    );
    check(
        "/devices/0/serviceTypeCapabilities/1/serviceId",
        None,
        "devices[0].serviceTypeCapabilities[1].serviceId is missing",
    );
    check(
        "/devices/0/serviceTypeCapabilities/1/option",
        Some("Maybe".into()),
        "devices[0].serviceTypeCapabilities[1].option is \"Maybe\"; expected \"Master\"",
    );
    check(
        "/devices/0/updraft",
        Some(serde_json::json!({"colour": 1})),
        "devices[0].updraft.colour is not known; expected one of module_family",
    );
    check("/devices/0/updraft", Some(true.into()), "devices[0].updraft is true; expected an object");
    let twice = SEED.replace("\"model\"", "\"deviceType\": \"x\", \"model\"");
    assert_eq!(told(&twice), "devices[0].deviceType stands there twice");
    // The seed's own page break (ruling B-1) is no JSON; the line says where.
    let broken =
        told(&SEED.replace(
            "        {\n          \"serviceId\": \"WaterData\"",
            "{ {\n \"serviceId\": \"WaterData\"",
        ));
    assert!(broken.starts_with("this is no JSON: ") && broken.contains("line 25"), "{broken}");
}

#[test]
fn s1_2_a_profile_of_platform_v1_5_has_no_capability_until_it_is_added() {
    let mut old = value(SEED);
    old["devices"][0].as_object_mut().unwrap().remove("omCapability");
    let text = serde_json::to_string_pretty(&old).unwrap();
    let profile = read(&text).unwrap().remove(0);
    assert!(!profile.upgrade.supported);
    let added = with_capability(&text).unwrap();
    assert_eq!(value(&added), value(SEED), "the block is that of the seed");
    assert!(added.starts_with(&text[..60]), "what was there stays as it was written");
    assert!(read(&added).unwrap()[0].upgrade.supported);
}

#[test]
fn s1_2_a_capability_that_is_half_there_is_completed_in_its_spelling() {
    let check = |capability: Value, expect: Value| {
        let mut file = value(SEED);
        let device = file["devices"][0].as_object_mut().unwrap();
        device.remove("omCapability");
        device.insert("omCapabilities".to_owned(), capability);
        let added = with_capability(&file.to_string()).unwrap();
        assert_eq!(value(&added)["devices"][0]["omCapabilities"], expect);
        assert!(read(&added).unwrap()[0].upgrade.supported, "{added}");
    };
    let firmware = serde_json::json!({
        "supportUpgrade": true, "upgradeProtocolType": "LWM2M", "downloadProtocolType": "CoAP"
    });
    check(serde_json::json!({"x": 1}), serde_json::json!({"x": 1, "fwUpgradeCapability": firmware}));
    check(
        serde_json::json!({"fwUpgradeCapability": {"supportUpgrade": false}}),
        serde_json::json!({"fwUpgradeCapability": firmware}),
    );
    let off =
        serde_json::json!({"fwUpgradeCapability": {"supportUpgrade": false, "downloadProtocolType": "HTTP"}});
    let mut on = firmware.clone();
    on["downloadProtocolType"] = "HTTP".into();
    check(off, serde_json::json!({"fwUpgradeCapability": on}));
}

#[test]
fn settings_are_put_into_the_profile_and_taken_back() {
    let set = with_settings(SEED, r#"{"delivery": "push", "allow_no_security": true}"#).unwrap();
    let profile = read(&set).unwrap().remove(0);
    assert!(profile.settings.allow_no_security);
    assert!(set.starts_with(SEED.trim_end_matches(['\n', ' ', '}', ']'])), "the rest stays as it was");
    let back = with_settings(&set, r#"{"allow_no_security": null}"#).unwrap();
    assert_eq!(value(&back)["devices"][0]["updraft"], serde_json::json!({"delivery": "push"}));
    assert_eq!(with_settings(SEED, r#"{"delivery": null}"#).unwrap(), SEED);
    let reports = with_settings(SEED, r#"{"reports": {"manufacturer": "A", "model": "B"}}"#).unwrap();
    let part = with_settings(&reports, r#"{"reports": {"model": "C"}}"#).unwrap();
    let expect = serde_json::json!({"reports": {"manufacturer": "A", "model": "C"}});
    assert_eq!(value(&part)["devices"][0]["updraft"], expect, "the other part stays (RFC 7396)");
    let gone = with_settings(&part, r#"{"reports": {"model": null}}"#).unwrap();
    let expect = serde_json::json!({"reports": {"manufacturer": "A"}});
    assert_eq!(value(&gone)["devices"][0]["updraft"], expect);
    let error = with_settings(SEED, r#"{"reports": {"model": 7}}"#).unwrap_err().to_string();
    assert!(error.starts_with("reports.model is 7; expected a text"), "{error}");
    assert!(with_settings(SEED, "[]").is_err());
}

#[test]
fn a_damaged_profile_is_refused_or_taken_whole_and_never_panics() {
    let end = SEED.trim_end().len();
    for at in 0..end {
        assert!(read(&SEED[..at]).is_err(), "it is cut off after {at} bytes");
        for letter in ['{', '"', '0', 'ü', '\0', '\\'] {
            let text = [&SEED[..at], &letter.to_string(), &SEED[at + 1..]].concat();
            let Ok(profiles) = read(&text) else { continue };
            assert_eq!(profiles[0].text, text);
            let set = with_settings(&text, r#"{"delivery": "push"}"#).unwrap();
            assert!(read(&set).unwrap()[0].settings.delivery.is_some(), "{set}");
            let able = with_capability(&text).unwrap();
            assert!(read(&able).unwrap()[0].upgrade.supported, "{able}");
        }
    }
}

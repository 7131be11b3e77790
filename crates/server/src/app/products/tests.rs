use firmware::upgrade::Delivery;

use super::change::Change;
use super::*;
use crate::app::tests::{device, lab_product, start_in, wanted};
use crate::app::{AddBootstrap, AddDevice, AddDeviceError, Key, KnownDevices, StartUpgrade};
use crate::secrets::{Psk, PskError};
use crate::store::devices::DeviceChange;
use crate::store::scratch::{Scratch, on_both_engines};

const SEED: &str = include_str!("../../../../../docs/examples/water-meter.json");
const KEY: &str = "e9891e446e07ba10519059db4ad9eb1b02c83d08dd80102982c27ec9e1bdebde";
const SEED_NAME: &str = "Quectel/NBIoTDevice/WaterMeter";
/// The key in the transcript of seed 000.
const LEGACY_KEY: &str = "87493467538357";

async fn seed(app: &App) -> Arc<Product> {
    app.import_products(SEED, false).await.unwrap()[0].product.clone()
}

fn open_device(endpoint: &str, product: Option<&str>) -> AddDevice {
    let product = product.map(str::to_owned);
    AddDevice { product, security: Security::None, key: None, ..device(endpoint, endpoint, KEY) }
}

async fn report(app: &App, id: &str, manufacturer: &str, model: &str) {
    let change = DeviceChange {
        manufacturer: Some(manufacturer.to_owned()),
        model: Some(model.to_owned()),
        ..DeviceChange::default()
    };
    let changes = vec![(id.to_owned(), change)];
    app.record_devices(KnownDevices { changes, ..KnownDevices::default() }).await.unwrap();
}

async fn product_of(app: &App, endpoint: &str) -> Option<String> {
    Some(app.product_of(&app.device(endpoint).await.unwrap().unwrap())?.name())
}

on_both_engines!(s1_4_a_profile_is_imported_once_and_is_there_after_a_restart);
async fn s1_4_a_profile_is_imported_once_and_is_there_after_a_restart(scratch: Scratch) {
    let (app, _orders, store) = start_in(&scratch).await;
    let planned = app.check_import(SEED, false).unwrap();
    assert_eq!(planned[0].change, Change::Added);
    assert!(app.products_after("", "", 10).is_empty(), "a trial leaves nothing");
    let product = seed(&app).await;
    assert_eq!((product.name(), product.can_upgrade()), (SEED_NAME.to_owned(), true));
    let again = app.import_products(SEED, false).await.unwrap();
    assert_eq!((again[0].change, &again[0].product), (Change::Unchanged, &product));
    store.close().await;
    drop((app, store));
    let (app, _orders, _store) = start_in(&scratch).await;
    assert_eq!(app.find_product(SEED_NAME).unwrap(), product);
    assert_eq!(app.find_product(&product.id).unwrap().profile, SEED);
}

on_both_engines!(another_profile_of_a_product_replaces_it_only_if_told_and_keeps_our_settings);
async fn another_profile_of_a_product_replaces_it_only_if_told_and_keeps_our_settings(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    let product = seed(&app).await;
    app.set_product(&product.id, r#"{"delivery": "push"}"#).await.unwrap();
    let unchanged = app.import_products(SEED, false).await.unwrap();
    assert_eq!(unchanged[0].change, Change::Unchanged, "our settings are not the maker's business");
    let newer = SEED.replace("Brightness", "Colour");
    let error = app.import_products(&newer, false).await.unwrap_err();
    assert!(matches!(error, ImportError::Exists(name) if name == SEED_NAME));
    let replaced = app.import_products(&newer, true).await.unwrap().remove(0);
    assert_eq!((replaced.change, &replaced.product.id), (Change::Replaced, &product.id));
    assert_eq!(replaced.product.settings.delivery, Some(firmware::upgrade::Delivery::Push));
    assert!(replaced.product.profile.contains("Colour"));
}

on_both_engines!(one_wrong_device_of_a_profile_keeps_all_out);
async fn one_wrong_device_of_a_profile_keeps_all_out(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    let mut file: serde_json::Value = serde_json::from_str(SEED).unwrap();
    let wrong = serde_json::json!({"manufacturerId": "x"});
    file["devices"].as_array_mut().unwrap().push(wrong);
    assert!(matches!(app.import_products(&file.to_string(), false).await, Err(ImportError::Profile(_))));
    assert!(app.products_after("", "", 10).is_empty());
}

on_both_engines!(names_are_compared_exactly_and_a_near_one_is_told);
async fn names_are_compared_exactly_and_a_near_one_is_told(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    seed(&app).await;
    assert!(app.find_product("Quectel/NBIoTDevice").is_ok());
    let told = app.find_product("quectel/NBIoTDevice").unwrap_err().to_string();
    assert!(told.contains(&format!("{SEED_NAME} is written in another way")), "{told}");
    app.import_products(&SEED.replace("WaterMeter", "GasMeter"), false).await.unwrap();
    let several = app.find_product("Quectel/NBIoTDevice").unwrap_err();
    assert!(matches!(several, FindProductError::Ambiguous { count: 2, .. }));
    assert_eq!(app.find_product(SEED_NAME).unwrap().identity.device_type, "WaterMeter");
    assert!(app.product_by_identity("Quectel", "NBIoTDevice", "GasMeter", "CoAP").is_some());
    assert!(app.product_by_identity("Quectel", "NBIoTDevice", "gasMeter", "CoAP").is_none());
}

on_both_engines!(sec_n03_only_a_product_lets_devices_in_without_encryption);
async fn sec_n03_only_a_product_lets_devices_in_without_encryption(scratch: Scratch) {
    let (app, _orders, store) = start_in(&scratch).await;
    seed(&app).await;
    let lab = lab_product(&app).await;
    let refused = app.add_device(open_device("one", None)).await.unwrap_err();
    assert!(matches!(refused, AddDeviceError::NeedsPermission(NeedsPermission::NoProduct)));
    let refused = app.add_device(open_device("one", Some(SEED_NAME))).await.unwrap_err();
    assert!(matches!(refused, AddDeviceError::NeedsPermission(NeedsPermission::NotAllowed(_))));
    let unknown = app.add_device(open_device("one", Some("x"))).await.unwrap_err();
    assert!(matches!(unknown, AddDeviceError::Product(_)));
    app.add_device(open_device("one", Some(&lab))).await.unwrap();
    // Nothing takes the permission away from under it.
    let lab_id = app.find_product(&lab).unwrap().id.clone();
    for changes in [r#"{"allow_no_security": false}"#, r#"{"allow_no_security": null}"#] {
        let refused = app.set_product(&lab_id, changes).await.unwrap_err();
        assert!(matches!(refused, SetProductError::Open(StillOpen { count: 1, .. })), "{refused}");
    }
    assert!(app.set_device_product("one", None).await.is_err());
    assert!(app.set_device_product("one", Some(SEED_NAME)).await.is_err());
    assert!(app.directory().by_endpoint("one").is_some());
    let used = app.remove_product(&lab_id).await.unwrap_err();
    assert!(matches!(used, RemoveProductError::Used { devices: 1, .. }), "{used}");
    store.close().await;
    drop((app, store));
    let (app, _orders, _store) = start_in(&scratch).await;
    assert!(app.directory().by_endpoint("one").is_some());
    app.remove_device("one").await.unwrap();
    app.set_product(&lab_id, r#"{"allow_no_security": false}"#).await.unwrap();
    app.remove_product(&lab_id).await.unwrap();
    assert!(app.product(&lab_id).is_none());
}

on_both_engines!(sec_n03_a_device_without_encryption_and_product_is_kept_out_until_it_has_one);
/// As a data folder of an earlier version has it.
async fn sec_n03_a_device_without_encryption_and_product_is_kept_out_until_it_has_one(scratch: Scratch) {
    let (app, _orders, store) = start_in(&scratch).await;
    let lab = lab_product(&app).await;
    let id = app.add_device(open_device("one", Some(&lab))).await.unwrap().device.id;
    let forget = store.write(move |connection| {
        Box::pin(async move {
            Ok::<_, StoreError>(crate::store::devices::set_product(connection, &id, None).await?)
        })
    });
    assert!(forget.await.unwrap());
    store.close().await;
    drop((app, store));
    let (app, _orders, _store) = start_in(&scratch).await;
    assert!(app.directory().by_endpoint("one").is_none());
    app.set_device_product("one", Some(&lab)).await.unwrap();
    assert!(app.directory().by_endpoint("one").is_some_and(|one| one.security == Security::None));
}

on_both_engines!(sec_n03_a_bootstrap_without_encryption_needs_permission_too);
async fn sec_n03_a_bootstrap_without_encryption_needs_permission_too(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    seed(&app).await;
    let lab = lab_product(&app).await;
    let lab_id = app.find_product(&lab).unwrap().id.clone();
    let open = || AddBootstrap { key: None, model: None };
    let with = |product: Option<&str>| AddDevice {
        product: product.map(str::to_owned),
        key: None,
        bootstrap: Some(open()),
        ..device("one", "one", KEY)
    };
    assert!(matches!(app.add_device(with(None)).await, Err(AddDeviceError::NeedsPermission(_))));
    app.add_device(with(Some(&lab))).await.unwrap();
    app.remove_device("one").await.unwrap();

    let id = app.add_device(device("two", "two", KEY)).await.unwrap().device.id;
    assert!(matches!(app.allow_bootstrap("two", open()).await, Err(AddDeviceError::NeedsPermission(_))));
    app.set_product(&lab_id, r#"{"reports": {"manufacturer": "A", "model": "B"}}"#).await.unwrap();
    report(&app, &id, "A", "B").await;
    app.allow_bootstrap("two", open()).await.unwrap();
    report(&app, &id, "A", "C").await;
    assert_eq!(product_of(&app, "two").await, Some(lab), "what it says later changes nothing");
}

on_both_engines!(sec_k03_only_a_product_lets_short_keys_in);
async fn sec_k03_only_a_product_lets_short_keys_in(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    seed(&app).await;
    let lab = lab_product(&app).await;
    let with = |product: &str| AddDevice {
        product: Some(product.to_owned()),
        ..device("000000000000000", "12345", LEGACY_KEY)
    };
    let refused = app.add_device(with(SEED_NAME)).await.unwrap_err();
    assert!(matches!(refused, AddDeviceError::BadKey(PskError::TooShort(7))));
    app.add_device(with(&lab)).await.unwrap();
    let bootstrap = AddBootstrap {
        key: Some(("bs".to_owned(), Key::Given(Psk::from_text("8749346753835788").unwrap()))),
        model: None,
    };
    app.allow_bootstrap("000000000000000", bootstrap).await.unwrap();
}

on_both_engines!(a_device_is_the_product_that_it_was_said_to_be_or_the_only_one_that_it_reports);
async fn a_device_is_the_product_that_it_was_said_to_be_or_the_only_one_that_it_reports(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    let water = seed(&app).await;
    let gas = app.import_products(&SEED.replace("WaterMeter", "GasMeter"), false).await.unwrap();
    let gas = gas[0].product.clone();
    let id = app.add_device(device("one", "one", KEY)).await.unwrap().device.id;
    assert_eq!(product_of(&app, "one").await, None);
    let reports = r#"{"reports": {"manufacturer": "Quectel", "model": "BC35-G"}}"#;
    app.set_product(&water.id, reports).await.unwrap();
    assert_eq!(product_of(&app, "one").await, None, "it has reported nothing");
    report(&app, &id, "Quectel", "BC35-G").await;
    assert_eq!(product_of(&app, "one").await, Some(water.name()));
    assert!(matches!(app.remove_product(&water.id).await, Err(RemoveProductError::Used { devices: 1, .. })));
    report(&app, &id, "quectel", "BC35-G").await;
    assert_eq!(product_of(&app, "one").await, None, "case counts");
    report(&app, &id, "Quectel", "BC35-G").await;
    app.set_product(&gas.id, reports).await.unwrap();
    assert_eq!(product_of(&app, "one").await, None, "two could be meant");
    app.set_device_product("one", Some(&gas.id)).await.unwrap();
    assert_eq!(product_of(&app, "one").await, Some(gas.name()));
    app.set_product(&gas.id, r#"{"reports": {"manufacturer": null}}"#).await.unwrap();
    app.set_device_product("one", None).await.unwrap();
    assert_eq!(product_of(&app, "one").await, Some(water.name()), "half a report is none");
    let unknown = app.set_device_product("two", None).await.unwrap_err();
    assert!(matches!(unknown, SetDeviceProductError::UnknownDevice(_)));
}

on_both_engines!(the_capability_of_an_old_profile_is_added_once);
async fn the_capability_of_an_old_profile_is_added_once(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    let old = SEED.replace("\"omCapability\"", "\"something else\"");
    let product = app.import_products(&old, false).await.unwrap()[0].product.clone();
    assert!(!product.can_upgrade());
    let product = app.add_upgrade_capability(&product.id).await.unwrap();
    assert!(product.can_upgrade());
    assert_eq!(app.add_upgrade_capability(&product.id).await.unwrap(), product);
    assert!(matches!(app.add_upgrade_capability("x").await, Err(SetProductError::Unknown(_))));
}

on_both_engines!(versions_that_do_not_look_like_those_of_the_product_are_told);
async fn versions_that_do_not_look_like_those_of_the_product_are_told(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    let product = seed(&app).await;
    assert!(product.check_version("anything").is_ok());
    let pattern = r#"{"version_pattern": "BC35GJBR01A\\d\\d"}"#;
    let product = app.set_product(&product.id, pattern).await.unwrap();
    assert!(product.check_version("BC35GJBR01A04").is_ok());
    let told = product.check_version("BC35GJBR01A04x").unwrap_err().to_string();
    assert!(told.contains("BC35GJBR01A04x") && told.contains(SEED_NAME), "{told}");
}

on_both_engines!(a_product_says_how_its_devices_are_upgraded_where_the_operator_does_not);
async fn a_product_says_how_its_devices_are_upgraded_where_the_operator_does_not(scratch: Scratch) {
    // This server offers CoAP over DTLS only.
    let (app, _orders, _store) = start_in(&scratch).await;
    let product = seed(&app).await;
    app.add_device(device("one", "one", KEY)).await.unwrap();
    let unsaid = || StartUpgrade { delivery: None, ..wanted("one", "package") };
    let decided = async |given| {
        let decided = app.with_defaults(given).await.unwrap();
        (decided.delivery, decided.protocol)
    };
    assert_eq!(decided(unsaid()).await, (None, None), "nobody says anything");
    app.set_device_product("one", Some(&product.id)).await.unwrap();
    // The seed says CoAP; for a device with a key that is CoAP over DTLS.
    assert_eq!(decided(unsaid()).await, (None, Some(Protocol::Coaps)));
    app.set_product(&product.id, r#"{"delivery": "pull"}"#).await.unwrap();
    assert_eq!(decided(unsaid()).await, (Some(Delivery::Pull), Some(Protocol::Coaps)));
    let push = StartUpgrade { delivery: Some(Delivery::Push), ..unsaid() };
    assert_eq!(decided(push).await, (Some(Delivery::Push), None), "the operator decides");
    let https = StartUpgrade { protocol: Some(Protocol::Https), ..unsaid() };
    assert_eq!(decided(https).await.1, Some(Protocol::Https));
    // What this server does not offer is no reason for another protocol than the product's.
    app.set_product(&product.id, r#"{"delivery": null, "download_protocol": "https"}"#).await.unwrap();
    assert_eq!(decided(unsaid()).await, (Some(Delivery::Push), None));
    app.set_product(&product.id, r#"{"delivery": "push"}"#).await.unwrap();
    assert_eq!(decided(unsaid()).await, (Some(Delivery::Push), None));
}

use firmware::upgrade::Delivery;
use firmware::{IMAGE_HEADER_SIZE, ImageHeader, Model, Version};

use super::*;
use crate::clock::Moment;
use crate::config::Sources;
use crate::secrets::{Psk, PskError};
use crate::store::devices::DeviceChange;
use crate::store::scratch::{Scratch, on_both_engines};
use crate::store::{DataFolder, Limits};

pub(crate) const KEY: &str = "e9891e446e07ba10519059db4ad9eb1b02c83d08dd80102982c27ec9e1bdebde";

pub(crate) async fn start_in(scratch: &Scratch) -> (App, mpsc::Receiver<Order>, Store) {
    start_at(scratch, WallClock::from_fn(|| Moment(1_767_225_600_000_000))).await
}

pub(crate) async fn start_at(scratch: &Scratch, clock: WallClock) -> (App, mpsc::Receiver<Order>, Store) {
    let (folder, location) = (scratch.path(), &scratch.location());
    let config = Config::read(&Sources::default()).unwrap();
    let _lock = DataFolder::open(folder).unwrap();
    let vault = open_vault(Store::is_new(location).await.unwrap(), &folder.join("key")).unwrap();
    let store = Store::open(location, &clock).await.unwrap();
    let limits = Limits {
        max_size: config.packages.max_size,
        storage: config.packages.storage_limit,
        reserve: crate::ByteCount(0),
    };
    let images = Images::open(folder, &config.packages.store, limits).await.unwrap();
    let bases = PullBases { coaps: Some("coaps://127.0.0.1:5684".to_owned()), ..PullBases::default() };
    let (app, orders) = App::start(store.clone(), images, vault, clock, &config, bases).await.unwrap();
    (app, orders, store)
}

pub(crate) fn device(endpoint: &str, identity: &str, key: &str) -> AddDevice {
    let psk = Psk::from_text(key).unwrap();
    AddDevice {
        endpoint: endpoint.to_owned(),
        name: String::new(),
        product: None,
        security: Security::Psk,
        key: Some((identity.to_owned(), Key::Given(psk))),
        bootstrap: None,
    }
}

/// Imports a product that allows everything; gives its name.
pub(crate) async fn lab_product(app: &App) -> String {
    let profile = serde_json::json!({"devices": [{
        "manufacturerId": "lab", "manufacturerName": "Lab", "model": "GM01Q", "protocolType": "CoAP",
        "deviceType": "Bench",
        "omCapability": {"fwUpgradeCapability": {"supportUpgrade": true, "upgradeProtocolType": "LWM2M"}},
        "updraft": {"allow_no_security": true, "allow_legacy_keys": true, "signature": "not_required"},
    }]});
    let imported = app.import_products(&profile.to_string(), false).await.unwrap();
    imported[0].product.name()
}

pub(crate) fn image(model: &str, version: &str, payload: &[u8]) -> Vec<u8> {
    let header =
        ImageHeader::describe(Model::new(model).unwrap(), Version::new(version).unwrap(), None, payload);
    [header.encode().as_slice(), payload].concat()
}

pub(crate) fn text(name: &str) -> PackageText {
    PackageText { name: name.to_owned(), file_name: "image.bin".to_owned(), ..PackageText::default() }
}

/// A profile of a device that may be upgraded without signatures.
pub(crate) const PROFILE: &str = r#"{"devices": [{"manufacturerId": "SEQUANS",
    "manufacturerName": "SEQUANS Communications", "model": "GM01Q", "protocolType": "LwM2M",
    "deviceType": "Modem", "omCapability": {"fwUpgradeCapability": {"supportUpgrade": true,
    "upgradeProtocolType": "LWM2M", "downloadProtocolType": "CoAP"}}, "serviceTypeCapabilities": [],
    "updraft": {"signature": "not_required", "reports":
    {"manufacturer": "SEQUANS Communications", "model": "GM01Q"}}}]}"#;

/// Uploads for the only product, which is imported if there is none, and approves.
pub(crate) async fn upload(
    app: &App,
    text: PackageText,
    bytes: &[u8],
) -> Result<crate::store::packages::Package, UploadError> {
    if app.products_after("", "", 1).is_empty() {
        app.import_products(PROFILE, false).await.unwrap();
    }
    let package = upload_only(app, text, bytes).await?;
    let shown = Shown { sha256: package.sha256.clone(), manifest_sha256: None };
    Ok(app.approve_package(&package.id, shown, &Actor::default()).await.unwrap())
}

pub(crate) async fn upload_only(
    app: &App,
    text: PackageText,
    bytes: &[u8],
) -> Result<crate::store::packages::Package, UploadError> {
    let mut upload = app.begin_upload(text, &Actor::default(), None).await?;
    for piece in bytes.chunks(100) {
        upload.write(piece)?;
    }
    app.finish_upload(upload).await
}

on_both_engines!(what_was_added_is_there_after_a_restart_and_may_connect);
async fn what_was_added_is_there_after_a_restart_and_may_connect(scratch: Scratch) {
    let (app, _orders, store) = start_in(&scratch).await;
    app.add_device(device("one", "identity", KEY)).await.unwrap();
    store.close().await;
    drop((app, store));
    let (app, _orders, _store) = start_in(&scratch).await;
    let found = app.directory().by_identity(b"identity").unwrap();
    assert_eq!(found.endpoint, "one");
    assert_eq!(found.key(b"identity"), Some(&Psk::from_text(KEY).unwrap()));
    let shown = app.device("one").await.unwrap().unwrap();
    assert_eq!(shown.key_prefix.as_deref(), Some("e989"));
}

on_both_engines!(sec_k03_identities_and_keys_belong_to_one_device);
async fn sec_k03_identities_and_keys_belong_to_one_device(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    let other = "caf23b8150cd4d93f23d917acf93c00cec79fab86aef370382330e68413b201b";
    app.add_device(device("one", "1", KEY)).await.unwrap();
    let error = app.add_device(device("one", "2", other)).await.unwrap_err();
    assert!(matches!(error, AddDeviceError::EndpointTaken(_)));
    let error = app.add_device(device("two", "1", other)).await.unwrap_err();
    assert!(matches!(error, AddDeviceError::IdentityTaken(endpoint) if endpoint == "one"));
    let error = app.add_device(device("two", "2", KEY)).await.unwrap_err();
    assert!(matches!(error, AddDeviceError::KeyTaken(endpoint) if endpoint == "one"));
    assert!(app.device("two").await.unwrap().is_none(), "a refused device leaves nothing");
    let error = app.add_device(device("two", "2", "87493467538357")).await.unwrap_err();
    assert!(matches!(error, AddDeviceError::BadKey(PskError::TooShort(7))));
    // A removed device gives both free.
    app.remove_device("one").await.unwrap();
    assert!(app.directory().by_endpoint("one").is_none());
    app.add_device(device("two", "1", KEY)).await.unwrap();
}

on_both_engines!(sec_k04_names_have_bounds);
async fn sec_k04_names_have_bounds(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    for (endpoint, identity, good) in [
        ("", "i", false),
        (&*"e".repeat(256), "i", false),
        ("a\nb", "i", false),
        ("one", "", false),
        ("one", &*"i".repeat(129), false),
        ("one", &*"i".repeat(128), true),
    ] {
        let added = app.add_device(device(endpoint, identity, KEY)).await;
        assert_eq!(added.is_ok(), good, "{endpoint:?} {identity:?}");
    }
}

on_both_engines!(sec_k01_a_used_folder_without_its_key_file_is_refused);
async fn sec_k01_a_used_folder_without_its_key_file_is_refused(scratch: Scratch) {
    let (app, _orders, store) = start_in(&scratch).await;
    store.close().await;
    drop((app, store));
    let key_file = scratch.path().join("key");
    std::fs::remove_file(&key_file).unwrap();
    assert!(open_vault(Store::is_new(&scratch.location()).await.unwrap(), &key_file).is_err());
    assert!(!key_file.exists(), "no new key is made that would hide the loss");
}

on_both_engines!(an_image_with_a_header_says_what_it_is);
async fn an_image_with_a_header_says_what_it_is(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    let package = upload(&app, text("one"), &image("GM01Q", "2.0", b"machine code")).await.unwrap();
    assert_eq!((package.model.as_deref(), &*package.version), (Some("GM01Q"), "2.0"));
    assert!(package.has_header);
    assert_eq!(package.size_bytes, IMAGE_HEADER_SIZE as i64 + 12);
    let with = |model: Option<&str>, version: Option<&str>, source: Option<&str>| PackageText {
        target: Target { model: model.map(str::to_owned), ..Target::default() },
        version: version.map(str::to_owned),
        source_version: source.map(str::to_owned),
        ..text("one")
    };
    let bytes = image("GM01Q", "2.0", b"machine code");
    assert!(upload(&app, with(Some("GM01Q"), Some("2.0"), None), &bytes).await.is_ok());
    for given in [with(None, Some("3"), None), with(None, None, Some("1"))] {
        assert!(matches!(upload(&app, given, &bytes).await, Err(UploadError::Contradiction { .. })));
    }
}

on_both_engines!(broken_images_are_refused_and_leave_nothing);
async fn broken_images_are_refused_and_leave_nothing(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    let good = image("GM01Q", "2.0", &[7; 1_000]);
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let check = |name: &'static str, bytes: Vec<u8>| {
        let app = app.clone();
        async move { (name, upload(&app, text(name), &bytes).await.unwrap_err()) }
    };
    assert!(matches!(check("empty", Vec::new()).await.1, UploadError::Empty));
    assert!(matches!(check("cut", good[..900].to_vec()).await.1, UploadError::WrongLength { .. }));
    assert!(matches!(check("cut in header", good[..100].to_vec()).await.1, UploadError::BadHeader(_)));
    let longer = [good.as_slice(), b"x"].concat();
    assert!(matches!(check("longer", longer).await.1, UploadError::WrongLength { .. }));
    assert!(matches!(check("header", changed(60)).await.1, UploadError::BadHeader(_)));
    assert!(matches!(check("payload", changed(700)).await.1, UploadError::Damaged));
    assert!(matches!(check("raw", vec![1; 10]).await.1, UploadError::NoVersion));
    for place in ["images", "incoming"] {
        assert_eq!(std::fs::read_dir(scratch.path().join(place)).unwrap().count(), 0, "{place}");
    }
    assert!(app.packages(&Default::default(), "", 10).await.unwrap().is_empty());
}

on_both_engines!(a_raw_image_is_what_the_operator_says);
async fn a_raw_image_is_what_the_operator_says(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    let given = PackageText { version: Some("5.4.1.1-57857".to_owned()), ..text("raw") };
    let package = upload(&app, given, b"anything").await.unwrap();
    assert_eq!((package.model, package.has_header), (None, false));
    assert_eq!(
        &*app.payload(&app.package(&package.id).await.unwrap().unwrap(), Purpose::Start).await.unwrap(),
        b"anything"
    );
}

pub(crate) fn wanted(endpoint: &str, package: &str) -> StartUpgrade {
    StartUpgrade {
        endpoint: endpoint.to_owned(),
        package: package.to_owned(),
        component: None,
        further: Vec::new(),
        delivery: Some(Delivery::Pull),
        protocol: None,
        observe: true,
        base_uri: None,
        timeout: None,
        severity: None,
        defer: None,
    }
}

on_both_engines!(one_upgrade_at_a_time_with_numbers_that_are_never_used_again);
async fn one_upgrade_at_a_time_with_numbers_that_are_never_used_again(scratch: Scratch) {
    let (app, mut orders, _store) = start_in(&scratch).await;
    app.add_device(device("urn:imei:1", "1", KEY)).await.unwrap();
    let package = upload(&app, text("one"), &image("GM01Q", "2.0", b"code")).await.unwrap().id;
    let upgrade = app.start_upgrade(wanted("urn:imei:1", &package)).await.unwrap();
    assert_eq!(upgrade.history_id(), "d:urn:imei:1:1");
    assert_eq!(app.upgrade("d:urn:imei:1:1").await.unwrap().as_ref(), Some(&upgrade));
    assert_eq!(app.upgrade_events(upgrade.key, 0, 10).await.unwrap().len(), 1);
    let error = app.start_upgrade(wanted("urn:imei:1", &package)).await.unwrap_err();
    assert!(matches!(error, StartUpgradeError::Upgrading(id) if id == "d:urn:imei:1:1"));
    assert!(matches!(app.remove_device("urn:imei:1").await, Err(RemoveDeviceError::Upgrading(_))));

    let canceled = app.cancel_upgrade("d:urn:imei:1:1").await.unwrap();
    assert!(canceled.progress.cancel_wanted);
    assert!(matches!(orders.recv().await, Some(Order::Start(started)) if started.upgrade == upgrade));
    assert!(matches!(orders.recv().await, Some(Order::Cancel(key)) if key == upgrade.key));

    let end = crate::store::upgrades::End {
        outcome: "canceled".to_owned(),
        cause: None,
        reason: "Canceled.".to_owned(),
        advice: None,
        at: app.now(),
    };
    let change = UpgradeChange {
        key: upgrade.key,
        progress: upgrade.progress.clone(),
        end: Some(end),
        events: vec![],
    };
    app.record_upgrades(vec![change]).await.unwrap();
    assert!(matches!(app.cancel_upgrade("d:urn:imei:1:1").await, Err(CancelError::Ended(_))));
    assert!(app.unfinished_upgrades().await.unwrap().is_empty());
    let next = app.start_upgrade(wanted("urn:imei:1", &package)).await.unwrap();
    assert_eq!(next.number, 2);
}

on_both_engines!(f22_f26_an_upgrade_that_cannot_work_is_refused_before_a_byte);
async fn f22_f26_an_upgrade_that_cannot_work_is_refused_before_a_byte(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    let id = app.add_device(device("one", "1", KEY)).await.unwrap().device.id;
    let package = upload(&app, text("one"), &image("GM01Q", "2.0", b"code")).await.unwrap();
    let start = |wanted| app.start_upgrade(wanted);
    assert!(matches!(start(wanted("two", &package.id)).await, Err(StartUpgradeError::UnknownDevice(_))));
    assert!(matches!(start(wanted("one", "x")).await, Err(StartUpgradeError::UnknownPackage(_))));
    let timeout = Some(std::time::Duration::ZERO);
    let error = start(StartUpgrade { timeout, ..wanted("one", &package.id) }).await.unwrap_err();
    assert!(matches!(error, StartUpgradeError::BadTimeout));
    let change = |model: &str| {
        let changes = vec![(
            id.clone(),
            DeviceChange {
                manufacturer: Some("SEQUANS Communications".to_owned()),
                model: Some(model.to_owned()),
                ..Default::default()
            },
        )];
        app.record_devices(KnownDevices { changes, ..KnownDevices::default() })
    };
    change("BC35-G").await.unwrap();
    assert!(matches!(start(wanted("one", &package.id)).await, Err(StartUpgradeError::WrongModel { .. })));
    change("GM01Q").await.unwrap();
    std::fs::write(scratch.path().join("images").join(&package.sha256), b"else").unwrap();
    assert!(matches!(start(wanted("one", &package.id)).await, Err(StartUpgradeError::Payload(_))));
}

#[test]
fn download_addresses_need_a_host_that_devices_can_reach() {
    let bound = |text: &str| vec![text.parse::<std::net::SocketAddr>().unwrap()];
    let host: Host = "fota.example.org".parse().unwrap();
    let everywhere = Listening { coaps: &bound("0.0.0.0:5684"), ..Listening::default() };
    assert_eq!(PullBases::new(None, everywhere, None), PullBases::default());
    let all = Listening {
        coaps: &bound("0.0.0.0:5684"),
        coap: &bound("[::]:5683"),
        https: &bound("0.0.0.0:8443"),
        http: &bound("0.0.0.0:8081"),
    };
    let named = PullBases::new(Some(&host), all, None);
    assert_eq!(named.coaps.as_deref(), Some("coaps://fota.example.org:5684"));
    assert_eq!(named.coap.as_deref(), Some("coap://fota.example.org:5683"));
    assert_eq!(named.https.as_deref(), Some("https://fota.example.org:8443"));
    assert_eq!(named.http.as_deref(), Some("http://fota.example.org:8081"));
    let local = Listening { coaps: &bound("127.0.0.1:4000"), ..Listening::default() };
    let local = PullBases::new(None, local, None);
    assert_eq!(local.coaps.as_deref(), Some("coaps://127.0.0.1:4000"));
    assert!(local.any_for(Security::Psk) && !local.any_for(Security::None));
}

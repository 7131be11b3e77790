//! What the tests of packages have in common: a manufacturer with a key, a product, and archives.

use std::io::Cursor;

use package::bundle::{self, Content};
use package::{Algorithm, ArchiveWriter, Limits, Manifest, PrivateKey};

use crate::app::packages::{PackageText, Shown, UploadError};
use crate::app::tests::text;
use crate::app::{Actor, App, KnownDevices};
use crate::store::devices::DeviceChange;
use crate::store::packages::Package;
use crate::store::signing_keys::{self, Revocation, SigningKey};
use crate::store::{ROOT_DOMAIN, StoreError, devices};

pub(super) const NAME: &str = "BC35GJBR01A03_TO_BC35GJBR01A04.bin";
pub(super) const FROM: &str = "BC35GJBR01A03";
pub(super) const TO: &str = "BC35GJBR01A04";

/// The profile of the seed, with more settings.
pub(super) fn profile(settings: &str) -> String {
    format!(
        r#"{{"devices": [{{"manufacturerId": "Quectel", "manufacturerName": "Quectel", "model": "NBIoTDevice",
        "protocolType": "CoAP", "deviceType": "WaterMeter", "omCapability": {{"fwUpgradeCapability":
        {{"supportUpgrade": true, "upgradeProtocolType": "LWM2M", "downloadProtocolType": "CoAP"}}}},
        "serviceTypeCapabilities": [], "updraft": {{{settings}}}}}]}}"#
    )
}

pub(super) async fn product(app: &App, settings: &str) {
    app.import_products(&profile(settings), true).await.unwrap();
}

/// A new key of a manufacturer that counts here.
pub(super) async fn key(app: &App, manufacturer: &str) -> PrivateKey {
    let private = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    let public = private.public_key();
    let row = SigningKey {
        id: public.id().to_string(),
        domain: ROOT_DOMAIN.to_owned(),
        manufacturer: manufacturer.to_owned(),
        algorithm: public.algorithm().code().to_owned(),
        pem: public.to_pem(),
        comment: String::new(),
        added_by: "anna".to_owned(),
        created_at: app.now(),
        revocation: None,
    };
    let write = app.inner.store.write(move |connection| {
        let row = row.clone();
        Box::pin(async move { Ok::<_, StoreError>(signing_keys::insert(connection, &row).await?) })
    });
    write.await.unwrap();
    private
}

pub(super) async fn revoke(app: &App, key: &PrivateKey) {
    let id = key.public_key().id().to_string();
    let revocation = Revocation { at: app.now(), by: "anna".to_owned(), reason: "lost".to_owned() };
    let write = app.inner.store.write(move |connection| {
        let (id, revocation) = (id.clone(), revocation.clone());
        Box::pin(
            async move { Ok::<_, StoreError>(signing_keys::revoke(connection, &id, &revocation).await?) },
        )
    });
    assert!(write.await.unwrap());
}

/// A zip archive of these files.
pub(super) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ArchiveWriter::new(Vec::new());
    for (name, content) in files {
        writer.add(name, content).unwrap();
    }
    writer.finish().unwrap()
}

/// Signs an archive of these files, with a manifest that `change` may change.
pub(super) fn signed(
    files: &[(&str, &[u8])],
    key: &PrivateKey,
    change: impl FnOnce(&mut Manifest),
) -> Vec<u8> {
    let Content::Unsigned(mut archive) = bundle::inspect(Cursor::new(zip(files)), Limits::DEFAULT).unwrap()
    else {
        panic!("nobody signed it yet")
    };
    let payloads = bundle::payloads(&mut archive).unwrap();
    let mut manifest = Manifest { version: Some(TO.to_owned()), payloads, ..Manifest::default() };
    change(&mut manifest);
    bundle::sign(&mut archive, &manifest, key, Vec::new()).unwrap()
}

/// What is said of a package in the seed.
pub(super) fn seed() -> PackageText {
    let mut seed =
        PackageText { file_name: "BC35GJBR01A03_TO_BC35GJBR01A04_signed.zip".to_owned(), ..text("May") };
    let some = |text: &str| Some(text.to_owned());
    seed.target.device_type = some("WaterMeter");
    seed.target.manufacturer = some("Quectel");
    seed.target.model = some("NBIoTDevice");
    seed.target.protocol = some("CoAP");
    seed
}

pub(super) async fn upload_as(
    app: &App,
    actor: &str,
    text: PackageText,
    bytes: &[u8],
) -> Result<Package, UploadError> {
    let mut upload = app.begin_upload(text, &Actor::new(actor).unwrap(), None).await?;
    for piece in bytes.chunks(1_000) {
        upload.write(piece)?;
    }
    app.finish_upload(upload).await
}

pub(super) async fn upload(app: &App, text: PackageText, bytes: &[u8]) -> Result<Package, UploadError> {
    upload_as(app, "anna", text, bytes).await
}

/// What somebody sees who looks at a package.
pub(super) fn shown(package: &Package) -> Shown {
    let manifest_sha256 = package.manifest.as_ref().map(|(_, sha256)| sha256.clone());
    Shown { sha256: package.sha256.clone(), manifest_sha256 }
}

/// Approves what is there.
pub(super) async fn approve(app: &App, package: &Package) -> Package {
    app.approve_package(&package.id, shown(package), &Actor::new("berta").unwrap()).await.unwrap()
}

/// Says which product a device is.
pub(super) async fn make(app: &App, endpoint: &str, product: &str) {
    let (id, product) = (app.device(endpoint).await.unwrap().unwrap().id, product.to_owned());
    let write = app.inner.store.write(move |connection| {
        let (id, product) = (id.clone(), product.clone());
        Box::pin(
            async move { Ok::<_, StoreError>(devices::set_product(connection, &id, Some(&product)).await?) },
        )
    });
    assert!(write.await.unwrap());
}

/// A device has reported this version.
pub(super) async fn runs(app: &App, endpoint: &str, version: &str) {
    let id = app.device(endpoint).await.unwrap().unwrap().id;
    let change = DeviceChange { firmware_version: Some(version.to_owned()), ..DeviceChange::default() };
    app.record_devices(KnownDevices { changes: vec![(id, change)], ..KnownDevices::default() })
        .await
        .unwrap();
}

//! What a product asks of its packages.

use super::scene::*;
use crate::app::packages::{Kind, PackageText, TargetError, UploadError};
use crate::app::tests::{PROFILE, image, start_in, text, upload_only};
use crate::store::scratch::{Scratch, on_both_engines};
use firmware::HexWriter;
use package::Manifest;

on_both_engines!(s1_21_every_value_is_exactly_that_of_the_product_and_both_are_shown);
async fn s1_21_every_value_is_exactly_that_of_the_product_and_both_are_shown(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    let error = app.begin_upload(seed(), &Default::default(), None).await.unwrap_err();
    assert!(matches!(error, UploadError::Target(TargetError::NoProducts)), "{error}");
    product(&app, "").await;
    app.import_products(PROFILE, false).await.unwrap();
    let check = async |change: &dyn Fn(&mut PackageText), told: &[&str]| {
        let mut given = seed();
        change(&mut given);
        let error = app.begin_upload(given, &Default::default(), None).await.unwrap_err().to_string();
        for part in told {
            assert!(error.contains(part), "{error:?} does not contain {part:?}");
        }
    };
    let some = |text: &str| Some(text.to_owned());
    let near = "Quectel/NBIoTDevice/WaterMeter";
    let told = |line: &'static str| [near, line];
    check(
        &|given| given.target.device_type = some("watermeter"),
        &told(r#"device type is "watermeter" and not "WaterMeter""#),
    )
    .await;
    check(
        &|given| given.target.manufacturer = some("quectel"),
        &told(r#"manufacturer is "quectel" and not "Quectel""#),
    )
    .await;
    check(
        &|given| given.target.model = some("NB-IoTDevice"),
        &told(r#"model is "NB-IoTDevice" and not "NBIoTDevice""#),
    )
    .await;
    check(&|given| given.target.protocol = some("COAP"), &told(r#"protocol is "COAP" and not "CoAP""#)).await;
    check(
        &|given| given.target.product = some("SEQUANS Communications/GM01Q"),
        &["not for SEQUANS Communications/GM01Q/Modem", r#"model is "NBIoTDevice" and not "GM01Q""#],
    )
    .await;
    check(
        &|given| given.target.product = some("quectel/NBIoTDevice"),
        &["no product quectel/NBIoTDevice", near],
    )
    .await;
    check(&|given| given.target = Default::default(), &["2 products fit"]).await;
    assert!(app.begin_upload(seed(), &Default::default(), None).await.is_ok());
}

on_both_engines!(s1_2_a_product_without_the_capability_takes_no_packages);
async fn s1_2_a_product_without_the_capability_takes_no_packages(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    let profile = profile(r#""signature": "not_required""#)
        .replace(r#""supportUpgrade": true"#, r#""supportUpgrade": false"#);
    app.import_products(&profile, false).await.unwrap();
    let error = app.begin_upload(seed(), &Default::default(), None).await.unwrap_err();
    assert!(
        matches!(&error, UploadError::NotUpgradable(name) if name == "Quectel/NBIoTDevice/WaterMeter"),
        "{error}"
    );
}

on_both_engines!(kinds_and_versions_are_said_once_or_alike);
async fn kinds_and_versions_are_said_once_or_alike(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, r#""signature": "not_required", "version_pattern": "BC35GJBR01A\\d+""#).await;
    let upload = async |file_name: &str, version: Option<&str>, source: Option<&str>, kind: Option<Kind>| {
        let file_name = file_name.to_owned();
        let (version, source_version) = (version.map(str::to_owned), source.map(str::to_owned));
        upload(&app, PackageText { file_name, version, source_version, kind, ..seed() }, b"code").await
    };
    let good = upload("x.bin", Some(TO), Some(FROM), Some(Kind::Delta)).await.unwrap();
    assert_eq!(good.source_version.as_deref(), Some(FROM));
    let good = upload(NAME, None, None, None).await.unwrap();
    assert_eq!((&*good.version, good.source_version.as_deref()), (TO, Some(FROM)));
    let good = upload(NAME, None, None, Some(Kind::Full)).await.unwrap();
    assert_eq!(good.source_version, None);
    assert!(matches!(upload("x.bin", None, None, None).await, Err(UploadError::NoVersion)));
    let refused = upload("x.bin", Some(TO), Some(FROM), Some(Kind::Full)).await;
    assert!(matches!(refused, Err(UploadError::FullWithSource)));
    let refused = upload("x.bin", Some(TO), None, Some(Kind::Delta)).await;
    assert!(matches!(refused, Err(UploadError::DeltaWithoutSource)));
    let refused = upload("x.bin", Some("BC95"), None, None).await;
    assert!(matches!(refused, Err(UploadError::Version(_))));
    assert!(matches!(upload("A_TO_B.bin", None, None, None).await, Err(UploadError::Version(_))));
}

on_both_engines!(f25_f26_images_of_ours_are_checked_inside_archives_too);
async fn f25_f26_images_of_ours_are_checked_inside_archives_too(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    app.import_products(PROFILE, false).await.unwrap();
    let good = image("GM01Q", "2.0", &[7; 600]);
    let package = upload_only(&app, text("good"), &zip(&[("image.bin", &good)])).await.unwrap();
    assert_eq!(
        (package.model.as_deref(), &*package.version, package.has_header),
        (Some("GM01Q"), "2.0", true)
    );
    let check = async |what: &str, bytes: &[u8]| {
        upload_only(&app, text(what), &zip(&[("image.bin", bytes)])).await.unwrap_err()
    };
    let mut flipped = good.clone();
    flipped[300] ^= 1;
    assert!(matches!(check("flipped", &flipped).await, UploadError::Damaged));
    assert!(matches!(check("cut", &good[..500]).await, UploadError::WrongLength { .. }));
    assert!(matches!(check("longer", &[&good[..], b"x"].concat()).await, UploadError::WrongLength { .. }));
    let other = check("other model", &image("BC35-G", "2.0", b"code")).await;
    assert!(matches!(other, UploadError::Contradiction { field: "model", .. }), "{other}");
}

/// An image of some bytes for a bank, in Intel HEX.
fn hex_image(bank: firmware::Bank) -> Vec<u8> {
    let mut text = String::new();
    let mut writer = HexWriter::new(&mut text);
    writer.data(bank.linked_at(), &[1, 2, 3, 4]).unwrap();
    writer.finish().unwrap();
    text.into_bytes()
}

on_both_engines!(f25_a_module_of_two_banks_needs_the_image_of_each);
async fn f25_a_module_of_two_banks_needs_the_image_of_each(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, r#""module_family": "j11""#).await;
    let key = key(&app, "Quectel").await;
    let (zero, one) = (hex_image(firmware::Bank::A), hex_image(firmware::Bank::B));
    let banks = |first: u8| {
        move |manifest: &mut Manifest| {
            manifest.payloads[0].bank = Some(first);
            manifest.payloads[1].bank = Some(1 - first);
        }
    };
    let files: &[(&str, &[u8])] = &[("zero.hex", &zero), ("one.hex", &one)];
    let package = upload(&app, seed(), &signed(files, &key, banks(0))).await.unwrap();
    assert_eq!((package.banks, package.payload.clone()), (2, None));
    let approved = approve(&app, &package).await;
    let refused = app.payload(&approved, crate::app::Purpose::Start).await.unwrap_err();
    assert_eq!(refused.code(), "two-banks");
    assert!(refused.advice().contains("Wi-SUN"));

    let swapped = upload(&app, seed(), &signed(files, &key, banks(1))).await.unwrap_err();
    assert!(swapped.to_string().contains("linked for bank"), "{swapped}");
    let no_hex: &[(&str, &[u8])] = &[("zero.hex", &zero), ("one.hex", b"no hex")];
    let refused = upload(&app, seed(), &signed(no_hex, &key, banks(0))).await;
    assert!(matches!(refused, Err(UploadError::Bank { .. })), "{refused:?}");
    let single = upload(&app, seed(), &signed(&[("zero.hex", &zero)], &key, |_| {})).await;
    assert!(matches!(single, Err(UploadError::TwoFilesNeeded(1))), "{single:?}");
    product(&app, r#""module_family": "bc35g""#).await;
    let two = upload(&app, seed(), &signed(files, &key, banks(0))).await;
    assert!(matches!(two, Err(UploadError::OneFileNeeded(_))), "{two:?}");
}

//! What devices receive is checked every time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::TryStreamExt;

use super::scene::*;
use crate::app::packages::{PackageText, PayloadError, Purpose};
use crate::app::tests::{KEY, device, start_at, start_in, wanted};
use crate::app::{FileError, ResumeError, StartUpgradeError};
use crate::clock::{Moment, WallClock};
use crate::store::ImageError;
use crate::store::scratch::{Scratch, on_both_engines};

on_both_engines!(b7_the_device_receives_the_payload_and_never_the_archive);
async fn b7_the_device_receives_the_payload_and_never_the_archive(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, r#""signature": "not_required""#).await;
    let key = key(&app, "Quectel").await;
    let archives = [zip(&[(NAME, b"machine code")]), signed(&[(NAME, b"machine code")], &key, |_| {})];
    for archive in archives {
        let package = approve(&app, &upload(&app, seed(), &archive).await.unwrap()).await;
        let payload = app.payload(&package, Purpose::Start).await.unwrap();
        assert_eq!(&*payload, b"machine code");
        assert!(
            Arc::ptr_eq(&payload, &app.payload(&package, Purpose::Resume).await.unwrap()),
            "it is shared"
        );
        // What was uploaded comes back unchanged (S0-169).
        let file = app.package_file(&package.id).await.unwrap();
        let pieces: Vec<_> = file.pieces.try_collect().await.unwrap();
        assert_eq!(pieces.concat(), archive);
    }
}

on_both_engines!(sec_p08_f22_a_damaged_or_missing_file_is_told_and_nothing_of_it_is_given);
async fn sec_p08_f22_a_damaged_or_missing_file_is_told_and_nothing_of_it_is_given(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, r#""reports": {"model": "BC35-G"}"#).await;
    let key = key(&app, "Quectel").await;
    app.add_device(device("one", "1", KEY)).await.unwrap();
    let package = upload(&app, seed(), &signed(&[(NAME, b"code")], &key, |_| {})).await.unwrap();
    let package = approve(&app, &package).await;
    let upgrade = app.start_upgrade(wanted("one", &package.id)).await.unwrap();
    let held = app.payload(&package, Purpose::Resume).await.unwrap();
    let file = scratch.path().join("images").join(&package.sha256);
    let good = std::fs::read(&file).unwrap();
    let mut flipped = good.clone();
    flipped[40] ^= 1;
    std::fs::write(&file, flipped).unwrap();
    // Even while the good bytes are in memory: the file was touched.
    let error = app.payload(&package, Purpose::Start).await.unwrap_err();
    assert_eq!(error.code(), "package-damaged");
    assert!(matches!(app.package_file(&package.id).await, Err(FileError::Image(ImageError::Damaged))));
    let Err(ResumeError::Payload(error)) = app.resumed(upgrade.clone()).await else {
        panic!("it is damaged")
    };
    assert!(error.advice().contains("Upload the package again"), "{error}");
    std::fs::remove_file(&file).unwrap();
    let error = app.payload(&package, Purpose::Resume).await.unwrap_err();
    assert_eq!(error.code(), "package-missing");
    std::fs::write(&file, good).unwrap();
    assert!(app.resumed(upgrade).await.is_ok(), "the file was put back");
    drop(held);
}

on_both_engines!(f27_a_key_that_was_revoked_vouches_for_nothing_any_more);
async fn f27_a_key_that_was_revoked_vouches_for_nothing_any_more(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, r#""reports": {"model": "BC35-G"}"#).await;
    let key = key(&app, "Quectel").await;
    app.add_device(device("one", "1", KEY)).await.unwrap();
    let files: &[(&str, &[u8])] = &[(NAME, b"code")];
    let package = approve(&app, &upload(&app, seed(), &signed(files, &key, |_| {})).await.unwrap()).await;
    let waiting = upload(&app, seed(), &signed(&[(NAME, b"other")], &key, |_| {})).await.unwrap();
    let upgrade = app.start_upgrade(wanted("one", &package.id)).await.unwrap();
    let held = app.payload(&package, Purpose::Resume).await.unwrap();
    revoke(&app, &key).await;
    for holding in [Some(held), None] {
        let error = app.payload(&package, Purpose::Start).await.unwrap_err();
        assert_eq!(error.code(), "signature-invalid", "in memory: {}", holding.is_some());
        let Err(ResumeError::Payload(error)) = app.resumed(upgrade.clone()).await else {
            panic!("it goes on")
        };
        assert!(error.advice().contains("Sign the package"), "{error}");
    }
    let error = app.approve_package(&waiting.id, shown(&waiting), &Default::default()).await.unwrap_err();
    assert!(error.to_string().contains("none of the keys"), "{error}");
}

on_both_engines!(a_product_that_wants_signatures_now_gets_them);
async fn a_product_that_wants_signatures_now_gets_them(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, r#""signature": "not_required""#).await;
    let text = PackageText { file_name: NAME.to_owned(), ..seed() };
    let package = approve(&app, &upload(&app, text, b"code").await.unwrap()).await;
    let held = app.payload(&package, Purpose::Start).await.unwrap();
    product(&app, r#""signature": "required""#).await;
    for holding in [Some(held), None] {
        let error = app.payload(&package, Purpose::Start).await.unwrap_err();
        assert_eq!(error.code(), "signature-missing", "in memory: {}", holding.is_some());
    }
}

on_both_engines!(f39_a_manifest_that_is_over_allows_nothing);
async fn f39_a_manifest_that_is_over_allows_nothing(scratch: Scratch) {
    let now = Arc::new(AtomicI64::new(1_767_225_600_000_000));
    let clock = now.clone();
    let clock = WallClock::from_fn(move || Moment(clock.load(Ordering::Relaxed)));
    let (app, _orders, _store) = start_at(&scratch, clock).await;
    product(&app, "").await;
    let key = key(&app, "Quectel").await;
    let dates = |manifest: &mut package::Manifest| manifest.not_after = Some(1_767_225_700);
    let bytes = signed(&[(NAME, b"code")], &key, dates);
    let package = approve(&app, &upload(&app, seed(), &bytes).await.unwrap()).await;
    let held = app.payload(&package, Purpose::Start).await.unwrap();
    now.fetch_add(101_000_000, Ordering::Relaxed);
    for holding in [Some(held), None] {
        let error = app.payload(&package, Purpose::Start).await.unwrap_err();
        assert!(matches!(error, PayloadError::Period(_)), "in memory: {}", holding.is_some());
    }
}

on_both_engines!(s1_21_a_package_is_not_for_a_device_of_another_product);
async fn s1_21_a_package_is_not_for_a_device_of_another_product(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, r#""signature": "not_required""#).await;
    app.import_products(crate::app::tests::PROFILE, false).await.unwrap();
    app.add_device(device("one", "1", KEY)).await.unwrap();
    let text = PackageText { file_name: NAME.to_owned(), ..seed() };
    let package = approve(&app, &upload(&app, text, b"code").await.unwrap()).await;
    let error = app.start_upgrade(wanted("one", &package.id)).await.unwrap_err();
    assert!(matches!(error, StartUpgradeError::NoProduct(_)), "nothing would be compared: {error}");
    let other = app.find_product("SEQUANS Communications/GM01Q").unwrap();
    make(&app, "one", &other.id).await;
    let error = app.start_upgrade(wanted("one", &package.id)).await.unwrap_err().to_string();
    for part in
        [r#"model is "NBIoTDevice" and not "GM01Q""#, r#"device type is "WaterMeter" and not "Modem""#]
    {
        assert!(error.contains(part), "{error}");
    }
    let own = app.find_product("Quectel/NBIoTDevice").unwrap();
    make(&app, "one", &own.id).await;
    assert!(app.start_upgrade(wanted("one", &package.id)).await.is_ok());
}

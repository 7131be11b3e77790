//! Signed archives: who vouches for what.

use super::scene::*;
use crate::app::packages::{ContentsError, PackageText, TargetError, UploadError};
use crate::app::tests::{start_in, text};
use crate::store::scratch::{Scratch, on_both_engines};
use package::bundle::BundleError;
use package::{Kind, Manifest, ProductIdentity, SourceVersion};

on_both_engines!(s1_20_s1_22_a_signed_archive_is_taken_as_the_seed_says);
async fn s1_20_s1_22_a_signed_archive_is_taken_as_the_seed_says(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, "").await;
    let key = key(&app, "Quectel").await;
    let delta = |manifest: &mut Manifest| {
        manifest.kind = Kind::Delta { from: SourceVersion { version: FROM.to_owned(), sha256: None } };
    };
    let bytes = signed(&[(NAME, b"the way from A03 to A04")], &key, delta);
    let package = upload(&app, PackageText { version: Some(TO.to_owned()), ..seed() }, &bytes).await.unwrap();
    assert_eq!((&*package.state, &*package.content), ("verified", "signed_archive"));
    assert_eq!((&*package.version, package.source_version.as_deref()), (TO, Some(FROM)));
    assert_eq!(package.signers, [key.public_key().id().to_string()]);
    let payload = package.payload.clone().unwrap();
    assert_eq!((&*payload.name, payload.size_bytes), (NAME, 23));
    assert_eq!(package.uploaded_by, "anna");
    let stored = app.package(&package.id).await.unwrap().unwrap();
    assert_eq!(stored, package);
}

on_both_engines!(f27_s1_22_an_archive_that_nobody_vouches_for_is_refused);
async fn f27_s1_22_an_archive_that_nobody_vouches_for_is_refused(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, "").await;
    let good = key(&app, "Quectel").await;
    let other = key(&app, "Another").await;
    let revoked = key(&app, "Quectel").await;
    revoke(&app, &revoked).await;
    let files: &[(&str, &[u8])] = &[(NAME, b"code")];
    let refused = async |what: &str, bytes: &[u8]| match upload(&app, seed(), bytes).await {
        Err(UploadError::Contents(error)) => {
            assert!(error.is_about_signatures(), "{what}: {error}");
            error
        }
        other => panic!("{what}: {other:?}"),
    };
    refused("raw", b"code").await;
    let error = refused("unsigned", &zip(files)).await;
    assert!(matches!(error, ContentsError::NotSigned { required: 1 }));
    refused("other manufacturer's key", &signed(files, &other, |_| {})).await;
    let error = refused("revoked key", &signed(files, &revoked, |_| {})).await;
    assert!(matches!(error, ContentsError::Bundle(BundleError::Key { .. })), "{error}");
    product(&app, r#""required_signatures": 2"#).await;
    let error = refused("one of two", &signed(files, &good, |_| {})).await;
    assert!(matches!(error, ContentsError::Bundle(BundleError::TooFewSigners { found: 1, required: 2 })));
    for place in ["images", "incoming"] {
        assert_eq!(std::fs::read_dir(scratch.path().join(place)).unwrap().count(), 0, "{place}");
    }
}

on_both_engines!(sec_p07_nothing_is_believed_before_its_signature_is_good);
async fn sec_p07_nothing_is_believed_before_its_signature_is_good(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, r#""version_pattern": "BC35.*""#).await;
    let stranger = key(&app, "Another").await;
    // Wrong in every way that a manifest can be; the first thing that is told is the signature.
    let wrong = |manifest: &mut Manifest| {
        manifest.version = Some("nonsense".to_owned());
        manifest.not_after = Some(1);
        manifest.domain = Some("/elsewhere".to_owned());
    };
    let bytes = signed(&[(NAME, b"code")], &stranger, wrong);
    let error = upload(&app, seed(), &bytes).await.unwrap_err();
    assert!(matches!(&error, UploadError::Contents(error) if error.is_about_signatures()), "{error}");
}

on_both_engines!(sec_p05_what_the_manifest_says_must_be_true_here);
async fn sec_p05_what_the_manifest_says_must_be_true_here(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, r#""version_pattern": "BC35.*""#).await;
    let key = key(&app, "Quectel").await;
    let identity = |model: &str| ProductIdentity {
        manufacturer: "Quectel".to_owned(),
        model: model.to_owned(),
        device_type: "WaterMeter".to_owned(),
        protocol: "CoAP".to_owned(),
    };
    let upload = async |text: PackageText, change: &dyn Fn(&mut Manifest)| {
        upload(&app, text, &signed(&[(NAME, b"code")], &key, |manifest| change(manifest))).await
    };
    assert!(upload(seed(), &|manifest| manifest.product = Some(identity("NBIoTDevice"))).await.is_ok());
    let error =
        upload(seed(), &|manifest| manifest.product = Some(identity("nbiotdevice"))).await.unwrap_err();
    let UploadError::ManifestProduct(TargetError::Mismatch { .. }) = &error else { panic!("{error}") };
    assert!(error.to_string().contains(r#"model is "nbiotdevice" and not "NBIoTDevice""#), "{error}");
    let error = upload(seed(), &|manifest| manifest.version = Some("X1".to_owned())).await.unwrap_err();
    assert!(matches!(error, UploadError::Version(_)), "{error}");
    let given = PackageText { version: Some("BC35GJBR01A05".to_owned()), ..seed() };
    let error = upload(given, &|_| {}).await.unwrap_err();
    assert!(matches!(error, UploadError::Contradiction { field: "version", .. }), "{error}");
    let given = PackageText { source_version: Some(FROM.to_owned()), ..seed() };
    let error = upload(given, &|_| {}).await.unwrap_err();
    assert!(matches!(error, UploadError::Contradiction { field: "source_version", .. }), "{error}");
    let error = upload(seed(), &|manifest| manifest.domain = Some("/x".to_owned())).await.unwrap_err();
    assert!(matches!(error, UploadError::Contradiction { field: "domain", .. }), "{error}");
    let error = upload(seed(), &|manifest| manifest.not_after = Some(1_767_225_599)).await.unwrap_err();
    assert!(matches!(error, UploadError::Period(_)), "{error}");
    assert!(upload(seed(), &|manifest| manifest.not_before = Some(1_767_225_601)).await.is_ok());
}

on_both_engines!(b7_an_archive_of_somebody_else_has_exactly_one_file);
async fn b7_an_archive_of_somebody_else_has_exactly_one_file(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, r#""signature": "not_required""#).await;
    let package = upload(&app, seed(), &zip(&[(NAME, b"code")])).await.unwrap();
    assert_eq!((&*package.state, &*package.content), ("uploaded", "archive"));
    assert_eq!((&*package.version, package.source_version.as_deref()), (TO, Some(FROM)), "its name says it");
    for files in [&[(NAME, &b"code"[..]), ("signature.sig", b"x")]] {
        let refused = upload(&app, seed(), &zip(files)).await;
        assert!(matches!(refused, Err(UploadError::Contents(ContentsError::Bundle(_)))), "{refused:?}");
    }
    let raw = PackageText { file_name: NAME.to_owned(), ..seed() };
    let package = upload(&app, raw, b"code").await.unwrap();
    assert_eq!((&*package.content, &*package.version), ("raw", TO));
    assert_eq!(package.payload.unwrap().sha256, package.sha256);
    let unknown = key(&app, "Another").await;
    let refused =
        upload(&app, text("signed by a stranger"), &signed(&[(NAME, b"code")], &unknown, |_| {})).await;
    assert!(
        matches!(refused, Err(UploadError::Contents(_))),
        "what says that it is signed has to be: {refused:?}"
    );
}

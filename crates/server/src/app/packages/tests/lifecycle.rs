//! Approved, withdrawn, kept, deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::scene::*;
use crate::app::packages::{
    ApproveError, Keep, PackageChange, PackageText, PayloadError, RemovePackageError, State, WithdrawError,
};
use crate::app::tests::{KEY, device, start_at, start_in, text, wanted};
use crate::app::{Actor, App, StartUpgradeError, UpgradeChange};
use crate::clock::{Moment, WallClock};
use crate::store::packages::Package;
use crate::store::scratch::{Scratch, on_both_engines};
use crate::store::upgrades::{End, Upgrade};

const OPEN: &str =
    r#""signature": "not_required", "reports": {"manufacturer": "Quectel", "model": "BC35-G"}"#;

async fn raw(app: &App) -> Package {
    upload(app, PackageText { file_name: NAME.to_owned(), ..seed() }, b"code").await.unwrap()
}

async fn start(app: &App, package: &Package) -> Result<Upgrade, StartUpgradeError> {
    app.start_upgrade(wanted("one", &package.id)).await
}

async fn end(app: &App, upgrade: Upgrade) {
    let end = End {
        outcome: "failed".to_owned(),
        cause: None,
        reason: "Over.".to_owned(),
        advice: None,
        at: app.now(),
    };
    let change =
        UpgradeChange { key: upgrade.key, progress: upgrade.progress, end: Some(end), events: vec![] };
    app.record_upgrades(vec![change]).await.unwrap();
}

on_both_engines!(an_upgrade_starts_with_an_approved_package_only);
async fn an_upgrade_starts_with_an_approved_package_only(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, OPEN).await;
    app.add_device(device("one", "1", KEY)).await.unwrap();
    let package = raw(&app).await;
    let refused = start(&app, &package).await.unwrap_err();
    assert!(
        matches!(refused, StartUpgradeError::Payload(PayloadError::NotApproved("uploaded"))),
        "{refused}"
    );
    let approved = approve(&app, &package).await;
    assert_eq!((State::of(&approved), approved.approval.unwrap().by), (State::Approved, "berta".to_owned()));
    let upgrade = start(&app, &package).await.unwrap();

    let anna = Actor::new("anna").unwrap();
    let withdrawn = app.withdraw_package(&package.id, "bricks meters", &anna).await.unwrap();
    assert_eq!(State::of(&withdrawn), State::Withdrawn);
    let again = app.withdraw_package(&package.id, "again", &anna).await;
    assert!(matches!(again, Err(WithdrawError::Withdrawn { by, .. }) if by == "anna"));
    // What runs goes on; nothing begins.
    assert!(app.resumed(upgrade.clone()).await.is_ok());
    end(&app, upgrade).await;
    let refused = start(&app, &package).await.unwrap_err().to_string();
    assert!(refused.contains("bricks meters"), "{refused}");
    let error = app.approve_package(&package.id, shown(&package), &anna).await.unwrap_err();
    assert!(matches!(error, ApproveError::Withdrawn { .. }), "{error}");
}

on_both_engines!(an_approval_is_of_exactly_what_was_shown);
async fn an_approval_is_of_exactly_what_was_shown(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, "").await;
    let key = key(&app, "Quectel").await;
    let package = upload(&app, seed(), &signed(&[(NAME, b"code")], &key, |_| {})).await.unwrap();
    let berta = Actor::new("berta").unwrap();
    let good = shown(&package);
    for what in ["file", "manifest", "no manifest"] {
        let mut other = good.clone();
        match what {
            "file" => other.sha256 = "0".repeat(64),
            "manifest" => other.manifest_sha256 = Some("0".repeat(64)),
            _ => other.manifest_sha256 = None,
        }
        let error = app.approve_package(&package.id, other, &berta).await.unwrap_err();
        assert!(matches!(error, ApproveError::NotThis { .. }), "{what}: {error}");
    }
    app.approve_package(&package.id, good.clone(), &berta).await.unwrap();
    let again = app.approve_package(&package.id, good, &berta).await;
    assert!(matches!(again, Err(ApproveError::Approved { by, .. }) if by == "berta"));
}

on_both_engines!(sec_r_the_uploader_does_not_approve_where_the_product_says_so);
async fn sec_r_the_uploader_does_not_approve_where_the_product_says_so(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, r#""signature": "not_required", "approval": "another_person""#).await;
    let package = raw(&app).await;
    let by = async |name: &str| {
        app.approve_package(&package.id, shown(&package), &Actor::new(name).unwrap()).await
    };
    assert!(matches!(by("anna").await, Err(ApproveError::SamePerson(name)) if name == "anna"));
    assert_eq!(by("berta").await.unwrap().state, "approved");
}

on_both_engines!(a_package_that_is_in_use_is_not_removed_and_its_row_stays);
async fn a_package_that_is_in_use_is_not_removed_and_its_row_stays(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, OPEN).await;
    app.add_device(device("one", "1", KEY)).await.unwrap();
    let (package, twin) = (raw(&app).await, raw(&app).await);
    approve(&app, &package).await;
    let upgrade = start(&app, &package).await.unwrap();
    let error = app.remove_package(&package.id).await.unwrap_err();
    assert!(matches!(&error, RemovePackageError::InUse(id) if id == "d:one:1"), "{error}");
    end(&app, upgrade).await;
    let removed = app.remove_package(&package.id).await.unwrap();
    assert!(removed.is_removed());
    let file = scratch.path().join("images").join(&package.sha256);
    assert!(file.exists(), "another package has the same file");
    assert!(matches!(app.remove_package(&package.id).await, Err(RemovePackageError::Removed(_))));
    app.remove_package(&twin.id).await.unwrap();
    assert!(!file.exists());
    let refused = start(&app, &package).await.unwrap_err();
    assert!(matches!(refused, StartUpgradeError::Payload(PayloadError::Removed(_))), "{refused}");
    assert!(app.package(&package.id).await.unwrap().is_some());
    assert_eq!(app.upgrade("d:one:1").await.unwrap().unwrap().package_name, "May", "the history names it");
}

on_both_engines!(s0_164_files_go_when_their_time_is_over_and_nobody_uses_them);
async fn s0_164_files_go_when_their_time_is_over_and_nobody_uses_them(scratch: Scratch) {
    const HOUR: i64 = 3_600_000_000;
    let now = Arc::new(AtomicI64::new(1_767_225_600_000_000));
    let clock = now.clone();
    let clock = WallClock::from_fn(move || Moment(clock.load(Ordering::Relaxed)));
    let later = |hours: i64| now.fetch_add(hours * HOUR, Ordering::Relaxed);
    let (app, _orders, _store) = start_at(&scratch, clock).await;
    product(&app, OPEN).await;
    app.add_device(device("one", "1", KEY)).await.unwrap();
    let mut packages = Vec::new();
    for (number, keep) in
        [Keep::Day, Keep::Day, Keep::Week, Keep::Month, Keep::Forever].into_iter().enumerate()
    {
        let text = PackageText { file_name: NAME.to_owned(), keep, ..text("kept") };
        packages.push(upload(&app, text, &[number as u8; 10]).await.unwrap());
    }
    approve(&app, &packages[1]).await;
    let upgrade = start(&app, &packages[1]).await.unwrap();
    let files = || std::fs::read_dir(scratch.path().join("images")).unwrap().count();
    let check = async |hours: i64, removed: usize, left: usize| {
        later(hours);
        assert_eq!(
            (app.remove_expired().await.unwrap(), files()),
            (removed, left),
            "after {hours} hours more"
        );
    };
    check(23, 0, 5).await;
    // One of a day goes, the other one is in use.
    check(1, 1, 4).await;
    check(24, 0, 4).await;
    end(&app, upgrade).await;
    check(0, 1, 3).await;
    check(5 * 24, 1, 2).await;
    let change = PackageChange { keep: Some(Keep::Day), description: Some("the old one".to_owned()) };
    let changed = app.change_package(&packages[4].id, change).await.unwrap();
    assert_eq!((&*changed.keep, &*changed.description), ("24h", "the old one"));
    check(24, 1, 1).await;
    check(22 * 24, 1, 0).await;
    for package in packages {
        assert!(app.package(&package.id).await.unwrap().unwrap().is_removed());
    }
}

on_both_engines!(a_removal_and_a_start_never_both_succeed);
async fn a_removal_and_a_start_never_both_succeed(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, OPEN).await;
    for number in 0..20 {
        let endpoint = format!("device-{number}");
        let key = format!("{number:02x}{}", &KEY[2..]);
        app.add_device(device(&endpoint, &endpoint, &key)).await.unwrap();
        let text = PackageText { file_name: NAME.to_owned(), ..seed() };
        let package = upload(&app, text, &[number; 10]).await.unwrap();
        approve(&app, &package).await;
        let start = app.start_upgrade(wanted(&endpoint, &package.id));
        let (started, removed) = tokio::join!(start, app.remove_package(&package.id));
        assert_ne!(started.is_ok(), removed.is_ok(), "{started:?} {removed:?}");
        if let Ok(upgrade) = started {
            assert!(app.resumed(upgrade).await.is_ok(), "its file is there");
        }
    }
}

on_both_engines!(the_history_tells_of_a_way_back_as_the_product_orders_versions);
async fn the_history_tells_of_a_way_back_as_the_product_orders_versions(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    product(&app, OPEN).await;
    let product = app.find_product("Quectel/NBIoTDevice").unwrap();
    app.add_device(device("one", "1", KEY)).await.unwrap();
    make(&app, "one", &product.id).await;
    let package = approve(&app, &raw(&app).await).await;
    for (order, running, tells) in [
        ("numbers", "BC35GJBR01A03", false),
        ("numbers", "BC35GJBR01A04", false),
        ("numbers", "BC35GJBR01A10", true),
        ("text", "BC35GJBR01A10", true),
        ("text", "AC", false),
        ("none", "BC35GJBR01A10", false),
    ] {
        let settings = format!(r#"{{"version_order": "{order}"}}"#);
        app.set_product(&product.id, &settings).await.unwrap();
        runs(&app, "one", running).await;
        let upgrade = start(&app, &package).await.unwrap();
        let events = app.upgrade_events(upgrade.key, 0, 1).await.unwrap();
        let detail = &events[0].detail;
        assert_eq!(
            detail.ends_with(&format!("back to BC35GJBR01A04 from the newer {running}")),
            tells,
            "{detail}"
        );
        end(&app, upgrade).await;
    }
}

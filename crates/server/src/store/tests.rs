use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::clock::Moment;
use devices::{Device, DeviceChange, DeviceState};
use scratch::{Scratch, on_both_engines};

mod postgresql;

fn device(number: usize) -> Device {
    Device {
        id: format!("id-{number:04}"),
        domain: ROOT_DOMAIN.to_owned(),
        endpoint: format!("urn:imei:{number:015}"),
        name: format!("Meter {number}"),
        security: "none".to_owned(),
        created_at: Moment(number as i64),
        state: None,
        identity: None,
        key_prefix: None,
        staged: None,
        bootstrap: None,
        product_id: None,
    }
}

async fn add(store: &Store, number: usize) -> Result<(), StoreError> {
    store
        .write(move |connection| {
            Box::pin(async move { Ok(devices::insert(connection, &device(number)).await?) })
        })
        .await
}

on_both_engines!(what_was_acknowledged_is_there_after_opening_again);
async fn what_was_acknowledged_is_there_after_opening_again(scratch: Scratch) {
    let store = scratch.open().await;
    add(&store, 1).await.unwrap();
    store.close().await;
    assert!(matches!(add(&store, 2).await, Err(StoreError::Closed)));
    let store = scratch.open().await;
    let found =
        devices::by_endpoint(&mut store.read().await.unwrap(), "urn:imei:000000000000001").await.unwrap();
    assert_eq!(found, Some(device(1)));
}

on_both_engines!(a_failing_change_leaves_the_others_of_its_transaction_alone);
async fn a_failing_change_leaves_the_others_of_its_transaction_alone(scratch: Scratch) {
    let store = scratch.open().await;
    let (one, twice, other) = tokio::join!(add(&store, 1), add(&store, 1), add(&store, 2));
    assert!(one.is_ok() && twice.is_err() && other.is_ok(), "{one:?} {twice:?} {other:?}");
    let page = devices::page(&mut store.read().await.unwrap(), "", "", 10).await.unwrap();
    assert_eq!(page.len(), 2);
}

on_both_engines!(many_changes_share_few_commits);
async fn many_changes_share_few_commits(scratch: Scratch) {
    let store = scratch.open().await;
    let done = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..500)
        .map(|number| {
            let (store, done) = (store.clone(), done.clone());
            tokio::spawn(async move {
                add(&store, number).await.unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(done.load(Ordering::Relaxed), 500);
    let page = devices::page(&mut store.read().await.unwrap(), "", "", 1_000).await.unwrap();
    assert_eq!(page.len(), 500);
}

on_both_engines!(readers_cannot_write);
async fn readers_cannot_write(scratch: Scratch) {
    let store = scratch.open().await;
    assert!(devices::insert(&mut store.read().await.unwrap(), &device(1)).await.is_err());
}

on_both_engines!(states_of_many_devices_are_written_at_once_and_keep_what_is_not_told_again);
async fn states_of_many_devices_are_written_at_once_and_keep_what_is_not_told_again(scratch: Scratch) {
    let store = scratch.open().await;
    for number in 0..450 {
        add(&store, number).await.unwrap();
    }
    let change = |model: Option<&str>, at| DeviceChange {
        registered: Some(true),
        model: model.map(str::to_owned),
        last_seen_at: Some(at),
        ..DeviceChange::default()
    };
    for (model, at) in [(Some("GM01Q"), 1), (None, 2)] {
        // One device more than exist: it was removed meanwhile.
        let changes: Vec<_> = (0..451).map(|number| (device(number).id, change(model, at))).collect();
        write_changes(&store, changes).await;
    }
    let page = devices::page(&mut store.read().await.unwrap(), "METER 44", "", 1_000).await.unwrap();
    assert_eq!(page.len(), 11);
    let expect = DeviceState {
        registered: true,
        model: Some("GM01Q".to_owned()),
        last_seen_at: 2,
        ..DeviceState::default()
    };
    for device in page {
        assert_eq!(device.state, Some(expect.clone()));
    }
}

async fn write_changes(store: &Store, changes: Vec<(String, DeviceChange)>) {
    let write = store.write(move |connection| {
        Box::pin(async move { Ok::<_, StoreError>(devices::write_changes(connection, &changes).await?) })
    });
    write.await.unwrap();
}

on_both_engines!(a_warning_keeps_what_the_device_said_and_goes_with_an_empty_one);
async fn a_warning_keeps_what_the_device_said_and_goes_with_an_empty_one(scratch: Scratch) {
    let store = scratch.open().await;
    add(&store, 1).await.unwrap();
    let heard = DeviceChange {
        address: Some("coaps://192.0.2.7:1".to_owned()),
        lifetime_seconds: Some(60),
        last_seen_at: Some(2),
        ..DeviceChange::default()
    };
    let warning = |text: &str| DeviceChange { warning: Some(text.to_owned()), ..DeviceChange::default() };
    for (change, expect) in [(heard, None), (warning("odd"), Some("odd")), (warning(""), None)] {
        write_changes(&store, vec![(device(1).id, change)]).await;
        let stored = devices::by_endpoint(&mut store.read().await.unwrap(), &device(1).endpoint).await;
        let state = stored.unwrap().unwrap().state.unwrap();
        assert_eq!(
            (&*state.address, state.lifetime_seconds, state.last_seen_at),
            ("coaps://192.0.2.7:1", 60, 2)
        );
        assert_eq!(state.warning.as_deref(), expect);
    }
}

on_both_engines!(sec_n08_a_text_with_a_zero_keeps_no_other_from_being_stored);
async fn sec_n08_a_text_with_a_zero_keeps_no_other_from_being_stored(scratch: Scratch) {
    let store = scratch.open().await;
    let mut changes = Vec::new();
    for (number, model) in [(1, "GM\0Q"), (2, "GM02S")] {
        add(&store, number).await.unwrap();
        let model = Some(model.to_owned());
        changes.push((device(number).id, DeviceChange { model, ..DeviceChange::default() }));
    }
    write_changes(&store, changes).await;
    let page = devices::page(&mut store.read().await.unwrap(), "", "", 10).await.unwrap();
    let models: Vec<_> = page.into_iter().map(|device| device.state.unwrap().model.unwrap()).collect();
    assert_eq!(models, ["GM\u{FFFD}Q", "GM02S"]);
}

on_both_engines!(pages_have_the_same_order_on_both_engines);
async fn pages_have_the_same_order_on_both_engines(scratch: Scratch) {
    let store = scratch.open().await;
    let names = ["B", "_", "a", "z", "\u{c4}", "\u{e4}"];
    for (number, name) in names.into_iter().rev().enumerate() {
        let device = Device { endpoint: name.to_owned(), name: name.to_owned(), ..device(number) };
        let write = store.write(move |connection| {
            Box::pin(async move { Ok::<_, StoreError>(devices::insert(connection, &device).await?) })
        });
        write.await.unwrap();
    }
    let reader = &mut store.read().await.unwrap();
    let page = devices::page(reader, "", "", 10).await.unwrap();
    assert_eq!(page.iter().map(|device| &*device.endpoint).collect::<Vec<_>>(), names);
    assert_eq!(devices::page(reader, "", "_", 10).await.unwrap().len(), 4);
    for (search, found) in [("A", 1), ("b", 1), ("\u{c4}", 1), ("\u{e4}", 1)] {
        assert_eq!(devices::page(reader, search, "", 10).await.unwrap().len(), found, "{search}");
    }
}

on_both_engines!(events_that_are_given_again_are_there_once);
async fn events_that_are_given_again_are_there_once(scratch: Scratch) {
    let store = scratch.open().await;
    add(&store, 1).await.unwrap();
    let event = |number| upgrade_events::UpgradeEvent {
        number,
        at: Moment(number),
        kind: "stage".to_owned(),
        stage: "waiting".to_owned(),
        attempt: 1,
        detail: String::new(),
    };
    let write = store.write(move |connection| {
        Box::pin(async move {
            let package = "INSERT INTO packages (id, domain, name, description, file_name, version, has_header, \
                size_bytes, sha256, created_at) VALUES ('p', '/', 'p', '', 'p', '1', 0, 1, '', 0)";
            sqlx::query(package).execute(&mut *connection).await?;
            let upgrade = "INSERT INTO upgrades (id, device_id, number, package_id, delivery, observe, \
                timeout_seconds, stage, attempt, cancel_wanted, bytes_sent, retransmissions, last_event, \
                created_at) VALUES (7, 'id-0001', 1, 'p', 'pull', 1, 1, 'waiting', 1, 0, 0, 0, 0, 0)";
            sqlx::query(upgrade).execute(&mut *connection).await?;
            let (first, second) = (event(1), event(2));
            let key = upgrades::UpgradeKey(7);
            upgrade_events::insert(connection, &[(key, &first)]).await?;
            // The last one is of an upgrade that was removed meanwhile.
            let again = [(key, &first), (key, &second), (upgrades::UpgradeKey(8), &first)];
            upgrade_events::insert(connection, &again).await?;
            Ok::<_, StoreError>(upgrade_events::after(connection, key, 0, 10).await?)
        })
    });
    assert_eq!(write.await.unwrap(), [event(1), event(2)]);
}

on_both_engines!(a_device_keeps_its_newest_thousand_values);
async fn a_device_keeps_its_newest_thousand_values(scratch: Scratch) {
    let store = scratch.open().await;
    add(&store, 1).await.unwrap();
    let value = |number: i64, at: i64| {
        let path = format!("/31000/{number}");
        let value =
            values::DeviceValue { path, kind: "integer".to_owned(), value: at.to_string(), at: Moment(at) };
        (device(1).id, value)
    };
    let write = |values: Vec<_>| {
        store.write(move |connection| {
            Box::pin(async move { Ok::<_, StoreError>(values::write(connection, &values).await?) })
        })
    };
    write((0..1_001).map(|number| value(number, 10 + number)).collect()).await.unwrap();
    // Older than what is known, and newer.
    write(vec![value(5, 1), value(6, 5_000)]).await.unwrap();
    let kept = values::of_device(&mut store.read().await.unwrap(), &device(1).endpoint).await.unwrap();
    assert_eq!(kept.len(), values::PER_DEVICE as usize);
    let of = |path: &str| kept.iter().find(|value| value.path == path).map(|value| value.at.0);
    assert_eq!((of("/31000/0"), of("/31000/5"), of("/31000/6")), (None, Some(15), Some(5_000)));
}

on_both_engines!(search_takes_every_letter_as_it_is);
async fn search_takes_every_letter_as_it_is(scratch: Scratch) {
    let store = scratch.open().await;
    add(&store, 1).await.unwrap();
    let reader = &mut store.read().await.unwrap();
    for (search, found) in [("imei", 1), ("%", 0), ("_", 0), ("\\", 0), ("'", 0)] {
        assert_eq!(devices::page(reader, search, "", 10).await.unwrap().len(), found, "{search}");
    }
}

on_both_engines!(a_database_of_a_newer_version_is_refused_with_the_remedy);
async fn a_database_of_a_newer_version_is_refused_with_the_remedy(scratch: Scratch) {
    let store = scratch.open().await;
    let newer = store.write(|connection| {
        Box::pin(async move {
            sqlx::query("INSERT INTO schema_steps VALUES (99, 0)").execute(connection).await?;
            Ok::<_, StoreError>(())
        })
    });
    newer.await.unwrap();
    store.close().await;
    let error = Store::open(&scratch.location(), &WallClock::system()).await.unwrap_err();
    assert!(error.to_string().contains("schema 99"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("updraft.db");
    std::fs::write(&path, "x".repeat(5_000)).unwrap();
    assert!(matches!(
        Store::open(&Location::File(path), &WallClock::system()).await,
        Err(OpenError::Open { .. })
    ));
}

#[tokio::test]
async fn damage_is_found_after_an_unclean_stop() {
    let scratch = Scratch::sqlite();
    let store = scratch.open().await;
    for number in 0..200 {
        add(&store, number).await.unwrap();
    }
    store.close().await;
    // A row in the table and not in its index, as a torn page leaves it; and no note of a clean stop.
    let mut connection = scratch.connect().await;
    let damage = "PRAGMA writable_schema = ON; \
        UPDATE sqlite_schema SET sql = replace(sql, '(endpoint)', '(name)') WHERE name = 'devices_endpoint';";
    sqlx::raw_sql(damage).execute(&mut connection).await.unwrap();
    properties::set_stopped_cleanly(&mut connection, false).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    let error = Store::open(&scratch.location(), &WallClock::system()).await.unwrap_err();
    assert!(matches!(error, OpenError::Damaged(_)), "{error}");
}

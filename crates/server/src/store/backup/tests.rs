use std::io::Cursor;

use super::format::Value;
use super::*;
use crate::clock::Moment;
use crate::config::PackageStore;
use crate::size::ByteCount;
use crate::store::filled::{content, fill, tables};
use crate::store::scratch::{Scratch, on_both_engines};
use crate::store::{ImageHash, Images, Limits, catalog, migrate, properties};

const MADE_AT: Moment = Moment(1_750_000_000_000_000);
const NOW: Moment = Moment(1_760_000_000_000_000);

async fn images(scratch: &Scratch) -> Images {
    let limits = Limits { max_size: ByteCount(1 << 20), storage: None, reserve: ByteCount(0) };
    Images::open(scratch.path(), &PackageStore::Folder, limits).await.unwrap()
}

async fn keep(images: &Images, bytes: &[u8]) -> ImageHash {
    let mut incoming = images.receive(None).await.unwrap();
    incoming.write(bytes).unwrap();
    incoming.keep().await.unwrap()
}

async fn execute(connection: &mut sqlx::AnyConnection, text: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(connection).await.unwrap();
}

async fn dumped(scratch: &Scratch) -> (Dumped, Vec<u8>) {
    let (mut connection, images) = (scratch.connect().await, images(scratch).await);
    dump(&mut connection, (&images, scratch.path()), Vec::new(), MADE_AT, |_| ()).await.unwrap()
}

async fn loaded(scratch: &Scratch, backup: Vec<u8>) -> Result<Loaded, BackupError> {
    let mut reader = Reader::open(Cursor::new(backup), |_| ())?;
    let (mut connection, images) = (scratch.connect().await, images(scratch).await);
    load(&mut connection, (&images, scratch.path()), &mut reader, ("this", NOW), |_| ()).await
}

async fn text(connection: &mut sqlx::AnyConnection, query: &'static str) -> Option<String> {
    sqlx::Row::try_get(&sqlx::query(query).fetch_one(connection).await.unwrap(), 0).unwrap()
}

on_both_engines!(everything_comes_back_also_on_the_other_engine);
async fn everything_comes_back_also_on_the_other_engine(scratch: Scratch) {
    scratch.open().await.close().await;
    let mut connection = scratch.connect().await;
    fill(&mut connection).await;
    let large = vec![7; 200_000];
    let kept = images(&scratch).await;
    let hashes = [keep(&kept, &large).await, keep(&kept, b"small").await];
    let update = |hash, id| format!("UPDATE packages SET sha256 = '{hash}' WHERE id = 'id-{id}'");
    execute(&mut connection, update(hashes[0], 1)).await;
    execute(&mut connection, update(hashes[1], 2)).await;
    execute(&mut connection, update(hashes[1], 3)).await;
    execute(
        &mut connection,
        "UPDATE upgrades SET finished_at = NULL, outcome = NULL WHERE id = 2".to_owned(),
    )
    .await;
    std::fs::write(scratch.path().join(SEALED_FILES[0]), b"sealed").unwrap();
    let mut tables = tables(&mut connection).await;
    tables.retain(|table| !["registrations", "upgrades", "upgrade_events"].contains(&&*table.name));
    let before = content(&mut connection, &tables).await;
    drop(connection);

    // There and back again: from each engine to each.
    let (there, back) = (Scratch::sqlite(), scratch.another().await);
    let (first, backup) = dumped(&scratch).await;
    assert_eq!((first.count.images, first.lost.len()), (2, 0));
    let taken = loaded(&there, backup).await.unwrap();
    assert_eq!((taken.count, taken.unfinished_upgrades), (first.count, 1));
    loaded(&back, dumped(&there).await.1).await.unwrap();
    for place in [&there, &back] {
        // What a server says to it.
        place.open().await.close().await;
        let mut connection = place.connect().await;
        assert_eq!(content(&mut connection, &tables).await, before);
        let images = images(place).await;
        assert_eq!(images.read(hashes[0], ByteCount(large.len() as u64)).await.unwrap(), large);
        assert_eq!(images.read(hashes[1], ByteCount(5)).await.unwrap(), b"small");
        assert_eq!(std::fs::read(place.path().join(SEALED_FILES[0])).unwrap(), b"sealed");
        let registrations = text(&mut connection, "SELECT CAST(count(*) AS TEXT) FROM registrations").await;
        assert_eq!(registrations.as_deref(), Some("0"), "devices register again");
        let stage = text(&mut connection, "SELECT stage FROM upgrades WHERE id = 2 AND record IS NULL").await;
        assert_eq!(stage.as_deref(), Some("waiting"));
        let ended = text(&mut connection, "SELECT stage FROM upgrades WHERE id = 1").await;
        assert_eq!(ended.as_deref(), Some("stage 1 \u{e9}"), "what had ended has ended");
        let told = "SELECT detail FROM upgrade_events WHERE upgrade_id = 2 AND kind = 'restored' LIMIT 1";
        assert!(text(&mut connection, told).await.unwrap().contains("2025-06-15T15:06:40"));
        assert!(was_loaded(&mut connection, "this").await.unwrap());
    }
}

on_both_engines!(a_backup_is_of_one_moment_while_others_write);
async fn a_backup_is_of_one_moment_while_others_write(scratch: Scratch) {
    let store = scratch.open().await;
    let add = |number: usize| {
        store.write(move |connection| {
            Box::pin(async move {
                let device = format!(
                    "INSERT INTO devices (id, domain, endpoint, name, security, last_upgrade_number, created_at) \
                     VALUES ('{number}', '/', '{number}', '', 'none', 0, 0)"
                );
                execute(connection, device).await;
                let value = format!(
                    "INSERT INTO device_values (device_id, path, kind, value, at) VALUES ('{number}', '/3/0/0', 'text', '', 0)"
                );
                execute(connection, value).await;
                Ok::<_, crate::store::StoreError>(())
            })
        })
    };
    for number in 0..300 {
        add(number).await.unwrap();
    }
    let more = async {
        for number in 300..600 {
            add(number).await.unwrap();
        }
    };
    let ((_, backup), ()) = tokio::join!(dumped(&scratch), more);
    let target = scratch.another().await;
    loaded(&target, backup).await.unwrap();
    let mut connection = target.connect().await;
    let devices = text(&mut connection, "SELECT CAST(count(*) AS TEXT) FROM devices").await;
    let values = text(&mut connection, "SELECT CAST(count(*) AS TEXT) FROM device_values").await;
    assert_eq!(devices, values, "a device and its value are one change");
    assert!((300..600).contains(&devices.unwrap().parse::<u32>().unwrap()));
    store.close().await;
}

on_both_engines!(f48_a_backup_of_every_older_schema_is_brought_up_to_date);
async fn f48_a_backup_of_every_older_schema_is_brought_up_to_date(scratch: Scratch) {
    let known = migrate::known();
    for schema in 1..known {
        let old = scratch.another().await;
        let mut connection = old.connect().await;
        migrate::raise(&mut connection, schema, MADE_AT).await.unwrap();
        fill(&mut connection).await;
        let mut tables = tables(&mut connection).await;
        tables.retain(|table| table.name != "registrations");
        let before = content(&mut connection, &tables).await;
        let (made, backup) = dumped(&old).await;
        assert_eq!(made.header.schema, schema);
        let target = scratch.another().await;
        loaded(&target, backup).await.unwrap();
        let mut connection = target.connect().await;
        assert_eq!(migrate::version(&mut connection).await.unwrap(), known);
        assert_eq!(content(&mut connection, &tables).await, before, "schema {schema}");
    }
}

on_both_engines!(what_cannot_be_taken_up_leaves_nothing);
async fn what_cannot_be_taken_up_leaves_nothing(scratch: Scratch) {
    let header = |schema| Header { schema, made_by: "0".to_owned(), made_at: 0, key_check: None };
    let known = migrate::known();
    let end = |writer: Writer<Vec<u8>>, rows| writer.finish(&Count { rows, ..Count::default() }).unwrap();
    let newer = end(Writer::new(Vec::new(), &header(known + 1)).unwrap(), 0);
    assert!(matches!(loaded(&scratch, newer).await, Err(BackupError::NewerSchema { .. })));
    // One row is said to be there that is not, in a backup that is otherwise right.
    let other = scratch.another().await;
    let mut connection = other.connect().await;
    migrate::raise(&mut connection, known, MADE_AT).await.unwrap();
    let models = catalog::tables(&mut connection).await.unwrap();
    let models = models.into_iter().find(|table| table.name == "object_models").unwrap();
    let mut writer = Writer::new(Vec::new(), &header(known)).unwrap();
    writer.table(&format::TableHead { name: models.name, columns: models.columns }).unwrap();
    let texts = ["1.0", "<xml/>"].map(|text| Value::Text(text.to_owned()));
    let [version, definition] = texts;
    writer.row(&[Value::Integer(3), version, definition, Value::Integer(0)]).unwrap();
    assert!(matches!(loaded(&scratch, end(writer, 2)).await, Err(BackupError::Malformed)));
    // A table that is none of ours.
    let mut writer = Writer::new(Vec::new(), &header(known)).unwrap();
    let columns = vec![];
    writer.table(&format::TableHead { name: "schema_steps".to_owned(), columns }).unwrap();
    assert!(matches!(loaded(&scratch, end(writer, 0)).await, Err(BackupError::Malformed)));
    assert!(catalog::is_empty(&mut scratch.connect().await).await.unwrap());
}

on_both_engines!(a_missing_or_damaged_file_is_told_and_the_rest_is_saved);
async fn a_missing_or_damaged_file_is_told_and_the_rest_is_saved(scratch: Scratch) {
    scratch.open().await.close().await;
    let mut connection = scratch.connect().await;
    fill(&mut connection).await;
    let hash = keep(&images(&scratch).await, b"image").await;
    execute(&mut connection, format!("UPDATE packages SET sha256 = '{hash}' WHERE id = 'id-1'")).await;
    drop(connection);
    assert_eq!(dumped(&scratch).await.0.lost.len(), 2, "the other two packages have no file");
    std::fs::write(scratch.path().join("images").join(hash.to_string()), b"imagE").unwrap();
    let (made, backup) = dumped(&scratch).await;
    assert_eq!((made.lost.len(), made.count.images), (3, 0));
    assert!(made.count.rows > 30);
    loaded(&scratch.another().await, backup).await.unwrap();
}

on_both_engines!(facts_about_the_copy_stay_with_it);
async fn facts_about_the_copy_stay_with_it(scratch: Scratch) {
    scratch.open().await.close().await;
    let mut connection = scratch.connect().await;
    properties::set_key_check(&mut connection, "check").await.unwrap();
    properties::set_stopped_cleanly(&mut connection, false).await.unwrap();
    drop(connection);
    let (made, backup) = dumped(&scratch).await;
    assert_eq!(made.header.key_check.as_deref(), Some("check"));
    let target = scratch.another().await;
    loaded(&target, backup).await.unwrap();
    let mut connection = target.connect().await;
    assert!(properties::stopped_cleanly(&mut connection).await.unwrap());
    assert_eq!(properties::key_check(&mut connection).await.unwrap().as_deref(), Some("check"));
}

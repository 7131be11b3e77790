//! Whether a data folder is one that a server can go on with, and has what was acknowledged.

use std::path::Path;

use server::ByteCount;
use server::clock::WallClock;
use server::config::PackageStore;
use server::secrets::{Vault, read_key_file};
use server::store::check::check;
use server::store::upgrades::{self, parse_history_id};
use server::store::{Images, Limits, Location, Store, devices, packages, properties};

/// The device that is removed while the server runs.
pub const REMOVED: &str = "more-0-1";

/// Opens what the disk holds, as the next start of the server does, and looks for everything that was marked.
pub fn verify(folder: &Path, marks: &[&str]) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads");
    runtime.block_on(verify_all(folder, marks))
}

async fn verify_all(folder: &Path, marks: &[&str]) -> Result<(), String> {
    let database = folder.join("updraft.db");
    if marks.is_empty() && !database.exists() {
        return Ok(());
    }
    let key_file = read_key_file(&folder.join("key-encryption.key"));
    let key = key_file.map_err(|error| format!("the key file: {error:?}"))?;
    let limits = Limits { max_size: ByteCount(1 << 30), storage: None, reserve: ByteCount(0) };
    let images = Images::open(folder, &PackageStore::Folder, limits).await;
    let images = images.map_err(|error| format!("the images: {error:?}"))?;
    let opened = Store::open(&Location::File(database), &WallClock::system()).await;
    let opened = opened.map_err(|error| format!("the database: {error:?}"))?;
    let mut reader = opened.read().await.map_err(|error| format!("{error:?}"))?;
    let checked = check(&mut reader, Some(&Vault::new(key)), &images).await;
    let checked = checked.map_err(|error| format!("the check: {error:?}"))?;
    drop(reader);
    if !checked.is_whole() {
        return Err(format!("{:?}", checked.findings));
    }
    for mark in marks {
        match is_there(&opened, mark).await {
            Ok(true) => {}
            Ok(false) => return Err(format!("{mark:?} was acknowledged")),
            Err(error) => return Err(format!("{mark}: {error:?}")),
        }
    }
    opened.close().await;
    Ok(())
}

async fn is_there(store: &Store, mark: &str) -> Result<bool, Box<dyn std::error::Error>> {
    let reader = &mut *store.read().await?;
    let (kind, name) = mark.split_once(' ').expect("every mark has a kind");
    Ok(match kind {
        // It was removed meanwhile, maybe; that has a mark of its own.
        "device" if name == REMOVED => true,
        "device" => devices::by_endpoint(reader, name).await?.is_some(),
        "gone" => devices::by_endpoint(reader, name).await?.is_none(),
        "package" => {
            let filter = packages::Filter { name: name.to_owned(), ..packages::Filter::default() };
            !packages::page(reader, &filter, "", 1).await?.is_empty()
        }
        "life" => {
            let life = properties::life(reader).await?.unwrap_or_default();
            let number = |text: &str| text.split(' ').next().and_then(|number| number.parse::<i64>().ok());
            number(&life) >= number(name)
        }
        "upgrade" | "intent" | "ended" => {
            let (endpoint, number) = parse_history_id(name).expect("it is one");
            let upgrade = upgrades::by_number(reader, endpoint, number).await?;
            let record = upgrade.as_ref().and_then(|upgrade| upgrade.progress.record.clone());
            let record = String::from_utf8(record.unwrap_or_default()).expect("it is text");
            match kind {
                "upgrade" => upgrade.is_some(),
                "intent" => record.lines().any(|line| line.starts_with("executes ") && line != "executes 0"),
                _ => upgrade.is_some_and(|upgrade| upgrade.end.is_some()),
            }
        }
        other => panic!("unknown mark {other}"),
    })
}

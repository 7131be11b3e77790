//! What the store writes in a second, on both engines in one run.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, anyhow, ensure};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use server::clock::{Moment, WallClock};
use server::store::devices::{self, Device};
use server::store::registrations::{self, Registration};
use server::store::{Location, ROOT_DOMAIN, Store, StoreError};
use xtask::postgres::Cluster;

/// How changes come to the store.
#[derive(Clone, Copy, Serialize, Debug)]
#[serde(rename_all = "kebab-case")]
enum Manner {
    /// Each after the one before was acknowledged: one commit a row.
    OneByOne,
    /// 1,024 callers at once, each with one row: they share commits.
    Together,
    /// One change with all rows, in multi-row statements.
    InOne,
}

impl Manner {
    const ALL: [(Self, &'static str, usize); 3] = [
        (Self::OneByOne, "one by one", 200),
        (Self::Together, "1,024 callers at once", 10_000),
        (Self::InOne, "one change, multi-row", 10_000),
    ];
}

/// What was measured of one manner on one engine.
#[derive(Serialize, Debug)]
struct Figure {
    engine: &'static str,
    manner: Manner,
    name: &'static str,
    /// Median of the rounds.
    rows_per_second: f64,
    /// Lowest and highest round.
    range: (f64, f64),
    /// The same divided by that of one by one on the same engine.
    ratio: f64,
}

/// Devices whose registrations are written.
const DEVICES: usize = 10_000;

/// Measures and prints. Each round does everything on both engines, one after the other.
pub fn run(rounds: usize, json: bool) -> anyhow::Result<()> {
    ensure!((1..=100).contains(&rounds), "--rounds must be from 1 to 100");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // Beside the programs, so on a disk and not in memory.
    let programs = std::env::current_exe()?;
    let parent = programs.parent().context("a program is in a folder")?;
    let folder = tempfile::tempdir_in(parent)?;
    // As it is installed: what is committed is on the disk.
    let cluster = Cluster::start_with(parent, "").map_err(|failure| anyhow!("{failure}"))?;
    let figures = runtime.block_on(measure(folder.path(), &cluster, rounds))?;
    if json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        print!("{}", table(&figures));
    }
    Ok(())
}

async fn measure(folder: &Path, cluster: &Cluster, rounds: usize) -> anyhow::Result<Vec<Figure>> {
    let places = [
        ("SQLite", Location::File(folder.join("updraft.db"))),
        ("PostgreSQL", Location::Server(cluster.url().parse()?)),
    ];
    let mut engines = Vec::new();
    for (engine, location) in places {
        let store = Store::open(&location, &WallClock::system()).await?;
        fill(&store).await?;
        engines.push((engine, store));
    }
    let mut seen = vec![Vec::new(); engines.len() * Manner::ALL.len()];
    // The first round fills caches and is not counted.
    for round in 0..=rounds {
        let mut place = seen.iter_mut();
        for (_, store) in &engines {
            for (manner, _, rows) in Manner::ALL {
                let figure = rows as f64 / seconds(write(store, manner, rows, round)).await?;
                if let Some(place) = place.next().filter(|_| round > 0) {
                    place.push(figure);
                }
            }
        }
    }
    for (_, store) in &engines {
        store.close().await;
    }
    Ok(figures(engines.iter().map(|(engine, _)| *engine), seen))
}

fn figures(engines: impl Iterator<Item = &'static str>, seen: Vec<Vec<f64>>) -> Vec<Figure> {
    let mut seen = seen.into_iter();
    let mut figures = Vec::new();
    for engine in engines {
        let mut single = None;
        for (manner, name, _) in Manner::ALL {
            let mut rounds = seen.next().unwrap_or_default();
            rounds.sort_by(f64::total_cmp);
            let median = rounds.get(rounds.len() / 2).copied().unwrap_or_default();
            let range =
                (rounds.first().copied().unwrap_or_default(), rounds.last().copied().unwrap_or_default());
            let ratio = median / *single.get_or_insert(median);
            figures.push(Figure { engine, manner, name, rows_per_second: median, range, ratio });
        }
    }
    figures
}

fn table(figures: &[Figure]) -> String {
    let mut table =
        String::from("store        rows                         rows/s  × one by one  rounds (rows/s)\n");
    for figure in figures {
        let Figure { engine, name, rows_per_second, ratio, range, .. } = figure;
        table += &format!(
            "{engine:<12} {name:<24} {rows_per_second:>10.0} {ratio:>13.1}  {:.0}..{:.0}\n",
            range.0, range.1
        );
    }
    table
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
async fn seconds(work: impl Future<Output = Result<(), StoreError>>) -> Result<f64, StoreError> {
    let start = Instant::now();
    work.await?;
    Ok(start.elapsed().as_secs_f64())
}

fn id(number: usize) -> String {
    format!("0199aaaa-0000-7000-8000-{number:012x}")
}

async fn fill(store: &Store) -> Result<(), StoreError> {
    let change = store.write(|connection| {
        Box::pin(async move {
            for number in 0..DEVICES {
                let device = Device {
                    id: id(number),
                    domain: ROOT_DOMAIN.to_owned(),
                    endpoint: format!("urn:imei:{number:015}"),
                    name: String::new(),
                    security: "psk".to_owned(),
                    created_at: Moment(0),
                    state: None,
                    identity: None,
                    key_prefix: None,
                    staged: None,
                    bootstrap: None,
                    product_id: None,
                };
                devices::insert(connection, &device).await?;
            }
            Ok::<_, StoreError>(())
        })
    });
    change.await
}

/// A registration as a device with a plain session leaves it.
fn registration(number: usize, round: usize) -> Registration {
    let snapshot = vec![round as u8; 120];
    Registration { device_id: id(number), shard: 0, snapshot, session: None, life: 1 }
}

async fn write(store: &Store, manner: Manner, rows: usize, round: usize) -> Result<(), StoreError> {
    let rows = (0..rows).map(|number| registration(number % DEVICES, round));
    match manner {
        Manner::OneByOne => {
            for row in rows {
                write_rows(store, vec![row]).await?;
            }
            Ok(())
        }
        Manner::Together => {
            const CALLERS: usize = 1_024;
            let mut waiting = FuturesUnordered::new();
            for row in rows {
                if waiting.len() >= CALLERS
                    && let Some(done) = waiting.next().await
                {
                    done?;
                }
                waiting.push(write_rows(store, vec![row]));
            }
            while let Some(done) = waiting.next().await {
                done?;
            }
            Ok(())
        }
        Manner::InOne => write_rows(store, rows.collect()).await,
    }
}

async fn write_rows(store: &Store, rows: Vec<Registration>) -> Result<(), StoreError> {
    let change = store
        .write(move |connection| Box::pin(async move { Ok(registrations::write(connection, &rows).await?) }));
    change.await
}

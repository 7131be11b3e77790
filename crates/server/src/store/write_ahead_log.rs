//! Keeps the write-ahead log of SQLite small.
//!
//! SQLite begins its log anew only when nobody reads it. Where somebody always does, it would grow for ever:
//! so the writer stops now and then until those who read old pages are done, copies what is left into the
//! database and empties the log. Those who begin to read meanwhile are not in the way.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::AnyConnection;

use super::Location;
use super::dialect;

/// Longest time that changes stay in the log alone.
const EVERY: Duration = Duration::from_secs(60);
/// The size at which the log is emptied at once. SQLite itself tries at 4 MiB.
const LIMIT: u64 = 16 << 20;
/// How long after somebody was in the way the next try is, such as a backup that reads for minutes.
const PAUSE: Duration = Duration::from_secs(1);

/// The log of a database; of PostgreSQL there is none to care for.
#[derive(Debug)]
pub struct WriteAheadLog {
    path: Option<PathBuf>,
    has_changes: bool,
    emptied: Instant,
    not_before: Instant,
}

impl WriteAheadLog {
    pub fn of(location: &Location) -> Self {
        let path = match location {
            Location::File(path) => {
                let mut path = path.clone().into_os_string();
                path.push("-wal");
                Some(PathBuf::from(path))
            }
            Location::Server(_) => None,
        };
        let now = now();
        Self { path, has_changes: false, emptied: now, not_before: now }
    }

    /// How long to wait for changes before it is emptied.
    pub fn patience(&self) -> Duration {
        // Without changes there is nothing to do; a wake-up a day costs nothing.
        if self.has_changes && self.path.is_some() { EVERY } else { Duration::from_secs(86_400) }
    }

    /// After a transaction.
    pub async fn changed(&mut self, connection: &mut AnyConnection) {
        self.has_changes = true;
        let Some(path) = &self.path else { return };
        let now = now();
        if now >= self.not_before && (now >= self.emptied + EVERY || size(path) >= LIMIT) {
            self.empty(connection).await;
        }
    }

    /// Empties it, if nobody is in the way for long.
    pub async fn empty(&mut self, connection: &mut AnyConnection) {
        if self.path.is_none() || !self.has_changes {
            return;
        }
        let emptied = dialect::empty_log(connection).await;
        let now = now();
        match emptied {
            Ok(true) => {
                self.has_changes = false;
                self.emptied = now;
            }
            Ok(false) => {
                self.not_before = now + PAUSE;
                tracing::debug!("somebody reads what is in the write-ahead log; it is emptied later");
            }
            Err(error) => {
                self.not_before = now + PAUSE;
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the write-ahead log is not emptied"
                );
            }
        }
    }
}

/// Zero if there is none.
fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[expect(clippy::disallowed_methods, reason = "when to tidy up; nothing that is stored depends on it")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use super::*;
    use crate::clock::Moment;
    use crate::store::scratch::Scratch;
    use crate::store::{Store, StoreError, object_models};

    /// What one change writes.
    const CHANGE: usize = 400_000;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_stays_small_although_somebody_always_reads() {
        let scratch = Scratch::sqlite();
        let store = scratch.open().await;
        let done = Arc::new(AtomicBool::new(false));
        let reader = tokio::spawn(always_reading(store.clone(), done.clone()));
        let log = scratch.path().join("updraft.db-wal");
        let largest = AtomicU64::new(0);
        for number in 0..150 {
            write(&store, number).await;
            largest.fetch_max(size(&log), Ordering::Relaxed);
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.await.unwrap() > 10, "it was read all the time");
        let largest = largest.into_inner();
        assert!(largest < LIMIT + 2 * CHANGE as u64, "{largest} bytes");
        assert!(largest > LIMIT / 2, "the test writes enough: {largest} bytes");
        store.close().await;
    }

    async fn write(store: &Store, number: i64) {
        let write = store.write(move |connection| {
            let model = object_models::ObjectModel {
                object: number,
                version: "1.0".to_owned(),
                definition: "x".repeat(CHANGE),
                added_at: Moment(1),
            };
            Box::pin(async move { Ok::<_, StoreError>(object_models::put(connection, &model).await?) })
        });
        write.await.unwrap();
    }

    /// Begins to read before it ends to read. Gives how often.
    async fn always_reading(store: Store, done: Arc<AtomicBool>) -> u32 {
        let mut before = None;
        let mut times = 0;
        while !done.load(Ordering::Relaxed) {
            let mut reader = store.read().await.unwrap();
            let begin = "BEGIN; SELECT count(*) FROM object_models";
            sqlx::raw_sql(begin).execute(&mut *reader).await.unwrap();
            if let Some(mut ended) = before.replace(reader) {
                sqlx::raw_sql("COMMIT").execute(&mut *ended).await.unwrap();
            }
            times += 1;
        }
        times
    }
}

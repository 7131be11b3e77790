//! Databases for tests, one for each test and engine.
//!
//! ```text
//! on_both_engines!(what_it_shows);
//! async fn what_it_shows(scratch: Scratch) { .. }
//! ```
//! The tests for PostgreSQL need a server; `UPDRAFT_TEST_POSTGRES` is its address, and each test makes a
//! schema of its own in it.

use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, AssertSqlSafe, ConnectOptions};
use tempfile::TempDir;

use super::{Location, Store};
use crate::clock::{Moment, WallClock};

/// Makes two tests of one function: `…::on_sqlite` and `…::on_postgresql`.
macro_rules! on_both_engines {
    ($name:ident) => {
        mod $name {
            #[tokio::test]
            async fn on_sqlite() {
                super::$name($crate::store::scratch::Scratch::sqlite()).await;
            }

            #[tokio::test]
            async fn on_postgresql() {
                super::$name($crate::store::scratch::Scratch::postgresql().await).await;
            }
        }
    };
}
pub(crate) use on_both_engines;

/// A data folder and a database, gone with the test.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
    schema: Option<Schema>,
}

/// A schema in the server for tests. Its name is also that under which its connections are known.
#[derive(Debug)]
struct Schema {
    server: String,
    name: String,
}

impl Scratch {
    pub(crate) fn sqlite() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), schema: None }
    }

    pub(crate) async fn postgresql() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var("UPDRAFT_TEST_POSTGRES").expect(
            "UPDRAFT_TEST_POSTGRES is the address of a PostgreSQL server for tests; `cargo xtask test` starts \
             one and sets it, and so does `cargo xtask with-postgres COMMAND`",
        );
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let schema = Schema { server, name: format!("test_{}_{count}", std::process::id()) };
        schema.execute(format!("CREATE SCHEMA {}", schema.name)).await.unwrap();
        Self { folder: tempfile::tempdir().unwrap(), schema: Some(schema) }
    }

    /// The data folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn location(&self) -> Location {
        match &self.schema {
            None => Location::File(self.path().join("updraft.db")),
            Some(schema) => Location::Server(schema.url().parse().unwrap()),
        }
    }

    /// Opens the database at a moment that never changes.
    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.location(), &WallClock::from_fn(|| Moment(1))).await.unwrap()
    }

    /// A new one on the same engine.
    pub(crate) async fn another(&self) -> Self {
        if self.schema.is_some() { Self::postgresql().await } else { Self::sqlite() }
    }

    /// What makes a table refuse updates.
    pub(crate) fn refuse_updates(&self, table: &str) -> String {
        if self.schema.is_some() {
            format!(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'refused'; END $$; \
                 CREATE TRIGGER refuse BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        } else {
            format!(
                "CREATE TRIGGER refuse BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, 'refused'); END"
            )
        }
    }

    /// What takes that back.
    pub(crate) fn allow_updates(&self, table: &str) -> String {
        if self.schema.is_some() {
            format!("DROP TRIGGER refuse ON {table}; DROP FUNCTION refuse")
        } else {
            "DROP TRIGGER refuse".to_owned()
        }
    }

    /// A connection that goes around the store.
    pub(crate) async fn connect(&self) -> AnyConnection {
        super::dialect::connect_writer(&self.location()).await.unwrap()
    }
}

impl Schema {
    fn url(&self) -> String {
        let Self { server, name } = self;
        let separator = if server.contains('?') { '&' } else { '?' };
        format!("{server}{separator}options=-csearch_path%3D{name}&application_name={name}")
    }

    async fn execute(&self, text: String) -> sqlx::Result<()> {
        sqlx::any::install_default_drivers();
        let options = AnyConnectOptions::from_str(&self.server)?.disable_statement_logging();
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut options.connect().await?).await?;
        Ok(())
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let name = &self.name;
        let text = format!(
            "SET lock_timeout = '5s'; SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE application_name = '{name}'; DROP SCHEMA {name} CASCADE"
        );
        // A runtime of its own, since that of the test cannot be waited for here.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                if let Err(error) = runtime.block_on(self.execute(text)) {
                    eprintln!("the schema {name} is left behind: {error}");
                }
            });
        });
    }
}

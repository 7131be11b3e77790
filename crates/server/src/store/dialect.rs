//! What only SQLite needs.

use std::path::Path;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions, Row};

/// Everything but what paths are usually made of.
const OUTSIDE_PATHS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// How to open this file; it is created if missing.
pub fn options(path: &Path) -> AnyConnectOptions {
    sqlx::any::install_default_drivers();
    let path = path.to_string_lossy();
    let url = format!("sqlite://{}?mode=rwc", utf8_percent_encode(&path, OUTSIDE_PATHS));
    AnyConnectOptions::from_str(&url).expect("the path is encoded").disable_statement_logging()
}

/// The one connection that changes anything.
pub async fn connect_writer(path: &Path) -> sqlx::Result<AnyConnection> {
    let mut connection = options(path).connect().await?;
    // FULL: what was acknowledged survives a power cut. The lock is waited for, since a backup may hold it.
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                   PRAGMA busy_timeout = 5000; PRAGMA secure_delete = ON";
    sqlx::raw_sql(pragmas).execute(&mut connection).await?;
    Ok(connection)
}

/// Makes a reader unable to write.
pub async fn prepare_reader(connection: &mut AnyConnection) -> sqlx::Result<()> {
    sqlx::raw_sql("PRAGMA query_only = ON; PRAGMA busy_timeout = 5000").execute(connection).await?;
    Ok(())
}

/// How a writing transaction starts: with the lock, so that it cannot fail half way for want of it.
pub const BEGIN: &str = "BEGIN IMMEDIATE";

/// What is wrong with the database, if anything.
pub async fn integrity_fault(connection: &mut AnyConnection) -> sqlx::Result<Option<String>> {
    let answer: String =
        sqlx::query("PRAGMA integrity_check(1)").fetch_one(&mut *connection).await?.try_get(0)?;
    if answer != "ok" {
        return Ok(Some(answer));
    }
    let orphan = sqlx::query("PRAGMA foreign_key_check").fetch_optional(connection).await?;
    let table = orphan.map(|row| row.try_get::<String, _>(0)).transpose()?;
    Ok(table.map(|table| format!("a row of {table} refers to a row that does not exist")))
}

/// SQLITE_FULL.
pub fn is_disk_full(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "13")
}

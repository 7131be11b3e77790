//! What only SQLite needs.

use std::path::Path;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions, Row};

use super::Meaning;

/// Everything but what paths are usually made of.
const OUTSIDE_PATHS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// How to open this file; it is created if missing.
pub fn options(path: &Path) -> AnyConnectOptions {
    let path = path.to_string_lossy();
    let url = format!("sqlite://{}?mode=rwc", utf8_percent_encode(&path, OUTSIDE_PATHS));
    AnyConnectOptions::from_str(&url).expect("the path is encoded").disable_statement_logging()
}

pub async fn connect_writer(options: AnyConnectOptions) -> sqlx::Result<AnyConnection> {
    let mut connection = options.connect().await?;
    // FULL: what was acknowledged survives a power cut. The lock is waited for, since a backup may hold it.
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                   PRAGMA busy_timeout = 5000; PRAGMA secure_delete = ON";
    sqlx::raw_sql(pragmas).execute(&mut connection).await?;
    Ok(connection)
}

pub const PREPARE_READER: &str = "PRAGMA query_only = ON; PRAGMA busy_timeout = 5000";

/// All changes wait meanwhile, so not as long as for a lock.
pub async fn empty_log(connection: &mut AnyConnection) -> sqlx::Result<bool> {
    sqlx::raw_sql("PRAGMA busy_timeout = 200").execute(&mut *connection).await?;
    let emptied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await;
    sqlx::raw_sql("PRAGMA busy_timeout = 5000").execute(connection).await?;
    Ok(emptied?.try_get::<i64, _>(0)? == 0)
}

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

/// A result code of SQLite, extended or not.
pub fn meaning(code: &str) -> Meaning {
    match code.parse::<u32>().map(|code| code & 0xFF) {
        Ok(13) => Meaning::DiskFull,
        Ok(8) => Meaning::ReadOnly,
        Ok(5 | 6) => Meaning::Unavailable,
        _ => Meaning::Other,
    }
}

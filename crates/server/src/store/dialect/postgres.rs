//! What only PostgreSQL needs.

use std::str::FromStr;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use regex_lite::{Captures, Regex};
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions, Connection, Row};

use super::Meaning;
use crate::store::location::ServerUrl;

/// How to connect to this server.
pub fn options(url: &ServerUrl) -> sqlx::Result<AnyConnectOptions> {
    let mut options = AnyConnectOptions::from_str(url.text())?.disable_statement_logging();
    if let Some(password) = url.password() {
        let encoded = utf8_percent_encode(password, NON_ALPHANUMERIC).to_string();
        // An address without a host has no place for it but the query.
        if options.database_url.set_password(Some(&encoded)).is_err() {
            options.database_url.query_pairs_mut().append_pair("password", password);
        }
    }
    if !options.database_url.query_pairs().any(|(name, _)| name == "application_name") {
        options.database_url.query_pairs_mut().append_pair("application_name", "updraft");
    }
    Ok(options)
}

/// What was acknowledged survives a crash of the server, whatever its configuration says; one that asks for
/// more, such as a standby that has it too, is left as it is. A connection that died without a word gives the
/// lock of its transaction free.
const PREPARE_WRITER: &str = "\
    SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') IN ('off', 'local'); \
    SET idle_in_transaction_session_timeout = '10s'; \
    SET default_transaction_isolation = 'read committed'; \
    SET client_min_messages = warning";

pub const PREPARE_READER: &str = "SET default_transaction_read_only = on";

pub async fn connect_writer(options: AnyConnectOptions) -> sqlx::Result<AnyConnection> {
    let mut connection = options.connect().await?;
    sqlx::raw_sql(PREPARE_WRITER).execute(&mut connection).await?;
    let row = sqlx::query(
        "SELECT current_setting('server_encoding') AS encoding, current_setting('fsync') AS sync, \
         current_setting('full_page_writes') AS pages",
    )
    .fetch_one(&mut connection)
    .await?;
    let encoding: String = row.try_get("encoding")?;
    if encoding != "UTF8" {
        let text = format!("its encoding is {encoding}; create the database with ENCODING 'UTF8'");
        return Err(sqlx::Error::Configuration(text.into()));
    }
    for (setting, name) in [("sync", "fsync"), ("pages", "full_page_writes")] {
        if row.try_get::<String, _>(setting)? == "off" {
            tracing::warn!(
                "PostgreSQL runs with {name} = off: a power cut may damage or lose what is stored"
            );
        }
    }
    Ok(connection)
}

/// Whether there are no tables of ours.
pub async fn is_new(options: AnyConnectOptions) -> sqlx::Result<bool> {
    let mut connection = options.connect().await?;
    let row = sqlx::query("SELECT to_regclass('properties') IS NULL").fetch_one(&mut connection).await?;
    let is_new = row.try_get(0)?;
    connection.close().await?;
    Ok(is_new)
}

/// The text of a migration in PostgreSQL's words. Texts are compared byte by byte, as SQLite does: pages
/// have the same order on both, and no update of the system's languages makes an index wrong.
pub fn schema(text: &str) -> String {
    let types = Regex::new(r"(AS )?\b(TEXT|BLOB)\b").expect("it is one");
    let translate = |found: &Captures<'_>| {
        // The target of a CAST has no order.
        let cast = found.get(1).map_or("", |cast| cast.as_str());
        let name = match (&found[2], cast) {
            ("BLOB", _) => "BYTEA",
            (_, "") => "TEXT COLLATE \"C\"",
            _ => "TEXT",
        };
        format!("{cast}{name}")
    };
    types.replace_all(text, translate).into_owned()
}

/// A SQLSTATE.
pub fn meaning(code: &str) -> Meaning {
    match code {
        "53100" => Meaning::DiskFull,
        "25006" => Meaning::ReadOnly,
        // Shut down, crashed, starting up, ended by an administrator or a timeout, too many connections.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "53300" => Meaning::Unavailable,
        "40001" | "40P01" => Meaning::Conflict,
        code if code.starts_with("08") => Meaning::Unavailable,
        _ => Meaning::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_speak_in_types_of_postgresql() {
        let text = "id TEXT NOT NULL, record BLOB, BLOB_COUNT BIGINT); SELECT CAST(id AS TEXT)";
        let expect =
            "id TEXT COLLATE \"C\" NOT NULL, record BYTEA, BLOB_COUNT BIGINT); SELECT CAST(id AS TEXT)";
        assert_eq!(schema(text), expect);
    }

    #[test]
    fn the_password_goes_to_the_server_as_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "p@ss:/?# w%41rd").unwrap();
        for text in ["postgres://updraft@localhost/updraft", "postgres:///updraft?host=/run&user=updraft"] {
            let url: ServerUrl = text.parse().unwrap();
            let options = options(&url.with_password_file(file.path()).unwrap()).unwrap();
            let options = sqlx::postgres::PgConnectOptions::from_url(&options.database_url).unwrap();
            assert_eq!(options.to_url_lossy().password(), Some("p%40ss%3A%2F%3F%23%20w%2541rd"), "{text}");
            assert_eq!(options.get_application_name(), Some("updraft"));
        }
    }
}

//! What differs between the engines: how to connect, types of columns, transactions, the meaning of errors.
//! Everything else is one SQL text for both.

mod postgres;
mod sqlite;

use std::borrow::Cow;

use sqlx::AnyConnection;
use sqlx::any::AnyConnectOptions;

use super::location::Location;

/// What keeps the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// A file of ours.
    Sqlite,
    /// A server that others may use too.
    Postgres,
}

/// What an error of the database means to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// No room.
    DiskFull,
    /// It takes no changes now.
    ReadOnly,
    /// It is not there, or has ended the connection.
    Unavailable,
    /// Another transaction was in the way; this one may succeed if it is run again.
    Conflict,
    /// A fault of the statement.
    Other,
}

impl Engine {
    pub fn of(location: &Location) -> Self {
        match location {
            Location::File(_) => Self::Sqlite,
            Location::Server(_) => Self::Postgres,
        }
    }

    /// The one of an open connection.
    pub fn of_connection(connection: &AnyConnection) -> Self {
        if connection.backend_name() == "PostgreSQL" { Self::Postgres } else { Self::Sqlite }
    }

    /// How a writing transaction starts: SQLite takes the lock at once, so that it cannot fail half way for
    /// want of it.
    pub const fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// Whether other servers can reach the database: the lock of the data folder does not keep them away.
    pub const fn is_shared(self) -> bool {
        matches!(self, Self::Postgres)
    }

    /// How a transaction starts that only reads, everything as it was at one moment. SQLite takes that moment
    /// at the first reading.
    pub const fn begin_snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// How a writing transaction starts that waits for other things in between.
    pub const fn begin_long(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0",
        }
    }

    /// Connections for reading.
    pub const fn readers(self) -> u32 {
        match self {
            Self::Sqlite => 4,
            Self::Postgres => 8,
        }
    }

    /// The text of a migration for this engine.
    pub fn schema(self, text: &'static str) -> Cow<'static, str> {
        match self {
            Self::Sqlite => Cow::Borrowed(text),
            Self::Postgres => Cow::Owned(postgres::schema(text)),
        }
    }
}

/// How to connect.
pub fn options(location: &Location) -> sqlx::Result<AnyConnectOptions> {
    sqlx::any::install_default_drivers();
    match location {
        Location::File(path) => Ok(sqlite::options(path)),
        Location::Server(url) => postgres::options(url),
    }
}

/// Whether no server has stored anything there yet.
pub async fn is_new(location: &Location) -> sqlx::Result<bool> {
    match location {
        Location::File(path) => Ok(!path.exists()),
        Location::Server(_) => postgres::is_new(options(location)?).await,
    }
}

/// The one connection that changes anything.
pub async fn connect_writer(location: &Location) -> sqlx::Result<AnyConnection> {
    let options = options(location)?;
    match location {
        Location::File(_) => sqlite::connect_writer(options).await,
        Location::Server(_) => postgres::connect_writer(options).await,
    }
}

/// Makes a reader unable to write.
pub async fn prepare_reader(connection: &mut AnyConnection) -> sqlx::Result<()> {
    let text = match Engine::of_connection(connection) {
        Engine::Sqlite => sqlite::PREPARE_READER,
        Engine::Postgres => postgres::PREPARE_READER,
    };
    sqlx::raw_sql(text).execute(connection).await?;
    Ok(())
}

/// Copies the write-ahead log into the database and empties it; false if somebody reads it all the time.
/// PostgreSQL cares for its own.
pub async fn empty_log(connection: &mut AnyConnection) -> sqlx::Result<bool> {
    match Engine::of_connection(connection) {
        Engine::Sqlite => sqlite::empty_log(connection).await,
        Engine::Postgres => Ok(true),
    }
}

/// What is wrong with the files of the database, if anything. PostgreSQL recovers them by itself.
pub async fn integrity_fault(connection: &mut AnyConnection) -> sqlx::Result<Option<String>> {
    match Engine::of_connection(connection) {
        Engine::Sqlite => sqlite::integrity_fault(connection).await,
        Engine::Postgres => Ok(None),
    }
}

/// What an error means to us.
pub fn meaning(error: &sqlx::Error) -> Meaning {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_) => {
            Meaning::Unavailable
        }
        sqlx::Error::Database(error) => match error.code() {
            // SQLSTATE has five characters; the numbers of SQLite have fewer.
            Some(code) if code.len() == 5 => postgres::meaning(&code),
            Some(code) => sqlite::meaning(&code),
            None => Meaning::Other,
        },
        _ => Meaning::Other,
    }
}

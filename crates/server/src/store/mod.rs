//! What must survive: one database, in SQLite or PostgreSQL, and the images beside it.
//!
//! Everything that changes goes through one `writer`, which puts many changes into one transaction and
//! answers each after the commit. Readers have connections of their own. One file per aggregate holds plain
//! functions over a connection; each query is one text that both engines understand. What differs between them
//! is in `dialect`.

pub mod backup;
pub mod bootstrap_servers;
pub mod bootstraps;
mod catalog;
pub mod check;
pub mod credentials;
pub mod devices;
mod dialect;
mod fence;
mod folder;
mod images;
mod link;
mod lives;
mod location;
mod migrate;
pub mod object_models;
pub mod observations;
pub mod operations;
pub mod packages;
pub mod products;
pub mod properties;
pub mod registrations;
pub mod signing_keys;
pub mod upgrade_components;
pub mod upgrade_events;
pub mod upgrades;
pub mod values;
mod write_ahead_log;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::any::AnyPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool};

pub use catalog::is_empty;
use dialect::{Engine, Meaning};
pub use folder::{DataFolder, FolderError, restoring};
pub use images::{ImageError, ImageHash, Images, Incoming, Limits, Stamp};
use link::Link;
pub use lives::{Life, LifeError};
pub use location::{Location, PasswordError, ServerUrl, UrlError};
pub use migrate::MigrationError;
use writer::Writer;

use crate::clock::WallClock;

/// The domain in which everything lives until there are several.
pub const ROOT_DOMAIN: &str = "/";

/// How long one who reads waits for a connection.
const READER_WAIT: Duration = Duration::from_secs(5);

/// The database.
#[derive(Clone, Debug)]
pub struct Store {
    writer: Writer,
    readers: AnyPool,
}

/// Why the database did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// No room for the change.
    #[error("the disk is full")]
    DiskFull,
    /// The database takes no changes, such as a standby.
    #[error("the database takes no changes now")]
    ReadOnly(#[source] Arc<sqlx::Error>),
    /// The database is not there.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Arc<sqlx::Error>),
    /// Another server has taken the database over.
    #[error("another updraft server has taken over the database; this one has to stop")]
    Superseded,
    /// The connection was lost while it was committed, and has not come back.
    #[error("the database was lost in the middle of a change; whether it was stored is not known")]
    OutcomeUnknown,
    /// Other transactions were in the way again and again.
    #[error("the database was busy with the same rows again and again")]
    Conflict(#[source] Arc<sqlx::Error>),
    /// Anything else that a statement can meet.
    #[error("the database refused a statement")]
    Database(#[source] Arc<sqlx::Error>),
    /// The server is stopping.
    #[error("the database is closed")]
    Closed,
}

impl StoreError {
    /// A connection has ended in the middle of something.
    fn connection_lost() -> Self {
        Self::Unavailable(Arc::new(sqlx::Error::Io(std::io::ErrorKind::ConnectionAborted.into())))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match dialect::meaning(&error) {
            _ if matches!(error, sqlx::Error::PoolClosed) => Self::Closed,
            Meaning::DiskFull => Self::DiskFull,
            Meaning::ReadOnly => Self::ReadOnly(Arc::new(error)),
            Meaning::Unavailable => Self::Unavailable(Arc::new(error)),
            Meaning::Conflict => Self::Conflict(Arc::new(error)),
            Meaning::Other => Self::Database(Arc::new(error)),
        }
    }
}

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be opened or is no database.
    #[error("cannot open the database {place}")]
    Open {
        /// The file, or the address without its password.
        place: String,
        /// What the database said.
        #[source]
        source: StoreError,
    },
    /// The schema cannot be brought up to date.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// The check after an unclean stop failed.
    #[error(
        "the database is damaged ({0}); stop the server, keep a copy of the data folder, and restore the \
         last backup"
    )]
    Damaged(String),
}

/// A change: runs inside a transaction, and is undone if it gives an error.
pub type Change<'c, T, E> = BoxFuture<'c, Result<T, E>>;

impl Store {
    /// Whether no server has stored anything there yet.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn is_new(location: &Location) -> Result<bool, OpenError> {
        dialect::is_new(location).await.map_err(|error| unopened(location, error))
    }

    /// Opens the database, which is made if it is a file that does not exist, and brings its schema up to
    /// date. After an unclean stop its integrity is checked first.
    ///
    /// # Errors
    /// It cannot be reached or used, is damaged, or was written by a newer version.
    pub async fn open(location: &Location, clock: &WallClock) -> Result<Self, OpenError> {
        let failed = |error| unopened(location, error);
        let mut connection = dialect::connect_writer(location).await.map_err(failed)?;
        migrate::prepare(&mut connection).await.map_err(failed)?;
        if !properties::stopped_cleanly(&mut connection).await.map_err(failed)? {
            tracing::warn!("the server was not stopped cleanly; checking the database");
            if let Some(fault) = dialect::integrity_fault(&mut connection).await.map_err(failed)? {
                return Err(OpenError::Damaged(fault));
            }
        }
        let fence = migrate::migrate(&mut connection, clock.now()).await?;
        properties::set_stopped_cleanly(&mut connection, false).await.map_err(failed)?;
        let readers = AnyPoolOptions::new()
            .max_connections(Engine::of(location).readers())
            .acquire_timeout(READER_WAIT)
            .after_connect(|connection, _| Box::pin(dialect::prepare_reader(connection)))
            .connect_with(dialect::options(location).map_err(failed)?)
            .await
            .map_err(failed)?;
        Ok(Self { writer: Writer::start(Link::new(location.clone(), connection, fence)), readers })
    }

    /// Makes a change durable. Its answer comes after the commit. It may be run several times, with nothing
    /// left of those before: when another transaction was in the way, or the connection was lost.
    ///
    /// # Errors
    /// What the change gives, or why it could not be committed.
    pub async fn write<T, E, F>(&self, change: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut AnyConnection) -> Change<'c, T, E> + Clone + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + std::error::Error + Send + 'static,
    {
        self.writer.write(change).await
    }

    /// Waits until another server has taken the database over, if ever. Nothing can be changed from then on.
    pub async fn superseded(&self) {
        self.writer.superseded().await;
    }

    /// A connection for reading.
    ///
    /// # Errors
    /// The database is closed, or all readers were busy for too long.
    pub async fn read(&self) -> Result<PoolConnection<Any>, StoreError> {
        self.readers.acquire().await.map_err(StoreError::from)
    }

    /// Commits what was asked for, notes the clean stop and closes the database.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// A connection that changes what is stored, for somebody who is alone with it.
///
/// # Errors
/// The database cannot be reached.
pub async fn connect_writer(location: &Location) -> Result<AnyConnection, OpenError> {
    dialect::connect_writer(location).await.map_err(|error| unopened(location, error))
}

/// A connection that only reads, beside servers.
///
/// # Errors
/// The database cannot be reached.
pub async fn connect_reader(location: &Location) -> Result<AnyConnection, OpenError> {
    let connect = async {
        let mut connection = sqlx::ConnectOptions::connect(&dialect::options(location)?).await?;
        dialect::prepare_reader(&mut connection).await?;
        Ok(connection)
    };
    connect.await.map_err(|error| unopened(location, error))
}

fn unopened(location: &Location, error: sqlx::Error) -> OpenError {
    OpenError::Open { place: location.to_string(), source: StoreError::from(error) }
}

/// Rows of placeholders for a multi-row statement, such as `($1, $2), ($3, $4)`.
fn places(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let places: Vec<String> =
            (1..=columns).map(|column| format!("${}", row * columns + column)).collect();
        format!("({})", places.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// A text of a device as both engines store it: PostgreSQL has no zero in a text, and one device must not keep
/// the texts of all others from being stored.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

#[cfg(test)]
mod filled;
#[cfg(test)]
pub(crate) mod scratch;
#[cfg(test)]
mod tests;

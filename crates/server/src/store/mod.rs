//! What must survive: one SQLite database, and the images beside it.
//!
//! Everything that changes goes through one `writer`, which puts many changes into one transaction and
//! answers each after the commit. Readers have connections of their own. One file per aggregate holds plain
//! functions over a connection; each query is one text that SQLite and PostgreSQL both understand. What
//! only SQLite needs is in `dialect`.

pub mod bootstrap_servers;
pub mod bootstraps;
pub mod credentials;
pub mod devices;
mod dialect;
mod folder;
mod images;
mod lives;
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
mod writer;

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::any::AnyPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool};

pub use folder::{DataFolder, FolderError};
pub use images::{ImageError, ImageHash, Images, Incoming, Limits, Stamp};
pub use lives::{Life, LifeError};
pub use migrate::MigrationError;
use writer::Writer;

use crate::clock::WallClock;

/// The domain in which everything lives until there are several.
pub const ROOT_DOMAIN: &str = "/";

/// Connections for reading; SQLite readers never wait for the writer.
const READERS: u32 = 4;

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
    /// Anything else that a statement can meet.
    #[error("the database refused a statement")]
    Database(#[source] Arc<sqlx::Error>),
    /// The server is stopping.
    #[error("the database is closed")]
    Closed,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if dialect::is_disk_full(&error) { Self::DiskFull } else { Self::Database(Arc::new(error)) }
    }
}

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened or is no database.
    #[error("cannot open the database {path}")]
    Open {
        /// The file.
        path: String,
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
    /// Opens or creates the database in `path` and brings its schema up to date. After an unclean stop its
    /// integrity is checked first.
    ///
    /// # Errors
    /// The file is no usable database, is damaged, or was written by a newer version.
    pub async fn open(path: &Path, clock: &WallClock) -> Result<Self, OpenError> {
        let failed = |error: sqlx::Error| OpenError::Open {
            path: path.display().to_string(),
            source: StoreError::from(error),
        };
        let mut connection = dialect::connect_writer(path).await.map_err(failed)?;
        migrate::migrate(&mut connection, clock.now()).await?;
        if !properties::stopped_cleanly(&mut connection).await.map_err(failed)? {
            tracing::warn!("the server was not stopped cleanly; checking the database");
            if let Some(fault) = dialect::integrity_fault(&mut connection).await.map_err(failed)? {
                return Err(OpenError::Damaged(fault));
            }
        }
        properties::set_stopped_cleanly(&mut connection, false).await.map_err(failed)?;
        let readers = AnyPoolOptions::new()
            .max_connections(READERS)
            .after_connect(|connection, _| Box::pin(dialect::prepare_reader(connection)))
            .connect_with(dialect::options(path))
            .await
            .map_err(failed)?;
        Ok(Self { writer: Writer::start(connection), readers })
    }

    /// Makes a change durable. Its answer comes after the commit.
    ///
    /// # Errors
    /// What the change gives, or why it could not be committed.
    pub async fn write<T, E, F>(&self, change: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut AnyConnection) -> Change<'c, T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.writer.write(change).await
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

/// Rows of placeholders for a multi-row statement, such as `($1, $2), ($3, $4)`.
fn places(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let places: Vec<String> =
            (1..=columns).map(|column| format!("${}", row * columns + column)).collect();
        format!("({})", places.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;

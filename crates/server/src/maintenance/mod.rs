//! What an operator does with the data itself: backup, restore, check. Works on the configuration of the
//! server and needs none that runs.
//!
//! | | while the server runs |
//! | --- | --- |
//! | backup | yes: one snapshot of the database, and files that never change |
//! | check | yes: it only reads |
//! | restore | no: the data folder is locked, and must be empty |

mod backup;
mod check;
mod restore;

use std::io;
use std::path::{Path, PathBuf};

pub use backup::{BackedUp, backup};
pub use check::{Report, Severity, check};
pub use restore::{Restored, restore};
use sqlx::AnyConnection;

use crate::config::Config;
use crate::secrets::KeyFileError;
use crate::size::ByteCount;
use crate::store::backup::BackupError;
use crate::store::{
    self, FolderError, ImageError, Images, Limits, Location, OpenError, PasswordError, Store, StoreError,
};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is nothing.
    #[error("there is no database in {0}; set data_dir or database.url as it is for the server")]
    NoData(String),
    /// Something would be overwritten.
    #[error("the file {} exists; choose another name, or give --force", .0.display())]
    Exists(PathBuf),
    /// Another backup is being written to the same name.
    #[error("another backup is being written to {}", .0.display())]
    Busy(PathBuf),
    /// A restore is for nothing but an empty place.
    #[error("{0} is not empty; restore into an empty data folder and an empty database")]
    NotEmpty(String),
    /// The key file that is there is of other data.
    #[error(
        "the key file {} does not belong to this backup; put the one of the backup there, or set \
         secrets.key_file to it", .0.display()
    )]
    WrongKeyFile(PathBuf),
    /// The key file is unusable.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The file of the backup cannot be opened or made.
    #[error("cannot use the file {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The backup itself.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The password of the database cannot be had.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database does not answer.
    #[error("cannot use the database")]
    Store(#[from] StoreError),
    /// The images cannot be used.
    #[error("cannot use the files of packages")]
    Images(#[from] ImageError),
}

impl From<sqlx::Error> for MaintenanceError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Somebody who wants to know how far it is.
pub trait Watcher {
    /// So many bytes will come.
    fn total(&mut self, bytes: ByteCount);
    /// So many more are done.
    fn done(&mut self, bytes: ByteCount);
}

/// A connection that only reads, to a database that exists.
async fn connect(config: &Config) -> Result<AnyConnection, MaintenanceError> {
    let location = Location::of(&config.database, &config.data_dir)?;
    if Store::is_new(&location).await? {
        return Err(MaintenanceError::NoData(location.to_string()));
    }
    Ok(store::connect_reader(&location).await?)
}

/// What was uploaded was within the limits of its time; they are not those of today.
async fn images(config: &Config, folder: &Path) -> Result<Images, ImageError> {
    let limits = Limits { max_size: ByteCount(u64::MAX), storage: None, reserve: ByteCount(0) };
    Images::open(folder, &config.packages.store, limits).await
}

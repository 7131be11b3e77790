//! Backups: everything that cannot be made again, in one file that both engines write and read.
//!
//! What is left out on purpose: registrations and DTLS sessions (a record number would be used twice;
//! devices register again), and the key file, so that a stolen backup opens no device.

mod dump;
mod format;
mod load;

use std::io;

pub use dump::{Dumped, Progress, dump};
pub use format::{Count, Header, Reader, Writer};
pub use load::{Loaded, load, was_loaded};

use super::{ImageError, MigrationError, StoreError};

/// Tables that are left out: the protocol makes the first anew, the others are about this very database.
const LEFT_OUT: [&str; 3] = ["registrations", "schema_steps", "writer"];

/// Files of the data folder that belong to what is in the database; what is secret in them is sealed.
const SEALED_FILES: [&str; 1] = ["files-certificate.sealed"];

/// Why there is no backup, or why it cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file cannot be written.
    #[error("cannot write the backup")]
    Write(#[source] io::Error),
    /// The file cannot be read.
    #[error("cannot read the backup")]
    Read(#[source] io::Error),
    /// A file of another program.
    #[error("the file is no backup of updraft")]
    NoBackup,
    /// Cut off or changed.
    #[error("the backup is damaged: its SHA-256 is another; take an older one")]
    Damaged,
    /// Another layout of frames.
    #[error("the backup was made by a newer version of updraft; use that version")]
    NewerFormat,
    /// Rows of a later release.
    #[error(
        "the backup was made by a newer version of updraft (schema {found}, this version knows {known}); use \
         that version"
    )]
    NewerSchema {
        /// What the backup has.
        found: i64,
        /// What this version knows.
        known: i64,
    },
    /// The SHA-256 is right and the content is not.
    #[error("the backup is not understood: it was made by another version of updraft, or by a faulty one")]
    Malformed,
    /// A value that no frame can hold.
    #[error("a value of {0} bytes is too long for a backup")]
    TooLong(usize),
    /// The database changed its schema meanwhile, or was never used.
    #[error("there is nothing to back up: the database is empty")]
    Empty,
    /// The database does not answer.
    #[error("the database refused a statement")]
    Store(#[from] StoreError),
    /// An image cannot be stored.
    #[error("cannot store the files of packages")]
    Image(#[from] ImageError),
    /// The schema of the backup cannot be made.
    #[error(transparent)]
    Migration(#[from] MigrationError),
}

impl From<sqlx::Error> for BackupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests;

//! Takes a backup up into an empty place, wholly or not at all.
//!
//! ```text
//! the SHA-256 is right ─▶ mark (no server starts here) ─▶ one transaction: rows, files, COMMIT ─▶ mark removed
//! ```
//! After a kill the mark is there: without a COMMIT the next restore begins anew, with one it only removes
//! the mark. The mark has a name that is stored with the rows, so the two cases cannot be mistaken.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::{MaintenanceError, Watcher, images};
use crate::clock::{Moment, WallClock};
use crate::config::Config;
use crate::secrets::{KeyFileError, Vault, hex, read_key_file};
use crate::size::ByteCount;
use crate::store::backup::{Header, Loaded, Reader, load, was_loaded};
use crate::store::{self, DataFolder, Images, Location};

/// What was restored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// When the backup was made.
    pub made_at: Moment,
    /// `None` if an earlier restore had done everything and was only cut before it could say so.
    pub loaded: Option<Loaded>,
    pub key_file: PathBuf,
    /// Whether the key file still has to be put there.
    pub key_file_missing: bool,
}

/// Restores `file` into the configured data folder and database, both empty.
///
/// # Errors
/// The backup is damaged or newer, the place is not empty or in use, or something cannot be stored.
pub async fn restore(
    config: &Config,
    file: &Path,
    watcher: &mut impl Watcher,
) -> Result<Restored, MaintenanceError> {
    let failed = |source| MaintenanceError::File { path: file.to_owned(), source };
    let input = File::open(file).map_err(failed)?;
    watcher.total(ByteCount(input.metadata().map_err(failed)?.len() * 2));
    let mut reader = Reader::open(BufReader::new(input), |bytes| watcher.done(ByteCount(bytes)))?;
    let header = reader.header().clone();
    let folder = DataFolder::open_for_restore(&config.data_dir)?;
    let key_file_missing = is_key_missing(&header, &config.key_file)?;
    let begun = folder.restoring()?;
    let is_unused = Images::beside(folder.path(), &config.packages.store)?.is_unused().await?;
    if begun.is_none() && !is_unused {
        return Err(MaintenanceError::NotEmpty(format!("the data folder {}", folder.path().display())));
    }
    let location = Location::of(&config.database, folder.path())?;
    let mut connection = store::connect_writer(&location).await?;
    let restored = |loaded| Restored {
        made_at: Moment(header.made_at),
        loaded,
        key_file: config.key_file.clone(),
        key_file_missing,
    };
    if let Some(name) = &begun
        && was_loaded(&mut connection, name).await?
    {
        close(connection).await;
        folder.end_restore()?;
        return Ok(restored(None));
    }
    if !store::is_empty(&mut connection).await? {
        return Err(MaintenanceError::NotEmpty(format!("the database {location}")));
    }
    let name = uuid::Uuid::now_v7().to_string();
    folder.begin_restore(&name)?;
    let images = images(config, folder.path()).await?;
    let now = WallClock::system().now();
    let told = |bytes| watcher.done(ByteCount(bytes));
    let loaded = load(&mut connection, (&images, folder.path()), &mut reader, (&name, now), told).await?;
    close(connection).await;
    folder.end_restore()?;
    Ok(restored(Some(loaded)))
}

/// Everything is committed; what closing still does is repeated by the next server.
async fn close(connection: sqlx::AnyConnection) {
    let _ = sqlx::Connection::close(connection).await;
}

/// A key file may be there already, but only that of the backup.
fn is_key_missing(header: &Header, path: &Path) -> Result<bool, MaintenanceError> {
    match read_key_file(path) {
        Ok(key) => {
            let expected = hex(&Vault::new(key).check_value());
            let fits = header.key_check.as_ref().is_none_or(|stored| *stored == expected);
            if fits { Ok(false) } else { Err(MaintenanceError::WrongKeyFile(path.to_owned())) }
        }
        Err(KeyFileError::Missing(_)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

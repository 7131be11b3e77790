//! Writes a backup to a file, which is whole or not there.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{MaintenanceError, Watcher, connect};
use crate::clock::WallClock;
use crate::config::Config;
use crate::size::ByteCount;
use crate::store::Images;
use crate::store::backup::{Dumped, Progress, dump};

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BackedUp {
    pub dumped: Dumped,
    pub size: ByteCount,
    /// The file that has to be kept too, elsewhere.
    pub key_file: PathBuf,
}

/// Backs everything up into `file`; servers may go on meanwhile.
///
/// # Errors
/// There is nothing to back up, the file exists (unless `force`), or it cannot be written.
pub async fn backup(
    config: &Config,
    file: &Path,
    force: bool,
    watcher: &mut impl Watcher,
) -> Result<BackedUp, MaintenanceError> {
    let failed = |source| MaintenanceError::File { path: file.to_owned(), source };
    if !force && file.symlink_metadata().is_ok() {
        return Err(MaintenanceError::Exists(file.to_owned()));
    }
    let mut connection = connect(config).await?;
    let images = Images::beside(&config.data_dir, &config.packages.store)?;
    let (partial, output) = begin(file)?;
    let now = WallClock::system().now();
    let told = |progress| match progress {
        Progress::Images(bytes) => watcher.total(ByteCount(bytes)),
        Progress::Done(bytes) => watcher.done(ByteCount(bytes)),
    };
    let written = dump(&mut connection, (&images, &config.data_dir), BufWriter::new(output), now, told).await;
    let kept = written.map_err(MaintenanceError::from).and_then(|(dumped, output)| {
        let output = output.into_inner().map_err(|error| failed(error.into_error()))?;
        let size = keep(&output, &partial, file, force)?;
        Ok(BackedUp { dumped, size: ByteCount(size), key_file: config.key_file.clone() })
    });
    if kept.is_err() {
        // What cannot be removed now is overwritten by the next backup.
        let _ = fs::remove_file(&partial);
    }
    // All that it did was to read.
    let _ = sqlx::Connection::close(connection).await;
    kept
}

/// Makes the file under a temporary name; the lock tells two backups apart from one that was killed.
fn begin(file: &Path) -> Result<(PathBuf, File), MaintenanceError> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = file.with_file_name(name);
    let failed = |source| MaintenanceError::File { path: partial.clone(), source };
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false).mode(0o600);
    let output = options.open(&partial).map_err(failed)?;
    match output.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(MaintenanceError::Busy(file.to_owned())),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    output.set_len(0).map_err(failed)?;
    Ok((partial, output))
}

/// Durable before it has its name. Gives its size.
fn keep(output: &File, partial: &Path, file: &Path, force: bool) -> Result<u64, MaintenanceError> {
    let failed = |source: io::Error| MaintenanceError::File { path: file.to_owned(), source };
    output.sync_all().map_err(failed)?;
    let size = output.metadata().map_err(failed)?.len();
    if !force && file.symlink_metadata().is_ok() {
        return Err(MaintenanceError::Exists(file.to_owned()));
    }
    fs::rename(partial, file).map_err(failed)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(size)
}

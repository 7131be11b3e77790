//! How long files of packages are kept, and how they go.
//!
//! The file goes, the row stays: the history of devices names it. What an upgrade that has not ended uses is
//! never deleted; whether one does is asked in the transaction that notes the deletion, as is the state of a
//! package in the one that starts an upgrade, so neither can come between the other's question and deed.

use std::time::Duration;

use tokio::sync::watch;

use super::{App, Package};
use crate::app::text::is_text;
use crate::clock::Moment;
use crate::store::packages;
use crate::store::{ImageError, ImageHash, StoreError};

/// How long a file is kept after its upload (seed S0-164).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Keep {
    Day,
    Week,
    /// 30 days.
    Month,
    #[default]
    Forever,
}

impl Keep {
    const WORDS: [(Self, &'static str); 4] =
        [(Self::Day, "24h"), (Self::Week, "1week"), (Self::Month, "1month"), (Self::Forever, "forever")];

    /// The stable name for storage and interfaces.
    pub fn code(self) -> &'static str {
        Self::WORDS.into_iter().find(|(keep, _)| *keep == self).map_or("forever", |(_, word)| word)
    }

    /// The time with this name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|(_, word)| *word == code).map(|(keep, _)| keep)
    }

    /// Until when, from `now` on.
    pub fn until(self, now: Moment) -> Option<Moment> {
        const DAY: Duration = Duration::from_secs(86_400);
        let days = match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
            Self::Forever => return None,
        };
        Some(now.after(DAY * days))
    }
}

/// What is changed of a package; `None` stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PackageChange {
    pub description: Option<String>,
    /// Counted from now on.
    pub keep: Option<Keep>,
}

/// Why a package was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePackageError {
    /// There is none.
    #[error("there is no package with the id {0}")]
    Unknown(String),
    /// Not a text.
    #[error("description has at most {longest} bytes and no control characters")]
    BadDescription {
        /// How long it may be.
        longest: usize,
    },
    /// Its file is gone, so there is nothing to keep.
    #[error("the file of the package was deleted at {0}")]
    Removed(Moment),
    /// Could not be stored.
    #[error("the package could not be changed")]
    Store(#[from] StoreError),
}

/// Why the file of a package was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum RemovePackageError {
    /// There is none.
    #[error("there is no package with the id {0}")]
    Unknown(String),
    /// It was before.
    #[error("the file of the package was deleted at {0}")]
    Removed(Moment),
    /// A device gets it.
    #[error("the upgrade {0} uses the package and has not ended")]
    InUse(String),
    /// Could not be stored.
    #[error("the package could not be removed")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ChangePackageError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<sqlx::Error> for RemovePackageError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Files deleted in one round; the next one follows at once if there are more.
const ROUND: i64 = 100;

/// How long a file may stay beyond its time.
const EVERY: Duration = Duration::from_secs(60);

impl App {
    /// Changes the description of a package, or how long its file is kept.
    ///
    /// # Errors
    /// There is none, its file is gone, or it cannot be stored.
    pub async fn change_package(
        &self,
        id: &str,
        change: PackageChange,
    ) -> Result<Package, ChangePackageError> {
        let longest = super::LONGEST_DESCRIPTION;
        if let Some(description) = &change.description
            && !is_text(description, 0..=longest)
        {
            return Err(ChangePackageError::BadDescription { longest });
        }
        let (id, now) = (id.to_owned(), self.inner.clock.now());
        let write = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let package = packages::by_id(connection, &id).await?;
                let mut package = package.ok_or_else(|| ChangePackageError::Unknown(id.clone()))?;
                if let (Some(at), Some(_)) = (package.removed_at, change.keep) {
                    return Err(ChangePackageError::Removed(at));
                }
                if let Some(keep) = change.keep {
                    keep.code().clone_into(&mut package.keep);
                    package.expires_at = keep.until(now);
                }
                package.description = change.description.unwrap_or(package.description);
                let Package { description, keep, expires_at, .. } = &package;
                packages::update(connection, &id, description, keep, *expires_at).await?;
                Ok(package)
            })
        });
        write.await
    }

    /// Deletes the file of a package.
    ///
    /// # Errors
    /// There is none, an upgrade uses it, or it cannot be stored.
    pub async fn remove_package(&self, id: &str) -> Result<Package, RemovePackageError> {
        // The lock of uploads: an equal file that comes meanwhile stays.
        let _in_order = self.inner.packages_change.lock().await;
        let (id, now) = (id.to_owned(), self.inner.clock.now());
        let write = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let package = packages::by_id(connection, &id).await?;
                let mut package = package.ok_or_else(|| RemovePackageError::Unknown(id.clone()))?;
                if let Some(at) = package.removed_at {
                    return Err(RemovePackageError::Removed(at));
                }
                if let Some((endpoint, number)) = packages::used_by(connection, &id).await? {
                    return Err(RemovePackageError::InUse(format!("d:{endpoint}:{number}")));
                }
                packages::mark_removed(connection, &id, now).await?;
                package.removed_at = Some(now);
                Ok(package)
            })
        });
        let package = write.await?;
        if let Some(hash) = ImageHash::from_text(&package.sha256) {
            self.remove_if_unreferenced(hash).await;
        }
        tracing::info!(package = package.id, name = package.name, "the file of a package was deleted");
        Ok(package)
    }

    /// Whatever cannot be removed now is removed at the next start.
    pub(super) async fn remove_if_unreferenced(&self, hash: ImageHash) {
        let referenced = async {
            let mut reader = self.inner.store.read().await?;
            Ok::<_, StoreError>(packages::refers_to(&mut reader, &hash.to_string()).await?)
        };
        let removed = match referenced.await {
            Ok(true) => Ok(()),
            Ok(false) => self.inner.images.remove(hash).await,
            Err(_) => Err(ImageError::Stopping),
        };
        if let Err(error) = removed {
            tracing::warn!(%error, "the file of a removed package could not be deleted");
        }
    }

    /// Deletes all files whose time is over and that no upgrade uses. Gives how many.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn remove_expired(&self) -> Result<usize, StoreError> {
        let mut removed = 0;
        loop {
            let now = self.inner.clock.now();
            let expired = packages::expired(&mut *self.inner.store.read().await?, now, ROUND).await?;
            let before = removed;
            for package in expired {
                match self.remove_package(&package.id).await {
                    Ok(_) => removed += 1,
                    // An upgrade was faster, or an operator was.
                    Err(RemovePackageError::InUse(_) | RemovePackageError::Removed(_)) => {}
                    Err(RemovePackageError::Unknown(_)) => {}
                    Err(RemovePackageError::Store(error)) => return Err(error),
                }
            }
            if removed == before {
                return Ok(removed);
            }
        }
    }

    /// Deletes files whose time is over, each minute until `stopped` becomes true.
    pub async fn keep_house(self, mut stopped: watch::Receiver<bool>) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // An error means that whoever stops the server is gone.
                _ = stopped.wait_for(|stopped| *stopped) => return,
                _ = every.tick() => {}
            }
            if let Err(error) = self.remove_expired().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "expired packages could not be deleted"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s0_164_files_are_kept_for_as_long_as_was_said() {
        let hour = 3_600_000_000;
        for (code, hours) in
            [("24h", Some(24)), ("1week", Some(168)), ("1month", Some(720)), ("forever", None)]
        {
            let keep = Keep::from_code(code).unwrap();
            assert_eq!(keep.code(), code);
            assert_eq!(keep.until(Moment(5)), hours.map(|hours: i64| Moment(5 + hours * hour)));
        }
        assert_eq!(Keep::from_code("2h"), None);
    }
}

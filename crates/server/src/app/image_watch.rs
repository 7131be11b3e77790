//! Looks after the files of packages while nobody asks for them (FAULTS F22).

use std::time::Duration;

use tokio::sync::watch;

use super::App;
use crate::store::check::names_of;
use crate::store::{ImageError, ImageHash, StoreError, packages};

/// After the start, when devices have come back.
const FIRST: Duration = Duration::from_secs(600);
/// Between two times.
const EVERY: Duration = Duration::from_secs(86_400);

impl App {
    /// Hashes all files of packages every day until `stopped`, and tells in the log which are damaged. None
    /// of these is ever sent: a file is hashed again when an upgrade begins.
    pub async fn watch_images(self, mut stopped: watch::Receiver<bool>) {
        let mut wait = FIRST;
        // An error means that whoever stops the server is gone.
        while tokio::time::timeout(wait, stopped.wait_for(|stopped| *stopped)).await.is_err() {
            wait = EVERY;
            tokio::select! {
                checked = self.check_images() => match checked {
                    Ok(damaged) if damaged.is_empty() => tracing::debug!("all files of packages are whole"),
                    Ok(_) => {}
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "the files of packages could not be checked; it is tried tomorrow");
                    }
                },
                _ = stopped.wait_for(|stopped| *stopped) => return,
            }
        }
    }

    /// Hashes all files of packages. Gives those that are missing or damaged; each was told in the log.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn check_images(&self) -> Result<Vec<ImageHash>, StoreError> {
        let wanted = packages::image_hashes(&mut *self.inner.store.read().await?).await?;
        let mut damaged = Vec::new();
        for hash in wanted.iter().filter_map(|text| ImageHash::from_text(text)) {
            let Err(error) = self.inner.images.verify(hash).await else { continue };
            let reader = &mut *self.inner.store.read().await?;
            // It may have been removed with its package meanwhile.
            if matches!(error, ImageError::Missing) && !packages::refers_to(reader, &hash.to_string()).await?
            {
                continue;
            }
            let names = names_of(reader, hash).await?;
            let error = &error as &dyn std::error::Error;
            tracing::error!(%hash, error, "the file of {names} cannot be used; upload it again");
            damaged.push(hash);
        }
        Ok(damaged)
    }
}

#[cfg(test)]
mod tests {
    use crate::app::tests::{image, start_in, text, upload};
    use crate::store::ImageHash;
    use crate::store::scratch::Scratch;

    #[tokio::test]
    async fn f22_damaged_and_missing_files_are_found_without_being_asked_for() {
        let scratch = Scratch::sqlite();
        let (app, _orders, _store) = start_in(&scratch).await;
        let mut hashes = Vec::new();
        for name in ["whole", "damaged", "missing"] {
            let package = upload(&app, text(name), &image("GM01Q", "1.0", name.as_bytes())).await.unwrap();
            hashes.push(ImageHash::from_text(&package.sha256).unwrap());
        }
        assert_eq!(app.check_images().await.unwrap(), []);
        let file = |hash: ImageHash| scratch.path().join("images").join(hash.to_string());
        let mut bytes = std::fs::read(file(hashes[1])).unwrap();
        bytes[5] ^= 1;
        std::fs::write(file(hashes[1]), bytes).unwrap();
        std::fs::remove_file(file(hashes[2])).unwrap();
        let mut found = app.check_images().await.unwrap();
        found.sort();
        hashes.remove(0);
        hashes.sort();
        assert_eq!(found, hashes);
    }
}

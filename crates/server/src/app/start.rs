//! What happens before the first device and the first operator.

use std::collections::BTreeSet;
use std::path::Path;

use super::products::check_open;
use super::{Admitted, App, BootstrapAccess, DeviceKey, Security};
use crate::secrets::{KeyFileError, Owner, Vault, create_key_file, hex, read_key_file};
use crate::store::credentials::StoredKey;
use crate::store::{ImageError, ImageHash, StoreError, credentials, devices, packages, properties};

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The key file is missing or unusable.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The key file is of another data folder.
    #[error(
        "the key file does not belong to this data folder; restore the one it was used with, or set \
         secrets.key_file to it"
    )]
    WrongKeyFile,
    /// The database does not answer.
    #[error("cannot read what is stored")]
    Store(#[from] StoreError),
    /// The folder of images cannot be used.
    #[error("cannot use the folder of images")]
    Images(#[from] ImageError),
}

impl From<sqlx::Error> for StartError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Reads the key file of a used database, or makes the one of a new database.
///
/// # Errors
/// The database is used and the file is missing or unusable: making a new one would lock every device out.
pub fn open_vault(is_new: bool, key_file: &Path) -> Result<Vault, KeyFileError> {
    let key = match read_key_file(key_file) {
        Err(KeyFileError::Missing(_)) if is_new => {
            let key = create_key_file(key_file)?;
            tracing::info!(
                file = %key_file.display(),
                "a new key file was made; keep a copy in a safe place, apart from backups of the data folder"
            );
            key
        }
        key => key?,
    };
    Ok(Vault::new(key))
}

/// Rows read at once.
const PAGE: i64 = 1_000;

impl App {
    pub(super) async fn load(&self) -> Result<(), StartError> {
        self.check_key_file().await?;
        self.load_products().await?;
        self.load_directory().await?;
        self.load_object_models().await?;
        self.remove_leftovers().await
    }

    async fn check_key_file(&self) -> Result<(), StartError> {
        let expected = hex(&self.inner.vault.check_value());
        let stored = properties::key_check(&mut *self.inner.store.read().await?).await?;
        match stored {
            Some(stored) if stored == expected => Ok(()),
            Some(_) => Err(StartError::WrongKeyFile),
            None => {
                let note = self.inner.store.write(move |connection| {
                    Box::pin(async move { Ok(properties::set_key_check(connection, &expected).await?) })
                });
                note.await
            }
        }
    }

    async fn load_directory(&self) -> Result<(), StartError> {
        let mut after = String::new();
        loop {
            let page = credentials::admitted_page(&mut *self.inner.store.read().await?, &after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.device_id);
            for row in page {
                if let Some(admitted) = self.admitted(row) {
                    self.inner.directory.insert(admitted);
                }
            }
        }
        let forget = self.inner.store.write(|connection| {
            Box::pin(async move { Ok(devices::forget_registrations(connection).await?) })
        });
        forget.await
    }

    /// How a device may connect, if it may at all.
    pub(super) fn admitted(&self, row: credentials::Admitted) -> Option<Admitted> {
        let open = |kind: &str, stored: Option<&StoredKey>| {
            let stored = stored?;
            let owner = Owner { domain: &row.domain, device: &row.device_id, kind, version: stored.version };
            let opened = self.inner.vault.open(owner, &stored.sealed).inspect_err(|error| {
                // One bad row must not keep all other devices out.
                tracing::error!(endpoint = row.endpoint, %error, "a device cannot connect; remove and add it again");
            });
            Some(DeviceKey { version: stored.version, identity: stored.identity.clone(), psk: opened.ok()? })
        };
        let product = row.product_id.as_deref().and_then(|id| self.product(id));
        let may_be_open = check_open(product.as_deref()).is_ok();
        // An unknown word can only come from a newer version; a key is then the safe reading.
        let security = Security::from_code(&row.security).unwrap_or(Security::Psk);
        if security == Security::None && !may_be_open {
            tracing::warn!(
                endpoint = row.endpoint,
                "a device without encryption is kept out: its product does not allow it; see `updraft device \
                 set-product`"
            );
            return None;
        }
        let bootstrap_key = open(credentials::BOOTSTRAP, row.bootstrap.as_ref());
        let bootstrap = match row.bootstrap_security.as_deref().and_then(Security::from_code) {
            Some(Security::None) => may_be_open.then_some(BootstrapAccess::None),
            Some(Security::Psk) => bootstrap_key.map(BootstrapAccess::Psk),
            None => None,
        };
        Some(Admitted {
            active: open(credentials::PSK, row.active.as_ref()),
            staged: open(credentials::PSK, row.staged.as_ref()).map(Box::new),
            bootstrap: bootstrap.map(Box::new),
            security,
            device_id: row.device_id,
            endpoint: row.endpoint,
        })
    }

    async fn remove_leftovers(&self) -> Result<(), StartError> {
        let hashes = packages::image_hashes(&mut *self.inner.store.read().await?).await?;
        let referenced: BTreeSet<ImageHash> =
            hashes.iter().filter_map(|text| ImageHash::from_text(text)).collect();
        Ok(self.inner.images.remove_unreferenced(&referenced).await?)
    }
}

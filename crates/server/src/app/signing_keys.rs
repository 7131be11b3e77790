//! Public keys of those who sign packages.
//!
//! A key counts for the packages of one manufacturer, and with one algorithm only (SECURITY rule p01). One
//! that was revoked stays, so that it cannot come back by being added again.

use package::{Algorithm, KeyError, PublicKey};

use super::text::is_line;
use super::{Actor, App};
use crate::store::signing_keys::{self, Revocation, SigningKey};
use crate::store::{ROOT_DOMAIN, StoreError};

/// A key to be added.
#[derive(Clone, Debug)]
pub struct AddSigningKey {
    /// Whose packages it vouches for: `manufacturerName` of their profiles, exactly.
    pub manufacturer: String,
    /// The public key.
    pub pem: String,
    /// The only algorithm that signatures are checked with; `None` is the usual one for such keys.
    pub algorithm: Option<String>,
    /// Anything worth knowing; may be empty.
    pub comment: String,
}

/// A key that was added.
#[derive(Clone, Debug)]
pub struct AddedSigningKey {
    pub key: SigningKey,
    /// What an operator should know of.
    pub warning: Option<UnknownManufacturer>,
}

/// No product has this manufacturer, so the key vouches for nothing yet.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no product has the manufacturer {name:?}, so no package can be verified with this key yet{}", nearly(.near))]
pub struct UnknownManufacturer {
    pub name: String,
    /// Manufacturers that are written almost so.
    pub near: Vec<String>,
}

fn nearly(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    let near: Vec<String> = near.iter().map(|near| format!("{near:?}")).collect();
    format!("; products are of {}: names are compared exactly", near.join(", "))
}

/// Why a key was not added.
#[derive(Debug, thiserror::Error)]
pub enum AddSigningKeyError {
    /// Not a text.
    #[error("{field} has {shortest} to {longest} bytes and no control characters")]
    BadText {
        /// Which.
        field: &'static str,
        /// How short it may be.
        shortest: usize,
        /// How long it may be.
        longest: usize,
    },
    /// Not one of ours.
    #[error("{0:?} is no algorithm")]
    UnknownAlgorithm(String),
    /// Not a public key that can be trusted.
    #[error("the public key cannot be used: {0}")]
    BadKey(#[from] KeyError),
    /// It is there already, or one that the same private key signs for.
    #[error("this key is there already: {id} of {manufacturer}, for {algorithm}{}", if *.revoked { ", revoked" } else { "" })]
    Known {
        /// Its id.
        id: String,
        /// Whose it is.
        manufacturer: String,
        /// What it is for.
        algorithm: String,
        /// Whether it counts no more.
        revoked: bool,
    },
    /// Too many.
    #[error("there are {MOST_KEYS} keys, which is as many as there can be")]
    Full,
    /// Could not be stored.
    #[error("the key could not be stored")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for AddSigningKeyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Why a key was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeSigningKeyError {
    /// There is none.
    #[error("there is no signing key with the id {0}")]
    Unknown(String),
    /// It counts no more already.
    #[error("the key was revoked already, at {at} by {by}")]
    Revoked {
        /// When.
        at: String,
        /// By whom.
        by: String,
    },
    /// Somebody will want to know.
    #[error("a reason has 1 to {LONGEST_COMMENT} bytes and no control characters")]
    BadReason,
    /// Could not be stored.
    #[error("the revocation could not be stored")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for RevokeSigningKeyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Most keys, those that were revoked included; each new one is compared with all.
const MOST_KEYS: usize = 1_000;
const LONGEST_MANUFACTURER: usize = 255;
const LONGEST_COMMENT: usize = 2_000;

impl App {
    /// Adds a key; it counts from the next time that a package is verified.
    ///
    /// # Errors
    /// It is no key that can be trusted, is there already, or cannot be stored.
    pub async fn add_signing_key(
        &self,
        wanted: AddSigningKey,
        actor: &Actor,
    ) -> Result<AddedSigningKey, AddSigningKeyError> {
        check(&wanted)?;
        let key = public_key(&wanted)?;
        let row = SigningKey {
            id: key.id().to_string(),
            domain: ROOT_DOMAIN.to_owned(),
            manufacturer: wanted.manufacturer,
            algorithm: key.algorithm().code().to_owned(),
            pem: key.to_pem(),
            comment: wanted.comment,
            added_by: actor.as_str().to_owned(),
            created_at: self.now(),
            revocation: None,
        };
        let warning = self.unknown_manufacturer(&row.manufacturer);
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let known = signing_keys::all(connection).await?;
                if let Some(same) = known.iter().find(|known| is_same(known, &row.id, &key)) {
                    return Err(AddSigningKeyError::Known {
                        id: same.id.clone(),
                        manufacturer: same.manufacturer.clone(),
                        algorithm: same.algorithm.clone(),
                        revoked: same.revocation.is_some(),
                    });
                }
                if known.len() >= MOST_KEYS {
                    return Err(AddSigningKeyError::Full);
                }
                signing_keys::insert(connection, &row).await?;
                Ok(row)
            })
        });
        let key = change.await?;
        tracing::info!(
            key = key.id,
            manufacturer = key.manufacturer,
            algorithm = key.algorithm,
            actor = actor.as_str(),
            "signing key added"
        );
        Ok(AddedSigningKey { key, warning })
    }

    fn unknown_manufacturer(&self, name: &str) -> Option<UnknownManufacturer> {
        let known = self.manufacturers();
        if known.contains(name) {
            return None;
        }
        let alike = |text: &str| text.split_whitespace().collect::<String>().to_lowercase();
        let near = known.into_iter().filter(|known| alike(known) == alike(name)).collect();
        Some(UnknownManufacturer { name: name.to_owned(), near })
    }

    /// The key with this id.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn signing_key(&self, id: &str) -> Result<Option<SigningKey>, StoreError> {
        Ok(signing_keys::by_id(&mut *self.inner.store.read().await?, id).await?)
    }

    /// Keys in the order of their ids, after `after`; of one manufacturer unless it is empty.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn signing_keys(
        &self,
        manufacturer: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<SigningKey>, StoreError> {
        Ok(signing_keys::page(&mut *self.inner.store.read().await?, manufacturer, after, limit).await?)
    }

    /// From now on a key counts no more: neither for new packages, nor for those that it vouched for when
    /// they are verified the next time. There is no way back.
    ///
    /// # Errors
    /// There is no such key, it was revoked already, or it cannot be stored.
    pub async fn revoke_signing_key(
        &self,
        id: &str,
        reason: &str,
        actor: &Actor,
    ) -> Result<SigningKey, RevokeSigningKeyError> {
        if !is_line(reason, 1..=LONGEST_COMMENT) {
            return Err(RevokeSigningKeyError::BadReason);
        }
        let (id, by) = (id.to_owned(), actor.as_str().to_owned());
        let revocation = Revocation { at: self.now(), by, reason: reason.to_owned() };
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let Some(known) = signing_keys::by_id(connection, &id).await? else {
                    return Err(RevokeSigningKeyError::Unknown(id));
                };
                if let Some(Revocation { at, by, .. }) = known.revocation {
                    return Err(RevokeSigningKeyError::Revoked { at: at.to_string(), by });
                }
                signing_keys::revoke(connection, &id, &revocation).await?;
                Ok(SigningKey { revocation: Some(revocation), ..known })
            })
        });
        let key = change.await?;
        tracing::warn!(
            key = key.id,
            manufacturer = key.manufacturer,
            actor = actor.as_str(),
            reason,
            "signing key revoked"
        );
        Ok(key)
    }
}

fn public_key(wanted: &AddSigningKey) -> Result<PublicKey, AddSigningKeyError> {
    let algorithm = match &wanted.algorithm {
        Some(code) => {
            let unknown = || AddSigningKeyError::UnknownAlgorithm(code.clone());
            Algorithm::from_code(code).ok_or_else(unknown)?
        }
        None => Algorithm::natural_of(&wanted.pem)?,
    };
    Ok(PublicKey::from_pem(&wanted.pem, algorithm)?)
}

/// Whether the same private key signs for both (SECURITY rule p02: duplicate moduli are refused).
fn is_same(known: &SigningKey, id: &str, key: &PublicKey) -> bool {
    let algorithm = Algorithm::from_code(&known.algorithm);
    let other = algorithm.and_then(|algorithm| PublicKey::from_pem(&known.pem, algorithm).ok());
    known.id == id || other.is_some_and(|other| key.shares_private_key_with(&other))
}

fn check(wanted: &AddSigningKey) -> Result<(), AddSigningKeyError> {
    let fields = [
        ("manufacturer", &wanted.manufacturer, 1, LONGEST_MANUFACTURER),
        ("comment", &wanted.comment, 0, LONGEST_COMMENT),
    ];
    for (field, text, shortest, longest) in fields {
        if !is_line(text, shortest..=longest) {
            return Err(AddSigningKeyError::BadText { field, shortest, longest });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

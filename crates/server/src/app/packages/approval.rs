//! Approving and withdrawing packages.

use super::{App, Package, PayloadError};
use crate::app::Actor;
use crate::app::products;
use crate::app::text::is_line;
use crate::clock::Moment;
use crate::store::packages::{self, Approval, Withdrawal};
use crate::store::{ImageHash, StoreError};

/// What an approver was shown: exactly that is approved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// SHA-256 of the manifest, if there is one.
    pub manifest_sha256: Option<String>,
}

/// Why a package was not approved.
#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// There is none.
    #[error("there is no package with the id {0}")]
    Unknown(String),
    /// What was shown is something else.
    #[error("the package is not what was approved: its {what} has the SHA-256 {actual}, not {shown}")]
    NotThis {
        /// File or manifest.
        what: &'static str,
        /// What the package has.
        actual: String,
        /// What the approver named.
        shown: String,
    },
    /// It is already.
    #[error("{by} approved the package at {at}")]
    Approved {
        /// Who.
        by: String,
        /// When.
        at: Moment,
    },
    /// It never can be again.
    #[error("{by} withdrew the package: {reason}")]
    Withdrawn {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// The uploader alone must not decide.
    #[error("{0} uploaded the package; its product wants another person to approve it")]
    SamePerson(String),
    /// It is not what it was, or nobody vouches for it any more.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// Could not be stored.
    #[error("the approval could not be stored")]
    Store(#[from] StoreError),
}

/// Why a package was not withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum WithdrawError {
    /// There is none.
    #[error("there is no package with the id {0}")]
    Unknown(String),
    /// Not a text.
    #[error("a reason has 1 to {longest} bytes and no control characters")]
    BadReason {
        /// How long it may be.
        longest: usize,
    },
    /// It was before.
    #[error("{by} withdrew the package at {at}")]
    Withdrawn {
        /// Who.
        by: String,
        /// When.
        at: Moment,
    },
    /// Could not be stored.
    #[error("the withdrawal could not be stored")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ApproveError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<sqlx::Error> for WithdrawError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

const LONGEST_REASON: usize = 500;

impl App {
    /// Lets upgrades start with a package. Its file is checked once more.
    ///
    /// # Errors
    /// It is not what the approver was shown, somebody else must approve it, or it is not good any more.
    pub async fn approve_package(
        &self,
        id: &str,
        shown: Shown,
        actor: &Actor,
    ) -> Result<Package, ApproveError> {
        let package = self.package(id).await?.ok_or_else(|| ApproveError::Unknown(id.to_owned()))?;
        check_state(&package)?;
        check_shown(&package, &shown)?;
        let product = package.product_id.as_deref().and_then(|id| self.product(id));
        let product = product.ok_or(PayloadError::NoProduct)?;
        let another = product.settings.approval == products::Approval::AnotherPerson;
        if another && package.uploaded_by == actor.as_str() {
            return Err(ApproveError::SamePerson(package.uploaded_by));
        }
        self.check_package(&package).await?;
        let approval = Approval {
            by: actor.as_str().to_owned(),
            at: self.inner.clock.now(),
            sha256: package.sha256.clone(),
            manifest_sha256: package.manifest.as_ref().map(|(_, sha256)| sha256.clone()),
        };
        let id = id.to_owned();
        let write = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let done = packages::approve(connection, &id, &approval).await?;
                let package = packages::by_id(connection, &id).await?;
                let package = package.ok_or_else(|| ApproveError::Unknown(id))?;
                if !done {
                    // Somebody was faster.
                    check_state(&package)?;
                    return Err(ApproveError::Payload(PayloadError::ApprovalVoid));
                }
                Ok(package)
            })
        });
        let package = write.await?;
        tracing::info!(package = package.id, name = package.name, by = actor.as_str(), "package approved");
        Ok(package)
    }

    /// No upgrade starts with a package any more. Those that run go on; they can be canceled.
    ///
    /// # Errors
    /// There is none, it was withdrawn before, or it cannot be stored.
    pub async fn withdraw_package(
        &self,
        id: &str,
        reason: &str,
        actor: &Actor,
    ) -> Result<Package, WithdrawError> {
        if !is_line(reason, 1..=LONGEST_REASON) {
            return Err(WithdrawError::BadReason { longest: LONGEST_REASON });
        }
        let withdrawal = Withdrawal {
            by: actor.as_str().to_owned(),
            at: self.inner.clock.now(),
            reason: reason.to_owned(),
        };
        let id = id.to_owned();
        let write = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let done = packages::withdraw(connection, &id, &withdrawal).await?;
                let package = packages::by_id(connection, &id).await?;
                let package = package.ok_or_else(|| WithdrawError::Unknown(id))?;
                match &package.withdrawal {
                    Some(Withdrawal { by, at, .. }) if !done => {
                        Err(WithdrawError::Withdrawn { by: by.clone(), at: *at })
                    }
                    _ => Ok(package),
                }
            })
        });
        let package = write.await?;
        tracing::info!(package = package.id, name = package.name, by = actor.as_str(), "package withdrawn");
        Ok(package)
    }
}

fn check_state(package: &Package) -> Result<(), ApproveError> {
    if let Some(at) = package.removed_at {
        return Err(PayloadError::Removed(at).into());
    }
    match (&package.withdrawal, &package.approval) {
        (Some(Withdrawal { by, reason, .. }), _) => {
            Err(ApproveError::Withdrawn { by: by.clone(), reason: reason.clone() })
        }
        (None, Some(Approval { by, at, .. })) => Err(ApproveError::Approved { by: by.clone(), at: *at }),
        (None, None) => Ok(()),
    }
}

fn check_shown(package: &Package, shown: &Shown) -> Result<(), ApproveError> {
    let manifest = package.manifest.as_ref().map(|(_, sha256)| sha256.as_str());
    let pairs = [
        ("file", Some(&*package.sha256), Some(&*shown.sha256)),
        ("manifest", manifest, shown.manifest_sha256.as_deref()),
    ];
    for (what, actual, shown) in pairs {
        let hash = |text: Option<&str>| text.map(ImageHash::from_text);
        if hash(actual) != hash(shown) {
            let text = |hash: Option<&str>| hash.unwrap_or("of nothing").to_owned();
            return Err(ApproveError::NotThis { what, actual: text(actual), shown: text(shown) });
        }
    }
    Ok(())
}

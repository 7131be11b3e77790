//! Why an upgrade was not started, or not canceled.

use firmware::upgrade::Protocol;

use super::components::MOST_COMPONENTS;
use super::{Differences, PayloadError};
use crate::secrets::NoRandomness;
use crate::store::StoreError;

/// Why an upgrade was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartUpgradeError {
    /// There is none.
    #[error("there is no device with the endpoint name {0}")]
    UnknownDevice(String),
    /// There is none.
    #[error("there is no package with the id {0}")]
    UnknownPackage(String),
    /// One at a time.
    #[error("the upgrade {0} of this device has not ended")]
    Upgrading(String),
    /// The device would refuse it.
    #[error("the package is for the model {package}, the device is a {device}")]
    WrongModel {
        /// What the package is for.
        package: String,
        /// What the device is.
        device: String,
    },
    /// The device is none of those that the package was made for (seed S1-21).
    #[error("the package is not for this device: the {0}")]
    WrongProduct(Differences),
    /// Nobody knows what the device is.
    #[error("what product the device {0} is cannot be told")]
    NoProduct(String),
    /// Its profile says that it cannot be upgraded.
    #[error("the profile of {0} has no capability for upgrades")]
    NotUpgradable(String),
    /// Nobody may receive the package.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// Devices cannot be told where to fetch the image.
    #[error("the server does not know under which address devices reach it")]
    NoPullAddress,
    /// Nobody listens there.
    #[error("this server offers no downloads over {0}")]
    ProtocolOff(Protocol),
    /// They exclude each other.
    #[error("a protocol is for delivery by PULL, and a base URI has one already")]
    ProtocolNotPossible,
    /// They have to be told apart, and bounded.
    #[error(
        "components need different instances, at most {MOST_COMPONENTS} of them, and that of the first package"
    )]
    BadComponents,
    /// Not a time.
    #[error("a timeout is from 1 second to 30 days")]
    BadTimeout,
    /// Not a time.
    #[error("an installation can be put off by at most 30 days")]
    BadDeferral,
    /// No key could be made.
    #[error("no id could be made")]
    Random(#[from] NoRandomness),
    /// Could not be stored.
    #[error("the upgrade could not be stored")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for StartUpgradeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Why an upgrade was not canceled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// There is none.
    #[error("there is no upgrade {0}")]
    Unknown(String),
    /// Too late.
    #[error("the upgrade has ended: {0}")]
    Ended(String),
    /// Could not be stored.
    #[error("the wish could not be stored")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for CancelError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

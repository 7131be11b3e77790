//! Who may register.

use alloc::string::String;

/// What the server knows of devices besides what they say themselves. Answers come from memory: the
/// protocol never waits for storage.
pub trait Directory: Send + Sync {
    /// Whether a device may register.
    ///
    /// `identity` is what its session proved, `None` on an open link; `endpoint` is the name that it gave,
    /// if any. Never take one for the other: which endpoint belongs to which identity is stored (S0-11).
    fn admit(&self, identity: Option<&[u8]>, endpoint: Option<&str>) -> Admission;
}

/// The answer of a [`Directory`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It may, under this endpoint name.
    Accept {
        /// The name that the device is known by from here on.
        endpoint: String,
    },
    /// It may not.
    Refuse(Refusal),
}

/// Why a device may not register.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, thiserror::Error)]
pub enum Refusal {
    /// No device has this endpoint name.
    #[error("unknown endpoint")]
    UnknownEndpoint,
    /// The identity belongs to a device with another endpoint name.
    #[error("the endpoint name does not belong to this identity")]
    WrongEndpoint,
    /// There is neither a name nor an identity to take it from.
    #[error("the endpoint name is missing")]
    NoEndpoint,
    /// The device must use DTLS.
    #[error("this endpoint must use DTLS")]
    SecurityRequired,
    /// An operator has blocked the device.
    #[error("the device is blocked")]
    Blocked,
    /// The server serves as many devices as it is configured to.
    #[error("the server is full")]
    Full,
}

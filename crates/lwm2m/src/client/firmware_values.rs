//! The numbers of object 5 (OMA 5-1_0.xml) that this client can have.

/// Resource 3, State.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UpdateState {
    /// No package, or none that is of use.
    Idle = 0,
    /// A package is arriving.
    Downloading = 1,
    /// A package is complete and checked.
    Downloaded = 2,
    /// The package is being installed.
    Updating = 3,
}

/// Resource 5, Update Result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UpdateResult {
    /// Nothing has ended since the last start or reset.
    Initial = 0,
    /// Installed.
    Success = 1,
    /// The package does not fit into flash.
    NotEnoughSpace = 2,
    /// Memory ran out during the download.
    OutOfMemory = 3,
    /// The connection was lost during the download.
    ConnectionLost = 4,
    /// The package is damaged.
    IntegrityFailure = 5,
    /// The package is of a type, or for a device, that is not this one.
    UnsupportedPackage = 6,
    /// The Package URI is not valid.
    InvalidUri = 7,
    /// Installing failed.
    UpdateFailed = 8,
    /// The scheme of the Package URI is not supported.
    UnsupportedProtocol = 9,
    /// The server canceled the update (object version 1.1).
    Canceled = 10,
    /// The update is put off (object version 1.1).
    Deferred = 11,
}

/// Resource 9, Firmware Update Delivery Method.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeliveryMethod {
    /// Only by Package URI.
    Pull = 0,
    /// Only by writing the Package.
    Push = 1,
    /// Both.
    Both = 2,
}

/// The state after result 8, on which devices differ (OMA_LwM2M_for_Developers #393).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StateAfterFailure {
    /// The package is gone (RYZ014).
    Idle,
    /// The package may be executed again (Anjay).
    Downloaded,
}

impl StateAfterFailure {
    pub(super) const fn state(self) -> UpdateState {
        match self {
            Self::Idle => UpdateState::Idle,
            Self::Downloaded => UpdateState::Downloaded,
        }
    }
}

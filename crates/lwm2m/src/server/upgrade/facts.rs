//! What is known about an upgrade when it is over.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use firmware::upgrade::{Stage, UpdateResult, UpdateState};

/// For the history of a device.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Facts {
    /// When each stage began, since the start; a stage that was entered again is listed again, up to
    /// [`Facts::MOST_STAGES`].
    pub stages: Vec<(Stage, Duration)>,
    /// How long it took in all.
    pub took: Duration,
    /// Bytes of the image that the device took, those of repeated offers counted again.
    pub bytes: u64,
    /// Blocks that they came in.
    pub blocks: u64,
    /// Datagrams that the server had to send again. Filled in by the server.
    pub retransmissions: u64,
    /// How often the image was offered.
    pub offers: u32,
    /// How often the order to install was sent.
    pub executes: u32,
    /// The model that the device reported.
    pub model: Option<String>,
    /// The version before.
    pub version_before: Option<String>,
    /// The version that was read last.
    pub version_after: Option<String>,
    /// The state that was read last.
    pub state: Option<UpdateState>,
    /// The result that was read last.
    pub result: Option<UpdateResult>,
    /// What was odd, each kind once.
    pub warnings: Vec<Warning>,
}

impl Facts {
    /// Stages that are listed at most; later repetitions are left out.
    pub const MOST_STAGES: usize = 64;
}

/// Something odd that did not end the upgrade.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Warning {
    /// The device runs the target version but did not report a result.
    ResultNotReported,
    /// The device reports success and the target version but did not register again.
    NotRegisteredAgain,
    /// The device keeps the delivery method where the protocols belong (LiteOS class).
    OldResourceNumbers,
    /// The device does not allow /5/0/3 to be observed; it is read instead.
    NotObservable,
    /// The device installs without being told to.
    InstallsByItself,
    /// The device dropped the image, and it was offered again.
    OfferedAgain,
    /// The order to install had no effect and was sent again after the device was read as ready.
    ExecutedAgain,
    /// The cancellation came after the order to install; the upgrade goes on.
    CancelTooLate,
    /// The device did not confirm that it was reset.
    ResetNotConfirmed,
    /// The device reports a state that no standard names.
    UnknownState,
    /// The device has no resources for urgency and deferral; it installs when it is told.
    NotDeferrable,
    /// The device put the installation off (result 11); it is waited for.
    PutOff,
}

impl Warning {
    /// The stable name for storage and interfaces.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ResultNotReported => "result-not-reported",
            Self::NotRegisteredAgain => "not-registered-again",
            Self::OldResourceNumbers => "old-resource-numbers",
            Self::NotObservable => "not-observable",
            Self::InstallsByItself => "installs-by-itself",
            Self::OfferedAgain => "offered-again",
            Self::ExecutedAgain => "executed-again",
            Self::CancelTooLate => "cancel-too-late",
            Self::ResetNotConfirmed => "reset-not-confirmed",
            Self::UnknownState => "unknown-state",
            Self::NotDeferrable => "not-deferrable",
            Self::PutOff => "put-off",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ResultNotReported => "the device did not report a result",
            Self::NotRegisteredAgain => "the device did not register again",
            Self::OldResourceNumbers => "the device keeps its delivery method on resource 8",
            Self::NotObservable => "the state cannot be observed and is read instead",
            Self::InstallsByItself => "the device installs without being told to",
            Self::OfferedAgain => "the image was offered again",
            Self::ExecutedAgain => "the order to install was sent again",
            Self::CancelTooLate => "too late to cancel, the device installs already",
            Self::ResetNotConfirmed => "the device did not confirm that it was reset",
            Self::UnknownState => "the device reports an unknown state",
            Self::NotDeferrable => "the device knows no urgency and no deferral",
            Self::PutOff => "the device put the installation off",
        })
    }
}

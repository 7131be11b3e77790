//! The words of an upgrade that every procedure shares, whatever the protocol.
//!
//! One campaign mixes devices updated over LwM2M, Wi-SUN and AT commands; they all go through these stages
//! and end with one of these outcomes. The codes are stored and shown, so they never change.

use core::fmt;

mod protocol;

pub use protocol::Protocol;

/// How far an upgrade is. Stages are passed in this order; some may be skipped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stage {
    /// Nothing was sent; the device is not reachable yet.
    Waiting,
    /// Version, model and state of the device are read.
    Precheck,
    /// The image is being offered: observation, URI, or the first block.
    Offering,
    /// The device takes the image.
    Downloading,
    /// The device has the image and has checked it.
    Downloaded,
    /// The order to install is being recorded and sent.
    Executing,
    /// The device installs and restarts.
    Updating,
    /// The device is back; its version and result are read.
    Verifying,
    /// The verdict is known; observations are taken back.
    Closing,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 9] = [
        Self::Waiting,
        Self::Precheck,
        Self::Offering,
        Self::Downloading,
        Self::Downloaded,
        Self::Executing,
        Self::Updating,
        Self::Verifying,
        Self::Closing,
    ];

    /// The stable name for storage and interfaces.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Precheck => "precheck",
            Self::Offering => "offering",
            Self::Downloading => "downloading",
            Self::Downloaded => "downloaded",
            Self::Executing => "executing",
            Self::Updating => "updating",
            Self::Verifying => "verifying",
            Self::Closing => "closing",
        }
    }

    /// The stage with this name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.code() == code)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// Who moves the bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Delivery {
    /// The device fetches the image from a URI.
    Pull,
    /// The server writes the image to the device.
    Push,
}

impl Delivery {
    /// The stable name for storage and interfaces.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
        }
    }

    /// The delivery with this name.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Pull, Self::Push].into_iter().find(|delivery| delivery.code() == code)
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// What a device says it is doing (OMA object 5, resource 3). Unknown numbers are kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UpdateState(pub u8);

impl UpdateState {
    /// Before a download, or after a successful update.
    pub const IDLE: Self = Self(0);
    /// The image is on its way.
    pub const DOWNLOADING: Self = Self(1);
    /// The image is there and checked.
    pub const DOWNLOADED: Self = Self(2);
    /// The image is being installed.
    pub const UPDATING: Self = Self(3);
}

/// How a device says the last download or update ended (OMA object 5, resource 5; 12 and 13 from object
/// 33629). Unknown numbers are kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UpdateResult(pub u8);

impl UpdateResult {
    /// Nothing to say yet.
    pub const INITIAL: Self = Self(0);
    /// The update worked.
    pub const SUCCESS: Self = Self(1);
    /// Not enough flash for the image.
    pub const NOT_ENOUGH_FLASH: Self = Self(2);
    /// Out of memory during the download.
    pub const OUT_OF_MEMORY: Self = Self(3);
    /// Connection lost during the download.
    pub const CONNECTION_LOST: Self = Self(4);
    /// The image's check failed.
    pub const INTEGRITY_FAILED: Self = Self(5);
    /// The device does not take this kind of package.
    pub const UNSUPPORTED_PACKAGE: Self = Self(6);
    /// The URI is invalid.
    pub const INVALID_URI: Self = Self(7);
    /// The installation failed.
    pub const UPDATE_FAILED: Self = Self(8);
    /// The device does not speak the URI's protocol.
    pub const UNSUPPORTED_PROTOCOL: Self = Self(9);
    /// The update was canceled.
    pub const CANCELED: Self = Self(10);
    /// The update was put off.
    pub const DEFERRED: Self = Self(11);
    /// Conflicting state of another component (object 33629).
    pub const CONFLICTING_STATE: Self = Self(12);
    /// A component that this one needs is missing (object 33629).
    pub const DEPENDENCY_ERROR: Self = Self(13);

    /// What failed, by this number; `None` for those that are no failure (initial, success).
    pub const fn cause(self) -> Option<Cause> {
        Some(match self.0 {
            0 | 1 => return None,
            2 => Cause::NotEnoughFlash,
            3 => Cause::OutOfMemory,
            4 => Cause::ConnectionLost,
            5 => Cause::IntegrityFailed,
            6 => Cause::UnsupportedPackage,
            7 => Cause::InvalidUri,
            8 => Cause::InstallFailed,
            9 => Cause::ProtocolRefused,
            10 => Cause::CanceledByDevice,
            11 => Cause::Deferred,
            12 => Cause::ConflictingState,
            13 => Cause::DependencyError,
            other => Cause::UnknownResult(other),
        })
    }
}

/// How an upgrade ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// The device came back with the target version, and this proves it.
    Succeeded(Proof),
    /// The device had the target version before a byte was sent.
    AlreadyAtTarget,
    /// It did not work.
    Failed(Cause),
    /// An operator canceled it, and the device is not left with an open update.
    Canceled,
    /// Nothing was heard of the device after the order to install. It may have succeeded.
    Lost,
    /// Another server is updating the device; try again when that ended.
    Postponed,
}

/// What a success stands on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Proof {
    /// The target version and the device's own report of success.
    VersionAndResult,
    /// The target version; the device reports no result (warning "result not reported").
    VersionOnly,
    /// The device's own report of success; the package names no version to compare with.
    ResultOnly,
}

impl Outcome {
    /// The stable name for storage and interfaces; a failure's cause has its own.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Succeeded(_) => "succeeded",
            Self::AlreadyAtTarget => "already-at-target",
            Self::Failed(_) => "failed",
            Self::Canceled => "canceled",
            Self::Lost => "lost",
            Self::Postponed => "postponed",
        }
    }

    /// Whether the device now runs the target version.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Succeeded(_) | Self::AlreadyAtTarget)
    }

    /// What happened, in one sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Succeeded(Proof::VersionAndResult) => {
                "The device restarted and reports success and the target version."
            }
            Self::Succeeded(Proof::VersionOnly) => {
                "The device restarted and runs the target version; it did not report a result."
            }
            Self::Succeeded(Proof::ResultOnly) => {
                "The device restarted and reports success; the package names no version to compare."
            }
            Self::AlreadyAtTarget => "The device already runs the target version; nothing was sent.",
            Self::Failed(cause) => cause.sentence(),
            Self::Canceled => "The upgrade was canceled and the device was reset to idle.",
            Self::Lost => "The device did not come back after the order to install.",
            Self::Postponed => "Another server is updating this device.",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(cause) => write!(formatter, "failed ({})", cause.code()),
            other => formatter.write_str(other.code()),
        }
    }
}

/// Why an upgrade failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    /// Result 2.
    NotEnoughFlash,
    /// Result 3.
    OutOfMemory,
    /// Result 4.
    ConnectionLost,
    /// Result 5.
    IntegrityFailed,
    /// Result 6.
    UnsupportedPackage,
    /// Result 7.
    InvalidUri,
    /// Result 8.
    InstallFailed,
    /// Result 9.
    ProtocolRefused,
    /// Result 10 without our asking.
    CanceledByDevice,
    /// Result 11 until the end of the time for it.
    Deferred,
    /// Result 12.
    ConflictingState,
    /// Result 13.
    DependencyError,
    /// A result number that no standard names.
    UnknownResult(u8),
    /// The device's model is not the package's; refused before a byte.
    WrongModel,
    /// The device's version is not the one that the package starts from; refused before a byte.
    WrongSourceVersion,
    /// The device does not speak the protocol of the URI; refused before a byte.
    UnsupportedProtocol,
    /// The device does not take this way of delivery; refused before a byte, or by 4.05 on the first one.
    UnsupportedDelivery,
    /// The device has no firmware update object.
    NoFirmwareObject,
    /// The device refused the URI or the package with this CoAP code.
    OfferRefused(u8),
    /// The device refused the order to install with this CoAP code.
    ExecuteRefused(u8),
    /// The download did not end in its time.
    DownloadTimedOut,
    /// The device dropped the image each time it was delivered.
    ImageDropped,
    /// The device reports success but not the target version.
    VersionUnchanged,
    /// The device came back, idle, without result and with the old version.
    InstallNotDone,
    /// The device reports a failure and the target version: an operator must look.
    Contradictory,
    /// The device was not reachable until the upgrade's deadline.
    Unreachable,
    /// A record of the upgrade could not be read after a restart of the server.
    RecordDamaged,
}

impl Cause {
    /// The stable name for storage and interfaces.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotEnoughFlash => "not-enough-flash",
            Self::OutOfMemory => "out-of-memory",
            Self::ConnectionLost => "connection-lost",
            Self::IntegrityFailed => "integrity-failed",
            Self::UnsupportedPackage => "unsupported-package",
            Self::InvalidUri => "invalid-uri",
            Self::InstallFailed => "install-failed",
            Self::ProtocolRefused => "protocol-refused",
            Self::CanceledByDevice => "canceled-by-device",
            Self::Deferred => "deferred",
            Self::ConflictingState => "conflicting-state",
            Self::DependencyError => "dependency-error",
            Self::UnknownResult(_) => "unknown-result",
            Self::WrongModel => "wrong-model",
            Self::WrongSourceVersion => "wrong-source-version",
            Self::UnsupportedProtocol => "unsupported-protocol",
            Self::UnsupportedDelivery => "unsupported-delivery",
            Self::NoFirmwareObject => "no-firmware-object",
            Self::OfferRefused(_) => "offer-refused",
            Self::ExecuteRefused(_) => "execute-refused",
            Self::DownloadTimedOut => "download-timed-out",
            Self::ImageDropped => "image-dropped",
            Self::VersionUnchanged => "version-unchanged",
            Self::InstallNotDone => "install-not-done",
            Self::Contradictory => "contradictory",
            Self::Unreachable => "unreachable",
            Self::RecordDamaged => "record-damaged",
        }
    }

    /// What happened, in one sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NotEnoughFlash => "The device has not enough flash for the image.",
            Self::OutOfMemory => "The device ran out of memory during the download.",
            Self::ConnectionLost => "The device lost the connection during the download.",
            Self::IntegrityFailed => "The image failed the device's integrity check.",
            Self::UnsupportedPackage => "The device does not take this kind of package.",
            Self::InvalidUri => "The device could not use the download URI.",
            Self::InstallFailed => "The device could not install the image and runs the old one.",
            Self::ProtocolRefused => "The device does not speak the protocol of the download URI.",
            Self::CanceledByDevice => "The device canceled the update.",
            Self::Deferred => "The device put the update off until its time was over.",
            Self::ConflictingState => "Another component of the device is in a conflicting state.",
            Self::DependencyError => "A component that the image needs is missing on the device.",
            Self::UnknownResult(_) => "The device ended the update with a result that is not defined.",
            Self::WrongModel => "The package is for another model; nothing was sent.",
            Self::WrongSourceVersion => "The package starts from another version; nothing was sent.",
            Self::UnsupportedProtocol => "The device does not offer the download protocol; nothing was sent.",
            Self::UnsupportedDelivery => "The device does not take images this way.",
            Self::NoFirmwareObject => "The device has no firmware update object.",
            Self::OfferRefused(_) => "The device refused the offer of the image.",
            Self::ExecuteRefused(_) => "The device refused the order to install.",
            Self::DownloadTimedOut => "The download did not end in its time.",
            Self::ImageDropped => "The device dropped the image each time it was delivered.",
            Self::VersionUnchanged => "The device reports success but does not run the target version.",
            Self::InstallNotDone => "The device came back with the old version and without a result.",
            Self::Contradictory => "The device reports a failure and yet runs the target version.",
            Self::Unreachable => "The device was not reachable until the deadline of the upgrade.",
            Self::RecordDamaged => "The stored record of the upgrade could not be read.",
        }
    }

    /// What an operator can do about it, in one sentence.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::NotEnoughFlash => "Use a smaller or a differential image.",
            Self::OutOfMemory => "Try again once; restart the device before if it fails again.",
            Self::ConnectionLost => "Try again when the device's signal is better.",
            Self::IntegrityFailed => "Check the image at its source, then upload it again.",
            Self::UnsupportedPackage => "Upload the image in the form that the module's maker ships.",
            Self::InvalidUri => "Check the base URI that devices reach this server by.",
            Self::InstallFailed => "Check that the image fits this hardware, and read the device's log.",
            Self::ProtocolRefused | Self::UnsupportedProtocol => "Choose another protocol, or push.",
            Self::CanceledByDevice => "Ask who canceled it at the device, then start again.",
            Self::Deferred => "Start again at a time when the device may restart.",
            Self::ConflictingState | Self::DependencyError => "Update the device's other components first.",
            Self::UnknownResult(_) => "Look the number up in the module's manual.",
            Self::WrongModel => "Choose the package of the device's model.",
            Self::WrongSourceVersion => "Choose the package that starts from the device's version.",
            Self::UnsupportedDelivery => "Choose the other way of delivery.",
            Self::NoFirmwareObject => "Update this device by its own tools.",
            Self::OfferRefused(_) | Self::ExecuteRefused(_) => "Read the device's state and start again.",
            Self::DownloadTimedOut => "Allow more time, or try again when the signal is better.",
            Self::ImageDropped => "Check that the device stays powered during the download.",
            Self::VersionUnchanged => "Check the version that the package was uploaded with.",
            Self::InstallNotDone => "Start again; check the device's power if it repeats.",
            Self::Contradictory => "Read version and result on the device before anything else is sent.",
            Self::Unreachable => "Check the device's power and network, then start again.",
            Self::RecordDamaged => "Start the upgrade again; the device is read before anything is sent.",
        }
    }

    /// Whether the same upgrade may work later without anybody changing something.
    pub const fn is_worth_retrying(self) -> bool {
        matches!(
            self,
            Self::OutOfMemory
                | Self::ConnectionLost
                | Self::Deferred
                | Self::DownloadTimedOut
                | Self::ImageDropped
                | Self::InstallNotDone
                | Self::Unreachable
        )
    }

    /// The number that belongs to it: a CoAP code or a result of the device.
    pub const fn detail(self) -> Option<u8> {
        match self {
            Self::UnknownResult(number) | Self::OfferRefused(number) | Self::ExecuteRefused(number) => {
                Some(number)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.sentence())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_read_back() {
        for stage in Stage::ALL {
            assert_eq!(Stage::from_code(stage.code()), Some(stage));
        }
        assert_eq!(Delivery::from_code("push"), Some(Delivery::Push));
        assert_eq!(Delivery::from_code("carry"), None);
    }

    #[test]
    fn every_result_but_initial_and_success_is_a_failure_with_its_own_code() {
        let causes: Vec<Cause> = (0..=20).filter_map(|number| UpdateResult(number).cause()).collect();
        assert_eq!(causes.len(), 19);
        let codes: BTreeSet<&str> = causes.iter().map(|cause| cause.code()).collect();
        assert_eq!(codes.len(), 13, "2 to 13, and one for all unknown ones");
        assert!(!Outcome::Failed(Cause::UnknownResult(20)).is_success());
    }

    use std::vec::Vec;
}

//! What each pair of State and Result means, by where the upgrade is. Nothing here has state.
//!
//! Devices skip states, keep old results, and end the same failure in different states (OMA_LwM2M_for_Developers
//! issues 393, 219, 417). So a pair is never judged alone but with what was seen before it.

use firmware::upgrade::{Cause, Outcome, Proof, UpdateResult, UpdateState};

/// What the state of a device means before anything was offered to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StartReaction {
    /// It is idle, whatever the last result was.
    Offer,
    /// What is left of an earlier upgrade of ours must be removed first.
    Reset,
    /// Somebody else updates it.
    Foreign,
}

/// | State | ours | others' |
/// | --- | --- | --- |
/// | 0 | offer | offer |
/// | 1, 2 | reset | foreign |
/// | 3, unknown | foreign | foreign |
pub(super) const fn at_start(state: UpdateState, leftovers_are_ours: bool) -> StartReaction {
    match state {
        UpdateState::IDLE => StartReaction::Offer,
        UpdateState::DOWNLOADING | UpdateState::DOWNLOADED if leftovers_are_ours => StartReaction::Reset,
        _ => StartReaction::Foreign,
    }
}

/// What was seen before a pair was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Before {
    /// The device has shown that it works on this offer, so its result is about this offer.
    pub(super) began: bool,
    /// The result before the step whose outcome is awaited; devices may keep showing it for a while.
    pub(super) result: UpdateResult,
    /// The device had the time to show something new.
    pub(super) settled: bool,
}

/// What a pair means while the image is on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DownloadReaction {
    /// Nothing is decided.
    Wait,
    /// The device is idle and has nothing: offer again.
    OfferAgain,
    /// The device lost the connection or memory: offer again a limited number of times.
    FailedForNow(Cause),
    /// The device gave up.
    Failed(Cause),
    /// The device has the image.
    Downloaded,
    /// The device installs without our order.
    Installing,
    /// The device may have installed without our order: its version decides.
    Verify,
}

/// | State | Result 0 | 1 | 2..13, unknown |
/// | --- | --- | --- | --- |
/// | 0 | wait, then offer again | verify if new | failed if new; 3 and 4 offered again |
/// | 1 | wait | wait | failed if new (ETS 777 allows state 1) |
/// | 2 | downloaded | downloaded | failed if new, 11 means downloaded |
/// | 3 | installing | installing | installing |
/// | unknown | wait | wait | wait |
pub(super) fn while_downloading(
    state: UpdateState,
    result: UpdateResult,
    before: Before,
) -> DownloadReaction {
    use DownloadReaction::{Downloaded, Failed, FailedForNow, Installing, OfferAgain, Verify, Wait};
    // A result that was there before the offer says nothing until the device began or had its time.
    let is_new = result != before.result || before.began || before.settled;
    match (state, result.cause()) {
        (UpdateState::IDLE, None) if result == UpdateResult::SUCCESS && result != before.result => Verify,
        (UpdateState::IDLE, None) if before.began || before.settled => OfferAgain,
        (UpdateState::IDLE, Some(cause)) if is_new => match cause {
            Cause::ConnectionLost | Cause::OutOfMemory => FailedForNow(cause),
            cause => Failed(cause),
        },
        (UpdateState::DOWNLOADED, Some(cause)) if result != before.result && cause != Cause::Deferred => {
            Failed(cause)
        }
        (UpdateState::DOWNLOADING, Some(cause)) if result != before.result => Failed(cause),
        (UpdateState::DOWNLOADED, _) => Downloaded,
        (UpdateState::UPDATING, _) => Installing,
        _ => Wait,
    }
}

/// What a pair means after the order to install.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum InstallReaction {
    /// Nothing is decided.
    Wait,
    /// The version decides.
    Verify,
    /// The device still has the image and does not install: the order may be sent again.
    ExecuteAgain,
    /// The device fetches the image again.
    Downloading,
}

/// | State | Result 0 | 1 | 2..10, 12, 13, unknown | 11 |
/// | --- | --- | --- | --- | --- |
/// | 0 | verify | verify | verify if new | verify if new |
/// | 1 | downloading | downloading | downloading | downloading |
/// | 2 | wait, then execute again | wait, then execute again | verify if new, else as 0 | wait |
/// | 3 | wait | wait | wait | wait |
/// | unknown | wait | wait | wait | wait |
pub(super) fn after_execute(state: UpdateState, result: UpdateResult, before: Before) -> InstallReaction {
    use InstallReaction::{Downloading, ExecuteAgain, Verify, Wait};
    let is_new = result != before.result || before.settled;
    match state {
        UpdateState::IDLE if result.cause().is_none() || is_new => Verify,
        UpdateState::DOWNLOADING => Downloading,
        UpdateState::DOWNLOADED if result == UpdateResult::DEFERRED => Wait,
        UpdateState::DOWNLOADED if result.cause().is_some() && result != before.result => Verify,
        UpdateState::DOWNLOADED if before.settled => ExecuteAgain,
        _ => Wait,
    }
}

/// How the version on the device compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Version {
    /// It is the target.
    Target,
    /// It is another one, or could not be read.
    Other,
    /// The package names none.
    NoTarget,
}

/// What version, state and result say together after the order to install.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// It is over.
    Final(Outcome),
    /// It is over with this, unless the device says something else before its time to settle ends.
    Unsettled(Cause),
}

/// Invariant I2: success is the target version and result 1, or the target version with state 0 and
/// result 0. A failure with the target version is a contradiction for an operator.
pub(super) const fn verdict(state: UpdateState, result: UpdateResult, version: Version) -> Verdict {
    use Verdict::{Final, Unsettled};
    match (result.cause(), version) {
        (Some(_), Version::Target) => Final(Outcome::Failed(Cause::Contradictory)),
        (Some(cause), _) => Final(Outcome::Failed(cause)),
        (None, Version::Target) if result.0 == UpdateResult::SUCCESS.0 => {
            Final(Outcome::Succeeded(Proof::VersionAndResult))
        }
        (None, Version::NoTarget) if result.0 == UpdateResult::SUCCESS.0 => {
            Final(Outcome::Succeeded(Proof::ResultOnly))
        }
        (None, Version::Other) if result.0 == UpdateResult::SUCCESS.0 => Unsettled(Cause::VersionUnchanged),
        (None, Version::Target) if state.0 == UpdateState::IDLE.0 => {
            Final(Outcome::Succeeded(Proof::VersionOnly))
        }
        (None, Version::Target) => Unsettled(Cause::Contradictory),
        (None, Version::Other | Version::NoTarget) => Unsettled(Cause::InstallNotDone),
    }
}

#[cfg(test)]
mod tests;

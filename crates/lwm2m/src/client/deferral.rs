//! What version 1.1 of object 5 adds: Cancel, Severity, Last State Change Time, Maximum Defer Period
//! (resources 10 to 13).
//!
//! ```text
//!  Downloaded ── Execute, and the user may put it off ──► Downloaded, result 11 ── his time is over ──► Updating
//! ```

use core::time::Duration;

use machine::Instant;

use super::firmware_store::FirmwareStore;
use super::firmware_update::{FirmwareUpdate, Refusal};
use super::firmware_values::{UpdateResult, UpdateState};

/// How a device of object version 1.1 behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deferral {
    /// For how long its user puts an installation off when he may.
    pub puts_off: Duration,
}

/// `/5/0/11` (OMA 5.xml).
const CRITICAL: i64 = 0;
const MANDATORY: i64 = 1;
const OPTIONAL: i64 = 2;

/// The resources as they are.
#[derive(Debug)]
pub(super) struct Policy {
    behaviour: Deferral,
    severity: i64,
    /// In seconds; zero forbids.
    defer_period: u32,
    /// Seconds since 1970.
    changed_at: Option<i64>,
    /// The installation begins by itself then.
    deferred_until: Option<Instant>,
}

impl Policy {
    pub(super) fn new(behaviour: Deferral) -> Self {
        Self { behaviour, severity: MANDATORY, defer_period: 0, changed_at: None, deferred_until: None }
    }

    pub(super) fn severity(&self) -> i64 {
        self.severity
    }

    pub(super) fn changed_at(&self) -> Option<i64> {
        self.changed_at
    }

    pub(super) fn defer_period(&self) -> u32 {
        self.defer_period
    }

    /// How long the user puts an installation off, if he may and wants to.
    fn pause(&self) -> Option<Duration> {
        let longest = Duration::from_secs(self.defer_period.into());
        let pause = self.behaviour.puts_off.min(longest);
        (self.severity != CRITICAL && !pause.is_zero()).then_some(pause)
    }
}

impl<F: FirmwareStore> FirmwareUpdate<F> {
    /// Writes resource 11 or 13; `None` if the value is out of range.
    pub(super) fn write_policy(&mut self, resource: u16, value: i64) -> Option<()> {
        let policy = self.policy_mut()?;
        match resource {
            11 => policy.severity = Some(value).filter(|value| (CRITICAL..=OPTIONAL).contains(value))?,
            13 => policy.defer_period = value.try_into().ok()?,
            _ => return None,
        }
        Some(())
    }

    /// Execute on resource 2, unless the user puts it off.
    pub(super) fn execute_or_defer(&mut self, now: Instant) -> Result<(), Refusal> {
        if self.state() == UpdateState::Downloaded
            && let Some(policy) = self.policy_mut()
            && let Some(pause) = policy.pause()
        {
            policy.deferred_until.get_or_insert(now + pause);
            self.set_result(UpdateResult::Deferred);
            return Ok(());
        }
        self.execute()
    }

    /// Execute on resource 10: possible until the installation begins.
    pub(super) fn cancel(&mut self) -> Result<(), Refusal> {
        if !matches!(self.state(), UpdateState::Downloading | UpdateState::Downloaded) {
            return Err(Refusal::NotAllowed);
        }
        self.abandon(UpdateResult::Canceled);
        Ok(())
    }

    /// When an installation that was put off begins.
    pub(super) fn deferred_until(&self) -> Option<Instant> {
        self.policy()
            .and_then(|policy| policy.deferred_until)
            .filter(|_| self.state() == UpdateState::Downloaded)
    }

    /// The time to put off is over. Whether the installation begins.
    pub(super) fn end_deferral(&mut self, now: Instant) -> bool {
        if self.deferred_until().is_none_or(|until| until > now) {
            return false;
        }
        if let Some(policy) = self.policy_mut() {
            policy.deferred_until = None;
        }
        self.execute().is_ok() && self.state() == UpdateState::Updating
    }

    /// The state has changed at this time, in seconds since 1970.
    pub(super) fn note_change(&mut self, time: i64) {
        let waits = self.state() == UpdateState::Downloaded;
        if let Some(policy) = self.policy_mut() {
            policy.changed_at = Some(time);
            policy.deferred_until.take_if(|_| !waits);
        }
    }
}

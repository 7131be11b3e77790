//! Ending: leave no open update on the device, take the observation back, tell the outcome.

use alloc::vec;

use coap::Code;
use firmware::upgrade::{Cause, Delivery, Outcome, Stage, UpdateState};
use machine::Instant;

use super::procedure::Procedure;
use super::state::{Intent, Observation, Step};
use super::{Answer, UpgradeEvent, Warning};
use crate::object::firmware as object;

/// How often the end of the observation is asked for.
const MOST_CANCEL_TRIES: u32 = 2;

impl Procedure {
    /// The operator wants it to end. Before the order to install the device is reset to idle; afterwards it
    /// is too late, and the upgrade goes on (F35).
    pub fn cancel(&mut self, now: Instant) {
        if self.outcome.is_some() {
            return;
        }
        if self.install.executed {
            return self.warn(Warning::CancelTooLate);
        }
        self.record.canceled = true;
        self.abandon();
        self.wake = None;
        self.close(Outcome::Canceled, now);
        self.act(now);
    }

    /// The verdict is known; what is left on the device is cleaned up, then it is told.
    pub(super) fn close(&mut self, outcome: Outcome, now: Instant) {
        self.outcome = Some(outcome);
        self.install.intent = Intent::None;
        self.failures = 0;
        self.wake = None;
        self.set_stage(Stage::Closing, now);
        self.deadline = now + self.plan.timing.cancel;
        if self.leaves_something(outcome) {
            self.step = self.first_reset();
        } else {
            self.end_observation(now);
        }
    }

    /// Whether a download or image of ours may be on the device. A push that another server would start over
    /// is refused while it is.
    fn leaves_something(&self, outcome: Outcome) -> bool {
        let offered = self.record.offers > 0;
        let at_risk = matches!(self.view.state, Some(UpdateState::DOWNLOADING | UpdateState::DOWNLOADED));
        match outcome {
            Outcome::Canceled => offered,
            Outcome::Failed(Cause::DownloadTimedOut) => offered,
            Outcome::Failed(_) => offered && at_risk,
            _ => false,
        }
    }

    /// The order to cancel where the object knows it, so that the device can say result 10.
    fn first_reset(&self) -> Step {
        match self.delivery() {
            _ if self.view.is_newer => Step::ExecuteCancel,
            Delivery::Pull => Step::Reset,
            Delivery::Push => Step::ClearPackage,
        }
    }

    /// Who moves, or moved, the bytes.
    pub(super) fn delivery(&self) -> Delivery {
        self.record.delivery.unwrap_or(Delivery::Pull)
    }

    /// A reset was answered: before an offer, or while closing.
    pub(super) fn handle_reset(&mut self, answer: &Answer, now: Instant) {
        match answer {
            Answer::Lost => self.back_off(now),
            Answer::Refused(Code::SERVICE_UNAVAILABLE) => self.back_off(now),
            Answer::Refused(_) if self.step == Step::ExecuteCancel => {
                self.view.is_newer = false;
                self.step = self.first_reset();
            }
            Answer::Refused(_) if self.step == self.first_reset() => {
                let other = if self.step == Step::Reset { Step::ClearPackage } else { Step::Reset };
                self.step = other;
            }
            _ => {
                self.view.state = None;
                self.step = Step::Look(vec![object::STATE]);
            }
        }
    }

    /// The state after a reset was read while closing.
    pub(super) fn conclude_reset(&mut self, now: Instant) {
        match self.view.state {
            Some(UpdateState::UPDATING) if self.outcome == Some(Outcome::Canceled) => {
                self.outcome = None;
                self.record.canceled = false;
                self.warn(Warning::CancelTooLate);
                self.handle_installing_unasked(now);
            }
            Some(UpdateState::IDLE) => self.end_observation(now),
            _ => {
                self.warn(Warning::ResetNotConfirmed);
                self.end_observation(now);
            }
        }
    }

    fn end_observation(&mut self, now: Instant) {
        // A device that registered again may have kept the observation; ending it is the end of its task.
        let may_be_there = self.observation == Observation::On
            || self.observation == Observation::Wanted && self.record.offers > 0;
        if may_be_there && self.reachable {
            self.failures = 0;
            self.step = Step::CancelObservation;
        } else {
            self.finish(now);
        }
    }

    pub(super) fn handle_observation_canceled(&mut self, answer: &Answer, now: Instant) {
        if *answer == Answer::Lost && self.failures + 1 < MOST_CANCEL_TRIES {
            self.back_off(now);
        } else {
            self.observation = Observation::Off;
            self.finish(now);
        }
    }

    pub(super) fn give_up_closing(&mut self, now: Instant) {
        self.abandon();
        if matches!(self.step, Step::Reset | Step::ClearPackage | Step::ExecuteCancel | Step::Look(_)) {
            self.warn(Warning::ResetNotConfirmed);
        }
        self.finish(now);
    }

    fn finish(&mut self, now: Instant) {
        if self.outcome.is_some_and(|outcome| self.goes_on(outcome, now)) {
            return;
        }
        self.step = Step::Finished;
        self.facts.took = now - self.started;
        let outcome = self.outcome.unwrap_or(Outcome::Lost);
        self.tell(UpgradeEvent::Finished { outcome, facts: self.facts.clone() });
    }
}

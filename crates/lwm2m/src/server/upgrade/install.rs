//! The order to install, and the proof that it worked.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use firmware::upgrade::{Cause, Outcome, Proof, Stage, UpdateResult, UpdateState};
use machine::Instant;

use super::deliver::GRACE;
use super::procedure::Procedure;
use super::reaction::{self, Before, InstallReaction, Verdict, Version};
use super::state::{Intent, Step};
use super::{Action, Answer, UpgradeEvent, Warning};
use crate::object::{device, firmware as object};
use crate::path::Path;

/// How often the order to install is sent in one upgrade, each time after State 2 was read.
const MOST_EXECUTES: u32 = 5;

/// A device that asks for more is not waited for longer.
const LONGEST_DEFERRAL: Duration = Duration::from_secs(30 * 86_400);

/// State, result and version; the last one first.
pub(super) fn reading_list() -> Vec<Path> {
    vec![device::FIRMWARE_VERSION, object::RESULT, object::STATE]
}

impl Procedure {
    /// The device has the image: ask for the intent to be made durable.
    pub(super) fn handle_downloaded(&mut self, result: UpdateResult, now: Instant) {
        self.install.result_before = result;
        self.set_stage(Stage::Downloaded, now);
        if self.delivers_linked(now) {
            return;
        }
        if self.install.intent == Intent::Durable {
            self.step = Step::Execute;
            return;
        }
        self.step = Step::Intent;
        if self.install.intent == Intent::None {
            self.install.intent = Intent::Wanted;
            self.record.executes += 1;
            self.tell(UpgradeEvent::IntentWanted { record: self.record.clone() });
        }
    }

    /// The record of [`UpgradeEvent::IntentWanted`] is durable: the order to install may be sent.
    pub fn intent_durable(&mut self, now: Instant) {
        if self.install.intent != Intent::Wanted {
            return;
        }
        self.install.intent = Intent::Durable;
        if self.step == Step::Intent {
            self.step = Step::Execute;
            self.act(now);
        }
    }

    pub(super) fn execute(&mut self, now: Instant) {
        self.set_stage(Stage::Executing, now);
        self.install.intent = Intent::None;
        self.install.refused = None;
        self.facts.executes += 1;
        self.begin_installing(now);
        self.send(Action::Execute);
    }

    /// From here on only the version proves anything.
    fn begin_installing(&mut self, now: Instant) {
        self.install.executed = true;
        self.install.executed_at = now;
        self.install.came_back = false;
        self.install.pending = None;
        self.view.state = None;
        self.view.version = None;
        self.deadline = now + self.plan.timing.update + self.lifetime * 2 + self.deferral();
    }

    /// How long the device may put the installation off.
    fn deferral(&self) -> Duration {
        let seconds = self.view.defer_period.and_then(|seconds| u64::try_from(seconds).ok());
        Duration::from_secs(seconds.unwrap_or(0)).min(LONGEST_DEFERRAL)
    }

    pub(super) fn handle_executed(&mut self, answer: &Answer, now: Instant) {
        match answer {
            Answer::Done | Answer::Value(_) => {
                self.set_stage(Stage::Updating, now);
                if self.view.state.is_some() { self.look() } else { self.watch(now) }
            }
            Answer::Lost | Answer::Unreadable => {
                self.step = Step::Look(super::deliver::reading_list());
                self.back_off(now);
            }
            // Not in State 2, or it installs already: the state tells.
            Answer::Refused(code) => {
                self.install.refused = Some(*code);
                self.step = Step::Look(super::deliver::reading_list());
                if code.class() == 5 {
                    self.back_off(now);
                }
            }
        }
    }

    /// The device installs, or has installed, without our order.
    pub(super) fn handle_installing_unasked(&mut self, now: Instant) {
        self.warn(Warning::InstallsByItself);
        self.install.result_before = self.download.result_before;
        self.begin_installing(now);
        self.set_stage(Stage::Updating, now);
        self.watch(now);
    }

    /// The device registered after the order.
    pub(super) fn handle_comeback(&mut self, now: Instant) {
        self.install.came_back = true;
        self.install.settled_at = now + self.plan.timing.settle;
        self.deadline = self.deadline.max(self.install.settled_at + self.plan.timing.slowest_poll);
        self.set_stage(Stage::Verifying, now);
        self.step = Step::Look(reading_list());
    }

    pub(super) fn notified_installing(&mut self, state: UpdateState, now: Instant) {
        if state == UpdateState::UPDATING {
            if !self.install.came_back {
                self.set_stage(Stage::Updating, now);
            }
            self.watch(now);
        } else {
            self.look();
        }
    }

    pub(super) fn conclude_install(&mut self, now: Instant) {
        let Some(state) = self.view.state else {
            self.step = Step::Look(super::deliver::reading_list());
            return self.back_off(now);
        };
        let result = self.view.result.unwrap_or(UpdateResult::INITIAL);
        let waited = now - self.install.executed_at >= GRACE;
        let settled = self.install.refused.is_some() || self.install.came_back || waited;
        let before = Before { began: true, result: self.install.result_before, settled };
        match reaction::after_execute(state, result, before) {
            InstallReaction::Wait => {
                let put_off = result == UpdateResult::DEFERRED && state == UpdateState::DOWNLOADED;
                self.install.pending = put_off.then_some(Outcome::Failed(Cause::Deferred));
                if put_off {
                    self.warn(Warning::PutOff);
                }
                if state == UpdateState::UPDATING && !self.install.came_back {
                    self.set_stage(Stage::Updating, now);
                }
                self.watch(now);
            }
            InstallReaction::Downloading => self.handle_download_again(now),
            InstallReaction::ExecuteAgain => self.execute_again(result, now),
            InstallReaction::Verify => self.verify(state, result, now),
        }
    }

    /// The device lost the image in the middle and fetches it again by itself.
    fn handle_download_again(&mut self, now: Instant) {
        self.install.executed = false;
        self.install.came_back = false;
        self.download.began = true;
        self.deadline = now + self.download_time();
        self.set_stage(Stage::Downloading, now);
        self.watch(now);
    }

    /// State 2 was read, so the order may be sent again (invariant I4).
    fn execute_again(&mut self, result: UpdateResult, now: Instant) {
        if self.record.executes >= MOST_EXECUTES {
            let cause = match (self.install.refused, result.cause()) {
                (Some(code), _) => Cause::ExecuteRefused(code.0),
                (None, Some(cause)) => cause,
                (None, None) => Cause::InstallNotDone,
            };
            return self.close(Outcome::Failed(cause), now);
        }
        self.warn(Warning::ExecutedAgain);
        self.install.executed = false;
        self.handle_downloaded(result, now);
    }

    fn verify(&mut self, state: UpdateState, result: UpdateResult, now: Instant) {
        if self.view.version.is_none() && self.install.pending.is_none() {
            // Once: a device that never tells its version is judged by the result.
            self.install.pending = Some(Outcome::Failed(Cause::InstallNotDone));
            self.step = Step::Look(vec![device::FIRMWARE_VERSION]);
            return;
        }
        let version = match (&self.plan.package.version, &self.view.version) {
            (None, _) => Version::NoTarget,
            (Some(target), Some(version)) if target == version => Version::Target,
            (Some(_), _) => Version::Other,
        };
        match reaction::verdict(state, result, version) {
            // S0-168: success counts only after the device registered again.
            Verdict::Final(outcome) if outcome.is_success() && !self.install.came_back => {
                self.install.pending = Some(outcome);
                self.watch(now);
            }
            Verdict::Final(outcome) => self.conclude_upgrade(outcome, now),
            Verdict::Unsettled(cause) if self.install.came_back && now >= self.install.settled_at => {
                self.close(Outcome::Failed(cause), now);
            }
            Verdict::Unsettled(cause) => {
                self.install.pending = Some(Outcome::Failed(cause));
                self.watch(now);
            }
        }
    }

    fn conclude_upgrade(&mut self, outcome: Outcome, now: Instant) {
        if outcome == Outcome::Succeeded(Proof::VersionOnly) {
            self.warn(Warning::ResultNotReported);
        }
        self.close(outcome, now);
    }

    /// The time to come back is over: what was seen last counts, silence is not failure (F30).
    pub(super) fn give_up_installing(&mut self, now: Instant) {
        self.abandon();
        let outcome = match self.install.pending {
            Some(outcome) if outcome.is_success() => {
                self.warn(Warning::NotRegisteredAgain);
                outcome
            }
            Some(outcome) if self.failures == 0 => outcome,
            _ => Outcome::Lost,
        };
        self.conclude_upgrade(outcome, now);
    }
}

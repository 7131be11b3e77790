//! Offering the image and waiting until the device has it.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use coap::Code;
use firmware::upgrade::{Cause, Delivery, Outcome, Stage, UpdateResult, UpdateState};
use machine::Instant;

use super::procedure::Procedure;
use super::reaction::{self, Before, DownloadReaction};
use super::state::{Observation, Step};
use super::{Action, Answer, UpgradeEvent, Warning};
use crate::object::firmware as object;
use crate::path::Path;

/// How long a device may take to show that it works on an offer, or on the order to install.
pub(super) const GRACE: Duration = Duration::from_secs(60);
/// How often a device may give up or drop the image before the upgrade fails.
const MOST_DROPS: u32 = 5;
/// How often it may run out of memory.
const MOST_OUT_OF_MEMORY: u32 = 2;

/// The time that every download gets, however small and fast.
const SHORTEST: Duration = Duration::from_secs(600);
/// How much slower than the last one a download may be before it counts as lost.
const ROOM: u32 = 4;

fn transfer_time(bytes: u64, bytes_per_second: u32) -> Duration {
    Duration::from_secs(bytes / u64::from(bytes_per_second.max(1)))
}

/// State and result; the last one first.
pub(super) fn reading_list() -> Vec<Path> {
    vec![object::RESULT, object::STATE]
}

impl Procedure {
    /// What the plan says, or what the device's last rate makes likely, with room.
    pub(super) fn download_time(&self) -> Duration {
        let size = self.plan.package.bytes.len() as u64;
        let likely = self.record.memory.bytes_per_second.map(|rate| transfer_time(size, rate) * ROOM);
        let longest = self.longest_download();
        self.plan.timeout.unwrap_or(likely.map_or(longest, |likely| (SHORTEST + likely).min(longest)))
    }

    /// The image at the slowest rate.
    fn longest_download(&self) -> Duration {
        let size = self.plan.package.bytes.len() as u64;
        SHORTEST + transfer_time(size, self.plan.timing.slowest_rate)
    }

    /// A reckoned time is over. More of it, if bytes came since it was reckoned and the longest time is not
    /// over too.
    fn more_time(&self, now: Instant) -> Option<Instant> {
        let last = self.download.offered_at + self.longest_download();
        let moved = self.record.bytes > self.download.reckoned;
        (self.plan.timeout.is_none() && moved && now < last).then(|| (now + SHORTEST).min(last))
    }

    pub(super) fn begin_offer(&mut self, now: Instant) {
        self.set_stage(Stage::Offering, now);
        self.download.due = true;
        self.step = Step::Configure(self.configuration());
    }

    /// What the device is told about urgency and deferral, once and before it can have the image.
    fn configuration(&mut self) -> Vec<(Path, i64)> {
        let severity = self.plan.severity.take().map(|severity| (object::SEVERITY, severity as i64));
        let seconds = |period: Duration| i64::try_from(period.as_secs()).unwrap_or(i64::MAX);
        let period = self.plan.defer_period.take().map(|period| (object::DEFER_PERIOD, seconds(period)));
        let wanted: Vec<_> = severity.into_iter().chain(period).collect();
        if !wanted.is_empty() && !self.view.is_newer {
            self.warn(Warning::NotDeferrable);
            return Vec::new();
        }
        wanted
    }

    pub(super) fn handle_configured(&mut self, answer: &Answer, now: Instant) {
        let Step::Configure(left) = &mut self.step else { return };
        match answer {
            Answer::Lost => self.back_off(now),
            Answer::Refused(code) if code.class() == 5 && *code != Code::NOT_IMPLEMENTED => {
                self.back_off(now);
            }
            Answer::Refused(_) => {
                left.pop();
                self.warn(Warning::NotDeferrable);
            }
            _ => {
                if let Some((object::DEFER_PERIOD, seconds)) = left.pop() {
                    self.view.defer_period = Some(seconds);
                }
            }
        }
    }

    pub(super) fn observe_or_offer(&mut self) {
        self.step = if self.observation == Observation::Wanted { Step::Observe } else { Step::Offer };
    }

    pub(super) fn handle_observation(&mut self, answer: Answer, now: Instant) {
        match answer {
            Answer::Lost => return self.back_off(now),
            Answer::Refused(code) if code.class() == 5 && code != Code::NOT_IMPLEMENTED => {
                return self.back_off(now);
            }
            Answer::Value(_) | Answer::Done => self.observation = Observation::On,
            Answer::Refused(_) | Answer::Unreadable => {
                self.observation = Observation::Off;
                self.warn(Warning::NotObservable);
            }
        }
        if self.download.due {
            self.step = Step::Offer;
        } else {
            self.look();
        }
    }

    pub(super) fn offer(&mut self, now: Instant) {
        let action = match self.delivery() {
            Delivery::Push => Action::WritePackage,
            Delivery::Pull => match self.uri() {
                Some(uri) => Action::WriteUri(uri),
                None => return self.close(Outcome::Failed(Cause::UnsupportedProtocol), now),
            },
        };
        self.download.due = false;
        self.download.began = false;
        self.download.push_lost = false;
        self.download.refused = None;
        self.download.offered_at = now;
        self.view.state = None;
        self.record.offers += 1;
        self.facts.offers += 1;
        self.record.bytes = 0;
        self.download.reckoned = 0;
        // Stored before the first byte can have an effect, so that a download is known as ours afterwards.
        self.tell(UpgradeEvent::Stage { stage: self.record.stage, record: self.record.clone() });
        if self.delivery() == Delivery::Push {
            self.set_stage(Stage::Downloading, now);
        }
        self.send(action);
    }

    pub(super) fn handle_offer(&mut self, answer: &Answer, now: Instant) {
        let pushed = self.delivery() == Delivery::Push;
        match answer {
            Answer::Done | Answer::Value(_) => {
                self.set_stage(Stage::Downloading, now);
                self.download.began |= pushed;
                if pushed {
                    self.note_bytes(self.plan.package.bytes.len() as u64);
                    self.look();
                } else if self.view.state.is_some() {
                    // The device was faster than its answer.
                    self.look();
                } else {
                    self.watch(now);
                }
            }
            Answer::Lost | Answer::Unreadable => {
                self.set_stage(Stage::Downloading, now);
                self.download.push_lost = pushed;
                self.step = Step::Look(reading_list());
                self.back_off(now);
            }
            Answer::Refused(Code::METHOD_NOT_ALLOWED) => {
                self.close(Outcome::Failed(Cause::UnsupportedDelivery), now);
            }
            Answer::Refused(Code::NOT_FOUND) => {
                self.close(Outcome::Failed(Cause::NoFirmwareObject), now);
            }
            // Busy: with an earlier push, or after a restart.
            Answer::Refused(Code::SERVICE_UNAVAILABLE | Code::TOO_MANY_REQUESTS) => {
                self.step = Step::Offer;
                self.back_off(now);
            }
            Answer::Refused(code) => {
                self.download.refused = Some(*code);
                self.step = Step::Look(reading_list());
            }
        }
    }

    /// The device fetched bytes of the image.
    pub fn handle_served(&mut self, offset: u64, length: u64, now: Instant) {
        if self.is_finished() || self.install.executed {
            return;
        }
        self.download.began = true;
        self.facts.blocks += 1;
        self.facts.bytes += length;
        self.note_block(offset + length, length);
        self.note_bytes(offset + length);
        if self.step == Step::Watch && self.asked.is_none() {
            // While blocks flow, nobody needs to ask.
            self.wake = Some(now + self.plan.timing.poll);
        }
    }

    /// The device took bytes of a push.
    pub fn handle_pushed(&mut self, sent: u64) {
        if self.is_pushing() {
            self.facts.blocks += 1;
            let length = sent.saturating_sub(self.record.bytes);
            self.facts.bytes += length;
            self.note_block(sent, length);
            self.note_bytes(sent);
        }
    }

    /// Blocks in the middle tell which size the device agreed to.
    fn note_block(&mut self, end: u64, length: u64) {
        let is_last = end >= self.plan.package.bytes.len() as u64;
        if self.record.memory.saw_block(length, is_last) {
            self.tell(UpgradeEvent::TransferLearnt(self.record.memory));
        }
    }

    /// The device has the whole image that it was offered in this run of the server.
    fn note_rate(&mut self, now: Instant) {
        let (size, took) = (self.plan.package.bytes.len() as u64, now - self.download.offered_at);
        if self.record.bytes >= size && self.facts.bytes >= size && !took.is_zero() {
            self.record.memory.saw_image(size, took);
            self.tell(UpgradeEvent::TransferLearnt(self.record.memory));
        }
    }

    /// Told once per percent.
    fn note_bytes(&mut self, bytes: u64) {
        let total = (self.plan.package.bytes.len() as u64).max(1);
        let bytes = bytes.min(total);
        let percent = |bytes: u64| bytes * 100 / total;
        if percent(bytes) != percent(self.record.bytes) {
            self.tell(UpgradeEvent::Progress { bytes, total });
        }
        self.record.bytes = bytes;
    }

    /// The device registered while the image was on its way.
    pub(super) fn look_at_download(&mut self, now: Instant) {
        if !self.knows_device {
            self.step = Step::Look(super::precheck::reading_list());
        } else if self.download.due {
            self.begin_offer(now);
        } else if self.observation == Observation::Wanted {
            self.step = Step::Observe;
        } else {
            self.look();
        }
    }

    pub(super) fn notified_downloading(&mut self, state: UpdateState, now: Instant) {
        match state {
            UpdateState::DOWNLOADING => {
                self.download.began = true;
                self.watch(now);
            }
            UpdateState::UPDATING => self.handle_installing_unasked(now),
            // Everything else needs the result beside it.
            _ if self.step == Step::Watch => self.look(),
            UpdateState::IDLE => self.look(),
            _ => {}
        }
    }

    pub(super) fn conclude_download(&mut self, now: Instant) {
        let Some(state) = self.view.state else {
            self.step = Step::Look(reading_list());
            return self.back_off(now);
        };
        if !self.knows_device {
            self.knows_device = true;
            if self.view.version.is_some() && self.view.version == self.plan.package.version {
                return self.close(Outcome::AlreadyAtTarget, now);
            }
        }
        let result = self.view.result.unwrap_or(UpdateResult::INITIAL);
        let refused = self.download.refused.take();
        let before = Before {
            began: self.download.began,
            result: self.download.result_before,
            settled: refused.is_some() || now - self.download.offered_at >= GRACE,
        };
        self.download.began |= state == UpdateState::DOWNLOADING || state == UpdateState::DOWNLOADED;
        match (reaction::while_downloading(state, result, before), refused) {
            (DownloadReaction::Wait, _) if self.download.push_lost => self.offer_later(now),
            (DownloadReaction::OfferAgain, Some(code)) => self.handle_refused_offer(code, now),
            (DownloadReaction::OfferAgain | DownloadReaction::FailedForNow(_), None)
                if self.download.push_lost || !before.began && result == before.result =>
            {
                self.offer_later(now);
            }
            (DownloadReaction::OfferAgain, None) => self.handle_drop(Cause::ImageDropped, MOST_DROPS, now),
            (DownloadReaction::FailedForNow(Cause::OutOfMemory), _) => {
                self.handle_drop(Cause::OutOfMemory, MOST_OUT_OF_MEMORY, now);
            }
            (DownloadReaction::FailedForNow(cause), _) => self.handle_drop(cause, MOST_DROPS, now),
            (DownloadReaction::Failed(cause), _) => self.close(Outcome::Failed(cause), now),
            (DownloadReaction::Downloaded, _) => {
                self.note_rate(now);
                self.handle_downloaded(result, now);
            }
            (DownloadReaction::Installing | DownloadReaction::Verify, _) => {
                self.handle_installing_unasked(now);
            }
            (DownloadReaction::Wait, _) if self.observation == Observation::Wanted => {
                self.step = Step::Observe;
            }
            (DownloadReaction::Wait, _) => self.watch(now),
        }
    }

    /// The offer was refused and the device is idle without a result that says why.
    fn handle_refused_offer(&mut self, code: Code, now: Instant) {
        let may_pass = code.class() == 5 || code == Code::REQUEST_ENTITY_INCOMPLETE;
        self.download.drops += 1;
        if may_pass && self.download.drops < MOST_DROPS {
            self.offer_later(now);
        } else {
            self.close(Outcome::Failed(Cause::OfferRefused(code.0)), now);
        }
    }

    /// The device gave up or lost what it had.
    fn handle_drop(&mut self, cause: Cause, most: u32, now: Instant) {
        self.download.drops += 1;
        if self.download.drops < most {
            self.warn(Warning::OfferedAgain);
            self.offer_later(now);
        } else {
            self.close(Outcome::Failed(cause), now);
        }
    }

    fn offer_later(&mut self, now: Instant) {
        self.download.result_before = self.view.result.unwrap_or(UpdateResult::INITIAL);
        self.begin_offer(now);
        self.failures = self.failures.max(self.download.drops);
        self.back_off(now);
    }

    pub(super) fn give_up_downloading(&mut self, now: Instant) {
        if let Some(deadline) = self.more_time(now) {
            self.download.reckoned = self.record.bytes;
            self.deadline = deadline;
            return;
        }
        self.abandon();
        self.close(Outcome::Failed(Cause::DownloadTimedOut), now);
    }
}

//! The machine itself: what comes in, what goes out, and which step is next.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use firmware::upgrade::{Outcome, Stage, UpdateState};
use machine::{Instant, Link};

use super::components::Parts;
use super::state::{Download, Install, Observation, Step, View};
use super::{Action, Answer, Facts, TransferMemory, UpgradeEvent, UpgradePlan, UpgradeRecord, Warning};

/// The upgrade of one device.
///
/// Inputs are the `handle_` methods, `intent_durable` and `cancel`; after each one, poll actions and events
/// until `None`, then ask [`Procedure::poll_timeout`]. Its memory does not grow with time.
#[derive(Debug)]
pub struct Procedure {
    pub(super) plan: UpgradePlan,
    /// Where the device may fetch from, most wanted first; without the token's path.
    pub(super) bases: Vec<String>,
    pub(super) record: UpgradeRecord,
    pub(super) parts: Parts,
    pub(super) step: Step,
    /// The action that is under way.
    pub(super) asked: Option<Action>,
    pub(super) reachable: bool,
    /// The device registered over DTLS.
    pub(super) secured: bool,
    /// The device's registration lifetime.
    pub(super) lifetime: Duration,
    /// Before this, nothing is sent: a back-off, or the time of the next reading.
    pub(super) wake: Option<Instant>,
    /// When the current part of the upgrade has taken too long.
    pub(super) deadline: Instant,
    /// Exchanges in a row that came to nothing.
    pub(super) failures: u32,
    pub(super) poll: Duration,
    pub(super) started: Instant,
    pub(super) view: View,
    /// Both objects were read since the start.
    pub(super) knows_device: bool,
    pub(super) observation: Observation,
    pub(super) download: Download,
    pub(super) install: Install,
    /// The outcome, once it is known.
    pub(super) outcome: Option<Outcome>,
    pub(super) facts: Facts,
    actions: VecDeque<Action>,
    /// Bounded by what one input can cause; the owner empties it after each.
    events: VecDeque<UpgradeEvent>,
}

/// Longer lifetimes count as this one where the time for a return is reckoned (30 days, S0 ruling A-4).
const LONGEST_LIFETIME: Duration = Duration::from_secs(2_592_000);

impl Procedure {
    /// An upgrade that begins, or goes on from `record` after a restart.
    ///
    /// `bases` are the URIs that the server can be reached by, most wanted first (such as
    /// `coaps://203.0.113.1:5684`); a plan with a URI of its own replaces them. Nothing is sent before
    /// [`Procedure::handle_registered`].
    pub fn new(mut plan: UpgradePlan, bases: Vec<String>, mut record: UpgradeRecord, now: Instant) -> Self {
        if let Some(component) = plan.components.get(record.part) {
            plan.package = component.package.clone();
        }
        if record.memory == TransferMemory::default() {
            record.memory = plan.memory;
        }
        record.delivery = record.delivery.or(plan.delivery);
        let bases = plan.base_uri.clone().map_or(bases, |base| [base].into());
        let observation = if plan.observe { Observation::Wanted } else { Observation::Off };
        let executed = record.executes > 0;
        let parts = Parts::new(record.part, record.offers > 0 || record.part > 0);
        let mut procedure = Self {
            parts,
            step: Step::Look(super::precheck::reading_list()),
            asked: None,
            reachable: false,
            secured: false,
            lifetime: Duration::ZERO,
            wake: None,
            deadline: now + plan.timing.reach,
            failures: 0,
            poll: plan.timing.poll,
            started: now,
            view: View::default(),
            knows_device: false,
            observation,
            download: Download::new(&record, now),
            install: Install::new(executed, now),
            outcome: None,
            facts: Facts { version_before: record.version_before.clone(), ..Facts::default() },
            actions: VecDeque::new(),
            events: VecDeque::new(),
            plan,
            bases,
            record,
        };
        procedure.view = procedure.new_view();
        procedure.enter_first_stage(now);
        procedure
    }

    fn enter_first_stage(&mut self, now: Instant) {
        let stage = if self.record.offers == 0 { Stage::Waiting } else { self.record.stage };
        self.facts.offers = self.record.offers;
        self.facts.executes = self.record.executes;
        self.set_stage(stage, now);
        if self.install.executed {
            self.deadline = now + self.plan.timing.update;
        } else if self.record.offers > 0 {
            self.deadline = now + self.download_time();
        }
        if self.record.canceled && !self.install.executed {
            self.close(Outcome::Canceled, now);
        }
    }

    /// The unguessable part of the image's path.
    pub fn token(&self) -> &str {
        &self.record.token
    }

    /// The plan.
    pub const fn plan(&self) -> &UpgradePlan {
        &self.plan
    }

    /// The stage that was reached.
    pub const fn stage(&self) -> Stage {
        self.record.stage
    }

    /// Whether [`UpgradeEvent::Finished`] was told.
    pub fn is_finished(&self) -> bool {
        self.step == Step::Finished
    }

    /// The size of the blocks that the device took last.
    pub const fn block_size(&self) -> Option<coap::BlockSize> {
        self.record.memory.block_size
    }

    /// Whether blocks of a push are under way, so that nothing else may be sent to the device.
    pub fn is_pushing(&self) -> bool {
        self.asked == Some(Action::WritePackage)
    }

    /// The device registered over `link`; `lifetime` is that of the registration. An action that was under
    /// way is lost.
    pub fn handle_registered(&mut self, lifetime: Duration, link: Link, now: Instant) {
        // An endless registration says nothing about when the device will come back.
        self.lifetime = lifetime.min(LONGEST_LIFETIME);
        self.secured = link.is_secured();
        self.reachable = true;
        self.heard();
        if self.is_finished() {
            return;
        }
        self.abandon();
        if self.observation == Observation::On {
            // Clients drop observations when they register; an old one may still notify (LiteOS).
            self.observation = Observation::Wanted;
        }
        match self.record.stage {
            Stage::Waiting | Stage::Precheck => self.begin_precheck(now),
            Stage::Closing => {}
            _ if self.install.executed => self.handle_comeback(now),
            _ => self.look_at_download(now),
        }
        self.act(now);
    }

    /// Something was heard of the registered device: what waits for a back-off goes out now.
    pub fn handle_contact(&mut self, now: Instant) {
        self.reachable = true;
        if self.failures > 0 || self.step != Step::Watch {
            self.heard();
        }
        self.act(now);
    }

    /// The registration ended. An action that was under way is lost.
    pub fn handle_gone(&mut self, now: Instant) {
        self.reachable = false;
        if self.asked.is_some() {
            self.handle_answer(Answer::Lost, now);
        }
    }

    /// The device ended the observation, or never began it.
    pub fn handle_observation_lost(&mut self) {
        if self.observation == Observation::On {
            self.observation = Observation::Off;
        }
    }

    /// What came of the action that is under way.
    pub fn handle_answer(&mut self, answer: Answer, now: Instant) {
        let Some(action) = self.asked.take() else { return };
        if answer != Answer::Lost {
            self.failures = 0;
        }
        match action {
            Action::Read(path) => self.handle_reading(path, answer, now),
            Action::Observe => self.handle_observation(answer, now),
            Action::CancelObservation => self.handle_observation_canceled(&answer, now),
            Action::WriteUri(uri) if uri.is_empty() => self.handle_reset(&answer, now),
            Action::ClearPackage | Action::ExecuteCancel => self.handle_reset(&answer, now),
            Action::WriteNumber(..) => self.handle_configured(&answer, now),
            Action::WriteUri(_) | Action::WritePackage => self.handle_offer(&answer, now),
            Action::Execute => self.handle_executed(&answer, now),
            Action::Abandon => {}
        }
        self.act(now);
    }

    /// The device notified a state.
    pub fn handle_state(&mut self, state: UpdateState, now: Instant) {
        if self.is_finished() {
            return;
        }
        self.reachable = true;
        if self.failures > 0 {
            self.heard();
        }
        self.note_state(state);
        match (&self.step, self.record.stage) {
            (Step::Watch | Step::Intent, Stage::Closing) => {}
            (Step::Watch | Step::Intent, _) if self.install.executed => self.notified_installing(state, now),
            (Step::Watch | Step::Intent, _) => self.notified_downloading(state, now),
            _ => {}
        }
        self.act(now);
    }

    /// The time of [`Procedure::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now >= self.deadline && !self.is_finished() {
            self.handle_deadline(now);
        }
        self.act(now);
    }

    /// When to call [`Procedure::handle_timeout`], and why.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        if self.is_finished() {
            return None;
        }
        match self.wake.filter(|_| self.reachable && self.asked.is_none()) {
            Some(wake) if wake < self.deadline => Some((wake, "the next message of an upgrade is due")),
            _ => Some((self.deadline, "a deadline of an upgrade")),
        }
    }

    /// What to send next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// What has happened.
    pub fn poll_event(&mut self) -> Option<UpgradeEvent> {
        self.events.pop_front()
    }

    /// Sends what the step asks for, unless something is under way or the time has not come.
    pub(super) fn act(&mut self, now: Instant) {
        while self.asked.is_none() && self.reachable && self.wake.is_none_or(|wake| wake <= now) {
            self.wake = None;
            match &self.step {
                Step::Look(left) => match left.last() {
                    Some(path) => self.send(Action::Read(*path)),
                    None => self.conclude(now),
                },
                Step::Watch => self.look(),
                Step::Reset => self.send(Action::WriteUri(String::new())),
                Step::ClearPackage => self.send(Action::ClearPackage),
                Step::ExecuteCancel => self.send(Action::ExecuteCancel),
                Step::Configure(left) => match left.last() {
                    Some((path, number)) => self.send(Action::WriteNumber(*path, *number)),
                    None => self.observe_or_offer(),
                },
                Step::Observe => self.send(Action::Observe),
                Step::Offer => self.offer(now),
                Step::Execute => self.execute(now),
                Step::CancelObservation => self.send(Action::CancelObservation),
                Step::Intent | Step::Finished => return,
            }
        }
    }

    pub(super) fn send(&mut self, action: Action) {
        self.asked = Some(action.clone());
        self.actions.push_back(action);
    }

    /// Takes back the action that is under way.
    pub(super) fn abandon(&mut self) {
        if let Some(action) = self.asked.take() {
            self.download.push_lost |= action == Action::WritePackage;
            if self.actions.back() == Some(&action) {
                self.actions.pop_back();
            } else {
                self.actions.push_back(Action::Abandon);
            }
        }
    }

    /// Starts a reading that fits the stage.
    pub(super) fn look(&mut self) {
        self.wake = None;
        self.step = Step::Look(if self.install.came_back || self.install.pending.is_some() {
            super::install::reading_list()
        } else {
            if self.install.executed {
                // Read again when it is needed: it may change at any time now.
                self.view.version = None;
            }
            super::deliver::reading_list()
        });
    }

    /// All that was to be read is read.
    fn conclude(&mut self, now: Instant) {
        match self.record.stage {
            Stage::Waiting | Stage::Precheck => self.conclude_precheck(now),
            Stage::Closing => self.conclude_reset(now),
            _ if self.install.executed => self.conclude_install(now),
            _ => self.conclude_download(now),
        }
    }

    fn handle_deadline(&mut self, now: Instant) {
        match self.record.stage {
            Stage::Waiting | Stage::Precheck => self.give_up_waiting(now),
            Stage::Closing => self.give_up_closing(now),
            _ if self.install.executed => self.give_up_installing(now),
            _ => self.give_up_downloading(now),
        }
    }

    /// Waits longer after each failure in a row: 5, 10, 20 … 300 seconds.
    pub(super) fn back_off(&mut self, now: Instant) {
        let doubled = 5_u64 << self.failures.min(6);
        self.failures += 1;
        self.wake = Some(now + Duration::from_secs(doubled.min(300)));
    }

    fn heard(&mut self) {
        self.failures = 0;
        self.wake = None;
    }

    /// Waits for a notification or the next reading; readings become rarer.
    pub(super) fn watch(&mut self, now: Instant) {
        self.step = Step::Watch;
        let interval =
            if self.observation == Observation::On { self.plan.timing.slowest_poll } else { self.poll };
        self.poll = (self.poll * 3 / 2).min(self.plan.timing.slowest_poll);
        self.wake = Some(now + interval);
    }

    pub(super) fn set_stage(&mut self, stage: Stage, now: Instant) {
        let changed = self.record.stage != stage || self.facts.stages.is_empty();
        self.record.stage = stage;
        if !changed {
            return;
        }
        self.poll = self.plan.timing.poll;
        if self.facts.stages.len() < Facts::MOST_STAGES {
            self.facts.stages.push((stage, now - self.started));
        }
        self.events.push_back(UpgradeEvent::Stage { stage, record: self.record.clone() });
    }

    pub(super) fn tell(&mut self, event: UpgradeEvent) {
        self.events.push_back(event);
    }

    /// Warns once of each kind.
    pub(super) fn warn(&mut self, warning: Warning) {
        if !self.facts.warnings.contains(&warning) {
            self.facts.warnings.push(warning);
            self.events.push_back(UpgradeEvent::Warning(warning));
        }
    }

    pub(super) fn note_state(&mut self, state: UpdateState) {
        self.view.state = Some(state);
        self.facts.state = Some(state);
        if state > UpdateState::UPDATING {
            self.warn(Warning::UnknownState);
        }
    }
}

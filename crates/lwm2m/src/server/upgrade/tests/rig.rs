//! A device that does what a test says, and the loop that lets both run.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use coap::Code;
use firmware::upgrade::{Delivery, Outcome, Stage, UpdateState};
use machine::{Instant, Link, SessionId};

use super::super::*;
use crate::object::{device, firmware as object};
use crate::path::{ResourceId, ResourceInstanceId};
use crate::value::{Resource, Value};

pub(super) const OLD: &str = "1.0";
pub(super) const NEW: &str = "2.0";
pub(super) const SIZE: usize = 10_000;

/// What happens on the device at its time.
#[derive(Clone, Debug)]
pub(super) enum Happens {
    /// State and result change together; the state is notified if it is observed.
    Becomes(u8, u8),
    /// As before, but no notification arrives.
    BecomesQuietly(u8, u8),
    Version(&'static str),
    Registers,
    Updates,
    Gone,
    Served(u64, u64),
    Pushed(u64),
}

pub(super) use Happens::{Becomes, BecomesQuietly, Gone, Pushed, Registers, Served, Updates, Version};

/// What follows an action, in seconds after it.
pub(super) type Script = Vec<(u64, Happens)>;

#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) state: u8,
    pub(super) result: u8,
    pub(super) version: Option<&'static str>,
    pub(super) model: &'static str,
    pub(super) protocols: Option<Vec<i64>>,
    pub(super) delivery: Option<i64>,
    /// Resources 11 and 13 are there, so the object has version 1.1.
    pub(super) defer_period: Option<i64>,
    pub(super) severity: i64,
    /// The delivery method sits on resource 8.
    pub(super) old_draft: bool,
    pub(super) whole_objects: bool,
    pub(super) observed: bool,
    /// A push is not answered.
    pub(super) holds_push: bool,
    /// After the URI or the package was written, one script after the other; the last one repeats.
    pub(super) on_offer: Vec<Script>,
    pub(super) on_execute: Vec<Script>,
    /// Answers that come instead of the device's own, in order, by the name of the action.
    pub(super) answers: BTreeMap<&'static str, Vec<Answer>>,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            state: 0,
            result: 0,
            version: Some(OLD),
            model: "GM01Q",
            protocols: Some([0, 1, 77].into()),
            delivery: Some(2),
            defer_period: None,
            severity: 1,
            old_draft: false,
            whole_objects: true,
            observed: false,
            holds_push: false,
            on_offer: [[(1, Becomes(1, 0)), (30, Becomes(2, 0))].into()].into(),
            on_execute: [[
                (1, Becomes(3, 0)),
                (40, BecomesQuietly(0, 1)),
                (40, Version(NEW)),
                (41, Registers),
            ]
            .into()]
            .into(),
            answers: BTreeMap::new(),
        }
    }
}

impl Device {
    pub(super) fn answer_first(mut self, action: &'static str, answers: impl Into<Vec<Answer>>) -> Self {
        self.answers.insert(action, answers.into());
        self
    }

    pub(super) fn offers(mut self, scripts: impl Into<Vec<Script>>) -> Self {
        self.on_offer = scripts.into();
        self
    }

    pub(super) fn executes(mut self, scripts: impl Into<Vec<Script>>) -> Self {
        self.on_execute = scripts.into();
        self
    }

    fn read(&self, path: Path) -> Answer {
        let text = |text: &str| Answer::Value(Node::single(Value::from(text)));
        let number = |number: i64| Answer::Value(Node::single(Value::Integer(number)));
        let missing = Answer::Refused(Code::NOT_FOUND);
        match path {
            device::INSTANCE | object::INSTANCE if !self.whole_objects => {
                Answer::Refused(Code::NOT_ACCEPTABLE)
            }
            device::INSTANCE => self.whole(&[device::MODEL, device::FIRMWARE_VERSION]),
            object::INSTANCE => {
                let first = [object::STATE, object::RESULT, object::PROTOCOLS, object::DELIVERY];
                self.whole(&[&first[..], &[object::SEVERITY, object::DEFER_PERIOD]].concat())
            }
            device::MODEL => text(self.model),
            device::FIRMWARE_VERSION => self.version.map_or(missing, text),
            object::STATE => number(self.state.into()),
            object::RESULT => number(self.result.into()),
            object::DELIVERY => self.delivery.filter(|_| !self.old_draft).map_or(missing, number),
            object::PROTOCOLS if self.old_draft => self.delivery.map_or(missing, number),
            object::PROTOCOLS => match &self.protocols {
                Some(protocols) => {
                    let values = (0..).map(ResourceInstanceId).zip(protocols.iter().copied());
                    let values = values.map(|(id, number)| (id, Value::Integer(number)));
                    Answer::Value(Node::Resource(Resource::Multiple(values.collect())))
                }
                None => missing,
            },
            object::SEVERITY => self.defer_period.map_or(missing, |_| number(self.severity)),
            object::DEFER_PERIOD => self.defer_period.map_or(missing, number),
            _ => missing,
        }
    }

    fn configure(&mut self, path: Path, number: i64) -> Answer {
        match (path, &mut self.defer_period) {
            (object::SEVERITY, Some(_)) => self.severity = number,
            (object::DEFER_PERIOD, Some(period)) => *period = number,
            _ => return Answer::Refused(Code::NOT_FOUND),
        }
        Answer::Done
    }

    fn whole(&self, paths: &[Path]) -> Answer {
        let mut instance = crate::value::Instance::new();
        for path in paths {
            if let Answer::Value(Node::Resource(resource)) = self.read(*path) {
                instance.insert(path.resource_id().unwrap_or(ResourceId(0)), resource);
            }
        }
        Answer::Value(Node::Instance(instance))
    }
}

/// When an upgrade is canceled, in actions counted from zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cancels {
    /// While this one is on its way; the device never gets it.
    During(usize),
    /// Once this one was answered.
    After(usize),
}

pub(super) struct Rig {
    pub(super) procedure: Procedure,
    pub(super) device: Device,
    pub(super) now: Instant,
    /// What the device was sent, in order, reads left out.
    pub(super) sent: Vec<String>,
    pub(super) reads: usize,
    pub(super) stages: Vec<Stage>,
    pub(super) warnings: Vec<Warning>,
    pub(super) outcome: Option<Outcome>,
    pub(super) facts: Facts,
    pub(super) record: UpgradeRecord,
    pub(super) memory: TransferMemory,
    /// Whether an intent is made durable at once.
    pub(super) stores: bool,
    pub(super) intents: usize,
    /// When the operator changes their mind.
    pub(super) cancels: Option<Cancels>,
    /// Actions that the procedure has wanted.
    pub(super) wanted: usize,
    due: Vec<(Instant, Happens)>,
    offers: usize,
    executes: usize,
    link: u64,
}

pub(super) fn package() -> Package {
    Package {
        name: "two".into(),
        bytes: [7; SIZE].into(),
        model: Some("GM01Q".into()),
        version: Some(NEW.into()),
        source_version: None,
    }
}

pub(super) fn plan(delivery: Delivery) -> UpgradePlan {
    UpgradePlan::new(package(), delivery)
}

impl Rig {
    pub(super) fn new(device: Device, plan: UpgradePlan) -> Self {
        Self::resumed(device, plan, UpgradeRecord::new("token"))
    }

    pub(super) fn resumed(device: Device, plan: UpgradePlan, record: UpgradeRecord) -> Self {
        let bases = ["http://u.example:8081", "coap://u.example", "coaps://u.example:5684"];
        let bases = bases.map(String::from).into();
        Self {
            procedure: Procedure::new(plan, bases, record.clone(), Instant::ZERO),
            device,
            now: Instant::ZERO,
            sent: Vec::new(),
            reads: 0,
            stages: Vec::new(),
            warnings: Vec::new(),
            outcome: None,
            facts: Facts::default(),
            record,
            memory: TransferMemory::default(),
            stores: true,
            intents: 0,
            cancels: None,
            wanted: 0,
            due: Vec::new(),
            offers: 0,
            executes: 0,
            link: 0,
        }
    }

    /// Registers the device and lets everything run until the end, at most for `days`.
    pub(super) fn run(device: Device, plan: UpgradePlan) -> Self {
        let mut rig = Self::new(device, plan);
        rig.later(0, Registers);
        rig.run_for(3 * 86_400);
        rig
    }

    pub(super) fn later(&mut self, seconds: u64, happens: Happens) {
        self.due.push((self.now + Duration::from_secs(seconds), happens));
        self.due.sort_by_key(|(at, _)| *at);
    }

    /// Runs until the end, or for so many seconds.
    pub(super) fn run_for(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        for _ in 0..100_000 {
            self.settle();
            if self.outcome.is_some() {
                return;
            }
            let happens = self.due.first().map(|(at, _)| *at);
            let timeout = self.procedure.poll_timeout().map(|(at, _)| at);
            let Some(next) = happens.into_iter().chain(timeout).min().filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            assert!(next >= self.now || timeout != Some(next), "time goes back");
            self.now = self.now.max(next);
            if happens == Some(next) {
                let (_, happens) = self.due.remove(0);
                self.happen(happens);
            } else {
                self.procedure.handle_timeout(self.now);
            }
        }
        panic!("does not end: {:?}", self.sent);
    }

    /// Until a stage begins.
    pub(super) fn run_to(&mut self, stage: Stage) {
        for _ in 0..100_000 {
            if self.procedure.stage() == stage {
                return self.settle();
            }
            self.run_for(1);
        }
        panic!("never comes to {stage}");
    }

    pub(super) fn happen(&mut self, happens: Happens) {
        let now = self.now;
        match happens {
            Becomes(state, result) => {
                (self.device.state, self.device.result) = (state, result);
                if self.device.observed {
                    self.procedure.handle_state(UpdateState(state), now);
                }
            }
            BecomesQuietly(state, result) => (self.device.state, self.device.result) = (state, result),
            Version(version) => self.device.version = Some(version),
            Registers => {
                self.device.observed = false;
                self.link += 1;
                let link = Link::Secured(SessionId(self.link));
                self.procedure.handle_registered(Duration::from_secs(300), link, now);
            }
            Updates => self.procedure.handle_contact(now),
            Gone => {
                self.device.observed = false;
                self.procedure.handle_gone(now);
            }
            Served(offset, length) => self.procedure.handle_served(offset, length, now),
            Pushed(sent) => self.procedure.handle_pushed(sent),
        }
    }

    /// Answers actions and takes events until there are none.
    pub(super) fn settle(&mut self) {
        loop {
            if let Some(event) = self.procedure.poll_event() {
                self.take(event);
            } else if let Some(action) = self.procedure.poll_action() {
                let number = self.wanted;
                self.wanted += 1;
                if self.cancels == Some(Cancels::During(number)) {
                    self.procedure.cancel(self.now);
                    if self.procedure.stage() != Stage::Closing {
                        self.procedure.handle_answer(Answer::Lost, self.now);
                    }
                    continue;
                }
                if let Some(answer) = self.answer(&action) {
                    self.procedure.handle_answer(answer, self.now);
                }
                if self.cancels == Some(Cancels::After(number)) {
                    self.procedure.cancel(self.now);
                }
            } else {
                return;
            }
        }
    }

    fn take(&mut self, event: UpgradeEvent) {
        match event {
            UpgradeEvent::Stage { stage, record } => {
                if self.stages.last() != Some(&stage) {
                    self.stages.push(stage);
                }
                self.record = record;
            }
            UpgradeEvent::IntentWanted { record } => {
                self.record = record;
                self.intents += 1;
                if self.stores {
                    self.procedure.intent_durable(self.now);
                }
            }
            UpgradeEvent::Progress { bytes, total } => assert!(bytes <= total),
            UpgradeEvent::TransferLearnt(memory) => self.memory = memory,
            UpgradeEvent::Warning(warning) => self.warnings.push(warning),
            UpgradeEvent::Finished { outcome, facts } => {
                assert_eq!(self.outcome.replace(outcome), None, "ended twice");
                self.facts = facts;
            }
        }
        // What is stored reads back.
        assert_eq!(self.record.to_string().parse(), Ok(self.record.clone()));
    }

    /// `None` leaves the action under way.
    fn answer(&mut self, action: &Action) -> Option<Answer> {
        let name = name(action);
        if let Action::Read(_) = action {
            self.reads += 1;
        } else {
            self.sent.push(match action {
                Action::WriteUri(uri) if !uri.is_empty() => alloc::format!("{name} {uri}"),
                _ => name.to_string(),
            });
        }
        if let Some(answers) = self.device.answers.get_mut(name).filter(|answers| !answers.is_empty()) {
            let answer = answers.remove(0);
            if answer != Answer::Lost {
                return Some(answer);
            }
            // A lost answer is known after the last repetition.
            self.now += Duration::from_secs(93);
            return Some(answer);
        }
        match action {
            Action::Read(path) => Some(self.device.read(*path)),
            Action::Observe => {
                self.device.observed = true;
                Some(self.device.read(object::STATE))
            }
            Action::CancelObservation => {
                self.device.observed = false;
                Some(Answer::Done)
            }
            Action::WriteUri(uri) if uri.is_empty() => self.reset(),
            Action::ClearPackage => self.reset(),
            Action::ExecuteCancel if self.device.defer_period.is_none() => {
                Some(Answer::Refused(Code::NOT_FOUND))
            }
            Action::ExecuteCancel => {
                self.reset();
                self.device.result = 10;
                Some(Answer::Done)
            }
            Action::WriteNumber(path, number) => Some(self.device.configure(*path, *number)),
            Action::WriteUri(_) => {
                self.start(self.device.on_offer.clone(), self.offers);
                self.offers += 1;
                Some(Answer::Done)
            }
            Action::WritePackage if self.device.holds_push => None,
            Action::WritePackage => {
                // All at once: the state is there before the answer.
                let scripts = self.device.on_offer.clone();
                for (_, happens) in chosen(&scripts, self.offers) {
                    self.happen(happens.clone());
                }
                self.offers += 1;
                Some(Answer::Done)
            }
            Action::Execute => {
                assert_eq!(self.device.state, 2, "invariant I4: Execute only in State 2");
                self.start(self.device.on_execute.clone(), self.executes);
                self.executes += 1;
                Some(Answer::Done)
            }
            Action::Abandon => None,
        }
    }

    fn reset(&mut self) -> Option<Answer> {
        self.due.clear();
        (self.device.state, self.device.result) = (0, 0);
        Some(Answer::Done)
    }

    fn start(&mut self, scripts: Vec<Script>, index: usize) {
        for (seconds, happens) in chosen(&scripts, index) {
            self.later(*seconds, happens.clone());
        }
    }

    pub(super) fn count(&self, name: &str) -> usize {
        self.sent.iter().filter(|sent| sent.split(' ').next() == Some(name)).count()
    }
}

fn chosen(scripts: &[Script], index: usize) -> &[(u64, Happens)] {
    scripts.get(index).or(scripts.last()).map_or(&[], Vec::as_slice)
}

fn name(action: &Action) -> &'static str {
    match action {
        Action::Read(_) => "read",
        Action::Observe => "observe",
        Action::CancelObservation => "end-observation",
        Action::WriteUri(uri) if uri.is_empty() => "reset",
        Action::WriteUri(_) => "uri",
        Action::WritePackage => "package",
        Action::ClearPackage => "clear",
        Action::ExecuteCancel => "cancel",
        Action::WriteNumber(..) => "number",
        Action::Execute => "execute",
        Action::Abandon => "abandon",
    }
}

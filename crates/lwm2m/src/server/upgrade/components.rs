//! Several components of one device, one after the other (OMA object 33629, Advanced Firmware Update).
//!
//! ```text
//!   part 0 ─ deliver ─ (deliver what it is linked to) ─ Execute ─ verify ─▶ part 1 ─ … ─▶ one verdict
//! ```
//!
//! Each part goes through the same procedure as object 5, at its own instance. The parts go in the order of
//! the plan. An order to install also installs the images of linked instances (resource 16), so later parts
//! that a part is linked to are delivered before it is executed; when their turn comes they are found at
//! their target, or go the whole way. The first part that fails ends the upgrade.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use firmware::upgrade::{Outcome, Proof, Stage};
use machine::Instant;

use super::procedure::Procedure;
use super::state::{Download, Install, Observation, Step, View};
use super::{Package, UpgradeEvent};
use crate::object::{ADVANCED_FIRMWARE, device, firmware as object};
use crate::path::{InstanceId, Path, ResourceId};

/// The image for one component.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Component {
    /// The instance of object 33629.
    pub instance: InstanceId,
    /// What is to be installed; its version is compared with /33629/x/15.
    pub package: Package,
}

/// The unguessable part of the path of a part's image, made of that of the upgrade.
pub fn part_token(token: &str, part: usize) -> String {
    match part {
        0 => token.to_string(),
        part => [token, "-", &part.to_string()].concat(),
    }
}

/// Current Version (33629.xml, resource 15).
const CURRENT_VERSION: ResourceId = ResourceId(15);

/// Where an upgrade of several components is.
#[derive(Clone, Default, Debug)]
pub(super) struct Parts {
    /// The one that is worked on.
    pub(super) current: usize,
    /// The one that waits to be executed while those that it is linked to are delivered.
    waiting: Option<usize>,
    /// What that one is linked to.
    linked: Vec<InstanceId>,
    /// Those that were delivered ahead of their turn.
    delivered: Vec<usize>,
    /// The verdict on the parts before.
    verdict: Option<Outcome>,
    /// The record is of an earlier run of the server, so what is on the components may be ours.
    pub(super) resumed: bool,
}

impl Parts {
    pub(super) fn new(current: usize, resumed: bool) -> Self {
        Self { current, resumed, ..Self::default() }
    }
}

impl Procedure {
    /// Which part of the plan the device gets now; always 0 for object 5.
    pub const fn part(&self) -> usize {
        self.parts.current
    }

    /// The unguessable parts of the images' paths, one for each part.
    pub fn tokens(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.plan.components.len().max(1)).map(|part| self.token_of(part))
    }

    pub(super) fn token_of(&self, part: usize) -> String {
        part_token(&self.record.token, part)
    }

    /// The image of a part.
    pub fn image(&self, part: usize) -> Option<Arc<[u8]>> {
        match self.plan.components.get(part) {
            Some(component) => Some(component.package.bytes.clone()),
            None => (part == 0 && self.plan.components.is_empty()).then(|| self.plan.package.bytes.clone()),
        }
    }

    /// The place on the device of what actions name by object 5: the same resource of the component that is
    /// worked on, whose version has a resource of its own.
    pub fn place(&self, path: Path) -> Path {
        let Some(component) = self.plan.components.get(self.parts.current) else { return path };
        let instance = component.instance;
        match path {
            device::FIRMWARE_VERSION => Path::Resource(ADVANCED_FIRMWARE, instance, CURRENT_VERSION),
            object::INSTANCE => Path::Instance(ADVANCED_FIRMWARE, instance),
            Path::Resource(object, _, resource) if Some(object) == object::INSTANCE.object_id() => {
                Path::Resource(ADVANCED_FIRMWARE, instance, resource)
            }
            other => other,
        }
    }

    pub(super) fn new_view(&self) -> View {
        View { is_component: !self.plan.components.is_empty(), ..View::default() }
    }

    /// The part is on the device and checked. Whether others have to be delivered before it is executed, or
    /// one that waited for it goes on.
    pub(super) fn delivers_linked(&mut self, now: Instant) -> bool {
        let current = self.parts.current;
        if self.parts.waiting.is_none() {
            self.parts.linked = core::mem::take(&mut self.view.linked);
        }
        let waiting = self.parts.waiting.unwrap_or(current);
        if waiting != current {
            self.parts.delivered.push(current);
        }
        let due = |(part, component): &(usize, &Component)| {
            *part > waiting
                && self.parts.linked.contains(&component.instance)
                && !self.parts.delivered.contains(part)
        };
        match self.plan.components.iter().enumerate().find(due).map(|(part, _)| part) {
            Some(part) => {
                self.parts.waiting = Some(waiting);
                self.begin_part(part, now);
                true
            }
            None if waiting != current => {
                self.parts.waiting = None;
                self.turn_to(waiting, now);
                self.knows_device = true;
                self.download.due = false;
                self.set_stage(Stage::Downloading, now);
                self.step = Step::Look(super::deliver::reading_list());
                true
            }
            None => false,
        }
    }

    /// A part has its verdict and everything about it is closed. Whether the upgrade goes on with another.
    pub(super) fn goes_on(&mut self, outcome: Outcome, now: Instant) -> bool {
        if !outcome.is_success() || self.plan.components.is_empty() {
            return false;
        }
        if self.parts.waiting.is_some() {
            // It had its target already: nothing to deliver ahead.
            self.outcome = None;
            return self.delivers_linked(now);
        }
        let verdict = joined(self.parts.verdict, outcome);
        self.parts.verdict = Some(verdict);
        let next = self.parts.current + 1;
        if next >= self.plan.components.len() {
            self.outcome = Some(verdict);
            return false;
        }
        self.record.part = next;
        self.begin_part(next, now);
        true
    }

    fn begin_part(&mut self, part: usize, now: Instant) {
        self.turn_to(part, now);
        self.deadline = now + self.plan.timing.reach;
        self.begin_precheck(now);
        // The same stage may have been told last, with the record of another part.
        self.tell(UpgradeEvent::Stage { stage: self.record.stage, record: self.record.clone() });
    }

    /// Everything about the part before is forgotten.
    fn turn_to(&mut self, part: usize, now: Instant) {
        self.parts.current = part;
        if let Some(component) = self.plan.components.get(part) {
            self.plan.package = component.package.clone();
        }
        self.plan.leftovers_are_ours |= self.parts.resumed;
        (self.record.offers, self.record.executes, self.record.bytes) = (0, 0, 0);
        (self.record.version_before, self.facts.version_before) = (None, None);
        self.outcome = None;
        self.view = self.new_view();
        self.knows_device = false;
        self.wake = None;
        self.failures = 0;
        self.observation = if self.plan.observe { Observation::Wanted } else { Observation::Off };
        self.download = Download::new(&self.record, now);
        self.install = Install::new(false, now);
    }
}

/// One verdict of two successes: as strong as the weaker proof.
fn joined(before: Option<Outcome>, outcome: Outcome) -> Outcome {
    match (before, outcome) {
        (Some(Outcome::Succeeded(Proof::VersionAndResult)) | None, outcome @ Outcome::Succeeded(_)) => {
            outcome
        }
        (Some(before @ Outcome::Succeeded(_)), _) => before,
        (_, outcome) => outcome,
    }
}

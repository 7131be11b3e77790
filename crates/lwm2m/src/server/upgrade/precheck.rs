//! Reading the device, and deciding before a byte is sent.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use coap::Code;
use firmware::upgrade::{Cause, Delivery, Outcome, Protocol, Stage, UpdateResult, UpdateState};
use machine::Instant;

use super::procedure::Procedure;
use super::reaction::{self, StartReaction};
use super::state::{Observation, Step, View};
use super::{Answer, Warning};
use crate::object::{ADVANCED_FIRMWARE, DEVICE, device, firmware as object};
use crate::path::{ObjectId, Path, ResourceId};
use crate::value::{Node, Resource, Value};

/// Both objects whole; the last one first.
pub(super) fn reading_list() -> Vec<Path> {
    vec![object::INSTANCE, device::INSTANCE]
}

impl Procedure {
    pub(super) fn begin_precheck(&mut self, now: Instant) {
        self.set_stage(Stage::Precheck, now);
        self.view = self.new_view();
        self.step = Step::Look(reading_list());
    }

    pub(super) fn give_up_waiting(&mut self, now: Instant) {
        self.close(Outcome::Failed(Cause::Unreachable), now);
    }

    /// One reading is answered, at any stage.
    pub(super) fn handle_reading(&mut self, path: Path, answer: Answer, now: Instant) {
        let Step::Look(left) = &mut self.step else { return };
        match answer {
            Answer::Lost => return self.back_off(now),
            // Devices are busy right after a registration and during a push.
            Answer::Refused(code) if code.class() == 5 && code != Code::NOT_IMPLEMENTED => {
                return self.back_off(now);
            }
            Answer::Value(node) => {
                left.pop();
                self.view.take(path, &node);
            }
            Answer::Refused(_) | Answer::Unreadable | Answer::Done => {
                left.pop();
                left.extend(singles_of(path));
                self.view.forget(path);
                self.view.no_firmware_object |=
                    path == object::STATE && answer == Answer::Refused(Code::NOT_FOUND);
            }
        }
        self.note_view();
    }

    fn note_view(&mut self) {
        if let Some(state) = self.view.state {
            self.note_state(state);
        }
        self.facts.result = self.view.result.or(self.facts.result);
        if self.view.version.is_some() {
            self.facts.version_after.clone_from(&self.view.version);
        }
        if self.facts.version_before.is_none() && !self.install.executed {
            self.facts.version_before.clone_from(&self.view.version);
            self.record.version_before.clone_from(&self.view.version);
        }
        if self.facts.model.is_none() {
            self.facts.model.clone_from(&self.view.model);
        }
    }

    /// Refuses, postpones, or goes on to the offer.
    pub(super) fn conclude_precheck(&mut self, now: Instant) {
        if self.view.no_firmware_object {
            return self.close(Outcome::Failed(Cause::NoFirmwareObject), now);
        }
        let Some(state) = self.view.state else {
            // Some devices refuse reads for a while after they registered.
            self.step = Step::Look(reading_list());
            return self.back_off(now);
        };
        self.knows_device = true;
        if let Some(outcome) = self.refusal() {
            return self.close(outcome, now);
        }
        self.download.result_before = self.view.result.unwrap_or(UpdateResult::INITIAL);
        self.deadline = now + self.download_time();
        match reaction::at_start(state, self.plan.leftovers_are_ours) {
            StartReaction::Offer => self.begin_offer(now),
            StartReaction::Reset => {
                // Once: if it does not become idle, it is not ours after all.
                self.plan.leftovers_are_ours = false;
                self.step = Step::Reset;
            }
            StartReaction::Foreign => self.close(Outcome::Postponed, now),
        }
    }

    /// What ends the upgrade before a byte was sent.
    fn refusal(&mut self) -> Option<Outcome> {
        let package = &self.plan.package;
        let version = self.view.version.as_deref();
        if package.model.is_some() && package.model != self.view.model {
            return Some(Outcome::Failed(Cause::WrongModel));
        }
        if version.is_some() && version == package.version.as_deref() {
            return Some(Outcome::AlreadyAtTarget);
        }
        if package.source_version.is_some() && package.source_version.as_deref() != version {
            return Some(Outcome::Failed(Cause::WrongSourceVersion));
        }
        if self.view.is_old_draft() {
            self.warn(Warning::OldResourceNumbers);
            if self.observation == Observation::Off {
                self.observation = Observation::Wanted;
            }
        }
        match self.choose_delivery() {
            Ok(delivery) => {
                self.record.delivery = Some(delivery);
                None
            }
            Err(cause) => Some(Outcome::Failed(cause)),
        }
    }

    /// The wanted delivery, or one that the device takes; PULL goes first, since it goes on after a cut.
    fn choose_delivery(&self) -> Result<Delivery, Cause> {
        let wanted = self.plan.delivery.or(self.plan.protocol.map(|_| Delivery::Pull));
        let fetches =
            || if self.uri().is_some() { Ok(Delivery::Pull) } else { Err(Cause::UnsupportedProtocol) };
        match (wanted, self.view.takes(Delivery::Pull), self.view.takes(Delivery::Push)) {
            (Some(Delivery::Pull), true, _) | (None, true, false) => fetches(),
            (Some(Delivery::Push), _, true) | (None, false, true) => Ok(Delivery::Push),
            (None, true, true) => fetches().or(Ok(Delivery::Push)),
            (Some(Delivery::Pull), false, _) | (Some(Delivery::Push), _, false) | (None, false, false) => {
                Err(Cause::UnsupportedDelivery)
            }
        }
    }

    /// The best base whose protocol the device speaks, with the token's path; only those of the wanted
    /// protocol if there is one.
    pub(super) fn uri(&self) -> Option<String> {
        let wanted = |protocol| self.plan.protocol.is_none_or(|wanted| wanted == protocol);
        let known = self.bases.iter().filter_map(|base| Some((Protocol::of_uri(base)?, base)));
        let spoken = known.filter(|(protocol, _)| wanted(*protocol) && self.view.speaks(*protocol));
        let (_, base) = spoken.min_by_key(|(protocol, _)| rank(*protocol, self.secured))?;
        let base = base.trim_end_matches('/');
        Some([base, crate::server::IMAGE_PATH, &self.token_of(self.parts.current)].concat())
    }
}

/// First the way that the device registered by, since it is known to work; then HTTP over TLS, whose
/// certificate may be a trouble; then what others can read; last CoAP over DTLS for a device without keys.
const fn rank(protocol: Protocol, secured: bool) -> u8 {
    match (protocol, secured) {
        (Protocol::Coaps, true) | (Protocol::Coap, false) => 0,
        (Protocol::CoapsTcp, true) | (Protocol::CoapTcp, false) => 1,
        (Protocol::Https, _) => 2,
        (Protocol::Coap, true) => 3,
        (Protocol::Http, _) => 4,
        (Protocol::CoapTcp, true) => 5,
        (Protocol::Coaps | Protocol::CoapsTcp, false) => 6,
    }
}

/// What to read one by one where the whole was refused; the last one first.
fn singles_of(path: Path) -> Vec<Path> {
    match path {
        device::INSTANCE => vec![device::FIRMWARE_VERSION, device::MODEL],
        object::INSTANCE => {
            vec![object::DEFER_PERIOD, object::PROTOCOLS, object::DELIVERY, object::RESULT, object::STATE]
        }
        _ => Vec::new(),
    }
}

impl View {
    fn take(&mut self, path: Path, node: &Node) {
        match (path, node) {
            (Path::Instance(object, _), Node::Instance(instance)) => {
                for (resource, value) in instance {
                    self.take_of_component(object, *resource, value);
                    let path = Path::instance(object.0, 0).child(resource.0);
                    // The version of the whole device says nothing about one of its components.
                    if !(self.is_component && path == Some(device::FIRMWARE_VERSION)) {
                        self.take_resource(path.unwrap_or(Path::Root), value);
                    }
                }
            }
            (Path::Resource(..), Node::Resource(resource)) => self.take_resource(path, resource),
            _ => {}
        }
    }

    /// Resources of object 33629 that object 5 does not have.
    fn take_of_component(&mut self, object: ObjectId, resource: ResourceId, value: &Resource) {
        match (object, resource.0) {
            _ if !self.is_component || object == DEVICE => {}
            (_, 15) => self.version = value.single().and_then(Value::as_text).map(String::from),
            (_, 16) => {
                let links = value.values().filter_map(|value| match value {
                    Value::ObjectLink(ADVANCED_FIRMWARE, instance) => Some(*instance),
                    _ => None,
                });
                self.linked = links.collect();
            }
            _ => {}
        }
    }

    fn take_resource(&mut self, path: Path, resource: &Resource) {
        let number = || resource.single().and_then(Value::as_integer);
        let small = || number().map(|number| u8::try_from(number).unwrap_or(u8::MAX));
        let text = || resource.single().and_then(Value::as_text).map(String::from);
        match path {
            device::MODEL => self.model = text(),
            device::FIRMWARE_VERSION => self.version = text(),
            object::STATE => self.state = small().map(UpdateState),
            object::RESULT => self.result = small().map(UpdateResult),
            object::DELIVERY => self.delivery = number(),
            object::SEVERITY => self.is_newer = true,
            object::DEFER_PERIOD => {
                self.is_newer = true;
                self.defer_period = number();
            }
            object::PROTOCOLS => match resource {
                Resource::Single(_) => self.old_delivery = number(),
                Resource::Multiple(_) => {
                    self.protocols = Some(resource.values().filter_map(Value::as_integer).collect());
                }
            },
            _ => {}
        }
    }

    fn forget(&mut self, path: Path) {
        match path {
            device::FIRMWARE_VERSION => self.version = None,
            object::STATE => self.state = None,
            object::RESULT => self.result = None,
            _ => {}
        }
    }

    /// Whether the delivery method sits on resource 8 and 9 is missing (LiteOS class, PEERS 10).
    fn is_old_draft(&self) -> bool {
        self.delivery.is_none() && self.old_delivery.is_some()
    }

    /// Resource 9: 0 pull, 1 push, 2 both; missing or unknown does not forbid.
    fn takes(&self, delivery: Delivery) -> bool {
        match self.delivery.or(self.old_delivery) {
            Some(0) => delivery == Delivery::Pull,
            Some(1) => delivery == Delivery::Push,
            _ => true,
        }
    }

    /// Resource 8 lists the protocols; unknown numbers are ignored. Where it is missing, both forms of CoAP
    /// over UDP are assumed, since the device is registered over one of them.
    fn speaks(&self, protocol: Protocol) -> bool {
        let number = protocol.number();
        match &self.protocols {
            Some(protocols) => protocols.contains(&number),
            None => self.old_delivery == Some(number) && self.delivery.is_some() || number <= 1,
        }
    }
}

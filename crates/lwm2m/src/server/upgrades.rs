//! Runs the upgrade procedures of the devices: actions become requests, answers and time go back.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use coap::{CancelBy, RequestId};
use firmware::upgrade::UpdateState;
use machine::{Instant, Link, TimerId};

use super::devices::DeviceKey;
use super::event::{Endpoint, Event};
use super::exchange::{Purpose, What};
use super::images::{Image, tag_of};
use super::upgrade::{Action, Answer, Procedure, UpgradeEvent, UpgradeId, UpgradePlan, UpgradeRecord};
use super::{Server, Timer, url_safe};
use crate::object::firmware as object;
use crate::value::{Node, Value};

/// A running upgrade.
#[derive(Debug)]
pub(super) struct Run {
    id: UpgradeId,
    procedure: Procedure,
    /// Name the images' bytes in responses, one for each part.
    tags: Vec<[u8; 8]>,
    /// The request that is under way.
    asked: Option<RequestId>,
    observation: Option<RequestId>,
    timer: Option<(Instant, TimerId)>,
    /// Retransmissions to the device, as the CoAP layer counts them, before the upgrade on this link.
    counted_before: u64,
    /// Those of earlier links.
    retransmissions: u64,
}

/// Why an upgrade was not started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StartError {
    /// The device is being upgraded already: by this upgrade.
    #[error("the device is being upgraded already (upgrade {})", .0.0)]
    Busy(UpgradeId),
    /// There is an upgrade with this number already.
    #[error("upgrade {} runs already", .0.0)]
    Running(UpgradeId),
    /// The server knows as many devices as it is configured to.
    #[error("the server is full")]
    Full,
}

impl Server {
    /// Upgrades a device, now or when it registers. [`Event::Upgrade`] tells how it goes on.
    ///
    /// `record` is what was stored last, after a restart: the device is read before anything is sent.
    pub fn start_upgrade(
        &mut self,
        id: UpgradeId,
        endpoint: &str,
        plan: UpgradePlan,
        record: Option<UpgradeRecord>,
        now: Instant,
    ) -> Result<(), StartError> {
        self.check_start(id, endpoint)?;
        let record = record.unwrap_or_else(|| UpgradeRecord::new(&self.new_image_token()));
        let key = self.devices.find_or_add(endpoint);
        self.upgrades.insert(id, key);
        let procedure = Procedure::new(plan, self.config.public_uris.clone(), record, now);
        let mut tags = Vec::new();
        for (part, token) in procedure.tokens().enumerate() {
            self.images.insert(token.as_str().into(), Image::Upgrade(key, part));
            tags.extend(procedure.image(part).map(|bytes| tag_of(&bytes)));
        }
        let run = Run {
            id,
            procedure,
            tags,
            asked: None,
            observation: None,
            timer: None,
            counted_before: 0,
            retransmissions: 0,
        };
        if let Some(device) = self.devices.get_mut(key) {
            device.upgrade = Some(Box::new(run));
        }
        self.upgrade_registered(key, now);
        self.drive_upgrade(key, now);
        self.work(now);
        Ok(())
    }

    fn check_start(&self, id: UpgradeId, endpoint: &str) -> Result<(), StartError> {
        if self.upgrades.contains_key(&id) {
            return Err(StartError::Running(id));
        }
        match self.devices.by_endpoint(endpoint).and_then(|key| self.devices.get(key)) {
            Some(device) => match &device.upgrade {
                Some(run) => Err(StartError::Busy(run.id)),
                None => Ok(()),
            },
            None if self.devices.len() >= self.config.max_devices => Err(StartError::Full),
            None => Ok(()),
        }
    }

    /// The record of [`UpgradeEvent::IntentWanted`] is durable: the order to install may be sent.
    pub fn intent_durable(&mut self, id: UpgradeId, now: Instant) {
        self.with_upgrade(id, now, |procedure| procedure.intent_durable(now));
    }

    /// Cancels an upgrade. It ends with [`UpgradeEvent::Finished`]; after the order to install it goes on,
    /// with a warning.
    pub fn cancel_upgrade(&mut self, id: UpgradeId, now: Instant) {
        self.with_upgrade(id, now, |procedure| procedure.cancel(now));
    }

    /// The device of an upgrade fetched bytes of its image from the owner's own file service.
    pub fn image_served(&mut self, id: UpgradeId, offset: u64, length: u64, now: Instant) {
        self.with_upgrade(id, now, |procedure| procedure.handle_served(offset, length, now));
    }

    fn with_upgrade(&mut self, id: UpgradeId, now: Instant, act: impl FnOnce(&mut Procedure)) {
        let Some(key) = self.upgrades.get(&id).copied() else { return };
        self.with_procedure(key, now, act);
        self.work(now);
    }

    pub(super) fn with_procedure(&mut self, key: DeviceKey, now: Instant, act: impl FnOnce(&mut Procedure)) {
        if let Some(run) = self.run(key) {
            act(&mut run.procedure);
            self.drive_upgrade(key, now);
        }
    }

    fn run(&mut self, key: DeviceKey) -> Option<&mut Run> {
        self.devices.get_mut(key)?.upgrade.as_deref_mut()
    }

    /// 128 random bits.
    fn new_image_token(&mut self) -> alloc::string::String {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        url_safe(&bytes)
    }

    /// The device registered, or its upgrade starts while it is registered.
    pub(super) fn upgrade_registered(&mut self, key: DeviceKey, now: Instant) {
        let Some(link) = self.link_of(key) else { return };
        let counted = self.coap.peer_statistics(link).retransmissions;
        let Some(device) = self.devices.get_mut(key) else { return };
        let (Some(registered), Some(run)) = (&device.registration, &mut device.upgrade) else { return };
        run.counted_before = counted.into();
        run.procedure.handle_registered(registered.lifetime, link, now);
    }

    /// The device sent an Update.
    pub(super) fn upgrade_contacted(&mut self, key: DeviceKey, now: Instant) {
        if let Some(run) = self.run(key) {
            run.procedure.handle_contact(now);
        }
    }

    /// The answer to a Register or Update is on its way: only now anything else may follow.
    pub(super) fn after_answer(&mut self, peer: Link, now: Instant) {
        if let Some(key) = self.devices.by_link(peer) {
            self.drive_upgrade(key, now);
        }
    }

    pub(super) fn upgrade_gone(&mut self, key: DeviceKey, now: Instant) {
        self.abandon_request(key, now);
        self.with_procedure(key, now, |procedure| procedure.handle_gone(now));
    }

    pub(super) fn wake_upgrade(&mut self, key: DeviceKey, now: Instant) {
        if let Some(run) = self.run(key) {
            run.timer = None;
        }
        self.with_procedure(key, now, |procedure| procedure.handle_timeout(now));
    }

    pub(super) fn upgrade_asked(&mut self, key: DeviceKey, id: RequestId) {
        if let Some(run) = self.run(key) {
            run.asked = Some(id);
        }
    }

    pub(super) fn upgrade_observed(&mut self, key: DeviceKey, id: RequestId, now: Instant) {
        let Some(run) = self.run(key) else { return };
        if let Some(old) = run.observation.replace(id) {
            self.exchanges.remove(&old);
            self.coap.cancel(old, now);
        }
    }

    pub(super) fn upgrade_observation_lost(&mut self, key: DeviceKey, now: Instant) {
        if let Some(run) = self.run(key) {
            run.observation = None;
        }
        self.with_procedure(key, now, Procedure::handle_observation_lost);
    }

    pub(super) fn upgrade_notified(&mut self, key: DeviceKey, value: &Node, now: Instant) {
        let Some(state) = value.value().and_then(Value::as_integer) else { return };
        let state = UpdateState(u8::try_from(state).unwrap_or(u8::MAX));
        self.with_procedure(key, now, |procedure| procedure.handle_state(state, now));
    }

    pub(super) fn answer_upgrade(&mut self, key: DeviceKey, answer: Answer, now: Instant) {
        if let Some(run) = self.run(key) {
            run.asked = None;
        }
        self.with_procedure(key, now, |procedure| procedure.handle_answer(answer, now));
    }

    pub(super) fn handle_progress(&mut self, id: RequestId, sent: u64, now: Instant) {
        let Some(exchange) = self.exchanges.get(&id) else { return };
        if exchange.purpose == Purpose::Upgrade {
            self.with_procedure(exchange.device, now, |procedure| procedure.handle_pushed(sent));
        }
    }

    /// The bytes of a part of a device's upgrade and their tag.
    pub(super) fn upgrade_image(&mut self, key: DeviceKey, part: usize) -> Option<(Arc<[u8]>, [u8; 8])> {
        let run = self.run(key)?;
        Some((run.procedure.image(part)?, *run.tags.get(part)?))
    }

    /// Counts what was repeated on a link that the device leaves.
    pub(super) fn keep_retransmissions(&mut self, key: DeviceKey, link: Link) {
        let counted = u64::from(self.coap.peer_statistics(link).retransmissions);
        if let Some(run) = self.run(key) {
            run.retransmissions += counted.saturating_sub(run.counted_before);
            run.counted_before = counted;
        }
    }

    /// Passes on what the procedure has to tell and to send, until it waits.
    fn drive_upgrade(&mut self, key: DeviceKey, now: Instant) {
        let Some(device) = self.devices.get(key).filter(|device| device.upgrade.is_some()) else { return };
        let endpoint = device.endpoint.clone();
        while let Some(run) = self.run(key) {
            if let Some(event) = run.procedure.poll_event() {
                self.tell_upgrade(key, &endpoint, event);
            } else if let Some(action) = run.procedure.poll_action() {
                self.perform(key, action, now);
            } else {
                break;
            }
        }
        self.finish_or_wait(key, now);
    }

    fn tell_upgrade(&mut self, key: DeviceKey, endpoint: &Endpoint, mut event: UpgradeEvent) {
        if let Some(link) = self.link_of(key) {
            self.keep_retransmissions(key, link);
        }
        let Some(run) = self.run(key) else { return };
        let id = run.id;
        if let UpgradeEvent::Finished { facts, .. } = &mut event {
            facts.retransmissions = run.retransmissions;
        }
        self.emit(Event::Upgrade { id, endpoint: endpoint.clone(), event });
    }

    fn finish_or_wait(&mut self, key: DeviceKey, now: Instant) {
        let Some(run) = self.run(key) else { return };
        if run.procedure.is_finished() {
            self.drop_upgrade(key, now);
            return self.remove_if_idle(key);
        }
        let due = run.procedure.poll_timeout().map(|(due, _)| due);
        if run.timer.map(|(set, _)| set) == due {
            return;
        }
        let old = run.timer.take();
        if let Some((_, timer)) = old {
            self.timers.cancel(timer);
        }
        let timer = due.map(|due| (due, self.timers.set(due, Timer::Upgrade(key))));
        if let Some(run) = self.run(key) {
            run.timer = timer;
        }
    }

    /// Ends the serving of the image and forgets the upgrade.
    pub(super) fn drop_upgrade(&mut self, key: DeviceKey, now: Instant) {
        let Some(run) = self.devices.get_mut(key).and_then(|device| device.upgrade.take()) else { return };
        for token in run.procedure.tokens() {
            self.images.remove(token.as_str());
        }
        self.upgrades.remove(&run.id);
        if let Some((_, timer)) = run.timer {
            self.timers.cancel(timer);
        }
        for id in [run.asked, run.observation].into_iter().flatten() {
            self.exchanges.remove(&id);
            self.coap.cancel(id, now);
        }
    }

    fn perform(&mut self, key: DeviceKey, action: Action, now: Instant) {
        let Some(procedure) = self.run(key).map(|run| &run.procedure) else { return };
        let at = |path| procedure.place(path);
        let what = match action {
            Action::Read(path) => What::Read(at(path)),
            Action::Observe => What::Observe(at(object::STATE)),
            Action::WriteUri(uri) => What::Write(at(object::PACKAGE_URI), Node::single(Value::String(uri))),
            Action::WriteNumber(path, number) => What::Write(at(path), Node::single(Value::Integer(number))),
            Action::ClearPackage => What::Write(at(object::PACKAGE), Node::single(Value::Opaque([0].into()))),
            Action::WritePackage => {
                let bytes = procedure.plan().package.bytes.clone();
                What::Package(at(object::PACKAGE), bytes, procedure.block_size())
            }
            Action::Execute => What::Execute(at(object::UPDATE), None),
            Action::ExecuteCancel => What::Execute(at(object::CANCEL), None),
            Action::CancelObservation => return self.end_upgrade_observation(key, now),
            Action::Abandon => return self.abandon_request(key, now),
        };
        if self.link_of(key).is_none() {
            return self.lose_action(key, now);
        }
        match self.ask(key, Purpose::Upgrade, what, now) {
            Some(id) => self.upgrade_asked(key, id),
            None => self.lose_action(key, now),
        }
    }

    fn lose_action(&mut self, key: DeviceKey, now: Instant) {
        if let Some(run) = self.run(key) {
            run.procedure.handle_answer(Answer::Lost, now);
        }
    }

    fn abandon_request(&mut self, key: DeviceKey, now: Instant) {
        if let Some(id) = self.run(key).and_then(|run| run.asked.take()) {
            self.exchanges.remove(&id);
            self.coap.cancel(id, now);
        }
    }

    fn end_upgrade_observation(&mut self, key: DeviceKey, now: Instant) {
        let observation = self.run(key).and_then(|run| run.observation.take());
        let confirmed = observation.filter(|id| self.coap.observation_token(*id).is_some());
        match (confirmed, confirmed.and_then(|id| self.exchanges.get_mut(&id))) {
            (Some(id), Some(exchange)) => {
                exchange.purpose = Purpose::UpgradeEnd;
                self.upgrade_asked(key, id);
                self.coap.cancel_observation(id, CancelBy::Request, now);
            }
            _ => {
                if let Some(run) = self.run(key) {
                    run.procedure.handle_answer(Answer::Done, now);
                }
            }
        }
    }
}

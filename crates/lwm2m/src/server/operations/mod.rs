//! Operations on devices: from the owner's wish to the request.
//!
//! ```text
//!  operate ─► check (model, version) ─► ask ─► send ─► CoAP      answers: answers.rs
//!                                        └ formats: what the device has taken before
//! ```
//! Observations are kept over registrations in `observations`; what devices send unasked is in `data_push`.

mod answers;
mod attributes;
mod check;
mod data_push;
mod discovered;
mod formats;
mod observations;
mod operation;
mod reason;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use coap::RequestId;
use machine::{Instant, Link};

pub use self::attributes::{Attribute, AttributeConflict, AttributeError, Attributes};
pub use self::discovered::Discovered;
pub use self::formats::{FormatMemory, ParseFormatMemoryError};
pub use self::operation::{Operation, OperationError, OperationId, OperationOutput, Unreadable};
pub use self::reason::Reason;

pub(super) use self::formats::{Spoken, Use};
pub(super) use self::observations::Reporting;
use self::observations::Target;
use super::devices::DeviceKey;
use super::event::{Endpoint, Event};
use super::exchange::{Exchange, Purpose, What};
use super::parameters::Version;
use super::{Server, Timer};
use crate::model::ObjectModel;
use crate::path::{InstanceId, ObjectId, Path};
use crate::value::Node;

/// How often a busy device is asked again, and when for the first time; the time doubles (PEERS 18: 5.0x
/// right after Register and in the middle of a push).
const BUSY_RETRIES: u8 = 4;
const FIRST_BUSY_WAIT: Duration = Duration::from_secs(2);

impl Server {
    /// Asks a device for something. [`Event::OperationDone`] follows, at once if nothing can be sent.
    ///
    /// Operations of one device run one after the other; during a push they wait until it is over.
    pub fn operate(&mut self, endpoint: &str, operation: Operation, now: Instant) -> OperationId {
        self.last_operation += 1;
        let id = OperationId(self.last_operation);
        if let Err(error) = self.try_operate(id, endpoint, operation, now) {
            self.emit(Event::OperationDone { id, endpoint: Endpoint::from(endpoint), result: Err(error) });
        }
        self.work(now);
        id
    }

    /// Knows other objects from now on; what is under way is read with the new model too.
    pub fn set_model(&mut self, model: ObjectModel) {
        self.config.model = model;
    }

    /// The objects as a device has them: where several versions are known, those that it registered. All of
    /// them if the device is not registered.
    pub fn model_of(&self, endpoint: &str) -> ObjectModel {
        match self.devices.by_endpoint(endpoint) {
            Some(key) => self.model_of_device(key),
            None => self.config.model.clone(),
        }
    }

    pub(super) fn model_of_device(&self, key: DeviceKey) -> ObjectModel {
        let registered = self.devices.get(key).and_then(|device| device.registration.as_deref());
        match registered {
            Some(registered) => self.config.model.of_device(|object| registered.objects.version(object)),
            None => self.config.model.clone(),
        }
    }

    /// Gives back what [`Event::FormatLearnt`] told of a device before it was forgotten. Nothing happens if
    /// the device is not known.
    pub fn set_formats(&mut self, endpoint: &str, memory: FormatMemory) {
        let key = self.devices.by_endpoint(endpoint);
        if let Some(device) = key.and_then(|key| self.devices.get_mut(key)) {
            device.formats = memory;
        }
    }

    fn try_operate(
        &mut self,
        id: OperationId,
        endpoint: &str,
        operation: Operation,
        now: Instant,
    ) -> Result<(), OperationError> {
        let key = self.devices.by_endpoint(endpoint);
        let device = key.and_then(|key| self.devices.get(key));
        let registered = device.and_then(|device| device.registration.as_deref());
        // What makes no sense for any device is said even of one that is not there.
        let spoken = registered.map_or(Version::V1_2, |registered| registered.version);
        operation.check(&self.model_of(endpoint), spoken)?;
        let key = key.ok_or(OperationError::NotRegistered)?;
        self.link_of(key).ok_or(OperationError::NotRegistered)?;
        let purpose = Purpose::Operation(id);
        let what = match operation {
            Operation::Read(path) => What::Read(path),
            Operation::Write(path, node) if spoken == Version::V1_0 && path.depth() == 3 => {
                // Before 1.1 POST on a resource is Execute.
                What::Replace(path, node)
            }
            Operation::Write(path, node) => What::Write(path, node),
            Operation::Replace(path, node) => What::Replace(path, node),
            Operation::Execute(path, argument) => What::Execute(path, argument),
            Operation::Create(path, node) => self.creation(key, path, node),
            Operation::Delete(path) => What::Delete(path),
            Operation::Discover(path) => What::Discover(path),
            Operation::WriteAttributes(path, attributes) => What::WriteAttributes(path, attributes),
            Operation::Observe(path) => {
                return self.observe(id, key, Target::One(path, Attributes::new()), now);
            }
            Operation::ObserveWith(path, attributes) => {
                return self.observe(id, key, Target::One(path, attributes), now);
            }
            Operation::ObserveComposite(paths) => {
                return self.observe(id, key, Target::Several(paths.into()), now);
            }
            Operation::CancelObservation(path) => {
                return self.cancel_observation(id, key, &Target::One(path, Attributes::new()), now);
            }
            Operation::CancelComposite(paths) => {
                return self.cancel_observation(id, key, &Target::Several(paths.into()), now);
            }
            Operation::ResetObservation(path) => return self.reset_observation(id, key, path, now),
            Operation::ReadComposite(paths) => What::ReadComposite(paths.into()),
            Operation::WriteComposite(records) => What::WriteComposite(records.into()),
        };
        self.ask(key, purpose, what, now);
        Ok(())
    }

    fn creation(&self, key: DeviceKey, path: Path, node: Node) -> What {
        let object = path.object_id().unwrap_or(ObjectId(0));
        match (path, node) {
            (Path::Instance(_, id), Node::Instance(instance)) => {
                What::Create(object, Node::Object(BTreeMap::from([(id, instance)])), id)
            }
            (_, node) => {
                let taken = self.instances(key, object);
                let spare = (0..u16::MAX).map(InstanceId).find(|id| !taken.contains(id));
                What::Create(object, node, spare.unwrap_or(InstanceId(0)))
            }
        }
    }

    /// The instances of an object that the device has registered.
    fn instances(&self, key: DeviceKey, object: ObjectId) -> Vec<InstanceId> {
        let registered = self.devices.get(key).and_then(|device| device.registration.as_deref());
        let listed = registered.map(|registered| &registered.objects.objects[..]).unwrap_or_default();
        listed.iter().filter(|(listed, _)| *listed == object).filter_map(|(_, instance)| *instance).collect()
    }

    /// The link over which the device can be reached now.
    pub(super) fn link_of(&self, key: DeviceKey) -> Option<Link> {
        let registered = self.devices.get(key)?.registration.as_ref()?;
        registered.link
    }

    /// Sends a request. The device is registered and connected.
    pub(super) fn ask(
        &mut self,
        key: DeviceKey,
        purpose: Purpose,
        what: What,
        now: Instant,
    ) -> Option<RequestId> {
        let device = self.devices.get(key)?;
        let registered = device.registration.as_deref()?;
        let spoken = Spoken { version: registered.version, listed: &registered.objects.formats };
        let formats = what.formats(spoken, &self.model_of_device(key));
        let formats = match formats {
            Some((which, wanted)) => device.formats.order(which, &wanted),
            None => [None].to_vec(),
        };
        self.send_next(Exchange { device: key, purpose, what, format: None, formats, busy: 0 }, now)
    }

    /// Sends the request in the next format that can carry it; gives nothing if there is none.
    fn send_next(&mut self, mut exchange: Exchange, now: Instant) -> Option<RequestId> {
        let root = self.root_of(exchange.device)?;
        while let Some(format) = exchange.formats.pop() {
            if exchange.what.request(&root, format).is_some() {
                exchange.format = format;
                return self.send(exchange, now);
            }
        }
        None
    }

    /// The alternate path of a device.
    fn root_of(&self, key: DeviceKey) -> Option<alloc::string::String> {
        Some(self.devices.get(key)?.registration.as_ref()?.objects.root.clone())
    }

    /// Sends the request in the format that is set.
    fn send(&mut self, exchange: Exchange, now: Instant) -> Option<RequestId> {
        let link = self.link_of(exchange.device)?;
        let registered = self.devices.get(exchange.device)?.registration.as_ref()?;
        let asleep = registered.queue_mode && !registered.awake;
        let request = exchange.what.request(&registered.objects.root, exchange.format)?;
        if asleep {
            self.coap.hold(link, now);
        }
        let id = match exchange.what.observes() {
            true => self.coap.observe(link, request, now),
            false => self.coap.request(link, request, now),
        };
        self.note_asked(exchange.device, exchange.purpose, id);
        self.exchanges.insert(id, exchange);
        Some(id)
    }

    fn note_asked(&mut self, key: DeviceKey, purpose: Purpose, id: RequestId) {
        if let (Purpose::Operation(_), Some(device)) = (purpose, self.devices.get_mut(key)) {
            device.asked.push(id);
        }
    }

    /// The exchange of a request that is answered or lost.
    fn take_exchange(&mut self, id: RequestId) -> Option<Exchange> {
        let exchange = self.exchanges.remove(&id)?;
        if let Some(device) = self.devices.get_mut(exchange.device) {
            device.asked.retain(|asked| *asked != id);
        }
        Some(exchange)
    }

    /// The registration ended: operations that are under way get no answer.
    pub(super) fn fail_operations(&mut self, key: DeviceKey, now: Instant) {
        let Some(device) = self.devices.get_mut(key) else { return };
        for id in core::mem::take(&mut device.asked) {
            self.coap.cancel(id, now);
            let Some(exchange) = self.exchanges.remove(&id) else { continue };
            if let Purpose::Operation(operation) | Purpose::OperationEnd(operation) = exchange.purpose {
                let error = OperationError::NoAnswer(exchange.what.path());
                self.finish_operation(key, operation, Err(error));
            }
        }
    }

    fn finish_operation(
        &mut self,
        key: DeviceKey,
        id: OperationId,
        result: Result<OperationOutput, OperationError>,
    ) {
        let Some(device) = self.devices.get(key) else { return };
        let endpoint = device.endpoint.clone();
        self.emit(Event::OperationDone { id, endpoint, result });
    }

    /// Asks later again if the device only had no time. The exchange is kept under its old number meanwhile.
    fn wait_for_busy(&mut self, id: RequestId, mut exchange: Exchange, now: Instant) {
        let wait = FIRST_BUSY_WAIT * (1 << exchange.busy);
        exchange.busy += 1;
        self.note_asked(exchange.device, exchange.purpose, id);
        self.exchanges.insert(id, exchange);
        self.timers.set(now + wait, Timer::Busy(id));
    }

    /// The time to ask a busy device again has come.
    pub(super) fn ask_again(&mut self, id: RequestId, now: Instant) {
        let Some(exchange) = self.take_exchange(id) else { return };
        let (key, purpose, path) = (exchange.device, exchange.purpose, exchange.what.path());
        match (self.send(exchange, now), purpose) {
            (None, Purpose::Operation(operation)) => {
                self.finish_operation(key, operation, Err(OperationError::NoAnswer(path)));
            }
            (sent, Purpose::Renewal) => self.renewal_sent_again(key, id, sent),
            _ => {}
        }
    }
}

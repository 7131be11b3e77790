//! Operations on devices, and all answers to requests of ours.

use alloc::string::String;

use coap::{CancelBy, Failure, RequestId, Response};
use machine::{Instant, Link};

use super::devices::DeviceKey;
use super::event::{Endpoint, Event, Operation, OperationError, OperationId, OperationOutput};
use super::exchange::{Exchange, Purpose, Reply, What, is_about_format, value_of};
use super::{Server, upgrade::Answer};
use crate::object::{self, Access};
use crate::path::Path;
use crate::value::{Node, Value};

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

    fn try_operate(
        &mut self,
        id: OperationId,
        endpoint: &str,
        operation: Operation,
        now: Instant,
    ) -> Result<(), OperationError> {
        check(&operation)?;
        let key = self.devices.by_endpoint(endpoint).ok_or(OperationError::NotRegistered)?;
        self.link_of(key).ok_or(OperationError::NotRegistered)?;
        let what = match operation {
            Operation::Read(path) => What::Read(path),
            Operation::Write(path, node) => What::Write(path, node),
            Operation::Execute(path, argument) => What::Execute(path, argument),
            Operation::Discover(path) => What::Discover(path),
            Operation::Observe(path) => {
                self.drop_observation(key, path, now);
                What::Observe(path)
            }
            Operation::CancelObservation(path) => return self.cancel_observation(id, key, path, now),
        };
        self.ask(key, Purpose::Operation(id), what, now);
        Ok(())
    }

    fn cancel_observation(
        &mut self,
        id: OperationId,
        key: DeviceKey,
        path: Path,
        now: Instant,
    ) -> Result<(), OperationError> {
        let device = self.devices.get_mut(key).ok_or(OperationError::NotRegistered)?;
        let index = device.observations.iter().position(|(observed, _)| *observed == path);
        let (_, request) = device.observations.swap_remove(index.ok_or(OperationError::NotObserved)?);
        device.asked.push(request);
        if let Some(exchange) = self.exchanges.get_mut(&request) {
            exchange.purpose = Purpose::OperationEnd(id);
        }
        self.coap.cancel_observation(request, CancelBy::Request, now);
        Ok(())
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
        let mut formats = what.formats(self.devices.get(key)?.refused);
        let format = formats.pop().flatten();
        self.send(Exchange { device: key, purpose, what, format, formats }, now)
    }

    fn send(&mut self, exchange: Exchange, now: Instant) -> Option<RequestId> {
        let link = self.link_of(exchange.device)?;
        let registered = self.devices.get(exchange.device)?.registration.as_ref()?;
        let asleep = registered.queue_mode && !registered.awake;
        let request = exchange.what.request(&registered.objects.root, exchange.format);
        if asleep {
            self.coap.hold(link, now);
        }
        let id = match exchange.what {
            What::Observe(_) => self.coap.observe(link, request, now),
            _ => self.coap.request(link, request, now),
        };
        if let (Purpose::Operation(_), Some(device)) =
            (exchange.purpose, self.devices.get_mut(exchange.device))
        {
            device.asked.push(id);
        }
        self.exchanges.insert(id, exchange);
        Some(id)
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
            let purpose = self.exchanges.remove(&id).map(|exchange| exchange.purpose);
            if let Some(Purpose::Operation(operation) | Purpose::OperationEnd(operation)) = purpose {
                self.finish_operation(key, operation, Err(OperationError::NoAnswer));
            }
        }
    }

    pub(super) fn handle_response(&mut self, id: RequestId, response: Response, now: Instant) {
        let Some(mut exchange) = self.take_exchange(id) else { return };
        if is_about_format(response.code) && self.try_next_format(&mut exchange, now) {
            return;
        }
        let reply = exchange.what.reply(&response);
        let confirmed = matches!(exchange.what, What::Observe(_)) && !matches!(reply, Reply::Refused(_));
        match exchange.purpose {
            Purpose::Operation(operation) => {
                if confirmed {
                    self.keep_observation(id, exchange);
                    self.finish_operation_of(id, operation, reply);
                } else {
                    self.finish_operation(exchange.device, operation, Ok(reply));
                }
            }
            Purpose::Upgrade => {
                let key = exchange.device;
                if confirmed {
                    exchange.purpose = Purpose::UpgradeObserved;
                    self.exchanges.insert(id, exchange);
                    self.upgrade_observed(key, id, now);
                }
                self.answer_upgrade(key, answer_of(reply), now);
            }
            Purpose::Observed | Purpose::UpgradeObserved => {
                self.exchanges.insert(id, exchange);
            }
            Purpose::UpgradeEnd => self.answer_upgrade(exchange.device, Answer::Done, now),
            Purpose::OperationEnd(operation) => {
                self.finish_operation(exchange.device, operation, Ok(Reply::Done));
            }
        }
    }

    /// Remembers that the device refused a format; whether another one is tried.
    fn try_next_format(&mut self, exchange: &mut Exchange, now: Instant) -> bool {
        let Some(device) = self.devices.get_mut(exchange.device) else { return false };
        if let Some(format) = exchange.format {
            device.refused.note(format);
        }
        let Some(format) = exchange.formats.pop() else { return false };
        let next = Exchange {
            device: exchange.device,
            purpose: exchange.purpose,
            what: exchange.what.clone(),
            format,
            formats: core::mem::take(&mut exchange.formats),
        };
        let (key, purpose) = (next.device, next.purpose);
        let sent = self.send(next, now);
        if let (Some(id), Purpose::Upgrade) = (sent, purpose) {
            self.upgrade_asked(key, id);
        }
        sent.is_some()
    }

    fn keep_observation(&mut self, id: RequestId, mut exchange: Exchange) {
        exchange.purpose = Purpose::Observed;
        if let Some(device) = self.devices.get_mut(exchange.device) {
            device.observations.push((exchange.what.path(), id));
        }
        self.exchanges.insert(id, exchange);
    }

    /// As `finish_operation`, for an exchange that is kept.
    fn finish_operation_of(&mut self, id: RequestId, operation: OperationId, reply: Reply) {
        if let Some(key) = self.exchanges.get(&id).map(|exchange| exchange.device) {
            self.finish_operation(key, operation, Ok(reply));
        }
    }

    fn finish_operation(&mut self, key: DeviceKey, id: OperationId, reply: Result<Reply, OperationError>) {
        let Some(device) = self.devices.get(key) else { return };
        let endpoint = device.endpoint.clone();
        let result = reply.and_then(|reply| match reply {
            Reply::Value(node) => Ok(OperationOutput::Value(node)),
            Reply::Links(links) => Ok(OperationOutput::Links(links)),
            Reply::Done => Ok(OperationOutput::Done),
            Reply::Refused(code) => Err(OperationError::Refused(code)),
            Reply::Unreadable => Err(OperationError::Unreadable),
        });
        self.emit(Event::OperationDone { id, endpoint, result });
    }

    pub(super) fn handle_failure(&mut self, id: RequestId, failure: Failure, now: Instant) {
        let Some(exchange) = self.take_exchange(id) else { return };
        match (exchange.purpose, failure) {
            (Purpose::Operation(operation), _) => {
                let error = match failure {
                    Failure::QueueFull | Failure::TooManyObservations => OperationError::QueueFull,
                    Failure::TransferRejected(code) => OperationError::Refused(code),
                    Failure::Malformed | Failure::BodyTooLarge | Failure::BodyChanged => {
                        OperationError::Unreadable
                    }
                    _ => OperationError::NoAnswer,
                };
                self.finish_operation(exchange.device, operation, Err(error));
            }
            (Purpose::Upgrade, Failure::TransferRejected(code)) => {
                if is_about_format(code) {
                    let mut exchange = exchange;
                    let key = exchange.device;
                    if !self.try_next_format(&mut exchange, now) {
                        self.answer_upgrade(key, Answer::Refused(code), now);
                    }
                } else {
                    self.answer_upgrade(exchange.device, Answer::Refused(code), now);
                }
            }
            (Purpose::Upgrade, Failure::Malformed | Failure::BodyTooLarge | Failure::BodyChanged) => {
                self.answer_upgrade(exchange.device, Answer::Unreadable, now);
            }
            (Purpose::Upgrade, _) => self.answer_upgrade(exchange.device, Answer::Lost, now),
            (Purpose::Observed, _) => self.observation_lost(&exchange, id),
            (Purpose::UpgradeObserved, _) => self.upgrade_observation_lost(exchange.device, now),
            (Purpose::UpgradeEnd, _) => self.answer_upgrade(exchange.device, Answer::Lost, now),
            (Purpose::OperationEnd(operation), _) => {
                self.finish_operation(exchange.device, operation, Err(OperationError::NoAnswer));
            }
        }
    }

    pub(super) fn handle_notification(&mut self, id: RequestId, response: &Response, now: Instant) {
        let Some(exchange) = self.exchanges.get(&id) else { return };
        let (key, path, purpose) = (exchange.device, exchange.what.path(), exchange.purpose);
        let Reply::Value(value) = value_of(path, response) else { return };
        match purpose {
            Purpose::UpgradeObserved => self.upgrade_notified(key, &value, now),
            _ => {
                let Some(device) = self.devices.get(key) else { return };
                let endpoint = device.endpoint.clone();
                self.emit(Event::Notified { endpoint, path, value });
            }
        }
    }

    pub(super) fn handle_observation_ended(&mut self, id: RequestId, now: Instant) {
        let Some(exchange) = self.take_exchange(id) else { return };
        match exchange.purpose {
            Purpose::UpgradeEnd => self.answer_upgrade(exchange.device, Answer::Done, now),
            Purpose::OperationEnd(operation) => {
                self.finish_operation(exchange.device, operation, Ok(Reply::Done));
            }
            Purpose::UpgradeObserved => self.upgrade_observation_lost(exchange.device, now),
            Purpose::Observed => self.observation_lost(&exchange, id),
            Purpose::Operation(_) | Purpose::Upgrade => {}
        }
    }

    fn observation_lost(&mut self, exchange: &Exchange, id: RequestId) {
        let Some(device) = self.devices.get_mut(exchange.device) else { return };
        device.observations.retain(|(_, observed)| *observed != id);
        let endpoint = device.endpoint.clone();
        self.emit(Event::ObservationEnded { endpoint, path: exchange.what.path() });
    }

    /// Forgets an observation of this path without a word to the owner; the next notification is reset.
    fn drop_observation(&mut self, key: DeviceKey, path: Path, now: Instant) {
        let Some(device) = self.devices.get_mut(key) else { return };
        if let Some(index) = device.observations.iter().position(|(observed, _)| *observed == path) {
            let (_, id) = device.observations.swap_remove(index);
            self.exchanges.remove(&id);
            self.coap.cancel(id, now);
        }
    }

    /// The registration ended, and with it the observations of operations.
    pub(super) fn end_observations(&mut self, key: DeviceKey, now: Instant) {
        let Some(device) = self.devices.get_mut(key) else { return };
        let observations = core::mem::take(&mut device.observations);
        let endpoint = device.endpoint.clone();
        for (path, id) in observations {
            self.exchanges.remove(&id);
            self.coap.cancel(id, now);
            self.emit(Event::ObservationEnded { endpoint: endpoint.clone(), path });
        }
    }
}

fn answer_of(reply: Reply) -> Answer {
    match reply {
        Reply::Value(node) => Answer::Value(node),
        Reply::Links(_) | Reply::Done => Answer::Done,
        Reply::Refused(code) => Answer::Refused(code),
        Reply::Unreadable => Answer::Unreadable,
    }
}

/// Refuses what no device would take, before anything is sent (dm_06, dm_08).
fn check(operation: &Operation) -> Result<(), OperationError> {
    let path = match operation {
        Operation::Read(path)
        | Operation::Write(path, _)
        | Operation::Execute(path, _)
        | Operation::Discover(path)
        | Operation::Observe(path)
        | Operation::CancelObservation(path) => *path,
    };
    if path.object_id() == Some(object::SECURITY) {
        return Err(OperationError::SecurityObject);
    }
    let access = object::definition_at(path).map(|definition| definition.access);
    let allowed = |allows: fn(Access) -> bool| match access.is_none_or(allows) {
        true => Ok(()),
        false => Err(OperationError::NotAllowedByModel),
    };
    match operation {
        Operation::Read(_) | Operation::Observe(_) if path == Path::Root => {
            Err(OperationError::WrongPath(path))
        }
        Operation::Read(_) | Operation::Observe(_) => allowed(Access::is_readable),
        Operation::Write(_, node) => {
            allowed(Access::is_writable)?;
            check_value(path, node)
        }
        Operation::Execute(_, argument) => {
            if path.depth() != 3 {
                return Err(OperationError::WrongPath(path));
            }
            allowed(|access| access == Access::Execute)?;
            check_argument(argument)
        }
        Operation::Discover(_) if path == Path::Root || path.depth() > 3 => {
            Err(OperationError::WrongPath(path))
        }
        Operation::Discover(_) | Operation::CancelObservation(_) => Ok(()),
    }
}

fn check_value(path: Path, node: &Node) -> Result<(), OperationError> {
    let kind = object::definition_at(path).map(|definition| definition.kind);
    let fits = |value: &Value| kind.is_none_or(|kind| kind == value.kind());
    let right = match (path, node) {
        (Path::Instance(object, _), Node::Instance(instance)) => instance.iter().all(|(resource, values)| {
            let kind = object::definition(object, *resource).map(|definition| definition.kind);
            values.values().all(|value| kind.is_none_or(|kind| kind == value.kind()))
        }),
        (Path::Resource(..), Node::Resource(resource)) => resource.values().all(fits),
        (Path::ResourceInstance(..), Node::Value(value)) => fits(value),
        _ => return Err(OperationError::WrongPath(path)),
    };
    if right { Ok(()) } else { Err(OperationError::WrongType) }
}

/// `0='text',1` and the like (LwM2M Core 1.1 section 6.3.6).
fn check_argument(argument: &Option<String>) -> Result<(), OperationError> {
    let Some(argument) = argument else { return Ok(()) };
    let right = argument.split(',').all(|part| {
        let (digit, value) = part.split_once('=').map_or((part, None), |(digit, value)| (digit, Some(value)));
        let quoted = |value: &str| {
            let inner = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
            inner.is_some_and(|inner| {
                inner.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x26 | 0x28..=0x5B | 0x5D..=0x7E))
            })
        };
        digit.len() == 1 && digit.as_bytes()[0].is_ascii_digit() && value.is_none_or(quoted)
    });
    if right { Ok(()) } else { Err(OperationError::WrongArgument) }
}

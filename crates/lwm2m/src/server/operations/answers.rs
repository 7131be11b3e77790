//! All answers to requests of ours, of operations and of upgrades.

use coap::{Code, Failure, RequestId, Response};
use machine::Instant;

use super::{BUSY_RETRIES, OperationError, OperationId, OperationOutput, Unreadable};
use crate::format::DecodeError;
use crate::format::link;
use crate::path::{InstanceId, ObjectId, Path};
use crate::server::Server;
use crate::server::devices::DeviceKey;
use crate::server::event::Event;
use crate::server::exchange::{Exchange, Purpose, Reply, What, is_about_format, records_of, value_of};
use crate::server::upgrade::Answer;
use crate::value::Node;

impl Server {
    pub(in crate::server) fn handle_response(&mut self, id: RequestId, response: Response, now: Instant) {
        let Some(exchange) = self.take_exchange(id) else { return };
        if is_busy(&exchange, &response) {
            return self.wait_for_busy(id, exchange, now);
        }
        let model = self.model_of_device(exchange.device);
        let reply = exchange.what.reply(&response, exchange.format, &model);
        let Some(exchange) = self.try_next_format(id, exchange, &reply, now) else { return };
        self.learn_format(&exchange, &reply);
        self.note_done(&exchange, &reply);
        let confirmed = exchange.what.observes() && !matches!(reply, Reply::Refused(..));
        let key = exchange.device;
        match exchange.purpose {
            Purpose::Operation(operation) => self.answer_operation(id, operation, exchange, reply, now),
            Purpose::Upgrade => {
                if confirmed {
                    let purpose = Purpose::UpgradeObserved;
                    self.exchanges.insert(id, Exchange { purpose, ..exchange });
                    self.upgrade_observed(key, id, now);
                }
                self.answer_upgrade(key, answer_of(reply), now);
            }
            Purpose::Renewal if confirmed => self.renewal_confirmed(id, exchange, reply, now),
            Purpose::Renewal => self.renewal_refused(key, id, now),
            Purpose::Observed | Purpose::UpgradeObserved => {
                self.exchanges.insert(id, exchange);
            }
            Purpose::UpgradeEnd => self.answer_upgrade(key, Answer::Done, now),
            Purpose::OperationEnd(operation) => {
                self.finish_operation(key, operation, Ok(OperationOutput::Done));
            }
        }
    }

    fn answer_operation(
        &mut self,
        id: RequestId,
        operation: OperationId,
        exchange: Exchange,
        reply: Reply,
        now: Instant,
    ) {
        let key = exchange.device;
        if exchange.what.observes() && !matches!(reply, Reply::Refused(..)) {
            let result = result_of(exchange.what.path(), reply);
            self.keep_observation(id, exchange, now);
            return self.finish_operation(key, operation, result);
        }
        match (&exchange.what, reply) {
            (What::Create(object, ..), Reply::Created(None)) => {
                let (object, before) = (*object, self.instances(key, *object));
                self.find_created(key, operation, object, before, false, now);
            }
            (What::FindCreated { object, before, by_reading }, reply) => {
                self.found_created(key, operation, *object, before, *by_reading, &reply, now);
            }
            (what, reply) => {
                let result = result_of(what.path(), reply);
                self.finish_operation(key, operation, result);
            }
        }
    }

    /// The device did not tell where it created an instance (dm_09).
    fn find_created(
        &mut self,
        key: DeviceKey,
        operation: OperationId,
        object: ObjectId,
        before: alloc::vec::Vec<InstanceId>,
        by_reading: bool,
        now: Instant,
    ) {
        let what = What::FindCreated { object, before, by_reading };
        if self.ask(key, Purpose::Operation(operation), what, now).is_none() {
            self.finish_operation(key, operation, Ok(OperationOutput::Created(None)));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of What::FindCreated, and whom to tell")]
    fn found_created(
        &mut self,
        key: DeviceKey,
        operation: OperationId,
        object: ObjectId,
        before: &[InstanceId],
        by_reading: bool,
        reply: &Reply,
        now: Instant,
    ) {
        let root = self.root_of(key).unwrap_or_default();
        let mut there: alloc::vec::Vec<InstanceId> = match reply {
            Reply::Links(links) => instances_in(links, &root, object),
            Reply::Value(Node::Object(instances)) => instances.keys().copied().collect(),
            _ if !by_reading => {
                // Some clients do not know Discover (PEERS 18).
                return self.find_created(key, operation, object, before.to_vec(), true, now);
            }
            _ => alloc::vec::Vec::new(),
        };
        there.retain(|instance| !before.contains(instance));
        there.dedup();
        let created = match there[..] {
            [instance] => Some(Path::Instance(object, instance)),
            _ => None,
        };
        self.finish_operation(key, operation, Ok(OperationOutput::Created(created)));
    }

    /// If the answer was about the format, asks in the next one; gives the exchange back if it is over.
    fn try_next_format(
        &mut self,
        id: RequestId,
        exchange: Exchange,
        reply: &Reply,
        now: Instant,
    ) -> Option<Exchange> {
        let unknown =
            matches!(reply, Reply::Unreadable(Unreadable::Payload(DecodeError::UnsupportedFormat(_))));
        let refused = matches!(reply, Reply::Refused(code, _) if is_about_format(*code));
        if !refused && !unknown {
            return Some(exchange);
        }
        self.note_refused(&exchange);
        if exchange.what.observes() {
            // Confirmed in a format that nobody here reads.
            self.coap.cancel(id, now);
        }
        self.send_in_next_format(id, exchange, now)
    }

    fn send_in_next_format(&mut self, id: RequestId, exchange: Exchange, now: Instant) -> Option<Exchange> {
        let (key, purpose, busy) = (exchange.device, exchange.purpose, exchange.busy);
        let Exchange { what, format, formats, .. } = exchange;
        let next = Exchange { device: key, purpose, what: what.clone(), format, formats, busy };
        let Some(sent) = self.send_next(next, now) else {
            return Some(Exchange { device: key, purpose, what, format, formats: [].into(), busy });
        };
        match purpose {
            Purpose::Upgrade => self.upgrade_asked(key, sent),
            Purpose::Renewal => self.renewal_sent_again(key, id, Some(sent)),
            _ => {}
        }
        None
    }

    fn note_refused(&mut self, exchange: &Exchange) {
        let which = self.use_of(exchange);
        let device = self.devices.get_mut(exchange.device);
        if let (Some(device), Some(which), Some(format)) = (device, which, exchange.format) {
            device.formats.refused(which, format);
        }
    }

    /// The format of a good answer is remembered.
    fn learn_format(&mut self, exchange: &Exchange, reply: &Reply) {
        if matches!(reply, Reply::Refused(..) | Reply::Unreadable(_)) {
            return;
        }
        let which = self.use_of(exchange);
        let (Some(device), Some(which)) = (self.devices.get_mut(exchange.device), which) else { return };
        if device.formats.worked(which, exchange.format) {
            let (endpoint, memory) = (device.endpoint.clone(), device.formats);
            self.emit(Event::FormatLearnt { endpoint, memory });
        }
    }

    fn use_of(&self, exchange: &Exchange) -> Option<super::Use> {
        let registered = self.devices.get(exchange.device)?.registration.as_deref()?;
        let spoken = super::Spoken { version: registered.version, listed: &registered.objects.formats };
        exchange.what.formats(spoken, &self.model_of_device(exchange.device)).map(|(which, _)| which)
    }

    pub(in crate::server) fn handle_failure(&mut self, id: RequestId, failure: Failure, now: Instant) {
        let Some(exchange) = self.take_exchange(id) else { return };
        let (key, path) = (exchange.device, exchange.what.path());
        let refused = match failure {
            Failure::TransferRejected(code) => Some(code),
            _ => None,
        };
        let exchange = if refused.is_some_and(is_about_format) {
            self.note_refused(&exchange);
            match self.send_in_next_format(id, exchange, now) {
                Some(exchange) => exchange,
                None => return,
            }
        } else {
            exchange
        };
        let damaged = matches!(failure, Failure::Malformed | Failure::BodyTooLarge | Failure::BodyChanged);
        match exchange.purpose {
            Purpose::Operation(operation) => {
                let error = match (refused, failure) {
                    (Some(code), _) => OperationError::Refused { path, code, diagnostic: "".into() },
                    (_, Failure::QueueFull | Failure::TooManyObservations) => OperationError::QueueFull,
                    _ if damaged => OperationError::Unreadable { path, cause: Unreadable::Damaged },
                    _ => OperationError::NoAnswer(path),
                };
                self.finish_operation(key, operation, Err(error));
            }
            Purpose::Upgrade | Purpose::UpgradeEnd => {
                let answer = match refused {
                    Some(code) => Answer::Refused(code),
                    None if damaged && exchange.purpose == Purpose::Upgrade => Answer::Unreadable,
                    None => Answer::Lost,
                };
                self.answer_upgrade(key, answer, now);
            }
            Purpose::Observed => self.observation_ended(key, id, None, now),
            Purpose::Renewal => self.renewal_lost(key, id),
            Purpose::UpgradeObserved => self.upgrade_observation_lost(key, now),
            Purpose::OperationEnd(operation) => {
                self.finish_operation(key, operation, Err(OperationError::NoAnswer(path)));
            }
        }
    }

    pub(in crate::server) fn handle_notification(
        &mut self,
        id: RequestId,
        response: &Response,
        now: Instant,
    ) {
        let Some(exchange) = self.exchanges.get(&id) else { return };
        let (key, purpose) = (exchange.device, exchange.purpose);
        let model = self.model_of_device(key);
        let reply = match &exchange.what {
            What::ObserveComposite(_) => records_of(response, exchange.format, &model),
            what => value_of(what.path(), response, exchange.format, &model),
        };
        match (purpose, reply) {
            (Purpose::UpgradeObserved, Reply::Value(value)) => self.upgrade_notified(key, &value, now),
            (Purpose::UpgradeObserved, _) => {}
            (_, reply) => {
                self.heard_of(key, id, now);
                self.tell_notified(key, id, reply);
            }
        }
    }

    pub(in crate::server) fn handle_observation_ended(
        &mut self,
        id: RequestId,
        last: Option<&Response>,
        now: Instant,
    ) {
        let Some(exchange) = self.exchanges.get(&id) else { return };
        let (key, purpose) = (exchange.device, exchange.purpose);
        match purpose {
            Purpose::UpgradeEnd => {
                self.take_exchange(id);
                self.answer_upgrade(key, Answer::Done, now);
            }
            Purpose::OperationEnd(operation) => {
                self.take_exchange(id);
                self.finish_operation(key, operation, Ok(OperationOutput::Done));
            }
            Purpose::UpgradeObserved => {
                self.take_exchange(id);
                self.upgrade_observation_lost(key, now);
            }
            Purpose::Observed => {
                if let Some(last) = last.filter(|last| last.code.is_success()) {
                    self.handle_notification(id, last, now);
                }
                self.take_exchange(id);
                self.observation_ended(key, id, last.map(|last| last.code), now);
            }
            Purpose::Operation(_) | Purpose::Upgrade | Purpose::Renewal => {}
        }
    }
}

/// Whether the device only had no time, so that asking again later is right. With Max-Age the CoAP layer has
/// done so already. 5.00 may mean that the device has tried, so only what does no harm is repeated.
fn is_busy(exchange: &Exchange, response: &Response) -> bool {
    let asked = matches!(exchange.purpose, Purpose::Operation(_) | Purpose::Renewal);
    let busy = match response.code {
        Code::SERVICE_UNAVAILABLE => response.options.max_age().is_none(),
        Code::INTERNAL_SERVER_ERROR => exchange.what.is_safe(),
        _ => false,
    };
    asked && busy && exchange.busy < BUSY_RETRIES
}

fn instances_in(links: &str, root: &str, object: ObjectId) -> alloc::vec::Vec<InstanceId> {
    let Ok(list) = link::parse(links.as_bytes()) else { return alloc::vec::Vec::new() };
    let place = |target: &str| target.strip_prefix(root).unwrap_or(target).parse::<Path>().ok();
    let paths = list.links.iter().filter_map(|link| place(link.target));
    paths.filter(|path| path.object_id() == Some(object)).filter_map(Path::instance_id).collect()
}

fn result_of(path: Path, reply: Reply) -> Result<OperationOutput, OperationError> {
    match reply {
        Reply::Value(node) => Ok(OperationOutput::Value(node)),
        Reply::Records(records) => Ok(OperationOutput::Records(records)),
        Reply::Links(links) => Ok(OperationOutput::Links(links)),
        Reply::Created(path) => Ok(OperationOutput::Created(path)),
        Reply::Done => Ok(OperationOutput::Done),
        Reply::Refused(code, diagnostic) => Err(OperationError::Refused { path, code, diagnostic }),
        Reply::Unreadable(cause) => Err(OperationError::Unreadable { path, cause }),
    }
}

fn answer_of(reply: Reply) -> Answer {
    match reply {
        Reply::Value(node) => Answer::Value(node),
        Reply::Records(_) | Reply::Links(_) | Reply::Created(_) | Reply::Done => Answer::Done,
        Reply::Refused(code, _) => Answer::Refused(code),
        Reply::Unreadable(_) => Answer::Unreadable,
    }
}

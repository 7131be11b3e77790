//! Tells observers what has changed, and sends what the owner wants sent.

use alloc::vec::Vec;

use coap::{Code, ContentFormat, Request, Response};
use machine::Instant;

use super::Client;
use super::attributes::Conditions;
use super::config::Config;
use super::event::Event;
use super::firmware_store::FirmwareStore;
use super::objects::Objects;
use super::observations::{Observation, Sample, Target};
use super::requests::encode;
use super::servers::Server;
use crate::format;
use crate::object::firmware;
use crate::path::Path;
use crate::value::{Node, Value};

impl<F: FirmwareStore> Objects<'_, F> {
    /// A target's value as it would be sent.
    pub(super) fn sample(&self, target: &Target, chosen: u16) -> Result<Sample, Code> {
        match target {
            Target::Single(path) => {
                let node = self.read(*path)?;
                let payload = encode(chosen, *path, &node)?;
                Ok(Sample { payload, number: node.value().and_then(number_of) })
            }
            Target::Composite(paths) => {
                Ok(Sample { payload: self.read_composite(paths, chosen)?, number: None })
            }
        }
    }

    /// The values at all of the paths; those that cannot be read are left out.
    pub(super) fn read_composite(&self, paths: &[Path], chosen: u16) -> Result<Vec<u8>, Code> {
        let mut records = Vec::new();
        for path in paths {
            for (place, node) in self.readable_below(*path) {
                records.extend(format::records_of(place, &node).unwrap_or_default());
            }
        }
        let mut payload = Vec::new();
        format::encode_records(chosen, &records, &mut payload).map_err(|_| Code::NOT_ACCEPTABLE)?;
        Ok(payload)
    }

    fn readable_below(&self, path: Path) -> Vec<(Path, Node)> {
        if path != Path::Root {
            return self.read(path).ok().map(|node| (path, node)).into_iter().collect();
        }
        let objects = self.registered().into_keys().map(Path::Object);
        objects.filter_map(|place| Some((place, self.read(place).ok()?))).collect()
    }
}

fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) | Value::Time(number) => Some(*number as f64),
        Value::Unsigned(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

/// What holds for an observation: what it asked for itself, then what was written to the place.
fn conditions(observation: &Observation, server: &Server, default: Conditions) -> Conditions {
    match &observation.target {
        Target::Single(path) => observation.asked.or(server.attributes.effective(*path, default)),
        Target::Composite(_) => observation.asked.or(default),
    }
}

impl<F: FirmwareStore> Client<F> {
    /// Tells every observer whose time has come.
    pub(super) fn notify(&mut self, now: Instant) {
        let changed = core::mem::take(&mut self.changed);
        for index in 0..self.servers.0.len() {
            let mut observations = core::mem::take(&mut self.servers.0[index].observations);
            if changed {
                observations.look_again(now);
            }
            for observation in &mut observations.0 {
                self.evaluate(index, observation, now);
                self.notify_one(index, observation, now);
            }
            self.servers.0[index].observations = observations;
        }
    }

    fn evaluate(&mut self, index: usize, observation: &mut Observation, now: Instant) {
        if !observation.wants_evaluation(now) {
            return;
        }
        let server = &self.servers.0[index];
        observation.conditions = conditions(observation, server, server.default_conditions(&self.data));
        observation.delay = delay_of(&observation.target, &self.config);
        // With the clock of the last time, so that the passing of time alone is no change.
        let sample =
            self.told_objects(index, observation.told_at).sample(&observation.target, observation.format);
        observation.evaluate(sample.ok().as_ref(), now);
    }

    fn notify_one(&mut self, index: usize, observation: &mut Observation, now: Instant) {
        let server = &self.servers.0[index];
        let link = server.registration.registered_link();
        let stores = server.stores_notifications(&self.data);
        while link.is_some()
            && let Some((sequence, payload)) = observation.take_stored()
        {
            self.send_notification(index, observation, sequence, payload, now);
        }
        if !observation.wants_notification(now) || (link.is_none() && !stores) {
            return;
        }
        let sample = self.told_objects(index, now).sample(&observation.target, observation.format);
        let sample = sample.unwrap_or_default();
        if link.is_none() {
            return observation.store(sample, now);
        }
        let payload = sample.payload.clone();
        let sequence = observation.tell(sample, now);
        self.send_notification(index, observation, sequence, payload, now);
    }

    fn send_notification(
        &mut self,
        index: usize,
        observation: &Observation,
        sequence: u32,
        payload: Vec<u8>,
        now: Instant,
    ) {
        let Some(link) = self.servers.0[index].registration.registered_link() else { return };
        let response = Response::new(Code::CONTENT).content(ContentFormat(observation.format), payload);
        let own = observation.conditions.confirmable;
        let confirmable = own.unwrap_or(self.config.confirmable_notifications);
        let id = self.endpoint.notify(link, observation.token, sequence, response, confirmable, now);
        if confirmable && observation.target.touches(firmware::STATE) {
            self.gate.told(id);
        }
    }

    /// When the next notification is due at a server that can be reached, or can be stored for one that
    /// cannot.
    pub(super) fn notification_due(&self) -> Option<Instant> {
        let due = |server: &Server| {
            let reachable = server.registration.registered_link().is_some();
            let watched = reachable || server.stores_notifications(&self.data);
            if watched { server.observations.due(reachable) } else { None }
        };
        self.servers.0.iter().filter_map(due).min()
    }

    /// Sends the values at these places to every server that is registered at and not muted (LwM2M Core 1.1
    /// section 6.4.5); how many servers that are. [`Event::Sent`] follows for each.
    pub fn send(&mut self, paths: &[Path], now: Instant) -> usize {
        let mut sent = 0;
        for index in 0..self.servers.0.len() {
            let server = &self.servers.0[index];
            let (Some(link), false) = (server.registration.registered_link(), server.is_mute(&self.data))
            else {
                continue;
            };
            let Ok(payload) = self.told_objects(index, now).read_composite(paths, self.send_format()) else {
                continue;
            };
            let request = Request::post("/dp").content(ContentFormat(self.send_format()), payload);
            let id = self.endpoint.request(link, request, now);
            let short_server_id = self.servers.0[index].entry.short_server_id;
            if self.sends.len() == MOST_SENDS {
                self.sends.pop_front();
            }
            self.sends.push_back((id, short_server_id));
            sent += 1;
        }
        self.settle(now);
        sent
    }

    fn send_format(&self) -> u16 {
        let answers = self.config.quirks.formats.answers;
        if answers.contains(&format::SENML_CBOR) { format::SENML_CBOR } else { format::SENML_JSON }
    }

    /// What became of a Send; whether it was one.
    pub(super) fn send_ended(&mut self, id: coap::RequestId, answer: Option<Code>) -> bool {
        let Some(index) = self.sends.iter().position(|(sent, _)| *sent == id) else { return false };
        let Some((_, server)) = self.sends.remove(index) else { return false };
        self.events.push_back(Event::Sent { server, answer });
        true
    }
}

/// At most this many Sends are followed; of an older one nobody is told.
const MOST_SENDS: usize = 32;

fn delay_of(target: &Target, config: &Config) -> core::time::Duration {
    if target.touches(firmware::INSTANCE) { config.quirks.coalesces_for } else { core::time::Duration::ZERO }
}

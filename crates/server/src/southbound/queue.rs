//! Operations that wait for their devices.
//!
//! ```text
//! waiting ──► starting ──► sent ──► ended
//!    ▲     (made durable,    │
//!    │      if it must not   │ no answer, but it may be repeated
//!    └───── be done twice) ──┘
//! ```
//! One operation of a device is under way at a time. A device in queue mode is sent one only while it listens.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use lwm2m::server::{Endpoint, OperationError, OperationOutput};
use uuid::Uuid;

use crate::app::operations::{OperationChange, OperationState, Queued, Request};
use crate::clock::Moment;
use crate::store::operations::Progress;

/// All queues; bounded by the operations that may wait for each device, and the observations of each.
#[derive(Debug, Default)]
pub struct Queues {
    devices: HashMap<Endpoint, Queue>,
    /// When operations that wait expire.
    expiries: BTreeMap<(Moment, Uuid), Endpoint>,
    changes: Vec<OperationChange>,
    /// To be noted as running before they are sent.
    starting: Vec<(Endpoint, Uuid)>,
    /// Devices whose shard had no room for an operation.
    stalled: BTreeSet<Endpoint>,
    /// To be sent now.
    ready: Vec<Sending>,
}

/// An operation on its way to the shard of its device.
#[derive(Clone, PartialEq, Debug)]
pub struct Sending {
    pub id: Uuid,
    pub endpoint: Endpoint,
    pub request: Request,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Entry>,
    current: Option<Current>,
    /// The device is registered, and listens as far as is known.
    listens: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    id: Uuid,
    request: Request,
    expires_at: Moment,
    /// Times that it was sent.
    tries: u8,
    /// Ours: it is not in the store, and nobody waits for it.
    internal: bool,
}

#[derive(Debug)]
struct Current {
    entry: Entry,
    /// The device went away or registered again since it was sent.
    interrupted: bool,
}

/// So often an operation that may be repeated is sent.
const TRIES: u8 = 5;

impl Queues {
    /// An operation that an operator wants of a device that `listens` or not.
    pub fn add(&mut self, queued: Queued, listens: bool) {
        let Queued { id, endpoint, request, expires_at } = queued;
        let endpoint = Endpoint::from(endpoint);
        self.expiries.insert((expires_at, id), endpoint.clone());
        let entry = Entry { id, request, expires_at, tries: 0, internal: false };
        let queue = self.devices.entry(endpoint.clone()).or_default();
        queue.waiting.push_back(entry);
        queue.listens = listens;
        self.advance(&endpoint);
    }

    /// Something that we want of a device that listens, before what operators want. Nothing is stored of it.
    pub fn add_first(&mut self, endpoint: &Endpoint, request: Request) {
        let queue = self.devices.entry(endpoint.clone()).or_default();
        if queue.requests().any(|known| *known == request) {
            return;
        }
        let entry =
            Entry { id: Uuid::now_v7(), request, expires_at: Moment(i64::MAX), tries: 0, internal: true };
        queue.waiting.push_front(entry);
        queue.listens = true;
        self.advance(endpoint);
    }

    /// An operation that the server had sent when it ended. It is sent again if that does no harm.
    pub fn add_sent(&mut self, queued: Queued, now: Moment) {
        if queued.request.kind.is_repeatable() {
            return self.add(queued, false);
        }
        let progress = Progress::unknown(&queued.request, now);
        let Queued { id, endpoint, request, .. } = queued;
        self.changes.push(OperationChange { id, endpoint, request, progress });
    }

    /// The device is registered and listens.
    pub fn listens(&mut self, endpoint: &Endpoint) {
        if let Some(queue) = self.devices.get_mut(endpoint) {
            queue.listens = true;
            self.advance(endpoint);
        }
    }

    /// As [`Queues::listens`], for a device that has just registered: what was under way is lost.
    pub fn registered(&mut self, endpoint: &Endpoint, listens: bool) {
        if let Some(queue) = self.devices.get_mut(endpoint) {
            queue.interrupt();
            queue.listens = listens;
            self.advance(endpoint);
        }
    }

    /// The device does not listen now.
    pub fn sleeps(&mut self, endpoint: &Endpoint) {
        if let Some(queue) = self.devices.get_mut(endpoint) {
            queue.listens = false;
        }
    }

    /// The registration has ended, or is at another shard.
    pub fn gone(&mut self, endpoint: &Endpoint) {
        if let Some(queue) = self.devices.get_mut(endpoint) {
            queue.interrupt();
            queue.listens = false;
        }
    }

    /// Devices whose shards had no room may be sent to again.
    pub fn retry(&mut self) {
        for endpoint in std::mem::take(&mut self.stalled) {
            self.listens(&endpoint);
        }
    }

    /// The device was removed, and its operations with it.
    pub fn removed(&mut self, endpoint: &str) {
        if let Some(queue) = self.devices.remove(endpoint) {
            let entries = queue.waiting.into_iter().chain(queue.current.map(|current| current.entry));
            entries.for_each(|entry| {
                self.expiries.remove(&(entry.expires_at, entry.id));
            });
        }
    }

    /// An operator took it back.
    pub fn canceled(&mut self, endpoint: &str, id: Uuid) {
        let Some(queue) = self.devices.get_mut(endpoint) else { return };
        if let Some(index) = queue.waiting.iter().position(|entry| entry.id == id)
            && let Some(entry) = queue.waiting.remove(index)
        {
            self.expiries.remove(&(entry.expires_at, id));
        }
        self.forget_if_idle(endpoint);
    }

    /// Those of `wanted` that are in `noted` were noted as running; the others have ended meanwhile.
    pub fn started(&mut self, wanted: &[(Endpoint, Uuid)], noted: &[Uuid]) {
        for (endpoint, id) in wanted {
            let Some(queue) = self.devices.get_mut(endpoint) else { continue };
            let Some(current) = queue.current.take_if(|current| current.entry.id == *id) else { continue };
            if noted.contains(id) {
                let request = current.entry.request.clone();
                self.ready.push(Sending { id: *id, endpoint: endpoint.clone(), request });
                queue.current = Some(current);
            } else {
                self.expiries.remove(&(current.entry.expires_at, *id));
                self.advance(endpoint);
                self.forget_if_idle(endpoint);
            }
        }
    }

    /// What this device is asked now, if it is this operation.
    pub fn asked(&self, endpoint: &Endpoint, id: Uuid) -> Option<&Request> {
        let current = self.devices.get(endpoint)?.current.as_ref()?;
        (current.entry.id == id).then_some(&current.entry.request)
    }

    /// An operation that was sent has ended, or never left. Gives what it was, unless it waits again.
    pub fn ended(
        &mut self,
        endpoint: &Endpoint,
        id: Uuid,
        result: &Result<OperationOutput, OperationError>,
        now: Moment,
    ) -> Option<Request> {
        let queue = self.devices.get_mut(endpoint)?;
        let Current { mut entry, interrupted } = queue.current.take_if(|current| current.entry.id == id)?;
        entry.tries = entry.tries.saturating_add(1);
        let again = match result {
            Err(OperationError::NotRegistered) => true,
            Err(OperationError::QueueFull) => {
                self.stalled.insert(endpoint.clone());
                true
            }
            Err(OperationError::NoAnswer(_)) => {
                entry.request.kind.is_repeatable() && (interrupted || !queue.listens) && entry.tries < TRIES
            }
            _ => false,
        };
        if matches!(result, Err(OperationError::NotRegistered | OperationError::QueueFull)) {
            // Nothing was sent; the next sign of life says when to try again.
            queue.listens = false;
        }
        if again {
            queue.waiting.push_front(entry);
            self.advance(endpoint);
            return None;
        }
        let request = entry.request.clone();
        let no_answer = matches!(result, Err(OperationError::NoAnswer(_)));
        let progress = if no_answer && !request.kind.is_repeatable() {
            Progress::unknown(&request, now)
        } else {
            Progress::of(&request, result, now)
        };
        self.end(endpoint, entry, progress);
        self.advance(endpoint);
        self.forget_if_idle(endpoint);
        Some(request)
    }

    /// An operation that cannot be sent after all.
    pub fn refused(&mut self, endpoint: &Endpoint, id: Uuid, detail: &str, now: Moment) {
        let Some(queue) = self.devices.get_mut(endpoint) else { return };
        let Some(current) = queue.current.take_if(|current| current.entry.id == id) else { return };
        let detail = format!("{}: {detail}", current.entry.request);
        let progress = Progress::ended(OperationState::Failed, "refused-by-model", detail, now);
        self.end(endpoint, current.entry, progress);
        self.advance(endpoint);
        self.forget_if_idle(endpoint);
    }

    /// Ends what has waited too long.
    pub fn expire(&mut self, now: Moment) {
        while let Some(((at, id), endpoint)) = self.expiries.pop_first() {
            if at > now {
                self.expiries.insert((at, id), endpoint);
                return;
            }
            let Some(queue) = self.devices.get_mut(&endpoint) else { continue };
            // What is under way runs to its end.
            if let Some(index) = queue.waiting.iter().position(|entry| entry.id == id)
                && let Some(entry) = queue.waiting.remove(index)
            {
                let progress = Progress::expired(&entry.request, now);
                self.end(&endpoint, entry, progress);
            }
            self.forget_if_idle(&endpoint);
        }
    }

    /// What is to be made durable: changes, and operations to be noted as running.
    pub fn take_changes(&mut self) -> (Vec<OperationChange>, Vec<(Endpoint, Uuid)>) {
        (std::mem::take(&mut self.changes), std::mem::take(&mut self.starting))
    }

    /// What is to be sent now.
    pub fn take_ready(&mut self) -> Vec<Sending> {
        std::mem::take(&mut self.ready)
    }

    /// Sends the next operation if the device listens and none is under way.
    fn advance(&mut self, endpoint: &Endpoint) {
        let Some(queue) = self.devices.get_mut(endpoint) else { return };
        if !queue.listens || queue.current.is_some() {
            return;
        }
        let Some(entry) = queue.waiting.pop_front() else { return };
        let (id, request) = (entry.id, entry.request.clone());
        queue.current = Some(Current { entry, interrupted: false });
        if request.kind.is_repeatable() {
            self.ready.push(Sending { id, endpoint: endpoint.clone(), request });
        } else {
            self.starting.push((endpoint.clone(), id));
        }
    }

    fn end(&mut self, endpoint: &Endpoint, entry: Entry, progress: Progress) {
        self.expiries.remove(&(entry.expires_at, entry.id));
        if !entry.internal {
            let endpoint = endpoint.to_string();
            self.changes.push(OperationChange { id: entry.id, endpoint, request: entry.request, progress });
        }
    }

    fn forget_if_idle(&mut self, endpoint: &str) {
        if self.devices.get(endpoint).is_some_and(|queue| queue.waiting.is_empty() && queue.current.is_none())
        {
            self.devices.remove(endpoint);
        }
    }
}

impl Queue {
    fn requests(&self) -> impl Iterator<Item = &Request> {
        let current = self.current.iter().map(|current| &current.entry);
        current.chain(&self.waiting).map(|entry| &entry.request)
    }

    fn interrupt(&mut self) {
        if let Some(current) = &mut self.current {
            current.interrupted = true;
        }
    }
}

#[cfg(test)]
mod tests;

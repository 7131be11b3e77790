//! Operations of operators, from the queue to the shards and back.

use lwm2m::path::Path;
use lwm2m::server::{Endpoint, OperationError, OperationOutput};
use uuid::Uuid;

use super::super::messages::ShardCommand;
use super::super::queue::Sending;
use super::{Dispatcher, OperationsBatch};
use crate::app::App;
use crate::app::operations::{OperationKind, OperationState, Queued, Request, paths_text};
use crate::store::StoreError;
use crate::store::operations::Operation;

impl Dispatcher {
    /// Takes up the operations that have not ended, and what is to be observed.
    pub(super) async fn load_operations(&mut self) -> Result<(), StoreError> {
        for operation in self.app.unfinished_operations().await? {
            let was_sent = operation.progress.state == OperationState::Running.code();
            let Some(queued) = queued(&operation) else {
                // Written by a newer version, which may be started again.
                tracing::warn!(id = %operation.id, kind = operation.kind, "an operation is not understood");
                continue;
            };
            if was_sent {
                self.queues.add_sent(queued, self.app.now());
            } else {
                self.queues.add(queued, false);
            }
        }
        for wanted in self.app.wanted_observations().await? {
            self.wanted.want(Endpoint::from(wanted.endpoint), wanted.paths, wanted.attributes);
        }
        Ok(())
    }

    /// An operator wants this; it is durable.
    pub(super) fn operate(&mut self, queued: Queued) {
        let listens = self.presence.listens(&queued.endpoint);
        self.queues.add(queued, listens);
    }

    /// Sends what can be sent, and starts a write if there is something to write.
    pub(super) fn advance_operations(&mut self) {
        for sending in self.queues.take_ready() {
            self.send_operation(sending);
        }
        if self.operation_writes.is_free() {
            let (changes, starting) = self.queues.take_changes();
            if !changes.is_empty() || !starting.is_empty() {
                let app = self.app.clone();
                self.operation_writes
                    .start(OperationsBatch { changes, starting }, |batch| write_operations(app, batch));
            }
        }
    }

    pub(super) fn retry_operations(&mut self) {
        let app = self.app.clone();
        self.operation_writes.retry(|batch| write_operations(app, batch));
        self.queues.expire(self.app.now());
        self.queues.retry();
    }

    fn send_operation(&mut self, sending: Sending) {
        let Sending { id, endpoint, request } = sending;
        let shard = self.presence.shard(&endpoint);
        match shard {
            Some(shard) => {
                let request = Box::new(request);
                self.outboxes.send(shard, ShardCommand::Operate { id, endpoint, request });
            }
            None => self.operated(&endpoint, id, Err(OperationError::NotRegistered)),
        }
    }

    /// The object model or the device has changed since it was queued.
    pub(super) fn not_asked(&mut self, endpoint: &Endpoint, id: Uuid, detail: &str) {
        self.queues.refused(endpoint, id, detail, self.app.now());
    }

    /// The shards know what the use cases know.
    pub(super) fn tell_model(&mut self) {
        for shard in 0..self.count.get() {
            self.outboxes.send(shard, ShardCommand::Model(self.app.model()));
        }
    }

    /// What was asked of a device has ended.
    pub(super) fn operated(
        &mut self,
        endpoint: &Endpoint,
        id: Uuid,
        result: Result<OperationOutput, OperationError>,
    ) {
        let now = self.app.now();
        let result = match result {
            // What is wanted, and what the device has lost or never confirmed, can be taken back too.
            Err(OperationError::NotObserved(_)) if self.takes_back(endpoint, id) => Ok(OperationOutput::Done),
            result => result,
        };
        let Some(request) = self.queues.ended(endpoint, id, &result, now) else { return };
        let Ok(output) = result else { return };
        if request.kind.observes() {
            let attributes = request.attributes_text().to_owned();
            self.wanted.confirmed(endpoint, request.paths_text(), attributes);
            self.presence.is_newer(endpoint);
        } else if request.kind.cancels() {
            self.wanted.forget(endpoint, &request.paths_text());
            self.presence.is_newer(endpoint);
        } else if request.kind == OperationKind::WriteAttributes {
            // Its pmax says how long the device may be silent.
            self.presence.is_newer(endpoint);
        }
        let Some(device) = self.app.directory().by_endpoint(endpoint) else { return };
        match (output, request.paths.first()) {
            (OperationOutput::Value(node), Some(path)) => {
                self.values.told(&device.device_id, *path, &node, now);
            }
            (OperationOutput::Records(records), _) => {
                self.values.recorded(&device.device_id, &records, now);
            }
            _ => {}
        }
    }

    /// Whether this operation ends an observation that an operator wanted.
    fn takes_back(&self, endpoint: &Endpoint, id: Uuid) -> bool {
        let asked = self.queues.asked(endpoint, id).filter(|request| request.kind.cancels());
        asked.is_some_and(|request| self.wanted.is_wanted(endpoint, &request.paths_text()))
    }

    /// Begins the observations again that are wanted of a device that listens.
    pub(super) fn observe_wanted(&mut self, endpoint: &Endpoint) {
        for (paths, attributes) in self.wanted.missing(endpoint) {
            if let Some(request) = Request::observing(&paths, &attributes) {
                self.queues.add_first(endpoint, request);
            }
        }
    }

    /// A device ended an observation, or lost it.
    pub(super) fn observation_ended(&mut self, shard: u8, endpoint: &Endpoint, paths: &[Path]) {
        // What a shard says about a device that it lost to another is old.
        if self.presence.shard(endpoint) != Some(shard) {
            return;
        }
        self.wanted.ended(endpoint, &paths_text(paths));
        self.presence.is_newer(endpoint);
        if self.presence.listens(endpoint) {
            self.observe_wanted(endpoint);
        }
    }
}

fn queued(operation: &Operation) -> Option<Queued> {
    Some(Queued {
        id: operation.id,
        endpoint: operation.endpoint.clone(),
        request: Request::stored(operation)?,
        expires_at: operation.expires_at,
    })
}

async fn write_operations(app: App, batch: OperationsBatch) -> Result<Vec<Uuid>, StoreError> {
    let starting = batch.starting.into_iter().map(|(_, id)| id).collect();
    app.record_operations(batch.changes, starting).await
}

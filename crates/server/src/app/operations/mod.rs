//! Operations on devices: queued, carried out when the device is there, answered.
//!
//! The store decides what counts: an operation is sent only while its row has not ended, and whoever ends
//! the row first (an operator who cancels, the answer of the device) is right.

mod outcome;
mod request;
pub mod values;

use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

pub use outcome::{OperationState, recorded_values};
pub use request::{BadRequest, OperationKind, Request, Takes, paths_text};

use super::{App, Order};
use crate::store::observations::WantedObservation;
use crate::store::operations::{self, Operation, Progress};
use crate::store::values::DeviceValue;
use crate::store::{StoreError, devices, observations};

/// Most operations of one device that wait (SECURITY rule n08).
pub const MOST_WAITING: i64 = 100;
/// Operations of one device that are kept after they have ended.
const KEPT: i64 = 100;
/// Most observations of one device (SECURITY rule n08).
const MOST_OBSERVATIONS: i64 = 64;
/// How long an operation waits for its device unless it says otherwise.
pub const USUAL_EXPIRY: Duration = Duration::from_secs(86_400);
/// A device may sleep for weeks.
const LONGEST_EXPIRY: Duration = Duration::from_secs(90 * 86_400);

/// An operation to be queued.
#[derive(Clone, PartialEq, Debug)]
pub struct QueueOperation {
    /// The endpoint name of the device.
    pub endpoint: String,
    /// What is asked.
    pub request: Request,
    /// How long it may wait.
    pub expires_in: Duration,
}

/// An operation on its way to the protocol.
#[derive(Clone, PartialEq, Debug)]
pub struct Queued {
    pub id: Uuid,
    pub endpoint: String,
    pub request: Request,
    pub expires_at: crate::clock::Moment,
}

/// Why an operation was not queued.
#[derive(Debug, thiserror::Error)]
pub enum QueueOperationError {
    /// There is none.
    #[error("there is no device with the endpoint name {0}")]
    UnknownDevice(String),
    /// No device could do it.
    #[error(transparent)]
    Bad(#[from] BadRequest),
    /// Not a time.
    #[error("an operation expires after 1 second to 90 days")]
    BadExpiry,
    /// So many wait.
    #[error("{MOST_WAITING} operations wait for the device {0} already")]
    Full(String),
    /// So many are observed.
    #[error("{MOST_OBSERVATIONS} observations of the device {0} are wanted already")]
    TooManyObservations(String),
    /// Could not be stored.
    #[error("the operation could not be stored")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for QueueOperationError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Why an operation was not canceled.
#[derive(Debug, thiserror::Error)]
pub enum CancelOperationError {
    /// There is none.
    #[error("there is no operation {id} of a device {endpoint}")]
    Unknown {
        /// Of which device.
        endpoint: String,
        /// Which.
        id: Uuid,
    },
    /// Too late.
    #[error("the operation is {0}")]
    TooLate(String),
    /// Could not be stored.
    #[error("it could not be stored")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for CancelOperationError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What happened to an operation, to be made durable.
#[derive(Clone, PartialEq, Debug)]
pub struct OperationChange {
    pub id: Uuid,
    pub endpoint: String,
    pub request: Request,
    pub progress: Progress,
}

/// Ends of operations that a slow watcher may be behind; it then reads the store again.
const BEHIND: usize = 1_024;

/// Tells which operations have ended.
#[derive(Debug)]
pub struct EndedOperations(broadcast::Sender<Uuid>);

impl Default for EndedOperations {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl App {
    /// Queues an operation. It is durable when this returns, and carried out when the device is there.
    ///
    /// # Errors
    /// There is no such device, no device could do it, too many wait, or it cannot be stored.
    pub async fn queue_operation(&self, wanted: QueueOperation) -> Result<Operation, QueueOperationError> {
        let (model, version) = self.model_of(&wanted.endpoint).await?;
        let operation = wanted.request.operation(&model)?;
        operation.check(&model, version).map_err(BadRequest::from)?;
        if wanted.expires_in < Duration::from_secs(1) || wanted.expires_in > LONGEST_EXPIRY {
            return Err(QueueOperationError::BadExpiry);
        }
        let QueueOperation { endpoint, request, expires_in } = wanted;
        let now = self.now();
        let argument = (!request.argument.is_null()).then(|| request.argument.to_string());
        let operation = Operation {
            id: Uuid::now_v7(),
            device_id: String::new(),
            endpoint: endpoint.clone(),
            kind: request.kind.code().to_owned(),
            paths: request.paths_text(),
            argument,
            created_at: now,
            expires_at: now.after(expires_in),
            progress: Progress::open(OperationState::Waiting),
        };
        let operation = self.insert_operation(operation).await?;
        let queued = Queued { id: operation.id, endpoint, request, expires_at: operation.expires_at };
        self.order(Order::Operate(Box::new(queued))).await;
        Ok(operation)
    }

    async fn insert_operation(&self, mut operation: Operation) -> Result<Operation, QueueOperationError> {
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let Some(device) = devices::by_endpoint(connection, &operation.endpoint).await? else {
                    return Err(QueueOperationError::UnknownDevice(operation.endpoint));
                };
                if operations::unfinished_of(connection, &device.id).await? >= MOST_WAITING {
                    return Err(QueueOperationError::Full(operation.endpoint));
                }
                if OperationKind::from_code(&operation.kind).is_some_and(OperationKind::observes)
                    && observations::count(connection, &device.id).await? >= MOST_OBSERVATIONS
                {
                    return Err(QueueOperationError::TooManyObservations(operation.endpoint));
                }
                operation.device_id = device.id;
                operations::forget_old(connection, &operation.device_id, KEPT).await?;
                operations::insert(connection, &operation).await?;
                Ok(operation)
            })
        });
        change.await
    }

    /// One operation of a device.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn operation(&self, endpoint: &str, id: Uuid) -> Result<Option<Operation>, StoreError> {
        Ok(operations::by_id(&mut *self.inner.store.read().await?, endpoint, id).await?)
    }

    /// One operation of a device, as soon as it has ended, or as it is after `patience`.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn ended_operation(
        &self,
        endpoint: &str,
        id: Uuid,
        patience: Duration,
    ) -> Result<Option<Operation>, StoreError> {
        // Subscribed before the store is read, so that it cannot end in between unseen.
        let mut ended = self.inner.operations.0.subscribe();
        let waited = tokio::time::timeout(patience, async {
            loop {
                match self.operation(endpoint, id).await {
                    Ok(Some(operation)) if operation.progress.finished_at.is_none() => {}
                    found => return found,
                }
                loop {
                    match ended.recv().await {
                        Ok(other) if other != id => {}
                        Ok(_) | Err(RecvError::Lagged(_)) => break,
                        Err(RecvError::Closed) => return self.operation(endpoint, id).await,
                    }
                }
            }
        });
        match waited.await {
            Ok(found) => found,
            Err(_) => self.operation(endpoint, id).await,
        }
    }

    /// Operations of a device, newest first, older than `before` unless that is empty.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn operations(
        &self,
        endpoint: &str,
        before: &str,
        limit: i64,
    ) -> Result<Vec<Operation>, StoreError> {
        Ok(operations::page(&mut *self.inner.store.read().await?, endpoint, before, limit).await?)
    }

    /// Takes an operation back that was not sent.
    ///
    /// # Errors
    /// There is none, it was sent or has ended, or the wish cannot be stored.
    pub async fn cancel_operation(
        &self,
        endpoint: &str,
        id: Uuid,
    ) -> Result<Operation, CancelOperationError> {
        let now = self.now();
        let wanted = endpoint.to_owned();
        let change = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let Some(mut operation) = operations::by_id(connection, &wanted, id).await? else {
                    return Err(CancelOperationError::Unknown { endpoint: wanted, id });
                };
                if operation.progress.state != OperationState::Waiting.code() {
                    return Err(CancelOperationError::TooLate(operation.progress.state));
                }
                let detail = "an operator took it back before it was sent".to_owned();
                operation.progress = Progress::ended(OperationState::Canceled, "canceled", detail, now);
                operations::update(connection, &[(id, &operation.progress)]).await?;
                Ok(operation)
            })
        });
        let operation = change.await?;
        self.operation_has_ended(id);
        self.order(Order::CancelOperation { endpoint: endpoint.to_owned(), id }).await;
        Ok(operation)
    }

    fn operation_has_ended(&self, id: Uuid) {
        // Fails if nobody watches.
        let _ = self.inner.operations.0.send(id);
    }

    /// The last values of a device.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn device_values(&self, endpoint: &str) -> Result<Vec<DeviceValue>, StoreError> {
        Ok(crate::store::values::of_device(&mut *self.inner.store.read().await?, endpoint).await?)
    }

    /// All operations that have not ended, in order.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn unfinished_operations(&self) -> Result<Vec<Operation>, StoreError> {
        let mut all: Vec<Operation> = Vec::new();
        loop {
            let after = all.last().map(|operation| operation.id.to_string()).unwrap_or_default();
            let reader = &mut *self.inner.store.read().await?;
            let page = operations::unfinished_page(reader, &after, PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// All observations that are wanted.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn wanted_observations(&self) -> Result<Vec<WantedObservation>, StoreError> {
        let mut all: Vec<WantedObservation> = Vec::new();
        loop {
            let after = all.last().map_or(("", ""), |last| (&last.endpoint, &last.paths));
            let reader = &mut *self.inner.store.read().await?;
            let page = observations::page(reader, after, PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Makes what happened durable. Gives those that are to be sent now: the ones of `starting` that nobody
    /// has ended meanwhile.
    ///
    /// # Errors
    /// It cannot be stored now; nothing of it was.
    pub async fn record_operations(
        &self,
        changes: Vec<OperationChange>,
        starting: Vec<Uuid>,
    ) -> Result<Vec<Uuid>, StoreError> {
        let ended: Vec<Uuid> = changes.iter().map(|change| change.id).collect();
        let write = self.inner.store.write(move |connection| {
            Box::pin(async move {
                let rows: Vec<_> = changes.iter().map(|change| (change.id, &change.progress)).collect();
                operations::update(connection, &rows).await?;
                for change in changes.iter().filter(|change| is_done(change)) {
                    record_observation(connection, change).await?;
                }
                let running = OperationState::Running.code();
                Ok::<_, StoreError>(operations::start(connection, &starting, running).await?)
            })
        });
        let started = write.await?;
        ended.into_iter().for_each(|id| self.operation_has_ended(id));
        Ok(started)
    }
}

/// Rows read at once.
const PAGE: i64 = 1_000;

fn is_done(change: &OperationChange) -> bool {
    change.progress.state == OperationState::Done.code()
}

/// What is wanted observed from now on, or no more.
async fn record_observation(
    connection: &mut sqlx::AnyConnection,
    change: &OperationChange,
) -> Result<(), StoreError> {
    let (request, endpoint) = (&change.request, change.endpoint.clone());
    let paths = request.paths_text();
    if request.kind.observes() {
        let attributes = request.attributes_text().to_owned();
        observations::want(connection, &WantedObservation { endpoint, paths, attributes }).await?;
    } else if request.kind.cancels() {
        observations::forget(connection, &endpoint, &paths).await?;
    }
    Ok(())
}

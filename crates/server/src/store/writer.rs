//! The one task that changes the database.
//!
//! A durable commit costs milliseconds, so changes that come while one runs share the next. None waits for
//! others to come: a lone change is committed at once.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use sqlx::{AnyConnection, Connection};
use tokio::sync::{mpsc, oneshot};

use super::dialect::Engine;
use super::{Change, StoreError, properties};

/// Most changes in one transaction.
const BATCH: usize = 256;
/// Longest time that a transaction collects changes.
const COLLECT: Duration = Duration::from_millis(5);
/// Changes that wait; who comes later waits to be let in.
const QUEUE: usize = 1_024;

/// What a change left behind in the open transaction.
struct Done {
    /// Whether its effects stay.
    keep: bool,
    /// Tells whoever asked, after the transaction has ended.
    acknowledge: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

/// A change and the one who waits for it.
trait Job: Send {
    fn run<'c>(self: Box<Self>, connection: &'c mut AnyConnection) -> BoxFuture<'c, Done>;
    fn refuse(self: Box<Self>, error: StoreError);
}

struct Asked<T, E, F> {
    change: F,
    answer: oneshot::Sender<Result<T, E>>,
}

// Nobody may be waiting for the answer any more; the change is made all the same.
impl<T, E, F> Job for Asked<T, E, F>
where
    F: for<'c> FnOnce(&'c mut AnyConnection) -> Change<'c, T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    fn run<'c>(self: Box<Self>, connection: &'c mut AnyConnection) -> BoxFuture<'c, Done> {
        let Self { change, answer } = *self;
        Box::pin(async move {
            let result = change(connection).await;
            let keep = result.is_ok();
            let acknowledge = Box::new(move |committed: Result<(), StoreError>| {
                let _ = answer.send(result.and_then(|value| committed.map(|()| value).map_err(E::from)));
            });
            Done { keep, acknowledge }
        })
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        let _ = self.answer.send(Err(E::from(error)));
    }
}

enum Order {
    Change(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// Hands changes to the task.
#[derive(Clone, Debug)]
pub struct Writer {
    orders: mpsc::Sender<Order>,
}

impl Writer {
    pub fn start(connection: AnyConnection) -> Self {
        let (orders, queue) = mpsc::channel(QUEUE);
        tokio::spawn(run(connection, queue));
        Self { orders }
    }

    pub async fn write<T, E, F>(&self, change: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut AnyConnection) -> Change<'c, T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let job = Box::new(Asked { change, answer });
        self.orders.send(Order::Change(job)).await.map_err(|_| StoreError::Closed)?;
        result.await.map_err(|_| StoreError::Closed)?
    }

    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.orders.send(Order::Close(done)).await.is_ok() {
            // Ends with an error only if the task is gone, which is what was wanted.
            let _ = closed.await;
        }
    }
}

async fn run(mut connection: AnyConnection, mut queue: mpsc::Receiver<Order>) {
    while let Some(order) = queue.recv().await {
        match order {
            Order::Change(first) => {
                if let Some(done) = transaction(&mut connection, first, &mut queue).await {
                    return close(connection, done).await;
                }
            }
            Order::Close(done) => return close(connection, done).await,
        }
    }
}

/// One transaction with as many changes as there are. Gives the wish to close that came among them.
async fn transaction(
    connection: &mut AnyConnection,
    first: Box<dyn Job>,
    queue: &mut mpsc::Receiver<Order>,
) -> Option<oneshot::Sender<()>> {
    if let Err(error) = execute(connection, Engine::of_connection(connection).begin()).await {
        report(&error, "a transaction could not start");
        first.refuse(error);
        return None;
    }
    let mut changes = Vec::new();
    let mut closing = None;
    let mut next = Some(first);
    let mut ended = Ok(());
    let until = deadline();
    while let Some(job) = next.take() {
        ended = isolated(connection, job, &mut changes).await;
        if ended.is_ok() && changes.len() < BATCH && !is_over(until) {
            match queue.try_recv() {
                Ok(Order::Change(job)) => next = Some(job),
                Ok(Order::Close(done)) => closing = Some(done),
                Err(_) => {}
            }
        }
    }
    if ended.is_ok() {
        ended = execute(connection, "COMMIT").await;
    }
    if let Err(error) = &ended {
        report(error, "changes could not be stored");
        // Fails if the database has rolled back by itself, as it does when the disk is full.
        let _ = execute(connection, "ROLLBACK").await;
    }
    for change in changes {
        (change.acknowledge)(ended.clone());
    }
    closing
}

/// Runs one change so that its failure leaves the others' effects alone. An error means that the whole
/// transaction is lost.
async fn isolated(
    connection: &mut AnyConnection,
    job: Box<dyn Job>,
    changes: &mut Vec<Done>,
) -> Result<(), StoreError> {
    if let Err(error) = execute(connection, "SAVEPOINT one_change").await {
        job.refuse(error.clone());
        return Err(error);
    }
    let done = job.run(connection).await;
    let keep = done.keep;
    changes.push(done);
    if !keep {
        execute(connection, "ROLLBACK TO one_change").await?;
    }
    execute(connection, "RELEASE one_change").await
}

async fn execute(connection: &mut AnyConnection, text: &'static str) -> Result<(), StoreError> {
    sqlx::raw_sql(text).execute(connection).await?;
    Ok(())
}

async fn close(mut connection: AnyConnection, done: oneshot::Sender<()>) {
    if let Err(error) = properties::set_stopped_cleanly(&mut connection, true).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the clean stop could not be noted; the database is checked at the next start"
        );
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the database did not close in order");
    }
    // The one who asked may be gone.
    let _ = done.send(());
}

fn report(error: &StoreError, what: &str) {
    tracing::error!(error = error as &dyn std::error::Error, "{what}");
}

#[expect(clippy::disallowed_methods, reason = "bounds a transaction; nothing that is stored depends on it")]
fn deadline() -> Instant {
    Instant::now() + COLLECT
}

#[expect(clippy::disallowed_methods, reason = "bounds a transaction; nothing that is stored depends on it")]
fn is_over(deadline: Instant) -> bool {
    Instant::now() >= deadline
}

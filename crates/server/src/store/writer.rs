//! The one task that changes the database.
//!
//! A durable commit costs milliseconds, so changes that come while one runs share the next. None waits for
//! others to come: a lone change is committed at once. A transaction that another one was in the way of, or
//! whose connection was lost, is run again as a whole: nobody was answered before it was committed.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use sqlx::AnyConnection;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::dialect::{self, Meaning};
use super::link::{Failed, Link};
use super::{Change, StoreError};

/// Most changes in one transaction.
const BATCH: usize = 256;
/// Longest time that a transaction collects changes.
const COLLECT: Duration = Duration::from_millis(5);
/// Changes that wait; who comes later waits to be let in.
const QUEUE: usize = 1_024;
/// How often a transaction is run before its changes are refused.
const RUNS: u32 = 5;
/// How often a database that others can reach is looked at while there is nothing to write.
const WATCH: Duration = Duration::from_secs(5);

/// What a change left behind in the open transaction.
pub enum Ran {
    /// Its effects stay.
    Kept,
    /// It failed; the others stay.
    Refused,
    /// The transaction is lost with it, and may succeed if it is run again.
    Lost(StoreError),
}

/// A change and the one who waits for it.
pub trait Job: Send {
    /// Runs the change, in place of an earlier run of which nothing is left.
    fn run<'c>(&'c mut self, connection: &'c mut AnyConnection) -> BoxFuture<'c, Ran>;
    /// Tells whoever asked, after the transaction has ended.
    fn answer(self: Box<Self>, ended: Result<(), StoreError>);
}

struct Asked<T, E, F> {
    change: F,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

// Nobody may be waiting for the answer any more; the change is made all the same.
impl<T, E, F> Job for Asked<T, E, F>
where
    F: for<'c> FnOnce(&'c mut AnyConnection) -> Change<'c, T, E> + Clone + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Error + Send + 'static,
{
    fn run<'c>(&'c mut self, connection: &'c mut AnyConnection) -> BoxFuture<'c, Ran> {
        Box::pin(async move {
            let change = self.change.clone();
            let result = change(connection).await;
            let ran = match &result {
                Ok(_) => Ran::Kept,
                Err(error) => ran(error),
            };
            self.result = Some(result);
            ran
        })
    }

    fn answer(self: Box<Self>, ended: Result<(), StoreError>) {
        let result = match (self.result, ended) {
            (Some(result), Ok(())) => result,
            // Its own fault says more than what happened to the transaction afterwards.
            (Some(Err(error)), Err(_)) if matches!(ran(&error), Ran::Refused) => Err(error),
            (_, Err(ended)) => Err(E::from(ended)),
            (None, Ok(())) => Err(E::from(StoreError::Closed)),
        };
        let _ = self.answer.send(result);
    }
}

/// What the error of a change means for its transaction: an error of the database is at the end of its causes,
/// as [`StoreError`] keeps it.
fn ran(error: &(dyn Error + 'static)) -> Ran {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(cause) = error.downcast_ref::<Arc<sqlx::Error>>() {
            return match dialect::meaning(cause) {
                Meaning::Conflict => Ran::Lost(StoreError::Conflict(cause.clone())),
                Meaning::Unavailable => Ran::Lost(StoreError::Unavailable(cause.clone())),
                _ => Ran::Refused,
            };
        }
        next = error.source();
    }
    Ran::Refused
}

enum Order {
    Change(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// Hands changes to the task.
#[derive(Clone, Debug)]
pub struct Writer {
    orders: mpsc::Sender<Order>,
    superseded: watch::Receiver<bool>,
}

impl Writer {
    pub fn start(link: Link) -> Self {
        let (orders, queue) = mpsc::channel(QUEUE);
        let (supersede, superseded) = watch::channel(false);
        tokio::spawn(Task { link, queue, supersede }.run());
        Self { orders, superseded }
    }

    pub async fn write<T, E, F>(&self, change: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut AnyConnection) -> Change<'c, T, E> + Clone + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Error + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let job = Box::new(Asked { change, result: None, answer });
        self.orders.send(Order::Change(job)).await.map_err(|_| StoreError::Closed)?;
        result.await.map_err(|_| StoreError::Closed)?
    }

    /// Waits until another server has taken the database over.
    pub async fn superseded(&self) {
        // An error means that the task has ended in order.
        if self.superseded.clone().wait_for(|superseded| *superseded).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.orders.send(Order::Close(done)).await.is_ok() {
            // Ends with an error only if the task is gone, which is what was wanted.
            let _ = closed.await;
        }
    }
}

/// The task behind a [`Writer`].
struct Task {
    link: Link,
    queue: mpsc::Receiver<Order>,
    supersede: watch::Sender<bool>,
}

impl Task {
    async fn run(mut self) {
        while let Some(order) = self.next().await {
            let closing = match order {
                Order::Change(first) => {
                    let closing = self.transaction(first).await;
                    self.link.changed().await;
                    closing
                }
                Order::Close(done) => Some(done),
            };
            if let Some(done) = closing {
                self.link.close().await;
                // The one who asked may be gone.
                let _ = done.send(());
                return;
            }
        }
    }

    /// The next order. A database that others can reach is looked at meanwhile, so that one that is back is
    /// used again, and one that was taken over is given up, without anybody asking for a change.
    async fn next(&mut self) -> Option<Order> {
        while self.link.is_watched() && !*self.supersede.borrow() {
            if let Ok(order) = timeout(WATCH, self.queue.recv()).await {
                return order;
            }
            if let Err(error) = self.link.check().await {
                self.notice(&error);
            }
        }
        loop {
            match timeout(self.link.patience(), self.queue.recv()).await {
                Ok(order) => return order,
                Err(_) => self.link.tidy().await,
            }
        }
    }

    /// One transaction with as many changes as there are. Gives the wish to close that came among them.
    async fn transaction(&mut self, first: Box<dyn Job>) -> Option<oneshot::Sender<()>> {
        let mut jobs = vec![first];
        let mut closing = None;
        let mut runs = 0;
        let ended = loop {
            runs += 1;
            let ended = match self.attempt(&mut jobs, &mut closing).await {
                Ok(()) => self.link.commit().await,
                Err(failed) => {
                    self.link.roll_back().await;
                    Err(failed)
                }
            };
            match ended {
                Ok(()) => break Ok(()),
                Err(Failed::Again(error)) if runs < RUNS => {
                    tracing::debug!(error = &error as &dyn Error, "a transaction is run again");
                }
                Err(failed) => break Err(failed.error()),
            }
        };
        if let Err(error) = &ended {
            self.notice(error);
        }
        for job in jobs {
            job.answer(ended.clone());
        }
        closing
    }

    /// Runs all changes in a transaction, those of a run before first, and leaves it open.
    async fn attempt(
        &mut self,
        jobs: &mut Vec<Box<dyn Job>>,
        closing: &mut Option<oneshot::Sender<()>>,
    ) -> Result<(), Failed> {
        self.link.begin().await?;
        let until = deadline();
        let mut index = 0;
        loop {
            self.link.isolated(&mut *jobs[index]).await?;
            index += 1;
            if index == jobs.len() && jobs.len() < BATCH && closing.is_none() && !is_over(until) {
                match self.queue.try_recv() {
                    Ok(Order::Change(job)) => jobs.push(job),
                    Ok(Order::Close(done)) => *closing = Some(done),
                    Err(_) => {}
                }
            }
            if index == jobs.len() {
                return Ok(());
            }
            self.link.next_savepoint().await?;
        }
    }

    /// Tells of an error, each kind once where it comes again and again.
    fn notice(&mut self, error: &StoreError) {
        match error {
            StoreError::Superseded => {
                self.supersede.send_if_modified(|superseded| !std::mem::replace(superseded, true));
            }
            // Told when it began.
            StoreError::Unavailable(_) => {}
            error => tracing::error!(error = error as &dyn Error, "changes could not be stored"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "bounds a transaction; nothing that is stored depends on it")]
fn deadline() -> Instant {
    Instant::now() + COLLECT
}

#[expect(clippy::disallowed_methods, reason = "bounds a transaction; nothing that is stored depends on it")]
fn is_over(deadline: Instant) -> bool {
    Instant::now() >= deadline
}

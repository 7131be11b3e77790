//! Writes to the store that nobody waits for.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::store::StoreError;

/// What a write left: the batch, and what the store answered.
type Written<B, A> = (B, Result<A, StoreError>);

/// Writes one batch at a time, and one that failed again before anything newer.
#[derive(Debug)]
pub struct WriteBehind<B, A> {
    /// What is written, for the log.
    what: &'static str,
    writing: Option<JoinHandle<Written<B, A>>>,
    failed: Option<B>,
    /// Whether the store refused the last write.
    refused: bool,
}

impl<B: Clone + Send + 'static, A: Send + 'static> WriteBehind<B, A> {
    pub fn new(what: &'static str) -> Self {
        Self { what, writing: None, failed: None, refused: false }
    }

    /// Whether a new batch can be written.
    pub fn is_free(&self) -> bool {
        self.writing.is_none() && self.failed.is_none()
    }

    /// Whether everything that was given is written.
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Whether a write is under way.
    pub fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Writes a batch. Nothing else is being written.
    pub fn start<F>(&mut self, batch: B, write: impl FnOnce(B) -> F)
    where
        F: Future<Output = Result<A, StoreError>> + Send + 'static,
    {
        let written = write(batch.clone());
        self.writing = Some(tokio::spawn(async move { (batch, written.await) }));
    }

    /// Writes the batch that failed again.
    pub fn retry<F>(&mut self, write: impl FnOnce(B) -> F)
    where
        F: Future<Output = Result<A, StoreError>> + Send + 'static,
    {
        if let Some(batch) = self.failed.take_if(|_| self.writing.is_none()) {
            self.start(batch, write);
        }
    }

    /// What was written, once it is; `None` if the store refused. Never ends if nothing is being written.
    pub async fn finished(&mut self) -> Option<(B, A)> {
        let Some(writing) = &mut self.writing else { return std::future::pending().await };
        let ended = writing.await;
        self.writing = None;
        let (batch, result) = match ended {
            Ok((batch, result)) => (Some(batch), result),
            // A write that panicked has stored nothing; there is nothing left to try again with.
            Err(error) => {
                (None, Err(StoreError::Database(Arc::new(sqlx::Error::Io(std::io::Error::other(error))))))
            }
        };
        match result {
            Ok(answer) => {
                if std::mem::take(&mut self.refused) {
                    tracing::warn!(what = self.what, "the store takes changes again");
                }
                batch.map(|batch| (batch, answer))
            }
            Err(error) => {
                if !std::mem::replace(&mut self.refused, true) {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(
                        error,
                        what = self.what,
                        "the store refuses changes; they wait until it takes them"
                    );
                }
                self.failed = batch;
                None
            }
        }
    }
}

//! The connection that changes the database: made again when it is lost, and fenced.

use std::time::{Duration, Instant};

use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use tokio::time::timeout;

use super::dialect::{self, Engine, Meaning};
use super::fence::Fence;
use super::location::Location;
use super::write_ahead_log::WriteAheadLog;
use super::writer::{Job, Ran};
use super::{StoreError, properties};

/// Longest time that a server may take to let us in.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest time that a transaction may take at a server; a connection that is silent for longer is lost.
const TRANSACTION: Duration = Duration::from_secs(30);
/// Longest time until it is known what became of a transaction. Longer than a server keeps one of a lost
/// connection (`idle_in_transaction_session_timeout`).
const SETTLE: Duration = Duration::from_secs(20);
/// Between two tries to connect: at first, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The connection of the writer.
#[derive(Debug)]
pub struct Link {
    location: Location,
    engine: Engine,
    fence: Fence,
    connection: Option<AnyConnection>,
    log: WriteAheadLog,
    /// Why there is none, and when it is tried again.
    outage: Option<Outage>,
}

#[derive(Debug)]
struct Outage {
    error: StoreError,
    wait: Duration,
    next_try: Instant,
}

/// Why a transaction has come to nothing.
#[derive(Clone, Debug)]
pub enum Failed {
    /// It may succeed if it is run again at once.
    Again(StoreError),
    /// It will not.
    Finally(StoreError),
}

impl Failed {
    pub fn error(self) -> StoreError {
        match self {
            Self::Again(error) | Self::Finally(error) => error,
        }
    }
}

impl Link {
    pub fn new(location: Location, connection: AnyConnection, fence: Fence) -> Self {
        let (engine, log) = (Engine::of(&location), WriteAheadLog::of(&location));
        Self { location, engine, fence, connection: Some(connection), log, outage: None }
    }

    /// How long to wait for changes before [`Link::tidy`].
    pub fn patience(&self) -> Duration {
        self.log.patience()
    }

    /// After a transaction.
    pub async fn changed(&mut self) {
        if let Some(connection) = self.connection.as_mut() {
            self.log.changed(connection).await;
        }
    }

    /// While there is nothing to write.
    pub async fn tidy(&mut self) {
        if let Some(connection) = self.connection.as_mut() {
            self.log.empty(connection).await;
        }
    }

    /// Whether the connection is worth looking at when there is nothing to write.
    pub fn is_watched(&self) -> bool {
        self.engine.is_shared()
    }

    /// Begins a transaction and its first savepoint.
    pub async fn begin(&mut self) -> Result<(), Failed> {
        let (begin, shared, bound) = (self.engine.begin(), self.engine.is_shared(), self.bound(TRANSACTION));
        let count = if shared { self.fence.count() } else { String::new() };
        let connection = self.connection().await.map_err(Failed::Finally)?;
        let begun = async {
            let text = AssertSqlSafe(format!("{begin}; {count}"));
            let counted = sqlx::raw_sql(text).execute(&mut *connection).await?.rows_affected();
            sqlx::raw_sql("SAVEPOINT one_change").execute(connection).await?;
            Ok(!shared || counted > 0)
        };
        match bounded(begun, bound).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failed::Finally(StoreError::Superseded)),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Runs one change so that its failure leaves the others' effects alone.
    pub async fn isolated(&mut self, job: &mut dyn Job) -> Result<(), Failed> {
        let bound = self.bound(TRANSACTION);
        let Some(connection) = self.connection.as_mut() else {
            return Err(Failed::Again(StoreError::connection_lost()));
        };
        let ran = bounded(async { Ok(job.run(connection).await) }, bound).await;
        match ran {
            Ok(Ran::Kept) => Ok(()),
            Ok(Ran::Refused) => self.execute("ROLLBACK TO one_change").await,
            Ok(Ran::Lost(error)) => {
                // It may have been lost for good; a transaction that is run again begins with a new one.
                if matches!(error, StoreError::Unavailable(_)) && self.engine.is_shared() {
                    self.connection = None;
                }
                Err(Failed::Again(error))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Ends the savepoint of one change and begins that of the next.
    pub async fn next_savepoint(&mut self) -> Result<(), Failed> {
        self.execute("RELEASE one_change; SAVEPOINT one_change").await
    }

    async fn execute(&mut self, text: &'static str) -> Result<(), Failed> {
        let bound = self.bound(TRANSACTION);
        let Some(connection) = self.connection.as_mut() else {
            return Err(Failed::Again(StoreError::connection_lost()));
        };
        match bounded(sqlx::raw_sql(text).execute(connection), bound).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Nothing of ours hangs on a file; a server may fall silent.
    fn bound(&self, longest: Duration) -> Option<Duration> {
        self.engine.is_shared().then_some(longest)
    }

    /// Commits. What is committed is so, even if the answer was lost on its way.
    pub async fn commit(&mut self) -> Result<(), Failed> {
        let bound = self.bound(TRANSACTION);
        let Some(connection) = self.connection.as_mut() else {
            return Err(Failed::Again(StoreError::connection_lost()));
        };
        // RELEASE fails where a statement has failed and nobody told: a COMMIT alone would undo all in silence.
        let commit = sqlx::raw_sql("RELEASE one_change; COMMIT").execute(connection);
        match bounded(commit, bound).await {
            Ok(_) => {
                self.fence.was_committed();
                Ok(())
            }
            Err(error) if self.engine.is_shared() && dialect::meaning(&error) == Meaning::Unavailable => {
                self.settle(error.into()).await
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Undoes what there is of a transaction.
    pub async fn roll_back(&mut self) {
        if let Some(connection) = self.connection.as_mut() {
            // Fails if the database has rolled back by itself, as it does when the disk is full.
            let rolled_back = sqlx::raw_sql("ROLLBACK").execute(connection);
            let bound = self.engine.is_shared().then_some(CONNECT);
            if bounded(rolled_back, bound).await.is_err() && self.engine.is_shared() {
                self.connection = None;
            }
        }
    }

    /// Finds out what became of a transaction after its COMMIT was not answered.
    async fn settle(&mut self, error: StoreError) -> Result<(), Failed> {
        tracing::warn!(error = &error as &dyn std::error::Error, "a COMMIT was not answered");
        let before = self.fence.committed();
        self.connection = None;
        let back = timeout(SETTLE, async {
            loop {
                match self.connection().await {
                    Ok(_) => return true,
                    Err(StoreError::Superseded) => return false,
                    Err(_) => rest_until(self.outage.as_ref().map(|outage| outage.next_try)).await,
                }
            }
        });
        match back.await {
            Ok(true) if self.fence.committed() > before => Ok(()),
            Ok(true) => Err(Failed::Again(error)),
            Ok(false) | Err(_) => Err(Failed::Finally(StoreError::OutcomeUnknown)),
        }
    }

    /// Looks whether the database is still there and still ours, and connects if it is not.
    pub async fn check(&mut self) -> Result<(), StoreError> {
        let fence = self.fence;
        let holds = bounded(fence.holds(self.connection().await?), Some(CONNECT)).await;
        match holds {
            Ok(true) => Ok(()),
            Ok(false) => Err(StoreError::Superseded),
            Err(error) => Err(self.failed(error).error()),
        }
    }

    /// The connection, made again if it was lost.
    async fn connection(&mut self) -> Result<&mut AnyConnection, StoreError> {
        if self.connection.is_none() {
            if let Some(outage) = self.outage.as_ref().filter(|outage| now() < outage.next_try) {
                return Err(outage.error.clone());
            }
            match self.connect().await {
                Ok(connection) => {
                    if self.outage.take().is_some() {
                        tracing::warn!("the database is back");
                    }
                    self.connection = Some(connection);
                }
                Err(StoreError::Superseded) => return Err(StoreError::Superseded),
                Err(error) => {
                    self.note_outage(error.clone());
                    return Err(error);
                }
            }
        }
        Ok(self.connection.as_mut().expect("it was made if it was not there"))
    }

    async fn connect(&mut self) -> Result<AnyConnection, StoreError> {
        let mut connection = bounded(dialect::connect_writer(&self.location), Some(CONNECT)).await?;
        if self.engine.is_shared() && !bounded(self.fence.resume(&mut connection), Some(CONNECT)).await? {
            return Err(StoreError::Superseded);
        }
        Ok(connection)
    }

    fn note_outage(&mut self, error: StoreError) {
        let wait = match &self.outage {
            Some(outage) => (outage.wait * 2).min(LONGEST_WAIT),
            None => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the database cannot be reached; changes are refused until it is back"
                );
                FIRST_WAIT
            }
        };
        self.outage = Some(Outage { error, wait, next_try: now() + wait });
    }

    /// What an error means for the transaction. A connection that may be in the middle of something is
    /// dropped: the server then undoes what was not committed.
    fn failed(&mut self, error: sqlx::Error) -> Failed {
        let meaning = dialect::meaning(&error);
        let error = StoreError::from(error);
        match meaning {
            Meaning::Conflict => Failed::Again(error),
            Meaning::Unavailable if self.engine.is_shared() => {
                self.connection = None;
                Failed::Again(error)
            }
            // A server that takes no changes may be a standby, and another one the right one by now.
            Meaning::ReadOnly if self.engine.is_shared() => {
                self.connection = None;
                Failed::Finally(error)
            }
            _ => Failed::Finally(error),
        }
    }

    /// Notes a clean stop and closes the connection.
    pub async fn close(mut self) {
        let noted = async {
            self.begin().await.map_err(Failed::error)?;
            let connection = self.connection.as_mut().ok_or_else(StoreError::connection_lost)?;
            properties::set_stopped_cleanly(connection, true).await?;
            self.commit().await.map_err(Failed::error)
        };
        if let Err(error) = noted.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the clean stop could not be noted; the database is checked at the next start"
            );
        }
        let Some(connection) = self.connection.take() else { return };
        if let Err(error) = connection.close().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the database did not close in order");
        }
    }
}

/// Waits until a connection may be tried again.
#[expect(clippy::disallowed_methods, reason = "nothing that is stored depends on when it is tried again")]
async fn rest_until(next_try: Option<Instant>) {
    let wait = next_try.map_or(FIRST_WAIT, |next| next.saturating_duration_since(Instant::now()));
    tokio::time::sleep(wait).await;
}

/// The same, or an error when it takes longer.
async fn bounded<T>(
    work: impl Future<Output = sqlx::Result<T>>,
    longest: Option<Duration>,
) -> sqlx::Result<T> {
    match longest {
        None => work.await,
        Some(longest) => {
            let late = || sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
            timeout(longest, work).await.unwrap_or_else(|_| Err(late()))
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing that is stored depends on when it is tried again")]
fn now() -> Instant {
    Instant::now()
}

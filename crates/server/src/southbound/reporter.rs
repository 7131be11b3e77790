//! The way of reports from the shards to the dispatcher.

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::messages::Report;

/// Carries the reports of all shards to the dispatcher.
#[derive(Clone, Debug)]
pub struct Reporter {
    reports: mpsc::Sender<(u8, Report)>,
}

impl Reporter {
    pub fn new(bound: usize) -> (Self, mpsc::Receiver<(u8, Report)>) {
        let (reports, received) = mpsc::channel(bound);
        (Self { reports }, received)
    }

    /// The one of this shard.
    pub fn of(&self, shard: u8) -> ShardReporter {
        ShardReporter { shard, reports: self.reports.clone() }
    }
}

/// Carries the reports of one shard.
#[derive(Clone, Debug)]
pub struct ShardReporter {
    shard: u8,
    reports: mpsc::Sender<(u8, Report)>,
}

impl ShardReporter {
    /// Reports without waiting, from inside a protocol thread.
    ///
    /// The last quarter of the queue is kept for what must not be lost. Should even that be full, the shard
    /// is held until there is room: the dispatcher takes reports without waiting for anything, so the queue
    /// empties as fast as memory allows, and an upgrade whose step is not known would be worse.
    pub fn report(&mut self, report: Report) {
        if report.is_volatile() {
            return self.mention(report);
        }
        let mut item = (self.shard, report);
        while let Err(TrySendError::Full(back)) = self.reports.try_send(item) {
            item = back;
            std::thread::yield_now();
        }
    }

    /// Reports what may be lost.
    pub fn mention(&self, report: Report) {
        if self.reports.capacity() > self.reports.max_capacity() / 4 {
            // Fails if the dispatcher has ended or others were faster.
            let _ = self.reports.try_send((self.shard, report));
        }
    }
}

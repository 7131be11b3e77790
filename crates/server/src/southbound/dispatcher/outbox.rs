//! The way of commands to the shards.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::super::index;
use super::super::messages::Command;

/// Commands on their way to one shard. What does not fit into its queue waits here, so that the dispatcher
/// never waits for a shard; bounded by the upgrades and operations that run and the devices that there are.
#[derive(Debug)]
struct Outbox {
    shard: mpsc::Sender<Command>,
    waiting: VecDeque<Command>,
}

/// The ways to all shards.
#[derive(Debug, Default)]
pub struct Outboxes {
    shards: Vec<Outbox>,
}

impl Outboxes {
    /// Adds the next shard.
    pub fn attach(&mut self, shard: mpsc::Sender<Command>) {
        self.shards.push(Outbox { shard, waiting: VecDeque::new() });
    }

    /// Tells a shard something.
    pub fn send(&mut self, shard: u8, command: impl Into<Command>) {
        if let Some(outbox) = self.shards.get_mut(index(shard)) {
            outbox.waiting.push_back(command.into());
            outbox.flush();
        }
    }

    /// Sends what has waited for room.
    pub fn flush(&mut self) {
        self.shards.iter_mut().for_each(Outbox::flush);
    }
}

impl Outbox {
    fn flush(&mut self) {
        while let Some(command) = self.waiting.pop_front() {
            match self.shard.try_send(command) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(command)) => return self.waiting.push_front(command),
                // The shard has stopped; everything that matters is durable.
                Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        }
    }
}

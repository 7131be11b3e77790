//! The protocol side: shards that serve devices, and one task between them and the use cases.
//!
//! ```text
//!   shard thread 0 ─┐ events (bounded)              ┌─▶ App (store, feed)
//!   shard thread 1 ─┼──────────────────▶ dispatcher ┤
//!        …         ◀┘ commands (bounded)            └─◀ orders of App
//! ```
//!
//! Shards never wait for the store. The dispatcher does not either: one write is under way at a time, and
//! what happens meanwhile is gathered for the next.

mod admission;
mod dispatcher;
mod messages;
mod plans;
mod presence;
mod queue;
mod reporter;
mod running;
mod shard;
mod starter;
mod station;
mod strangers;
mod values;
mod wanted;

use std::net::SocketAddr;

use net::{BatchSocket, BindError, DriveError, SocketOptions};
use tokio::sync::{mpsc, watch};

use dispatcher::Dispatcher;
use reporter::Reporter;
use running::Timeouts;
use starter::{Starter, Thread};

use crate::app::{App, Order};
use crate::config::{Config, Lwm2m};
use crate::files::{Offers, Served};
use crate::secrets::NoRandomness;
use crate::store::{ImageError, Life, StoreError};

/// Why the protocol side cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SouthboundError {
    /// A port is in use or not ours.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A thread did not start.
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// No seed for a shard.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// The upgrades that run cannot be read.
    #[error("cannot read the upgrades that have not ended")]
    Store(#[from] StoreError),
    /// Their packages cannot be read now; they wait until the server is started again.
    #[error("cannot read the packages of upgrades that have not ended; see packages.store and packages.s3_*")]
    Packages(#[source] ImageError),
}

/// Events that wait for the dispatcher: a second of them at the highest rate that a shard can make.
const EVENTS: usize = 65_536;
/// Bound sockets that wait for their shards.
#[derive(Debug)]
pub struct Southbound {
    sockets: Vec<Vec<BatchSocket>>,
    coaps: Vec<SocketAddr>,
    coap: Vec<SocketAddr>,
}

impl Southbound {
    /// Takes the ports.
    ///
    /// # Errors
    /// One is in use or not ours.
    pub fn bind(config: &Lwm2m) -> Result<Self, SouthboundError> {
        let secured = config.coaps_bind.len();
        let addresses = [config.coaps_bind.as_slice(), config.coap_bind.as_slice()].concat();
        let sockets = net::bind(&addresses, config.shards, SocketOptions::default())?;
        let bound: Vec<SocketAddr> =
            sockets.first().map(|shard| shard.iter().map(BatchSocket::address).collect()).unwrap_or_default();
        let (coaps, coap) = bound.split_at(secured);
        Ok(Self { coaps: coaps.to_vec(), coap: coap.to_vec(), sockets })
    }

    /// Where devices connect over DTLS.
    pub fn coaps(&self) -> &[SocketAddr] {
        &self.coaps
    }

    /// Where devices connect without encryption.
    pub fn coap(&self) -> &[SocketAddr] {
        &self.coap
    }

    /// Starts the shards and goes on with the registrations, operations and upgrades of earlier lives.
    ///
    /// # Errors
    /// These cannot be read, or a thread does not start.
    pub async fn start(
        self,
        app: App,
        orders: mpsc::Receiver<Order>,
        config: &Config,
        (offers, served): (Offers, mpsc::Receiver<Served>),
        life: Life,
    ) -> Result<Running, SouthboundError> {
        let (reporter, reports) = Reporter::new(EVENTS);
        let timeouts = Timeouts::from(&config.upgrade);
        let count = config.lwm2m.shards;
        let loaded = Dispatcher::load(app.clone(), count, timeouts, offers, life).await?;
        let (mut dispatcher, commands) = loaded;
        let (stop, stopping) = watch::channel(false);
        let (stop_shards, stopped) = watch::channel(false);
        let starter = Starter::new(&app, (&self.coaps, &self.coap), reporter, stopped)?;
        let mut threads = Vec::with_capacity(index(count.get()));
        for ((number, sockets), station) in (0..).zip(self.sockets).zip(starter.build(commands)?) {
            let (sender, thread) = starter.start(number, station, sockets)?;
            dispatcher.attach(sender);
            threads.push(thread);
        }
        // Dropped, so that the reports end with the last shard.
        drop(starter);
        let dispatcher = tokio::spawn(dispatcher.run(reports, orders, served, (stopping, stop_shards)));
        Ok(Running { stop, threads, dispatcher })
    }
}

/// The protocol side at work.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    threads: Vec<Thread>,
    dispatcher: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Stops the shards, then stores what they told last.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                match thread.join() {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => {
                        tracing::error!(error = &error as &dyn std::error::Error, "a shard had stopped");
                    }
                    Err(_) => tracing::error!("a shard had ended by a fault of its own"),
                }
            }
        });
        if joined.await.is_err() || self.dispatcher.await.is_err() {
            tracing::error!("the protocol side did not stop in order");
        }
    }
}

/// The place of a shard in a list of shards.
fn index(shard: u8) -> usize {
    usize::from(shard)
}

#[cfg(test)]
mod tests;

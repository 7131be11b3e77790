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
mod presence;
mod queue;
mod reporter;
mod running;
mod shard;
mod strangers;
mod values;
mod wanted;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use net::{BatchSocket, BindError, Clock, Commanded, DriveError, SocketKind, SocketOptions, Stack};
use tokio::sync::{mpsc, watch};

use admission::Admissions;
use dispatcher::Dispatcher;
use messages::{Command, Report};
use reporter::Reporter;
use running::Timeouts;
use shard::Shard;

use crate::app::{App, Order};
use crate::config::{Config, Lwm2m};
use crate::files::{Offers, Served};
use crate::secrets::{NoRandomness, random};
use crate::store::StoreError;

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
}

/// Events that wait for the dispatcher: a second of them at the highest rate that a shard can make.
const EVENTS: usize = 65_536;
/// Commands that wait for a shard; a command is one step of an upgrade or a device that was removed.
const COMMANDS: usize = 16_384;

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

    /// Starts the shards and goes on with the upgrades that have not ended.
    ///
    /// # Errors
    /// These cannot be read, or a thread does not start.
    pub async fn start(
        self,
        app: App,
        orders: mpsc::Receiver<Order>,
        config: &Config,
        (offers, served): (Offers, mpsc::Receiver<Served>),
    ) -> Result<Running, SouthboundError> {
        let (reporter, reports) = Reporter::new(EVENTS);
        let timeouts = Timeouts::from(&config.upgrade);
        let shards = config.lwm2m.shards.get();
        let (mut dispatcher, resumed) = Dispatcher::load(app.clone(), shards, timeouts, offers).await?;
        let (stop, stopped) = watch::channel(false);
        let kinds: Vec<SocketKind> = std::iter::repeat_n(SocketKind::Secured, self.coaps.len())
            .chain(std::iter::repeat_n(SocketKind::Open, self.coap.len()))
            .collect();
        let starter = Starter { app: &app, kinds, reporter, stopped, clock: Clock::start() };
        let mut threads = Vec::with_capacity(index(shards));
        for ((number, sockets), commands) in (0..).zip(self.sockets).zip(resumed) {
            let (sender, thread) = starter.start(number, sockets, commands)?;
            dispatcher.attach(sender);
            threads.push(thread);
        }
        // Dropped, so that the reports end with the last shard.
        drop(starter);
        let dispatcher = tokio::spawn(dispatcher.run(reports, orders, served));
        Ok(Running { stop, threads, dispatcher })
    }
}

type Thread = JoinHandle<Result<Stack<Shard>, DriveError>>;

struct Starter<'a> {
    app: &'a App,
    kinds: Vec<SocketKind>,
    reporter: Reporter,
    stopped: watch::Receiver<bool>,
    clock: Clock,
}

impl Starter<'_> {
    fn start(
        &self,
        number: u8,
        sockets: Vec<BatchSocket>,
        commands: Vec<Command>,
    ) -> Result<(mpsc::Sender<Command>, Thread), SouthboundError> {
        let admissions = Arc::new(Admissions::new(self.app.directory(), self.reporter.of(number)));
        let server = lwm2m::server::Config {
            public_uris: self.app.pull_bases(),
            shard: number,
            ..lwm2m::server::Config::default()
        };
        let shard = Shard::new(lwm2m::server::Server::new(server, admissions.clone(), random()?));
        let mut stack = Stack::new(shard, self.kinds.clone(), dtls::Config::default(), admissions, random()?);
        // Before the first datagram, so that a device that comes at once finds its upgrade.
        for command in commands {
            stack.handle_command(command, self.clock.now());
        }
        let (sender, received) = mpsc::channel(COMMANDS);
        let mut reporter = self.reporter.of(number);
        let mut stopped = self.stopped.clone();
        let stop = async move {
            // An error means that whoever stops the shards is gone.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let name = format!("shard-{number}");
        let report = move |report: Report| reporter.report(report);
        let thread = net::spawn(&name, stack, sockets, self.clock, received, report, stop)?;
        Ok((sender, thread))
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

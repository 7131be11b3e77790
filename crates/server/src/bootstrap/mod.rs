//! The bootstrap server: ports of its own, where devices are given the accounts of their management servers.
//!
//! ```text
//!   bootstrap thread            desk                         App (store, directory)
//!   device asks ──────────────▶ Requested ─────────────────▶ makes a key, stores it, lets it in
//!   Discover, Delete, Write ◀── Start(plan) ◀─────────────── only then gives it
//!   Finish ───────────────────▶ Ended ─────────────────────▶ stores how it went
//! ```
//!
//! One thread is enough: a device comes once in its life and when somebody asks it to. The thread never waits
//! for the store; the desk does, for many devices at a time.

mod admission;
mod desk;
mod knocks;
mod station;

use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::thread::JoinHandle;

use machine::Seed;
use net::{BatchSocket, BindError, Clock, DriveError, SocketKind, SocketOptions, Stack};
use tokio::sync::{mpsc, watch};

use admission::Admissions;
use desk::Desk;
use station::Station;

use crate::app::App;
use crate::config;
use crate::secrets::{NoRandomness, random};
use crate::store::StoreError;

/// Why the bootstrap server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A port is in use or not ours.
    #[error("the bootstrap server cannot listen; set bootstrap.coaps_bind to another address, or to \"off\"")]
    Bind(#[from] BindError),
    /// The thread did not start.
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// No seed.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// The store does not answer.
    #[error("cannot note the bootstraps that were interrupted")]
    Store(#[from] StoreError),
}

/// Commands that wait for the thread: one for each bootstrap that was prepared.
const COMMANDS: usize = 1_024;
/// What the thread tells and the desk has not taken. A bootstrap is some ten messages.
const TOLD: usize = 16_384;

/// Bound sockets that wait to be served.
#[derive(Debug)]
pub struct Bootstrap {
    sockets: Vec<BatchSocket>,
    coaps: Vec<SocketAddr>,
    coap: Vec<SocketAddr>,
}

impl Bootstrap {
    /// Takes the ports.
    ///
    /// # Errors
    /// One is in use or not ours.
    pub fn bind(config: &config::Bootstrap) -> Result<Self, BootstrapError> {
        let secured = config.coaps_bind.len();
        let addresses = [config.coaps_bind.as_slice(), config.coap_bind.as_slice()].concat();
        let sockets = match &addresses[..] {
            [] => Vec::new(),
            addresses => net::bind(addresses, NonZeroU8::MIN, SocketOptions::default())?.swap_remove(0),
        };
        let bound: Vec<SocketAddr> = sockets.iter().map(BatchSocket::address).collect();
        let (coaps, coap) = bound.split_at(secured);
        Ok(Self { coaps: coaps.to_vec(), coap: coap.to_vec(), sockets })
    }

    /// Where devices come over DTLS.
    pub fn coaps(&self) -> &[SocketAddr] {
        &self.coaps
    }

    /// Where devices come without encryption.
    pub fn coap(&self) -> &[SocketAddr] {
        &self.coap
    }

    /// Serves devices, unless it is off.
    ///
    /// # Errors
    /// The thread does not start, or what was interrupted cannot be noted.
    pub async fn start(self, app: App) -> Result<Running, BootstrapError> {
        app.end_interrupted_bootstraps().await?;
        if self.sockets.is_empty() {
            return Ok(Running(None));
        }
        let (told, heard) = mpsc::channel(TOLD);
        let (commands, taken) = mpsc::channel(COMMANDS);
        let (stop, mut stopped) = watch::channel(false);
        let admissions = Arc::new(Admissions::new(app.directory(), told.clone()));
        let server =
            lwm2m::bootstrap::Server::new(lwm2m::bootstrap::Config::default(), admissions.clone(), random()?);
        let secured = std::iter::repeat_n(SocketKind::Secured, self.coaps.len());
        let kinds = secured.chain(std::iter::repeat_n(SocketKind::Open, self.coap.len())).collect();
        let seed: Seed = random()?;
        let stack = Stack::new(Station::new(server), kinds, dtls::Config::default(), admissions, seed);
        let stopping = async move {
            // An error means that whoever stops the server is gone.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let tell = move |event| desk::tell(&told, event);
        let clock = Clock::start();
        let thread = net::spawn("bootstrap", stack, self.sockets, clock, taken, tell, stopping)?;
        let desk = tokio::spawn(Desk::new(app, commands).run(heard));
        Ok(Running(Some(Parts { stop, thread, desk })))
    }
}

/// The bootstrap server at work, if it is on.
#[derive(Debug)]
pub struct Running(Option<Parts>);

#[derive(Debug)]
struct Parts {
    stop: watch::Sender<bool>,
    thread: JoinHandle<Result<Stack<Station>, DriveError>>,
    desk: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Stops the thread, then stores what it told last.
    pub async fn stop(self) {
        let Some(Parts { stop, thread, desk }) = self.0 else { return };
        stop.send_replace(true);
        let joined = tokio::task::spawn_blocking(move || match thread.join() {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the bootstrap server had stopped");
            }
            Err(_) => tracing::error!("the bootstrap server had ended by a fault of its own"),
        });
        if joined.await.is_err() || desk.await.is_err() {
            tracing::error!("the bootstrap server did not stop in order");
        }
    }
}

//! Builds the shards and starts their threads.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use dtls::{
    ConnectionIds, CookieKeys, ResumableSession, ResumptionId, ResumptionTable, SessionCache, TicketKeys,
};
use lwm2m::server::Server;
use machine::Seed;
use net::{BatchSocket, Clock, Commanded, DriveError, SocketKind, Stack};
use tokio::sync::{mpsc, watch};

use super::SouthboundError;
use super::admission::Admissions;
use super::messages::{Command, Report};
use super::reporter::Reporter;
use super::shard::Shard;
use super::station::Station;
use crate::app::App;
use crate::secrets::random;

/// Commands that wait for a shard; a command is one step of an upgrade or an operation, or a device that was
/// removed or is to be saved.
const COMMANDS: usize = 16_384;

/// The thread of a shard.
pub type Thread = JoinHandle<Result<Station, DriveError>>;

/// What all shards share.
pub struct Starter<'a> {
    app: &'a App,
    kinds: Vec<SocketKind>,
    reporter: Reporter,
    stopped: watch::Receiver<bool>,
    clock: Clock,
    secrets: Secrets,
}

/// By which a device may go on at any shard.
struct Secrets {
    cookies: CookieKeys,
    tickets: TicketKeys,
    resumptions: Resumptions,
}

/// Sessions to be resumed by their id. Locked for a look-up at each handshake.
#[derive(Clone)]
struct Resumptions(Arc<Mutex<ResumptionTable>>);

impl Resumptions {
    // A panic elsewhere leaves at worst a session that cannot be resumed.
    fn table(&self) -> MutexGuard<'_, ResumptionTable> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionCache for Resumptions {
    fn insert(&mut self, id: ResumptionId, session: ResumableSession) {
        self.table().insert(id, session);
    }

    fn find(&self, id: &ResumptionId) -> Option<ResumableSession> {
        self.table().find(id)
    }

    fn remove(&mut self, id: &ResumptionId) {
        self.table().remove(id);
    }
}

impl<'a> Starter<'a> {
    pub fn new(
        app: &'a App,
        (coaps, coap): (&[SocketAddr], &[SocketAddr]),
        reporter: Reporter,
        stopped: watch::Receiver<bool>,
    ) -> Result<Self, SouthboundError> {
        let clock = Clock::start();
        let started = Duration::from_micros(app.now().0.try_into().unwrap_or_default());
        let capacity = dtls::Config::default().max_resumable_sessions;
        let secrets = Secrets {
            cookies: CookieKeys::new(random()?),
            // The same in every life, so that a device may come back with its ticket.
            tickets: TicketKeys::new(app.secret(b"updraft dtls tickets 1"), started),
            resumptions: Resumptions(Arc::new(Mutex::new(ResumptionTable::new(capacity, random()?)))),
        };
        let secured = std::iter::repeat_n(SocketKind::Secured, coaps.len());
        let kinds = secured.chain(std::iter::repeat_n(SocketKind::Open, coap.len())).collect();
        Ok(Self { app, kinds, reporter, stopped, clock, secrets })
    }

    /// The shards, each with what it has to take up: before the first datagram, so that a device that comes
    /// at once finds its registration and its upgrade.
    pub fn build(&self, commands: Vec<Vec<Command>>) -> Result<Vec<Station>, SouthboundError> {
        let now = self.clock.now();
        let mut stations = Vec::with_capacity(commands.len());
        for (number, _) in (0..).zip(&commands) {
            stations.push(self.station(number)?);
        }
        std::thread::scope(|scope| {
            for (station, commands) in stations.iter_mut().zip(commands) {
                scope.spawn(move || {
                    commands.into_iter().for_each(|command| station.handle_command(command, now));
                });
            }
        });
        Ok(stations)
    }

    fn station(&self, number: u8) -> Result<Station, SouthboundError> {
        let admissions = Arc::new(Admissions::new(self.app.directory(), self.reporter.of(number)));
        let config = lwm2m::server::Config {
            public_uris: self.app.pull_bases(),
            awake: self.app.awake(),
            shard: number,
            model: self.app.model(),
            ..lwm2m::server::Config::default()
        };
        let shard = Shard::new(Server::new(config, admissions.clone(), random()?));
        let dtls = dtls::Config {
            connection_id: Some(ConnectionIds { shard: number, node: 0 }),
            ..dtls::Config::default()
        };
        let seed: Seed = random()?;
        let mut stack = Stack::new(shard, self.kinds.clone(), dtls, admissions, seed);
        for endpoint in stack.endpoints_mut() {
            endpoint.set_cookie_keys(self.secrets.cookies.clone());
            endpoint.set_ticket_keys(self.secrets.tickets.clone());
            endpoint.set_session_cache(Box::new(self.secrets.resumptions.clone()));
        }
        Ok(Station::new(stack))
    }

    /// Starts the thread of a shard.
    pub fn start(
        &self,
        number: u8,
        station: Station,
        sockets: Vec<BatchSocket>,
    ) -> Result<(mpsc::Sender<Command>, Thread), SouthboundError> {
        let (sender, received) = mpsc::channel(COMMANDS);
        let mut reporter = self.reporter.of(number);
        let mut stopped = self.stopped.clone();
        let stop = async move {
            // An error means that whoever stops the shards is gone.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let name = format!("shard-{number}");
        let report = move |report: Report| reporter.report(report);
        let thread = net::spawn(&name, station, sockets, self.clock, received, report, stop)?;
        Ok((sender, thread))
    }
}

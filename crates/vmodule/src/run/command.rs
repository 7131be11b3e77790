//! Sets a module up, drives it, and says how it ended.

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::num::NonZeroU8;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use firmware::{Banks, BootLoader, Flash as _};
use lwm2m::client::{
    self, Access, Accounts, BootstrapAccount, ComponentSettings, Deferral, DownloadRoute, PackageUri,
    QueueMode, Scheme, ServerAccount, Version,
};
use machine::{Path, Random, Seed, Socket};
use net::{BatchSocket, Clock, NoKeys, SocketKind, SocketOptions, Stack};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::RunArguments;
use super::accounts_file::AccountsFile;
use super::arguments::{Component, Sleep};
use super::fetch::Fetcher;
use super::key::{self, KeyError};
use super::report::Reporter;
use super::suites;
use crate::flash::{FileFlash, FlashOptions, POWER_LOST_EXIT_CODE};
use crate::{Command, Event, Lossy, Module, Radio, RadioSleep, Settings};

/// Why a module could not be run.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The server's URI means nothing.
    #[error("{0:?} is no server; give coap://HOST[:PORT] or coaps://HOST[:PORT]")]
    Server(String),
    /// The server's name cannot be resolved.
    #[error("the server {host:?} has no address; check the name, or give an address")]
    NoAddress {
        /// The name.
        host: String,
    },
    /// There is no usable key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The flash holds the firmware of another kind of module.
    #[error(
        "the flash holds firmware for model {found}, a {kind} is a {expected}; give the flash file of \
             such a module, or another --kind"
    )]
    WrongKind {
        /// What is to be played.
        kind: crate::Kind,
        /// Its model.
        expected: firmware::Model,
        /// The model in the flash.
        found: firmware::Model,
    },
    /// The system gives no random bytes.
    #[error("cannot read random bytes from /dev/urandom")]
    Randomness(#[source] std::io::Error),
    /// Signals or the runtime do not work.
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// By a signal, after deregistering.
    Stopped,
    /// The power was cut and does not come back by itself.
    PowerLost,
    /// No image can run.
    NothingBootable,
    /// Too many vain attempts to register.
    GivenUp,
}

impl Ending {
    /// The exit code of the process.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Stopped => ExitCode::SUCCESS,
            Self::PowerLost => ExitCode::from(POWER_LOST_EXIT_CODE),
            Self::NothingBootable => ExitCode::from(4),
            Self::GivenUp => ExitCode::from(5),
        }
    }
}

/// How long a module may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(5);
/// One peer: no need for the buffers of a server.
const SOCKET_BUFFER: usize = 256 << 10;
/// The sockets in the order in which the stack has them: two for DTLS, so that a download can have a session
/// of its own, and a plain one.
const SOCKETS: [SocketKind; 3] = [SocketKind::Secured, SocketKind::Secured, SocketKind::Open];
const OPEN_SOCKET: Socket = Socket(2);

impl RunArguments {
    /// Runs the module until it ends.
    ///
    /// # Errors
    /// What is wrong with the arguments, the files or the network, with the remedy.
    pub fn run(&self) -> anyhow::Result<Ending> {
        let settings = self.settings()?;
        let remote = self.first_remote(&settings);
        let flash = self.open_flash(&settings)?;
        let mut random = self.random()?;
        let clock = Clock::start();
        let parts = self.component.iter().map(|part| FileFlash::open(&part.flash, FlashOptions::default()));
        let parts = parts.collect::<Result<_, _>>()?;
        let module = Module::with_components(settings, flash, parts, random.seed(), clock.now())?;
        let profile = self.profile.unwrap_or_else(|| self.kind.profile());
        let dtls = dtls::Config { suites: suites::offered(profile), ..dtls::Config::default() };
        let stack = Stack::new(module, SOCKETS.to_vec(), dtls, Arc::new(NoKeys), random.seed());
        let machine = Radio::new(Lossy::new(stack, self.loss, random), self.radio_sleep());
        let sockets = self.sockets(remote)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Runtime)?;
        runtime.block_on(self.drive(machine, sockets, clock))
    }

    async fn drive(
        &self,
        machine: Radio<Lossy<Stack<Module<FileFlash>>>>,
        sockets: Vec<BatchSocket>,
        clock: Clock,
    ) -> anyhow::Result<Ending> {
        let (commands, taken) = mpsc::channel(4);
        let (end, mut ended) = watch::channel(None);
        let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Runtime)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Runtime)?;
        let mut reporter = Reporter::new(std::io::stdout(), self.json);
        let port = sockets.first().map_or(0, |socket| socket.address().port());
        let from = format!("{} {} starts, calling {} from port {port}", self.kind, self.imei, self.callees());
        reporter.note("started", from, clock.now());
        let mut watcher = Watcher::new(self);
        let accounts = AccountsFile::beside(&self.flash);
        let resolved = commands.clone();
        let mut fetcher = Fetcher::new(self.trust.as_deref(), self.speed, commands.clone())?;
        let on_event = move |event: Event| {
            reporter.event(&event, clock.now());
            match &event {
                Event::Client(client::Event::AddressWanted { host }) => {
                    resolve(host.clone(), resolved.clone())
                }
                Event::Client(event) => fetcher.handle(event),
                Event::Saved(saved) => {
                    if let Err(error) = accounts.store(saved) {
                        let path = accounts.path().display();
                        reporter.note("not-saved", format!("cannot write {path}: {error}"), clock.now());
                    }
                }
                Event::PowerLost | Event::Rebooting(_) => fetcher.stop(),
                _ => {}
            }
            if let Some(ending) = watcher.ending(&event) {
                end.send_replace(Some(ending));
            }
        };
        let mut told = ended.clone();
        let shutdown = async move {
            tokio::select! {
                _ = told.wait_for(Option::is_some) => return,
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            let _ = commands.send(Command::ShutDown).await;
            let _ = tokio::time::timeout(FAREWELL, told.wait_for(Option::is_some)).await;
        };
        net::drive(machine, sockets, clock, taken, on_event, shutdown).await?;
        let ending = *ended.borrow_and_update();
        Ok(ending.unwrap_or(Ending::Stopped))
    }

    /// Whom the module calls, for people.
    fn callees(&self) -> String {
        let callees: Vec<_> = self.server.iter().chain(&self.bootstrap).map(String::as_str).collect();
        callees.join(", ")
    }

    /// How to reach the server at this URI.
    fn access(&self, server: &str) -> anyhow::Result<Access> {
        let uri = PackageUri::parse(server).ok();
        let uri = uri.filter(|uri| matches!(uri.scheme, Scheme::Coap | Scheme::Coaps));
        let uri = uri.ok_or_else(|| RunError::Server(server.into()))?;
        let found = (uri.host.as_str(), uri.port).to_socket_addrs().ok();
        let remote = found.and_then(|mut found| found.next());
        let remote = remote.ok_or(RunError::NoAddress { host: uri.host })?;
        if uri.scheme == Scheme::Coap {
            return Ok(Access::Open(Path { socket: OPEN_SOCKET, remote }));
        }
        let name = self.kind.endpoint_name(&self.imei);
        let identity = self.identity.as_deref().unwrap_or(&name);
        let credential = key::credential(identity, self.key_file.as_ref(), self.key_hex.as_deref())?;
        Ok(Access::Secured { remote, credential })
    }

    fn accounts(&self) -> anyhow::Result<Accounts> {
        let servers = self.server.iter().zip(1..).map(|(server, short_server_id)| {
            let access = self.access(server)?;
            Ok(ServerAccount { access, short_server_id, lifetime: self.lifetime })
        });
        let servers = servers.collect::<anyhow::Result<_>>()?;
        let bootstrap = match &self.bootstrap {
            None => None,
            Some(server) => {
                let hold_off = Duration::from_secs(self.hold_off);
                Some(BootstrapAccount { hold_off, ..BootstrapAccount::new(self.access(server)?) })
            }
        };
        Ok(Accounts { bootstrap, servers })
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        let mut client = self.kind.configure(&self.imei, self.accounts()?);
        client.open_socket = OPEN_SOCKET;
        if let Some(profile) = self.profile {
            profile.imitate(&mut client, OPEN_SOCKET);
        }
        let saved = AccountsFile::beside(&self.flash);
        client.saved = saved.load().with_context(|| format!("cannot read {}", saved.path().display()))?;
        client.unix_time = unix_time();
        let part = |part: &Component| ComponentSettings { name: part.name.clone(), linked: Vec::new() };
        client.components = self.component.iter().map(part).collect();
        client.optional_objects.extend(&self.object);
        client.queue_mode = self.queue_mode();
        client.firmware.bytes_per_second = self.speed;
        client.firmware.schemes.clone_from(&self.protocols);
        client.firmware.deferral =
            self.put_off.map(|seconds| Deferral { puts_off: Duration::from_secs(seconds) });
        hurry(&mut client, self.ack_timeout);
        if self.lwm2m_1_1 {
            client.version = Version::V1_1;
        }
        if self.separate_download {
            client.firmware.route = DownloadRoute::Separate(OPEN_SOCKET);
        }
        let mut settings = Settings::new(client, self.kind.model()?);
        settings.sends = self.send.clone();
        settings.farewell = Duration::from_secs(1);
        settings.boot_time = Duration::from_secs(self.boot_time);
        settings.install_time = Duration::from_secs(self.boot_time.saturating_mul(2));
        settings.power_returns = self.restart.map(Duration::from_secs);
        Ok(settings)
    }

    fn queue_mode(&self) -> Option<QueueMode> {
        let wakes_every = match self.sleep {
            Some(Sleep::Psm(time)) => Some(time),
            _ => None,
        };
        let awake = Duration::from_secs(self.awake);
        let wanted = self.queue_mode || self.sleep.is_some();
        wanted.then_some(QueueMode { awake, wakes_every, new_session: self.reconnect })
    }

    fn radio_sleep(&self) -> RadioSleep {
        match self.sleep {
            None => RadioSleep::Never,
            Some(Sleep::Psm(_)) => RadioSleep::Psm,
            Some(Sleep::Edrx(cycle)) => RadioSleep::Edrx { cycle },
        }
    }

    /// The address that is called first, which decides the kind of the sockets.
    fn first_remote(&self, settings: &Settings) -> SocketAddr {
        let accounts = &settings.client.accounts;
        let server = accounts.servers.iter().map(|account| &account.access);
        let mut all = server.chain(accounts.bootstrap.iter().map(|account| &account.access));
        match all.next() {
            Some(Access::Open(path)) => path.remote,
            Some(Access::Secured { remote, .. }) => *remote,
            None => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        }
    }

    fn open_flash(&self, settings: &Settings) -> anyhow::Result<FileFlash> {
        let mut flash = FileFlash::open(&self.flash, self.power.options())?;
        let loader = BootLoader::new(Banks::new(flash.geometry())?);
        // The factory fills bank A; while an update is written there, bank B proves nothing better.
        if let Some(header) = loader.inspect(&mut flash, firmware::Bank::A)?
            && header.model != settings.model
        {
            let (kind, expected, found) = (self.kind, settings.model, header.model);
            return Err(RunError::WrongKind { kind, expected, found }.into());
        }
        Ok(flash)
    }

    fn random(&self) -> Result<Random, RunError> {
        if let Some(seed) = self.seed {
            return Ok(Random::from_number(seed));
        }
        let mut seed = Seed::default();
        let source = std::fs::File::open("/dev/urandom");
        source.and_then(|mut source| source.read_exact(&mut seed)).map_err(RunError::Randomness)?;
        Ok(Random::new(seed))
    }

    fn sockets(&self, remote: SocketAddr) -> Result<Vec<BatchSocket>, net::BindError> {
        let any = match remote {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let first = self.bind.unwrap_or(SocketAddr::new(any, 0));
        // Only one socket can have the port that was asked for: the one that registers.
        let free = SocketAddr::new(first.ip(), 0);
        let called = self.server.iter().chain(&self.bootstrap).next();
        let addresses = match called.map(|uri| PackageUri::parse(uri).map(|uri| uri.scheme)) {
            Some(Ok(Scheme::Coap)) => [free, free, first],
            _ => [first, free, free],
        };
        let options = SocketOptions { receive_buffer: SOCKET_BUFFER, send_buffer: SOCKET_BUFFER };
        let mut shards = net::bind(&addresses, NonZeroU8::MIN, options)?;
        Ok(shards.pop().unwrap_or_default())
    }
}

/// Looks up a host's address without holding up the module.
fn resolve(host: String, commands: mpsc::Sender<Command>) {
    tokio::task::spawn_blocking(move || {
        let found = (host.as_str(), 0).to_socket_addrs().ok().and_then(|mut found| found.next());
        // Nobody listens any more once the module has ended.
        let _ = commands.blocking_send(Command::AddressFound(host, found.map(|address| address.ip())));
    });
}

/// What the module's clock shows at its start, in seconds since 1970.
fn unix_time() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the module's own clock, set once")]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}

/// RFC 7252 section 4.8.2 derives the times to give up from ACK_TIMEOUT; so do we. A block is never repeated
/// for longer than usual, since the server has forgotten its message id by then.
fn hurry(client: &mut client::Config, ack_timeout: Duration) {
    let coap = &mut client.coap;
    let factor = ack_timeout.as_secs_f64() / coap.ack_timeout.as_secs_f64();
    coap.ack_timeout = ack_timeout;
    coap.block_patience = coap.block_patience.mul_f64(factor.min(1.0));
    coap.longest_block_wait = coap.longest_block_wait.mul_f64(factor);
    client.bootstrap_patience = client.bootstrap_patience.mul_f64(factor);
}

/// Decides from the events whether the run is over.
struct Watcher {
    power_returns: bool,
    give_up_after: Option<u32>,
    vain: u32,
}

impl Watcher {
    fn new(arguments: &RunArguments) -> Self {
        let power_returns = arguments.restart.is_some();
        Self { power_returns, give_up_after: arguments.give_up_after, vain: 0 }
    }

    fn ending(&mut self, event: &Event) -> Option<Ending> {
        match event {
            Event::PowerLost if !self.power_returns => Some(Ending::PowerLost),
            Event::BootFailed(_) => Some(Ending::NothingBootable),
            Event::Stopped => Some(Ending::Stopped),
            Event::Client(client::Event::Registered { .. }) => {
                self.vain = 0;
                None
            }
            Event::Client(
                client::Event::RegistrationRefused { .. }
                | client::Event::BootstrapRefused { .. }
                | client::Event::BootstrapSilent { .. }
                | client::Event::ServerSilent { .. }
                | client::Event::SessionFailed { .. },
            ) => {
                self.vain += 1;
                (Some(self.vain) == self.give_up_after).then_some(Ending::GivenUp)
            }
            _ => None,
        }
    }
}

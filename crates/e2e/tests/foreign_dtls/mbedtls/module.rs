//! A virtual module whose DTLS is mbedTLS, and a management server on a real socket.

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use firmware::upgrade::{Delivery, Outcome};
use firmware::{Banks, BootLoader, ByteCount, EmulatedFlash, Flash};
use lwm2m::client::{Access, ServerAccount};
use lwm2m::server::upgrade::{Package, UpgradeEvent, UpgradeId, UpgradePlan};
use lwm2m::server::{Admission, Config, Directory, Event, Server};
use machine::{
    Credential, Instant, Link, Machine, OpenRequest, Path, Random, SessionCommand, SessionEnd, SessionEvent,
    SessionId, SessionMachine, Socket,
};
use net::{KeySource, SocketKind, Stack};
use vmodule::image::Identity;
use vmodule::{Kind, Module, Settings};
use zeroize::Zeroizing;

use super::client::{Client, Release};
use crate::station::{IDENTITY, KEY};

pub const OLD: &str = "5.4.1.1-57857";
pub const NEW: &str = "5.4.1.1-60000";
const SUITE: &str = "TLS-PSK-WITH-AES-128-CCM-8";
const PAYLOAD: usize = 200_000;
/// For all of it, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// Both sides, driven by one loop.
pub struct Field {
    server: Stack<Server>,
    socket: UdpSocket,
    module: Module,
    /// The client on mbedTLS, built.
    program: PathBuf,
    /// The session of the module, if one is up or coming up.
    session: Option<Tunnel>,
    sessions: u64,
    started: Clock,
    /// How many sessions came up.
    pub handshakes: u32,
    /// What the server told of the upgrade.
    pub outcome: Option<Outcome>,
}

/// mbedTLS in a process of its own.
struct Tunnel {
    client: Client,
    link: Link,
    request: OpenRequest,
    /// How much of what it said was understood already.
    heard: usize,
}

impl Field {
    /// A module that is about to register, and a server that wants to upgrade it by PULL.
    pub fn new(release: Release, dtls: dtls::Config) -> Self {
        let program = release.build();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let address = socket.local_addr().unwrap();
        let config = Config { public_uris: vec![format!("coaps://{address}")], ..Config::default() };
        let mut server = Server::new(config, Arc::new(OneDevice), [3; 32]);
        let plan = UpgradePlan::new(package(), Delivery::Pull);
        server.start_upgrade(UpgradeId(1), IDENTITY, plan, None, Instant::ZERO).unwrap();
        let sockets = vec![SocketKind::Secured];
        Self {
            server: Stack::new(server, sockets, dtls, Arc::new(OneDevice), [4; 32]),
            socket,
            module: module(address),
            program,
            session: None,
            sessions: 0,
            started: clock(),
            handshakes: 0,
            outcome: None,
        }
    }

    /// Runs until the upgrade has ended. `at_percent` is told the progress of the download.
    pub fn run(&mut self, mut at_percent: impl FnMut(&mut Self, u64)) {
        while self.outcome.is_none() {
            assert!(self.started.elapsed() < PATIENCE, "no end; the module's DTLS said: {}", self.said());
            self.turn_of_server(&mut at_percent);
            self.turn_of_module();
        }
    }

    /// The version that the module runs.
    pub fn version(&self) -> Option<String> {
        self.module.version()
    }

    /// The module gets another port, as from a NAT that has forgotten it.
    pub fn rebind(&mut self) {
        self.session.as_mut().unwrap().client.say("rebind");
    }

    fn turn_of_server(&mut self, at_percent: &mut impl FnMut(&mut Self, u64)) {
        let mut buffer = [0; 2_048];
        if let Ok((length, remote)) = self.socket.recv_from(&mut buffer) {
            let now = self.now();
            self.server.handle_input(Path { socket: Socket(0), remote }, &buffer[..length], now);
        }
        let now = self.now();
        self.server.handle_timeout(now);
        while let Some(event) = self.server.poll_event() {
            let Event::Upgrade { id, event, .. } = event else { continue };
            match event {
                UpgradeEvent::IntentWanted { .. } => self.server.inner_mut().intent_durable(id, now),
                UpgradeEvent::Progress { bytes, total } => at_percent(self, bytes * 100 / total),
                UpgradeEvent::Finished { outcome, .. } => self.outcome = Some(outcome),
                _ => {}
            }
        }
        while let Some((to, length)) = self.server.poll_transmit(&mut buffer) {
            self.socket.send_to(&buffer[..length], to.remote).unwrap();
        }
    }

    fn turn_of_module(&mut self) {
        let now = self.now();
        self.module.handle_timeout(now);
        while self.module.poll_event().is_some() {}
        while let Some(command) = self.module.poll_session() {
            match command {
                SessionCommand::Open { request, remote, .. } => self.open(request, remote),
                SessionCommand::Close(link) => {
                    self.session.take_if(|tunnel| tunnel.link == link);
                }
            }
        }
        self.hear(now);
        let mut buffer = [0; 2_048];
        while let Some((link, length)) = self.module.poll_transmit(&mut buffer) {
            let hex: String = buffer[..length].iter().map(|byte| format!("{byte:02x}")).collect();
            if let Some(tunnel) = self.session.as_mut().filter(|tunnel| tunnel.link == link) {
                tunnel.client.say(&format!("send {hex}"));
            }
        }
    }

    fn open(&mut self, request: OpenRequest, remote: SocketAddr) {
        self.sessions += 1;
        let client = Client::start(&self.program, remote.port(), SUITE, &["cid"]);
        let link = Link::Secured(SessionId(self.sessions));
        self.session = Some(Tunnel { client, link, request, heard: 0 });
    }

    /// Takes the lines that mbedTLS has said since.
    fn hear(&mut self, now: Instant) {
        let Some(tunnel) = &mut self.session else { return };
        let output = tunnel.client.program.output();
        let Some(end) = output.rfind('\n').map(|end| end + 1).filter(|end| *end > tunnel.heard) else {
            return;
        };
        let (link, request) = (tunnel.link, tunnel.request);
        let lines = output[std::mem::replace(&mut tunnel.heard, end)..end].lines();
        for line in lines {
            if let Some(hex) = line.strip_prefix("received ") {
                self.module.handle_input(link, &bytes(hex), now);
            } else if line.starts_with("up ") {
                self.handshakes += 1;
                let remote = self.socket.local_addr().unwrap();
                let up = SessionEvent::Up {
                    link,
                    identity: IDENTITY.as_bytes(),
                    remote,
                    request: Some(request),
                    resumed: false,
                };
                self.module.handle_session(up, now);
            } else {
                let down = SessionEvent::Down { link, end: SessionEnd::ClosedByPeer };
                self.module.handle_session(down, now);
            }
        }
    }

    fn said(&self) -> String {
        self.session.as_ref().map_or_else(String::new, |tunnel| tunnel.client.program.output())
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.started.elapsed().as_micros() as u64)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one clock of this shell")]
fn clock() -> Clock {
    Clock::now()
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

struct OneDevice;

impl Directory for OneDevice {
    fn admit(&self, identity: Option<&[u8]>, _: Option<&str>) -> Admission {
        assert_eq!(identity, Some(IDENTITY.as_bytes()));
        Admission::Accept { endpoint: IDENTITY.into() }
    }
}

impl KeySource for OneDevice {
    fn key(&self, identity: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        (identity == IDENTITY.as_bytes()).then(|| Zeroizing::new(KEY.into()))
    }
}

fn module(server: SocketAddr) -> Module {
    let credential = Credential { identity: IDENTITY.into(), key: KEY.into() };
    let access = Access::Secured { remote: server, credential };
    let account = ServerAccount { access, short_server_id: 1, lifetime: 300 };
    let imei = IDENTITY.trim_start_matches("urn:imei:").parse().unwrap();
    let client = Kind::Ryz014.configure(&imei, account);
    let mut settings = Settings::new(client, Kind::Ryz014.model().unwrap());
    settings.farewell = Duration::from_millis(100);
    settings.install_time = Duration::from_millis(100);
    let geometry = Banks::geometry_for(ByteCount(2 * PAYLOAD as u32), 4_096, 8).unwrap();
    let mut flash = EmulatedFlash::new(geometry);
    let loader = BootLoader::new(Banks::new(flash.geometry()).unwrap());
    loader.provision(&mut flash, &image(OLD)).unwrap();
    Module::new(settings, flash, [5; 32], Instant::ZERO).unwrap()
}

fn package() -> Package {
    Package {
        name: format!("GM01Q {NEW}"),
        bytes: image(NEW).into(),
        model: Some("GM01Q".into()),
        version: Some(NEW.into()),
        source_version: None,
    }
}

fn image(version: &str) -> Vec<u8> {
    let mut payload = vec![0; PAYLOAD];
    Random::from_number(7).fill(&mut payload);
    let model = Kind::Ryz014.model().unwrap();
    vmodule::image::build(&Identity { model, version: version.parse().unwrap(), source: None }, &payload)
}

//! One server and one device over a network that loses a fifth of everything, without DTLS.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use firmware::upgrade::{Delivery, Outcome};
use lwm2m::client::quirks::Profile;
use lwm2m::client::{
    self, Access, Client, FirmwareStore, Kept, PackageName, QueueMode, Radio, Recovered, ServerAccount,
    Source, StoreError,
};
use lwm2m::server::upgrade::{Package, UpgradeEvent, UpgradeId, UpgradePlan};
use lwm2m::server::{
    Admission, Config, Directory, Event, Operation, OperationError, OperationId, OperationOutput, Server,
};
use lwm2m::value::Value;
use machine::simulation::{Either, Network, NodeId, Quality, World};
use machine::{Instant, Link, Machine, OpenRequest, Path, Random, SessionMachine, Socket};

pub const OLD: &str = "1.0";
pub const NEW: &str = "2.0";
const NAME: &str = "device-1";
/// More than ten blocks of the largest size.
const IMAGE_BYTES: usize = 12_000;
/// The part of all datagrams that is lost, each way.
const LOSS: f64 = 0.2;

/// Everybody may register.
struct Everybody;

impl Directory for Everybody {
    fn admit(&self, _: Option<&[u8]>, endpoint: Option<&str>) -> Admission {
        Admission::Accept { endpoint: endpoint.unwrap_or(NAME).into() }
    }
}

fn image() -> Vec<u8> {
    let mut bytes = vec![0; IMAGE_BYTES];
    Random::from_number(5).fill(&mut bytes);
    bytes
}

/// A package in memory; a reboot makes a whole one the firmware that runs.
#[derive(Default)]
struct Memory {
    bytes: Vec<u8>,
    complete: bool,
    active: bool,
    /// Set by the reboot.
    installed: bool,
}

impl FirmwareStore for Memory {
    fn running_version(&self) -> String {
        if self.installed { NEW.into() } else { OLD.into() }
    }

    fn recover(&mut self) -> Recovered {
        if self.installed { Recovered::Installed } else { Recovered::Nothing }
    }

    fn begin(&mut self, _: Source<'_>) -> Result<Kept, StoreError> {
        self.bytes.clear();
        self.complete = false;
        Ok(Kept::default())
    }

    fn restart(&mut self) -> Result<(), StoreError> {
        self.bytes.clear();
        Ok(())
    }

    fn identify(&mut self, _: Option<&[u8]>, _: Option<u64>) -> Result<(), StoreError> {
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        assert_eq!(offset, self.bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        self.complete = self.bytes == image();
        if self.complete { Ok(()) } else { Err(StoreError::Damaged) }
    }

    fn package(&self) -> Option<PackageName> {
        None
    }

    fn activate(&mut self) -> Result<(), StoreError> {
        self.active = self.complete;
        Ok(())
    }

    fn discard(&mut self) -> Result<(), StoreError> {
        self.bytes.clear();
        Ok(())
    }
}

/// A client that its owner restarts when it wants to.
struct Device {
    config: client::Config,
    client: Option<Client<Memory>>,
    restart: Option<Instant>,
    /// It has restarted, and nobody was told.
    restarted: bool,
    random: Random,
}

impl Device {
    fn new(config: client::Config, seed: u64, now: Instant) -> Self {
        let mut random = Random::from_number(seed);
        let client = Client::new(config.clone(), Memory::default(), random.seed(), OpenRequest(0), now);
        Self { config, client: Some(client), restart: None, restarted: false, random }
    }

    fn client(&self) -> &Client<Memory> {
        self.client.as_ref().unwrap()
    }

    fn client_mut(&mut self) -> &mut Client<Memory> {
        self.client.as_mut().unwrap()
    }

    /// The answers to what led here are out by then.
    const FAREWELL: Duration = Duration::from_secs(2);

    fn follow(&mut self, now: Instant) {
        while let Some(event) = self.client_mut().poll_event() {
            match event {
                client::Event::RebootWanted(_) => self.restart = Some(now + Self::FAREWELL),
                client::Event::SaveWanted => self.config.saved = Some(self.client().save()),
                _ => {}
            }
        }
        if self.restart.take_if(|at| *at <= now).is_some() {
            let mut store = self.client.take().unwrap().into_store();
            store.installed = store.active;
            let (config, seed) = (self.config.clone(), self.random.seed());
            self.client = Some(Client::new(config, store, seed, OpenRequest(1_000), now));
            self.restarted = true;
        }
    }
}

impl Machine for Device {
    type Peer = Path;
    type Event = ();

    fn handle_input(&mut self, from: Path, bytes: &[u8], now: Instant) {
        self.client_mut().handle_input(Link::Open(from), bytes, now);
        self.follow(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.client_mut().handle_timeout(now);
        self.follow(now);
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Path, usize)> {
        open(self.client_mut().poll_transmit(buffer))
    }

    /// It has restarted.
    fn poll_event(&mut self) -> Option<()> {
        core::mem::take(&mut self.restarted).then_some(())
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let restart = self.restart.map(|at| (at, "restart"));
        restart.into_iter().chain(self.client().poll_timeout()).min_by_key(|(at, _)| *at)
    }
}

/// The server without DTLS.
struct Plain(Server);

impl Machine for Plain {
    type Peer = Path;
    type Event = Event;

    fn handle_input(&mut self, from: Path, bytes: &[u8], now: Instant) {
        self.0.handle_input(Link::Open(from), bytes, now);
        assert!(self.0.poll_session().is_none());
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Path, usize)> {
        open(self.0.poll_transmit(buffer))
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.0.poll_event()
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.0.poll_timeout()
    }
}

fn open(sent: Option<(Link, usize)>) -> Option<(Path, usize)> {
    match sent? {
        (Link::Open(path), length) => Some((path, length)),
        (Link::Secured(_), _) => panic!("there is no DTLS here"),
    }
}

pub struct Site {
    world: World<Either<Device, Plain>>,
    device: NodeId,
    server: NodeId,
    events: VecDeque<Event>,
    log: Vec<String>,
}

impl Site {
    pub fn new(profile: Profile) -> Self {
        Self::with(LOSS, |config| profile.imitate(config, Socket(0)))
    }

    /// A device in queue mode that wakes this often.
    pub fn sleepy(wakes_every: Duration) -> Self {
        let awake = Duration::from_secs(20);
        let mode = QueueMode { awake, wakes_every: Some(wakes_every), new_session: false };
        Self::with(0.0, |config| config.queue_mode = Some(mode))
    }

    fn with(loss: f64, adjust: impl FnOnce(&mut client::Config)) -> Self {
        let mut world = World::new(Network::new(Quality { loss, ..Quality::PERFECT }), 3);
        let server = world.add(1, |random, _| {
            let config = Config {
                public_uris: vec!["coap://10.0.0.0:10000".into()],
                awake: Duration::from_secs(20),
                ..Config::default()
            };
            Either::Other(Box::new(Plain(Server::new(config, Arc::new(Everybody), random.seed()))))
        });
        let remote = world.address(server, Socket(0));
        assert_eq!(remote, "10.0.0.0:10000".parse().unwrap());
        let access = Access::Open(Path { socket: Socket(0), remote });
        let mut config =
            client::Config::new(NAME, ServerAccount { access, short_server_id: 1, lifetime: 3_600 });
        adjust(&mut config);
        let device = world.add(1, |_, now| Either::One(Box::new(Device::new(config, 8, now))));
        Self { world, device, server, events: VecDeque::new(), log: Vec::new() }
    }

    /// Lets so much time pass.
    pub fn pass(&mut self, time: Duration) {
        let until = self.world.now() + time;
        while self.step(until) {}
    }

    /// The next event of the server, if it comes before this moment.
    fn step(&mut self, until: Instant) -> bool {
        let Some((_, event)) = self.world.next_event(until) else { return false };
        match event {
            Either::Other(event) => {
                self.log.push(format!("{} {event:?}", self.world.now()));
                self.events.push_back(*event);
            }
            // A module that has restarted comes from another port.
            Either::One(_) => self.world.rebind(self.device),
        }
        true
    }

    /// Waits for an event that means something.
    fn wait<T>(&mut self, longest: Duration, mut wanted: impl FnMut(&Event) -> Option<T>) -> Option<T> {
        let until = self.world.now() + longest;
        loop {
            while let Some(event) = self.events.pop_front() {
                if let Some(found) = wanted(&event) {
                    return Some(found);
                }
            }
            if !self.step(until) {
                return None;
            }
        }
    }

    pub fn wait_until_registered(&mut self) {
        let registered = self
            .wait(Duration::from_secs(600), |event| matches!(event, Event::Registered { .. }).then_some(()));
        assert!(registered.is_some(), "{}", self.log());
    }

    fn command<T>(&mut self, command: impl FnOnce(&mut Server, Instant) -> T) -> T {
        self.world.with(self.server, |node, now| {
            let server = &mut node.other_mut().unwrap().0;
            let result = command(server, now);
            server.handle_timeout(now);
            result
        })
    }

    pub fn operate(&mut self, operation: Operation) -> Result<OperationOutput, OperationError> {
        let wanted: OperationId = self.command(|server, now| server.operate(NAME, operation, now));
        let result = self.wait(Duration::from_secs(600), |event| match event {
            Event::OperationDone { id, result, .. } if *id == wanted => Some(result.clone()),
            _ => None,
        });
        result.unwrap_or_else(|| panic!("no result\n{}", self.log()))
    }

    /// How an upgrade to [`NEW`] ends.
    pub fn upgrade(&mut self, delivery: Delivery) -> Option<Outcome> {
        let package = Package {
            name: "image".into(),
            bytes: image().into(),
            model: None,
            version: Some(NEW.into()),
            source_version: None,
        };
        let upgrade = UpgradeId(1);
        let plan = UpgradePlan::new(package, delivery);
        self.command(|server, now| server.start_upgrade(upgrade, NAME, plan, None, now).unwrap());
        let until = self.world.now() + Duration::from_secs(7_200);
        loop {
            match self.events.pop_front() {
                Some(Event::Upgrade { event: UpgradeEvent::IntentWanted { .. }, .. }) => {
                    self.command(|server, now| server.intent_durable(upgrade, now));
                }
                Some(Event::Upgrade { event: UpgradeEvent::Finished { outcome, .. }, .. }) => {
                    return Some(outcome);
                }
                Some(_) => {}
                None if self.step(until) => {}
                None => return None,
            }
        }
    }

    pub fn set_signal_strength(&mut self, signal_strength: i16) {
        let radio = Radio { signal_strength, ..Radio::default() };
        self.world.with(self.device, |node, now| {
            node.one_mut().unwrap().client_mut().set_radio(radio, now);
        });
    }

    /// Whether the server was told this value.
    pub fn was_notified(&mut self, path: &str, value: &Value) -> bool {
        let path = path.parse().unwrap();
        self.events.iter().any(|event| {
            matches!(event, Event::Notified { path: told, value: node, .. }
                if *told == path && node.value() == Some(value))
        })
    }

    pub fn is_asleep(&self) -> bool {
        self.world.node(self.device).one().unwrap().client().is_asleep()
    }

    /// The version that the device runs.
    pub fn version(&self) -> String {
        self.world.node(self.device).one().unwrap().client().store().running_version()
    }

    /// What the server has told, one line an event.
    pub fn log(&self) -> String {
        self.log.join("\n")
    }
}

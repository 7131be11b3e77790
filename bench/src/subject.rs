//! What is measured: the LwM2M server, without the product's database around it.

use std::sync::Arc;

use firmware::upgrade::Delivery;
use lwm2m::server::upgrade::{Package, UpgradeEvent, UpgradeId, UpgradePlan};
use lwm2m::server::{Admission, Config, Directory, Event, Server};
use machine::{Instant, Link, Machine, Seed, SessionCommand, SessionEvent, SessionMachine};
use net::Commanded;

use crate::device::DeviceNumber;

/// The server of one shard.
pub struct Subject {
    server: Server,
    image: Arc<[u8]>,
    upgrades: u64,
}

/// Sends the image to a device that is registered.
pub struct StartUpgrade {
    /// Which.
    pub device: DeviceNumber,
    /// Who moves the bytes.
    pub delivery: Delivery,
}

impl Subject {
    /// Serves `image` to whoever is upgraded; downloads go to `public_uri`, which devices that download on
    /// the session of their registration do not look at.
    pub fn new(image: Arc<[u8]>, public_uri: String, seed: Seed) -> Self {
        // Devices of a benchmark register as often as they can.
        let register_interval = std::time::Duration::ZERO;
        let config = Config { public_uris: vec![public_uri], register_interval, ..Config::default() };
        Self { server: Server::new(config, Arc::new(Everybody), seed), image, upgrades: 0 }
    }
}

/// Whether a device has got its whole image: the server asks whether it may order the installation.
pub fn is_delivered(event: &Event) -> bool {
    matches!(event, Event::Upgrade { event: UpgradeEvent::IntentWanted { .. }, .. })
}

/// The failure of an upgrade in words.
pub fn failure(event: &Event) -> Option<String> {
    match event {
        Event::Upgrade { event: UpgradeEvent::Finished { outcome, .. }, endpoint, .. } => {
            Some(format!("{endpoint}: {outcome:?}"))
        }
        _ => None,
    }
}

/// Admits whoever names itself; the product looks into a map here.
struct Everybody;

impl Directory for Everybody {
    fn admit(&self, _identity: Option<&[u8]>, endpoint: Option<&str>) -> Admission {
        Admission::Accept { endpoint: endpoint.unwrap_or("nameless").to_owned() }
    }
}

impl Machine for Subject {
    type Peer = Link;
    type Event = Event;

    fn handle_input(&mut self, from: Link, bytes: &[u8], now: Instant) {
        self.server.handle_input(from, bytes, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.server.handle_timeout(now);
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Link, usize)> {
        self.server.poll_transmit(buffer)
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.server.poll_event()
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.server.poll_timeout()
    }
}

impl SessionMachine for Subject {
    fn handle_session(&mut self, event: SessionEvent<'_>, now: Instant) {
        self.server.handle_session(event, now);
    }

    fn poll_session(&mut self) -> Option<SessionCommand> {
        self.server.poll_session()
    }
}

impl Commanded for Subject {
    type Command = StartUpgrade;

    fn handle_command(&mut self, command: StartUpgrade, now: Instant) {
        self.upgrades += 1;
        let package = Package {
            name: "bench".into(),
            bytes: Arc::clone(&self.image),
            model: None,
            version: None,
            source_version: None,
        };
        let plan = UpgradePlan::new(package, command.delivery);
        let (id, endpoint) = (UpgradeId(self.upgrades), command.device.name());
        if let Err(error) = self.server.start_upgrade(id, &endpoint, plan, None, now) {
            eprintln!("{endpoint}: {error}");
        }
    }
}

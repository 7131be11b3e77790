//! The server and many modules, with DTLS between them, over the virtual network.
#![expect(clippy::unwrap_used, reason = "helpers of a test fail as the test does")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use firmware::upgrade::{Delivery, Outcome};
use firmware::{Banks, BootLoader, ByteCount, EmulatedFlash, Flash};
use lwm2m::client::{Access, ServerAccount};
use lwm2m::server::upgrade::{Package, UpgradeEvent, UpgradeId, UpgradePlan};
use lwm2m::server::{Admission, Config, Directory, Event, Refusal, Server};
use machine::simulation::{Either, Network, NodeId, Quality, Traffic, World};
use machine::{Credential, Instant, Machine, Random, Socket};
use net::{KeySource, NoKeys, SocketKind, Stack};
use vmodule::image::Identity;
use vmodule::{Kind, Module, Settings};
use zeroize::Zeroizing;

pub const OLD: &str = "5.4.1.1-57857";
pub const NEW: &str = "5.4.1.1-60000";

/// Small enough for a thousand modules, large enough for more than ten blocks.
const PAYLOAD: usize = 12_000;

/// What a fleet is and goes through.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub devices: u32,
    pub quality: Quality,
    pub seed: u64,
    /// The longest that the whole may take, in virtual time.
    pub patience: Duration,
}

/// How it went.
#[derive(PartialEq, Eq, Debug)]
pub struct Course {
    pub outcomes: BTreeMap<UpgradeId, Outcome>,
    /// One line for each event of the server, with its time.
    pub log: Vec<String>,
    /// Differs as soon as one datagram does.
    pub trace: u64,
    pub traffic: Traffic,
    /// The version that each module runs in the end.
    pub versions: Vec<Option<String>>,
}

impl Course {
    /// The lines of the log that concern one upgrade's device.
    pub fn story(&self, id: UpgradeId) -> Vec<&String> {
        let endpoint = endpoint(id.0 as u32);
        self.log.iter().filter(|line| line.contains(&endpoint)).collect()
    }
}

/// Upgrades every module of a fleet: the even ones by PULL, the odd ones by PUSH, every third one without
/// observation.
pub fn upgrade_fleet(scenario: Scenario) -> Course {
    let mut fleet = Fleet::new(scenario);
    let plans: Vec<UpgradePlan> = (0..scenario.devices).map(plan).collect();
    fleet.command(|server, now| {
        for (number, plan) in plans.into_iter().enumerate() {
            let id = UpgradeId(number as u64);
            server.start_upgrade(id, &endpoint(number as u32), plan, None, now).unwrap();
        }
    });
    fleet.run();
    let modules = fleet.modules.iter().map(|id| fleet.world.node(*id).one()?.inner().version());
    Course {
        versions: modules.collect(),
        trace: fleet.world.trace(),
        traffic: fleet.world.network().traffic(),
        outcomes: fleet.outcomes,
        log: fleet.log,
    }
}

fn plan(number: u32) -> UpgradePlan {
    let package = Package {
        name: format!("GM01Q {NEW}"),
        bytes: image("GM01Q", NEW).into(),
        model: Some("GM01Q".into()),
        version: Some(NEW.into()),
        source_version: None,
    };
    let delivery = if number.is_multiple_of(2) { Delivery::Pull } else { Delivery::Push };
    UpgradePlan { observe: !number.is_multiple_of(3), ..UpgradePlan::new(package, delivery) }
}

fn image(model: &str, version: &str) -> Vec<u8> {
    let mut payload = vec![0; PAYLOAD];
    Random::from_number(7).fill(&mut payload);
    let identity =
        Identity { model: model.parse().unwrap(), version: version.parse().unwrap(), source: None };
    vmodule::image::build(&identity, &payload)
}

fn endpoint(number: u32) -> String {
    format!("urn:imei:{:015}", 15_770_000_000_000_u64 + u64::from(number))
}

fn key(identity: &[u8]) -> Vec<u8> {
    identity.iter().map(|byte| byte ^ 0x5A).take(32).collect()
}

/// The server admits every endpoint whose name is the identity of its session.
struct SameName;

impl Directory for SameName {
    fn admit(&self, identity: Option<&[u8]>, endpoint: Option<&str>) -> Admission {
        match (identity.and_then(|identity| std::str::from_utf8(identity).ok()), endpoint) {
            (None, _) => Admission::Refuse(Refusal::SecurityRequired),
            (Some(proved), Some(claimed)) if proved != claimed => Admission::Refuse(Refusal::WrongEndpoint),
            (Some(proved), _) => Admission::Accept { endpoint: proved.into() },
        }
    }
}

impl KeySource for SameName {
    fn key(&self, identity: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        Some(Zeroizing::new(key(identity)))
    }
}

type Node = Either<Stack<Module>, Stack<Server>>;

struct Fleet {
    world: World<Node>,
    server: NodeId,
    modules: Vec<NodeId>,
    outcomes: BTreeMap<UpgradeId, Outcome>,
    log: Vec<String>,
    scenario: Scenario,
}

impl Fleet {
    fn new(scenario: Scenario) -> Self {
        let mut world = World::new(Network::new(scenario.quality), scenario.seed);
        let server = world.add(1, |random, _| {
            let config = Config { public_uris: vec!["coaps://10.0.0.0:5684".into()], ..Config::default() };
            let server = Server::new(config, Arc::new(SameName), random.seed());
            let sockets = vec![SocketKind::Secured];
            let dtls = dtls::Config::default();
            Node::Other(Box::new(Stack::new(server, sockets, dtls, Arc::new(SameName), random.seed())))
        });
        let mut fleet =
            Self { world, server, modules: Vec::new(), outcomes: BTreeMap::new(), log: Vec::new(), scenario };
        for number in 0..scenario.devices {
            fleet.add_module(number);
        }
        fleet
    }

    fn add_module(&mut self, number: u32) {
        let endpoint = endpoint(number);
        let credential =
            Credential { identity: endpoint.clone().into_bytes(), key: key(endpoint.as_bytes()) };
        let access = Access::Secured { remote: self.world.address(self.server, Socket(0)), credential };
        let account = ServerAccount { access, short_server_id: 1, lifetime: 3_600 };
        let imei = endpoint.trim_start_matches("urn:imei:").parse().unwrap();
        let settings = Settings::new(Kind::Ryz014.configure(&imei, account), Kind::Ryz014.model().unwrap());
        let id = self.world.add(1, |random, now| {
            let module = Module::new(settings, factory_flash(), random.seed(), now).unwrap();
            let (sockets, dtls) = (vec![SocketKind::Secured], dtls::Config::default());
            Node::One(Box::new(Stack::new(module, sockets, dtls, Arc::new(NoKeys), random.seed())))
        });
        self.modules.push(id);
    }

    /// Gives the server a command.
    fn command(&mut self, command: impl FnOnce(&mut Server, Instant)) {
        self.world.with(self.server, |node, now| {
            if let Some(stack) = node.other_mut() {
                command(stack.inner_mut(), now);
                stack.handle_timeout(now);
            }
        });
    }

    /// Until every upgrade has ended.
    fn run(&mut self) {
        let deadline = Instant::ZERO + self.scenario.patience;
        while self.outcomes.len() < self.scenario.devices as usize {
            let Some((_, event)) = self.world.next_event(deadline) else { return };
            let Either::Other(event) = event else { continue };
            self.log.push(format!("{} {event:?}", self.world.now()));
            if let Event::Upgrade { id, event, .. } = *event {
                match event {
                    UpgradeEvent::IntentWanted { .. } => {
                        self.command(|server, now| server.intent_durable(id, now));
                    }
                    UpgradeEvent::Finished { outcome, .. } => {
                        let before = self.outcomes.insert(id, outcome);
                        assert_eq!(before, None, "an upgrade ends once");
                    }
                    _ => {}
                }
            }
        }
    }
}

fn factory_flash() -> EmulatedFlash {
    let geometry = Banks::geometry_for(ByteCount(16_384), 1_024, 8).unwrap();
    let mut flash = EmulatedFlash::new(geometry);
    let loader = BootLoader::new(Banks::new(flash.geometry()).unwrap());
    loader.provision(&mut flash, &image("GM01Q", OLD)).unwrap();
    flash
}

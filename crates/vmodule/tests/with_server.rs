//! Modules and the real server role, both as machines, over DTLS and the virtual network.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use firmware::upgrade::{Cause, Delivery, Outcome, Proof};
use firmware::{Banks, BootLoader, ByteCount, EmulatedFlash, Flash, PowerCut, Tear};
use lwm2m::client::{Access, ServerAccount};
use lwm2m::server::upgrade::{Package, UpgradeEvent, UpgradeId, UpgradePlan};
use lwm2m::server::{self, Admission, Directory, Refusal, Server};
use machine::simulation::{Either, Network, NodeId, Quality, World};
use machine::{Credential, Instant, Random, Socket};
use net::{KeySource, NoKeys, SocketKind, Stack};
use vmodule::image::{self, Identity};
use vmodule::{Kind, Module, Settings};

const OLD: &str = "5.4.1.1-57857";
const NEW: &str = "5.4.1.1-60000";
const ENDPOINT: &str = "urn:imei:015770000031766";
const KEY: [u8; 16] = [0x42; 16];

#[test]
fn a_pull_over_dtls_through_loss_ends_in_success() {
    let mut scene = Scene::new(Quality::narrow_band(0.2), |_| {});
    let outcome = scene.upgrade(Delivery::Pull, image_of("GM01Q", NEW));
    assert_eq!(outcome, Outcome::Succeeded(Proof::VersionAndResult));
    scene.assert_runs(NEW);
}

#[test]
fn a_push_over_dtls_through_loss_ends_in_success() {
    let mut scene = Scene::new(Quality::narrow_band(0.2), |_| {});
    let outcome = scene.upgrade(Delivery::Push, image_of("GM01Q", NEW));
    assert_eq!(outcome, Outcome::Succeeded(Proof::VersionAndResult));
    scene.assert_runs(NEW);
}

#[test]
fn there_and_back_again_in_one_life() {
    let mut scene = Scene::new(Quality::PERFECT, |_| {});
    assert!(matches!(scene.upgrade(Delivery::Pull, image_of("GM01Q", NEW)), Outcome::Succeeded(_)));
    assert!(matches!(scene.upgrade(Delivery::Push, image_of("GM01Q", OLD)), Outcome::Succeeded(_)));
    scene.assert_runs(OLD);
}

#[test]
fn a_download_over_a_session_of_its_own_ends_in_success() {
    let mut scene = Scene::new(Quality::PERFECT, |settings| {
        settings.client.firmware.route = lwm2m::client::DownloadRoute::Separate(Socket(2));
    });
    let outcome = scene.upgrade(Delivery::Pull, image_of("GM01Q", NEW));
    assert_eq!(outcome, Outcome::Succeeded(Proof::VersionAndResult));
}

#[test]
fn a_damaged_image_ends_in_the_right_cause_by_both_ways() {
    let mut damaged = image_of("GM01Q", NEW);
    *damaged.last_mut().unwrap() ^= 1;
    for delivery in [Delivery::Pull, Delivery::Push] {
        let mut scene = Scene::new(Quality::PERFECT, |_| {});
        let outcome = scene.upgrade(delivery, damaged.clone());
        assert_eq!(outcome, Outcome::Failed(Cause::IntegrityFailed), "{delivery:?}");
        scene.assert_runs(OLD);
    }
}

#[test]
fn an_image_for_another_model_ends_in_the_right_cause_by_both_ways() {
    for delivery in [Delivery::Pull, Delivery::Push] {
        let mut scene = Scene::new(Quality::PERFECT, |_| {});
        let outcome = scene.upgrade(delivery, image_of("BC35-G", NEW));
        assert_eq!(outcome, Outcome::Failed(Cause::UnsupportedPackage), "{delivery:?}");
        scene.assert_runs(OLD);
    }
}

/// F01, F02, F04, F05: whatever operation is cut, and however it is torn.
#[test]
fn a_power_cut_anywhere_in_an_upgrade_does_not_keep_it_from_success() {
    let operations = operations_of_an_upgrade();
    for delivery in [Delivery::Pull, Delivery::Push] {
        for tear in [Tear::Nothing, Tear::Half, Tear::Garbage { seed: 4 }] {
            // A prime, so that all kinds of operations are met.
            for after in (1..operations).step_by(13) {
                let mut scene = Scene::new(Quality::PERFECT, |settings| {
                    settings.power_returns = Some(Duration::from_secs(30));
                });
                scene.until_booted(1);
                scene.with_module(|module| module.cut_power_after(PowerCut { after, tear }));
                let outcome = scene.upgrade(delivery, image_of("GM01Q", NEW));
                let what = format!("{delivery:?}, cut after {after}, {tear:?}");
                assert!(matches!(outcome, Outcome::Succeeded(_)), "{what}: {outcome:?}");
                scene.assert_runs(NEW);
                assert!(scene.boots() >= 3, "the power was cut: {what}");
            }
        }
    }
}

#[test]
fn same_seed_gives_the_same_course_of_events() {
    let run = |seed| {
        let mut scene = Scene::with_seed(Quality::narrow_band(0.3), seed, |_| {});
        scene.upgrade(Delivery::Pull, image_of("GM01Q", NEW));
        (scene.world.trace(), scene.log)
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5).0, run(6).0);
}

fn operations_of_an_upgrade() -> u64 {
    let mut scene = Scene::new(Quality::PERFECT, |_| {});
    scene.until_booted(1);
    let operations = |scene: &Scene| scene.module().flash().unwrap().operations();
    let before = operations(&scene);
    scene.upgrade(Delivery::Pull, image_of("GM01Q", NEW));
    operations(&scene) - before
}

fn image_of(model: &str, version: &str) -> Vec<u8> {
    let mut payload = vec![0; 9_000];
    Random::from_number(version.len() as u64).fill(&mut payload);
    build(model, version, &payload)
}

fn build(model: &str, version: &str, payload: &[u8]) -> Vec<u8> {
    let identity =
        Identity { model: model.parse().unwrap(), version: version.parse().unwrap(), source: None };
    image::build(&identity, payload)
}

struct OneDevice;

impl Directory for OneDevice {
    fn admit(&self, identity: Option<&[u8]>, endpoint: Option<&str>) -> Admission {
        if identity == Some(ENDPOINT.as_bytes()) && endpoint == Some(ENDPOINT) {
            Admission::Accept { endpoint: ENDPOINT.into() }
        } else {
            Admission::Refuse(Refusal::UnknownEndpoint)
        }
    }
}

impl KeySource for OneDevice {
    fn key(&self, identity: &[u8]) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        (identity == ENDPOINT.as_bytes()).then(|| zeroize::Zeroizing::new(KEY.to_vec()))
    }
}

type Node = Either<Stack<Module>, Stack<Server>>;

struct Scene {
    world: World<Node>,
    server: NodeId,
    module: NodeId,
    upgrades: u64,
    log: Vec<String>,
    outcome: Option<Outcome>,
}

impl Scene {
    fn new(quality: Quality, adjust: impl FnOnce(&mut Settings)) -> Self {
        Self::with_seed(quality, 1, adjust)
    }

    fn with_seed(quality: Quality, seed: u64, adjust: impl FnOnce(&mut Settings)) -> Self {
        let mut world = World::new(Network::new(quality), seed);
        let server = world.add(1, |random, _| {
            // The world's first node and port.
            let config = server::Config {
                public_uris: vec!["coaps://10.0.0.0:10000".into()],
                ..server::Config::default()
            };
            let server = Server::new(config, Arc::new(OneDevice), random.seed());
            let sockets = vec![SocketKind::Secured];
            let keys = Arc::new(OneDevice);
            Node::Other(Box::new(Stack::new(server, sockets, dtls::Config::default(), keys, random.seed())))
        });
        let remote = world.address(server, Socket(0));
        let mut settings = settings(remote);
        adjust(&mut settings);
        let module = world.add(3, |random, now| {
            let module = Module::new(settings, factory_flash(), random.seed(), now).unwrap();
            let sockets = vec![SocketKind::Secured, SocketKind::Secured, SocketKind::Open];
            let keys = Arc::new(NoKeys);
            Node::One(Box::new(Stack::new(module, sockets, dtls::Config::default(), keys, random.seed())))
        });
        Self { world, server, module, upgrades: 0, log: Vec::new(), outcome: None }
    }

    /// Runs a whole upgrade.
    fn upgrade(&mut self, delivery: Delivery, bytes: Vec<u8>) -> Outcome {
        let version = firmware::ImageHeader::parse(&bytes).unwrap().version.to_string();
        let package = Package {
            name: "test".into(),
            bytes: bytes.into(),
            model: None,
            version: Some(version),
            source_version: None,
        };
        self.upgrades += 1;
        let id = UpgradeId(self.upgrades);
        let plan = UpgradePlan::new(package, delivery);
        self.with_server(|server, now| server.start_upgrade(id, ENDPOINT, plan, None, now).unwrap());
        self.outcome = None;
        let deadline = self.world.now() + Duration::from_secs(2 * 86_400);
        while self.outcome.is_none() {
            assert!(self.step(deadline), "the upgrade did not end; {:#?}", self.log);
        }
        self.outcome.take().unwrap()
    }

    fn until_booted(&mut self, boots: u32) {
        let deadline = self.world.now() + Duration::from_secs(3_600);
        while self.boots() < boots {
            assert!(self.step(deadline), "{:#?}", self.log);
        }
    }

    fn step(&mut self, until: Instant) -> bool {
        let Some((_, happened)) = self.world.next_event(until) else { return false };
        let now = self.world.now();
        match happened {
            Either::One(event) => self.log.push(format!("{now} module {event:?}")),
            Either::Other(event) => {
                let server::Event::Upgrade { id, event, .. } = *event else { return true };
                match &event {
                    UpgradeEvent::IntentWanted { .. } => {
                        self.with_server(|server, now| server.intent_durable(id, now));
                    }
                    UpgradeEvent::Finished { outcome, .. } => self.outcome = Some(*outcome),
                    _ => {}
                }
                self.log.push(format!("{now} server {event:?}"));
            }
        }
        true
    }

    fn with_server<R>(&mut self, command: impl FnOnce(&mut Server, Instant) -> R) -> R {
        self.world.with(self.server, |node, now| match node {
            Node::Other(stack) => command(stack.inner_mut(), now),
            Node::One(_) => panic!("the server is a server"),
        })
    }

    fn with_module<R>(&mut self, command: impl FnOnce(&mut Module) -> R) -> R {
        self.world.with(self.module, |node, _| match node {
            Node::One(stack) => command(stack.inner_mut()),
            Node::Other(_) => panic!("the module is a module"),
        })
    }

    fn module(&self) -> &Module {
        match self.world.node(self.module) {
            Node::One(stack) => stack.inner(),
            Node::Other(_) => panic!("the module is a module"),
        }
    }

    fn boots(&self) -> u32 {
        self.module().boots()
    }

    #[track_caller]
    fn assert_runs(&self, version: &str) {
        assert_eq!(self.module().version().as_deref(), Some(version));
    }
}

fn settings(remote: SocketAddr) -> Settings {
    let credential = Credential { identity: ENDPOINT.as_bytes().to_vec(), key: KEY.to_vec() };
    let access = Access::Secured { remote, credential };
    let account = ServerAccount { access, short_server_id: 1, lifetime: 600 };
    let client = Kind::Ryz014.configure(&"015770000031766".parse().unwrap(), account);
    Settings::new(client, Kind::Ryz014.model().unwrap())
}

fn factory_flash() -> EmulatedFlash {
    let mut flash = EmulatedFlash::new(Banks::geometry_for(ByteCount(12_000), 1_024, 8).unwrap());
    let loader = BootLoader::new(Banks::new(flash.geometry()).unwrap());
    loader.provision(&mut flash, &build("GM01Q", OLD, &[1; 500])).unwrap();
    flash
}

//! A management server and a module with DTLS between them, on a virtual network that loses nothing.

use std::sync::Arc;
use std::time::Duration;

use firmware::{Banks, BootLoader, ByteCount, EmulatedFlash, Flash};
use lwm2m::client::{Access, ServerAccount};
use lwm2m::path::Path;
use lwm2m::server::{
    Admission, Config, Directory, Event, Operation, OperationError, OperationOutput, Refusal, Registration,
    Server,
};
use lwm2m::value::{Node as Value, Value as Single};
use machine::simulation::{Either, Network, NodeId, Quality, World};
use machine::{Credential, Instant, Machine, Random, Socket};
use net::{KeySource, NoKeys, SocketKind, Stack};
use vmodule::image::Identity;
use vmodule::{Kind, Module, Settings};
use zeroize::Zeroizing;

/// The device under control.
pub const ENDPOINT: &str = "urn:imei:015770000031766";
/// What it runs when it leaves the factory.
pub const VERSION: &str = "5.4.1.1-57857";
/// The lifetime of its registration, in seconds.
pub const LIFETIME: u32 = 300;

/// No step takes longer, unless its test says so.
const PATIENCE: Duration = Duration::from_secs(120);

type Node = Either<Stack<Module>, Stack<Server>>;

/// The server, the device and what they have told.
pub struct System {
    pub world: World<Node>,
    pub server: NodeId,
    pub device: NodeId,
    /// What the server told, with the time.
    pub told: Vec<(Instant, Event)>,
    /// What the device told, with the time.
    pub device_told: Vec<(Instant, vmodule::Event)>,
}

impl System {
    /// A device of configuration C.3 or C.4 of the ETS that is about to register.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same with other settings.
    pub fn with(settle: impl FnOnce(&mut Settings)) -> Self {
        let mut world = World::new(Network::new(Quality::PERFECT), 1);
        let server = world.add(1, |random, _| new_server(random));
        let remote = world.address(server, Socket(0));
        let credential = Credential { identity: ENDPOINT.into(), key: KEY.into() };
        let access = Access::Secured { remote, credential };
        let account = ServerAccount { access, short_server_id: 1, lifetime: LIFETIME };
        let imei = ENDPOINT.trim_start_matches("urn:imei:").parse().expect("an IMEI");
        let model = Kind::Ryz014.model().expect("a model");
        let mut settings = Settings::new(Kind::Ryz014.configure(&imei, account), model);
        settle(&mut settings);
        let device = world.add(1, |random, now| {
            let components = settings.client.components.iter().map(|_| factory_flash()).collect();
            let module = Module::with_components(settings, factory_flash(), components, random.seed(), now);
            let module = module.expect("two banks fit");
            let (sockets, dtls) = (vec![SocketKind::Secured], dtls::Config::default());
            Node::One(Box::new(Stack::new(module, sockets, dtls, Arc::new(NoKeys), random.seed())))
        });
        Self { world, server, device, told: Vec::new(), device_told: Vec::new() }
    }

    /// A device that has registered.
    pub fn registered() -> Self {
        let mut system = Self::new();
        system.wait_for_registration();
        system
    }

    /// A server that knows nothing of what was before takes the place of the server.
    pub fn replace_server(&mut self) {
        self.world.with(self.server, |node, _| *node = new_server(&mut Random::from_number(2)));
    }

    /// Lets time pass until the server tells what `wanted` finds; fails after two minutes.
    pub fn wait_for<T>(&mut self, what: &str, wanted: impl FnMut(&Event) -> Option<T>) -> T {
        self.wait_within(PATIENCE, what, wanted)
    }

    /// The same with another limit.
    pub fn wait_within<T>(
        &mut self,
        limit: Duration,
        what: &str,
        mut wanted: impl FnMut(&Event) -> Option<T>,
    ) -> T {
        let until = self.world.now() + limit;
        while let Some(event) = self.step(until) {
            if let Some(found) = event.as_ref().and_then(&mut wanted) {
                return found;
            }
        }
        panic!("no {what} within {limit:?}; the server told: {:#?}", self.told);
    }

    pub fn wait_for_registration(&mut self) -> Registration {
        self.wait_for("registration", |event| match event {
            Event::Registered { registration, .. } => Some((**registration).clone()),
            _ => None,
        })
    }

    pub fn wait_for_update(&mut self) {
        self.wait_for("update", |event| matches!(event, Event::Updated { .. }).then_some(()));
    }

    /// Lets this much time pass.
    pub fn pass(&mut self, time: Duration) {
        let until = self.world.now() + time;
        while self.step(until).is_some() {}
    }

    /// Until the next event of anybody; the outer `None` means that it is `until`, the inner one that the
    /// event was none of the server's.
    fn step(&mut self, until: Instant) -> Option<Option<Event>> {
        let (_, event) = self.world.next_event(until)?;
        let now = self.world.now();
        Some(match event {
            Either::Other(event) => {
                self.told.push((now, (*event).clone()));
                Some(*event)
            }
            Either::One(event) => {
                self.device_told.push((now, *event));
                None
            }
        })
    }

    /// Lets the server do something.
    pub fn command<T>(&mut self, command: impl FnOnce(&mut Server, Instant) -> T) -> T {
        self.world.with(self.server, |node, now| {
            let stack = node.other_mut().expect("the first node is the server");
            let result = command(stack.inner_mut(), now);
            stack.handle_timeout(now);
            result
        })
    }

    /// Asks the device for something, as an operator does, and waits for the answer.
    pub fn ask(&mut self, operation: Operation) -> Result<OperationOutput, OperationError> {
        let asked = self.command(|server, now| server.operate(ENDPOINT, operation, now));
        self.wait_for("answer", |event| match event {
            Event::OperationDone { id, result, .. } if *id == asked => Some(result.clone()),
            _ => None,
        })
    }

    pub fn read(&mut self, path: &str) -> Result<Value, OperationError> {
        self.ask(Operation::Read(at(path))).map(|output| match output {
            OperationOutput::Value(node) => node,
            other => panic!("a read gives a value, not {other:?}"),
        })
    }

    /// The only value of a resource.
    pub fn value(&mut self, path: &str) -> Single {
        let node = self.read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        node.value().unwrap_or_else(|| panic!("{path} is {node:?}")).clone()
    }

    pub fn write(&mut self, path: &str, value: impl Into<Single>) -> Result<(), OperationError> {
        self.ask(Operation::Write(at(path), Value::single(value.into()))).map(|_| ())
    }

    pub fn execute(&mut self, path: &str) -> Result<(), OperationError> {
        self.ask(Operation::Execute(at(path), None)).map(|_| ())
    }

    /// What the server knows of the device.
    pub fn registration(&mut self) -> Option<Registration> {
        self.command(|server, _| server.registration(ENDPOINT))
    }

    /// How often the server told something of this kind.
    pub fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.told.iter().filter(|(_, event)| wanted(event)).count()
    }
}

fn new_server(random: &mut Random) -> Node {
    let config = Config { public_uris: vec!["coaps://10.0.0.0:5684".into()], ..Config::default() };
    let server = Server::new(config, Arc::new(OneDevice), random.seed());
    let (sockets, dtls) = (vec![SocketKind::Secured], dtls::Config::default());
    Node::Other(Box::new(Stack::new(server, sockets, dtls, Arc::new(OneDevice), random.seed())))
}

/// A path as an operator writes it.
pub fn at(path: &str) -> Path {
    path.parse().unwrap_or_else(|_| panic!("{path} is no path"))
}

/// ASCII for the sake of readers of a trace.
pub const KEY: &str = "0123456789abcdefFEDCBA9876543210";

/// Knows the device and its key, and nobody else.
pub struct OneDevice;

impl Directory for OneDevice {
    fn admit(&self, identity: Option<&[u8]>, endpoint: Option<&str>) -> Admission {
        match (identity, endpoint) {
            (None, _) => Admission::Refuse(Refusal::SecurityRequired),
            (Some(proved), Some(claimed)) if proved != claimed.as_bytes() => {
                Admission::Refuse(Refusal::WrongEndpoint)
            }
            _ => Admission::Accept { endpoint: ENDPOINT.into() },
        }
    }
}

impl KeySource for OneDevice {
    fn key(&self, identity: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        (identity == ENDPOINT.as_bytes()).then(|| Zeroizing::new(KEY.into()))
    }
}

/// An image of this version.
pub fn image(version: &str) -> Vec<u8> {
    let mut payload = vec![0; 12_000];
    Random::from_number(7).fill(&mut payload);
    let model = Kind::Ryz014.model().expect("a model");
    let identity = Identity { model, version: version.parse().expect("a version"), source: None };
    vmodule::image::build(&identity, &payload)
}

pub fn factory_flash() -> EmulatedFlash {
    let geometry = Banks::geometry_for(ByteCount(16_384), 1_024, 8).expect("a geometry");
    let mut flash = EmulatedFlash::new(geometry);
    let loader = BootLoader::new(Banks::new(flash.geometry()).expect("two banks"));
    loader.provision(&mut flash, &image(VERSION)).expect("the image fits");
    flash
}

//! Bootstrap: int-0 to int-9, with the management server that the device is sent to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lwm2m::bootstrap::{self, Plan, RunId, Security, ServerAccount};
use lwm2m::client::{Access, Accounts, BootstrapAccount};
use lwm2m::server::{self, Admission, Directory, Operation, Refusal};
use machine::simulation::{Either, Network, NodeId, Quality, World};
use machine::{Credential, Instant, Machine, Socket};
use net::{KeySource, NoKeys, SocketKind, Stack};
use vmodule::{Kind, Module, Settings};
use zeroize::Zeroizing;

use crate::system::{ENDPOINT, KEY, at, factory_flash};

/// The identity of the device at the bootstrap server; its key there is [`KEY`].
const BOOTSTRAP_IDENTITY: &str = "bs:015770000031766";
const LIMIT: Duration = Duration::from_secs(600);

#[test]
fn ets_0_client_initiated_bootstrap() {
    let mut field = Field::new();
    field.wait_for("end of the bootstrap", ended);
    let steps: Vec<String> = field.steps.iter().map(ToString::to_string).collect();
    assert_eq!(steps.first().map(String::as_str), Some("Discover"), "{steps:?}");
    assert!(steps.iter().any(|step| step.starts_with("Write /0/")), "{steps:?}");
    assert!(steps.iter().any(|step| step.starts_with("Write /1/")), "{steps:?}");
    assert_eq!(steps.last().map(String::as_str), Some("Finish"), "{steps:?}");
}

#[test]
fn ets_1_full_bootstrap() {
    let mut field = Field::new();
    let registration = field.wait_for("registration", registered);
    assert_eq!(registration.identity.as_deref(), Some(ENDPOINT.as_bytes()));
    let given = field.keys.lock().expect("nobody panicked").get(ENDPOINT.as_bytes()).cloned();
    assert!(given.is_some_and(|key| key != KEY.as_bytes()), "the key of the bootstrap server is not reused");
}

#[test]
fn ets_5_server_initiated_bootstrap() {
    let mut field = Field::new();
    field.wait_for("registration", registered);
    let first = field.keys.lock().expect("nobody panicked").clone();
    field.operate(Operation::Execute(at("/1/0/9"), None));
    field.wait_for("end of the second bootstrap", ended);
    field.wait_for("registration", registered);
    let second = field.keys.lock().expect("nobody panicked").clone();
    assert_ne!(first, second, "each bootstrap writes a fresh key");
    assert_eq!(field.runs, 2);
}

#[test]
fn ets_4_a_stray_server_account_is_deleted() {
    let mut field = Field::new();
    field.plan_of = |port| vec![account(port, 101), account(9, 102)];
    field.wait_for("registration", registered);
    // The second bootstrap knows one server only.
    field.plan_of = |port| vec![account(port, 101)];
    field.steps.clear();
    field.operate(Operation::Execute(at("/1/0/9"), None));
    field.wait_for("end of the second bootstrap", ended);
    let deleted = |step: &bootstrap::Step| matches!(step, bootstrap::Step::Delete(_));
    assert!(field.steps.iter().any(deleted), "{:?}", field.steps);
    field.wait_for("registration", registered);
}

#[test]
fn ets_6_a_device_with_an_account_does_not_bootstrap() {
    let mut field = Field::new();
    field.wait_for("registration", registered);
    field.operate(Operation::Execute(at("/3/0/4"), None));
    field.wait_for("registration after the restart", registered);
    assert_eq!(field.runs, 1);
}

#[test]
fn ets_7_fallback_to_bootstrap() {
    let mut field = Field::new();
    // The first account leads to nobody.
    field.plan_of = |_| vec![account(9, 101)];
    field.wait_for("end of the bootstrap", ended);
    field.plan_of = |port| vec![account(port, 101)];
    field.wait_within(Duration::from_secs(4 * 3_600), "end of the second bootstrap", ended);
    field.wait_for("registration", registered);
    assert_eq!(field.registrations, 1);
}

/// An account at the management server, or at whoever has this port.
fn account(port: u16, short_id: u16) -> ServerAccount {
    ServerAccount {
        short_id,
        uri: format!("coaps://10.0.0.0:{port}"),
        security: Security::None,
        lifetime: Duration::from_secs(300),
        hold_off: Duration::ZERO,
        binding: "U".into(),
        store_notifications: false,
        minimum_period: None,
        maximum_period: None,
    }
}

/// What somebody told.
enum Told {
    Bootstrap(bootstrap::Event),
    Server(server::Event),
}

fn ended(told: &Told) -> Option<()> {
    match told {
        Told::Bootstrap(bootstrap::Event::Ended { result, .. }) => {
            assert_eq!(*result, Ok(()));
            Some(())
        }
        _ => None,
    }
}

fn registered(told: &Told) -> Option<server::Registration> {
    match told {
        Told::Server(server::Event::Registered { registration, .. }) => Some((**registration).clone()),
        _ => None,
    }
}

type Keys = Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>;
type Servers = Either<Stack<server::Server>, Stack<bootstrap::Server>>;
type Node = Either<Stack<Module>, Servers>;

/// Both servers and a device that knows only the bootstrap server.
struct Field {
    world: World<Node>,
    server: NodeId,
    bootstrap: NodeId,
    /// The keys of the management server.
    keys: Keys,
    /// The accounts that the next bootstrap writes, for the port of the management server.
    plan_of: fn(u16) -> Vec<ServerAccount>,
    steps: Vec<bootstrap::Step>,
    runs: u32,
    registrations: u32,
}

impl Field {
    fn new() -> Self {
        let mut world: World<Node> = World::new(Network::new(Quality::PERFECT), 1);
        let keys = Keys::default();
        let known = Arc::new(Known(Arc::clone(&keys)));
        let server = world.add(1, |random, _| {
            let server = server::Server::new(server::Config::default(), known.clone(), random.seed());
            let sockets = vec![SocketKind::Secured];
            let stack = Stack::new(server, sockets, dtls::Config::default(), known, random.seed());
            Either::Other(Box::new(Either::One(Box::new(stack))))
        });
        let bootstrap = world.add(1, |random, _| {
            let server =
                bootstrap::Server::new(bootstrap::Config::default(), Arc::new(Newcomer), random.seed());
            let sockets = vec![SocketKind::Secured];
            let stack =
                Stack::new(server, sockets, dtls::Config::default(), Arc::new(Newcomer), random.seed());
            Either::Other(Box::new(Either::Other(Box::new(stack))))
        });
        let credential = Credential { identity: BOOTSTRAP_IDENTITY.into(), key: KEY.into() };
        let access = Access::Secured { remote: world.address(bootstrap, Socket(0)), credential };
        world.add(1, |random, now| {
            let module = Module::new(settings(access), factory_flash(), random.seed(), now);
            let (sockets, dtls) = (vec![SocketKind::Secured], dtls::Config::default());
            let module = module.expect("two banks fit");
            Either::One(Box::new(Stack::new(module, sockets, dtls, Arc::new(NoKeys), random.seed())))
        });
        let plan_of = |port| vec![account(port, 101)];
        Self { world, server, bootstrap, keys, plan_of, steps: Vec::new(), runs: 0, registrations: 0 }
    }

    fn wait_for<T>(&mut self, what: &str, wanted: impl Fn(&Told) -> Option<T>) -> T {
        self.wait_within(LIMIT, what, wanted)
    }

    /// Lets time pass, and answers the bootstrap server as its owner does.
    fn wait_within<T>(&mut self, limit: Duration, what: &str, wanted: impl Fn(&Told) -> Option<T>) -> T {
        let until = self.world.now() + limit;
        while let Some((_, event)) = self.world.next_event(until) {
            let Either::Other(event) = event else { continue };
            let told = match *event {
                Either::One(event) => Told::Server(*event),
                Either::Other(event) => Told::Bootstrap(*event),
            };
            self.note(&told);
            if let Some(found) = wanted(&told) {
                return found;
            }
        }
        panic!("no {what} within {limit:?}; the steps were {:?}", self.steps);
    }

    fn note(&mut self, told: &Told) {
        match told {
            Told::Bootstrap(bootstrap::Event::Requested { run, .. }) => self.begin(*run),
            Told::Bootstrap(bootstrap::Event::Step { step, .. }) => self.steps.push(*step),
            Told::Server(server::Event::Registered { .. }) => self.registrations += 1,
            _ => {}
        }
    }

    /// Makes a fresh key, stores it, and only then lets it be written.
    fn begin(&mut self, run: RunId) {
        self.runs += 1;
        let key = vec![self.runs as u8; 32];
        self.keys.lock().expect("nobody panicked").insert(ENDPOINT.into(), key.clone());
        let port = self.world.address(self.server, Socket(0)).port();
        let mut servers = (self.plan_of)(port);
        for server in &mut servers {
            let credential = Credential { identity: ENDPOINT.into(), key: key.clone() };
            server.security = Security::PreSharedKey(credential);
        }
        let plan = Plan { servers, ..Plan::default() };
        self.world.with(self.bootstrap, |node, now| {
            let stack = node.other_mut().and_then(Either::other_mut).expect("it is the bootstrap server");
            stack.inner_mut().start(run, plan, now);
            stack.handle_timeout(now);
        });
    }

    /// Asks the device through the management server.
    fn operate(&mut self, operation: Operation) {
        let start = |server: &mut server::Server, now: Instant| server.operate(ENDPOINT, operation, now);
        let asked = self.world.with(self.server, |node, now| {
            let stack = node.other_mut().and_then(Either::one_mut).expect("it is the management server");
            let asked = start(stack.inner_mut(), now);
            stack.handle_timeout(now);
            asked
        });
        let result = self.wait_for("answer", |told| match told {
            Told::Server(server::Event::OperationDone { id, result, .. }) if *id == asked => {
                Some(result.clone())
            }
            _ => None,
        });
        assert!(result.is_ok(), "{result:?}");
    }
}

fn settings(access: Access) -> Settings {
    let imei = ENDPOINT.trim_start_matches("urn:imei:").parse().expect("an IMEI");
    // Whatever account the kind comes with gives way to that of the bootstrap server.
    let nowhere = lwm2m::client::ServerAccount { access: access.clone(), short_server_id: 1, lifetime: 300 };
    let mut client = Kind::Ryz014.configure(&imei, nowhere);
    client.accounts = Accounts::bootstrap(BootstrapAccount::new(access));
    Settings::new(client, Kind::Ryz014.model().expect("a model"))
}

/// Who may come to the management server: the device, with the key that it was given last.
struct Known(Keys);

impl Directory for Known {
    fn admit(&self, identity: Option<&[u8]>, _: Option<&str>) -> Admission {
        match identity {
            Some(identity) if identity == ENDPOINT.as_bytes() => {
                Admission::Accept { endpoint: ENDPOINT.into() }
            }
            _ => Admission::Refuse(Refusal::UnknownEndpoint),
        }
    }
}

impl KeySource for Known {
    fn key(&self, identity: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.0.lock().expect("nobody panicked").get(identity).cloned().map(Zeroizing::new)
    }
}

/// Who may come to the bootstrap server.
struct Newcomer;

impl Directory for Newcomer {
    fn admit(&self, identity: Option<&[u8]>, _: Option<&str>) -> Admission {
        match identity {
            Some(identity) if identity == BOOTSTRAP_IDENTITY.as_bytes() => {
                Admission::Accept { endpoint: ENDPOINT.into() }
            }
            _ => Admission::Refuse(Refusal::UnknownEndpoint),
        }
    }
}

impl KeySource for Newcomer {
    fn key(&self, identity: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        (identity == BOOTSTRAP_IDENTITY.as_bytes()).then(|| Zeroizing::new(KEY.into()))
    }
}

//! One module and a server that only does what the test says, over the virtual network.
#![expect(dead_code, reason = "every scenario is a crate of its own and uses a part of this")]
#![expect(clippy::unwrap_used, reason = "a fixture of tests")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use coap::{Code, Endpoint, Request, Response};
use firmware::{Banks, BootLoader, ByteCount, EmulatedFlash, Flash};
use lwm2m::client::{Access, ServerAccount, UpdateResult, UpdateState};
use machine::simulation::{Either, Network, NodeId, Quality, World};
use machine::{Instant, Machine, Path, Random, Socket};
use net::{NoKeys, SocketKind, Stack};
use vmodule::image::Identity;
use vmodule::{Event, Kind, Module, Settings};

pub const OLD: &str = "5.4.1.1-57857";
pub const NEW: &str = "5.4.1.1-60000";
pub const PAYLOAD: usize = 12_000;

/// An image for a model.
pub fn image(model: &str, version: &str, source: Option<&str>, length: usize) -> Vec<u8> {
    let mut payload = vec![0; length];
    Random::from_number(length as u64).fill(&mut payload);
    let source = source.map(|source| source.parse().unwrap());
    let identity = Identity { model: model.parse().unwrap(), version: version.parse().unwrap(), source };
    vmodule::image::build(&identity, &payload)
}

/// Flash with the factory's image.
pub fn factory_flash() -> EmulatedFlash {
    let geometry = Banks::geometry_for(ByteCount(16_384), 1_024, 8).unwrap();
    let mut flash = EmulatedFlash::new(geometry);
    let loader = BootLoader::new(Banks::new(flash.geometry()).unwrap());
    loader.provision(&mut flash, &image("GM01Q", OLD, None, 500)).unwrap();
    flash
}

pub type Node = Either<Stack<Module>, Endpoint<Path>>;

pub struct Scene {
    pub world: World<Node>,
    pub module: NodeId,
    pub server: NodeId,
    /// What the module's owner was told, but for progress.
    pub told: Vec<Event>,
    /// Most bytes that were reported as stored.
    pub stored: u64,
    /// Requests of the module, as `POST /rd`.
    pub asked: Vec<String>,
    /// What lies at /fw, and its entity tag.
    pub package: (Arc<[u8]>, &'static [u8]),
    pub notified: Vec<Response>,
    answers: Vec<Result<Response, coap::Failure>>,
    peer: Option<Path>,
}

impl Scene {
    pub fn new(quality: Quality, settings: impl FnOnce(&mut Settings)) -> Self {
        Self::with_flash(quality, factory_flash(), settings)
    }

    pub fn with_flash(quality: Quality, flash: EmulatedFlash, adjust: impl FnOnce(&mut Settings)) -> Self {
        let mut world = World::new(Network::new(quality), 1);
        let server = world.add(1, |random, _| {
            let config = coap::Config { max_remembered_per_peer: 4_000, ..coap::Config::default() };
            Node::Other(Box::new(Endpoint::new(config, random.seed())))
        });
        let remote: SocketAddr = world.address(server, Socket(0));
        let access = Access::Open(Path { socket: Socket(0), remote });
        let account = ServerAccount { access, short_server_id: 1, lifetime: 3_600 };
        let client = Kind::Ryz014.configure(&"015770000031766".parse().unwrap(), account);
        let mut settings = Settings::new(client, Kind::Ryz014.model().unwrap());
        adjust(&mut settings);
        let module = world.add(1, |random, now| {
            let module = Module::new(settings, flash, random.seed(), now).unwrap();
            let sockets = vec![SocketKind::Open];
            Node::One(Box::new(Stack::new(
                module,
                sockets,
                dtls::Config::default(),
                Arc::new(NoKeys),
                random.seed(),
            )))
        });
        Self {
            world,
            module,
            server,
            told: Vec::new(),
            stored: 0,
            asked: Vec::new(),
            package: (image("GM01Q", NEW, None, PAYLOAD).into(), b"new"),
            notified: Vec::new(),
            answers: Vec::new(),
            peer: None,
        }
    }

    pub fn with_module<R>(&mut self, command: impl FnOnce(&mut Module, Instant) -> R) -> R {
        self.world.with(self.module, |node, now| match node {
            Node::One(stack) => {
                let result = command(stack.inner_mut(), now);
                stack.handle_timeout(now);
                result
            }
            Node::Other(_) => panic!("the module is a module"),
        })
    }

    pub fn firmware(&self) -> Option<(UpdateState, UpdateResult)> {
        self.module().client().map(lwm2m::client::Client::firmware)
    }

    pub fn module(&self) -> &Module {
        match self.world.node(self.module) {
            Node::One(stack) => stack.inner(),
            Node::Other(_) => panic!("the module is a module"),
        }
    }

    /// Runs until this holds; panics after a virtual day.
    pub fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = self.world.now() + Duration::from_secs(86_400);
        while !holds(self) {
            assert!(self.step(deadline), "waited a day for: {what}; told: {:?}", self.told);
        }
    }

    /// Runs for so long.
    pub fn pass(&mut self, time: Duration) {
        let until = self.world.now() + time;
        while self.step(until) {}
    }

    pub fn until_registered(&mut self) {
        self.until("registered", |scene| {
            scene.module().client().is_some_and(|client| client.is_registered())
        });
    }

    pub fn until_firmware(&mut self, state: UpdateState, result: UpdateResult) {
        self.until("state of object 5", |scene| scene.firmware() == Some((state, result)));
    }

    /// Asks the module and waits for its answer.
    pub fn ask(&mut self, request: Request) -> Response {
        self.try_ask(request).expect("the module answers")
    }

    /// Asks the module and waits for what comes of it.
    pub fn try_ask(&mut self, request: Request) -> Result<Response, coap::Failure> {
        self.begin(request);
        self.answer()
    }

    /// Asks the module.
    pub fn begin(&mut self, request: Request) {
        let peer = self.peer.expect("the module has registered");
        self.serve(|endpoint, now| {
            let _ = endpoint.request(peer, request, now);
        });
    }

    pub fn serve(&mut self, command: impl FnOnce(&mut Endpoint<Path>, Instant)) {
        self.world.with(self.server, |node, now| match node {
            Node::Other(endpoint) => command(endpoint, now),
            Node::One(_) => panic!("the server is a server"),
        });
    }

    pub fn observe(&mut self, path: &str) -> Response {
        let peer = self.peer.expect("the module has registered");
        self.serve(|endpoint, now| {
            let _ = endpoint.observe(peer, Request::get(path), now);
        });
        self.answer().expect("the module answers")
    }

    pub fn answer(&mut self) -> Result<Response, coap::Failure> {
        self.until("an answer", |scene| !scene.answers.is_empty());
        self.answers.remove(0)
    }

    /// One event; false if there is none until then.
    fn step(&mut self, until: Instant) -> bool {
        let Some((_, happened)) = self.world.next_event(until) else { return false };
        match happened {
            Either::One(event) => match *event {
                Event::Client(lwm2m::client::Event::Progress { bytes, .. }) => {
                    self.stored = self.stored.max(bytes);
                }
                event => self.told.push(event),
            },
            Either::Other(event) => self.server_event(*event),
        }
        true
    }

    fn server_event(&mut self, event: coap::Event<Path>) {
        match event {
            coap::Event::Request { peer, id, request, .. } => {
                self.peer = Some(peer);
                let path = request.options.path_string();
                let response = match (request.method, path.as_str()) {
                    (Code::POST, "/rd") => Response::new(Code::CREATED).location(&["rd", "1"]),
                    (Code::POST, _) => Response::new(Code::CHANGED),
                    (Code::DELETE, _) => Response::new(Code::DELETED),
                    (Code::GET, "/fw") => Response::new(Code::CONTENT)
                        .content(coap::ContentFormat::OCTET_STREAM, Arc::clone(&self.package.0))
                        .etag(self.package.1),
                    _ => Response::new(Code::NOT_FOUND),
                };
                self.asked.push(format!("{} {path}", method(request.method)));
                self.serve(|endpoint, now| endpoint.respond(id, response, now));
            }
            coap::Event::Response { response, .. } => self.answers.push(Ok(response)),
            coap::Event::Notification { response, .. } => self.notified.push(response),
            coap::Event::Failed { failure, .. } => self.answers.push(Err(failure)),
            _ => {}
        }
    }
}

fn method(code: Code) -> &'static str {
    match code {
        Code::GET => "GET",
        Code::POST => "POST",
        Code::PUT => "PUT",
        Code::DELETE => "DELETE",
        _ => "?",
    }
}

/// `PUT /5/0/1`
pub fn write_uri(uri: &str) -> Request {
    Request::put("/5/0/1").content(coap::ContentFormat::TEXT_PLAIN, uri)
}

/// `PUT /5/0/0`
pub fn push(image: &[u8]) -> Request {
    Request::put("/5/0/0").content(coap::ContentFormat::OCTET_STREAM, image)
}

/// The number in a text payload.
pub fn text(response: &Response) -> String {
    assert_eq!(response.code, Code::CONTENT);
    String::from_utf8(response.payload.to_vec()).unwrap()
}

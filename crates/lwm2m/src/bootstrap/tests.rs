//! The bootstrap server against a device that answers step by step, over a perfect link.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use coap::ContentFormat;
use machine::{Credential, Path as Way, SessionEnd, Socket};

use super::*;
use crate::format::{LINK_FORMAT, LWM2M_CBOR, LWM2M_TLV, SENML_CBOR, SENML_JSON};
use crate::model::ObjectModel;
use crate::path::Path;
use crate::value::{Node, Value};

struct Alphabet;

impl Directory for Alphabet {
    fn admit(&self, identity: Option<&[u8]>, endpoint: Option<&str>) -> Admission {
        match (identity, endpoint) {
            (Some(b"key-a"), None | Some("a")) => Admission::Accept { endpoint: "a".into() },
            (Some(_), _) => Admission::Refuse(Refusal::WrongEndpoint),
            (None, Some("A")) => Admission::Accept { endpoint: "A".into() },
            (None, _) => Admission::Refuse(Refusal::SecurityRequired),
        }
    }
}

const FULL: &str = "</>;lwm2m=1.1,</0/0>,</0/1>;ssid=7,</1/0>;ssid=7,</1/2>;ssid=9,</3/0>,</5/0>";

struct Rig {
    server: Server,
    device: coap::Endpoint<u8>,
    link: Link,
    now: Instant,
    /// Requests of the server that wait for an answer.
    asked: VecDeque<(coap::IncomingId, Request)>,
    answers: VecDeque<Response>,
    events: Vec<Event>,
    commands: Vec<SessionCommand>,
}

impl Rig {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let link = Link::Secured(SessionId(1));
        let mut rig = Self {
            server: Server::new(config, Arc::new(Alphabet), [1; 32]),
            device: coap::Endpoint::new(coap::Config::default(), [2; 32]),
            link,
            now: Instant::from_secs(1),
            asked: VecDeque::new(),
            answers: VecDeque::new(),
            events: Vec::new(),
            commands: Vec::new(),
        };
        rig.up(link, b"key-a");
        rig
    }

    fn up(&mut self, link: Link, identity: &[u8]) {
        let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7);
        let up = SessionEvent::Up { link, identity, remote, request: None, resumed: false };
        self.server.handle_session(up, self.now);
        self.link = link;
    }

    fn pump(&mut self) {
        let mut buffer = [0; 2_048];
        loop {
            let mut quiet = true;
            while let Some((link, length)) = self.server.poll_transmit(&mut buffer) {
                quiet = false;
                if link == self.link {
                    self.device.handle_input(0, &buffer[..length], self.now);
                }
            }
            while let Some((_, length)) = self.device.poll_transmit(&mut buffer) {
                quiet = false;
                self.server.handle_input(self.link, &buffer[..length], self.now);
            }
            while let Some(event) = self.device.poll_event() {
                match event {
                    coap::Event::Request { id, request, .. } => self.asked.push_back((id, request)),
                    coap::Event::Response { response, .. } => self.answers.push_back(response),
                    _ => {}
                }
            }
            self.events.extend(core::iter::from_fn(|| self.server.poll_event()));
            self.commands.extend(core::iter::from_fn(|| self.server.poll_session()));
            if quiet {
                return;
            }
        }
    }

    /// Sends a request of the device and gives the answer.
    fn request(&mut self, request: Request) -> Code {
        self.device.request(0, request, self.now);
        self.pump();
        self.answers.pop_front().unwrap().code
    }

    /// Asks for a bootstrap; gives the run that began.
    fn begin(&mut self, query: &str) -> RunId {
        let request = query.split('&').fold(Request::post("/bs"), Request::query);
        assert_eq!(self.request(request), Code::CHANGED);
        assert!(self.asked.is_empty(), "nothing is written before the plan is stored");
        match self.events.pop() {
            Some(Event::Requested { run, .. }) => run,
            other => panic!("{other:?}"),
        }
    }

    fn start(&mut self, run: RunId, plan: Plan) {
        self.server.start(run, plan, self.now);
        self.pump();
    }

    /// Takes the next request of the server as method and path.
    fn take(&mut self) -> (coap::IncomingId, Request, String) {
        assert_eq!(self.asked.len(), 1, "one step at a time; {:?}", self.events);
        let (id, request) = self.asked.pop_front().unwrap();
        let name = match request.method {
            Code::GET => "GET",
            Code::PUT => "PUT",
            Code::DELETE => "DELETE",
            _ => "POST",
        };
        let text = format!("{name} {}", request.options.path_string());
        (id, request, text)
    }

    fn reply(&mut self, expected: &str, response: Response) -> Request {
        let (id, request, text) = self.take();
        assert_eq!(text, expected);
        self.device.respond(id, response, self.now);
        self.pump();
        request
    }

    fn discover(&mut self, links: &str) {
        let answer = Response::new(Code::CONTENT).content(ContentFormat(LINK_FORMAT), links);
        self.reply("GET /", answer);
    }

    /// Answers all that comes as a good device does; what was asked, in order.
    fn obey(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        while !self.asked.is_empty() {
            let (id, request, text) = self.take();
            let code = match request.method {
                Code::DELETE => Code::DELETED,
                Code::GET => Code::NOT_FOUND,
                _ => Code::CHANGED,
            };
            self.device.respond(id, Response::new(code), self.now);
            self.pump();
            texts.push(text);
        }
        texts
    }

    fn ended(&mut self) -> Option<Result<(), Failure>> {
        let mut results = self.events.iter().filter_map(|event| match event {
            Event::Ended { result, .. } => Some(*result),
            _ => None,
        });
        results.next_back()
    }

    fn wait(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some((at, _)) = self.server.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.server.handle_timeout(self.now);
            self.pump();
        }
        self.now = end;
    }
}

fn account(short_id: u16, lifetime: u64, hold_off: u64) -> ServerAccount {
    let identity = format!("a-{short_id}").into_bytes();
    ServerAccount {
        short_id,
        uri: format!("coaps://server-{short_id}:5684"),
        security: Security::PreSharedKey(Credential { identity, key: [short_id as u8; 16].into() }),
        lifetime: Duration::from_secs(lifetime),
        hold_off: Duration::from_secs(hold_off),
        binding: "U".into(),
        store_notifications: true,
        minimum_period: None,
        maximum_period: None,
    }
}

fn plan() -> Plan {
    Plan { servers: [account(101, 86_400, 0)].into(), ..Plan::default() }
}

fn read(request: &Request, path: &str) -> Node {
    let format = request.options.content_format().unwrap().0;
    let Ok(path) = path.parse::<Path>() else { panic!("{path}") };
    crate::format::decode(format, path, &request.payload, &ObjectModel::CORE).unwrap()
}

fn value(node: &Node, resource: u16) -> Option<Value> {
    node.resource(resource)?.single().cloned()
}

#[test]
fn ets_0_bs_01_the_whole_sequence() {
    let mut rig = Rig::new();
    let run = rig.begin("ep=a");
    rig.start(run, plan());
    rig.discover(FULL);
    rig.reply("DELETE /0/1", Response::new(Code::DELETED));
    rig.reply("DELETE /1/0", Response::new(Code::DELETED));
    rig.reply("DELETE /1/2", Response::new(Code::DELETED));
    let security = rig.reply("PUT /0/1", Response::new(Code::CHANGED));
    assert_eq!(security.options.content_format(), Some(ContentFormat(LWM2M_TLV)));
    let security = read(&security, "/0/1");
    assert_eq!(value(&security, 0), Some("coaps://server-101:5684".into()));
    assert_eq!(value(&security, 1), Some(Value::Boolean(false)));
    assert_eq!(value(&security, 2), Some(Value::Integer(0)));
    assert_eq!(value(&security, 3), Some(Value::Opaque(b"a-101".to_vec())));
    assert_eq!(value(&security, 5), Some(Value::Opaque([101; 16].into())));
    assert_eq!(value(&security, 10), Some(Value::Integer(101)));
    let server = rig.reply("PUT /1/0", Response::new(Code::CHANGED));
    let server = read(&server, "/1/0");
    assert_eq!(value(&server, 0), Some(Value::Integer(101)));
    assert_eq!(value(&server, 1), Some(Value::Integer(86_400)));
    assert_eq!(value(&server, 7), Some("U".into()));
    assert_eq!(rig.ended(), None, "done only after Finish");
    let finish = rig.reply("POST /bs", Response::new(Code::CHANGED));
    assert!(finish.payload.is_empty());
    assert_eq!(rig.ended(), Some(Ok(())));
    let steps: Vec<_> = rig
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Step { number, step, code, .. } => Some(format!("{number} {step} {code}")),
            _ => None,
        })
        .collect();
    assert_eq!(steps[0], "1 Discover 2.05");
    assert_eq!(steps[steps.len() - 1], "7 Finish 2.04");
    assert_eq!(rig.server.run_count(), 0);
    rig.wait(11);
    assert!(matches!(rig.commands[..], [SessionCommand::Close(link)] if link == rig.link));
}

#[test]
fn ets_10_a_pack_is_not_there_but_the_bootstrap_is() {
    let mut rig = Rig::new();
    assert_eq!(rig.request(Request::get("/bspack").query("ep=a")), Code::NOT_IMPLEMENTED);
    assert_eq!(rig.request(Request::get("/bs")), Code::METHOD_NOT_ALLOWED);
    assert_eq!(rig.request(Request::post("/rd").query("ep=a")), Code::NOT_FOUND);
    let run = rig.begin("ep=a&pct=112");
    rig.start(run, plan());
    rig.discover(FULL);
    assert_eq!(rig.obey().last().map(String::as_str), Some("POST /bs"));
    assert_eq!(rig.ended(), Some(Ok(())));
}

#[test]
fn peers_16_the_preferred_format_is_honoured() {
    for (query, expected) in [
        ("ep=a", LWM2M_TLV),
        ("ep=a&pct=110", SENML_JSON),
        ("ep=a&pct=112", SENML_CBOR),
        ("ep=a&pct=11544", LWM2M_CBOR),
        ("ep=a&pct=11542", LWM2M_TLV),
        ("ep=a&pct=50", LWM2M_TLV),
        ("ep=a&pct=x", LWM2M_TLV),
    ] {
        let mut rig = Rig::new();
        let run = rig.begin(query);
        rig.start(run, plan());
        rig.discover("</>;lwm2m=1.2,</0/0>,</3/0>");
        for path in ["/0/1", "/1/0"] {
            let request = rig.reply(&format!("PUT {path}"), Response::new(Code::CHANGED));
            assert_eq!(request.options.content_format(), Some(ContentFormat(expected)), "{query}");
            assert!(value(&read(&request, path), 0).is_some(), "{query}");
        }
    }
}

#[test]
fn a_refused_format_is_replaced_by_another() {
    let mut rig = Rig::new();
    let run = rig.begin("ep=a&pct=110");
    rig.start(run, plan());
    rig.discover("</>;lwm2m=1.1,</0/0>");
    rig.reply("PUT /0/1", Response::new(Code::UNSUPPORTED_CONTENT_FORMAT));
    let request = rig.reply("PUT /0/1", Response::new(Code::CHANGED));
    assert_eq!(request.options.content_format(), Some(ContentFormat(LWM2M_TLV)));
    let request = rig.reply("PUT /1/0", Response::new(Code::CHANGED));
    assert_eq!(request.options.content_format(), Some(ContentFormat(LWM2M_TLV)));
    rig.obey();
    assert_eq!(rig.ended(), Some(Ok(())));
}

#[test]
fn ets_9_an_inconsistency_is_repaired_at_most_three_times() {
    let mut rig = Rig::new();
    let run = rig.begin("ep=a");
    rig.start(run, Plan { servers: [account(101, 60, 5)].into(), ..Plan::default() });
    rig.discover("</>;lwm2m=1.1,</0/0>");
    for attempt in 1..=3 {
        let security = rig.reply("PUT /0/1", Response::new(Code::CHANGED));
        let hold_off = value(&read(&security, "/0/1"), 11);
        assert_eq!(hold_off.is_some(), attempt == 1, "the repair writes only what all must have");
        rig.reply("PUT /1/0", Response::new(Code::CHANGED));
        rig.reply("POST /bs", Response::new(Code::NOT_ACCEPTABLE));
    }
    assert_eq!(rig.ended(), Some(Err(Failure::Inconsistent(3))));
    assert!(rig.asked.is_empty());
    // A device that is content with the repair is bootstrapped.
    let run = rig.begin("ep=a");
    rig.start(run, plan());
    rig.discover("</>;lwm2m=1.1,</0/0>");
    rig.reply("PUT /0/1", Response::new(Code::CHANGED));
    rig.reply("PUT /1/0", Response::new(Code::CHANGED));
    rig.reply("POST /bs", Response::new(Code::NOT_ACCEPTABLE));
    assert_eq!(rig.obey(), ["PUT /0/1", "PUT /1/0", "POST /bs"]);
    assert_eq!(rig.ended(), Some(Ok(())));
}

#[test]
fn bs_07_a_device_that_never_answers_is_given_up() {
    let mut rig = Rig::new();
    let run = rig.begin("ep=a");
    rig.start(run, plan());
    rig.discover("</>;lwm2m=1.1,</0/0>");
    rig.wait(247);
    let Some(Err(failure)) = rig.ended() else { panic!("{:?}", rig.events) };
    assert_eq!(failure.to_string(), "failed at step 2 (Write /0/1): no answer");
    assert_eq!(rig.server.run_count(), 0);
}

#[test]
fn bs_07_a_device_that_only_acknowledges_is_given_up_too() {
    let mut rig = Rig::new();
    let run = rig.begin("ep=a");
    rig.start(run, plan());
    rig.discover("</>;lwm2m=1.1,</0/0>");
    // The request is acknowledged by an empty message, and no answer follows.
    rig.now += Duration::from_secs(1);
    rig.device.handle_timeout(rig.now);
    rig.device.handle_timeout(rig.now + Duration::from_secs(2));
    rig.pump();
    rig.wait(248);
    assert!(matches!(rig.ended(), Some(Err(Failure::NoAnswer { number: 2, .. }))));
}

#[test]
fn bs_07_a_lost_finish_is_told() {
    let mut rig = Rig::new();
    let run = rig.begin("ep=a");
    rig.start(run, plan());
    rig.discover("</>;lwm2m=1.1,</0/0>");
    rig.reply("PUT /0/1", Response::new(Code::CHANGED));
    rig.reply("PUT /1/0", Response::new(Code::CHANGED));
    rig.wait(247);
    assert_eq!(rig.ended(), Some(Err(Failure::NoAnswer { number: 4, step: Step::Finish })));
}

#[test]
fn a_plan_that_does_not_come_ends_the_wait() {
    let mut rig = Rig::new();
    let run = rig.begin("ep=a");
    // The device repeats its request with a new message: it waits for the same plan.
    assert_eq!(rig.request(Request::post("/bs").query("ep=a")), Code::CHANGED);
    assert!(rig.events.is_empty());
    rig.wait(248);
    assert_eq!(rig.ended(), Some(Err(Failure::NoPlan)));
    rig.start(run, plan());
    assert!(rig.asked.is_empty());
    let run = rig.begin("ep=a");
    rig.server.refuse(run, rig.now);
    rig.pump();
    assert_eq!(rig.ended(), Some(Err(Failure::NoPlan)));
}

#[test]
fn ets_8_what_a_device_cannot_do_does_not_stop_the_rest() {
    let mut rig = Rig::new();
    let run = rig.begin("ep=a");
    let more = [("/11/0".parse().unwrap(), Node::Instance(Default::default()))];
    rig.start(run, Plan { read_back: true, more: more.into(), ..plan() });
    rig.reply("GET /", Response::new(Code::NOT_IMPLEMENTED));
    rig.reply("DELETE /0", Response::new(Code::METHOD_NOT_ALLOWED));
    rig.reply("DELETE /1", Response::new(Code::NOT_FOUND));
    rig.reply("PUT /0/10", Response::new(Code::CHANGED));
    rig.reply("PUT /1/0", Response::new(Code::CHANGED));
    rig.reply("PUT /11/0", Response::new(Code::NOT_FOUND));
    rig.reply("GET /1", Response::new(Code::METHOD_NOT_ALLOWED));
    rig.reply("POST /bs", Response::new(Code::CHANGED));
    assert_eq!(rig.ended(), Some(Ok(())));
}

#[test]
fn a_refused_account_ends_the_bootstrap() {
    let mut rig = Rig::new();
    let run = rig.begin("ep=a");
    rig.start(run, Plan { servers: [account(101, 60, 5)].into(), ..Plan::default() });
    rig.discover("</>;lwm2m=1.1,</0/0>");
    rig.reply("PUT /0/1", Response::new(Code::BAD_REQUEST));
    rig.reply("PUT /0/1", Response::new(Code::BAD_REQUEST));
    let Some(Err(failure)) = rig.ended() else { panic!("{:?}", rig.events) };
    assert_eq!(failure.to_string(), "failed at step 3 (Write /0/1): the device answered 4.00");
}

#[test]
fn s0_106_several_servers_each_with_lifetime_and_hold_off() {
    let mut rig = Rig::new();
    let run = rig.begin("ep=a");
    let servers = [account(101, 86_400, 7), account(102, 2_592_000, 22)];
    rig.start(run, Plan { servers: servers.into(), shared_access: true, ..Plan::default() });
    rig.discover("</>;lwm2m=1.1,</0/1>,</3/0>,</5/0>");
    for (path, hold_off) in [("/0/0", 7), ("/0/2", 22)] {
        let request = rig.reply(&format!("PUT {path}"), Response::new(Code::CHANGED));
        assert_eq!(value(&read(&request, path), 11), Some(Value::Integer(hold_off)), "{path}");
    }
    for (path, lifetime, delay) in [("/1/0", 86_400, 7), ("/1/1", 2_592_000, 22)] {
        let request = rig.reply(&format!("PUT {path}"), Response::new(Code::CHANGED));
        let node = read(&request, path);
        assert_eq!(value(&node, 1), Some(Value::Integer(lifetime)));
        assert_eq!(value(&node, 14), Some(Value::Unsigned(delay)));
    }
    let rights = rig.reply("PUT /2/0", Response::new(Code::CHANGED));
    let rights = read(&rights, "/2/0");
    assert_eq!(value(&rights, 0), Some(Value::Integer(3)));
    assert_eq!(rights.resource(2).map(|values| values.values().count()), Some(2));
    assert_eq!(rig.obey(), ["PUT /2/1", "POST /bs"]);
    assert_eq!(rig.ended(), Some(Ok(())));
}

#[test]
fn one_bootstrap_at_a_time_the_newest_counts() {
    let mut rig = Rig::new();
    let first = rig.begin("ep=a");
    rig.start(first, plan());
    rig.asked.clear();
    rig.up(Link::Secured(SessionId(2)), b"key-a");
    rig.device = coap::Endpoint::new(coap::Config::default(), [3; 32]);
    let second = rig.begin("ep=a");
    assert_ne!(first, second);
    assert_eq!((rig.ended(), rig.server.run_count()), (Some(Err(Failure::Superseded)), 1));
    rig.start(second, plan());
    rig.discover(FULL);
    rig.obey();
    assert_eq!(rig.ended(), Some(Ok(())));
}

#[test]
fn the_number_of_bootstraps_is_bounded() {
    let mut rig = Rig::with(Config { max_runs: 0, ..Config::default() });
    let answer = Request::post("/bs").query("ep=a");
    rig.device.request(0, answer, rig.now);
    rig.pump();
    // The client of this test waits for Max-Age, as RFC 7252 section 5.9.3.4 says.
    assert_eq!(rig.server.run_count(), 0);
    assert!(rig.events.is_empty());
}

#[test]
fn ets_401x_strangers_get_nothing() {
    let mut rig = Rig::new();
    assert_eq!(rig.request(Request::post("/bs").query("ep=b")), Code::BAD_REQUEST);
    assert!(matches!(&rig.events[..], [Event::Refused { refusal: Refusal::WrongEndpoint, .. }]));
    assert_eq!(rig.request(Request::post("/bs").query("ep=")), Code::BAD_REQUEST);
    let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);
    rig.link = Link::Open(Way { socket: Socket(0), remote });
    rig.device = coap::Endpoint::new(coap::Config::default(), [3; 32]);
    assert_eq!(rig.request(Request::post("/bs").query("ep=a")), Code::BAD_REQUEST);
    assert_eq!(rig.server.run_count(), 0);
    let run = rig.begin("ep=A");
    rig.start(
        run,
        Plan {
            servers: [ServerAccount { security: Security::None, ..account(1, 60, 0) }].into(),
            ..Plan::default()
        },
    );
    rig.discover(FULL);
    rig.obey();
    assert_eq!(rig.ended(), Some(Ok(())));
    rig.wait(60);
    assert!(rig.commands.is_empty(), "an open link has no session to close");
}

#[test]
fn the_end_of_the_session_ends_the_bootstrap() {
    let mut rig = Rig::new();
    let run = rig.begin("ep=a");
    rig.start(run, plan());
    let down = SessionEvent::Down { link: rig.link, end: SessionEnd::ClosedByPeer };
    rig.server.handle_session(down, rig.now);
    rig.pump();
    assert_eq!(rig.ended(), Some(Err(Failure::Disconnected { number: 1, step: Step::Discover })));
    rig.up(Link::Secured(SessionId(5)), b"key-a");
    rig.device = coap::Endpoint::new(coap::Config::default(), [3; 32]);
    rig.asked.clear();
    rig.begin("ep=a");
    rig.server.release("a", rig.now);
    rig.pump();
    assert_eq!(rig.ended(), Some(Err(Failure::Released)));
}

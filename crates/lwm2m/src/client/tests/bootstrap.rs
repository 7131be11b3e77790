use coap::ContentFormat;

use super::*;
use crate::format::tlv;
use crate::path::{InstanceId, Path, ResourceId};
use crate::value::{Instance, Node, Resource, Value};

fn bootstrap_link() -> Link {
    Link::Open(Way { socket: Socket(0), remote: "192.0.2.9:5693".parse().unwrap() })
}

fn bootstrap_account() -> BootstrapAccount {
    let Link::Open(path) = bootstrap_link() else { unreachable!() };
    BootstrapAccount::new(Access::Open(path))
}

fn factory() -> Config {
    Config::new("node-1", Accounts::bootstrap(bootstrap_account()))
}

fn queries(request: &Request) -> Vec<&str> {
    request.options.uri_query().map(|part| core::str::from_utf8(part).unwrap()).collect()
}

fn single(value: Value) -> Resource {
    Resource::Single(value)
}

fn write(path: Path, resources: &[(u16, Value)]) -> Request {
    let instance: Instance =
        resources.iter().map(|(id, value)| (ResourceId(*id), single(value.clone()))).collect();
    let mut bytes = Vec::new();
    tlv::encode(path, &Node::Instance(instance), &mut bytes).unwrap();
    Request::put(&path.to_string()).content(ContentFormat::LWM2M_TLV, bytes)
}

fn security(instance: u16, uri: &str, short_server_id: i64) -> Request {
    let mode = Value::Integer(3);
    let short = Value::Integer(short_server_id);
    write(Path::instance(0, instance), &[(0, uri.into()), (1, Value::Boolean(false)), (2, mode), (10, short)])
}

fn server(instance: u16, short_server_id: i64) -> Request {
    write(
        Path::instance(1, instance),
        &[
            (0, Value::Integer(short_server_id)),
            (1, Value::Integer(600)),
            (6, Value::Boolean(false)),
            (7, "U".into()),
        ],
    )
}

/// A client whose bootstrap server writes now.
fn begun(config: Config) -> Pair {
    let mut pair = Pair::new(config, MemoryStore::default());
    pair.pass(Duration::ZERO);
    let request = pair.answer(Response::new(Code::CHANGED));
    assert_eq!((request.method, request.options.path_string().as_str()), (Code::POST, "/bs"));
    assert!(pair.events.contains(&Event::BootstrapBegun));
    pair
}

fn finish(pair: &mut Pair) -> Code {
    pair.ask(Request::post("/bs")).code
}

fn written(pair: &mut Pair) {
    assert_eq!(pair.ask(security(1, "coap://192.0.2.1:5683", 101)).code, Code::CHANGED);
    assert_eq!(pair.ask(server(0, 101)).code, Code::CHANGED);
}

#[test]
fn ets_0_a_client_without_servers_asks_for_some_and_registers_at_them() {
    let mut pair = begun(factory());
    written(&mut pair);
    let list = pair.ask(Request::get("/").accept(ContentFormat::LINK_FORMAT));
    assert_eq!(text(&list), "lwm2m=\"1.0\",</0/0>,</0/1>;ssid=101,</1/0>;ssid=101,</3/0>,</4/0>,</5/0>");
    assert_eq!(finish(&mut pair), Code::CHANGED);
    assert!(pair.events.contains(&Event::Bootstrapped { servers: vec![101] }));
    assert!(pair.events.contains(&Event::SaveWanted));
    pair.pass(Duration::ZERO);
    pair.accept_registration();
    assert_eq!(pair.link, open_link());
    assert!(pair.events.contains(&Event::Registered { server: 101 }));
}

#[test]
fn what_a_bootstrap_has_written_outlives_a_restart() {
    let mut pair = begun(factory());
    written(&mut pair);
    assert_eq!(finish(&mut pair), Code::CHANGED);
    let saved = Some(Saved::from_bytes(pair.client.save().as_bytes()));
    let mut pair = Pair::new(Config { saved, ..factory() }, MemoryStore::default());
    let register = pair.answer(Response::new(Code::CREATED).location(&["rd", "7"]));
    assert!(queries(&register).contains(&"lt=600"));
    // What means nothing does not stop a device from starting.
    let saved = Some(Saved::from_bytes(b"nonsense"));
    let mut pair = Pair::new(Config { saved, ..factory() }, MemoryStore::default());
    pair.pass(Duration::ZERO);
    assert_eq!(pair.answer(Response::new(Code::CHANGED)).options.path_string(), "/bs");
}

#[test]
fn ets_9_what_does_not_fit_together_is_refused_and_can_be_repaired() {
    let mut pair = begun(factory());
    assert_eq!(pair.ask(server(0, 101)).code, Code::CHANGED);
    assert_eq!(finish(&mut pair), Code::NOT_ACCEPTABLE);
    assert!(pair.events.contains(&Event::BootstrapInconsistent(Inconsistency::Unsecured(0))));
    assert_eq!(pair.ask(security(1, "coap://192.0.2.1:5683", 101)).code, Code::CHANGED);
    assert_eq!(finish(&mut pair), Code::CHANGED);
}

#[test]
fn bs_04_its_own_account_and_the_device_are_never_deleted() {
    let mut pair = begun(factory());
    written(&mut pair);
    for (path, code) in [
        ("/0/0", Code::BAD_REQUEST),
        ("/3/0", Code::BAD_REQUEST),
        ("/3", Code::METHOD_NOT_ALLOWED),
        ("/1/9", Code::NOT_FOUND),
        ("/1/0", Code::DELETED),
        ("/0", Code::DELETED),
        ("/", Code::DELETED),
    ] {
        assert_eq!(pair.ask(Request::delete(path)).code, code, "{path}");
    }
    let list = pair.ask(Request::get("/").accept(ContentFormat::LINK_FORMAT));
    assert_eq!(text(&list), "lwm2m=\"1.0\",</0/0>,</1>,</3/0>,</4/0>,</5/0>");
    assert_eq!(finish(&mut pair), Code::NOT_ACCEPTABLE);
}

#[test]
fn keys_are_never_read_but_servers_are() {
    let mut pair = begun(factory());
    written(&mut pair);
    assert_eq!(pair.ask(Request::get("/0")).code, Code::METHOD_NOT_ALLOWED);
    assert_eq!(pair.ask(Request::get("/1")).code, Code::CONTENT);
}

#[test]
fn a_server_that_stops_in_the_middle_leaves_the_old_accounts() {
    let mut config = open_config();
    config.accounts.bootstrap = Some(bootstrap_account());
    let mut pair = Pair::registered(config, MemoryStore::default());
    assert_eq!(pair.ask(Request::post("/1/0/9")).code, Code::CHANGED);
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.answer(Response::new(Code::CHANGED)).options.path_string(), "/bs");
    assert_eq!(pair.link, bootstrap_link());
    assert_eq!(pair.ask(Request::delete("/")).code, Code::DELETED);
    pair.pass(Duration::from_secs(247));
    assert!(pair.events.iter().any(|event| matches!(event, Event::BootstrapSilent { .. })));
    pair.accept_registration();
    assert_eq!(pair.link, open_link());
}

#[test]
fn ets_5_a_trigger_leads_to_a_bootstrap_and_a_new_registration() {
    let mut config = open_config();
    config.accounts.bootstrap = Some(bootstrap_account());
    let mut pair = Pair::registered(config, MemoryStore::default());
    assert_eq!(pair.ask(Request::post("/1/0/9")).code, Code::CHANGED);
    pair.pass(Duration::from_secs(2));
    assert_eq!(pair.answer(Response::new(Code::CHANGED)).options.path_string(), "/bs");
    assert_eq!(finish(&mut pair), Code::CHANGED);
    pair.pass(Duration::ZERO);
    pair.accept_registration();
    // Without a bootstrap server there is nothing to trigger.
    let mut pair = Pair::registered(open_config(), MemoryStore::default());
    assert_eq!(pair.ask(Request::post("/1/0/9")).code, Code::METHOD_NOT_ALLOWED);
}

#[test]
fn ets_7_servers_that_cannot_be_reached_lead_to_a_bootstrap() {
    let mut config = open_config();
    config.accounts.bootstrap = Some(bootstrap_account());
    config.attempts = 2;
    let mut pair = Pair::new(config, MemoryStore::default());
    for _ in 0..2 {
        pair.answer(Response::new(Code::FORBIDDEN));
        pair.pass(Duration::from_secs(10));
    }
    while pair.asked[0].1.options.path_string() == "/rd" {
        pair.answer(Response::new(Code::FORBIDDEN));
    }
    assert_eq!(pair.answer(Response::new(Code::CHANGED)).options.path_string(), "/bs");
}

#[test]
fn the_hold_off_time_passes_before_the_client_asks() {
    let hold_off = Duration::from_secs(60);
    let account = BootstrapAccount { hold_off, ..bootstrap_account() };
    let mut pair = Pair::new(Config::new("node-1", Accounts::bootstrap(account)), MemoryStore::default());
    assert!(pair.events.contains(&Event::BootstrapWanted { wait: hold_off }));
    pair.pass(Duration::from_secs(59));
    assert!(pair.asked.is_empty());
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.answer(Response::new(Code::CHANGED)).options.path_string(), "/bs");
}

#[test]
fn s0_106_each_server_is_registered_at_after_its_own_delay() {
    let mut pair = begun(factory());
    written(&mut pair);
    // LwM2M 1.0 has the delay in object 0 only; 1.1 in object 1, where it counts more.
    for (number, delay) in [(2, &[] as &[(u16, Value)]), (3, &[(14, Value::Unsigned(30))])] {
        let short = Value::Integer(100 + i64::from(number));
        let uri = alloc::format!("coap://192.0.2.{number}:5683");
        let (no, mode) = (Value::Boolean(false), Value::Integer(3));
        let security =
            [(0, (&*uri).into()), (1, no.clone()), (2, mode), (10, short.clone()), (11, Value::Integer(20))];
        assert_eq!(pair.ask(write(Path::instance(0, number), &security)).code, Code::CHANGED);
        let server = [(0, short), (1, Value::Integer(600)), (6, no), (7, "U".into())];
        let server = [&server[..], delay].concat();
        assert_eq!(pair.ask(write(Path::instance(1, number - 1), &server)).code, Code::CHANGED);
    }
    assert_eq!(finish(&mut pair), Code::CHANGED);
    pair.pass(Duration::ZERO);
    for (server, wait) in [(101, 0), (102, 20), (103, 10)] {
        if wait > 0 {
            pair.pass(Duration::from_secs(wait - 1));
            assert!(pair.asked.is_empty(), "server {server} is asked too early");
            pair.pass(Duration::from_secs(1));
        }
        pair.accept_registration();
        assert!(pair.events.contains(&Event::Registered { server }));
    }
}

#[test]
fn a_client_begins_anew_when_its_patience_with_the_server_ends() {
    let mut pair = begun(Config { bootstrap_patience: Duration::from_secs(9), ..factory() });
    written(&mut pair);
    pair.pass(Duration::from_secs(8));
    assert!(!pair.events.iter().any(|event| matches!(event, Event::BootstrapSilent { .. })));
    pair.pass(Duration::from_secs(1));
    assert!(pair.events.iter().any(|event| matches!(event, Event::BootstrapSilent { .. })));
}

#[test]
fn the_server_may_begin_by_itself_while_it_is_given_time() {
    let hold_off = Duration::from_secs(60);
    let account = BootstrapAccount { hold_off, ..bootstrap_account() };
    let mut pair = Pair::new(Config::new("node-1", Accounts::bootstrap(account)), MemoryStore::default());
    pair.link = bootstrap_link();
    written(&mut pair);
    assert_eq!(finish(&mut pair), Code::CHANGED);
    pair.pass(Duration::ZERO);
    pair.accept_registration();
}

#[test]
fn refusals_are_followed_by_growing_waits() {
    let mut pair = Pair::new(factory(), MemoryStore::default());
    let mut longest = Duration::from_secs(5);
    for _ in 0..5 {
        pair.pass(Duration::ZERO);
        pair.answer(Response::new(Code::BAD_REQUEST));
        let Some(Event::BootstrapRefused { code, retry }) = pair.events.pop() else { panic!() };
        assert_eq!(code, Code::BAD_REQUEST);
        assert!(retry >= longest / 2 && retry <= longest, "{retry:?}");
        pair.pass(retry);
        longest *= 2;
    }
}

#[test]
fn an_account_that_times_out_is_gone_after_the_bootstrap() {
    let account_timeout = Some(Duration::from_secs(100));
    let account = BootstrapAccount { account_timeout, ..bootstrap_account() };
    let mut pair = begun(Config::new("node-1", Accounts::bootstrap(account)));
    written(&mut pair);
    assert_eq!(finish(&mut pair), Code::CHANGED);
    pair.pass(Duration::ZERO);
    pair.accept_registration();
    pair.pass(Duration::from_secs(99));
    assert!(account_objects::bootstrap_entry(&pair.client.data).is_some());
    pair.pass(Duration::from_secs(1));
    assert!(account_objects::bootstrap_entry(&pair.client.data).is_none());
}

#[test]
fn anjay_asks_for_a_pack_first_and_tells_its_format() {
    let mut config = factory();
    quirks::Profile::Anjay.imitate(&mut config, Socket(0));
    let mut pair = Pair::new(config, MemoryStore::default());
    pair.pass(Duration::ZERO);
    let pack = pair.answer(Response::new(Code::NOT_IMPLEMENTED));
    assert_eq!((pack.method, pack.options.path_string().as_str()), (Code::GET, "/bspack"));
    let ask = pair.answer(Response::new(Code::CHANGED));
    assert_eq!(queries(&ask), ["ep=node-1", "pct=112"]);
}

#[test]
fn a_server_with_a_name_waits_for_its_address() {
    let mut pair = begun(factory());
    assert_eq!(pair.ask(security(1, "coap://dm.example:5700", 101)).code, Code::CHANGED);
    assert_eq!(pair.ask(server(0, 101)).code, Code::CHANGED);
    assert_eq!(finish(&mut pair), Code::CHANGED);
    let wanted = Event::AddressWanted { host: "dm.example".into() };
    assert!(pair.events.contains(&wanted));
    pair.client.address_found("dm.example", None, pair.now);
    pair.pass(Duration::from_secs(5));
    assert!(pair.events.iter().any(|event| matches!(event, Event::SessionFailed { .. })));
    pair.client.address_found("dm.example", Some("192.0.2.7".parse().unwrap()), pair.now);
    pair.accept_after_exchange();
    assert_eq!(pair.link, Link::Open(Way { socket: Socket(0), remote: "192.0.2.7:5700".parse().unwrap() }));
}

impl Pair {
    fn accept_after_exchange(&mut self) {
        self.pass(Duration::ZERO);
        self.accept_registration();
    }
}

#[test]
fn instances_without_number_or_known_resources_are_kept_as_far_as_they_are_understood() {
    let mut pair = begun(factory());
    let unknown = write(Path::instance(1, 0), &[(0, Value::Integer(5)), (99, Value::Opaque(vec![1]))]);
    assert_eq!(pair.ask(unknown).code, Code::CHANGED);
    let stored = pair.client.data.instance(crate::object::SERVER, InstanceId(0)).unwrap();
    assert_eq!(stored.keys().collect::<Vec<_>>(), [&ResourceId(0)]);
}

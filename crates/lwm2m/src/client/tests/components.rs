//! Object 33629.

use coap::ContentFormat;

use super::*;
use crate::path::InstanceId;

fn pair(stores: Vec<MemoryStore>) -> Pair {
    let mut config = open_config();
    config.components = vec![
        ComponentSettings { name: "modem".into(), linked: vec![InstanceId(1)] },
        ComponentSettings { name: "host".into(), linked: vec![] },
    ];
    let client = Client::with_components(
        config,
        MemoryStore::default(),
        stores,
        [1; 32],
        OpenRequest(10),
        Instant::ZERO,
    );
    let mut pair = Pair::of(client);
    pair.accept_registration();
    pair
}

fn stores() -> Vec<MemoryStore> {
    vec![MemoryStore::default(), MemoryStore::default()]
}

fn push(place: &str, bytes: &[u8]) -> Request {
    Request::put(&alloc::format!("{place}/0")).content(ContentFormat::OCTET_STREAM, bytes)
}

fn read(pair: &mut Pair, path: &str) -> String {
    text(&pair.ask(Request::get(path))).to_string()
}

#[test]
fn components_are_registered_and_show_name_version_and_links() {
    let mut config = open_config();
    config.components = vec![ComponentSettings::default(), ComponentSettings::default()];
    let (seed, first) = ([1; 32], OpenRequest(10));
    let client =
        Client::with_components(config, MemoryStore::default(), stores(), seed, first, Instant::ZERO);
    let mut registering = Pair::of(client);
    let register = registering.answer(Response::new(Code::CREATED).location(&["rd", "7"]));
    let list = String::from_utf8(register.payload.to_vec()).unwrap();
    assert!(list.contains("</5/0>") && list.contains("</33629/0>,</33629/1>"), "{list}");

    let mut pair = pair(stores());
    assert_eq!(read(&mut pair, "/33629/0/14"), "modem");
    assert_eq!(read(&mut pair, "/33629/1/14"), "host");
    assert_eq!(read(&mut pair, "/33629/1/15"), "1.0");
    assert_eq!(read(&mut pair, "/33629/0/16/0"), "33629:1");
    assert_eq!(pair.ask(Request::get("/5/0/14")).code, Code::NOT_FOUND);
    assert_eq!(pair.ask(Request::get("/33629/2/3")).code, Code::NOT_FOUND);
}

#[test]
fn each_component_has_a_state_of_its_own() {
    let mut pair = pair(stores());
    assert_eq!(pair.ask(push("/33629/1", b"image")).code, Code::CHANGED);
    let states = ["/5/0/3", "/33629/0/3", "/33629/1/3"].map(|path| read(&mut pair, path));
    assert_eq!(states, ["0", "0", "2"]);
    assert_eq!(pair.ask(Request::post("/33629/0/2")).code, Code::METHOD_NOT_ALLOWED);
    assert_eq!(pair.ask(push("/33629/1", &[0])).code, Code::CHANGED);
    assert_eq!(read(&mut pair, "/33629/1/3"), "0");
}

#[test]
fn an_order_to_install_installs_linked_components_too() {
    let mut pair = pair(stores());
    assert_eq!(pair.ask(push("/33629/0", b"image")).code, Code::CHANGED);
    assert_eq!(pair.ask(push("/33629/1", b"image")).code, Code::CHANGED);
    assert_eq!(pair.ask(Request::post("/33629/0/2")).code, Code::CHANGED);
    assert!(pair.events.contains(&Event::RebootWanted(RebootReason::Update)));
    let (main, components) = pair.client.into_stores();
    assert!(!main.activated);
    assert!(components.iter().all(|store| store.activated && store.bytes == b"image"));
}

#[test]
fn one_component_is_transferred_at_a_time() {
    let mut pair = pair(stores());
    let uri = |place: &str| {
        Request::put(&alloc::format!("{place}/1")).content(ContentFormat::TEXT_PLAIN, "coap://192.0.2.9/fw")
    };
    assert_eq!(pair.ask(uri("/33629/0")).code, Code::CHANGED);
    assert_eq!(pair.ask(uri("/33629/1")).code, Code::SERVICE_UNAVAILABLE);
    assert_eq!(pair.ask(push("/5/0", b"image")).code, Code::SERVICE_UNAVAILABLE);
    assert_eq!(read(&mut pair, "/33629/0/3"), "1");
    assert_eq!(
        pair.ask(Request::put("/33629/0/1").content(ContentFormat::TEXT_PLAIN, "")).code,
        Code::CHANGED
    );
    assert_eq!(pair.ask(push("/5/0", b"image")).code, Code::CHANGED);
    assert_eq!(pair.client.firmware().0, UpdateState::Downloaded);
}

#[test]
fn a_component_whose_download_was_cut_off_goes_on_after_the_restart() {
    let interrupted = Some(Recovered::Interrupted { uri: "coap://192.0.2.9/fw".into() });
    let cut = MemoryStore { recovered: interrupted, ..MemoryStore::default() };
    let mut pair = pair(vec![MemoryStore::default(), cut]);
    pair.pass(Duration::ZERO);
    let package = Response::new(Code::CONTENT).content(ContentFormat::OCTET_STREAM, &b"image"[..]);
    assert_eq!(pair.answer(package).options.path_string(), "/fw");
    assert_eq!(read(&mut pair, "/33629/1/3"), "2");
    assert_eq!(pair.client.firmware().0, UpdateState::Idle);
}

#[test]
fn a_component_without_power_silences_the_client() {
    let failing = MemoryStore { fails: Some(("activate", StoreError::PowerLost)), ..MemoryStore::default() };
    let mut pair = pair(vec![MemoryStore::default(), failing]);
    assert_eq!(pair.ask(push("/33629/0", b"image")).code, Code::CHANGED);
    assert_eq!(pair.ask(push("/33629/1", b"image")).code, Code::CHANGED);
    pair.server.request(pair.link, Request::post("/33629/0/2"), pair.now);
    pair.exchange();
    assert!(pair.answered.is_empty());
    assert!(pair.events.contains(&Event::PowerLost));
}

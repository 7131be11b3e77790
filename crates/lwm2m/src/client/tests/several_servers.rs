use coap::ContentFormat;

use super::*;

fn link(number: u8) -> Link {
    let remote = SocketAddr::from(([192, 0, 2, number], 5_683));
    Link::Open(Way { socket: Socket(0), remote })
}

fn two() -> Pair {
    let server = |number: u8| {
        let Link::Open(path) = link(number) else { unreachable!() };
        let short_server_id = 100 + u16::from(number);
        ServerAccount { access: Access::Open(path), short_server_id, lifetime: 300 * u32::from(number) }
    };
    let accounts = Accounts { bootstrap: None, servers: vec![server(1), server(2)] };
    let mut pair = Pair::new(Config::new("node-1", accounts), MemoryStore::default());
    for number in [1, 2] {
        let register = pair.answer(Response::new(Code::CREATED).location(&["rd", "x"]));
        let lifetime = alloc::format!("lt={}", 300 * number);
        assert!(register.options.uri_query().any(|part| part == lifetime.as_bytes()));
        assert_eq!(pair.link, link(number as u8));
    }
    assert_eq!(pair.client.registered_servers().collect::<Vec<_>>(), [101, 102]);
    pair
}

fn put(path: &str, text: &str) -> Request {
    Request::put(path).content(ContentFormat::TEXT_PLAIN, text)
}

#[test]
fn ets_950_each_server_sees_its_own_account_attributes_and_observations() {
    let mut pair = two();
    pair.link = link(1);
    assert_eq!(text(&pair.ask(Request::get("/1/0/0"))), "101");
    assert_eq!(pair.ask(Request::get("/1/1/0")).code, Code::NOT_FOUND);
    assert_eq!(pair.ask(Request::put("/4/0/2").query("pmin=10")).code, Code::CHANGED);
    assert_eq!(text(&pair.observe("/4/0/2")), "-95");
    pair.link = link(2);
    assert_eq!(text(&pair.ask(Request::get("/1/1/0"))), "102");
    let list = pair.ask(Request::get("/4/0/2").accept(ContentFormat::LINK_FORMAT));
    assert_eq!(text(&list), "</4/0/2>");
    assert_eq!(text(&pair.observe("/4/0/2")), "-95");
    pair.client.set_radio(Radio { signal_strength: -80, ..Radio::default() }, pair.now);
    // The second server has no minimum period.
    pair.pass(Duration::ZERO);
    assert_eq!(pair.notified.len(), 1);
    pair.pass(Duration::from_secs(10));
    assert_eq!(pair.notified.len(), 2);
}

#[test]
fn each_registration_has_its_own_life() {
    let mut pair = two();
    pair.pass(Duration::from_secs(207));
    let update = pair.answer(Response::new(Code::NOT_FOUND));
    assert_eq!((update.options.path_string().as_str(), pair.link), ("/rd/x", link(1)));
    let register = pair.answer(Response::new(Code::CREATED).location(&["rd", "y"]));
    assert_eq!((register.options.path_string().as_str(), pair.link), ("/rd", link(1)));
    assert!(pair.asked.is_empty(), "the other server has nothing to do with it");
    pair.link = link(2);
    assert_eq!(pair.ask(put("/1/1/5", "50")).code, Code::CHANGED);
    assert_eq!(pair.ask(Request::post("/1/1/4")).code, Code::CHANGED);
    pair.pass(Duration::ZERO);
    assert_eq!(pair.answer(Response::new(Code::DELETED)).method, Code::DELETE);
    assert_eq!(pair.client.registered_servers().collect::<Vec<_>>(), [101]);
    pair.pass(Duration::from_secs(50));
    pair.answer(Response::new(Code::CREATED).location(&["rd", "z"]));
    assert_eq!(pair.client.registered_servers().collect::<Vec<_>>(), [101, 102]);
}

#[test]
fn a_download_comes_from_the_server_that_asked_for_it() {
    let mut pair = two();
    pair.link = link(2);
    assert_eq!(pair.ask(put("/5/0/1", "coap://10.0.0.1/fw/x")).code, Code::CHANGED);
    pair.pass(Duration::ZERO);
    let get = pair.answer(Response::new(Code::NOT_FOUND));
    assert_eq!((get.options.path_string().as_str(), pair.link), ("/fw/x", link(2)));
}

#[test]
fn ets_307_a_muted_server_is_sent_nothing() {
    let mut pair = two();
    pair.link = link(2);
    assert_eq!(pair.ask(put("/1/1/23", "1")).code, Code::CHANGED);
    let paths = ["/4/0/2".parse().unwrap(), "/3/0/7".parse().unwrap()];
    assert_eq!(pair.client.send(&paths, pair.now), 1);
    pair.pass(Duration::ZERO);
    let send = pair.answer(Response::new(Code::CHANGED));
    assert_eq!((send.options.path_string().as_str(), pair.link), ("/dp", link(1)));
    assert!(pair.events.contains(&Event::Sent { server: 101, answer: Some(Code::CHANGED) }));
}

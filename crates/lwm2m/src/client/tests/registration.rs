use super::*;

fn queries(request: &Request) -> Vec<&str> {
    request.options.uri_query().map(|part| core::str::from_utf8(part).unwrap()).collect()
}

fn has(pair: &Pair, wanted: impl Fn(&Event) -> bool) -> bool {
    pair.events.iter().any(wanted)
}

#[test]
fn an_update_refused_leads_to_a_registration_at_once() {
    let mut pair = Pair::registered(open_config(), MemoryStore::default());
    pair.pass(Duration::from_secs(207));
    let update = pair.answer(Response::new(Code::NOT_FOUND));
    assert_eq!(update.options.path_string(), "/rd/7");
    assert!(pair.events.contains(&Event::RegistrationForgotten { server: 1, code: Code::NOT_FOUND }));
    pair.accept_registration();
}

#[test]
fn a_newer_version_refused_with_4_12_is_lowered_at_once() {
    let config = Config { version: Version::V1_1, ..open_config() };
    let mut pair = Pair::new(config, MemoryStore::default());
    let first = pair.answer(Response::new(Code::PRECONDITION_FAILED));
    assert!(queries(&first).contains(&"lwm2m=1.1"));
    let second = pair.answer(Response::new(Code::CREATED).location(&["rd", "7"]));
    assert!(queries(&second).contains(&"lwm2m=1.0"));
    assert!(pair.client.is_registered());
}

#[test]
fn refusals_are_followed_by_growing_waits_with_chance_in_them() {
    let mut pair = Pair::new(open_config(), MemoryStore::default());
    let mut longest = Duration::from_secs(5);
    for _ in 0..10 {
        pair.answer(Response::new(Code::FORBIDDEN));
        let Some(Event::RegistrationRefused { code, retry, .. }) = pair.events.pop() else { panic!() };
        assert_eq!(code, Code::FORBIDDEN);
        assert!(retry >= longest / 2 && retry <= longest, "{retry:?}");
        pair.pass(retry);
        longest = (longest * 2).min(Duration::from_secs(600));
    }
    pair.accept_registration();
}

#[test]
fn silence_over_plain_udp_leads_to_a_new_registration() {
    let mut pair = Pair::registered(open_config(), MemoryStore::default());
    pair.deaf = true;
    pair.pass(Duration::from_secs(330));
    assert!(!pair.client.is_registered());
    assert!(has(&pair, |event| matches!(event, Event::ServerSilent { .. })));
    pair.deaf = false;
    pair.pass(Duration::from_secs(50));
    pair.accept_registration();
}

#[test]
fn silence_over_dtls_leads_to_a_new_session() {
    let mut pair = Pair::registered(secured_config(), MemoryStore::default());
    pair.deaf = true;
    pair.pass(Duration::from_secs(330));
    assert!(matches!(pair.commands.pop_front(), Some(SessionCommand::Close(link)) if link == pair.link));
    pair.deaf = false;
    pair.session_up(SessionId(2));
    pair.accept_registration();
}

#[test]
fn a_session_that_ends_is_opened_again() {
    let mut pair = Pair::registered(secured_config(), MemoryStore::default());
    let end = machine::SessionEnd::ClosedByPeer;
    pair.client.handle_session(SessionEvent::Down { link: pair.link, end }, pair.now);
    pair.pass(Duration::from_secs(1));
    assert!(pair.events.contains(&Event::SessionEnded { server: Some(1), end }));
    pair.session_up(SessionId(2));
    pair.accept_registration();
}

#[test]
fn a_session_that_does_not_come_up_is_tried_again() {
    let mut pair = Pair::new(secured_config(), MemoryStore::default());
    let Some(SessionCommand::Open { request, .. }) = pair.commands.pop_front() else { panic!() };
    assert_eq!(request, OpenRequest(10));
    let end = machine::SessionEnd::NotAuthenticated;
    pair.client.handle_session(SessionEvent::Failed { request, end }, pair.now);
    pair.pass(Duration::from_secs(5));
    assert!(has(&pair, |event| matches!(event, Event::SessionFailed { end: found, .. } if *found == end)));
    pair.session_up(SessionId(2));
    pair.accept_registration();
}

#[test]
fn a_session_that_nobody_asked_for_is_closed() {
    let mut pair = Pair::registered(secured_config(), MemoryStore::default());
    let (link, remote) = (Link::Secured(SessionId(99)), "192.0.2.1:5684".parse().unwrap());
    let request = Some(OpenRequest(3));
    let up = SessionEvent::Up { link, identity: b"", remote, request, resumed: false };
    pair.client.handle_session(up, pair.now);
    pair.pass(Duration::ZERO);
    assert!(matches!(pair.commands.pop_front(), Some(SessionCommand::Close(closed)) if closed == link));
}

#[test]
fn a_new_lifetime_is_told_once() {
    let mut pair = Pair::registered(open_config(), MemoryStore::default());
    let write = Request::put("/1/0/1").content(coap::ContentFormat::TEXT_PLAIN, "60");
    assert_eq!(pair.ask(write).code, Code::CHANGED);
    pair.pass(Duration::ZERO);
    let update = pair.answer(Response::new(Code::CHANGED));
    assert_eq!(queries(&update), ["lt=60"]);
    // A short lifetime is renewed at its half.
    pair.pass(Duration::from_secs(30));
    let update = pair.answer(Response::new(Code::CHANGED));
    assert_eq!(queries(&update), Vec::<&str>::new());
}

#[test]
fn the_update_trigger_updates() {
    let mut pair = Pair::registered(open_config(), MemoryStore::default());
    assert_eq!(pair.ask(Request::post("/1/0/8")).code, Code::CHANGED);
    pair.pass(Duration::ZERO);
    let update = pair.answer(Response::new(Code::CHANGED));
    assert_eq!(update.options.path_string(), "/rd/7");
    assert!(pair.events.contains(&Event::RegistrationUpdated { server: 1 }));
}

#[test]
fn a_client_that_is_disabled_comes_back_after_its_timeout() {
    let mut pair = Pair::registered(secured_config(), MemoryStore::default());
    let write = Request::put("/1/0/5").content(coap::ContentFormat::TEXT_PLAIN, "100");
    assert_eq!(pair.ask(write).code, Code::CHANGED);
    assert_eq!(pair.ask(Request::post("/1/0/4")).code, Code::CHANGED);
    pair.pass(Duration::ZERO);
    let deregister = pair.answer(Response::new(Code::DELETED));
    assert_eq!((deregister.method, deregister.options.path_string().as_str()), (Code::DELETE, "/rd/7"));
    assert!(matches!(pair.commands.pop_front(), Some(SessionCommand::Close(_))));
    pair.pass(Duration::from_secs(99));
    assert!(pair.commands.is_empty());
    pair.pass(Duration::from_secs(1));
    pair.session_up(SessionId(2));
    pair.accept_registration();
}

#[test]
fn a_client_that_is_shut_down_deregisters_and_falls_silent() {
    let mut pair = Pair::registered(open_config(), MemoryStore::default());
    pair.client.shut_down(pair.now);
    pair.pass(Duration::ZERO);
    assert_eq!(pair.answer(Response::new(Code::DELETED)).method, Code::DELETE);
    assert!(pair.client.has_ended());
    pair.pass(Duration::from_secs(100_000));
    assert!(pair.asked.is_empty());
}

#[test]
fn a_lifetime_of_zero_never_needs_an_update() {
    let mut config = open_config();
    config.accounts.servers[0].lifetime = 0;
    let mut pair = Pair::new(config, MemoryStore::default());
    pair.accept_registration();
    pair.pass(Duration::from_secs(1_000_000));
    assert!(pair.asked.is_empty());
}

use super::*;

fn sleepy(mode: QueueMode) -> Config {
    Config { queue_mode: Some(mode), ..secured_config() }
}

fn queries(request: &Request) -> Vec<&str> {
    request.options.uri_query().map(|part| core::str::from_utf8(part).unwrap()).collect()
}

#[test]
fn ets_108_queue_mode_is_told_in_the_way_of_the_version() {
    for (version, expected) in [(Version::V1_0, &["b=UQ"][..]), (Version::V1_1, &["b=U", "Q"])] {
        let config = Config { version, queue_mode: Some(QueueMode::default()), ..open_config() };
        let mut pair = Pair::new(config, MemoryStore::default());
        let register = pair.answer(Response::new(Code::CREATED).location(&["rd", "7"]));
        assert_eq!(&queries(&register)[3..], expected);
        let binding = text(&pair.ask(Request::get("/3/0/16"))).to_string();
        assert_eq!(binding, if version == Version::V1_0 { "UQ" } else { "U" });
    }
}

#[test]
fn the_client_listens_for_a_while_after_the_last_message() {
    let mut pair = Pair::registered(sleepy(QueueMode::default()), MemoryStore::default());
    pair.pass(Duration::from_secs(92));
    assert!(!pair.client.is_asleep());
    assert_eq!(pair.ask(Request::get("/3/0/0")).code, Code::CONTENT);
    pair.pass(Duration::from_secs(92));
    assert!(!pair.client.is_asleep(), "a message keeps it awake");
    pair.pass(Duration::from_secs(1));
    assert!(pair.client.is_asleep());
    assert!(pair.events.contains(&Event::Asleep));
}

#[test]
fn it_wakes_to_update_and_to_notify() {
    let mode = QueueMode { wakes_every: Some(Duration::from_secs(200)), ..QueueMode::default() };
    let mut pair = Pair::registered(sleepy(mode), MemoryStore::default());
    pair.observe("/4/0/2");
    pair.pass(Duration::from_secs(150));
    assert!(pair.client.is_asleep());
    pair.client.set_radio(Radio { signal_strength: -80, ..Radio::default() }, pair.now);
    pair.pass(Duration::ZERO);
    assert_eq!(pair.notified.len(), 1);
    assert!(!pair.client.is_asleep() && pair.events.contains(&Event::Awake));
    pair.pass(Duration::from_secs(50));
    assert_eq!(pair.answer(Response::new(Code::CHANGED)).options.path_string(), "/rd/7");
}

#[test]
fn a_resumed_session_is_followed_by_an_update_and_a_new_one_by_a_registration() {
    for (resumed, path) in [(true, "/rd/7"), (false, "/rd")] {
        let mode = QueueMode { new_session: true, ..QueueMode::default() };
        let mut pair = Pair::registered(sleepy(mode), MemoryStore::default());
        let old = pair.link;
        pair.pass(Duration::from_secs(207));
        assert!(matches!(pair.commands.pop_front(), Some(SessionCommand::Close(link)) if link == old));
        pair.session_back(SessionId(2), resumed);
        let request = pair.answer(Response::new(Code::CREATED).location(&["rd", "7"]));
        assert_eq!(request.options.path_string(), path);
        assert_eq!(pair.link, Link::Secured(SessionId(2)));
    }
}

#[test]
fn ets_560_notifications_are_stored_for_a_server_that_cannot_be_reached() {
    for (stores, expected) in [("1", &["-90", "-85", "-80"][..]), ("0", &["-80"])] {
        let config = Config { observations: ObservationsAtRegister::Kept, ..secured_config() };
        let mut pair = Pair::registered(config, MemoryStore::default());
        let write = Request::put("/1/0/6").content(coap::ContentFormat::TEXT_PLAIN, stores);
        assert_eq!(pair.ask(write).code, Code::CHANGED);
        pair.observe("/4/0/2");
        let end = machine::SessionEnd::ClosedByPeer;
        pair.client.handle_session(SessionEvent::Down { link: pair.link, end }, pair.now);
        for signal_strength in [-90, -85, -80] {
            pair.client.set_radio(Radio { signal_strength, ..Radio::default() }, pair.now);
            pair.pass(Duration::from_secs(1));
        }
        pair.move_observations_to(SessionId(2));
        pair.session_up(SessionId(2));
        pair.accept_registration();
        pair.pass(Duration::ZERO);
        assert_eq!(pair.notified.iter().map(text).collect::<Vec<_>>(), expected, "storing {stores}");
    }
}

impl Pair {
    /// The server expects the notifications on another session from now on.
    fn move_observations_to(&mut self, session: SessionId) {
        self.server.move_observations(self.link, Link::Secured(session), self.now);
    }
}

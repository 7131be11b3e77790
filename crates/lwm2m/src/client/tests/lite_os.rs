use coap::ContentFormat;

use super::*;

fn pair() -> Pair {
    let mut config = open_config();
    quirks::Profile::LiteOs.imitate(&mut config, Socket(0));
    Pair::registered(config, MemoryStore::default())
}

fn downloaded() -> Pair {
    let mut pair = pair();
    let write = Request::put("/5/0/1").content(ContentFormat::TEXT_PLAIN, "coap://elsewhere/fw/x?a=b");
    assert_eq!(pair.ask(write).code, Code::CHANGED);
    pair.pass(Duration::ZERO);
    let get = pair.answer(Response::new(Code::CONTENT).content(ContentFormat::OCTET_STREAM, &b"image"[..]));
    assert_eq!(get.options.path_string(), "/fw/x");
    assert_eq!(get.options.uri_query().next(), None);
    assert_eq!(get.options.block2().unwrap().size.bytes(), 512);
    pair
}

#[test]
fn without_an_observation_it_never_starts_updating() {
    let mut pair = downloaded();
    assert_eq!(text(&pair.ask(Request::get("/5/0/3"))), "2");
    assert_eq!(pair.ask(Request::post("/5/0/2")).code, Code::CHANGED);
    pair.pass(Duration::from_secs(600));
    assert_eq!(pair.client.firmware().0, UpdateState::Downloaded);
    assert!(!pair.client.store().activated);
}

#[test]
fn an_update_begins_once_its_state_is_acknowledged() {
    let mut pair = downloaded();
    pair.observe("/5/0/3");
    pair.pass(Duration::ZERO);
    assert_eq!(pair.ask(Request::post("/5/0/2")).code, Code::CHANGED);
    pair.pass(Duration::ZERO);
    assert_eq!(pair.notified.pop_back().as_ref().map(text), Some("3"));
    assert!(pair.client.store().activated);
    assert!(pair.events.contains(&Event::RebootWanted(RebootReason::Update)));
    assert_eq!(pair.ask(Request::post("/5/0/2")).code, Code::BAD_REQUEST);
}

#[test]
fn an_update_whose_state_nobody_acknowledges_has_failed() {
    let mut pair = downloaded();
    pair.observe("/5/0/3");
    pair.pass(Duration::ZERO);
    assert_eq!(pair.ask_lost_answer(Request::post("/5/0/2")), None);
    pair.pass(Duration::from_secs(120));
    assert_eq!(pair.client.firmware(), (UpdateState::Idle, UpdateResult::UpdateFailed));
    assert!(!pair.client.store().activated);
}

#[test]
fn it_has_the_resources_of_the_old_draft() {
    let mut pair = pair();
    assert_eq!(text(&pair.ask(Request::get("/5/0/8"))), "0");
    assert_eq!(pair.ask(Request::get("/5/0/9")).code, Code::NOT_FOUND);
    let push = Request::put("/5/0/0").content(ContentFormat::OCTET_STREAM, &b"image"[..]);
    assert_eq!(pair.ask(push).code, Code::METHOD_NOT_ALLOWED);
    let execute = Request::post("/5/0/2").content(ContentFormat::TEXT_PLAIN, "0");
    assert_eq!(pair.ask(execute).code, Code::BAD_REQUEST);
}

#[test]
fn the_observation_goes_on_after_a_restart_with_its_token() {
    let mut pair = downloaded();
    pair.observe("/5/0/3");
    pair.pass(Duration::ZERO);
    assert!(pair.events.contains(&Event::SaveWanted));
    let mut config = open_config();
    quirks::Profile::LiteOs.imitate(&mut config, Socket(0));
    config.saved = Some(pair.client.save());
    let store = MemoryStore { recovered: Some(Recovered::Installed), ..MemoryStore::default() };
    pair.client = Client::new(config, store, [9; 32], OpenRequest(50), pair.now);
    pair.notified.clear();
    pair.client.handle_timeout(pair.now);
    pair.pass(Duration::ZERO);
    pair.accept_registration();
    pair.pass(Duration::ZERO);
    assert_eq!(pair.notified.iter().map(text).collect::<Vec<_>>(), ["0"], "a notification that is expected");
}

impl Pair {
    /// The request arrives; whatever the client says from then on is lost.
    fn ask_lost_answer(&mut self, request: Request) -> Option<Response> {
        self.server.request(self.link, request, self.now);
        let mut buffer = [0; 2_048];
        while let Some((link, length)) = self.server.poll_transmit(&mut buffer) {
            self.client.handle_input(link, &buffer[..length], self.now);
        }
        self.deaf = true;
        self.exchange();
        self.answered.pop_front()?.ok()
    }
}

//! Registrations as devices write them, through a whole server: nothing is answered with 5.xx, and what is
//! accepted can be updated and ended.
//!
//! The input is text: the query of Register in the first line, that of Update in the second, the object list
//! in the rest.

use std::sync::Arc;
use std::time::Duration;

use coap::{Code, ContentFormat, Endpoint, Event, Request, Response};
use lwm2m::server::{Admission, Config, Directory, Refusal, Server};
use machine::{Instant, Link, Machine, SessionEvent, SessionId, SessionMachine};

/// Takes the text of one registration.
///
/// # Panics
/// If the server answers with 5.xx, or does not let an accepted registration be updated and ended.
pub fn target(bytes: &[u8]) {
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (register, update, objects) = (line(), line(), line());
    let mut exchange = Exchange::new();
    let request = with_query(Request::post("/rd"), register).content(ContentFormat::LINK_FORMAT, objects);
    let registered = exchange.ask(request);
    assert_ne!(registered.code.class(), 5, "Register: {}", registered.code);
    if registered.code != Code::CREATED {
        assert_eq!(exchange.server.device_count(), 0);
        return;
    }
    let location: Vec<Vec<u8>> = registered.options.location_path().map(<[u8]>::to_vec).collect();
    let at_location = |method| Request::with_segments(method, location.iter().map(Vec::as_slice));
    assert!(exchange.server.registration(NAME).is_some(), "what was accepted is there");
    let updated = exchange.ask(with_query(at_location(Code::POST), update));
    assert_ne!(updated.code.class(), 5, "Update: {}", updated.code);
    let objects = at_location(Code::POST).content(ContentFormat::LINK_FORMAT, objects);
    assert_eq!(exchange.ask(objects).code, Code::CHANGED, "the same objects again");
    // A lifetime of zero never ends.
    let is_endless = exchange.server.registration(NAME).is_some_and(|found| found.lifetime == Duration::MAX);
    if is_endless || bytes.len() & 1 == 0 {
        assert_eq!(exchange.ask(at_location(Code::DELETE)).code, Code::DELETED);
    } else {
        exchange.outlive();
    }
    assert_eq!(exchange.server.device_count(), 0);
}

/// All devices are this one.
const NAME: &str = "device";

struct Everybody;

impl Directory for Everybody {
    fn admit(&self, _identity: Option<&[u8]>, endpoint: Option<&str>) -> Admission {
        match endpoint {
            Some("") => Admission::Refuse(Refusal::NoEndpoint),
            _ => Admission::Accept { endpoint: NAME.into() },
        }
    }
}

fn with_query(request: Request, line: &[u8]) -> Request {
    // More would be refused by the CoAP layer, which has its own target.
    let parts = line.split(|byte| *byte == b'&').filter(|part| (1..256).contains(&part.len())).take(32);
    parts.fold(request, |request, part| request.option(coap::OptionNumber::URI_QUERY, part))
}

struct Exchange {
    server: Server,
    device: Endpoint<u8>,
    now: Instant,
}

const LINK: Link = Link::Secured(SessionId(1));

impl Exchange {
    fn new() -> Self {
        let mut server = Server::new(Config::default(), Arc::new(Everybody), [1; 32]);
        let remote = ([192, 0, 2, 1], 40_000).into();
        let up =
            SessionEvent::Up { link: LINK, identity: b"identity", remote, request: None, resumed: false };
        server.handle_session(up, Instant::ZERO);
        let config = coap::Config { max_datagram_out: 1_400, ..coap::Config::default() };
        Self { server, device: Endpoint::new(config, [2; 32]), now: Instant::ZERO }
    }

    /// Asks the server and answers its own requests with 4.04 meanwhile.
    fn ask(&mut self, request: Request) -> Response {
        let id = self.device.request(0, request, self.now);
        let mut buffer = [0; 1_500];
        for _ in 0..1_000 {
            while let Some((_, length)) = self.device.poll_transmit(&mut buffer) {
                self.server.handle_input(LINK, &buffer[..length], self.now);
            }
            while let Some((_, length)) = self.server.poll_transmit(&mut buffer) {
                self.device.handle_input(0, &buffer[..length], self.now);
            }
            while self.server.poll_event().is_some() {}
            while let Some(event) = self.device.poll_event() {
                match event {
                    Event::Response { id: answered, response, .. } if answered == id => return response,
                    Event::Failed { id: failed, .. } if failed == id => {
                        return Response::new(Code::BAD_REQUEST);
                    }
                    Event::Request { id, .. } => {
                        self.device.respond(id, Response::new(Code::NOT_FOUND), self.now);
                    }
                    _ => {}
                }
            }
        }
        panic!("no answer");
    }

    /// Lets any lifetime run out.
    fn outlive(&mut self) {
        self.now += Duration::from_secs(1 << 33);
        for _ in 0..100 {
            self.server.handle_timeout(self.now);
            while self.server.poll_event().is_some() {}
            while self.server.poll_transmit(&mut [0; 1_500]).is_some() {}
        }
    }
}

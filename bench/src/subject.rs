//! What is measured: the server's machines without its database.

use std::convert::Infallible;
use std::sync::Arc;

use coap::{Code, Config, ContentFormat, Endpoint, Event, Request, Response};
use machine::{Instant, Link, Machine, Seed, SessionEvent, SessionMachine};
use net::Commanded;

/// Answers registrations and downloads on the CoAP endpoint alone. It stands where the LwM2M server will
/// stand, and is the part of its cost that is CoAP.
pub struct Subject {
    endpoint: Endpoint<Link>,
    image: Arc<[u8]>,
    now: Instant,
}

impl Subject {
    /// Serves `image` on every path.
    pub fn new(image: Arc<[u8]>, seed: Seed) -> Self {
        Self { endpoint: Endpoint::new(Config::default(), seed), image, now: Instant::ZERO }
    }

    fn answer(&self, request: &Request) -> Response {
        match request.method {
            Code::GET => Response::new(Code::CONTENT)
                .content(ContentFormat::OCTET_STREAM, Arc::clone(&self.image))
                .etag(b"bench"),
            _ if request.options.uri_path().count() == 1 => {
                Response::new(Code::CREATED).location(&["rd", "0123456789abcdef"])
            }
            _ => Response::new(Code::CHANGED),
        }
    }

    fn settle(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            if let Event::Request { id, request, .. } = event {
                let response = self.answer(&request);
                self.endpoint.respond(id, response, self.now);
            }
        }
    }
}

impl Machine for Subject {
    type Peer = Link;
    type Event = Infallible;

    fn handle_input(&mut self, from: Link, bytes: &[u8], now: Instant) {
        self.now = now;
        self.endpoint.handle_input(from, bytes, now);
        self.settle();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.endpoint.handle_timeout(now);
        self.settle();
    }

    fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Link, usize)> {
        self.endpoint.poll_transmit(buffer)
    }

    fn poll_event(&mut self) -> Option<Infallible> {
        None
    }

    fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.endpoint.poll_timeout()
    }
}

impl SessionMachine for Subject {
    fn handle_session(&mut self, event: SessionEvent<'_>, now: Instant) {
        if let SessionEvent::Down { link, .. } = event {
            self.endpoint.forget(link, now);
        }
    }
}

impl Commanded for Subject {
    type Command = Infallible;

    fn handle_command(&mut self, command: Infallible, _now: Instant) {
        match command {}
    }
}

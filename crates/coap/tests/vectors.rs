//! Bytes in, right answer out: every row of the table against an endpoint with a small server behind it.

#[path = "vectors/table.rs"]
mod table;

use std::sync::Arc;

use coap::{Code, Config, ContentFormat, Endpoint, Event, Request, Response};
use machine::{Instant, Link, Machine, Path, Random, SessionId, Socket};

use table::{Expected, Vector, check, expected, image, must_not_register, vectors};

#[test]
fn every_row_is_answered_as_it_must_be() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 58);
    let mut before: Option<Vec<u8>> = None;
    let mut server = Server::new();
    for vector in &vectors {
        // M47 is about what has been remembered of M46.
        if expected(vector.id) != Expected::AsBefore {
            server = Server::new();
        }
        for datagram in &vector.datagrams {
            let registrations = server.registrations;
            let answers = server.exchange(datagram);
            check(vector, &answers, before.as_deref());
            if must_not_register(vector.id) || expected(vector.id) == Expected::AsBefore {
                assert_eq!(server.registrations, registrations, "{}: must not register", vector.id);
            }
            if let Expected::Once(_) = expected(vector.id) {
                check_copies(&mut server, vector, &answers[0]);
            }
            before = answers.first().cloned();
            server.check_ping(vector);
        }
    }
}

fn check_copies(server: &mut Server, vector: &Vector, answer: &[u8]) {
    for _ in 0..2 {
        assert_eq!(server.exchange(&vector.datagrams[0]), [answer], "{}", vector.id);
    }
    assert_eq!(server.registrations, 1, "{}: counts once", vector.id);
}

#[test]
fn every_row_with_any_byte_changed_leaves_the_server_well() {
    let mut random = Random::from_number(1);
    for vector in vectors().iter().filter(|vector| vector.id != "M01") {
        let mut server = Server::new();
        for _ in 0..1_000 {
            let mut datagram = vector.datagrams[0].clone();
            let at = random.below(datagram.len() as u64) as usize;
            datagram[at] ^= 1 + random.below(255) as u8;
            let answers = server.exchange(&datagram);
            assert!(answers.len() <= 1, "{}: {datagram:02x?} -> {answers:02x?}", vector.id);
            server.check_ping(vector);
        }
    }
}

/// Rule n02 of SECURITY: from addresses that have proved nothing, each row in any state of the server.
#[test]
fn no_address_gets_more_than_three_times_what_came_from_it() {
    let mut random = Random::from_number(2);
    let mut worst = 0.0_f64;
    for vector in &vectors() {
        for datagram in &vector.datagrams {
            let mut server = Server::new();
            let (mut received, mut sent) = (0, 0);
            for round in 0..100 {
                let mut datagram = datagram.clone();
                // Copies first, then the same with other bytes changed.
                if round >= 5 && !datagram.is_empty() {
                    let at = random.below(datagram.len() as u64) as usize;
                    datagram[at] = random.below(256) as u8;
                }
                received += datagram.len();
                sent += server.exchange_with(stranger(), &datagram).iter().map(Vec::len).sum::<usize>();
                assert!(sent <= 3 * received, "{}: {sent} bytes for {received}", vector.id);
                worst = worst.max(sent as f64 / received.max(1) as f64);
            }
        }
    }
    assert!(worst > 1.0, "something was served: {worst}");
}

fn stranger() -> Link {
    Link::Open(Path { socket: Socket(0), remote: ([192, 0, 2, 1], 5_683).into() })
}

/// Knows `/rd`, `/.well-known/core` and the image at `/fw/x`.
struct Server {
    endpoint: Endpoint<Link>,
    registrations: u32,
    image: Arc<[u8]>,
}

impl Server {
    fn new() -> Self {
        let endpoint = Endpoint::new(Config::default(), [7; 32]);
        Self { endpoint, registrations: 0, image: image().into() }
    }

    /// What one datagram is answered with.
    fn exchange(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        self.exchange_with(Link::Secured(SessionId(5)), datagram)
    }

    fn exchange_with(&mut self, peer: Link, datagram: &[u8]) -> Vec<Vec<u8>> {
        let now = Instant::ZERO;
        self.endpoint.handle_input(peer, datagram, now);
        while let Some(event) = self.endpoint.poll_event() {
            if let Event::Request { id, request, .. } = event {
                let response = self.answer(&request);
                self.endpoint.respond(id, response, now);
            }
        }
        let (mut answers, mut buffer) = (Vec::new(), [0; 1_500]);
        while let Some((_, length)) = self.endpoint.poll_transmit(&mut buffer) {
            answers.push(buffer[..length].to_vec());
        }
        answers
    }

    fn check_ping(&mut self, vector: &Vector) {
        let answers = self.exchange(&[0x40, 0x00, 0x55, 0xaa]);
        assert_eq!(answers, [[0x70, 0x00, 0x55, 0xaa]], "ping after {}", vector.id);
    }

    fn answer(&mut self, request: &Request) -> Response {
        match (request.options.path_string().as_str(), request.method) {
            ("/rd", Code::POST) => self.register(request),
            ("/rd", _) => Response::new(Code::METHOD_NOT_ALLOWED),
            ("/.well-known/core", Code::GET) => match request.options.accept() {
                None | Some(ContentFormat::LINK_FORMAT) => Response::new(Code::CONTENT),
                Some(_) => Response::new(Code::NOT_ACCEPTABLE),
            },
            ("/fw/x", Code::GET) => Response::new(Code::CONTENT)
                .content(ContentFormat::OCTET_STREAM, self.image.clone())
                .etag(b"image"),
            _ => Response::new(Code::NOT_FOUND),
        }
    }

    fn register(&mut self, request: &Request) -> Response {
        if !request.confirmable {
            return Response::new(Code::BAD_REQUEST);
        }
        if request.options.content_format() != Some(ContentFormat::LINK_FORMAT) {
            return Response::new(Code::UNSUPPORTED_CONTENT_FORMAT);
        }
        let links = request.payload.split(|byte| *byte == b',');
        if !links.into_iter().all(|link| link.starts_with(b"</") && link.contains(&b'>')) {
            return Response::new(Code::BAD_REQUEST);
        }
        self.registrations += 1;
        Response::new(Code::CREATED).location(&["rd", "1"])
    }
}

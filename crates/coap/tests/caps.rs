//! One test per bound: at the bound it works, one above it is refused. Those of SECURITY's rule on caps have
//! their default values here, so that a change of a default is noticed.

mod one_side;

use coap::{BodyLimit, Code, Config, Event, Failure, OptionNumber, Request, Response};
use one_side::{OneSide, PEER, Raw};

/// The code of the endpoint's own answer; `None` if the request reached the owner.
fn refusal(side: &mut OneSide, raw: &Raw) -> Option<Code> {
    let sent = side.input(PEER, &raw.bytes());
    side.events();
    sent.first().map(|sent| sent.message().code())
}

/// A GET with so many options of one number.
fn with_options(message_id: u16, number: OptionNumber, count: usize) -> Raw {
    (0..count).fold(Raw::request(Code::GET, "/", message_id), |raw, _| raw.option(number, b"a"))
}

#[test]
fn n08_options_path_segments_and_query_parts_are_capped() {
    let mut side = OneSide::new();
    let elective = OptionNumber(2_052);
    let cases = [
        (elective, 64, None),
        (elective, 65, Some(Code::BAD_OPTION)),
        (OptionNumber::URI_PATH, 8, None),
        (OptionNumber::URI_PATH, 9, Some(Code::BAD_REQUEST)),
        (OptionNumber::URI_QUERY, 32, None),
        (OptionNumber::URI_QUERY, 33, Some(Code::BAD_REQUEST)),
    ];
    for (message_id, (number, count, expected)) in (1..).zip(cases) {
        let raw = with_options(message_id, number, count);
        assert_eq!(refusal(&mut side, &raw), expected, "{count} of {number:?}");
    }
}

#[test]
fn n08_a_hundred_requests_wait_behind_the_running_one() {
    let mut side = OneSide::new();
    for _ in 0..101 {
        side.endpoint.request(PEER, Request::get("/x"), side.now);
    }
    assert!(side.events().is_empty());
    let id = side.endpoint.request(PEER, Request::get("/x"), side.now);
    assert_eq!(side.event(), Event::Failed { peer: PEER, id, failure: Failure::QueueFull });
}

#[test]
fn n08_a_device_may_serve_64_observations() {
    let mut side = OneSide::new();
    for number in 0..65 {
        let id = side.endpoint.observe(PEER, Request::get("/x"), side.now);
        if number == 64 {
            assert_eq!(side.event(), Event::Failed { peer: PEER, id, failure: Failure::TooManyObservations });
            break;
        }
        let asked = side.sent_one();
        let answer = Raw::piggybacked(&asked, Code::CONTENT).uint(OptionNumber::OBSERVE, 1);
        side.input(PEER, &answer.bytes());
        assert!(matches!(side.event(), Event::Response { .. }));
    }
}

#[test]
fn n08_observations_that_wait_to_begin_count_too() {
    let mut side = OneSide::new();
    for _ in 0..65 {
        side.endpoint.observe(PEER, Request::get("/x"), side.now);
    }
    // One is running and 64 wait.
    assert!(side.events().is_empty());
    let id = side.endpoint.observe(PEER, Request::get("/x"), side.now);
    assert_eq!(side.event(), Event::Failed { peer: PEER, id, failure: Failure::TooManyObservations });
}

#[test]
fn n08_a_datagram_of_1472_bytes_is_read_and_one_of_1473_refused() {
    let mut side = OneSide::new();
    let request = |message_id, length: usize| {
        let raw = Raw::request(Code::POST, "/x", message_id);
        let room = length - raw.bytes().len() - 1;
        raw.payload(&vec![0; room])
    };
    assert_eq!(refusal(&mut side, &request(1, 1_472)), None);
    assert_eq!(refusal(&mut side, &request(2, 1_473)), Some(Code::REQUEST_ENTITY_TOO_LARGE));
}

/// Sends a body in blocks of 1,024 bytes: the code of the refusal, or `None` if the owner got all of it.
fn body_refused(side: &mut OneSide, path: &str, length: usize) -> Option<Code> {
    let blocks = length.div_ceil(1_024);
    for number in 0..blocks {
        let part = vec![7; 1_024.min(length - number * 1_024)];
        let raw = Raw::request(Code::POST, path, number as u16 + 1_000);
        let raw = raw.block(OptionNumber::BLOCK1, number as u32, number + 1 < blocks, 1_024).payload(&part);
        let sent = side.input(PEER, &raw.bytes());
        match sent.first().map(|sent| sent.message().code()) {
            Some(Code::CONTINUE) => {}
            other => return other,
        }
    }
    let Event::Request { request, .. } = side.event() else { panic!("no request") };
    assert_eq!(request.payload.len(), length);
    None
}

#[test]
fn n08_bodies_are_capped_by_path() {
    let send = BodyLimit { path: "/dp".into(), bytes: 65_536 };
    let cases = [("/rd", 16_384), ("/dp", 65_536)];
    for (path, limit) in cases {
        for (length, expected) in [(limit, None), (limit + 1, Some(Code::REQUEST_ENTITY_TOO_LARGE))] {
            let config = Config { body_limits: vec![send.clone()], ..Config::default() };
            let mut side = OneSide::with(config);
            assert_eq!(body_refused(&mut side, path, length), expected, "{path} {length}");
        }
    }
}

#[test]
fn n08_a_peer_is_remembered_for_256_messages() {
    let mut side = OneSide::new();
    for message_id in 0..257 {
        side.input(PEER, &Raw::request(Code::GET, "/x", message_id).bytes());
        side.events();
    }
    side.input(PEER, &Raw::request(Code::GET, "/x", 1).bytes());
    assert!(side.events().is_empty(), "the second of 257 is remembered");
    side.input(PEER, &Raw::request(Code::GET, "/x", 0).bytes());
    assert_eq!(side.events().len(), 1, "the first is not");
}

#[test]
fn requests_that_wait_for_their_owner_are_capped() {
    let mut side = OneSide::with(Config { max_unanswered: 2, ..Config::default() });
    let request = |message_id| Raw::request(Code::GET, "/x", message_id);
    assert_eq!(refusal(&mut side, &request(1)), None);
    assert_eq!(refusal(&mut side, &request(2)), None);
    assert_eq!(refusal(&mut side, &request(3)), Some(Code::SERVICE_UNAVAILABLE));
}

#[test]
fn remembered_answers_are_capped_in_bytes() {
    let mut side = OneSide::with(Config { max_remembered_bytes: 10_000, ..Config::default() });
    for peer in 0..100 {
        side.input(peer, &Raw::request(Code::GET, "/x", 1).bytes());
        let Event::Request { id, .. } = side.event() else { panic!("no request") };
        let response = Response::new(Code::CONTENT).diagnostic(&"x".repeat(900));
        side.endpoint.respond(id, response, side.now);
        side.sent();
    }
    side.input(100, &Raw::request(Code::GET, "/x", 1).bytes());
    assert!(side.endpoint.peer_count() <= 12);
}

#[test]
fn a_message_that_cannot_fit_fails_instead_of_being_cut() {
    let mut side = OneSide::new();
    let request = (0..10).fold(Request::get("/x"), |request, _| request.query(&"q".repeat(200)));
    let id = side.endpoint.request(PEER, request, side.now);
    assert_eq!(side.event(), Event::Failed { peer: PEER, id, failure: Failure::TooLarge });
    side.input(PEER, &Raw::request(Code::GET, "/x", 1).bytes());
    let Event::Request { id, .. } = side.event() else { panic!("no request") };
    let segment = "s".repeat(200);
    let response = Response::new(Code::CREATED).location(&[segment.as_str(); 10]);
    side.endpoint.respond(id, response, side.now);
    assert_eq!(side.sent_one().message().code(), Code::INTERNAL_SERVER_ERROR);
}

#[test]
fn a_driver_is_never_kept_for_more_than_a_bounded_number_of_timers() {
    let mut side = OneSide::new();
    for peer in 0..1_000 {
        side.endpoint.request(peer, Request::get("/x"), side.now);
    }
    side.sent();
    side.now += core::time::Duration::from_secs(4);
    machine::Machine::handle_timeout(&mut side.endpoint, side.now);
    assert_eq!(side.sent().len(), 256);
    let (at, _) = machine::Machine::poll_timeout(&side.endpoint).unwrap();
    assert!(at <= side.now);
    assert_eq!(side.pass(core::time::Duration::ZERO).len(), 744);
}

//! How much an address gets before it is proved, and what proves it: cases S32 and S33 of the matrix.

mod one_side;

use std::sync::Arc;

use coap::{
    Code, Config, ContentFormat, Download, Event, Kind, OptionNumber, Peer, Request, Response, Token,
};
use machine::Link;
use one_side::{OneSide, Raw, Sent, block_size, open, secured};

const ECHO: OptionNumber = OptionNumber::ECHO;

fn side() -> OneSide<Link> {
    OneSide::with_links(Config::default())
}

/// Asks from an address for something that the owner answers with this many bytes.
fn served<P: Peer>(side: &mut OneSide<P>, from: P, raw: &Raw, bytes: usize) -> Vec<Sent<P>> {
    let mut sent = side.input(from, &raw.bytes());
    for event in side.events() {
        if let Event::Request { id, .. } = event {
            let response = Response::new(Code::CONTENT).content(ContentFormat::OCTET_STREAM, vec![7; bytes]);
            side.endpoint.respond(id, response, side.now);
        }
    }
    sent.extend(side.sent());
    sent
}

fn get(message_id: u16) -> Raw {
    Raw::request(Code::GET, "/fw/something-long", message_id)
}

/// The value of the Echo option of a refusal.
fn challenge<P>(sent: &[Sent<P>]) -> Vec<u8> {
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].message().code(), Code::UNAUTHORIZED);
    assert_eq!(sent[0].message().payload(), b"");
    sent[0].message().option(ECHO).expect("an echo option").to_vec()
}

fn is_served<P>(sent: &[Sent<P>]) -> bool {
    sent[0].message().code() == Code::CONTENT
}

#[test]
fn s32_an_unproved_address_gets_at_most_three_times_what_came_from_it() {
    for bytes in 0..200 {
        let mut side = side();
        let request = get(1);
        let sent = served(&mut side, open(1), &request, bytes);
        assert_eq!(sent.len(), 1);
        assert!(sent[0].bytes.len() <= 3 * request.bytes().len());
        // Header, token, Content-Format, marker: what is covered is sent whole.
        let whole = 4 + 1 + 2 + 1 + bytes;
        assert_eq!(is_served(&sent), whole <= 3 * request.bytes().len() - 4, "{bytes}");
    }
}

#[test]
fn s32_a_secured_peer_is_proved() {
    let mut side = side();
    assert!(is_served(&served(&mut side, secured(1), &get(1), 1_000)));
    assert!(side.endpoint.is_proved(secured(1)) && !side.endpoint.is_proved(open(1)));
}

#[test]
fn s32_the_limit_can_be_taken_away() {
    let mut side = OneSide::with_links(Config { amplification: None, ..Config::default() });
    assert!(is_served(&served(&mut side, open(1), &get(1), 1_000)));
}

#[test]
fn s32_the_owner_knows_a_path_that_only_the_receiver_of_it_can_know() {
    let (mut side, image) = (side(), Arc::<[u8]>::from(vec![7; 3_000]));
    for number in 0..3 {
        let raw = get(number).block(OptionNumber::BLOCK2, number.into(), false, 1_024);
        side.input(open(1), &raw.bytes());
        let Event::Request { id, peer, .. } = side.event() else { panic!("no request") };
        side.endpoint.prove(peer);
        let response = Response::new(Code::CONTENT).content(ContentFormat::OCTET_STREAM, image.clone());
        side.endpoint.respond(id, response, side.now);
        assert_eq!(side.sent_one().message().code(), Code::CONTENT);
    }
}

#[test]
fn s32_short_copies_of_a_long_request_do_not_get_its_answer_again_and_again() {
    let mut side = side();
    let long = get(1).option(OptionNumber::URI_QUERY, &[b'q'; 250]);
    let mut received = long.bytes().len();
    let mut given: usize = served(&mut side, open(1), &long, 600).iter().map(|sent| sent.bytes.len()).sum();
    let short = Raw::new(Kind::Confirmable, Code::GET, 1, &[]).bytes();
    for _ in 0..1_000 {
        received += short.len();
        given += side.input(open(1), &short).iter().map(|sent| sent.bytes.len()).sum::<usize>();
        assert!(given <= 3 * received);
    }
    assert!(side.endpoint.statistics().withheld > 900);
}

#[test]
fn s32_what_has_been_changed_is_told_without_a_long_text() {
    let mut side = side();
    let raw = Raw::request(Code::POST, "/rd", 1);
    let sent = served(&mut side, open(1), &raw, 500);
    assert_eq!((sent[0].message().code(), sent[0].message().payload()), (Code::CONTENT, &b""[..]));
}

/// A registration whose sender's address is false must not let us send much to that address.
#[test]
fn s32_our_own_requests_to_an_unproved_address_are_bounded_too() {
    let mut side = side();
    let register = Raw::request(Code::POST, "/rd", 1).payload(&[b'x'; 60]);
    let mut given: usize = served(&mut side, open(1), &register, 0).iter().map(|sent| sent.bytes.len()).sum();
    for _ in 0..20 {
        let write = Request::put("/1/0/1").content(ContentFormat::OCTET_STREAM, vec![1; 900]);
        side.endpoint.request(open(1), write, side.now);
    }
    given += side.sent().iter().chain(&side.pass_secs(10_000)).map(|sent| sent.bytes.len()).sum::<usize>();
    assert!(given <= 3 * register.bytes().len(), "{given}");
    let events = side.events();
    assert_eq!(events.len(), 20);
    assert!(events.iter().all(|event| matches!(event, Event::Failed { .. })));
}

#[test]
fn s32_a_large_request_to_an_unproved_address_waits_for_the_answer_to_a_small_one() {
    for code in [Code::CONTENT, Code::NOT_FOUND, Code::METHOD_NOT_ALLOWED] {
        let mut side = side();
        served(&mut side, open(1), &Raw::request(Code::POST, "/rd", 1), 0);
        let body = vec![1; 900];
        let write = Request::put("/1/0/1").content(ContentFormat::OCTET_STREAM, body.clone());
        let id = side.endpoint.request(open(1), write, side.now);
        let question = side.sent_one();
        assert_eq!((question.message().code(), question.bytes.len()), (Code::GET, 12));
        let sent = side.input(open(1), &Raw::piggybacked(&question, code).bytes());
        assert_eq!((sent[0].path().as_str(), sent[0].message().payload()), ("/1/0/1", &*body));
        assert!(side.events().is_empty());
        side.input(open(1), &Raw::piggybacked(&sent[0], Code::CHANGED).bytes());
        assert!(matches!(side.event(), Event::Response { id: answered, .. } if answered == id));
    }
}

#[test]
fn s32_a_request_that_waits_for_a_proof_can_be_canceled() {
    let mut side = side();
    served(&mut side, open(1), &Raw::request(Code::POST, "/rd", 1), 0);
    let write = Request::put("/1").content(ContentFormat::OCTET_STREAM, vec![1; 900]);
    let id = side.endpoint.request(open(1), write, side.now);
    let question = side.sent_one();
    side.endpoint.cancel(id, side.now);
    assert!(side.input(open(1), &Raw::piggybacked(&question, Code::CONTENT).bytes()).is_empty());
    assert!(side.pass_secs(1_000).is_empty());
    assert_eq!(side.endpoint.peer_count(), 0);
}

#[test]
fn s32_a_response_with_our_token_proves_an_acknowledgement_or_reset_does_not() {
    for (kind, proves) in [(None, true), (Some(Kind::Acknowledgement), false), (Some(Kind::Reset), false)] {
        let mut side = side();
        served(&mut side, open(1), &get(1), 0);
        side.endpoint.request(open(1), Request::get("/3"), side.now);
        let asked = side.sent_one();
        let reply = match kind {
            Some(kind) => Raw::empty(kind, &asked),
            None => Raw::piggybacked(&asked, Code::CONTENT).bytes(),
        };
        side.input(open(1), &reply);
        assert_eq!(side.endpoint.is_proved(open(1)), proves);
        side.events();
        assert_eq!(is_served(&served(&mut side, open(1), &get(2), 1_000)), proves);
    }
}

#[test]
fn s32_a_short_token_proves_nothing() {
    let mut side = OneSide::with_links(Config { token_length: 0, ..Config::default() });
    served(&mut side, open(1), &get(1), 0);
    side.endpoint.request(open(1), Request::get("/3"), side.now);
    let asked = side.sent_one();
    assert_eq!(asked.message().token(), Token::EMPTY);
    side.input(open(1), &Raw::piggybacked(&asked, Code::CONTENT).bytes());
    assert!(matches!(side.event(), Event::Response { .. }));
    assert!(!side.endpoint.is_proved(open(1)));
}

#[test]
fn s32_what_is_acknowledged_does_not_count() {
    let mut side = side();
    side.input(open(1), &Raw::request(Code::GET, "/3", 1).uint(OptionNumber::OBSERVE, 0).bytes());
    let Event::Request { id, .. } = side.event() else { panic!("no request") };
    side.endpoint.respond(id, Response::new(Code::CONTENT).observe(0), side.now);
    side.sent();
    for sequence in 1..100 {
        let state = Response::new(Code::CONTENT).content(ContentFormat::TEXT_PLAIN, "12");
        side.endpoint.notify(open(1), id.token(), sequence, state, true, side.now);
        let sent = side.sent_one();
        side.input(open(1), &Raw::empty(Kind::Acknowledgement, &sent));
        assert!(matches!(side.event(), Event::Delivered { .. }));
    }
    assert!(!side.endpoint.is_proved(open(1)));
}

#[test]
fn s33_a_repeat_with_the_echo_value_passes() {
    let mut side = side();
    let echo = challenge(&served(&mut side, open(1), &get(1), 1_000));
    assert!(echo.len() <= 40);
    side.pass_secs(30);
    assert!(is_served(&served(&mut side, open(1), &get(2).option(ECHO, &echo), 1_000)));
    assert!(is_served(&served(&mut side, open(1), &get(3), 1_000)), "from then on it is proved");
}

#[test]
fn s33_the_value_proves_nothing_after_60_seconds() {
    for (seconds, passes) in [(59, true), (60, false), (100_000, false)] {
        let mut side = side();
        let echo = challenge(&served(&mut side, open(1), &get(1), 1_000));
        side.pass_secs(seconds);
        let sent = served(&mut side, open(1), &get(2).option(ECHO, &echo), 1_000);
        assert_eq!(is_served(&sent), passes);
        if !passes {
            assert_ne!(challenge(&sent), echo, "a new one is given");
        }
    }
}

#[test]
fn s33_the_value_proves_nothing_from_another_address_or_changed_or_at_another_server() {
    let echo = challenge(&served(&mut side(), open(1), &get(1), 1_000));
    // A server with the same key each time, so that nobody has earned more than this request gives.
    let with = |from, echo: &[u8]| served(&mut side(), from, &get(2).option(ECHO, echo), 1_000);
    assert!(is_served(&with(open(1), &echo)));
    challenge(&with(open(2), &echo));
    challenge(&with(open(1), &echo[..11]));
    for byte in 0..echo.len() {
        let mut changed = echo.clone();
        changed[byte] ^= 1;
        challenge(&with(open(1), &changed));
    }
    let mut other = side();
    other.endpoint = coap::Endpoint::new(Config::default(), [8; 32]);
    challenge(&served(&mut other, open(1), &get(2).option(ECHO, &echo), 1_000));
}

#[test]
fn s33_our_requests_carry_back_the_echo_value_that_a_server_asks_for() {
    let mut side = side();
    side.endpoint.request(open(1), Request::get("/fw"), side.now);
    let mut asked = side.sent_one();
    assert_eq!(asked.message().option(ECHO), None);
    for value in [b"one", b"two"] {
        let refusal = Raw::piggybacked(&asked, Code::UNAUTHORIZED).option(ECHO, value);
        asked = side.input(open(1), &refusal.bytes()).remove(0);
        assert_eq!((asked.path().as_str(), asked.message().option(ECHO)), ("/fw", Some(&value[..])));
        assert!(side.events().is_empty());
    }
    // A server that is never content is not asked for ever.
    side.input(open(1), &Raw::piggybacked(&asked, Code::UNAUTHORIZED).option(ECHO, b"three").bytes());
    assert!(matches!(side.event(), Event::Response { .. }));
}

/// Both roles together: a download from an address that has to be proved needs one more round trip.
#[test]
fn s33_a_download_between_two_endpoints_passes() {
    let (mut server, mut client) = (side(), side());
    let image: Arc<[u8]> = (0..20_000_u32).map(|at| (at / 7) as u8).collect();
    let mut download = Download::new(block_size(1_024), 0, None);
    let (mut bytes, mut datagrams) = (Vec::new(), 0);
    while bytes.len() < image.len() {
        client.endpoint.request(open(2), download.next_request(Request::get("/fw")), client.now);
        let mut to_server = client.sent();
        while let Some(request) = to_server.pop() {
            datagrams += 1;
            let mut answers = server.input(open(1), &request.bytes);
            if let Event::Request { id, .. } = server.event() {
                let response =
                    Response::new(Code::CONTENT).content(ContentFormat::OCTET_STREAM, image.clone());
                server.endpoint.respond(id, response, server.now);
                answers = server.sent();
            }
            answers.iter().for_each(|answer| to_server.extend(client.input(open(2), &answer.bytes)));
        }
        let Event::Response { response, .. } = client.event() else { panic!("no response") };
        let chunk = download.accept(&response).unwrap();
        bytes.extend_from_slice(&response.payload[chunk.bytes]);
    }
    assert_eq!((bytes, datagrams), (image.to_vec(), 21));
}

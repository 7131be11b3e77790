//! Stateful cases of the message layer and of single requests, named by their number in the matrix.

mod one_side;

use core::time::Duration;

use coap::{Code, Config, Event, Failure, IncomingId, Kind, OptionNumber, Peer, Request, Response};
use machine::Instant;
use one_side::{OneSide, PEER, Raw, open, secured};

/// Takes the one request that has come and answers it.
fn answer<P: Peer>(side: &mut OneSide<P>, code: Code) -> Request {
    let (id, request) = taken(side);
    side.endpoint.respond(id, Response::new(code), side.now);
    request
}

fn taken<P: Peer>(side: &mut OneSide<P>) -> (IncomingId, Request) {
    match side.event() {
        Event::Request { id, request, .. } => (id, request),
        other => panic!("not a request: {other:?}"),
    }
}

/// A running GET /3/0/3: its id aside, what was sent.
fn asking(side: &mut OneSide) -> one_side::Sent {
    side.endpoint.request(PEER, Request::get("/3/0/3"), side.now);
    side.sent_one()
}

#[test]
fn s01_a_copy_is_replayed_for_247_seconds_and_new_after_that() {
    let mut side = OneSide::new();
    let update = Raw::request(Code::POST, "/rd/1", 7).bytes();
    side.input(PEER, &update);
    answer(&mut side, Code::CHANGED);
    let first = side.sent_one().bytes;
    side.pass_secs(246);
    let again = side.input(PEER, &update);
    assert_eq!(again[0].bytes, first);
    assert!(side.events().is_empty());
    side.pass_secs(2);
    assert!(side.input(PEER, &update).is_empty());
    answer(&mut side, Code::CHANGED);
}

#[test]
fn s02_the_same_message_id_from_another_port_or_session_is_another_message() {
    let mut side = OneSide::with_links(Config::default());
    let update = Raw::request(Code::POST, "/rd/1", 7).bytes();
    for peer in [open(1), open(2), secured(1), secured(2)] {
        assert!(side.input(peer, &update).is_empty());
        answer(&mut side, Code::CHANGED);
        assert_eq!(side.sent_one().to, peer);
    }
}

#[test]
fn s03_an_unacknowledged_message_is_repeated_with_doubling_pauses_then_given_up() {
    for peer in 0..20 {
        let mut side = OneSide::new();
        for other in 0..peer {
            side.endpoint.request(100 + other, Request::get("/x"), side.now);
        }
        side.sent();
        let start = side.now;
        let id = side.endpoint.request(PEER, Request::get("/3/0/3"), start);
        let first = side.sent_one();
        let mut sent: Vec<_> = side.pass_secs(100).into_iter().filter(|sent| sent.to == PEER).collect();
        sent.insert(0, first);
        assert_eq!(sent.len(), 5);
        assert!(sent.iter().all(|copy| copy.bytes == sent[0].bytes));
        let pauses: Vec<Duration> = sent.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
        assert!((Duration::from_secs(2)..Duration::from_millis(3_010)).contains(&pauses[0]), "{pauses:?}");
        for pair in pauses.windows(2) {
            let error = pair[1].abs_diff(pair[0] * 2);
            assert!(error < Duration::from_millis(10), "{pauses:?}");
        }
        let failed = Event::Failed { peer: PEER, id, failure: Failure::TimedOut };
        assert!(side.events().contains(&failed));
    }
}

#[test]
fn s03_it_is_given_up_after_31_times_the_first_pause() {
    let mut side = OneSide::new();
    asking(&mut side);
    side.pass_secs(61);
    assert!(side.events().is_empty());
    side.pass_secs(33);
    assert!(matches!(side.event(), Event::Failed { failure: Failure::TimedOut, .. }));
    assert_eq!(side.endpoint.statistics().given_up, 1);
    assert_eq!(side.endpoint.peer_statistics(PEER).retransmissions, 4);
}

#[test]
fn s04_a_separate_response_is_taken_once_and_acknowledged_each_time() {
    let mut side = OneSide::new();
    let asked = asking(&mut side);
    side.input(PEER, &Raw::empty(Kind::Acknowledgement, &asked));
    assert!(side.pass_secs(80).is_empty(), "an acknowledged message is not repeated");
    let response = Raw::separate(&asked, Kind::Confirmable, Code::CONTENT, 77).payload(b"1.0").bytes();
    for copy in 0..3 {
        let sent = side.input(PEER, &response);
        assert_eq!(sent[0].bytes, [0x60, 0, 0, 77]);
        assert_eq!(side.events().len(), usize::from(copy == 0));
    }
}

#[test]
fn s04_the_acknowledgement_goes_ahead_of_the_next_request() {
    let mut side = OneSide::new();
    let asked = asking(&mut side);
    side.endpoint.request(PEER, Request::get("/2"), side.now);
    let sent = side.input(PEER, &Raw::separate(&asked, Kind::Confirmable, Code::CONTENT, 77).bytes());
    assert_eq!(sent[0].bytes, [0x60, 0, 0, 77]);
    assert_eq!(sent[1].path(), "/2");
}

#[test]
fn s04_a_request_that_is_acknowledged_but_never_answered_fails() {
    let mut side = OneSide::new();
    let asked = asking(&mut side);
    side.input(PEER, &Raw::empty(Kind::Acknowledgement, &asked));
    side.pass_secs(121);
    assert!(matches!(side.event(), Event::Failed { failure: Failure::TimedOut, .. }));
}

#[test]
fn s05_a_response_that_comes_before_the_acknowledgement_counts_as_it() {
    let mut side = OneSide::new();
    let asked = asking(&mut side);
    side.input(PEER, &Raw::separate(&asked, Kind::Confirmable, Code::CONTENT, 77).bytes());
    assert!(matches!(side.event(), Event::Response { .. }));
    assert!(side.pass_secs(100).is_empty());
    side.input(PEER, &Raw::empty(Kind::Acknowledgement, &asked));
    assert!(side.events().is_empty());
}

#[test]
fn s06_an_acknowledgement_with_another_token_is_ignored() {
    let mut side = OneSide::new();
    let asked = asking(&mut side);
    let mut wrong = Raw::piggybacked(&asked, Code::CONTENT);
    wrong.token = coap::Token::EMPTY;
    assert!(side.input(PEER, &wrong.bytes()).is_empty());
    assert!(side.events().is_empty());
    side.input(PEER, &Raw::piggybacked(&asked, Code::CONTENT).bytes());
    assert!(matches!(side.event(), Event::Response { .. }));
}

#[test]
fn s07_a_response_from_another_address_or_session_never_matches() {
    let peers = [open(1), open(2), secured(1), secured(2)];
    for asked_peer in peers {
        let mut side = OneSide::with_links(Config::default());
        side.endpoint.request(asked_peer, Request::get("/3/0/3"), side.now);
        let asked = side.sent_one();
        let piggybacked = Raw::piggybacked(&asked, Code::CONTENT).bytes();
        for other in peers.into_iter().filter(|peer| *peer != asked_peer) {
            let separate = Raw::separate(&asked, Kind::Confirmable, Code::CONTENT, 5);
            assert_eq!(side.input(other, &separate.bytes())[0].message().kind(), Kind::Reset);
            assert!(side.input(other, &piggybacked).is_empty());
            assert!(side.input(other, &Raw::empty(Kind::Reset, &asked)).is_empty());
            assert!(side.events().is_empty());
        }
        side.input(asked_peer, &piggybacked);
        assert!(matches!(side.event(), Event::Response { .. }));
    }
}

#[test]
fn s08_a_reset_fails_the_request_at_once() {
    let mut side = OneSide::new();
    let asked = asking(&mut side);
    side.input(PEER, &Raw::empty(Kind::Reset, &asked));
    assert!(matches!(side.event(), Event::Failed { failure: Failure::Reset, .. }));
    assert!(side.pass_secs(100).is_empty());
}

#[test]
fn s09_a_non_confirmable_response_is_accepted_by_its_token() {
    let mut side = OneSide::new();
    let asked = asking(&mut side);
    let sent = side.input(PEER, &Raw::separate(&asked, Kind::NonConfirmable, Code::CONTENT, 5).bytes());
    assert!(sent.is_empty());
    assert!(matches!(side.event(), Event::Response { .. }));
}

#[test]
fn s10_a_response_with_an_unknown_critical_option_is_rejected() {
    for kind in [Kind::Confirmable, Kind::NonConfirmable, Kind::Acknowledgement] {
        let mut side = OneSide::new();
        let asked = asking(&mut side);
        let response = match kind {
            Kind::Acknowledgement => Raw::piggybacked(&asked, Code::CONTENT),
            _ => Raw::separate(&asked, kind, Code::CONTENT, 5),
        };
        let sent = side.input(PEER, &response.option(OptionNumber(2_053), b"x").bytes());
        let reset = sent.iter().any(|sent| sent.message().kind() == Kind::Reset);
        assert_eq!(reset, kind == Kind::Confirmable);
        assert!(matches!(side.event(), Event::Failed { failure: Failure::Malformed, .. }));
    }
}

#[test]
fn s11_requests_to_one_peer_run_one_by_one_and_delay_no_other() {
    let mut side = OneSide::new();
    side.endpoint.request(PEER, Request::get("/1"), side.now);
    side.endpoint.request(PEER, Request::get("/2"), side.now);
    side.endpoint.request(PEER + 1, Request::get("/3"), side.now);
    let sent = side.sent();
    assert_eq!(sent.iter().map(|sent| sent.path()).collect::<Vec<_>>(), ["/1", "/3"]);
    let next = side.input(PEER, &Raw::piggybacked(&sent[0], Code::CONTENT).bytes());
    assert_eq!(next[0].path(), "/2");
    let failed = side.pass_secs(100);
    assert!(failed.iter().all(|sent| sent.path() != "/1"));
}

#[test]
fn s11_a_failed_request_makes_way_for_the_next() {
    let mut side = OneSide::new();
    side.endpoint.request(PEER, Request::get("/1"), side.now);
    side.endpoint.request(PEER, Request::get("/2"), side.now);
    side.sent();
    assert!(side.pass_secs(94).iter().any(|sent| sent.path() == "/2"));
}

#[test]
fn s12_a_busy_peer_is_asked_again_when_it_says_so() {
    let mut side = OneSide::new();
    let mut asked = asking(&mut side);
    for _ in 0..2 {
        let busy = Raw::piggybacked(&asked, Code::SERVICE_UNAVAILABLE).uint(OptionNumber::MAX_AGE, 30);
        assert!(side.input(PEER, &busy.bytes()).is_empty());
        assert!(side.pass(Duration::from_millis(29_900)).is_empty());
        let again = side.pass(Duration::from_millis(200)).remove(0);
        assert_eq!(again.path(), "/3/0/3");
        assert_ne!(again.message().token(), asked.message().token());
        assert_ne!(again.message().message_id(), asked.message().message_id());
        asked = again;
    }
    side.input(PEER, &Raw::piggybacked(&asked, Code::CONTENT).bytes());
    let Event::Response { response, .. } = side.event() else { panic!("no response") };
    assert_eq!(response.code, Code::CONTENT);
}

#[test]
fn s12_a_peer_that_stays_busy_or_names_no_time_or_a_long_one_is_believed() {
    for (max_age, rounds) in [(Some(30), 3), (None, 1), (Some(61), 1)] {
        let mut side = OneSide::new();
        let mut asked = asking(&mut side);
        for round in 1..=rounds {
            let mut busy = Raw::piggybacked(&asked, Code::SERVICE_UNAVAILABLE);
            if let Some(seconds) = max_age {
                busy = busy.uint(OptionNumber::MAX_AGE, seconds);
            }
            side.input(PEER, &busy.bytes());
            if round < rounds {
                asked = side.pass_secs(31).remove(0);
            }
        }
        let Event::Response { response, .. } = side.event() else { panic!("no response") };
        assert_eq!((response.code, response.options.max_age()), (Code::SERVICE_UNAVAILABLE, max_age));
    }
}

#[test]
fn s12_a_request_that_waits_for_a_busy_peer_can_be_canceled_and_others_wait_behind_it() {
    let mut side = OneSide::new();
    let id = side.endpoint.request(PEER, Request::get("/1"), side.now);
    side.endpoint.request(PEER, Request::get("/2"), side.now);
    let asked = side.sent_one();
    let busy = Raw::piggybacked(&asked, Code::SERVICE_UNAVAILABLE).uint(OptionNumber::MAX_AGE, 30);
    assert!(side.input(PEER, &busy.bytes()).is_empty());
    let stale = Raw::separate(&asked, Kind::Confirmable, Code::CONTENT, 5).bytes();
    assert_eq!(side.input(PEER, &stale)[0].message().kind(), Kind::Reset);
    side.endpoint.cancel(id, side.now);
    assert_eq!(side.sent_one().path(), "/2");
}

#[test]
fn s13_codes_without_meaning_are_never_success() {
    let mut side = OneSide::new();
    let asked = asking(&mut side);
    side.input(PEER, &Raw::piggybacked(&asked, Code(0x61)).bytes());
    let Event::Response { response, .. } = side.event() else { panic!("no response") };
    assert!(!response.code.is_success());
    asking(&mut side);
    let asked = side.pass_secs(3).remove(0);
    side.input(PEER, &Raw::piggybacked(&asked, Code(0xe1)).bytes());
    side.pass_secs(100);
    assert!(matches!(side.event(), Event::Failed { failure: Failure::TimedOut, .. }));
}

#[test]
fn s14_tokens_are_long_random_and_never_come_twice() {
    let mut side = OneSide::new();
    let mut tokens = std::collections::BTreeSet::new();
    for peer in 0..10_000 {
        side.endpoint.request(peer, Request::get("/"), side.now);
    }
    for sent in side.sent() {
        assert!(sent.message().token().as_bytes().len() >= 4);
        assert!(tokens.insert(sent.message().token()));
    }
    // To one peer likewise, request after request.
    for _ in 0..10_000 {
        side.endpoint.request(20_000, Request::get("/"), side.now);
        let asked = side.sent_one();
        assert!(tokens.insert(asked.message().token()));
        side.input(20_000, &Raw::piggybacked(&asked, Code::CONTENT).bytes());
    }
}

#[test]
fn s15_a_datagram_beyond_the_limit_is_refused_with_a_size_and_never_cut() {
    let mut side = OneSide::new();
    for (length, refused) in [(1_153, false), (1_472, false), (1_473, true), (65_507, true)] {
        let raw = Raw::request(Code::POST, "/rd", length as u16);
        let room = length - raw.bytes().len() - 1;
        let bytes = raw.payload(&vec![b'x'; room]).bytes();
        assert_eq!(bytes.len(), length);
        let sent = side.input(PEER, &bytes);
        if refused {
            assert_eq!(sent[0].message().code(), Code::REQUEST_ENTITY_TOO_LARGE);
            assert!(sent[0].message().option(OptionNumber::SIZE1).is_some());
            assert!(side.events().is_empty());
        } else {
            assert_eq!(taken(&mut side).1.payload.len(), room);
        }
    }
}

#[test]
fn s16_message_ids_are_bounded_per_peer_and_in_all() {
    let config = Config { max_remembered: 1_000, ..Config::default() };
    let mut side = OneSide::with(config);
    for round in 0..100_000_u32 {
        let ping = Raw::request(Code::GET, "/x", round as u16).bytes();
        let peer = if round % 2 == 0 { PEER } else { 10 + round };
        side.input(peer, &ping);
        answer(&mut side, Code::NOT_FOUND);
        side.sent();
    }
    // Of the last 2,000 messages one peer sent half; 256 of its own and all of the others fit.
    assert!(side.endpoint.peer_count() <= 1_000);
    assert!(side.endpoint.statistics().forgotten > 90_000);
    side.pass_secs(300);
    assert_eq!(side.endpoint.peer_count(), 0, "nothing is kept for idle peers");
}

#[test]
fn a_late_answer_travels_alone_and_is_repeated_until_acknowledged() {
    let mut side = OneSide::new();
    let request = Raw::request(Code::GET, "/slow", 9);
    side.input(PEER, &request.bytes());
    let (id, _) = taken(&mut side);
    let acknowledged = side.pass_secs(2);
    assert_eq!(acknowledged[0].bytes, [0x60, 0, 0, 9]);
    assert_eq!(side.input(PEER, &request.bytes())[0].bytes, [0x60, 0, 0, 9]);
    side.endpoint.respond(id, Response::new(Code::CONTENT), side.now);
    let separate = side.sent_one();
    assert_eq!(separate.message().kind(), Kind::Confirmable);
    assert_eq!(separate.message().token(), request.token);
    let repeated = side.pass_secs(3);
    assert_eq!(repeated[0].bytes, separate.bytes);
    side.input(PEER, &Raw::empty(Kind::Acknowledgement, &separate));
    assert!(side.pass_secs(100).is_empty());
}

#[test]
fn a_request_that_is_never_answered_leaves_nothing_behind() {
    let mut side = OneSide::new();
    side.input(PEER, &Raw::request(Code::GET, "/slow", 9).bytes());
    let (id, _) = taken(&mut side);
    side.pass_secs(600);
    side.endpoint.respond(id, Response::new(Code::CONTENT), side.now);
    assert!(side.sent().is_empty());
    assert_eq!(side.endpoint.peer_count(), 0);
}

#[test]
fn a_non_confirmable_request_is_answered_in_kind() {
    let mut side = OneSide::new();
    let mut request = Raw::request(Code::GET, "/x", 9);
    request.kind = Kind::NonConfirmable;
    side.input(PEER, &request.bytes());
    answer(&mut side, Code::CONTENT);
    assert_eq!(side.sent_one().message().kind(), Kind::NonConfirmable);
    assert!(side.input(PEER, &request.bytes()).is_empty(), "a copy is ignored");
    assert!(side.events().is_empty());
}

#[test]
fn our_non_confirmable_request_is_sent_once_and_times_out() {
    let mut side = OneSide::new();
    side.endpoint.request(PEER, Request::get("/x").non_confirmable(), side.now);
    assert_eq!(side.sent_one().message().kind(), Kind::NonConfirmable);
    assert!(side.pass_secs(119).is_empty());
    side.pass_secs(2);
    assert!(matches!(side.event(), Event::Failed { failure: Failure::TimedOut, .. }));
}

#[test]
fn a_canceled_request_is_silent_and_its_late_answer_is_reset() {
    let mut side = OneSide::new();
    let id = side.endpoint.request(PEER, Request::get("/1"), side.now);
    side.endpoint.request(PEER, Request::get("/2"), side.now);
    let asked = side.sent_one();
    side.endpoint.cancel(id, side.now);
    assert_eq!(side.sent_one().path(), "/2");
    let sent = side.input(PEER, &Raw::separate(&asked, Kind::Confirmable, Code::CONTENT, 5).bytes());
    assert_eq!(sent[0].message().kind(), Kind::Reset);
    assert!(side.events().is_empty());
}

#[test]
fn a_held_peer_gets_its_requests_when_it_is_released() {
    let mut side = OneSide::new();
    side.endpoint.hold(PEER, side.now);
    side.endpoint.request(PEER, Request::get("/1"), side.now);
    assert!(side.pass_secs(10_000).is_empty());
    side.endpoint.release(PEER, side.now);
    assert_eq!(side.sent_one().path(), "/1");
}

#[test]
fn a_forgotten_peer_fails_its_requests_and_leaves_nothing_behind() {
    let mut side = OneSide::new();
    let running = side.endpoint.request(PEER, Request::get("/1"), side.now);
    let waiting = side.endpoint.request(PEER, Request::get("/2"), side.now);
    side.input(PEER, &Raw::request(Code::GET, "/x", 9).bytes());
    let (incoming, _) = taken(&mut side);
    side.sent();
    side.endpoint.forget(PEER, side.now);
    let failed = |id| Event::Failed { peer: PEER, id, failure: Failure::PeerGone };
    assert_eq!(side.events(), [failed(running), failed(waiting)]);
    side.endpoint.respond(incoming, Response::new(Code::CONTENT), side.now);
    assert!(side.pass_secs(1_000).is_empty());
    assert_eq!(side.endpoint.peer_count(), 0);
}

#[test]
fn message_ids_of_our_messages_do_not_come_twice_within_the_exchange_lifetime() {
    let mut side = OneSide::new();
    let mut seen = std::collections::BTreeMap::<u16, Instant>::new();
    for _ in 0..500 {
        side.endpoint.request(PEER, Request::get("/1"), side.now);
        let asked = side.sent_one();
        let last = seen.insert(asked.message().message_id().0, side.now);
        assert!(last.is_none_or(|at| side.now - at > Duration::from_secs(247)));
        side.input(PEER, &Raw::piggybacked(&asked, Code::CONTENT).bytes());
        side.pass_secs(1 + seen.len() as u64 % 61);
    }
}

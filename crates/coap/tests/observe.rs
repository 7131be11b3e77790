//! Stateful cases of Observe in both roles, named by their number in the matrix.

mod one_side;

use coap::{CancelBy, Code, Event, Failure, Kind, OptionNumber, Request, Response, Token};
use one_side::{OneSide, PEER, Raw, Sent};

const OBSERVE: OptionNumber = OptionNumber::OBSERVE;

/// An observation of /5/0/3 that the peer has confirmed with sequence number 5: the request.
fn observing(side: &mut OneSide) -> (coap::RequestId, Sent) {
    let id = side.endpoint.observe(PEER, Request::get("/5/0/3"), side.now);
    let asked = side.sent_one();
    assert_eq!(asked.message().option(OBSERVE), Some(&[][..]));
    side.input(PEER, &Raw::piggybacked(&asked, Code::CONTENT).uint(OBSERVE, 5).payload(b"0").bytes());
    assert!(matches!(side.event(), Event::Response { .. }));
    (id, asked)
}

/// Sends a notification and says whether its value was taken.
fn notified(side: &mut OneSide, asked: &Sent, message_id: u16, sequence: u32) -> bool {
    let raw = Raw::separate(asked, Kind::Confirmable, Code::CONTENT, message_id).uint(OBSERVE, sequence);
    let sent = side.input(PEER, &raw.payload(b"1").bytes());
    assert_eq!(sent[0].message().kind(), Kind::Acknowledgement);
    match side.events().as_slice() {
        [] => false,
        [Event::Notification { .. }] => true,
        other => panic!("unexpected {other:?}"),
    }
}

#[test]
fn o01_an_older_notification_within_128_seconds_is_dropped() {
    let mut side = OneSide::new();
    let (_, asked) = observing(&mut side);
    assert!(notified(&mut side, &asked, 1, 7));
    side.pass_secs(127);
    assert!(!notified(&mut side, &asked, 2, 6));
    assert!(notified(&mut side, &asked, 3, 8));
}

#[test]
fn o02_a_number_behind_the_wrap_of_24_bits_is_newer() {
    let mut side = OneSide::new();
    let (_, asked) = observing(&mut side);
    assert!(notified(&mut side, &asked, 1, 0x7f_ffff));
    assert!(notified(&mut side, &asked, 2, 0xff_fffe));
    assert!(notified(&mut side, &asked, 3, 1));
    assert!(!notified(&mut side, &asked, 4, 0xff_fffe));
}

#[test]
fn o03_a_lower_number_129_seconds_later_is_newer() {
    let mut side = OneSide::new();
    let (_, asked) = observing(&mut side);
    assert!(notified(&mut side, &asked, 1, 7));
    side.pass_secs(129);
    assert!(notified(&mut side, &asked, 2, 6));
}

#[test]
fn o04_an_answer_without_a_number_is_the_last_value() {
    is_the_last_word(Code::CONTENT);
}

#[test]
fn o05_an_error_ends_the_observation_and_is_told() {
    is_the_last_word(Code::NOT_FOUND);
    is_the_last_word(Code::INTERNAL_SERVER_ERROR);
}

fn is_the_last_word(code: Code) {
    let mut side = OneSide::new();
    let (id, asked) = observing(&mut side);
    let raw = Raw::separate(&asked, Kind::Confirmable, code, 1).payload(b"2");
    assert_eq!(side.input(PEER, &raw.bytes())[0].message().kind(), Kind::Acknowledgement);
    let Event::ObservationEnded { id: ended, response: Some(last), .. } = side.event() else {
        panic!("not ended");
    };
    assert_eq!((ended, last.code, &*last.payload), (id, code, &b"2"[..]));
    let late = Raw::separate(&asked, Kind::Confirmable, Code::CONTENT, 2).uint(OBSERVE, 9);
    assert_eq!(side.input(PEER, &late.bytes())[0].message().kind(), Kind::Reset);
}

#[test]
fn o04_a_peer_that_does_not_observe_says_so_in_its_first_answer() {
    let mut side = OneSide::new();
    side.endpoint.observe(PEER, Request::get("/5/0/3"), side.now);
    let asked = side.sent_one();
    side.input(PEER, &Raw::piggybacked(&asked, Code::CONTENT).bytes());
    let events = side.events();
    assert!(matches!(events[0], Event::Response { .. }));
    assert!(matches!(events[1], Event::ObservationEnded { response: None, .. }));
}

#[test]
fn o06_a_notification_that_comes_twice_is_acknowledged_twice_and_taken_once() {
    let mut side = OneSide::new();
    let (_, asked) = observing(&mut side);
    assert!(notified(&mut side, &asked, 1, 7));
    assert!(!notified(&mut side, &asked, 1, 7));
}

#[test]
fn o07_a_notification_nobody_waits_for_is_reset_once_per_message() {
    let mut side = OneSide::new();
    let (id, asked) = observing(&mut side);
    side.endpoint.cancel_observation(id, CancelBy::Reset, side.now);
    assert!(side.events().is_empty());
    for (message_id, kind) in [(1, Kind::Confirmable), (2, Kind::NonConfirmable)] {
        let raw = Raw::separate(&asked, kind, Code::CONTENT, message_id).uint(OBSERVE, 9);
        let sent = side.input(PEER, &raw.bytes());
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].bytes, [0x70, 0, 0, message_id as u8]);
        // A copy of a confirmable one means that the reset was lost.
        assert_eq!(side.input(PEER, &raw.bytes()).len(), usize::from(kind == Kind::Confirmable));
    }
}

#[test]
fn an_observation_is_ended_by_request_with_its_own_token() {
    let mut side = OneSide::new();
    let (id, asked) = observing(&mut side);
    side.endpoint.cancel_observation(id, CancelBy::Request, side.now);
    let ending = side.sent_one();
    assert_eq!(ending.message().token(), asked.message().token());
    assert_eq!(ending.message().option(OBSERVE), Some(&[1][..]));
    let crossing = Raw::separate(&asked, Kind::Confirmable, Code::CONTENT, 3).uint(OBSERVE, 9);
    assert_eq!(side.input(PEER, &crossing.bytes())[0].message().kind(), Kind::Acknowledgement);
    assert!(side.events().is_empty());
    side.input(PEER, &Raw::piggybacked(&ending, Code::CONTENT).bytes());
    assert!(matches!(side.event(), Event::ObservationEnded { id: ended, .. } if ended == id));
}

#[test]
fn o08_observing_again_after_a_registration_takes_a_new_token_and_the_old_one_is_reset() {
    let mut side = OneSide::new();
    let (id, old) = observing(&mut side);
    side.endpoint.cancel_observation(id, CancelBy::Reset, side.now);
    let (_, new) = observing(&mut side);
    assert_ne!(old.message().token(), new.message().token());
    let late = Raw::separate(&old, Kind::Confirmable, Code::CONTENT, 1).uint(OBSERVE, 9);
    assert_eq!(side.input(PEER, &late.bytes())[0].message().kind(), Kind::Reset);
    assert!(notified(&mut side, &new, 2, 6));
}

#[test]
fn o08_a_device_on_a_new_link_may_go_on_with_its_old_tokens() {
    let mut side = OneSide::new();
    let (id, asked) = observing(&mut side);
    side.endpoint.move_observations(PEER, PEER + 1, side.now);
    side.endpoint.forget(PEER, side.now);
    assert!(side.events().is_empty());
    let raw = Raw::separate(&asked, Kind::Confirmable, Code::CONTENT, 3).uint(OBSERVE, 9);
    side.input(PEER + 1, &raw.bytes());
    assert!(matches!(side.event(), Event::Notification { peer, id: of, .. } if (peer, of) == (PEER + 1, id)));
    let from_old_link = side.input(PEER, &raw.bytes());
    assert_eq!(from_old_link[0].message().kind(), Kind::Reset);
}

#[test]
fn o08_forgetting_a_peer_ends_its_observations() {
    let mut side = OneSide::new();
    let (id, _) = observing(&mut side);
    side.endpoint.forget(PEER, side.now);
    assert!(matches!(side.event(), Event::ObservationEnded { id: ended, .. } if ended == id));
}

#[test]
fn o09_a_restored_observation_is_matched_and_a_lost_one_reset() {
    let mut side = OneSide::new();
    let (id, asked) = observing(&mut side);
    let token = side.endpoint.observation_token(id).unwrap();
    assert_eq!(token, asked.message().token());
    let raw = Raw::separate(&asked, Kind::Confirmable, Code::CONTENT, 3).uint(OBSERVE, 2);
    let mut restarted = OneSide::new();
    assert_eq!(restarted.input(PEER, &raw.bytes())[0].message().kind(), Kind::Reset);
    let mut restarted = OneSide::new();
    restarted.endpoint.restore_observation(PEER, token, Request::get("/5/0/3"), restarted.now);
    assert_eq!(restarted.input(PEER, &raw.bytes())[0].message().kind(), Kind::Acknowledgement);
    assert!(matches!(restarted.event(), Event::Notification { .. }));
}

#[test]
fn o10_a_notification_may_overtake_the_first_answer() {
    let mut side = OneSide::new();
    side.endpoint.observe(PEER, Request::get("/5/0/3"), side.now);
    let asked = side.sent_one();
    let newer = Raw::separate(&asked, Kind::Confirmable, Code::CONTENT, 3).uint(OBSERVE, 6).payload(b"new");
    side.input(PEER, &newer.bytes());
    let Event::Response { response, .. } = side.event() else { panic!("no response") };
    assert_eq!(&*response.payload, b"new");
    side.input(PEER, &Raw::piggybacked(&asked, Code::CONTENT).uint(OBSERVE, 5).payload(b"old").bytes());
    assert!(side.events().is_empty());
    assert!(notified(&mut side, &asked, 4, 7));
}

#[test]
fn o11_silence_ends_no_observation() {
    let mut side = OneSide::new();
    let (_, asked) = observing(&mut side);
    assert!(side.pass_secs(1_000_000).is_empty());
    assert!(side.events().is_empty());
    assert!(notified(&mut side, &asked, 1, 1));
}

/// What is taken of 10,000 notifications in a second, and what of them is answered in any way.
fn flood(kind: Kind) -> (usize, usize) {
    let mut side = OneSide::new();
    let (_, asked) = observing(&mut side);
    side.endpoint.request(PEER + 1, Request::get("/x"), side.now);
    let other = side.sent_one();
    let (mut taken, mut answered) = (0, 0);
    for sequence in 6..10_006_u32 {
        let raw = Raw::separate(&asked, kind, Code::CONTENT, sequence as u16).uint(OBSERVE, sequence);
        answered += side.input(PEER, &raw.bytes()).len();
        taken += side.events().len();
        side.pass(core::time::Duration::from_micros(100));
    }
    side.input(PEER + 1, &Raw::piggybacked(&other, Code::CONTENT).bytes());
    assert!(matches!(side.event(), Event::Response { .. }), "others are unharmed");
    assert_eq!(side.endpoint.statistics().notifications_dropped, 10_000 - taken as u64);
    assert_eq!(side.endpoint.statistics().forgotten, 0, "what is dropped takes nobody's place");
    (taken, answered)
}

#[test]
fn o12_of_ten_thousand_notifications_in_a_second_the_burst_and_ten_more_are_taken() {
    // The tenth would come with the first of the next second.
    assert_eq!(flood(Kind::Confirmable), (109, 109));
    assert_eq!(flood(Kind::NonConfirmable), (109, 0));
}

#[test]
fn o12_a_dropped_notification_is_taken_when_it_is_repeated() {
    let mut side = OneSide::new();
    let (_, asked) = observing(&mut side);
    for sequence in 6..106 {
        assert!(notified(&mut side, &asked, sequence as u16, sequence));
    }
    let raw = Raw::separate(&asked, Kind::Confirmable, Code::CONTENT, 500).uint(OBSERVE, 106).bytes();
    assert!(side.input(PEER, &raw).is_empty());
    side.pass_secs(2);
    assert_eq!(side.input(PEER, &raw)[0].message().kind(), Kind::Acknowledgement);
    assert!(matches!(side.event(), Event::Notification { .. }));
}

/// The first block of a notification in blocks of 16 bytes.
fn first_block(asked: &Sent, message_id: u16, sequence: u32, tag: &[u8]) -> Raw {
    let raw = Raw::separate(asked, Kind::Confirmable, Code::CONTENT, message_id).uint(OBSERVE, sequence);
    let raw = raw.option(OptionNumber::ETAG, tag).block(OptionNumber::BLOCK2, 0, true, 16);
    raw.payload(&[sequence as u8; 16])
}

#[test]
fn s31_the_rest_of_a_notification_is_fetched_without_observing() {
    let mut side = OneSide::new();
    let (_, asked) = observing(&mut side);
    let sent = side.input(PEER, &first_block(&asked, 1, 8, b"8").bytes());
    let fetch = sent.iter().find(|sent| sent.message().code() == Code::GET).unwrap();
    assert_eq!(fetch.message().option(OBSERVE), None);
    assert_ne!(fetch.message().token(), asked.message().token());
    assert_eq!(fetch.block(OptionNumber::BLOCK2).unwrap().number, 1);
    let rest = Raw::piggybacked(fetch, Code::CONTENT).option(OptionNumber::ETAG, b"8");
    side.input(PEER, &rest.block(OptionNumber::BLOCK2, 1, false, 16).payload(b"rest").bytes());
    let Event::Notification { response, .. } = side.event() else { panic!("no notification") };
    assert_eq!(&*response.payload, [&[8; 16][..], b"rest"].concat());
}

#[test]
fn s31_a_value_that_changes_while_it_is_read_is_read_from_its_start_once() {
    let mut side = OneSide::new();
    let (_, asked) = observing(&mut side);
    let block = |asked: &Sent, tag: &[u8], number, more, payload: &[u8]| {
        let raw = Raw::piggybacked(asked, Code::CONTENT).option(OptionNumber::ETAG, tag);
        raw.block(OptionNumber::BLOCK2, number, more, 16).payload(payload).bytes()
    };
    let sent = side.input(PEER, &first_block(&asked, 1, 8, b"8").bytes());
    let fetch = sent.iter().find(|sent| sent.message().code() == Code::GET).unwrap();
    let again = side.input(PEER, &block(fetch, b"9", 1, false, b"rest")).remove(0);
    assert_eq!(again.block(OptionNumber::BLOCK2).map_or(0, |block| block.number), 0);
    let last = side.input(PEER, &block(&again, b"9", 0, true, &[9; 16])).remove(0);
    side.input(PEER, &block(&last, b"9", 1, false, b"rest"));
    let Event::Notification { response, .. } = side.event() else { panic!("no notification") };
    assert_eq!(&*response.payload, [&[9; 16][..], b"rest"].concat(), "nothing of the old value");
}

#[test]
fn s31_a_newer_notification_replaces_one_that_is_still_being_read() {
    let mut side = OneSide::new();
    let (_, asked) = observing(&mut side);
    let stale = side.input(PEER, &first_block(&asked, 1, 8, b"8").bytes()).remove(0);
    side.input(PEER, &first_block(&asked, 2, 9, b"9").bytes());
    let late = Raw::piggybacked(&stale, Code::CONTENT).option(OptionNumber::ETAG, b"8");
    side.input(PEER, &late.block(OptionNumber::BLOCK2, 1, false, 16).payload(b"old").bytes());
    assert!(side.events().is_empty());
    assert!(notified(&mut side, &asked, 3, 10), "a whole one needs no reading");
    assert!(side.pass_secs(100).is_empty(), "and ends the reading");
}

#[test]
fn our_confirmable_notifications_go_one_by_one_and_are_reported() {
    let mut side = OneSide::new();
    let token = Token::new(b"tok").unwrap();
    let state = |value: &str| Response::new(Code::CONTENT).content(coap::ContentFormat::TEXT_PLAIN, value);
    let one = side.endpoint.notify(PEER, token, 1, state("1"), true, side.now);
    let two = side.endpoint.notify(PEER, token, 2, state("2"), true, side.now);
    let first = side.sent_one();
    assert_eq!((first.message().token(), first.message().option(OBSERVE)), (token, Some(&[1][..])));
    assert_eq!(side.pass_secs(3)[0].bytes, first.bytes, "repeated until acknowledged");
    let second = side.input(PEER, &Raw::empty(Kind::Acknowledgement, &first)).remove(0);
    assert_eq!(side.event(), Event::Delivered { peer: PEER, id: one });
    side.pass_secs(100);
    assert_eq!(second.message().payload(), b"2");
    assert_eq!(side.event(), Event::Failed { peer: PEER, id: two, failure: Failure::TimedOut });
    // The observation itself goes on: nothing says that the peer does not want it.
    side.endpoint.notify(PEER, token, 3, state("3"), true, side.now);
    let third = side.sent_one();
    side.input(PEER, &Raw::empty(Kind::Reset, &third));
    let events = side.events();
    assert!(matches!(events[0], Event::Failed { failure: Failure::Reset, .. }));
    assert_eq!(events[1], Event::ObservationCanceled { peer: PEER, token });
}

#[test]
fn a_reset_of_a_notification_that_was_not_confirmable_cancels_too() {
    let mut side = OneSide::new();
    let token = Token::new(b"tok").unwrap();
    let state = Response::new(Code::CONTENT).content(coap::ContentFormat::TEXT_PLAIN, "1");
    side.endpoint.notify(PEER, token, 1, state, false, side.now);
    let sent = side.sent_one();
    assert_eq!(sent.message().kind(), Kind::NonConfirmable);
    side.input(PEER, &Raw::empty(Kind::Reset, &sent));
    assert_eq!(side.event(), Event::ObservationCanceled { peer: PEER, token });
    side.input(PEER, &Raw::empty(Kind::Reset, &sent));
    assert!(side.events().is_empty());
}

#[test]
fn a_long_notification_is_cut_and_the_rest_waits_to_be_asked_for() {
    let mut side = OneSide::new();
    let state = Response::new(Code::CONTENT).content(coap::ContentFormat::LWM2M_TLV, vec![1; 3_000]);
    side.endpoint.notify(PEER, Token::EMPTY, 1, state, false, side.now);
    let sent = side.sent_one();
    assert!(sent.block(OptionNumber::BLOCK2).unwrap().more);
    assert_eq!(sent.message().payload().len(), 1_024);
    assert!(sent.message().option(OptionNumber::ETAG).is_some());
}

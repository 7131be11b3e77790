//! Stateful cases of block-wise transfer, named by their number in the matrix.

mod one_side;

use std::sync::Arc;

use coap::{
    BodyBlock, BodyLimit, Code, Config, ContentFormat, Download, DownloadError, Event, Failure, Kind,
    OptionNumber, Request, Response,
};
use one_side::{OneSide, PEER, Raw, Sent, block_size};

const BLOCK1: OptionNumber = OptionNumber::BLOCK1;
const BLOCK2: OptionNumber = OptionNumber::BLOCK2;

fn body(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// A block of `body` in a POST to /rd.
fn block(message_id: u16, number: u32, size: usize, body: &[u8]) -> Raw {
    let start = number as usize * size;
    let end = body.len().min(start + size);
    let raw = Raw::request(Code::POST, "/rd", message_id).uint(OptionNumber::CONTENT_FORMAT, 40);
    raw.block(BLOCK1, number, end < body.len(), size).payload(&body[start..end])
}

/// Gives a block to the endpoint, which answers by itself.
fn answered(side: &mut OneSide, raw: &Raw) -> Code {
    let sent = side.input(PEER, &raw.bytes());
    assert_eq!(sent.len(), 1);
    sent[0].message().code()
}

/// Gives the last block to the endpoint and takes the whole request.
fn completed(side: &mut OneSide, raw: &Raw) -> Request {
    assert!(side.input(PEER, &raw.bytes()).is_empty());
    let Event::Request { id, request, block: None, .. } = side.event() else { panic!("no whole request") };
    side.endpoint.respond(id, Response::new(Code::CREATED), side.now);
    assert!(side.sent_one().block(BLOCK1).is_some());
    request
}

#[test]
fn s17_a_block_that_comes_in_two_messages_is_taken_once() {
    let (mut side, body) = (OneSide::new(), body(300));
    for (message_id, number) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 3)] {
        assert_eq!(answered(&mut side, &block(message_id, number, 64, &body)), Code::CONTINUE);
    }
    let request = completed(&mut side, &block(6, 4, 64, &body));
    assert_eq!(&*request.payload, body);
    assert_eq!(request.options.block1(), None);
}

#[test]
fn s18_a_gap_is_refused_and_the_buffer_freed() {
    let (mut side, body) = (OneSide::new(), body(300));
    assert_eq!(answered(&mut side, &block(1, 0, 64, &body)), Code::CONTINUE);
    assert_eq!(answered(&mut side, &block(2, 2, 64, &body)), Code::REQUEST_ENTITY_INCOMPLETE);
    assert_eq!(answered(&mut side, &block(3, 1, 64, &body)), Code::REQUEST_ENTITY_INCOMPLETE);
}

#[test]
fn s19_block_zero_starts_again() {
    let (mut side, body) = (OneSide::new(), body(150));
    for (message_id, number) in [(1, 0), (2, 1), (3, 0), (4, 1)] {
        assert_eq!(answered(&mut side, &block(message_id, number, 64, &body)), Code::CONTINUE);
    }
    assert_eq!(&*completed(&mut side, &block(5, 2, 64, &body)).payload, body);
}

#[test]
fn s20_blocks_may_shrink_in_the_middle() {
    let (mut side, body) = (OneSide::new(), body(1_400));
    assert_eq!(answered(&mut side, &block(1, 0, 1_024, &body)), Code::CONTINUE);
    assert_eq!(answered(&mut side, &block(2, 4, 256, &body)), Code::CONTINUE);
    assert_eq!(&*completed(&mut side, &block(3, 5, 256, &body)).payload, body);
    assert_eq!(answered(&mut side, &block(4, 0, 1_024, &body)), Code::CONTINUE);
    let wrong_units = block(5, 1, 256, &body);
    assert_eq!(answered(&mut side, &wrong_units), Code::REQUEST_ENTITY_INCOMPLETE);
}

#[test]
fn s21_a_format_that_changes_between_blocks_is_refused() {
    let (mut side, body) = (OneSide::new(), body(300));
    assert_eq!(answered(&mut side, &block(1, 0, 64, &body)), Code::CONTINUE);
    let raw = Raw::request(Code::POST, "/rd", 2).uint(OptionNumber::CONTENT_FORMAT, 42);
    let raw = raw.block(BLOCK1, 1, true, 64).payload(&body[64..128]);
    assert_eq!(answered(&mut side, &raw), Code::REQUEST_ENTITY_INCOMPLETE);
}

#[test]
fn s22_a_body_above_the_limit_is_refused_with_the_limit() {
    let (mut side, body) = (OneSide::new(), body(17 * 1_024));
    let declared = block(1, 0, 1_024, &body).uint(OptionNumber::SIZE1, 17 * 1_024);
    let sent = side.input(PEER, &declared.bytes());
    assert_eq!(sent[0].message().code(), Code::REQUEST_ENTITY_TOO_LARGE);
    assert_eq!(sent[0].message().option(OptionNumber::SIZE1), Some(&[0x40, 0x00][..]));
    for number in 0..16 {
        assert_eq!(answered(&mut side, &block(2 + number, number.into(), 1_024, &body)), Code::CONTINUE);
    }
    assert_eq!(answered(&mut side, &block(40, 16, 1_024, &body)), Code::REQUEST_ENTITY_TOO_LARGE);
    assert!(side.events().is_empty());
}

#[test]
fn s22_a_body_at_the_limit_is_taken_and_a_path_may_have_its_own() {
    let limit = BodyLimit { path: "/rd".into(), bytes: 32 };
    let mut side = OneSide::with(Config { body_limits: vec![limit], ..Config::default() });
    let (fits, exceeds) = (body(32), body(33));
    assert_eq!(answered(&mut side, &block(1, 0, 16, &fits)), Code::CONTINUE);
    assert_eq!(completed(&mut side, &block(2, 1, 16, &fits)).payload.len(), 32);
    let whole = Raw::request(Code::POST, "/rd", 3).payload(&exceeds);
    assert_eq!(answered(&mut side, &whole), Code::REQUEST_ENTITY_TOO_LARGE);
}

#[test]
fn s23_a_body_left_open_is_freed_after_247_seconds() {
    let (mut side, body) = (OneSide::new(), body(300));
    assert_eq!(answered(&mut side, &block(1, 0, 64, &body)), Code::CONTINUE);
    side.pass_secs(246);
    assert_eq!(answered(&mut side, &block(2, 1, 64, &body)), Code::CONTINUE);
    side.pass_secs(248);
    assert_eq!(answered(&mut side, &block(3, 2, 64, &body)), Code::REQUEST_ENTITY_INCOMPLETE);
    side.pass_secs(1_000);
    assert_eq!(side.endpoint.peer_count(), 0);
}

#[test]
fn s23_ten_thousand_open_bodies_stay_under_the_cap() {
    let config = Config { max_body_bytes: 1 << 20, max_remembered: 5_000, ..Config::default() };
    let (mut side, body) = (OneSide::with(config), body(3_000));
    for peer in 0..10_000 {
        side.input(peer, &block(1, 0, 1_024, &body).bytes());
    }
    assert_eq!(side.endpoint.statistics().abandoned_bodies, 10_000 - 1_024);
    assert!(side.endpoint.peer_count() <= 5_000);
    let oldest = side.input(0, &block(2, 1, 1_024, &body).bytes());
    assert_eq!(oldest[0].message().code(), Code::REQUEST_ENTITY_INCOMPLETE);
    let newest = side.input(9_999, &block(2, 1, 1_024, &body).bytes());
    assert_eq!(newest[0].message().code(), Code::CONTINUE);
}

#[test]
fn s24_of_two_interleaved_bodies_the_later_wins_and_tags_keep_them_apart() {
    let (mut side, one, two) = (OneSide::new(), body(100), vec![9; 100]);
    assert_eq!(answered(&mut side, &block(1, 0, 64, &one)), Code::CONTINUE);
    assert_eq!(answered(&mut side, &block(2, 0, 64, &two)), Code::CONTINUE);
    assert_eq!(&*completed(&mut side, &block(3, 1, 64, &two)).payload, two);
    assert_eq!(answered(&mut side, &block(4, 1, 64, &one)), Code::REQUEST_ENTITY_INCOMPLETE);
    let tagged = |message_id, number, body, tag: &[u8]| {
        block(message_id, number, 64, body).option(OptionNumber::REQUEST_TAG, tag)
    };
    assert_eq!(answered(&mut side, &tagged(5, 0, &one, b"1")), Code::CONTINUE);
    assert_eq!(answered(&mut side, &tagged(6, 0, &two, b"2")), Code::CONTINUE);
    assert_eq!(&*completed(&mut side, &tagged(7, 1, &one, b"1")).payload, one);
    assert_eq!(&*completed(&mut side, &tagged(8, 1, &two, b"2")).payload, two);
}

/// Gets a block of the image from the endpoint, whose owner has it in shared memory.
fn served(side: &mut OneSide, raw: &Raw, image: &Arc<[u8]>, tag: &[u8]) -> Sent {
    side.input(PEER, &raw.bytes());
    let Event::Request { id, .. } = side.event() else { panic!("no request") };
    let response = Response::new(Code::CONTENT).content(ContentFormat::OCTET_STREAM, image.clone());
    side.endpoint.respond(id, response.etag(tag), side.now);
    side.sent_one()
}

#[test]
fn s26_blocks_of_a_shared_image_are_exact_in_any_order_and_size() {
    let (mut side, image) = (OneSide::new(), Arc::<[u8]>::from(body(10_000)));
    let first = served(&mut side, &Raw::request(Code::GET, "/fw", 1), &image, b"tag");
    assert_eq!(first.message().payload(), &image[..1_024]);
    assert!(first.block(BLOCK2).unwrap().more);
    assert_eq!(first.message().option(OptionNumber::SIZE2), Some(&[0x27, 0x10][..]));
    for (message_id, number, size) in [(2, 9, 1_024), (3, 3, 1_024), (4, 16, 256), (5, 624, 16), (6, 0, 512)]
    {
        let raw = Raw::request(Code::GET, "/fw", message_id).block(BLOCK2, number, false, size);
        let sent = served(&mut side, &raw, &image, b"tag");
        let (start, end) = (number as usize * size, image.len().min((number as usize + 1) * size));
        assert_eq!(sent.message().payload(), &image[start..end]);
        assert_eq!(sent.message().option(OptionNumber::ETAG), Some(&b"tag"[..]));
        assert_eq!(sent.block(BLOCK2).unwrap().more, end < image.len());
        assert_eq!(side.input(PEER, &raw.bytes())[0].bytes, sent.bytes, "a copy gets the same bytes");
    }
    // The owner still holds the image, one copy of it, and the remembered answers share it.
    assert!(Arc::strong_count(&image) > 1);
}

/// The images of the owner are named by their content: the old one goes on, or it is gone.
#[test]
fn s25_blocks_of_an_image_that_was_replaced_are_never_mixed() {
    let (mut side, old, new) = (OneSide::new(), Arc::<[u8]>::from(body(3_000)), Arc::from([9; 3_000]));
    let mut download = Download::new(block_size(1_024), 0, None);
    let first = served(&mut side, &Raw::request(Code::GET, "/fw", 1), &old, b"old");
    download.accept(&response_of(&first)).unwrap();
    let second = Raw::request(Code::GET, "/fw", 2).block(BLOCK2, 1, false, 1_024);
    let replaced = served(&mut side, &second, &new, b"new");
    assert_eq!(download.accept(&response_of(&replaced)), Err(DownloadError::Changed));
    let second = Raw::request(Code::GET, "/fw", 3).block(BLOCK2, 1, false, 1_024);
    let kept = served(&mut side, &second, &old, b"old");
    assert_eq!(download.accept(&response_of(&kept)).unwrap().offset, 1_024);
    side.input(PEER, &Raw::request(Code::GET, "/fw", 4).block(BLOCK2, 2, false, 1_024).bytes());
    let Event::Request { id, .. } = side.event() else { panic!("no request") };
    side.endpoint.respond(id, Response::new(Code::NOT_FOUND), side.now);
    let gone = Err(DownloadError::Refused(Code::NOT_FOUND));
    assert_eq!(download.accept(&response_of(&side.sent_one())), gone);
}

#[test]
fn s25_a_long_body_without_tag_gets_one_that_changes_with_it() {
    let mut side = OneSide::new();
    let mut tags = Vec::new();
    for (message_id, payload) in [(1, body(3_000)), (2, body(3_000)), (3, vec![1; 3_000])] {
        side.input(PEER, &Raw::request(Code::GET, "/3", message_id).bytes());
        let Event::Request { id, .. } = side.event() else { panic!("no request") };
        let response = Response::new(Code::CONTENT).content(ContentFormat::LWM2M_TLV, payload);
        side.endpoint.respond(id, response, side.now);
        tags.push(side.sent_one().message().option(OptionNumber::ETAG).unwrap().to_vec());
    }
    assert_eq!(tags[0], tags[1]);
    assert_ne!(tags[1], tags[2]);
}

/// A push of `body` in blocks of `size`: its first block.
fn pushing(side: &mut OneSide, body: &[u8], size: usize) -> Sent {
    let block = coap::Block { number: 0, more: true, size: block_size(size) };
    let request = Request::put("/5/0/0").content(ContentFormat::OCTET_STREAM, body);
    let request = request.option(BLOCK1, &[block.encode() as u8]);
    side.endpoint.request(PEER, request, side.now);
    side.sent_one()
}

/// Answers a block as a receiver does that wants blocks of at most `size`.
fn continued(side: &mut OneSide, sent: &Sent, size: usize) -> Sent {
    let block = sent.block(BLOCK1).expect("a block option");
    let size = size.min(block.size.bytes());
    let raw = Raw::piggybacked(sent, Code::CONTINUE).block(BLOCK1, block.number, true, size);
    side.input(PEER, &raw.bytes()).remove(0)
}

/// Takes all further blocks and answers the last with 2.04: the bytes that came, and the final event.
fn received(side: &mut OneSide, mut sent: Sent) -> (Vec<u8>, Event<u32>) {
    let start = sent.block(BLOCK1).expect("a block option").offset();
    let mut bytes = sent.message().payload().to_vec();
    while sent.block(BLOCK1).expect("a block option").more {
        sent = continued(side, &sent, 1_024);
        assert_eq!(sent.block(BLOCK1).expect("a block option").offset(), start + bytes.len() as u64);
        bytes.extend_from_slice(sent.message().payload());
    }
    side.input(PEER, &Raw::piggybacked(&sent, Code::CHANGED).bytes());
    (bytes, side.events().pop().expect("an event"))
}

#[test]
fn a_push_goes_block_by_block_and_reports_progress() {
    let (mut side, body) = (OneSide::new(), body(1_000));
    let first = pushing(&mut side, &body, 256);
    assert_eq!(first.message().option(OptionNumber::SIZE1), Some(&[0x03, 0xe8][..]));
    let second = continued(&mut side, &first, 1_024);
    assert!(matches!(side.event(), Event::Progress { sent: 256, total: 1_000, .. }));
    assert_ne!(second.message().token(), first.message().token());
    let (rest, last) = received(&mut side, second);
    assert_eq!(rest, body[256..]);
    assert!(matches!(last, Event::Response { response: Response { code: Code::CHANGED, .. }, .. }));
}

/// Beyond S03: what is in the middle of a transfer is worth more than a message that can be sent anew.
#[test]
fn a_block_in_the_middle_of_a_push_is_repeated_for_as_long_as_a_copy_is_known_as_such() {
    let (mut side, body) = (OneSide::new(), body(1_000));
    let first = pushing(&mut side, &body, 256);
    let second = continued(&mut side, &first, 1_024);
    side.events();
    let copies = side.pass_secs(190);
    assert!(copies.len() > 10, "{}", copies.len());
    assert!(copies.iter().all(|copy| copy.bytes == second.bytes));
    assert!(side.events().is_empty());
    let (rest, last) = received(&mut side, second);
    assert_eq!(rest, body[256..]);
    assert!(matches!(last, Event::Response { .. }));
}

#[test]
fn a_push_to_a_device_that_is_gone_fails_before_a_copy_could_be_taken_for_a_new_message() {
    let (mut side, body) = (OneSide::new(), body(1_000));
    let first = pushing(&mut side, &body, 256);
    continued(&mut side, &first, 1_024);
    side.events();
    side.pass_secs(230);
    assert!(matches!(side.event(), Event::Failed { failure: Failure::TimedOut, .. }));
}

#[test]
fn s27_a_device_that_wants_smaller_blocks_gets_them_from_the_byte_reached() {
    for refused_block in [0, 5] {
        let (mut side, body) = (OneSide::new(), body(4_000));
        let mut sent = pushing(&mut side, &body, 512);
        for _ in 0..refused_block {
            sent = continued(&mut side, &sent, 1_024);
        }
        let refusal = Raw::piggybacked(&sent, Code::REQUEST_ENTITY_TOO_LARGE);
        let again = side.input(PEER, &refusal.block(BLOCK1, 0, false, 128).bytes()).remove(0);
        let block = again.block(BLOCK1).expect("a block option");
        assert_eq!((block.offset(), block.size.bytes()), (512 * refused_block, 128));
        let (rest, last) = received(&mut side, again);
        assert_eq!(rest, body[512 * refused_block as usize..]);
        assert!(matches!(last, Event::Response { .. }));
    }
}

#[test]
fn s27_late_negotiation_goes_on_behind_the_block_that_was_taken() {
    let (mut side, body) = (OneSide::new(), body(4_000));
    let first = pushing(&mut side, &body, 1_024);
    let second = continued(&mut side, &first, 128);
    let block = second.block(BLOCK1).expect("a block option");
    assert_eq!((block.number, block.size.bytes()), (8, 128));
    assert_eq!(received(&mut side, second).0, body[1_024..]);
}

#[test]
fn s27_a_body_that_fits_is_cut_when_the_device_wants_blocks() {
    let (mut side, body) = (OneSide::new(), body(100));
    let request = Request::put("/5/0/0").content(ContentFormat::OCTET_STREAM, &*body);
    side.endpoint.request(PEER, request, side.now);
    let whole = side.sent_one();
    assert_eq!(whole.block(BLOCK1), None);
    let refusal = Raw::piggybacked(&whole, Code::REQUEST_ENTITY_TOO_LARGE).block(BLOCK1, 0, false, 32);
    let first = side.input(PEER, &refusal.bytes()).remove(0);
    assert_eq!(received(&mut side, first).0, body);
}

#[test]
fn s28_missing_blocks_start_the_push_again_once() {
    let (mut side, body) = (OneSide::new(), body(1_000));
    let first = pushing(&mut side, &body, 256);
    let second = continued(&mut side, &first, 256);
    let lost = Raw::piggybacked(&second, Code::REQUEST_ENTITY_INCOMPLETE);
    let again = side.input(PEER, &lost.bytes()).remove(0);
    assert_eq!(again.block(BLOCK1).expect("a block option").number, 0);
    side.events();
    side.input(PEER, &Raw::piggybacked(&again, Code::REQUEST_ENTITY_INCOMPLETE).bytes());
    let failure = Failure::TransferRejected(Code::REQUEST_ENTITY_INCOMPLETE);
    assert!(matches!(side.event(), Event::Failed { failure: found, .. } if found == failure));
}

#[test]
fn s29_a_wrong_number_or_an_early_end_fails_the_push() {
    let cases = [
        (Code::CONTINUE, Some(3), Failure::TransferMismatch),
        (Code::CHANGED, Some(0), Failure::TransferEndedEarly(Code::CHANGED)),
        (Code::CHANGED, None, Failure::TransferEndedEarly(Code::CHANGED)),
        (Code::SERVICE_UNAVAILABLE, None, Failure::TransferRejected(Code::SERVICE_UNAVAILABLE)),
    ];
    for (code, number, expected) in cases {
        let mut side = OneSide::new();
        let first = pushing(&mut side, &body(1_000), 256);
        let mut raw = Raw::piggybacked(&first, code);
        if let Some(number) = number {
            raw = raw.block(BLOCK1, number, code == Code::CONTINUE, 256);
        }
        side.input(PEER, &raw.bytes());
        assert!(matches!(side.event(), Event::Failed { failure, .. } if failure == expected));
    }
}

#[test]
fn s30_what_a_device_sends_between_blocks_is_answered_and_nothing_else_is_sent() {
    let (mut side, body) = (OneSide::new(), body(1_000));
    let observed = side.endpoint.observe(PEER, Request::get("/5/0/3"), side.now);
    let observing = side.sent_one();
    side.input(PEER, &Raw::piggybacked(&observing, Code::CONTENT).uint(OptionNumber::OBSERVE, 5).bytes());
    side.events();
    let first = pushing(&mut side, &body, 256);
    side.endpoint.request(PEER, Request::get("/5/0/3"), side.now);
    assert!(side.sent().is_empty(), "only blocks go to the device");
    assert_eq!(side.input(PEER, &[0x40, 0, 0x55, 0xaa])[0].bytes, [0x70, 0, 0x55, 0xaa]);
    side.input(PEER, &Raw::request(Code::POST, "/rd/1", 77).bytes());
    let Event::Request { id, .. } = side.event() else { panic!("no request") };
    side.endpoint.respond(id, Response::new(Code::CHANGED), side.now);
    assert_eq!(side.sent_one().message().code(), Code::CHANGED);
    let news = Raw::separate(&observing, Kind::Confirmable, Code::CONTENT, 78);
    let sent = side.input(PEER, &news.uint(OptionNumber::OBSERVE, 6).payload(b"1").bytes());
    assert_eq!(sent.iter().map(|sent| sent.bytes.clone()).collect::<Vec<_>>(), [[0x60, 0, 0, 78]]);
    assert!(matches!(side.event(), Event::Notification { id, .. } if id == observed));
    let second = continued(&mut side, &first, 256);
    let (rest, _) = received(&mut side, second);
    assert_eq!(rest, body[256..]);
}

#[test]
fn a_response_in_blocks_is_joined() {
    let (mut side, body) = (OneSide::new(), body(700));
    side.endpoint.request(PEER, Request::get("/3"), side.now);
    let mut asked = side.sent_one();
    assert_eq!(asked.block(BLOCK2), None);
    for number in 0..3_u32 {
        let (start, more) = (number as usize * 256, number < 2);
        let part = &body[start..body.len().min(start + 256)];
        let raw = Raw::piggybacked(&asked, Code::CONTENT).option(OptionNumber::ETAG, b"1");
        let raw = raw.block(BLOCK2, number, more, 256).payload(part);
        let mut sent = side.input(PEER, &raw.bytes());
        if more {
            asked = sent.remove(0);
            assert_eq!(asked.block(BLOCK2).unwrap().number, number + 1);
            assert_eq!(asked.path(), "/3");
        }
    }
    let Event::Response { response, .. } = side.event() else { panic!("no response") };
    assert_eq!(&*response.payload, body);
    assert_eq!(response.options.block2(), None);
}

#[test]
fn a_response_that_changes_between_blocks_is_read_again_once() {
    let mut side = OneSide::new();
    side.endpoint.request(PEER, Request::get("/3"), side.now);
    let mut asked = side.sent_one();
    for (number, tag, expected) in [(0, b"1", 1), (1, b"2", 0), (0, b"2", 1)] {
        let raw = Raw::piggybacked(&asked, Code::CONTENT).option(OptionNumber::ETAG, tag);
        let raw = raw.block(BLOCK2, number, true, 16).payload(&[number as u8; 16]);
        asked = side.input(PEER, &raw.bytes()).remove(0);
        assert_eq!(asked.block(BLOCK2).unwrap().number, expected);
    }
    let raw = Raw::piggybacked(&asked, Code::CONTENT).option(OptionNumber::ETAG, b"3");
    side.input(PEER, &raw.block(BLOCK2, 1, true, 16).payload(&[1; 16]).bytes());
    assert!(matches!(side.event(), Event::Failed { failure: Failure::BodyChanged, .. }));
}

#[test]
fn a_response_above_the_limit_fails() {
    let mut side = OneSide::with(Config { max_response_body: 100, ..Config::default() });
    side.endpoint.request(PEER, Request::get("/3"), side.now);
    let asked = side.sent_one();
    let raw = Raw::piggybacked(&asked, Code::CONTENT).block(BLOCK2, 0, true, 64).payload(&[0; 64]);
    let asked = side.input(PEER, &raw.bytes()).remove(0);
    let raw = Raw::piggybacked(&asked, Code::CONTENT).block(BLOCK2, 1, true, 64).payload(&[0; 64]);
    side.input(PEER, &raw.bytes());
    assert!(matches!(side.event(), Event::Failed { failure: Failure::BodyTooLarge, .. }));
}

#[test]
fn a_streamed_body_comes_block_by_block_without_a_limit() {
    let config = Config { streamed: vec!["/rd".into()], ..Config::default() };
    let (mut side, body) = (OneSide::with(config), body(40_000));
    let mut taken = Vec::new();
    for number in 0..40_u32 {
        let raw = block(number as u16, number, 1_024, &body);
        assert!(side.input(PEER, &raw.bytes()).is_empty());
        let Event::Request { id, request, block: Some(part), .. } = side.event() else { panic!("no block") };
        let expected = BodyBlock {
            offset: taken.len() as u64,
            last: number == 39,
            size: block_size(1_024),
            total: None,
        };
        assert_eq!(part, expected);
        taken.extend_from_slice(&request.payload);
        let code = if part.last { Code::CHANGED } else { Code::CONTINUE };
        side.endpoint.respond(id, Response::new(code), side.now);
        let answer = side.sent_one();
        assert_eq!(answer.message().code(), code);
        assert_eq!(answer.block(BLOCK1).expect("a block option").more, !part.last);
    }
    assert_eq!(taken, body);
}

#[test]
fn a_streamed_body_ends_with_an_error_of_its_owner_or_a_gap() {
    let config = Config { streamed: vec!["/rd".into()], ..Config::default() };
    let (mut side, body) = (OneSide::with(config), body(300));
    let give = |side: &mut OneSide, message_id, number, code| {
        side.input(PEER, &block(message_id, number, 64, &body).bytes());
        let Event::Request { id, .. } = side.event() else { panic!("no block") };
        side.endpoint.respond(id, Response::new(code), side.now);
        side.sent();
    };
    give(&mut side, 1, 0, Code::CONTINUE);
    give(&mut side, 2, 1, Code::INTERNAL_SERVER_ERROR);
    assert_eq!(answered(&mut side, &block(3, 2, 64, &body)), Code::REQUEST_ENTITY_INCOMPLETE);
    give(&mut side, 4, 0, Code::CONTINUE);
    assert_eq!(answered(&mut side, &block(5, 2, 64, &body)), Code::REQUEST_ENTITY_INCOMPLETE);
    give(&mut side, 6, 0, Code::CONTINUE);
    give(&mut side, 7, 1, Code::CONTINUE);
    assert_eq!(answered(&mut side, &block(8, 1, 64, &body)), Code::CONTINUE, "a repeated block");
}

#[test]
fn a_download_resumes_anywhere_and_notices_a_change() {
    let (mut side, image) = (OneSide::new(), Arc::<[u8]>::from(body(5_000)));
    for start in [0, 512, 700, 4_999] {
        let mut download = Download::new(block_size(512), start, Some(b"tag"));
        let mut bytes = image[..start as usize].to_vec();
        for message_id in 0.. {
            let request = download.next_request(Request::get("/fw"));
            let wanted = request.options.block2().unwrap();
            let raw = Raw::request(Code::GET, "/fw", start as u16 * 8 + message_id);
            let sent = served(&mut side, &raw.block(BLOCK2, wanted.number, false, 512), &image, b"tag");
            let response = response_of(&sent);
            let chunk = download.accept(&response).unwrap();
            assert_eq!(chunk.offset, bytes.len() as u64);
            bytes.extend_from_slice(&response.payload[chunk.bytes]);
            if chunk.last {
                break;
            }
        }
        assert_eq!(bytes, *image);
    }
    let mut download = Download::new(block_size(512), 512, Some(b"old"));
    let raw = Raw::request(Code::GET, "/fw", 60_000).block(BLOCK2, 1, false, 512);
    let sent = served(&mut side, &raw, &image, b"new");
    assert_eq!(download.accept(&response_of(&sent)), Err(DownloadError::Changed));
    assert_eq!(
        download.accept(&Response::new(Code::NOT_FOUND)),
        Err(DownloadError::Refused(Code::NOT_FOUND))
    );
}

#[test]
fn a_download_may_begin_without_a_block_and_takes_the_size_of_the_server() {
    let (mut side, image) = (OneSide::new(), Arc::<[u8]>::from(body(3_000)));
    for (first_size, length) in [(1_024, 3_000), (256, 3_000), (1_024, 100)] {
        let image: Arc<[u8]> = image[..length].into();
        let mut download = Download::new(block_size(512), 0, None).begin_plainly();
        let mut bytes = Vec::new();
        while !bytes.len().eq(&length) {
            side.endpoint.request(PEER, download.next_request(Request::get("/fw")), side.now);
            let asked = side.sent_one();
            let wanted = asked.block(BLOCK2);
            assert_eq!(wanted.is_none(), bytes.is_empty());
            let (size, start) = wanted.map_or((first_size, 0), |block| (block.size.bytes(), block.offset()));
            assert!(wanted.is_none_or(|block| block.size.bytes() == first_size.min(512)));
            let (start, end) = (start as usize, length.min(start as usize + size));
            let mut raw = Raw::piggybacked(&asked, Code::CONTENT).payload(&image[start..end]);
            if length > size {
                raw = raw.block(BLOCK2, (start / size) as u32, end < length, size);
            }
            assert!(side.input(PEER, &raw.bytes()).is_empty(), "further blocks are asked for by the owner");
            let Event::Response { response, .. } = side.event() else { panic!("no response") };
            let chunk = download.accept(&response).unwrap();
            bytes.extend_from_slice(&response.payload[chunk.bytes]);
            assert_eq!(chunk.last, bytes.len() == length);
        }
        assert_eq!(bytes, *image);
    }
    let resumed = Download::new(block_size(512), 512, None).begin_plainly();
    assert!(resumed.next_request(Request::get("/fw")).options.block2().is_some());
}

fn response_of(sent: &Sent) -> Response {
    let message = sent.message();
    let mut response = Response::new(message.code());
    response.options = message.options().collect();
    response.payload = message.payload().into();
    response
}

#[test]
fn a_request_for_one_block_is_answered_with_one() {
    let mut side = OneSide::new();
    let request = Download::new(block_size(64), 64, None).next_request(Request::get("/fw"));
    side.endpoint.request(PEER, request, side.now);
    let asked = side.sent_one();
    let raw = Raw::piggybacked(&asked, Code::CONTENT).block(BLOCK2, 1, true, 64).payload(&[1; 64]);
    assert!(side.input(PEER, &raw.bytes()).is_empty());
    let Event::Response { response, .. } = side.event() else { panic!("no response") };
    assert_eq!(response.options.block2().unwrap().number, 1);
}

#[test]
fn a_registration_in_small_blocks_with_an_empty_token_is_joined() {
    let (mut side, body) = (OneSide::new(), body(300));
    for number in 0..3 {
        let mut raw = block(number, number.into(), 128, &body);
        raw.token = coap::Token::EMPTY;
        let sent = side.input(PEER, &raw.bytes());
        if number < 2 {
            assert_eq!(sent[0].message().kind(), Kind::Acknowledgement);
            assert_eq!(sent[0].message().code(), Code::CONTINUE);
        }
    }
    let Event::Request { request, .. } = side.event() else { panic!("no request") };
    assert_eq!(&*request.payload, body);
}

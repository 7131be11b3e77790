//! Composite operations and Send.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use coap::{Code, ContentFormat, Request, Response};
use machine::Link;

use super::super::*;
use super::rig::*;
use crate::format::{self, Record, SENML_CBOR, SENML_JSON};
use crate::path::Path;
use crate::value::{Node, Value};

const LIFETIME: Path = Path::resource(1, 0, 1);
const BINDING: Path = Path::resource(3, 0, 16);

fn rig() -> (Rig, Link) {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    rig.registered(link, "ep=a&lt=86400&lwm2m=1.1&b=U");
    rig.take_events();
    (rig, link)
}

fn records() -> Vec<Record> {
    vec![Record::new(LIFETIME, Value::Integer(60)), Record::new(BINDING, Value::from("U"))]
}

fn body(format: u16, records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    format::encode_records(format, records, &mut bytes).unwrap();
    bytes
}

fn answer(format: u16, records: &[Record]) -> Response {
    Response::new(Code::CONTENT).content(ContentFormat(format), body(format, records))
}

#[test]
fn ets_229_280_several_places_are_read_at_once() {
    let (mut rig, _) = rig();
    let paths = vec![Path::object(3), Path::instance(1, 0)];
    let id = rig.operate("a", Operation::ReadComposite(paths.clone()));
    let request = rig.reply("/", answer(SENML_CBOR, &records()));
    assert_eq!(request.method, Code::FETCH);
    assert_eq!(request.options.accept(), Some(ContentFormat::SENML_CBOR));
    assert_eq!(format::decode_paths(SENML_CBOR, &request.payload), Ok(paths));
    assert_eq!(rig.result(id), Ok(OperationOutput::Records(records())));
}

#[test]
fn ets_235_236_281_what_is_not_there_is_no_error() {
    let (mut rig, _) = rig();
    let id = rig.operate("a", Operation::ReadComposite(vec![Path::Root]));
    rig.reply("/", answer(SENML_CBOR, &[]));
    assert_eq!(rig.result(id), Ok(OperationOutput::Records(Vec::new())));
    let id = rig.operate("a", Operation::ReadComposite(vec![Path::resource(1, 0, 8), LIFETIME]));
    rig.reply("/", answer(SENML_JSON, &records()[..1]));
    assert_eq!(rig.result(id), Ok(OperationOutput::Records(records()[..1].to_vec())));
}

#[test]
fn ets_230_257_several_places_are_written_at_once() {
    let (mut rig, _) = rig();
    let writes = vec![
        Record::new(LIFETIME, Value::Integer(60)),
        Record::new(Path::resource(3, 0, 15), Value::from("UTC")),
    ];
    let id = rig.operate("a", Operation::WriteComposite(writes.clone()));
    let refused = rig.reply("/", Response::new(Code::UNSUPPORTED_CONTENT_FORMAT));
    assert_eq!(
        (refused.method, refused.options.content_format()),
        (Code::IPATCH, Some(ContentFormat::SENML_CBOR))
    );
    let request = rig.reply("/", Response::new(Code::CHANGED));
    assert_eq!(request.options.content_format(), Some(ContentFormat::SENML_JSON));
    assert_eq!(&*request.payload, body(SENML_JSON, &writes));
    assert_eq!(rig.result(id), Ok(OperationOutput::Done));
    // The next composite goes in the format that worked.
    rig.operate("a", Operation::ReadComposite(vec![LIFETIME]));
    assert_eq!(rig.take("/").2.options.accept(), Some(ContentFormat::SENML_JSON));
}

#[test]
fn ets_304_305_308_composite_observations_report_until_they_are_canceled() {
    let (mut rig, link) = rig();
    let paths = vec![LIFETIME, BINDING];
    let id = rig.operate("a", Operation::ObserveComposite(paths.clone()));
    let token = rig.asked[0].1.token();
    let request = rig.reply("/", answer(SENML_CBOR, &records()).observe(1));
    assert_eq!((request.method, request.options.observe()), (Code::FETCH, Some(0)));
    assert_eq!(rig.result(id), Ok(OperationOutput::Records(records())));
    rig.take_events();
    let newer = [Record::new(LIFETIME, Value::Integer(90))];
    rig.notify_with(link, token, 2, answer(SENML_CBOR, &newer));
    let told = Event::CompositeNotified {
        endpoint: "a".into(),
        paths: Arc::from(&paths[..]),
        records: newer.to_vec(),
    };
    assert_eq!(rig.take_events(), [told]);
    // It outlives a new registration and a restart as others do.
    let snapshot = rig.server.snapshot("a", rig.now).unwrap();
    let snapshot = RegistrationSnapshot::from_bytes(&snapshot.to_bytes()).unwrap();
    assert_eq!((&snapshot.observations[0].paths, snapshot.observations[0].is_composite), (&paths, true));
    rig.restart();
    rig.session_again(link, "key-a");
    rig.server.restore(snapshot, rig.now).unwrap();
    rig.notify_with(link, token, 3, answer(SENML_CBOR, &newer));
    assert!(matches!(rig.take_events()[..], [Event::CompositeNotified { .. }]));
    let id = rig.operate("a", Operation::CancelComposite(paths.clone()));
    let request = rig.reply("/", answer(SENML_CBOR, &records()));
    assert_eq!((request.method, request.options.observe()), (Code::FETCH, Some(1)));
    assert_eq!(format::decode_paths(SENML_CBOR, &request.payload), Ok(paths));
    assert_eq!(rig.result(id), Ok(OperationOutput::Done));
    let id = rig.operate("a", Operation::CancelComposite(vec![LIFETIME]));
    assert_eq!(rig.result(id), Err(OperationError::NotObserved(Path::Root)));
}

fn send(records: &[Record]) -> Request {
    Request::post("/dp").content(ContentFormat::SENML_CBOR, body(SENML_CBOR, records))
}

#[test]
fn ets_306_311_sent_data_is_answered_and_told_with_its_time() {
    let (mut rig, link) = rig();
    let mut sent = records();
    sent[0].time = Some(1_700_000_000.0);
    assert_eq!(rig.request(link, send(&sent)).code, Code::CHANGED);
    assert_eq!(rig.take_events(), [Event::Sent { endpoint: "a".into(), records: sent }]);
    let json = Request::post("/dp").content(ContentFormat::SENML_JSON, body(SENML_JSON, &records()));
    assert_eq!(rig.request(link, json).code, Code::CHANGED);
    assert!(matches!(rig.take_events()[..], [Event::Sent { .. }]));
}

#[test]
fn ets_306_what_is_no_data_is_refused_with_a_reason() {
    let (mut rig, link) = rig();
    let broken = Request::post("/dp").content(ContentFormat::SENML_CBOR, "?");
    assert_eq!(rig.request(link, broken).code, Code::BAD_REQUEST);
    let text = Request::post("/dp").content(ContentFormat::TEXT_PLAIN, "1");
    assert_eq!(rig.request(link, text).code, Code::UNSUPPORTED_CONTENT_FORMAT);
    assert_eq!(rig.request(link, Request::post("/dp")).code, Code::BAD_REQUEST);
    assert_eq!(rig.request(link, Request::get("/dp")).code, Code::METHOD_NOT_ALLOWED);
    let stranger = rig.session("key-b");
    assert_eq!(rig.request(stranger, send(&records())).code, Code::NOT_FOUND);
    let large = Request::post("/dp").content(ContentFormat::SENML_CBOR, vec![0; 70_000]);
    assert_eq!(rig.request(link, large).code, Code::REQUEST_ENTITY_TOO_LARGE);
    // Keys are not taken from anybody.
    let secret = Record::new(Path::resource(0, 0, 5), Value::Opaque(vec![1]));
    assert_eq!(rig.request(link, send(&[secret])).code, Code::CHANGED);
    assert!(rig.take_events().iter().all(|event| !matches!(event, Event::Sent { .. })));
}

#[test]
fn n06_a_device_that_sends_too_much_in_a_second_or_a_day_is_told_to_wait() {
    let (mut rig, link) = rig();
    rig.make_hasty(link);
    // What cannot be read counts too: it has been sent.
    let send_much = |rig: &mut Rig| {
        let large = Request::post("/dp").content(ContentFormat::SENML_CBOR, vec![0; 60_000]);
        let answer = rig.request(link, large);
        let wait = answer.options.max_age();
        assert!(wait.is_some() || answer.code == Code::BAD_REQUEST, "{:?}", answer.code);
        wait
    };
    // Two bodies at once, then 64 KiB a second.
    assert_eq!([0; 4].map(|_| send_much(&mut rig)), [None, None, Some(1), Some(1)]);
    for _ in 2..17 {
        rig.wait(1);
        assert_eq!(send_much(&mut rig), None);
    }
    // 17 of them are a day's.
    rig.wait(60);
    assert_eq!(send_much(&mut rig), Some(255));
    assert_eq!(rig.request(link, send(&records())).code, Code::CHANGED, "there is room for a small one");
    let location = rig.registered(link, "ep=a&lt=86400&lwm2m=1.1&b=U");
    assert_eq!(rig.request(link, Request::post(&alloc::format!("/rd/{location}"))).code, Code::CHANGED);
    assert_eq!(send_much(&mut rig), Some(255), "a new registration does not begin a new day");
    rig.wait(86_000);
    assert_eq!(send_much(&mut rig), None);
}

#[test]
fn ets_307_what_a_muted_device_sends_is_answered_and_dropped() {
    let (mut rig, link) = rig();
    let mute = |muted| Operation::Write(Path::resource(1, 0, 23), Node::single(Value::Boolean(muted)));
    rig.operate("a", mute(true));
    rig.reply("/1/0/23", Response::new(Code::CHANGED));
    rig.take_events();
    assert_eq!(rig.request(link, send(&records())).code, Code::CHANGED);
    assert!(rig.take_events().is_empty());
    rig.operate("a", mute(false));
    rig.reply("/1/0/23", Response::new(Code::CHANGED));
    rig.take_events();
    assert_eq!(rig.request(link, send(&records())).code, Code::CHANGED);
    assert!(matches!(rig.take_events()[..], [Event::Sent { .. }]));
}

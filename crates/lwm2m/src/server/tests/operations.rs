//! Operations on devices: formats, errors, observations, queue mode.

use alloc::string::String;

use coap::{Code, ContentFormat, Request, Response};

use super::super::*;
use super::rig::*;
use crate::path::{Path, ResourceId};
use crate::value::{Node, Resource, Value};

const STATE: Path = Path::resource(5, 0, 3);
const VERSION: Path = Path::resource(3, 0, 3);

fn text(value: &str) -> Response {
    Response::new(Code::CONTENT).content(ContentFormat::TEXT_PLAIN, value)
}

fn tlv(bytes: &[u8]) -> Response {
    Response::new(Code::CONTENT).content(ContentFormat::LWM2M_TLV, bytes)
}

fn rig() -> (Rig, machine::Link) {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    rig.registered(link, "ep=a&lt=300&lwm2m=1.1&b=U");
    rig.take_events();
    (rig, link)
}

fn value(value: Value) -> Result<OperationOutput, OperationError> {
    Ok(OperationOutput::Value(Node::single(value)))
}

#[test]
fn ets_201_203_resources_are_read_as_text_and_instances_as_tlv() {
    let (mut rig, _) = rig();
    let id = rig.operate("a", Operation::Read(VERSION));
    let request = rig.reply("/3/0/3", text("1.0.3"));
    assert_eq!(request.options.accept(), Some(ContentFormat::TEXT_PLAIN));
    assert_eq!(rig.result(id), value(Value::from("1.0.3")));
    let id = rig.operate("a", Operation::Read(Path::instance(5, 0)));
    let request = rig.reply("/5/0", tlv(&[0xC1, 3, 2, 0xC1, 5, 0]));
    assert_eq!(request.options.accept(), Some(ContentFormat::LWM2M_TLV));
    let Ok(OperationOutput::Value(node)) = rig.result(id) else { panic!("a value") };
    assert_eq!(node.resource(3), Some(&Resource::Single(Value::Integer(2))));
}

#[test]
fn ets_237_whatever_format_arrives_is_read() {
    let (mut rig, _) = rig();
    let id = rig.operate("a", Operation::Read(STATE));
    rig.reply("/5/0/3", tlv(&[0xC1, 3, 2]));
    assert_eq!(rig.result(id), value(Value::Integer(2)));
    let id = rig.operate("a", Operation::Read(STATE));
    rig.reply("/5/0/3", Response::new(Code::CONTENT).content(ContentFormat::SENML_CBOR, "?"));
    assert_eq!(rig.result(id), Err(OperationError::Unreadable));
}

#[test]
fn peers_2_a_format_that_was_refused_is_not_tried_again() {
    let (mut rig, _) = rig();
    let refused = || Response::new(Code::NOT_ACCEPTABLE);
    let id = rig.operate("a", Operation::Read(STATE));
    rig.reply("/5/0/3", refused());
    let second = rig.reply("/5/0/3", tlv(&[0xC1, 3, 1]));
    assert_eq!(second.options.accept(), Some(ContentFormat::LWM2M_TLV));
    assert_eq!(rig.result(id), value(Value::Integer(1)));
    let id = rig.operate("a", Operation::Read(STATE));
    let request = rig.reply("/5/0/3", refused());
    assert_eq!(request.options.accept(), Some(ContentFormat::LWM2M_TLV), "text is not tried again");
    let last = rig.reply("/5/0/3", text("0"));
    assert_eq!(last.options.accept(), None);
    assert_eq!(rig.result(id), value(Value::Integer(0)));
}

#[test]
fn ets_205_215_226_writes() {
    let (mut rig, _) = rig();
    let lifetime = Path::resource(1, 0, 1);
    let id = rig.operate("a", Operation::Write(lifetime, Node::single(Value::Integer(101))));
    let request = rig.reply("/1/0/1", Response::new(Code::CHANGED));
    assert_eq!((request.method, &*request.payload), (Code::PUT, &b"101"[..]));
    assert_eq!(rig.result(id), Ok(OperationOutput::Done));
    let instance = [(ResourceId(1), Resource::Single(Value::Integer(60)))];
    rig.operate("a", Operation::Write(Path::instance(1, 0), Node::Instance(instance.into())));
    let request = rig.reply("/1/0", Response::new(Code::CHANGED));
    assert_eq!((request.method, &*request.payload), (Code::POST, &[0xC1, 1, 60][..]));
    // A device without text/plain.
    let id = rig.operate("a", Operation::Write(lifetime, Node::single(Value::Integer(5))));
    rig.reply("/1/0/1", Response::new(Code::UNSUPPORTED_CONTENT_FORMAT));
    let request = rig.reply("/1/0/1", Response::new(Code::CHANGED));
    assert_eq!(
        (request.options.content_format(), &*request.payload),
        (Some(ContentFormat::LWM2M_TLV), &[0xC1, 1, 5][..])
    );
    assert_eq!(rig.result(id), Ok(OperationOutput::Done));
}

#[test]
fn ets_241_260_execute_and_discover() {
    let (mut rig, _) = rig();
    rig.operate("a", Operation::Execute(Path::resource(3, 0, 4), None));
    let request = rig.reply("/3/0/4", Response::new(Code::CHANGED));
    assert_eq!((request.method, request.payload.len()), (Code::POST, 0));
    assert_eq!(request.options.content_format(), None);
    rig.operate("a", Operation::Execute(Path::resource(1, 0, 8), Some("0='x',1".into())));
    assert_eq!(&*rig.reply("/1/0/8", Response::new(Code::CHANGED)).payload, b"0='x',1");
    let id = rig.operate("a", Operation::Discover(Path::object(3)));
    let links = "</3>;pmin=10,</3/0/11>;dim=1";
    let answer = Response::new(Code::CONTENT).content(ContentFormat::LINK_FORMAT, links);
    assert_eq!(rig.reply("/3", answer).options.accept(), Some(ContentFormat::LINK_FORMAT));
    assert_eq!(rig.result(id), Ok(OperationOutput::Links(links.into())));
}

#[test]
fn dm_06_dm_08_ets_221_what_no_device_would_take_is_refused_here() {
    let (mut rig, _) = rig();
    let write = |path: Path, value: Value| Operation::Write(path, Node::single(value));
    for (operation, error) in [
        (Operation::Read(Path::instance(0, 0)), OperationError::SecurityObject),
        (Operation::Read(Path::Root), OperationError::WrongPath(Path::Root)),
        (Operation::Read(Path::resource(3, 0, 4)), OperationError::NotAllowedByModel),
        (write(VERSION, Value::from("2")), OperationError::NotAllowedByModel),
        (write(Path::resource(1, 0, 1), Value::from("60")), OperationError::WrongType),
        (write(Path::object(1), Value::Integer(1)), OperationError::WrongPath(Path::object(1))),
        (Operation::Execute(VERSION, None), OperationError::NotAllowedByModel),
        (Operation::Execute(Path::instance(3, 0), None), OperationError::WrongPath(Path::instance(3, 0))),
        (Operation::Execute(Path::resource(3, 0, 4), Some("x".into())), OperationError::WrongArgument),
        (Operation::Execute(Path::resource(3, 0, 4), Some("0='a".into())), OperationError::WrongArgument),
        (Operation::CancelObservation(STATE), OperationError::NotObserved),
    ] {
        let text = alloc::format!("{operation:?}");
        let id = rig.operate("a", operation);
        assert_eq!(rig.result(id), Err(error), "{text}");
    }
    assert!(rig.asked.is_empty(), "nothing was sent");
}

#[test]
fn ets_256_errors_of_the_device_are_passed_on() {
    let (mut rig, _) = rig();
    let id = rig.operate("a", Operation::Read(Path::resource(9, 0, 1)));
    rig.reply("/9/0/1", Response::new(Code::NOT_FOUND));
    assert_eq!(rig.result(id), Err(OperationError::Refused(Code::NOT_FOUND)));
    let id = rig.operate("b", Operation::Read(STATE));
    assert_eq!(rig.result(id), Err(OperationError::NotRegistered));
}

#[test]
fn a_device_that_does_not_answer_fails_the_operation() {
    let (mut rig, link) = rig();
    let id = rig.operate("a", Operation::Read(STATE));
    rig.end_session(link);
    assert_eq!(rig.result(id), Err(OperationError::NoAnswer));
}

#[test]
fn ets_301_303_observations_report_until_they_are_canceled() {
    let (mut rig, link) = rig();
    let id = rig.operate("a", Operation::Observe(STATE));
    let token = rig.asked[0].1.token();
    let request = rig.reply("/5/0/3", text("0").observe(1));
    assert_eq!(request.options.observe(), Some(0));
    assert_eq!(rig.result(id), value(Value::Integer(0)));
    rig.notify(link, token, 2, "1");
    let Some(Event::Notified { path, value: seen, .. }) = rig.events.pop() else { panic!("a notification") };
    assert_eq!((path, seen), (STATE, Node::single(Value::Integer(1))));
    let id = rig.operate("a", Operation::CancelObservation(STATE));
    let request = rig.reply("/5/0/3", text("1"));
    assert_eq!(request.options.observe(), Some(1));
    assert_eq!(rig.result(id), Ok(OperationOutput::Done));
    rig.notify(link, token, 3, "2");
    assert!(rig.events.is_empty());
}

#[test]
fn o08_a_new_registration_ends_observations() {
    let (mut rig, link) = rig();
    rig.operate("a", Operation::Observe(STATE));
    rig.reply("/5/0/3", text("0").observe(1));
    rig.take_events();
    rig.registered(link, "ep=a&lt=300");
    assert!(matches!(rig.events[0], Event::ObservationEnded { path: STATE, .. }));
    let id = rig.operate("a", Operation::CancelObservation(STATE));
    assert_eq!(rig.result(id), Err(OperationError::NotObserved));
}

#[test]
fn an_answer_without_observe_is_told_as_the_end() {
    let (mut rig, _) = rig();
    let id = rig.operate("a", Operation::Observe(STATE));
    rig.reply("/5/0/3", text("0"));
    assert_eq!(rig.result(id), value(Value::Integer(0)));
    assert!(matches!(rig.events[..], [Event::ObservationEnded { path: STATE, .. }]));
}

#[test]
fn ets_108_109_qm_nothing_is_sent_to_a_device_that_sleeps() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    let location = rig.registered(link, "ep=a&lt=86400&lwm2m=1.0&b=UQ");
    rig.wait(60);
    rig.operate("a", Operation::Read(VERSION));
    assert_eq!(rig.asked.len(), 1, "it is awake");
    rig.reply("/3/0/3", text("1"));
    rig.wait(100);
    rig.operate("a", Operation::Read(VERSION));
    rig.operate("a", Operation::Read(STATE));
    rig.wait(600);
    assert!(rig.asked.is_empty(), "it sleeps");
    rig.request(link, Request::post(&alloc::format!("/rd/{location}")));
    assert_eq!(rig.asked.len(), 1, "one at a time");
    rig.reply("/3/0/3", text("1"));
    rig.reply("/5/0/3", text("0"));
    let answered =
        rig.events.iter().filter(|event| matches!(event, Event::OperationDone { result: Ok(_), .. }));
    assert_eq!(answered.count(), 3);
}

#[test]
fn reg_07_the_alternate_path_goes_in_front_of_every_request() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    let request = Request::post("/rd").query("ep=a").query("lwm2m=1.1");
    let links = "</lwm2m>;rt=oma.lwm2m,</lwm2m/3/0>,</lwm2m/5/0>";
    rig.request(link, request.content(ContentFormat::LINK_FORMAT, links));
    let id = rig.operate("a", Operation::Read(VERSION));
    rig.reply("/lwm2m/3/0/3", text("1"));
    assert_eq!(rig.result(id), value(Value::String(String::from("1"))));
}

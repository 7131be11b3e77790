//! Which content formats are tried, and what is remembered of a device.

use alloc::string::ToString;

use coap::{Code, ContentFormat, Request, Response};

use super::super::*;
use super::rig::*;
use crate::path::Path;
use crate::value::{Node, Value};

const STATE: Path = Path::resource(5, 0, 3);
const DEVICE: Path = Path::instance(3, 0);

fn text(value: &str) -> Response {
    Response::new(Code::CONTENT).content(ContentFormat::TEXT_PLAIN, value)
}

fn tlv(bytes: &[u8]) -> Response {
    Response::new(Code::CONTENT).content(ContentFormat::LWM2M_TLV, bytes)
}

fn refused() -> Response {
    Response::new(Code::NOT_ACCEPTABLE)
}

fn rig() -> (Rig, machine::Link) {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    rig.registered(link, "ep=a&lt=300&lwm2m=1.1&b=U");
    rig.take_events();
    (rig, link)
}

/// The format that the server asks for when it reads.
fn accepted(request: &Request) -> Option<u16> {
    request.options.accept().map(|format| format.0)
}

fn memory(rig: &Rig) -> alloc::string::String {
    rig.server.snapshot("a", rig.now).unwrap().formats.to_string()
}

#[test]
fn peers_2_a_format_that_was_refused_is_not_tried_again() {
    let (mut rig, _) = rig();
    let id = rig.operate("a", Operation::Read(STATE));
    rig.reply("/5/0/3", refused());
    let second = rig.reply("/5/0/3", tlv(&[0xC1, 3, 1]));
    assert_eq!(accepted(&second), Some(11_542));
    assert_eq!(rig.result(id), Ok(OperationOutput::Value(Node::single(Value::Integer(1)))));
    let [Event::FormatLearnt { memory: told, .. }] = &rig.take_events()[..] else { panic!("it was learnt") };
    assert_eq!(told.to_string(), "read-one=11542-0");
    rig.operate("a", Operation::Read(STATE));
    assert_eq!(accepted(&rig.reply("/5/0/3", refused())), Some(11_542), "text is not tried again");
    assert_eq!(accepted(&rig.reply("/5/0/3", text("0"))), None, "the device may choose");
    assert_eq!(memory(&rig), "read-one=any-0-11542");
}

#[test]
fn peers_1_what_is_learnt_of_instances_says_nothing_of_single_values() {
    let (mut rig, _) = rig();
    rig.operate("a", Operation::Read(DEVICE));
    rig.reply("/3/0", refused());
    rig.reply("/3/0", tlv(&[0xC1, 9, 1]));
    rig.operate("a", Operation::Read(STATE));
    assert_eq!(accepted(&rig.reply("/5/0/3", text("0"))), Some(0));
    rig.operate("a", Operation::Read(DEVICE));
    assert_eq!(accepted(&rig.reply("/3/0", tlv(&[0xC1, 9, 1]))), None);
}

#[test]
fn peers_2_the_format_of_writes_is_learnt_too() {
    let (mut rig, _) = rig();
    let write = || Operation::Write(Path::resource(1, 0, 1), Node::single(Value::Integer(5)));
    rig.operate("a", write());
    rig.reply("/1/0/1", Response::new(Code::UNSUPPORTED_CONTENT_FORMAT));
    rig.reply("/1/0/1", Response::new(Code::CHANGED));
    rig.operate("a", write());
    let request = rig.reply("/1/0/1", Response::new(Code::CHANGED));
    assert_eq!(request.options.content_format(), Some(ContentFormat::LWM2M_TLV));
    assert_eq!(memory(&rig), "write-one=11542-0");
}

#[test]
fn peers_2_the_format_of_composites_is_learnt_too() {
    let answer =
        || Response::new(Code::CONTENT).content(ContentFormat::SENML_JSON, r#"[{"n":"/5/0/3","v":0}]"#);
    for code in [Code::UNSUPPORTED_CONTENT_FORMAT, Code::NOT_ACCEPTABLE] {
        let (mut rig, _) = rig();
        for formats in
            [&[ContentFormat::SENML_CBOR, ContentFormat::SENML_JSON][..], &[ContentFormat::SENML_JSON]]
        {
            let id = rig.operate("a", Operation::ReadComposite([STATE, DEVICE].into()));
            for format in formats {
                let is_last = *format == ContentFormat::SENML_JSON;
                let request = rig.reply("/", if is_last { answer() } else { Response::new(code) });
                assert_eq!(request.options.content_format(), Some(*format));
            }
            assert!(rig.result(id).is_ok());
        }
        assert_eq!(memory(&rig), "composite=110-112");
    }
}

#[test]
fn formats_that_the_device_lists_go_first() {
    let mut rig = Rig::new();
    let link = rig.session("key-a");
    let register = Request::post("/rd").query("ep=a").query("lwm2m=1.1");
    let links = "</>;rt=\"oma.lwm2m\";ct=\"60 110\",</3/0>";
    rig.request(link, register.content(ContentFormat::LINK_FORMAT, links));
    rig.operate("a", Operation::Read(DEVICE));
    assert_eq!(accepted(&rig.take("/3/0").2), Some(110));
}

#[test]
fn what_was_learnt_survives_a_new_registration_and_a_restart() {
    let (mut rig, link) = rig();
    rig.operate("a", Operation::Read(STATE));
    rig.reply("/5/0/3", refused());
    rig.reply("/5/0/3", tlv(&[0xC1, 3, 1]));
    rig.registered(link, "ep=a&lt=300&lwm2m=1.1&b=U");
    assert_eq!(memory(&rig), "read-one=11542-0");
    let snapshot = rig.server.snapshot("a", rig.now).unwrap();
    let snapshot = RegistrationSnapshot::from_bytes(&snapshot.to_bytes()).unwrap();
    rig.restart();
    rig.session_again(link, "key-a");
    rig.server.restore(snapshot, rig.now).unwrap();
    rig.operate("a", Operation::Read(STATE));
    assert_eq!(accepted(&rig.take("/5/0/3").2), Some(11_542));
    // And where the owner kept it apart.
    rig.server.set_formats("a", "read-one=any".parse().unwrap());
    assert_eq!(memory(&rig), "read-one=any");
}

#[test]
fn a_device_that_takes_no_format_is_told_as_refusing() {
    let (mut rig, _) = rig();
    let id = rig.operate("a", Operation::Read(DEVICE));
    while !rig.asked.is_empty() {
        rig.reply("/3/0", refused());
    }
    let error = rig.result(id).unwrap_err();
    assert!(matches!(error, OperationError::Refused { code: Code::NOT_ACCEPTABLE, .. }), "{error:?}");
    // It may have new firmware the next time.
    rig.operate("a", Operation::Read(DEVICE));
    assert!(!rig.asked.is_empty());
}

#[test]
fn an_answer_without_a_format_is_taken_for_what_was_asked() {
    let (mut rig, _) = rig();
    let id = rig.operate("a", Operation::Read(DEVICE));
    let bare = Response { payload: (&[0xC1, 9, 55][..]).into(), ..Response::new(Code::CONTENT) };
    rig.reply("/3/0", bare);
    let Ok(OperationOutput::Value(node)) = rig.result(id) else { panic!("a value") };
    assert!(node.resource(9).is_some());
}

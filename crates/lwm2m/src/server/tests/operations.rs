//! Operations on devices: formats, errors, observations, queue mode.

use alloc::string::{String, ToString};

use coap::{Code, ContentFormat, Request, Response};

use super::super::*;
use super::rig::*;
use crate::path::{InstanceId, Path, ResourceId, ResourceInstanceId};
use crate::value::{Instance, Kind, Node, Resource, Value};

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
fn s13_a_code_that_is_not_due_is_an_error_however_good_it_looks() {
    let (mut rig, _) = rig();
    for code in [Code::CREATED, Code::CHANGED, Code(0x5f), Code(0x61)] {
        let id = rig.operate("a", Operation::Read(VERSION));
        rig.reply("/3/0/3", Response { code, ..text("1.0.3") });
        let error = rig.result(id).unwrap_err();
        let (OperationError::Unreadable { path, .. } | OperationError::Refused { path, .. }) = error else {
            panic!("{code}: {error}")
        };
        assert_eq!(path, VERSION, "{code}");
    }
}

#[test]
fn ets_237_whatever_format_arrives_is_read() {
    let (mut rig, _) = rig();
    let id = rig.operate("a", Operation::Read(STATE));
    rig.reply("/5/0/3", tlv(&[0xC1, 3, 2]));
    assert_eq!(rig.result(id), value(Value::Integer(2)));
    let id = rig.operate("a", Operation::Read(STATE));
    rig.reply("/5/0/3", Response::new(Code::CONTENT).content(ContentFormat::SENML_CBOR, "?"));
    let error = rig.result(id).unwrap_err();
    assert!(matches!(error, OperationError::Unreadable { path: STATE, .. }), "{error:?}");
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
    for operation in [
        Operation::Read(Path::instance(0, 0)),
        Operation::Write(VERSION, Node::single(Value::from("2"))),
        Operation::Execute(Path::resource(3, 0, 4), Some("x".into())),
        Operation::WriteAttributes(VERSION, "pmin=9&pmax=8".parse().unwrap()),
    ] {
        let path = operation.path();
        let id = rig.operate("a", operation.clone());
        let error = rig.result(id).unwrap_err();
        assert!(matches!(error, OperationError::Invalid { path: named, .. } if named == path), "{error:?}");
        // The same even if the device is not there.
        let id = rig.operate("z", operation);
        assert_eq!(rig.result(id).unwrap_err(), error);
    }
    let id = rig.operate("a", Operation::CancelObservation(STATE));
    assert_eq!(rig.result(id), Err(OperationError::NotObserved(STATE)));
    assert!(rig.asked.is_empty());
}

#[test]
fn an_operation_on_a_device_that_is_not_there_ends_at_once() {
    let (mut rig, _) = rig();
    let id = rig.operate("z", Operation::Read(VERSION));
    assert_eq!(rig.result(id), Err(OperationError::NotRegistered));
}

#[test]
fn ets_256_a_refusal_is_told_with_the_place_the_code_and_the_device_s_own_words() {
    let (mut rig, _) = rig();
    let id = rig.operate("a", Operation::Read(VERSION));
    rig.reply("/3/0/3", Response::new(Code::METHOD_NOT_ALLOWED).diagnostic("not now\n"));
    let error = rig.result(id).unwrap_err();
    let text = alloc::string::ToString::to_string(&error);
    assert_eq!(text, "/3/0/3: the device answered 4.05 (the device does not allow this here): not now");
}

#[test]
fn a_device_that_does_not_answer_fails_the_operation() {
    let (mut rig, link) = rig();
    let id = rig.operate("a", Operation::Read(STATE));
    rig.end_session(link);
    assert_eq!(rig.result(id), Err(OperationError::NoAnswer(STATE)));
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

#[test]
fn ets_215_replace_takes_away_and_ets_228_one_value_is_written() {
    let (mut rig, _) = rig();
    let instance = Node::Instance([(ResourceId(1), Resource::Single(Value::Integer(60)))].into());
    rig.operate("a", Operation::Replace(Path::instance(1, 0), instance));
    let request = rig.reply("/1/0", Response::new(Code::CHANGED));
    assert_eq!((request.method, &*request.payload), (Code::PUT, &[0xC1, 1, 60][..]));
    let value = Node::Value(Value::from("host"));
    let id = rig.operate("a", Operation::Write(Path::resource_instance(16, 0, 0, 0), value));
    let request = rig.reply("/16/0/0/0", Response::new(Code::CHANGED));
    assert_eq!((request.method, &*request.payload), (Code::PUT, &b"host"[..]));
    assert_eq!(rig.result(id), Ok(OperationOutput::Done));
    // Values that are not named stay.
    let values = Resource::Multiple([(ResourceInstanceId(1), Value::from("x"))].into());
    rig.operate("a", Operation::Write(Path::resource(16, 0, 0), Node::Resource(values.clone())));
    let request = rig.reply("/16/0/0", Response::new(Code::CHANGED));
    assert_eq!((request.method, &*request.payload), (Code::POST, &[0x83, 0, 0x41, 1, b'x'][..]));
    // In 1.0 that would be an Execute.
    let link = rig.session("key-b");
    rig.registered(link, "ep=b&lt=300&lwm2m=1.0");
    rig.operate("b", Operation::Write(Path::resource(16, 0, 0), Node::Resource(values)));
    assert_eq!(rig.reply("/16/0/0", Response::new(Code::CHANGED)).method, Code::PUT);
}

#[test]
fn ets_222_224_225_every_depth_is_read() {
    let (mut rig, _) = rig();
    let id = rig.operate("a", Operation::Read(Path::object(3)));
    rig.reply("/3", tlv(&[0x03, 0, 0xC1, 9, 55]));
    let instance = [(ResourceId(9), Resource::Single(Value::Integer(55)))].into();
    assert_eq!(rig.result(id), Ok(OperationOutput::Value(Node::Object([(InstanceId(0), instance)].into()))));
    let id = rig.operate("a", Operation::Read(Path::resource(3, 0, 11)));
    rig.reply("/3/0/11", tlv(&[0x83, 11, 0x41, 0, 0]));
    let values = Resource::Multiple([(ResourceInstanceId(0), Value::Integer(0))].into());
    assert_eq!(rig.result(id), Ok(OperationOutput::Value(Node::Resource(values))));
    let id = rig.operate("a", Operation::Read(Path::resource_instance(3, 0, 11, 0)));
    rig.reply("/3/0/11/0", text("7"));
    assert_eq!(rig.result(id), Ok(OperationOutput::Value(Node::Value(Value::Integer(7)))));
}

#[test]
fn ets_261_attributes_are_written_as_a_query() {
    let (mut rig, _) = rig();
    let attributes = "pmin=10&pmax=60&gt".parse().unwrap();
    let id = rig.operate("a", Operation::WriteAttributes(Path::resource(3, 0, 9), attributes));
    let request = rig.reply("/3/0/9", Response::new(Code::CHANGED));
    let query: alloc::vec::Vec<&[u8]> = request.options.uri_query().collect();
    assert_eq!((request.method, query), (Code::PUT, [&b"pmin=10"[..], b"pmax=60", b"gt"].into()));
    assert_eq!((request.options.content_format(), request.payload.len()), (None, 0));
    assert_eq!(rig.result(id), Ok(OperationOutput::Done));
}

fn creation(node: Node) -> Operation {
    Operation::Create(Path::object(16), node)
}

fn one_identity() -> Instance {
    let values = Resource::Multiple([(ResourceInstanceId(0), Value::from("x"))].into());
    [(ResourceId(0), values)].into()
}

#[test]
fn ets_270_dm_09_the_number_of_a_new_instance_is_told_by_the_device() {
    let (mut rig, _) = rig();
    let id = rig.operate("a", creation(Node::Instance(one_identity())));
    let created = Response::new(Code::CREATED).location(&["16", "4"]);
    let request = rig.reply("/16", created);
    assert_eq!((request.method, &*request.payload), (Code::POST, &[0x83, 0, 0x41, 0, b'x'][..]));
    assert_eq!(rig.result(id), Ok(OperationOutput::Created(Some(Path::instance(16, 4)))));
    // With a number there is nothing to learn.
    let id = rig.operate("a", Operation::Create(Path::instance(16, 7), Node::Instance(one_identity())));
    let request = rig.reply("/16", Response::new(Code::CREATED));
    assert_eq!(&*request.payload, &[0x05, 7, 0x83, 0, 0x41, 0, b'x'][..]);
    assert_eq!(rig.result(id), Ok(OperationOutput::Created(Some(Path::instance(16, 7)))));
    let id = rig.operate("a", Operation::Create(Path::instance(16, 7), Node::Instance(one_identity())));
    rig.reply("/16", Response::new(Code::BAD_REQUEST));
    assert!(matches!(rig.result(id), Err(OperationError::Refused { code: Code::BAD_REQUEST, .. })));
}

#[test]
fn ets_271_dm_09_without_location_the_new_instance_is_looked_for() {
    let (mut rig, link) = rig();
    let body = "</>;rt=\"oma.lwm2m\",</3/0>,</16/0>";
    let register = Request::post("/rd").query("ep=a").query("lwm2m=1.1");
    rig.request(link, register.content(ContentFormat::LINK_FORMAT, body));
    let id = rig.operate("a", creation(Node::Instance(one_identity())));
    rig.reply("/16", Response::new(Code::CREATED));
    let links = Response::new(Code::CONTENT)
        .content(ContentFormat::LINK_FORMAT, "</16>,</16/0>,</16/0/0>,</16/3>,</16/3/0>;dim=1");
    let request = rig.reply("/16", links);
    assert_eq!(request.options.accept(), Some(ContentFormat::LINK_FORMAT));
    assert_eq!(rig.result(id), Ok(OperationOutput::Created(Some(Path::instance(16, 3)))));
    // One that does not know Discover is read.
    let id = rig.operate("a", creation(Node::Instance(one_identity())));
    rig.reply("/16", Response::new(Code::CREATED));
    rig.reply("/16", Response::new(Code::NOT_IMPLEMENTED));
    rig.reply("/16", tlv(&[0x00, 0, 0x00, 5]));
    assert_eq!(rig.result(id), Ok(OperationOutput::Created(Some(Path::instance(16, 5)))));
    let id = rig.operate("a", creation(Node::Instance(one_identity())));
    rig.reply("/16", Response::new(Code::CREATED));
    rig.reply("/16", Response::new(Code::NOT_IMPLEMENTED));
    rig.reply("/16", Response::new(Code::NOT_FOUND));
    assert_eq!(rig.result(id), Ok(OperationOutput::Created(None)));
}

#[test]
fn ets_290_instances_are_deleted_and_the_device_object_is_not() {
    let (mut rig, _) = rig();
    let id = rig.operate("a", Operation::Delete(Path::instance(16, 0)));
    assert_eq!(rig.reply("/16/0", Response::new(Code::DELETED)).method, Code::DELETE);
    assert_eq!(rig.result(id), Ok(OperationOutput::Done));
    let id = rig.operate("a", Operation::Delete(Path::instance(3, 0)));
    assert!(matches!(rig.result(id), Err(OperationError::Invalid { .. })));
    assert!(rig.asked.is_empty());
}

#[test]
fn peers_18_a_busy_device_is_asked_again_and_again_later() {
    let (mut rig, _) = rig();
    let busy = || Response::new(Code::SERVICE_UNAVAILABLE);
    let id = rig.operate("a", Operation::Execute(Path::resource(3, 0, 4), None));
    for wait in [2, 4, 8, 16] {
        rig.reply("/3/0/4", busy());
        rig.wait(wait - 1);
        assert!(rig.asked.is_empty(), "{wait} s");
        rig.wait(1);
    }
    rig.reply("/3/0/4", busy());
    assert!(matches!(rig.result(id), Err(OperationError::Refused { code: Code::SERVICE_UNAVAILABLE, .. })));
    // What failed inside the device is repeated only if it does no harm.
    let id = rig.operate("a", Operation::Read(VERSION));
    rig.reply("/3/0/3", Response::new(Code::INTERNAL_SERVER_ERROR));
    rig.wait(2);
    rig.reply("/3/0/3", text("1"));
    assert_eq!(rig.result(id), value(Value::from("1")));
    let id = rig.operate("a", Operation::Execute(Path::resource(3, 0, 4), None));
    rig.reply("/3/0/4", Response::new(Code::INTERNAL_SERVER_ERROR));
    assert!(rig.result(id).is_err());
}

#[test]
fn a_busy_device_that_leaves_fails_the_operation() {
    let (mut rig, link) = rig();
    let location = rig.registered(link, "ep=a&lt=300&lwm2m=1.1");
    let id = rig.operate("a", Operation::Read(VERSION));
    rig.reply("/3/0/3", Response::new(Code::SERVICE_UNAVAILABLE));
    rig.request(link, Request::delete(&alloc::format!("/rd/{location}")));
    assert_eq!(rig.result(id), Err(OperationError::NoAnswer(VERSION)));
    rig.wait(60);
    assert!(rig.asked.is_empty());
}

#[test]
fn a_loaded_object_gives_types_and_checks() {
    let (mut rig, _) = rig();
    let path = Path::resource(3_303, 0, 5_700);
    let sensor = crate::model::ResourceDefinition::new(
        5_700,
        "Sensor Value",
        Kind::Float,
        crate::model::Access::Read,
        "",
    );
    let object = crate::model::ObjectDefinition {
        resources: alloc::vec![sensor].into(),
        ..crate::model::ObjectDefinition::new(3_303, "Temperature", &[], "").several()
    };
    rig.server.set_model(crate::model::ObjectModel::CORE.with([object]));
    let id = rig.operate("a", Operation::Read(path));
    let request = rig.reply("/3303/0/5700", text("21.5"));
    assert_eq!(request.options.accept(), Some(ContentFormat::TEXT_PLAIN));
    assert_eq!(rig.result(id), value(Value::Float(21.5)));
    let id = rig.operate("a", Operation::Write(path, Node::single(Value::Float(1.0))));
    assert!(matches!(rig.result(id), Err(OperationError::Invalid { .. })));
}

#[test]
fn the_version_of_an_object_that_the_device_registered_decides() {
    use crate::model::{Access, ObjectDefinition, ObjectModel, ObjectVersion, ResourceDefinition};
    let object = |version, kind| ObjectDefinition {
        version,
        resources: alloc::vec![ResourceDefinition::new(1, "Level", kind, Access::ReadWrite, "")].into(),
        ..ObjectDefinition::new(30_000, "Tank", &[], "")
    };
    let newest = ObjectVersion::new(1, 1);
    let objects = [object(ObjectVersion::FIRST, Kind::Integer), object(newest, Kind::Float)];
    let (mut rig, link) = rig();
    rig.server.set_model(ObjectModel::CORE.with(objects));
    let path = Path::resource(30_000, 0, 1);
    let (whole, real) = (Value::Integer(2), Value::Float(2.0));
    for (links, right, wrong) in [
        ("</3/0>,</30000/0>", &whole, &real),
        ("</3/0>,</30000>;ver=1.0,</30000/0>", &whole, &real),
        ("</3/0>,</30000>;ver=1.1,</30000/0>", &real, &whole),
        ("</3/0>,</30000/0>;ver=\"1.1\"", &real, &whole),
        // Nobody has told this one: the newest is the best guess.
        ("</3/0>,</30000>;ver=2.0", &real, &whole),
    ] {
        // Not so soon that it is told to wait.
        rig.wait(60);
        let register = Request::post("/rd").query("ep=a").query("lwm2m=1.1");
        rig.request(link, register.content(ContentFormat::LINK_FORMAT, links));
        let id = rig.operate("a", Operation::Read(path));
        rig.reply("/30000/0/1", text("2"));
        assert_eq!(rig.result(id), value(right.clone()), "{links}");
        let id = rig.operate("a", Operation::Write(path, Node::single(wrong.clone())));
        let error = rig.result(id).unwrap_err().to_string();
        assert!(error.starts_with("/30000/0/1: \"Level\" takes"), "{links}: {error}");
    }
}

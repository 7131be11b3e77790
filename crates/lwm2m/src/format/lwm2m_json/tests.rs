use alloc::vec;

use super::*;
use crate::format::{JsonError, JsonFault, LWM2M_JSON, decode as read, encode as written};
use crate::path::{InstanceId, ObjectId, ResourceId};
use crate::value::{Node, Resource};

fn records(base: &str, text: &str) -> Result<Vec<Record>, DecodeError> {
    decode(base.parse().unwrap(), text.as_bytes(), &ObjectModel::CORE)
}

const LEVEL: Path = Path::resource(3, 0, 9);

fn level(number: i64) -> Record {
    Record::new(LEVEL, Value::Integer(number))
}

#[test]
fn the_layout_is_that_of_lwm2m_1_0() {
    let link = Value::ObjectLink(ObjectId(66), InstanceId(0));
    let values = [
        Record::new(Path::resource(3, 0, 0), Value::from("a\"b")),
        level(100),
        Record::new(Path::resource_instance(3, 0, 22, 1), link),
    ];
    let mut out = Vec::new();
    encode(&values, &mut out).unwrap();
    let text = r#"{"bn":"/3/0/","e":[{"n":"0","sv":"a\"b"},{"n":"9","v":100},{"n":"22/1","ov":"66:0"}]}"#;
    assert_eq!(String::from_utf8(out).unwrap(), text);
    assert_eq!(records("/3/0", text).unwrap(), values);
    for (path, value, text) in [
        (LEVEL, Value::Integer(95), r#"{"bn":"/3/0/","e":[{"n":"9","v":95}]}"#),
        (Path::resource(1, 0, 6), Value::Boolean(false), r#"{"bn":"/1/0/","e":[{"n":"6","bv":false}]}"#),
        (
            Path::resource(5, 0, 0),
            Value::Opaque([0xFB, 0xEF].into()),
            r#"{"bn":"/5/0/","e":[{"n":"0","sv":"++8="}]}"#,
        ),
    ] {
        let node = Node::single(value);
        let mut out = Vec::new();
        written(LWM2M_JSON, path, &node, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), text);
        assert_eq!(read(LWM2M_JSON, path, text.as_bytes(), &ObjectModel::CORE), Ok(node));
    }
}

/// Leshan puts the whole path into the base name, Contiki the instance, older clients nothing.
#[test]
fn names_are_read_as_clients_write_them() {
    for (base, text) in [
        ("/3/0/9", r#"{"bn":"/3/0/9","e":[{"v":95}]}"#),
        ("/3/0/9", r#"{"bn":"/3/0/9","e":[{"n":"","v":95}]}"#),
        ("/3/0/9", r#"{"e":[{"n":"","v":95}]}"#),
        ("/3/0/9", r#"{"e":[{"v":95}]}"#),
        ("/3/0/9", r#"{"bn":"/3/0/","e":[{"n":"9","v":95}]}"#),
        ("/3/0", r#"{"bn":"/3/0/","e":[{"n":"9","v":95}]}"#),
        ("/3/0", r#"{"e":[{"n":"9","v":95}]}"#),
        ("/3/0", r#"{"bn":"/","e":[{"n":"3/0/9","v":95}]}"#),
        ("/3/0", r#"{"e":[{"v":95.0,"n":"/3/0/9"}],"bn":""}"#),
        ("/3", r#"{"bn":"/3/","e":[{"n":"0/9","v":95}]}"#),
        ("/3", r#"{"e":[{"n":"0/9","v":95,"x":[{}]}],"y":{"e":1}}"#),
        ("/3", r#"{"e":[{"n":"3/0/9","v":95}],"bn":"/"}"#),
    ] {
        assert_eq!(records(base, text), Ok(vec![level(95)]), "{text} for {base}");
    }
    let flags = r#"{"bn":"/1/0/","e":[{"n":"6","bv":1}]}"#;
    let truth = Record::new(Path::resource(1, 0, 6), Value::Boolean(true));
    assert_eq!(records("/1/0", flags), Ok(vec![truth]));
}

#[test]
fn times_are_relative_to_the_base_time() {
    let text = r#"{"e":[{"n":"9","v":20,"t":-5},{"n":"9","v":21}],"bt":1700000000,"bn":"/3/0/"}"#;
    let read_back = records("/3/0", text).unwrap();
    let times: Vec<_> = read_back.iter().map(|record| record.time).collect();
    assert_eq!(times, [Some(1_699_999_995.0), Some(1.7e9)]);
    let node = read(LWM2M_JSON, LEVEL, text.as_bytes(), &ObjectModel::CORE);
    assert_eq!(node, Ok(Node::single(Value::Integer(21))));
    let mut out = Vec::new();
    encode(&read_back, &mut out).unwrap();
    let text = r#"{"bn":"/3/0/","e":[{"n":"9","v":20,"t":1699999995},{"n":"9","v":21,"t":1700000000}]}"#;
    assert_eq!(String::from_utf8(out).unwrap(), text);
}

#[test]
fn what_is_broken_is_named() {
    for (text, error) in [
        ("{}", Lwm2mJsonError::NoEntries),
        (r#"{"e":[{"n":"9","v":1}],"e":[]}"#, Lwm2mJsonError::Repeated("e")),
        (r#"{"bn":"/3/0/","bn":"/","e":[]}"#, Lwm2mJsonError::Repeated("bn")),
        (r#"{"e":[{"n":"9","n":"9","v":1}]}"#, Lwm2mJsonError::Repeated("n")),
        (r#"{"e":[{"n":"9","v":1,"sv":"1"}]}"#, Lwm2mJsonError::TwoValues(0)),
        (r#"{"e":[{"n":"9","v":1},{"n":"9"}]}"#, Lwm2mJsonError::NoValue(1)),
        (r#"{"e":[{"n":"x","v":1}]}"#, Lwm2mJsonError::NotAPath(0)),
        (r#"{"bn":7,"e":[]}"#, Lwm2mJsonError::WrongType("bn")),
        (r#"{"e":[{"n":"9","v":"1"}]}"#, Lwm2mJsonError::WrongType("v")),
        (r#"{"e":[{"n":"9","ov":"1"}]}"#, Lwm2mJsonError::WrongType("ov")),
    ] {
        assert_eq!(records("/3/0", text), Err(error.into()), "{text}");
    }
    let nan = JsonError { at: 19, fault: JsonFault::NoValue };
    assert_eq!(records("/3/0", r#"{"e":[{"n":"9","v":NaN}]}"#).unwrap_err(), nan.into());
    let wrong = DecodeError::WrongValue { path: Path::resource(5, 0, 0), kind: Kind::Opaque };
    assert_eq!(records("/5/0", r#"{"e":[{"n":"0","sv":"?"}]}"#), Err(wrong));
    let long = alloc::format!(r#"{{"bn":"/3/0/","e":[{{"n":"{}9","v":1}}]}}"#, "0".repeat(LONGEST_NAME));
    assert_eq!(records("/3/0", &long), Err(Lwm2mJsonError::LongName(0).into()));
    let many = alloc::format!(r#"{{"e":[{}]}}"#, vec!["{\"n\":\"9\",\"v\":1}"; MOST_RECORDS + 1].join(","));
    assert_eq!(records("/3/0", &many), Err(Lwm2mJsonError::TooMany.into()));
    assert_eq!(encode(&[Record::place(LEVEL)], &mut Vec::new()), Err(EncodeError::NoValue(LEVEL)));
}

#[test]
fn null_is_absent() {
    let text = br#"{"bn":"/3/0/","e":[{"n":"3","sv":null},{"n":"9","v":1}]}"#;
    let node = read(LWM2M_JSON, Path::instance(3, 0), text, &ObjectModel::CORE);
    let only = [(ResourceId(9), Resource::Single(Value::Integer(1)))];
    assert_eq!(node, Ok(Node::Instance(only.into())));
}

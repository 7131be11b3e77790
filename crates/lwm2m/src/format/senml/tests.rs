use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::format::{
    CborError, CborFault, DecodeError, JsonError, JsonFault, LONGEST_NAME, MOST_RECORDS, Record, SENML_CBOR,
    SENML_ETCH_CBOR, SENML_ETCH_JSON, SENML_JSON, decode, decode_paths, decode_records, encode, encode_paths,
    encode_records,
};
use crate::model::ObjectModel;
use crate::path::{InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId};
use crate::value::{Kind, Node, Resource, Value};

fn json(text: &str) -> Result<Vec<Record>, DecodeError> {
    decode_records(SENML_JSON, Path::Root, text.as_bytes(), &ObjectModel::CORE)
}

fn cbor(bytes: &[u8]) -> Result<Vec<Record>, DecodeError> {
    decode_records(SENML_CBOR, Path::Root, bytes, &ObjectModel::CORE)
}

fn senml(record: usize, fault: SenmlFault) -> DecodeError {
    SenmlError { record, fault }.into()
}

const LEVEL: Path = Path::resource(3, 0, 9);

fn level(number: i64) -> Record {
    Record::new(LEVEL, Value::Integer(number))
}

/// Part of the device of the standard's own examples (LwM2M Core 1.1 section 7.4.4).
fn device() -> Node {
    let single = |id, value| (ResourceId(id), Resource::Single(value));
    let sources = [(0, 1), (1, 5)].map(|(id, number)| (ResourceInstanceId(id), Value::Integer(number)));
    Node::Instance(
        [
            single(0, Value::from("Open Mobile Alliance")),
            (ResourceId(6), Resource::Multiple(sources.into())),
            single(9, Value::Integer(100)),
            single(13, Value::Time(1_367_491_215)),
        ]
        .into(),
    )
}

#[test]
fn a_pack_is_written_as_the_standard_shows_it() {
    let mut out = Vec::new();
    encode(SENML_JSON, Path::instance(3, 0), &device(), &mut out).unwrap();
    let text = concat!(
        r#"[{"bn":"/3/0/","n":"0","vs":"Open Mobile Alliance"},{"n":"6/0","v":1},{"n":"6/1","v":5},"#,
        r#"{"n":"9","v":100},{"n":"13","v":1367491215}]"#,
    );
    assert_eq!(String::from_utf8(out).unwrap(), text);
    let mut out = Vec::new();
    encode(SENML_CBOR, Path::instance(3, 0), &device(), &mut out).unwrap();
    let bytes = [
        &[0x85, 0xA3, 0x21, 0x65][..],
        b"/3/0/",
        &[0x00, 0x61, b'0', 0x03, 0x74],
        b"Open Mobile Alliance",
        &[0xA2, 0x00, 0x63, b'6', b'/', b'0', 0x02, 0x01],
        &[0xA2, 0x00, 0x63, b'6', b'/', b'1', 0x02, 0x05],
        &[0xA2, 0x00, 0x61, b'9', 0x02, 0x18, 0x64],
        &[0xA2, 0x00, 0x62, b'1', b'3', 0x02, 0x1A, 0x51, 0x82, 0x42, 0x8F],
    ]
    .concat();
    assert_eq!(out, bytes);
}

#[test]
fn each_type_has_its_field() {
    let model = &ObjectModel::CORE;
    let link = Value::ObjectLink(ObjectId(66), InstanceId(0));
    for (path, value, text, bytes) in [
        (LEVEL, Value::Integer(95), r#"[{"n":"/3/0/9","v":95}]"#, &[0x02, 0x18, 95][..]),
        (
            Path::resource(6, 0, 0),
            Value::Float(-0.5),
            r#"[{"n":"/6/0/0","v":-0.5}]"#,
            &[0x02, 0xFA, 0xBF, 0, 0, 0],
        ),
        (Path::resource(1, 0, 6), Value::Boolean(true), r#"[{"n":"/1/0/6","vb":true}]"#, &[0x04, 0xF5]),
        (
            Path::resource(5, 0, 0),
            Value::Opaque([0xFB, 0xEF].into()),
            r#"[{"n":"/5/0/0","vd":"--8"}]"#,
            &[0x08, 0x42, 0xFB, 0xEF],
        ),
        (
            Path::resource(5, 0, 13),
            Value::Unsigned(u64::MAX),
            r#"[{"n":"/5/0/13","v":18446744073709551615}]"#,
            &[0x02, 0x1B, 255, 255, 255, 255, 255, 255, 255, 255],
        ),
        // OMA's answer to how a link looks in SenML CBOR: the key stays a text.
        (
            Path::resource_instance(3, 0, 22, 0),
            link,
            r#"[{"n":"/3/0/22/0","vlo":"66:0"}]"#,
            &[0x63, b'v', b'l', b'o', 0x64, b'6', b'6', b':', b'0'],
        ),
    ] {
        let records = [Record::new(path, value)];
        let mut out = Vec::new();
        encode_records(SENML_JSON, &records, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), text);
        assert_eq!(json(text).unwrap(), records);
        let mut out = Vec::new();
        encode_records(SENML_CBOR, &records, &mut out).unwrap();
        assert!(out.ends_with(bytes), "{out:02x?}");
        assert_eq!(decode_records(SENML_CBOR, Path::Root, &out, model).unwrap(), records);
    }
}

#[test]
fn fmt_05_names_are_base_name_and_name() {
    let one = [level(1)];
    for text in [
        r#"[{"bn":"/3/0/9","v":1}]"#,
        r#"[{"bn":"/3/0/","n":"9","v":1}]"#,
        r#"[{"n":"/3/0/9","v":1}]"#,
        r#"[{"n":"3/0/9","v":1}]"#,
        r#"[{"bn":"3/0/","n":"9","v":1}]"#,
        r#"[{"bn":"/3/0/"},{"n":"9","v":1}]"#,
        r#"[{"v":1,"n":"9","bn":"/3/0/"}]"#,
        r#" [ { "n" : "\/3\/0\/9" , "v" : 1.0 , "u" : "%", "x": {"y": [1, null]} } ] "#,
    ] {
        assert_eq!(json(text).unwrap(), one, "{text}");
    }
    let later = json(r#"[{"n":"/3/0/9","v":1},{"bn":"/3/0/","n":"10","v":2},{"n":"9","v":3}]"#).unwrap();
    assert_eq!(later[1], Record::new(Path::resource(3, 0, 10), Value::Integer(2)));
    assert_eq!(later[2], level(3));
    let below =
        |path: Path, text: &str| decode(SENML_JSON, path, text.as_bytes(), &ObjectModel::CORE).unwrap();
    let two = Node::Instance([(ResourceId(9), Resource::Single(Value::Integer(2)))].into());
    assert_eq!(below(Path::instance(3, 0), r#"[{"n":"9","v":2}]"#), two);
    assert_eq!(json(r#"[{"bn":"/3/0","n":"9","v":1}]"#), Err(senml(0, SenmlFault::NotAPath)), "/3/09");
    for name in ["", "/", "/3", "/3/0", "x", "/3/0/9/1/1", "/3/0/65535"] {
        let text = alloc::format!(r#"[{{"n":"{name}","v":1}}]"#);
        assert_eq!(json(&text), Err(senml(0, SenmlFault::NotAPath)), "{name}");
    }
}

#[test]
fn fmt_05_base_time_and_base_value_are_added() {
    let text = r#"[{"bn":"/3/0/","bt":1.7e9,"bv":20,"n":"9","v":1,"t":-5},{"n":"10","v":2},
        {"n":"0","vs":"x","t":0.5},{"bt":-10,"bv":0,"n":"9","v":3}]"#;
    let records = json(text).unwrap();
    let (names, values): (Vec<_>, Vec<_>) =
        records.into_iter().map(|record| (record.time, record.value.unwrap())).unzip();
    assert_eq!(names, [Some(1_699_999_995.0), Some(1.7e9), Some(1_700_000_000.5), Some(-10.0)]);
    let numbers = [Value::Integer(21), Value::Integer(22), Value::from("x"), Value::Integer(3)];
    assert_eq!(values, numbers);
    let exact = r#"[{"n":"/3/0/9","bv":9007199254740993,"v":1}]"#;
    assert_eq!(json(exact).unwrap(), [level(9_007_199_254_740_994)]);
}

#[test]
fn fmt_05_relative_times_count_from_the_moment_of_sending() {
    let at = |time| Record { time, ..level(1) }.seconds(1.7e9);
    assert_eq!(at(None), 1.7e9);
    assert_eq!(at(Some(-5.0)), 1.7e9 - 5.0);
    assert_eq!(at(Some(268_435_455.0)), 1.7e9 + 268_435_455.0);
    assert_eq!(at(Some(268_435_456.0)), 268_435_456.0);
}

#[test]
fn fmt_05_broken_records_are_named() {
    for (text, record, fault) in [
        (r#"[{"n":"/3/0/9","v":1,"vs":"1"}]"#, 0, SenmlFault::TwoValues),
        (r#"[{"n":"/3/0/9","v":1},{"n":"/3/0/9","v":1,"v":2}]"#, 1, SenmlFault::Repeated("v")),
        (r#"[{"n":"/3/0/9","v":1,"n":"/3/0/10"}]"#, 0, SenmlFault::Repeated("n")),
        (r#"[{"n":"/3/0/9"}]"#, 0, SenmlFault::NoValue),
        (r#"[{"n":"/3/0/9","v":"1"}]"#, 0, SenmlFault::WrongType("v")),
        (r#"[{"n":"/3/0/0","vs":1}]"#, 0, SenmlFault::WrongType("vs")),
        (r#"[{"n":3,"v":1}]"#, 0, SenmlFault::WrongType("n")),
        (r#"[{"n":"/5/0/0","vd":"A"}]"#, 0, SenmlFault::WrongType("vd")),
        (r#"[{"n":"/3/0/22/0","vlo":"66"}]"#, 0, SenmlFault::WrongType("vlo")),
        (r#"[{"n":"/3/0/9","v":1,"t":"now"}]"#, 0, SenmlFault::WrongType("t")),
        (r#"[{"bver":11,"n":"/3/0/9","v":1}]"#, 0, SenmlFault::UnknownVersion),
        (r#"[{"n":"/3/0/9","v":1,"must_":0}]"#, 0, SenmlFault::MustUnderstand),
        (r#"[{"bt":1e308,"n":"/3/0/9","v":1,"t":1e308}]"#, 0, SenmlFault::NoTime),
    ] {
        assert_eq!(json(text), Err(senml(record, fault)), "{text}");
    }
    assert_eq!(json(r#"[{"bver":10,"n":"/3/0/9","v":1,"s":7,"ut":9}]"#).unwrap(), [level(1)]);
    assert_eq!(json(r#"[{"n":"/3/0/9","s":7}]"#).unwrap(), [], "LwM2M knows no sums");
    let wrong = DecodeError::WrongValue { path: LEVEL, kind: Kind::Integer };
    assert_eq!(json(r#"[{"n":"/3/0/9","vs":"1"}]"#), Err(wrong.clone()));
    assert_eq!(json(r#"[{"n":"/3/0/9","v":0.5}]"#), Err(wrong));
}

#[test]
fn fmt_05_nan_is_no_json() {
    for number in ["NaN", "Infinity", "nan"] {
        let text = alloc::format!(r#"[{{"n":"/6/0/0","v":{number}}}]"#);
        let error = JsonError { at: 19, fault: JsonFault::NoValue };
        assert_eq!(json(&text), Err(error.into()), "{number}");
    }
    let large = JsonError { at: 19, fault: JsonFault::LargeNumber };
    assert_eq!(json(r#"[{"n":"/6/0/0","v":1e400}]"#), Err(large.into()));
    let path = Path::resource(6, 0, 0);
    for number in [f64::NAN, f64::INFINITY] {
        let records = [Record::new(path, Value::Float(number))];
        let refused = encode_records(SENML_JSON, &records, &mut Vec::new());
        assert_eq!(refused, Err(crate::format::EncodeError::NotFinite(path)));
        let mut out = Vec::new();
        encode_records(SENML_CBOR, &records, &mut out).unwrap();
        assert!(cbor(&out).is_ok(), "CBOR has them");
    }
}

#[test]
fn fmt_05_base64url_is_read_with_and_without_padding() {
    for data in ["--8", "--8=", "++8", "++8="] {
        let text = alloc::format!(r#"[{{"n":"/5/0/0","vd":"{data}"}}]"#);
        let package = Record::new(Path::resource(5, 0, 0), Value::Opaque([0xFB, 0xEF].into()));
        assert_eq!(json(&text).unwrap(), [package], "{data}");
    }
}

#[test]
fn fmt_05_cbor_of_indefinite_length_is_read() {
    let bytes = [
        &[0x9F, 0xBF, 0x21, 0x7F, 0x63][..],
        b"/3/",
        &[0x62],
        b"0/",
        &[0xFF, 0x00, 0x61, b'9', 0x02, 0x01, 0xFF, 0xFF],
    ]
    .concat();
    assert_eq!(cbor(&bytes).unwrap(), [level(1)]);
    let unclosed = CborError { at: bytes.len() - 1, fault: CborFault::Ended };
    assert_eq!(cbor(&bytes[..bytes.len() - 1]), Err(unclosed.into()));
}

#[test]
fn fmt_05_times_may_have_their_tag() {
    let name = [&[0x81, 0xA2, 0x00, 0x67][..], b"/3/0/13", &[0x02]].concat();
    let time = [Record::new(Path::resource(3, 0, 13), Value::Time(1_000))];
    for value in [&[0x19, 0x03, 0xE8][..], &[0xC1, 0x19, 0x03, 0xE8], &[0xC1, 0xFA, 0x44, 0x7A, 0, 0]] {
        assert_eq!(cbor(&[&name, value].concat()).unwrap(), time, "{value:02x?}");
    }
}

#[test]
fn fmt_05_the_depth_is_bounded() {
    let deep = |depth: usize| alloc::format!("[{{\"x\":{}{}}}]", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(json(&deep(14)).unwrap(), []);
    assert_eq!(json(&deep(15)), Err(JsonError { at: 20, fault: JsonFault::TooDeep }.into()));
    assert!(json(&deep(1_000)).is_err());
    let deep = |depth| [vec![0x81, 0xA1, 0x61, b'x'], vec![0x81; depth], vec![0]].concat();
    assert_eq!(cbor(&deep(14)).unwrap(), []);
    assert_eq!(cbor(&deep(15)), Err(CborError { at: 18, fault: CborFault::TooDeep }.into()));
    assert!(cbor(&deep(1_000)).is_err());
}

#[test]
fn fmt_05_repeated_keys_and_trailing_bytes_are_refused() {
    let one = [&[0x81, 0xA2, 0x00, 0x66][..], b"/3/0/9", &[0x02, 0x01]].concat();
    assert_eq!(cbor(&one).unwrap(), [level(1)]);
    let twice = [&[0x81, 0xA3, 0x00, 0x66][..], b"/3/0/9", &[0x02, 0x01, 0x02, 0x01]].concat();
    assert_eq!(cbor(&twice), Err(senml(0, SenmlFault::Repeated("v"))));
    let by_name = [&[0x81, 0xA3, 0x00, 0x66][..], b"/3/0/9", &[0x02, 0x01, 0x61, b'v', 0x01]].concat();
    assert_eq!(cbor(&by_name), Err(senml(0, SenmlFault::Repeated("v"))));
    let trailing = [&one[..], &[0]].concat();
    assert_eq!(cbor(&trailing), Err(CborError { at: one.len(), fault: CborFault::Trailing }.into()));
    let trailing = JsonError { at: 24, fault: JsonFault::Trailing };
    assert_eq!(json(r#"[{"n":"/3/0/9","v":1}]  []"#), Err(trailing.into()));
}

#[test]
fn the_number_of_records_and_the_length_of_names_are_bounded() {
    let many = |records: usize| alloc::format!("[{}]", vec!["{}"; records].join(","));
    assert_eq!(json(&many(MOST_RECORDS)).unwrap(), []);
    assert_eq!(json(&many(MOST_RECORDS + 1)), Err(senml(MOST_RECORDS, SenmlFault::TooMany)));
    let named = |zeros: usize| alloc::format!(r#"[{{"bn":"/3/0/","n":"{}9","v":1}}]"#, "0".repeat(zeros));
    assert_eq!(json(&named(LONGEST_NAME - 6)).unwrap(), [level(1)]);
    assert_eq!(json(&named(LONGEST_NAME - 5)), Err(senml(0, SenmlFault::LongName)));
}

/// The forms of RFC 8790 section 3.
#[test]
fn composite_requests_select_and_remove() {
    let paths = [Path::object(3), Path::resource(1, 0, 7), Path::Root];
    let mut out = Vec::new();
    encode_paths(SENML_ETCH_JSON, &paths, &mut out).unwrap();
    let text = r#"[{"n":"/3"},{"n":"/1/0/7"},{"n":"/"}]"#;
    assert_eq!(String::from_utf8(out).unwrap(), text);
    assert_eq!(decode_paths(SENML_ETCH_JSON, text.as_bytes()), Ok(paths.into()));
    assert_eq!(decode_paths(SENML_JSON, text.as_bytes()), Ok(paths.into()), "some clients use 110");
    let based = r#"[{"bn":"/3/0/"},{"n":"9"},{"bn":"/5/0/3"}]"#;
    let selected = [Path::instance(3, 0), LEVEL, Path::resource(5, 0, 3)];
    assert_eq!(decode_paths(SENML_ETCH_JSON, based.as_bytes()), Ok(selected.into()));
    let mut out = Vec::new();
    encode_paths(SENML_ETCH_CBOR, &paths[..2], &mut out).unwrap();
    let bytes = [&[0x82, 0xA1, 0x00, 0x62][..], b"/3", &[0xA1, 0x00, 0x66], b"/1/0/7"].concat();
    assert_eq!(out, bytes);
    let removed = [level(7), Record::place(Path::resource_instance(3, 0, 11, 1))];
    let mut out = Vec::new();
    encode_records(SENML_ETCH_JSON, &removed, &mut out).unwrap();
    let text = r#"[{"bn":"/3/0/","n":"9","v":7},{"n":"11/1","v":null}]"#;
    assert_eq!(String::from_utf8(out).unwrap(), text);
    let read = decode_records(SENML_ETCH_JSON, Path::Root, text.as_bytes(), &ObjectModel::CORE);
    assert_eq!(read.unwrap(), removed);
}

/// Leshan's issue 982: some clients say so what they do not have.
#[test]
fn null_in_an_answer_is_absent() {
    let text = br#"[{"bn":"/3/0/","n":"3","vs":null},{"n":"9","v":1}]"#;
    let node = decode(SENML_JSON, Path::instance(3, 0), text, &ObjectModel::CORE).unwrap();
    assert_eq!(node, Node::Instance([(ResourceId(9), Resource::Single(Value::Integer(1)))].into()));
}

#[test]
fn a_tag_of_a_value_says_nothing() {
    let pack = |tagged: bool| {
        let mut bytes = vec![0x81, 0xA2, 0x00, 0x69];
        bytes.extend_from_slice(b"/9999/0/0");
        bytes.extend_from_slice(if tagged { &[0x02, 0xC1, 0x07] } else { &[0x02, 0x07] });
        cbor(&bytes)
    };
    let records = [Record::new(Path::resource(9_999, 0, 0), Value::Integer(7))];
    assert_eq!(pack(true).as_deref(), Ok(&records[..]));
    assert_eq!(pack(true), pack(false));
}

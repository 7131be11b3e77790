use alloc::vec;

use super::*;
use crate::format::{
    CborError, CborFault, LWM2M_CBOR, decode as read, decode_paths, decode_records, encode as written,
};
use crate::path::{InstanceId, ResourceId, ResourceInstanceId};
use crate::value::Kind;

const LEVEL: Path = Path::resource(3, 0, 9);

fn node(path: Path, bytes: &[u8]) -> Result<Node, DecodeError> {
    read(LWM2M_CBOR, path, bytes, &ObjectModel::CORE)
}

fn level(number: i64) -> Node {
    Node::single(Value::Integer(number))
}

#[test]
fn maps_are_written_inside_each_other() {
    let sources = [(0, 1), (1, 5)].map(|(id, number)| (ResourceInstanceId(id), Value::Integer(number)));
    let instance = Instance::from([
        (ResourceId(0), Resource::Single(Value::from("OMA"))),
        (ResourceId(6), Resource::Multiple(sources.into())),
        (ResourceId(13), Resource::Single(Value::Time(1_367_491_215))),
    ]);
    let whole = [
        &[0xA1, 3, 0xA1, 0, 0xA3][..],
        &[0, 0x63, b'O', b'M', b'A'],
        &[6, 0xA2, 0, 1, 1, 5],
        &[13, 0xC1, 0x1A, 0x51, 0x82, 0x42, 0x8F],
    ]
    .concat();
    for (path, node, bytes) in [
        (Path::object(3), Node::Object([(InstanceId(0), instance.clone())].into()), &whole[..]),
        (Path::instance(3, 0), Node::Instance(instance), &whole),
        (LEVEL, level(95), &[0xA1, 3, 0xA1, 0, 0xA1, 9, 0x18, 95]),
        (
            Path::resource_instance(3, 0, 6, 1),
            Node::Value(Value::Integer(5)),
            &[0xA1, 3, 0xA1, 0, 0xA1, 6, 0xA1, 1, 5],
        ),
    ] {
        let mut out = Vec::new();
        written(LWM2M_CBOR, path, &node, &mut out).unwrap();
        assert_eq!(out, bytes, "{path}");
        assert_eq!(read(LWM2M_CBOR, path, bytes, &ObjectModel::CORE), Ok(node));
    }
}

#[test]
fn paths_may_be_split_in_any_way() {
    for bytes in [
        &[0xA1, 3, 0xA1, 0, 0xA1, 9, 5][..],
        &[0xA1, 0x83, 3, 0, 9, 5],
        &[0xA1, 0x82, 3, 0, 0xA1, 9, 5],
        &[0xA1, 3, 0xA1, 0x82, 0, 9, 5],
        &[0xA1, 0x81, 3, 0xA1, 0x81, 0, 0xA1, 0x81, 9, 5],
        // As Anjay Lite writes it, which does not know the lengths beforehand.
        &[0xBF, 0x82, 3, 0, 0xBF, 9, 5, 0xFF, 0xFF],
        &[0xBF, 0x9F, 3, 0, 9, 0xFF, 5, 0xFF],
        &[0xD9, 0xD9, 0xF7, 0xA1, 3, 0xA1, 0, 0xA1, 9, 5],
    ] {
        assert_eq!(node(LEVEL, bytes), Ok(level(5)), "{bytes:02x?}");
    }
    let two = [0xA2, 0x82, 3, 0, 0xA1, 9, 5, 0x83, 3, 0, 10, 6];
    let both =
        [(9, 5), (10, 6)].map(|(id, number)| (ResourceId(id), Resource::Single(Value::Integer(number))));
    assert_eq!(node(Path::instance(3, 0), &two), Ok(Node::Instance(both.into())));
    let numbered = [0xA1, 0x84, 3, 0, 6, 1, 5];
    assert_eq!(node(Path::resource_instance(3, 0, 6, 1), &numbered), Ok(Node::Value(Value::Integer(5))));
}

#[test]
fn empty_maps_are_instances_and_resources_without_values() {
    let instances = Node::Object([(InstanceId(0), Instance::new()), (InstanceId(2), Instance::new())].into());
    assert_eq!(node(Path::object(5), &[0xA1, 5, 0xA2, 0, 0xA0, 2, 0xA0]), Ok(instances));
    let none = Resource::Multiple(BTreeMap::new());
    let instance = Node::Instance([(ResourceId(11), none)].into());
    assert_eq!(node(Path::instance(3, 0), &[0xA1, 3, 0xA1, 0, 0xA1, 11, 0xA0]), Ok(instance));
    assert_eq!(node(Path::instance(3, 0), &[0xA1, 3, 0xA0]), Ok(Node::Instance(Instance::new())));
}

#[test]
fn what_is_broken_is_named() {
    for (bytes, error) in [
        (&[0xA1, 0x61, b'3', 0xA0][..], Lwm2mCborError::NotAPath(1)),
        (&[0xA1, 0x20, 0xA0], Lwm2mCborError::NotAPath(1)),
        (&[0xA1, 0x19, 0xFF, 0xFF, 0xA0], Lwm2mCborError::NotAPath(1)),
        (&[0xA1, 0x80, 0xA0], Lwm2mCborError::NotAPath(1)),
        (&[0xA1, 0x85, 3, 0, 6, 1, 1, 5], Lwm2mCborError::TooDeep(1)),
        (&[0xA1, 0x84, 3, 0, 6, 1, 0xA1, 1, 5], Lwm2mCborError::TooDeep(7)),
        (&[0xA2, 3, 0xA0, 3, 0xA0], Lwm2mCborError::Repeated(Path::object(3))),
        (&[0xA2, 0x83, 3, 0, 9, 5, 3, 0xA1, 0, 0xA1, 9, 5], Lwm2mCborError::Repeated(LEVEL)),
        (&[0xA1, 0x82, 3, 0, 5], Lwm2mCborError::NotAValue(Path::instance(3, 0))),
    ] {
        assert_eq!(node(Path::object(3), bytes), Err(error.into()), "{bytes:02x?}");
    }
    let wrong = DecodeError::WrongValue { path: LEVEL, kind: Kind::Integer };
    assert_eq!(node(LEVEL, &[0xA1, 0x83, 3, 0, 9, 0x61, b'5']), Err(wrong));
    assert_eq!(node(LEVEL, &[5]), Err(CborError { at: 0, fault: CborFault::NoMap }.into()));
    let trailing = CborError { at: 6, fault: CborFault::Trailing };
    assert_eq!(node(LEVEL, &[0xA1, 0x83, 3, 0, 9, 5, 0]), Err(trailing.into()));
    assert_eq!(node(LEVEL, &[0xA1, 0x83, 3, 0, 9, 0xF6]), Err(DecodeError::NotThere(LEVEL)));
    let mut many = vec![0xBF];
    for number in 0..=MOST_RECORDS as u16 {
        many.push(0x19);
        many.extend_from_slice(&number.to_be_bytes());
        many.push(0xA0);
    }
    assert_eq!(node(Path::object(3), &many), Err(Lwm2mCborError::TooMany.into()));
}

#[test]
fn a_composite_read_asks_with_null() {
    let paths = [Path::object(3), LEVEL, Path::instance(1, 0)];
    let mut out = Vec::new();
    encode_paths(&paths, &mut out).unwrap();
    assert_eq!(out, [0xA3, 3, 0xF6, 0x83, 3, 0, 9, 0xF6, 0x82, 1, 0, 0xF6]);
    assert_eq!(decode_paths(LWM2M_CBOR, &out), Ok(paths.into()));
    assert_eq!(decode_paths(LWM2M_CBOR, &[0xA1, 3, 0xA2, 0, 0xF6, 1, 0xA0]).unwrap().len(), 2);
    let root = Err(EncodeError::WrongShape(Path::Root));
    assert_eq!(encode_paths(&[Path::Root], &mut Vec::new()), root);
    assert_eq!(encode_paths(&[LEVEL, LEVEL], &mut Vec::new()), Err(EncodeError::Conflict(LEVEL)));
}

#[test]
fn records_of_several_objects_share_a_map() {
    let value = |path, number| Record::new(path, Value::Integer(number));
    let records = [value(Path::resource(1, 0, 1), 60), value(LEVEL, 5), value(Path::resource(3, 0, 10), 6)];
    let mut out = Vec::new();
    encode_records(&records, &mut out).unwrap();
    let bytes = [0xA2, 1, 0xA1, 0, 0xA1, 1, 0x18, 60, 3, 0xA1, 0, 0xA2, 9, 5, 10, 6];
    assert_eq!(out, bytes);
    assert_eq!(decode_records(LWM2M_CBOR, Path::Root, &bytes, &ObjectModel::CORE).unwrap(), records);
    let refused = |records: &[Record]| encode_records(records, &mut Vec::new()).unwrap_err();
    let timed = Record { time: Some(1.0), ..value(LEVEL, 5) };
    assert_eq!(refused(&[timed]), EncodeError::NoTimes(LEVEL));
    let numbered = Path::resource_instance(3, 0, 9, 1);
    assert_eq!(refused(&[value(LEVEL, 5), value(numbered, 5)]), EncodeError::Conflict(numbered));
    assert_eq!(refused(&[value(numbered, 5), value(LEVEL, 5)]), EncodeError::Conflict(LEVEL));
}

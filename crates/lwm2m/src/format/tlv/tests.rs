use alloc::vec;

use proptest::prelude::*;

use super::*;

fn decode(path: Path, bytes: &[u8]) -> Result<Node, TlvError> {
    super::decode(path, bytes, &ObjectModel::CORE)
}

/// The example of LwM2M Core 1.1 section 7.4.3.2: Device /3/0 with multiple resources.
#[test]
fn reads_the_standards_device_example() {
    let bytes = [
        0xC8, 0x00, 0x14, 0x4F, 0x70, 0x65, 0x6E, 0x20, 0x4D, 0x6F, 0x62, 0x69, 0x6C, 0x65, 0x20, 0x41, 0x6C,
        0x6C, 0x69, 0x61, 0x6E, 0x63, 0x65, 0xC8, 0x01, 0x16, 0x4C, 0x69, 0x67, 0x68, 0x74, 0x77, 0x65, 0x69,
        0x67, 0x68, 0x74, 0x20, 0x4D, 0x32, 0x4D, 0x20, 0x43, 0x6C, 0x69, 0x65, 0x6E, 0x74, 0xC3, 0x03, 0x31,
        0x2E, 0x30, 0x86, 0x06, 0x41, 0x00, 0x01, 0x41, 0x01, 0x05, 0x88, 0x07, 0x08, 0x42, 0x00, 0x0E, 0xD8,
        0x42, 0x01, 0x13, 0x88, 0xC1, 0x09, 0x64, 0xC4, 0x0D, 0x51, 0x82, 0x42, 0x8F,
    ];
    let node = decode(Path::instance(3, 0), &bytes).unwrap();
    assert_eq!(node.resource(0), Some(&Resource::Single(Value::from("Open Mobile Alliance"))));
    assert_eq!(node.resource(3), Some(&Resource::Single(Value::from("1.0"))));
    let voltages = [(0, 3_800), (1, 5_000)];
    let voltages = voltages.map(|(id, number)| (ResourceInstanceId(id), Value::Integer(number)));
    assert_eq!(node.resource(7), Some(&Resource::Multiple(voltages.into())));
    assert_eq!(node.resource(13), Some(&Resource::Single(Value::Time(1_367_491_215))));
    let mut out = Vec::new();
    encode(Path::instance(3, 0), &node, &mut out).unwrap();
    assert_eq!(out, bytes);
}

#[test]
fn reads_one_resource_with_or_without_its_instance_around_it() {
    let path = Path::resource(5, 0, 3);
    let two = Node::single(Value::Integer(2));
    assert_eq!(decode(path, &[0xC1, 3, 2]), Ok(two.clone()));
    assert_eq!(decode(path, &[0x03, 0, 0xC1, 3, 2]), Ok(two.clone()));
    assert_eq!(decode(path, &[0xC1, 5, 2]), Err(TlvError::NotThere));
    assert_eq!(decode(path, &[0x03, 1, 0xC1, 3, 2]), Err(TlvError::NotThere));
    assert_eq!(decode(path, &[]), Err(TlvError::NotThere));
}

#[test]
fn reads_an_object_with_instances_and_one_without_their_records() {
    let state = |number| Instance::from([(ResourceId(3), Resource::Single(Value::Integer(number)))]);
    let two = Node::Object([(InstanceId(0), state(1)), (InstanceId(1), state(2))].into());
    assert_eq!(decode(Path::object(5), &[0x03, 0, 0xC1, 3, 1, 0x03, 1, 0xC1, 3, 2]), Ok(two));
    let bare = Node::Object([(InstanceId(0), state(1))].into());
    assert_eq!(decode(Path::object(5), &[0xC1, 3, 1]), Ok(bare));
}

#[test]
fn a_value_of_a_multiple_resource_is_read_at_each_level() {
    let path = Path::resource_instance(3, 0, 11, 1);
    let four = Node::Value(Value::Integer(4));
    assert_eq!(decode(path, &[0x41, 1, 4]), Ok(four.clone()));
    assert_eq!(decode(path, &[0x86, 11, 0x41, 0, 9, 0x41, 1, 4]), Ok(four));
}

#[test]
fn fmt_04_broken_records_are_errors() {
    let at = Path::instance(5, 0);
    for (bytes, error) in [
        (&[0xC1][..], TlvError::Truncated),
        (&[0xE1, 0], TlvError::Truncated),
        (&[0xC2, 3, 1], TlvError::Truncated),
        (&[0xD8, 3, 0xFF, 0xFF, 0xFF, 1], TlvError::Truncated),
        (&[0xC1, 3, 1, 0xC1], TlvError::Truncated),
        (&[0xC3, 3, 1, 2, 3], TlvError::WrongValue(Kind::Integer)),
        (&[0xC0, 3], TlvError::WrongValue(Kind::Integer)),
        (&[0xC1, 3, 1, 0x00, 0], TlvError::OutOfPlace(0x00)),
        (&[0x41, 3, 1], TlvError::OutOfPlace(0x40)),
        (&[0x83, 8, 0xC1, 0, 1], TlvError::OutOfPlace(0xC0)),
        (&[0x03, 0, 0x01, 0, 0], TlvError::OutOfPlace(0x00)),
    ] {
        assert_eq!(decode(at, bytes), Err(error), "{bytes:02x?}");
    }
}

/// Legal, though unusual.
#[test]
fn fmt_04_long_forms_are_read() {
    let at = Path::instance(5, 0);
    let one = |id, value| Ok(Node::Instance([(ResourceId(id), Resource::Single(value))].into()));
    // A length of 24 bits for one byte, an identifier of 16 bits for a small number, a length of 0.
    assert_eq!(decode(at, &[0xD8, 3, 0, 0, 1, 2]), one(3, Value::Integer(2)));
    assert_eq!(decode(at, &[0xE1, 0, 3, 2]), one(3, Value::Integer(2)));
    assert_eq!(decode(at, &[0xF8, 0, 3, 0, 0, 1, 2]), one(3, Value::Integer(2)));
    assert_eq!(decode(at, &[0xC0, 1]), one(1, Value::from("")));
    assert_eq!(decode(at, &[0xC8, 1, 0]), one(1, Value::from("")));
    assert_eq!(decode(at, &[0x08, 0, 3, 0xC1, 3, 2]), one(3, Value::Integer(2)));
    assert_eq!(decode(at, &[0x80, 8]), {
        let none = Resource::Multiple(BTreeMap::new());
        Ok(Node::Instance([(ResourceId(8), none)].into()))
    });
    assert_eq!(decode(at, &[0x00, 0]), Ok(Node::Instance(Instance::new())));
}

#[test]
fn long_values_and_wide_identifiers_round_trip() {
    let instance = Path::instance(5, 0);
    for length in [0, 7, 8, 255, 256, 65_535, 65_536] {
        let resource = Resource::Single(Value::Opaque(vec![7; length]));
        let node = Node::Instance([(ResourceId(300), resource)].into());
        let mut out = Vec::new();
        encode(instance, &node, &mut out).unwrap();
        assert_eq!(decode(instance, &out), Ok(node), "{length}");
    }
    let node = Node::single(Value::Opaque(vec![0; LONGEST + 1]));
    assert_eq!(encode(Path::resource(5, 0, 0), &node, &mut Vec::new()), Err(EncodeError::TooLong));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for path in [
            Path::Root,
            Path::object(3),
            Path::instance(3, 0),
            Path::resource(3, 0, 6),
            Path::resource_instance(3, 0, 6, 1),
        ] {
            let _ = decode(path, &bytes);
        }
    }

    #[test]
    fn integers_round_trip(number in any::<i64>()) {
        let node = Node::single(Value::Integer(number));
        let mut out = Vec::new();
        encode(Path::resource(5, 0, 3), &node, &mut out).unwrap();
        prop_assert_eq!(decode(Path::resource(5, 0, 3), &out), Ok(node));
    }
}

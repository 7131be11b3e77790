//! The codecs beside each other; what belongs to one of them is tested there.

mod hostile;
mod round_trip;
mod trees;

use super::*;

#[test]
fn the_same_value_reads_the_same_in_every_format() {
    for (path, value) in [
        (Path::resource(3, 0, 9), Value::Integer(-100)),
        (Path::resource(3, 0, 0), Value::from("Sequans \"Communications\"\n\u{1f600}")),
        (Path::resource(1, 0, 6), Value::Boolean(true)),
        (Path::resource(3, 0, 13), Value::Time(1_700_000_000)),
        (Path::resource(6, 0, 0), Value::Float(-1.5)),
        (Path::resource(5, 0, 13), Value::Unsigned(4_000_000_000)),
    ] {
        let node = Node::single(value);
        for format in [TEXT_PLAIN, CBOR, LWM2M_TLV, SENML_JSON, SENML_CBOR, LWM2M_JSON, LWM2M_CBOR] {
            let mut bytes = Vec::new();
            encode(format, path, &node, &mut bytes).unwrap();
            assert_eq!(decode(format, path, &bytes, &ObjectModel::CORE).unwrap(), node, "{path} in {format}");
        }
    }
}

#[test]
fn opaque_bytes_survive_with_zeros_and_without_length() {
    for bytes in [&[][..], &[0], &[0, 0xFF, 0, 10]] {
        let node = Node::single(Value::Opaque(bytes.into()));
        let path = Path::resource(5, 0, 0);
        for format in
            [OCTET_STREAM, CBOR, LWM2M_TLV, TEXT_PLAIN, SENML_JSON, SENML_CBOR, LWM2M_JSON, LWM2M_CBOR]
        {
            let mut out = Vec::new();
            encode(format, path, &node, &mut out).unwrap();
            assert_eq!(decode(format, path, &out, &ObjectModel::CORE).unwrap(), node, "{format}");
        }
    }
}

#[test]
fn numbers_from_before_their_registration_are_read_and_written() {
    let path = Path::resource(3, 0, 9);
    let node = Node::single(Value::Integer(95));
    for (old, new) in [(1_541, TEXT_PLAIN), (1_542, LWM2M_TLV), (1_543, LWM2M_JSON)] {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        encode(old, path, &node, &mut one).unwrap();
        encode(new, path, &node, &mut other).unwrap();
        assert_eq!(one, other, "{old}");
        assert_eq!(decode(old, path, &one, &ObjectModel::CORE), Ok(node.clone()), "{old}");
    }
    let package = Node::single(Value::Opaque([1, 2].into()));
    assert_eq!(decode(1_544, Path::resource(5, 0, 0), &[1, 2], &ObjectModel::CORE), Ok(package));
}

#[test]
fn an_unknown_format_is_named() {
    let model = &ObjectModel::CORE;
    assert_eq!(decode(65_000, Path::object(3), b"", model), Err(DecodeError::UnsupportedFormat(65_000)));
    assert_eq!(
        decode_records(LINK_FORMAT, Path::Root, b"</3>", model),
        Err(DecodeError::UnsupportedFormat(LINK_FORMAT))
    );
    assert_eq!(decode_paths(LWM2M_TLV, b""), Err(DecodeError::UnsupportedFormat(LWM2M_TLV)));
    let records = [Record::new(Path::resource(3, 0, 9), Value::Integer(1))];
    let unsupported = Err(EncodeError::UnsupportedFormat(LWM2M_TLV));
    assert_eq!(encode_records(LWM2M_TLV, &records, &mut Vec::new()), unsupported);
    for format in [TEXT_PLAIN, OCTET_STREAM, CBOR] {
        assert_eq!(
            decode(format, Path::object(3), b"1", model).unwrap_err(),
            DecodeError::NotASingleValue(Path::object(3))
        );
        let node = Node::Instance(Default::default());
        let path = Path::instance(3, 0);
        assert_eq!(encode(format, path, &node, &mut Vec::new()), Err(EncodeError::NotASingleValue));
    }
}

/// Devices answer so for objects without instances; some of them without any Content-Format.
#[test]
fn an_empty_payload_is_nothing_inside() {
    let model = &ObjectModel::CORE;
    for format in [TEXT_PLAIN, LWM2M_TLV, SENML_JSON, SENML_CBOR, LWM2M_JSON, LWM2M_CBOR] {
        assert_eq!(decode(format, Path::object(7), b"", model), Ok(Node::Object(Default::default())));
        assert_eq!(decode(format, Path::instance(7, 0), b"", model), Ok(Node::Instance(Default::default())));
        let errors = Resource::Multiple(Default::default());
        assert_eq!(decode(format, Path::resource(3, 0, 11), b"", model), Ok(Node::Resource(errors)));
    }
    assert_eq!(decode(TEXT_PLAIN, Path::resource(3, 0, 0), b"", model), Ok(Node::single(Value::from(""))));
    assert!(decode(SENML_CBOR, Path::resource(3, 0, 9), b"", model).is_err());
}

#[test]
fn a_multiple_resource_may_have_no_values() {
    let model = &ObjectModel::CORE;
    let path = Path::resource(3, 0, 11);
    let none = Node::Resource(Resource::Multiple(Default::default()));
    for (format, bytes) in [
        (LWM2M_TLV, &[0x80, 11][..]),
        (SENML_JSON, b"[]"),
        (SENML_CBOR, &[0x80]),
        (LWM2M_JSON, b"{\"bn\":\"/3/0/11/\",\"e\":[]}"),
        (LWM2M_CBOR, &[0xA1, 3, 0xA1, 0, 0xA1, 11, 0xA0]),
        (LWM2M_CBOR, &[0xA0]),
    ] {
        assert_eq!(decode(format, path, bytes, model), Ok(none.clone()), "{format}");
        let mut out = Vec::new();
        encode(format, path, &none, &mut out).unwrap();
        assert_eq!(decode(format, path, &out, model), Ok(none.clone()), "{format}");
    }
    let level = Path::resource(3, 0, 9);
    assert_eq!(decode(SENML_JSON, level, b"[]", model), Err(DecodeError::NotThere(level)));
}

#[test]
fn what_was_not_asked_for_is_refused() {
    let (path, asked) = (Path::resource(4, 0, 2), Path::instance(3, 0));
    for (format, bytes) in [
        (SENML_JSON, &b"[{\"n\":\"/4/0/2\",\"v\":1}]"[..]),
        (LWM2M_JSON, b"{\"bn\":\"/4/0/\",\"e\":[{\"n\":\"2\",\"v\":1}]}"),
        (LWM2M_CBOR, &[0xA1, 4, 0xA1, 0, 0xA1, 2, 1]),
    ] {
        let outside = Err(DecodeError::Outside { path, asked });
        assert_eq!(decode(format, asked, bytes, &ObjectModel::CORE), outside, "{format}");
    }
}

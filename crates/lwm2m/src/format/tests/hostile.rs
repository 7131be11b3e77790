//! Bytes that nobody should send.

use alloc::format;
use alloc::string::String;
use alloc::vec;

use proptest::prelude::*;

use super::trees::model;
use super::*;

const PATHS: [Path; 5] = [
    Path::Root,
    Path::object(3),
    Path::instance(3, 0),
    Path::resource(3, 0, 6),
    Path::resource_instance(3, 0, 6, 1),
];

const FORMATS: [u16; 10] = [
    TEXT_PLAIN,
    OCTET_STREAM,
    CBOR,
    SENML_JSON,
    SENML_CBOR,
    SENML_ETCH_JSON,
    SENML_ETCH_CBOR,
    LWM2M_TLV,
    LWM2M_JSON,
    LWM2M_CBOR,
];

/// Reads it as everything that it could be. What was read can be written again.
fn read(bytes: &[u8]) {
    for format in FORMATS {
        for path in PATHS {
            if let Ok(node) = decode(format, path, bytes, &ObjectModel::CORE) {
                records_of(path, &node).unwrap();
            }
        }
        if let Ok(records) = decode_records(format, Path::Root, bytes, &ObjectModel::CORE) {
            let _ = encode_records(format, &records, &mut Vec::new());
        }
        let _ = decode_paths(format, bytes);
    }
}

#[test]
fn a_payload_of_64_kibibytes_is_read_in_linear_time() {
    let most = 64 * 1024;
    let large = |start: &str, part: &str| {
        let mut text = String::from(start);
        text.extend(core::iter::repeat_n(part, (most - start.len()) / part.len()));
        text
    };
    // A long base name before many records would be copied for each of them.
    let long_name = format!("[{{\"bn\":\"{}\"}}", "/1".repeat(16_000));
    for text in [
        large("[{}", ",{}"),
        large("[", "["),
        large("", "{\"a\":"),
        large("\"", "\\u0041"),
        large("1", "1"),
        large("0.", "9"),
        large("{\"e\":[{}", ",{}"),
        large(&long_name, ",{\"v\":1}"),
    ] {
        read(text.as_bytes());
    }
    for start in [0x81, 0x9F, 0xBF, 0xA1, 0xC1, 0x5F, 0x7F] {
        read(&vec![start; most]);
    }
    read(&[&[0x9F][..], &[0xA1, 0x02, 0x01].repeat(most / 3)].concat());
    read(&[&[0xBF][..], &[0x82, 0x00, 0x00, 0xA0].repeat(most / 4)].concat());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        read(&bytes);
    }

    #[test]
    fn bytes_like_cbor_are_read_or_refused(
        bytes in proptest::collection::vec(
            prop_oneof![
                0_u8..9,
                0x20_u8..0x28,
                Just(0x60),
                Just(0x61),
                0x80_u8..0x84,
                0xA0_u8..0xA4,
                prop::sample::select(&[0x9F, 0xBF, 0xFF, 0xF5, 0xF6, 0xF9, 0x18, 0x41, b'/', b'3', 0xC1, 0xC4][..]),
            ],
            0..40,
        ),
    ) {
        read(&bytes);
    }

    #[test]
    fn text_like_senml_is_read_or_refused(
        text in "(\\[|\\{)(\"(bn|n|v|vs|vd|vlo|e|sv|t|bt)\":|\"/?3/0/?\"|\"6/1\"|-?[0-9]{1,3}|true|\\{|\\}|,|\\[|\\]){0,16}",
    ) {
        read(text.as_bytes());
    }

    #[test]
    fn one_changed_byte_is_read_or_refused(
        instances in super::trees::instances(),
        place: prop::sample::Index,
        byte: u8,
    ) {
        let path = Path::object(super::trees::OBJECT);
        let node = Node::Object(instances);
        for format in [SENML_JSON, SENML_CBOR, LWM2M_TLV, LWM2M_JSON, LWM2M_CBOR] {
            let mut bytes = Vec::new();
            encode(format, path, &node, &mut bytes).unwrap();
            if bytes.is_empty() {
                continue;
            }
            let at = place.index(bytes.len());
            bytes[at] = byte;
            let _ = decode(format, path, &bytes, &model());
            let _ = decode(format, path, &bytes[..at], &model());
        }
    }
}

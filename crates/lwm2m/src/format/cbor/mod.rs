//! application/cbor: one value (LwM2M Core 1.1 section 7.4.2, RFC 8949). Also what the other CBOR formats
//! stand on.

mod reader;
mod writer;

use alloc::vec::Vec;

pub use reader::{CborError, CborFault};
pub(super) use reader::{Key, Reader};
pub(super) use writer::{
    write_array, write_map, write_null, write_text, write_time, write_value, write_whole,
};

use super::DecodeError;
use crate::model::ObjectModel;
use crate::path::Path;
use crate::value::Value;

/// The parts of an item's first byte, and what its numbers mean (RFC 8949 section 3).
mod field {
    pub const INFORMATION: u8 = 0x1F;
    /// Numbers up to here need no more bytes.
    pub const LARGEST_SHORT: u8 = 23;
    pub const INDEFINITE: u8 = 31;
    pub const BREAK: u8 = 0xFF;
    /// The tag of seconds since 1970 (section 3.4.2).
    pub const EPOCH: u64 = 1;
    /// The tag of an exponent of ten and a mantissa (section 3.4.4).
    pub const DECIMAL_FRACTION: u64 = 4;

    /// The high three bits.
    pub mod major {
        pub const UNSIGNED: u8 = 0;
        pub const NEGATIVE: u8 = 1;
        pub const BYTES: u8 = 2;
        pub const TEXT: u8 = 3;
        pub const ARRAY: u8 = 4;
        pub const MAP: u8 = 5;
        pub const TAG: u8 = 6;
        pub const SIMPLE: u8 = 7;
    }

    /// The low five bits after [`major::SIMPLE`].
    pub mod simple {
        pub const FALSE: u8 = 20;
        pub const TRUE: u8 = 21;
        pub const NULL: u8 = 22;
        pub const HALF: u8 = 25;
        pub const SINGLE: u8 = 26;
        pub const DOUBLE: u8 = 27;
    }
}

/// Reads the value of the resource at `path`; None for null.
pub(super) fn decode(path: Path, payload: &[u8], model: &ObjectModel) -> Result<Option<Value>, DecodeError> {
    let mut reader = Reader::new(payload);
    let value = reader.scalar()?;
    reader.end()?;
    value.typed(path, model)
}

/// Appends one value; times with their tag, which is how both public clients and servers send them.
pub(super) fn encode(value: &Value, out: &mut Vec<u8>) {
    if matches!(value, Value::Time(_)) {
        writer::write_epoch_tag(out);
    }
    write_value(value, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::{InstanceId, ObjectId};
    use crate::value::Kind;

    /// Bytes by the rules of RFC 8949 and the types of LwM2M Core 1.1 appendix C.
    #[test]
    fn values_are_the_bytes_that_they_must_be() {
        for (path, value, bytes) in [
            (Path::resource(3, 0, 9), Value::Integer(95), &[0x18, 0x5F][..]),
            (Path::resource(4, 0, 2), Value::Integer(-93), &[0x38, 0x5C]),
            (Path::resource(5, 0, 13), Value::Unsigned(4_000_000_000), &[0x1A, 0xEE, 0x6B, 0x28, 0x00]),
            (Path::resource(1, 0, 6), Value::Boolean(true), &[0xF5]),
            (Path::resource(3, 0, 0), Value::from("OMA"), &[0x63, b'O', b'M', b'A']),
            (Path::resource(5, 0, 0), Value::Opaque([0, 255].into()), &[0x42, 0, 255]),
            (Path::resource(3, 0, 13), Value::Time(1_367_491_215), &[0xC1, 0x1A, 0x51, 0x82, 0x42, 0x8F]),
            (Path::resource(6, 0, 0), Value::Float(1.5), &[0xFA, 0x3F, 0xC0, 0, 0]),
            (
                Path::resource(6, 0, 0),
                Value::Float(0.1),
                &[0xFB, 0x3F, 0xB9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9A],
            ),
            (
                Path::resource_instance(3, 0, 22, 0),
                Value::ObjectLink(ObjectId(66), InstanceId(0)),
                &[0x64, b'6', b'6', b':', b'0'],
            ),
        ] {
            let mut out = Vec::new();
            encode(&value, &mut out);
            assert_eq!(out, bytes, "{value:?}");
            assert_eq!(decode(path, bytes, &ObjectModel::CORE), Ok(Some(value)));
        }
    }

    #[test]
    fn other_ways_to_write_the_same_value_are_read() {
        let read = |path, bytes: &[u8]| decode(path, bytes, &ObjectModel::CORE).unwrap();
        let level = Path::resource(3, 0, 9);
        for bytes in [
            &[0x18, 0x05][..],
            &[0x1B, 0, 0, 0, 0, 0, 0, 0, 5],
            &[0xF9, 0x45, 0x00],
            &[0xD9, 0x03, 0xE8, 0x05],
        ] {
            assert_eq!(read(level, bytes), Some(Value::Integer(5)), "{bytes:02x?}");
        }
        let time = Path::resource(3, 0, 13);
        assert_eq!(read(time, &[0x19, 0x03, 0xE8]), Some(Value::Time(1_000)));
        assert_eq!(read(time, &[0xC1, 0xF9, 0x63, 0xD0]), Some(Value::Time(1_000)));
        let latitude = Path::resource(6, 0, 0);
        assert_eq!(read(latitude, &[0xF9, 0x3E, 0x00]), Some(Value::Float(1.5)));
        assert_eq!(read(latitude, &[0x01]), Some(Value::Float(1.0)));
        // 4([-2, 27315]) of RFC 8949 section 3.4.4.
        assert_eq!(read(latitude, &[0xC4, 0x82, 0x21, 0x19, 0x6A, 0xB3]), Some(Value::Float(273.15)));
        let name = Path::resource(3, 0, 0);
        assert_eq!(read(name, &[0x7F, 0x61, b'a', 0x61, b'b', 0xFF]), Some(Value::from("ab")));
        assert_eq!(read(name, &[0xF6]), None);
        let package = Path::resource(5, 0, 0);
        assert_eq!(read(package, &[0x5F, 0x41, 1, 0x40, 0x41, 2, 0xFF]), Some(Value::Opaque([1, 2].into())));
    }

    #[test]
    fn what_is_no_single_value_of_the_type_is_refused() {
        let refused = |bytes: &[u8]| decode(Path::resource(3, 0, 9), bytes, &ObjectModel::CORE).unwrap_err();
        let path = Path::resource(3, 0, 9);
        let wrong = DecodeError::WrongValue { path, kind: Kind::Integer };
        assert_eq!(refused(&[0x61, b'5']), wrong);
        assert_eq!(refused(&[0xF9, 0x7E, 0x00]), wrong, "NaN");
        assert_eq!(refused(&[0x3B, 255, 255, 255, 255, 255, 255, 255, 255]), wrong, "-2^64");
        assert_eq!(refused(&[5, 5]), CborError { at: 1, fault: CborFault::Trailing }.into());
        assert_eq!(refused(&[0x81, 5]), CborError { at: 0, fault: CborFault::NotSingle }.into());
        assert_eq!(refused(&[]), CborError { at: 0, fault: CborFault::Ended }.into());
    }
}

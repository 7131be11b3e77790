//! How values travel: text/plain, opaque, TLV and CoRE link-format.
//!
//! Each codec stands alone; [`decode`] and [`encode`] pick one by the CoAP Content-Format number.

use alloc::string::String;
use alloc::vec::Vec;

use crate::path::Path;
use crate::value::{Kind, Node, Resource, Value};

pub mod link;
pub mod opaque;
pub mod text;
pub mod tlv;

/// text/plain (RFC 7252 section 12.3).
pub const TEXT_PLAIN: u16 = 0;
/// application/link-format (RFC 6690).
pub const LINK_FORMAT: u16 = 40;
/// application/octet-stream.
pub const OCTET_STREAM: u16 = 42;
/// application/vnd.oma.lwm2m+tlv.
pub const LWM2M_TLV: u16 = 11_542;
/// text/plain as clients from before the registration of the number send it.
const OLD_TEXT_PLAIN: u16 = 1_541;
/// TLV as clients from before the registration of the number send it.
const OLD_LWM2M_TLV: u16 = 1_542;

/// The payload could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// No codec here reads this Content-Format.
    #[error("content format {0} is not supported")]
    UnsupportedFormat(u16),
    /// The format carries one value and the path names more, or nothing.
    #[error("the format carries a single value, {0} names more")]
    NotASingleValue(Path),
    /// The text is not a value of the type that the object model says.
    #[error("the text is not a value of type {0:?}")]
    WrongText(Kind),
    /// The bytes are not UTF-8.
    #[error("the text is not UTF-8")]
    NotText,
    /// The TLV records are broken.
    #[error(transparent)]
    Tlv(#[from] tlv::TlvError),
}

/// The value could not be written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EncodeError {
    /// No codec here writes this Content-Format.
    #[error("content format {0} is not supported")]
    UnsupportedFormat(u16),
    /// The format carries one value.
    #[error("the format carries a single value")]
    NotASingleValue,
    /// The format carries bytes only.
    #[error("only opaque values can be sent as octet stream")]
    NotOpaque,
    /// The value does not have the shape of the path.
    #[error("the value does not have the shape of {0}")]
    WrongShape(Path),
    /// A record is longer than 16,777,215 bytes.
    #[error("the value is too long for TLV")]
    TooLong,
}

/// Reads a payload of this Content-Format that answers a request for `path`.
pub fn decode(format: u16, path: Path, payload: &[u8]) -> Result<Node, DecodeError> {
    match format {
        TEXT_PLAIN | OLD_TEXT_PLAIN => single(path, text::decode(path, payload)?),
        OCTET_STREAM => single(path, opaque::decode(payload)),
        LWM2M_TLV | OLD_LWM2M_TLV => Ok(tlv::decode(path, payload)?),
        other => Err(DecodeError::UnsupportedFormat(other)),
    }
}

/// Appends `node` in this Content-Format to `out`.
pub fn encode(format: u16, path: Path, node: &Node, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match format {
        TEXT_PLAIN => {
            let value = node.value().ok_or(EncodeError::NotASingleValue)?;
            text::encode(value, out);
            Ok(())
        }
        OCTET_STREAM => match node.value().ok_or(EncodeError::NotASingleValue)? {
            Value::Opaque(bytes) => {
                out.extend_from_slice(bytes);
                Ok(())
            }
            _ => Err(EncodeError::NotOpaque),
        },
        LWM2M_TLV => tlv::encode(path, node, out),
        other => Err(EncodeError::UnsupportedFormat(other)),
    }
}

fn single(path: Path, value: Value) -> Result<Node, DecodeError> {
    match path {
        Path::Resource(..) => Ok(Node::Resource(Resource::Single(value))),
        Path::ResourceInstance(..) => Ok(Node::Value(value)),
        _ => Err(DecodeError::NotASingleValue(path)),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, DecodeError> {
    core::str::from_utf8(bytes).map(String::from).map_err(|_| DecodeError::NotText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_value_reads_the_same_in_every_format() {
        for (path, value) in [
            (Path::resource(3, 0, 9), Value::Integer(-100)),
            (Path::resource(3, 0, 0), Value::from("Sequans Communications")),
            (Path::resource(1, 0, 6), Value::Boolean(true)),
            (Path::resource(3, 0, 13), Value::Time(1_700_000_000)),
            (Path::resource(6, 0, 0), Value::Float(-1.5)),
            (Path::resource(5, 0, 13), Value::Unsigned(4_000_000_000)),
        ] {
            let node = Node::single(value);
            for format in [TEXT_PLAIN, LWM2M_TLV] {
                let mut bytes = Vec::new();
                encode(format, path, &node, &mut bytes).unwrap();
                assert_eq!(decode(format, path, &bytes).unwrap(), node, "{path} in {format}");
            }
        }
    }

    #[test]
    fn opaque_bytes_survive_with_zeros_and_without_length() {
        for bytes in [&[][..], &[0], &[0, 0xFF, 0, 10]] {
            let node = Node::single(Value::Opaque(bytes.into()));
            let path = Path::resource(5, 0, 0);
            for format in [OCTET_STREAM, LWM2M_TLV, TEXT_PLAIN] {
                let mut out = Vec::new();
                encode(format, path, &node, &mut out).unwrap();
                assert_eq!(decode(format, path, &out).unwrap(), node, "{format}");
            }
        }
    }

    #[test]
    fn an_unknown_format_is_named() {
        assert_eq!(decode(65_000, Path::object(3), b""), Err(DecodeError::UnsupportedFormat(65_000)));
        assert_eq!(
            decode(TEXT_PLAIN, Path::object(3), b"1"),
            Err(DecodeError::NotASingleValue(Path::object(3)))
        );
    }
}

//! How values travel.
//!
//! Each codec stands alone; [`decode`] and [`encode`] pick one by the CoAP Content-Format number. What does
//! not fit into one [`Node`], that is composite operations and Send, travels as [`Record`]s.

use alloc::string::String;
use alloc::vec::Vec;

use crate::model::ObjectModel;
use crate::path::Path;
use crate::value::{Kind, Node, Resource, Value};

pub mod link;
pub mod opaque;
mod record;
pub mod text;
pub mod tlv;

pub use record::{MOST_RECORDS, Record, node_of, records_of};

/// text/plain (RFC 7252 section 12.3).
pub const TEXT_PLAIN: u16 = 0;
/// application/link-format (RFC 6690).
pub const LINK_FORMAT: u16 = 40;
/// application/octet-stream.
pub const OCTET_STREAM: u16 = 42;
/// application/cbor (RFC 8949).
pub const CBOR: u16 = 60;
/// application/senml+json (RFC 8428).
pub const SENML_JSON: u16 = 110;
/// application/senml+cbor (RFC 8428).
pub const SENML_CBOR: u16 = 112;
/// application/senml-etch+json (RFC 8790): composite requests.
pub const SENML_ETCH_JSON: u16 = 320;
/// application/senml-etch+cbor (RFC 8790): composite requests.
pub const SENML_ETCH_CBOR: u16 = 322;
/// application/vnd.oma.lwm2m+json, of LwM2M 1.0.
pub const LWM2M_JSON: u16 = 11_543;
/// application/vnd.oma.lwm2m+cbor, of LwM2M 1.2.
pub const LWM2M_CBOR: u16 = 11_544;
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
    /// The payload does not hold what was asked for.
    #[error("the payload does not hold {0}")]
    NotThere(Path),
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

/// Reads a payload of this Content-Format that answers a request for `path`; the model gives the types.
pub fn decode(format: u16, path: Path, payload: &[u8], model: &ObjectModel) -> Result<Node, DecodeError> {
    match format {
        TEXT_PLAIN | OLD_TEXT_PLAIN => single(path, text::decode(path, payload, model)?),
        OCTET_STREAM => single(path, opaque::decode(payload)),
        LWM2M_TLV | OLD_LWM2M_TLV => Ok(tlv::decode(path, payload, model)?),
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

/// Reads the records of a Send, of a composite answer or of a composite request.
///
/// Names without a slash at the start are read as below `base`, which is the root for composites and Send.
pub fn decode_records(
    format: u16,
    base: Path,
    payload: &[u8],
    model: &ObjectModel,
) -> Result<Vec<Record>, DecodeError> {
    let _ = (base, payload, model);
    Err(DecodeError::UnsupportedFormat(format))
}

/// Appends records in this Content-Format to `out`.
pub fn encode_records(format: u16, records: &[Record], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let _ = (records, out);
    Err(EncodeError::UnsupportedFormat(format))
}

/// Reads the paths of a composite read (the body of a FETCH).
pub fn decode_paths(format: u16, payload: &[u8]) -> Result<Vec<Path>, DecodeError> {
    let _ = payload;
    Err(DecodeError::UnsupportedFormat(format))
}

/// Appends the body of a FETCH for these paths to `out`.
pub fn encode_paths(format: u16, paths: &[Path], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let _ = (paths, out);
    Err(EncodeError::UnsupportedFormat(format))
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
                assert_eq!(
                    decode(format, path, &bytes, &ObjectModel::CORE).unwrap(),
                    node,
                    "{path} in {format}"
                );
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
                assert_eq!(decode(format, path, &out, &ObjectModel::CORE).unwrap(), node, "{format}");
            }
        }
    }

    #[test]
    fn an_unknown_format_is_named() {
        assert_eq!(
            decode(65_000, Path::object(3), b"", &ObjectModel::CORE),
            Err(DecodeError::UnsupportedFormat(65_000))
        );
        assert_eq!(
            decode(TEXT_PLAIN, Path::object(3), b"1", &ObjectModel::CORE),
            Err(DecodeError::NotASingleValue(Path::object(3)))
        );
    }
}

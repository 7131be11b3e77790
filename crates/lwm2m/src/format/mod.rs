//! How values travel.
//!
//! Each codec stands alone; [`decode`] and [`encode`] pick one by the CoAP Content-Format number. What does
//! not fit into one [`Node`], that is composite operations and Send, travels as [`Record`]s.

use alloc::string::String;
use alloc::vec::Vec;

use crate::model::ObjectModel;
use crate::path::Path;
use crate::value::{Node, Resource, Value};

mod base64;
mod cbor;
mod error;
mod json;
pub mod link;
mod lwm2m_cbor;
mod lwm2m_json;
mod naming;
pub mod opaque;
mod record;
mod scalar;
mod senml;
pub mod text;
pub mod tlv;

pub use cbor::{CborError, CborFault};
pub use error::{DecodeError, EncodeError};
pub use json::{JsonError, JsonFault};
pub use lwm2m_cbor::Lwm2mCborError;
pub use lwm2m_json::Lwm2mJsonError;
pub use record::{Record, node_of, records_of};
pub use senml::{SenmlError, SenmlFault};

use lwm2m_cbor::Leaf;
use record::Places;
use senml::{Absent, Purpose};

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
/// application/vnd.oma.lwm2m+tlv.
pub const LWM2M_TLV: u16 = 11_542;
/// application/vnd.oma.lwm2m+json, of LwM2M 1.0.
pub const LWM2M_JSON: u16 = 11_543;
/// application/vnd.oma.lwm2m+cbor, of LwM2M 1.2.
pub const LWM2M_CBOR: u16 = 11_544;

/// How many objects, arrays, maps and tags may stand inside each other in JSON and CBOR.
pub const DEEPEST: usize = 16;
/// How many records or keys one payload may have.
pub const MOST_RECORDS: usize = 8_192;
/// How many bytes a base name and a name may have together; a path needs 24.
pub const LONGEST_NAME: usize = 255;

/// The number in force for one that clients from before its registration use.
const fn in_force(format: u16) -> u16 {
    match format {
        1_541 => TEXT_PLAIN,
        1_542 => LWM2M_TLV,
        1_543 => LWM2M_JSON,
        1_544 => OCTET_STREAM,
        other => other,
    }
}

/// Whether [`decode`] reads this Content-Format.
const fn is_known(format: u16) -> bool {
    matches!(
        in_force(format),
        TEXT_PLAIN
            | OCTET_STREAM
            | CBOR
            | SENML_JSON
            | SENML_CBOR
            | SENML_ETCH_JSON
            | SENML_ETCH_CBOR
            | LWM2M_TLV
            | LWM2M_JSON
            | LWM2M_CBOR
    )
}

/// Reads a payload of this Content-Format that answers a request for `path`; the model gives the types.
///
/// An empty payload is an object without instances, an instance without resources or a multiple resource
/// without values, in whatever format.
pub fn decode(format: u16, path: Path, payload: &[u8], model: &ObjectModel) -> Result<Node, DecodeError> {
    if payload.is_empty()
        && is_known(format)
        && let Ok(empty @ (Node::Object(_) | Node::Instance(_) | Node::Resource(_))) =
            record::node_at(path, Places::new(), model)
    {
        return Ok(empty);
    }
    match in_force(format) {
        TEXT_PLAIN => single(path, text::decode(path, payload, model)?),
        OCTET_STREAM => single(path, opaque::decode(payload)),
        CBOR => single(path, cbor::decode(path, payload, model)?.ok_or(DecodeError::NotThere(path))?),
        LWM2M_TLV => Ok(tlv::decode(path, payload, model)?),
        LWM2M_CBOR => {
            let leaves = lwm2m_cbor::decode(payload, model)?;
            record::node_at(path, places_below(path, leaves)?, model)
        }
        other => record::node_from(path, decode_records(other, path, payload, model)?, model),
    }
}

/// Appends `node` in this Content-Format to `out`.
pub fn encode(format: u16, path: Path, node: &Node, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match in_force(format) {
        TEXT_PLAIN => {
            text::encode(node.value().ok_or(EncodeError::NotASingleValue)?, out);
            Ok(())
        }
        OCTET_STREAM => match node.value().ok_or(EncodeError::NotASingleValue)? {
            Value::Opaque(bytes) => {
                out.extend_from_slice(bytes);
                Ok(())
            }
            _ => Err(EncodeError::NotOpaque),
        },
        CBOR => {
            cbor::encode(node.value().ok_or(EncodeError::NotASingleValue)?, out);
            Ok(())
        }
        LWM2M_TLV => tlv::encode(path, node, out),
        LWM2M_CBOR => lwm2m_cbor::encode(path, node, out),
        other => encode_records(other, &records_of(path, node)?, out),
    }
}

/// Reads the records of a Send, of a composite answer or of a composite write, and of notifications with
/// times.
///
/// Names without a slash at the start are read as below `base`, which is the root for composites and Send.
pub fn decode_records(
    format: u16,
    base: Path,
    payload: &[u8],
    model: &ObjectModel,
) -> Result<Vec<Record>, DecodeError> {
    match in_force(format) {
        SENML_JSON => senml::read_json(base, payload, Purpose::Values, model),
        SENML_CBOR => senml::read_cbor(base, payload, Purpose::Values, model),
        SENML_ETCH_JSON => senml::read_json(base, payload, Purpose::Etch, model),
        SENML_ETCH_CBOR => senml::read_cbor(base, payload, Purpose::Etch, model),
        LWM2M_JSON => lwm2m_json::decode(base, payload, model),
        LWM2M_CBOR => {
            let leaves = lwm2m_cbor::decode(payload, model)?.into_iter();
            let records = leaves.filter_map(|(path, leaf)| match leaf {
                Leaf::Value(value) => Some(Record::new(path, value)),
                Leaf::Null => Some(Record::place(path)),
                Leaf::Empty => None,
            });
            records.map(|record| within(base, record.path).map(|()| record)).collect()
        }
        // Formats without names carry what lives at one path.
        format @ (TEXT_PLAIN | OCTET_STREAM | CBOR | LWM2M_TLV) => {
            let node = decode(format, base, payload, model)?;
            records_of(base, &node).map_err(|_| DecodeError::NotThere(base))
        }
        other => Err(DecodeError::UnsupportedFormat(other)),
    }
}

/// Appends records in this Content-Format to `out`.
///
/// A record without a value becomes null, which removes, in the formats that have it.
pub fn encode_records(format: u16, records: &[Record], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match in_force(format) {
        SENML_JSON | SENML_ETCH_JSON => senml::write_json(records, Absent::Removed, out),
        SENML_CBOR | SENML_ETCH_CBOR => {
            senml::write_cbor(records, Absent::Removed, out);
            Ok(())
        }
        LWM2M_JSON => lwm2m_json::encode(records, out),
        LWM2M_CBOR => lwm2m_cbor::encode_records(records, out),
        other => Err(EncodeError::UnsupportedFormat(other)),
    }
}

/// Reads the paths of a composite read (the body of a FETCH).
pub fn decode_paths(format: u16, payload: &[u8]) -> Result<Vec<Path>, DecodeError> {
    let model = &ObjectModel::CORE;
    let records = match in_force(format) {
        SENML_JSON | SENML_ETCH_JSON => senml::read_json(Path::Root, payload, Purpose::Etch, model)?,
        SENML_CBOR | SENML_ETCH_CBOR => senml::read_cbor(Path::Root, payload, Purpose::Etch, model)?,
        LWM2M_CBOR => {
            let leaves = lwm2m_cbor::decode(payload, model)?.into_iter();
            return Ok(leaves.map(|(path, _)| path).collect());
        }
        other => return Err(DecodeError::UnsupportedFormat(other)),
    };
    Ok(records.into_iter().map(|record| record.path).collect())
}

/// Appends the body of a FETCH for these paths to `out`.
pub fn encode_paths(format: u16, paths: &[Path], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let records = || paths.iter().map(|path| Record::place(*path)).collect::<Vec<_>>();
    match in_force(format) {
        SENML_JSON | SENML_ETCH_JSON => senml::write_json(&records(), Absent::Selected, out),
        SENML_CBOR | SENML_ETCH_CBOR => {
            senml::write_cbor(&records(), Absent::Selected, out);
            Ok(())
        }
        LWM2M_CBOR => lwm2m_cbor::encode_paths(paths, out),
        other => Err(EncodeError::UnsupportedFormat(other)),
    }
}

/// What lies at or below `path`. What is empty above it says nothing about it.
fn places_below(path: Path, leaves: Vec<(Path, Leaf)>) -> Result<Places, DecodeError> {
    let mut places = Places::new();
    for (place, leaf) in leaves {
        let value = match leaf {
            Leaf::Value(value) => Some(value),
            Leaf::Empty if path.contains(place) => None,
            Leaf::Empty | Leaf::Null => continue,
        };
        within(path, place)?;
        places.insert(place, value);
    }
    Ok(places)
}

fn within(asked: Path, path: Path) -> Result<(), DecodeError> {
    if asked.contains(path) { Ok(()) } else { Err(DecodeError::Outside { path, asked }) }
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
mod tests;

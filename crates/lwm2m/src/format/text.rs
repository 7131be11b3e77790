//! text/plain for single values (LwM2M Core 1.1 section 7.4.1, appendix C).

use alloc::string::ToString;
use alloc::vec::Vec;

use super::{DecodeError, utf8};
use crate::model::ObjectModel;
use crate::path::{InstanceId, ObjectId, Path};
use crate::value::{Kind, Value};

/// Reads a value of the type that the object model gives `path`; a string where it gives none.
///
/// Surrounding white space of numbers is let through, and booleans as `true` and `false`.
pub fn decode(path: Path, payload: &[u8], model: &ObjectModel) -> Result<Value, DecodeError> {
    let kind = model.kind_at(path).unwrap_or(Kind::String);
    let text = utf8(payload)?;
    let trimmed = text.trim();
    let wrong = DecodeError::WrongText(kind);
    Ok(match kind {
        Kind::String => Value::String(text),
        Kind::Integer => Value::Integer(trimmed.parse().map_err(|_| wrong)?),
        Kind::Unsigned => Value::Unsigned(trimmed.parse().map_err(|_| wrong)?),
        Kind::Float => Value::Float(trimmed.parse().map_err(|_| wrong)?),
        Kind::Time => Value::Time(trimmed.parse().map_err(|_| wrong)?),
        Kind::Boolean => match trimmed {
            "0" | "false" => Value::Boolean(false),
            "1" | "true" => Value::Boolean(true),
            _ => return Err(wrong),
        },
        Kind::Opaque => Value::Opaque(from_base64(trimmed.as_bytes()).ok_or(wrong)?),
        Kind::ObjectLink => {
            let (object, instance) = trimmed.split_once(':').ok_or_else(|| wrong.clone())?;
            let object = object.parse().map_err(|_| wrong.clone())?;
            let instance = instance.parse().map_err(|_| wrong)?;
            Value::ObjectLink(ObjectId(object), InstanceId(instance))
        }
    })
}

/// Appends the value's text; opaque bytes as base64.
pub fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Opaque(bytes) => to_base64(bytes, out),
        other => out.extend_from_slice(other.to_string().as_bytes()),
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 section 4, with padding.
fn to_base64(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for position in 0..4 {
            let sextet = (bits >> (18 - 6 * position)) & 0x3F;
            out.push(if position <= chunk.len() { ALPHABET[sextet as usize] } else { b'=' });
        }
    }
}

/// Padding may be missing; characters outside the alphabet are refused.
fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for chunk in text[..text.len() - padding].chunks(4) {
        let mut bits = 0_u32;
        for byte in chunk {
            bits = bits << 6 | ALPHABET.iter().position(|letter| letter == byte)? as u32;
        }
        bits <<= 6 * (4 - chunk.len());
        match chunk.len() {
            1 => return None,
            length => bytes.extend_from_slice(&bits.to_be_bytes()[1..length]),
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(path: Path, payload: &[u8]) -> Result<Value, DecodeError> {
        super::decode(path, payload, &ObjectModel::CORE)
    }

    #[test]
    fn opaque_values_are_base64() {
        for (bytes, text) in
            [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"foob", "Zm9vYg==")]
        {
            let mut out = Vec::new();
            encode(&Value::Opaque(bytes.into()), &mut out);
            assert_eq!(out, text.as_bytes());
            let path = Path::resource(5, 0, 0);
            assert_eq!(decode(path, text.as_bytes()), Ok(Value::Opaque(bytes.into())));
            let bare = text.trim_end_matches('=');
            assert_eq!(decode(path, bare.as_bytes()), Ok(Value::Opaque(bytes.into())));
        }
    }

    #[test]
    fn refuses_text_of_another_type() {
        let state = Path::resource(5, 0, 3);
        assert_eq!(decode(state, b"two"), Err(DecodeError::WrongText(Kind::Integer)));
        assert_eq!(decode(state, b""), Err(DecodeError::WrongText(Kind::Integer)));
        assert_eq!(decode(Path::resource(3, 0, 3), b"\xFF"), Err(DecodeError::NotText));
        assert_eq!(decode(Path::resource(5, 0, 0), b"A"), Err(DecodeError::WrongText(Kind::Opaque)));
        assert_eq!(decode(Path::resource(5, 0, 0), b"=="), Ok(Value::Opaque(Vec::new())));
    }

    #[test]
    fn object_links_have_two_numbers() {
        let path = Path::resource_instance(3, 0, 22, 0);
        assert_eq!(decode(path, b"10:3"), Ok(Value::ObjectLink(ObjectId(10), InstanceId(3))));
        assert_eq!(decode(path, b"10"), Err(DecodeError::WrongText(Kind::ObjectLink)));
    }
}

//! text/plain for single values (LwM2M Core 1.1 section 7.4.1, appendix C).

use alloc::string::ToString;
use alloc::vec::Vec;

use super::{DecodeError, base64, scalar, utf8};
use crate::model::ObjectModel;
use crate::path::Path;
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
        Kind::Opaque => Value::Opaque(base64::decode(trimmed.as_bytes()).ok_or(wrong)?),
        Kind::ObjectLink => {
            let (object, instance) = scalar::link(trimmed).ok_or(wrong)?;
            Value::ObjectLink(object, instance)
        }
    })
}

/// Appends the value's text; opaque bytes as base64.
pub fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Opaque(bytes) => base64::encode(bytes, out),
        other => out.extend_from_slice(other.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::{InstanceId, ObjectId};

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

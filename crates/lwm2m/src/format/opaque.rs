//! application/octet-stream: the bytes as they are (LwM2M Core 1.1 section 7.4.2).

use crate::value::Value;

/// The payload as a value.
pub fn decode(payload: &[u8]) -> Value {
    Value::Opaque(payload.into())
}

//! Writes single JSON values.

use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use crate::format::EncodeError;
use crate::format::scalar::whole_seconds;
use crate::path::Path;
use crate::value::Value;

/// Appends a string with its quotes.
pub(in crate::format) fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for letter in text.chars() {
        match letter {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\0'..='\u{1f}' => print(out, format_args!("\\u{:04x}", u32::from(letter))),
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// Appends a finite number so that it reads back as the same one.
pub(in crate::format) fn write_real(number: f64, out: &mut Vec<u8>) {
    print(out, format_args!("{number:?}"));
}

/// Appends a time, without a fraction if it has none.
pub(in crate::format) fn write_time(time: f64, out: &mut Vec<u8>) {
    match whole_seconds(time) {
        Some(seconds) => print(out, format_args!("{seconds}")),
        None => write_real(time, out),
    }
}

/// Appends the value at `path`; bytes are the format's own matter and fail here.
pub(in crate::format) fn write_value(
    value: &Value,
    path: Path,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    match value {
        Value::String(text) => write_text(text, out),
        Value::Integer(number) | Value::Time(number) => print(out, format_args!("{number}")),
        Value::Unsigned(number) => print(out, format_args!("{number}")),
        Value::Float(number) if number.is_finite() => write_real(*number, out),
        Value::Float(_) => return Err(EncodeError::NotFinite(path)),
        Value::Boolean(truth) => print(out, format_args!("{truth}")),
        Value::ObjectLink(..) => print(out, format_args!("\"{value}\"")),
        Value::Opaque(_) => return Err(EncodeError::WrongShape(path)),
    }
    Ok(())
}

/// Appends what is printed.
pub(in crate::format) fn print(out: &mut Vec<u8>, what: fmt::Arguments<'_>) {
    struct Bytes<'a>(&'a mut Vec<u8>);
    impl fmt::Write for Bytes<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }
    Bytes(out).write_fmt(what).expect("a vector takes everything");
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use proptest::prelude::*;

    use super::super::Reader;
    use super::*;
    use crate::format::scalar::{Number, Scalar};

    #[test]
    fn strings_are_escaped_where_they_must_be() {
        let mut out = Vec::new();
        write_text("a\"b\\c\n\r\t\u{1}/\u{e4}\u{1f600}", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\\\"b\\\\c\\n\\r\\t\\u0001/\u{e4}\u{1f600}\"");
    }

    proptest! {
        #[test]
        fn strings_and_numbers_read_back(text: String, number in proptest::num::f64::NORMAL) {
            let mut out = Vec::new();
            write_text(&text, &mut out);
            let read = Reader::new(&out).unwrap().scalar().unwrap();
            prop_assert_eq!(read, Scalar::Text(text.into()));
            let mut out = Vec::new();
            write_real(number, &mut out);
            let read = Reader::new(&out).unwrap().scalar().unwrap();
            prop_assert_eq!(read, Scalar::Number(Number::Real(number)));
        }
    }
}

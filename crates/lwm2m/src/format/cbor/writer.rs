//! Writes CBOR values in their shortest form.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::field::{self, major, simple};
use crate::format::scalar::whole_seconds;
use crate::value::Value;

/// Appends the head of a map with so many entries.
pub(in crate::format) fn write_map(entries: usize, out: &mut Vec<u8>) {
    write_head(major::MAP, entries as u64, out);
}

/// Appends the head of an array with so many items.
pub(in crate::format) fn write_array(items: usize, out: &mut Vec<u8>) {
    write_head(major::ARRAY, items as u64, out);
}

/// Appends a text.
pub(in crate::format) fn write_text(text: &str, out: &mut Vec<u8>) {
    write_head(major::TEXT, text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a whole number.
pub(in crate::format) fn write_whole(number: i64, out: &mut Vec<u8>) {
    match u64::try_from(number) {
        Ok(number) => write_head(major::UNSIGNED, number, out),
        // -1 - number, which is what a negative number holds, is its complement.
        Err(_) => write_head(major::NEGATIVE, !number as u64, out),
    }
}

/// Appends a floating point number, with single precision where nothing is lost: every client reads that.
fn write_real(number: f64, out: &mut Vec<u8>) {
    let single = number as f32;
    if f64::from(single) == number {
        out.push(major::SIMPLE << 5 | simple::SINGLE);
        out.extend_from_slice(&single.to_be_bytes());
    } else {
        out.push(major::SIMPLE << 5 | simple::DOUBLE);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// Appends a time, without a fraction if it has none.
pub(in crate::format) fn write_time(time: f64, out: &mut Vec<u8>) {
    match whole_seconds(time) {
        Some(seconds) => write_whole(seconds, out),
        None => write_real(time, out),
    }
}

/// Appends the tag that says that the number after it is a time.
pub(in crate::format) fn write_epoch_tag(out: &mut Vec<u8>) {
    write_head(major::TAG, field::EPOCH, out);
}

/// Appends null.
pub(in crate::format) fn write_null(out: &mut Vec<u8>) {
    out.push(major::SIMPLE << 5 | simple::NULL);
}

/// Appends a value; times without their tag.
pub(in crate::format) fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => write_text(text, out),
        Value::Integer(number) | Value::Time(number) => write_whole(*number, out),
        Value::Unsigned(number) => write_head(major::UNSIGNED, *number, out),
        Value::Float(number) => write_real(*number, out),
        Value::Boolean(truth) => {
            out.push(major::SIMPLE << 5 | if *truth { simple::TRUE } else { simple::FALSE });
        }
        Value::Opaque(bytes) => {
            write_head(major::BYTES, bytes.len() as u64, out);
            out.extend_from_slice(bytes);
        }
        Value::ObjectLink(..) => write_text(&value.to_string(), out),
    }
}

fn write_head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let bytes = argument.to_be_bytes();
    let (information, length) = match argument {
        0..=23 => return out.push(major << 5 | argument as u8),
        24..=0xFF => (24, 1),
        0x100..=0xFFFF => (25, 2),
        0x1_0000..=0xFFFF_FFFF => (26, 4),
        _ => (27, 8),
    };
    out.push(major << 5 | information);
    out.extend_from_slice(&bytes[8 - length..]);
}

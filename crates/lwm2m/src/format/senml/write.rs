//! From records to a pack.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::label::Label;
use crate::format::naming::{above_all, common_time, name_below, prefix};
use crate::format::{EncodeError, Record, base64, cbor, json};
use crate::path::Path;
use crate::value::Value;

/// What the records without a value mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::format) enum Absent {
    /// That is to be removed (RFC 8790 section 3.2.2).
    Removed,
    /// That is asked for (RFC 8790 section 3.1).
    Selected,
}

/// Appends a pack in JSON.
pub(in crate::format) fn write_json(
    records: &[Record],
    absent: Absent,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let pack = Pack::new(records, absent);
    for (index, record) in records.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"[" } else { b"," });
        let name = pack.name(record);
        let mut mark = '{';
        for (label, content) in pack.fields(index, record, &name) {
            json::print(out, format_args!("{mark}\"{}\":", label.name()));
            mark = ',';
            write_json_content(content, record.path, out)?;
        }
        out.push(b'}');
    }
    out.extend_from_slice(if records.is_empty() { b"[]" } else { b"]" });
    Ok(())
}

/// Appends a pack in CBOR.
pub(in crate::format) fn write_cbor(records: &[Record], absent: Absent, out: &mut Vec<u8>) {
    let pack = Pack::new(records, absent);
    cbor::write_array(records.len(), out);
    for (index, record) in records.iter().enumerate() {
        let name = pack.name(record);
        cbor::write_map(pack.fields(index, record, &name).count(), out);
        for (label, content) in pack.fields(index, record, &name) {
            match label.number() {
                Some(number) => cbor::write_whole(number.into(), out),
                None => cbor::write_text(label.name(), out),
            }
            match content {
                Content::Text(text) => cbor::write_text(text, out),
                Content::Time(time) => cbor::write_time(time, out),
                Content::Value(value) => cbor::write_value(value, out),
                Content::Null => cbor::write_null(out),
            }
        }
    }
}

fn write_json_content(content: Content<'_>, path: Path, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match content {
        Content::Text(text) => json::write_text(text, out),
        Content::Time(time) => json::write_time(time, out),
        Content::Null => out.extend_from_slice(b"null"),
        Content::Value(Value::Opaque(bytes)) => {
            out.push(b'"');
            base64::encode_url(bytes, out);
            out.push(b'"');
        }
        Content::Value(value) => return json::write_value(value, path, out),
    }
    Ok(())
}

/// What a field holds.
#[derive(Clone, Copy)]
enum Content<'a> {
    Text(&'a str),
    Time(f64),
    Value(&'a Value),
    Null,
}

/// What all records have in common.
struct Pack {
    absent: Absent,
    /// What the names are below; the root if they are whole paths.
    base: Path,
    base_name: Option<String>,
    base_time: Option<f64>,
}

impl Pack {
    fn new(records: &[Record], absent: Absent) -> Self {
        // A single record is shorter without a base, and what selects is understood by more clients.
        let whole = records.len() < 2 || absent == Absent::Selected;
        let base = if whole { Path::Root } else { above_all(records) };
        let base_name = (base != Path::Root).then(|| prefix(base));
        Self { absent, base, base_name, base_time: common_time(records) }
    }

    fn name(&self, record: &Record) -> String {
        match self.base {
            Path::Root => record.path.to_string(),
            base => name_below(base, record.path),
        }
    }

    fn fields<'a>(
        &'a self,
        index: usize,
        record: &'a Record,
        name: &'a str,
    ) -> impl Iterator<Item = (Label, Content<'a>)> {
        let first = index == 0;
        let value = match &record.value {
            Some(value) => Some((label_of(value), Content::Value(value))),
            None if self.absent == Absent::Removed => Some((Label::Value, Content::Null)),
            None => None,
        };
        let time = record.time.filter(|_| self.base_time.is_none());
        [
            self.base_name.as_deref().filter(|_| first).map(|base| (Label::BaseName, Content::Text(base))),
            self.base_time.filter(|_| first).map(|time| (Label::BaseTime, Content::Time(time))),
            Some((Label::Name, Content::Text(name))),
            value,
            time.map(|time| (Label::Time, Content::Time(time))),
        ]
        .into_iter()
        .flatten()
    }
}

const fn label_of(value: &Value) -> Label {
    match value {
        Value::String(_) => Label::Text,
        Value::Boolean(_) => Label::Boolean,
        Value::Opaque(_) => Label::Data,
        Value::ObjectLink(..) => Label::Link,
        Value::Integer(_) | Value::Unsigned(_) | Value::Float(_) | Value::Time(_) => Label::Value,
    }
}

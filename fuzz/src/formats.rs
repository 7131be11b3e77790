//! Content formats: nothing is read that cannot be written again and read as the same.
//!
//! The first byte chooses the path that the payload answers, the rest is the payload.

use lwm2m::format::{
    self, CBOR, LINK_FORMAT, LWM2M_CBOR, LWM2M_JSON, LWM2M_TLV, SENML_CBOR, SENML_ETCH_CBOR, SENML_ETCH_JSON,
    SENML_JSON, link,
};
use lwm2m::model::ObjectModel;
use lwm2m::path::Path;
use lwm2m::value::{Node, Value};

/// What a payload may answer a request for: each depth, each type, unknown objects.
const PATHS: [Path; 16] = [
    Path::Root,
    Path::object(3),
    Path::object(40_000),
    Path::instance(3, 0),
    Path::instance(5, 0),
    Path::instance(40_000, 1),
    Path::resource(3, 0, 0),
    Path::resource(3, 0, 9),
    Path::resource(3, 0, 11),
    Path::resource(3, 0, 13),
    Path::resource(5, 0, 0),
    Path::resource(5, 0, 13),
    Path::resource(6, 0, 0),
    Path::resource(1, 0, 6),
    Path::resource_instance(3, 0, 22, 0),
    Path::resource_instance(3, 0, 11, 1),
];

const MODEL: &ObjectModel = &ObjectModel::CORE;

/// Takes a payload of application/cbor.
///
/// # Panics
/// If what was read reads differently after it was written.
pub fn cbor(bytes: &[u8]) {
    one_path(CBOR, bytes);
}

/// Takes a payload of TLV.
///
/// # Panics
/// If what was read reads differently after it was written.
pub fn tlv(bytes: &[u8]) {
    one_path(LWM2M_TLV, bytes);
}

/// Takes a pack of SenML in JSON, also as a composite request.
///
/// # Panics
/// If what was read reads differently after it was written.
pub fn senml_json(bytes: &[u8]) {
    one_path(SENML_JSON, bytes);
    records(SENML_JSON, bytes);
    records(SENML_ETCH_JSON, bytes);
    paths(SENML_ETCH_JSON, bytes);
}

/// Takes a pack of SenML in CBOR, also as a composite request.
///
/// # Panics
/// If what was read reads differently after it was written.
pub fn senml_cbor(bytes: &[u8]) {
    one_path(SENML_CBOR, bytes);
    records(SENML_CBOR, bytes);
    records(SENML_ETCH_CBOR, bytes);
    paths(SENML_ETCH_CBOR, bytes);
}

/// Takes a payload of OMA's JSON.
///
/// # Panics
/// If what was read reads differently after it was written.
pub fn lwm2m_json(bytes: &[u8]) {
    one_path(LWM2M_JSON, bytes);
    records(LWM2M_JSON, bytes);
}

/// Takes a payload of LwM2M CBOR, also as a composite request.
///
/// # Panics
/// If what was read reads differently after it was written.
pub fn lwm2m_cbor(bytes: &[u8]) {
    one_path(LWM2M_CBOR, bytes);
    records(LWM2M_CBOR, bytes);
    paths(LWM2M_CBOR, bytes);
}

/// Takes a list of links.
///
/// # Panics
/// If an attribute is not found under its name, or the list is not written as it was read.
pub fn link_format(bytes: &[u8]) {
    let Ok(list) = link::parse(bytes) else { return };
    assert!(list.links.len() <= link::MOST_LINKS);
    for link in &list.links {
        for (name, value) in link.attributes() {
            let first = link.attributes().find(|(other, _)| *other == name);
            assert_eq!(link.attribute(name), first.map(|(_, value)| value.unwrap_or("")));
            let _ = value;
        }
    }
    assert_eq!(format::decode(LINK_FORMAT, Path::Root, bytes, MODEL).ok(), None);
    // Targets and plain attributes survive; odd ones have no second form.
    let mut writer = link::LinkWriter::new();
    for link in &list.links {
        writer.link(link.target);
    }
    let written = writer.into_bytes();
    let again = link::parse(&written).expect("what was written is a list");
    assert!(again.links.iter().map(|link| link.target).eq(list.links.iter().map(|link| link.target)));
    assert_eq!(again.oddities, []);
}

/// As an answer to a request for one path.
fn one_path(content_format: u16, bytes: &[u8]) {
    let Some((choice, payload)) = bytes.split_first() else { return };
    if payload.is_empty() {
        // Stands for what is empty in each format, also in those that cannot write that.
        return;
    }
    let path = PATHS[usize::from(choice % 16)];
    let Ok(node) = format::decode(content_format, path, payload, MODEL) else { return };
    let mut written = Vec::new();
    // JSON has no infinities, though TLV and CBOR bring them; what was read in one format is written in it.
    format::encode(content_format, path, &node, &mut written).expect("what was read can be written");
    if has_nan(&node, path) {
        return;
    }
    let again = format::decode(content_format, path, &written, MODEL).expect("what was written can be read");
    let carried = |node: &Node| format::records_of(path, node).expect("it has the shape of the path");
    assert_eq!(carried(&again), carried(&node), "{}", written.escape_ascii());
}

fn has_nan(node: &Node, path: Path) -> bool {
    let records = format::records_of(path, node).expect("it has the shape of the path");
    records.iter().any(|record| matches!(record.value, Some(Value::Float(number)) if number.is_nan()))
}

/// As a Send, or what a composite request says.
fn records(content_format: u16, bytes: &[u8]) {
    let Ok(records) = format::decode_records(content_format, Path::Root, bytes, MODEL) else { return };
    assert!(records.len() <= format::MOST_RECORDS);
    for record in &records {
        assert!(record.time.is_none_or(f64::is_finite));
    }
    let mut written = Vec::new();
    // LwM2M CBOR may name a place and what is inside it; OMA's JSON has nothing for a record without a value.
    if format::encode_records(content_format, &records, &mut written).is_err() {
        return;
    }
    let again = format::decode_records(content_format, Path::Root, &written, MODEL);
    let mut again = again.expect("what was written can be read");
    let nan = |record: &format::Record| matches!(record.value, Some(Value::Float(number)) if number.is_nan());
    if records.iter().any(nan) {
        return;
    }
    let mut records = records;
    if content_format == LWM2M_CBOR {
        again.sort_by_key(|record| record.path.numbers());
        records.sort_by_key(|record| record.path.numbers());
    }
    assert_eq!(again, records, "{}", written.escape_ascii());
}

/// As the body of a composite read.
fn paths(content_format: u16, bytes: &[u8]) {
    let Ok(paths) = format::decode_paths(content_format, bytes) else { return };
    let mut written = Vec::new();
    if format::encode_paths(content_format, &paths, &mut written).is_ok() {
        assert_eq!(format::decode_paths(content_format, &written), Ok(paths));
    }
}

//! Values as JSON, typed by the object model.
//!
//! | type | JSON |
//! | --- | --- |
//! | string | a text |
//! | integer, unsigned, float | a number, or a text with one |
//! | boolean | true or false, or one of the texts true, false, 1, 0 |
//! | opaque | a text in base64 |
//! | time | seconds since 1970, or a text as RFC 3339 writes it |
//! | objlnk | a text such as `3:0` |
//!
//! Several values of a resource and the resources of an instance are objects whose names are numbers.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use lwm2m::format::{self, Record};
use lwm2m::model::ObjectModel;
use lwm2m::path::{InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId};
use lwm2m::value::{Instance, Kind, Node, Resource, Value};
use serde_json::{Map, Value as Json, json};

/// Why JSON is no value for a path.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadValue {
    /// Nothing was given.
    #[error("{0}: a value is missing")]
    Missing(Path),
    /// It is of another type.
    #[error("{path}: {} is not {}", .given, wanted(*.kind))]
    Type {
        /// Where.
        path: Path,
        /// What it should be.
        kind: Kind,
        /// What was given.
        given: String,
    },
    /// It should be an object.
    #[error("{0}: give an object with numbers for names, such as {{\"0\": …}}")]
    NotNumbered(Path),
    /// A name in it is not a number.
    #[error("{path}: {name:?} is not a number from 0 to 65534")]
    BadNumber {
        /// Where.
        path: Path,
        /// The name.
        name: String,
    },
    /// Nothing can be written there.
    #[error("{0}: a value is written to an object instance, a resource or a resource instance")]
    WrongDepth(Path),
    /// Nothing can be created there.
    #[error("{0}: an instance is created at an object, such as /2, or at its own path, such as /2/1")]
    WrongPlace(Path),
}

/// A type as it is named in sentences.
fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "a text",
        Kind::Integer => "an integer",
        Kind::Unsigned => "an integer that is not negative",
        Kind::Float => "a number",
        Kind::Boolean => "true or false",
        Kind::Opaque => "a text in base64",
        Kind::Time => "a time: seconds since 1970, or such as 2026-07-01T08:13:37Z",
        Kind::ObjectLink => "a reference to an object instance, such as 3:0",
    }
}

/// The stable name of a type.
pub const fn code(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "string",
        Kind::Integer => "integer",
        Kind::Unsigned => "unsigned",
        Kind::Float => "float",
        Kind::Boolean => "boolean",
        Kind::Opaque => "opaque",
        Kind::Time => "time",
        Kind::ObjectLink => "objlnk",
    }
}

/// The value as JSON.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::String(text) => json!(text),
        Value::Integer(number) | Value::Time(number) => json!(number),
        Value::Unsigned(number) => json!(number),
        // JSON has no such numbers.
        Value::Float(number) if !number.is_finite() => json!(number.to_string()),
        Value::Float(number) => json!(number),
        Value::Boolean(truth) => json!(truth),
        Value::Opaque(bytes) => json!(STANDARD.encode(bytes)),
        Value::ObjectLink(object, instance) => json!(format!("{}:{}", object.0, instance.0)),
    }
}

/// What is to be written to a path.
pub fn node(path: Path, json: &Json, model: &ObjectModel) -> Result<Node, BadValue> {
    match path {
        Path::Instance(..) => Ok(Node::Instance(instance(path, json, model)?)),
        Path::Resource(..) => Ok(Node::Resource(resource(path, json, model)?)),
        Path::ResourceInstance(..) => Ok(Node::Value(value(path, json, model)?)),
        Path::Root | Path::Object(_) => Err(BadValue::WrongDepth(path)),
    }
}

/// A new instance: at an object, where the device chooses its number, or at its own path.
pub fn created(path: Path, json: &Json, model: &ObjectModel) -> Result<Node, BadValue> {
    let place = match path {
        // Which instance does not matter to the model.
        Path::Object(object) => Path::instance(object.0, 0),
        path => path,
    };
    match place {
        Path::Instance(..) if json.is_null() => Ok(Node::Instance(Instance::new())),
        Path::Instance(..) => Ok(Node::Instance(instance(place, json, model)?)),
        _ => Err(BadValue::WrongPlace(path)),
    }
}

/// The values of a composite write by their paths, which `paths` lists; null takes a value of a resource away.
pub fn records(paths: &[Path], json: &Json, model: &ObjectModel) -> Result<Vec<Record>, BadValue> {
    let mut records = Vec::new();
    for path in paths.iter().copied() {
        let given = json.get(path.to_string()).ok_or(BadValue::Missing(path))?;
        match path {
            Path::ResourceInstance(..) if given.is_null() => records.push(Record::place(path)),
            Path::Root | Path::Object(_) => return Err(BadValue::WrongDepth(path)),
            _ => {
                let written = node(path, given, model)?;
                records.extend(format::records_of(path, &written).map_err(|_| BadValue::WrongDepth(path))?);
            }
        }
    }
    Ok(records)
}

/// The resources of an instance.
fn instance(path: Path, json: &Json, model: &ObjectModel) -> Result<Instance, BadValue> {
    let resources = numbered(path, json)?;
    let read = |(number, json): (u16, &Json)| {
        let place = path.child(number).ok_or(BadValue::WrongDepth(path))?;
        Ok((ResourceId(number), resource(place, json, model)?))
    };
    resources.into_iter().map(read).collect()
}

fn resource(path: Path, json: &Json, model: &ObjectModel) -> Result<Resource, BadValue> {
    let multiple = model.resource_at(path).is_some_and(|definition| definition.multiple);
    if !json.is_object() && !multiple {
        return Ok(Resource::Single(value(path, json, model)?));
    }
    let values = numbered(path, json)?;
    let read = |(number, json): (u16, &Json)| Ok((ResourceInstanceId(number), value(path, json, model)?));
    Ok(Resource::Multiple(values.into_iter().map(read).collect::<Result<_, BadValue>>()?))
}

fn numbered<'json>(path: Path, json: &'json Json) -> Result<BTreeMap<u16, &'json Json>, BadValue> {
    let members: &Map<String, Json> = json.as_object().ok_or(BadValue::NotNumbered(path))?;
    let read = |(name, json): (&'json String, &'json Json)| match number(name) {
        Some(number) => Ok((number, json)),
        None => Err(BadValue::BadNumber { path, name: name.clone() }),
    };
    members.iter().map(read).collect()
}

fn number(name: &str) -> Option<u16> {
    let digits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    name.parse().ok().filter(|number| digits && *number != u16::MAX)
}

/// One value. Without a definition of the resource the JSON itself says of which type it is.
pub fn value(path: Path, json: &Json, model: &ObjectModel) -> Result<Value, BadValue> {
    if json.is_null() {
        return Err(BadValue::Missing(path));
    }
    let kind = model.kind_at(path).unwrap_or(match json {
        Json::Bool(_) => Kind::Boolean,
        Json::Number(number) if number.is_i64() => Kind::Integer,
        Json::Number(number) if number.is_u64() => Kind::Unsigned,
        Json::Number(_) => Kind::Float,
        _ => Kind::String,
    });
    typed(kind, json).ok_or_else(|| BadValue::Type { path, kind, given: json.to_string() })
}

fn typed(kind: Kind, json: &Json) -> Option<Value> {
    let text = json.as_str();
    match kind {
        Kind::String => text.map(Value::from),
        Kind::Integer => {
            json.as_i64().or_else(|| text.and_then(|text| text.parse().ok())).map(Value::Integer)
        }
        Kind::Unsigned => {
            json.as_u64().or_else(|| text.and_then(|text| text.parse().ok())).map(Value::Unsigned)
        }
        Kind::Float => json.as_f64().or_else(|| text.and_then(|text| text.parse().ok())).map(Value::Float),
        Kind::Boolean => boolean(json).map(Value::Boolean),
        Kind::Opaque => text.and_then(|text| STANDARD.decode(text).ok()).map(Value::Opaque),
        Kind::Time => json.as_i64().or_else(|| text.and_then(seconds)).map(Value::Time),
        Kind::ObjectLink => {
            let (object, instance) = text?.split_once(':')?;
            Some(Value::ObjectLink(ObjectId(object.parse().ok()?), InstanceId(instance.parse().ok()?)))
        }
    }
}

fn boolean(json: &Json) -> Option<bool> {
    match json {
        Json::Bool(truth) => Some(*truth),
        Json::String(text) => match &**text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn seconds(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| text.parse::<Timestamp>().ok().map(Timestamp::as_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, json: Json, expect: Result<Value, &str>) {
        let path: Path = path.parse().unwrap();
        let read = value(path, &json, &ObjectModel::CORE);
        match expect {
            Ok(expect) => assert_eq!(read, Ok(expect), "{path} {json}"),
            Err(part) => {
                let error = read.unwrap_err().to_string();
                assert!(error.contains(part) && error.contains(&path.to_string()), "{error}");
            }
        }
    }

    #[test]
    fn dm_06_json_becomes_what_the_object_model_says_or_the_error_names_path_and_type() {
        check("/3/0/15", json!("Europe/Berlin"), Ok("Europe/Berlin".into()));
        check("/3/0/15", json!(7), Err("7 is not a text"));
        check("/1/0/1", json!(60), Ok(Value::Integer(60)));
        check("/1/0/1", json!("60"), Ok(Value::Integer(60)));
        check("/1/0/1", json!("soon"), Err("\"soon\" is not an integer"));
        check("/1/0/1", json!(1.5), Err("not an integer"));
        check("/1/0/6", json!(true), Ok(Value::Boolean(true)));
        check("/1/0/6", json!("0"), Ok(Value::Boolean(false)));
        check("/1/0/6", json!("maybe"), Err("true or false"));
        check("/3/0/13", json!(1_767_225_600), Ok(Value::Time(1_767_225_600)));
        check("/3/0/13", json!("2026-01-01T00:00:00Z"), Ok(Value::Time(1_767_225_600)));
        check("/5/0/0", json!("AAEC"), Ok(Value::Opaque(vec![0, 1, 2])));
        check("/5/0/0", json!("no base64!"), Err("base64"));
        check("/3/0/15", Json::Null, Err("missing"));
        // Nobody knows this object.
        check("/31000/0/1", json!(2.5), Ok(Value::Float(2.5)));
        check("/31000/0/1", json!("text"), Ok("text".into()));
    }

    #[test]
    fn nested_json_is_written_and_shown_by_the_same_numbers() {
        let path = Path::instance(31000, 0);
        let given = json!({"1": "one", "2": {"0": 7, "3": 8}});
        let node = node(path, &given, &ObjectModel::CORE).unwrap();
        let records = format::records_of(path, &node).unwrap();
        let flat: Vec<_> = records
            .iter()
            .map(|record| (record.path.to_string(), to_json(record.value.as_ref().unwrap())))
            .collect();
        let expect = [("/31000/0/1", json!("one")), ("/31000/0/2/0", json!(7)), ("/31000/0/2/3", json!(8))];
        assert_eq!(flat, expect.map(|(path, json)| (path.to_owned(), json)));
    }

    #[test]
    fn what_has_no_numbers_is_refused() {
        let read = |path: Path, json| node(path, &json, &ObjectModel::CORE).unwrap_err().to_string();
        assert!(read(Path::instance(3, 0), json!("x")).contains("numbers for names"));
        assert!(read(Path::instance(3, 0), json!({"x": 1})).contains("\"x\" is not a number"));
        assert!(read(Path::instance(3, 0), json!({"65535": 1})).contains("65534"));
        assert!(read(Path::object(3), json!({"0": {}})).contains("/3: "));
    }

    #[test]
    fn numbers_that_json_lacks_are_texts() {
        assert_eq!(to_json(&Value::Float(f64::NAN)), json!("NaN"));
        assert_eq!(to_json(&Value::ObjectLink(ObjectId(3), InstanceId(0))), json!("3:0"));
    }
}

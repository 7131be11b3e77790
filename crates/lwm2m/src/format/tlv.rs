//! application/vnd.oma.lwm2m+tlv (LwM2M Core 1.1 section 7.4.3).
//!
//! A record is a type byte, an identifier of 8 or 16 bits, a length of 0 to 24 bits, and the value. Records
//! nest at most object instance > multiple resource > resource instance, so reading never recurses deeper.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::EncodeError;
use crate::model::ObjectModel;
use crate::path::{InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId};
use crate::value::{Instance, Kind, Node, Resource, Value};

/// Bits of the type byte (LwM2M Core 1.1 table 7.4.3-1).
mod field {
    pub const KIND: u8 = 0xC0;
    pub const INSTANCE: u8 = 0x00;
    pub const RESOURCE_INSTANCE: u8 = 0x40;
    pub const MULTIPLE: u8 = 0x80;
    pub const RESOURCE: u8 = 0xC0;
    pub const WIDE_IDENTIFIER: u8 = 0x20;
    pub const LENGTH_WIDTH: u8 = 0x18;
    pub const SHORT_LENGTH: u8 = 0x07;
}

/// The longest value of a record: 24 bits of length.
const LONGEST: usize = 0xFF_FFFF;

/// TLV records that cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TlvError {
    /// The bytes end inside a record.
    #[error("a TLV record runs past the end")]
    Truncated,
    /// A record of a kind that cannot be where it is, for example an instance inside an instance.
    #[error("a TLV record of kind {0:#04x} is out of place")]
    OutOfPlace(u8),
    /// A value does not have a length or form of its type.
    #[error("a TLV value is not of type {0:?}")]
    WrongValue(Kind),
    /// The records do not hold what the path names.
    #[error("the TLV records do not hold the resource asked for")]
    NotThere,
}

/// Reads the records that answer a request for `path`, typed by the object model.
///
/// A value whose resource no model describes becomes [`Value::Opaque`]. Clients answer a request for one
/// resource with the resource's record, with its object instance around it, or (several values) with the bare
/// resource instances; all are read. A record that comes twice counts by its last value.
pub fn decode(path: Path, bytes: &[u8], model: &ObjectModel) -> Result<Node, TlvError> {
    let object = path.object_id().ok_or(TlvError::NotThere)?;
    match path {
        Path::Root => Err(TlvError::NotThere),
        Path::Object(_) => instances(object, bytes, model).map(Node::Object),
        Path::Instance(_, instance) => resources_of(object, instance, bytes, model).map(Node::Instance),
        Path::Resource(_, instance, resource) => {
            if starts_with(field::RESOURCE_INSTANCE, bytes)? {
                let kind = model.resource(object, resource).map(|definition| definition.kind);
                return values(kind, bytes).map(|values| Node::Resource(Resource::Multiple(values)));
            }
            let mut found = resources_of(object, instance, bytes, model)?;
            found.remove(&resource).map(Node::Resource).ok_or(TlvError::NotThere)
        }
        Path::ResourceInstance(_, instance, resource, value) => {
            let kind = model.kind_at(path);
            if starts_with(field::RESOURCE_INSTANCE, bytes)? {
                let found = values(kind, bytes)?.remove(&value);
                return found.map(Node::Value).ok_or(TlvError::NotThere);
            }
            match resources_of(object, instance, bytes, model)?.remove(&resource) {
                Some(Resource::Multiple(mut values)) => {
                    values.remove(&value).map(Node::Value).ok_or(TlvError::NotThere)
                }
                Some(Resource::Single(_)) | None => Err(TlvError::NotThere),
            }
        }
    }
}

/// Appends the records of `node`, which answers or fills `path`.
pub fn encode(path: Path, node: &Node, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match (path, node) {
        (Path::Object(_), Node::Object(instances)) => {
            for (id, instance) in instances {
                let mut inner = Vec::new();
                write_resources(instance, &mut inner)?;
                write_record(field::INSTANCE, id.0, &inner, out)?;
            }
            Ok(())
        }
        (Path::Instance(..), Node::Instance(instance)) => write_resources(instance, out),
        (Path::Resource(.., id), Node::Resource(resource)) => write_resource(id, resource, out),
        (Path::ResourceInstance(.., id), Node::Value(value)) => {
            write_record(field::RESOURCE_INSTANCE, id.0, &value_bytes(value), out)
        }
        _ => Err(EncodeError::WrongShape(path)),
    }
}

/// One record, checked against the end of its surrounding bytes.
struct Record<'a> {
    kind: u8,
    id: u16,
    value: &'a [u8],
}

/// Takes the first record off `bytes`.
fn next_record<'a>(bytes: &mut &'a [u8]) -> Result<Record<'a>, TlvError> {
    let first = take(bytes, 1)?[0];
    let id_length = if first & field::WIDE_IDENTIFIER == 0 { 1 } else { 2 };
    let id = number(take(bytes, id_length)?) as u16;
    let length = match (first & field::LENGTH_WIDTH) >> 3 {
        0 => usize::from(first & field::SHORT_LENGTH),
        width => number(take(bytes, usize::from(width))?) as usize,
    };
    Ok(Record { kind: first & field::KIND, id, value: take(bytes, length)? })
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], TlvError> {
    let (head, rest) = bytes.split_at_checked(length).ok_or(TlvError::Truncated)?;
    *bytes = rest;
    Ok(head)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn instances(
    object: ObjectId,
    mut bytes: &[u8],
    model: &ObjectModel,
) -> Result<BTreeMap<InstanceId, Instance>, TlvError> {
    let mut found = BTreeMap::new();
    let whole = bytes;
    while !bytes.is_empty() {
        let record = next_record(&mut bytes)?;
        if record.kind != field::INSTANCE {
            // The only instance of a single-instance object, without its record.
            found.clear();
            found.insert(InstanceId(0), resources(object, whole, model)?);
            return Ok(found);
        }
        found.insert(InstanceId(record.id), resources(object, record.value, model)?);
    }
    Ok(found)
}

/// The resources of one instance, whether or not its own record is around them.
fn resources_of(
    object: ObjectId,
    instance: InstanceId,
    bytes: &[u8],
    model: &ObjectModel,
) -> Result<Instance, TlvError> {
    if starts_with(field::INSTANCE, bytes)? {
        return instances(object, bytes, model)?.remove(&instance).ok_or(TlvError::NotThere);
    }
    resources(object, bytes, model)
}

/// Whether there is a first record and it is of this kind.
fn starts_with(kind: u8, mut bytes: &[u8]) -> Result<bool, TlvError> {
    Ok(!bytes.is_empty() && next_record(&mut bytes)?.kind == kind)
}

fn resources(object: ObjectId, mut bytes: &[u8], model: &ObjectModel) -> Result<Instance, TlvError> {
    let mut found = Instance::new();
    while !bytes.is_empty() {
        let record = next_record(&mut bytes)?;
        let id = ResourceId(record.id);
        let kind = model.resource(object, id).map(|definition| definition.kind);
        let resource = match record.kind {
            field::RESOURCE => Resource::Single(read_value(kind, record.value)?),
            field::MULTIPLE => Resource::Multiple(values(kind, record.value)?),
            other => return Err(TlvError::OutOfPlace(other)),
        };
        found.insert(id, resource);
    }
    Ok(found)
}

fn values(kind: Option<Kind>, mut bytes: &[u8]) -> Result<BTreeMap<ResourceInstanceId, Value>, TlvError> {
    let mut found = BTreeMap::new();
    while !bytes.is_empty() {
        let record = next_record(&mut bytes)?;
        if record.kind != field::RESOURCE_INSTANCE {
            return Err(TlvError::OutOfPlace(record.kind));
        }
        found.insert(ResourceInstanceId(record.id), read_value(kind, record.value)?);
    }
    Ok(found)
}

fn read_value(kind: Option<Kind>, bytes: &[u8]) -> Result<Value, TlvError> {
    let Some(kind) = kind else { return Ok(Value::Opaque(bytes.into())) };
    let wrong = TlvError::WrongValue(kind);
    Ok(match kind {
        Kind::String => Value::String(String::from(core::str::from_utf8(bytes).map_err(|_| wrong)?)),
        Kind::Integer => Value::Integer(signed(bytes).ok_or(wrong)?),
        Kind::Time => Value::Time(signed(bytes).ok_or(wrong)?),
        Kind::Unsigned => Value::Unsigned(unsigned(bytes).ok_or(wrong)?),
        Kind::Float => Value::Float(float(bytes).ok_or(wrong)?),
        Kind::Boolean => match bytes {
            [0] => Value::Boolean(false),
            [1] => Value::Boolean(true),
            _ => return Err(wrong),
        },
        Kind::Opaque => Value::Opaque(bytes.into()),
        Kind::ObjectLink => match *bytes {
            [first, second, third, fourth] => Value::ObjectLink(
                ObjectId(u16::from_be_bytes([first, second])),
                InstanceId(u16::from_be_bytes([third, fourth])),
            ),
            _ => return Err(wrong),
        },
    })
}

/// Two's complement of 1, 2, 4 or 8 bytes.
fn signed(bytes: &[u8]) -> Option<i64> {
    match *bytes {
        [byte] => Some(i64::from(byte as i8)),
        [first, second] => Some(i64::from(i16::from_be_bytes([first, second]))),
        _ if bytes.len() == 4 => Some(i64::from(i32::from_be_bytes(bytes.try_into().ok()?))),
        _ => Some(i64::from_be_bytes(bytes.try_into().ok()?)),
    }
}

fn unsigned(bytes: &[u8]) -> Option<u64> {
    if !matches!(bytes.len(), 1 | 2 | 4 | 8) {
        return None;
    }
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn float(bytes: &[u8]) -> Option<f64> {
    if bytes.len() == 4 {
        return Some(f64::from(f32::from_be_bytes(bytes.try_into().ok()?)));
    }
    Some(f64::from_be_bytes(bytes.try_into().ok()?))
}

fn write_resources(instance: &Instance, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    instance.iter().try_for_each(|(id, resource)| write_resource(*id, resource, out))
}

fn write_resource(id: ResourceId, resource: &Resource, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match resource {
        Resource::Single(value) => write_record(field::RESOURCE, id.0, &value_bytes(value), out),
        Resource::Multiple(values) => {
            let mut inner = Vec::new();
            for (id, value) in values {
                write_record(field::RESOURCE_INSTANCE, id.0, &value_bytes(value), &mut inner)?;
            }
            write_record(field::MULTIPLE, id.0, &inner, out)
        }
    }
}

fn write_record(kind: u8, id: u16, value: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if value.len() > LONGEST {
        return Err(EncodeError::TooLong);
    }
    let length = (value.len() as u32).to_be_bytes();
    let width: u8 = match value.len() {
        0..=7 => 0,
        8..=0xFF => 1,
        0x100..=0xFFFF => 2,
        _ => 3,
    };
    let short = if width == 0 { value.len() as u8 } else { 0 };
    let wide = if id > 0xFF { field::WIDE_IDENTIFIER } else { 0 };
    out.push(kind | wide | width << 3 | short);
    if wide == 0 {
        out.push(id as u8);
    } else {
        out.extend_from_slice(&id.to_be_bytes());
    }
    out.extend_from_slice(&length[4 - usize::from(width)..]);
    out.extend_from_slice(value);
    Ok(())
}

fn value_bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.as_bytes().into(),
        Value::Integer(number) | Value::Time(number) => shortest_signed(*number),
        Value::Unsigned(number) => shortest_unsigned(*number),
        Value::Float(number) => number.to_be_bytes().into(),
        Value::Boolean(truth) => [u8::from(*truth)].into(),
        Value::Opaque(bytes) => bytes.clone(),
        Value::ObjectLink(object, instance) => {
            let [first, second] = object.0.to_be_bytes();
            let [third, fourth] = instance.0.to_be_bytes();
            [first, second, third, fourth].into()
        }
    }
}

fn shortest_signed(number: i64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let length = match number {
        -0x80..=0x7F => 1,
        -0x8000..=0x7FFF => 2,
        -0x8000_0000..=0x7FFF_FFFF => 4,
        _ => 8,
    };
    bytes[8 - length..].into()
}

fn shortest_unsigned(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let length = match number {
        0..=0xFF => 1,
        0x100..=0xFFFF => 2,
        0x1_0000..=0xFFFF_FFFF => 4,
        _ => 8,
    };
    bytes[8 - length..].into()
}

#[cfg(test)]
mod tests;

//! application/vnd.oma.lwm2m+cbor of LwM2M 1.2 (TS 1.2 section 7.4.6): maps inside each other, whose keys are
//! the numbers of the path, or arrays of several numbers: `{3: {0: {9: 95}}}`, `{[3, 0]: {9: 95}}`.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::cbor::{self, Key, Reader};
use super::scalar::Scalar;
use super::{DecodeError, EncodeError, MOST_RECORDS, Record};
use crate::model::ObjectModel;
use crate::path::Path;
use crate::value::{Instance, Node, Resource, Value};

/// An item that is CBOR but breaks the rules of the format.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Lwm2mCborError {
    /// The key at this byte is neither a number of a path nor an array of such.
    #[error("the key at byte {0} is no part of a path")]
    NotAPath(usize),
    /// The maps and keys go deeper than a resource instance; the byte is the key's.
    #[error("the key at byte {0} goes too deep")]
    TooDeep(usize),
    /// A key comes twice.
    #[error("{0} comes twice")]
    Repeated(Path),
    /// There is a value where only objects and instances are.
    #[error("{0} cannot have a value")]
    NotAValue(Path),
    /// There are more than [`MOST_RECORDS`] keys.
    #[error("more than {MOST_RECORDS} keys")]
    TooMany,
}

/// What ends a path in a payload.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Leaf {
    Value(Value),
    Null,
    /// A map without entries.
    Empty,
}

/// Reads the places of a payload with what is there.
pub(super) fn decode(payload: &[u8], model: &ObjectModel) -> Result<Vec<(Path, Leaf)>, DecodeError> {
    let mut walk = Walk { model, keys: BTreeSet::new(), leaves: Vec::new() };
    let mut reader = Reader::new(payload);
    walk.map(&mut reader, Path::Root)?;
    reader.end()?;
    Ok(walk.leaves)
}

/// A walk through the maps; it goes no deeper than a path does.
struct Walk<'a> {
    model: &'a ObjectModel,
    /// All keys as whole paths, also those of maps.
    keys: BTreeSet<Path>,
    leaves: Vec<(Path, Leaf)>,
}

impl Walk<'_> {
    fn map(&mut self, reader: &mut Reader<'_>, above: Path) -> Result<(), DecodeError> {
        reader.map(|reader| self.entry(reader, above))
    }

    fn entry(&mut self, reader: &mut Reader<'_>, above: Path) -> Result<(), DecodeError> {
        let path = key(reader, above)?;
        if self.keys.len() == MOST_RECORDS {
            return Err(Lwm2mCborError::TooMany.into());
        }
        if !self.keys.insert(path) {
            return Err(Lwm2mCborError::Repeated(path).into());
        }
        if reader.is_at_map()? {
            let before = self.keys.len();
            self.map(reader, path)?;
            if self.keys.len() == before {
                self.leaves.push((path, Leaf::Empty));
            }
            return Ok(());
        }
        let leaf = match reader.scalar()? {
            Scalar::Null => Leaf::Null,
            _ if path.depth() < 3 => return Err(Lwm2mCborError::NotAValue(path).into()),
            value => value.typed(path, self.model)?.map_or(Leaf::Null, Leaf::Value),
        };
        self.leaves.push((path, leaf));
        Ok(())
    }
}

/// The path of an entry: one or several numbers below `above`.
fn key(reader: &mut Reader<'_>, above: Path) -> Result<Path, DecodeError> {
    let at = reader.position();
    let mut path = above;
    let mut step = |reader: &mut Reader<'_>| {
        let number = match reader.key()? {
            Key::Number(number) => u16::try_from(number).ok().filter(|number| *number != u16::MAX),
            Key::Text(_) => None,
        };
        let number = number.ok_or(Lwm2mCborError::NotAPath(at))?;
        path = path.child(number).ok_or(Lwm2mCborError::TooDeep(at))?;
        Ok::<_, DecodeError>(())
    };
    if reader.is_at_array()? {
        reader.array(step)?;
    } else {
        step(reader)?;
    }
    if path == above {
        return Err(Lwm2mCborError::NotAPath(at).into());
    }
    Ok(path)
}

/// Appends what lives at `path`.
pub(super) fn encode(path: Path, node: &Node, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let branch = match (path, node) {
        (Path::Object(_), Node::Object(instances)) => {
            let below = instances.iter().map(|(id, instance)| (id.0, Branch::of_instance(instance)));
            Branch::Map(below.collect())
        }
        (Path::Instance(..), Node::Instance(instance)) => Branch::of_instance(instance),
        (Path::Resource(..), Node::Resource(resource)) => Branch::of_resource(resource),
        (Path::ResourceInstance(..), Node::Value(value)) => Branch::Value(value),
        _ => return Err(EncodeError::WrongShape(path)),
    };
    let numbers = path.numbers();
    let above = numbers[..path.depth()].iter().rev();
    above.fold(branch, |inner, number| Branch::Map([(*number, inner)].into())).write(out);
    Ok(())
}

/// Appends records; those without a value become null.
pub(super) fn encode_records(records: &[Record], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mut tree = Branch::Map(BTreeMap::new());
    for record in records {
        if record.time.is_some() {
            return Err(EncodeError::NoTimes(record.path));
        }
        if record.path == Path::Root {
            return Err(EncodeError::WrongShape(Path::Root));
        }
        let leaf = record.value.as_ref().map_or(Branch::Null, Branch::Value);
        let numbers = record.path.numbers();
        if !tree.insert(&numbers[..record.path.depth()], leaf) {
            return Err(EncodeError::Conflict(record.path));
        }
    }
    tree.write(out);
    Ok(())
}

/// Appends paths as keys of null, side by side: one of them may lie inside another.
pub(super) fn encode_paths(paths: &[Path], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    cbor::write_map(paths.len(), out);
    let mut seen = BTreeSet::new();
    for path in paths {
        if !seen.insert(*path) {
            return Err(EncodeError::Conflict(*path));
        }
        let numbers = path.numbers();
        match &numbers[..path.depth()] {
            [] => return Err(EncodeError::WrongShape(Path::Root)),
            [number] => cbor::write_whole((*number).into(), out),
            numbers => {
                cbor::write_array(numbers.len(), out);
                numbers.iter().for_each(|number| cbor::write_whole((*number).into(), out));
            }
        }
        cbor::write_null(out);
    }
    Ok(())
}

/// What is written below a key.
enum Branch<'a> {
    Map(BTreeMap<u16, Branch<'a>>),
    Value(&'a Value),
    Null,
}

impl<'a> Branch<'a> {
    fn of_instance(instance: &'a Instance) -> Self {
        Self::Map(instance.iter().map(|(id, resource)| (id.0, Self::of_resource(resource))).collect())
    }

    fn of_resource(resource: &'a Resource) -> Self {
        match resource {
            Resource::Single(value) => Self::Value(value),
            Resource::Multiple(values) => {
                Self::Map(values.iter().map(|(id, value)| (id.0, Self::Value(value))).collect())
            }
        }
    }

    /// Whether there was room: neither a value above nor anything at or below the place.
    fn insert(&mut self, numbers: &[u16], leaf: Self) -> bool {
        let (Self::Map(below), [number, rest @ ..]) = (self, numbers) else { return false };
        if rest.is_empty() {
            return below.insert(*number, leaf).is_none();
        }
        below.entry(*number).or_insert_with(|| Self::Map(BTreeMap::new())).insert(rest, leaf)
    }

    /// Goes no deeper than a path does.
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Map(below) => {
                cbor::write_map(below.len(), out);
                for (number, branch) in below {
                    cbor::write_whole((*number).into(), out);
                    branch.write(out);
                }
            }
            Self::Value(value) => cbor::encode(value, out),
            Self::Null => cbor::write_null(out),
        }
    }
}

#[cfg(test)]
mod tests;

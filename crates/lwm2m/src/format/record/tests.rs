use alloc::vec;
use core::slice;

use super::*;
use crate::path::{ResourceId, ResourceInstanceId};

fn node(path: Path, records: &[Record]) -> Result<Node, DecodeError> {
    node_of(path, records, &ObjectModel::CORE)
}

fn timed(path: Path, number: i64, time: f64) -> Record {
    Record { time: Some(time), ..Record::new(path, Value::Integer(number)) }
}

const LEVEL: Path = Path::resource(3, 0, 9);

#[test]
fn the_newest_value_of_a_place_counts() {
    let now = Record::new(LEVEL, Value::Integer(4));
    let newest = |records: &[Record]| node(LEVEL, records).unwrap().value().and_then(Value::as_integer);
    let (old, older) = (timed(LEVEL, 2, 1.7e9), timed(LEVEL, 1, 1.6e9));
    let recent = timed(LEVEL, 3, -5.0);
    assert_eq!(newest(&[now.clone(), recent.clone(), older.clone(), old.clone()]), Some(4));
    assert_eq!(newest(&[recent, old.clone(), older.clone()]), Some(3));
    assert_eq!(newest(&[old, older]), Some(2));
    assert_eq!(newest(&[now, Record::new(LEVEL, Value::Integer(5))]), Some(5), "the last of equals");
}

#[test]
fn records_become_the_shape_of_the_path() {
    let value = |path| Record::new(path, Value::Integer(1));
    let one = || Resource::Single(Value::Integer(1));
    let several = || Resource::Multiple([(ResourceInstanceId(2), Value::Integer(1))].into());
    let (single, numbered) = (value(LEVEL), value(Path::resource_instance(3, 0, 6, 2)));
    let instance = Instance::from([(ResourceId(9), one()), (ResourceId(6), several())]);
    let records = [single.clone(), numbered.clone()];
    assert_eq!(node(Path::object(3), &records), Ok(Node::Object([(InstanceId(0), instance.clone())].into())));
    assert_eq!(node(Path::instance(3, 0), &records), Ok(Node::Instance(instance)));
    assert_eq!(node(LEVEL, slice::from_ref(&single)), Ok(Node::Resource(one())));
    assert_eq!(node(Path::resource(3, 0, 6), slice::from_ref(&numbered)), Ok(Node::Resource(several())));
    let place = Path::resource_instance(3, 0, 6, 2);
    assert_eq!(node(place, slice::from_ref(&numbered)), Ok(Node::Value(Value::Integer(1))));
    assert_eq!(node(Path::Root, &records), Err(DecodeError::NotThere(Path::Root)));
    assert_eq!(node(LEVEL, &[]), Err(DecodeError::NotThere(LEVEL)));
    assert_eq!(node(LEVEL, &[Record::place(LEVEL)]), Err(DecodeError::NotThere(LEVEL)));
    let outside = DecodeError::Outside { path: LEVEL, asked: place };
    assert_eq!(node(place, &[single]), Err(outside));
    let both = [value(Path::resource(3, 0, 6)), numbered];
    assert_eq!(node(Path::instance(3, 0), &both), Err(DecodeError::Conflict(place)));
}

#[test]
fn a_node_that_is_not_the_paths_has_no_records() {
    let node = Node::Instance(Instance::new());
    assert_eq!(records_of(Path::instance(3, 0), &node), Ok(vec![]));
    for path in [Path::Root, Path::object(3), LEVEL] {
        assert_eq!(records_of(path, &node), Err(EncodeError::WrongShape(path)));
    }
}

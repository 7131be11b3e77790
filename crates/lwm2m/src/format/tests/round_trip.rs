//! What is written reads back, and reads the same in every format.

use proptest::collection::vec;
use proptest::prelude::*;

use super::trees::{OBJECT, apart, instances, model, numbers, without_empty};
use super::*;
use crate::value::Instance;

/// The matrix asks for ten thousand random trees per format.
const TREES: u32 = 10_000;

fn written(format: u16, path: Path, node: &Node) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(format, path, node, &mut bytes).unwrap();
    bytes
}

#[track_caller]
fn check(format: u16, path: Path, node: &Node, expected: &Node, model: &ObjectModel) {
    let bytes = written(format, path, node);
    let read = decode(format, path, &bytes, model);
    assert_eq!(read.as_ref(), Ok(expected), "{path} in {format}: {}", bytes.escape_ascii());
}

/// The formats that carry more than one value, of an instance and of what is in it.
fn check_instance(path: Path, instance: &Instance, model: &ObjectModel) {
    let whole = Node::Instance(instance.clone());
    let full = |resource: &&Resource| resource.values().next().is_some();
    let listed = instance.iter().filter(|(_, resource)| full(resource)).map(|(id, r)| (*id, r.clone()));
    let listed = Node::Instance(listed.collect());
    for format in [LWM2M_TLV, LWM2M_CBOR] {
        check(format, path, &whole, &whole, model);
    }
    for format in [SENML_JSON, SENML_CBOR, LWM2M_JSON] {
        check(format, path, &whole, &listed, model);
    }
    let Some((id, resource)) = instance.iter().next() else { return };
    let path = path.child(id.0).unwrap();
    let node = Node::Resource(resource.clone());
    for format in [LWM2M_TLV, LWM2M_CBOR, SENML_JSON, SENML_CBOR, LWM2M_JSON] {
        check(format, path, &node, &node, model);
    }
    let (path, node) = match resource {
        Resource::Single(_) => (path, node),
        Resource::Multiple(values) => match values.iter().next() {
            Some((id, value)) => (path.child(id.0).unwrap(), Node::Value(value.clone())),
            None => return,
        },
    };
    for format in [TEXT_PLAIN, CBOR, LWM2M_TLV, LWM2M_CBOR, SENML_JSON, SENML_CBOR, LWM2M_JSON] {
        check(format, path, &node, &node, model);
    }
    if let Some(Value::Opaque(_)) = node.value() {
        check(OCTET_STREAM, path, &node, &node, model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(TREES) })]

    #[test]
    fn fmt_01_the_same_tree_reads_equal_in_every_format(instances in instances()) {
        let model = model();
        let path = Path::object(OBJECT);
        let whole = Node::Object(instances.clone());
        let listed = Node::Object(without_empty(&instances));
        for format in [LWM2M_TLV, LWM2M_CBOR] {
            check(format, path, &whole, &whole, &model);
        }
        for format in [SENML_JSON, SENML_CBOR, LWM2M_JSON] {
            check(format, path, &whole, &listed, &model);
        }
        for (id, instance) in &instances {
            check_instance(path.child(id.0).unwrap(), instance, &model);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn records_keep_their_places_values_and_times(
        instances in instances(),
        times in vec(proptest::option::of(-1e10..1e10_f64), 1..4),
    ) {
        let model = model();
        let mut records = records_of(Path::object(OBJECT), &Node::Object(instances)).unwrap();
        let mut bytes = Vec::new();
        encode_records(LWM2M_CBOR, &records, &mut bytes).unwrap();
        prop_assert_eq!(decode_records(LWM2M_CBOR, Path::Root, &bytes, &model), Ok(records.clone()));
        for (record, time) in records.iter_mut().zip(times.iter().cycle()) {
            record.time = *time;
        }
        for format in [SENML_JSON, SENML_CBOR, SENML_ETCH_JSON, SENML_ETCH_CBOR, LWM2M_JSON] {
            let mut bytes = Vec::new();
            encode_records(format, &records, &mut bytes).unwrap();
            let read = decode_records(format, Path::Root, &bytes, &model);
            prop_assert_eq!(read, Ok(records.clone()), "{} {}", format, bytes.escape_ascii());
        }
    }

    #[test]
    fn paths_of_a_composite_read_keep_their_order(paths in vec(numbers(), 0..6)) {
        let mut paths: Vec<Path> = paths.iter().filter_map(|numbers| Path::from_numbers(numbers)).collect();
        let mut seen = alloc::collections::BTreeSet::new();
        paths.retain(|path| seen.insert(*path));
        for format in [SENML_JSON, SENML_CBOR, SENML_ETCH_JSON, SENML_ETCH_CBOR, LWM2M_CBOR] {
            let mut bytes = Vec::new();
            encode_paths(format, &paths, &mut bytes).unwrap();
            prop_assert_eq!(decode_paths(format, &bytes), Ok(paths.clone()), "{}", format);
        }
    }

    #[test]
    fn what_a_composite_write_removes_is_null(paths in vec(vec(0_u16..3, 4), 1..5)) {
        let paths = apart(paths.iter().filter_map(|numbers| Path::from_numbers(numbers)).collect());
        let records: Vec<Record> = paths.into_iter().map(Record::place).collect();
        for format in [SENML_ETCH_JSON, SENML_ETCH_CBOR, LWM2M_CBOR] {
            let mut bytes = Vec::new();
            encode_records(format, &records, &mut bytes).unwrap();
            let read = decode_records(format, Path::Root, &bytes, &ObjectModel::CORE);
            prop_assert_eq!(read, Ok(records.clone()), "{}", format);
        }
    }
}

use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec;

use super::*;
use crate::path::{InstanceId, ResourceId, ResourceInstanceId};

fn refusal_by(spoken: Version, operation: &Operation) -> Option<alloc::string::String> {
    let model = ObjectModel::CORE;
    Rules { model: &model, spoken }.check(operation).err().map(|error| error.to_string())
}

fn refusal(operation: &Operation) -> Option<alloc::string::String> {
    refusal_by(Version::V1_1, operation)
}

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn write(place: &str, value: Value) -> Operation {
    Operation::Write(path(place), Node::single(value))
}

#[test]
fn dm_06_errors_name_the_path_and_the_reason() {
    let several = Resource::Multiple(BTreeMap::from([(ResourceInstanceId(0), Value::Integer(1))]));
    for (operation, text) in [
        (
            Operation::Read(path("/0/0")),
            "/0/0: only a bootstrap server may use object 0; change keys and accounts by a bootstrap",
        ),
        (
            Operation::Read(path("/")),
            "/: Read takes an object or a place in it; for the whole device use a composite",
        ),
        (Operation::Read(path("/3/0/4")), "/3/0/4: \"Reboot\" is a command; execute it"),
        (Operation::Read(path("/5/0/0")), "/5/0/0: \"Package\" can only be written"),
        (write("/3/0/3", Value::from("2")), "/3/0/3: \"Firmware Version\" can only be read"),
        (write("/1/0/1", Value::from("60")), "/1/0/1: \"Lifetime\" takes an integer, not a string"),
        (write("/1/0/1", Value::Integer(-1)), "/1/0/1: \"Lifetime\" takes 0..4294967295"),
        (write("/5/0/11", Value::Integer(3)), "/5/0/11: \"Severity\" takes 0..2"),
        (write("/5/0/1", Value::String("x".repeat(256))), "/5/0/1: \"Package URI\" takes 0..255 bytes"),
        (
            write("/2/0/2", Value::Integer(1)),
            "/2/0/2: \"ACL\" holds several values; give them with their numbers, or write one of them by its path",
        ),
        (
            Operation::Write(path("/1/0/1"), Node::Resource(several)),
            "/1/0/1: \"Lifetime\" holds one value; give one without a number",
        ),
        (
            write("/1", Value::Integer(1)),
            "/1: Write takes an instance, a resource or a value of it, such as /1/0 or /1/0/1",
        ),
        (
            Operation::Write(path("/1/0"), Node::Instance(Instance::new())),
            "/1/0: nothing is given; name at least one value or path",
        ),
        (Operation::Execute(path("/3/0/3"), None), "/3/0/3: \"Firmware Version\" can only be read"),
        (Operation::Execute(path("/3/0"), None), "/3/0: Execute takes a resource such as /3/0/4"),
        (
            Operation::Discover(path("/")),
            "/: Discover takes an object, an instance or a resource, such as /3 or /3/0/9",
        ),
        (Operation::Delete(path("/3/0")), "/3/0: \"Device\" belongs to every device and cannot be deleted"),
        (Operation::Delete(path("/16")), "/16: Delete takes an instance such as /16/0"),
        (
            Operation::Create(path("/3/0/1"), Node::Instance(Instance::new())),
            "/3/0/1: Create takes an object or the new instance, such as /16 or /16/1",
        ),
        (
            Operation::Delete(path("/16/0/0/1")),
            "/16/0/0/1: the device speaks LwM2M 1.1 and this needs 1.2; replace the resource by its other values",
        ),
    ] {
        assert_eq!(refusal(&operation).as_deref(), Some(text), "{operation:?}");
    }
}

type Asked<'a> = &'a dyn Fn(Path) -> Operation;

/// What can be asked of the places of object 1: by depth, `y` where it is let through.
#[test]
fn dm_06_each_operation_knows_how_deep_it_goes() {
    let value = |path: Path| match path {
        Path::Root | Path::Object(_) => Node::Object(BTreeMap::from([(InstanceId(0), lifetime())])),
        Path::Instance(..) => Node::Instance(lifetime()),
        Path::Resource(..) => Node::single(Value::Integer(60)),
        Path::ResourceInstance(..) => Node::Value(Value::from("1.1")),
    };
    let table: [(&str, &str, Asked<'_>); 12] = [
        ("Read", "nyyyy", &Operation::Read),
        ("Observe", "nyyyy", &Operation::Observe),
        ("Observe", "nyyyy", &|path| Operation::ObserveWith(path, "pmin=1".parse().unwrap())),
        ("Write", "nnyyy", &|path| Operation::Write(path, value(path))),
        ("Replace", "nnyyn", &|path| Operation::Replace(path, value(path))),
        ("Create", "nyynn", &|path| Operation::Create(path, value(path))),
        ("Delete", "nnyny", &Operation::Delete),
        ("Discover", "nyyyn", &Operation::Discover),
        ("Write-Attributes", "nyyyy", &|path| Operation::WriteAttributes(path, "pmin=1".parse().unwrap())),
        ("Read-Composite", "yyyyy", &|path| Operation::ReadComposite(vec![path])),
        ("Observe-Composite", "yyyyy", &|path| Operation::ObserveComposite(vec![path])),
        ("Write-Composite", "nnnyy", &|path| {
            let value = if path.depth() == 4 { Value::from("1.1") } else { Value::Integer(60) };
            Operation::WriteComposite(vec![Record::new(path, value)])
        }),
    ];
    for (name, depths, operation) in table {
        for (place, let_through) in ["/", "/1", "/1/0", "/1/0/1", "/1/0/25/0"].into_iter().zip(depths.chars())
        {
            let told = refusal_by(Version::V1_2, &operation(path(place)));
            match let_through {
                'y' => assert_eq!(told, None, "{name} {place}"),
                _ => {
                    let told = told.unwrap_or_default();
                    assert!(told.starts_with(&alloc::format!("{place}: {name} takes ")), "{name}: {told}");
                }
            }
        }
    }
    for place in ["/", "/1", "/1/0", "/1/0/25/0"] {
        let told = refusal(&Operation::Execute(path(place), None)).unwrap();
        assert_eq!(told, alloc::format!("{place}: Execute takes a resource such as /3/0/4"));
    }
}

fn lifetime() -> Instance {
    Instance::from([(ResourceId(1), Resource::Single(Value::Integer(60)))])
}

#[test]
fn dm_06_values_inside_of_instances_are_checked_too() {
    let instance = |id, value| Instance::from([(ResourceId(id), Resource::Single(value))]);
    let replace = |id, value| refusal(&Operation::Replace(path("/1/0"), Node::Instance(instance(id, value))));
    let create = |id, value| refusal(&Operation::Create(path("/1"), Node::Instance(instance(id, value))));
    let told = replace(1, Value::from("60"));
    assert_eq!(told.as_deref(), Some("/1/0/1: \"Lifetime\" takes an integer, not a string"));
    assert_eq!(
        replace(0, Value::Integer(1)).as_deref(),
        Some("/1/0/0: \"Short Server ID\" can only be read")
    );
    // A new instance brings what is read-only later, but no commands.
    assert_eq!(create(0, Value::Integer(1)), None);
    assert_eq!(create(0, Value::Integer(0)).as_deref(), Some("/1/0/0: \"Short Server ID\" takes 1..65534"));
    let told = create(8, Value::from(""));
    assert_eq!(told.as_deref(), Some("/1/0/8: \"Registration Update Trigger\" is a command; execute it"));
    let several = Node::Object(BTreeMap::from([
        (InstanceId(1), instance(0, Value::Integer(1))),
        (InstanceId(2), instance(7, Value::Integer(1))),
    ]));
    let told = refusal(&Operation::Create(path("/1"), several));
    assert_eq!(told.as_deref(), Some("/1/2/7: \"Binding\" takes a string, not an integer"));
    let record = |place: &str, value| Operation::WriteComposite(vec![Record::new(path(place), value)]);
    assert_eq!(
        refusal(&record("/1/0/1", Value::Boolean(true))).as_deref(),
        Some("/1/0/1: \"Lifetime\" takes an integer, not a boolean")
    );
    let told = refusal(&record("/1/0/8", Value::from("")));
    assert_eq!(told.as_deref(), Some("/1/0/8: \"Registration Update Trigger\" is a command; execute it"));
}

#[test]
fn dm_06_what_a_device_may_take_is_let_through() {
    let instance = Instance::from([(ResourceId(1), Resource::Single(Value::Integer(60)))]);
    for operation in [
        Operation::Read(path("/3")),
        Operation::Read(path("/3/0/6/1")),
        Operation::Observe(path("/5/0/3")),
        Operation::Write(path("/1/0"), Node::Instance(instance.clone())),
        Operation::Replace(path("/1/0"), Node::Instance(instance)),
        // No model describes it: the device knows.
        write("/31024/0/5", Value::from("x")),
        write("/3/0/26241", Value::Integer(1)),
        Operation::Create(path("/16"), Node::Instance(Instance::new())),
        Operation::Create(path("/16"), Node::Object(BTreeMap::from([(InstanceId(3), Instance::new())]))),
        Operation::Delete(path("/16/3")),
        Operation::Discover(path("/3/0/9")),
        Operation::ReadComposite(vec![path("/3"), path("/1/0/8")]),
        Operation::WriteComposite(vec![Record::new(path("/1/0/1"), Value::Integer(5))]),
    ] {
        assert_eq!(refusal(&operation), None, "{operation:?}");
    }
}

#[test]
fn dm_08_arguments_follow_the_grammar() {
    let execute = |argument: &str| refusal(&Operation::Execute(path("/3/0/4"), Some(argument.into())));
    for argument in ["0", "0='a',1", "5='!#&(),[]~'", "0='',9", "0='a,b',1='x=y'"] {
        assert_eq!(execute(argument), None, "{argument}");
    }
    for (argument, part) in [
        ("", 1),
        ("x", 1),
        ("10", 1),
        ("0,", 2),
        ("0='a", 1),
        ("0=a", 1),
        ("0='a b'", 1),
        ("1,0='a\"b'", 2),
        ("1,2,3='\\'", 3),
        ("0='ä'", 1),
        ("0,1='a'b'", 2),
    ] {
        let text = execute(argument).unwrap();
        assert!(
            text.starts_with(&alloc::format!("/3/0/4: part {part} of the argument")),
            "{argument}: {text}"
        );
    }
}

#[test]
fn att_06_attributes_that_no_device_takes_are_refused() {
    let attributes =
        |place: &str, text: &str| refusal(&Operation::WriteAttributes(path(place), text.parse().unwrap()));
    for (place, text, reason) in [
        ("/3/0/9", "pmin=10&pmax=5", "/3/0/9: pmax must not be below pmin"),
        ("/3/0/9", "lt=20&gt=10", "/3/0/9: lt must be below gt"),
        ("/3/0/9", "lt=10&gt=20&st=5", "/3/0/9: lt and twice st together must be below gt"),
        ("/3/0/3", "gt=1", "/3/0/3: gt compares numbers; use it on a resource that holds one"),
        ("/3/0", "st=1", "/3/0: st compares numbers; use it on a resource that holds one"),
        ("/3", "", "/3: nothing is given; name at least one value or path"),
        ("/", "pmin=1", "/: Write-Attributes takes an object or a place in it, such as /3/0/9"),
        (
            "/3/0/9",
            "con=1",
            "/3/0/9: the device speaks LwM2M 1.1 and this needs 1.2; leave this attribute out",
        ),
        (
            "/0/0/1",
            "pmin=1",
            "/0/0/1: only a bootstrap server may use object 0; change keys and accounts by a bootstrap",
        ),
    ] {
        assert_eq!(attributes(place, text).as_deref(), Some(reason));
    }
    for (place, text) in
        [("/3", "pmin=10"), ("/3/0/11/0", "pmax=100&epmin=1&epmax=20"), ("/3/0/9", "gt&pmin=1")]
    {
        assert_eq!(attributes(place, text), None, "{place} {text}");
    }
}

#[test]
fn what_the_version_of_the_device_does_not_have_is_refused() {
    for operation in [
        Operation::Read(path("/3/0/6/1")),
        Operation::ReadComposite(vec![path("/3")]),
        Operation::WriteComposite(vec![Record::new(path("/1/0/1"), Value::Integer(5))]),
        Operation::WriteAttributes(path("/3/0/9"), "epmin=1".parse().unwrap()),
        Operation::ObserveWith(path("/3/0/9"), "pmin=1".parse().unwrap()),
    ] {
        let text = refusal_by(Version::V1_0, &operation).unwrap();
        assert!(text.contains("the device speaks LwM2M 1.0 and this needs 1."), "{text}");
    }
    let observe = Operation::ObserveWith(path("/3/0/9"), "pmin=1".parse().unwrap());
    assert_eq!(refusal_by(Version::V1_2, &observe), None);
}

#[test]
fn composites_are_bounded_and_closed_where_reads_are() {
    let many = vec![path("/3/0/0"); MOST_PATHS + 1];
    assert_eq!(
        refusal(&Operation::ReadComposite(many)).as_deref(),
        Some("/: 101 paths are more than 100; split them")
    );
    assert!(refusal(&Operation::ReadComposite(vec![])).is_some());
    assert!(
        refusal(&Operation::ObserveComposite(vec![path("/3"), path("/0/0")])).unwrap().starts_with("/0/0: ")
    );
    let record = Record::new(path("/3/0/3"), Value::from("x"));
    assert_eq!(
        refusal(&Operation::WriteComposite(vec![record])).as_deref(),
        Some("/3/0/3: \"Firmware Version\" can only be read")
    );
    let removal = |place: &str| Operation::WriteComposite(vec![Record::place(path(place))]);
    assert_eq!(refusal(&removal("/16/0/0/1")), None);
    assert!(refusal(&removal("/16/0/0")).is_some());
}

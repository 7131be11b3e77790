//! Information reporting: int-301 to int-303.

use std::time::Duration;

use lwm2m::server::{Event, Operation, OperationOutput};
use lwm2m::value::{Node, Resource, Value};

use crate::system::{System, at};

/// The device's clock is what changes by itself.
const CLOCK: &str = "/3/0/13";

#[test]
fn ets_301_observe_and_notify() {
    let mut system = System::registered();
    let mut last = observe(&mut system);
    for _ in 0..3 {
        let time = notified(&mut system);
        assert!(time > last, "values come in order: {time} after {last}");
        last = time;
    }
}

#[test]
fn ets_303_cancel_by_observe_1() {
    let mut system = System::registered();
    observe(&mut system);
    let canceled = system.ask(Operation::CancelObservation(at(CLOCK)));
    assert!(canceled.is_ok(), "{canceled:?}");
    let before = system.count(|event| matches!(event, Event::Notified { .. }));
    system.pass(Duration::from_secs(200));
    assert_eq!(system.count(|event| matches!(event, Event::Notified { .. })), before, "it has ended");
}

/// Observes the clock and gives its first value. The default maximum period makes it report.
fn observe(system: &mut System) -> i64 {
    system.write("/1/0/3", Value::Integer(20)).expect("the default maximum period can be written");
    match system.ask(Operation::Observe(at(CLOCK))) {
        Ok(OperationOutput::Value(Node::Resource(Resource::Single(Value::Time(time))))) => time,
        other => panic!("the observation gave {other:?}"),
    }
}

fn notified(system: &mut System) -> i64 {
    system.wait_for("notification", |event| match event {
        Event::Notified { value, .. } => match value.value() {
            Some(Value::Time(time)) => Some(*time),
            other => panic!("the notification has {other:?}"),
        },
        _ => None,
    })
}

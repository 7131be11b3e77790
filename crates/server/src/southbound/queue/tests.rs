use lwm2m::path::Path;
use lwm2m::value::{Node, Value};

use super::*;
use crate::app::operations::{MOST_WAITING, OperationKind};

const NOW: Moment = Moment(1_000_000);
const LATER: Moment = Moment(2_000_000);

/// Queues with one device, and what has left them so far.
#[derive(Default)]
struct Rig {
    queues: Queues,
    last: u128,
}

impl Rig {
    fn device() -> Endpoint {
        Endpoint::from("urn:imei:1")
    }

    fn add(&mut self, kind: OperationKind, listens: bool) -> Uuid {
        self.last += 1;
        let id = Uuid::from_u128(self.last);
        let request = Request { kind, paths: vec![Path::resource(3, 0, 15)], argument: "x".into() };
        let queued = Queued { id, endpoint: Self::device().to_string(), request, expires_at: LATER };
        self.queues.add(queued, listens);
        id
    }

    /// The ids of what leaves now.
    fn sent(&mut self) -> Vec<Uuid> {
        self.queues.take_ready().into_iter().map(|sending| sending.id).collect()
    }

    /// Commits what is to be durable; gives the states of what has ended.
    fn commit(&mut self) -> Vec<(Uuid, String)> {
        let (changes, starting) = self.queues.take_changes();
        let noted: Vec<Uuid> = starting.iter().map(|(_, id)| *id).collect();
        self.queues.started(&starting, &noted);
        changes.into_iter().map(|change| (change.id, change.progress.state)).collect()
    }

    fn end(&mut self, id: Uuid, result: Result<OperationOutput, OperationError>) {
        self.queues.ended(&Self::device(), id, &result, NOW);
    }
}

fn value() -> Result<OperationOutput, OperationError> {
    Ok(OperationOutput::Value(Node::single(Value::Integer(1))))
}

#[test]
fn ets_109_a_sleeping_device_gets_nothing_then_one_after_the_other() {
    let mut rig = Rig::default();
    let (one, two) = (rig.add(OperationKind::Read, false), rig.add(OperationKind::Discover, false));
    assert!(rig.sent().is_empty());
    rig.queues.listens(&Rig::device());
    assert_eq!(rig.sent(), [one]);
    assert!(rig.sent().is_empty());
    rig.end(one, value());
    assert_eq!(rig.sent(), [two]);
    rig.end(two, Ok(OperationOutput::Links("</3>".to_owned())));
    assert_eq!(rig.commit(), [(one, "done".to_owned()), (two, "done".to_owned())]);
    assert!(rig.queues.devices.is_empty(), "nothing is kept of what has ended");
}

#[test]
fn qm_02_a_hundred_operations_go_in_order_as_long_as_the_device_listens() {
    let mut rig = Rig::default();
    let ids: Vec<Uuid> = (0..MOST_WAITING).map(|_| rig.add(OperationKind::Read, false)).collect();
    rig.queues.listens(&Rig::device());
    for id in &ids[..60] {
        assert_eq!(rig.sent(), [*id]);
        rig.end(*id, value());
    }
    rig.queues.sleeps(&Rig::device());
    // One was on its way when the device fell asleep; it comes again first.
    assert_eq!(rig.sent(), [ids[60]]);
    rig.end(ids[60], Err(OperationError::NoAnswer(Path::Root)));
    assert!(rig.sent().is_empty());
    // Some hours later, what has waited too long is told so and dropped.
    rig.commit();
    rig.queues.expire(Moment(LATER.0 - 1));
    assert!(rig.commit().is_empty());
    rig.queues.expire(LATER);
    let expired = rig.commit();
    assert_eq!(expired.len(), 40);
    assert!(expired.iter().all(|(_, state)| state == "expired"));
    rig.queues.listens(&Rig::device());
    assert!(rig.sent().is_empty());
}

#[test]
fn what_must_not_be_done_twice_is_noted_before_it_leaves() {
    let mut rig = Rig::default();
    let id = rig.add(OperationKind::Execute, true);
    assert!(rig.sent().is_empty());
    assert!(rig.commit().is_empty());
    assert_eq!(rig.sent(), [id]);
    rig.end(id, Err(OperationError::NoAnswer(Path::Root)));
    assert_eq!(rig.commit(), [(id, "unknown".to_owned())]);
}

#[test]
fn an_operation_that_was_canceled_while_it_was_noted_is_not_sent() {
    let mut rig = Rig::default();
    let (one, two) = (rig.add(OperationKind::Write, true), rig.add(OperationKind::Read, true));
    let (_, starting) = rig.queues.take_changes();
    rig.queues.canceled(&Rig::device(), one);
    rig.queues.started(&starting, &[]);
    assert_eq!(rig.sent(), [two]);
    rig.queues.canceled(&Rig::device(), two);
    rig.end(two, value());
    assert!(rig.queues.devices.is_empty() && rig.queues.expiries.is_empty());
}

#[test]
fn what_was_on_the_wire_when_the_server_ended_is_done_again_only_if_that_does_no_harm() {
    let mut rig = Rig::default();
    for kind in OperationKind::ALL {
        rig.last += 1;
        let request = Request { kind, paths: vec![Path::object(3)], argument: serde_json::Value::Null };
        let endpoint = Rig::device().to_string();
        let queued = Queued { id: Uuid::from_u128(rig.last), endpoint, request, expires_at: LATER };
        rig.queues.add_sent(queued, NOW);
    }
    let (changes, _) = rig.queues.take_changes();
    let unknown: Vec<OperationKind> = changes.iter().map(|change| change.request.kind).collect();
    assert!(unknown.contains(&OperationKind::Write) && unknown.contains(&OperationKind::Execute));
    assert!(!unknown.contains(&OperationKind::Read) && !unknown.contains(&OperationKind::Observe));
    let detail = changes[0].progress.problem.as_ref().map(|(_, detail)| &**detail);
    assert!(detail.is_some_and(|detail| detail.contains("may have carried it out or not")), "{detail:?}");
}

#[test]
fn a_read_that_a_new_registration_interrupts_is_sent_again() {
    let mut rig = Rig::default();
    let id = rig.add(OperationKind::Read, true);
    assert_eq!(rig.sent(), [id]);
    rig.queues.registered(&Rig::device(), true);
    rig.end(id, Err(OperationError::NoAnswer(Path::Root)));
    assert_eq!(rig.sent(), [id]);
    // A device that listens and does not answer is told as such.
    rig.end(id, Err(OperationError::NoAnswer(Path::Root)));
    assert_eq!(rig.commit(), [(id, "failed".to_owned())]);
}

#[test]
fn nothing_was_sent_to_a_device_without_a_session_so_it_waits_for_the_next_sign() {
    let mut rig = Rig::default();
    let id = rig.add(OperationKind::Write, true);
    rig.commit();
    assert_eq!(rig.sent(), [id]);
    rig.end(id, Err(OperationError::NotRegistered));
    assert!(rig.sent().is_empty());
    rig.queues.listens(&Rig::device());
    rig.commit();
    assert_eq!(rig.sent(), [id]);
    rig.end(id, Err(OperationError::QueueFull));
    rig.queues.retry();
    rig.commit();
    assert_eq!(rig.sent(), [id]);
}

#[test]
fn what_we_want_goes_first_and_once_and_is_not_stored() {
    let mut rig = Rig::default();
    let first = rig.add(OperationKind::Read, true);
    let second = rig.add(OperationKind::Read, true);
    let request = Request {
        kind: OperationKind::Observe,
        paths: vec![Path::object(3)],
        argument: serde_json::Value::Null,
    };
    rig.queues.add_first(&Rig::device(), request.clone());
    rig.queues.add_first(&Rig::device(), request);
    assert_eq!(rig.sent(), [first]);
    rig.end(first, value());
    let [ours] = rig.sent()[..] else { panic!("one operation is under way") };
    rig.end(ours, value());
    assert_eq!(rig.sent(), [second]);
    assert_eq!(rig.commit(), [(first, "done".to_owned())]);
}

#[test]
fn operations_of_a_removed_device_are_gone() {
    let mut rig = Rig::default();
    let id = rig.add(OperationKind::Read, true);
    rig.add(OperationKind::Read, true);
    rig.queues.removed(&Rig::device());
    rig.end(id, value());
    assert!(rig.queues.devices.is_empty() && rig.queues.expiries.is_empty());
    assert!(rig.commit().is_empty());
}

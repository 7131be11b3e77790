//! Registrations and operations over restarts of the dispatcher.

use lwm2m::path::Path as DataPath;
use lwm2m::server::{Endpoint, ObservationSnapshot, OperationOutput, RegistrationSnapshot};
use lwm2m::value::{Node, Value};
use zeroize::Zeroizing;

use super::*;
use crate::app::SessionBytes;
use crate::app::operations::{OperationKind, QueueOperation, Request, USUAL_EXPIRY};
use crate::app::tests::lab_product;
use crate::southbound::messages::Saved;

pub(super) fn snapshot(queue_mode: bool) -> RegistrationSnapshot {
    RegistrationSnapshot {
        endpoint: ENDPOINT.to_owned(),
        location: "AbCdEfGhIjKl".to_owned(),
        link: Some(Link::Secured(SessionId(1))),
        identity: Some(b"identity".to_vec()),
        lifetime: Duration::from_secs(300),
        version: Version::V1_1,
        binding: "U".to_owned(),
        queue_mode,
        sms: None,
        objects: "</3/0>,</5/0>".to_owned(),
        oddities: Vec::new(),
        silence: Duration::ZERO,
        observations: Vec::new(),
        formats: Default::default(),
    }
}

impl Rig {
    /// The device registers, and the shard gives its registration when it is asked.
    async fn register_and_save(&mut self, shard: u8, snapshot: RegistrationSnapshot) {
        self.register(shard).await;
        while !matches!(self.shards[usize::from(shard)].recv().await, Some(Command::Save(_))) {}
        let session = Some(SessionBytes(Zeroizing::new(b"a session".to_vec())));
        let saved = Saved { endpoint: ENDPOINT.into(), snapshot, session };
        self.reports.send((shard, Report::Saved(vec![saved]))).await.unwrap();
        while self.objects().await.is_none() {
            tokio::task::yield_now().await;
        }
    }

    async fn objects(&self) -> Option<String> {
        self.app.device(ENDPOINT).await.unwrap().unwrap().state.and_then(|state| state.objects)
    }

    /// What is restored at the start of each shard.
    fn restored(&self) -> Vec<(usize, &crate::southbound::station::Restored)> {
        let commands = self.resumed.iter().enumerate();
        let restored = commands.flat_map(|(shard, commands)| {
            commands.iter().filter_map(move |command| match command {
                Command::Restore(restored) => Some((shard, &**restored)),
                _ => None,
            })
        });
        restored.collect()
    }

    async fn queue(&self, kind: OperationKind) -> uuid::Uuid {
        let executed = kind == OperationKind::Execute;
        let paths = vec![if executed { DataPath::resource(1, 0, 8) } else { DataPath::resource(1, 0, 1) }];
        let request = Request { kind, paths, argument: serde_json::Value::Null };
        let wanted = QueueOperation { endpoint: ENDPOINT.to_owned(), request, expires_in: USUAL_EXPIRY };
        self.app.queue_operation(wanted).await.unwrap().id
    }

    async fn ended(&self, id: uuid::Uuid) -> crate::store::operations::Progress {
        let patience = Duration::from_secs(60);
        self.app.ended_operation(ENDPOINT, id, patience).await.unwrap().unwrap().progress
    }
}

on_both_engines!(a_registration_is_taken_up_after_a_restart_with_its_session_until_it_ends);
async fn a_registration_is_taken_up_after_a_restart_with_its_session_until_it_ends(scratch: Scratch) {
    let mut rig = Rig::open(&scratch).await;
    rig.app.add_device(device(ENDPOINT, "identity", KEY)).await.unwrap();
    rig.register_and_save(1, snapshot(false)).await;
    rig.stop().await;

    for starts in 1..3 {
        let rig = Rig::open(&scratch).await;
        let [(shard, restored)] = rig.restored()[..] else { panic!("one is taken up") };
        assert_eq!((shard, &restored.snapshot), (1, &snapshot(false)));
        let (session, since) = restored.session.as_ref().unwrap();
        assert_eq!((session.0.as_slice(), since.get()), (b"a session".as_slice(), starts));
        assert!(rig.app.device(ENDPOINT).await.unwrap().unwrap().state.unwrap().registered);
        rig.stop().await;
    }

    let rig = Rig::open(&scratch).await;
    let gone = Event::Deregistered { endpoint: ENDPOINT.into(), why: lwm2m::server::Gone::Expired };
    rig.reports.send((1, Report::Event(gone))).await.unwrap();
    rig.stop().await;
    let rig = Rig::open(&scratch).await;
    assert!(rig.restored().is_empty());
    assert!(!rig.app.device(ENDPOINT).await.unwrap().unwrap().state.unwrap().registered);
}

on_both_engines!(a_device_without_dtls_is_taken_up_where_its_address_leads);
async fn a_device_without_dtls_is_taken_up_where_its_address_leads(scratch: Scratch) {
    let mut rig = Rig::open(&scratch).await;
    let open = crate::app::AddDevice {
        endpoint: ENDPOINT.to_owned(),
        name: String::new(),
        product: Some(lab_product(&rig.app).await),
        security: crate::app::Security::None,
        key: None,
        bootstrap: None,
    };
    rig.app.add_device(open).await.unwrap();
    let remote = "192.0.2.7:40001".parse().unwrap();
    let path = machine::Path { socket: machine::Socket(1), remote };
    let there = RegistrationSnapshot { link: Some(Link::Open(path)), identity: None, ..snapshot(false) };
    let shard = net::shard_of(remote, TWO);
    rig.register_and_save(1 - shard, there).await;
    rig.stop().await;
    let rig = Rig::open(&scratch).await;
    assert_eq!(rig.restored()[..].iter().map(|(shard, _)| *shard).collect::<Vec<_>>(), [usize::from(shard)]);
}

on_both_engines!(sec_k07_a_registration_of_a_device_that_was_removed_and_added_again_is_not_taken_up);
async fn sec_k07_a_registration_of_a_device_that_was_removed_and_added_again_is_not_taken_up(
    scratch: Scratch,
) {
    let mut rig = Rig::open(&scratch).await;
    rig.app.add_device(device(ENDPOINT, "identity", KEY)).await.unwrap();
    rig.register_and_save(1, snapshot(false)).await;
    rig.app.remove_device(ENDPOINT).await.unwrap();
    rig.app.add_device(device(ENDPOINT, "other", KEY)).await.unwrap();
    rig.stop().await;
    assert!(Rig::open(&scratch).await.restored().is_empty());
}

on_both_engines!(a_device_that_moves_between_shards_has_one_registration);
async fn a_device_that_moves_between_shards_has_one_registration(scratch: Scratch) {
    let mut rig = Rig::open(&scratch).await;
    rig.app.add_device(device(ENDPOINT, "identity", KEY)).await.unwrap();
    rig.register(0).await;
    rig.register(1).await;
    assert!(matches!(rig.told(0).await, ShardCommand::Release(endpoint) if endpoint == ENDPOINT));
    // The end of the old one says nothing about the new one.
    let gone = Event::Deregistered { endpoint: ENDPOINT.into(), why: lwm2m::server::Gone::Dropped };
    rig.reports.send((0, Report::Event(gone))).await.unwrap();
    let id = rig.queue(OperationKind::Read).await;
    assert!(matches!(rig.told(1).await, ShardCommand::Operate { id: sent, .. } if sent == id));
}

on_both_engines!(an_operation_is_sent_once_and_its_answer_and_value_are_kept);
async fn an_operation_is_sent_once_and_its_answer_and_value_are_kept(scratch: Scratch) {
    let mut rig = Rig::open(&scratch).await;
    rig.app.add_device(device(ENDPOINT, "identity", KEY)).await.unwrap();
    rig.register(1).await;
    let id = rig.queue(OperationKind::Execute).await;
    assert!(matches!(rig.told(1).await, ShardCommand::Operate { id: sent, .. } if sent == id));
    let running = rig.app.operation(ENDPOINT, id).await.unwrap().unwrap();
    assert_eq!(running.progress.state, "running", "it was noted before it was sent");
    assert!(rig.app.cancel_operation(ENDPOINT, id).await.is_err(), "it is too late");
    let result = Box::new(Ok(OperationOutput::Done));
    rig.reports.send((1, Report::Operated { id, endpoint: ENDPOINT.into(), result })).await.unwrap();
    assert_eq!(rig.ended(id).await.state, "done");

    let id = rig.queue(OperationKind::Read).await;
    rig.told(1).await;
    let result = Box::new(Ok(OperationOutput::Value(Node::single(Value::Integer(7)))));
    rig.reports.send((1, Report::Operated { id, endpoint: ENDPOINT.into(), result })).await.unwrap();
    let answer = rig.ended(id).await.answer.unwrap();
    assert_eq!(answer, r#"{"values":[{"kind":"integer","path":"/1/0/1","value":7}]}"#);
    while rig.app.device_values(ENDPOINT).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

on_both_engines!(what_was_on_the_wire_when_the_server_was_killed_is_unknown_and_the_rest_goes_on);
async fn what_was_on_the_wire_when_the_server_was_killed_is_unknown_and_the_rest_goes_on(scratch: Scratch) {
    let mut rig = Rig::open(&scratch).await;
    rig.app.add_device(device(ENDPOINT, "identity", KEY)).await.unwrap();
    rig.register(0).await;
    let executed = rig.queue(OperationKind::Execute).await;
    let read = rig.queue(OperationKind::Read).await;
    rig.told(0).await;
    rig.stop().await;

    let mut rig = Rig::open(&scratch).await;
    assert_eq!(rig.ended(executed).await.state, "unknown");
    rig.register(1).await;
    assert!(matches!(rig.told(1).await, ShardCommand::Operate { id, .. } if id == read));
}

on_both_engines!(sec_n08_a_hundred_operations_wait_for_a_device_and_no_more);
async fn sec_n08_a_hundred_operations_wait_for_a_device_and_no_more(scratch: Scratch) {
    let rig = Rig::open(&scratch).await;
    rig.app.add_device(device(ENDPOINT, "identity", KEY)).await.unwrap();
    for _ in 0..crate::app::operations::MOST_WAITING {
        rig.queue(OperationKind::Read).await;
    }
    let request = Request {
        kind: OperationKind::Read,
        paths: vec![DataPath::object(3)],
        argument: serde_json::Value::Null,
    };
    let wanted = QueueOperation { endpoint: ENDPOINT.to_owned(), request, expires_in: USUAL_EXPIRY };
    let error = rig.app.queue_operation(wanted).await.unwrap_err();
    assert!(matches!(error, crate::app::operations::QueueOperationError::Full(_)), "{error}");
}

on_both_engines!(o08_o09_a_wanted_observation_begins_again_unless_it_was_taken_up);
async fn o08_o09_a_wanted_observation_begins_again_unless_it_was_taken_up(scratch: Scratch) {
    let mut rig = Rig::open(&scratch).await;
    rig.app.add_device(device(ENDPOINT, "identity", KEY)).await.unwrap();
    let mut saved = snapshot(false);
    rig.register_and_save(1, saved.clone()).await;
    let id = rig.queue(OperationKind::Observe).await;
    rig.told(1).await;
    let result = || Box::new(Ok(OperationOutput::Value(Node::single(Value::Integer(7)))));
    let endpoint = Endpoint::from(ENDPOINT);
    rig.reports
        .send((1, Report::Operated { id, endpoint: endpoint.clone(), result: result() }))
        .await
        .unwrap();
    rig.ended(id).await;
    // Its shard begins the observation again when it registers there; another shard knows nothing of it.
    rig.register(1).await;
    rig.register(0).await;
    let ShardCommand::Operate { id, request, .. } = rig.told(0).await else { panic!("it is asked again") };
    assert_eq!(
        (request.kind, &request.paths[..]),
        (OperationKind::Observe, &[DataPath::resource(1, 0, 1)][..])
    );
    rig.reports
        .send((0, Report::Operated { id, endpoint: endpoint.clone(), result: result() }))
        .await
        .unwrap();
    saved.observations.push(ObservationSnapshot {
        paths: vec![DataPath::resource(1, 0, 1)],
        is_composite: false,
        attributes: String::new(),
        token: Some(vec![1]),
        format: None,
        pmax: None,
    });
    let saved = Saved { endpoint: endpoint.clone(), snapshot: saved, session: None };
    rig.reports.send((0, Report::Saved(vec![saved]))).await.unwrap();
    rig.stop().await;

    let mut rig = Rig::open(&scratch).await;
    let updated = || Event::Updated { endpoint: endpoint.clone(), registration: None };
    rig.reports.send((0, Report::Event(updated()))).await.unwrap();
    // Not asked again, until the shard says that it has ended.
    let path = DataPath::resource(1, 0, 1);
    let ended = Event::ObservationEnded { endpoint: endpoint.clone(), path };
    let read = rig.queue(OperationKind::Read).await;
    assert!(matches!(rig.told(0).await, ShardCommand::Operate { id, .. } if id == read));
    rig.reports.send((0, Report::Event(ended))).await.unwrap();
    rig.reports
        .send((0, Report::Operated { id: read, endpoint: endpoint.clone(), result: result() }))
        .await
        .unwrap();
    let ShardCommand::Operate { request, .. } = rig.told(0).await else { panic!("it is asked again") };
    assert_eq!(request.kind, OperationKind::Observe);
}

on_both_engines!(an_upgrade_goes_on_at_the_shard_that_has_the_registration_of_its_device);
async fn an_upgrade_goes_on_at_the_shard_that_has_the_registration_of_its_device(scratch: Scratch) {
    let mut rig = Rig::open(&scratch).await;
    let (upgrade, home, _) = rig.upgrade().await;
    let elsewhere = 1 - home;
    rig.register_and_save(elsewhere, snapshot(false)).await;
    rig.stop().await;

    let rig = Rig::open(&scratch).await;
    let starts = |commands: &Vec<Command>| {
        let wanted = upgrade_id(upgrade.key);
        commands
            .iter()
            .any(|command| matches!(command, Command::Shard(ShardCommand::Start { id, .. }) if *id == wanted))
    };
    let places: Vec<usize> = (0..2).filter(|shard| starts(&rig.resumed[*shard])).collect();
    assert_eq!(places, [usize::from(elsewhere)]);
}

on_both_engines!(what_was_learnt_of_the_formats_of_a_device_is_used_after_a_restart);
async fn what_was_learnt_of_the_formats_of_a_device_is_used_after_a_restart(scratch: Scratch) {
    let mut rig = Rig::open(&scratch).await;
    rig.app.add_device(device(ENDPOINT, "identity", KEY)).await.unwrap();
    rig.register_and_save(1, snapshot(false)).await;
    let memory: lwm2m::server::FormatMemory = "read-many=112-11542".parse().unwrap();
    let learnt = Event::FormatLearnt { endpoint: ENDPOINT.into(), memory };
    rig.reports.send((1, Report::Event(learnt))).await.unwrap();
    let Some(Command::Save(endpoints)) = rig.shards[1].recv().await else { panic!("it is asked for") };
    assert_eq!(endpoints, [Endpoint::from(ENDPOINT)]);
    let formats = RegistrationSnapshot { formats: memory, ..snapshot(false) };
    let saved = Saved { endpoint: ENDPOINT.into(), snapshot: formats.clone(), session: None };
    rig.reports.send((1, Report::Saved(vec![saved]))).await.unwrap();
    rig.stop().await;

    let rig = Rig::open(&scratch).await;
    assert_eq!(rig.restored()[0].1.snapshot, formats);
}

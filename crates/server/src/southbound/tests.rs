//! The dispatcher between a real store and shards that only listen.

use std::time::Duration;

use firmware::upgrade::{Outcome, Proof, Stage};
use lwm2m::server::upgrade::{Facts, UpgradeEvent, UpgradeRecord};
use lwm2m::server::{Event, ObjectList, Registration, Version};
use machine::{Link, SessionId};
use tokio::sync::mpsc;

use super::messages::{Command, Fact, Report, ShardCommand};
use super::running::{Timeouts, upgrade_id};
use super::*;
use crate::app::tests::{device, image, start_in, text, upload, wanted};
use crate::config::Sources;
use crate::store::Store;
use crate::store::scratch::{Scratch, on_both_engines};
use crate::store::upgrades::{Upgrade, UpgradeKey};

mod registrations;
mod restart;

const ENDPOINT: &str = "urn:imei:1";
const ID: &str = "d:urn:imei:1:1";
const KEY: &str = "e9891e446e07ba10519059db4ad9eb1b02c83d08dd80102982c27ec9e1bdebde";

const TWO: std::num::NonZeroU8 = std::num::NonZeroU8::new(2).expect("two is not zero");

/// Two shards that only listen.
struct Rig {
    app: App,
    store: Store,
    reports: mpsc::Sender<(u8, Report)>,
    shards: Vec<mpsc::Receiver<Command>>,
    /// What the shards were told before they started.
    resumed: Vec<Vec<Command>>,
    dispatcher: tokio::task::JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Rig {
    async fn open(scratch: &Scratch) -> Self {
        let (app, orders, store) = start_in(scratch).await;
        let timeouts = Timeouts::from(&Config::read(&Sources::default()).unwrap().upgrade);
        let (offers, served) = crate::files::Offers::new();
        let life = crate::store::Life::begin(&store, scratch.path()).await.unwrap();
        let (mut dispatcher, resumed) =
            Dispatcher::load(app.clone(), TWO, timeouts, offers, life).await.unwrap();
        let (reports, received) = mpsc::channel(64);
        let ((stop, stopping), (stop_shards, _)) = (watch::channel(false), watch::channel(false));
        let mut shards = Vec::new();
        for _ in 0..2 {
            let (shard, commands) = mpsc::channel(64);
            dispatcher.attach(shard);
            shards.push(commands);
        }
        let dispatcher = tokio::spawn(dispatcher.run(received, orders, served, (stopping, stop_shards)));
        Self { app, store, reports, shards, resumed, dispatcher, stop }
    }

    /// Starts an upgrade and gives it with the shard where it waits and its record.
    async fn upgrade(&mut self) -> (Upgrade, u8, UpgradeRecord) {
        self.app.add_device(device(ENDPOINT, "identity", KEY)).await.unwrap();
        let package = upload(&self.app, text("May"), &image("GM01Q", "2.0", b"code")).await.unwrap().id;
        let upgrade = self.app.start_upgrade(wanted(ENDPOINT, &package)).await.unwrap();
        let home = u8::try_from(upgrade.key.0 % 2).unwrap();
        let ShardCommand::Publish { receiver, .. } = self.told(1 - home).await else {
            panic!("the other shard serves the image too")
        };
        assert_eq!(receiver.identity.as_deref(), Some(b"identity".as_slice()));
        let ShardCommand::Start { record, .. } = self.told(home).await else {
            panic!("it starts where it waits")
        };
        (upgrade, home, *record)
    }

    /// What this shard is told next, apart from what is saved.
    async fn told(&mut self, shard: u8) -> ShardCommand {
        loop {
            if let Command::Shard(command) = self.shards[usize::from(shard)].recv().await.unwrap() {
                return command;
            }
        }
    }

    async fn report(&self, shard: u8, key: UpgradeKey, event: UpgradeEvent) {
        let event = Event::Upgrade { id: upgrade_id(key), endpoint: ENDPOINT.into(), event };
        self.reports.send((shard, Report::Event(event))).await.unwrap();
    }

    async fn register(&self, shard: u8) {
        self.register_as("identity", shard).await;
    }

    async fn register_as(&self, identity: &str, shard: u8) {
        let registration = Registration {
            location: "x".to_owned(),
            link: Some(Link::Secured(SessionId(1))),
            remote: "192.0.2.7:40001".parse().ok(),
            identity: Some(identity.as_bytes().to_vec()),
            lifetime: Duration::from_secs(60),
            version: Version::V1_0,
            binding: "U".to_owned(),
            queue_mode: false,
            sms: None,
            objects: ObjectList::default(),
            oddities: Vec::new(),
        };
        let registration = Box::new(registration);
        let event = Event::Registered { endpoint: ENDPOINT.into(), registration, replaced: false };
        self.reports.send((shard, Report::Event(event))).await.unwrap();
    }

    async fn stored(&self) -> Upgrade {
        self.app.upgrade(ID).await.unwrap().unwrap()
    }

    /// Waits until the store has what `is_there` looks for.
    async fn until(&self, is_there: impl Fn(&Upgrade) -> bool) -> Upgrade {
        let mut news = self.app.feed().subscribe();
        loop {
            let upgrade = self.stored().await;
            if is_there(&upgrade) {
                return upgrade;
            }
            news.recv().await.unwrap();
        }
    }

    async fn kinds(&self, key: UpgradeKey) -> Vec<String> {
        let events = self.app.upgrade_events(key, 0, 100).await.unwrap();
        let numbers: Vec<i64> = events.iter().map(|event| event.number).collect();
        assert_eq!(numbers, (1..=events.len() as i64).collect::<Vec<_>>(), "the history has no gap");
        events.into_iter().map(|event| event.kind).collect()
    }

    /// Stops as the server does, and gives what the shards were told last.
    async fn stop(self) -> Vec<Command> {
        self.stop.send_replace(true);
        drop(self.reports);
        self.dispatcher.await.unwrap();
        self.store.close().await;
        let mut last = Vec::new();
        for mut shard in self.shards {
            while let Some(command) = shard.recv().await {
                last.push(command);
            }
        }
        last
    }
}

fn at(record: &UpgradeRecord, stage: Stage) -> UpgradeRecord {
    UpgradeRecord { stage, ..record.clone() }
}

on_both_engines!(an_order_to_install_goes_out_only_after_its_intent_is_durable);
async fn an_order_to_install_goes_out_only_after_its_intent_is_durable(scratch: Scratch) {
    let mut rig = Rig::open(&scratch).await;
    let (upgrade, home, record) = rig.upgrade().await;
    let intent = UpgradeRecord { executes: 1, ..at(&record, Stage::Executing) };
    rig.report(home, upgrade.key, UpgradeEvent::IntentWanted { record: intent.clone() }).await;
    assert!(matches!(rig.told(home).await, ShardCommand::IntentDurable(id) if id == upgrade_id(upgrade.key)));
    let stored = rig.stored().await.progress.record.unwrap();
    assert_eq!(String::from_utf8(stored).unwrap().parse(), Ok(intent));
}

on_both_engines!(f20_a_store_that_refuses_holds_the_order_back_until_it_takes_changes_again);
async fn f20_a_store_that_refuses_holds_the_order_back_until_it_takes_changes_again(scratch: Scratch) {
    let mut rig = Rig::open(&scratch).await;
    let (upgrade, home, record) = rig.upgrade().await;
    execute(&rig.store, scratch.refuse_updates("upgrades")).await;
    let record = UpgradeRecord { executes: 1, ..record };
    rig.report(home, upgrade.key, UpgradeEvent::IntentWanted { record }).await;
    // A device that registers is served all the same.
    rig.register(home).await;
    rig.reports
        .send((
            home,
            Report::Described { endpoint: ENDPOINT.into(), fact: Fact::Model, text: "GM01Q".to_owned() },
        ))
        .await
        .unwrap();
    let model =
        || async { rig.app.device(ENDPOINT).await.unwrap().unwrap().state.and_then(|state| state.model) };
    while model().await.is_none() {
        tokio::task::yield_now().await;
    }
    while let Ok(told) = rig.shards[usize::from(home)].try_recv() {
        assert!(matches!(told, Command::Save(_)), "nothing is announced that is not stored: {told:?}");
    }
    execute(&rig.store, scratch.allow_updates("upgrades")).await;
    assert!(matches!(rig.told(home).await, ShardCommand::IntentDurable(_)));
}

async fn damage_records(store: &Store) {
    let change = store.write(|connection| {
        Box::pin(async move {
            sqlx::query("UPDATE upgrades SET record = $1").bind(&[0_u8][..]).execute(connection).await?;
            Ok::<_, StoreError>(())
        })
    });
    change.await.unwrap();
}

async fn execute(store: &Store, text: String) {
    let change = store.write(move |connection| {
        Box::pin(async move {
            sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(connection).await?;
            Ok::<_, StoreError>(())
        })
    });
    change.await.unwrap();
}

on_both_engines!(a_device_that_turns_up_at_another_shard_takes_its_upgrade_along);
async fn a_device_that_turns_up_at_another_shard_takes_its_upgrade_along(scratch: Scratch) {
    let mut rig = Rig::open(&scratch).await;
    let (upgrade, home, record) = rig.upgrade().await;
    let other = 1 - home;
    let offered = UpgradeRecord { offers: 1, ..at(&record, Stage::Downloading) };
    rig.register(home).await;
    rig.report(home, upgrade.key, UpgradeEvent::Stage { stage: Stage::Downloading, record: offered.clone() })
        .await;
    rig.register(other).await;
    assert!(matches!(rig.told(home).await, ShardCommand::Release(endpoint) if endpoint == ENDPOINT));
    assert!(matches!(rig.told(home).await, ShardCommand::Publish { token, .. } if token == record.token));
    assert!(matches!(rig.told(other).await, ShardCommand::Start { record, .. } if *record == offered));
    // What the old shard still says is old.
    rig.report(home, upgrade.key, UpgradeEvent::Stage { stage: Stage::Waiting, record: record.clone() })
        .await;
    rig.report(other, upgrade.key, UpgradeEvent::Stage { stage: Stage::Downloaded, record: offered }).await;
    let stored = rig.until(|upgrade| upgrade.progress.stage == "downloaded").await;
    assert_eq!(stored.progress.attempt, 1);
    assert_eq!(rig.kinds(upgrade.key).await, ["created", "stage", "stage"]);
}

on_both_engines!(f37_an_upgrade_goes_on_with_the_identity_that_a_bootstrap_gave);
async fn f37_an_upgrade_goes_on_with_the_identity_that_a_bootstrap_gave(scratch: Scratch) {
    let mut rig = Rig::open(&scratch).await;
    let (upgrade, home, record) = rig.upgrade().await;
    let offered = UpgradeRecord { offers: 1, ..at(&record, Stage::Downloading) };
    rig.register(home).await;
    rig.report(home, upgrade.key, UpgradeEvent::Stage { stage: Stage::Downloading, record: offered.clone() })
        .await;
    rig.register_as("another", home).await;
    let ShardCommand::Publish { token, receiver, .. } = rig.told(1 - home).await else {
        panic!("the other shard serves the image to the new identity")
    };
    assert_eq!((token, receiver.identity.as_deref()), (record.token, Some(b"another".as_slice())));
    rig.report(home, upgrade.key, UpgradeEvent::Stage { stage: Stage::Downloaded, record: offered }).await;
    assert_eq!(rig.until(|upgrade| upgrade.progress.stage == "downloaded").await.progress.attempt, 1);
}

on_both_engines!(an_upgrade_that_ends_is_stored_with_its_facts_and_its_image_is_taken_back);
async fn an_upgrade_that_ends_is_stored_with_its_facts_and_its_image_is_taken_back(scratch: Scratch) {
    let mut rig = Rig::open(&scratch).await;
    let (upgrade, home, record) = rig.upgrade().await;
    rig.register(home).await;
    let stage = UpgradeEvent::Stage { stage: Stage::Precheck, record: at(&record, Stage::Precheck) };
    rig.report(home, upgrade.key, stage).await;
    let facts = Facts {
        version_before: Some("1.0".to_owned()),
        version_after: Some("2.0".to_owned()),
        bytes: 300,
        retransmissions: 7,
        ..Facts::default()
    };
    let outcome = Outcome::Succeeded(Proof::VersionAndResult);
    rig.report(home, upgrade.key, UpgradeEvent::Finished { outcome, facts }).await;
    assert!(matches!(rig.told(1 - home).await, ShardCommand::Withdraw(token) if token == record.token));
    let stored = rig.until(|upgrade| upgrade.end.is_some()).await;
    let end = stored.end.unwrap();
    assert_eq!((&*end.outcome, end.cause), ("succeeded", None));
    assert_eq!(stored.progress.version_before.as_deref(), Some("1.0"));
    assert_eq!(stored.progress.version_after.as_deref(), Some("2.0"));
    assert_eq!((stored.progress.bytes_sent, stored.progress.retransmissions), (300, 7));
    assert!(stored.progress.started_at.is_some());
    assert_eq!(rig.kinds(upgrade.key).await, ["created", "stage", "finished"]);
    let app = rig.app.clone();
    rig.stop().await;
    drop(app);
}

on_both_engines!(f17_an_interrupted_upgrade_goes_on_from_its_record);
async fn f17_an_interrupted_upgrade_goes_on_from_its_record(scratch: Scratch) {
    let mut rig = Rig::open(&scratch).await;
    let (upgrade, home, record) = rig.upgrade().await;
    let executing = UpgradeRecord { executes: 1, offers: 1, ..at(&record, Stage::Executing) };
    let stage = UpgradeEvent::Stage { stage: Stage::Executing, record: executing.clone() };
    rig.report(home, upgrade.key, stage).await;
    rig.until(|upgrade| upgrade.progress.stage == "executing").await;
    rig.app.cancel_upgrade(ID).await.unwrap();
    rig.stop().await;

    let rig = Rig::open(&scratch).await;
    let resumed = &rig.resumed[usize::from(home)];
    let [
        Command::Shard(ShardCommand::Start { id, endpoint, plan, record: resumed_from }),
        Command::Shard(ShardCommand::Cancel(canceled)),
    ] = &resumed[..]
    else {
        panic!("it starts with its wish to be canceled: {resumed:?}")
    };
    assert_eq!((*id, &**endpoint, &**resumed_from), (upgrade_id(upgrade.key), ENDPOINT, &executing));
    assert_eq!(canceled, id);
    assert_eq!(plan.package.version.as_deref(), Some("2.0"));
    assert!(matches!(
        &rig.resumed[usize::from(1 - home)][..],
        [Command::Shard(ShardCommand::Publish { .. })]
    ));
}

on_both_engines!(an_upgrade_whose_record_or_image_is_damaged_ends_and_says_so);
async fn an_upgrade_whose_record_or_image_is_damaged_ends_and_says_so(scratch: Scratch) {
    for damage_record in [true, false] {
        let scratch = scratch.another().await;
        let mut rig = Rig::open(&scratch).await;
        let (upgrade, home, record) = rig.upgrade().await;
        let stage = UpgradeEvent::Stage { stage: Stage::Offering, record: at(&record, Stage::Offering) };
        rig.report(home, upgrade.key, stage).await;
        rig.until(|upgrade| upgrade.progress.stage == "offering").await;
        let package = rig.app.package(&upgrade.package_id).await.unwrap().unwrap();
        if damage_record {
            damage_records(&rig.store).await;
        } else {
            std::fs::write(scratch.path().join("images").join(package.sha256), b"else").unwrap();
        }
        rig.stop().await;

        let rig = Rig::open(&scratch).await;
        assert!(rig.resumed.iter().all(Vec::is_empty), "nothing is sent for it");
        let end = rig.until(|upgrade| upgrade.end.is_some()).await.end.unwrap();
        let cause = if damage_record { "record-damaged" } else { "package-damaged" };
        assert_eq!((&*end.outcome, end.cause.as_deref()), ("failed", Some(cause)));
        assert!(end.advice.is_some());
        rig.stop().await;
    }
}

on_both_engines!(a_removed_device_is_released_and_a_wrong_key_or_name_is_shown);
async fn a_removed_device_is_released_and_a_wrong_key_or_name_is_shown(scratch: Scratch) {
    let mut rig = Rig::open(&scratch).await;
    rig.app.add_device(device(ENDPOINT, "identity", KEY)).await.unwrap();
    let remote = "192.0.2.9:1".parse().unwrap();
    rig.reports.send((0, Report::KeyRejected { endpoint: ENDPOINT.to_owned(), remote })).await.unwrap();
    let warning = || async { rig.app.device(ENDPOINT).await.unwrap().unwrap().state.and_then(|s| s.warning) };
    while warning().await.is_none() {
        tokio::task::yield_now().await;
    }
    assert!(warning().await.unwrap().contains("192.0.2.9"));
    let (identity, endpoint) = (Some(b"identity".to_vec()), Some("urn:imei:2".to_owned()));
    let refused = Event::Refused { identity, endpoint, refusal: lwm2m::server::Refusal::WrongEndpoint };
    rig.reports.send((0, Report::Event(refused))).await.unwrap();
    while !warning().await.unwrap().contains("urn:imei:2") {
        tokio::task::yield_now().await;
    }
    rig.register(1).await;
    // Registrations are taken before orders that come later.
    while rig.app.device(ENDPOINT).await.unwrap().unwrap().state.is_none_or(|state| !state.registered) {
        tokio::task::yield_now().await;
    }
    rig.app.remove_device(ENDPOINT).await.unwrap();
    assert!(matches!(rig.told(1).await, ShardCommand::Remove(endpoint) if endpoint == ENDPOINT));
    // A registration that was on its way when the device was removed does not stay.
    rig.register(0).await;
    assert!(matches!(rig.told(0).await, ShardCommand::Remove(_)));
}

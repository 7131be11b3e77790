use std::collections::BTreeMap;

use lwm2m::bootstrap::Security as Given;

use super::super::tests::{lab_product, start_in};
use super::super::{AddBootstrap, AddDevice, AddDeviceError, Key};
use super::*;
use crate::secrets::Psk;
use crate::store::Store;
use crate::store::scratch::{Scratch, on_both_engines};

fn device(endpoint: &str) -> AddDevice {
    AddDevice {
        endpoint: endpoint.to_owned(),
        name: String::new(),
        product: None,
        security: Security::Psk,
        key: None,
        bootstrap: Some(AddBootstrap {
            key: Some((format!("bs:{endpoint}"), Key::Generated)),
            model: Some("GM01Q".to_owned()),
        }),
    }
}

fn server(short_id: i64) -> PutServer {
    PutServer {
        short_id,
        uri: None,
        lifetime: Duration::from_secs(300),
        hold_off: Duration::from_secs(5),
        binding: "U".to_owned(),
        store_notifications: true,
        minimum_period: None,
        maximum_period: None,
        given: None,
    }
}

fn credential(plan: &Plan) -> Credential {
    match &plan.servers[0].security {
        Given::PreSharedKey(credential) => credential.clone(),
        Given::None => panic!("it has no key"),
    }
}

/// Whether a device with this key gets in.
fn gets_in(app: &App, held: &Credential) -> bool {
    let device = app.directory().by_identity(&held.identity);
    device.is_some_and(|device| device.key(&held.identity).map(Psk::as_bytes) == Some(&held.key))
}

/// What happens when a device registers with this key.
async fn registers(app: &App, held: &Credential) {
    let device = app.directory().by_identity(&held.identity).unwrap();
    if device.awaits(&held.identity) {
        let identity = String::from_utf8(held.identity.clone()).unwrap();
        app.activate_key(&device, identity).await.unwrap();
    }
}

async fn keys(store: &Store) -> i64 {
    use sqlx::Row;
    let mut reader = store.read().await.unwrap();
    let row = sqlx::query("SELECT CAST(COUNT(*) AS BIGINT) FROM credentials WHERE kind = 'psk'")
        .fetch_one(&mut *reader)
        .await
        .unwrap();
    row.try_get(0).unwrap()
}

/// The server ends without a chance to do anything, and starts on what is on the disk.
async fn cut(scratch: &Scratch, app: App, store: Store) -> (App, Store) {
    // Closing only notes that the end was clean; what counts was committed before.
    store.close().await;
    drop((app, store));
    let (app, orders, store) = start_in(scratch).await;
    drop(orders);
    app.end_interrupted_bootstraps().await.unwrap();
    (app, store)
}

on_both_engines!(sec_k05_each_bootstrap_that_was_used_is_followed_by_another_key);
async fn sec_k05_each_bootstrap_that_was_used_is_followed_by_another_key(scratch: Scratch) {
    let (app, _orders, store) = start_in(&scratch).await;
    app.add_device(device("one")).await.unwrap();
    let mut seen = BTreeMap::new();
    for _ in 0..3 {
        let held = credential(&app.prepare_bootstrap("one").await.unwrap());
        assert!(gets_in(&app, &held));
        registers(&app, &held).await;
        assert!(seen.insert(held.identity.clone(), held.key.clone()).is_none(), "it is another identity");
        assert_eq!(keys(&store).await, 1);
    }
    assert_eq!(seen.values().collect::<std::collections::BTreeSet<_>>().len(), 3);
    assert_eq!(seen.keys().filter(|identity| app.directory().by_identity(identity).is_some()).count(), 1);
}

on_both_engines!(sec_k06_f37_no_cut_locks_a_device_out);
/// The server ends before each step, and the device holds what it held before that step or after it: it always
/// gets in, and there are never three keys.
async fn sec_k06_f37_no_cut_locks_a_device_out(scratch: Scratch) {
    const STEPS: usize = 5;
    for cut_before in 0..=STEPS {
        for finished in [false, true] {
            let scratch = scratch.another().await;
            let (mut app, _orders, mut store) = start_in(&scratch).await;
            app.add_device(device("one")).await.unwrap();
            let mut held = credential(&app.prepare_bootstrap("one").await.unwrap());
            registers(&app, &held).await;
            let old = held.clone();
            for step in 0..STEPS {
                if step == cut_before {
                    (app, store) = cut(&scratch, app, store).await;
                    assert!(gets_in(&app, &held), "cut before step {step}, finished: {finished}");
                }
                match step {
                    // It comes; whether it takes what is written is up to `finished`.
                    0 => {
                        let given = credential(&app.prepare_bootstrap("one").await.unwrap());
                        assert!(gets_in(&app, &old), "the old one is valid as well");
                        held = if finished { given } else { held };
                    }
                    // It comes again, since it noticed the cut, and takes everything.
                    1 => {
                        let given = credential(&app.prepare_bootstrap("one").await.unwrap());
                        assert!(gets_in(&app, &held), "what it may hold is not replaced");
                        held = given;
                    }
                    2 => registers(&app, &held).await,
                    3 => assert!(!gets_in(&app, &old), "a new key was proved"),
                    _ => registers(&app, &held).await,
                }
                assert!(gets_in(&app, &held), "after step {step}");
                assert!(keys(&store).await <= 2);
            }
            assert_eq!(keys(&store).await, 1);
        }
    }
}

on_both_engines!(sec_k06_a_key_that_cannot_be_stored_is_not_given);
async fn sec_k06_a_key_that_cannot_be_stored_is_not_given(scratch: Scratch) {
    let (app, _orders, store) = start_in(&scratch).await;
    app.add_device(device("one")).await.unwrap();
    store.close().await;
    assert!(matches!(app.prepare_bootstrap("one").await, Err(PrepareError::Store(_))));
    assert!(app.directory().by_endpoint("one").is_some_and(|device| device.staged.is_none()));
}

on_both_engines!(accounts_of_a_device_go_before_those_of_its_model_and_these_before_those_of_everybody);
async fn accounts_of_a_device_go_before_those_of_its_model_and_these_before_those_of_everybody(
    scratch: Scratch,
) {
    let (app, _orders, _store) = start_in(&scratch).await;
    app.add_device(device("one")).await.unwrap();
    let source = async || app.bootstrap_servers_of("one").await.unwrap().unwrap().from;
    assert_eq!(source().await, Source::BuiltIn);
    let model = || Target::Model("GM01Q".to_owned());
    let own = || Target::Device("one".to_owned());
    for (target, from) in [
        (Target::Default, Source::Default),
        (Target::Model("BC35".to_owned()), Source::Default),
        (model(), Source::Model("GM01Q".to_owned())),
        (own(), Source::Device),
    ] {
        app.put_bootstrap_server(target, server(7)).await.unwrap();
        assert_eq!(source().await, from);
    }
    app.remove_bootstrap_servers(own(), Some(7)).await.unwrap();
    assert_eq!(source().await, Source::Model("GM01Q".to_owned()));
    let gone = app.remove_bootstrap_servers(own(), None).await;
    assert!(matches!(gone, Err(ServersError::UnknownServer)));
    assert_eq!(app.shared_bootstrap_servers().await.unwrap().len(), 3);
}

on_both_engines!(s0_106_several_servers_are_given_each_with_its_own_key_and_times);
async fn s0_106_several_servers_are_given_each_with_its_own_key_and_times(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    app.add_device(device("one")).await.unwrap();
    let own = || Target::Device("one".to_owned());
    app.put_bootstrap_server(own(), server(1)).await.unwrap();
    let uri = Some("coaps://other.example.com".to_owned());
    let given = Some(("there".to_owned(), Psk::from_bytes(vec![7; 16])));
    let other = PutServer { uri: uri.clone(), given, lifetime: Duration::from_secs(60), ..server(2) };
    app.put_bootstrap_server(own(), other).await.unwrap();
    let plain = PutServer { uri: Some("coap://[::1]:5683".to_owned()), ..server(3) };
    app.put_bootstrap_server(own(), plain).await.unwrap();

    let plan = app.prepare_bootstrap("one").await.unwrap();
    assert!(plan.shared_access);
    let [here, other, plain] = &plan.servers[..] else { panic!("{} servers", plan.servers.len()) };
    assert_eq!((here.uri.as_str(), here.hold_off), ("coaps://127.0.0.1:5684", Duration::from_secs(5)));
    assert!(gets_in(&app, &credential(&plan)));
    assert_eq!((Some(&other.uri), other.lifetime), (uri.as_ref(), Duration::from_secs(60)));
    let there = Credential { identity: b"there".to_vec(), key: vec![7; 16] };
    assert_eq!(other.security, Given::PreSharedKey(there));
    assert_eq!(plain.security, Given::None);
}

on_both_engines!(what_no_device_could_use_is_refused);
async fn what_no_device_could_use_is_refused(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    app.add_device(device("one")).await.unwrap();
    let given = || Some(("there".to_owned(), Psk::from_bytes(vec![7; 16])));
    let uri = |uri: &str| Some(uri.to_owned());
    let far = || uri("coaps://other.example.com");
    let own = || Target::Device("one".to_owned());
    let hour = Duration::from_secs(3_600);
    for (target, wrong, part) in [
        (Target::Default, PutServer { short_id: 0, ..server(1) }, "1 to 65534"),
        (Target::Default, PutServer { short_id: 65_535, ..server(1) }, "1 to 65534"),
        (Target::Default, PutServer { uri: uri("https://x"), ..server(1) }, "https://x"),
        (Target::Default, PutServer { uri: uri("nowhere"), ..server(1) }, "nowhere"),
        (Target::Default, PutServer { binding: "Q".to_owned(), ..server(1) }, "binding"),
        (Target::Default, PutServer { lifetime: Duration::ZERO, ..server(1) }, "the lifetime"),
        (Target::Default, PutServer { lifetime: Duration::MAX, ..server(1) }, "the lifetime"),
        (
            Target::Default,
            PutServer { minimum_period: Some(hour * 2), maximum_period: Some(hour), ..server(1) },
            "longer",
        ),
        (Target::Default, PutServer { uri: far(), given: given(), ..server(1) }, "one device"),
        (own(), PutServer { given: given(), ..server(1) }, "another server"),
        (own(), PutServer { uri: uri("coap://x"), given: given(), ..server(1) }, "another server"),
        (Target::Model(String::new()), server(1), "model"),
        (Target::Device("two".to_owned()), server(1), "two"),
    ] {
        let error = app.put_bootstrap_server(target, wrong).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error} does not name {part}");
    }
    for number in 1..=16 {
        app.put_bootstrap_server(Target::Default, server(number)).await.unwrap();
    }
    let error = app.put_bootstrap_server(Target::Default, server(17)).await.unwrap_err();
    assert!(matches!(error, ServersError::TooMany));
    app.put_bootstrap_server(Target::Default, server(16)).await.unwrap();
}

on_both_engines!(a_device_that_was_not_added_for_it_is_given_nothing);
async fn a_device_that_was_not_added_for_it_is_given_nothing(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    app.add_device(super::super::tests::device("one", "identity", &"ab".repeat(32))).await.unwrap();
    for endpoint in ["one", "nobody"] {
        assert!(matches!(app.prepare_bootstrap(endpoint).await, Err(PrepareError::Unknown)));
    }
    let error = app.trigger_bootstrap("one", Duration::from_secs(60)).await.unwrap_err();
    assert!(matches!(error, TriggerError::NotBootstrapped(_)));
}

on_both_engines!(sec_k06_a_device_that_had_a_key_may_be_bootstrapped_and_goes_over_to_the_new_one);
async fn sec_k06_a_device_that_had_a_key_may_be_bootstrapped_and_goes_over_to_the_new_one(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    let key = "ab".repeat(32);
    app.add_device(super::super::tests::device("one", "identity", &key)).await.unwrap();
    let wanted = |identity: &str, key| AddBootstrap { key: Some((identity.to_owned(), key)), model: None };
    let same = wanted("first", Key::Given(Psk::from_text(&key).unwrap()));
    assert!(matches!(app.allow_bootstrap("one", same).await, Err(AddDeviceError::KeyTaken(_))));
    assert!(app.directory().by_bootstrap_identity(b"first").is_none(), "a refusal changes nothing");
    let unknown = app.allow_bootstrap("two", wanted("first", Key::Generated)).await;
    assert!(matches!(unknown, Err(AddDeviceError::Unknown(_))));

    let allowed = app.allow_bootstrap("one", wanted("first", Key::Generated)).await.unwrap();
    assert_eq!(app.directory().bootstrap_key(b"first"), allowed.generated_bootstrap);
    let held = credential(&app.prepare_bootstrap("one").await.unwrap());
    assert!(gets_in(&app, &held) && app.directory().by_identity(b"identity").is_some());
    registers(&app, &held).await;
    assert!(gets_in(&app, &held) && app.directory().by_identity(b"identity").is_none());

    // Another key for the bootstrap server takes the place of the first one.
    app.allow_bootstrap("one", wanted("second", Key::Generated)).await.unwrap();
    assert!(app.directory().bootstrap_key(b"first").is_none());
    assert!(app.directory().bootstrap_key(b"second").is_some());
    assert!(app.forbid_bootstrap("one").await.unwrap());
    assert!(app.directory().bootstrap_key(b"second").is_none() && gets_in(&app, &held));
    assert!(!app.forbid_bootstrap("one").await.unwrap());
    assert!(matches!(app.prepare_bootstrap("one").await, Err(PrepareError::Unknown)));
}

on_both_engines!(a_server_that_nobody_could_find_is_not_given);
async fn a_server_that_nobody_could_find_is_not_given(scratch: Scratch) {
    let (app, _orders, _store) = start_in(&scratch).await;
    let product = Some(lab_product(&app).await);
    let plain = AddDevice { product, security: Security::None, ..device("one") };
    app.add_device(plain).await.unwrap();
    // The server of these tests listens for DTLS only.
    let error = app.prepare_bootstrap("one").await.unwrap_err().to_string();
    assert!(error.contains("lwm2m.public_host") && error.contains("lwm2m.coap_bind"), "{error}");
    let there = PutServer { uri: Some("coap://10.0.0.1:5683".to_owned()), ..server(1) };
    app.put_bootstrap_server(Target::Default, there).await.unwrap();
    let plan = app.prepare_bootstrap("one").await.unwrap();
    assert_eq!(plan.servers[0].security, Given::None);
}

on_both_engines!(what_happened_is_kept_and_an_interrupted_bootstrap_is_told);
async fn what_happened_is_kept_and_an_interrupted_bootstrap_is_told(scratch: Scratch) {
    let (app, _orders, store) = start_in(&scratch).await;
    app.add_device(device("one")).await.unwrap();
    app.prepare_bootstrap("one").await.unwrap();
    let last = async |app: &App| app.device("one").await.unwrap().unwrap().bootstrap.unwrap().last.unwrap();
    assert_eq!(last(&app).await.result, bootstraps::RUNNING);
    let (app, _store) = cut(&scratch, app, store).await;
    assert_eq!(last(&app).await.result, bootstraps::FAILED);
    assert!(last(&app).await.detail.contains("the server ended"));
    let end = BootstrapEnd {
        failure: None,
        steps: "Discover 2.05\nFinish 2.04".to_owned(),
        warning: String::new(),
        started_at: Moment(5),
    };
    app.record_bootstrap("one", end).await.unwrap();
    let last = last(&app).await;
    assert_eq!((&*last.result, last.started_at), (bootstraps::DONE, 5));
    assert!(last.finished_at.is_some() && last.detail.is_empty());
}

#[tokio::test]
async fn the_trigger_goes_to_an_instance_that_the_device_has() {
    for (objects, instance) in [
        ("</>;rt=\"oma.lwm2m\",</1/0>,</3/0>", 0),
        ("</lwm2m>;rt=\"oma.lwm2m\",</lwm2m/1/4>;ver=1.1,</lwm2m/1/2>,</lwm2m/3/1>", 2),
        ("</1>,</3/0>", 0),
        ("", 0),
    ] {
        assert_eq!(server_instance(objects), instance, "{objects}");
    }
}

//! What version 1.1 of object 5 adds: an installation that is put off, and the order to cancel.

use e2e::Conditions;

use crate::rig::{ENDPOINT, NEW, OLD, PAYLOAD, Rig};

#[test]
fn ets_781_a_module_puts_the_installation_off_and_installs_in_the_end() {
    let rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&["--put-off", "2"]);
    module.event("registered");
    let started = rig.server.answer(
        &[
            &["upgrade", "start", ENDPOINT, "new", "--delivery", "pull"][..],
            &["--severity", "optional", "--defer", "1m"],
        ]
        .concat(),
    );
    rig.server.watch(started["id"].as_str().expect("it is text")).end().assert_success(NEW);
    let put_off = module.events("downloaded").iter().any(|event| event["result"] == 11);
    assert!(put_off, "{:?}", module.events("downloaded"));
    assert_eq!(rig.executes(), 1, "it was waited for, not asked again");
}

#[test]
fn ets_781_a_module_that_may_not_put_off_installs_at_once() {
    let rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&["--put-off", "3600"]);
    module.event("registered");
    rig.upgrade("new", "push").assert_success(NEW);
    assert!(module.events("downloaded").iter().all(|event| event["result"] == 0));
}

#[test]
fn a_download_is_canceled_by_the_order_for_it() {
    let rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&["--put-off", "0", "--speed", "60000"]);
    module.event("registered");
    let id = rig.start_upgrade("new", "pull");
    let watch = rig.server.watch(&id);
    module.stored(PAYLOAD / 2);
    rig.server.answer(&["upgrade", "cancel", &id]);
    let ended = watch.end();
    assert_eq!(ended.upgrade["outcome"]["code"], "canceled", "{ended:#?}");
    assert_eq!(module.event("idle")["result"], 10, "the module knows why");
    assert_eq!((rig.executes(), rig.files.flash_version()), (0, OLD.to_owned()));
    rig.upgrade("new", "pull").assert_success(NEW);
}

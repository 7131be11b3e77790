//! An operator changes their mind.

use e2e::Conditions;

use crate::rig::{NEW, OLD, PAYLOAD, Rig};

#[test]
fn a_running_upgrade_is_canceled_and_another_one_can_follow() {
    let rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&["--speed", "60000"]);
    module.event("registered");
    let id = rig.start_upgrade("new", "pull");
    let watch = rig.server.watch(&id);
    module.stored(PAYLOAD / 2);
    rig.server.answer(&["upgrade", "cancel", &id]);
    let ended = watch.end();
    assert_eq!(ended.upgrade["outcome"]["code"], "canceled", "{ended:#?}");
    assert_eq!(ended.exit_code, Some(4));
    assert!(ended.has("cancel-requested"));
    assert_eq!((rig.executes(), rig.files.flash_version()), (0, OLD.to_owned()));

    let (exit_code, problem) = rig.server.refusal(&["upgrade", "cancel", &id]);
    assert_eq!(exit_code, Some(1));
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("has ended")), "{problem}");
    rig.upgrade("new", "pull").assert_success(NEW);
}

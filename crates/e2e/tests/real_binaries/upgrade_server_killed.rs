//! The server goes away in the middle and comes back with the same data folder and ports.

use std::time::Duration;

use e2e::Conditions;

use crate::rig::{Ended, Module, NEW, PAYLOAD, Rig, Server};

/// Half of the image, to stop at.
const HALF: u64 = PAYLOAD / 2;

/// A module downloads this many bytes a second.
pub const SLOWLY: &str = "60000";

/// A block takes a round trip, so that a PUSH takes a second and more.
const LONG_WAY: Conditions = Conditions { delay: Duration::from_millis(5), ..Conditions::PERFECT };

#[test]
fn a_pull_goes_on_when_the_server_was_killed() {
    let mut rig = Rig::start(Conditions::PERFECT);
    let (mut module, ended) = interrupted(&mut rig, "pull", &["--speed", SLOWLY], Server::kill);
    ended.assert_success(NEW);
    assert!(ended.has("resumed"), "{ended:#?}");
    assert_eq!(rig.executes(), 1);
    assert_eq!(module.events("downloading").len(), 1, "the download was not begun again");
    module.event("booted");
}

#[test]
fn a_push_is_repeated_when_the_server_was_killed() {
    let mut rig = Rig::start(LONG_WAY);
    let (_module, ended) = interrupted(&mut rig, "push", &[], Server::kill);
    ended.assert_success(NEW);
    assert!(ended.has("resumed"), "{ended:#?}");
    assert_eq!(rig.executes(), 1);
}

#[test]
fn a_pull_goes_on_when_the_server_was_stopped_in_order() {
    let mut rig = Rig::start(Conditions::PERFECT);
    let (_module, ended) = interrupted(&mut rig, "pull", &["--speed", SLOWLY], Server::terminate);
    ended.assert_success(NEW);
    assert_eq!(rig.executes(), 1);
}

#[test]
fn the_order_to_install_is_not_repeated_when_the_server_was_killed_after_it() {
    let mut rig = Rig::start(Conditions::PERFECT);
    let mut module = rig.module(&[]);
    module.event("registered");
    let watch = rig.server.watch(&rig.start_upgrade("new", "pull"));
    module.event("updating");
    rig.server.kill();
    rig.server.restart();
    let ended = watch.end();
    ended.assert_success(NEW);
    assert!(ended.has("resumed"), "{ended:#?}");
    assert_eq!(rig.executes(), 1);
    assert_eq!(rig.files.flash_version(), NEW);
}

/// An upgrade during which the server ends once half of the image has arrived, and starts again. Whoever
/// follows the upgrade follows it over that.
pub fn interrupted(
    rig: &mut Rig,
    delivery: &str,
    arguments: &[&str],
    end: impl Fn(&mut Server),
) -> (Module, Ended) {
    let mut module = rig.module(arguments);
    module.event("registered");
    let watch = rig.server.watch(&rig.start_upgrade("new", delivery));
    assert!(module.stored(HALF) < PAYLOAD);
    end(&mut rig.server);
    rig.server.restart();
    let ended = watch.end();
    (module, ended)
}

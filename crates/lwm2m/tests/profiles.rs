//! The server role against clients that behave like those in the field: both real machines, in virtual time,
//! while a fifth of all datagrams is lost.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

#[path = "profiles/world.rs"]
mod world;

use core::time::Duration;

use firmware::upgrade::{Delivery, Outcome};
use lwm2m::client::quirks::Profile;
use lwm2m::server::{Operation, OperationError, OperationOutput};
use lwm2m::value::{Node, Value};
use world::{NEW, Site};

/// Registers, is read in the formats of its taste, written, observed.
fn operates(profile: Profile) -> Site {
    let mut site = Site::new(profile);
    site.wait_until_registered();
    // A client may refuse everything right after it has registered.
    site.pass(Duration::from_secs(10));
    let instance = site.operate(Operation::Read("/3/0".parse().unwrap()));
    let Ok(OperationOutput::Value(node)) = instance else { panic!("{profile}: {instance:?}") };
    let manufacturer = node.resource(0).and_then(|resource| resource.single());
    assert_eq!(manufacturer, Some(&Value::from("Updraft")), "{profile}");
    let single = site.operate(Operation::Read("/3/0/1".parse().unwrap()));
    let Ok(OperationOutput::Value(node)) = single else { panic!("{profile}: {single:?}") };
    assert_eq!(node.value(), Some(&Value::from("virtual")), "{profile}");
    let write = Operation::Write("/1/0/1".parse().unwrap(), Node::single(Value::Integer(120)));
    assert_eq!(site.operate(write), Ok(OperationOutput::Done), "{profile}");
    let observed = site.operate(Operation::Observe("/4/0/2".parse().unwrap()));
    assert!(observed.is_ok(), "{profile}: {observed:?}");
    // A notification that is not confirmed may be lost; the next one is not.
    let notified = (-70..-60).any(|strength| {
        site.set_signal_strength(strength);
        site.pass(Duration::from_secs(100));
        site.was_notified("/4/0/2", &Value::Integer(strength.into()))
    });
    assert!(notified, "{profile}");
    let executed = site.operate(Operation::Execute("/1/0/8".parse().unwrap(), None));
    assert_eq!(executed, Ok(OperationOutput::Done), "{profile}");
    let canceled = site.operate(Operation::CancelObservation("/4/0/2".parse().unwrap()));
    assert!(canceled.is_ok(), "{profile}: {canceled:?}");
    site
}

fn upgrades(profile: Profile, delivery: Delivery) {
    let mut site = Site::new(profile);
    site.wait_until_registered();
    let outcome = site.upgrade(delivery);
    let succeeded = matches!(outcome, Some(Outcome::Succeeded(_)));
    assert!(succeeded, "{profile} by {delivery:?}: {outcome:?}\n{}", site.log());
    assert_eq!(site.version(), NEW, "{profile} by {delivery:?}");
}

macro_rules! profile {
    ($profile:expr, $operates:ident, $($upgrades:ident by $delivery:expr),*) => {
        #[test]
        fn $operates() {
            operates($profile);
        }
        $(
            #[test]
            fn $upgrades() {
                upgrades($profile, $delivery);
            }
        )*
    };
}

profile!(
    Profile::Standard,
    profile_standard_operates,
    profile_standard_pulls by Delivery::Pull,
    profile_standard_is_pushed_to by Delivery::Push
);
profile!(
    Profile::Anjay,
    profile_anjay_operates,
    profile_anjay_pulls by Delivery::Pull,
    profile_anjay_is_pushed_to by Delivery::Push
);
profile!(
    Profile::AnjayLite,
    profile_anjay_lite_operates,
    profile_anjay_lite_pulls by Delivery::Pull,
    profile_anjay_lite_is_pushed_to by Delivery::Push
);
profile!(
    Profile::Wakaama,
    profile_wakaama_operates,
    profile_wakaama_pulls by Delivery::Pull,
    profile_wakaama_is_pushed_to by Delivery::Push
);
// It cannot download.
profile!(Profile::Contiki, profile_contiki_operates, profile_contiki_is_pushed_to by Delivery::Push);
// It takes no package.
profile!(Profile::LiteOs, profile_lite_os_operates, profile_lite_os_pulls by Delivery::Pull);

#[test]
fn profile_wakaama_refuses_discover() {
    let mut site = Site::new(Profile::Wakaama);
    site.wait_until_registered();
    let links = site.operate(Operation::Discover("/3".parse().unwrap()));
    assert!(matches!(links, Err(OperationError::Refused { .. })), "{links:?}");
}

#[test]
fn profile_contiki_answers_discover_late() {
    let mut site = Site::new(Profile::Contiki);
    site.wait_until_registered();
    site.pass(Duration::from_secs(10));
    let links = site.operate(Operation::Discover("/3".parse().unwrap()));
    assert!(matches!(links, Ok(OperationOutput::Links(_))), "{links:?}");
}

#[test]
fn a_device_in_queue_mode_is_served_when_it_wakes() {
    let mut site = Site::sleepy(Duration::from_secs(100));
    site.wait_until_registered();
    site.pass(Duration::from_secs(95));
    assert!(site.is_asleep());
    let answer = site.operate(Operation::Read("/3/0/0".parse().unwrap()));
    assert!(answer.is_ok(), "{answer:?}");
}

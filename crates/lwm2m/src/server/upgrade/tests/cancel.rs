//! Cancelling at each phase (F35).

use firmware::upgrade::Delivery::{Pull, Push};
use firmware::upgrade::{Outcome, Proof, Stage};

use super::super::*;
use super::rig::*;

fn rig_at(stage: Stage, delivery: firmware::upgrade::Delivery) -> Rig {
    let mut rig = Rig::new(Device::default(), plan(delivery));
    rig.stores = false;
    rig.later(0, Registers);
    rig.run_to(stage);
    rig
}

fn cancel(mut rig: Rig) -> Rig {
    rig.procedure.cancel(rig.now);
    rig.run_for(3_600);
    rig
}

#[test]
fn before_the_device_is_there_nothing_is_sent() {
    let mut rig = cancel(Rig::new(Device::default(), plan(Pull)));
    assert_eq!((rig.outcome, rig.sent.len()), (Some(Outcome::Canceled), 0));
    rig.procedure.cancel(rig.now);
    assert_eq!(rig.procedure.poll_event(), None);
}

#[test]
fn during_the_download_the_device_is_reset_and_read_back() {
    let rig = cancel(rig_at(Stage::Downloading, Pull));
    assert_eq!(rig.outcome, Some(Outcome::Canceled));
    assert_eq!(rig.sent[2..], ["reset", "end-observation"]);
    assert_eq!(rig.device.state, 0);
    assert!(rig.warnings.is_empty());
}

#[test]
fn with_the_image_on_the_device_no_order_is_sent_even_if_the_intent_becomes_durable() {
    let mut rig = rig_at(Stage::Downloaded, Pull);
    rig.procedure.cancel(rig.now);
    rig.procedure.intent_durable(rig.now);
    rig.run_for(3_600);
    assert_eq!((rig.outcome, rig.count("execute")), (Some(Outcome::Canceled), 0));
    assert_eq!(rig.count("reset"), 1);
}

#[test]
fn after_a_push_the_package_is_cleared() {
    let rig = cancel(rig_at(Stage::Downloaded, Push));
    assert_eq!((rig.outcome, rig.count("clear")), (Some(Outcome::Canceled), 1));
}

#[test]
fn after_the_order_to_install_it_is_too_late() {
    for stage in [Stage::Updating, Stage::Verifying] {
        let mut rig = Rig::new(Device::default(), plan(Pull));
        rig.later(0, Registers);
        while rig.procedure.stage() < stage {
            rig.run_for(1);
        }
        if rig.outcome.is_none() {
            rig = cancel(rig);
            assert_eq!(rig.warnings, [Warning::CancelTooLate]);
        }
        assert_eq!(rig.outcome, Some(Outcome::Succeeded(Proof::VersionAndResult)));
    }
}

#[test]
fn a_device_that_installs_by_itself_cannot_be_canceled_either() {
    let mut rig = rig_at(Stage::Downloading, Pull);
    rig.happen(BecomesQuietly(3, 0));
    rig.device.answers.insert("reset", [Answer::Refused(coap::Code::METHOD_NOT_ALLOWED)].into());
    rig.device.answers.insert("clear", [Answer::Refused(coap::Code::METHOD_NOT_ALLOWED)].into());
    rig.later(60, BecomesQuietly(0, 1));
    rig.later(60, Version(NEW));
    rig.later(61, Registers);
    let rig = cancel(rig);
    assert_eq!(rig.outcome, Some(Outcome::Succeeded(Proof::VersionAndResult)));
    assert_eq!(rig.warnings, [Warning::CancelTooLate, Warning::InstallsByItself]);
}

#[test]
fn an_unreachable_device_does_not_hold_up_the_end() {
    let mut rig = rig_at(Stage::Downloading, Pull);
    rig.happen(Gone);
    let rig = cancel(rig);
    assert_eq!(rig.outcome, Some(Outcome::Canceled));
    assert_eq!(rig.warnings, [Warning::ResetNotConfirmed]);
    assert!(rig.now.as_micros() / 1_000_000 < 700);
}

#[test]
fn a_restart_does_not_forget_the_cancellation() {
    let mut rig = rig_at(Stage::Downloading, Pull);
    rig.procedure.cancel(rig.now);
    while let Some(event) = rig.procedure.poll_event() {
        if let UpgradeEvent::Stage { record, .. } = event {
            rig.record = record;
        }
    }
    assert!(rig.record.canceled);
    let device = Device { state: 1, ..Device::default() };
    let mut rig = Rig::resumed(device, plan(Pull), rig.record);
    rig.later(0, Registers);
    rig.run_for(3_600);
    assert_eq!((rig.outcome, rig.count("reset"), rig.device.state), (Some(Outcome::Canceled), 1, 0));
}

/// Runs to the end, canceled somewhere, and checks that the order to install decides what becomes of it.
fn check_canceled(mut rig: Rig, at: &str) -> Rig {
    rig.run_for(86_400);
    let canceled = rig.outcome == Some(Outcome::Canceled);
    assert_eq!(canceled, rig.facts.executes == 0, "{at}: {:?} {:?}", rig.outcome, rig.sent);
    if canceled {
        assert_eq!((rig.device.state, rig.device.observed), (0, false), "{at}: {:?}", rig.sent);
    } else {
        assert_eq!(rig.outcome, Some(Outcome::Succeeded(Proof::VersionAndResult)), "{at}: {:?}", rig.sent);
    }
    rig
}

/// Every way of delivery, with and without observation, of an old and of a new object.
fn ways() -> impl Iterator<Item = (Device, UpgradePlan)> {
    let devices = [Device::default(), Device { defer_period: Some(0), ..Device::default() }];
    devices.into_iter().flat_map(|device| {
        [(Pull, true), (Pull, false), (Push, true), (Push, false)]
            .map(|(delivery, observe)| (device.clone(), UpgradePlan { observe, ..plan(delivery) }))
    })
}

#[test]
fn f35_at_each_message_a_cancellation_ends_it_unless_the_order_to_install_was_sent() {
    for (device, plan) in ways() {
        let whole = Rig::run(device.clone(), plan.clone()).wanted;
        assert!(whole > 8, "{whole} messages");
        let mut too_late = 0;
        for cancels in (0..whole).flat_map(|number| [Cancels::During(number), Cancels::After(number)]) {
            let mut rig = Rig::new(device.clone(), plan.clone());
            rig.cancels = Some(cancels);
            rig.later(0, Registers);
            let rig = check_canceled(rig, &alloc::format!("{cancels:?} of {:?}", plan.delivery));
            too_late += usize::from(rig.warnings.contains(&Warning::CancelTooLate));
        }
        assert!(too_late > 0, "some came between the order and the verdict");
    }
}

#[test]
fn f35_at_each_second_a_cancellation_ends_it_unless_the_order_to_install_was_sent() {
    for (device, plan) in ways() {
        for second in 0..90 {
            let mut rig = Rig::new(device.clone(), plan.clone());
            rig.later(0, Registers);
            rig.run_for(second);
            rig.procedure.cancel(rig.now);
            let at = alloc::format!("second {second} of {:?}", plan.delivery);
            check_canceled(rig, &at);
        }
    }
}

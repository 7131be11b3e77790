//! The rows of the firmware update tests of OMA's ETS (int-751 to int-781), PUSH and PULL.

use coap::Code;
use firmware::upgrade::Delivery::{Pull, Push};
use firmware::upgrade::{Cause, Delivery, Outcome, Proof, Stage, UpdateResult, UpdateState};

use super::super::*;
use super::rig::*;

const SUCCESS: Option<Outcome> = Some(Outcome::Succeeded(Proof::VersionAndResult));

fn failed(cause: Cause) -> Option<Outcome> {
    Some(Outcome::Failed(cause))
}

/// A download that ends with this result.
fn download_fails(result: u8) -> Device {
    Device::default().offers([[(1, Becomes(1, 0)), (5, Becomes(0, result))].into()])
}

#[test]
fn ets_751_delivery_and_protocol_are_taken_from_object_5() {
    for (delivery, way, expected) in [
        (Some(0), Pull, SUCCESS),
        (Some(0), Push, failed(Cause::UnsupportedDelivery)),
        (Some(1), Push, SUCCESS),
        (Some(1), Pull, failed(Cause::UnsupportedDelivery)),
        (Some(2), Push, SUCCESS),
        (Some(9), Pull, SUCCESS),
        (None, Push, SUCCESS),
    ] {
        let rig = Rig::run(Device { delivery, ..Device::default() }, plan(way));
        assert_eq!(rig.outcome, expected, "{delivery:?} {way}");
        if expected != SUCCESS {
            assert!(rig.sent.is_empty(), "refused before a byte");
        }
    }
}

#[test]
fn ets_751_objects_that_cannot_be_read_whole_are_read_one_by_one() {
    let rig = Rig::run(Device { whole_objects: false, ..Device::default() }, plan(Pull));
    assert_eq!(rig.outcome, SUCCESS);
    assert_eq!(rig.facts.model.as_deref(), Some("GM01Q"));
    let mut device = Device { whole_objects: false, version: None, ..Device::default() };
    device.answers.insert("read", [Answer::Refused(Code::NOT_FOUND); 0].into());
    let rig = Rig::run(
        device,
        UpgradePlan { package: Package { source_version: Some(OLD.into()), ..package() }, ..plan(Pull) },
    );
    assert_eq!(rig.outcome, failed(Cause::WrongSourceVersion));
}

#[test]
fn a_device_without_object_5_is_refused() {
    let missing = Answer::Refused(Code::NOT_FOUND);
    let answers =
        [Answer::Unreadable, Answer::Unreadable, Answer::Unreadable, missing.clone(), missing.clone()];
    let mut device = Device::default().answer_first("read", answers);
    device.answers.get_mut("read").unwrap().extend([missing.clone(), missing.clone(), missing]);
    let rig = Rig::run(device, plan(Pull));
    assert_eq!(rig.outcome, failed(Cause::NoFirmwareObject));
    assert!(rig.sent.is_empty());
}

#[test]
fn ets_755_756_leftovers_of_ours_are_reset_and_those_of_others_are_not() {
    for (state, way) in [(1, Pull), (2, Pull), (2, Push)] {
        let device = Device { state, ..Device::default() };
        let rig = Rig::run(device.clone(), UpgradePlan { leftovers_are_ours: true, ..plan(way) });
        assert_eq!(rig.outcome, SUCCESS);
        assert_eq!(rig.sent[0], "reset");
        let rig = Rig::run(device, plan(way));
        assert_eq!(rig.outcome, Some(Outcome::Postponed));
        assert!(rig.sent.is_empty());
    }
}

#[test]
fn ets_760_works_without_notifications() {
    for way in [Pull, Push] {
        let quiet = [[(1, BecomesQuietly(1, 0)), (30, BecomesQuietly(2, 0))].into()];
        let rig = Rig::run(Device::default().offers(quiet.clone()), plan(way));
        assert_eq!(rig.outcome, SUCCESS, "observed, but every notification is lost");
        let not_observed = UpgradePlan { observe: false, ..plan(way) };
        let rig = Rig::run(Device::default().offers(quiet), not_observed);
        assert_eq!((rig.outcome, rig.count("observe"), rig.count("end-observation")), (SUCCESS, 0, 0));
        let refused = Device::default().answer_first("observe", [Answer::Refused(Code::METHOD_NOT_ALLOWED)]);
        let rig = Rig::run(refused, plan(way));
        assert_eq!((rig.outcome, &rig.warnings[..]), (SUCCESS, &[Warning::NotObservable][..]));
    }
}

#[test]
fn ets_770_success_by_push() {
    let rig = Rig::run(Device::default(), plan(Push));
    assert_eq!(rig.outcome, SUCCESS);
    assert_eq!(rig.sent, ["observe", "package", "execute", "end-observation"]);
    assert_eq!((rig.facts.offers, rig.facts.executes), (1, 1));
}

#[test]
fn ets_771_success_by_uri() {
    let rig = Rig::run(Device::default(), plan(Pull));
    assert_eq!(rig.outcome, SUCCESS);
    let uri = "uri coaps://u.example:5684/fw/token";
    assert_eq!(rig.sent, ["observe", uri, "execute", "end-observation"]);
    use Stage::*;
    let stages =
        [Waiting, Precheck, Offering, Downloading, Downloaded, Executing, Updating, Verifying, Closing];
    assert_eq!(rig.stages, stages);
    assert_eq!(rig.facts.stages.len(), stages.len());
    assert_eq!(rig.facts.version_before.as_deref(), Some(OLD));
    assert_eq!(rig.facts.version_after.as_deref(), Some(NEW));
    assert_eq!(rig.facts.result, Some(UpdateResult::SUCCESS));
    assert_eq!(rig.facts.state, Some(UpdateState::IDLE));
    assert!(rig.warnings.is_empty());
}

#[test]
fn ets_772_execute_waits_for_the_durable_intent() {
    let mut rig = Rig::new(Device::default(), plan(Pull));
    rig.stores = false;
    rig.later(0, Registers);
    rig.run_for(300);
    assert_eq!((rig.intents, rig.count("execute")), (1, 0));
    assert_eq!(rig.record.executes, 1, "the record says so before it is sent");
    rig.procedure.intent_durable(rig.now);
    rig.procedure.intent_durable(rig.now);
    rig.run_for(300);
    assert_eq!((rig.outcome, rig.count("execute")), (SUCCESS, 1));
}

#[test]
fn ets_773_not_enough_flash_ends_at_once() {
    let rig = Rig::run(download_fails(2), plan(Pull));
    assert_eq!((rig.outcome, rig.facts.offers), (failed(Cause::NotEnoughFlash), 1));
    assert_eq!(rig.sent.last().map(|sent| &sent[..]), Some("end-observation"));
}

#[test]
fn ets_774_out_of_memory_is_offered_once_more() {
    let rig = Rig::run(download_fails(3), plan(Pull));
    assert_eq!((rig.outcome, rig.facts.offers), (failed(Cause::OutOfMemory), 2));
}

#[test]
fn ets_775_a_lost_connection_is_offered_again() {
    let rig = Rig::run(download_fails(4), plan(Pull));
    assert_eq!((rig.outcome, rig.facts.offers), (failed(Cause::ConnectionLost), 5));
    let once =
        [[(1, Becomes(1, 0)), (5, Becomes(0, 4))].into(), [(1, Becomes(1, 0)), (30, Becomes(2, 0))].into()];
    let rig = Rig::run(Device::default().offers(once), plan(Pull));
    assert_eq!((rig.outcome, rig.facts.offers), (SUCCESS, 2));
    assert_eq!(rig.warnings, [Warning::OfferedAgain]);
}

#[test]
fn ets_776_to_778_and_780_results_of_the_download_become_causes() {
    for (result, cause) in [
        (5, Cause::IntegrityFailed),
        (6, Cause::UnsupportedPackage),
        (7, Cause::InvalidUri),
        (9, Cause::ProtocolRefused),
        (10, Cause::CanceledByDevice),
        (42, Cause::UnknownResult(42)),
    ] {
        for way in [Pull, Push] {
            let rig = Rig::run(download_fails(result), plan(way));
            assert_eq!((rig.outcome, rig.facts.offers), (failed(cause), 1));
            assert_eq!(rig.count("reset") + rig.count("clear"), 0, "the device is idle already");
        }
    }
}

#[test]
fn ets_777_a_failure_in_state_1_is_a_failure_and_is_cleaned_up() {
    let device = Device::default().offers([[(1, BecomesQuietly(1, 6))].into()]);
    let rig = Rig::run(device, plan(Pull));
    assert_eq!(rig.outcome, failed(Cause::UnsupportedPackage));
    assert_eq!(rig.count("reset"), 1);
}

#[test]
fn ets_778_state_1_may_never_be_seen() {
    let device = Device::default().offers([[(1, Becomes(0, 7))].into()]);
    let rig = Rig::run(device, plan(Pull));
    assert_eq!(rig.outcome, failed(Cause::InvalidUri));
    let device = Device::default().offers([[(1, Becomes(2, 0))].into()]);
    assert_eq!(Rig::run(device, plan(Pull)).outcome, SUCCESS);
}

#[test]
fn ets_778_a_refused_uri_is_explained_by_the_result() {
    let refused = Answer::Refused(Code::BAD_REQUEST);
    let device = Device { result: 7, ..Device::default() }.answer_first("uri", [refused.clone()]);
    assert_eq!(Rig::run(device, plan(Pull)).outcome, failed(Cause::InvalidUri));
    let device = Device::default().answer_first("uri", [refused]);
    assert_eq!(Rig::run(device, plan(Pull)).outcome, failed(Cause::OfferRefused(0x80)));
}

#[test]
fn ets_779_a_failed_update_ends_in_state_2_or_0() {
    for (state, registers) in [(2, true), (0, true), (2, false), (0, false)] {
        let mut script: Script = [(1, Becomes(3, 0)), (40, Becomes(state, 8))].into();
        if registers {
            script.push((41, Registers));
        }
        let rig = Rig::run(Device::default().executes([script]), plan(Pull));
        assert_eq!(rig.outcome, failed(Cause::InstallFailed), "state {state}");
        assert_eq!(rig.facts.executes, 1);
        assert_eq!(rig.count("reset"), usize::from(state == 2), "the image is removed");
        assert_eq!(rig.sent.last().map(|sent| &sent[..]), Some("end-observation"));
    }
}

#[test]
fn ets_780_a_protocol_that_the_device_lacks_is_refused_locally() {
    let https = UpgradePlan { base_uri: Some("https://u.example".into()), ..plan(Pull) };
    let rig = Rig::run(Device::default(), https);
    assert_eq!(rig.outcome, failed(Cause::UnsupportedProtocol));
    assert!(rig.sent.is_empty());
    let only_http = Device { protocols: Some([2].into()), ..Device::default() };
    let rig = Rig::run(only_http, plan(Pull));
    assert_eq!(rig.sent[1], "uri http://u.example:8081/fw/token");
    let missing = Device { protocols: None, ..Device::default() };
    assert_eq!(Rig::run(missing, plan(Pull)).outcome, SUCCESS);
}

#[test]
fn ets_781_a_deferred_update_waits_until_the_end_of_its_time() {
    let device = Device::default().executes([[(1, Becomes(2, 11))].into()]);
    let rig = Rig::run(device, plan(Pull));
    assert_eq!((rig.outcome, rig.facts.executes), (failed(Cause::Deferred), 1));
    let later: Script = [
        (1, Becomes(2, 11)),
        (900, Becomes(3, 11)),
        (930, BecomesQuietly(0, 1)),
        (930, Version(NEW)),
        (931, Registers),
    ]
    .into();
    assert_eq!(Rig::run(Device::default().executes([later]), plan(Pull)).outcome, SUCCESS);
}

#[test]
fn ets_781_liteos_class_devices_are_observed_and_judged_by_what_they_have() {
    let device = Device { old_draft: true, delivery: Some(0), protocols: None, ..Device::default() };
    // No result is reported, only the state and the version.
    let device = device.executes([[
        (1, Becomes(3, 0)),
        (40, BecomesQuietly(0, 0)),
        (40, Version(NEW)),
        (41, Registers),
    ]
    .into()]);
    let rig = Rig::run(device.clone(), UpgradePlan { observe: false, ..plan(Pull) });
    assert_eq!(rig.outcome, Some(Outcome::Succeeded(Proof::VersionOnly)));
    assert_eq!(rig.count("observe"), 1, "it does not install without");
    assert_eq!(rig.sent.last().map(|sent| &sent[..]), Some("end-observation"));
    assert_eq!(rig.warnings, [Warning::OldResourceNumbers, Warning::ResultNotReported]);
    assert_eq!(Rig::run(device, plan(Push)).outcome, failed(Cause::UnsupportedDelivery));
}

#[test]
fn ets_781_a_silent_device_is_lost_after_35_minutes_and_two_lifetimes() {
    let device = Device::default().executes([[(1, Becomes(3, 0)), (2, Gone)].into()]);
    let mut rig = Rig::new(device, plan(Pull));
    rig.later(0, Registers);
    rig.run_to(Stage::Updating);
    let executed = rig.now;
    rig.run_for(86_400);
    assert_eq!(rig.outcome, Some(Outcome::Lost));
    assert!((rig.now - executed).as_secs().abs_diff(35 * 60 + 600) < 5, "{:?}", rig.now - executed);
}

#[test]
fn reg_package_write_that_is_not_allowed_means_no_push() {
    let device = Device::default().answer_first("package", [Answer::Refused(Code::METHOD_NOT_ALLOWED)]);
    assert_eq!(Rig::run(device, plan(Push)).outcome, failed(Cause::UnsupportedDelivery));
}

#[test]
fn each_way_works_with_and_without_observation() {
    for (way, observe) in [(Pull, true), (Pull, false), (Push, true), (Push, false)] {
        let plan = UpgradePlan { observe, ..plan(way) };
        let rig = Rig::run(Device::default(), plan);
        assert_eq!(rig.outcome, SUCCESS, "{way} {observe}");
        assert!(rig.reads < 40, "{way} {observe}: {} reads", rig.reads);
    }
}

#[test]
fn f24_f26_what_cannot_succeed_is_refused_before_a_byte() {
    let already = Device { version: Some(NEW), ..Device::default() };
    let from = |source: &str| Package { source_version: Some(source.into()), ..package() };
    let other_model = Device { model: "BC35-G", ..Device::default() };
    let with = |package| UpgradePlan { package, ..plan(Delivery::Pull) };
    for (device, plan, expected) in [
        (already, with(package()), Some(Outcome::AlreadyAtTarget)),
        (Device::default(), with(from("0.9")), failed(Cause::WrongSourceVersion)),
        (other_model, with(package()), failed(Cause::WrongModel)),
    ] {
        let rig = Rig::run(device, plan);
        assert_eq!(rig.outcome, expected);
        assert!(rig.sent.is_empty());
    }
    assert_eq!(Rig::run(Device::default(), with(from(OLD))).outcome, SUCCESS);
}

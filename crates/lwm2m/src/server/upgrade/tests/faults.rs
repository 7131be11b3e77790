//! Loss, restarts on both sides, and devices that lie.

use coap::Code;
use firmware::upgrade::Delivery::{Pull, Push};
use firmware::upgrade::{Cause, Delivery, Outcome, Proof, Stage};

use super::super::*;
use super::rig::*;

const SUCCESS: Option<Outcome> = Some(Outcome::Succeeded(Proof::VersionAndResult));

#[test]
fn f10_no_exchange_that_is_lost_ends_an_upgrade() {
    for action in ["read", "observe", "uri", "package", "execute", "end-observation"] {
        for way in [Pull, Push] {
            let device = Device::default().answer_first(action, [Answer::Lost, Answer::Lost]);
            let rig = Rig::run(device, plan(way));
            assert_eq!(rig.outcome, SUCCESS, "{action} lost, {way}");
            assert!(rig.facts.executes <= 3);
        }
    }
}

#[test]
fn a_busy_device_is_asked_again_later() {
    let busy = Answer::Refused(Code::SERVICE_UNAVAILABLE);
    for action in ["read", "observe", "uri", "package", "execute"] {
        let way = if action == "package" { Push } else { Pull };
        let device = Device::default().answer_first(action, [busy.clone(), busy.clone()]);
        assert_eq!(Rig::run(device, plan(way)).outcome, SUCCESS, "{action}");
    }
}

#[test]
fn i4_an_order_whose_answer_was_lost_is_not_repeated_when_it_worked() {
    let mut rig = Rig::new(Device::default().answer_first("execute", [Answer::Lost]), plan(Pull));
    rig.later(0, Registers);
    rig.run_for(20);
    // The order arrives, only its answer is lost.
    rig.later(15, Becomes(3, 0));
    rig.later(200, BecomesQuietly(0, 1));
    rig.later(200, Version(NEW));
    rig.later(201, Registers);
    rig.run_for(3_600);
    assert_eq!((rig.outcome, rig.count("execute")), (SUCCESS, 1));
}

#[test]
fn i4_an_order_that_had_no_effect_is_sent_again_after_state_2_was_read() {
    let installs = Device::default().on_execute;
    let device = Device::default().executes([Script::new(), installs[0].clone()]);
    let rig = Rig::run(device, plan(Pull));
    assert_eq!((rig.outcome, rig.count("execute"), rig.intents), (SUCCESS, 2, 2));
    assert_eq!(rig.warnings, [Warning::ExecutedAgain]);
    let never = Device::default().executes([Script::new()]);
    let rig = Rig::run(never, plan(Pull));
    assert_eq!(rig.outcome, Some(Outcome::Failed(Cause::InstallNotDone)));
    assert_eq!(rig.count("execute"), 5);
}

#[test]
fn a_refused_order_is_explained_by_the_state() {
    let refused = Answer::Refused(Code::METHOD_NOT_ALLOWED);
    let device = Device::default().answer_first("execute", [refused.clone(); 1]);
    assert_eq!(Rig::run(device, plan(Pull)).outcome, SUCCESS);
    let always = core::array::from_fn::<_, 9, _>(|_| refused.clone());
    let device = Device::default().answer_first("execute", always);
    assert_eq!(Rig::run(device, plan(Pull)).outcome, Some(Outcome::Failed(Cause::ExecuteRefused(0x85))));
}

#[test]
fn f02_a_push_that_breaks_off_starts_again() {
    let device = Device::default().answer_first("package", [Answer::Lost]);
    let rig = Rig::run(device, plan(Push));
    assert_eq!((rig.outcome, rig.count("package")), (SUCCESS, 2));
    // The device still waits for blocks and reports a lost connection in the end.
    let device = Device { state: 1, ..Device::default() };
    let mut rig = Rig::new(Device::default().answer_first("package", [Answer::Lost]), plan(Push));
    rig.later(0, Registers);
    rig.run_to(Stage::Downloading);
    rig.device.state = device.state;
    rig.later(60, Becomes(0, 4));
    rig.run_for(3_600);
    assert_eq!(rig.outcome, SUCCESS);
}

/// Also when another shard goes on with it.
#[test]
fn f02_a_push_that_ended_with_the_server_starts_again_soon() {
    for state in [0, 1] {
        let mut record = UpgradeRecord::new("token");
        (record.stage, record.offers) = (Stage::Downloading, 1);
        let mut rig = Rig::resumed(Device { state, ..Device::default() }, plan(Push), record);
        rig.later(0, Registers);
        rig.run_for(10);
        assert_eq!(rig.count("package"), 1, "state {state}");
        rig.run_for(3_600);
        assert_eq!(rig.outcome, SUCCESS);
    }
}

#[test]
fn f01_a_device_that_restarts_during_a_pull_goes_on() {
    let mut rig = Rig::new(Device::default(), plan(Pull));
    rig.later(0, Registers);
    rig.later(10, Registers);
    rig.run_for(3_600);
    assert_eq!((rig.outcome, rig.count("uri"), rig.count("observe")), (SUCCESS, 1, 2));
}

#[test]
fn f01_a_device_that_lost_the_download_is_offered_it_again() {
    let device = Device::default().offers([
        [(1, Becomes(1, 0)), (10, BecomesQuietly(0, 0)), (11, Registers)].into(),
        [(1, Becomes(1, 0)), (30, Becomes(2, 0))].into(),
    ]);
    let rig = Rig::run(device, plan(Pull));
    assert_eq!((rig.outcome, rig.count("uri")), (SUCCESS, 2));
    let device = Device::default().offers([[(1, Becomes(1, 0)), (10, Becomes(0, 0))].into()]);
    let rig = Rig::run(device, plan(Pull));
    assert_eq!((rig.outcome, rig.facts.offers), (Some(Outcome::Failed(Cause::ImageDropped)), 5));
}

#[test]
fn f47_a_download_that_never_ends_is_given_up() {
    for script in [Script::new(), [(1, Becomes(1, 0))].into()] {
        let mut plan = plan(Pull);
        plan.timing.slowest_rate = 100;
        let rig = Rig::run(Device::default().offers([script]), plan);
        assert_eq!(rig.outcome, Some(Outcome::Failed(Cause::DownloadTimedOut)));
        assert!(rig.facts.took.as_secs().abs_diff(600 + SIZE as u64 / 100) < 10, "{:?}", rig.facts.took);
        assert_eq!(rig.count("reset"), 1);
        assert_eq!(rig.device.state, 0);
    }
}

#[test]
fn progress_is_told_once_per_percent_and_keeps_the_server_from_asking() {
    let mut script: Script = (0..100).map(|block| (block + 1, Served(block * 100, 100))).collect();
    script.push((1, Becomes(1, 0)));
    script.push((102, Becomes(2, 0)));
    let rig = Rig::run(Device::default().offers([script]), plan(Pull));
    assert_eq!(rig.outcome, SUCCESS);
    assert_eq!((rig.facts.bytes, rig.facts.blocks), (SIZE as u64, 100));
    assert!(rig.reads < 15, "{} reads", rig.reads);
}

#[test]
fn f29_a_device_that_lies_is_not_believed() {
    let install = |end: Script| {
        let mut script: Script = [(1, Becomes(3, 0))].into();
        script.extend(end);
        Rig::run(Device::default().executes([script]), plan(Pull)).outcome
    };
    let failed = |cause| Some(Outcome::Failed(cause));
    // Success with the old version.
    assert_eq!(install([(40, Becomes(0, 1)), (41, Registers)].into()), failed(Cause::VersionUnchanged));
    // Nothing with the old version.
    assert_eq!(install([(40, Becomes(0, 0)), (41, Registers)].into()), failed(Cause::InstallNotDone));
    // Failure with the new version.
    let script = [(40, Version(NEW)), (40, Becomes(0, 8)), (41, Registers)].into();
    assert_eq!(install(script), failed(Cause::Contradictory));
    // A result that nobody knows.
    let script = [(40, Version(NEW)), (40, Becomes(0, 200)), (41, Registers)].into();
    assert_eq!(install(script), failed(Cause::Contradictory));
    // State 3 for ever, though it is back.
    assert_eq!(install([(40, Version(NEW)), (41, Registers)].into()), Some(Outcome::Lost));
    // A state that nobody knows.
    assert_eq!(install([(40, Becomes(9, 1)), (41, Registers)].into()), Some(Outcome::Lost));
}

#[test]
fn success_waits_for_the_registration_or_the_end_of_the_time() {
    let quiet: Script = [(1, Becomes(3, 0)), (40, Becomes(0, 1)), (40, Version(NEW))].into();
    let rig = Rig::run(Device::default().executes([quiet]), plan(Pull));
    assert_eq!(rig.outcome, SUCCESS);
    assert_eq!(rig.warnings, [Warning::NotRegisteredAgain]);
    assert!(rig.facts.took.as_secs() > 35 * 60);
}

#[test]
fn a_version_that_comes_late_still_counts() {
    let late: Script =
        [(1, Becomes(3, 0)), (40, BecomesQuietly(0, 1)), (41, Registers), (90, Version(NEW))].into();
    assert_eq!(Rig::run(Device::default().executes([late]), plan(Pull)).outcome, SUCCESS);
}

#[test]
fn an_old_result_is_not_taken_for_a_new_one() {
    for result in [1, 5, 8] {
        let device = Device { result, ..Device::default() };
        let device = device.offers([[(20, Becomes(1, 0)), (30, Becomes(2, 0))].into()]);
        assert_eq!(Rig::run(device, plan(Pull)).outcome, SUCCESS, "result {result}");
    }
}

#[test]
fn a_device_that_installs_by_itself_is_followed() {
    let script: Script = [
        (1, Becomes(1, 0)),
        (30, Becomes(3, 0)),
        (60, BecomesQuietly(0, 1)),
        (60, Version(NEW)),
        (61, Registers),
    ]
    .into();
    let rig = Rig::run(Device::default().offers([script]), plan(Pull));
    assert_eq!((rig.outcome, rig.count("execute")), (SUCCESS, 0));
    assert_eq!(rig.warnings, [Warning::InstallsByItself]);
}

#[test]
fn f30_a_device_that_never_registers_is_unreachable() {
    let mut rig = Rig::new(Device::default(), plan(Pull));
    rig.run_for(3 * 86_400);
    assert_eq!(rig.outcome, Some(Outcome::Failed(Cause::Unreachable)));
    assert_eq!((rig.sent.len(), rig.reads), (0, 0));
}

/// The server is killed after each event of a run and goes on from the record that was stored last.
#[test]
fn f17_a_restart_of_the_server_at_any_point_ends_the_same() {
    for (way, observe) in [(Pull, true), (Pull, false), (Push, true), (Push, false)] {
        let plan = UpgradePlan { observe, ..plan(way) };
        for killed_after in 0..120 {
            let mut rig = Rig::new(Device::default(), plan.clone());
            rig.later(0, Registers);
            rig.run_for(killed_after);
            if rig.outcome.is_some() {
                break;
            }
            let before = rig.count("execute");
            rig.restart(plan.clone());
            rig.run_for(86_400);
            assert_eq!(rig.outcome, SUCCESS, "{way} {observe} killed after {killed_after} s");
            assert!(rig.count("execute") - before <= 1);
        }
    }
}

impl Rig {
    /// A new procedure from the stored record; the device goes on and registers again after a while.
    fn restart(&mut self, plan: UpgradePlan) {
        let bases = [alloc::string::String::from("coaps://u.example:5684")].into();
        self.procedure = Procedure::new(plan, bases, self.record.clone(), self.now);
        self.device.observed = false;
        self.later(20, Registers);
    }
}

#[test]
fn f17_an_intent_that_was_stored_but_not_used_is_used_after_the_restart() {
    let mut rig = Rig::new(Device::default(), plan(Pull));
    rig.stores = false;
    rig.later(0, Registers);
    rig.run_for(100);
    assert_eq!((rig.intents, rig.count("execute")), (1, 0));
    rig.stores = true;
    rig.restart(plan(Pull));
    rig.run_for(3_600);
    assert_eq!((rig.outcome, rig.count("execute")), (SUCCESS, 1));
}

#[test]
fn f17_a_device_that_finished_while_the_server_was_away_is_recognized() {
    let mut record = UpgradeRecord::new("token");
    record.stage = Stage::Updating;
    record.offers = 1;
    record.executes = 1;
    let device = Device { result: 1, version: Some(NEW), ..Device::default() };
    let mut rig = Rig::resumed(device, plan(Delivery::Pull), record.clone());
    rig.later(0, Registers);
    rig.run_for(3_600);
    assert_eq!((rig.outcome, rig.count("execute"), rig.count("uri")), (SUCCESS, 0, 0));
    // Installing still.
    let device = Device { state: 3, ..Device::default() };
    let mut rig = Rig::resumed(device, plan(Delivery::Pull), record);
    rig.later(0, Registers);
    rig.later(100, BecomesQuietly(0, 1));
    rig.later(100, Version(NEW));
    rig.later(101, Registers);
    rig.run_for(3_600);
    assert_eq!((rig.outcome, rig.count("execute")), (SUCCESS, 0));
}

#[test]
fn f36_contact_after_a_silence_is_used_at_once() {
    let lost = core::array::from_fn::<_, 6, _>(|_| Answer::Lost);
    let mut rig = Rig::new(Device::default().answer_first("read", lost), plan(Pull));
    rig.later(0, Registers);
    rig.run_for(93 * 6 + 700);
    rig.happen(Updates);
    rig.run_for(600);
    assert_eq!(rig.outcome, SUCCESS);
}

#[test]
fn nothing_else_is_sent_during_a_push() {
    let mut rig = Rig::new(Device { holds_push: true, ..Device::default() }, plan(Push));
    rig.later(0, Registers);
    for second in 0..60 {
        rig.later(second, Pushed(second * 100));
    }
    rig.later(20, Becomes(1, 0));
    rig.later(30, Updates);
    rig.run_for(61);
    assert!(rig.procedure.is_pushing());
    assert_eq!(rig.sent.last().map(|sent| &sent[..]), Some("package"));
    let reads = rig.reads;
    rig.run_for(500);
    assert_eq!((rig.reads, rig.count("package")), (reads, 1));
    // A cancellation takes the push back before anything else is sent.
    rig.procedure.cancel(rig.now);
    rig.run_for(600);
    assert_eq!(rig.sent[2..], ["abandon", "clear", "end-observation"]);
    assert_eq!(rig.outcome, Some(Outcome::Canceled));
}

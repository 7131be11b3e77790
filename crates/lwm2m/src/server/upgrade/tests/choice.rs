//! What is chosen for a device: delivery, protocol, times; what is learnt of it; and what object version 1.1
//! adds.

use core::time::Duration;

use coap::{BlockSize, Code};
use firmware::upgrade::Delivery::{Pull, Push};
use firmware::upgrade::{Cause, Delivery, Outcome, Proof, Protocol, Stage};

use super::super::*;
use super::rig::*;

const SUCCESS: Option<Outcome> = Some(Outcome::Succeeded(Proof::VersionAndResult));

fn free() -> UpgradePlan {
    UpgradePlan::new(package(), None)
}

fn newer() -> Device {
    Device { defer_period: Some(0), ..Device::default() }
}

fn uri(rig: &Rig) -> &str {
    rig.sent.iter().find_map(|sent| sent.strip_prefix("uri ")).unwrap_or_default()
}

#[test]
fn ets_751_the_server_picks_a_delivery_that_the_device_has() {
    let only_ftp = || Some([6].into());
    for (delivery, protocols, expected) in [
        (Some(2), None, Some(Pull)),
        (None, None, Some(Pull)),
        (Some(0), None, Some(Pull)),
        (Some(1), None, Some(Push)),
        (Some(2), only_ftp(), Some(Push)),
        (Some(0), only_ftp(), None),
    ] {
        let rig = Rig::run(Device { delivery, protocols, ..Device::default() }, free());
        assert_eq!(rig.record.delivery, expected, "{delivery:?}");
        assert_eq!(
            rig.count("uri") + 2 * rig.count("package"),
            match expected {
                Some(Pull) => 1,
                Some(Push) => 2,
                None => 0,
            }
        );
        let refused = Some(Outcome::Failed(Cause::UnsupportedProtocol));
        assert_eq!(rig.outcome, if expected.is_some() { SUCCESS } else { refused });
    }
}

#[test]
fn ets_751_liteos_keeps_the_delivery_method_on_resource_8() {
    let device = Device { delivery: Some(0), protocols: None, old_draft: true, ..Device::default() };
    let rig = Rig::run(device, free());
    assert_eq!((rig.outcome, rig.record.delivery), (SUCCESS, Some(Pull)));
}

#[test]
fn the_best_protocol_of_the_device_goes_first() {
    // The bases are http, coap and coaps; the device registered over DTLS.
    for (protocols, expected) in [
        (vec_of(&[0, 1, 2, 3]), "coaps://u.example:5684/fw/token"),
        (vec_of(&[0, 2]), "coap://u.example/fw/token"),
        (vec_of(&[2, 3]), "http://u.example:8081/fw/token"),
        (vec_of(&[99, 1]), "coaps://u.example:5684/fw/token"),
    ] {
        let rig = Rig::run(Device { protocols, ..Device::default() }, free());
        assert_eq!((rig.outcome, uri(&rig)), (SUCCESS, expected));
    }
}

fn vec_of(numbers: &[i64]) -> Option<alloc::vec::Vec<i64>> {
    Some(numbers.to_vec())
}

#[test]
fn fw_03_a_wanted_protocol_is_used_or_refused_before_a_byte() {
    let device = || Device { protocols: vec_of(&[0, 1, 2]), ..Device::default() };
    let plan = |protocol| UpgradePlan { protocol: Some(protocol), ..free() };
    let rig = Rig::run(device(), plan(Protocol::Http));
    assert_eq!((rig.outcome, uri(&rig)), (SUCCESS, "http://u.example:8081/fw/token"));
    for missing in [Protocol::Https, Protocol::CoapTcp] {
        let rig = Rig::run(device(), plan(missing));
        assert_eq!(rig.outcome, Some(Outcome::Failed(Cause::UnsupportedProtocol)), "{missing}");
        assert!(rig.sent.is_empty());
    }
    let push_only = Device { delivery: Some(1), ..device() };
    let rig = Rig::run(push_only, plan(Protocol::Http));
    assert_eq!(rig.outcome, Some(Outcome::Failed(Cause::UnsupportedDelivery)));
}

#[test]
fn a_choice_survives_a_restart_of_the_server() {
    let device = || Device { delivery: Some(1), ..Device::default() };
    let mut rig = Rig::new(device(), free());
    rig.stores = false;
    rig.later(0, Registers);
    rig.run_to(Stage::Downloaded);
    assert_eq!(rig.record.delivery, Some(Push));
    let record = rig.record;
    let mut rig = Rig::resumed(Device { state: 2, ..device() }, free(), record);
    rig.later(0, Registers);
    rig.run_for(86_400);
    assert_eq!((rig.outcome, rig.count("package"), rig.count("uri")), (SUCCESS, 0, 0));
}

#[test]
fn blocks_and_rate_are_learnt_and_told() {
    let script = [(0, 512), (512, 512), (1_024, 8_976)];
    let mut steps: Script = [(1, Becomes(1, 0))].into();
    steps.extend(script.map(|(offset, length)| (2, Served(offset, length))));
    steps.push((100, Becomes(2, 0)));
    let rig = Rig::run(Device::default().offers([steps]), plan(Pull));
    assert_eq!(rig.outcome, SUCCESS);
    assert_eq!(rig.memory.block_size.map(BlockSize::bytes), Some(512));
    assert_eq!(rig.memory.bytes_per_second, Some(SIZE as u32 / 100));
    assert_eq!(rig.record.memory, rig.memory);
    let next = Rig::new(Device::default(), UpgradePlan { memory: rig.memory, ..plan(Push) });
    assert_eq!(next.procedure.block_size().map(BlockSize::bytes), Some(512));
}

/// How long a download that stands still is waited for.
fn patience(plan: UpgradePlan) -> u64 {
    let stuck = Device::default().offers([[(1, Becomes(1, 0))].into()]);
    let rig = Rig::run(stuck, plan);
    assert_eq!(rig.outcome, Some(Outcome::Failed(Cause::DownloadTimedOut)));
    rig.now.as_micros() / 1_000_000
}

#[test]
fn times_follow_size_and_rate_between_a_floor_and_a_ceiling() {
    let bytes = alloc::vec![7; 12_800_000];
    let large = Package { bytes: bytes.into(), ..package() };
    let with = |rate: Option<u32>, timeout| {
        let memory = TransferMemory { bytes_per_second: rate, ..TransferMemory::default() };
        UpgradePlan { memory, timeout, ..UpgradePlan::new(large.clone(), Pull) }
    };
    let about = |seconds: u64, expected: u64| (expected..expected + 120).contains(&seconds);
    assert!(about(patience(with(None, None)), 600 + 100_000), "the slowest rate is 128 bytes a second");
    assert!(about(patience(with(Some(10_000), None)), 600 + 4 * 1_280), "four times the last time");
    assert!(about(patience(with(Some(1), None)), 600 + 100_000), "never more than the slowest rate");
    let explicit = Some(Duration::from_secs(50));
    assert!(about(patience(with(Some(10_000), explicit)), 50), "what was said holds");
}

#[test]
fn a_download_that_moves_gets_more_time() {
    let steps: Script =
        [(1, Becomes(1, 0)), (500, Served(0, 512)), (900, Served(512, 512)), (950, Becomes(2, 0))].into();
    let memory = TransferMemory { bytes_per_second: Some(1_000_000), ..TransferMemory::default() };
    let slow =
        UpgradePlan { memory, ..UpgradePlan::new(Package { bytes: [7; 100_000].into(), ..package() }, Pull) };
    assert_eq!(Rig::run(Device::default().offers([steps]), slow).outcome, SUCCESS);
}

#[test]
fn ets_781_urgency_and_deferral_are_written_where_the_device_has_them() {
    let plan = |delivery: Delivery| UpgradePlan {
        severity: Some(Severity::Optional),
        defer_period: Some(Duration::from_secs(3_600)),
        ..plan(delivery)
    };
    for way in [Pull, Push] {
        let rig = Rig::run(newer(), plan(way));
        assert_eq!((rig.outcome, rig.count("number")), (SUCCESS, 2));
        assert_eq!((rig.device.severity, rig.device.defer_period), (2, Some(3_600)));
        let rig = Rig::run(Device::default(), plan(way));
        assert_eq!((rig.outcome, rig.count("number")), (SUCCESS, 0));
        assert_eq!(rig.warnings, [Warning::NotDeferrable]);
    }
}

#[test]
fn ets_781_a_device_that_puts_off_installs_in_the_end() {
    let period = 40 * 3_600;
    let steps: Script = [
        (1, Becomes(2, 11)),
        (period, Becomes(3, 0)),
        (period + 60, BecomesQuietly(0, 1)),
        (period + 60, Version(NEW)),
        (period + 61, Registers),
    ]
    .into();
    let plan = UpgradePlan { defer_period: Some(Duration::from_secs(period)), ..plan(Pull) };
    let rig = Rig::run(newer().executes([steps]), plan);
    assert_eq!((rig.outcome, rig.count("execute")), (SUCCESS, 1));
    assert_eq!(rig.warnings, [Warning::PutOff]);
    // The same device with a deferral that it was not given.
    let rig = Rig::run(newer().executes([[(1, Becomes(2, 11))].into()]), UpgradePlan::new(package(), Pull));
    assert_eq!(rig.outcome, Some(Outcome::Failed(Cause::Deferred)));
}

#[test]
fn ets_781_a_newer_object_is_canceled_by_its_own_order() {
    for (way, stage) in [(Pull, Stage::Downloading), (Pull, Stage::Downloaded), (Push, Stage::Downloaded)] {
        let mut rig = Rig::new(newer(), plan(way));
        rig.stores = false;
        rig.later(0, Registers);
        rig.run_to(stage);
        rig.procedure.cancel(rig.now);
        rig.run_for(3_600);
        assert_eq!(rig.outcome, Some(Outcome::Canceled), "{way} {stage}");
        assert_eq!((rig.count("cancel"), rig.count("reset"), rig.count("clear")), (1, 0, 0));
        assert_eq!((rig.device.state, rig.device.result), (0, 10));
        assert_eq!(rig.sent.last().map(|sent| &**sent), Some("end-observation"));
    }
}

#[test]
fn ets_781_a_refused_order_to_cancel_falls_back_to_the_older_ways() {
    let refusals = [Answer::Refused(Code::NOT_FOUND)];
    let mut rig = Rig::new(newer().answer_first("cancel", refusals), plan(Pull));
    rig.later(0, Registers);
    rig.run_to(Stage::Downloading);
    rig.procedure.cancel(rig.now);
    rig.run_for(3_600);
    assert_eq!((rig.outcome, rig.count("cancel"), rig.count("reset")), (Some(Outcome::Canceled), 1, 1));
}

#[test]
fn ets_781_a_cancellation_by_the_device_is_a_failure_that_is_told() {
    for script in
        [[(1, Becomes(1, 0)), (5, Becomes(0, 10))], [(1, Becomes(1, 0)), (5, BecomesQuietly(0, 10))]]
    {
        let rig = Rig::run(Device::default().offers([script.into()]), plan(Pull));
        assert_eq!(rig.outcome, Some(Outcome::Failed(Cause::CanceledByDevice)));
        assert_eq!(rig.sent.last().map(|sent| &**sent), Some("end-observation"));
    }
}

//! A fleet behind a bad radio link, as machines in virtual time (FAULTS F10, F12, F13, I11).

mod simulated;

use std::time::Duration;

use firmware::upgrade::{Outcome, Proof};
use machine::simulation::Quality;
use simulated::{NEW, Scenario, upgrade_fleet};

/// 20 % loss each way, copies, and datagrams that overtake each other.
const BAD_RADIO: Scenario = Scenario {
    devices: 1_000,
    quality: Quality { duplication: 0.05, reordering: 0.1, ..Quality::narrow_band(0.2) },
    seed: 1,
    patience: Duration::from_secs(2 * 86_400),
};

#[test]
fn a_thousand_devices_on_a_bad_link_all_get_the_new_version() {
    let course = upgrade_fleet(BAD_RADIO);
    let proved = |outcome: &Outcome| matches!(outcome, Outcome::Succeeded(Proof::VersionAndResult));
    let failed = course.outcomes.iter().find(|(_, outcome)| !proved(outcome));
    let story = failed.map(|(id, _)| course.story(*id));
    assert_eq!(failed, None, "{story:#?}");
    assert_eq!(course.outcomes.len(), 1_000);
    assert!(course.versions.iter().all(|version| version.as_deref() == Some(NEW)));
    let lost = course.traffic.lost as f64 / course.traffic.sent as f64;
    assert!((0.19..0.21).contains(&lost), "the network was bad: {:?}", course.traffic);
}

#[test]
fn the_same_seed_gives_the_same_course_and_another_a_different_one() {
    let small = Scenario { devices: 100, ..BAD_RADIO };
    let first = upgrade_fleet(small);
    assert_eq!(first, upgrade_fleet(small));
    assert_ne!(first.trace, upgrade_fleet(Scenario { seed: 2, ..small }).trace);
}

/// F10: at 30 % loss each way about one exchange in thirty is given up; that must not end an upgrade.
#[test]
fn f10_exchanges_that_are_given_up_end_no_upgrade() {
    let worse = Quality::narrow_band(0.3);
    for seed in 1..=5 {
        let course = upgrade_fleet(Scenario { devices: 200, quality: worse, seed, ..BAD_RADIO });
        let failed = course.outcomes.iter().find(|(_, outcome)| !matches!(outcome, Outcome::Succeeded(_)));
        let story = failed.map(|(id, _)| course.story(*id));
        assert_eq!(failed, None, "seed {seed}: {story:#?}");
        assert_eq!(course.outcomes.len(), 200);
    }
}

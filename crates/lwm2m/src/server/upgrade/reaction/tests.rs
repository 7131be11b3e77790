//! Every pair of State and Result has one reaction (fw_04). Rows are states 0 to 3 and an unknown one,
//! columns results 0 to 13 and an unknown one.

use super::*;

fn states() -> impl Iterator<Item = UpdateState> {
    [0, 1, 2, 3, 77].into_iter().map(UpdateState)
}

fn results() -> impl Iterator<Item = UpdateResult> {
    (0..=13).chain([99]).map(UpdateResult)
}

/// Compares a reaction to each pair with the letters of a table.
fn check(table: [&str; 5], letter: impl Fn(UpdateState, UpdateResult) -> char) {
    for (state, row) in states().zip(table) {
        let found: alloc::string::String = results().map(|result| letter(state, result)).collect();
        assert_eq!(found, row, "state {}", state.0);
    }
}

fn download_letter(before: Before) -> impl Fn(UpdateState, UpdateResult) -> char {
    move |state, result| match while_downloading(state, result, before) {
        DownloadReaction::Wait => 'w',
        DownloadReaction::OfferAgain => 'o',
        DownloadReaction::FailedForNow(cause) => {
            assert!(result.cause() == Some(cause));
            'r'
        }
        DownloadReaction::Failed(cause) => {
            assert!(result.cause() == Some(cause));
            'f'
        }
        DownloadReaction::Downloaded => 'd',
        DownloadReaction::Installing => 'i',
        DownloadReaction::Verify => 'v',
    }
}

#[test]
fn fw_04_while_downloading_before_the_device_began() {
    let before = Before { began: false, result: UpdateResult::INITIAL, settled: false };
    let table =
        ["wvfrrffffffffff", "wwfffffffffffff", "ddfffffffffdfff", "iiiiiiiiiiiiiii", "wwwwwwwwwwwwwww"];
    check(table, download_letter(before));
}

#[test]
fn fw_04_while_downloading_after_the_device_began() {
    let before = Before { began: true, result: UpdateResult::INITIAL, settled: false };
    let table =
        ["ovfrrffffffffff", "wwfffffffffffff", "ddfffffffffdfff", "iiiiiiiiiiiiiii", "wwwwwwwwwwwwwww"];
    check(table, download_letter(before));
}

#[test]
fn fw_04_an_old_result_says_nothing_before_the_device_began() {
    let before = Before { began: false, result: UpdateResult::INTEGRITY_FAILED, settled: false };
    let table =
        ["wvfrrwfffffffff", "wwfffwfffffffff", "ddfffdfffffdfff", "iiiiiiiiiiiiiii", "wwwwwwwwwwwwwww"];
    check(table, download_letter(before));
    // The success of the last upgrade is no success of this one.
    let before = Before { began: true, result: UpdateResult::SUCCESS, settled: true };
    assert_eq!(
        while_downloading(UpdateState::IDLE, UpdateResult::SUCCESS, before),
        DownloadReaction::OfferAgain
    );
}

fn install_letter(before: Before) -> impl Fn(UpdateState, UpdateResult) -> char {
    move |state, result| match after_execute(state, result, before) {
        InstallReaction::Wait => 'w',
        InstallReaction::Verify => 'v',
        InstallReaction::ExecuteAgain => 'x',
        InstallReaction::Downloading => 'd',
    }
}

#[test]
fn fw_04_right_after_the_order_to_install() {
    let before = Before { began: true, result: UpdateResult::INITIAL, settled: false };
    let table =
        ["vvvvvvvvvvvvvvv", "ddddddddddddddd", "wwvvvvvvvvvwvvv", "wwwwwwwwwwwwwww", "wwwwwwwwwwwwwww"];
    check(table, install_letter(before));
}

#[test]
fn fw_04_when_the_device_had_its_time_to_install() {
    let before = Before { began: true, result: UpdateResult::INITIAL, settled: true };
    let table =
        ["vvvvvvvvvvvvvvv", "ddddddddddddddd", "xxvvvvvvvvvwvvv", "wwwwwwwwwwwwwww", "wwwwwwwwwwwwwww"];
    check(table, install_letter(before));
}

#[test]
fn fw_04_verdicts_with_the_target_version() {
    let letter = |state, result| match verdict(state, result, Version::Target) {
        Verdict::Final(Outcome::Succeeded(Proof::VersionAndResult)) => 'S',
        Verdict::Final(Outcome::Succeeded(Proof::VersionOnly)) => 's',
        Verdict::Final(Outcome::Failed(Cause::Contradictory)) => 'c',
        Verdict::Unsettled(Cause::Contradictory) => 'u',
        other => panic!("{other:?}"),
    };
    let table =
        ["sSccccccccccccc", "uSccccccccccccc", "uSccccccccccccc", "uSccccccccccccc", "uSccccccccccccc"];
    check(table, letter);
}

#[test]
fn fw_04_no_pair_is_success_without_the_target_version() {
    for (state, result) in states().flat_map(|state| results().map(move |result| (state, result))) {
        let expected = match result.cause() {
            Some(cause) => Verdict::Final(Outcome::Failed(cause)),
            None if result == UpdateResult::SUCCESS => Verdict::Unsettled(Cause::VersionUnchanged),
            None => Verdict::Unsettled(Cause::InstallNotDone),
        };
        assert_eq!(verdict(state, result, Version::Other), expected);
        let without = verdict(state, result, Version::NoTarget);
        let success = Verdict::Final(Outcome::Succeeded(Proof::ResultOnly));
        assert_eq!(without == success, result == UpdateResult::SUCCESS);
    }
}

#[test]
fn fw_04_only_leftovers_of_ours_are_removed() {
    let expected = |ours| states().map(move |state| at_start(state, ours));
    use StartReaction::{Foreign, Offer, Reset};
    assert!(expected(true).eq([Offer, Reset, Reset, Foreign, Foreign]));
    assert!(expected(false).eq([Offer, Foreign, Foreign, Foreign, Foreign]));
}

//! `cargo xtask conformance`: runs every row of the conformance table and writes docs/conformance.md.
//!
//! A row is proved by the tests whose name begins with its id (`ets_101_…`, `d14_…`, `ets_755_756_…`), in
//! whichever crate they are. A row without a test, or with a reason not to have one, says so.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::{env, fs};

use xtask::{Failure, postgres};

use crate::tools;

const TABLE: &str = "crates/e2e/conformance.tsv";
const REPORT: &str = "docs/conformance.md";

const HEAD: &str = "\
# Conformance

What the server, the bootstrap server and the client role prove, row by row: the cases of the OMA
interoperability test specifications (`ets_…`, numbered as there), what those leave out (`reg_…` to
`alt_…`), CoAP datagrams (`m…`, `b…`), CoAP in states (`s…`), observation (`o…`), DTLS with connection
ids (`d…`) and what the network may do to the server (`n…`). P0 gates a release, P1 gates version 1.0, P2
comes later. Each row is proved by the tests whose name begins with its id. Written by
`cargo xtask conformance`; change `crates/e2e/conformance.tsv`, not this file.
";

/// One row of the table.
struct Row {
    section: String,
    id: String,
    covers: String,
    priority: String,
    title: String,
    /// Why there is no test.
    reason: String,
}

/// What the tests of a row say.
#[derive(Default)]
struct Proof {
    passed: Vec<String>,
    failed: Vec<String>,
}

/// Runs the rows, prints the table, writes the report. Fails if a row that gates a release is not proved.
pub fn run() -> Result<(), Failure> {
    let rows = table()?;
    let names = run_tests(&rows)?;
    let proofs: Vec<Proof> = rows.iter().map(|row| proof(&row.id, &names)).collect();
    let report = report(&rows, &proofs);
    print!("{}", summary(&rows, &proofs));
    let path = tools::workspace().join(REPORT);
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(&path, report))
        .map_err(|error| Failure::new(format!("write {REPORT}"), error))?;
    println!("Written: {REPORT}");
    let open: Vec<&str> =
        rows.iter().zip(&proofs).filter(|(row, proof)| gates(row, proof)).map(|(row, _)| &*row.id).collect();
    if open.is_empty() {
        Ok(())
    } else {
        Err(Failure::new("prove every row", format!("not proved: {}", open.join(", "))))
    }
}

fn table() -> Result<Vec<Row>, Failure> {
    let text = fs::read_to_string(tools::workspace().join(TABLE))
        .map_err(|error| Failure::new(format!("read {TABLE}"), error))?;
    text.lines()
        .skip(1)
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [section, id, covers, priority, title, reason] = columns[..] else {
                return Err(Failure::new(format!("read {TABLE}"), format!("not six columns: {line}")));
            };
            let [section, id, covers] = [section, id, covers].map(str::to_owned);
            let [priority, title, reason] = [priority, title, reason].map(str::to_owned);
            Ok(Row { section, id, covers, priority, title, reason })
        })
        .collect()
}

/// The tests of all rows by name, with whether they passed.
fn run_tests(rows: &[Row]) -> Result<BTreeMap<String, bool>, Failure> {
    tools::cargo(&["build", "--package", "server", "--package", "vmodule", "--bins"])?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let step = "run the tests of the conformance table";
    let (reader, writer) = std::io::pipe().map_err(|error| Failure::new(step, error))?;
    let errors = writer.try_clone().map_err(|error| Failure::new(step, error))?;
    // A superset runs: a filter is any part of a name.
    let filters = rows.iter().map(|row| row.id.as_str());
    let mut command = Command::new(cargo);
    command.args(["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests", "--"]);
    command.args(filters).current_dir(tools::workspace()).stdout(writer).stderr(errors);
    command.envs(tools::tested_programs()?);
    let server = postgres::Cluster::start(&tools::target())?;
    command.env(postgres::VARIABLE, server.url());
    let mut child = command.spawn().map_err(|error| Failure::new(step, error))?;
    // Its copies of the pipe's end would keep the reading below from ending.
    drop(command);
    let mut names = BTreeMap::new();
    let mut place = String::new();
    for line in BufReader::new(reader).lines() {
        let line = line.map_err(|error| Failure::new(step, error))?;
        if let Some(binary) = line.trim_start().strip_prefix("Running ") {
            place = binary_of(binary);
        } else if let Some(test) = line.strip_prefix("test ")
            && let Some((name, outcome)) = test.rsplit_once(" ... ")
        {
            names.insert(format!("{place}::{name}"), outcome == "ok");
        } else if line.starts_with("error") {
            println!("{line}");
        }
    }
    child.wait().map_err(|error| Failure::new(step, error))?;
    if names.is_empty() {
        return Err(Failure::new(step, "no test ran; `cargo test --workspace` says why"));
    }
    Ok(names)
}

/// `matrix` of `tests/matrix/main.rs (target/debug/deps/matrix-0123)`.
fn binary_of(running: &str) -> String {
    let binary = running.rsplit('/').next().unwrap_or(running);
    binary.rsplit_once('-').map_or(binary, |(name, _)| name).to_owned()
}

fn proof(id: &str, names: &BTreeMap<String, bool>) -> Proof {
    let mut proof = Proof::default();
    for (name, passed) in names {
        if ids(name).iter().any(|proved| proved == id) {
            if *passed { &mut proof.passed } else { &mut proof.failed }.push(name.clone());
        }
    }
    proof
}

/// The ids that a test's name begins with: `ets_755` and `ets_756` of `ets_755_756_leftovers`, `d31` of
/// `d31_a_module`.
fn ids(name: &str) -> Vec<String> {
    // A test that runs on both engines of the store is named for the engine last.
    let name = name.strip_suffix("::on_sqlite").or(name.strip_suffix("::on_postgresql")).unwrap_or(name);
    let last = name.rsplit("::").next().unwrap_or(name);
    let mut words = last.split('_').peekable();
    let (mut ids, mut family, mut digits) = (Vec::new(), "", 0);
    while let Some(word) = words.next() {
        if is_number(word) && word.len() == digits {
            ids.push(format!("{family}_{word}"));
        } else if word.starts_with(|letter: char| letter.is_ascii_lowercase())
            && is_number(word.trim_start_matches(|letter: char| letter.is_ascii_lowercase()))
        {
            ids.push(word.to_owned());
        } else if let Some(number) = words.next_if(|next| is_number(next)) {
            (family, digits) = (word, number.len());
            ids.push(format!("{family}_{number}"));
        } else {
            break;
        }
    }
    ids
}

/// Digits, and perhaps a letter: `06`, `401x`.
fn is_number(word: &str) -> bool {
    let digits = word.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
    !digits.is_empty() && word.len() <= digits.len() + 1 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the row keeps a release from being made.
fn gates(row: &Row, proof: &Proof) -> bool {
    let missing = proof.passed.is_empty() && row.reason.is_empty();
    !proof.failed.is_empty() || (missing && matches!(&*row.priority, "P0" | "P1"))
}

fn verdict(row: &Row, proof: &Proof) -> &'static str {
    match (proof.failed.is_empty(), proof.passed.is_empty(), row.reason.is_empty()) {
        (false, _, _) => "FAIL",
        (true, false, _) => "pass",
        (true, true, false) => "left out",
        (true, true, true) => "missing",
    }
}

fn summary(rows: &[Row], proofs: &[Proof]) -> String {
    let mut text = String::new();
    for (row, proof) in rows.iter().zip(proofs) {
        let _ = writeln!(text, "{:9} {:3} {:9} {}", row.id, row.priority, verdict(row, proof), row.title);
    }
    text.push_str(&counts(rows, proofs));
    text
}

fn counts(rows: &[Row], proofs: &[Proof]) -> String {
    let mut text = String::from(
        "\n| priority | rows | pass | left out, with a reason | missing | fail |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for priority in ["P0", "P1", "P2", "-"] {
        let of = |wanted: &str| {
            let chosen = rows.iter().zip(proofs).filter(|(row, _)| row.priority == priority);
            chosen.filter(|(row, proof)| wanted.is_empty() || verdict(row, proof) == wanted).count()
        };
        let [all, pass, left, missing, fail] = ["", "pass", "left out", "missing", "FAIL"].map(of);
        let _ = writeln!(text, "| {priority} | {all} | {pass} | {left} | {missing} | {fail} |");
    }
    text
}

fn report(rows: &[Row], proofs: &[Proof]) -> String {
    let mut text = String::from(HEAD);
    text.push_str(&counts(rows, proofs));
    let mut section = "";
    for (row, proof) in rows.iter().zip(proofs) {
        if row.section != section {
            section = &row.section;
            let _ = write!(
                text,
                "\n## {section}\n\n| id | covers | priority | case | result | proved by |\n| --- | --- | --- | --- | --- | --- |\n"
            );
        }
        let tests = proof.failed.iter().chain(&proof.passed).map(|name| format!("`{name}`"));
        let tests: Vec<String> = tests.collect();
        let why = if row.reason.is_empty() { tests.join("<br>") } else { row.reason.clone() };
        let title = row.title.replace('|', "\\|").replace('<', "&lt;");
        let _ = writeln!(
            text,
            "| {} | {} | {} | {title} | {} | {why} |",
            row.id,
            row.covers,
            row.priority,
            verdict(row, proof)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::ids;

    #[test]
    fn a_name_tells_the_rows_that_it_proves() {
        assert_eq!(ids("server::matrix::d31_a_module_goes_on"), ["d31"]);
        assert_eq!(ids("lwm2m::ets_755_756_leftovers_are_reset"), ["ets_755", "ets_756"]);
        assert_eq!(ids("ets_401x_sec_06_another_name"), ["ets_401x", "sec_06"]);
        assert_eq!(ids("dm_06_dm_08_ets_221_what_no_device"), ["dm_06", "dm_08", "ets_221"]);
        assert_eq!(ids("reg_11_17_a_new_session"), ["reg_11", "reg_17"]);
        assert_eq!(ids("ets_770_2_images"), ["ets_770"]);
        assert_eq!(ids("b07"), ["b07"]);
        assert_eq!(ids("success_is_read_from_the_device"), [""; 0]);
    }
}

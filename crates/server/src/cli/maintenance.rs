//! `updraft backup`, `updraft restore`, `updraft check`: on the data itself, without the server.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;

use super::config::Origin;
use super::failure::Failure;
use super::output::{Output, facts, table};
use crate::maintenance::{self, BackedUp, MaintenanceError, Report, Restored, Severity, Watcher};
use crate::size::ByteCount;

/// Write everything into one file; the server may run meanwhile.
#[derive(Args, Debug)]
pub struct Backup {
    /// Where to; it is whole or not there.
    file: PathBuf,
    /// Overwrite the file if it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    origin: Origin,
}

/// Restore a backup into an empty data folder and an empty database; the server must not run.
#[derive(Args, Debug)]
pub struct Restore {
    /// The file that `updraft backup` wrote.
    file: PathBuf,
    #[command(flatten)]
    origin: Origin,
}

/// Check the database, every key and every package file; changes nothing.
#[derive(Args, Debug)]
pub struct Check {
    #[command(flatten)]
    origin: Origin,
}

impl Backup {
    pub fn run(&self, output: &Output) -> Result<(), Failure> {
        let config = self.origin.config()?;
        let mut bar = Bar(output.bar(0, "backing up"));
        let done = wait(maintenance::backup(&config, &self.file, self.force, &mut bar));
        bar.0.finish_and_clear();
        let done = done?;
        let file = self.file.display().to_string();
        let lost: Vec<String> = done.dumped.lost.iter().map(ToString::to_string).collect();
        output.value(&summary(&done, &file, &lost), || backed_up(&done, &file));
        if lost.is_empty() {
            return Ok(());
        }
        let text = format!(
            "the backup has everything but files that are missing or damaged: {}; `updraft check` tells of \
             which packages they are",
            lost.join(", ")
        );
        Err(Failure::Operation(anyhow::anyhow!(text)))
    }
}

impl Restore {
    pub fn run(&self, output: &Output) -> Result<(), Failure> {
        let config = self.origin.config()?;
        let mut bar = Bar(output.bar(0, "restoring"));
        let done = wait(maintenance::restore(&config, &self.file, &mut bar));
        bar.0.finish_and_clear();
        let done = done?;
        let value = json!({
            "made_at": done.made_at.to_string(),
            "rows": done.loaded.map(|loaded| loaded.count.rows),
            "images": done.loaded.map(|loaded| loaded.count.images),
            "unfinished_upgrades": done.loaded.map(|loaded| loaded.unfinished_upgrades),
            "key_file": done.key_file,
            "key_file_missing": done.key_file_missing,
        });
        output.value(&value, || restored(&done));
        Ok(())
    }
}

impl Check {
    pub fn run(&self, output: &Output) -> Result<(), Failure> {
        let config = self.origin.config()?;
        let report = wait(maintenance::check(&config))?;
        output.value(&report, || checked(&report));
        let faults = report.findings.iter().filter(|found| found.severity == Severity::Fault).count();
        if report.whole {
            return Ok(());
        }
        Err(Failure::Operation(anyhow::anyhow!("{faults} things are wrong")))
    }
}

fn wait<T>(work: impl Future<Output = Result<T, MaintenanceError>>) -> Result<T, Failure> {
    // What it writes is nobody else's business.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start threads")
        .map_err(Failure::Operation)?;
    runtime.block_on(work).map_err(Failure::operation)
}

struct Bar(ProgressBar);

impl Watcher for Bar {
    fn total(&mut self, bytes: ByteCount) {
        self.0.set_length(bytes.0);
    }

    fn done(&mut self, bytes: ByteCount) {
        self.0.inc(bytes.0);
    }
}

fn summary(done: &BackedUp, file: &str, lost: &[String]) -> serde_json::Value {
    json!({
        "file": file,
        "size_bytes": done.size.0,
        "schema": done.dumped.header.schema,
        "rows": done.dumped.count.rows,
        "images": done.dumped.count.images,
        "lost_images": lost,
        "key_file": done.key_file,
    })
}

fn backed_up(done: &BackedUp, file: &str) -> String {
    let facts = facts(&[
        ("file", file.to_owned()),
        ("size", done.size.to_string()),
        ("rows", done.dumped.count.rows.to_string()),
        ("package files", done.dumped.count.images.to_string()),
    ]);
    format!(
        "{facts}\nThe key file is not in it, and device keys cannot be read without it: keep a copy of {} \
         somewhere else.",
        done.key_file.display()
    )
}

fn restored(done: &Restored) -> String {
    let mut text = format!("restored the backup of {}", done.made_at);
    if let Some(loaded) = &done.loaded {
        text = format!("{text}: {} rows, {} package files", loaded.count.rows, loaded.count.images);
        if loaded.unfinished_upgrades > 0 {
            text = format!(
                "{text}\n{} upgrades had not ended then; each asks its device first what it runs.",
                loaded.unfinished_upgrades
            );
        }
    }
    if done.key_file_missing {
        text = format!(
            "{text}\nThe key file is missing: put it back at {} before the server starts.",
            done.key_file.display()
        );
    }
    format!("{text}\nDevices register again, with new sessions.")
}

fn checked(report: &Report) -> String {
    let facts = facts(&[
        ("schema", report.schema.to_string()),
        ("device keys", report.keys.to_string()),
        ("package files", format!("{} ({})", report.images, ByteCount(report.image_bytes))),
        ("verdict", if report.whole { "whole" } else { "broken" }.to_owned()),
    ]);
    if report.findings.is_empty() {
        return facts;
    }
    let rows = report.findings.iter().map(|found| {
        let severity = if found.severity == Severity::Fault { "fault" } else { "note" };
        vec![severity.to_owned(), found.part.to_owned(), found.what.clone(), found.remedy.clone()]
    });
    format!("{facts}\n\n{}", table(&["", "PART", "WHAT", "WHAT TO DO"], rows))
}

//! Looks at everything that is stored.

use std::path::Path;

use serde::Serialize;

use super::{MaintenanceError, connect};
use crate::config::Config;
use crate::secrets::{Vault, read_key_file};
use crate::store::check::{Checked, Finding, Part, check as check_store};
use crate::store::{Images, restoring};

/// What was found.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Report {
    /// Whether nothing is broken.
    pub whole: bool,
    /// The schema of the database.
    pub schema: i64,
    /// How many device keys were opened.
    pub keys: u64,
    /// How many files of packages were compared with their hash.
    pub images: u64,
    /// How large they are together.
    pub image_bytes: u64,
    /// What is broken or worth knowing.
    pub findings: Vec<Found>,
}

/// One thing that was found.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Found {
    /// How bad it is.
    pub severity: Severity,
    /// `database`, `schema`, `keys`, `images` or `folder`.
    pub part: &'static str,
    /// What it is.
    pub what: String,
    /// What to do about it; empty if nothing.
    pub remedy: String,
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something is broken.
    Fault,
    /// Worth knowing.
    Note,
}

/// Checks the database, every key and every image of the configured data folder, and changes nothing.
///
/// # Errors
/// There is no database, or it cannot be read.
pub async fn check(config: &Config) -> Result<Report, MaintenanceError> {
    let mut findings = Vec::new();
    if restoring(&config.data_dir) {
        let what = "A restore was interrupted, or runs now.".to_owned();
        let remedy = "Run `updraft restore` again.".to_owned();
        findings.push(Found { severity: Severity::Fault, part: "folder", what, remedy });
    }
    let mut connection = connect(config).await?;
    let vault = open_vault(&config.key_file, &mut findings);
    let checked = check_store(
        &mut connection,
        vault.as_ref(),
        &Images::beside(&config.data_dir, &config.packages.store)?,
    )
    .await?;
    // All that it did was to read.
    let _ = sqlx::Connection::close(connection).await;
    Ok(report(checked, findings))
}

fn open_vault(path: &Path, findings: &mut Vec<Found>) -> Option<Vault> {
    match read_key_file(path) {
        Ok(key) => Some(Vault::new(key)),
        Err(error) => {
            let what = format!("{:#}", anyhow::Error::new(error));
            findings.push(Found { severity: Severity::Fault, part: "keys", what, remedy: String::new() });
            None
        }
    }
}

fn report(checked: Checked, mut findings: Vec<Found>) -> Report {
    findings.extend(checked.findings.iter().map(found));
    Report {
        whole: findings.iter().all(|found| found.severity == Severity::Note),
        schema: checked.schema,
        keys: checked.keys,
        images: checked.images,
        image_bytes: checked.image_bytes,
        findings,
    }
}

fn found(finding: &Finding) -> Found {
    let part = match finding.part {
        Part::Database => "database",
        Part::Schema => "schema",
        Part::Keys => "keys",
        Part::Images => "images",
    };
    let severity = if finding.is_fault { Severity::Fault } else { Severity::Note };
    Found { severity, part, what: finding.what.clone(), remedy: finding.remedy.clone() }
}

//! `updraft package approve`

use std::io::{self, BufRead, IsTerminal};

use clap::Args;

use super::shown::shown;
use super::{Client, Failure, Output, find, path};
use crate::api;

#[derive(Args, Debug)]
pub struct Approve {
    /// The id of the package, or its name if there is only one of that name.
    package: String,
    /// The SHA-256 of the file that was looked at; otherwise the package is shown, and you are asked.
    #[arg(long, value_name = "HASH", conflicts_with = "yes")]
    sha256: Option<String>,
    /// The SHA-256 of its manifest, if it has one.
    #[arg(long, value_name = "HASH", requires = "sha256")]
    manifest_sha256: Option<String>,
    /// Approve what the server has now, without asking.
    #[arg(long)]
    yes: bool,
}

impl Approve {
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let package = find(client, &self.package)?;
        let body = match &self.sha256 {
            Some(sha256) => {
                let (sha256, manifest_sha256) = (sha256.clone(), self.manifest_sha256.clone());
                api::ApprovePackage { sha256, manifest_sha256 }
            }
            None => {
                if !self.yes {
                    ask(&package, output)?;
                }
                let api::Package { sha256, manifest_sha256, .. } = package.clone();
                api::ApprovePackage { sha256, manifest_sha256 }
            }
        };
        let package: api::Package = client.post(&format!("{}/approve", path(&package.id)), &body)?;
        output.value(&package, || format!("approved\n{}", shown(&package)));
        Ok(())
    }
}

/// Shows the package and waits for a yes.
fn ask(package: &api::Package, output: &Output) -> Result<(), Failure> {
    if output.is_json() || !io::stdin().is_terminal() {
        return Err(Failure::usage(anyhow::anyhow!(
            "say what is approved: --sha256 HASH as `updraft package show {}` shows it, or --yes",
            package.id
        )));
    }
    output.aside(&format!("{}\nLet upgrades start with exactly this? Type yes:", shown(package)));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(Failure::operation)?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::operation(anyhow::anyhow!("not approved")))
}

//! `updraft signing-key`

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};

use super::client::{Client, escaped};
use super::failure::Failure;
use super::output::{Output, facts, moment, table};
use crate::api;

/// The public keys with which packages are verified.
#[derive(Subcommand, Debug)]
pub enum SigningKey {
    /// Add the public key of a manufacturer.
    Add(Add),
    /// List keys, those that were revoked too.
    List {
        /// Only keys of exactly this manufacturer.
        #[arg(long, value_name = "NAME")]
        manufacturer: Option<String>,
    },
    /// Show one key.
    Show {
        /// Its id.
        id: String,
    },
    /// Revoke a key for good: what it has signed is refused the next time that it is loaded.
    Revoke {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

#[derive(Args, Debug)]
pub struct Add {
    /// The public key in PEM, such as public.pem of `updraft sign keygen`.
    file: PathBuf,
    /// Whose packages it vouches for: manufacturerName of their profiles, exactly.
    #[arg(long, value_name = "NAME")]
    manufacturer: String,
    /// The only algorithm that signatures are checked with: rsa2048-sha256-pkcs1v15,
    /// rsa2048-sha256-pss-mgf1sha256-salt32, ecdsa-p256-sha256 or ed25519. Otherwise the usual one for such keys.
    #[arg(long, value_name = "CODE")]
    algorithm: Option<String>,
    /// Anything worth knowing.
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
}

const ADDRESS: &str = "/api/v1/signing-keys";

/// More than any public key.
const LONGEST_FILE: u64 = 16 << 10;

impl SigningKey {
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.run(client, output)?,
            Self::List { manufacturer } => {
                let parameters = [("manufacturer", manufacturer.as_deref())];
                let keys: Vec<api::SigningKey> = client.all(ADDRESS, &parameters)?;
                output.value(&keys, || listed(&keys));
            }
            Self::Show { id } => {
                let key: api::SigningKey = client.get(&format!("{ADDRESS}/{}", escaped(id)))?;
                output.value(&key, || format!("{}\n{}", shown(&key), key.pem.trim_end()));
            }
            Self::Revoke { id, reason } => {
                let body = api::RevokeSigningKey { reason: reason.clone() };
                let key: api::SigningKey =
                    client.post(&format!("{ADDRESS}/{}/revoke", escaped(id)), &body)?;
                output.value(&key, || format!("revoked\n{}", shown(&key)));
            }
        }
        Ok(())
    }
}

impl Add {
    fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let body = api::AddSigningKey {
            manufacturer: self.manufacturer.clone(),
            pem: read(&self.file).map_err(Failure::Usage)?,
            algorithm: self.algorithm.clone(),
            comment: self.comment.clone(),
        };
        let added: api::AddedSigningKey = client.post(ADDRESS, &body)?;
        output.value(&added, || format!("added\n{}", shown(&added.key)));
        for warning in &added.warnings {
            output.aside(&format!("warning: {warning}"));
        }
        Ok(())
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text))
        .with_context(|| format!("cannot read the public key {}", file.display()))?;
    // It would be sent to the server.
    anyhow::ensure!(
        !text.contains("PRIVATE KEY"),
        "{} is a private key; the server needs the public one only, and a private one never leaves its owner",
        file.display()
    );
    Ok(text)
}

fn state(key: &api::SigningKey) -> String {
    match &key.revocation {
        Some(revocation) => format!("revoked {}", moment(&revocation.at)),
        None => "valid".to_owned(),
    }
}

fn listed(keys: &[api::SigningKey]) -> String {
    if keys.is_empty() {
        return "no signing keys; `updraft signing-key add` adds one".to_owned();
    }
    let rows = keys.iter().map(|key| {
        vec![
            key.id.clone(),
            key.manufacturer.clone(),
            key.algorithm.clone(),
            state(key),
            key.added_by.clone(),
            moment(&key.created_at),
        ]
    });
    table(&["ID", "MANUFACTURER", "ALGORITHM", "STATE", "ADDED BY", "ADDED"], rows)
}

fn shown(key: &api::SigningKey) -> String {
    let revocation = key.revocation.clone();
    let (by, reason) = revocation.map(|revocation| (revocation.by, revocation.reason)).unwrap_or_default();
    facts(&[
        ("id", key.id.clone()),
        ("manufacturer", key.manufacturer.clone()),
        ("algorithm", key.algorithm.clone()),
        ("state", state(key)),
        ("revoked by", by),
        ("reason", reason),
        ("comment", key.comment.clone()),
        ("added by", key.added_by.clone()),
        ("added", moment(&key.created_at)),
    ])
}

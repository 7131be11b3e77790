//! `updraft sign verify`

use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use jiff::Timestamp;
use package::bundle::{self, Content, Verified};
use package::{Algorithm, Kind, Limits, Manifest, PublicKey};
use serde::Serialize;

use super::archive::as_json;
use super::files;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, facts};

#[derive(Args, Debug)]
pub struct Verify {
    /// The signed archive.
    archive: PathBuf,
    /// A public key that may sign. May be given several times; every signature must be by one of them.
    #[arg(long, value_name = "FILE", default_value = "public.pem")]
    public: Vec<PathBuf>,
    /// What the keys sign with, for keys of other tools that can sign in two ways.
    #[arg(long, value_name = "ALGORITHM", value_parser = super::algorithm)]
    algorithm: Option<Algorithm>,
    /// How many different keys must have signed it.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    required: usize,
}

#[derive(Serialize)]
struct VerifiedFile {
    file: PathBuf,
    signers: Vec<String>,
    manifest: serde_json::Value,
}

impl Verify {
    pub fn run(&self, output: &Output) -> Result<(), Failure> {
        let keys = self.public.iter().map(|path| self.key(path)).collect::<Result<Vec<_>, _>>()?;
        let archive = files::read(&self.archive)?;
        let verified = self
            .verified(archive, &keys)
            .with_context(|| format!("{} is not verified", self.archive.display()))
            .map_err(Failure::operation)?;
        let file = VerifiedFile {
            file: self.archive.clone(),
            signers: verified.signers().iter().map(ToString::to_string).collect(),
            manifest: as_json(verified.manifest()),
        };
        output.value(&file, || file.text(verified.manifest()));
        Ok(())
    }

    fn key(&self, path: &Path) -> Result<PublicKey, Failure> {
        let text = files::read_text(path)?;
        let read = || {
            let algorithm = self.algorithm.map_or_else(|| Algorithm::natural_of(&text), Ok)?;
            PublicKey::from_pem(&text, algorithm)
        };
        read().with_context(|| format!("{} is no key that verifies", path.display())).map_err(Failure::usage)
    }

    /// As the server does, with the files in it too.
    fn verified(&self, archive: Vec<u8>, keys: &[PublicKey]) -> anyhow::Result<Verified<Cursor<Vec<u8>>>> {
        let mut verified = match bundle::inspect(Cursor::new(archive), Limits::DEFAULT)? {
            Content::Signed(signed) => signed.verify(keys, self.required)?,
            Content::Unsigned(_) => {
                return Err(anyhow!("nobody signed it: there is no signatures.json in it"));
            }
            Content::Raw(_) => return Err(anyhow!("it is no zip archive, and only such are signed")),
        };
        let banks: Vec<Option<u8>> =
            verified.manifest().payloads.iter().map(|payload| payload.bank).collect();
        for bank in banks {
            verified.payload(bank)?;
        }
        Ok(verified)
    }
}

impl VerifiedFile {
    fn text(&self, manifest: &Manifest) -> String {
        let mut rows =
            vec![("file", self.file.display().to_string()), ("signed by", self.signers.join(", "))];
        rows.extend(manifest_facts(manifest));
        format!("verified: the signatures and the files are good\n{}", facts(&rows))
    }
}

/// What a manifest says, for people.
pub fn manifest_facts(manifest: &Manifest) -> Vec<(&'static str, String)> {
    let product = manifest.product.as_ref().map(|product| {
        [&product.manufacturer, &product.model, &product.device_type, &product.protocol]
            .map(String::as_str)
            .join(", ")
    });
    let kind = match &manifest.kind {
        Kind::Full => "full".to_owned(),
        Kind::Delta { from } => format!("delta from {}", from.version),
    };
    let moment = |seconds: Option<i64>| {
        let time = |seconds| {
            Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
        };
        seconds.map(time).unwrap_or_default()
    };
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let mut rows = vec![
        ("product", product.unwrap_or_default()),
        ("domain", manifest.domain.clone().unwrap_or_default()),
        ("hardware", manifest.hardware_revisions.join(", ")),
        ("kind", kind),
        ("version", manifest.version.clone().unwrap_or_default()),
        ("security counter", number(manifest.security_counter)),
        ("sequence", number(manifest.sequence)),
        ("not before", moment(manifest.not_before)),
        ("not after", moment(manifest.not_after)),
        ("downgrade", if manifest.allow_downgrade { "allowed".to_owned() } else { String::new() }),
        ("keys", manifest.key_ids.join(", ")),
    ];
    for payload in &manifest.payloads {
        let bank = payload.bank.map(|bank| format!(", bank {bank}")).unwrap_or_default();
        let what =
            format!("{}, {} bytes{bank}, SHA-256 {}", payload.name, payload.size_bytes, payload.sha256);
        rows.push(("payload", what));
    }
    rows
}

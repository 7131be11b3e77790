//! `updraft sign sign`

use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use package::bundle::{self, Content};
use package::{Algorithm, ArchiveWriter, Limits, Manifest, PrivateKey};
use serde::Serialize;

use super::described::Described;
use super::files::{self, Readers};
use super::passphrase;
use super::verify::manifest_facts;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, facts};

#[derive(Args, Debug)]
pub struct SignArchive {
    /// The firmware as its supplier made it, or a zip archive with it. A signed archive gets one more signature.
    firmware: PathBuf,
    /// The private key.
    #[arg(long, value_name = "FILE", default_value = "private.pem")]
    private: PathBuf,
    /// What the key signs with, for keys of other tools that can sign in two ways.
    #[arg(long, value_name = "ALGORITHM", value_parser = super::algorithm)]
    algorithm: Option<Algorithm>,
    #[command(flatten)]
    passphrase: passphrase::Source,
    /// Where the signed archive goes; otherwise beside the firmware, with `_signed` in its name.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    described: Described,
}

#[derive(Serialize)]
struct SignedFile {
    file: PathBuf,
    size_bytes: usize,
    key_id: String,
    algorithm: &'static str,
    manifest: serde_json::Value,
}

impl SignArchive {
    pub fn run(&self, output: &Output) -> Result<(), Failure> {
        let target = self.output.clone().unwrap_or_else(|| signed_name(&self.firmware));
        files::refuse_existing(&target, self.force)?;
        let firmware = files::read(&self.firmware)?;
        let key = self.key()?;
        let signed = self.signed(firmware, &key);
        let (manifest, archive) = signed.map_err(|failure| match failure {
            Failure::Operation(error) => {
                Failure::Operation(error.context(format!("{} was not signed", self.firmware.display())))
            }
            other => other,
        })?;
        files::write(&target, &archive, Readers::Everybody, self.force)?;
        let file = SignedFile {
            file: target,
            size_bytes: archive.len(),
            key_id: key.public_key().id().to_string(),
            algorithm: key.algorithm().code(),
            manifest: as_json(&manifest),
        };
        output.value(&file, || file.text(&manifest));
        Ok(())
    }

    fn key(&self) -> Result<PrivateKey, Failure> {
        let text = files::read_text(&self.private)?;
        let passphrase = self.passphrase.open(&self.private)?;
        PrivateKey::from_encrypted_pem(&text, &passphrase, self.algorithm)
            .with_context(|| format!("cannot open {}", self.private.display()))
            .map_err(Failure::operation)
    }

    fn signed(&self, firmware: Vec<u8>, key: &PrivateKey) -> Result<(Manifest, Vec<u8>), Failure> {
        let inspect = |file| bundle::inspect(Cursor::new(file), Limits::DEFAULT).map_err(Failure::operation);
        let content = match inspect(firmware)? {
            Content::Raw(file) => {
                inspect(zipped(&self.firmware, &file.into_inner()).map_err(Failure::operation)?)?
            }
            content => content,
        };
        match content {
            Content::Signed(signed) => self.co_signed(signed, key),
            Content::Unsigned(mut archive) => {
                let payloads = bundle::payloads(&mut archive).map_err(Failure::operation)?;
                let manifest = self.described.manifest(&self.firmware, payloads)?;
                let signed =
                    bundle::sign(&mut archive, &manifest, key, Vec::new()).map_err(Failure::operation)?;
                Ok((manifest, signed))
            }
            Content::Raw(_) => Err(Failure::operation(anyhow!("the firmware cannot be zipped"))),
        }
    }

    fn co_signed(
        &self,
        signed: bundle::Signed<Cursor<Vec<u8>>>,
        key: &PrivateKey,
    ) -> Result<(Manifest, Vec<u8>), Failure> {
        if !self.described.is_empty() {
            let what = "it is signed already; another signature is over the same manifest, so nothing can be said anew";
            return Err(Failure::usage(anyhow!(what)));
        }
        bundle::co_sign(signed, key, Vec::new()).map_err(Failure::operation)
    }
}

/// An archive with one file, since only archives are signed (seed S1-14).
fn zipped(path: &Path, firmware: &[u8]) -> anyhow::Result<Vec<u8>> {
    let name = path.file_name().unwrap_or_default().to_str().context("its name is no text")?;
    let mut archive = ArchiveWriter::new(Vec::new());
    archive.add(name, firmware)?;
    Ok(archive.finish()?)
}

/// `X.bin` and `X.zip` become `X_signed.zip`; `X_signed.zip` stays what it is.
fn signed_name(firmware: &Path) -> PathBuf {
    let stem = firmware.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let stem = stem.strip_suffix("_signed").unwrap_or(&stem);
    firmware.with_file_name(format!("{stem}_signed.zip"))
}

/// The manifest as it is in the archive.
pub fn as_json(manifest: &Manifest) -> serde_json::Value {
    serde_json::from_slice(&manifest.to_bytes()).unwrap_or_default()
}

impl SignedFile {
    fn text(&self, manifest: &Manifest) -> String {
        let mut rows = vec![
            ("file", self.file.display().to_string()),
            ("signed by", format!("{} ({})", self.key_id, self.algorithm)),
        ];
        rows.extend(manifest_facts(manifest));
        format!("signed\n{}", facts(&rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_14_the_signed_archive_has_signed_in_its_name_and_the_same_folder() {
        let names = [
            ("in/BC35GJBR01A03_TO_BC35GJBR01A04.bin", "in/BC35GJBR01A03_TO_BC35GJBR01A04_signed.zip"),
            ("BC35GJBR01A03_TO_BC35GJBR01A04.zip", "BC35GJBR01A03_TO_BC35GJBR01A04_signed.zip"),
            ("a.b_signed.zip", "a.b_signed.zip"),
            ("firmware", "firmware_signed.zip"),
        ];
        for (firmware, signed) in names {
            assert_eq!(signed_name(Path::new(firmware)), Path::new(signed));
        }
    }
}

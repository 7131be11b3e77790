//! What a signer says of the firmware.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use package::{Algorithm, Kind, Manifest, Payload, ProductIdentity, PublicKey, Sha256, SourceVersion};

use super::files;
use crate::cli::failure::Failure;

/// What goes into manifest.json besides the files.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "What is signed (manifest.json)")]
pub struct Described {
    /// Take all of it from a file. Without "payloads" in it, they are described as they are.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "manufacturer", "model", "device_type", "protocol", "to", "from", "from_sha256", "domain",
        "hardware_revision", "security_counter", "sequence", "not_before", "not_after", "allow_downgrade", "signer",
        "bank0", "bank1",
    ])]
    manifest: Option<PathBuf>,
    /// The manufacturer's name, exactly as in the product.
    #[arg(long, requires_all = ["model", "device_type", "protocol"])]
    manufacturer: Option<String>,
    /// The model, exactly as in the product.
    #[arg(long, requires = "manufacturer")]
    model: Option<String>,
    /// The type of device, exactly as in the product.
    #[arg(long, value_name = "TYPE", requires = "manufacturer")]
    device_type: Option<String>,
    /// The protocol, exactly as in the product.
    #[arg(long, requires = "manufacturer")]
    protocol: Option<String>,
    /// The version that devices report afterwards. A file FROM_TO_TO.bin says it by its name.
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// The version that a differential image leads from. A file FROM_TO_TO.bin says it by its name.
    #[arg(long, value_name = "VERSION", requires = "to")]
    from: Option<String>,
    /// SHA-256 of the image that a differential image leads from.
    #[arg(long, value_name = "HEX", requires = "from")]
    from_sha256: Option<String>,
    /// The domain that it is for.
    #[arg(long)]
    domain: Option<String>,
    /// A hardware revision that it is for; all if none is given. May be given several times.
    #[arg(long, value_name = "REVISION")]
    hardware_revision: Vec<String>,
    /// Devices and servers take no lower one after it.
    #[arg(long, value_name = "NUMBER")]
    security_counter: Option<u64>,
    /// Counts what you sign.
    #[arg(long, value_name = "NUMBER")]
    sequence: Option<u64>,
    /// When it begins to be valid: 2026-07-01 or 2026-07-01T08:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    not_before: Option<i64>,
    /// When it ends to be valid.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    not_after: Option<i64>,
    /// Let it follow a higher version.
    #[arg(long)]
    allow_downgrade: bool,
    /// A public key that may sign this; any that the server trusts if none is given. May be given several times.
    #[arg(long, value_name = "PUBLIC_PEM")]
    signer: Vec<PathBuf>,
    /// The file in the archive that is for bank 0 of a module with two.
    #[arg(long, value_name = "NAME", requires = "bank1")]
    bank0: Option<String>,
    /// The file in the archive that is for bank 1.
    #[arg(long, value_name = "NAME", requires = "bank0")]
    bank1: Option<String>,
}

impl Described {
    /// Whether anything is said.
    pub fn is_empty(&self) -> bool {
        let texts = [&self.manufacturer, &self.to, &self.domain, &self.bank0];
        self.manifest.is_none()
            && texts.iter().all(|text| text.is_none())
            && self.hardware_revision.is_empty()
            && self.signer.is_empty()
            && [self.security_counter, self.sequence].iter().all(Option::is_none)
            && [self.not_before, self.not_after].iter().all(Option::is_none)
            && !self.allow_downgrade
    }

    /// The manifest for a file of this name with these payloads.
    pub fn manifest(&self, file: &Path, payloads: Vec<Payload>) -> Result<Manifest, Failure> {
        match &self.manifest {
            Some(path) => from_file(path, payloads),
            None => self.said(file, payloads),
        }
    }

    fn said(&self, file: &Path, mut payloads: Vec<Payload>) -> Result<Manifest, Failure> {
        for (bank, name) in [(0, &self.bank0), (1, &self.bank1)] {
            let Some(name) = name else { continue };
            let payload = payloads.iter_mut().find(|payload| payload.name == *name);
            let missing = || Failure::usage(anyhow!("there is no {name} in {}", file.display()));
            payload.ok_or_else(missing)?.bank = Some(bank);
        }
        let (kind, version) = match (&self.from, &self.to) {
            (Some(from), to) => (Kind::Delta { from: self.source(from)? }, to.clone()),
            (None, Some(to)) => (Kind::Full, Some(to.clone())),
            (None, None) => by_name(file),
        };
        let key_ids = self.signer.iter().map(|path| key_id(path)).collect::<Result<_, _>>()?;
        Ok(Manifest {
            product: self.product(),
            domain: self.domain.clone(),
            hardware_revisions: self.hardware_revision.clone(),
            kind,
            version,
            payloads,
            security_counter: self.security_counter,
            sequence: self.sequence,
            not_before: self.not_before,
            not_after: self.not_after,
            allow_downgrade: self.allow_downgrade,
            key_ids,
        })
    }

    fn product(&self) -> Option<ProductIdentity> {
        Some(ProductIdentity {
            manufacturer: self.manufacturer.clone()?,
            model: self.model.clone()?,
            device_type: self.device_type.clone()?,
            protocol: self.protocol.clone()?,
        })
    }

    fn source(&self, version: &str) -> Result<SourceVersion, Failure> {
        let digest = |text: &String| {
            let digest = Sha256::from_hex(&text.to_ascii_lowercase());
            digest.ok_or_else(|| Failure::usage(anyhow!("--from-sha256 needs 64 hexadecimal digits")))
        };
        let sha256 = self.from_sha256.as_ref().map(digest).transpose()?;
        Ok(SourceVersion { version: version.to_owned(), sha256 })
    }
}

/// A manifest that somebody wrote; the files in the archive are described where it does not.
fn from_file(path: &Path, payloads: Vec<Payload>) -> Result<Manifest, Failure> {
    let bytes = files::read(path)?;
    let read = || -> anyhow::Result<Manifest> {
        let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&bytes)?;
        if fields.contains_key("payloads") {
            return Ok(Manifest::parse(&bytes)?);
        }
        let described = Manifest { payloads, ..Manifest::default() }.to_bytes();
        let mut described: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&described)?;
        fields.extend(described.remove("payloads").map(|payloads| ("payloads".to_owned(), payloads)));
        Ok(Manifest::parse(&serde_json::to_vec(&fields)?)?)
    };
    read().with_context(|| format!("{} is no manifest", path.display())).map_err(Failure::usage)
}

/// Suppliers of modules name differential images `<FROM>_TO_<TO>.bin` (seed S1-13).
fn by_name(file: &Path) -> (Kind, Option<String>) {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    match stem.split_once("_TO_") {
        Some((from, to)) if !from.is_empty() && !to.is_empty() && !to.contains("_TO_") => {
            let from = SourceVersion { version: from.to_owned(), sha256: None };
            (Kind::Delta { from }, Some(to.to_owned()))
        }
        _ => (Kind::Full, None),
    }
}

fn key_id(path: &Path) -> Result<String, Failure> {
    let text = files::read_text(path)?;
    let key = Algorithm::natural_of(&text).and_then(|algorithm| PublicKey::from_pem(&text, algorithm));
    let key = key.with_context(|| format!("{} is no public key", path.display())).map_err(Failure::usage)?;
    Ok(key.id().to_string())
}

/// A day begins at midnight UTC.
fn moment(text: &str) -> Result<i64, String> {
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    let moment = text.parse::<Timestamp>().ok().or_else(day);
    moment.map(Timestamp::as_second).ok_or_else(|| "2026-07-01 or 2026-07-01T08:00:00Z is needed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_name(name: &str, expected: Option<(&str, &str)>) {
        let (kind, version) = by_name(Path::new(name));
        let found = match (&kind, &version) {
            (Kind::Delta { from }, Some(to)) => Some((from.version.as_str(), to.as_str())),
            _ => None,
        };
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn s1_13_the_name_of_a_differential_image_says_both_versions() {
        check_name("a/BC35GJBR01A03_TO_BC35GJBR01A04.bin", Some(("BC35GJBR01A03", "BC35GJBR01A04")));
        check_name("BC35GJBR01A03_TO_BC35GJBR01A04.zip", Some(("BC35GJBR01A03", "BC35GJBR01A04")));
        for other in ["firmware.bin", "_TO_B.bin", "A_TO_.bin", "A_TO_B_TO_C.bin", "A_to_B.bin"] {
            check_name(other, None);
        }
    }

    #[test]
    fn times_are_days_or_moments() {
        assert_eq!(moment("1970-01-02"), Ok(86_400));
        assert_eq!(moment("1970-01-01T00:00:10Z"), Ok(10));
        assert_eq!(moment("1970-01-01T01:00:00+01:00"), Ok(0));
        for wrong in ["", "tomorrow", "1970-13-01", "86400"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}

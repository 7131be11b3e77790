//! What a flash file holds.

use std::path::Path;

use firmware::{
    Bank, Banks, BootLoader, BootRecord, BootState, Device, Flash as _, Geometry, ImageHeader, Installer,
    RevertCause,
};
use serde::Serialize;

use super::error::FlashFileError;
use super::file::FileFlash;

/// What a flash file holds, for people (`Display`) and programs (`Serialize`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FlashContent {
    /// Bytes in a sector.
    pub sector_size_bytes: u32,
    /// Sectors in all.
    pub sectors: u32,
    /// Bytes in a word.
    pub word_size_bytes: u32,
    /// Bytes in a bank.
    pub bank_size_bytes: u32,
    /// The bank that boots next; `None` if the flash was never initialised.
    pub boots: Option<String>,
    /// `uninitialised`, `confirmed`, `testing`, `updated` or `reverted`.
    pub state: &'static str,
    /// Boots left before the old image runs again, while the state is `testing`.
    pub tries_left: Option<u8>,
    /// Why the old image runs again, while the state is `reverted`.
    pub revert_cause: Option<&'static str>,
    /// Both banks, the lower one first.
    pub banks: Vec<BankContent>,
    /// An image that is being stored, or waits for its activation.
    pub install: Option<InstallProgress>,
}

/// What a bank holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BankContent {
    /// `A` or `B`.
    pub bank: String,
    /// Whether there is an intact image.
    pub intact: bool,
    /// Its model.
    pub model: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Its length, header included.
    pub image_bytes: Option<u32>,
    /// The SHA-256 of its payload.
    pub payload_sha256: Option<String>,
}

/// How far the storing of an image has come.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct InstallProgress {
    /// Bytes that are safe.
    pub stored_bytes: u32,
    /// Bytes in all, once the header is there.
    pub image_bytes: Option<u32>,
    /// The version it will bring, once the header is there.
    pub version: Option<String>,
}

/// Looks into a flash file, even while a module uses it.
pub fn inspect(path: &Path) -> Result<FlashContent, FlashFileError> {
    let mut flash = FileFlash::open_read_only(path)?;
    let geometry = flash.geometry();
    let banks = Banks::new(geometry)?;
    let loader = BootLoader::new(banks);
    let failed = |source| FlashFileError::Boot { path: path.to_owned(), source };
    let record = BootRecord::read(&mut flash, &banks).map_err(|error| failed(error.into()))?;
    let mut contents = Vec::new();
    for bank in Bank::BOTH {
        contents.push(BankContent::new(bank, loader.inspect(&mut flash, bank).map_err(failed)?));
    }
    let mut content = FlashContent::new(&geometry, &banks, record, contents);
    let running = record.map(|record| loader.inspect(&mut flash, record.confirmed)).transpose();
    let on_trial = record.is_some_and(|record| matches!(record.state, BootState::Testing { .. }));
    if let Some(header) = running.map_err(failed)?.flatten().filter(|_| !on_trial) {
        let device = Device { model: header.model, version: header.version };
        let resumed = Installer::resume(&mut flash, &banks, device)?;
        content.install = resumed.map(|resumed| InstallProgress {
            stored_bytes: resumed.installer.offset().0,
            image_bytes: resumed.installer.header().map(|header| header.image_length().0),
            version: resumed.installer.header().map(|header| header.version.to_string()),
        });
    }
    Ok(content)
}

impl FlashContent {
    fn new(
        geometry: &Geometry,
        banks: &Banks,
        record: Option<BootRecord>,
        contents: Vec<BankContent>,
    ) -> Self {
        let (state, tries_left, revert_cause) = match record.map(|record| record.state) {
            None => ("uninitialised", None, None),
            Some(BootState::Confirmed) => ("confirmed", None, None),
            Some(BootState::Testing { tries_left }) => ("testing", Some(tries_left), None),
            Some(BootState::Updated) => ("updated", None, None),
            Some(BootState::Reverted(cause)) => ("reverted", None, Some(cause_code(cause))),
        };
        Self {
            sector_size_bytes: geometry.sector_size(),
            sectors: geometry.sectors(),
            word_size_bytes: geometry.word_size(),
            bank_size_bytes: banks.capacity().0,
            boots: record.map(|record| record.candidate().to_string()),
            state,
            tries_left,
            revert_cause,
            banks: contents,
            install: None,
        }
    }
}

const fn cause_code(cause: RevertCause) -> &'static str {
    match cause {
        RevertCause::TriesExhausted => "tries-exhausted",
        RevertCause::CandidateDamaged => "candidate-damaged",
        RevertCause::ConfirmedDamaged => "confirmed-damaged",
    }
}

impl BankContent {
    fn new(bank: Bank, header: Option<ImageHeader>) -> Self {
        Self {
            bank: bank.to_string(),
            intact: header.is_some(),
            model: header.map(|header| header.model.to_string()),
            version: header.map(|header| header.version.to_string()),
            image_bytes: header.map(|header| header.image_length().0),
            payload_sha256: header.map(|header| header.payload_digest.to_string()),
        }
    }
}

impl std::fmt::Display for FlashContent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { sectors, sector_size_bytes, word_size_bytes, bank_size_bytes, state, .. } = self;
        writeln!(
            formatter,
            "flash    {sectors} sectors of {sector_size_bytes} bytes, words of {word_size_bytes}"
        )?;
        write!(formatter, "state    {state}")?;
        if let Some(tries) = self.tries_left {
            write!(formatter, ", {tries} tries left")?;
        }
        if let Some(cause) = self.revert_cause {
            write!(formatter, " ({cause})")?;
        }
        writeln!(formatter)?;
        for bank in &self.banks {
            let mark = if self.boots.as_ref() == Some(&bank.bank) { "boots" } else { "" };
            write!(formatter, "bank {}   {mark:5}  ", bank.bank)?;
            match (&bank.model, &bank.version, bank.image_bytes) {
                (Some(model), Some(version), Some(length)) => {
                    writeln!(formatter, "{model} {version}, {length} of {bank_size_bytes} bytes")?;
                }
                _ => writeln!(formatter, "no intact image, {bank_size_bytes} bytes")?,
            }
        }
        if let Some(install) = &self.install {
            let version = install.version.as_deref().unwrap_or("an image");
            let length = install.image_bytes.map_or("unknown".to_owned(), |length| length.to_string());
            writeln!(formatter, "storing  {version}, {} of {length} bytes", install.stored_bytes)?;
        }
        Ok(())
    }
}

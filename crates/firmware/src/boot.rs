//! The boot loader: which image runs, and how a new one earns its place.
//!
//! ```text
//!              activate                 start (hash ok): one try less, then the candidate runs
//! confirmed ─────────────▶ testing(n) ◀──────────┐
//!     ▲                      │  │  └─────────────┘
//!     │ acknowledge          │  │ confirm (the candidate runs and says it works)
//!     ├────────── updated ◀──┼──┘
//!     │                      │ start: no tries left, or the candidate is not intact
//!     └────────── reverted ◀─┘ the old image runs
//! ```
//!
//! Each arrow is one write of the boot record, which happens entirely or not at all (see `record`). The
//! try is taken before the candidate runs, so an image that crashes at once still uses up its tries.

use crate::flash::{ERASED, MAX_WORD_SIZE};
use crate::image::{Image, ImageError};
use crate::installer::check_bank;
use crate::{
    Bank, Banks, BootRecord, BootState, ByteCount, Flash, FlashError, ImageHeader, ImageId, RevertCause,
    Verified,
};

/// How often a new image may boot without being confirmed, unless the product decides otherwise.
///
/// More than one, so that a power cut in the first minutes does not throw a good image away.
pub const DEFAULT_TRIES: u8 = 3;

/// Decides which image runs.
#[derive(Clone, Copy, Debug)]
pub struct BootLoader {
    banks: Banks,
}

/// The image that runs after a start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Booted {
    /// Where it is.
    pub bank: Bank,
    /// What it says about itself; its payload was checked at this start.
    pub header: ImageHeader,
    /// What the boot record says after this start: `Testing` if the image is on trial and waits for
    /// [`BootLoader::confirm`].
    pub state: BootState,
}

/// Why nothing can run, or a step of an update cannot be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BootError {
    /// The flash failed.
    #[error("the flash failed while the boot loader used it")]
    Flash(#[from] FlashError),
    /// Neither copy of the boot record is valid; the device was never initialised.
    #[error("the flash has no boot record; initialise it with an image")]
    NoBootRecord,
    /// Neither bank holds an intact image that was accepted.
    #[error("neither bank holds an intact accepted image; the device must be rewritten by wire")]
    NothingBootable,
    /// There is no image on trial, or another one runs.
    #[error("bank {running} is not on trial, so it cannot be confirmed")]
    NotOnTrial {
        /// The bank that wanted to be confirmed.
        running: Bank,
    },
    /// The image is in the bank that must be kept.
    #[error("bank {bank} is the one that runs; an image there cannot be activated")]
    NotInactive {
        /// The bank of the image.
        bank: Bank,
    },
    /// The image for the factory is not intact.
    #[error("the image to initialise the flash with is not usable")]
    Image(#[from] ImageError),
    /// The image for the factory does not fit.
    #[error("the image has {length}, a bank holds {capacity}")]
    TooLarge {
        /// The image, header included.
        length: ByteCount,
        /// The bank.
        capacity: ByteCount,
    },
}

impl BootLoader {
    /// The boot loader of this layout.
    pub const fn new(banks: Banks) -> Self {
        Self { banks }
    }

    /// What is done in the factory: `image` into bank A, confirmed. Everything else is forgotten.
    pub fn provision<F: Flash>(&self, flash: &mut F, image: &[u8]) -> Result<ImageHeader, BootError> {
        let parsed = Image::parse(image)?;
        let (length, capacity) = (parsed.header.image_length(), self.banks.capacity());
        if length > capacity {
            return Err(BootError::TooLarge { length, capacity });
        }
        for sector in 0..self.banks.geometry().sectors() {
            flash.erase(crate::SectorIndex(sector))?;
        }
        let word = self.banks.geometry().word_size() as usize;
        let at = self.banks.address(Bank::A, ByteCount(0));
        let (words, tail) = image.split_at(image.len() - image.len() % word);
        flash.write(at, words)?;
        if !tail.is_empty() {
            let mut last = [ERASED; MAX_WORD_SIZE];
            last[..tail.len()].copy_from_slice(tail);
            flash.write(at.plus(words.len() as u32), &last[..word])?;
        }
        let Ok((header, id)) = check_bank(flash, &self.banks, Bank::A)? else {
            return Err(BootError::NothingBootable);
        };
        let record =
            BootRecord { confirmed: Bank::A, state: BootState::Confirmed, accepted: [Some(id), None] };
        record.store(flash, &self.banks)?;
        Ok(header)
    }

    /// Chooses the image that runs now. Call it once at each start, before anything else.
    pub fn start<F: Flash>(&self, flash: &mut F) -> Result<Booted, BootError> {
        let record = self.record(flash)?;
        let BootState::Testing { tries_left } = record.state else {
            return self.start_confirmed(flash, record);
        };
        let cause = match self.intact(flash, &record, record.candidate())? {
            Some(header) if tries_left > 0 => {
                let state = BootState::Testing { tries_left: tries_left - 1 };
                BootRecord { state, ..record }.store(flash, &self.banks)?;
                return Ok(Booted { bank: record.candidate(), header, state });
            }
            Some(_) => RevertCause::TriesExhausted,
            None => RevertCause::CandidateDamaged,
        };
        let reverted = BootRecord { state: BootState::Reverted(cause), ..record };
        reverted.store(flash, &self.banks)?;
        self.start_confirmed(flash, reverted)
    }

    fn start_confirmed<F: Flash>(&self, flash: &mut F, record: BootRecord) -> Result<Booted, BootError> {
        let bank = record.confirmed;
        if let Some(header) = self.intact(flash, &record, bank)? {
            return Ok(Booted { bank, header, state: record.state });
        }
        // What was accepted earlier is better than nothing.
        let header = self.intact(flash, &record, bank.other())?.ok_or(BootError::NothingBootable)?;
        let state = BootState::Reverted(RevertCause::ConfirmedDamaged);
        BootRecord { confirmed: bank.other(), state, ..record }.store(flash, &self.banks)?;
        Ok(Booted { bank: bank.other(), header, state })
    }

    /// Makes a verified image the candidate of the next starts, `tries` at most (at least one).
    pub fn activate<F: Flash>(&self, flash: &mut F, verified: &Verified, tries: u8) -> Result<(), BootError> {
        let mut record = self.record(flash)?;
        let on_trial = matches!(record.state, BootState::Testing { .. });
        if on_trial || verified.bank == record.confirmed {
            return Err(BootError::NotInactive { bank: verified.bank });
        }
        record.accepted[verified.bank.index()] = Some(verified.id);
        record.state = BootState::Testing { tries_left: tries.max(1) };
        Ok(record.store(flash, &self.banks)?)
    }

    /// The image on trial in bank `running` works: from now on it is the confirmed one.
    ///
    /// Doing it again is harmless.
    pub fn confirm<F: Flash>(&self, flash: &mut F, running: Bank) -> Result<(), BootError> {
        let record = self.record(flash)?;
        match record.state {
            BootState::Testing { .. } if record.candidate() == running => {
                let confirmed = BootRecord { confirmed: running, state: BootState::Updated, ..record };
                Ok(confirmed.store(flash, &self.banks)?)
            }
            BootState::Updated if record.confirmed == running => Ok(()),
            _ => Err(BootError::NotOnTrial { running }),
        }
    }

    /// The outcome of the last update was reported and may be forgotten.
    pub fn acknowledge<F: Flash>(&self, flash: &mut F) -> Result<(), BootError> {
        let record = self.record(flash)?;
        match record.state {
            BootState::Updated | BootState::Reverted(_) => {
                Ok(BootRecord { state: BootState::Confirmed, ..record }.store(flash, &self.banks)?)
            }
            BootState::Confirmed | BootState::Testing { .. } => Ok(()),
        }
    }

    /// What a bank holds: its header if the image there is intact, accepted or not.
    pub fn inspect<F: Flash>(&self, flash: &mut F, bank: Bank) -> Result<Option<ImageHeader>, BootError> {
        Ok(check_bank(flash, &self.banks, bank)?.ok().map(|(header, _)| header))
    }

    fn record<F: Flash>(&self, flash: &mut F) -> Result<BootRecord, BootError> {
        BootRecord::read(flash, &self.banks)?.ok_or(BootError::NoBootRecord)
    }

    /// The header of the image in a bank if it is the accepted one to its last byte.
    fn intact<F: Flash>(
        &self,
        flash: &mut F,
        record: &BootRecord,
        bank: Bank,
    ) -> Result<Option<ImageHeader>, BootError> {
        let accepted: Option<ImageId> = record.accepted(bank);
        let found = check_bank(flash, &self.banks, bank)?.ok();
        Ok(found.filter(|(_, id)| Some(*id) == accepted).map(|(header, _)| header))
    }
}

//! Streams an image into the bank that does not run.
//!
//! ```text
//! begin ─▶ write … write ─▶ finish ─▶ (BootLoader::activate)
//!            ▲    │                     refused image: the install is forgotten
//!            │    ▼ power cut
//!          resume: every sector whose mark and content agree is kept, the next one is filled again
//! ```
//!
//! A sector is erased just before its first word is written. When it is full (or the image ends) it is read
//! back, compared, and marked in the journal. Nothing here touches the running bank or the boot record.

mod check;
mod error;

use crate::checksum::Crc32Stream;
use crate::flash::{ERASED, MAX_WORD_SIZE};
use crate::image::IMAGE_HEADER_SIZE;
use crate::journal::{Journal, Start};
use crate::{
    Bank, Banks, BootRecord, BootState, ByteCount, Crc32, Device, Flash, FlashError, HeaderError,
    ImageHeader, ImageId, Origin,
};
pub(crate) use check::check_bank;
use check::read_through;
pub use error::InstallError;

/// An image on its way into flash.
///
/// It holds no borrow of the flash: each call gets it. After an error of the flash, throw it away and
/// [`Installer::resume`].
#[derive(Clone, Debug)]
pub struct Installer {
    banks: Banks,
    bank: Bank,
    device: Device,
    journal: Journal,
    header: Header,
    /// Bytes of the image taken, which is where the next ones start.
    received: ByteCount,
    /// The last bytes taken that do not fill a word yet; the first `received % word size` count.
    tail: [u8; MAX_WORD_SIZE],
    /// Of the sector that is being filled, over the bytes taken.
    sector_crc: Crc32Stream,
}

/// The header is needed whole before anything is written.
#[derive(Clone, Debug)]
enum Header {
    Incomplete([u8; IMAGE_HEADER_SIZE]),
    Accepted(ImageHeader),
}

/// An install that was interrupted.
#[derive(Clone, Debug)]
pub struct Resumed {
    /// Goes on where the verified bytes end.
    pub installer: Installer,
    /// What [`Installer::begin`] was told.
    pub origin: Origin,
}

/// An image that lies whole and intact in the inactive bank: only this may be activated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verified {
    pub(crate) bank: Bank,
    pub(crate) id: ImageId,
    header: ImageHeader,
}

impl Verified {
    /// Where it is.
    pub const fn bank(&self) -> Bank {
        self.bank
    }

    /// What it says about itself.
    pub const fn header(&self) -> &ImageHeader {
        &self.header
    }
}

impl Installer {
    /// Begins with the first byte, whatever was there before.
    pub fn begin<F: Flash>(
        flash: &mut F,
        banks: &Banks,
        device: Device,
        origin: Origin,
    ) -> Result<Self, InstallError> {
        let bank = inactive_bank(flash, banks)?;
        let journal = Journal::begin(flash, banks, bank, origin)?;
        Ok(Self::at_start(banks, bank, device, journal))
    }

    /// What was begun and neither discarded nor overtaken by an update; only reads.
    ///
    /// A whole image is there when [`Installer::is_complete`]; it still has to be verified by
    /// [`Installer::finish`].
    pub fn resume<F: Flash>(
        flash: &mut F,
        banks: &Banks,
        device: Device,
    ) -> Result<Option<Resumed>, InstallError> {
        let bank = inactive_bank(flash, banks)?;
        let Some((journal, Start { bank: filled, origin, .. })) = Journal::find(flash, banks)? else {
            return Ok(None);
        };
        if filled != bank {
            return Ok(None);
        }
        let mut installer = Self::at_start(banks, bank, device, journal);
        installer.recover(flash)?;
        Ok(Some(Resumed { installer, origin }))
    }

    /// Forgets what was begun; the running bank is not touched.
    pub fn discard<F: Flash>(flash: &mut F, banks: &Banks) -> Result<(), InstallError> {
        Ok(Journal::discard(flash, banks)?)
    }

    fn at_start(banks: &Banks, bank: Bank, device: Device, journal: Journal) -> Self {
        Self {
            banks: *banks,
            bank,
            device,
            journal,
            header: Header::Incomplete([0; IMAGE_HEADER_SIZE]),
            received: ByteCount(0),
            tail: [ERASED; MAX_WORD_SIZE],
            sector_crc: Crc32Stream::new(),
        }
    }

    /// Finds the sectors that are complete and unchanged.
    fn recover<F: Flash>(&mut self, flash: &mut F) -> Result<(), FlashError> {
        let mut start = [0; IMAGE_HEADER_SIZE];
        flash.read(self.banks.address(self.bank, ByteCount(0)), &mut start)?;
        let mut sectors = 0;
        while sectors < self.banks.bank_sectors() {
            let Some(mark) = self.journal.mark_of(flash, sectors)? else { break };
            if self.sector_in_flash(flash, sectors)? != mark {
                break;
            }
            sectors += 1;
        }
        if let Ok(header) = ImageHeader::parse(&start)
            && sectors > 0
            && self.suits(&header).is_ok()
        {
            let stored = sectors * self.banks.geometry().sector_size();
            self.received = ByteCount(stored).min(header.image_length());
            self.header = Header::Accepted(header);
        }
        Ok(())
    }

    /// Where the next bytes have to start. Those before are in flash, but for less than a sector.
    pub const fn offset(&self) -> ByteCount {
        self.received
    }

    /// What the image says about itself, as soon as that is there and was accepted.
    pub const fn header(&self) -> Option<&ImageHeader> {
        match &self.header {
            Header::Accepted(header) => Some(header),
            Header::Incomplete(_) => None,
        }
    }

    /// The bank that is filled.
    pub const fn bank(&self) -> Bank {
        self.bank
    }

    /// Whether every byte is there.
    pub fn is_complete(&self) -> bool {
        self.header().is_some_and(|header| header.image_length() == self.received)
    }

    /// Takes the bytes of the image that start at `offset`; those that are there already are skipped.
    ///
    /// An image that is refused ([`InstallError::is_final`]) is forgotten at once.
    pub fn write<F: Flash>(
        &mut self,
        flash: &mut F,
        offset: ByteCount,
        bytes: &[u8],
    ) -> Result<(), InstallError> {
        let Some(known) = self.received.0.checked_sub(offset.0) else {
            return Err(InstallError::Gap { expected: self.received.0, found: offset.0 });
        };
        let fresh = bytes.get(known as usize..).unwrap_or_default();
        match self.take(flash, fresh) {
            Err(error) if error.is_final() => self.refuse(flash, error),
            result => result,
        }
    }

    /// Reads the whole image back from flash and checks it.
    ///
    /// An image that is refused ([`InstallError::is_final`]) is forgotten at once.
    pub fn finish<F: Flash>(&mut self, flash: &mut F) -> Result<Verified, InstallError> {
        let received = self.received;
        let expected = self.header().map_or(ByteCount(IMAGE_HEADER_SIZE as u32), ImageHeader::image_length);
        if received != expected || self.header().is_none() {
            return self.refuse(flash, InstallError::Truncated { expected, received });
        }
        match check_bank(flash, &self.banks, self.bank)? {
            Ok((header, id)) => Ok(Verified { bank: self.bank, id, header }),
            Err(fault) => self.refuse(flash, fault),
        }
    }

    /// Forgets the install, so that a restart does not take up what can never be activated.
    fn refuse<F: Flash, T>(&mut self, flash: &mut F, error: InstallError) -> Result<T, InstallError> {
        Journal::discard(flash, &self.banks)?;
        Err(error)
    }

    fn take<F: Flash>(&mut self, flash: &mut F, bytes: &[u8]) -> Result<(), InstallError> {
        let mut bytes = bytes;
        if let Header::Incomplete(start) = &mut self.header {
            let filled = self.received.0 as usize;
            let (head, rest) = bytes.split_at(bytes.len().min(IMAGE_HEADER_SIZE - filled));
            start[filled..filled + head.len()].copy_from_slice(head);
            let start = *start;
            bytes = rest;
            match ImageHeader::parse(&start[..filled + head.len()]) {
                Err(HeaderError::TooShort) => self.received.0 += head.len() as u32,
                Err(error) => return Err(InstallError::Header(error)),
                Ok(header) => {
                    self.suits(&header)?;
                    self.header = Header::Accepted(header);
                    self.received = ByteCount(0);
                    self.store(flash, &start, header.image_length())?;
                }
            }
        }
        match self.header().map(ImageHeader::image_length) {
            Some(length) => self.store(flash, bytes, length),
            None => Ok(()),
        }
    }

    /// Whether the image is for this device as it is now.
    fn suits(&self, header: &ImageHeader) -> Result<(), InstallError> {
        let Device { model, version } = self.device;
        if header.model != model {
            return Err(InstallError::WrongModel { expected: model, found: header.model });
        }
        if let Some(source) = header.source
            && source != version
        {
            return Err(InstallError::WrongSource { expected: version, found: source });
        }
        let (length, capacity) = (header.image_length(), self.banks.capacity());
        if length > capacity {
            return Err(InstallError::TooLarge { length, capacity });
        }
        Ok(())
    }

    /// Writes bytes behind the stored ones, sector by sector.
    fn store<F: Flash>(
        &mut self,
        flash: &mut F,
        bytes: &[u8],
        length: ByteCount,
    ) -> Result<(), InstallError> {
        if bytes.len() as u64 > u64::from(length.0 - self.received.0) {
            return Err(InstallError::TooLong { length });
        }
        let sector_size = self.banks.geometry().sector_size();
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let within = self.received.0 % sector_size;
            if within == 0 {
                let sector = self.received.0 / sector_size;
                flash.erase(self.banks.bank(self.bank).plus(sector))?;
                self.sector_crc = Crc32Stream::new();
            }
            let (piece, rest) = bytes.split_at(bytes.len().min((sector_size - within) as usize));
            self.store_in_sector(flash, piece)?;
            bytes = rest;
            let full = self.received.0.is_multiple_of(sector_size);
            if full || self.received == length {
                self.complete_sector(flash)?;
            }
        }
        Ok(())
    }

    /// Writes the whole words that are there now, and keeps the rest.
    fn store_in_sector<F: Flash>(&mut self, flash: &mut F, piece: &[u8]) -> Result<(), InstallError> {
        self.sector_crc.update(piece);
        let word = self.banks.geometry().word_size() as usize;
        let pending = self.received.0 as usize % word;
        let start = ByteCount(self.received.0 - pending as u32);
        self.received.0 += piece.len() as u32;
        let (head, rest) =
            if pending > 0 { piece.split_at(piece.len().min(word - pending)) } else { (&[][..], piece) };
        self.tail[pending..pending + head.len()].copy_from_slice(head);
        if pending + head.len() < word && pending > 0 {
            return Ok(());
        }
        let mut at = self.banks.address(self.bank, start);
        if pending > 0 {
            flash.write(at, &self.tail[..word])?;
            at = at.plus(word as u32);
        }
        let (words, tail) = rest.split_at(rest.len() - rest.len() % word);
        if !words.is_empty() {
            flash.write(at, words)?;
        }
        self.tail[..tail.len()].copy_from_slice(tail);
        Ok(())
    }

    /// Writes what is left of a word, reads the sector back, and marks it.
    fn complete_sector<F: Flash>(&mut self, flash: &mut F) -> Result<(), InstallError> {
        let (word, sector_size) = (self.banks.geometry().word_size(), self.banks.geometry().sector_size());
        let pending = self.received.0 % word;
        if pending > 0 {
            self.tail[pending as usize..].fill(ERASED);
            let at = self.banks.address(self.bank, ByteCount(self.received.0 - pending));
            flash.write(at, &self.tail[..word as usize])?;
        }
        let sector = (self.received.0 - 1) / sector_size;
        let mut expected = core::mem::take(&mut self.sector_crc);
        for _ in self.received.0..(sector + 1) * sector_size {
            expected.update(&[ERASED]);
        }
        let expected = expected.finish();
        if self.sector_in_flash(flash, sector)? != expected {
            let at = self.banks.address(self.bank, ByteCount(sector * sector_size));
            return Err(FlashError::NotKept { at }.into());
        }
        Ok(self.journal.mark(flash, sector, expected)?)
    }

    /// The checksum of a sector of the bank as it is.
    fn sector_in_flash<F: Flash>(&self, flash: &mut F, sector: u32) -> Result<Crc32, FlashError> {
        let size = self.banks.geometry().sector_size();
        let at = self.banks.address(self.bank, ByteCount(sector * size));
        let mut crc = Crc32Stream::new();
        read_through(flash, at, ByteCount(size), |bytes| crc.update(bytes))?;
        Ok(crc.finish())
    }
}

/// The bank that may be overwritten.
fn inactive_bank<F: Flash>(flash: &mut F, banks: &Banks) -> Result<Bank, InstallError> {
    let record = BootRecord::read(flash, banks)?.ok_or(InstallError::NoBootRecord)?;
    match record.state {
        BootState::Testing { .. } => Err(InstallError::OnTrial),
        _ => Ok(record.confirmed.other()),
    }
}

//! The install journal: where an image comes from and how much of it is safe in its bank.
//!
//! An area starts with a start record; after it every sector of the bank has a place for one mark:
//!
//! | offset | bytes | start record (numbers little-endian) |
//! | ---: | ---: | --- |
//! | 0 | 4 | magic `UIJ1` |
//! | 4 | 1 | the bank that is filled: 0 = A, 1 = B |
//! | 5 | 1 | 0 |
//! | 6 | 2 | length of the origin, at most 300 |
//! | 8 | 8 | sequence |
//! | 16 | 300 | origin, then zeros |
//! | 316 | 4 | CRC-32/ISO-HDLC of bytes 0 to 315 |
//!
//! | offset | bytes | mark of a sector (rounded up to whole words with zeros) |
//! | ---: | ---: | --- |
//! | 0 | 4 | number of the sector within the bank |
//! | 4 | 4 | CRC-32/ISO-HDLC of the whole sector |
//! | 8 | 4 | CRC-32/ISO-HDLC of bytes 0 to 7 |
//! | 12 | 4 | 0 |
//!
//! # Safe against a cut at any write
//!
//! Of the two areas the one with the valid start record of the higher sequence counts.
//!
//! ```text
//! begin     erase the other area ─▶ write its start record            the new area counts from its last word
//! progress  bank sector written and read back ─▶ write its mark       a torn mark is no mark: that sector is
//!                                                                     erased and filled again
//! resume    erase the other area ─▶ copy the marks ─▶ write its start record ─▶ next mark
//! discard   erase the start of the area that does not count ─▶ erase the start of the one that does
//! ```
//!
//! A place in which a mark may be torn is never written again: after a cut the first new mark goes into a
//! fresh area. That is what the second area is for; a mere restart writes nothing.

use core::fmt;

use crate::flash::MAX_WORD_SIZE;
use crate::{Bank, Banks, Crc32, Flash, FlashAddress, FlashError, Geometry};

/// How long an [`Origin`] may be: a Package URI of 255 bytes (OMA object 5, resource 1) and some more.
pub const MAX_ORIGIN: usize = 300;

/// Where an image comes from, in the words of whoever fetches it (a URI and an entity tag, say).
///
/// The installer only keeps it, so that a fetch can go on after a restart, and only with the same image.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    bytes: [u8; MAX_ORIGIN],
    length: u16,
}

impl Origin {
    /// `None` if there are more than [`MAX_ORIGIN`] bytes.
    pub fn new(origin: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_ORIGIN];
        bytes.get_mut(..origin.len())?.copy_from_slice(origin);
        Some(Self { bytes, length: origin.len() as u16 })
    }

    /// The bytes given to [`Origin::new`].
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may hold the secret part of a download path.
        write!(formatter, "Origin({} bytes)", self.length)
    }
}

const MAGIC: [u8; 4] = *b"UIJ1";
/// A multiple of every word size.
const START_SIZE: usize = 320;
const MARK_SIZE: u32 = 16;

mod field {
    use core::ops::Range;

    pub(super) const MAGIC: Range<usize> = 0..4;
    pub(super) const BANK: usize = 4;
    pub(super) const ORIGIN_LENGTH: Range<usize> = 6..8;
    pub(super) const SEQUENCE: Range<usize> = 8..16;
    pub(super) const ORIGIN: Range<usize> = 16..316;
    pub(super) const CRC: Range<usize> = 316..320;
}

/// Bytes that an area takes for a bank of so many sectors.
pub(crate) fn area_size(geometry: &Geometry, bank_sectors: u32) -> u32 {
    bank_sectors.saturating_mul(mark_size(geometry)).saturating_add(START_SIZE as u32)
}

fn mark_size(geometry: &Geometry) -> u32 {
    MARK_SIZE.max(geometry.word_size())
}

/// What the start record of an area says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Start {
    pub(crate) bank: Bank,
    pub(crate) origin: Origin,
    sequence: u64,
}

/// The journal of the install that counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Journal {
    banks: Banks,
    area: usize,
    /// Whether marks may be appended: the area was begun, and no cut has happened, since this was made.
    fresh: bool,
}

impl Journal {
    /// Begins a new install: from now on an earlier one is forgotten.
    pub(crate) fn begin<F: Flash>(
        flash: &mut F,
        banks: &Banks,
        bank: Bank,
        origin: Origin,
    ) -> Result<Self, FlashError> {
        let (area, sequence) = next_place(flash, banks)?;
        let journal = Self { banks: *banks, area, fresh: true };
        journal.erase(flash)?;
        journal.write_start(flash, &Start { bank, origin, sequence })?;
        Ok(journal)
    }

    /// The install that was begun last and not discarded.
    pub(crate) fn find<F: Flash>(flash: &mut F, banks: &Banks) -> Result<Option<(Self, Start)>, FlashError> {
        let newest = newest(flash, banks)?;
        Ok(newest.map(|(area, start)| (Self { banks: *banks, area, fresh: false }, start)))
    }

    /// Forgets every install.
    pub(crate) fn discard<F: Flash>(flash: &mut F, banks: &Banks) -> Result<(), FlashError> {
        let Some((area, _)) = newest(flash, banks)? else { return Ok(()) };
        if read_start(flash, banks, 1 - area)?.is_some() {
            flash.erase(banks.journal(1 - area))?;
        }
        flash.erase(banks.journal(area))
    }

    /// The checksum of a sector of the bank that was complete, if its mark is intact.
    pub(crate) fn mark_of<F: Flash>(&self, flash: &mut F, sector: u32) -> Result<Option<Crc32>, FlashError> {
        let mut mark = [0; MARK_SIZE as usize];
        flash.read(self.mark_address(sector), &mut mark)?;
        let [number, crc, check, _] =
            [0, 4, 8, 12].map(|at| u32::from_le_bytes([mark[at], mark[at + 1], mark[at + 2], mark[at + 3]]));
        Ok((Crc32::of(&mark[..8]) == Crc32(check) && number == sector).then_some(Crc32(crc)))
    }

    /// Notes that a sector of the bank is complete. `sector` sectors before it are complete, too.
    pub(crate) fn mark<F: Flash>(
        &mut self,
        flash: &mut F,
        sector: u32,
        crc: Crc32,
    ) -> Result<(), FlashError> {
        if !self.fresh {
            self.move_to_fresh_area(flash, sector)?;
        }
        self.write_mark(flash, sector, crc)
    }

    /// The first `marks` marks go along.
    fn move_to_fresh_area<F: Flash>(&mut self, flash: &mut F, marks: u32) -> Result<(), FlashError> {
        let Some(start) = read_start(flash, &self.banks, self.area)? else { return Ok(()) };
        let next = Self { banks: self.banks, area: 1 - self.area, fresh: true };
        next.erase(flash)?;
        for sector in 0..marks {
            if let Some(crc) = self.mark_of(flash, sector)? {
                next.write_mark(flash, sector, crc)?;
            }
        }
        // Last, so that a cut before it leaves the old area in force with all its marks.
        next.write_start(flash, &Start { sequence: start.sequence.saturating_add(1), ..start })?;
        *self = next;
        Ok(())
    }

    fn write_mark<F: Flash>(&self, flash: &mut F, sector: u32, crc: Crc32) -> Result<(), FlashError> {
        let mut mark = [0; MAX_WORD_SIZE];
        mark[..4].copy_from_slice(&sector.to_le_bytes());
        mark[4..8].copy_from_slice(&crc.0.to_le_bytes());
        let check = Crc32::of(&mark[..8]);
        mark[8..12].copy_from_slice(&check.0.to_le_bytes());
        flash.write(self.mark_address(sector), &mark[..mark_size(self.banks.geometry()) as usize])
    }

    fn write_start<F: Flash>(&self, flash: &mut F, start: &Start) -> Result<(), FlashError> {
        let at = self.banks.geometry().address_of(self.banks.journal(self.area));
        flash.write(at, &start.encode())
    }

    fn erase<F: Flash>(&self, flash: &mut F) -> Result<(), FlashError> {
        let first = self.banks.journal(self.area);
        (0..self.banks.journal_sectors()).try_for_each(|sector| flash.erase(first.plus(sector)))
    }

    fn mark_address(&self, sector: u32) -> FlashAddress {
        let geometry = self.banks.geometry();
        let area = geometry.address_of(self.banks.journal(self.area));
        area.plus(START_SIZE as u32 + sector * mark_size(geometry))
    }
}

/// The area that a new start record goes to, and its sequence.
fn next_place<F: Flash>(flash: &mut F, banks: &Banks) -> Result<(usize, u64), FlashError> {
    let newest = newest(flash, banks)?;
    Ok(newest.map_or((0, 1), |(area, start)| (1 - area, start.sequence.saturating_add(1))))
}

fn newest<F: Flash>(flash: &mut F, banks: &Banks) -> Result<Option<(usize, Start)>, FlashError> {
    let mut newest: Option<(usize, Start)> = None;
    for area in 0..2 {
        if let Some(start) = read_start(flash, banks, area)?
            && newest.is_none_or(|(_, other)| start.sequence > other.sequence)
        {
            newest = Some((area, start));
        }
    }
    Ok(newest)
}

fn read_start<F: Flash>(flash: &mut F, banks: &Banks, area: usize) -> Result<Option<Start>, FlashError> {
    let mut bytes = [0; START_SIZE];
    flash.read(banks.geometry().address_of(banks.journal(area)), &mut bytes)?;
    Ok(Start::parse(&bytes))
}

impl Start {
    fn parse(bytes: &[u8; START_SIZE]) -> Option<Self> {
        let crc = u32::from_le_bytes(bytes[field::CRC].try_into().ok()?);
        if bytes[field::MAGIC] != MAGIC || Crc32::of(&bytes[..field::CRC.start]) != Crc32(crc) {
            return None;
        }
        let length = u16::from_le_bytes(bytes[field::ORIGIN_LENGTH].try_into().ok()?);
        Some(Self {
            bank: Bank::from_byte(bytes[field::BANK])?,
            origin: Origin::new(bytes[field::ORIGIN].get(..usize::from(length))?)?,
            sequence: u64::from_le_bytes(bytes[field::SEQUENCE].try_into().ok()?),
        })
    }

    fn encode(&self) -> [u8; START_SIZE] {
        let mut bytes = [0; START_SIZE];
        bytes[field::MAGIC].copy_from_slice(&MAGIC);
        bytes[field::BANK] = self.bank.index() as u8;
        bytes[field::ORIGIN_LENGTH].copy_from_slice(&self.origin.length.to_le_bytes());
        bytes[field::SEQUENCE].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[field::ORIGIN].copy_from_slice(&self.origin.bytes);
        let crc = Crc32::of(&bytes[..field::CRC.start]);
        bytes[field::CRC].copy_from_slice(&crc.0.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parsing_a_start_never_panics(
            head in any::<[u8; 16]>(),
            filler in any::<u8>(),
            intact in any::<bool>(),
        ) {
            let mut bytes = [filler; START_SIZE];
            bytes[..16].copy_from_slice(&head);
            if intact {
                bytes[field::MAGIC].copy_from_slice(&MAGIC);
                let crc = Crc32::of(&bytes[..field::CRC.start]);
                bytes[field::CRC].copy_from_slice(&crc.0.to_le_bytes());
            }
            let _ = Start::parse(&bytes);
        }

        #[test]
        fn a_start_is_parsed_back(
            origin in proptest::collection::vec(any::<u8>(), 0..=MAX_ORIGIN),
            sequence in any::<u64>(),
        ) {
            let start = Start { bank: Bank::B, origin: Origin::new(&origin).unwrap(), sequence };
            prop_assert_eq!(Start::parse(&start.encode()), Some(start));
            prop_assert_eq!(start.origin.as_bytes(), origin);
        }
    }

    #[test]
    fn an_origin_has_a_bound() {
        assert!(Origin::new(&[0; MAX_ORIGIN]).is_some());
        assert!(Origin::new(&[0; MAX_ORIGIN + 1]).is_none());
    }
}

//! Where everything lies in flash.
//!
//! ```text
//! sector 0                  boot record, copy 0
//! sector 1                  boot record, copy 1
//! sector 2 .. 2+J           install journal, area 0      J sectors each, as many as the marks of one
//! sector 2+J .. 2+2J        install journal, area 1      bank need (see `journal`)
//! sector 2+2J .. 2+2J+N     bank A                       N as large as the geometry allows
//! sector 2+2J+N .. 2+2J+2N  bank B
//! ```
//!
//! At most a few sectors at the end stay unused. The layout follows from the geometry alone, so it is not
//! stored and cannot be torn.

use core::fmt;

use crate::image::IMAGE_HEADER_SIZE;
use crate::journal;
use crate::{ByteCount, FlashAddress, Geometry, SectorIndex};

/// One of the two places for an image.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Bank {
    /// The lower one, filled in the factory.
    A,
    /// The upper one.
    B,
}

impl Bank {
    /// Both, the lower one first.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The bank that this one is not.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::A),
            1 => Some(Self::B),
            _ => None,
        }
    }
}

impl fmt::Display for Bank {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

/// The flash is too small for two banks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a flash of {sectors} sectors of {sector_size} bytes is too small for two banks")]
pub struct LayoutError {
    /// Its sectors.
    pub sectors: u32,
    /// Bytes in each of them.
    pub sector_size: u32,
}

/// The layout of a flash with two banks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Banks {
    geometry: Geometry,
    journal_sectors: u32,
    bank_sectors: u32,
}

const RECORD_SECTORS: u32 = 2;

impl Banks {
    /// The layout for this geometry, with banks as large as possible.
    pub fn new(geometry: Geometry) -> Result<Self, LayoutError> {
        let too_small = LayoutError { sectors: geometry.sectors(), sector_size: geometry.sector_size() };
        let free = geometry.sectors().checked_sub(RECORD_SECTORS).ok_or(too_small)?;
        let fits = |bank_sectors: &u32| {
            let journal = journal::area_size(&geometry, *bank_sectors).div_ceil(geometry.sector_size());
            journal + bank_sectors <= free / 2
        };
        let bank_sectors = (1..=free / 2).rev().find(fits).ok_or(too_small)?;
        let journal_sectors = journal::area_size(&geometry, bank_sectors).div_ceil(geometry.sector_size());
        Ok(Self { geometry, journal_sectors, bank_sectors })
    }

    /// The smallest flash with this sector and word whose banks hold an image with such a payload.
    pub fn geometry_for(
        payload: ByteCount,
        sector_size: u32,
        word_size: u32,
    ) -> Result<Geometry, crate::GeometryError> {
        let shape = Geometry::new(sector_size, 1, word_size)?;
        let image = payload.0.saturating_add(IMAGE_HEADER_SIZE as u32);
        let bank_sectors = image.div_ceil(sector_size);
        let journal = journal::area_size(&shape, bank_sectors).div_ceil(sector_size);
        let sectors = bank_sectors.saturating_add(journal).saturating_mul(2).saturating_add(RECORD_SECTORS);
        Geometry::new(sector_size, sectors, word_size)
    }

    /// The flash this is the layout of.
    pub const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Bytes in a bank: the longest image, header included.
    pub const fn capacity(&self) -> ByteCount {
        ByteCount(self.bank_sectors * self.geometry.sector_size())
    }

    /// Where a bank starts.
    pub const fn bank(&self, bank: Bank) -> SectorIndex {
        let first = RECORD_SECTORS + 2 * self.journal_sectors;
        match bank {
            Bank::A => SectorIndex(first),
            Bank::B => SectorIndex(first + self.bank_sectors),
        }
    }

    /// Sectors in a bank.
    pub const fn bank_sectors(&self) -> u32 {
        self.bank_sectors
    }

    /// The address of a byte of a bank.
    pub const fn address(&self, bank: Bank, offset: ByteCount) -> FlashAddress {
        self.geometry.address_of(self.bank(bank)).plus(offset.0)
    }

    /// The sector of one of the two copies of the boot record.
    pub(crate) const fn record(&self, copy: usize) -> SectorIndex {
        SectorIndex(copy as u32)
    }

    /// The first sector of one of the two journal areas.
    pub(crate) const fn journal(&self, area: usize) -> SectorIndex {
        SectorIndex(RECORD_SECTORS + area as u32 * self.journal_sectors)
    }

    pub(crate) const fn journal_sectors(&self) -> u32 {
        self.journal_sectors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_do_not_overlap_and_fit() {
        for sector_size in [256, 512, 4096, 65_536] {
            for word_size in [1, 4, 8, 32] {
                for sectors in 1..300 {
                    let geometry = Geometry::new(sector_size, sectors, word_size).unwrap();
                    let Ok(banks) = Banks::new(geometry) else {
                        assert!(sectors < 12);
                        continue;
                    };
                    assert_eq!(banks.journal(0).0, 2);
                    assert_eq!(banks.journal(1).0, 2 + banks.journal_sectors());
                    assert_eq!(banks.bank(Bank::A).0, banks.journal(1).0 + banks.journal_sectors());
                    assert_eq!(banks.bank(Bank::B).0, banks.bank(Bank::A).0 + banks.bank_sectors());
                    let end = banks.bank(Bank::B).0 + banks.bank_sectors();
                    assert!((sectors - 3..=sectors).contains(&end), "{end} of {sectors}");
                }
            }
        }
    }

    #[test]
    fn the_smallest_geometry_for_a_payload_holds_it_and_one_sector_less_does_not() {
        for payload in [0, 1, 3_000, 300_000] {
            let geometry = Banks::geometry_for(ByteCount(payload), 512, 8).unwrap();
            let capacity = Banks::new(geometry).unwrap().capacity().0;
            assert!((payload + 256..payload + 256 + 512).contains(&capacity));
        }
        let small = Geometry::new(256, 3, 8).unwrap();
        assert_eq!(Banks::new(small), Err(LayoutError { sectors: 3, sector_size: 256 }));
    }
}

//! Addresses, sizes and the shape of a flash.

use core::fmt;

use super::FlashError;

/// The largest word that any supported flash writes at once, in bytes.
///
/// 32 covers the 256-bit words of STM32H7; buffers for one word live on the stack.
pub const MAX_WORD_SIZE: usize = 32;

/// The smallest supported sector, in bytes: an image header must fit into one.
pub(crate) const MIN_SECTOR_SIZE: u32 = 256;

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct ByteCount(pub u32);

impl fmt::Display for ByteCount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0)
    }
}

/// Where a byte lies, counted from the start of the flash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FlashAddress(pub u32);

impl FlashAddress {
    /// The address `bytes` further on.
    pub const fn plus(self, bytes: u32) -> Self {
        Self(self.0.saturating_add(bytes))
    }
}

impl fmt::Display for FlashAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#010x}", self.0)
    }
}

/// The smallest unit that can be erased, counted from zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SectorIndex(pub u32);

impl SectorIndex {
    /// The sector `sectors` further on.
    pub const fn plus(self, sectors: u32) -> Self {
        Self(self.0.saturating_add(sectors))
    }
}

/// The shape of a flash, checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    sector_size: u32,
    sectors: u32,
    word_size: u32,
}

/// Why numbers are not the shape of a flash that can be used here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GeometryError {
    /// The word is not 1, 2, 4, 8, 16 or 32 bytes.
    #[error("a word of {0} bytes is not supported (1, 2, 4, 8, 16 or 32)")]
    Word(u32),
    /// The sector is under 256 bytes or not made of whole words.
    #[error("a sector of {0} bytes is not supported (at least 256, a multiple of the word)")]
    Sector(u32),
    /// Addresses would not fit into 32 bits, or there is no sector.
    #[error("{0} sectors are not supported (at least 1, less than 4 GiB in all)")]
    Sectors(u32),
}

impl Geometry {
    /// `sectors` sectors of `sector_size` bytes, written in words of `word_size` bytes.
    pub const fn new(sector_size: u32, sectors: u32, word_size: u32) -> Result<Self, GeometryError> {
        if !word_size.is_power_of_two() || word_size as usize > MAX_WORD_SIZE {
            return Err(GeometryError::Word(word_size));
        }
        if sector_size < MIN_SECTOR_SIZE || !sector_size.is_multiple_of(word_size) {
            return Err(GeometryError::Sector(sector_size));
        }
        if sectors == 0 || sector_size.checked_mul(sectors).is_none() {
            return Err(GeometryError::Sectors(sectors));
        }
        Ok(Self { sector_size, sectors, word_size })
    }

    /// Bytes in a sector.
    pub const fn sector_size(&self) -> u32 {
        self.sector_size
    }

    /// How many sectors there are.
    pub const fn sectors(&self) -> u32 {
        self.sectors
    }

    /// Bytes in a word.
    pub const fn word_size(&self) -> u32 {
        self.word_size
    }

    /// Bytes in all.
    pub const fn capacity(&self) -> ByteCount {
        ByteCount(self.sector_size * self.sectors)
    }

    /// Where a sector starts.
    pub const fn address_of(&self, sector: SectorIndex) -> FlashAddress {
        FlashAddress(self.sector_size.saturating_mul(sector.0))
    }

    /// Whether a range may be read.
    pub fn check_read(&self, at: FlashAddress, length: usize) -> Result<(), FlashError> {
        let end = u64::from(at.0) + length as u64;
        if end > u64::from(self.capacity().0) {
            return Err(FlashError::OutOfBounds { at, length });
        }
        Ok(())
    }

    /// Whether a sector may be erased.
    pub fn check_erase(&self, sector: SectorIndex) -> Result<(), FlashError> {
        if sector.0 >= self.sectors {
            let at = self.address_of(sector);
            return Err(FlashError::OutOfBounds { at, length: self.sector_size as usize });
        }
        Ok(())
    }

    /// Whether a range lies within the flash and is made of whole words.
    pub fn check_write(&self, at: FlashAddress, length: usize) -> Result<(), FlashError> {
        self.check_read(at, length)?;
        let word = self.word_size as usize;
        if !at.0.is_multiple_of(self.word_size) || !length.is_multiple_of(word) {
            return Err(FlashError::NotAligned { at, length });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_shapes_that_the_layout_cannot_use() {
        assert_eq!(Geometry::new(4096, 10, 3), Err(GeometryError::Word(3)));
        assert_eq!(Geometry::new(4096, 10, 64), Err(GeometryError::Word(64)));
        assert_eq!(Geometry::new(128, 10, 4), Err(GeometryError::Sector(128)));
        assert_eq!(Geometry::new(260, 10, 8), Err(GeometryError::Sector(260)));
        assert_eq!(Geometry::new(4096, 0, 8), Err(GeometryError::Sectors(0)));
        assert_eq!(Geometry::new(1 << 20, 1 << 12, 8), Err(GeometryError::Sectors(1 << 12)));
    }

    #[test]
    fn checks_ranges() {
        let geometry = Geometry::new(256, 4, 8).unwrap();
        assert!(geometry.check_write(FlashAddress(1016), 8).is_ok());
        assert!(matches!(geometry.check_write(FlashAddress(4), 8), Err(FlashError::NotAligned { .. })));
        assert!(matches!(geometry.check_write(FlashAddress(8), 4), Err(FlashError::NotAligned { .. })));
        assert!(matches!(geometry.check_write(FlashAddress(1024), 8), Err(FlashError::OutOfBounds { .. })));
        assert!(matches!(geometry.check_erase(SectorIndex(4)), Err(FlashError::OutOfBounds { .. })));
        assert!(matches!(
            geometry.check_read(FlashAddress(u32::MAX), usize::MAX >> 1),
            Err(FlashError::OutOfBounds { .. })
        ));
    }
}

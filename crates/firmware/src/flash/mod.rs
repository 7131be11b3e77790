//! What flash memory can do, and what it cannot.

#[cfg(feature = "alloc")]
mod emulated;
mod geometry;
mod power;

#[cfg(feature = "alloc")]
pub use emulated::{EmulatedFlash, Medium, Memory};
pub use geometry::{ByteCount, FlashAddress, Geometry, GeometryError, MAX_WORD_SIZE, SectorIndex};
pub use power::{PowerCut, Tear};

/// What every byte of an erased sector reads as.
pub const ERASED: u8 = 0xFF;

/// NOR flash: read anything, erase whole sectors, write whole words onto erased words.
///
/// A power cut may interrupt any erase and any write. What is then in the touched sector or word is
/// undefined until the sector has been erased completely: it may even read as erased. Code above this
/// trait therefore never writes into a sector about which it does not know that it was erased after the
/// last cut.
pub trait Flash {
    /// The shape of this flash; never changes.
    fn geometry(&self) -> Geometry;

    /// Fills `into` from `at`.
    fn read(&mut self, at: FlashAddress, into: &mut [u8]) -> Result<(), FlashError>;

    /// Makes every byte of a sector [`ERASED`].
    fn erase(&mut self, sector: SectorIndex) -> Result<(), FlashError>;

    /// Writes whole words, in ascending order, onto erased words.
    fn write(&mut self, at: FlashAddress, words: &[u8]) -> Result<(), FlashError>;
}

impl<F: Flash + ?Sized> Flash for &mut F {
    fn geometry(&self) -> Geometry {
        (**self).geometry()
    }

    fn read(&mut self, at: FlashAddress, into: &mut [u8]) -> Result<(), FlashError> {
        (**self).read(at, into)
    }

    fn erase(&mut self, sector: SectorIndex) -> Result<(), FlashError> {
        (**self).erase(sector)
    }

    fn write(&mut self, at: FlashAddress, words: &[u8]) -> Result<(), FlashError> {
        (**self).write(at, words)
    }
}

/// Why a flash operation was not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FlashError {
    /// The range does not lie within the flash.
    #[error("{length} bytes at {at} reach past the end of the flash")]
    OutOfBounds {
        /// Where the range starts.
        at: FlashAddress,
        /// How long it is, in bytes.
        length: usize,
    },
    /// A write does not start or end at a word boundary.
    #[error("a write of {length} bytes at {at} is not made of whole words")]
    NotAligned {
        /// Where the write starts.
        at: FlashAddress,
        /// How long it is, in bytes.
        length: usize,
    },
    /// A write meets a word that was written, or torn by a power cut, since its sector was erased.
    #[error("the word at {at} is not erased")]
    NotErased {
        /// The word.
        at: FlashAddress,
    },
    /// What was written reads differently: the flash is worn out or broken.
    #[error("the flash does not keep what is written at {at}")]
    NotKept {
        /// Where the write, or its sector, starts.
        at: FlashAddress,
    },
    /// The supply failed during this operation or before it; nothing works until power is back.
    #[error("power is lost")]
    PowerLost,
    /// The memory itself failed.
    #[error("the flash device failed with code {code}")]
    Device {
        /// The code of its driver (for a file: the error number of the operating system).
        code: i32,
    },
}

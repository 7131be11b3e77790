//! Flash in memory that enforces the rules of the trait, counts wear and loses power.

use alloc::vec;
use alloc::vec::Vec;

use super::{ByteCount, ERASED, Flash, FlashAddress, FlashError, Geometry, PowerCut, SectorIndex, Tear};

/// Where an [`EmulatedFlash`] keeps its bytes.
pub trait Medium {
    /// Fills `into` from `at`.
    fn load(&mut self, at: FlashAddress, into: &mut [u8]) -> Result<(), FlashError>;

    /// Replaces the bytes at `at`, in place.
    fn store(&mut self, at: FlashAddress, bytes: &[u8]) -> Result<(), FlashError>;
}

/// A [`Medium`] that is gone with the process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Memory(Vec<u8>);

impl Medium for Memory {
    fn load(&mut self, at: FlashAddress, into: &mut [u8]) -> Result<(), FlashError> {
        let start = at.0 as usize;
        let bytes = self.0.get(start..start + into.len());
        into.copy_from_slice(bytes.ok_or(FlashError::OutOfBounds { at, length: into.len() })?);
        Ok(())
    }

    fn store(&mut self, at: FlashAddress, bytes: &[u8]) -> Result<(), FlashError> {
        let start = at.0 as usize;
        let place = self.0.get_mut(start..start + bytes.len());
        place.ok_or(FlashError::OutOfBounds { at, length: bytes.len() })?.copy_from_slice(bytes);
        Ok(())
    }
}

/// Flash that behaves worse than any real one.
///
/// It refuses to write onto a word that was written or torn since its sector was last erased completely,
/// even where that word still reads as erased, and it can lose power in any operation (see [`PowerCut`]).
#[derive(Clone, Debug)]
pub struct EmulatedFlash<M = Memory> {
    geometry: Geometry,
    medium: M,
    /// One bit for each word: whether it may not be written.
    used: Vec<u64>,
    /// Erases of each sector since this was made.
    wear: Vec<u32>,
    operations: u64,
    cut: Option<PowerCut>,
    powered: bool,
}

impl EmulatedFlash<Memory> {
    /// Erased flash of this shape.
    pub fn new(geometry: Geometry) -> Self {
        let bytes = vec![ERASED; geometry.capacity().0 as usize];
        Self::erased(geometry, Memory(bytes))
    }

    /// Everything in it, from the first sector to the last.
    pub fn bytes(&self) -> &[u8] {
        &self.medium.0
    }
}

impl<M: Medium> EmulatedFlash<M> {
    /// Flash whose bytes are in `medium`; words that do not read as erased count as written.
    pub fn over(geometry: Geometry, medium: M) -> Result<Self, FlashError> {
        let mut flash = Self::erased(geometry, medium);
        let mut sector = vec![ERASED; geometry.sector_size() as usize];
        for index in 0..geometry.sectors() {
            let at = geometry.address_of(SectorIndex(index));
            flash.medium.load(at, &mut sector)?;
            for (number, word) in sector.chunks(geometry.word_size() as usize).enumerate() {
                if word.iter().any(|byte| *byte != ERASED) {
                    flash.set_used(at.plus(number as u32 * geometry.word_size()), true);
                }
            }
        }
        Ok(flash)
    }

    fn erased(geometry: Geometry, medium: M) -> Self {
        let words = geometry.capacity().0 / geometry.word_size();
        let used = vec![0; words.div_ceil(u64::BITS) as usize];
        let wear = vec![0; geometry.sectors() as usize];
        Self { geometry, medium, used, wear, operations: 0, cut: None, powered: true }
    }

    /// Lets power fail in a later operation.
    pub fn cut_power(&mut self, cut: PowerCut) {
        self.cut = Some(cut);
    }

    /// Power is back, and no cut is planned.
    pub fn restore_power(&mut self) {
        self.powered = true;
        self.cut = None;
    }

    /// Whether power has not failed.
    pub fn is_powered(&self) -> bool {
        self.powered
    }

    /// Erases of sectors and programmed words that were begun since this was made.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// How often a sector was erased since this was made.
    pub fn wear(&self, sector: SectorIndex) -> u32 {
        self.wear.get(sector.0 as usize).copied().unwrap_or(0)
    }

    /// Flips bits as ageing does, behind the back of whoever uses the flash.
    pub fn damage(&mut self, at: FlashAddress, mask: u8) -> Result<(), FlashError> {
        let mut byte = [0];
        self.medium.load(at, &mut byte)?;
        self.medium.store(at, &[byte[0] ^ mask])
    }

    /// How the next operation is torn, if it is the one in which power fails.
    fn begin_operation(&mut self) -> Result<(), Tear> {
        self.operations += 1;
        match &mut self.cut {
            Some(PowerCut { after: 0, tear }) => {
                let tear = *tear;
                self.powered = false;
                Err(tear)
            }
            Some(PowerCut { after, .. }) => {
                *after -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn word_bit(&self, at: FlashAddress) -> (usize, u64) {
        let word = at.0 / self.geometry.word_size();
        ((word / u64::BITS) as usize, 1 << (word % u64::BITS))
    }

    fn is_used(&self, at: FlashAddress) -> bool {
        let (index, bit) = self.word_bit(at);
        self.used[index] & bit != 0
    }

    fn set_used(&mut self, at: FlashAddress, used: bool) {
        let (index, bit) = self.word_bit(at);
        if used {
            self.used[index] |= bit;
        } else {
            self.used[index] &= !bit;
        }
    }

    fn words_of(&self, at: FlashAddress, length: ByteCount) -> impl Iterator<Item = FlashAddress> + use<M> {
        (at.0..at.0 + length.0).step_by(self.geometry.word_size() as usize).map(FlashAddress)
    }
}

impl<M: Medium> Flash for EmulatedFlash<M> {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&mut self, at: FlashAddress, into: &mut [u8]) -> Result<(), FlashError> {
        if !self.powered {
            return Err(FlashError::PowerLost);
        }
        self.geometry.check_read(at, into.len())?;
        self.medium.load(at, into)
    }

    fn erase(&mut self, sector: SectorIndex) -> Result<(), FlashError> {
        if !self.powered {
            return Err(FlashError::PowerLost);
        }
        self.geometry.check_erase(sector)?;
        let at = self.geometry.address_of(sector);
        let size = ByteCount(self.geometry.sector_size());
        self.wear[sector.0 as usize] += 1;
        let cut = self.begin_operation().err();
        let mut bytes = vec![ERASED; size.0 as usize];
        if let Some(tear) = cut {
            self.medium.load(at, &mut bytes)?;
            tear.tear_sector(&mut bytes);
        }
        // Words of a torn sector are undefined; those of an erased one are free.
        let used = cut.is_some_and(|tear| tear != Tear::Nothing);
        if cut != Some(Tear::Nothing) {
            self.medium.store(at, &bytes)?;
            self.words_of(at, size).for_each(|word| self.set_used(word, used));
        }
        if cut.is_some() { Err(FlashError::PowerLost) } else { Ok(()) }
    }

    fn write(&mut self, at: FlashAddress, words: &[u8]) -> Result<(), FlashError> {
        if !self.powered {
            return Err(FlashError::PowerLost);
        }
        self.geometry.check_write(at, words.len())?;
        let size = self.geometry.word_size() as usize;
        let length = ByteCount(words.len() as u32);
        if let Some(at) = self.words_of(at, length).find(|word| self.is_used(*word)) {
            return Err(FlashError::NotErased { at });
        }
        for (place, (number, word)) in self.words_of(at, length).zip(words.chunks(size).enumerate()) {
            let Err(tear) = self.begin_operation() else {
                self.set_used(place, true);
                continue;
            };
            // What came before reached the medium; this word is torn; nothing after it happens.
            self.medium.store(at, &words[..number * size])?;
            let mut torn = vec![ERASED; size];
            tear.tear_word(&mut torn, word);
            if tear != Tear::Nothing {
                self.set_used(place, true);
            }
            self.medium.store(place, &torn)?;
            return Err(FlashError::PowerLost);
        }
        self.medium.store(at, words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flash() -> EmulatedFlash {
        EmulatedFlash::new(Geometry::new(256, 4, 4).unwrap())
    }

    fn contents(flash: &mut EmulatedFlash, at: u32) -> [u8; 8] {
        let mut bytes = [0; 8];
        flash.read(FlashAddress(at), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn refuses_to_write_onto_a_written_word_until_its_sector_is_erased() {
        let mut flash = flash();
        // A word of ones is written too, though it reads as erased.
        flash.write(FlashAddress(256), &[ERASED; 4]).unwrap();
        let refused = flash.write(FlashAddress(252), &[1; 8]);
        assert_eq!(refused, Err(FlashError::NotErased { at: FlashAddress(256) }));
        flash.erase(SectorIndex(1)).unwrap();
        flash.write(FlashAddress(252), &[1; 8]).unwrap();
        assert_eq!(contents(&mut flash, 252), [1; 8]);
        assert_eq!((flash.wear(SectorIndex(1)), flash.wear(SectorIndex(0))), (1, 0));
    }

    #[test]
    fn a_cut_keeps_the_words_before_it_and_then_nothing_works() {
        let mut flash = flash();
        flash.cut_power(PowerCut { after: 1, tear: Tear::Half });
        assert_eq!(flash.write(FlashAddress(0), &[7; 12]), Err(FlashError::PowerLost));
        assert_eq!(flash.read(FlashAddress(0), &mut [0]), Err(FlashError::PowerLost));
        assert_eq!(flash.erase(SectorIndex(0)), Err(FlashError::PowerLost));
        flash.restore_power();
        assert_eq!(contents(&mut flash, 0), [7, 7, 7, 7, 7, 7, ERASED, ERASED]);
        assert_eq!(flash.operations(), 2);
    }

    #[test]
    fn a_torn_word_may_not_be_written_even_where_it_reads_as_erased() {
        let mut flash = flash();
        flash.cut_power(PowerCut { after: 0, tear: Tear::Garbage { seed: 1 } });
        assert_eq!(flash.write(FlashAddress(0), &[ERASED; 4]), Err(FlashError::PowerLost));
        flash.restore_power();
        assert!(matches!(flash.write(FlashAddress(0), &[0; 4]), Err(FlashError::NotErased { .. })));
    }

    #[test]
    fn a_torn_erase_leaves_the_sector_unusable() {
        for tear in [Tear::Half, Tear::Garbage { seed: 9 }] {
            let mut flash = flash();
            flash.write(FlashAddress(0), &[0; 256]).unwrap();
            flash.cut_power(PowerCut { after: 0, tear });
            assert_eq!(flash.erase(SectorIndex(0)), Err(FlashError::PowerLost));
            flash.restore_power();
            assert!(matches!(flash.write(FlashAddress(0), &[0; 4]), Err(FlashError::NotErased { .. })));
        }
    }

    #[test]
    fn flash_over_a_medium_takes_what_is_written_from_its_bytes() {
        let mut first = flash();
        first.write(FlashAddress(300), &[5; 4]).unwrap();
        let mut second = EmulatedFlash::over(first.geometry(), first.medium.clone()).unwrap();
        assert!(matches!(second.write(FlashAddress(300), &[5; 4]), Err(FlashError::NotErased { .. })));
        second.write(FlashAddress(304), &[5; 4]).unwrap();
    }
}

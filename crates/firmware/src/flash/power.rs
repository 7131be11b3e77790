//! Power that fails at a chosen operation, and what flash then holds.

use machine::Random;

use super::ERASED;

/// What an operation leaves behind when power fails in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tear {
    /// Nothing of the word is written, nothing of the sector erased.
    Nothing,
    /// The first half of the word is written, the first half of the sector erased.
    Half,
    /// Each bit of the word or the sector may have changed or not, as the seed decides.
    Garbage {
        /// The same seed tears the same operation in the same way.
        seed: u64,
    },
}

/// When power fails.
///
/// An operation is the erasing of one sector or the programming of one word, so that a write of many
/// words can be cut between any two of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PowerCut {
    /// How many operations are still done; the one after them is torn.
    pub after: u64,
    /// How it is torn.
    pub tear: Tear,
}

impl Tear {
    /// Turns `word`, as it was before, into what a torn write of `new` leaves.
    pub fn tear_word(self, word: &mut [u8], new: &[u8]) {
        match self {
            Self::Nothing => {}
            Self::Half => {
                let half = word.len().div_ceil(2);
                word[..half].copy_from_slice(&new[..half]);
            }
            Self::Garbage { seed } => {
                let mut random = Random::from_number(seed);
                for (old, new) in word.iter_mut().zip(new) {
                    // Programming only clears bits; those it had not reached yet are still set.
                    *old &= new | random.u32() as u8;
                }
            }
        }
    }

    /// Turns `sector` into what a torn erase leaves.
    pub fn tear_sector(self, sector: &mut [u8]) {
        match self {
            Self::Nothing => {}
            Self::Half => {
                let half = sector.len() / 2;
                sector[..half].fill(ERASED);
            }
            Self::Garbage { seed } => {
                let mut random = Random::from_number(seed);
                // Erasing only sets bits.
                sector.iter_mut().for_each(|byte| *byte |= random.u32() as u8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_word_has_only_bits_of_the_old_or_the_new_one() {
        let new = [0x12, 0x34, 0x56, 0x78];
        for seed in 0..100 {
            let mut word = [ERASED; 4];
            Tear::Garbage { seed }.tear_word(&mut word, &new);
            assert!(word.iter().zip(new).all(|(torn, new)| torn & new == new));
        }
        let mut word = [ERASED; 4];
        Tear::Half.tear_word(&mut word, &new);
        assert_eq!(word, [0x12, 0x34, ERASED, ERASED]);
        let mut byte = [ERASED; 1];
        Tear::Nothing.tear_word(&mut byte, &[0]);
        assert_eq!(byte, [ERASED]);
    }

    #[test]
    fn a_torn_erase_only_sets_bits() {
        let mut sector = [0x5A; 64];
        Tear::Garbage { seed: 3 }.tear_sector(&mut sector);
        assert!(sector.iter().all(|byte| byte & 0x5A == 0x5A));
        assert!(sector.iter().any(|byte| *byte != ERASED && *byte != 0x5A));
    }
}

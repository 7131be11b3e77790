//! The boot record: which bank boots, and what became of the last update.
//!
//! # Safe against a cut at any write
//!
//! Two sectors hold one copy each. A change goes into the copy that is *not* the newest valid one:
//!
//! ```text
//!            copy 0            copy 1
//! before     sequence 7, ok    sequence 6, ok      7 counts
//! 1 erase    sequence 7, ok    undefined           7 counts, whatever the torn sector reads as: its
//!                                                  old content has a lower sequence
//! 2 write    sequence 7, ok    words without CRC   7 counts: the CRC-32 is in the last word
//! after      sequence 7, ok    sequence 8, ok      8 counts
//! ```
//!
//! The change happens at the last word of step 2. The sector is erased even where it reads as erased,
//! since a torn erase can look complete and is not. The sequence has 64 bits: it outlives the flash.
//!
//! | offset | bytes | field (numbers little-endian) |
//! | ---: | ---: | --- |
//! | 0 | 4 | magic `UBR1` |
//! | 4 | 1 | state: 1 confirmed, 2 testing, 3 updated, 4 reverted |
//! | 5 | 1 | confirmed bank: 0 = A, 1 = B |
//! | 6 | 1 | testing: tries left; reverted: cause (1 tries exhausted, 2 candidate damaged, 3 confirmed image damaged); else 0 |
//! | 7 | 1 | 0 |
//! | 8 | 8 | sequence |
//! | 16 | 32 | identity of the image accepted into bank A (SHA-256 of its header); zeros = none |
//! | 48 | 32 | the same for bank B |
//! | 80 | 12 | zeros |
//! | 92 | 4 | CRC-32/ISO-HDLC of bytes 0 to 91 |

use crate::{Bank, Banks, Crc32, Digest, Flash, FlashError};

/// Names an image: the SHA-256 of its header, which holds the SHA-256 of its payload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ImageId(pub Digest);

/// How far an update has come, as the boot loader sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BootState {
    /// The confirmed bank boots; nothing is pending.
    Confirmed,
    /// The other bank boots, this many more times, unless it is confirmed meanwhile.
    Testing {
        /// Boots that are left before the confirmed bank boots again.
        tries_left: u8,
    },
    /// As `Confirmed`, and the last update succeeded (Update Result 1) until that is acknowledged.
    Updated,
    /// As `Confirmed`, and the last update was undone (Update Result 8) until that is acknowledged.
    Reverted(RevertCause),
}

/// Why the old image runs again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RevertCause {
    /// The candidate was never confirmed in as many boots as it had.
    TriesExhausted,
    /// The candidate was not intact when it should have booted.
    CandidateDamaged,
    /// The confirmed image was not intact, and the older one in the other bank was.
    ConfirmedDamaged,
}

/// What the boot loader must remember.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BootRecord {
    /// The bank that boots when nothing is tested, and to which a failed test goes back.
    pub confirmed: Bank,
    /// How far an update has come.
    pub state: BootState,
    /// The images that were checked and accepted, by bank: no other ever boots.
    pub accepted: [Option<ImageId>; 2],
}

/// A boot record together with its place in the order of changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Copied {
    record: BootRecord,
    sequence: u64,
}

const SIZE: usize = 96;
const MAGIC: [u8; 4] = *b"UBR1";

mod field {
    use core::ops::Range;

    pub(super) const MAGIC: Range<usize> = 0..4;
    pub(super) const STATE: usize = 4;
    pub(super) const CONFIRMED: usize = 5;
    pub(super) const DETAIL: usize = 6;
    pub(super) const SEQUENCE: Range<usize> = 8..16;
    pub(super) const ACCEPTED: [Range<usize>; 2] = [16..48, 48..80];
    pub(super) const CRC: Range<usize> = 92..96;
}

impl BootRecord {
    /// The newest valid copy, if there is one.
    pub fn read<F: Flash>(flash: &mut F, banks: &Banks) -> Result<Option<Self>, FlashError> {
        Ok(newest(flash, banks)?.map(|(_, copied)| copied.record))
    }

    /// Makes this the newest copy. Until it returns, the one before counts.
    pub(crate) fn store<F: Flash>(&self, flash: &mut F, banks: &Banks) -> Result<(), FlashError> {
        let (copy, sequence) = match newest(flash, banks)? {
            Some((copy, copied)) => (1 - copy, copied.sequence.saturating_add(1)),
            None => (0, 1),
        };
        let sector = banks.record(copy);
        let at = banks.geometry().address_of(sector);
        flash.erase(sector)?;
        let bytes = Copied { record: *self, sequence }.encode();
        flash.write(at, &bytes)?;
        let mut kept = [0; SIZE];
        flash.read(at, &mut kept)?;
        if kept == bytes { Ok(()) } else { Err(FlashError::NotKept { at }) }
    }

    /// The bank that a boot would choose now, before looking at images.
    pub const fn candidate(&self) -> Bank {
        match self.state {
            BootState::Testing { .. } => self.confirmed.other(),
            _ => self.confirmed,
        }
    }

    /// The image that was accepted into a bank.
    pub const fn accepted(&self, bank: Bank) -> Option<ImageId> {
        self.accepted[bank.index()]
    }
}

/// The newest valid copy and where it is.
fn newest<F: Flash>(flash: &mut F, banks: &Banks) -> Result<Option<(usize, Copied)>, FlashError> {
    let mut newest: Option<(usize, Copied)> = None;
    for copy in 0..2 {
        let mut bytes = [0; SIZE];
        flash.read(banks.geometry().address_of(banks.record(copy)), &mut bytes)?;
        if let Some(copied) = Copied::parse(&bytes)
            && newest.is_none_or(|(_, other)| copied.sequence > other.sequence)
        {
            newest = Some((copy, copied));
        }
    }
    Ok(newest)
}

impl Copied {
    fn parse(bytes: &[u8; SIZE]) -> Option<Self> {
        let crc = u32::from_le_bytes(bytes[field::CRC].try_into().ok()?);
        if bytes[field::MAGIC] != MAGIC || Crc32::of(&bytes[..field::CRC.start]) != Crc32(crc) {
            return None;
        }
        let detail = bytes[field::DETAIL];
        let state = match (bytes[field::STATE], detail) {
            (1, _) => BootState::Confirmed,
            (2, tries_left) => BootState::Testing { tries_left },
            (3, _) => BootState::Updated,
            (4, 1) => BootState::Reverted(RevertCause::TriesExhausted),
            (4, 2) => BootState::Reverted(RevertCause::CandidateDamaged),
            (4, 3) => BootState::Reverted(RevertCause::ConfirmedDamaged),
            _ => return None,
        };
        let accepted = field::ACCEPTED.map(|range| {
            let mut digest = [0; 32];
            digest.copy_from_slice(&bytes[range]);
            (digest != [0; 32]).then_some(ImageId(Digest(digest)))
        });
        let record = BootRecord { confirmed: Bank::from_byte(bytes[field::CONFIRMED])?, state, accepted };
        let sequence = u64::from_le_bytes(bytes[field::SEQUENCE].try_into().ok()?);
        Some(Self { record, sequence })
    }

    fn encode(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        let (state, detail) = match self.record.state {
            BootState::Confirmed => (1, 0),
            BootState::Testing { tries_left } => (2, tries_left),
            BootState::Updated => (3, 0),
            BootState::Reverted(RevertCause::TriesExhausted) => (4, 1),
            BootState::Reverted(RevertCause::CandidateDamaged) => (4, 2),
            BootState::Reverted(RevertCause::ConfirmedDamaged) => (4, 3),
        };
        bytes[field::MAGIC].copy_from_slice(&MAGIC);
        bytes[field::STATE] = state;
        bytes[field::CONFIRMED] = self.record.confirmed.index() as u8;
        bytes[field::DETAIL] = detail;
        bytes[field::SEQUENCE].copy_from_slice(&self.sequence.to_le_bytes());
        for (range, accepted) in field::ACCEPTED.into_iter().zip(self.record.accepted) {
            bytes[range].copy_from_slice(&accepted.map_or([0; 32], |id| id.0.0));
        }
        let crc = Crc32::of(&bytes[..field::CRC.start]);
        bytes[field::CRC].copy_from_slice(&crc.0.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_record() -> impl Strategy<Value = BootRecord> {
        let state = prop_oneof![
            Just(BootState::Confirmed),
            any::<u8>().prop_map(|tries_left| BootState::Testing { tries_left }),
            Just(BootState::Updated),
            Just(BootState::Reverted(RevertCause::TriesExhausted)),
            Just(BootState::Reverted(RevertCause::CandidateDamaged)),
            Just(BootState::Reverted(RevertCause::ConfirmedDamaged)),
        ];
        let accepted = || proptest::option::of((1_u8..).prop_map(|byte| ImageId(Digest([byte; 32]))));
        (any::<bool>(), state, accepted(), accepted()).prop_map(|(upper, state, first, second)| BootRecord {
            confirmed: if upper { Bank::B } else { Bank::A },
            state,
            accepted: [first, second],
        })
    }

    proptest! {
        #[test]
        fn parsing_never_panics(mut bytes in any::<[u8; SIZE]>(), intact in any::<bool>()) {
            if intact {
                bytes[field::MAGIC].copy_from_slice(&MAGIC);
                let crc = Crc32::of(&bytes[..field::CRC.start]);
                bytes[field::CRC].copy_from_slice(&crc.0.to_le_bytes());
            }
            let _ = Copied::parse(&bytes);
        }

        #[test]
        fn what_is_encoded_is_parsed_back(record in any_record(), sequence in any::<u64>()) {
            let copied = Copied { record, sequence };
            prop_assert_eq!(Copied::parse(&copied.encode()), Some(copied));
        }

        #[test]
        fn no_single_flipped_bit_passes(record in any_record(), at in 0..SIZE, bit in 0..8_u32) {
            let mut bytes = Copied { record, sequence: 1 }.encode();
            bytes[at] ^= 1_u8 << bit;
            prop_assert_eq!(Copied::parse(&bytes), None);
        }
    }

    #[cfg(feature = "alloc")]
    mod on_flash {
        use super::*;
        use crate::{EmulatedFlash, Geometry, PowerCut, SectorIndex, Tear};

        #[test]
        fn a_cut_anywhere_leaves_the_record_before_or_the_one_after() {
            let banks = Banks::new(Geometry::new(256, 20, 4).unwrap()).unwrap();
            let before = BootRecord { confirmed: Bank::A, state: BootState::Confirmed, accepted: [None; 2] };
            let after = BootRecord { state: BootState::Testing { tries_left: 3 }, ..before };
            // One erase and 24 words.
            for operation in 0..=25 {
                for tear in [Tear::Nothing, Tear::Half, Tear::Garbage { seed: operation }] {
                    let mut flash = EmulatedFlash::new(*banks.geometry());
                    before.store(&mut flash, &banks).unwrap();
                    after.store(&mut flash, &banks).unwrap();
                    before.store(&mut flash, &banks).unwrap();
                    flash.cut_power(PowerCut { after: operation, tear });
                    let stored = after.store(&mut flash, &banks);
                    flash.restore_power();
                    let found = BootRecord::read(&mut flash, &banks).unwrap();
                    if stored.is_ok() {
                        assert_eq!((operation, found), (25, Some(after)));
                    } else {
                        assert!(found == Some(before) || found == Some(after));
                    }
                    after.store(&mut flash, &banks).unwrap();
                    assert_eq!(BootRecord::read(&mut flash, &banks), Ok(Some(after)));
                }
            }
        }

        #[test]
        fn copies_wear_evenly() {
            let banks = Banks::new(Geometry::new(256, 20, 4).unwrap()).unwrap();
            let mut flash = EmulatedFlash::new(*banks.geometry());
            let record = BootRecord { confirmed: Bank::B, state: BootState::Updated, accepted: [None; 2] };
            (0..10).for_each(|_| record.store(&mut flash, &banks).unwrap());
            assert_eq!((flash.wear(SectorIndex(0)), flash.wear(SectorIndex(1))), (5, 5));
        }
    }
}

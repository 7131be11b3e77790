//! The flash file: a page that says what shape the flash has, then the flash itself, byte for byte.
//!
//! | offset | bytes | field (numbers little-endian) |
//! | ---: | ---: | --- |
//! | 0 | 8 | magic `UPDFLASH` |
//! | 8 | 4 | version of this layout: 1 |
//! | 12 | 4 | bytes in a sector |
//! | 16 | 4 | sectors |
//! | 20 | 4 | bytes in a word |
//! | 24 | 36 | zeros |
//! | 60 | 4 | CRC-32/ISO-HDLC of bytes 0 to 59 |
//! | 64 | 4032 | zeros |
//! | 4096 | … | the flash |

use firmware::{Crc32, Geometry};

/// Where the flash starts in its file: a page, so that sectors do not straddle pages.
pub(super) const START: u64 = 4096;

/// Bytes of the head that mean something.
pub(super) const HEAD: usize = 64;

const MAGIC: [u8; 8] = *b"UPDFLASH";
const VERSION: u32 = 1;
const CRC: usize = 60;

/// Why a head cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeadError {
    NotAFlash,
    Damaged,
}

pub(super) fn encode(geometry: &Geometry) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&MAGIC);
    let numbers = [VERSION, geometry.sector_size(), geometry.sectors(), geometry.word_size()];
    for (place, number) in head[8..24].chunks_exact_mut(4).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    let crc = Crc32::of(&head[..CRC]);
    head[CRC..].copy_from_slice(&crc.0.to_le_bytes());
    head
}

pub(super) fn parse(head: &[u8; HEAD]) -> Result<Geometry, HeadError> {
    if head[..8] != MAGIC {
        return Err(HeadError::NotAFlash);
    }
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if Crc32::of(&head[..CRC]) != Crc32(number(CRC)) || number(8) != VERSION {
        return Err(HeadError::Damaged);
    }
    Geometry::new(number(12), number(16), number(20)).map_err(|_| HeadError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_parsed_back_and_damage_is_noticed() {
        let geometry = Geometry::new(4096, 70, 8).unwrap();
        let head = encode(&geometry);
        assert_eq!(parse(&head), Ok(geometry));
        for at in 0..HEAD {
            let mut damaged = head;
            damaged[at] ^= 1;
            let expected = if at < 8 { HeadError::NotAFlash } else { HeadError::Damaged };
            assert_eq!(parse(&damaged), Err(expected), "byte {at}");
        }
    }
}

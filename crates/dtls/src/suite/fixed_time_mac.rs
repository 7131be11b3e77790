//! The check of a MAC that was encrypted together with its padding.
//!
//! How long the content is depends on the padding, which is secret until the MAC has been checked. If the
//! time of the check told the length, a relay could decrypt records byte by byte (the "Lucky Thirteen" attack,
//! AlFardan and Paterson 2013). So the work depends on the length of the record only: padding, inner hash and
//! position of the MAC are worked out for every length that is possible, and masks choose among them.

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater};

use super::AssociatedBytes;
use super::cbc::MAC;

const HASH_BLOCK: usize = 64;
/// The longest padding, with its length byte.
const MAX_PADDING: usize = 256;
/// The bytes that end a hash: a mark and the length in bits.
const HASH_END: usize = 9;

/// The length of the content if padding and MAC are right. `body` is content, MAC and padding, at least
/// `MAC + 1` bytes; the last two bytes of `header` are replaced by the length of the content.
pub(super) fn content_length(key: &[u8; MAC], header: &[u8], body: &[u8]) -> Option<usize> {
    let (length, padding_is_right) = unpadded(body);
    let (front, _) = header.split_last_chunk::<2>()?;
    let mut bytes = [0; AssociatedBytes::CAPACITY];
    let header = bytes.get_mut(..header.len())?;
    header[..front.len()].copy_from_slice(front);
    header[front.len()..].copy_from_slice(&(length as u16).to_be_bytes());
    let expected = outer(key, &inner(key, header, body, length));
    let mac_is_right = expected.ct_eq(&mac_at(body, length));
    // What was secret is public now: the peer knows whether its record was right.
    bool::from(padding_is_right & mac_is_right).then_some(length as usize)
}

/// The length of the content, and whether the padding is right. With wrong padding the length is that of no
/// padding beyond its length byte.
fn unpadded(body: &[u8]) -> (u32, Choice) {
    let longest = (body.len() - MAC - 1) as u32;
    let padding = u32::from(body[body.len() - 1]);
    let mut right = !padding.ct_gt(&longest);
    for (distance, byte) in body.iter().rev().take(MAX_PADDING).enumerate() {
        let is_padding = !(distance as u32).ct_gt(&padding);
        right &= !is_padding | u32::from(*byte).ct_eq(&padding);
    }
    (longest - u32::conditional_select(&0, &padding, right), right)
}

/// The shortest and the longest content that a body of this length can have.
fn possible_lengths(body: &[u8]) -> (usize, usize) {
    let longest = body.len() - MAC - 1;
    (longest.saturating_sub(MAX_PADDING - 1), longest)
}

/// The inner hash of HMAC over `header` and the first `length` bytes of `body`.
fn inner(key: &[u8; MAC], header: &[u8], body: &[u8], length: u32) -> [u8; MAC] {
    let (shortest, longest) = possible_lengths(body);
    let mut state = INITIAL;
    compress256(&mut state, &[padded_key(key, 0x36)]);
    // Blocks that are full of content at every possible length need no masks.
    let common = (header.len() + shortest) / HASH_BLOCK;
    for number in 0..common {
        compress256(&mut state, &[block(header, body, number)]);
    }
    let last = (header.len() + longest + HASH_END - 1) / HASH_BLOCK;
    let end = header.len() as u32 + length;
    let bits = 8 * (HASH_BLOCK as u64 + u64::from(end));
    let final_block = (end + HASH_END as u32 - 1) / HASH_BLOCK as u32;
    let mut digest = [0_u32; 8];
    for number in common..=last {
        let is_final = (number as u32).ct_eq(&final_block);
        let mut block = block(header, body, number);
        for (index, byte) in block.iter_mut().enumerate() {
            let position = (number * HASH_BLOCK + index) as u32;
            byte.conditional_assign(&0, position.ct_gt(&end));
            byte.conditional_assign(&0x80, position.ct_eq(&end));
        }
        for (byte, bits) in block[HASH_BLOCK - 8..].iter_mut().zip(bits.to_be_bytes()) {
            byte.conditional_assign(&bits, is_final);
        }
        compress256(&mut state, &[block]);
        for (chosen, word) in digest.iter_mut().zip(state) {
            chosen.conditional_assign(&word, is_final);
        }
    }
    let mut bytes = [0; MAC];
    for (bytes, word) in bytes.chunks_exact_mut(4).zip(digest) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// One block of header and body; zeros behind their end.
fn block(header: &[u8], body: &[u8], number: usize) -> [u8; HASH_BLOCK] {
    core::array::from_fn(|index| {
        let position = number * HASH_BLOCK + index;
        match position.checked_sub(header.len()) {
            None => header[position],
            Some(position) => body.get(position).copied().unwrap_or(0),
        }
    })
}

/// The outer hash of HMAC.
fn outer(key: &[u8; MAC], inner: &[u8; MAC]) -> [u8; MAC] {
    Sha256::new().chain_update(padded_key(key, 0x5C)).chain_update(inner).finalize().into()
}

fn padded_key(key: &[u8; MAC], padding: u8) -> [u8; HASH_BLOCK] {
    core::array::from_fn(|index| key.get(index).copied().unwrap_or(0) ^ padding)
}

/// The MAC that starts at `length`, read without telling where.
fn mac_at(body: &[u8], length: u32) -> [u8; MAC] {
    let (shortest, longest) = possible_lengths(body);
    let mut mac = [0; MAC];
    for start in shortest..=longest {
        let here = (start as u32).ct_eq(&length);
        let mask = u8::conditional_select(&0, &0xFF, here);
        for (chosen, byte) in mac.iter_mut().zip(&body[start..]) {
            *chosen |= byte & mask;
        }
    }
    mac
}

/// The initial state of SHA-256 (FIPS 180-4 section 5.3.3).
const INITIAL: [u32; 8] =
    [0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19];

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use hmac::{Hmac, KeyInit, Mac};
    use machine::Random;

    use super::*;

    const KEY: [u8; MAC] = [7; MAC];
    const HEADER: [u8; 13] = [1, 2, 3, 4, 5, 6, 7, 8, 23, 0xFE, 0xFD, 0, 0];

    #[test]
    fn agrees_with_hmac_at_every_length_and_padding() {
        let mut random = Random::from_number(1);
        for content in 0..330 {
            for blocks_of_padding in [0, 1, 7, 15] {
                let padding = 15 - (content + MAC) % 16 + 16 * blocks_of_padding;
                let body = body(content, padding, &mut random);
                assert_eq!(content_length(&KEY, &HEADER, &body), Some(content), "{content} {padding}");
            }
        }
    }

    #[test]
    fn refuses_every_changed_byte() {
        let mut random = Random::from_number(2);
        let body = body(41, 22, &mut random);
        for index in 0..body.len() {
            for bit in 0..8 {
                let mut body = body.clone();
                body[index] ^= 1 << bit;
                assert_eq!(content_length(&KEY, &HEADER, &body), None, "byte {index} bit {bit}");
            }
        }
    }

    #[test]
    fn refuses_padding_that_reaches_into_the_mac() {
        let mut body = [0xFF; MAC + 16];
        assert_eq!(content_length(&KEY, &HEADER, &body), None);
        body.fill(MAC as u8 + 15);
        assert_eq!(content_length(&KEY, &HEADER, &body), None);
    }

    fn body(content: usize, padding: usize, random: &mut Random) -> Vec<u8> {
        let mut body = alloc::vec![0; content];
        random.fill(&mut body);
        let mut header = HEADER;
        header[11..].copy_from_slice(&(content as u16).to_be_bytes());
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&KEY).unwrap();
        mac.update(&header);
        mac.update(&body);
        body.extend_from_slice(&mac.finalize().into_bytes());
        body.resize(body.len() + padding + 1, padding as u8);
        body
    }
}

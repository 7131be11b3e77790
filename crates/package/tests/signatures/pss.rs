//! RSASSA-PSS (RFC 8017 sections 8.1 and 9.1) with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes.

use aws_lc_rs::digest::{Algorithm as Hash, SHA1_FOR_LEGACY_USE_ONLY as SHA1, SHA256, SHA512, digest};
use num_bigint::BigUint;
use package::Algorithm;

use super::rsa::{LENGTH, RawKey, bytes};
use super::{Forgery, MESSAGE, forgery, refuse};

/// What a block is made of; the default is right.
struct Encoding {
    message: &'static [u8],
    salt: Vec<u8>,
    mask: &'static Hash,
    /// In front of digest and salt.
    zeros: usize,
    /// In front of the salt.
    separator: u8,
    /// The first byte of the zeros in front of the separator.
    padding: u8,
    trailer: u8,
}

impl Default for Encoding {
    fn default() -> Self {
        let salt = vec![0xa5; 32];
        Self { message: MESSAGE, salt, mask: &SHA256, zeros: 8, separator: 1, padding: 0, trailer: 0xbc }
    }
}

impl Encoding {
    fn block(&self) -> Vec<u8> {
        let message = digest(&SHA256, self.message);
        let hashed = digest(&SHA256, &[&vec![0; self.zeros], message.as_ref(), &self.salt].concat());
        let length = LENGTH - 32 - 1;
        let mut data = vec![0; length - self.salt.len() - 1];
        if let Some(first) = data.get_mut(1) {
            *first = self.padding;
        }
        data.push(self.separator);
        data.extend(&self.salt);
        for (byte, mask) in data.iter_mut().zip(mask(self.mask, hashed.as_ref(), length)) {
            *byte ^= mask;
        }
        data[0] &= 0x7f;
        [&data[..], hashed.as_ref(), &[self.trailer]].concat()
    }

    fn signature(&self) -> Vec<u8> {
        RawKey::new(65_537).unpadded(&self.block())
    }
}

/// MGF1 (RFC 8017 appendix B.2.1).
fn mask(hash: &'static Hash, seed: &[u8], length: usize) -> Vec<u8> {
    let parts = (0_u32..).map(|count| digest(hash, &[seed, &count.to_be_bytes()].concat()).as_ref().to_vec());
    parts.flatten().take(length).collect()
}

/// A good signature over the message.
pub fn good() -> Vec<u8> {
    Encoding::default().signature()
}

#[test]
fn what_is_signed_rightly_verifies() {
    let key = RawKey::new(65_537).public(Algorithm::RsaPss);
    assert_eq!(key.verify(MESSAGE, &good()), Ok(()));
    let other = Encoding { salt: (0..32).collect(), ..Encoding::default() };
    assert_eq!(key.verify(MESSAGE, &other.signature()), Ok(()));
}

#[test]
fn p02_no_forgery_verifies() {
    refuse(&RawKey::new(65_537).public(Algorithm::RsaPss), Some(LENGTH), &forgeries());
}

pub fn forgeries() -> Vec<Forgery> {
    let salt = |length: usize| Encoding { salt: vec![0xa5; length], ..Encoding::default() }.signature();
    let with = |change: fn(&mut Encoding)| {
        let mut encoding = Encoding::default();
        change(&mut encoding);
        encoding.signature()
    };
    let key = RawKey::new(65_537);
    let good = good();
    let changed = |position: usize, bit: u8| {
        let mut block = Encoding::default().block();
        block[position] ^= bit;
        key.unpadded(&block)
    };
    let number = BigUint::from_bytes_be(&good);
    vec![
        forgery("no salt", salt(0)),
        forgery("salt of 1 byte", salt(1)),
        forgery("salt of 20 bytes", salt(20)),
        forgery("salt of 31 bytes", salt(31)),
        forgery("salt of 33 bytes", salt(33)),
        forgery("salt of 64 bytes", salt(64)),
        forgery("the longest salt", salt(222)),
        forgery("trailer CC", with(|encoding| encoding.trailer = 0xcc)),
        forgery("trailer of zero", with(|encoding| encoding.trailer = 0)),
        forgery("separator 2", with(|encoding| encoding.separator = 2)),
        forgery("separator 0", with(|encoding| encoding.separator = 0)),
        forgery("padding not zero", with(|encoding| encoding.padding = 1)),
        forgery("padding like a separator", with(|encoding| encoding.padding = 0x01 << 7)),
        forgery("mask of SHA-1", with(|encoding| encoding.mask = &SHA1)),
        forgery("mask of SHA-512", with(|encoding| encoding.mask = &SHA512)),
        forgery("no zeros in front of the digest", with(|encoding| encoding.zeros = 0)),
        forgery("seven zeros in front of the digest", with(|encoding| encoding.zeros = 7)),
        forgery("another message", with(|encoding| encoding.message = b"other")),
        forgery("an empty message", with(|encoding| encoding.message = b"")),
        forgery("salt changed", changed(LENGTH - 34, 1)),
        forgery("digest changed", changed(LENGTH - 2, 1)),
        forgery("separator changed", changed(LENGTH - 32 - 1 - 33, 4)),
        forgery("nothing", []),
        forgery("zero", vec![0; LENGTH]),
        forgery("all bits", vec![0xff; LENGTH]),
        forgery("the modulus", bytes(&key.modulus)),
        forgery("negated", bytes(&(&key.modulus - &number))),
        forgery("not reduced", (&number + &key.modulus).to_bytes_be()),
        forgery("leading zero", [&[0][..], &good].concat()),
        forgery("trailing zero", [&good[..], &[0]].concat()),
        forgery("last byte missing", &good[..LENGTH - 1]),
        forgery("the block itself", Encoding::default().block()),
        forgery("of another key", RawKey::new(65_539).unpadded(&Encoding::default().block())),
    ]
}

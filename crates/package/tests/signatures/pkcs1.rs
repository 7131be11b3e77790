//! RSASSA-PKCS1-v1_5 (RFC 8017 sections 8.2 and 9.2).

use num_bigint::BigUint;
use package::{Algorithm, Sha256};

use super::rsa::{LENGTH, RawKey, bytes};
use super::{Forgery, MESSAGE, forgery, pss, refuse};

/// DigestInfo of SHA-256 up to the digest.
const SHA256: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];

fn digest() -> [u8; 32] {
    Sha256::of(MESSAGE).0
}

fn info() -> Vec<u8> {
    [&SHA256[..], &digest()].concat()
}

/// `00 kind FF .. FF 00 content`, as long as the modulus.
fn block(kind: u8, content: &[u8]) -> Vec<u8> {
    let padding = LENGTH - 3 - content.len();
    [&[0, kind][..], &vec![0xff; padding], &[0], content].concat()
}

/// `00 01 FF*padding 00 content garbage`, as long as the modulus.
fn short(padding: usize, content: &[u8]) -> Vec<u8> {
    let mut block = [&[0, 1][..], &vec![0xff; padding], &[0], content].concat();
    block.resize(LENGTH, 0x5a);
    block
}

/// A good block with one byte put elsewhere.
fn changed(position: usize, byte: u8) -> Vec<u8> {
    let mut block = block(1, &info());
    assert_ne!(block[position], byte);
    block[position] = byte;
    block
}

#[test]
fn what_is_signed_rightly_verifies() {
    let key = RawKey::new(65_537);
    let signature = key.unpadded(&block(1, &info()));
    assert_eq!(key.public(Algorithm::RsaPkcs1v15).verify(MESSAGE, &signature), Ok(()));
}

#[test]
fn p02_no_forgery_verifies() {
    let key = RawKey::new(65_537).public(Algorithm::RsaPkcs1v15);
    refuse(&key, Some(LENGTH), &forgeries());
}

pub fn forgeries() -> Vec<Forgery> {
    [numbers(), padding(), digest_infos()].into_iter().flatten().collect()
}

fn numbers() -> Vec<Forgery> {
    let key = RawKey::new(65_537);
    let good = key.unpadded(&block(1, &info()));
    let one = BigUint::from(1_u8);
    let number = BigUint::from_bytes_be(&good);
    let flipped = |position: usize, bit: u8| {
        let mut signature = good.clone();
        signature[position] ^= bit;
        signature
    };
    vec![
        forgery("nothing", []),
        forgery("one byte", [1]),
        forgery("zero", vec![0; LENGTH]),
        forgery("one", bytes(&one)),
        forgery("all bits", vec![0xff; LENGTH]),
        forgery("the modulus", bytes(&key.modulus)),
        forgery("the modulus and one", bytes(&(&key.modulus + &one))),
        forgery("the modulus less one", bytes(&(&key.modulus - &one))),
        forgery("negated", bytes(&(&key.modulus - &number))),
        forgery("not reduced", (&number + &key.modulus).to_bytes_be()),
        forgery(
            "not reduced, one byte longer",
            [&[1][..], &(&number + &key.modulus).to_bytes_be()[..]].concat(),
        ),
        forgery("leading zero", [&[0][..], &good].concat()),
        forgery("sixteen leading zeros", [&[0; 16][..], &good].concat()),
        forgery("trailing zero", [&good[..], &[0]].concat()),
        forgery("twice", good.repeat(2)),
        forgery("last byte missing", &good[..LENGTH - 1]),
        forgery("first byte missing", &good[1..]),
        forgery("half", &good[..LENGTH / 2]),
        forgery("first bit flipped", flipped(0, 0x40)),
        forgery("middle bit flipped", flipped(LENGTH / 2, 1)),
        forgery("last bit flipped", flipped(LENGTH - 1, 1)),
        forgery("backwards", good.iter().rev().copied().collect::<Vec<_>>()),
        forgery("in hexadecimal digits", good.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        forgery("the block itself", block(1, &info())),
        forgery("of another key", RawKey::new(65_539).unpadded(&block(1, &info()))),
        forgery("with probabilistic padding", pss::good()),
    ]
}

fn padding() -> Vec<Forgery> {
    let key = RawKey::new(65_537);
    let separator = LENGTH - info().len() - 1;
    let blocks: Vec<(&'static str, Vec<u8>)> = vec![
        ("block type 0", block(0, &info())),
        ("block type 2", block(2, &info())),
        ("block type 255", block(0xff, &info())),
        ("first byte not zero", changed(0, 1)),
        ("padding begins with zero", changed(2, 0)),
        ("padding begins with FE", changed(2, 0xfe)),
        ("padding with a zero inside", changed(100, 0)),
        ("padding with another byte inside", changed(100, 0x7f)),
        ("padding ends with another byte", changed(separator - 1, 0xfe)),
        ("separator is one", changed(separator, 1)),
        ("separator is padding", changed(separator, 0xff)),
        ("padding of zeros", [&[0, 1][..], &vec![0; LENGTH - 2 - info().len()], &info()].concat()),
        ("no padding, garbage behind", short(0, &info())),
        ("one byte of padding, garbage behind", short(1, &info())),
        ("seven bytes of padding, garbage behind", short(7, &info())),
        ("eight bytes of padding, garbage behind", short(8, &info())),
        ("one byte of garbage behind", short(LENGTH - 3 - info().len() - 1, &info())),
        ("content at the left", [&info()[..], &[0xff].repeat(LENGTH - info().len())].concat()),
        ("nothing but padding", [&[0, 1][..], &vec![0xff; LENGTH - 2]].concat()),
        ("padding and separator only", block(1, &[])),
    ];
    // A block that begins with 0x30 is larger than no modulus of ours; all are raised to the private exponent.
    blocks.into_iter().map(|(name, block)| forgery(name, key.unpadded(&block))).collect()
}

fn digest_infos() -> Vec<Forgery> {
    let key = RawKey::new(65_537);
    let digest = digest();
    let with = |prefix: &[u8], digest: &[u8]| [prefix, digest].concat();
    let replaced = |position: usize, byte: u8| {
        let mut info = info();
        info[position] = byte;
        info
    };
    let algorithm = &SHA256[2..17];
    let sha512: Vec<u8> = (0..64).collect();
    let oid = |last: u8, length: u8| {
        let mut prefix = SHA256;
        (prefix[1], prefix[14], prefix[18]) = (length + 17, last, length);
        prefix.to_vec()
    };
    let infos: Vec<(&'static str, Vec<u8>)> = vec![
        ("NULL missing", with(&[&[0x30, 0x2f, 0x30, 0x0b], &SHA256[4..15], &[0x04, 0x20]].concat(), &digest)),
        (
            "NULL with a byte",
            with(&[&[0x30, 0x32, 0x30, 0x0e], &SHA256[4..15], &[5, 1, 0, 4, 32]].concat(), &digest),
        ),
        ("empty sequence instead of NULL", replaced(15, 0x30)),
        (
            "parameters twice",
            with(&[&[0x30, 0x33, 0x30, 0x0f], &SHA256[4..17], &[5, 0, 4, 32]].concat(), &digest),
        ),
        ("garbage as parameters", {
            let garbage = [&[0x04, 0x60][..], &[0x5a; 0x60]].concat();
            let inner = [&SHA256[4..15], &garbage[..]].concat();
            with(&[&[0x30, 0x81, 0x91, 0x30, 0x6d][..], &inner, &[0x04, 0x20]].concat(), &digest)
        }),
        ("long form of the length", with(&[&[0x30, 0x81, 0x31], algorithm, &[0x04, 0x20]].concat(), &digest)),
        (
            "longer form of the length",
            with(&[&[0x30, 0x82, 0, 0x31], algorithm, &[0x04, 0x20]].concat(), &digest),
        ),
        (
            "indefinite length",
            with(&[&[0x30, 0x80], algorithm, &[0x04, 0x20]].concat(), &[&digest[..], &[0, 0]].concat()),
        ),
        ("long form inside", with(&[&[0x30, 0x32], algorithm, &[0x04, 0x81, 0x20]].concat(), &digest)),
        ("garbage after the digest", with(&SHA256, &[&digest[..], &[0x5a; 8]].concat())),
        ("garbage after the digest, counted", {
            with(&[&[0x30, 0x39], algorithm, &[0x04, 0x20]].concat(), &[&digest[..], &[0x5a; 8]].concat())
        }),
        ("digest of 31 bytes", with(&[&[0x30, 0x30], algorithm, &[0x04, 0x1f]].concat(), &digest[..31])),
        (
            "digest of 33 bytes",
            with(&[&[0x30, 0x32], algorithm, &[0x04, 0x21]].concat(), &[&digest[..], &[0]].concat()),
        ),
        ("digest cut, its length kept", with(&SHA256, &digest[..31])),
        ("digest alone", digest.to_vec()),
        ("digest in an octet string", with(&[0x04, 0x20], &digest)),
        ("no digest", with(&[&[0x30, 0x11], algorithm, &[0x04, 0x00]].concat(), &[])),
        ("bit string instead of octets", replaced(17, 3)),
        ("set instead of sequence", replaced(0, 0x31)),
        ("another identifier", replaced(14, 7)),
        ("SHA-384 with 32 bytes", replaced(14, 2)),
        ("SHA-512", with(&oid(3, 64), &sha512)),
        ("SHA-224", with(&oid(4, 28), &digest[..28])),
        ("SHA-1", with(&[0x30, 0x21, 0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0, 4, 0x14], &digest[..20])),
        ("MD5 and SHA-1 without DigestInfo, as in TLS 1.0", (0..36).collect()),
        ("digest of the digest", with(&SHA256, &Sha256::of(&digest).0)),
        ("digest of another message", with(&SHA256, &Sha256::of(b"other").0)),
        ("digest backwards", with(&SHA256, &digest.iter().rev().copied().collect::<Vec<_>>())),
        ("digest of zeros", with(&SHA256, &[0; 32])),
        ("the message itself", MESSAGE.to_vec()),
    ];
    infos.into_iter().map(|(name, info)| forgery(name, key.unpadded(&block(1, &info)))).collect()
}

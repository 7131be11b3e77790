//! Public keys under which signatures could be made up, or that have a second spelling.

use num_bigint::BigUint;
use package::{Algorithm, KeyError, PublicKey};

use super::rsa::{LENGTH, RawKey, info, info_around, sequence};
use super::{MESSAGE, WeakKey};

const F4: &[u8] = &[1, 0, 1];

#[test]
fn p02_no_weak_key_is_read_for_any_algorithm() {
    for key in weak() {
        for algorithm in Algorithm::ALL {
            let refused = PublicKey::from_der(&key.der, algorithm).unwrap_err();
            assert_eq!(refused, key.expected, "{} for {algorithm}", key.name);
        }
    }
}

#[test]
fn p02_with_exponent_three_anybody_could_sign() {
    // The block of the message, with room for garbage behind it: a cube root of it is easy to find.
    let digest = package::Sha256::of(MESSAGE).0;
    let info_of_sha256 = [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];
    let mut block = [&[0, 1][..], &[0xff; 8], &[0], &info_of_sha256, &digest].concat();
    let front = block.len();
    block.resize(LENGTH, 0xff);
    let root = BigUint::from_bytes_be(&block).cbrt();
    let cubed = root.pow(3).to_bytes_be();
    assert_eq!(cubed[..front - 1], block[1..front], "the forgery begins like a signed block");
    let key = RawKey::new(65_537);
    let three = info(&key.modulus.to_bytes_be(), &[3]);
    assert_eq!(PublicKey::from_der(&three, Algorithm::RsaPkcs1v15).unwrap_err(), KeyError::Exponent);
    let signature = super::rsa::bytes(&root);
    assert!(key.public(Algorithm::RsaPkcs1v15).verify(MESSAGE, &signature).is_err());
}

pub fn weak() -> Vec<WeakKey> {
    [exponents(), moduli(), spellings(), points(), kinds()].into_iter().flatten().collect()
}

fn weak_key(name: impl Into<String>, der: Vec<u8>, expected: KeyError) -> WeakKey {
    WeakKey { name: name.into(), der, expected }
}

fn modulus() -> Vec<u8> {
    RawKey::new(65_537).modulus.to_bytes_be()
}

fn exponents() -> Vec<WeakKey> {
    let weak: [&[u8]; 9] =
        [&[0], &[1], &[2], &[3], &[17], &[0x01, 0x01], &[1, 0, 0], &[1, 0, 2], &[1, 0, 0, 0, 1]];
    let key = |exponent: &&[u8]| {
        weak_key(format!("exponent {exponent:?}"), info(&modulus(), exponent), KeyError::Exponent)
    };
    weak.iter().map(key).collect()
}

fn moduli() -> Vec<WeakKey> {
    let of = |bits: usize| {
        let mut bytes = vec![0xff; bits.div_ceil(8)];
        bytes[0] >>= bytes.len() * 8 - bits;
        weak_key(format!("{bits} bits"), info(&bytes, F4), KeyError::ModulusBits { bits })
    };
    let mut even = modulus();
    even[LENGTH - 1] &= 0xfe;
    let mut keys = Vec::from([512, 768, 1_024, 2_047, 4_097, 8_192].map(of));
    keys.push(weak_key("modulus 0", info(&[0], F4), KeyError::ModulusBits { bits: 0 }));
    keys.push(weak_key("modulus 1", info(&[1], F4), KeyError::ModulusBits { bits: 1 }));
    keys.push(weak_key("even modulus", info(&even, F4), KeyError::Invalid));
    keys
}

/// RSA keys in encodings that are not the one.
fn spellings() -> Vec<WeakKey> {
    let good = info(&modulus(), F4);
    let integer =
        |bytes: &[u8]| [&[2, 0x82, (bytes.len() >> 8) as u8, bytes.len() as u8][..], bytes].concat();
    let small = [2, 3, 1, 0, 1];
    let around = |numbers: &[u8]| info_around(&sequence(numbers));
    let positive = [&[0][..], &modulus()].concat();
    let replaced = |position: usize, byte: u8| {
        let mut der = good.clone();
        assert_ne!(der[position], byte);
        der[position] = byte;
        der
    };
    let ders = [
        ("nothing", vec![]),
        ("a byte behind", [&good[..], &[0]].concat()),
        ("last byte missing", good[..good.len() - 1].to_vec()),
        ("negative modulus", around(&[&integer(&modulus())[..], &small].concat())),
        (
            "modulus with a zero more",
            around(&[&integer(&[&[0], &positive[..]].concat())[..], &small].concat()),
        ),
        ("exponent with a zero more", around(&[&integer(&positive)[..], &[2, 4, 0, 1, 0, 1]].concat())),
        ("a third number", around(&[&integer(&positive)[..], &small, &small].concat())),
        ("one number", around(&integer(&positive))),
        (
            "a byte behind the numbers",
            info_around(&[&sequence(&[&integer(&positive)[..], &small].concat())[..], &[0]].concat()),
        ),
        ("no parameters", sequence(&[&[0x30, 11], &good[6..17], &good[19..]].concat())),
        ("parameters that are no NULL", replaced(17, 4)),
        ("unused bits", replaced(23, 1)),
        ("set instead of sequence", replaced(0, 0x31)),
    ];
    ders.map(|(name, der)| weak_key(name, der, KeyError::Encoding)).into()
}

/// Points under which anything verifies, and such that are none.
fn points() -> Vec<WeakKey> {
    let ed25519 = |y: &[u8]| [&[0x30, 42, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 33, 0][..], y].concat();
    let order_8 = |hex: &[u8]| BigUint::parse_bytes(hex, 16).unwrap().to_bytes_be();
    let with = |first: u8, middle: u8, last: u8| [&[first][..], &[middle; 30], &[last]].concat();
    let small: [Vec<u8>; 7] = [
        with(0, 0, 0),
        with(1, 0, 0),
        with(0xec, 0xff, 0x7f),
        with(0xed, 0xff, 0x7f),
        with(0xee, 0xff, 0x7f),
        order_8(b"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        order_8(b"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    ];
    let mut keys = Vec::new();
    for y in small {
        let mut negative = y.clone();
        negative[31] |= 0x80;
        keys.push(weak_key(format!("small order {y:02x?}"), ed25519(&y), KeyError::Invalid));
        keys.push(weak_key(format!("small order {negative:02x?}"), ed25519(&negative), KeyError::Invalid));
    }
    let good = super::ecdsa::key().public_key().to_der().to_vec();
    let point = &good[27..];
    let p256 = |point: &[u8]| {
        let bits = [&[3, point.len() as u8 + 1, 0], point].concat();
        sequence(&[&good[2..23], &bits[..]].concat())
    };
    keys.extend([
        weak_key("the point at infinity", p256(&[0]), KeyError::Encoding),
        weak_key("a compressed point", p256(&[&[2], &point[..32]].concat()), KeyError::Encoding),
        weak_key("a hybrid point", p256(&[&[6], point].concat()), KeyError::Encoding),
        weak_key("x alone", p256(&[&[4], &point[..32]].concat()), KeyError::Encoding),
        weak_key(
            "Ed25519 of 31 bytes",
            [&[0x30, 41, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 32, 0][..], &[7; 31]].concat(),
            KeyError::Encoding,
        ),
        weak_key(
            "Ed25519 with NULL",
            sequence(&[&[0x30, 7, 6, 3, 0x2b, 0x65, 0x70, 5, 0, 3, 33, 0][..], &[7; 32]].concat()),
            KeyError::Encoding,
        ),
    ]);
    keys
}

/// Keys of kinds that are not known.
fn kinds() -> Vec<WeakKey> {
    let good = super::ecdsa::key().public_key().to_der().to_vec();
    let rsa = info(&modulus(), F4);
    let mut ed448 = vec![0x30, 42, 0x30, 5, 6, 3, 0x2b, 0x65, 0x71, 3, 33, 0];
    ed448.extend([7; 32]);
    let mut x25519 = ed448.clone();
    x25519[8] = 0x6e;
    let mut pss = rsa.clone();
    pss[16] = 10;
    let mut other_curve = good;
    other_curve[22] = 6;
    let kind = |name, der| weak_key(name, der, KeyError::Kind);
    vec![
        kind("Ed448", ed448),
        kind("X25519", x25519),
        kind("RSA for PSS only", pss),
        kind("P-192 or another curve", other_curve),
        weak_key("no identifier", sequence(&[&[0x30, 0][..], &rsa[19..]].concat()), KeyError::Encoding),
    ]
}

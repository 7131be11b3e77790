//! ECDSA over P-256 with SHA-256; signatures in DER (RFC 3279 section 2.2.3).

use num_bigint::BigUint;
use package::{Algorithm, Passphrase, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::rsa::sequence;
use super::{Forgery, MESSAGE, forgery, refuse};

/// The order of the group (SEC 2 section 2.4.2).
const ORDER: &[u8] = b"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
/// The prime of the field.
const FIELD: &[u8] = b"ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";

/// A fixed key, and a signature by it over the message: one whose two numbers both begin with a set bit.
const PRIVATE: &str = include_str!("p256.pem");
const GOOD: &str = "3046022100a4b4ad940e5de5048dd22255cf312f4f456826a6756010e0ac1080b20becc686022100a803bcef13cfab044fef94a7b9fd84a064a716127bf624440792ca0388828cd0";

pub fn key() -> PrivateKey {
    let passphrase = Passphrase::new(Zeroizing::new("Quectel123".to_owned())).unwrap();
    PrivateKey::from_encrypted_pem(PRIVATE, &passphrase, Some(Algorithm::EcdsaP256)).unwrap()
}

fn public() -> PublicKey {
    key().public_key().clone()
}

fn number(hex: &[u8]) -> BigUint {
    BigUint::parse_bytes(hex, 16).unwrap()
}

fn good() -> Vec<u8> {
    number(GOOD.as_bytes()).to_bytes_be()
}

/// r and s of the good signature, which has two full numbers.
fn numbers() -> (BigUint, BigUint) {
    let good = good();
    let read = |at: usize| {
        let length = usize::from(good[at + 1]);
        (BigUint::from_bytes_be(&good[at + 2..at + 2 + length]), at + 2 + length)
    };
    let (r, next) = read(2);
    (r, read(next).0)
}

/// An INTEGER of these bytes, whatever they mean.
fn integer(bytes: &[u8]) -> Vec<u8> {
    [&[2, bytes.len() as u8][..], bytes].concat()
}

/// An INTEGER as DER has it.
fn encoded(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    let sign: &[u8] = if bytes[0] & 0x80 == 0 { &[] } else { &[0] };
    integer(&[sign, &bytes].concat())
}

fn pair(r: &BigUint, s: &BigUint) -> Vec<u8> {
    sequence(&[encoded(r), encoded(s)].concat())
}

#[test]
fn what_is_signed_rightly_verifies() {
    let (r, s) = numbers();
    assert_eq!(pair(&r, &s), good());
    assert_eq!(public().verify(MESSAGE, &good()), Ok(()));
    // Whoever has a signature can turn it into this one. It vouches for the same message, so nothing is gained.
    assert_eq!(public().verify(MESSAGE, &pair(&r, &(number(ORDER) - &s))), Ok(()));
}

#[test]
fn p02_no_forgery_verifies() {
    refuse(&public(), None, &forgeries());
}

pub fn forgeries() -> Vec<Forgery> {
    values().into_iter().chain(encodings()).collect()
}

fn values() -> Vec<Forgery> {
    let (r, s) = numbers();
    let (order, field) = (number(ORDER), number(FIELD));
    let (zero, one) = (BigUint::from(0_u8), BigUint::from(1_u8));
    let two_256 = BigUint::from(1_u8) << 256;
    let values: [(&'static str, &BigUint, &BigUint); 24] = [
        ("r and s are 0", &zero, &zero),
        ("r is 0, s is 1", &zero, &one),
        ("r is 1, s is 0", &one, &zero),
        ("r is 0", &zero, &s),
        ("s is 0", &r, &zero),
        ("r and s are 1", &one, &one),
        ("r and s are n", &order, &order),
        ("r is n", &order, &s),
        ("s is n", &r, &order),
        ("r is 0, s is n", &zero, &order),
        ("r is n, s is 0", &order, &zero),
        ("r is 1, s is n", &one, &order),
        ("r is n, s is 1", &order, &one),
        ("r and s are n - 1", &(&order - 1_u8), &(&order - 1_u8)),
        ("r and s are n + 1", &(&order + 1_u8), &(&order + 1_u8)),
        ("r is p", &field, &s),
        ("r is p + 1", &(&field + 1_u8), &one),
        ("s is p", &r, &field),
        ("r is not reduced", &(&r + &order), &s),
        ("s is not reduced", &r, &(&s + &order)),
        ("r is 2^256", &two_256, &s),
        ("s is 2^256", &r, &two_256),
        ("r and s are exchanged", &s, &r),
        ("r is negated", &(&order - &r), &s),
    ];
    let mut forgeries: Vec<Forgery> = values.map(|(name, r, s)| forgery(name, pair(r, s))).into();
    let other = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let mut flipped_r = good();
    flipped_r[10] ^= 1;
    let mut flipped_s = good();
    *flipped_s.last_mut().unwrap() ^= 1;
    forgeries.extend([
        forgery("a bit of r flipped", flipped_r),
        forgery("a bit of s flipped", flipped_s),
        forgery("of another message", key().sign(b"other").unwrap()),
        forgery("of another key", other.sign(MESSAGE).unwrap()),
    ]);
    forgeries
}

fn encodings() -> Vec<Forgery> {
    let (r, s) = numbers();
    let (der_r, der_s) = (encoded(&r), encoded(&s));
    let good = good();
    let content = &good[2..];
    let raw: Vec<u8> = [r.to_bytes_be(), s.to_bytes_be()].concat();
    let replaced = |position: usize, byte: u8| {
        let mut signature = good.clone();
        signature[position] = byte;
        signature
    };
    let length = good[1];
    // The numbers of the good signature both begin with a set bit, so both have a zero in front.
    assert!(der_r[2] == 0 && der_s[2] == 0);
    vec![
        forgery("nothing", []),
        forgery("empty sequence", sequence(&[])),
        forgery("one number", sequence(&der_r)),
        forgery("three numbers", sequence(&[&der_r[..], &der_s, &der_s].concat())),
        forgery("two numbers without sequence", content),
        forgery("64 plain bytes", raw.clone()),
        forgery("65 plain bytes", [&raw[..], &[0]].concat()),
        forgery("a byte behind", [&good[..], &[0]].concat()),
        forgery("a byte behind, counted", sequence(&[content, &[0]].concat())),
        forgery("NULL behind, counted", sequence(&[content, &[5, 0]].concat())),
        forgery("twice", good.repeat(2)),
        forgery("last byte missing", &good[..good.len() - 1]),
        forgery("first byte missing", &good[1..]),
        forgery("length too large", replaced(1, length + 1)),
        forgery("length too small", replaced(1, length - 1)),
        forgery("length of nearly everything", replaced(1, 0x7f)),
        forgery("long form of the length", [&[0x30, 0x81, length], content].concat()),
        forgery("longer form of the length", [&[0x30, 0x82, 0, length], content].concat()),
        forgery("indefinite length", [&[0x30, 0x80], content, &[0, 0]].concat()),
        forgery("length of 2^32", [&[0x30, 0x85, 1, 0, 0, 0, length], content].concat()),
        forgery("set instead of sequence", replaced(0, 0x31)),
        forgery("octets instead of r", replaced(2, 4)),
        forgery("octets instead of s", replaced(2 + der_r.len(), 4)),
        forgery(
            "r with a zero in front",
            sequence(&[&integer(&[&[0], &der_r[2..]].concat())[..], &der_s].concat()),
        ),
        forgery(
            "s with a zero in front",
            sequence(&[&der_r[..], &integer(&[&[0], &der_s[2..]].concat())].concat()),
        ),
        forgery("r is negative", sequence(&[&integer(&der_r[3..])[..], &der_s].concat())),
        forgery("s is negative", sequence(&[&der_r[..], &integer(&der_s[3..])].concat())),
        forgery("r without bytes", sequence(&[&integer(&[])[..], &der_s].concat())),
        forgery("s without bytes", sequence(&[&der_r[..], &integer(&[])].concat())),
        forgery("long form of the length of r", {
            sequence(&[&[2, 0x81, der_r[1]][..], &der_r[2..], &der_s].concat())
        }),
        forgery("72 zeros", vec![0; 72]),
        forgery("in hexadecimal digits", GOOD),
    ]
}

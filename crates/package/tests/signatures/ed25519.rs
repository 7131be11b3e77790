//! Ed25519 (RFC 8032 section 5.1).

use num_bigint::BigUint;
use package::{Algorithm, PrivateKey, PublicKey, Sha256};

use super::{Forgery, MESSAGE, forgery, refuse};

/// The order of the group of the base point: 2^252 + 27742317777372353535851937790883648493.
const ORDER: &[u8] = b"1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed";

fn number(bytes: &[u8]) -> BigUint {
    BigUint::from_bytes_le(bytes)
}

fn scalar(number: &BigUint) -> [u8; 32] {
    let mut bytes = number.to_bytes_le();
    bytes.resize(32, 0);
    bytes.try_into().unwrap()
}

/// A fixed key.
pub fn key() -> PrivateKey {
    let passphrase = package::Passphrase::new(zeroize::Zeroizing::new("Quectel123".to_owned())).unwrap();
    PrivateKey::from_encrypted_pem(include_str!("ed25519.pem"), &passphrase, None).unwrap()
}

fn public() -> PublicKey {
    key().public_key().clone()
}

fn good() -> [u8; 64] {
    key().sign(MESSAGE).unwrap().try_into().unwrap()
}

#[test]
fn what_is_signed_rightly_verifies() {
    assert_eq!(public().verify(MESSAGE, &good()), Ok(()));
}

#[test]
fn p02_no_forgery_verifies() {
    refuse(&public(), Some(64), &forgeries());
}

pub fn forgeries() -> Vec<Forgery> {
    let good = good();
    let (r, s) = good.split_at(32);
    let order = BigUint::parse_bytes(ORDER, 16).unwrap();
    let both = |r: &[u8], s: &[u8]| [r, s].concat();
    let flipped = |position: usize, bit: u8| {
        let mut signature = good;
        signature[position] ^= bit;
        signature
    };
    let mut identity = [0; 32];
    identity[0] = 1;
    let shifted = |times: u32| both(r, &scalar(&(number(s) + &order * times)));
    let other = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    vec![
        forgery("nothing", []),
        forgery("zeros", [0; 64]),
        forgery("all bits", [0xff; 64]),
        forgery("last byte missing", &good[..63]),
        forgery("half", r),
        forgery("a byte behind", [&good[..], &[0]].concat()),
        forgery("a byte in front", [&[0], &good[..]].concat()),
        forgery("twice", good.repeat(2)),
        forgery("a bit of R flipped", flipped(5, 1)),
        forgery("the sign of R flipped", flipped(31, 0x80)),
        forgery("a bit of S flipped", flipped(40, 1)),
        forgery("the top bit of S set", flipped(63, 0x80)),
        forgery("the second bit of S set", flipped(63, 0x40)),
        forgery("the third bit of S set", flipped(63, 0x20)),
        forgery("halves exchanged", both(s, r)),
        forgery("S and the order", shifted(1)),
        forgery("S and two orders", shifted(2)),
        forgery("S and seven orders", shifted(7)),
        forgery("S negated", both(r, &scalar(&(&order - number(s))))),
        forgery("S is zero", both(r, &[0; 32])),
        forgery("S is one", both(r, &identity)),
        forgery("S is the order", both(r, &scalar(&order))),
        forgery("S is the order less one", both(r, &scalar(&(&order - 1_u8)))),
        forgery("R is the identity", both(&identity, s)),
        forgery("R is the identity, S is zero", both(&identity, &[0; 32])),
        forgery("R is the identity, S is the order", both(&identity, &scalar(&order))),
        forgery("R is zero", both(&[0; 32], s)),
        forgery("R is the public key", both(&public().to_der()[12..], s)),
        forgery("R is no point", both(&[&[2][..], &[0; 31]].concat(), s)),
        forgery("of another message", key().sign(b"other").unwrap()),
        forgery("of the digest of the message", key().sign(&Sha256::of(MESSAGE).0).unwrap()),
        forgery("of the message without its line end", key().sign(&MESSAGE[..MESSAGE.len() - 1]).unwrap()),
        forgery("of another key", other.sign(MESSAGE).unwrap()),
        forgery("in hexadecimal digits", good.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    ]
}

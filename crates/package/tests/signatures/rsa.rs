//! RSA without any padding, to make what no honest signer makes. The key is fixed, so every forgery is the same in
//! each run.

use num_bigint::BigUint;
use package::{Algorithm, PublicKey};
use pkcs8::der::asn1::{BitString, UintRef};
use pkcs8::der::{Encode, Header, Tag};

/// Bytes of a modulus of 2,048 bits.
pub const LENGTH: usize = 256;

const P: &str = "\
     ec6fb40c0cf4922539f82e6f4b950b68f80c4153563e9f365e935361bb5a9a50 \
     68a59a6de47656a84b4024130462cd03e08d0319f11b3a239721c2689917ae86 \
     16b4c2686af1b7a50d9f552908eb5876968dcfac5796fabc77f91ea914c464a7 \
     e583ec5896807949df5d1e2e00e5110c2fd777c2636174da9552ad551427cf07";

const Q: &str = "\
     c6f6d76903311069dddcb4a051bbdb69f41195995e5bb069df4e1b1797b79d79 \
     9142b032a8e58f194f78bbe405ff74b46ac2c65250721f39165013c7a995aefd \
     47384a137e667c5f927699c8f849fc446f491e681bea5a9a5d098661eb5b0d64 \
     5c2571208d8d67a84a8c3899f1c58fa2f0c414553ff03d7fb6cb83114029183b";

/// A raw RSA key with the fixed primes.
pub struct RawKey {
    pub modulus: BigUint,
    exponent: BigUint,
    private: BigUint,
}

impl RawKey {
    pub fn new(exponent: u32) -> Self {
        let prime = |hex: &str| BigUint::parse_bytes(hex.replace(' ', "").as_bytes(), 16).unwrap();
        let (p, q) = (prime(P), prime(Q));
        let exponent = BigUint::from(exponent);
        let order = (&p - 1_u32) * (&q - 1_u32);
        Self { modulus: &p * &q, private: exponent.modinv(&order).unwrap(), exponent }
    }

    pub fn public(&self, algorithm: Algorithm) -> PublicKey {
        PublicKey::from_der(&self.info(), algorithm).unwrap()
    }

    pub fn info(&self) -> Vec<u8> {
        info(&self.modulus.to_bytes_be(), &self.exponent.to_bytes_be())
    }

    /// The number that becomes this block when it is verified.
    pub fn unpadded(&self, block: &[u8]) -> Vec<u8> {
        let block = BigUint::from_bytes_be(block);
        assert!(block < self.modulus, "a block is smaller than the modulus");
        bytes(&block.modpow(&self.private, &self.modulus))
    }
}

/// A number in as many bytes as the modulus has.
pub fn bytes(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    [vec![0; LENGTH - bytes.len()], bytes].concat()
}

/// A SubjectPublicKeyInfo with these numbers, good or not.
pub fn info(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let mut numbers = Vec::new();
    UintRef::new(modulus).unwrap().encode_to_vec(&mut numbers).unwrap();
    UintRef::new(exponent).unwrap().encode_to_vec(&mut numbers).unwrap();
    info_around(&sequence(&numbers))
}

/// A SubjectPublicKeyInfo around any RSAPublicKey.
pub fn info_around(key: &[u8]) -> Vec<u8> {
    let mut info = vec![0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    BitString::from_bytes(key).unwrap().encode_to_vec(&mut info).unwrap();
    sequence(&info)
}

pub fn sequence(content: &[u8]) -> Vec<u8> {
    let mut bytes = Header::new(Tag::Sequence, content.len().try_into().unwrap()).to_der().unwrap();
    bytes.extend(content);
    bytes
}

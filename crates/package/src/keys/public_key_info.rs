//! Strict reading of SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7): one encoding of each key, nothing else.

use pkcs8::der::asn1::{AnyRef, BitStringRef, UintRef};
use pkcs8::der::{Decode, Reader, SliceReader};
use pkcs8::spki::SubjectPublicKeyInfo;
use pkcs8::{AlgorithmIdentifierRef, ObjectIdentifier};

use super::algorithm::Algorithm;
use super::error::KeyError;

/// rsaEncryption (RFC 3279 section 2.3.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// id-ecPublicKey (RFC 5480 section 2.1.1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// secp256r1 (RFC 5480 section 2.1.1.1).
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// id-Ed25519 (RFC 8410 section 3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Sizes of RSA keys that are accepted, in bits.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;

/// Below, forging a signature comes down to a root of an integer.
const SMALLEST_EXPONENT: u64 = 65_537;

/// The y coordinates of the points of small order on edwards25519, sign bit cleared, also those not reduced.
/// Under such a key, signatures over any message can be made up.
pub(super) const SMALL_ORDER: [[u8; 32]; 7] = {
    const fn ends(first: u8, middle: u8, last: u8) -> [u8; 32] {
        let mut bytes = [middle; 32];
        bytes[0] = first;
        bytes[31] = last;
        bytes
    }
    [
        ends(0, 0, 0),
        ends(1, 0, 0),
        ends(0xec, 0xff, 0x7f),
        ends(0xed, 0xff, 0x7f),
        ends(0xee, 0xff, 0x7f),
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ]
};

/// What a public key is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// An RSA key.
    Rsa {
        /// Without leading zeros.
        modulus: Vec<u8>,
    },
    /// A point on P-256.
    P256 {
        /// Its x coordinate.
        x: [u8; 32],
    },
    /// A point on edwards25519.
    Ed25519 {
        /// Its y coordinate, sign bit cleared.
        y: [u8; 32],
    },
}

impl Shape {
    /// What such keys are usually for.
    pub(super) fn natural_algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::RsaPkcs1v15,
            Self::P256 { .. } => Algorithm::EcdsaP256,
            Self::Ed25519 { .. } => Algorithm::Ed25519,
        }
    }
}

/// Reads a SubjectPublicKeyInfo and refuses what is not its only encoding. Whether a point is on its curve is
/// left to who uses the key.
pub(super) fn read(der: &[u8]) -> Result<Shape, KeyError> {
    type Info<'a> = SubjectPublicKeyInfo<AnyRef<'a>, BitStringRef<'a>>;
    let info = Info::from_der(der).map_err(|_| KeyError::Encoding)?;
    let key = info.subject_public_key.as_bytes().ok_or(KeyError::Encoding)?;
    match kind(&info.algorithm)? {
        Algorithm::Ed25519 => ed25519(key),
        Algorithm::EcdsaP256 => p256(key),
        Algorithm::RsaPkcs1v15 | Algorithm::RsaPss => rsa(key),
    }
}

/// What keys with this identifier are usually for.
pub(super) fn kind(identifier: &AlgorithmIdentifierRef<'_>) -> Result<Algorithm, KeyError> {
    match (identifier.oid, identifier.parameters) {
        (RSA, Some(parameters)) if parameters == AnyRef::NULL => Ok(Algorithm::RsaPkcs1v15),
        (EC, Some(curve)) => match curve.decode_as::<ObjectIdentifier>() {
            Ok(P256) => Ok(Algorithm::EcdsaP256),
            Ok(_) => Err(KeyError::Kind),
            Err(_) => Err(KeyError::Encoding),
        },
        (ED25519, None) => Ok(Algorithm::Ed25519),
        (RSA | EC | ED25519, _) => Err(KeyError::Encoding),
        _ => Err(KeyError::Kind),
    }
}

fn rsa(key: &[u8]) -> Result<Shape, KeyError> {
    let read = || -> pkcs8::der::Result<(UintRef<'_>, UintRef<'_>)> {
        let mut reader = SliceReader::new(key)?;
        let numbers =
            reader.sequence(|fields| Ok::<_, pkcs8::der::Error>((fields.decode()?, fields.decode()?)))?;
        reader.finish()?;
        Ok(numbers)
    };
    let (modulus, exponent) = read().map_err(|_| KeyError::Encoding)?;
    let modulus = modulus.as_bytes();
    let leading_zeros = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = (modulus.len() * 8).saturating_sub(leading_zeros);
    if !MODULUS_BITS.contains(&bits) {
        return Err(KeyError::ModulusBits { bits });
    }
    let exponent = exponent.as_bytes();
    if exponent.len() > 4 {
        return Err(KeyError::Exponent);
    }
    let exponent = exponent.iter().fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
    if exponent < SMALLEST_EXPONENT || exponent % 2 == 0 {
        return Err(KeyError::Exponent);
    }
    if modulus.last().is_none_or(|byte| byte % 2 == 0) {
        return Err(KeyError::Invalid);
    }
    Ok(Shape::Rsa { modulus: modulus.to_vec() })
}

fn p256(key: &[u8]) -> Result<Shape, KeyError> {
    // Only the uncompressed form (SEC 1 section 2.3.3): the others are second spellings of the same key.
    let point: &[u8; 65] = key.try_into().map_err(|_| KeyError::Encoding)?;
    match point {
        [0x04, coordinates @ ..] => {
            let mut x = [0; 32];
            x.copy_from_slice(&coordinates[..32]);
            Ok(Shape::P256 { x })
        }
        _ => Err(KeyError::Encoding),
    }
}

fn ed25519(key: &[u8]) -> Result<Shape, KeyError> {
    let mut y: [u8; 32] = key.try_into().map_err(|_| KeyError::Encoding)?;
    y[31] &= 0x7f;
    if SMALL_ORDER.contains(&y) { Err(KeyError::Invalid) } else { Ok(Shape::Ed25519 { y }) }
}

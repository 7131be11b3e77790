//! Keys that verify.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    VerificationAlgorithm,
};

use super::algorithm::Algorithm;
use super::error::{KeyError, SignatureError};
use super::key_id::KeyId;
use super::pem;
use super::public_key_info::{self, Shape};
use crate::digest::Sha256;

/// A public key, bound to one algorithm.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    shape: Shape,
    id: KeyId,
    der: Vec<u8>,
    parsed: ParsedPublicKey,
}

impl PublicKey {
    /// Reads `-----BEGIN PUBLIC KEY-----`. A text above it that names another algorithm is an error.
    ///
    /// # Errors
    /// It is damaged, weak, of an unknown kind, or for another algorithm.
    pub fn from_pem(text: &str, algorithm: Algorithm) -> Result<Self, KeyError> {
        let (der, named) = pem::read(text, pem::PUBLIC)?;
        match named {
            Some(key) if key != algorithm => Err(KeyError::OtherAlgorithm { key, asked: algorithm }),
            _ => Self::from_der(&der, algorithm),
        }
    }

    /// Reads a SubjectPublicKeyInfo. Each key has exactly one accepted encoding, so ids are unambiguous.
    ///
    /// # Errors
    /// As [`Self::from_pem`].
    pub fn from_der(der: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        let shape = public_key_info::read(der)?;
        if !algorithm.fits(&shape) {
            return Err(KeyError::OtherAlgorithm { key: shape.natural_algorithm(), asked: algorithm });
        }
        let parsed = ParsedPublicKey::new(verification(algorithm), der).map_err(|_| KeyError::Invalid)?;
        Ok(Self { algorithm, shape, id: KeyId(Sha256::of(der).0), der: der.to_vec(), parsed })
    }

    /// As PEM text, which OpenSSL reads.
    pub fn to_pem(&self) -> String {
        pem::write(&self.der, pem::PUBLIC, self.algorithm).expect("what was read as a key can be written")
    }

    /// As SubjectPublicKeyInfo.
    pub fn to_der(&self) -> &[u8] {
        &self.der
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What it verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether whoever has the private half of one has that of the other: the same modulus (also with another
    /// exponent), or the same point up to its sign. Two such keys are one for any rule that wants two.
    pub fn shares_private_key_with(&self, other: &Self) -> bool {
        self.shape == other.shape
    }

    /// Verifies a signature with the one algorithm of this key.
    ///
    /// # Errors
    /// The signature is not by this key over exactly this message.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let expected = match &self.shape {
            Shape::Rsa { modulus } => Some(modulus.len()),
            Shape::Ed25519 { .. } => Some(64),
            // DER of two integers has no fixed length; the library accepts strict DER only.
            Shape::P256 { .. } => None,
        };
        match expected {
            Some(expected) if signature.len() != expected => {
                Err(SignatureError::Length { expected, actual: signature.len() })
            }
            _ => self.parsed.verify_sig(message, signature).map_err(|_| SignatureError::Wrong),
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.der == other.der
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({}, {})", self.algorithm, self.id)
    }
}

fn verification(algorithm: Algorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        // The library rebuilds the whole padded block and compares it; it parses nothing that was signed.
        Algorithm::RsaPkcs1v15 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RsaPss => &RSA_PSS_2048_8192_SHA256,
        Algorithm::EcdsaP256 => &ECDSA_P256_SHA256_ASN1,
        Algorithm::Ed25519 => &ED25519,
    }
}

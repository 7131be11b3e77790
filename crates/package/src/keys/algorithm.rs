//! The ways to sign that are known.

use std::fmt;
use std::str::FromStr;

use super::error::KeyError;
use super::pem;
use super::public_key_info::{self, Shape};

/// How a key signs. A key has exactly one; nothing tries another, since both RSA paddings give signatures of
/// the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2), what "RSA2048+SHA256" of signing tools for
    /// modules means.
    RsaPkcs1v15,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes (RFC 8017 section 8.1).
    RsaPss,
    /// ECDSA over P-256 with SHA-256; signatures are the DER of RFC 3279 section 2.2.3.
    EcdsaP256,
    /// Ed25519 (RFC 8032 section 5.1).
    Ed25519,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RsaPkcs1v15, Self::RsaPss, Self::EcdsaP256, Self::Ed25519];

    /// Its name in files, in the REST interface and on the command line.
    pub fn code(self) -> &'static str {
        match self {
            Self::RsaPkcs1v15 => "rsa2048-sha256-pkcs1v15",
            Self::RsaPss => "rsa2048-sha256-pss-mgf1sha256-salt32",
            Self::EcdsaP256 => "ecdsa-p256-sha256",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The one with exactly this name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.code() == code)
    }

    /// What a public key in PEM is for: what the text above it says, as [`crate::PublicKey::to_pem`] writes it;
    /// otherwise what such keys are usually for, which is PKCS #1 v1.5 for RSA.
    ///
    /// # Errors
    /// It is no public key of a known kind.
    pub fn natural_of(pem: &str) -> Result<Self, KeyError> {
        let (der, named) = pem::read(pem, pem::PUBLIC)?;
        let natural = public_key_info::read(&der)?.natural_algorithm();
        Ok(named.unwrap_or(natural))
    }

    /// Whether keys of this shape can sign so.
    pub(super) fn fits(self, shape: &Shape) -> bool {
        match shape {
            Shape::Rsa { .. } => matches!(self, Self::RsaPkcs1v15 | Self::RsaPss),
            Shape::P256 { .. } => self == Self::EcdsaP256,
            Shape::Ed25519 { .. } => self == Self::Ed25519,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl FromStr for Algorithm {
    type Err = KeyError;

    fn from_str(code: &str) -> Result<Self, KeyError> {
        Self::from_code(code).ok_or(KeyError::UnknownAlgorithm)
    }
}

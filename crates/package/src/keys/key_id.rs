//! How a key is named.

use std::fmt;

use crate::digest::Sha256;

/// SHA-256 of the SubjectPublicKeyInfo of a public key. It is written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 32]);

impl KeyId {
    /// Reads exactly what `Display` writes.
    pub fn from_hex(text: &str) -> Option<Self> {
        Sha256::from_hex(text).map(|digest| Self(digest.0))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Sha256(self.0).fmt(formatter)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyId({self})")
    }
}

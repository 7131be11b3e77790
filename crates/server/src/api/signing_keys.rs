//! Public keys of those who sign packages, as the API shows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::signing_keys as row;

/// A public key with which packages of a manufacturer are verified.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct SigningKey {
    /// SHA-256 of the key (`SubjectPublicKeyInfo`) in hexadecimal digits; signatures name it so.
    pub id: String,
    /// Whose packages it vouches for: `manufacturerName` of their profiles, exactly.
    #[schema(example = "Quectel")]
    pub manufacturer: String,
    /// The only algorithm that signatures are checked with.
    #[schema(example = "rsa2048-sha256-pkcs1v15")]
    pub algorithm: String,
    /// The key.
    pub pem: String,
    /// Anything worth knowing; may be empty.
    pub comment: String,
    /// Who added it, as they said.
    pub added_by: String,
    /// When.
    pub created_at: String,
    /// Since when it counts no more; absent while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Revocation>,
}

/// Since when a signing key counts no more.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct Revocation {
    /// When.
    pub at: String,
    /// By whom, as they said.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A public key to be added.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct AddSigningKey {
    /// Whose packages it vouches for: `manufacturerName` of their profiles, exactly.
    #[schema(example = "Quectel")]
    pub manufacturer: String,
    /// The public key (`-----BEGIN PUBLIC KEY-----`).
    pub pem: String,
    /// The only algorithm that signatures are checked with: `rsa2048-sha256-pkcs1v15`,
    /// `rsa2048-sha256-pss-mgf1sha256-salt32`, `ecdsa-p256-sha256` or `ed25519`. Otherwise the usual one for
    /// such keys, which for RSA is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// Anything worth knowing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// A public key that was added.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct AddedSigningKey {
    /// The key.
    #[serde(flatten)]
    pub key: SigningKey,
    /// What an operator should know of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Why a key counts no more.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct RevokeSigningKey {
    /// Why.
    #[schema(example = "the laptop with the private key was stolen")]
    pub reason: String,
}

impl From<row::SigningKey> for SigningKey {
    fn from(key: row::SigningKey) -> Self {
        let revocation = key.revocation.map(|revocation| Revocation {
            at: revocation.at.to_string(),
            by: revocation.by,
            reason: revocation.reason,
        });
        Self {
            id: key.id,
            manufacturer: key.manufacturer,
            algorithm: key.algorithm,
            pem: key.pem,
            comment: key.comment,
            added_by: key.added_by,
            created_at: key.created_at.to_string(),
            revocation,
        }
    }
}

//! `signatures.json`: who vouches for a manifest.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::keys::{Algorithm, KeyId};

/// The most bytes that `signatures.json` may have: eight signatures of RSA keys with 4,096 bits, and space.
pub const LONGEST_SIGNATURES: usize = 16 * 1_024;

/// The most signatures over one manifest.
pub const MOST_SIGNATURES: usize = 8;

/// One signature over the exact bytes of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Whose it is.
    pub key_id: KeyId,
    /// How it was made. It must be what the key is for.
    pub algorithm: Algorithm,
    /// The signature.
    pub bytes: Vec<u8>,
}

/// Why bytes are no list of signatures.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignaturesError {
    /// Too many bytes.
    #[error("the signatures have {actual} bytes; at most {LONGEST_SIGNATURES} are allowed")]
    Size {
        /// How many there are.
        actual: u64,
    },
    /// No JSON, or not of this shape. Unknown and repeated fields are refused.
    #[error("{path}: {problem}")]
    Json {
        /// Where, such as `signatures[0].key_id`.
        path: String,
        /// What the reader says.
        problem: String,
    },
    /// Nobody signed, or too many.
    #[error("signatures: there are {found}; 1 to {MOST_SIGNATURES} are allowed")]
    Count {
        /// How many there are.
        found: usize,
    },
    /// No key id.
    #[error("signatures[{index}].key_id: 64 lower-case hexadecimal digits are needed")]
    KeyId {
        /// Which one, from 0.
        index: usize,
    },
    /// The same key signs twice.
    #[error("signatures[{index}].key_id: this key is there twice")]
    Repeated {
        /// Which one, from 0.
        index: usize,
    },
    /// A name that no algorithm has.
    #[error("signatures[{index}].algorithm: it is unknown")]
    Algorithm {
        /// Which one, from 0.
        index: usize,
    },
    /// No base64.
    #[error("signatures[{index}].signature: base64 with padding is needed")]
    Base64 {
        /// Which one, from 0.
        index: usize,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignaturesJson {
    signatures: Vec<SignatureJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureJson {
    key_id: String,
    algorithm: String,
    signature: String,
}

/// Reads `signatures.json`: at most 16 KiB, one to eight signatures, each by another key.
///
/// # Errors
/// It is not that; the error names the place.
pub fn parse_signatures(bytes: &[u8]) -> Result<Vec<Signature>, SignaturesError> {
    if bytes.len() > LONGEST_SIGNATURES {
        return Err(SignaturesError::Size { actual: bytes.len() as u64 });
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let json: SignaturesJson = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        SignaturesError::Json { path: error.path().to_string(), problem: error.inner().to_string() }
    })?;
    let after =
        |error: serde_json::Error| SignaturesError::Json { path: ".".to_owned(), problem: error.to_string() };
    reader.end().map_err(after)?;
    let found = json.signatures.len();
    if found == 0 || found > MOST_SIGNATURES {
        return Err(SignaturesError::Count { found });
    }
    let mut signatures: Vec<Signature> = Vec::with_capacity(found);
    for (index, json) in json.signatures.iter().enumerate() {
        let key_id = KeyId::from_hex(&json.key_id).ok_or(SignaturesError::KeyId { index })?;
        if signatures.iter().any(|signature| signature.key_id == key_id) {
            return Err(SignaturesError::Repeated { index });
        }
        let algorithm = Algorithm::from_code(&json.algorithm).ok_or(SignaturesError::Algorithm { index })?;
        let bytes = STANDARD.decode(&json.signature).map_err(|_| SignaturesError::Base64 { index })?;
        signatures.push(Signature { key_id, algorithm, bytes });
    }
    Ok(signatures)
}

/// Writes `signatures.json`.
pub fn write_signatures(signatures: &[Signature]) -> Vec<u8> {
    let signatures = signatures.iter().map(|signature| SignatureJson {
        key_id: signature.key_id.to_string(),
        algorithm: signature.algorithm.code().to_owned(),
        signature: STANDARD.encode(&signature.bytes),
    });
    let mut bytes = serde_json::to_vec_pretty(&SignaturesJson { signatures: signatures.collect() })
        .expect("texts always have a JSON form");
    bytes.push(b'\n');
    bytes
}

//! Keys as text (RFC 7468), with a line above that names the algorithm where the key itself does not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pkcs8::der::pem::{self, LineEnding};

use super::algorithm::Algorithm;
use super::error::KeyError;

/// What stands after BEGIN of a public key.
pub(super) const PUBLIC: &str = "PUBLIC KEY";
/// What stands after BEGIN of an encrypted private key.
pub(super) const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

/// An encrypted RSA key of 4096 bits has 3,500.
const LONGEST: usize = 16 * 1_024;

/// A line before BEGIN that names the algorithm. Other programs skip it (RFC 7468 section 2).
const NAMED: &str = "Algorithm: ";

/// Reads the content of a PEM text with any line length and line ends, as tools of all systems write it, and
/// the algorithm that a line above it names. Nothing in it is secret: private keys in it are encrypted.
pub(super) fn read(text: &str, wanted: &'static str) -> Result<(Vec<u8>, Option<Algorithm>), KeyError> {
    if text.len() > LONGEST {
        return Err(KeyError::Size { actual: text.len(), most: LONGEST });
    }
    let (above, rest) = text.split_once("-----BEGIN ").ok_or(KeyError::Pem)?;
    let (found, rest) = rest.split_once("-----").ok_or(KeyError::Pem)?;
    if found == "PRIVATE KEY" && wanted == ENCRYPTED {
        return Err(KeyError::NotEncrypted);
    }
    if found != wanted {
        return Err(KeyError::Label { found: found.chars().take(64).collect(), wanted });
    }
    let (content, after) = rest.split_once("-----END ").ok_or(KeyError::Pem)?;
    let after = after.strip_prefix(wanted).and_then(|after| after.strip_prefix("-----"));
    // A second key in the same file would be one that nobody looks at.
    if after.is_none_or(|after| !after.trim().is_empty()) {
        return Err(KeyError::Pem);
    }
    let content: String = content.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(content).map_err(|_| KeyError::Pem)?;
    let named = above.lines().filter_map(|line| line.strip_prefix(NAMED)).next();
    Ok((bytes, named.map(|code| code.trim().parse()).transpose()?))
}

/// Writes a key. Only where the key could be for two algorithms, the second one is named above it, since not
/// every reader skips such a line.
pub(super) fn write(der: &[u8], label: &'static str, algorithm: Algorithm) -> Result<String, KeyError> {
    let text = pem::encode_string(label, LineEnding::LF, der).map_err(|_| KeyError::Encoding)?;
    match algorithm {
        Algorithm::RsaPss => Ok(format!("{NAMED}{algorithm}\n{text}")),
        Algorithm::RsaPkcs1v15 | Algorithm::EcdsaP256 | Algorithm::Ed25519 => Ok(text),
    }
}

//! Where the pre-shared key of a module comes from.

use std::path::PathBuf;

use machine::Credential;

/// Why there is no usable key.
#[derive(thiserror::Error, Debug)]
pub enum KeyError {
    /// None was given.
    #[error("a coaps server needs a key: give --key-file FILE, or the key in hex in VMODULE_KEY")]
    Missing,
    /// The file cannot be read.
    #[error("cannot read the key file {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not hex.
    #[error("the key is not an even number of hexadecimal digits (2 to 128 of them)")]
    NotHex,
}

/// The longest key in bytes.
const LONGEST: usize = 64;

/// Reads hexadecimal digits: bare, with a trailing ` -` as shasum writes it, or behind `identity:` as psktool
/// writes it.
pub(super) fn parse(text: &str) -> Result<Vec<u8>, KeyError> {
    let text = text.trim();
    let text = text.strip_suffix('-').map_or(text, str::trim_end);
    let digits = text.rsplit(':').next().unwrap_or_default().as_bytes();
    let value = |digit: u8| char::from(digit).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some((value(*high)? * 16 + value(*low)?) as u8),
        _ => None,
    };
    let key: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
    key.filter(|key| (1..=LONGEST).contains(&key.len())).ok_or(KeyError::NotHex)
}

/// The credential of this identity, from the file or else from the text.
pub(super) fn credential(
    identity: &str,
    file: Option<&PathBuf>,
    text: Option<&str>,
) -> Result<Credential, KeyError> {
    let key = match (file, text) {
        (Some(path), _) => {
            let text = std::fs::read_to_string(path)
                .map_err(|source| KeyError::Unreadable { path: path.clone(), source })?;
            parse(&text)?
        }
        (None, Some(text)) => parse(text)?,
        (None, None) => return Err(KeyError::Missing),
    };
    Ok(Credential { identity: identity.as_bytes().to_vec(), key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_the_usual_tools_write_them() {
        // Seed 000, section 4.2.
        for text in [
            "87493467538357",
            "87493467538357\n",
            "urn:imei:015770000031766:87493467538357",
            "87493467538357  -\n",
        ] {
            assert_eq!(parse(text).unwrap(), [0x87, 0x49, 0x34, 0x67, 0x53, 0x83, 0x57], "{text}");
        }
        for text in ["", "8", "xx", "87 49", &"00".repeat(65)] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

//! Keys: how they are read, kept and never shown.

mod key_file;
mod psk;
mod vault;

pub use key_file::{KeyFileError, create_key_file, read_key_file};
pub use psk::{Psk, PskError, PskLengths};
pub use vault::{Fingerprint, KeyEncryptionKey, Owner, SealedKey, Unsealable, Vault};

/// Bytes from the operating system.
///
/// # Errors
/// The system has no randomness to give; nothing secret can be made then.
pub fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], NoRandomness> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(bytes)
}

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoRandomness(#[source] getrandom::Error);

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// The bytes that pairs of hexadecimal digits stand for; `None` for anything else.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
        _ => None,
    });
    pairs.collect()
}

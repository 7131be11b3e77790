//! Pre-shared keys of devices.

use std::fmt;

use zeroize::Zeroizing;

use super::{NoRandomness, from_hex, hex, random};

/// A pre-shared key. It is wiped when dropped and never printed.
///
/// ```
/// use server::{Psk, PskLengths};
/// let psk = Psk::from_text("caf23b8150cd4d93f23d917acf93c00cec79fab86aef370382330e68413b201b")?;
/// psk.check_length(PskLengths::Strong)?;
/// assert_eq!(format!("{psk:?}"), "***");
/// # Ok::<(), server::PskError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Psk(Zeroizing<Vec<u8>>);

/// Which lengths are accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PskLengths {
    /// 16 to 64 bytes.
    Strong,
    /// 1 to 64 bytes, for old devices.
    AnyLength,
}

/// Longest key that constrained devices are asked to hold (RFC 7925 section 4.4 is below it).
const LONGEST: usize = 64;
/// 128 bits: what no search will reach.
const SHORTEST_STRONG: usize = 16;
/// What the module makers recommend for generated keys.
const GENERATED: usize = 32;

/// Why a text is not a usable key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PskError {
    /// Nothing there.
    #[error("the key is empty")]
    Empty,
    /// A letter that is no hexadecimal digit.
    #[error("the key has characters that are not hexadecimal digits (0-9, a-f)")]
    NotHexadecimal,
    /// Half a byte at the end.
    #[error("the key has an odd number of hexadecimal digits; two make a byte")]
    OddLength,
    /// More than a device can hold.
    #[error("the key has {0} bytes; at most {LONGEST} are possible")]
    TooLong(usize),
    /// Can be guessed.
    #[error("the key has {0} bytes; fewer than {SHORTEST_STRONG} are not safe")]
    TooShort(usize),
}

impl Psk {
    /// A new key of 32 random bytes.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self(Zeroizing::new(random::<GENERATED>()?.to_vec())))
    }

    /// The key made of these bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads what common generators write: hexadecimal digits alone (`openssl rand -hex 32`), after an
    /// identity and a colon (`psktool`), or before ` -` (`shasum`).
    ///
    /// # Errors
    /// The text is no hexadecimal key of 1 to 64 bytes.
    pub fn from_text(text: &str) -> Result<Self, PskError> {
        let text = text.trim();
        let text = text.strip_suffix('-').map_or(text, str::trim_end);
        let digits = text.rsplit_once(':').map_or(text, |(_, digits)| digits);
        if digits.is_empty() {
            return Err(PskError::Empty);
        }
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(PskError::NotHexadecimal);
        }
        let bytes = from_hex(digits).ok_or(PskError::OddLength)?;
        let psk = Self::from_bytes(bytes);
        if psk.0.len() > LONGEST { Err(PskError::TooLong(psk.0.len())) } else { Ok(psk) }
    }

    /// Whether the length is safe, or at least possible.
    ///
    /// # Errors
    /// It is neither.
    pub fn check_length(&self, lengths: PskLengths) -> Result<(), PskError> {
        match self.0.len() {
            0 => Err(PskError::Empty),
            length if length > LONGEST => Err(PskError::TooLong(length)),
            length if length < SHORTEST_STRONG && lengths == PskLengths::Strong => {
                Err(PskError::TooShort(length))
            }
            _ => Ok(()),
        }
    }

    /// The key itself, for the handshake and for encrypting it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key as hexadecimal digits, to be shown once to the one who made it.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex(&self.0))
    }

    /// The first four hexadecimal digits, by which a person tells keys apart. Empty for short keys, of
    /// which it would give too much away.
    pub fn prefix(&self) -> String {
        if self.0.len() < SHORTEST_STRONG { String::new() } else { hex(&self.0[..2]) }
    }
}

impl fmt::Debug for Psk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "e9891e446e07ba10519059db4ad9eb1b02c83d08dd80102982c27ec9e1bdebde";

    #[test]
    fn sec_k03_reads_the_forms_of_all_generators() {
        for text in [KEY.to_owned(), format!("{KEY}\n"), format!("urn:imei:1:{KEY}"), format!("{KEY}  -\n")] {
            assert_eq!(*Psk::from_text(&text).unwrap().to_hex(), KEY, "{text}");
        }
        assert_eq!(*Psk::from_text(&KEY.to_uppercase()).unwrap().to_hex(), KEY);
    }

    #[test]
    fn sec_k03_refuses_what_is_no_key() {
        let check = |text: &str, expect| assert_eq!(Psk::from_text(text).unwrap_err(), expect, "{text}");
        check("", PskError::Empty);
        check("user:", PskError::Empty);
        check("xyz", PskError::NotHexadecimal);
        check("abc", PskError::OddLength);
        check(&"ab".repeat(65), PskError::TooLong(65));
    }

    #[test]
    fn sec_k03_short_keys_need_permission() {
        let short = Psk::from_text("87493467538357").unwrap();
        assert_eq!(short.check_length(PskLengths::Strong), Err(PskError::TooShort(7)));
        assert_eq!(short.check_length(PskLengths::AnyLength), Ok(()));
        assert_eq!(short.prefix(), "");
        let long = Psk::from_text(KEY).unwrap();
        assert_eq!(long.check_length(PskLengths::Strong), Ok(()));
        assert_eq!(long.prefix(), "e989");
    }

    #[test]
    fn generated_keys_have_32_bytes_and_differ() {
        let (one, two) = (Psk::generate().unwrap(), Psk::generate().unwrap());
        assert_eq!(one.as_bytes().len(), 32);
        assert_ne!(one, two);
    }

    #[test]
    fn sec_k08_debug_shows_nothing() {
        assert_eq!(format!("{:?}", Psk::from_text(KEY).unwrap()), "***");
    }
}

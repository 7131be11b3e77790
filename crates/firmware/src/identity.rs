//! Whom an image is for and what it makes of a device.

use core::fmt;
use core::str::FromStr;

/// How long a [`Model`] or a [`Version`] may be, in bytes.
pub const MAX_TEXT: usize = 47;

/// Text that fits into a field of an image header: 1 to [`MAX_TEXT`] printable ASCII characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Text {
    // Zeros follow the text, so that derived comparisons see only the text.
    bytes: [u8; MAX_TEXT],
    length: u8,
}

/// A text that cannot be a model or a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TextError {
    /// There is no character at all.
    #[error("the text is empty")]
    Empty,
    /// More than [`MAX_TEXT`] bytes.
    #[error("the text is longer than 47 characters")]
    TooLong,
    /// Something else than printable ASCII.
    #[error("the text has characters other than printable ASCII")]
    NotPrintable,
}

impl Text {
    fn from_bytes(bytes: &[u8]) -> Result<Self, TextError> {
        if bytes.is_empty() {
            return Err(TextError::Empty);
        }
        if bytes.len() > MAX_TEXT {
            return Err(TextError::TooLong);
        }
        if !bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(TextError::NotPrintable);
        }
        let mut text = Self { bytes: [0; MAX_TEXT], length: bytes.len() as u8 };
        text.bytes[..bytes.len()].copy_from_slice(bytes);
        Ok(text)
    }

    fn as_str(&self) -> &str {
        // Only printable ASCII gets in, so this never falls back.
        core::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Text);

        impl $name {
            /// Checks that `text` is 1 to [`MAX_TEXT`] printable ASCII characters.
            pub fn new(text: &str) -> Result<Self, TextError> {
                Self::from_bytes(text.as_bytes())
            }

            pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, TextError> {
                Text::from_bytes(bytes).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({:?})", stringify!($name), self.as_str())
            }
        }
    };
}

text_newtype! {
    /// The model of a device as it reports it in /3/0/1, for example `GM01Q`.
    Model
}

text_newtype! {
    /// A firmware version as a device reports it in /3/0/3, for example `5.4.1.1-57830`.
    ///
    /// Versions are compared for equality only: makers order them in their own ways.
    Version
}

/// What a device is before an update: what an image for it must name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its model.
    pub model: Model,
    /// The version that runs.
    pub version: Version,
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;

    #[test]
    fn keeps_what_it_was_given() {
        let version = Version::new("5.4.1.1-57857").unwrap();
        assert_eq!(version.as_str(), "5.4.1.1-57857");
        assert_eq!(version.to_string(), "5.4.1.1-57857");
        assert_eq!("GM01Q".parse::<Model>().unwrap(), Model::new("GM01Q").unwrap());
    }

    #[test]
    fn refuses_what_a_header_cannot_hold() {
        assert_eq!(Version::new(""), Err(TextError::Empty));
        assert_eq!(Version::new(&"x".repeat(48)), Err(TextError::TooLong));
        assert!(Version::new(&"x".repeat(47)).is_ok());
        assert_eq!(Model::new("GM\n"), Err(TextError::NotPrintable));
        assert_eq!(Model::new("Grün"), Err(TextError::NotPrintable));
    }
}

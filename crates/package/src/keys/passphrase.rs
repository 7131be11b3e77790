//! What protects a private key.

use std::fmt;

use zeroize::Zeroizing;

/// More is a file given by mistake.
const LONGEST: usize = 1_024;

/// Seed S1-11 and the tools for modules ask for this much.
const SHORTEST: usize = 6;

/// The passphrase of a private key. It is wiped from memory and never printed.
pub struct Passphrase(Zeroizing<String>);

/// Why a passphrase may not protect a new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// Too short.
    #[error("a passphrase needs at least {SHORTEST} characters")]
    Short,
    /// Too long.
    #[error("a passphrase has at most {LONGEST} bytes")]
    Long,
    /// All characters are of one kind.
    #[error(
        "a passphrase needs characters of at least two of these kinds: lower-case letters, capital letters, digits, others"
    )]
    OneClass,
}

impl Passphrase {
    /// A passphrase for a new key: at least 6 characters of at least two kinds (seed S1-11).
    ///
    /// # Errors
    /// It is weaker than that, or longer than 1,024 bytes.
    pub fn new(text: Zeroizing<String>) -> Result<Self, PassphraseError> {
        if text.len() > LONGEST {
            return Err(PassphraseError::Long);
        }
        if text.chars().count() < SHORTEST {
            return Err(PassphraseError::Short);
        }
        let classes: [fn(char) -> bool; 4] =
            [char::is_lowercase, char::is_uppercase, char::is_numeric, |letter| !letter.is_alphanumeric()];
        if classes.iter().filter(|class| text.chars().any(class)).count() < 2 {
            return Err(PassphraseError::OneClass);
        }
        Ok(Self(text))
    }

    /// The passphrase of a key that is there already, which others may have chosen by other rules.
    ///
    /// # Errors
    /// It is longer than 1,024 bytes.
    pub fn of_existing_key(text: Zeroizing<String>) -> Result<Self, PassphraseError> {
        if text.len() > LONGEST { Err(PassphraseError::Long) } else { Ok(Self(text)) }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), PassphraseError>) {
        assert_eq!(Passphrase::new(Zeroizing::new(text.to_owned())).map(|_| ()), expected, "{text}");
    }

    #[test]
    fn p04_the_rule_of_the_seed_is_the_floor() {
        check("Quectel123", Ok(()));
        check("abc12", Err(PassphraseError::Short));
        check("abc123", Ok(()));
        check("abcdef", Err(PassphraseError::OneClass));
        check("ABCDEF", Err(PassphraseError::OneClass));
        check("123456", Err(PassphraseError::OneClass));
        check("!!!!!!", Err(PassphraseError::OneClass));
        check("ABCdef", Ok(()));
        check("      a", Ok(()));
        check("", Err(PassphraseError::Short));
        check(&"aB".repeat(513), Err(PassphraseError::Long));
    }

    #[test]
    fn a_passphrase_is_never_printed() {
        let passphrase = Passphrase::new(Zeroizing::new("Quectel123".to_owned())).unwrap();
        assert_eq!(format!("{passphrase:?}"), "***");
    }
}

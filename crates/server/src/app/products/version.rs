//! What versions of a product look like, and which of two is the newer one.

use std::cmp::Ordering;
use std::fmt;

use regex_lite::{Regex, RegexBuilder};

/// A regular expression that a whole version must match.
#[derive(Clone)]
pub struct VersionPattern {
    text: String,
    regex: Regex,
}

/// Letters of a pattern.
const LONGEST: usize = 200;
/// Bytes of a compiled pattern: repetitions of repetitions would grow without this.
const LARGEST: usize = 64 << 10;

/// Why a text is no pattern.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PatternError {
    /// Too long.
    #[error("a pattern has 1 to {LONGEST} letters")]
    Length,
    /// Not a regular expression.
    #[error("the pattern cannot be used from letter {position} on ({rest:?}): {reason}")]
    Syntax {
        /// The letter after the longest beginning that is a pattern, counted from one.
        position: usize,
        /// What stands there.
        rest: String,
        /// What is wrong.
        reason: String,
    },
}

impl VersionPattern {
    /// Reads a pattern. It is matched against the whole version, as if it stood between `^` and `$`.
    ///
    /// # Errors
    /// It is none, or too large.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if !(1..=LONGEST).contains(&text.chars().count()) {
            return Err(PatternError::Length);
        }
        // Apart first: what closes a group too many would otherwise close ours.
        match compile(text).and_then(|_| compile(&format!("^(?:{text})$"))) {
            Ok(regex) => Ok(Self { text: text.to_owned(), regex }),
            Err(reason) => {
                let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
                let last = ends.iter().enumerate().rev().find(|(_, end)| compile(&text[..**end]).is_ok());
                let (letters, end) = last.map_or((0, 0), |(letters, end)| (letters, *end));
                Err(PatternError::Syntax { position: letters + 1, rest: text[end..].to_owned(), reason })
            }
        }
    }

    /// Whether a version looks like this. Takes time in proportion to its length.
    pub fn matches(&self, version: &str) -> bool {
        self.regex.is_match(version)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn compile(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text).size_limit(LARGEST).build().map_err(|error| error.to_string())
}

impl PartialEq for VersionPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for VersionPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.text)
    }
}

/// How versions of a product are ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum VersionOrder {
    /// Runs of digits count as numbers, everything between them as text: 5.4.1.1-57857 is newer than
    /// 5.4.1.1-9999, BC35GJBR01A10 newer than BC35GJBR01A9. A version that goes on is newer than one that ends.
    #[default]
    Numbers,
    /// Byte by byte.
    Text,
    /// Nobody can tell.
    None,
}

impl VersionOrder {
    /// How `one` stands to `other`; `None` if the order does not tell.
    pub fn compare(self, one: &str, other: &str) -> Option<Ordering> {
        match self {
            Self::Numbers => Some(runs(one).cmp(runs(other))),
            Self::Text => Some(one.cmp(other)),
            Self::None => None,
        }
    }
}

/// A run of digits or of anything else. At one place a number goes before a text.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Run<'a> {
    /// How many digits, then which, without zeros in front: any length without overflow.
    Number(usize, &'a str),
    Text(&'a str),
}

fn runs(version: &str) -> impl Iterator<Item = Run<'_>> {
    let mut rest = version;
    std::iter::from_fn(move || {
        let is_number = rest.bytes().next()?.is_ascii_digit();
        let end = rest.find(|letter: char| letter.is_ascii_digit() != is_number).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        let digits = run.trim_start_matches('0');
        Some(if is_number { Run::Number(digits.len(), digits) } else { Run::Text(run) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_versions_are_compared_as_numbers() {
        let check = |one: &str, other: &str, expect| {
            assert_eq!(VersionOrder::Numbers.compare(one, other), Some(expect), "{one} {other}");
            assert_eq!(VersionOrder::Numbers.compare(other, one), Some(expect.reverse()), "{other} {one}");
        };
        check("5.4.1.1-57857", "5.4.1.1-57830", Ordering::Greater);
        check("5.4.1.1-57857", "5.4.1.1-9999", Ordering::Greater);
        check("BC35GJBR01A04", "BC35GJBR01A03", Ordering::Greater);
        check("BC35GJBR01A10", "BC35GJBR01A9", Ordering::Greater);
        check("1.0", "1.00", Ordering::Equal);
        check("1.0.1", "1.0", Ordering::Greater);
        check("1.a", "1.1", Ordering::Greater);
        check("", "0", Ordering::Less);
        check("99999999999999999999999999", "99999999999999999999999998", Ordering::Greater);
        check("100000000000000000000000000", "99999999999999999999999999", Ordering::Greater);
    }

    #[test]
    fn other_orders_do_what_they_say() {
        assert_eq!(VersionOrder::Text.compare("9", "10"), Some(Ordering::Greater));
        assert_eq!(VersionOrder::None.compare("1", "2"), None);
    }

    #[test]
    fn a_pattern_is_for_the_whole_version() {
        let pattern = VersionPattern::new(r"\d+|test").unwrap();
        for (version, good) in [("12", true), ("test", true), ("12a", false), ("a12", false), ("", false)] {
            assert_eq!(pattern.matches(version), good, "{version:?}");
        }
    }

    #[test]
    fn a_bad_pattern_is_refused_with_its_place() {
        let check = |text: &str, place: usize| match VersionPattern::new(text) {
            Err(PatternError::Syntax { position, .. }) => assert_eq!(position, place, "{text}"),
            other => panic!("{text}: {other:?}"),
        };
        check("BC35[A-", 5);
        check("a(b", 2);
        check("a)b", 2);
        check("ü)", 2);
        check("x*(", 3);
        check(r"1\", 2);
        assert_eq!(VersionPattern::new(""), Err(PatternError::Length));
        assert_eq!(VersionPattern::new(&"a".repeat(201)), Err(PatternError::Length));
        assert!(VersionPattern::new("(((a{99}){99}){99}){99}").is_err());
    }
}

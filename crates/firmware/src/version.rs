//! Version strings inside images that carry no header of ours.

use crate::{ImageHeader, Version};

/// Finds texts such as `5.4.1.1-57830` in machine code: three to five numbers with dots between them, a
/// hyphen, and a build number of four to eight digits.
///
/// The numbers have one to three digits each. What stands before (`LR5.4.1.1-57830`) and after is ignored,
/// unless it would make one of the numbers longer. In random bytes such a text appears about once in 10^17.
///
/// ```
/// let code = b"\x00\x17LR5.4.1.1-57830\0UE5.4.1.1\0";
/// let found: Vec<&str> = firmware::versions_in(code).collect();
/// assert_eq!(found, ["5.4.1.1-57830"]);
/// ```
pub fn versions_in(bytes: &[u8]) -> Versions<'_> {
    Versions { bytes, at: 0 }
}

/// The version that an image brings: that of its header, else the only one in its machine code.
///
/// `None` if there is none, or if there are several different ones (a differential image may name both its
/// source and its target): then somebody has to say which it is.
pub fn version_of(image: &[u8]) -> Option<Version> {
    if let Ok(header) = ImageHeader::parse(image) {
        return Some(header.version);
    }
    let mut versions = versions_in(image);
    let first = versions.next()?;
    versions.all(|other| other == first).then(|| Version::new(first).ok()).flatten()
}

/// What [`versions_in`] finds, in order, repetitions included.
#[derive(Clone, Debug)]
pub struct Versions<'a> {
    bytes: &'a [u8],
    at: usize,
}

const PARTS: core::ops::RangeInclusive<usize> = 3..=5;
const PART_DIGITS: core::ops::RangeInclusive<usize> = 1..=3;
const BUILD_DIGITS: core::ops::RangeInclusive<usize> = 4..=8;

impl<'a> Iterator for Versions<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while self.at < self.bytes.len() {
            let before = self.at.checked_sub(1).and_then(|at| self.bytes.get(at));
            let starts = !before.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.');
            let found = if starts { version_at(&self.bytes[self.at..]) } else { None };
            self.at += found.map_or(1, str::len);
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

/// The version that `bytes` start with.
fn version_at(bytes: &[u8]) -> Option<&str> {
    let mut at = 0;
    let mut parts = 0;
    loop {
        let digits = digits_at(&bytes[at..]);
        if !PART_DIGITS.contains(&digits) {
            return None;
        }
        at += digits;
        parts += 1;
        match bytes.get(at)? {
            b'.' if parts < *PARTS.end() => at += 1,
            b'-' if PARTS.contains(&parts) => break,
            _ => return None,
        }
    }
    at += 1;
    let digits = digits_at(&bytes[at..]);
    BUILD_DIGITS.contains(&digits).then(|| core::str::from_utf8(&bytes[..at + digits]).ok()).flatten()
}

fn digits_at(bytes: &[u8]) -> usize {
    bytes.iter().take(BUILD_DIGITS.end() + 1).take_while(|byte| byte.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::{String, ToString};
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::Model;

    fn check(bytes: &[u8], expected: &[&str]) {
        assert_eq!(versions_in(bytes).collect::<Vec<_>>(), expected, "in {}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn finds_versions_wherever_they_stand() {
        check(b"5.4.1.1-57830", &["5.4.1.1-57830"]);
        check(b"UE5.4.1.1\nLR5.4.1.1-57857\n", &["5.4.1.1-57857"]);
        check(b"\xFF\x008.2.1.0-61488\0\x008.2.0.3-60186\0", &["8.2.1.0-61488", "8.2.0.3-60186"]);
        check(b"1.2.3-4567.", &["1.2.3-4567"]);
        check(b"1.2.3.4.5-12345678", &["1.2.3.4.5-12345678"]);
    }

    #[test]
    fn is_not_fooled_by_other_numbers() {
        for other in [
            "",
            "5",
            "5.4.1.1",
            "5.4.1.1-",
            "5.4.1.1-578",
            "5.4-57830",
            "1.2.3.4.5.6-57830",
            "5.4.1.1-123456789",
            "1234.4.1.1-57830",
            "5..1.1-57830",
            "192.168.0.1",
            "2024-01-0203",
            "5.4.1.1 57830",
        ] {
            check(other.as_bytes(), &[]);
        }
    }

    #[test]
    fn the_header_decides_and_ambiguity_is_no_answer() {
        assert_eq!(version_of(b"LR5.4.1.1-57830, 5.4.1.1-57830").unwrap().as_str(), "5.4.1.1-57830");
        assert_eq!(version_of(b"5.4.1.1-57830 from 5.4.1.1-57857"), None);
        assert_eq!(version_of(b""), None);
        let payload = b"5.4.1.1-57857";
        let version = Version::new("6.0").unwrap();
        let header = ImageHeader::describe(Model::new("GM01Q").unwrap(), version, None, payload);
        assert_eq!(version_of(&[&header.encode()[..], payload].concat()), Some(version));
    }

    proptest! {
        #[test]
        fn finds_each_version_that_was_hidden(
            noise in proptest::collection::vec(0x80_u8.., 0..50),
            parts in proptest::collection::vec(0_u16..1000, 3..=5),
            build in 1000_u32..=99_999_999,
        ) {
            let dotted: Vec<String> = parts.iter().map(ToString::to_string).collect();
            let version = std::format!("{}-{build}", dotted.join("."));
            let image = [&noise[..], version.as_bytes(), &noise[..]].concat();
            prop_assert_eq!(versions_in(&image).collect::<Vec<_>>(), [version.as_str()]);
        }

        #[test]
        fn searching_never_panics(bytes in "[0-9.\\-]{0,60}") {
            let _ = version_of(bytes.as_bytes());
        }
    }
}

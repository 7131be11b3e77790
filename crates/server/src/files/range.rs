//! Which part of an image a Range asks for (RFC 9110 section 14).

use std::ops::Range;

/// What is to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// All of it: no range, or one that may be ignored.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// There are no such bytes: 416.
    Nothing,
}

/// Reads the value of a Range header for an image of `length` bytes. Several ranges at once, other units and
/// what is malformed are ignored, as the standard allows and demands.
pub fn wanted(header: &str, length: u64) -> Wanted {
    parse(header).map_or(Wanted::Whole, |asked| asked.of(length))
}

enum Asked {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

fn parse(header: &str) -> Option<Asked> {
    let (unit, range) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", last) => Some(Asked::Last(number(last)?)),
        (first, "") => Some(Asked::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Asked::Between(first, last))
        }
    }
}

/// Digits only; what is larger than any image counts as the largest number.
fn number(digits: &str) -> Option<u64> {
    let right = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    right.then(|| digits.parse().unwrap_or(u64::MAX))
}

impl Asked {
    fn of(self, length: u64) -> Wanted {
        let part = match self {
            Self::From(first) => first..length,
            Self::Between(first, last) => first..last.saturating_add(1).min(length),
            Self::Last(count) => length.saturating_sub(count)..length,
        };
        if part.start < part.end { Wanted::Part(part) } else { Wanted::Nothing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_ranges_of_a_hundred_bytes() {
        let check = |header: &str, expect: Wanted| assert_eq!(wanted(header, 100), expect, "{header}");
        check("bytes=0-", Wanted::Part(0..100));
        check("bytes=40-", Wanted::Part(40..100));
        check("bytes=40-49", Wanted::Part(40..50));
        check("bytes=40-40", Wanted::Part(40..41));
        check("bytes=90-200", Wanted::Part(90..100));
        check("bytes=0-99999999999999999999999", Wanted::Part(0..100));
        check("bytes=-10", Wanted::Part(90..100));
        check("bytes=-1000", Wanted::Part(0..100));
        check("Bytes = 5-6 ", Wanted::Part(5..7));
        check("bytes=100-", Wanted::Nothing);
        check("bytes=99999999999999999999999-", Wanted::Nothing);
        check("bytes=-0", Wanted::Nothing);
    }

    #[test]
    fn what_cannot_be_understood_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=+5-",
            "bytes=0-1,5-6",
            "items=0-1",
            "0-1",
            "bytes=0x1-",
            "bytes=1 -2 -3",
        ] {
            assert_eq!(wanted(header, 100), Wanted::Whole, "{header}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
    }
}

//! Numbers of bytes as people read and write them.

use std::fmt;
use std::str::FromStr;

/// A number of bytes.
///
/// Shown in both units, as device platforms do: `34.5 kB (35343 B)`, where a kB is 1,024 bytes.
///
/// ```
/// use server::ByteCount;
/// assert_eq!(ByteCount(35_343).to_string(), "34.5 kB (35343 B)");
/// assert_eq!("64 MiB".parse(), Ok(ByteCount(64 << 20)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ByteCount(pub u64);

const UNITS: [(&str, u32); 4] = [("kB", 10), ("MB", 20), ("GB", 30), ("TB", 40)];

impl fmt::Display for ByteCount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((unit, shift)) = UNITS.iter().rev().find(|(_, shift)| self.0 >> shift > 0) else {
            return write!(formatter, "{} B", self.0);
        };
        let tenths = (u128::from(self.0) * 10) >> shift;
        write!(formatter, "{}.{} {unit} ({} B)", tenths / 10, tenths % 10, self.0)
    }
}

/// The text is not a size.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a size")]
pub struct NotASize;

impl FromStr for ByteCount {
    type Err = NotASize;

    /// Reads `35343`, `35343 B`, `64 MiB` or `64 MB`; the short forms mean powers of 1,024 as well.
    fn from_str(text: &str) -> Result<Self, NotASize> {
        let text = text.trim();
        let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| NotASize)?;
        let shift = match unit.trim() {
            "" | "B" => 0,
            "kB" | "KB" | "KiB" => 10,
            "MB" | "MiB" => 20,
            "GB" | "GiB" => 30,
            "TB" | "TiB" => 40,
            _ => return Err(NotASize),
        };
        number.checked_mul(1 << shift).map(Self).ok_or(NotASize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_both_units() {
        let check = |bytes, text: &str| assert_eq!(ByteCount(bytes).to_string(), text);
        check(0, "0 B");
        check(1_023, "1023 B");
        check(1_024, "1.0 kB (1024 B)");
        check(35_343, "34.5 kB (35343 B)");
        check(5 << 30, "5.0 GB (5368709120 B)");
        check(u64::MAX, "16777215.9 TB (18446744073709551615 B)");
    }

    #[test]
    fn reads_what_people_write_and_nothing_else() {
        let check = |text: &str, expect| assert_eq!(text.parse::<ByteCount>().ok(), expect, "{text}");
        check("0", Some(ByteCount(0)));
        check("12 B", Some(ByteCount(12)));
        check("3KiB", Some(ByteCount(3_072)));
        check(" 2 GB ", Some(ByteCount(2 << 30)));
        for text in ["", "MiB", "-1", "1.5 MB", "1 XB", "18446744073709551615 TB", "1 M B"] {
            check(text, None);
        }
    }
}

//! Reads the text of single settings.

use std::net::SocketAddr;
use std::time::Duration;

pub(super) const ADDRESS: &str = "an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080";
pub(super) const ADDRESSES: &str =
    "\"off\", or addresses with ports separated by commas, such as 0.0.0.0:5684, [::]:5684";
pub(super) const BOOL: &str = "true or false";
pub(super) const DURATION: &str = "a duration above zero such as 90s, 35m, 1h30m or 2d";
pub(super) const HOST: &str = "a host name or an IP address without port, such as fota.example.org";
pub(super) const SIZE: &str = "a number of bytes with an optional unit, such as 512 MiB";

pub(super) fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

pub(super) fn addresses(text: &str) -> Option<Vec<SocketAddr>> {
    if text == "off" {
        return Some(Vec::new());
    }
    text.split(',').map(|part| part.trim().parse().ok()).collect()
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    text.parse().ok()
}

/// Reads numbers with units, added up, such as `1h30m`; `None` for anything else and for zero.
pub fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let letters = unit.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(unit.len());
        let part = match &unit[..letters] {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" | "min" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3_600)?),
            "d" => Duration::from_secs(number.checked_mul(86_400)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = unit[letters..].trim_start();
    }
    (!total.is_zero()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_add_up_and_need_a_unit() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(duration(text), expect.map(Duration::from_secs), "{text}");
        };
        check("90s", Some(90));
        check("35m", Some(2_100));
        check("1h30m", Some(5_400));
        check("1h 30min", Some(5_400));
        check("2d", Some(172_800));
        for text in ["", "0s", "90", "1y", "h", "-1s", "1.5h", "18446744073709551615d"] {
            check(text, None);
        }
    }

    #[test]
    fn listeners_are_off_or_a_list() {
        assert_eq!(addresses("off"), Some(Vec::new()));
        assert_eq!(addresses("0.0.0.0:5684, [::]:5684").map(|list| list.len()), Some(2));
        assert_eq!(addresses(""), None);
        assert_eq!(addresses("0.0.0.0"), None);
    }
}

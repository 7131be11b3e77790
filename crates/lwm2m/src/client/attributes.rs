//! Write-Attributes: how often a notification may and must come (LwM2M Core 1.0.2 section 5.1.2).

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::path::Path;

/// At most this many places have attributes of their own.
const MOST_PLACES: usize = 32;

/// The attributes that servers have written.
#[derive(Default, Debug)]
pub(super) struct Attributes(BTreeMap<Path, Periods>);

/// Minimum and maximum period in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Periods {
    pub(super) minimum: Option<u32>,
    pub(super) maximum: Option<u32>,
}

/// Why attributes cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AttributeError {
    /// Not `name=number` or `name`, another name than pmin and pmax, or pmax below pmin.
    Unusable,
    /// Too many places have attributes already.
    Full,
}

impl Attributes {
    /// Changes what the query names; a name without a value removes the attribute.
    pub(super) fn write<'a>(
        &mut self,
        path: Path,
        query: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), AttributeError> {
        let mut periods = self.0.get(&path).copied().unwrap_or_default();
        for part in query {
            periods.change(part).ok_or(AttributeError::Unusable)?;
        }
        if periods.minimum.zip(periods.maximum).is_some_and(|(minimum, maximum)| maximum < minimum) {
            return Err(AttributeError::Unusable);
        }
        if periods == Periods::default() {
            self.0.remove(&path);
        } else if self.0.len() < MOST_PLACES || self.0.contains_key(&path) {
            self.0.insert(path, periods);
        } else {
            return Err(AttributeError::Full);
        }
        Ok(())
    }

    /// What was written to exactly this place.
    pub(super) fn own(&self, path: Path) -> Periods {
        self.0.get(&path).copied().unwrap_or_default()
    }

    /// What holds for a place: the deepest attribute on the way to it, or the server's default.
    pub(super) fn effective(&self, path: Path, default: Periods) -> Periods {
        let mut periods = default;
        // Ordered from the object down, since a path sorts before what lies in it.
        for (place, own) in &self.0 {
            if place.contains(path) {
                periods.minimum = own.minimum.or(periods.minimum);
                periods.maximum = own.maximum.or(periods.maximum);
            }
        }
        periods
    }
}

impl Periods {
    fn change(&mut self, part: &[u8]) -> Option<()> {
        let part = core::str::from_utf8(part).ok()?;
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = if value.is_empty() { None } else { Some(value.parse().ok()?) };
        match name {
            "pmin" => self.minimum = value,
            "pmax" => self.maximum = value,
            _ => return None,
        }
        Some(())
    }

    pub(super) fn shortest(self) -> Duration {
        Duration::from_secs(self.minimum.unwrap_or(0).into())
    }

    /// A maximum of zero, or below the minimum, has no meaning (section 5.1.2).
    pub(super) fn longest(self) -> Option<Duration> {
        let maximum = self.maximum.filter(|maximum| *maximum > 0 && *maximum >= self.minimum.unwrap_or(0));
        maximum.map(|seconds| Duration::from_secs(seconds.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(attributes: &mut Attributes, path: &str, parts: &[&str]) -> Result<(), AttributeError> {
        attributes.write(path.parse().unwrap(), parts.iter().map(|part| part.as_bytes()))
    }

    #[test]
    fn the_deepest_attribute_wins_and_the_server_default_is_last() {
        let mut attributes = Attributes::default();
        write(&mut attributes, "/5", &["pmin=9", "pmax=90"]).unwrap();
        write(&mut attributes, "/5/0/3", &["pmin=2"]).unwrap();
        let default = Periods { minimum: Some(1), maximum: None };
        let of = |path: &str| attributes.effective(path.parse().unwrap(), default);
        assert_eq!(of("/5/0/3"), Periods { minimum: Some(2), maximum: Some(90) });
        assert_eq!(of("/5/0/5"), Periods { minimum: Some(9), maximum: Some(90) });
        assert_eq!(of("/3/0/3"), default);
    }

    #[test]
    fn a_name_without_value_removes() {
        let mut attributes = Attributes::default();
        write(&mut attributes, "/3/0/7", &["pmin=9"]).unwrap();
        write(&mut attributes, "/3/0/7", &["pmin"]).unwrap();
        assert_eq!(attributes.own(Path::resource(3, 0, 7)), Periods::default());
    }

    #[test]
    fn refuses_what_means_nothing() {
        let mut attributes = Attributes::default();
        for part in ["pmin=x", "pmin=-1", "color=1", "=5", ""] {
            assert_eq!(write(&mut attributes, "/3", &[part]), Err(AttributeError::Unusable), "{part}");
        }
        assert_eq!(write(&mut attributes, "/3", &["pmin=9", "pmax=8"]), Err(AttributeError::Unusable));
        for number in 0..32 {
            attributes.write(Path::object(number), [&b"pmin=1"[..]].into_iter()).unwrap();
        }
        assert_eq!(write(&mut attributes, "/99", &["pmin=1"]), Err(AttributeError::Full));
    }
}

//! The wall clock, for what people and the database see. Protocols use `net::Clock`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// A point in time: microseconds since 1970 in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Moment(pub i64);

impl Moment {
    /// The moment so much later.
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(time.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long this is after `earlier`; zero if it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).try_into().unwrap_or_default())
    }
}

impl fmt::Display for Moment {
    /// As RFC 3339, such as `2026-07-01T08:13:37.000000Z`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Out of range only if the database was changed by hand.
        let timestamp = Timestamp::from_microsecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        write!(formatter, "{timestamp:.6}")
    }
}

/// Where the wall clock is read. Tests give their own.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> Moment + Send + Sync>);

impl WallClock {
    /// The clock of the system.
    pub fn system() -> Self {
        Self(Arc::new(|| Moment(Timestamp::now().as_microsecond())))
    }

    /// A clock that `read` makes up.
    pub fn from_fn(read: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// What it shows.
    pub fn now(&self) -> Moment {
        (self.0)()
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WallClock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_shown_in_utc_with_microseconds() {
        assert_eq!(Moment(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(Moment(1_767_225_600_000_001).to_string(), "2026-01-01T00:00:00.000001Z");
    }
}

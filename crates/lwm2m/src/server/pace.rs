//! How often something may happen, in eight bytes.

use core::time::Duration;

use machine::Instant;

/// The moment at which nothing is left to be counted (the generic cell rate algorithm of ITU-T I.371: a
/// bucket without a level to keep up to date).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Pace(Instant);

impl Pace {
    /// Counts once, or says how long to wait: `burst` at once, then one each `interval`.
    pub(super) fn take(&mut self, interval: Duration, burst: u32, now: Instant) -> Result<(), Duration> {
        let ahead = self.0 - now;
        let room = interval.saturating_mul(burst.saturating_sub(1));
        if ahead > room {
            return Err(ahead - room);
        }
        self.0 = self.0.max(now) + interval;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_each_interval() {
        let (mut pace, interval) = (Pace::default(), Duration::from_secs(5));
        let start = Instant::from_secs(100);
        assert!((0..5).all(|_| pace.take(interval, 5, start).is_ok()));
        assert_eq!(pace.take(interval, 5, start), Err(Duration::from_secs(5)));
        assert!(pace.take(interval, 5, start + interval).is_ok());
        assert!(pace.take(interval, 5, start + interval).is_err());
        let later = start + Duration::from_secs(1_000);
        assert!((0..5).all(|_| pace.take(interval, 5, later).is_ok()));
        assert!((0..100).all(|_| Pace::default().take(Duration::ZERO, 1, start).is_ok()));
    }
}

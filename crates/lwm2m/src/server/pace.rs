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
        self.take_many(1, interval, burst, now)
    }

    /// Counts so many at once. More than `burst` never pass.
    pub(super) fn take_many(
        &mut self,
        count: u32,
        interval: Duration,
        burst: u32,
        now: Instant,
    ) -> Result<(), Duration> {
        let ahead = self.0 - now;
        let room = interval.saturating_mul(burst.saturating_sub(count));
        if ahead > room || count > burst {
            return Err(ahead.saturating_sub(room));
        }
        self.0 = self.0.max(now) + interval.saturating_mul(count);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_like_pieces_of_their_number() {
        let (mut pace, interval) = (Pace::default(), Duration::from_micros(1_000));
        let start = Instant::from_secs(100);
        assert_eq!(pace.take_many(600, interval, 1_000, start), Ok(()));
        assert_eq!(pace.take_many(400, interval, 1_000, start), Ok(()));
        assert_eq!(pace.take_many(300, interval, 1_000, start), Err(Duration::from_millis(300)));
        assert!(pace.take_many(300, interval, 1_000, start + Duration::from_millis(300)).is_ok());
        assert!(Pace::default().take_many(1_001, interval, 1_000, start).is_err());
    }

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

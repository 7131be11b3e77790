//! The clock of the shells.

use std::time::Duration;

use machine::Instant;

/// The one place that reads the system's monotonic clock.
///
/// Copies share their start, so the instants of all shards of a process can be compared.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: std::time::Instant,
}

impl Clock {
    /// A clock that stands at [`Instant::ZERO`] now.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the shell's clock; everything else gets the time from it"
    )]
    pub fn start() -> Self {
        Self { started: std::time::Instant::now() }
    }

    /// The time now.
    pub fn now(&self) -> Instant {
        let micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Instant::from_micros(micros)
    }

    /// When `at` is, in the runtime's terms.
    pub(crate) fn deadline(&self, at: Instant) -> tokio::time::Instant {
        (self.started + Duration::from_micros(at.as_micros())).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_share_their_start_and_time_never_goes_back() {
        let clock = Clock::start();
        let copy = clock;
        let first = clock.now();
        assert!(copy.now() >= first);
        assert_eq!(clock.deadline(first), copy.deadline(first));
    }
}

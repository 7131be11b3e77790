//! Randomness as a seed.

use core::fmt;
use core::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};

/// 32 bytes from the operating system; tests pass a fixed one.
pub type Seed = [u8; 32];

/// A cryptographically strong generator that is the same for the same seed.
#[derive(Clone)]
pub struct Random(ChaCha12Rng);

impl Random {
    /// The generator of this seed.
    pub fn new(seed: Seed) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// A generator for tests and simulations, from a number that is easy to print and to type.
    pub fn from_number(number: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(number))
    }

    /// A seed for a machine of its own, independent of what this generator gives later.
    pub fn seed(&mut self) -> Seed {
        let mut seed = Seed::default();
        self.fill(&mut seed);
        seed
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// The next 32 bits.
    pub fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// The next 64 bits.
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from zero to below `bound`; zero if `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high half of a 128-bit product: its bias is below 2^-64 * bound, far under what anything
        // here could notice.
        ((u128::from(self.u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True with this probability (0.0 never, 1.0 always).
    pub fn chance(&mut self, probability: f64) -> bool {
        let unit = (self.u64() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < probability
    }

    /// A duration from `shortest` to `longest`, both included.
    pub fn duration(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let range = longest.saturating_sub(shortest).as_micros();
        let range = u64::try_from(range).unwrap_or(u64::MAX - 1);
        shortest + Duration::from_micros(self.below(range.saturating_add(1)))
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The state would let a reader of logs predict tokens.
        formatter.write_str("Random(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_gives_same_numbers() {
        let (mut one, mut two) = (Random::from_number(5), Random::from_number(5));
        assert!((0..100).all(|_| one.u64() == two.u64()));
        assert_ne!(Random::from_number(6).u64(), Random::from_number(5).u64());
    }

    #[test]
    fn bounds_are_kept() {
        let mut random = Random::from_number(1);
        assert!((0..1_000).all(|_| random.below(7) < 7));
        assert_eq!(random.below(0), 0);
        assert!((0..1_000).all(|_| !random.chance(0.0)));
        assert!((0..1_000).all(|_| random.chance(1.0)));
        let (low, high) = (Duration::from_secs(2), Duration::from_secs(3));
        assert!((0..1_000).all(|_| (low..=high).contains(&random.duration(low, high))));
    }
}

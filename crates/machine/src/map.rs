//! Maps for keys that peers choose.

use core::hash::{BuildHasher, Hasher};

use siphasher::sip::SipHasher13;

use crate::Random;

/// Looks up by keys that peers choose (addresses, tokens, identities).
///
/// The hasher is keyed from the seed, so a peer cannot aim for collisions. Iterating is banned by
/// `clippy.toml`, since the order would leak into behaviour.
pub type Map<K, V> = hashbrown::HashMap<K, V, KeyedState>;

/// The key of a [`Map`]'s hasher.
#[derive(Clone)]
pub struct KeyedState(u64, u64);

impl KeyedState {
    /// A key drawn from `random`.
    pub fn new(random: &mut Random) -> Self {
        Self(random.u64(), random.u64())
    }
}

impl BuildHasher for KeyedState {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher(SipHasher13::new_with_keys(self.0, self.1))
    }
}

impl core::fmt::Debug for KeyedState {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("KeyedState(..)")
    }
}

/// SipHash-1-3 with the key of a [`KeyedState`].
#[derive(Debug)]
pub struct KeyedHasher(SipHasher13);

/// Numbers have a way of their own, several times as fast as that of bytes.
impl Hasher for KeyedHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.0.finish()
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.0.write_u8(number);
    }

    #[inline]
    fn write_u16(&mut self, number: u16) {
        self.0.write_u16(number);
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.0.write_u32(number);
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0.write_u64(number);
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.0.write_usize(number);
    }
}

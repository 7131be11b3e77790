//! From the pre-shared key to the secrets of a session.

use hmac::{Hmac, KeyInit, Mac};
use machine::Random;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::resumption::{Print, print_of};
use crate::suite::Role;
use crate::wire::hello::HelloRandom;

/// The longest pre-shared key, in bytes.
const MAX_KEY: usize = 64;
/// 128 bits: as long as most keys are.
pub(crate) const USUAL_KEY: usize = 16;
/// The length of what a Finished proves itself with (RFC 5246 section 7.4.9).
pub(crate) const VERIFY_DATA: usize = 12;

/// The randoms of both hellos.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Randoms {
    pub(crate) client: HelloRandom,
    pub(crate) server: HelloRandom,
}

/// The master secret, wiped when dropped.
#[derive(Clone)]
pub(crate) struct MasterSecret(Zeroizing<[u8; 48]>);

impl MasterSecret {
    /// From the key and both randoms (RFC 5246 section 8.1).
    pub(crate) fn classic(key: &PresharedKey, randoms: &Randoms) -> Self {
        key.with_premaster(b"master secret", &[&randoms.client, &randoms.server])
    }

    /// From the key and all messages up to the ClientKeyExchange (RFC 7627).
    pub(crate) fn extended(key: &PresharedKey, transcript: &Sha256) -> Self {
        key.with_premaster(b"extended master secret", &[&transcript.clone().finalize()])
    }

    pub(crate) fn from_bytes(bytes: &[u8; 48]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; 48] {
        &self.0
    }

    /// The key block (RFC 5246 section 6.3).
    pub(crate) fn expand_keys(&self, randoms: &Randoms, block: &mut [u8]) {
        expand(self.0.as_ref(), b"key expansion", &[&randoms.server, &randoms.client], block);
    }

    /// What the Finished of this side must say about the messages before it.
    pub(crate) fn verify_data(&self, side: Role, transcript: &Sha256) -> [u8; VERIFY_DATA] {
        let label: &[u8] = match side {
            Role::Client => b"client finished",
            Role::Server => b"server finished",
        };
        let mut data = [0; VERIFY_DATA];
        expand(self.0.as_ref(), label, &[&transcript.clone().finalize()], &mut data);
        data
    }
}

/// A pre-shared key of 1 to 64 bytes, wiped when dropped.
pub(crate) struct PresharedKey {
    bytes: Zeroizing<[u8; MAX_KEY]>,
    length: usize,
}

impl PresharedKey {
    /// `None` if the key is empty or too long.
    pub(crate) fn new(key: &[u8]) -> Option<Self> {
        if key.is_empty() {
            return None;
        }
        let mut bytes = Zeroizing::new([0; MAX_KEY]);
        bytes.get_mut(..key.len())?.copy_from_slice(key);
        Some(Self { bytes, length: key.len() })
    }

    /// A key that nobody knows. The time that a key costs depends on its length: this one must have that of a
    /// key which is known.
    pub(crate) fn random(length: usize, random: &mut Random) -> Self {
        let mut bytes = Zeroizing::new([0; MAX_KEY]);
        let length = length.clamp(1, MAX_KEY);
        random.fill(&mut bytes[..length]);
        Self { bytes, length }
    }

    /// Tells this key from others.
    pub(crate) fn print(&self) -> Print {
        print_of(&self.bytes[..self.length])
    }

    /// The premaster secret is the key behind as many zeros, both with their length (RFC 4279 section 2).
    fn with_premaster(&self, label: &[u8], seed: &[&[u8]]) -> MasterSecret {
        let mut premaster = Zeroizing::new([0; 4 + 2 * MAX_KEY]);
        let length = self.length;
        let prefix = (length as u16).to_be_bytes();
        premaster[..2].copy_from_slice(&prefix);
        premaster[2 + length..4 + length].copy_from_slice(&prefix);
        premaster[4 + length..4 + 2 * length].copy_from_slice(&self.bytes[..length]);
        let mut master = Zeroizing::new([0; 48]);
        expand(&premaster[..4 + 2 * length], label, seed, master.as_mut());
        MasterSecret(master)
    }
}

/// The pseudorandom function with SHA-256 (RFC 5246 section 5).
fn expand(secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    #[cfg(test)]
    work::count(&[secret.len(), label.len(), seed.iter().map(|part| part.len()).sum(), out.len()]);
    let keyed = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).expect("HMAC takes keys of any length");
    let with_seed = |mut mac: Hmac<Sha256>| {
        mac.update(label);
        seed.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes()
    };
    let mut chain = with_seed(keyed.clone());
    let mut chunks = out.chunks_mut(32).peekable();
    while let Some(chunk) = chunks.next() {
        let chained = || keyed.clone().chain_update(chain);
        let output = with_seed(chained());
        chunk.copy_from_slice(&output[..chunk.len()]);
        if chunks.peek().is_some() {
            chain = chained().finalize().into_bytes();
        }
    }
}

/// What was put into the function, and got out of it: its time depends on nothing else.
#[cfg(test)]
pub(crate) mod work {
    use alloc::vec::Vec;
    use core::cell::RefCell;

    std::thread_local! {
        static DONE: RefCell<Vec<[usize; 4]>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn count(lengths: &[usize; 4]) {
        DONE.with_borrow_mut(|done| done.push(*lengths));
    }

    /// Everything since the last time.
    pub(crate) fn take() -> Vec<[usize; 4]> {
        DONE.take()
    }
}

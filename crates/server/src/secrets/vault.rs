//! Encrypts device keys for the database.

use std::fmt;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{NoRandomness, Psk, random};

/// The key from which all others are derived. It lives in a file of its own, never in the database.
#[derive(Clone)]
pub struct KeyEncryptionKey(pub(super) Zeroizing<[u8; 32]>);

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// Whose key it is. A sealed key opens for this owner only, so rows cannot be exchanged in the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner<'a> {
    /// The domain of the device.
    pub domain: &'a str,
    /// The id of the device.
    pub device: &'a str,
    /// What the key is for, such as `psk`.
    pub kind: &'a str,
    /// Which of the device's keys of that kind, counted from one.
    pub version: i64,
}

/// An encrypted key: one byte of format, 12 bytes of nonce, the ciphertext and its 16 bytes of tag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedKey(pub Vec<u8>);

/// Tells whether two keys are equal without telling anything else about them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint(pub Vec<u8>);

/// A sealed key does not open: it was changed, or it belongs to another owner or key file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a stored device key does not open: it was changed, or encrypted with another key file")]
pub struct Unsealable;

/// Seals and opens device keys (SECURITY rule k01).
#[derive(Clone)]
pub struct Vault {
    master: KeyEncryptionKey,
}

impl fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Vault(***)")
    }
}

const FORMAT: u8 = 1;
const NONCE_LENGTH: usize = 12;

impl Vault {
    /// A vault that derives its keys from `master`.
    pub fn new(master: KeyEncryptionKey) -> Self {
        Self { master }
    }

    /// Encrypts a key for its owner under a fresh nonce.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn seal(&self, owner: Owner<'_>, psk: &Psk) -> Result<SealedKey, NoRandomness> {
        let nonce = random::<NONCE_LENGTH>()?;
        let payload = Payload { msg: psk.as_bytes(), aad: &bound_to(owner) };
        let ciphertext = self
            .cipher(owner.domain)
            .encrypt(&Nonce::from(nonce), payload)
            .expect("AES-GCM takes every message of this length");
        Ok(SealedKey([&[FORMAT], nonce.as_slice(), &ciphertext].concat()))
    }

    /// Decrypts a key of this owner.
    ///
    /// # Errors
    /// The bytes are not what was sealed for this owner.
    pub fn open(&self, owner: Owner<'_>, sealed: &SealedKey) -> Result<Psk, Unsealable> {
        let (format, rest) = sealed.0.split_first().ok_or(Unsealable)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LENGTH>().ok_or(Unsealable)?;
        if *format != FORMAT {
            return Err(Unsealable);
        }
        let payload = Payload { msg: ciphertext, aad: &bound_to(owner) };
        let plaintext =
            self.cipher(owner.domain).decrypt(&Nonce::from(*nonce), payload).map_err(|_| Unsealable)?;
        Ok(Psk::from_bytes(plaintext))
    }

    /// The fingerprint by which a key used twice is noticed.
    pub fn fingerprint(&self, psk: &Psk) -> Fingerprint {
        Fingerprint(self.mac(b"updraft key fingerprint 1", psk.as_bytes()))
    }

    /// A value that only this key file gives: stored beside the data, it tells a wrong file at once.
    pub fn check_value(&self) -> Vec<u8> {
        self.mac(b"updraft key check 1", b"")
    }

    /// 32 secret bytes for this purpose, the same whenever this key file is used.
    pub fn secret(&self, purpose: &[u8]) -> [u8; 32] {
        *self.derive(&[purpose])
    }

    fn mac(&self, purpose: &[u8], message: &[u8]) -> Vec<u8> {
        let key = self.derive(&[purpose]);
        let mut mac =
            <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_slice()).expect("HMAC takes keys of any length");
        mac.update(message);
        mac.finalize().into_bytes().to_vec()
    }

    fn cipher(&self, domain: &str) -> Aes256Gcm {
        let key = self.derive(&[b"updraft key encryption 1 ", domain.as_bytes()]);
        Aes256Gcm::new_from_slice(key.as_slice()).expect("the key has 32 bytes")
    }

    fn derive(&self, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, self.master.0.as_slice())
            .expand_multi_info(info, key.as_mut_slice())
            .expect("HKDF gives up to 8,160 bytes");
        key
    }
}

/// What a sealed key is bound to: each part with its length before it, so that no two owners look alike.
fn bound_to(owner: Owner<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [owner.domain, owner.device, owner.kind, &owner.version.to_string()] {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Owner<'_> = Owner { domain: "/", device: "one", kind: "psk", version: 1 };

    fn vault(byte: u8) -> Vault {
        Vault::new(KeyEncryptionKey(Zeroizing::new([byte; 32])))
    }

    fn psk() -> Psk {
        Psk::from_bytes(vec![7; 32])
    }

    #[test]
    fn sec_k01_opens_for_its_owner_only() {
        let sealed = vault(1).seal(ONE, &psk()).unwrap();
        assert_eq!(vault(1).open(ONE, &sealed), Ok(psk()));
        let others = [
            Owner { domain: "/a", ..ONE },
            Owner { device: "two", ..ONE },
            Owner { kind: "bootstrap", ..ONE },
            Owner { version: 2, ..ONE },
        ];
        for other in others {
            assert_eq!(vault(1).open(other, &sealed), Err(Unsealable), "{other:?}");
        }
        assert_eq!(vault(2).open(ONE, &sealed), Err(Unsealable));
    }

    #[test]
    fn sec_k01_notices_every_changed_byte() {
        let sealed = vault(1).seal(ONE, &psk()).unwrap();
        for at in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[at] ^= 1;
            assert_eq!(vault(1).open(ONE, &changed), Err(Unsealable), "byte {at}");
        }
        for length in 0..sealed.0.len() {
            assert_eq!(vault(1).open(ONE, &SealedKey(sealed.0[..length].to_vec())), Err(Unsealable));
        }
    }

    #[test]
    fn sec_k01_the_same_key_never_looks_the_same() {
        assert_ne!(vault(1).seal(ONE, &psk()).unwrap(), vault(1).seal(ONE, &psk()).unwrap());
    }

    #[test]
    fn fingerprints_tell_equal_keys_and_depend_on_the_key_file() {
        assert_eq!(vault(1).fingerprint(&psk()), vault(1).fingerprint(&psk()));
        assert_ne!(vault(1).fingerprint(&psk()), vault(1).fingerprint(&Psk::from_bytes(vec![8; 32])));
        assert_ne!(vault(1).fingerprint(&psk()), vault(2).fingerprint(&psk()));
        assert_ne!(vault(1).check_value(), vault(2).check_value());
    }
}

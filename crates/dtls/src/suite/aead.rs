//! Authenticated encryption of records (RFC 5246 section 6.2.3.3).

use alloc::vec::Vec;
use core::marker::PhantomData;

use ccm::aead::{AeadInPlace, KeyInit, Nonce, Tag};
use ccm::consts::{U12, U16};
use zeroize::Zeroize;

use super::{Associated, Role, Unauthentic};

/// A cipher with the key and nonce sizes that TLS gives to all of AES-128-CCM, CCM_8 and GCM.
pub(crate) trait Cipher: AeadInPlace<NonceSize = U12> + KeyInit<KeySize = U16> {}

impl<C: AeadInPlace<NonceSize = U12> + KeyInit<KeySize = U16>> Cipher for C {}

/// The part of the nonce that travels with the record: the record's own position, which never repeats.
const EXPLICIT_NONCE: usize = 8;
const KEY: usize = 16;
const SALT: usize = 4;
/// How much the key expansion must give.
pub(super) const KEY_BLOCK: usize = 2 * (KEY + SALT);

/// Keys for both directions. Only the bare keys are kept: expanding one costs some 50 ns a record, keeping it
/// expanded would cost 350 bytes a session.
pub(crate) struct AeadKeys<C> {
    read: Half,
    write: Half,
    cipher: PhantomData<fn() -> C>,
}

struct Half {
    key: [u8; KEY],
    salt: [u8; SALT],
}

impl Drop for Half {
    fn drop(&mut self) {
        self.key.zeroize();
        self.salt.zeroize();
    }
}

impl<C: Cipher> AeadKeys<C> {
    /// The order of RFC 5246 section 6.3 without MAC keys: client key, server key, client salt, server salt.
    pub(super) fn split(block: &[u8; KEY_BLOCK], role: Role) -> Self {
        let half = |number: usize| {
            let (mut key, mut salt) = ([0; KEY], [0; SALT]);
            key.copy_from_slice(&block[number * KEY..][..KEY]);
            salt.copy_from_slice(&block[2 * KEY + number * SALT..][..SALT]);
            Half { key, salt }
        };
        let (client, server) = (half(0), half(1));
        let (read, write) = match role {
            Role::Client => (server, client),
            Role::Server => (client, server),
        };
        Self { read, write, cipher: PhantomData }
    }

    /// Client key, server key, client salt, server salt, as if we were the client.
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.write.key);
        out.extend_from_slice(&self.read.key);
        out.extend_from_slice(&self.write.salt);
        out.extend_from_slice(&self.read.salt);
    }

    #[expect(clippy::unused_self, reason = "all keys are asked in the same way")]
    pub(super) fn fragment_length(&self, plaintext: usize) -> usize {
        EXPLICIT_NONCE + plaintext + size_of::<Tag<C>>()
    }

    /// Fills `fragment`, which has the length that [`Self::fragment_length`] says, with both parts of the
    /// content.
    pub(super) fn seal(&self, associated: &Associated<'_>, content: [&[u8]; 2], fragment: &mut [u8]) {
        let length = content[0].len() + content[1].len();
        let (explicit, rest) = fragment.split_at_mut(EXPLICIT_NONCE);
        let (body, tag) = rest.split_at_mut(length);
        explicit.copy_from_slice(&associated.position.0.to_be_bytes());
        body[..content[0].len()].copy_from_slice(content[0]);
        body[content[0].len()..].copy_from_slice(content[1]);
        let sealed = self
            .write
            .cipher::<C>()
            .encrypt_in_place_detached(
                &self.write.nonce::<C>(explicit),
                associated.bytes(length).as_slice(),
                body,
            )
            .expect("a record is shorter than any limit of the ciphers");
        tag.copy_from_slice(&sealed);
    }

    pub(super) fn open(&self, associated: &Associated<'_>, fragment: &[u8]) -> Result<Vec<u8>, Unauthentic> {
        let (explicit, rest) = fragment.split_at_checked(EXPLICIT_NONCE).ok_or(Unauthentic)?;
        let length = rest.len().checked_sub(size_of::<Tag<C>>()).ok_or(Unauthentic)?;
        let (body, tag) = rest.split_at(length);
        let mut plaintext = body.to_vec();
        self.read
            .cipher::<C>()
            .decrypt_in_place_detached(
                &self.read.nonce::<C>(explicit),
                associated.bytes(length).as_slice(),
                &mut plaintext,
                tag.into(),
            )
            .map_err(|_| Unauthentic)?;
        Ok(plaintext)
    }
}

impl Half {
    fn cipher<C: Cipher>(&self) -> C {
        C::new(&self.key.into())
    }

    fn nonce<C: Cipher>(&self, explicit: &[u8]) -> Nonce<C> {
        let mut nonce = Nonce::<C>::default();
        nonce[..SALT].copy_from_slice(&self.salt);
        nonce[SALT..].copy_from_slice(explicit);
        nonce
    }
}

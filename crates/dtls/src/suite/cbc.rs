//! AES-128-CBC with HMAC-SHA256 (RFC 5246 section 6.2.3.2, RFC 7366).

use alloc::vec::Vec;

use aes::Aes128;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::{Associated, Role, Unauthentic, fixed_time_mac};

pub(super) const BLOCK: usize = 16;
pub(super) const MAC: usize = 32;
const KEY: usize = 16;
/// How much the key expansion must give.
pub(super) const KEY_BLOCK: usize = 2 * (MAC + KEY);

/// Keys for both directions.
pub(crate) struct CbcKeys {
    read: Half,
    write: Half,
    encrypt_then_mac: bool,
}

struct Half {
    mac: [u8; MAC],
    key: [u8; KEY],
}

impl Drop for Half {
    fn drop(&mut self) {
        self.mac.zeroize();
        self.key.zeroize();
    }
}

impl CbcKeys {
    /// The order of RFC 5246 section 6.3: client MAC, server MAC, client key, server key.
    pub(super) fn split(block: &[u8; KEY_BLOCK], encrypt_then_mac: bool, role: Role) -> Self {
        let half = |number: usize| {
            let (mut mac, mut key) = ([0; MAC], [0; KEY]);
            mac.copy_from_slice(&block[number * MAC..][..MAC]);
            key.copy_from_slice(&block[2 * MAC + number * KEY..][..KEY]);
            Half { mac, key }
        };
        let (client, server) = (half(0), half(1));
        let (read, write) = match role {
            Role::Client => (server, client),
            Role::Server => (client, server),
        };
        Self { read, write, encrypt_then_mac }
    }

    /// Client MAC, server MAC, client key, server key, as if we were the client.
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.write.mac);
        out.extend_from_slice(&self.read.mac);
        out.extend_from_slice(&self.write.key);
        out.extend_from_slice(&self.read.key);
    }

    pub(super) const fn encrypts_then_macs(&self) -> bool {
        self.encrypt_then_mac
    }

    /// Initialization vector, content, MAC and padding; the MAC is inside or behind the encrypted part.
    pub(super) const fn fragment_length(&self, plaintext: usize) -> usize {
        let (inside, behind) = if self.encrypt_then_mac { (0, MAC) } else { (MAC, 0) };
        BLOCK + padded(plaintext + inside) + behind
    }

    /// Fills `fragment`, which has the length that [`Self::fragment_length`] says, with both parts of the
    /// content.
    pub(super) fn seal(
        &self,
        associated: &Associated<'_>,
        content: [&[u8]; 2],
        vector: [u8; BLOCK],
        fragment: &mut [u8],
    ) {
        let behind = if self.encrypt_then_mac { MAC } else { 0 };
        let (encrypted, mac_behind) = fragment.split_at_mut(fragment.len() - behind);
        let (front, body) = encrypted.split_at_mut(BLOCK);
        front.copy_from_slice(&vector);
        let mut end = content[0].len() + content[1].len();
        body[..content[0].len()].copy_from_slice(content[0]);
        body[content[0].len()..end].copy_from_slice(content[1]);
        if !self.encrypt_then_mac {
            let mac = self.write.mac(associated.bytes(end).as_slice(), &body[..end]);
            body[end..end + MAC].copy_from_slice(&mac);
            end += MAC;
        }
        // Every byte of the padding says how many others there are.
        let padding = (body.len() - end - 1) as u8;
        body[end..].fill(padding);
        self.write.encrypt(&vector, body);
        if self.encrypt_then_mac {
            let header = associated.bytes(encrypted.len());
            mac_behind.copy_from_slice(&self.write.mac(header.as_slice(), encrypted));
        }
    }

    pub(super) fn open(&self, associated: &Associated<'_>, fragment: &[u8]) -> Result<Vec<u8>, Unauthentic> {
        if self.encrypt_then_mac {
            self.open_checked_first(associated, fragment)
        } else {
            self.open_checked_last(associated, fragment)
        }
    }

    fn open_checked_first(
        &self,
        associated: &Associated<'_>,
        fragment: &[u8],
    ) -> Result<Vec<u8>, Unauthentic> {
        let length = fragment.len().checked_sub(MAC).ok_or(Unauthentic)?;
        let (encrypted, mac) = fragment.split_at(length);
        let header = associated.bytes(length);
        if !bool::from(self.read.mac(header.as_slice(), encrypted).ct_eq(mac)) {
            return Err(Unauthentic);
        }
        let mut plaintext = self.read.decrypt(encrypted).ok_or(Unauthentic)?;
        // Authentic from here on, so nobody learns anything from what is wrong with the padding.
        let padding = usize::from(*plaintext.last().ok_or(Unauthentic)?);
        let length = plaintext.len().checked_sub(padding + 1).ok_or(Unauthentic)?;
        if plaintext[length..].iter().any(|byte| usize::from(*byte) != padding) {
            return Err(Unauthentic);
        }
        plaintext.truncate(length);
        Ok(plaintext)
    }

    fn open_checked_last(
        &self,
        associated: &Associated<'_>,
        fragment: &[u8],
    ) -> Result<Vec<u8>, Unauthentic> {
        let mut plaintext = self.read.decrypt(fragment).ok_or(Unauthentic)?;
        if plaintext.len() < padded(MAC) {
            return Err(Unauthentic);
        }
        // The length field is filled in by the check: only it knows how much is content.
        let header = associated.bytes(0);
        let content = fixed_time_mac::content_length(&self.read.mac, header.as_slice(), &plaintext)
            .ok_or(Unauthentic)?;
        plaintext.truncate(content);
        Ok(plaintext)
    }
}

impl Half {
    fn mac(&self, header: &[u8], content: &[u8]) -> [u8; MAC] {
        let mut mac =
            <Hmac<Sha256> as KeyInit>::new_from_slice(&self.mac).expect("HMAC takes keys of any length");
        mac.update(header);
        mac.update(content);
        mac.finalize().into_bytes().into()
    }

    /// Encrypts whole blocks.
    fn encrypt(&self, vector: &[u8; BLOCK], body: &mut [u8]) {
        let mut encryptor = cbc::Encryptor::<Aes128>::new(&self.key.into(), &(*vector).into());
        for block in body.chunks_exact_mut(BLOCK) {
            encryptor.encrypt_block_mut(block.into());
        }
    }

    /// Decrypts what follows the vector; `None` if that is not whole blocks.
    fn decrypt(&self, encrypted: &[u8]) -> Option<Vec<u8>> {
        let (vector, body) = encrypted.split_first_chunk::<BLOCK>()?;
        let mut plaintext = body.to_vec();
        cbc::Decryptor::<Aes128>::new(&self.key.into(), &(*vector).into())
            .decrypt_padded_mut::<NoPadding>(&mut plaintext)
            .ok()?;
        Some(plaintext)
    }
}

/// The length with at least one byte of padding.
const fn padded(length: usize) -> usize {
    (length / BLOCK + 1) * BLOCK
}

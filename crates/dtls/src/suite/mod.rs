//! Cipher suites: how the records of a session are protected.

mod aead;
mod cbc;
mod fixed_time_mac;

use alloc::boxed::Box;
use alloc::vec::Vec;

use aes::Aes128;
use ccm::Ccm;
use ccm::consts::{U8, U12};
use machine::Random;
use zeroize::Zeroizing;

use self::aead::AeadKeys;
use self::cbc::CbcKeys;
use crate::secrets::{MasterSecret, Randoms};
use crate::wire::Version;
use crate::wire::record::{self, ContentType, Position, Record};

/// A cipher suite that this crate speaks. All of them prove identities by pre-shared keys (RFC 4279).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Suite {
    /// `TLS_PSK_WITH_AES_128_CCM_8`, 0xC0A8 (RFC 6655), the one that LwM2M requires.
    PskAes128Ccm8,
    /// `TLS_PSK_WITH_AES_128_CBC_SHA256`, 0x00AE (RFC 5487), the only one of some Quectel modules. Used with
    /// encrypt-then-MAC (RFC 7366) where both sides can.
    PskAes128CbcSha256,
}

impl Suite {
    /// All suites, the most wanted first.
    pub const ALL: [Self; 2] = [Self::PskAes128Ccm8, Self::PskAes128CbcSha256];

    /// The number of the suite in the IANA registry.
    pub const fn code(self) -> u16 {
        match self {
            Self::PskAes128Ccm8 => 0xC0A8,
            Self::PskAes128CbcSha256 => 0x00AE,
        }
    }

    /// The suite of this number, if it is spoken here.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.code() == code)
    }

    /// Whether encrypt-then-MAC means anything to it (RFC 7366 section 3).
    pub(crate) const fn separates_mac(self) -> bool {
        matches!(self, Self::PskAes128CbcSha256)
    }
}

/// Which side of a handshake we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Client,
    Server,
}

/// A record that fails its check. Why is nobody's business.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unauthentic;

/// The keys of a session, wiped when dropped. A further suite is a further variant.
pub(crate) enum Keys {
    Ccm8(AeadKeys<Ccm<Aes128, U8, U12>>),
    Cbc(Box<CbcKeys>),
}

impl Keys {
    /// Expands the master secret (RFC 5246 section 6.3).
    pub(crate) fn derive(
        suite: Suite,
        encrypt_then_mac: bool,
        master: &MasterSecret,
        randoms: &Randoms,
        role: Role,
    ) -> Self {
        match suite {
            Suite::PskAes128Ccm8 => {
                let mut block = Zeroizing::new([0; aead::KEY_BLOCK]);
                master.expand_keys(randoms, block.as_mut());
                Self::Ccm8(AeadKeys::split(&block, role))
            }
            Suite::PskAes128CbcSha256 => {
                let mut block = Zeroizing::new([0; cbc::KEY_BLOCK]);
                master.expand_keys(randoms, block.as_mut());
                Self::Cbc(Box::new(CbcKeys::split(&block, encrypt_then_mac, role)))
            }
        }
    }

    pub(crate) const fn suite(&self) -> Suite {
        match self {
            Self::Ccm8(_) => Suite::PskAes128Ccm8,
            Self::Cbc(_) => Suite::PskAes128CbcSha256,
        }
    }

    /// The length of a record that carries this many bytes.
    pub(crate) fn record_length(&self, plaintext: usize) -> usize {
        record::HEADER_LENGTH + self.fragment_length(plaintext)
    }

    fn fragment_length(&self, plaintext: usize) -> usize {
        match self {
            Self::Ccm8(_) => AeadKeys::<Ccm<Aes128, U8, U12>>::fragment_length(plaintext),
            Self::Cbc(keys) => keys.fragment_length(plaintext),
        }
    }

    /// Writes a record to the front of `out`, which must hold [`Self::record_length`] bytes, and returns its
    /// length. A position must never be used twice.
    pub(crate) fn seal(
        &self,
        kind: ContentType,
        position: Position,
        plaintext: &[u8],
        random: &mut Random,
        out: &mut [u8],
    ) -> usize {
        let length = self.fragment_length(plaintext.len());
        let (header, rest) = out.split_at_mut(record::HEADER_LENGTH);
        header.copy_from_slice(&record::header(kind, Version::DTLS_1_2, position, length));
        let fragment = &mut rest[..length];
        match self {
            Self::Ccm8(keys) => keys.seal(kind, position, plaintext, fragment),
            Self::Cbc(keys) => {
                let mut vector = [0; cbc::BLOCK];
                random.fill(&mut vector);
                keys.seal(kind, position, plaintext, vector, fragment);
            }
        }
        record::HEADER_LENGTH + length
    }

    pub(crate) fn open(&self, record: &Record<'_>) -> Result<Vec<u8>, Unauthentic> {
        match self {
            Self::Ccm8(keys) => keys.open(record),
            Self::Cbc(keys) => keys.open(record),
        }
    }
}

/// What every suite authenticates beside the content: position, type, version and a length
/// (RFC 5246 sections 6.2.3.1 and 6.2.3.3).
fn authenticated_header(kind: ContentType, position: Position, length: usize) -> [u8; record::HEADER_LENGTH] {
    let mut header = [0; record::HEADER_LENGTH];
    header[..8].copy_from_slice(&position.0.to_be_bytes());
    header[8] = kind.0;
    header[9..11].copy_from_slice(&Version::DTLS_1_2.0.to_be_bytes());
    header[11..].copy_from_slice(&(length as u16).to_be_bytes());
    header
}

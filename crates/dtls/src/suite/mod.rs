//! Cipher suites: how the records of a session are protected.

mod aead;
mod cbc;
mod fixed_time_mac;

use alloc::boxed::Box;
use alloc::vec::Vec;

use aes::Aes128;
use aes_gcm::Aes128Gcm;
use ccm::Ccm;
use ccm::consts::{U8, U12, U16};
use machine::Random;
use zeroize::Zeroizing;

use self::aead::AeadKeys;
use self::cbc::CbcKeys;
use crate::channel::MAX_PEER_CONNECTION_ID;
use crate::secrets::{MasterSecret, Randoms};
use crate::wire::Version;
use crate::wire::reader::Reader;
use crate::wire::record::{self, ContentType, Position, Record};

/// A cipher suite that this crate speaks. All of them prove identities by pre-shared keys (RFC 4279).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Suite {
    /// `TLS_PSK_WITH_AES_128_CCM_8`, 0xC0A8 (RFC 6655), the one that LwM2M requires.
    PskAes128Ccm8,
    /// `TLS_PSK_WITH_AES_128_CCM`, 0xC0A4 (RFC 6655): CCM_8 with all 16 bytes of the tag.
    PskAes128Ccm,
    /// `TLS_PSK_WITH_AES_128_GCM_SHA256`, 0x00A8 (RFC 5487).
    PskAes128Gcm,
    /// `TLS_PSK_WITH_AES_128_CBC_SHA256`, 0x00AE (RFC 5487), the only one of some Quectel modules. Used with
    /// encrypt-then-MAC (RFC 7366) where both sides can.
    PskAes128CbcSha256,
}

impl Suite {
    /// All suites, the most wanted first: by the bytes that a record takes on a narrow radio link.
    pub const ALL: [Self; 4] =
        [Self::PskAes128Ccm8, Self::PskAes128Ccm, Self::PskAes128Gcm, Self::PskAes128CbcSha256];

    /// The number of the suite in the IANA registry.
    pub const fn code(self) -> u16 {
        match self {
            Self::PskAes128Ccm8 => 0xC0A8,
            Self::PskAes128Ccm => 0xC0A4,
            Self::PskAes128Gcm => 0x00A8,
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

type Ccm8 = Ccm<Aes128, U8, U12>;
type Ccm16 = Ccm<Aes128, U16, U12>;

/// The keys of a session, wiped when dropped. A further suite is a further variant.
pub(crate) enum Keys {
    Ccm8(AeadKeys<Ccm8>),
    Ccm(AeadKeys<Ccm16>),
    Gcm(AeadKeys<Aes128Gcm>),
    Cbc(Box<CbcKeys>),
}

/// Runs the same code with the keys of any suite.
macro_rules! with_keys {
    ($keys:expr, $name:ident => $code:expr) => {
        match $keys {
            Keys::Ccm8($name) => $code,
            Keys::Ccm($name) => $code,
            Keys::Gcm($name) => $code,
            Keys::Cbc($name) => $code,
        }
    };
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
        if suite == Suite::PskAes128CbcSha256 {
            let mut block = Zeroizing::new([0; cbc::KEY_BLOCK]);
            master.expand_keys(randoms, block.as_mut());
            return Self::Cbc(Box::new(CbcKeys::split(&block, encrypt_then_mac, role)));
        }
        let mut block = Zeroizing::new([0; aead::KEY_BLOCK]);
        master.expand_keys(randoms, block.as_mut());
        Self::of_aead(suite, &block, role)
    }

    fn of_aead(suite: Suite, block: &[u8; aead::KEY_BLOCK], role: Role) -> Self {
        match suite {
            Suite::PskAes128Ccm => Self::Ccm(AeadKeys::split(block, role)),
            Suite::PskAes128Gcm => Self::Gcm(AeadKeys::split(block, role)),
            _ => Self::Ccm8(AeadKeys::split(block, role)),
        }
    }

    /// Appends the bare keys, for [`Self::parse`].
    pub(crate) fn push(&self, out: &mut Vec<u8>) {
        with_keys!(self, keys => keys.push(out));
    }

    pub(crate) fn parse(suite: Suite, encrypt_then_mac: bool, reader: &mut Reader<'_>) -> Option<Self> {
        Some(match suite {
            Suite::PskAes128CbcSha256 => {
                // They stand as a client has them, whoever we are.
                Self::Cbc(Box::new(CbcKeys::split(reader.array()?, encrypt_then_mac, Role::Client)))
            }
            suite => Self::of_aead(suite, reader.array()?, Role::Client),
        })
    }

    /// The same keys once more.
    pub(crate) fn duplicate(&self) -> Option<Self> {
        let mut bare = Zeroizing::new(Vec::with_capacity(cbc::KEY_BLOCK));
        self.push(&mut bare);
        Self::parse(self.suite(), self.encrypts_then_macs(), &mut Reader(&bare))
    }

    pub(crate) const fn suite(&self) -> Suite {
        match self {
            Self::Ccm8(_) => Suite::PskAes128Ccm8,
            Self::Ccm(_) => Suite::PskAes128Ccm,
            Self::Gcm(_) => Suite::PskAes128Gcm,
            Self::Cbc(_) => Suite::PskAes128CbcSha256,
        }
    }

    pub(crate) const fn encrypts_then_macs(&self) -> bool {
        match self {
            Self::Cbc(keys) => keys.encrypts_then_macs(),
            _ => false,
        }
    }

    /// The length of a record to this connection id that carries this many bytes.
    pub(crate) fn record_length(&self, connection_id: &[u8], plaintext: usize) -> usize {
        let inner = plaintext + usize::from(!connection_id.is_empty());
        record::HEADER_LENGTH + connection_id.len() + self.fragment_length(inner)
    }

    fn fragment_length(&self, plaintext: usize) -> usize {
        with_keys!(self, keys => keys.fragment_length(plaintext))
    }

    /// Writes a record to the front of `out`, which must hold [`Self::record_length`] bytes, and returns its
    /// length. A position must never be used twice.
    pub(crate) fn seal(&self, outgoing: &Outgoing<'_>, random: &mut Random, out: &mut [u8]) -> usize {
        let kind = [outgoing.kind.0];
        // With a connection id the type is the last byte inside (RFC 9146 section 4).
        let (kind, tail) = match outgoing.connection_id {
            [] => (outgoing.kind, &[][..]),
            _ => (ContentType::WITH_CONNECTION_ID, &kind[..]),
        };
        let associated =
            Associated { kind, position: outgoing.position, connection_id: outgoing.connection_id };
        let length = self.fragment_length(outgoing.plaintext.len() + tail.len());
        let end = record::HEADER_LENGTH + outgoing.connection_id.len();
        let (header, rest) = out.split_at_mut(end);
        associated.push_record_header(length, header);
        let content = [outgoing.plaintext, tail];
        let fragment = &mut rest[..length];
        match self {
            Self::Ccm8(keys) => keys.seal(&associated, content, fragment),
            Self::Ccm(keys) => keys.seal(&associated, content, fragment),
            Self::Gcm(keys) => keys.seal(&associated, content, fragment),
            Self::Cbc(keys) => {
                let mut vector = [0; cbc::BLOCK];
                random.fill(&mut vector);
                keys.seal(&associated, content, vector, fragment);
            }
        }
        end + length
    }

    /// What a record carries, and of which kind that is.
    pub(crate) fn open(&self, record: &Record<'_>) -> Result<(ContentType, Vec<u8>), Unauthentic> {
        let connection_id = record.connection_id.as_ref().map_or(&[][..], |id| &id.0);
        let associated = Associated { kind: record.kind, position: record.position, connection_id };
        let mut plaintext = with_keys!(self, keys => keys.open(&associated, record.fragment))?;
        if record.connection_id.is_none() {
            return Ok((record.kind, plaintext));
        }
        // The type is the last byte that is not zero; zeros behind it hide the length.
        let length = plaintext.iter().rposition(|byte| *byte != 0).ok_or(Unauthentic)?;
        let kind = ContentType(plaintext[length]);
        plaintext.truncate(length);
        Ok((kind, plaintext))
    }
}

/// A record to be.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) kind: ContentType,
    pub(crate) position: Position,
    /// Empty where the peer wants none.
    pub(crate) connection_id: &'a [u8],
    pub(crate) plaintext: &'a [u8],
}

/// What every suite authenticates beside the content.
struct Associated<'a> {
    kind: ContentType,
    position: Position,
    connection_id: &'a [u8],
}

/// The associated data as bytes: at most those with the longest connection id.
struct AssociatedBytes {
    bytes: [u8; Self::CAPACITY],
    length: usize,
}

impl AssociatedBytes {
    const CAPACITY: usize = 23 + MAX_PEER_CONNECTION_ID;

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Associated<'_> {
    /// Position, type, version and a length (RFC 5246 sections 6.2.3.1 and 6.2.3.3); with a connection id what
    /// RFC 9146 section 5 says.
    fn bytes(&self, length: usize) -> AssociatedBytes {
        let mut bytes = [0; AssociatedBytes::CAPACITY];
        let end = match self.connection_id {
            [] => {
                bytes[..8].copy_from_slice(&self.position.0.to_be_bytes());
                bytes[8] = self.kind.0;
                bytes[9..11].copy_from_slice(&Version::DTLS_1_2.0.to_be_bytes());
                11
            }
            id => {
                bytes[..8].fill(0xFF);
                bytes[8..11].copy_from_slice(&[self.kind.0, id.len() as u8, self.kind.0]);
                bytes[11..13].copy_from_slice(&Version::DTLS_1_2.0.to_be_bytes());
                bytes[13..21].copy_from_slice(&self.position.0.to_be_bytes());
                bytes[21..21 + id.len()].copy_from_slice(id);
                21 + id.len()
            }
        };
        bytes[end..end + 2].copy_from_slice(&(length as u16).to_be_bytes());
        AssociatedBytes { bytes, length: end + 2 }
    }

    fn push_record_header(&self, length: usize, out: &mut [u8]) {
        let header = record::header(self.kind, Version::DTLS_1_2, self.position, length);
        let (start, end) = header.split_at(record::HEADER_LENGTH - 2);
        let id_end = start.len() + self.connection_id.len();
        out[..start.len()].copy_from_slice(start);
        out[start.len()..id_end].copy_from_slice(self.connection_id);
        out[id_end..].copy_from_slice(end);
    }
}

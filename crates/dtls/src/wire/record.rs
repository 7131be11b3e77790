//! The record layer (RFC 6347 section 4.1, RFC 9146 section 4).

use alloc::vec::Vec;

use super::Version;
use super::reader::Reader;
use crate::connection_id::ConnectionId;

/// Type, version, epoch, sequence number and length.
pub(crate) const HEADER_LENGTH: usize = 13;

/// The most that a record carries in clear (RFC 5246 section 6.2.1).
pub(crate) const MAX_PLAINTEXT: usize = 1 << 14;

/// The most that a protected record carries (RFC 5246 section 6.2.3).
const MAX_CIPHERTEXT: usize = MAX_PLAINTEXT + 2_048;

/// What a record carries; unknown types keep their number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ContentType(pub(crate) u8);

impl ContentType {
    pub(crate) const CHANGE_CIPHER_SPEC: Self = Self(20);
    pub(crate) const ALERT: Self = Self(21);
    pub(crate) const HANDSHAKE: Self = Self(22);
    pub(crate) const APPLICATION_DATA: Self = Self(23);
    /// A record with a connection id; what it carries is said inside.
    pub(crate) const WITH_CONNECTION_ID: Self = Self(25);
}

/// Where a record stands: its epoch in the upper 16 bits, its sequence number in the lower 48.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Position(pub(crate) u64);

impl Position {
    pub(crate) const SEQUENCE_MASK: u64 = (1 << 48) - 1;

    pub(crate) const fn new(epoch: u16, sequence: u64) -> Self {
        Self(((epoch as u64) << 48) | (sequence & Self::SEQUENCE_MASK))
    }

    pub(crate) const fn epoch(self) -> u16 {
        (self.0 >> 48) as u16
    }

    pub(crate) const fn sequence(self) -> u64 {
        self.0 & Self::SEQUENCE_MASK
    }
}

/// One record, as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) kind: ContentType,
    pub(crate) version: Version,
    pub(crate) position: Position,
    pub(crate) connection_id: Option<ConnectionId>,
    pub(crate) fragment: &'a [u8],
}

impl Record<'_> {
    /// The record as it came, to be read again later.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let [start @ .., length_high, length_low] =
            header(self.kind, self.version, self.position, self.fragment.len());
        let mut bytes = start.to_vec();
        bytes.extend(self.connection_id.iter().flat_map(|id| id.0));
        bytes.extend_from_slice(&[length_high, length_low]);
        bytes.extend_from_slice(self.fragment);
        bytes
    }
}

/// Splits a datagram into records. `Err` ends it: behind a broken header nothing can be found.
pub(crate) struct Records<'a>(Reader<'a>);

/// The bytes are no record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed;

impl<'a> Records<'a> {
    pub(crate) const fn of(datagram: &'a [u8]) -> Self {
        Self(Reader(datagram))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let record = parse(&mut self.0);
        if record.is_none() {
            self.0 = Reader(&[]);
        }
        Some(record.ok_or(Malformed))
    }
}

fn parse<'a>(reader: &mut Reader<'a>) -> Option<Record<'a>> {
    let kind = ContentType(reader.u8()?);
    let version = Version(reader.u16()?);
    let epoch = reader.u16()?;
    let sequence = reader.u48()?;
    // Those who send us connection ids send ours: all of one length.
    let connection_id = match kind {
        ContentType::WITH_CONNECTION_ID => Some(ConnectionId(*reader.array()?)),
        _ => None,
    };
    let fragment = reader.vector16()?;
    // Only the major version: mbedTLS says 0xFE00 in its first ClientHello.
    let plausible = version.0 >> 8 == 0xFE && !fragment.is_empty() && fragment.len() <= MAX_CIPHERTEXT;
    plausible.then_some(Record {
        kind,
        version,
        position: Position::new(epoch, sequence),
        connection_id,
        fragment,
    })
}

/// The connection id of the first record in a datagram.
pub(crate) fn peek_connection_id(datagram: &[u8]) -> Option<[u8; ConnectionId::LENGTH]> {
    if *datagram.first()? != ContentType::WITH_CONNECTION_ID.0 {
        return None;
    }
    datagram.get(HEADER_LENGTH - 2..)?.first_chunk().copied()
}

/// The header of a record whose fragment has this length.
pub(crate) fn header(
    kind: ContentType,
    version: Version,
    position: Position,
    length: usize,
) -> [u8; HEADER_LENGTH] {
    let mut header = [0; HEADER_LENGTH];
    header[0] = kind.0;
    header[1..3].copy_from_slice(&version.0.to_be_bytes());
    header[3..11].copy_from_slice(&position.0.to_be_bytes());
    header[11..].copy_from_slice(&(length as u16).to_be_bytes());
    header
}

/// Appends an unprotected record.
pub(crate) fn push_plain(
    out: &mut Vec<u8>,
    kind: ContentType,
    version: Version,
    sequence: u64,
    fragment: &[u8],
) {
    out.extend_from_slice(&header(kind, version, Position::new(0, sequence), fragment.len()));
    out.extend_from_slice(fragment);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let mut bytes = Vec::new();
        push_plain(&mut bytes, ContentType::ALERT, Version::DTLS_1_2, 0x0102_0304_0506, &[1, 0]);
        let record = Records::of(&bytes).next().unwrap().unwrap();
        assert_eq!((record.kind, record.version), (ContentType::ALERT, Version::DTLS_1_2));
        assert_eq!((record.position.epoch(), record.position.sequence()), (0, 0x0102_0304_0506));
        assert_eq!(record.fragment, [1, 0]);
    }

    #[test]
    fn connection_id_stands_before_the_length() {
        let bytes = [25, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, 0, 2, 0xAA, 0xBB];
        let record = Records::of(&bytes).next().unwrap().unwrap();
        assert_eq!(record.connection_id, Some(ConnectionId([1, 2, 3, 4, 5, 6, 7, 8])));
        assert_eq!((record.position.epoch(), record.fragment), (1, &[0xAA, 0xBB][..]));
        assert_eq!(record.to_bytes(), bytes);
        assert_eq!(peek_connection_id(&bytes), Some([1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(peek_connection_id(&bytes[..18]), None);
        assert!((11..bytes.len()).all(|length| Records::of(&bytes[..length]).next().unwrap().is_err()));
    }

    #[test]
    fn what_follows_a_broken_header_is_not_read() {
        let mut bytes = Vec::new();
        push_plain(&mut bytes, ContentType::ALERT, Version::DTLS_1_2, 1, &[1, 0]);
        bytes.extend_from_slice(&[22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 1, 2, 3]);
        let read: Vec<bool> = Records::of(&bytes).map(|record| record.is_ok()).collect();
        assert_eq!(read, [true, false]);
    }
}

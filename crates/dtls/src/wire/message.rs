//! Handshake messages and their fragments (RFC 6347 section 4.2.2).

use alloc::vec::Vec;

use super::reader::Reader;

/// Type, length, message number, fragment offset and fragment length.
pub(crate) const HEADER_LENGTH: usize = 12;

/// A whole Finished message: its header and 12 bytes of verify data.
pub(crate) const FINISHED_LENGTH: usize = HEADER_LENGTH + 12;

/// What a handshake message is; unknown ones keep their number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MessageType(pub(crate) u8);

impl MessageType {
    pub(crate) const HELLO_REQUEST: Self = Self(0);
    pub(crate) const CLIENT_HELLO: Self = Self(1);
    pub(crate) const SERVER_HELLO: Self = Self(2);
    pub(crate) const HELLO_VERIFY_REQUEST: Self = Self(3);
    pub(crate) const NEW_SESSION_TICKET: Self = Self(4);
    pub(crate) const SERVER_KEY_EXCHANGE: Self = Self(12);
    pub(crate) const SERVER_HELLO_DONE: Self = Self(14);
    pub(crate) const CLIENT_KEY_EXCHANGE: Self = Self(16);
    pub(crate) const FINISHED: Self = Self(20);
}

/// A part of a handshake message, or all of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment<'a> {
    pub(crate) kind: MessageType,
    /// Of the whole message.
    pub(crate) length: usize,
    pub(crate) sequence: u16,
    pub(crate) offset: usize,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// The message, if this is all of it.
    pub(crate) fn whole(&self) -> Option<Message<'a>> {
        (self.bytes.len() == self.length).then_some(Message {
            kind: self.kind,
            sequence: self.sequence,
            body: self.bytes,
        })
    }
}

/// The fragments in one record; `None` ends it where a header is broken.
pub(crate) struct Fragments<'a>(Reader<'a>);

impl<'a> Fragments<'a> {
    pub(crate) const fn of(record: &'a [u8]) -> Self {
        Self(Reader(record))
    }
}

impl<'a> Iterator for Fragments<'a> {
    type Item = Option<Fragment<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let fragment = parse(&mut self.0);
        if fragment.is_none() {
            self.0 = Reader(&[]);
        }
        Some(fragment)
    }
}

fn parse<'a>(reader: &mut Reader<'a>) -> Option<Fragment<'a>> {
    let kind = MessageType(reader.u8()?);
    let length = reader.u24()? as usize;
    let sequence = reader.u16()?;
    let offset = reader.u24()? as usize;
    let fragment_length = reader.u24()? as usize;
    let bytes = reader.take(fragment_length)?;
    (offset + fragment_length <= length).then_some(Fragment { kind, length, sequence, offset, bytes })
}

/// A whole handshake message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: MessageType,
    pub(crate) sequence: u16,
    pub(crate) body: &'a [u8],
}

impl Message<'_> {
    /// The header of the message when it is not fragmented, as it enters the transcript.
    pub(crate) fn header(&self) -> [u8; HEADER_LENGTH] {
        let length = (self.body.len() as u32).to_be_bytes();
        let mut header = [0; HEADER_LENGTH];
        header[0] = self.kind.0;
        header[1..4].copy_from_slice(&length[1..]);
        header[4..6].copy_from_slice(&self.sequence.to_be_bytes());
        header[9..].copy_from_slice(&length[1..]);
        header
    }

    /// Appends the message as one fragment.
    pub(crate) fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header());
        out.extend_from_slice(self.body);
    }
}

/// The identity in a ClientKeyExchange (RFC 4279 section 2).
pub(crate) fn parse_identity(body: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader(body);
    let identity = reader.vector16()?;
    reader.is_empty().then_some(identity)
}

/// Whether this is the body of a ServerKeyExchange: an identity hint, which LwM2M has no use for.
pub(crate) fn is_identity_hint(body: &[u8]) -> bool {
    let mut reader = Reader(body);
    reader.vector16().is_some() && reader.is_empty()
}

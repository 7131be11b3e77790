//! Messages that are ready to be sent, and how they are written.

use alloc::sync::Arc;
use core::ops::Range;

use crate::option::encode_uint;
use crate::{Code, EncodeError, Encoder, Kind, MessageId, OptionNumber, Options, Token};

/// A message as it goes out. Cloning copies no bytes, so repeating and replaying are cheap and give the
/// same bytes each time.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    head: Arc<[u8]>,
    part: Option<Part>,
}

/// A part of shared bytes.
#[derive(Clone, Debug)]
pub(super) struct Part {
    bytes: Arc<[u8]>,
    start: u32,
    length: u16,
}

impl Part {
    /// Ranges are those of blocks, so they start below 2^30 and are at most 1,024 bytes long; what a
    /// datagram cannot hold is cut.
    pub(super) fn new(bytes: Arc<[u8]>, range: Range<usize>) -> Self {
        let length = range.len().min(usize::from(u16::MAX)) as u16;
        Self { bytes, start: range.start as u32, length }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start as usize..][..usize::from(self.length)]
    }
}

impl Datagram {
    /// An acknowledgement or reset without content.
    pub(super) fn empty(kind: Kind, message_id: MessageId) -> Self {
        let [high, low] = message_id.0.to_be_bytes();
        Self { head: Arc::new([1 << 6 | kind.bits() << 4, 0, high, low]), part: None }
    }

    /// Bytes that belong to this datagram alone.
    pub(super) fn own_bytes(&self) -> usize {
        self.head.len()
    }

    /// How long it is on the wire.
    pub(super) fn bytes(&self) -> usize {
        self.head.len() + self.part.as_ref().map_or(0, |part| usize::from(part.length))
    }

    /// Writes the datagram; `None` if it does not fit.
    pub(super) fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        let (head, rest) = buffer.split_at_mut_checked(self.head.len())?;
        head.copy_from_slice(&self.head);
        let part = self.part.as_ref().map_or(&[][..], Part::as_slice);
        rest.get_mut(..part.len())?.copy_from_slice(part);
        Some(head.len() + part.len())
    }
}

/// What a message is made of.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) kind: Kind,
    pub(super) code: Code,
    pub(super) message_id: MessageId,
    pub(super) token: Token,
    pub(super) options: &'a Options,
    pub(super) changes: Changes,
    pub(super) body: Body<'a>,
}

/// The payload of a draft.
#[derive(Debug)]
pub(super) enum Body<'a> {
    Copied(&'a [u8]),
    Part(Part),
}

/// Options with a number as value that are set or removed on top of those that a message has.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Changes {
    entries: [(u16, Option<u32>); Changes::ROOM],
    length: usize,
}

impl Changes {
    /// Observe, Block2, Block1, Size2 and Size1.
    const ROOM: usize = 5;

    pub(super) fn set(&mut self, number: OptionNumber, value: u32) -> &mut Self {
        self.insert(number, Some(value))
    }

    pub(super) fn remove(&mut self, number: OptionNumber) -> &mut Self {
        self.insert(number, None)
    }

    /// These changes and others.
    pub(super) fn and(mut self, others: &Self) -> Self {
        for (number, value) in others.entries() {
            self.insert(OptionNumber(*number), *value);
        }
        self
    }

    fn insert(&mut self, number: OptionNumber, value: Option<u32>) -> &mut Self {
        let known = self.entries[..self.length].iter().position(|(found, _)| *found == number.0);
        let place = known.unwrap_or(self.length);
        self.entries[place] = (number.0, value);
        self.length = self.length.max(place + 1);
        self.entries[..self.length].sort_unstable_by_key(|(number, _)| *number);
        self
    }

    fn entries(&self) -> &[(u16, Option<u32>)] {
        &self.entries[..self.length]
    }
}

impl Draft<'_> {
    /// Writes the message by way of `scratch`, which is as long as a datagram may be.
    pub(super) fn compose(self, scratch: &mut [u8]) -> Result<Datagram, EncodeError> {
        let room = scratch.len();
        let mut encoder = Encoder::new(scratch, self.kind, self.code, self.message_id, self.token);
        write_options(&mut encoder, self.options, &self.changes);
        let part = match self.body {
            Body::Copied(bytes) => {
                encoder.payload(bytes);
                None
            }
            Body::Part(part) if part.length == 0 => None,
            Body::Part(part) => {
                encoder.payload_marker();
                Some(part)
            }
        };
        let length = encoder.finish()?;
        if length + part.as_ref().map_or(0, |part| usize::from(part.length)) > room {
            return Err(EncodeError::BufferFull);
        }
        Ok(Datagram { head: Arc::from(&scratch[..length]), part })
    }
}

fn write_options(encoder: &mut Encoder<'_>, options: &Options, changes: &Changes) {
    let mut waiting = changes.entries().iter().peekable();
    let write = |encoder: &mut Encoder<'_>, (number, value): &(u16, Option<u32>)| {
        if let Some(value) = value {
            let (bytes, length) = encode_uint(*value);
            encoder.option(OptionNumber(*number), &bytes[4 - length..]);
        }
    };
    for (number, value) in options {
        while let Some(change) = waiting.next_if(|(changed, _)| *changed <= number.0) {
            write(encoder, change);
        }
        if !changes.entries().iter().any(|(changed, _)| *changed == number.0) {
            encoder.option(number, value);
        }
    }
    waiting.for_each(|change| write(encoder, change));
}

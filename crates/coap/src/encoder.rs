//! Writing a message into a caller's buffer.

use core::fmt;

use crate::option::{PAYLOAD_MARKER, encode_uint, option_head};
use crate::{Code, Kind, MessageId, OptionNumber, Token};

/// Writes one message. Options come in the order of their numbers, the payload last.
///
/// What goes wrong on the way is kept and told by [`Encoder::finish`], so calls can be chained.
#[derive(Debug)]
pub struct Encoder<'b> {
    buffer: &'b mut [u8],
    length: usize,
    number: u16,
    fault: Option<EncodeError>,
}

impl<'b> Encoder<'b> {
    /// Starts with header and token.
    pub fn new(buffer: &'b mut [u8], kind: Kind, code: Code, message_id: MessageId, token: Token) -> Self {
        let mut encoder = Self { buffer, length: 0, number: 0, fault: None };
        let [high, low] = message_id.0.to_be_bytes();
        let first = 1 << 6 | kind.bits() << 4 | token.as_bytes().len() as u8;
        encoder.write(&[first, code.0, high, low]);
        encoder.write(token.as_bytes());
        encoder
    }

    /// Appends an option; its number must not be below the one before.
    pub fn option(&mut self, number: OptionNumber, value: &[u8]) -> &mut Self {
        let Some(delta) = number.0.checked_sub(self.number) else {
            self.fault.get_or_insert(EncodeError::OptionOrder);
            return self;
        };
        if value.len() > MAX_OPTION_LENGTH {
            self.fault.get_or_insert(EncodeError::OptionLength);
            return self;
        }
        let (head, length) = option_head(delta, value.len());
        self.write(&head[..length]);
        self.write(value);
        self.number = number.0;
        self
    }

    /// Appends an option with a number as value.
    pub fn option_uint(&mut self, number: OptionNumber, value: u32) -> &mut Self {
        let (bytes, length) = encode_uint(value);
        self.option(number, &bytes[4 - length..])
    }

    /// Appends the payload; an empty one leaves no trace.
    pub fn payload(&mut self, payload: &[u8]) -> &mut Self {
        if !payload.is_empty() {
            self.payload_marker().write(payload);
        }
        self
    }

    /// Appends the marker of a payload that the caller writes behind this message's bytes.
    pub(crate) fn payload_marker(&mut self) -> &mut Self {
        self.write(&[PAYLOAD_MARKER]);
        self
    }

    /// How long the message is, in bytes.
    pub fn finish(&self) -> Result<usize, EncodeError> {
        self.fault.map_or(Ok(self.length), Err)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.length..self.length + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.length += bytes.len();
            }
            None => {
                self.fault.get_or_insert(EncodeError::BufferFull);
            }
        }
    }
}

/// What fits into an option's length field (RFC 7252 section 3.1).
const MAX_OPTION_LENGTH: usize = 269 + u16::MAX as usize;

/// Why a message could not be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EncodeError {
    /// The buffer is too small.
    BufferFull,
    /// An option came behind one with a higher number.
    OptionOrder,
    /// An option's value is longer than an option can be.
    OptionLength,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::BufferFull => "the message does not fit into the buffer",
            Self::OptionOrder => "options are not in the order of their numbers",
            Self::OptionLength => "an option's value is too long",
        })
    }
}

impl core::error::Error for EncodeError {}

//! Reading a datagram: bytes to a checked view, without a copy.

use core::fmt;

use crate::option::{PAYLOAD_MARKER, split_option};
use crate::{Code, Kind, MessageId, OptionIter, OptionNumber, Token};

/// Where the fields of the fixed header are (RFC 7252 section 3, figure 7).
mod field {
    pub(super) const HEADER_LENGTH: usize = 4;
    pub(super) const VERSION_SHIFT: u8 = 6;
    pub(super) const VERSION: u8 = 1;
    pub(super) const KIND_SHIFT: u8 = 4;
    pub(super) const TOKEN_LENGTH: u8 = 0x0f;
}

/// A datagram that is a message: everything in it has been checked, nothing has been copied but the token.
///
/// ```
/// use coap::{Code, Encoder, Kind, Message, MessageId, OptionNumber, Token};
///
/// let mut buffer = [0; 64];
/// let token = Token::new(&[0x4a]).unwrap();
/// let mut encoder = Encoder::new(&mut buffer, Kind::Confirmable, Code::GET, MessageId(0x1234), token);
/// encoder.option(OptionNumber::URI_PATH, b"rd");
/// let length = encoder.finish().unwrap();
/// assert_eq!(&buffer[..length], b"\x41\x01\x12\x34\x4a\xb2rd");
///
/// let message = Message::parse(&buffer[..length]).unwrap();
/// assert_eq!(message.code(), Code::GET);
/// assert_eq!(message.options().next(), Some((OptionNumber::URI_PATH, &b"rd"[..])));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    kind: Kind,
    code: Code,
    message_id: MessageId,
    token: Token,
    options: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Checks a datagram. An empty message (code 0.00) is returned like any other; what to do with it
    /// depends on its kind.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let Some((header, rest)) = datagram.split_first_chunk::<{ field::HEADER_LENGTH }>() else {
            return Err(ParseError { fault: Fault::TooShort, reply: Reply::Drop });
        };
        if header[0] >> field::VERSION_SHIFT != field::VERSION {
            return Err(ParseError { fault: Fault::Version, reply: Reply::Drop });
        }
        let kind = Kind::from_bits(header[0] >> field::KIND_SHIFT);
        let message_id = MessageId(u16::from_be_bytes([header[2], header[3]]));
        let token_length = usize::from(header[0] & field::TOKEN_LENGTH);
        Self::parse_body(kind, Code(header[1]), message_id, token_length, rest).map_err(|fault| {
            // Rejecting means a reset for a confirmable message and silence for all others
            // (RFC 7252 section 4.2 and 4.3).
            let confirmable = kind == Kind::Confirmable;
            ParseError { fault, reply: if confirmable { Reply::Reset(message_id) } else { Reply::Drop } }
        })
    }

    fn parse_body(
        kind: Kind,
        code: Code,
        message_id: MessageId,
        token_length: usize,
        rest: &'a [u8],
    ) -> Result<Self, Fault> {
        check_code(kind, code)?;
        if code == Code::EMPTY && (token_length != 0 || !rest.is_empty()) {
            return Err(Fault::EmptyWithContent);
        }
        if token_length > Token::MAX_LENGTH {
            return Err(Fault::TokenLength);
        }
        let (token, rest) = rest.split_at_checked(token_length).ok_or(Fault::TokenCut)?;
        let token = Token::new(token).ok_or(Fault::TokenLength)?;
        let (options, payload) = split_payload(rest)?;
        Ok(Self { kind, code, message_id, token, options, payload })
    }

    /// How the message is to be treated.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What it asks for or answers.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Its message id.
    pub const fn message_id(&self) -> MessageId {
        self.message_id
    }

    /// Its token.
    pub const fn token(&self) -> Token {
        self.token
    }

    /// Its options in the order of their numbers.
    pub const fn options(&self) -> OptionIter<'a> {
        OptionIter::new(self.options)
    }

    /// The value of the first option with this number.
    pub fn option(&self, number: OptionNumber) -> Option<&'a [u8]> {
        self.options().find(|(found, _)| *found == number).map(|(_, value)| value)
    }

    /// The options as they are on the wire, without the payload marker.
    pub const fn option_bytes(&self) -> &'a [u8] {
        self.options
    }

    /// Its payload, empty if there is none.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

fn check_code(kind: Kind, code: Code) -> Result<(), Fault> {
    match (code.class(), kind) {
        (0, Kind::NonConfirmable) if code == Code::EMPTY => Err(Fault::EmptyNonConfirmable),
        (0, _) if code == Code::EMPTY => Ok(()),
        (_, Kind::Reset) => Err(Fault::ResetWithCode),
        (0, Kind::Acknowledgement) => Err(Fault::RequestInAcknowledgement),
        (0 | 2..=5, _) => Ok(()),
        _ => Err(Fault::ReservedClass),
    }
}

fn split_payload(bytes: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let (mut rest, mut number) = (bytes, 0);
    while let Some((next, _, behind)) = split_option(rest, number)? {
        (number, rest) = (next, behind);
    }
    let options = &bytes[..bytes.len() - rest.len()];
    match rest.split_first() {
        None => Ok((options, &[])),
        Some((&PAYLOAD_MARKER, [])) => Err(Fault::MarkerWithoutPayload),
        Some((_, payload)) => Ok((options, payload)),
    }
}

/// Why a datagram is not a message, and what its receiver owes the sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// What is wrong.
    pub fault: Fault,
    /// How to answer.
    pub reply: Reply,
}

impl fmt::Display for ParseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "not a CoAP message: {}", self.fault)
    }
}

impl core::error::Error for ParseError {}

/// How to answer a datagram that is not a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// With nothing.
    Drop,
    /// With a reset of this message id.
    Reset(MessageId),
}

/// What is wrong with a datagram.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fault {
    /// Less than the fixed header of four bytes.
    TooShort,
    /// Another version than 1.
    Version,
    /// A token longer than eight bytes.
    TokenLength,
    /// The token runs past the end.
    TokenCut,
    /// An empty message with bytes behind its message id (RFC 7252 section 4.1).
    EmptyWithContent,
    /// An empty message that is not confirmable asks for nothing.
    EmptyNonConfirmable,
    /// A reset that is not empty.
    ResetWithCode,
    /// A request in an acknowledgement.
    RequestInAcknowledgement,
    /// Code class 1, 6 or 7.
    ReservedClass,
    /// A reserved option delta, or its extension runs past the end.
    OptionDelta,
    /// A reserved option length, or the option runs past the end.
    OptionLength,
    /// An option number above 65,535.
    OptionNumber,
    /// The payload marker with nothing behind it.
    MarkerWithoutPayload,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TooShort => "shorter than four bytes",
            Self::Version => "unknown version",
            Self::TokenLength => "token longer than eight bytes",
            Self::TokenCut => "token runs past the end",
            Self::EmptyWithContent => "empty message with content",
            Self::EmptyNonConfirmable => "empty message that is not confirmable",
            Self::ResetWithCode => "reset that is not empty",
            Self::RequestInAcknowledgement => "request in an acknowledgement",
            Self::ReservedClass => "reserved code class",
            Self::OptionDelta => "bad option delta",
            Self::OptionLength => "bad option length",
            Self::OptionNumber => "option number above 65535",
            Self::MarkerWithoutPayload => "payload marker without payload",
        })
    }
}

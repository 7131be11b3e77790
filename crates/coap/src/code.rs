//! What a message asks for or answers, and how it travels.

use core::fmt;

/// Class and detail of a message, `c.dd` (RFC 7252 section 3; sections 5.8 and 5.9 list the values).
///
/// Unknown values are kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u8);

impl Code {
    /// 0.00: neither request nor response.
    pub const EMPTY: Self = Self(0x00);
    /// 0.01
    pub const GET: Self = Self(0x01);
    /// 0.02
    pub const POST: Self = Self(0x02);
    /// 0.03
    pub const PUT: Self = Self(0x03);
    /// 0.04
    pub const DELETE: Self = Self(0x04);
    /// 0.05 (RFC 8132)
    pub const FETCH: Self = Self(0x05);
    /// 0.06 (RFC 8132)
    pub const PATCH: Self = Self(0x06);
    /// 0.07 (RFC 8132)
    pub const IPATCH: Self = Self(0x07);
    /// 2.01
    pub const CREATED: Self = Self(0x41);
    /// 2.02
    pub const DELETED: Self = Self(0x42);
    /// 2.03
    pub const VALID: Self = Self(0x43);
    /// 2.04
    pub const CHANGED: Self = Self(0x44);
    /// 2.05
    pub const CONTENT: Self = Self(0x45);
    /// 2.31 (RFC 7959)
    pub const CONTINUE: Self = Self(0x5f);
    /// 4.00
    pub const BAD_REQUEST: Self = Self(0x80);
    /// 4.01
    pub const UNAUTHORIZED: Self = Self(0x81);
    /// 4.02
    pub const BAD_OPTION: Self = Self(0x82);
    /// 4.03
    pub const FORBIDDEN: Self = Self(0x83);
    /// 4.04
    pub const NOT_FOUND: Self = Self(0x84);
    /// 4.05
    pub const METHOD_NOT_ALLOWED: Self = Self(0x85);
    /// 4.06
    pub const NOT_ACCEPTABLE: Self = Self(0x86);
    /// 4.08 (RFC 7959)
    pub const REQUEST_ENTITY_INCOMPLETE: Self = Self(0x88);
    /// 4.09 (RFC 8132)
    pub const CONFLICT: Self = Self(0x89);
    /// 4.12
    pub const PRECONDITION_FAILED: Self = Self(0x8c);
    /// 4.13
    pub const REQUEST_ENTITY_TOO_LARGE: Self = Self(0x8d);
    /// 4.15
    pub const UNSUPPORTED_CONTENT_FORMAT: Self = Self(0x8f);
    /// 4.22 (RFC 8132)
    pub const UNPROCESSABLE_ENTITY: Self = Self(0x96);
    /// 4.29 (RFC 8516)
    pub const TOO_MANY_REQUESTS: Self = Self(0x9d);
    /// 5.00
    pub const INTERNAL_SERVER_ERROR: Self = Self(0xa0);
    /// 5.01
    pub const NOT_IMPLEMENTED: Self = Self(0xa1);
    /// 5.02
    pub const BAD_GATEWAY: Self = Self(0xa2);
    /// 5.03
    pub const SERVICE_UNAVAILABLE: Self = Self(0xa3);
    /// 5.04
    pub const GATEWAY_TIMEOUT: Self = Self(0xa4);
    /// 5.05
    pub const PROXYING_NOT_SUPPORTED: Self = Self(0xa5);

    /// The digit before the dot.
    pub const fn class(self) -> u8 {
        self.0 >> 5
    }

    /// The two digits behind the dot, 0 to 31.
    pub const fn detail(self) -> u8 {
        self.0 & 0x1f
    }

    /// A method, known or not.
    pub const fn is_request(self) -> bool {
        self.class() == 0 && self.0 != 0
    }

    /// A response, good or bad. Class 3 has no meaning yet, so it is a response but no success.
    pub const fn is_response(self) -> bool {
        self.class() >= 2 && self.class() <= 5
    }

    /// Class 2.
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }

    /// A method that this crate knows (RFC 7252 section 5.8, RFC 8132).
    pub const fn is_known_method(self) -> bool {
        self.0 >= Self::GET.0 && self.0 <= Self::IPATCH.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:02}", self.class(), self.detail())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// How a message is to be treated by its receiver (RFC 7252 section 4.2 and 4.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Wants an acknowledgement and is repeated until one comes.
    Confirmable,
    /// Sent once.
    NonConfirmable,
    /// A confirmable message has arrived; may carry the response.
    Acknowledgement,
    /// The message makes no sense to its receiver.
    Reset,
}

impl Kind {
    pub(crate) const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0 => Self::Confirmable,
            1 => Self::NonConfirmable,
            2 => Self::Acknowledgement,
            _ => Self::Reset,
        }
    }

    pub(crate) const fn bits(self) -> u8 {
        match self {
            Self::Confirmable => 0,
            Self::NonConfirmable => 1,
            Self::Acknowledgement => 2,
            Self::Reset => 3,
        }
    }
}

/// Matches acknowledgements and resets to messages and tells copies apart (RFC 7252 section 4.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u16);

impl fmt::Debug for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MessageId({:04x})", self.0)
    }
}

/// Matches responses to requests: 0 to 8 bytes that only their author understands (RFC 7252 section 5.3.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Token {
    length: u8,
    bytes: [u8; Token::MAX_LENGTH],
}

impl Token {
    /// The longest token, in bytes.
    pub const MAX_LENGTH: usize = 8;
    /// The token of zero bytes, which is a token like any other.
    pub const EMPTY: Self = Self { length: 0, bytes: [0; Self::MAX_LENGTH] };

    /// A token of these bytes, unless there are more than eight.
    pub fn new(token: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MAX_LENGTH];
        bytes.get_mut(..token.len())?.copy_from_slice(token);
        Some(Self { length: token.len() as u8, bytes })
    }

    /// The bytes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(")?;
        self.as_bytes().iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))?;
        formatter.write_str(")")
    }
}

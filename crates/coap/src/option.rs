//! Options: their numbers, what their values must look like, and their bytes.

use core::fmt;

use crate::Fault;

/// The number of an option (RFC 7252 section 5.10 and the registry it opened). Unknown numbers are kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OptionNumber(pub u16);

impl OptionNumber {
    /// If-Match
    pub const IF_MATCH: Self = Self(1);
    /// Uri-Host
    pub const URI_HOST: Self = Self(3);
    /// ETag
    pub const ETAG: Self = Self(4);
    /// If-None-Match
    pub const IF_NONE_MATCH: Self = Self(5);
    /// Observe (RFC 7641)
    pub const OBSERVE: Self = Self(6);
    /// Uri-Port
    pub const URI_PORT: Self = Self(7);
    /// Location-Path
    pub const LOCATION_PATH: Self = Self(8);
    /// Uri-Path
    pub const URI_PATH: Self = Self(11);
    /// Content-Format
    pub const CONTENT_FORMAT: Self = Self(12);
    /// Max-Age
    pub const MAX_AGE: Self = Self(14);
    /// Uri-Query
    pub const URI_QUERY: Self = Self(15);
    /// Accept
    pub const ACCEPT: Self = Self(17);
    /// Location-Query
    pub const LOCATION_QUERY: Self = Self(20);
    /// Block2 (RFC 7959)
    pub const BLOCK2: Self = Self(23);
    /// Block1 (RFC 7959)
    pub const BLOCK1: Self = Self(27);
    /// Size2 (RFC 7959)
    pub const SIZE2: Self = Self(28);
    /// Proxy-Uri
    pub const PROXY_URI: Self = Self(35);
    /// Proxy-Scheme
    pub const PROXY_SCHEME: Self = Self(39);
    /// Size1
    pub const SIZE1: Self = Self(60);
    /// Echo (RFC 9175)
    pub const ECHO: Self = Self(252);
    /// No-Response (RFC 7967)
    pub const NO_RESPONSE: Self = Self(258);
    /// Request-Tag (RFC 9175)
    pub const REQUEST_TAG: Self = Self(292);

    /// A receiver that does not understand a critical option must not act on the message
    /// (RFC 7252 section 5.4.1).
    pub const fn is_critical(self) -> bool {
        self.0 & 1 == 1
    }

    /// What the value must look like; `None` for a number that this crate does not know.
    pub const fn format(self) -> Option<OptionFormat> {
        let (shortest, longest, repeatable) = match self {
            Self::IF_MATCH => (0, 8, true),
            Self::URI_HOST | Self::PROXY_SCHEME => (1, 255, false),
            Self::ETAG => (1, 8, true),
            Self::IF_NONE_MATCH => (0, 0, false),
            Self::OBSERVE | Self::BLOCK2 | Self::BLOCK1 => (0, 3, false),
            Self::URI_PORT | Self::CONTENT_FORMAT | Self::ACCEPT => (0, 2, false),
            Self::LOCATION_PATH | Self::URI_PATH | Self::URI_QUERY | Self::LOCATION_QUERY => (0, 255, true),
            Self::MAX_AGE | Self::SIZE2 | Self::SIZE1 => (0, 4, false),
            Self::PROXY_URI => (1, 1_034, false),
            Self::ECHO => (1, 40, false),
            Self::NO_RESPONSE => (0, 1, false),
            Self::REQUEST_TAG => (0, 8, true),
            _ => return None,
        };
        Some(OptionFormat { shortest, longest, repeatable })
    }
}

impl fmt::Debug for OptionNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "OptionNumber({})", self.0)
    }
}

/// The lengths that an option's value may have, in bytes, and whether it may come more than once
/// (RFC 7252 table 4 and its later siblings).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OptionFormat {
    /// The fewest bytes.
    pub shortest: u16,
    /// The most bytes.
    pub longest: u16,
    /// Whether it may come more than once.
    pub repeatable: bool,
}

impl OptionFormat {
    /// Whether a value of `length` bytes is allowed.
    pub const fn allows(self, length: usize) -> bool {
        length >= self.shortest as usize && length <= self.longest as usize
    }
}

/// How a payload is written (the CoAP Content-Formats registry). Unknown numbers are kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ContentFormat(pub u16);

impl ContentFormat {
    /// `text/plain; charset=utf-8`
    pub const TEXT_PLAIN: Self = Self(0);
    /// `application/link-format`
    pub const LINK_FORMAT: Self = Self(40);
    /// `application/octet-stream`
    pub const OCTET_STREAM: Self = Self(42);
    /// `application/cbor`
    pub const CBOR: Self = Self(60);
    /// `application/senml+json`
    pub const SENML_JSON: Self = Self(110);
    /// `application/senml+cbor`
    pub const SENML_CBOR: Self = Self(112);
    /// `application/vnd.oma.lwm2m+tlv`
    pub const LWM2M_TLV: Self = Self(11_542);
    /// `application/vnd.oma.lwm2m+json`
    pub const LWM2M_JSON: Self = Self(11_543);
    /// `application/vnd.oma.lwm2m+cbor`
    pub const LWM2M_CBOR: Self = Self(11_544);
}

/// The value of a uint option: big-endian, zero bytes for zero. Leading zero bytes are tolerated, as
/// RFC 7252 section 3.2 demands. `None` above four bytes.
pub fn decode_uint(value: &[u8]) -> Option<u32> {
    if value.len() > 4 {
        return None;
    }
    Some(value.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

/// The shortest bytes of a uint option, at the end of the array: how many of them count comes second.
pub(crate) const fn encode_uint(value: u32) -> ([u8; 4], usize) {
    (value.to_be_bytes(), 4 - value.leading_zeros() as usize / 8)
}

/// The marker between options and payload (RFC 7252 section 3).
pub(crate) const PAYLOAD_MARKER: u8 = 0xff;

/// The options of a message that has been checked, in the order of their numbers.
#[derive(Clone, Debug)]
pub struct OptionIter<'a> {
    rest: &'a [u8],
    number: u16,
}

impl<'a> OptionIter<'a> {
    pub(crate) const fn new(options: &'a [u8]) -> Self {
        Self { rest: options, number: 0 }
    }
}

impl<'a> Iterator for OptionIter<'a> {
    type Item = (OptionNumber, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // The bytes were checked when they were parsed or written, so an error cannot come up here.
        let (number, value, rest) = split_option(self.rest, self.number).ok()??;
        (self.rest, self.number) = (rest, number);
        Some((OptionNumber(number), value))
    }
}

/// Number and value of the first option, and the bytes behind it.
pub(crate) type SplitOption<'a> = (u16, &'a [u8], &'a [u8]);

/// Splits off the first option; `None` at the payload marker or at the end (RFC 7252 section 3.1).
#[inline]
pub(crate) fn split_option(bytes: &[u8], previous: u16) -> Result<Option<SplitOption<'_>>, Fault> {
    let Some((&head, rest)) = bytes.split_first() else { return Ok(None) };
    if head == PAYLOAD_MARKER {
        return Ok(None);
    }
    let (delta, rest) = extended(head >> 4, rest, Fault::OptionDelta)?;
    let (length, rest) = extended(head & 0x0f, rest, Fault::OptionLength)?;
    let number = u16::try_from(u32::from(previous) + delta).map_err(|_| Fault::OptionNumber)?;
    let (value, rest) = rest.split_at_checked(length as usize).ok_or(Fault::OptionLength)?;
    Ok(Some((number, value, rest)))
}

#[inline]
fn extended(nibble: u8, rest: &[u8], fault: Fault) -> Result<(u32, &[u8]), Fault> {
    match nibble {
        13 => {
            let (&byte, rest) = rest.split_first().ok_or(fault)?;
            Ok((u32::from(byte) + 13, rest))
        }
        14 => {
            let (bytes, rest) = rest.split_first_chunk().ok_or(fault)?;
            Ok((u32::from(u16::from_be_bytes(*bytes)) + 269, rest))
        }
        15 => Err(fault),
        small => Ok((u32::from(small), rest)),
    }
}

/// The bytes in front of an option's value: up to five, and how many of them count.
#[inline]
pub(crate) fn option_head(delta: u16, length: usize) -> ([u8; 5], usize) {
    let (mut head, mut end) = ([0; 5], 1);
    let mut extend = |amount: usize| match amount {
        0..13 => amount as u8,
        13..269 => {
            head[end] = (amount - 13) as u8;
            end += 1;
            13
        }
        _ => {
            let bytes = ((amount - 269).min(usize::from(u16::MAX)) as u16).to_be_bytes();
            (head[end], head[end + 1]) = (bytes[0], bytes[1]);
            end += 2;
            14
        }
    };
    let nibbles = extend(usize::from(delta)) << 4 | extend(length);
    head[0] = nibbles;
    (head, end)
}

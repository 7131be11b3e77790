//! Reads CBOR (RFC 8949) from front to back, never twice.
//!
//! Our own instead of `minicbor`, whose errors name neither bad text nor always the byte, whose skipping has
//! no bound on the depth, and whose half floats bring three more crates.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::field::{self, major, simple};
use crate::format::DEEPEST;
use crate::format::scalar::{Number, Scalar};

/// The payload is not CBOR, or not of the shape that the format has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{fault} at byte {at} of the CBOR item")]
pub struct CborError {
    /// Which byte, from 0.
    pub at: usize,
    /// What is wrong there.
    pub fault: CborFault,
}

/// What is wrong with a CBOR item.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CborFault {
    /// The bytes end in the middle.
    #[error("an unexpected end")]
    Ended,
    /// A head that CBOR does not have, or not there.
    #[error("a broken item")]
    Broken,
    /// A text that is not UTF-8.
    #[error("a text that is not UTF-8")]
    NotText,
    /// Something else than a map.
    #[error("no map")]
    NoMap,
    /// Something else than an array.
    #[error("no array")]
    NoArray,
    /// A map or an array where one value is wanted.
    #[error("a value that is not single")]
    NotSingle,
    /// Undefined, or a simple value that means nothing.
    #[error("no value")]
    NoValue,
    /// A map's key that is neither a whole number nor a text.
    #[error("no key")]
    NoKey,
    /// A decimal fraction (tag 4) that is not two numbers, or out of range.
    #[error("a broken decimal fraction")]
    BrokenFraction,
    /// More than [`DEEPEST`] maps, arrays and tags inside each other.
    #[error("too deep a nesting")]
    TooDeep,
    /// Something after the end.
    #[error("something after the end")]
    Trailing,
}

/// The key of a map's entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::format) enum Key<'a> {
    Number(i128),
    Text(Cow<'a, str>),
}

/// The start of an item.
#[derive(Clone, Copy)]
struct Head {
    at: usize,
    major: u8,
    /// The low five bits of the first byte.
    information: u8,
    /// The number that they say or announce.
    argument: u64,
}

impl Head {
    const fn is_indefinite(self) -> bool {
        self.information == field::INDEFINITE
    }

    const fn fault(self, fault: CborFault) -> CborError {
        CborError { at: self.at, fault }
    }
}

/// Stands somewhere in an item.
#[derive(Clone)]
pub(in crate::format) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(in crate::format) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0 }
    }

    /// Reads a map; `each` reads one key and its value.
    pub(in crate::format) fn map<E: From<CborError>>(
        &mut self,
        each: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.collection(major::MAP, CborFault::NoMap, each)
    }

    /// Reads an array; `each` reads one item.
    pub(in crate::format) fn array<E: From<CborError>>(
        &mut self,
        each: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.collection(major::ARRAY, CborFault::NoArray, each)
    }

    /// Whether a map follows.
    pub(in crate::format) fn is_at_map(&self) -> Result<bool, CborError> {
        self.is_at(major::MAP)
    }

    /// Whether an array follows.
    pub(in crate::format) fn is_at_array(&self) -> Result<bool, CborError> {
        self.is_at(major::ARRAY)
    }

    /// Where it stands.
    pub(in crate::format) const fn position(&self) -> usize {
        self.at
    }

    /// Reads a key.
    pub(in crate::format) fn key(&mut self) -> Result<Key<'a>, CborError> {
        let missing = CborError { at: self.at, fault: CborFault::NoKey };
        match self.scalar()? {
            Scalar::Number(Number::Whole(number)) => Ok(Key::Number(number)),
            Scalar::Text(text) => Ok(Key::Text(text)),
            _ => Err(missing),
        }
    }

    /// Reads a number, text, byte string, boolean or null. Tags other than those of times and decimal
    /// fractions say nothing here.
    pub(in crate::format) fn scalar(&mut self) -> Result<Scalar<'a>, CborError> {
        let (tags, head) = self.tagged()?;
        if tags.fraction {
            return self.decimal_fraction(head).map(Scalar::Number);
        }
        let number = match head.major {
            major::UNSIGNED => Number::Whole(head.argument.into()),
            major::NEGATIVE => Number::Whole(-1 - i128::from(head.argument)),
            major::BYTES => return self.string(head).map(Scalar::Bytes),
            major::TEXT => return self.text(head).map(Scalar::Text),
            major::ARRAY | major::MAP => return Err(head.fault(CborFault::NotSingle)),
            _ => match head.information {
                simple::FALSE => return Ok(Scalar::Boolean(false)),
                simple::TRUE => return Ok(Scalar::Boolean(true)),
                simple::NULL => return Ok(Scalar::Null),
                simple::HALF => Number::Real(half(head.argument as u16)),
                simple::SINGLE => Number::Real(f32::from_bits(head.argument as u32).into()),
                simple::DOUBLE => Number::Real(f64::from_bits(head.argument)),
                field::INDEFINITE => return Err(head.fault(CborFault::Broken)),
                _ => return Err(head.fault(CborFault::NoValue)),
            },
        };
        Ok(if tags.epoch { Scalar::Time(number) } else { Scalar::Number(number) })
    }

    /// Passes over any item.
    pub(in crate::format) fn skip(&mut self) -> Result<(), CborError> {
        // The recursion ends at `DEEPEST`.
        if self.is_at_array()? {
            return self.array(Self::skip);
        }
        if self.is_at_map()? {
            return self.map(|reader| {
                reader.skip()?;
                reader.skip()
            });
        }
        match self.scalar() {
            Err(CborError { fault: CborFault::NoValue, .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Makes sure that nothing follows.
    pub(in crate::format) const fn end(self) -> Result<(), CborError> {
        if self.at < self.bytes.len() {
            return Err(CborError { at: self.at, fault: CborFault::Trailing });
        }
        Ok(())
    }

    fn is_at(&self, major: u8) -> Result<bool, CborError> {
        self.clone().tagged().map(|(_, head)| head.major == major)
    }

    fn collection<E: From<CborError>>(
        &mut self,
        major: u8,
        missing: CborFault,
        each: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let (_, head) = self.tagged()?;
        if head.major != major {
            return Err(head.fault(missing).into());
        }
        self.items(head, each)
    }

    /// Reads what a map or an array holds.
    fn items<E: From<CborError>>(
        &mut self,
        head: Head,
        mut each: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.depth == DEEPEST {
            return Err(head.fault(CborFault::TooDeep).into());
        }
        self.depth += 1;
        if head.is_indefinite() {
            while !self.breaks()? {
                each(self)?;
            }
        } else {
            // A length that is only claimed ends with the bytes.
            for _ in 0..head.argument {
                each(self)?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// The tags before an item, and its head.
    fn tagged(&mut self) -> Result<(Tags, Head), CborError> {
        let mut tags = Tags::default();
        for _ in 0..=DEEPEST {
            let head = self.head()?;
            if head.major != major::TAG {
                return Ok((tags, head));
            }
            tags.epoch |= head.argument == field::EPOCH;
            tags.fraction |= head.argument == field::DECIMAL_FRACTION;
        }
        Err(CborError { at: self.at, fault: CborFault::TooDeep })
    }

    fn decimal_fraction(&mut self, head: Head) -> Result<Number, CborError> {
        let broken = head.fault(CborFault::BrokenFraction);
        if head.major != major::ARRAY {
            return Err(broken);
        }
        let mut parts = [0; 2];
        let mut length = 0;
        self.items(head, |reader| {
            let part = parts.get_mut(length).ok_or(broken)?;
            // Without tags, so that fractions do not nest.
            let head = reader.head()?;
            *part = match head.major {
                major::UNSIGNED => i128::from(head.argument),
                major::NEGATIVE => -1 - i128::from(head.argument),
                _ => return Err(broken),
            };
            length += 1;
            Ok(())
        })?;
        let [exponent, mantissa] = parts;
        // The parser of numbers rounds rightly and knows what is too large.
        match format!("{mantissa}e{exponent}").parse::<f64>() {
            Ok(number) if number.is_finite() && length == 2 => Ok(Number::Real(number)),
            _ => Err(broken),
        }
    }

    fn text(&mut self, head: Head) -> Result<Cow<'a, str>, CborError> {
        let not_text = head.fault(CborFault::NotText);
        match self.string(head)? {
            Cow::Borrowed(bytes) => core::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| not_text),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| not_text),
        }
    }

    /// The bytes of a string, which may come in chunks.
    fn string(&mut self, head: Head) -> Result<Cow<'a, [u8]>, CborError> {
        if !head.is_indefinite() {
            return self.take(head).map(Cow::Borrowed);
        }
        let mut whole = Vec::new();
        while !self.breaks()? {
            let chunk = self.head()?;
            if chunk.major != head.major || chunk.is_indefinite() {
                return Err(chunk.fault(CborFault::Broken));
            }
            whole.extend_from_slice(self.take(chunk)?);
        }
        Ok(Cow::Owned(whole))
    }

    /// As many bytes as a string's head says.
    fn take(&mut self, head: Head) -> Result<&'a [u8], CborError> {
        let end = usize::try_from(head.argument).ok().and_then(|length| self.at.checked_add(length));
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or(CborError { at: self.bytes.len(), fault: CborFault::Ended })?;
        self.at += taken.len();
        Ok(taken)
    }

    /// Whether something of indefinite length ends here.
    fn breaks(&mut self) -> Result<bool, CborError> {
        let ended = CborError { at: self.at, fault: CborFault::Ended };
        let breaks = *self.bytes.get(self.at).ok_or(ended)? == field::BREAK;
        self.at += usize::from(breaks);
        Ok(breaks)
    }

    fn head(&mut self) -> Result<Head, CborError> {
        let at = self.at;
        let ended = CborError { at: self.bytes.len(), fault: CborFault::Ended };
        let first = *self.bytes.get(at).ok_or(ended)?;
        let (major, information) = (first >> 5, first & field::INFORMATION);
        let broken = CborError { at, fault: CborFault::Broken };
        let length = match information {
            0..=field::LARGEST_SHORT => 0,
            24..=27 => 1 << (information - 24),
            // An indefinite length, which numbers and tags cannot have, or a break.
            field::INDEFINITE if !matches!(major, major::UNSIGNED | major::NEGATIVE | major::TAG) => 0,
            _ => return Err(broken),
        };
        let bytes = self.bytes.get(at + 1..at + 1 + length).ok_or(ended)?;
        let argument = match length {
            0 => u64::from(information),
            _ => bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
        };
        self.at += 1 + length;
        Ok(Head { at, major, information, argument })
    }
}

/// What the tags before an item said.
#[derive(Clone, Copy, Default)]
struct Tags {
    epoch: bool,
    fraction: bool,
}

/// A number of half precision (RFC 8949 appendix D gives the arithmetic).
fn half(bits: u16) -> f64 {
    let (exponent, mantissa) = (u64::from(bits >> 10 & 0x1F), u64::from(bits & 0x3FF));
    let size = match exponent {
        0 => mantissa as f64 / 16_777_216.0,
        0x1F if mantissa == 0 => f64::INFINITY,
        0x1F => f64::NAN,
        // The exponent's bias moves from 15 to 1,023, the mantissa from 10 to 52 bits.
        _ => f64::from_bits((exponent + 1_008) << 52 | mantissa << 42),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests;

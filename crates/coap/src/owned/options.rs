//! Options in one compact buffer.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::option::{encode_uint, option_head};
use crate::{Block, ContentFormat, Message, OptionIter, OptionNumber, decode_uint};

/// Options in the order of their numbers, kept as the bytes that go on the wire.
///
/// Getters take the first option of a number and treat a value of the wrong length as absent, which is
/// what RFC 7252 section 5.4.3 and 5.4.5 ask for elective options. (The endpoint has refused a request
/// with a bad critical one before anybody sees it.)
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Options {
    wire: Vec<u8>,
    last: u16,
}

/// What the options of most messages take: room for them is made once.
const USUAL_BYTES: usize = 32;

impl Options {
    /// No options.
    pub const fn new() -> Self {
        Self { wire: Vec::new(), last: 0 }
    }

    /// The options of a message.
    pub fn of(message: &Message<'_>) -> Self {
        let last = message.options().last().map_or(0, |(number, _)| number.0);
        Self { wire: message.option_bytes().to_vec(), last }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.wire.is_empty()
    }

    /// How long the options are on the wire, in bytes.
    pub(crate) fn encoded_length(&self) -> usize {
        self.wire.len()
    }

    /// All options in the order of their numbers.
    pub fn iter(&self) -> OptionIter<'_> {
        OptionIter::new(&self.wire)
    }

    /// Adds an option behind those of the same number. A value is cut at 65,804 bytes, the most that an
    /// option can hold.
    pub fn push(&mut self, number: OptionNumber, value: &[u8]) -> &mut Self {
        if number.0 >= self.last {
            self.append(number, value);
            return self;
        }
        let old = core::mem::take(self);
        let mut waiting = Some(value);
        for (next, bytes) in old.iter() {
            if let Some(value) = waiting.take_if(|_| next > number) {
                self.append(number, value);
            }
            self.append(next, bytes);
        }
        self
    }

    /// Adds an option with a number as value.
    pub fn push_uint(&mut self, number: OptionNumber, value: u32) -> &mut Self {
        let (bytes, length) = encode_uint(value);
        self.push(number, &bytes[4 - length..])
    }

    /// Replaces all options of this number by one.
    pub fn set(&mut self, number: OptionNumber, value: &[u8]) -> &mut Self {
        self.remove(number);
        self.push(number, value)
    }

    /// Replaces all options of this number by one with a number as value.
    pub fn set_uint(&mut self, number: OptionNumber, value: u32) -> &mut Self {
        self.remove(number);
        self.push_uint(number, value)
    }

    /// Removes all options of this number.
    pub fn remove(&mut self, number: OptionNumber) -> &mut Self {
        if number.0 <= self.last && self.get(number).is_some() {
            *self = self.iter().filter(|(found, _)| *found != number).collect();
        }
        self
    }

    /// The value of the first option of this number.
    pub fn get(&self, number: OptionNumber) -> Option<&[u8]> {
        self.iter().find(|(found, _)| *found == number).map(|(_, value)| value)
    }

    /// The values of all options of this number.
    pub fn all(&self, number: OptionNumber) -> ValueIter<'_> {
        ValueIter { options: self.iter(), number }
    }

    /// The segments of the path (Uri-Path).
    pub fn uri_path(&self) -> ValueIter<'_> {
        self.all(OptionNumber::URI_PATH)
    }

    /// The path with a slash before each segment, "/" if there is none. Bytes that are not UTF-8 are
    /// replaced, so compare segments where it matters.
    pub fn path_string(&self) -> String {
        let mut path = String::new();
        for segment in self.uri_path() {
            path.push('/');
            path.push_str(&String::from_utf8_lossy(segment));
        }
        if path.is_empty() {
            path.push('/');
        }
        path
    }

    /// The parts of the query (Uri-Query).
    pub fn uri_query(&self) -> ValueIter<'_> {
        self.all(OptionNumber::URI_QUERY)
    }

    /// The segments of the location of a created resource (Location-Path).
    pub fn location_path(&self) -> ValueIter<'_> {
        self.all(OptionNumber::LOCATION_PATH)
    }

    /// How the payload is written.
    pub fn content_format(&self) -> Option<ContentFormat> {
        self.uint(OptionNumber::CONTENT_FORMAT).map(|number| ContentFormat(number as u16))
    }

    /// How the answer should be written.
    pub fn accept(&self) -> Option<ContentFormat> {
        self.uint(OptionNumber::ACCEPT).map(|number| ContentFormat(number as u16))
    }

    /// The entity tag, 1 to 8 bytes.
    pub fn etag(&self) -> Option<&[u8]> {
        self.get(OptionNumber::ETAG).filter(|tag| (1..=8).contains(&tag.len()))
    }

    /// 0 registers and 1 deregisters in a request; a sequence number of 24 bits in a notification.
    pub fn observe(&self) -> Option<u32> {
        self.uint(OptionNumber::OBSERVE)
    }

    /// How long the answer is fresh, in seconds.
    pub fn max_age(&self) -> Option<u32> {
        self.uint(OptionNumber::MAX_AGE)
    }

    /// The part of the request's body.
    pub fn block1(&self) -> Option<Block> {
        Block::decode(self.get(OptionNumber::BLOCK1)?).ok()
    }

    /// The part of the response's body.
    pub fn block2(&self) -> Option<Block> {
        Block::decode(self.get(OptionNumber::BLOCK2)?).ok()
    }

    /// The size of the request's body, in bytes.
    pub fn size1(&self) -> Option<u32> {
        self.uint(OptionNumber::SIZE1)
    }

    /// The size of the response's body, in bytes.
    pub fn size2(&self) -> Option<u32> {
        self.uint(OptionNumber::SIZE2)
    }

    fn uint(&self, number: OptionNumber) -> Option<u32> {
        let value = self.get(number)?;
        number.format().is_none_or(|format| format.allows(value.len())).then(|| decode_uint(value))?
    }

    fn append(&mut self, number: OptionNumber, value: &[u8]) {
        let value = &value[..value.len().min(269 + usize::from(u16::MAX))];
        let (head, length) = option_head(number.0.saturating_sub(self.last), value.len());
        if self.wire.capacity() == 0 {
            self.wire.reserve(USUAL_BYTES.max(length + value.len()));
        }
        self.wire.extend_from_slice(&head[..length]);
        self.wire.extend_from_slice(value);
        self.last = number.0;
    }
}

impl<'a> FromIterator<(OptionNumber, &'a [u8])> for Options {
    fn from_iter<I: IntoIterator<Item = (OptionNumber, &'a [u8])>>(options: I) -> Self {
        let mut collected = Self::new();
        for (number, value) in options {
            collected.push(number, value);
        }
        collected
    }
}

impl<'a> IntoIterator for &'a Options {
    type Item = (OptionNumber, &'a [u8]);
    type IntoIter = OptionIter<'a>;

    fn into_iter(self) -> OptionIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter().map(|(number, value)| (number.0, value))).finish()
    }
}

/// The values of the options of one number.
#[derive(Clone, Debug)]
pub struct ValueIter<'a> {
    options: OptionIter<'a>,
    number: OptionNumber,
}

impl<'a> Iterator for ValueIter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let number = self.number;
        self.options.find(|(found, _)| *found == number).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_pushed_in_any_order_are_kept_in_order() {
        let mut options = Options::new();
        options.push(OptionNumber::URI_QUERY, b"b").push(OptionNumber::URI_PATH, b"rd");
        options.push_uint(OptionNumber(2_052), 7).push(OptionNumber::URI_PATH, b"x");
        options.push(OptionNumber::URI_QUERY, b"a").set_uint(OptionNumber::SIZE1, 300);
        let found: Vec<_> = options.iter().map(|(number, value)| (number.0, value.to_vec())).collect();
        let expected: [(u16, &[u8]); 6] =
            [(11, b"rd"), (11, b"x"), (15, b"b"), (15, b"a"), (60, &[1, 44]), (2_052, &[7])];
        assert_eq!(found, expected.map(|(number, value)| (number, value.to_vec())));
        options.remove(OptionNumber(2_052)).remove(OptionNumber::URI_PATH);
        assert_eq!(options.iter().count(), 3);
        assert_eq!(options.size1(), Some(300));
    }

    #[test]
    fn values_of_a_wrong_length_are_absent() {
        let mut options = Options::new();
        options.push(OptionNumber::CONTENT_FORMAT, &[0, 0, 40]).push(OptionNumber::ETAG, &[0; 9]);
        assert_eq!(options.content_format(), None);
        assert_eq!(options.etag(), None);
        options.set(OptionNumber::CONTENT_FORMAT, &[0, 40]);
        assert_eq!(options.content_format(), Some(ContentFormat::LINK_FORMAT));
    }
}

//! Reads JSON from front to back, never twice.

use alloc::borrow::Cow;
use alloc::string::String;

use crate::format::DEEPEST;
use crate::format::scalar::{Number, Scalar};

/// The payload is not JSON, or not of the shape that the format has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{fault} at byte {at} of the JSON text")]
pub struct JsonError {
    /// Which byte, from 0.
    pub at: usize,
    /// What is wrong there.
    pub fault: JsonFault,
}

/// What is wrong with a JSON text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JsonFault {
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotText,
    /// The text ends in the middle.
    #[error("an unexpected end")]
    Ended,
    /// Something else than an object.
    #[error("no object")]
    NoObject,
    /// Something else than an array.
    #[error("no array")]
    NoArray,
    /// An object or array where one value is wanted.
    #[error("a value that is not single")]
    NotSingle,
    /// Neither a comma nor the end of the object or array.
    #[error("no comma and no end")]
    NoComma,
    /// An object's member without a name, or without a colon after it.
    #[error("no name of a member")]
    NoName,
    /// Nothing that a value can be; NaN and infinities are among this.
    #[error("no value")]
    NoValue,
    /// A number that breaks the grammar.
    #[error("a broken number")]
    BrokenNumber,
    /// A number larger than 1.8e308.
    #[error("a number out of range")]
    LargeNumber,
    /// An escape that does not exist, or half of a surrogate pair.
    #[error("a broken escape")]
    BrokenEscape,
    /// A control character inside a string.
    #[error("a control character in a string")]
    ControlCharacter,
    /// More than [`DEEPEST`] objects and arrays inside each other.
    #[error("too deep a nesting")]
    TooDeep,
    /// Something after the end.
    #[error("something after the end")]
    Trailing,
}

/// Stands somewhere in a text.
pub(in crate::format) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(in crate::format) fn new(payload: &'a [u8]) -> Result<Self, JsonError> {
        match core::str::from_utf8(payload) {
            Ok(text) => Ok(Self { text, at: 0, depth: 0 }),
            Err(error) => Err(JsonError { at: error.valid_up_to(), fault: JsonFault::NotText }),
        }
    }

    /// Reads an object; `each` reads the value of the member whose name it gets.
    pub(in crate::format) fn object<E: From<JsonError>>(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'{', JsonFault::NoObject)?;
        let mut more = !self.closes(b'}');
        while more {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.unless_ended(JsonFault::NoName).into());
            }
            let name = self.text()?;
            self.skip_space();
            self.expect(b':', JsonFault::NoName)?;
            each(self, name)?;
            more = self.goes_on(b'}')?;
        }
        Ok(())
    }

    /// Reads an array; `each` reads one item.
    pub(in crate::format) fn array<E: From<JsonError>>(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'[', JsonFault::NoArray)?;
        let mut more = !self.closes(b']');
        while more {
            each(self)?;
            more = self.goes_on(b']')?;
        }
        Ok(())
    }

    /// Reads a string, number, boolean or null.
    pub(in crate::format) fn scalar(&mut self) -> Result<Scalar<'a>, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => self.text().map(Scalar::Text),
            Some(b'-' | b'0'..=b'9') => self.number().map(Scalar::Number),
            Some(b'{' | b'[') => Err(self.fault(JsonFault::NotSingle)),
            _ => {
                let words = [
                    ("true", Scalar::Boolean(true)),
                    ("false", Scalar::Boolean(false)),
                    ("null", Scalar::Null),
                ];
                for (word, value) in words {
                    if self.text[self.at..].starts_with(word) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                Err(self.unless_ended(JsonFault::NoValue))
            }
        }
    }

    /// Passes over any value.
    pub(in crate::format) fn skip(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        match self.peek() {
            // The recursion ends at `DEEPEST`.
            Some(b'{') => self.object(|reader, _| reader.skip()),
            Some(b'[') => self.array(Self::skip),
            _ => self.scalar().map(drop),
        }
    }

    /// Makes sure that nothing but white space follows.
    pub(in crate::format) fn end(mut self) -> Result<(), JsonError> {
        self.skip_space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fault(JsonFault::Trailing)),
        }
    }

    fn open(&mut self, bracket: u8, missing: JsonFault) -> Result<(), JsonError> {
        self.skip_space();
        if self.peek() == Some(bracket) && self.depth == DEEPEST {
            return Err(self.fault(JsonFault::TooDeep));
        }
        self.expect(bracket, missing)?;
        self.depth += 1;
        Ok(())
    }

    /// Whether the object or array just opened ends at once.
    fn closes(&mut self, bracket: u8) -> bool {
        self.skip_space();
        let closes = self.peek() == Some(bracket);
        if closes {
            self.at += 1;
            self.depth -= 1;
        }
        closes
    }

    /// Whether a comma follows, not the end of the object or array.
    fn goes_on(&mut self, bracket: u8) -> Result<bool, JsonError> {
        if self.closes(bracket) {
            return Ok(false);
        }
        self.expect(b',', JsonFault::NoComma).map(|()| true)
    }

    fn expect(&mut self, byte: u8, missing: JsonFault) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(self.unless_ended(missing));
        }
        self.at += 1;
        Ok(())
    }

    /// Stands at the quotes.
    fn text(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let mut unescaped: Option<String> = None;
        loop {
            let rest = &self.text[self.at..];
            let stop = |byte: u8| matches!(byte, b'"' | b'\\' | 0..=0x1F);
            let Some(length) = rest.bytes().position(stop) else {
                self.at = self.text.len();
                return Err(self.fault(JsonFault::Ended));
            };
            let plain = &rest[..length];
            self.at += length;
            match rest.as_bytes()[length] {
                b'"' => {
                    self.at += 1;
                    return Ok(match unescaped {
                        None => Cow::Borrowed(plain),
                        Some(text) => Cow::Owned(text + plain),
                    });
                }
                b'\\' => {
                    let text = unescaped.get_or_insert_default();
                    text.push_str(plain);
                    text.push(self.escape()?);
                }
                _ => return Err(self.fault(JsonFault::ControlCharacter)),
            }
        }
    }

    /// Stands at the backslash.
    fn escape(&mut self) -> Result<char, JsonError> {
        let broken = self.fault(JsonFault::BrokenEscape);
        self.at += 1;
        let letter = self.peek().ok_or_else(|| self.fault(JsonFault::Ended))?;
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.four_digits().ok_or(broken)?;
                let mut units = [first, 0];
                let mut length = 1;
                if (0xD800..0xDC00).contains(&first) && self.text[self.at..].starts_with("\\u") {
                    self.at += 2;
                    units[1] = self.four_digits().ok_or(broken)?;
                    length = 2;
                }
                let mut letters = char::decode_utf16(units[..length].iter().copied());
                match (letters.next(), letters.next()) {
                    (Some(Ok(letter)), None) => letter,
                    _ => return Err(broken),
                }
            }
            _ => return Err(broken),
        })
    }

    fn four_digits(&mut self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        // The parser of integers lets a sign through.
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    }

    fn number(&mut self) -> Result<Number, JsonError> {
        let start = self.at;
        let broken = self.fault(JsonFault::BrokenNumber);
        self.at += usize::from(self.peek() == Some(b'-'));
        let leading = self.at;
        let digits = self.digits();
        if digits == 0 || digits > 1 && self.text.as_bytes()[leading] == b'0' {
            return Err(broken);
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            self.at += 1;
            whole = false;
            if self.digits() == 0 {
                return Err(broken);
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            whole = false;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return Err(broken);
            }
        }
        let text = &self.text[start..self.at];
        if whole && let Ok(number) = text.parse() {
            return Ok(Number::Whole(number));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Number::Real(number)),
            Ok(_) => Err(JsonError { at: start, fault: JsonFault::LargeNumber }),
            Err(_) => Err(broken),
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    const fn fault(&self, fault: JsonFault) -> JsonError {
        JsonError { at: self.at, fault }
    }

    const fn unless_ended(&self, fault: JsonFault) -> JsonError {
        self.fault(if self.at < self.text.len() { fault } else { JsonFault::Ended })
    }
}

#[cfg(test)]
mod tests;

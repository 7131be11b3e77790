//! The lines of a file.
//!
//! ```text
//! :  length  address  type  data            checksum
//!    1       2        1     `length` bytes  1           all in hexadecimal digits, the address big-endian
//! ```

use super::{HexData, HexError, HexFault, MemoryAddress};

pub(super) const LONGEST_DATA: usize = 255;

/// Length, address and type.
const HEAD: usize = 4;

/// Bytes of a record: what is around the data, and the longest data.
const LONGEST: usize = HEAD + LONGEST_DATA + 1;

/// Record types.
pub(super) mod kind {
    pub const DATA: u8 = 0;
    pub const END: u8 = 1;
    pub const SEGMENT_BASE: u8 = 2;
    pub const SEGMENT_START: u8 = 3;
    pub const LINEAR_BASE: u8 = 4;
    pub const LINEAR_START: u8 = 5;
}

/// A record and its line.
pub(super) struct Record {
    pub line: u32,
    pub value: Value,
}

/// What a record says.
#[expect(clippy::large_enum_variant, reason = "one at a time lives on the stack; nothing is allocated here")]
pub(super) enum Value {
    Data(HexData),
    /// From here on addresses count from another base, which [`Records`] keeps.
    Base,
    /// Where the program starts, which the boot loader of a bank knows already.
    Start,
    End,
}

/// The records of a file up to the first that is wrong, or to its last byte.
pub(super) struct Records<'a> {
    rest: Option<&'a [u8]>,
    line: u32,
    base: u32,
}

impl<'a> Records<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Self { rest: Some(text), line: 0, base: 0 }
    }

    /// The line behind the last one that was read.
    pub fn line(&self) -> u32 {
        self.line + 1
    }

    /// The next line without its end, LF or CR LF. The last line may lack it; an empty one is not a line
    /// if the file ends there.
    fn next_line(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let (line, rest) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => (&rest[..end], Some(&rest[end + 1..])),
            None if rest.is_empty() => return None,
            None => (rest, None),
        };
        self.rest = rest;
        self.line = self.line.saturating_add(1);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn value(&mut self, line: &[u8]) -> Result<Value, HexFault> {
        let mut buffer = [0; LONGEST];
        let bytes = decode(line, &mut buffer)?;
        let [length, high, low, kind, data @ .., _] = bytes else { return Err(HexFault::WrongLength) };
        let address = u16::from_be_bytes([*high, *low]);
        if *kind != kind::DATA && *kind <= kind::LINEAR_START && address != 0 {
            return Err(HexFault::UnexpectedAddress);
        }
        match (*kind, data) {
            (kind::DATA, [_, ..]) => self.data(address, *length, data).map(Value::Data),
            (kind::END, []) => Ok(Value::End),
            (kind::SEGMENT_BASE, [high, low]) => {
                self.base = u32::from(u16::from_be_bytes([*high, *low])) << 4;
                Ok(Value::Base)
            }
            (kind::LINEAR_BASE, [high, low]) => {
                self.base = u32::from(u16::from_be_bytes([*high, *low])) << 16;
                Ok(Value::Base)
            }
            (kind::SEGMENT_START | kind::LINEAR_START, [_, _, _, _]) => Ok(Value::Start),
            (kind::DATA..=kind::LINEAR_START, _) => Err(HexFault::WrongLength),
            (kind, _) => Err(HexFault::UnknownType(kind)),
        }
    }

    fn data(&self, address: u16, length: u8, data: &[u8]) -> Result<HexData, HexFault> {
        if usize::from(address) + data.len() > 1 << 16 {
            return Err(HexFault::PassesBoundary);
        }
        let mut bytes = [0; LONGEST_DATA];
        bytes[..data.len()].copy_from_slice(data);
        // Cannot overflow: a base is at most 0xFFFF0000.
        Ok(HexData { address: MemoryAddress(self.base + u32::from(address)), bytes, length })
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, HexError>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.next_line()?;
        let line = self.line;
        let value = self.value(text).map_err(|fault| HexError { line, fault });
        Some(value.map(|value| Record { line, value }))
    }
}

/// The bytes of a record, checksum included, if its length and its checksum are right.
fn decode<'a>(line: &[u8], buffer: &'a mut [u8; LONGEST]) -> Result<&'a [u8], HexFault> {
    let digits = line.strip_prefix(b":").ok_or(HexFault::NotARecord)?;
    let (pairs, odd) = digits.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(HexFault::NotARecord);
    }
    let bytes = buffer.get_mut(..pairs.len()).ok_or(HexFault::WrongLength)?;
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    let [length, .., found] = bytes else { return Err(HexFault::WrongLength) };
    let (length, found) = (usize::from(*length), *found);
    if bytes.len() != HEAD + length + 1 {
        return Err(HexFault::WrongLength);
    }
    let expected = checksum(&bytes[..HEAD + length]);
    if found != expected {
        return Err(HexFault::WrongChecksum { expected, found });
    }
    Ok(bytes)
}

fn digit(character: u8) -> Result<u8, HexFault> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'A'..=b'F' => Ok(character - b'A' + 10),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        _ => Err(HexFault::NotARecord),
    }
}

/// What makes the sum of all bytes zero.
pub(super) fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte))
}

//! Intel HEX: the images of modules whose two banks have addresses of their own.
//!
//! Such a module (BP35C0-J11) has one image for each bank, linked to the addresses of that bank, and the
//! file says which one it is for. So addresses matter: they decide the bank, and a file that leaves it or
//! that could be read in two ways is refused.
//!
//! Format: Intel, Hexadecimal Object File Format Specification, revision A (1988).

mod record;
mod writer;

use core::fmt;
use core::ops::Range;

use crate::{Bank, ByteCount, ERASED};
use record::{Record, Records};
pub use writer::HexWriter;

/// Where a byte lies in the memory of the processor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MemoryAddress(pub u32);

impl fmt::Display for MemoryAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#010x}", self.0)
    }
}

/// Bytes of a bank: 491 sectors of 512 (seed S2-21).
pub const HEX_BANK_SIZE: usize = 251_392;

impl Bank {
    /// Its number in file names, manifests and the messages of the module: BANK0 and BANK1.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The bank with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Self::from_byte(number)
    }

    /// The first of the [`HEX_BANK_SIZE`] addresses to which its images are linked (S2-21).
    pub const fn linked_at(self) -> MemoryAddress {
        match self {
            Self::A => MemoryAddress(0x1000_0A00),
            Self::B => MemoryAddress(0x1400_0A00),
        }
    }

    /// The bank that these addresses are in, and the offsets from its start.
    fn of(address: MemoryAddress, length: usize) -> Option<(Self, Range<usize>)> {
        Self::BOTH.into_iter().find_map(|bank| {
            let start = address.0.checked_sub(bank.linked_at().0)? as usize;
            let end = start.checked_add(length)?;
            (end <= HEX_BANK_SIZE).then_some((bank, start..end))
        })
    }
}

/// What is wrong with a file, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct HexError {
    /// The line, from 1; the one behind the last if something is missing at the end.
    pub line: u32,
    /// What is wrong.
    pub fault: HexFault,
}

/// What is wrong with a line of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HexFault {
    /// It is not a colon with pairs of hexadecimal digits behind it.
    #[error("not a record: a colon and pairs of hexadecimal digits are expected")]
    NotARecord,
    /// It is longer or shorter than it says, or than its type can be.
    #[error("the record does not have the length that it says, or that its type has")]
    WrongLength,
    /// Its bytes do not add up to zero.
    #[error("the checksum is {found:02X} and should be {expected:02X}")]
    WrongChecksum {
        /// What the bytes in front of it ask for.
        expected: u8,
        /// What is there.
        found: u8,
    },
    /// Its type is not one of 00 to 05.
    #[error("the record type {0:02X} is unknown")]
    UnknownType(u8),
    /// A record that has no address has one.
    #[error("the record has an address, which its type does not have")]
    UnexpectedAddress,
    /// Its data goes on beyond 64 KiB from its base, where readers differ about what comes next.
    #[error("the data passes a boundary of 64 KiB")]
    PassesBoundary,
    /// Its data is not wholly in one of the banks.
    #[error("the data at {0} is in neither bank")]
    OutsideBanks(MemoryAddress),
    /// Its data is in another bank than that before it.
    #[error("the data at {0} is in the other bank than that before it")]
    OtherBank(MemoryAddress),
    /// Its data is where data is already.
    #[error("there is data at {0} already")]
    Overlap(MemoryAddress),
    /// It says where the program starts, again.
    #[error("there is a start address already")]
    SecondStart,
    /// It comes behind the end of the file.
    #[error("something comes behind the end record")]
    BehindEnd,
    /// The file ends without its end record.
    #[error("there is no end record")]
    NoEnd,
    /// The file ends without data.
    #[error("there is no data")]
    NoData,
}

/// A checked file: an image for one bank.
///
/// ```
/// use firmware::{Bank, HexImage, MemoryAddress};
///
/// let file = b":020000041000EA\r\n:040A0000FF80402211\r\n:00000001FF\r\n";
/// let image = HexImage::parse(file)?;
/// assert_eq!(image.bank(), Bank::A);
/// let data = image.data().next().unwrap();
/// assert_eq!(data.address, MemoryAddress(0x1000_0A00));
/// assert_eq!(data.bytes(), [0xFF, 0x80, 0x40, 0x22]);
/// # Ok::<(), firmware::HexError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HexImage<'a> {
    text: &'a [u8],
    bank: Bank,
    size: ByteCount,
}

impl<'a> HexImage<'a> {
    /// Checks every line: its checksum, its type, that its data is in the same bank as all other data, and
    /// that no byte is there twice.
    ///
    /// Takes time in proportion to the file, and 32 KiB of stack.
    pub fn parse(text: &'a [u8]) -> Result<Self, HexError> {
        let mut records = Records::new(text);
        let mut contents = Contents::EMPTY;
        for record in records.by_ref() {
            let record = record?;
            contents.take(&record.value).map_err(|fault| HexError { line: record.line, fault })?;
        }
        let at_end = |fault| HexError { line: records.line(), fault };
        if !contents.ended {
            return Err(at_end(HexFault::NoEnd));
        }
        let bank = contents.bank.ok_or(at_end(HexFault::NoData))?;
        Ok(Self { text, bank, size: contents.size })
    }

    /// The bank that the image is for.
    pub const fn bank(&self) -> Bank {
        self.bank
    }

    /// Bytes of data, without what is left out between them.
    pub const fn size(&self) -> ByteCount {
        self.size
    }

    /// The data in the order of the file.
    pub fn data(&self) -> impl Iterator<Item = HexData> + use<'a> {
        Records::new(self.text).filter_map(|record| match record {
            Ok(Record { value: record::Value::Data(data), .. }) => Some(data),
            _ => None,
        })
    }

    /// Writes what the whole bank shall hold: the data, and [`ERASED`] where there is none (S2-22).
    pub fn fill(&self, bank: &mut [u8; HEX_BANK_SIZE]) {
        bank.fill(ERASED);
        for data in self.data() {
            let place = Bank::of(data.address, data.bytes().len()).and_then(|(_, range)| bank.get_mut(range));
            if let Some(place) = place {
                place.copy_from_slice(data.bytes());
            }
        }
    }
}

/// The bank that a file is for.
pub fn bank_of_hex(text: &[u8]) -> Result<Bank, HexError> {
    HexImage::parse(text).map(|image| image.bank())
}

/// Whether a file that begins like this is meant as Intel HEX: a colon and the head of a record.
pub fn is_intel_hex(head: &[u8]) -> bool {
    let digits = head.strip_prefix(b":").and_then(|rest| rest.get(..8));
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// Data that lies together, of one record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HexData {
    /// Where it begins.
    pub address: MemoryAddress,
    bytes: [u8; record::LONGEST_DATA],
    length: u8,
}

impl HexData {
    /// Up to 255 bytes, at least one.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length.into()]
    }
}

/// What the records up to some line hold.
struct Contents {
    bank: Option<Bank>,
    size: ByteCount,
    /// One bit for each byte of the bank.
    covered: [u32; HEX_BANK_SIZE / 32],
    has_start: bool,
    ended: bool,
}

impl Contents {
    const EMPTY: Self = Self {
        bank: None,
        size: ByteCount(0),
        covered: [0; HEX_BANK_SIZE / 32],
        has_start: false,
        ended: false,
    };

    fn take(&mut self, record: &record::Value) -> Result<(), HexFault> {
        if self.ended {
            return Err(HexFault::BehindEnd);
        }
        match record {
            record::Value::Data(data) => self.take_data(data)?,
            record::Value::Base => {}
            record::Value::Start if self.has_start => return Err(HexFault::SecondStart),
            record::Value::Start => self.has_start = true,
            record::Value::End => self.ended = true,
        }
        Ok(())
    }

    fn take_data(&mut self, data: &HexData) -> Result<(), HexFault> {
        let place = Bank::of(data.address, data.bytes().len());
        let (bank, offsets) = place.ok_or(HexFault::OutsideBanks(data.address))?;
        if *self.bank.get_or_insert(bank) != bank {
            return Err(HexFault::OtherBank(data.address));
        }
        for offset in offsets {
            let bit = 1 << (offset % 32);
            if self.covered[offset / 32] & bit != 0 {
                return Err(HexFault::Overlap(MemoryAddress(bank.linked_at().0 + offset as u32)));
            }
            self.covered[offset / 32] |= bit;
        }
        self.size.0 += u32::from(data.length);
        Ok(())
    }
}

#[cfg(test)]
mod tests;

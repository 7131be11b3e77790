//! The value of Block1 and Block2 (RFC 7959 section 2.2).

use core::fmt;

use crate::decode_uint;

/// How large a block is: 16 to 1,024 bytes, a power of two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockSize(u8);

impl BlockSize {
    /// 16 bytes, the smallest.
    pub const SMALLEST: Self = Self(0);
    /// 1,024 bytes, the largest over UDP.
    pub const LARGEST: Self = Self(6);

    /// The size with this exponent (SZX); 7 is reserved over UDP.
    pub const fn from_exponent(exponent: u8) -> Option<Self> {
        if exponent <= Self::LARGEST.0 { Some(Self(exponent)) } else { None }
    }

    /// The largest size that is not above `bytes`; `None` below 16.
    pub const fn at_most(bytes: usize) -> Option<Self> {
        match bytes.checked_ilog2() {
            Some(power @ 4..10) => Some(Self(power as u8 - 4)),
            Some(10..) => Some(Self::LARGEST),
            _ => None,
        }
    }

    /// The exponent (SZX).
    pub const fn exponent(self) -> u8 {
        self.0
    }

    /// The size in bytes.
    pub const fn bytes(self) -> usize {
        1 << (self.0 + 4)
    }
}

impl fmt::Debug for BlockSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BlockSize({})", self.bytes())
    }
}

/// Which part of a body a message carries or asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Block {
    /// Counts blocks of this size from the start of the body, below 2^20.
    pub number: u32,
    /// Whether more blocks follow.
    pub more: bool,
    /// The size of every block but the last.
    pub size: BlockSize,
}

impl Block {
    /// The highest number of a block.
    pub const MAX_NUMBER: u32 = (1 << 20) - 1;

    /// The block of this size that starts at `offset` bytes; `None` where no block starts or none can.
    pub fn at(offset: u64, more: bool, size: BlockSize) -> Option<Self> {
        let bytes = size.bytes() as u64;
        let number = u32::try_from(offset / bytes).ok()?;
        (offset.is_multiple_of(bytes) && number <= Self::MAX_NUMBER).then_some(Self { number, more, size })
    }

    /// Reads an option's value.
    pub fn decode(value: &[u8]) -> Result<Self, BlockError> {
        let number = if value.len() <= 3 { decode_uint(value) } else { None };
        let number = number.ok_or(BlockError::Length)?;
        let size = BlockSize::from_exponent((number & 0x07) as u8).ok_or(BlockError::ReservedSize)?;
        Ok(Self { number: number >> 4, more: number & 0x08 != 0, size })
    }

    /// The option's value as a number.
    pub const fn encode(self) -> u32 {
        self.number << 4 | (self.more as u32) << 3 | self.size.0 as u32
    }

    /// Where the block starts, in bytes.
    pub const fn offset(self) -> u64 {
        self.number as u64 * self.size.bytes() as u64
    }
}

/// Why a block option means nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockError {
    /// More than three bytes.
    Length,
    /// The size exponent 7, which is reserved over UDP.
    ReservedSize,
}

impl fmt::Display for BlockError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Length => "block option longer than three bytes",
            Self::ReservedSize => "block size exponent 7 is reserved",
        })
    }
}

impl core::error::Error for BlockError {}

//! What an upgrade learns about a device for the next one.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use coap::BlockSize;

/// How a device takes images, as it was measured. Stored per device by the owner, as text.
///
/// ```
/// use lwm2m::server::upgrade::TransferMemory;
///
/// let memory = TransferMemory { bytes_per_second: Some(1_800), ..TransferMemory::default() };
/// assert_eq!(memory.to_string().parse(), Ok(memory));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TransferMemory {
    /// The size of the blocks that it agreed to.
    pub block_size: Option<BlockSize>,
    /// How fast its last whole image came.
    pub bytes_per_second: Option<u32>,
}

impl TransferMemory {
    /// Learns from bytes that went in one message, if they are a block in the middle of an image. Whether it
    /// was new.
    pub(super) fn saw_block(&mut self, length: u64, is_last: bool) -> bool {
        let size = usize::try_from(length).ok().filter(|_| !is_last).and_then(BlockSize::at_most);
        match size.filter(|size| size.bytes() as u64 == length) {
            Some(size) if self.block_size != Some(size) => {
                self.block_size = Some(size);
                true
            }
            _ => false,
        }
    }

    /// Learns from a whole image.
    pub(super) fn saw_image(&mut self, bytes: u64, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = bytes.saturating_mul(1_000) / millis;
        self.bytes_per_second = Some(u32::try_from(rate).unwrap_or(u32::MAX).max(1));
    }
}

impl fmt::Display for TransferMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let block = self.block_size.map_or(0, BlockSize::bytes);
        write!(formatter, "{block} {}", self.bytes_per_second.unwrap_or(0))
    }
}

/// The text is no memory of transfers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a block size and a rate")]
pub struct MemoryError;

impl FromStr for TransferMemory {
    type Err = MemoryError;

    /// Two numbers, zero for what is not known.
    fn from_str(text: &str) -> Result<Self, MemoryError> {
        let (block, rate) = text.split_once(' ').ok_or(MemoryError)?;
        let (block, rate) = (block.parse::<usize>(), rate.parse::<u32>());
        let (block, rate) = block.ok().zip(rate.ok()).ok_or(MemoryError)?;
        let block_size = BlockSize::at_most(block).filter(|size| size.bytes() == block);
        if block != 0 && block_size.is_none() {
            return Err(MemoryError);
        }
        Ok(Self { block_size, bytes_per_second: Some(rate).filter(|rate| *rate > 0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_in_the_middle_tell_their_size() {
        let mut memory = TransferMemory::default();
        assert!(memory.saw_block(512, false));
        assert!(!memory.saw_block(512, false), "known already");
        for (length, is_last) in [(16_384, false), (100, true), (1_000, false), (0, false), (256, true)] {
            assert!(!memory.saw_block(length, is_last), "{length}");
        }
        assert_eq!(memory.block_size.map(BlockSize::bytes), Some(512));
    }

    #[test]
    fn damaged_text_is_refused() {
        for text in ["", "512", "500 1", "x 1", "512 -1", "512 1 1"] {
            assert_eq!(text.parse::<TransferMemory>(), Err(MemoryError), "{text}");
        }
        assert_eq!("0 0".parse(), Ok(TransferMemory::default()));
    }
}

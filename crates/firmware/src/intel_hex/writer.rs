//! Files of our own.

use core::fmt::{self, Write};

use super::MemoryAddress;
use super::record::{checksum, kind};

/// Bytes of data in a line.
const ROW: usize = 16;

/// Writes a file, line by line, with CR LF between them as the tools of modules expect.
///
/// It writes what it is given: whether that makes an image is told by [`HexImage`](super::HexImage).
#[derive(Debug)]
pub struct HexWriter<W> {
    into: W,
    /// The upper half of the addresses that follow.
    base: Option<u16>,
}

impl<W: Write> HexWriter<W> {
    /// A file without lines.
    pub const fn new(into: W) -> Self {
        Self { into, base: None }
    }

    /// Appends data; what would pass the end of the address space is left out.
    pub fn data(&mut self, address: MemoryAddress, bytes: &[u8]) -> fmt::Result {
        let (mut at, mut rest) = (address.0, bytes);
        while !rest.is_empty() {
            let (base, offset) = ((at >> 16) as u16, at as u16);
            if self.base != Some(base) {
                self.base = Some(base);
                record(&mut self.into, kind::LINEAR_BASE, 0, &base.to_be_bytes())?;
            }
            let row = rest.len().min(ROW).min((1 << 16) - usize::from(offset));
            let (data, later) = rest.split_at(row);
            record(&mut self.into, kind::DATA, offset, data)?;
            let Some(next) = at.checked_add(row as u32) else { break };
            (at, rest) = (next, later);
        }
        Ok(())
    }

    /// Writes the end record and gives back what was written into.
    pub fn finish(mut self) -> Result<W, fmt::Error> {
        record(&mut self.into, kind::END, 0, &[])?;
        Ok(self.into)
    }
}

/// One line; `data` has at most [`ROW`] bytes.
fn record(into: &mut impl Write, kind: u8, address: u16, data: &[u8]) -> fmt::Result {
    let mut bytes = [0; 4 + ROW];
    let [high, low] = address.to_be_bytes();
    bytes[..4].copy_from_slice(&[data.len() as u8, high, low, kind]);
    bytes[4..4 + data.len()].copy_from_slice(data);
    let bytes = &bytes[..4 + data.len()];
    into.write_char(':')?;
    bytes.iter().chain([&checksum(bytes)]).try_for_each(|byte| write!(into, "{byte:02X}"))?;
    into.write_str("\r\n")
}

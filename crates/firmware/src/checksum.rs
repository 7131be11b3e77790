//! The two checksums of an image, computed as the bytes stream by.

use core::fmt;

use crc::{CRC_32_ISO_HDLC, Crc, Table};
use sha2::Digest as _;

static ALGORITHM: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// CRC-32/ISO-HDLC, the one of Ethernet and zip: finds damage by chance, not by intent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Crc32(pub u32);

impl Crc32 {
    /// The checksum of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(ALGORITHM.checksum(bytes))
    }
}

impl fmt::Display for Crc32 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", self.0)
    }
}

impl fmt::Debug for Crc32 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Crc32({self})")
    }
}

/// SHA-256 (FIPS 180-4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

/// 64 lower-case hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digest({self})")
    }
}

/// A [`Crc32`] in the making.
#[derive(Clone)]
pub struct Crc32Stream(crc::Digest<'static, u32, Table<1>>);

impl Crc32Stream {
    /// Nothing has streamed by.
    pub fn new() -> Self {
        Self(ALGORITHM.digest())
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes so far.
    pub fn finish(self) -> Crc32 {
        Crc32(self.0.finalize())
    }
}

impl Default for Crc32Stream {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Crc32Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Crc32Stream(..)")
    }
}

/// A [`Crc32`] and a [`Digest`] of the same bytes, in the making.
#[derive(Clone, Debug, Default)]
pub struct ChecksumStream {
    crc: Crc32Stream,
    digest: sha2::Sha256,
}

impl ChecksumStream {
    /// Nothing has streamed by.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.digest.update(bytes);
    }

    /// The checksums of all bytes so far.
    pub fn finish(self) -> (Crc32, Digest) {
        (self.crc.finish(), Digest(self.digest.finalize().into()))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;

    #[test]
    fn matches_the_published_check_values() {
        assert_eq!(Crc32::of(b"123456789"), Crc32(0xCBF4_3926));
        // FIPS 180-4 example of one block.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), expected);
    }

    #[test]
    fn streaming_in_pieces_gives_the_same() {
        let bytes: [u8; 200] = core::array::from_fn(|index| index as u8);
        let mut stream = ChecksumStream::new();
        bytes.chunks(7).for_each(|piece| stream.update(piece));
        assert_eq!(stream.finish(), (Crc32::of(&bytes), Digest::of(&bytes)));
    }
}

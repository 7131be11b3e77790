//! The records of an archive: end record, directory, local headers, descriptors.

/// Begins a local header (APPNOTE 4.3.7).
pub(super) const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// Begins a descriptor (4.3.9.3), and the first of several files.
pub(super) const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";
/// Begins an entry of the directory (4.3.12).
pub(super) const DIRECTORY: [u8; 4] = *b"PK\x01\x02";
/// Begins the end record (4.3.16).
pub(super) const END: [u8; 4] = *b"PK\x05\x06";
/// Begins the zip64 locator (4.3.15), right in front of the end record.
pub(super) const ZIP64_LOCATOR: [u8; 4] = *b"PK\x06\x07";

pub(super) const ZIP64_LOCATOR_SIZE: u64 = 20;

/// Sizes of which zip64 keeps the true value elsewhere.
pub(super) const IN_ZIP64: u32 = u32::MAX;

/// General purpose flags (4.4.4).
pub(super) mod flag {
    pub const ENCRYPTED: u16 = 1 << 0;
    /// How hard the compressor tried.
    pub const LEVEL: u16 = 0b11 << 1;
    /// Sizes and checksum are in a descriptor behind the content.
    pub const DESCRIPTOR: u16 = 1 << 3;
    pub const STRONGLY_ENCRYPTED: u16 = 1 << 6;
    pub const UTF8: u16 = 1 << 11;
    /// Values of the local header are masked.
    pub const MASKED: u16 = 1 << 13;
}

/// Compression methods (4.4.5).
pub(super) mod method {
    pub const STORED: u16 = 0;
    pub const DEFLATED: u16 = 8;
}

/// Extra fields (4.5.2, 4.6).
pub(super) mod extra {
    pub const ZIP64: u16 = 0x0001;
    pub const STRONG_ENCRYPTION: u16 = 0x0017;
    pub const AES_ENCRYPTION: u16 = 0x9901;
    /// Info-ZIP: version, CRC-32 of the name, the name in UTF-8.
    pub const UNICODE_PATH: u16 = 0x7075;
    /// Times (NTFS, Info-ZIP), owners (Info-ZIP, three forms), the mark of Java archives.
    pub const HARMLESS: [u16; 6] = [0x000A, 0x5455, 0x5855, 0x7855, 0x7875, 0xCAFE];
}

/// What local headers and the directory both say of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub flags: u16,
    pub method: u16,
    pub crc: u32,
    pub compressed_size: u32,
    pub size: u32,
}

impl Header {
    /// Bytes from the flags to the size.
    const SIZE: usize = 20;

    fn parse(bytes: &[u8; Self::SIZE]) -> Self {
        Self {
            flags: u16_at(bytes, 0),
            method: u16_at(bytes, 2),
            crc: u32_at(bytes, 8),
            compressed_size: u32_at(bytes, 12),
            size: u32_at(bytes, 16),
        }
    }

    /// With a time that is always the same: 1980-01-01 00:00, the first one there is.
    fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[0..2].copy_from_slice(&self.flags.to_le_bytes());
        bytes[2..4].copy_from_slice(&self.method.to_le_bytes());
        bytes[6..8].copy_from_slice(&0x0021_u16.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.crc.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.compressed_size.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.size.to_le_bytes());
        bytes
    }

    pub fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }
}

/// In front of each content; name and extra fields follow.
#[derive(Clone, Copy, Debug)]
pub(super) struct LocalHeader {
    pub header: Header,
    pub name_length: usize,
    pub extra_length: usize,
}

impl LocalHeader {
    pub const SIZE: usize = 30;

    pub fn parse(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        bytes.starts_with(&LOCAL).then(|| Self {
            header: Header::parse(&array_at(bytes, 6)),
            name_length: u16_at(bytes, 26).into(),
            extra_length: u16_at(bytes, 28).into(),
        })
    }

    pub fn encode(header: &Header, name: &str) -> Vec<u8> {
        let mut bytes = LOCAL.to_vec();
        bytes.extend(VERSION_NEEDED.to_le_bytes());
        bytes.extend(header.encode());
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend([0; 2]);
        bytes.extend(name.as_bytes());
        bytes
    }
}

/// Version 2.0 of the format: deflate.
const VERSION_NEEDED: u16 = 20;
/// Version 2.0 and UNIX, whose external attributes are a mode.
const MADE_BY: u16 = 3 << 8 | VERSION_NEEDED;
/// A file that its owner may write and everybody may read.
const MODE: u32 = 0o100_644 << 16;

/// An entry of the directory; name, extra fields and comment follow.
#[derive(Clone, Copy, Debug)]
pub(super) struct DirectoryEntry {
    pub header: Header,
    pub name_length: usize,
    pub extra_length: usize,
    pub comment_length: usize,
    pub disk: u16,
    pub external_attributes: u32,
    pub at: u32,
}

impl DirectoryEntry {
    pub const SIZE: usize = 46;

    pub fn parse(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        bytes.starts_with(&DIRECTORY).then(|| Self {
            header: Header::parse(&array_at(bytes, 8)),
            name_length: u16_at(bytes, 28).into(),
            extra_length: u16_at(bytes, 30).into(),
            comment_length: u16_at(bytes, 32).into(),
            disk: u16_at(bytes, 34),
            external_attributes: u32_at(bytes, 38),
            at: u32_at(bytes, 42),
        })
    }

    pub fn encode(header: &Header, name: &str, at: u32) -> Vec<u8> {
        let mut bytes = DIRECTORY.to_vec();
        bytes.extend(MADE_BY.to_le_bytes());
        bytes.extend(VERSION_NEEDED.to_le_bytes());
        bytes.extend(header.encode());
        bytes.extend((name.len() as u16).to_le_bytes());
        // No extra fields, no comment, the first disk, no internal attributes.
        bytes.extend([0; 8]);
        bytes.extend(MODE.to_le_bytes());
        bytes.extend(at.to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes
    }
}

/// The last record; a comment may follow.
#[derive(Clone, Copy, Debug)]
pub(super) struct EndRecord {
    pub disk: u16,
    pub directory_disk: u16,
    pub entries_here: u16,
    pub entries: u16,
    pub directory_size: u32,
    pub directory_at: u32,
    pub comment_length: usize,
}

impl EndRecord {
    pub const SIZE: usize = 22;

    pub fn parse(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        bytes.starts_with(&END).then(|| Self {
            disk: u16_at(bytes, 4),
            directory_disk: u16_at(bytes, 6),
            entries_here: u16_at(bytes, 8),
            entries: u16_at(bytes, 10),
            directory_size: u32_at(bytes, 12),
            directory_at: u32_at(bytes, 16),
            comment_length: u16_at(bytes, 20).into(),
        })
    }

    pub fn encode(entries: u16, directory_size: u32, directory_at: u32) -> Vec<u8> {
        let mut bytes = END.to_vec();
        bytes.extend([0; 4]);
        bytes.extend(entries.to_le_bytes());
        bytes.extend(entries.to_le_bytes());
        bytes.extend(directory_size.to_le_bytes());
        bytes.extend(directory_at.to_le_bytes());
        bytes.extend([0; 2]);
        bytes
    }
}

/// Checksum, compressed size and size behind a content; with the mark in front of it or without.
pub(super) fn descriptor(header: &Header) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&header.crc.to_le_bytes());
    bytes[4..8].copy_from_slice(&header.compressed_size.to_le_bytes());
    bytes[8..].copy_from_slice(&header.size.to_le_bytes());
    bytes
}

/// Extra fields, id and data; `None` for one that is cut.
pub(super) fn extra_fields(mut bytes: &[u8]) -> impl Iterator<Item = Option<(u16, &[u8])>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let field = next_field(bytes);
        bytes = field.map_or(&[], |(_, _, rest)| rest);
        Some(field.map(|(id, data, _)| (id, data)))
    })
}

fn next_field(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    let (data, rest) = rest.split_at_checked(u16_at(head, 2).into())?;
    Some((u16_at(head, 0), data, rest))
}

/// Part of a record; the offsets are constants within it.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[at + index])
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

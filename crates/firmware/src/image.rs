//! The image file: a header of 256 bytes, then the payload.
//!
//! Numbers are little-endian. Texts are one byte of length, then the characters, then zeros up to the next
//! field; a length of zero stands for "none" and is legal only in the source version.
//!
//! | offset | bytes | field |
//! | ---: | ---: | --- |
//! | 0 | 8 | magic `UPDRAFT` and 0x1A (which stops a terminal from printing the rest) |
//! | 8 | 2 | version of this header: 1 |
//! | 10 | 2 | where the payload starts: 256 |
//! | 12 | 4 | length of the payload |
//! | 16 | 4 | CRC-32/ISO-HDLC of the payload |
//! | 20 | 32 | SHA-256 of the payload |
//! | 52 | 48 | model the image is for |
//! | 100 | 48 | version it brings |
//! | 148 | 48 | version it must be installed over; none = any |
//! | 196 | 56 | zeros |
//! | 252 | 4 | CRC-32/ISO-HDLC of bytes 0 to 251 |

use crate::{ByteCount, Crc32, Digest, Model, Version};

/// Bytes in an image header.
pub const IMAGE_HEADER_SIZE: usize = 256;

/// What an image file starts with.
pub const IMAGE_MAGIC: [u8; 8] = *b"UPDRAFT\x1A";

const HEADER_VERSION: u16 = 1;

mod field {
    use core::ops::Range;

    pub(super) const MAGIC: Range<usize> = 0..8;
    pub(super) const HEADER_VERSION: Range<usize> = 8..10;
    pub(super) const PAYLOAD_START: Range<usize> = 10..12;
    pub(super) const PAYLOAD_LENGTH: Range<usize> = 12..16;
    pub(super) const PAYLOAD_CRC: Range<usize> = 16..20;
    pub(super) const PAYLOAD_DIGEST: Range<usize> = 20..52;
    pub(super) const MODEL: Range<usize> = 52..100;
    pub(super) const VERSION: Range<usize> = 100..148;
    pub(super) const SOURCE: Range<usize> = 148..196;
    pub(super) const HEADER_CRC: Range<usize> = 252..256;
}

/// What an image says about itself.
///
/// ```
/// use firmware::{ImageHeader, Model, Version};
///
/// let model = Model::new("GM01Q")?;
/// let header = ImageHeader::describe(model, Version::new("5.4.1.1-57830")?, None, b"payload");
/// assert_eq!(ImageHeader::parse(&header.encode()), Ok(header));
/// # Ok::<(), firmware::TextError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ImageHeader {
    /// The model it is for.
    pub model: Model,
    /// The version it brings.
    pub version: Version,
    /// The version that must run before, if it is made for only one (as vendors' differential images are).
    pub source: Option<Version>,
    /// How long the payload is.
    pub payload_length: ByteCount,
    /// Checksum of the payload against damage by chance.
    pub payload_crc: Crc32,
    /// Hash of the payload, which names it.
    pub payload_digest: Digest,
}

/// Why bytes are not the header of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HeaderError {
    /// They do not start with [`IMAGE_MAGIC`].
    #[error("this is no Updraft image: the first eight bytes are others")]
    NotAnImage,
    /// There are fewer than [`IMAGE_HEADER_SIZE`].
    #[error("the image ends within its header")]
    TooShort,
    /// The checksum of the header does not match: bytes were changed on the way.
    #[error("the image header is damaged: its checksum does not match")]
    Damaged,
    /// The header is of a later kind.
    #[error("image header version {0} is unknown here")]
    UnknownVersion(u16),
    /// A field that is intact holds what it must not.
    #[error("the image header names an impossible {0}")]
    BadField(HeaderField),
}

/// The fields that can hold something impossible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderField {
    /// Where the payload starts.
    PayloadStart,
    /// The model.
    Model,
    /// The version.
    Version,
    /// The source version.
    SourceVersion,
}

impl core::fmt::Display for HeaderField {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            Self::PayloadStart => "payload start",
            Self::Model => "model",
            Self::Version => "version",
            Self::SourceVersion => "source version",
        })
    }
}

impl ImageHeader {
    /// The header for this payload.
    ///
    /// A payload of 4 GiB or more does not fit into any flash this crate addresses; its length saturates,
    /// and the image is then refused everywhere as truncated.
    pub fn describe(model: Model, version: Version, source: Option<Version>, payload: &[u8]) -> Self {
        Self {
            model,
            version,
            source,
            payload_length: ByteCount(u32::try_from(payload.len()).unwrap_or(u32::MAX)),
            payload_crc: Crc32::of(payload),
            payload_digest: Digest::of(payload),
        }
    }

    /// Bytes in the whole image, header included.
    pub fn image_length(&self) -> ByteCount {
        ByteCount(self.payload_length.0.saturating_add(IMAGE_HEADER_SIZE as u32))
    }

    /// Reads a header from the start of `bytes`, which may go on.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        let magic = &bytes[..bytes.len().min(field::MAGIC.end)];
        if !IMAGE_MAGIC.starts_with(magic) {
            return Err(HeaderError::NotAnImage);
        }
        let header = bytes.first_chunk::<IMAGE_HEADER_SIZE>().ok_or(HeaderError::TooShort)?;
        if Crc32::of(&header[..field::HEADER_CRC.start]).0 != u32_at(header, field::HEADER_CRC.start) {
            return Err(HeaderError::Damaged);
        }
        let version = u16_at(header, field::HEADER_VERSION.start);
        if version != HEADER_VERSION {
            return Err(HeaderError::UnknownVersion(version));
        }
        if usize::from(u16_at(header, field::PAYLOAD_START.start)) != IMAGE_HEADER_SIZE {
            return Err(HeaderError::BadField(HeaderField::PayloadStart));
        }
        Self::from_intact(header)
    }

    fn from_intact(header: &[u8; IMAGE_HEADER_SIZE]) -> Result<Self, HeaderError> {
        let bad = HeaderError::BadField;
        let model = text_at(header, field::MODEL).and_then(|text| Model::from_bytes(text).ok());
        let version = text_at(header, field::VERSION).and_then(|text| Version::from_bytes(text).ok());
        let source = match text_at(header, field::SOURCE) {
            Some([]) => Some(None),
            Some(text) => Version::from_bytes(text).ok().map(Some),
            None => None,
        };
        let mut digest = [0; 32];
        digest.copy_from_slice(&header[field::PAYLOAD_DIGEST]);
        Ok(Self {
            model: model.ok_or(bad(HeaderField::Model))?,
            version: version.ok_or(bad(HeaderField::Version))?,
            source: source.ok_or(bad(HeaderField::SourceVersion))?,
            payload_length: ByteCount(u32_at(header, field::PAYLOAD_LENGTH.start)),
            payload_crc: Crc32(u32_at(header, field::PAYLOAD_CRC.start)),
            payload_digest: Digest(digest),
        })
    }

    /// The bytes that [`ImageHeader::parse`] reads.
    pub fn encode(&self) -> [u8; IMAGE_HEADER_SIZE] {
        let mut header = [0; IMAGE_HEADER_SIZE];
        header[field::MAGIC].copy_from_slice(&IMAGE_MAGIC);
        header[field::HEADER_VERSION].copy_from_slice(&HEADER_VERSION.to_le_bytes());
        header[field::PAYLOAD_START].copy_from_slice(&(IMAGE_HEADER_SIZE as u16).to_le_bytes());
        header[field::PAYLOAD_LENGTH].copy_from_slice(&self.payload_length.0.to_le_bytes());
        header[field::PAYLOAD_CRC].copy_from_slice(&self.payload_crc.0.to_le_bytes());
        header[field::PAYLOAD_DIGEST].copy_from_slice(&self.payload_digest.0);
        put_text(&mut header[field::MODEL], self.model.as_str());
        put_text(&mut header[field::VERSION], self.version.as_str());
        put_text(&mut header[field::SOURCE], self.source.as_ref().map_or("", Version::as_str));
        let crc = Crc32::of(&header[..field::HEADER_CRC.start]);
        header[field::HEADER_CRC].copy_from_slice(&crc.0.to_le_bytes());
        header
    }
}

fn put_text(place: &mut [u8], text: &str) {
    place[0] = text.len() as u8;
    place[1..=text.len()].copy_from_slice(text.as_bytes());
}

/// The text of a field, if its length stays within the field.
fn text_at(header: &[u8; IMAGE_HEADER_SIZE], range: core::ops::Range<usize>) -> Option<&[u8]> {
    let (length, text) = header[range].split_first()?;
    text.get(..usize::from(*length))
}

fn u16_at(header: &[u8; IMAGE_HEADER_SIZE], at: usize) -> u16 {
    u16::from_le_bytes([header[at], header[at + 1]])
}

fn u32_at(header: &[u8; IMAGE_HEADER_SIZE], at: usize) -> u32 {
    u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

/// A whole image in memory whose payload was found to be what its header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Image<'a> {
    /// What it says about itself.
    pub header: ImageHeader,
    /// What it brings.
    pub payload: &'a [u8],
}

/// Why bytes are not an intact image.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ImageError {
    /// The header is not one.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// There are more or fewer bytes than the header says.
    #[error("the image has {found} but its header says {expected}")]
    WrongLength {
        /// What the header says, header included.
        expected: ByteCount,
        /// What there is.
        found: ByteCount,
    },
    /// The CRC-32 of the payload is another.
    #[error("the payload is damaged: its CRC-32 is {found}, the header says {expected}")]
    WrongCrc {
        /// What the header says.
        expected: Crc32,
        /// What the payload has.
        found: Crc32,
    },
    /// The SHA-256 of the payload is another.
    #[error("the payload is not the one of this header: its SHA-256 is {found}")]
    WrongDigest {
        /// What the payload has.
        found: Digest,
    },
}

impl<'a> Image<'a> {
    /// Checks length, CRC-32 and SHA-256 of everything.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let header = ImageHeader::parse(bytes)?;
        let payload = &bytes[IMAGE_HEADER_SIZE..];
        if payload.len() as u64 != u64::from(header.payload_length.0) {
            let found = ByteCount(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            return Err(ImageError::WrongLength { expected: header.image_length(), found });
        }
        header.check(Crc32::of(payload), Digest::of(payload))?;
        Ok(Self { header, payload })
    }
}

impl ImageHeader {
    /// Whether a payload of the right length with these checksums is the one described here.
    pub(crate) fn check(&self, crc: Crc32, digest: Digest) -> Result<(), ImageError> {
        if crc != self.payload_crc {
            return Err(ImageError::WrongCrc { expected: self.payload_crc, found: crc });
        }
        if digest != self.payload_digest {
            return Err(ImageError::WrongDigest { found: digest });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn header() -> ImageHeader {
        let model = Model::new("GM01Q").unwrap();
        let source = Version::new("5.4.1.1-57857").ok();
        ImageHeader::describe(model, Version::new("5.4.1.1-57830").unwrap(), source, b"machine code")
    }

    /// Changes one byte and makes the header's checksum right again.
    fn with_byte(at: usize, byte: u8) -> [u8; IMAGE_HEADER_SIZE] {
        let mut bytes = header().encode();
        bytes[at] = byte;
        let crc = Crc32::of(&bytes[..252]);
        bytes[252..].copy_from_slice(&crc.0.to_le_bytes());
        bytes
    }

    #[test]
    fn layout_is_the_documented_one() {
        let bytes = header().encode();
        assert_eq!(&bytes[..12], b"UPDRAFT\x1A\x01\x00\x00\x01");
        assert_eq!(&bytes[12..16], &[12, 0, 0, 0]);
        assert_eq!(&bytes[52..58], b"\x05GM01Q");
        assert_eq!(&bytes[100..114], b"\x0D5.4.1.1-57830");
        assert_eq!(&bytes[148..162], b"\x0D5.4.1.1-57857");
        assert_eq!(&bytes[196..252], &[0; 56]);
    }

    #[test]
    fn each_fault_has_its_own_error() {
        let good = header().encode();
        assert_eq!(ImageHeader::parse(b"UPDRAFD"), Err(HeaderError::NotAnImage));
        assert_eq!(ImageHeader::parse(b"UPDRA"), Err(HeaderError::TooShort));
        assert_eq!(ImageHeader::parse(&good[..255]), Err(HeaderError::TooShort));
        let mut damaged = good;
        damaged[60] ^= 1;
        assert_eq!(ImageHeader::parse(&damaged), Err(HeaderError::Damaged));
        assert_eq!(ImageHeader::parse(&with_byte(8, 2)), Err(HeaderError::UnknownVersion(2)));
        for (at, byte, bad) in [
            (10, 1, HeaderField::PayloadStart),
            (52, 0, HeaderField::Model),
            (52, 48, HeaderField::Model),
            (101, 0, HeaderField::Version),
            (148, 255, HeaderField::SourceVersion),
        ] {
            assert_eq!(ImageHeader::parse(&with_byte(at, byte)), Err(HeaderError::BadField(bad)));
        }
        assert_eq!(ImageHeader::parse(&with_byte(148, 0)).map(|header| header.source), Ok(None));
    }

    #[test]
    fn an_image_is_checked_to_its_last_byte() {
        let mut bytes: Vec<u8> = header().encode().into();
        bytes.extend_from_slice(b"machine code");
        assert_eq!(Image::parse(&bytes).map(|image| image.payload), Ok(&b"machine code"[..]));
        let short = Image::parse(&bytes[..267]);
        let expected = ImageError::WrongLength { expected: ByteCount(268), found: ByteCount(267) };
        assert_eq!(short, Err(expected));
        bytes.push(0);
        assert!(matches!(Image::parse(&bytes), Err(ImageError::WrongLength { .. })));
        bytes.pop();
        bytes[267] ^= 0x80;
        assert!(matches!(Image::parse(&bytes), Err(ImageError::WrongCrc { .. })));
    }

    #[test]
    fn a_payload_with_a_forged_crc_is_still_found_by_its_digest() {
        let mut forged = header();
        forged.payload_crc = Crc32::of(b"machine edoc");
        let mut bytes: Vec<u8> = forged.encode().into();
        bytes.extend_from_slice(b"machine edoc");
        assert!(matches!(Image::parse(&bytes), Err(ImageError::WrongDigest { .. })));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Image::parse(&bytes);
            let mut with_magic = IMAGE_MAGIC.to_vec();
            with_magic.extend_from_slice(&bytes);
            let _ = Image::parse(&with_magic);
        }

        #[test]
        fn parsing_intact_nonsense_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 256..400)) {
            bytes[..12].copy_from_slice(b"UPDRAFT\x1A\x01\x00\x00\x01");
            let crc = Crc32::of(&bytes[..252]);
            bytes[252..256].copy_from_slice(&crc.0.to_le_bytes());
            let _ = Image::parse(&bytes);
        }

        #[test]
        fn what_is_encoded_is_parsed_back(
            model in "[ -~]{1,47}",
            version in "[ -~]{1,47}",
            source in proptest::option::of("[ -~]{1,47}"),
            payload in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let source = source.map(|source| Version::new(&source).unwrap());
            let (model, version) = (Model::new(&model).unwrap(), Version::new(&version).unwrap());
            let header = ImageHeader::describe(model, version, source, &payload);
            prop_assert_eq!(ImageHeader::parse(&header.encode()), Ok(header));
        }
    }
}

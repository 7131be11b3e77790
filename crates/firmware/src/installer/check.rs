//! Reads images back from flash.

use crate::checksum::ChecksumStream;
use crate::image::{IMAGE_HEADER_SIZE, ImageError};
use crate::{
    Bank, Banks, ByteCount, Digest, Flash, FlashAddress, FlashError, ImageHeader, ImageId, InstallError,
};

/// Bytes that flash is read back in at a time.
const READ_SIZE: usize = 256;

/// Reads the image in a bank, checks length, CRC-32 and SHA-256, and names it.
pub(crate) fn check_bank<F: Flash>(
    flash: &mut F,
    banks: &Banks,
    bank: Bank,
) -> Result<Result<(ImageHeader, ImageId), InstallError>, FlashError> {
    let mut start = [0; IMAGE_HEADER_SIZE];
    flash.read(banks.address(bank, ByteCount(0)), &mut start)?;
    let header = match ImageHeader::parse(&start) {
        Ok(header) => header,
        Err(error) => return Ok(Err(InstallError::Header(error))),
    };
    let (length, capacity) = (header.image_length(), banks.capacity());
    if length > capacity {
        return Ok(Err(InstallError::TooLarge { length, capacity }));
    }
    let mut checksums = ChecksumStream::new();
    let payload = banks.address(bank, ByteCount(IMAGE_HEADER_SIZE as u32));
    read_through(flash, payload, header.payload_length, |bytes| checksums.update(bytes))?;
    let (crc, digest) = checksums.finish();
    Ok(match header.check(crc, digest) {
        Err(ImageError::WrongCrc { expected, found }) => Err(InstallError::WrongCrc { expected, found }),
        Err(_) => Err(InstallError::WrongDigest { found: digest }),
        Ok(()) => Ok((header, ImageId(Digest::of(&start)))),
    })
}

pub(super) fn read_through<F: Flash>(
    flash: &mut F,
    at: FlashAddress,
    length: ByteCount,
    mut each: impl FnMut(&[u8]),
) -> Result<(), FlashError> {
    let mut buffer = [0; READ_SIZE];
    let mut done = 0;
    while done < length.0 {
        let piece = &mut buffer[..READ_SIZE.min((length.0 - done) as usize)];
        flash.read(at.plus(done), piece)?;
        each(piece);
        done += piece.len() as u32;
    }
    Ok(())
}

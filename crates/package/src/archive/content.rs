//! The content of an entry, as a stream and by its beginning.

use std::io::{Read, Seek, SeekFrom, Write};

use firmware::Crc32Stream;
use flate2::{Decompress, FlushDecompress, Status};

use super::ArchiveFormat;
use super::envelope::Member;
use super::error::ArchiveError;
use super::record::{self, method};

/// Bytes that are read and written at once.
const CHUNK: usize = 16 << 10;

/// Compressed bytes that are read to see how a content begins.
const HEAD: usize = 4 << 10;

/// Bytes by which every container of files can be told: a tar file says it at byte 257.
const TELLING: usize = 512;

/// The first bytes of a content, as far as the first compressed ones tell; nothing is said of what is wrong
/// with them, which is found when all is read.
pub(super) fn head(file: &mut (impl Read + Seek), member: &Member) -> Result<Vec<u8>, ArchiveError> {
    let length = HEAD.min(member.header.compressed_size as usize);
    let mut compressed = vec![0; length];
    file.seek(SeekFrom::Start(member.content_at)).map_err(ArchiveError::Read)?;
    file.read_exact(&mut compressed).map_err(ArchiveError::Read)?;
    if member.header.method == method::STORED {
        compressed.truncate(TELLING);
        return Ok(compressed);
    }
    let mut content = vec![0; TELLING];
    let mut inflate = Decompress::new(false);
    let _ = inflate.decompress(&compressed, &mut content, FlushDecompress::None);
    content.truncate(inflate.total_out() as usize);
    Ok(content)
}

/// Which container of several files begins like this. Compressed single files are none: they are firmware
/// to some devices.
pub(super) fn archive_format(head: &[u8]) -> Option<ArchiveFormat> {
    let magics: [(&[u8], ArchiveFormat); 6] = [
        (&record::LOCAL, ArchiveFormat::Zip),
        (&record::END, ArchiveFormat::Zip),
        (&record::DESCRIPTOR, ArchiveFormat::Zip),
        (b"7z\xBC\xAF\x27\x1C", ArchiveFormat::SevenZip),
        (b"Rar!\x1A\x07", ArchiveFormat::Rar),
        (b"MSCF\0\0\0\0", ArchiveFormat::Cabinet),
    ];
    let found = magics.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, format)| *format);
    let is_tar = head.get(257..262) == Some(b"ustar");
    found.or(is_tar.then_some(ArchiveFormat::Tar))
}

/// Streams a content, checked against everything that the headers say of it.
pub(super) fn copy(
    file: &mut (impl Read + Seek),
    member: &Member,
    into: &mut impl Write,
) -> Result<u64, ArchiveError> {
    file.seek(SeekFrom::Start(member.content_at)).map_err(ArchiveError::Read)?;
    let mut compressed = file.take(member.header.compressed_size.into());
    let mut checked = Checked { member, into, head: Vec::new(), written: 0, crc: Crc32Stream::new() };
    match member.header.method {
        method::STORED => copy_stored(&mut compressed, &mut checked)?,
        _ => inflate(&mut compressed, &mut checked)?,
    }
    checked.finish()
}

fn copy_stored(from: &mut impl Read, checked: &mut Checked<'_, impl Write>) -> Result<(), ArchiveError> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match from.read(&mut buffer).map_err(ArchiveError::Read)? {
            0 => return Ok(()),
            length => checked.take(&buffer[..length])?,
        }
    }
}

fn inflate(from: &mut impl Read, checked: &mut Checked<'_, impl Write>) -> Result<(), ArchiveError> {
    let name = || checked.member.name.clone();
    let damaged = || ArchiveError::DamagedContent { name: name() };
    let total = u64::from(checked.member.header.compressed_size);
    let (mut input, mut output) = (vec![0; CHUNK], vec![0; CHUNK]);
    let (mut start, mut end) = (0, 0);
    let mut inflate = Decompress::new(false);
    loop {
        if start == end {
            (start, end) = (0, from.read(&mut input).map_err(ArchiveError::Read)?);
        }
        let (taken, made) = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(&input[start..end], &mut output, FlushDecompress::None);
        let status = status.map_err(|_| damaged())?;
        let (taken, made) = (inflate.total_in() - taken, inflate.total_out() - made);
        start += taken as usize;
        checked.take(&output[..made as usize])?;
        match status {
            Status::StreamEnd if inflate.total_in() == total => return Ok(()),
            Status::StreamEnd => {
                let length = total - inflate.total_in();
                return Err(ArchiveError::BytesBehindContent { name: name(), length });
            }
            // No more input, and no end: the stream is cut.
            _ if taken == 0 && made == 0 => return Err(damaged()),
            _ => {}
        }
    }
}

/// Where a content goes, with all that is checked on the way.
struct Checked<'a, W> {
    member: &'a Member,
    into: &'a mut W,
    /// How the content begins, until enough has come to tell whether it is an archive.
    head: Vec<u8>,
    written: u64,
    crc: Crc32Stream,
}

impl<W: Write> Checked<'_, W> {
    fn take(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let size = u64::from(self.member.header.size);
        if self.written + bytes.len() as u64 > size {
            return Err(ArchiveError::WrongSize { name: self.member.name.clone(), size });
        }
        let missing = TELLING - self.head.len();
        if missing > 0 {
            self.head.extend_from_slice(&bytes[..missing.min(bytes.len())]);
            if let Some(format) = archive_format(&self.head) {
                return Err(ArchiveError::Nested { name: self.member.name.clone(), format });
            }
        }
        self.crc.update(bytes);
        self.written += bytes.len() as u64;
        self.into.write_all(bytes).map_err(ArchiveError::Write)
    }

    fn finish(self) -> Result<u64, ArchiveError> {
        let size = u64::from(self.member.header.size);
        if self.written != size {
            return Err(ArchiveError::WrongSize { name: self.member.name.clone(), size });
        }
        if self.crc.finish().0 != self.member.header.crc {
            return Err(ArchiveError::WrongChecksum { name: self.member.name.clone() });
        }
        Ok(size)
    }
}

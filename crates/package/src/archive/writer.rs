//! Archives of our own.

use std::io::Write;

use firmware::Crc32;
use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::error::ArchiveError;
use super::record::{DirectoryEntry, EndRecord, Header, LocalHeader, flag, method};
use super::{Limits, content, name};

/// Writes an archive that [`Archive::open`](super::Archive::open) accepts with the default limits.
///
/// The same names and contents in the same order make the same bytes: nothing of the machine or the time
/// gets into it. An entry is deflated where that makes it shorter, but not by more than
/// [`Limits::ratio`] allows; otherwise it is stored.
///
/// ```
/// use std::io::Cursor;
///
/// use package::{Archive, ArchiveWriter, Limits};
///
/// let mut writer = ArchiveWriter::new(Vec::new());
/// writer.add("firmware.bin", b"machine code")?;
/// let mut archive = Archive::open(Cursor::new(writer.finish()?), Limits::DEFAULT)?;
/// assert_eq!(archive.entries()[0].name, "firmware.bin");
/// assert_eq!(archive.read("firmware.bin", 1_024)?, b"machine code");
/// # Ok::<(), package::ArchiveError>(())
/// ```
#[derive(Debug)]
pub struct ArchiveWriter<W> {
    into: W,
    /// Bytes written so far.
    at: u64,
    expanded: u64,
    names: Vec<String>,
    directory: Vec<u8>,
}

impl<W: Write> ArchiveWriter<W> {
    /// An archive without entries.
    pub fn new(into: W) -> Self {
        Self { into, at: 0, expanded: 0, names: Vec::new(), directory: Vec::new() }
    }

    /// Appends a file.
    ///
    /// # Errors
    /// Whatever `open` would refuse about it: its name, a name that is there already, an archive as its
    /// content, too many entries or bytes; [`ArchiveError::Write`] if `into` fails, after which the archive
    /// must be dropped.
    pub fn add(&mut self, name: &str, content: &[u8]) -> Result<(), ArchiveError> {
        self.check(name, content)?;
        let deflated = deflate(content)?;
        let long_enough = deflated.len().saturating_mul(Limits::DEFAULT.ratio as usize) >= content.len();
        let (method, stream) = match &deflated[..] {
            deflated if long_enough && deflated.len() < content.len() => (method::DEFLATED, deflated),
            _ => (method::STORED, content),
        };
        let header = Header {
            flags: if name.is_ascii() { 0 } else { flag::UTF8 },
            method,
            crc: Crc32::of(content).0,
            compressed_size: stream.len() as u32,
            size: content.len() as u32,
        };
        self.directory.extend(DirectoryEntry::encode(&header, name, self.at as u32));
        self.names.push(name.to_owned());
        self.expanded += content.len() as u64;
        self.write(&LocalHeader::encode(&header, name))?;
        self.write(stream)
    }

    /// Writes the directory and gives back what was written into.
    ///
    /// # Errors
    /// [`ArchiveError::Empty`] without any entry; [`ArchiveError::Write`] if `into` fails.
    pub fn finish(mut self) -> Result<W, ArchiveError> {
        if self.names.is_empty() {
            return Err(ArchiveError::Empty);
        }
        let directory = std::mem::take(&mut self.directory);
        let (entries, size, at) = (self.names.len() as u16, directory.len() as u32, self.at as u32);
        self.write(&directory)?;
        self.write(&EndRecord::encode(entries, size, at))?;
        self.into.flush().map_err(ArchiveError::Write)?;
        Ok(self.into)
    }

    fn check(&self, name: &str, content: &[u8]) -> Result<(), ArchiveError> {
        let (entry, limits) = (self.names.len() + 1, Limits::DEFAULT);
        name::check(name).map_err(|fault| ArchiveError::Name { entry, fault })?;
        if let Some(same) = self.names.iter().find(|other| name::fold(other) == name::fold(name)) {
            return Err(ArchiveError::SameName { first: same.clone(), second: name.to_owned() });
        }
        if entry > limits.entries {
            return Err(ArchiveError::TooManyEntries { entries: entry, limit: limits.entries });
        }
        let size = self.expanded.saturating_add(content.len() as u64);
        if size > limits.expanded {
            return Err(ArchiveError::TooLarge { size, limit: limits.expanded });
        }
        if let Some(format) = content::archive_format(content) {
            return Err(ArchiveError::Nested { name: name.to_owned(), format });
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.into.write_all(bytes).map_err(ArchiveError::Write)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

fn deflate(content: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).and_then(|()| encoder.finish()).map_err(ArchiveError::Write)
}

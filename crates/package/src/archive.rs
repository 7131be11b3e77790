//! Zip archives, as strictly as firmware needs them.
//!
//! A zip file can be read in many ways, and each tool chooses its own. Here a file has one meaning or it is
//! refused:
//!
//! ```text
//! local header, content [, descriptor]     the first at byte 0
//! local header, content [, descriptor]     one for each entry of the directory, without overlap or gap
//! directory                                says the same of each entry as its local header
//! end record [, comment]                   one, and the file ends with it
//! ```
//!
//! Stored and deflated entries are read, without encryption, zip64 or several disks; an entry is a file
//! with a plain name. [`Archive::open`] checks all of this from the headers: it reads at most 64 KiB at the
//! end, 64 KiB of directory, and of each entry its header and the first 4 KiB. Contents are checked as they
//! stream; nothing is ever written under the name of an entry.
//!
//! Format: PKWARE APPNOTE 6.3.10. We read it ourselves, except for deflate, because libraries for zip try
//! to make sense of what is refused here.

mod content;
mod envelope;
mod error;
mod name;
mod record;
mod writer;

use std::io::{Read, Seek, Write};

use envelope::Member;
pub use error::{ArchiveError, ArchiveFormat, EntryKind, HeaderField};
pub use name::{LONGEST_NAME, NameFault};
pub use writer::ArchiveWriter;

/// How much an archive may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Entries.
    pub entries: usize,
    /// Bytes of all entries together when inflated.
    pub expanded: u64,
    /// How many times longer than its compressed form an entry may be.
    pub ratio: u64,
}

impl Limits {
    /// Room for the images of a module with their manifest; firmware compresses by a factor of 2 to 5.
    pub const DEFAULT: Self = Self { entries: 16, expanded: 64 << 20, ratio: 20 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A file in an archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// A plain file name, without any path, of at most [`LONGEST_NAME`] bytes.
    pub name: String,
    /// Bytes of its content.
    pub size: u64,
    /// Bytes that it takes in the archive.
    pub compressed_size: u64,
}

/// An archive whose envelope has been checked.
#[derive(Debug)]
pub struct Archive<R> {
    file: R,
    entries: Vec<Entry>,
    members: Vec<Member>,
}

impl<R: Read + Seek> Archive<R> {
    /// Checks everything but the contents.
    ///
    /// # Errors
    /// What is wrong with the envelope; all variants but those that say "while it is read".
    pub fn open(mut file: R, limits: Limits) -> Result<Self, ArchiveError> {
        let members = envelope::check(&mut file, limits)?;
        let entries = members.iter().map(Member::entry).collect();
        Ok(Self { file, entries, members })
    }

    /// The entries in the order of the directory.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The content of an entry.
    ///
    /// # Errors
    /// [`ArchiveError::NoSuchEntry`]; [`ArchiveError::TooLong`] if it has more than `at_most` bytes, which
    /// is found before anything is read; otherwise as [`Archive::copy`].
    pub fn read(&mut self, name: &str, at_most: u64) -> Result<Vec<u8>, ArchiveError> {
        let member = self.member(name)?;
        let size = member.header.size.into();
        if size > at_most {
            return Err(ArchiveError::TooLong { name: name.to_owned(), size, limit: at_most });
        }
        // Not more than `Limits::ratio` times what is there in the file.
        let mut content = Vec::with_capacity(member.header.size as usize);
        self.copy(name, &mut content)?;
        Ok(content)
    }

    /// Writes the content of an entry, and tells its size in bytes.
    ///
    /// # Errors
    /// [`ArchiveError::NoSuchEntry`]; anything wrong with the content, which is known only at its end, so
    /// what was written until then must be dropped; [`ArchiveError::Write`] if `into` fails.
    pub fn copy(&mut self, name: &str, into: &mut impl Write) -> Result<u64, ArchiveError> {
        let member = self.member(name)?.clone();
        content::copy(&mut self.file, &member, into)
    }

    /// The file.
    pub fn into_inner(self) -> R {
        self.file
    }

    fn member(&self, name: &str) -> Result<&Member, ArchiveError> {
        let found = self.members.iter().find(|member| member.name == name);
        found.ok_or_else(|| ArchiveError::NoSuchEntry { name: name.to_owned() })
    }
}

/// Whether a file that begins like this is meant as a zip archive.
pub fn is_archive(head: &[u8]) -> bool {
    [record::LOCAL, record::END, record::DESCRIPTOR].iter().any(|magic| head.starts_with(magic))
}

//! Why an archive is refused.

use std::fmt;
use std::io;

use super::NameFault;

/// What is wrong with an archive, or with something that shall become part of one.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be read.
    #[error("the archive cannot be read")]
    Read(#[source] io::Error),
    /// What was read cannot be written.
    #[error("the content of the archive cannot be written")]
    Write(#[source] io::Error),

    /// There is no end record.
    #[error("this is not a zip archive, or its end is missing")]
    NoEndRecord,
    /// There are two, so the file could be read as two archives.
    #[error("the archive has two end records")]
    TwoEndRecords,
    /// The end record and its comment are not the end of the file.
    #[error("the archive ends at byte {end}, but the file has {size} bytes")]
    WrongEnd {
        /// Where the comment of the end record ends.
        end: u64,
        /// Bytes of the file.
        size: u64,
    },
    /// It is one of several files.
    #[error("the archive is split over several files")]
    Split,
    /// It is written in the format for more than 4 GiB.
    #[error("the archive is in the zip64 format, which no firmware needs")]
    Zip64,
    /// There is nothing in it.
    #[error("the archive is empty")]
    Empty,
    /// It has too many entries.
    #[error("the archive has {entries} entries; {limit} are allowed")]
    TooManyEntries {
        /// How many its end record claims.
        entries: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// Its directory is longer than allowed entries with sensible names can make it.
    #[error("the directory of the archive has {size} bytes; {limit} are allowed")]
    DirectoryTooLong {
        /// Bytes of the directory.
        size: u64,
        /// Bytes that are allowed.
        limit: u64,
    },
    /// Its directory is not where the end record says, right before it.
    #[error("the directory of the archive is not in front of its end record")]
    MisplacedDirectory,
    /// Its directory is not a list of as many entries as the end record claims.
    #[error("entry {entry} of the directory of the archive is damaged")]
    DamagedDirectory {
        /// Which one, from 1; one above the number of entries if bytes are left.
        entry: usize,
    },

    /// The name of an entry is not that of a plain file.
    #[error("the name of entry {entry} {fault}")]
    Name {
        /// Which one in the directory, from 1.
        entry: usize,
        /// What is wrong with it.
        fault: NameFault,
    },
    /// Two names are the same, or look the same.
    #[error("two entries are called `{first}` and `{second}`, which some systems or people read as the same")]
    SameName {
        /// One of them.
        first: String,
        /// The later one.
        second: String,
    },
    /// An entry is not a file.
    #[error("`{name}` is {kind}, not a file")]
    NotAFile {
        /// Its name.
        name: String,
        /// What it is.
        kind: EntryKind,
    },
    /// An entry is encrypted.
    #[error("`{name}` is encrypted")]
    Encrypted {
        /// Its name.
        name: String,
    },
    /// An entry has flags that change how it is read.
    #[error("`{name}` has the unknown flags {flags:#06x}")]
    UnknownFlags {
        /// Its name.
        name: String,
        /// Those that are not known.
        flags: u16,
    },
    /// An entry is compressed by something else than deflate.
    #[error("`{name}` is compressed by method {method}; 0 (stored) and 8 (deflate) are allowed")]
    UnknownMethod {
        /// Its name.
        name: String,
        /// APPNOTE 4.4.5.
        method: u16,
    },
    /// An entry has an extra field that is not just a time or an owner.
    #[error("`{name}` has an extra field {id:#06x}, which could change its meaning")]
    ExtraField {
        /// Its name.
        name: String,
        /// APPNOTE 4.5.2.
        id: u16,
    },
    /// The extra fields of an entry are not a list of fields.
    #[error("the extra fields of `{name}` are damaged")]
    DamagedExtraField {
        /// Its name.
        name: String,
    },
    /// An extra field gives an entry another name (Info-ZIP Unicode Path).
    #[error("`{name}` has a second name")]
    SecondName {
        /// Its first name.
        name: String,
    },
    /// A stored entry has two sizes.
    #[error("`{name}` is stored, but has two sizes")]
    TwoSizes {
        /// Its name.
        name: String,
    },
    /// All entries together are too large.
    #[error("the archive holds {size} bytes; {limit} are allowed")]
    TooLarge {
        /// Bytes of all entries up to the one that was too much.
        size: u64,
        /// Bytes that are allowed.
        limit: u64,
    },
    /// An entry is compressed more than any firmware can be.
    #[error("`{name}` claims to make {size} bytes of {compressed_size}; {limit} times as many are allowed")]
    TooCompressed {
        /// Its name.
        name: String,
        /// Bytes that it claims to have.
        size: u64,
        /// Bytes that it takes in the archive.
        compressed_size: u64,
        /// How many times longer it may become.
        limit: u64,
    },

    /// There is no header in front of an entry.
    #[error("`{name}` has no header at byte {at}")]
    NoHeader {
        /// Its name.
        name: String,
        /// Where it should be.
        at: u64,
    },
    /// The header of an entry says something else than the directory.
    #[error("the {field} of `{name}` in front of it differs from that in the directory")]
    HeadersDiffer {
        /// Its name.
        name: String,
        /// What differs.
        field: HeaderField,
    },
    /// The descriptor behind an entry is missing, or says something else than the directory.
    #[error("the descriptor behind `{name}` is wrong")]
    WrongDescriptor {
        /// Its name.
        name: String,
    },
    /// An entry lies over another one or over the directory.
    #[error("`{name}` overlaps what comes before or after it")]
    Overlap {
        /// The later one of two entries; the last one if it reaches into the directory.
        name: String,
    },
    /// Bytes belong to nothing.
    #[error("{length} bytes at {at} belong to no entry")]
    StrayBytes {
        /// Where they begin.
        at: u64,
        /// How many.
        length: u64,
    },
    /// An entry is itself an archive.
    #[error("`{name}` is an archive itself ({format})")]
    Nested {
        /// Its name.
        name: String,
        /// Of which kind.
        format: ArchiveFormat,
    },

    /// Nothing has this name.
    #[error("there is no `{name}` in the archive")]
    NoSuchEntry {
        /// The name.
        name: String,
    },
    /// An entry is longer than the caller wants.
    #[error("`{name}` has {size} bytes; {limit} are allowed")]
    TooLong {
        /// Its name.
        name: String,
        /// Its bytes.
        size: u64,
        /// Bytes that are allowed.
        limit: u64,
    },
    /// While it is read, an entry is no deflate stream.
    #[error("`{name}` cannot be inflated")]
    DamagedContent {
        /// Its name.
        name: String,
    },
    /// While it is read, an entry becomes shorter or longer than it claimed.
    #[error("`{name}` does not have the {size} bytes that it claims")]
    WrongSize {
        /// Its name.
        name: String,
        /// Bytes that it claims to have.
        size: u64,
    },
    /// While it is read, the deflate stream ends before the entry does.
    #[error("`{name}` has {length} bytes behind the end of its content")]
    BytesBehindContent {
        /// Its name.
        name: String,
        /// How many.
        length: u64,
    },
    /// While it is read, the content of an entry has another CRC-32.
    #[error("the content of `{name}` is damaged: its CRC-32 is wrong")]
    WrongChecksum {
        /// Its name.
        name: String,
    },
}

/// What an entry is that is no file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryKind {
    /// A folder.
    Directory,
    /// A name for another file.
    SymbolicLink,
    /// A character or block device, or what Windows calls one.
    Device,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// The label of a volume.
    VolumeLabel,
    /// Something that no system has.
    Unknown,
}

impl fmt::Display for EntryKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Directory => "a directory",
            Self::SymbolicLink => "a symbolic link",
            Self::Device => "a device",
            Self::Pipe => "a pipe",
            Self::Socket => "a socket",
            Self::VolumeLabel => "a volume label",
            Self::Unknown => "of an unknown kind",
        })
    }
}

/// What the header of an entry and the directory both say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderField {
    /// The name, byte for byte.
    Name,
    /// The general purpose flags.
    Flags,
    /// The compression method.
    Method,
    /// The CRC-32 of the content.
    Checksum,
    /// The size in the archive.
    CompressedSize,
    /// The size of the content.
    Size,
}

impl fmt::Display for HeaderField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Name => "name",
            Self::Flags => "flags",
            Self::Method => "method",
            Self::Checksum => "CRC-32",
            Self::CompressedSize => "compressed size",
            Self::Size => "size",
        })
    }
}

/// A container of several files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArchiveFormat {
    /// PKWARE's.
    Zip,
    /// 7-Zip's.
    SevenZip,
    /// Of WinRAR.
    Rar,
    /// POSIX, and the older GNU form.
    Tar,
    /// Microsoft's.
    Cabinet,
}

impl fmt::Display for ArchiveFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Zip => "zip",
            Self::SevenZip => "7z",
            Self::Rar => "rar",
            Self::Tar => "tar",
            Self::Cabinet => "cab",
        })
    }
}

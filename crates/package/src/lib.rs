//! What travels to the server: archives with firmware, who signed them, and what they say of themselves.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod archive;

pub use archive::{
    Archive, ArchiveError, ArchiveFormat, ArchiveWriter, Entry, EntryKind, HeaderField, LONGEST_NAME, Limits,
    NameFault, is_archive,
};

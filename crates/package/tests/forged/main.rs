//! Archives and packages that somebody has tampered with: each is refused for the right reason, and reading
//! it costs little.
#![expect(clippy::unwrap_used, reason = "all of this file is tests")]

mod archives;
mod forge;
mod meter;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;

use package::{Archive, ArchiveError, Limits};

use crate::meter::{Counting, Metered, peak_of};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What opening an archive reads at most: its end with the longest comment, the longest directory, and of
/// 16 entries the header with the longest texts and the beginning of the content.
const MOST_READ_BY_OPEN: usize = 22 + 0xFFFF + 4 + (64 << 10) + 16 * (30 + 2 * 0xFFFF + 16 + (4 << 10));

/// Bytes held at once: the end, the directory and the window of deflate. Bombs shall not need more than 16
/// MiB; this is a sixteenth of that.
const MOST_MEMORY: usize = 1 << 20;

#[test]
fn u01_u02_malformed_archives_are_refused_for_the_right_reason() {
    let cases = archives::all();
    let mut wrong = Vec::new();
    for case in &cases {
        match outcome(&case.bytes) {
            Err(error) if (case.is_expected)(&error) => {}
            other => wrong.push(format!("{}: {other:?} and not {}", case.name, case.expected)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut seen = BTreeMap::new();
    for case in &cases {
        let twin = seen.insert(&case.bytes, &case.name);
        assert_eq!(twin, None, "the same archive as {}", case.name);
        let count = cases.iter().filter(|other| other.name == case.name).count();
        assert_eq!(count, 1, "{}", case.name);
    }
    println!("{} malformed archives", cases.len());
    assert!(cases.len() >= 250, "{} malformed archives", cases.len());
}

#[test]
fn odd_archives_that_are_right_are_read() {
    for (name, bytes) in archives::good() {
        assert!(outcome(&bytes).is_ok(), "{name}: {:?}", outcome(&bytes));
    }
}

#[test]
fn u02_refusing_an_archive_reads_little_and_holds_little() {
    for case in archives::all() {
        let read = Cell::new(0);
        let file = Metered::new(&case.bytes, &read);
        let (opened, peak) = peak_of(|| Archive::open(file, Limits::DEFAULT).err());
        assert!(read.get() <= MOST_READ_BY_OPEN, "{}: {} bytes read", case.name, read.get());
        assert!(peak <= MOST_MEMORY, "{}: {peak} bytes held by open", case.name);
        if opened.is_none() {
            let (_, peak) = peak_of(|| outcome(&case.bytes));
            assert!(peak <= MOST_MEMORY, "{}: {peak} bytes held by copy", case.name);
        }
    }
}

/// Opens an archive and reads all that is in it; tells how many bytes that was.
fn outcome(bytes: &[u8]) -> Result<u64, ArchiveError> {
    let mut archive = Archive::open(io::Cursor::new(bytes), Limits::DEFAULT)?;
    let entries = archive.entries().to_vec();
    entries.iter().map(|entry| archive.copy(&entry.name, &mut io::sink())).sum()
}

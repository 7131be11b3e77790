//! Archives and packages, as an operator uploads them.
//!
//! The first byte chooses: a file as it is, or an archive that is written from names and contents and then
//! changed in a few places, so that what lies behind the checksums is reached as well.

use std::cell::Cell;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use package::bundle::{self, Content};
use package::{Archive, ArchiveWriter, Limits, is_archive};

use crate::script::Script;

/// Bytes that opening reads at most, whatever the file says: its end, its directory, and 16 headers with the
/// longest texts and the beginnings of their contents.
const MOST_READ: usize = (128 << 10) + 16 * (136 << 10);

/// Takes a file.
///
/// # Panics
/// If opening reads more than it may, if a content is not as long as its entry says, or if what was read
/// cannot be written again and then reads the same.
pub fn target(bytes: &[u8]) {
    let Some((&kind, bytes)) = bytes.split_first() else { return };
    if kind % 2 == 0 { file(bytes) } else { file(&changed(bytes)) }
}

fn file(bytes: &[u8]) {
    let read = Cell::new(0);
    let opened = Archive::open(Metered { file: Cursor::new(bytes), read: &read }, Limits::DEFAULT);
    assert!(read.get() <= MOST_READ, "{} bytes read", read.get());
    if let Ok(archive) = opened {
        contents(archive);
    }
    packages(bytes);
}

fn contents<R: Read + Seek>(mut archive: Archive<R>) {
    let entries = archive.entries().to_vec();
    assert!(entries.len() <= Limits::DEFAULT.entries);
    assert!(entries.iter().map(|entry| entry.size).sum::<u64>() <= Limits::DEFAULT.expanded);
    let mut writer = ArchiveWriter::new(Vec::new());
    let mut written = Vec::new();
    for entry in &entries {
        let Ok(content) = archive.read(&entry.name, entry.size) else { continue };
        assert_eq!(content.len() as u64, entry.size);
        writer.add(&entry.name, &content).expect("a name and a content that have been read");
        written.push((&entry.name, content));
    }
    let Ok(again) = writer.finish() else { return };
    assert!(is_archive(&again));
    let mut again = Archive::open(Cursor::new(again), Limits::DEFAULT).expect("an archive of our own");
    assert_eq!(again.entries().len(), written.len());
    for (name, content) in written {
        assert!(again.read(name, u64::MAX).is_ok_and(|same| same == content));
    }
}

fn packages(bytes: &[u8]) {
    match bundle::inspect(Cursor::new(bytes), Limits::DEFAULT) {
        Ok(Content::Unsigned(mut unsigned)) => {
            let _ = unsigned.payload();
        }
        Ok(Content::Signed(signed)) => assert!(signed.verify(&[], 0).is_err(), "nobody may sign"),
        Ok(Content::Raw(_)) => assert!(!is_archive(bytes)),
        Err(_) => {}
    }
}

/// An archive of our own with bytes changed, and cut or prolonged at its end.
fn changed(bytes: &[u8]) -> Vec<u8> {
    let mut script = Script::new(bytes);
    let mut writer = ArchiveWriter::new(Vec::new());
    for _ in 0..=script.byte() % 17 {
        let name = String::from_utf8_lossy(script.bytes()).into_owned();
        let content = script.bytes().repeat(usize::from(script.byte() % 64));
        let _ = writer.add(&name, &content);
    }
    let Ok(mut archive) = writer.finish() else { return Vec::new() };
    while !script.is_over() {
        let (at, byte) = (usize::from(script.number()), script.byte());
        // Counted from the end, so that directory and end record are met as often as contents.
        if let Some(at) = archive.len().checked_sub(at + 1) {
            archive[at] ^= byte;
        } else if byte < 16 {
            archive.truncate(archive.len().saturating_sub(byte.into()));
        } else {
            archive.push(byte);
        }
    }
    archive
}

/// A file that counts what is read of it.
struct Metered<'a> {
    file: Cursor<&'a [u8]>,
    read: &'a Cell<usize>,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.read.set(self.read.get() + length);
        Ok(length)
    }
}

impl Seek for Metered<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

//! Archives and packages that somebody has tampered with: each is refused for the right reason, and reading
//! it costs little.
#![expect(clippy::unwrap_used, reason = "all of this file is tests")]

mod archives;
mod forge;
mod meter;
mod packages;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use package::{Archive, ArchiveError, Limits};

use crate::meter::{Counting, Metered, peak_of};
use crate::packages::Signer;

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
    assert_eq!(cases.len(), 323, "malformed archives");
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

#[test]
fn p07_f25_f27_forged_packages_are_refused_for_the_right_reason() {
    let signer = Signer::new();
    let (cases, keys) = (packages::all(&signer), signer.keys());
    let mut wrong = Vec::new();
    for case in &cases {
        let (taken, peak) = peak_of(|| packages::take(&case.bytes, &keys));
        match taken {
            Err(refusal) if (case.is_expected)(&refusal) => {}
            other => wrong.push(format!("{}: {other:?} and not {}", case.name, case.expected)),
        }
        assert!(peak <= MOST_MEMORY, "{}: {peak} bytes held", case.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let different: BTreeSet<_> = cases.iter().map(|case| (&case.bytes, &case.name)).collect();
    let bytes: BTreeSet<_> = cases.iter().map(|case| &case.bytes).collect();
    assert_eq!((different.len(), bytes.len()), (cases.len(), cases.len()));
    assert_eq!(cases.len(), 99, "forged packages");
}

#[test]
fn a_signed_package_is_taken_in_every_form_of_an_archive() {
    let signer = Signer::new();
    for bytes in packages::good(&signer) {
        let taken = packages::take(&bytes, &signer.keys()).unwrap();
        assert_eq!(taken, packages::images().map(String::into_bytes));
    }
}

#[test]
fn no_flipped_bit_of_a_signed_package_changes_what_a_device_gets() {
    let signer = Signer::new();
    let (good, keys) = (signer.good().bytes(), signer.keys());
    let images = packages::images().map(String::into_bytes);
    let mut unnoticed = 0;
    for at in 0..good.len() {
        let mut bytes = good.clone();
        let bit = 1 << (at % 8);
        bytes[at] ^= bit;
        if let Ok(taken) = packages::take(&bytes, &keys) {
            assert!(taken == images, "byte {at}, bit {bit:#04x}");
            unnoticed += 1;
        }
    }
    // Versions and times of four entries in two places, attributes and the numbers of disks.
    assert!(unnoticed < good.len() / 10, "{unnoticed} of {} changes have no meaning", good.len());
}

/// Opens an archive and reads all that is in it; tells how many bytes that was.
fn outcome(bytes: &[u8]) -> Result<u64, ArchiveError> {
    let mut archive = Archive::open(io::Cursor::new(bytes), Limits::DEFAULT)?;
    let entries = archive.entries().to_vec();
    entries.iter().map(|entry| archive.copy(&entry.name, &mut io::sink())).sum()
}

//! Where things lie: end record, directory, headers, descriptors, and bytes that belong to nothing.

use package::{ArchiveError, HeaderField};

use super::{Case, forged, machine_code, refused, two, with};
use crate::forge::{DEFLATED, DESCRIPTOR, Entry, Forge, STORED, UTF8, deflate, extra, stored_block};

pub fn add(cases: &mut Vec<Case>) {
    ends(cases);
    two_ends(cases);
    directories(cases);
    cuts(cases);
    stray_bytes(cases);
    headers_differ(cases);
    places(cases);
    overlaps(cases);
    descriptors(cases);
    zip64(cases);
}

pub fn good() -> Vec<(&'static str, Vec<u8>)> {
    let described = |with_mark| with(|entry| entry.describe(with_mark));
    let path = |name: &str| extra(0x7075, &[&[1, 0, 0, 0, 0], name.as_bytes()].concat());
    vec![
        ("plain", two().bytes()),
        ("backwards", forged(|forge| forge.backwards = true)),
        ("described", described(true)),
        ("described without a mark", described(false)),
        (
            "described, with the size in front",
            with(|entry| {
                entry.describe(true);
                entry.local.size = entry.said.size;
            }),
        ),
        ("UTF-8 without a mark", with(|entry| *entry = entry.clone().named("固件.bin".as_bytes(), 0))),
        ("a comment", forged(|forge| forge.comment = b"version 2".to_vec())),
        ("the longest comment", forged(|forge| forge.comment = vec![b' '; 0xFFFF])),
        ("a comment of an entry", with(|entry| entry.comment = b"PK\x05\x06".to_vec())),
        (
            "times and owners",
            with(|entry| {
                entry.extra =
                    [extra(0x5455, &[0; 5]), extra(0x7875, &[1, 4, 0, 0, 0, 0, 4, 0, 0, 0, 0])].concat();
                entry.local_extra = extra(0x5455, &[0; 9]);
            }),
        ),
        ("made by Windows", with(|entry| (entry.made_by, entry.external_attributes) = (20, 0x21))),
        (
            "the same second name",
            forged(|forge| {
                let mut entry = Entry::stored("固件.bin", b"code");
                (entry.extra, entry.local_extra) = (path("固件.bin"), path("固件.bin"));
                forge.entries.push(entry);
            }),
        ),
        ("a name of 255 bytes", with(|entry| *entry = entry.clone().named(&[b'a'; 255], 0))),
        ("an empty file", with(|entry| *entry = Entry::stored("empty.txt", b""))),
        ("a ratio of just 20", just_20()),
        (
            "16 files",
            Forge::of((0..16).map(|number| Entry::stored(&format!("{number}.bin"), b"1")).collect()).bytes(),
        ),
        (
            "a compressed file",
            with(|entry| *entry = Entry::stored("image.gz", b"\x1F\x8B\x08\0\0\0\0\0\0\x03")),
        ),
    ]
}

/// Zeros behind as many blocks without content as make a twentieth.
fn just_20() -> Vec<u8> {
    let nothing = stored_block(false, b"");
    let padded = |length: usize| {
        let zeros = vec![0; length * 20];
        let content = deflate(&zeros);
        let missing = length - content.len();
        let mut entry = Entry::deflated("zeros.bin", &zeros);
        entry.replace_content([nothing.repeat(missing / nothing.len()), content].concat());
        missing.is_multiple_of(nothing.len()).then_some(entry)
    };
    Forge::of(vec![(1_000..1_100).find_map(padded).unwrap()]).bytes()
}

fn ends(cases: &mut Vec<Case>) {
    refused!(cases, "nothing", Vec::new(), ArchiveError::NoEndRecord);
    refused!(cases, "one byte", vec![b'P'], ArchiveError::NoEndRecord);
    refused!(cases, "noise", machine_code(5_000), ArchiveError::NoEndRecord);
    refused!(cases, "erased flash", vec![0xFF; 100_000], ArchiveError::NoEndRecord);
    refused!(cases, "an end record alone", Forge::default().bytes(), ArchiveError::Empty);
    let byte = forged(|forge| forge.behind = vec![0]);
    refused!(cases, "one byte more", byte, ArchiveError::WrongEnd { .. });
    let line = forged(|forge| forge.behind = b"\r\n".to_vec());
    refused!(cases, "a line end more", line, ArchiveError::WrongEnd { .. });
    let much = forged(|forge| forge.behind = vec![0; 70_000]);
    refused!(cases, "70,000 bytes more", much, ArchiveError::NoEndRecord);
    let hidden = forged(|forge| (forge.comment_length, forge.comment) = (Some(3), b"comment".to_vec()));
    refused!(cases, "a comment longer than it says", hidden, ArchiveError::WrongEnd { .. });
    let cut = forged(|forge| (forge.comment_length, forge.comment) = (Some(9), b"comment".to_vec()));
    refused!(cases, "a comment shorter than it says", cut, ArchiveError::WrongEnd { .. });
    let split = [
        ("disk 1", forged(|forge| forge.disk = 1)),
        ("directory on disk 1", forged(|forge| forge.directory_disk = 1)),
        ("disk 65,535", forged(|forge| (forge.disk, forge.directory_disk) = (0xFFFF, 0xFFFF))),
        ("one of two entries here", forged(|forge| forge.entries_here = Some(1))),
    ];
    for (what, bytes) in split {
        refused!(cases, what, bytes, ArchiveError::Split);
    }
}

fn two_ends(cases: &mut Vec<Case>) {
    let other = Forge::of(vec![Entry::stored("other.bin", b"other")]).bytes();
    let end_of_other = &other[other.len() - 22..];
    let comments = [
        ("an archive as the comment", other.clone()),
        ("an end record as the comment", end_of_other.to_vec()),
        ("an end record in the comment", [b"see ", end_of_other, b"!"].concat()),
        ("a cut end record in the comment", [end_of_other, b"!"].concat()),
    ];
    for (what, comment) in comments {
        refused!(cases, what, forged(|forge| forge.comment = comment), ArchiveError::TwoEndRecords);
    }
    // The other archive behind this one, which has its own idea of how long its comment is.
    let both = [two().bytes(), other].concat();
    refused!(cases, "two archives one behind the other", both, ArchiveError::MisplacedDirectory);
}

fn directories(cases: &mut Vec<Case>) {
    let size = two().parts().iter().rev().skip(1).take(2).map(|part| part.len() as u32).sum::<u32>();
    let at = two().bytes().len() as u32 - size - 22;
    let sized = |size| forged(|forge| forge.directory_size = Some(size));
    let placed = |at| forged(|forge| forge.directory_at = Some(at));
    let counted = |count| forged(|forge| forge.count = Some(count));
    for (what, bytes) in [
        ("a directory one byte shorter", sized(size - 1)),
        ("a directory one byte longer", sized(size + 1)),
        ("a directory of no bytes", sized(0)),
        ("a directory one byte before", placed(at - 1)),
        ("a directory one byte later", placed(at + 1)),
        ("a directory at 0", placed(0)),
        ("a directory behind the file", placed(u32::MAX - 1)),
        ("bytes before the end record", forged(|forge| forge.before_end = b"?".to_vec())),
        ("a long gap before the end record", forged(|forge| forge.before_end = vec![0; 70_000])),
    ] {
        refused!(cases, what, bytes, ArchiveError::MisplacedDirectory);
    }
    refused!(
        cases,
        "2 MiB of directory",
        sized(2 << 20),
        ArchiveError::DirectoryTooLong { size: 0x20_0000, .. }
    );
    let comments =
        forged(|forge| forge.entries.iter_mut().for_each(|entry| entry.comment = vec![b' '; 40_000]));
    refused!(cases, "80,000 bytes of comments", comments, ArchiveError::DirectoryTooLong { .. });
    refused!(cases, "no entry", counted(0), ArchiveError::Empty);
    refused!(cases, "an entry less", counted(1), ArchiveError::DamagedDirectory { entry: 2 });
    refused!(cases, "an entry more", counted(3), ArchiveError::DamagedDirectory { entry: 3 });
    refused!(cases, "17 claimed", counted(17), ArchiveError::TooManyEntries { entries: 17, limit: 16 });
    let many =
        |count: usize| Forge::of((0..count).map(|n| Entry::stored(&format!("{n}"), b"")).collect()).bytes();
    refused!(cases, "17 entries", many(17), ArchiveError::TooManyEntries { entries: 17, .. });
    refused!(cases, "65,535 entries", many(0xFFFF), ArchiveError::TooManyEntries { entries: 0xFFFF, .. });
    let signed = forged(|forge| forge.in_directory = b"PK\x05\x05\x04\0sign".to_vec());
    refused!(cases, "a digital signature", signed, ArchiveError::DamagedDirectory { entry: 3 });
    let mark = with(|entry| entry.directory_mark = *b"PK\x03\x04");
    refused!(cases, "an entry of another mark", mark, ArchiveError::DamagedDirectory { entry: 1 });
}

/// Truncated at every boundary between two structures, in the middle of each, and by a byte.
fn cuts(cases: &mut Vec<Case>) {
    let mut forge = two();
    forge.entries[1].describe(true);
    let (parts, whole) = (forge.parts(), forge.bytes());
    let mut at = 0;
    for (number, part) in parts.iter().enumerate() {
        if at > 0 {
            refused!(
                cases,
                format!("cut before part {number}"),
                whole[..at].to_vec(),
                ArchiveError::NoEndRecord
            );
        }
        let middle = at + part.len() / 2;
        refused!(
            cases,
            format!("cut within part {number}"),
            whole[..middle].to_vec(),
            ArchiveError::NoEndRecord
        );
        at += part.len();
    }
    refused!(cases, "cut by a byte", whole[..whole.len() - 1].to_vec(), ArchiveError::NoEndRecord);
    let middle = [&whole[..100], &whole[101..]].concat();
    refused!(cases, "a byte lost in the middle", middle, ArchiveError::MisplacedDirectory);
    let middle = [&whole[..100], &[0], &whole[100..]].concat();
    refused!(cases, "a byte too many in the middle", middle, ArchiveError::MisplacedDirectory);
}

fn stray_bytes(cases: &mut Vec<Case>) {
    let script = || b"#!/bin/sh\nexit 0\n".to_vec();
    let unmoved = [script(), two().bytes()].concat();
    refused!(cases, "a script in front", unmoved, ArchiveError::MisplacedDirectory);
    let moved = with(|entry| entry.before = script());
    refused!(cases, "a script in front, moved", moved, ArchiveError::StrayBytes { at: 0, length: 17 });
    let byte = with(|entry| entry.before = vec![0]);
    refused!(cases, "one byte in front, moved", byte, ArchiveError::StrayBytes { at: 0, length: 1 });
    let between = forged(|forge| forge.entries[1].before = machine_code(33));
    refused!(cases, "bytes between", between, ArchiveError::StrayBytes { length: 33, .. });
    let behind = forged(|forge| forge.before_directory = vec![0; 5]);
    refused!(cases, "bytes before the directory", behind, ArchiveError::StrayBytes { length: 5, .. });
    let hidden = forged(|forge| {
        let entry = Entry::stored("hidden.bin", b"hidden");
        forge.before_directory = [entry.local_header(), entry.content].concat();
    });
    refused!(cases, "an entry that is not in the directory", hidden, ArchiveError::StrayBytes { .. });
    let undeclared = with(|entry| {
        entry.describe(true);
        entry.say(|said| said.flags = 0);
        entry.local = entry.said;
    });
    refused!(cases, "a descriptor nobody announced", undeclared, ArchiveError::StrayBytes { length: 16, .. });
}

fn headers_differ(cases: &mut Vec<Case>) {
    use HeaderField::{Checksum, CompressedSize, Flags, Method, Name, Size};
    let mut add = |what: &str, field: HeaderField, change: fn(&mut Entry)| {
        let title = format!("another {what} in front");
        refused!(cases, title, with(change), ArchiveError::HeadersDiffer { field: found, .. } if *found == field);
    };
    add("name", Name, |entry| entry.local_name = b"firmware.exe".to_vec());
    add("name by case", Name, |entry| entry.local_name = b"Firmware.bin".to_vec());
    add("name by length", Name, |entry| entry.local_name = b"firmware.bi".to_vec());
    add("name, empty,", Name, |entry| entry.local_name = Vec::new());
    add("name with a path", Name, |entry| entry.local_name = b"../firmware.bin".to_vec());
    add("encryption", Flags, |entry| entry.local.flags = 1);
    add("level", Flags, |entry| entry.local.flags = 2);
    add("encoding", Flags, |entry| entry.local.flags = UTF8);
    add("promise of a descriptor", Flags, |entry| entry.local.flags = DESCRIPTOR);
    add("method", Method, |entry| entry.local.method = STORED);
    add("method, LZMA,", Method, |entry| entry.local.method = 14);
    add("checksum", Checksum, |entry| entry.local.crc ^= 1);
    add("checksum, 0,", Checksum, |entry| entry.local.crc = 0);
    add("compressed size", CompressedSize, |entry| entry.local.compressed_size += 1);
    add("compressed size, 0,", CompressedSize, |entry| entry.local.compressed_size = 0);
    add("size", Size, |entry| entry.local.size -= 1);
    add("size, 0,", Size, |entry| entry.local.size = 0);
    add("size, all ones,", Size, |entry| entry.local.size = u32::MAX);
    add("checksum beside a descriptor", Checksum, |entry| {
        entry.describe(true);
        (entry.local.crc, entry.local.compressed_size, entry.local.size) = (1, 0, 0);
    });
    add("size beside a descriptor", Size, |entry| {
        entry.describe(true);
        entry.local = entry.said;
        entry.local.size = 7;
    });
}

fn places(cases: &mut Vec<Case>) {
    let mark = with(|entry| entry.mark = *b"PK\x03\x03");
    refused!(cases, "no mark in front", mark, ArchiveError::NoHeader { at: 0, .. });
    let other = with(|entry| entry.mark = *b"PK\x01\x02");
    refused!(cases, "the mark of a directory in front", other, ArchiveError::NoHeader { at: 0, .. });
    let late = forged(|forge| forge.entries[1].at = Some(1 << 30));
    refused!(cases, "an entry behind the file", late, ArchiveError::StrayBytes { .. });
    let early = forged(|forge| forge.entries[1].at = Some(5));
    refused!(cases, "an entry within a header", early, ArchiveError::Overlap { name } if name == "firmware.bin");
    let end = two().bytes().len() as u32 - 22;
    let in_end = forged(|forge| forge.entries[1].at = Some(end));
    refused!(cases, "an entry in the end record", in_end, ArchiveError::StrayBytes { .. });
}

fn overlaps(cases: &mut Vec<Case>) {
    let twice = forged(|forge| {
        let second = forge.entries[0].clone().named(b"second.bin", 0);
        forge.entries[1] = second;
        forge.entries[1].at = Some(0);
    });
    refused!(cases, "two entries at one place", twice, ArchiveError::Overlap { .. });
    let longer = with(|entry| {
        let size = entry.said.compressed_size;
        entry.say(|said| said.compressed_size = size + 1);
    });
    refused!(cases, "a content one byte into the next", longer, ArchiveError::Overlap { name } if name == "firmware.bin");
    let whole = with(|entry| entry.say(|said| said.compressed_size += 60));
    refused!(cases, "a content over the next entry", whole, ArchiveError::Overlap { .. });
    let into_directory = forged(|forge| {
        forge.entries[1].say(|said| (said.size, said.compressed_size) = (said.size + 9, said.size + 9));
    });
    refused!(cases, "a content into the directory", into_directory, ArchiveError::Overlap { name } if name == "notes.txt");
    let name = with(|entry| entry.local_extra = extra(0x5455, &[0; 4_000]));
    // The header of the second entry now claims to be within the extra field of the first.
    let mut bytes = name;
    let place = bytes.windows(4).rposition(|bytes| bytes == b"PK\x01\x02").unwrap();
    bytes[place + 42..place + 46].copy_from_slice(&1_000_u32.to_le_bytes());
    refused!(cases, "an entry within an extra field", bytes, ArchiveError::Overlap { name } if name == "firmware.bin");
    refused!(cases, "a bomb of quoted headers", quoting_bomb(), ArchiveError::Overlap { .. });
    refused!(cases, "a bomb of one kernel", kernel_bomb(), ArchiveError::Overlap { .. });
}

/// Each content begins with a stored block that holds the header of the next entry, and goes on with the
/// content of that one, so all inflate the same kernel (Fifield, "A better zip bomb", 2019).
fn quoting_bomb() -> Vec<u8> {
    const BLOCK_HEAD: usize = 5;
    let mut plain = machine_code(20_000);
    let mut entries = vec![Entry::deflated("15", &plain)];
    for number in (0..15).rev() {
        let next = &entries[entries.len() - 1];
        let (header, content) = (next.local_header(), next.content.clone());
        plain = [&header, &plain[..]].concat();
        let mut entry = Entry::deflated(&format!("{number}"), &plain);
        entry.replace_content([stored_block(false, &header), content].concat());
        entries.push(entry);
    }
    entries.reverse();
    let contents = [entries[0].local_header(), entries[0].content.clone()].concat();
    let mut at = 0;
    for entry in &mut entries {
        entry.at = Some(at as u32);
        at += entry.local_header().len() + BLOCK_HEAD;
    }
    assemble(&Forge::of(entries), &contents)
}

/// 16 entries of the directory for one header and its content.
fn kernel_bomb() -> Vec<u8> {
    let entry = Entry::deflated("0", &machine_code(20_000));
    let mut entries: Vec<Entry> =
        (0..16).map(|number| entry.clone().named(format!("{number}").as_bytes(), 0)).collect();
    entries.iter_mut().for_each(|entry| entry.at = Some(0));
    assemble(&Forge::of(entries), &[entry.local_header(), entry.content].concat())
}

/// The directory and the end record of a forge behind contents that are made otherwise.
fn assemble(forge: &Forge, contents: &[u8]) -> Vec<u8> {
    let parts = forge.parts();
    let directory = parts[parts.len() - 1 - forge.entries.len()..parts.len() - 1].concat();
    let mut end = parts[parts.len() - 1].clone();
    end[16..20].copy_from_slice(&(contents.len() as u32).to_le_bytes());
    [contents, &directory, &end].concat()
}

fn descriptors(cases: &mut Vec<Case>) {
    let mut add = |what: &str, change: fn(&mut Entry)| {
        let bytes = with(|entry| {
            entry.describe(true);
            change(entry);
        });
        refused!(cases, format!("a descriptor {what}"), bytes, ArchiveError::WrongDescriptor { .. });
    };
    add("that is missing", |entry| entry.descriptor = Vec::new());
    add("with another checksum", |entry| entry.descriptor[4] ^= 1);
    add("with another compressed size", |entry| entry.descriptor[8] ^= 1);
    add("with another size", |entry| entry.descriptor[12] ^= 1);
    add("with no sizes", |entry| entry.descriptor[4..].fill(0));
    add("with another mark", |entry| entry.descriptor[0] ^= 1);
    add("of eight bytes", |entry| entry.descriptor.truncate(8));
    add("without a mark and with another size", |entry| {
        entry.describe(false);
        entry.descriptor[8] ^= 1;
    });
    add("of zip64", |entry| {
        let said = entry.said;
        entry.descriptor = b"PK\x07\x08".to_vec();
        entry.descriptor.extend(said.crc.to_le_bytes());
        entry.descriptor.extend(u64::from(said.compressed_size).to_le_bytes());
        entry.descriptor.extend(u64::from(said.size).to_le_bytes());
    });
    let twice = with(|entry| {
        entry.describe(true);
        entry.descriptor = entry.descriptor.repeat(2);
    });
    refused!(cases, "two descriptors", twice, ArchiveError::StrayBytes { length: 16, .. });
    let longer = with(|entry| {
        entry.describe(false);
        entry.descriptor.push(0);
    });
    refused!(cases, "a descriptor of 13 bytes", longer, ArchiveError::WrongDescriptor { .. });
}

fn zip64(cases: &mut Vec<Case>) {
    let sizes = extra(0x0001, &(1_u64 << 63).to_le_bytes().repeat(3));
    for (what, field) in [("sizes of 2^63", sizes.clone()), ("sizes that are nowhere", Vec::new())] {
        let bytes = with(|entry| {
            (entry.extra, entry.local_extra) = (field.clone(), field);
            entry.say(|said| (said.size, said.compressed_size) = (u32::MAX, u32::MAX));
        });
        refused!(cases, what, bytes, ArchiveError::Zip64);
    }
    let place = with(|entry| entry.at = Some(u32::MAX));
    refused!(cases, "a place that is nowhere", place, ArchiveError::Zip64);
    let elsewhere = forged(|forge| forge.directory_at = Some(u32::MAX));
    refused!(cases, "a directory that is nowhere", elsewhere, ArchiveError::Zip64);
    let endless = forged(|forge| forge.directory_size = Some(u32::MAX));
    refused!(cases, "a directory without a size", endless, ArchiveError::Zip64);
    let mut record = b"PK\x06\x06".to_vec();
    record.extend(44_u64.to_le_bytes());
    record.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for value in [1_u64 << 63, 1 << 63, 1 << 63, 0] {
        record.extend(value.to_le_bytes());
    }
    let locator = [&b"PK\x06\x07"[..], &[0; 12], &[1, 0, 0, 0]].concat();
    let whole = forged(|forge| {
        forge.before_end = [record, locator.clone()].concat();
        (forge.count, forge.directory_size, forge.directory_at) =
            (Some(0xFFFF), Some(u32::MAX), Some(u32::MAX));
    });
    refused!(cases, "2^63 entries in a zip64 end record", whole, ArchiveError::Zip64);
    let locator_alone = forged(|forge| forge.before_end = locator);
    refused!(cases, "a zip64 locator alone", locator_alone, ArchiveError::Zip64);
    let method = with(|entry| {
        entry.say(|said| said.method = DEFLATED);
        (entry.extra, entry.local_extra) = (sizes.clone(), sizes);
    });
    refused!(cases, "zip64 sizes beside true ones", method, ArchiveError::Zip64);
}

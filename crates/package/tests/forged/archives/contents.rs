//! Archives within archives, and contents that are not what the headers say.

use firmware::Crc32;
use package::{ArchiveError, ArchiveFormat};

use super::{Case, machine_code, refused, two, with};
use crate::forge::{Entry, Forge, STORED, deflate, stored_block};

pub fn add(cases: &mut Vec<Case>) {
    nested(cases);
    stored(cases);
    deflated(cases);
}

fn nested(cases: &mut Vec<Case>) {
    use ArchiveFormat::{Cabinet, Rar, SevenZip, Tar, Zip};
    let tar = |mark: &[u8]| [&machine_code(257), mark, &machine_code(400)].concat();
    for (what, content, format) in [
        ("an archive", two().bytes(), Zip),
        ("an empty archive", Forge::default().bytes(), Zip),
        ("a part of an archive", [b"PK\x07\x08", &two().bytes()[..]].concat(), Zip),
        ("7z", b"7z\xBC\xAF\x27\x1C\0\x04".to_vec(), SevenZip),
        ("rar 4", b"Rar!\x1A\x07\0".to_vec(), Rar),
        ("rar 5", b"Rar!\x1A\x07\x01\0".to_vec(), Rar),
        ("cab", b"MSCF\0\0\0\0\0\0".to_vec(), Cabinet),
        ("tar", tar(b"ustar\x0000"), Tar),
        ("an old tar", tar(b"ustar  \0"), Tar),
    ] {
        for deflated in [false, true] {
            let entry = if deflated { Entry::deflated } else { Entry::stored };
            let bytes = with(|first| *first = entry("firmware.bin", &content));
            let title = format!("{what} inside{}", if deflated { ", deflated" } else { "" });
            refused!(cases, title, bytes, ArchiveError::Nested { format: found, .. } if *found == format);
        }
    }
    // 42.zip: layer over layer of 16 archives, zeros at the bottom.
    let mut layer = Forge::of(vec![Entry::deflated("0.dll", &vec![0; 1 << 20])]).bytes();
    for depth in 1..=3 {
        let entry = |number| Entry::deflated(&format!("lib {number}.zip"), &layer);
        layer = Forge::of((0..16).map(entry).collect()).bytes();
        let title = format!("42.zip of {depth} layers");
        refused!(cases, title, layer.clone(), ArchiveError::Nested { format: Zip, .. });
    }
    // Hidden from a look at its beginning by blocks that hold nothing.
    let hidden = with(|entry| {
        let archive = two().bytes();
        let nothing = stored_block(false, b"").repeat(2_000);
        *entry = Entry::deflated("firmware.bin", &archive);
        entry.replace_content([nothing, deflate(&archive)].concat());
    });
    refused!(cases, "an archive behind 2,000 empty blocks", hidden, ArchiveError::Nested { format: Zip, .. });
}

fn stored(cases: &mut Vec<Case>) {
    let flipped = |at: usize| {
        let mut forge = two();
        forge.entries[1].content[at] ^= 1;
        forge.bytes()
    };
    let last = two().entries[1].content.len() - 1;
    refused!(cases, "the first bit flipped", flipped(0), ArchiveError::WrongChecksum { name } if name == "notes.txt");
    refused!(cases, "the last bit flipped", flipped(last), ArchiveError::WrongChecksum { .. });
    let crc = with(|entry| {
        *entry = Entry::stored("firmware.bin", &machine_code(500));
        entry.say(|said| said.crc ^= 0x8000_0000);
    });
    refused!(cases, "a stored file of another checksum", crc, ArchiveError::WrongChecksum { .. });
    let empty = with(|entry| {
        *entry = Entry::stored("firmware.bin", b"");
        entry.say(|said| said.crc = 1);
    });
    refused!(cases, "an empty file with a checksum", empty, ArchiveError::WrongChecksum { .. });
    let inflated = with(|entry| {
        let (crc, length) = (Crc32::of(&entry.content).0 ^ 1, entry.content.len() as u32);
        entry.say(|said| (said.method, said.size, said.crc) = (STORED, length, crc));
    });
    refused!(cases, "a deflated file called stored", inflated, ArchiveError::WrongChecksum { .. });
}

fn deflated(cases: &mut Vec<Case>) {
    let code = machine_code(3_000);
    let good = deflate(&code);
    let replaced = |content: Vec<u8>| with(|entry| entry.replace_content(content));
    let half = replaced(good[..good.len() / 2].to_vec());
    refused!(cases, "half a deflate stream", half, ArchiveError::DamagedContent { .. });
    let by_one = replaced(good[..good.len() - 1].to_vec());
    refused!(cases, "a deflate stream cut by a byte", by_one, ArchiveError::DamagedContent { .. });
    for (what, bytes) in [
        ("a block of the reserved type", vec![0b111; 200]),
        ("a stored block whose lengths differ", [&[1, 4, 0, 0, 0][..], &[7; 200]].concat()),
        ("a distance before the beginning", [&[3, 2][..], &[0; 200]].concat()),
        ("noise for a deflate stream", [&[0b101][..], &[0xFF; 200]].concat()),
        ("a stream without a last block", stored_block(false, &code)),
    ] {
        refused!(cases, what, replaced(bytes), ArchiveError::DamagedContent { .. });
    }
    for (what, more) in [("a byte", vec![0]), ("a second stream", good.clone()), ("noise", machine_code(300))]
    {
        let length = more.len() as u64;
        let bytes = replaced([good.clone(), more].concat());
        let title = format!("{what} behind a deflate stream");
        refused!(cases, title, bytes, ArchiveError::BytesBehindContent { length: found, .. } if *found == length);
    }
    for (what, size) in
        [("less by one", 2_999), ("more by one", 3_001), ("nothing", 0), ("20,000 bytes", 20_000)]
    {
        let bytes = with(|entry| entry.say(|said| said.size = size));
        refused!(cases, format!("a size of {what}"), bytes, ArchiveError::WrongSize { size: found, .. } if *found == u64::from(size));
    }
    // Claims a little, makes much: it is stopped at what it claimed.
    let zeros = with(|entry| {
        *entry = Entry::deflated("firmware.bin", &vec![0; 8 << 20]);
        let claimed = entry.said.compressed_size * 20;
        entry.say(|said| said.size = claimed);
    });
    refused!(cases, "8 MiB of zeros that claim less", zeros, ArchiveError::WrongSize { .. });
    let crc = with(|entry| entry.say(|said| said.crc ^= 1));
    refused!(cases, "a deflated file of another checksum", crc, ArchiveError::WrongChecksum { .. });
    let other = with(|entry| {
        let mut other = machine_code(3_000);
        other[1_500] ^= 1;
        let content = deflate(&other);
        entry.replace_content(content);
    });
    refused!(cases, "another content of the same size", other, ArchiveError::WrongChecksum { .. });
}

//! Names, kinds, flags, methods, extra fields and sizes.

use package::{ArchiveError, EntryKind, NameFault};

use super::{Case, forged, machine_code, refused, with};
use crate::forge::{Entry, FILE, Forge, STORED, UTF8, extra};

pub fn add(cases: &mut Vec<Case>) {
    names(cases);
    same_names(cases);
    kinds(cases);
    flags(cases);
    methods(cases);
    extra_fields(cases);
    sizes(cases);
}

fn names(cases: &mut Vec<Case>) {
    use NameFault::{Character, Device, Edge, Empty, Encoding, Path, TooLong};
    let (long, very_long) = ("a".repeat(256), "a".repeat(300));
    let faults: &[(&[u8], u16, NameFault)] = &[
        // Paths.
        (b"../x", 0, Path),
        (b"/x", 0, Path),
        (b"C:\\x", 0, Path),
        (b"a\\..\\b", 0, Path),
        (b"a/b", 0, Path),
        (b"a//b", 0, Path),
        (b"\\\\server\\share", 0, Path),
        (b"..\\x", 0, Path),
        (b"C:x", 0, Path),
        (b"firmware.bin:stream", 0, Path),
        (b"file:///etc/passwd", 0, Path),
        (b"a/../../b/", 0, Path),
        (b".", 0, Edge),
        (b"..", 0, Edge),
        (b"...", 0, Edge),
        (b".hidden", 0, Edge),
        (b" blank", 0, Edge),
        (b"blank ", 0, Edge),
        (b"dot.", 0, Edge),
        // Lengths.
        (b"", 0, Empty),
        (b"/", 0, Empty),
        (long.as_bytes(), 0, TooLong { bytes: 256 }),
        (very_long.as_bytes(), 0, TooLong { bytes: 300 }),
        // Encodings.
        (b"caf\xE9.bin", 0, Encoding),
        (b"caf\x82.bin", 0, Encoding),
        (b"caf\xE9.bin", UTF8, Encoding),
        (b"a\xC0\xAEb", UTF8, Encoding),
        (b"a\xC0\xAFb", UTF8, Encoding),
        (b"a\xED\xA0\x80b", UTF8, Encoding),
        (b"\xFF\xFEa\0", UTF8, Encoding),
        // Characters.
        (b"a\0.bin", 0, Character('\0')),
        (b"firmware.bin\0.txt", 0, Character('\0')),
        (b"a\nb", 0, Character('\n')),
        (b"a\rb", 0, Character('\r')),
        (b"a\tb", 0, Character('\t')),
        (b"a\x1B[2Jb", 0, Character('\x1B')),
        (b"a\x7Fb", 0, Character('\x7F')),
        (b"a*b", 0, Character('*')),
        (b"a?b", 0, Character('?')),
        (b"a\"b", 0, Character('"')),
        (b"a<b", 0, Character('<')),
        (b"a>b", 0, Character('>')),
        (b"a|b", 0, Character('|')),
        (b"a`b", 0, Character('`')),
        (b"$(a)", 0, Character('$')),
        (b"a;b", 0, Character(';')),
        ("firmware\u{202E}nib.exe".as_bytes(), UTF8, Character('\u{202E}')),
        ("a\u{2066}b".as_bytes(), UTF8, Character('\u{2066}')),
        ("a\u{200F}b".as_bytes(), UTF8, Character('\u{200F}')),
        ("a\u{061C}b".as_bytes(), UTF8, Character('\u{061C}')),
        ("a\u{200B}b".as_bytes(), UTF8, Character('\u{200B}')),
        ("a\u{00AD}b".as_bytes(), UTF8, Character('\u{00AD}')),
        ("\u{FEFF}a".as_bytes(), UTF8, Character('\u{FEFF}')),
        ("a\u{2028}b".as_bytes(), UTF8, Character('\u{2028}')),
        ("a\u{0085}b".as_bytes(), UTF8, Character('\u{0085}')),
        ("a\u{00A0}b".as_bytes(), UTF8, Character('\u{00A0}')),
        ("a\u{FF0F}b".as_bytes(), UTF8, Character('\u{FF0F}')),
        ("a\u{2215}b".as_bytes(), UTF8, Character('\u{2215}')),
        ("a\u{2024}b".as_bytes(), UTF8, Character('\u{2024}')),
        ("cafe\u{0301}".as_bytes(), UTF8, Character('\u{0301}')),
        ("a\u{E000}b".as_bytes(), UTF8, Character('\u{E000}')),
        ("a\u{1F600}b".as_bytes(), UTF8, Character('\u{1F600}')),
        ("a\u{10FFFF}b".as_bytes(), UTF8, Character('\u{10FFFF}')),
        // What Windows takes for a device.
        (b"CON", 0, Device),
        (b"nul.bin", 0, Device),
        (b"Aux.tar.bin", 0, Device),
        (b"com1.bin", 0, Device),
        (b"LPT9", 0, Device),
    ];
    for &(name, flags, fault) in faults {
        let bytes = with(|entry| *entry = entry.clone().named(name, flags));
        let title = format!("name {} with flags {flags}", name.escape_ascii());
        refused!(cases, title, bytes, ArchiveError::Name { entry: 1, fault: found } if *found == fault);
    }
}

fn same_names(cases: &mut Vec<Case>) {
    for (first, second) in [
        ("firmware.bin", "firmware.bin"),
        ("firmware.bin", "Firmware.BIN"),
        ("ÜBER.bin", "über.bin"),
        ("firmware.bin", "ｆirmware.bin"),
        ("firmware.bin", "firmwаre.bin"),
        ("manifest.json", "mаnifеst.jsοn"),
        ("HOCT.bin", "НОСТ.bin"),
        ("io.bin", "ıo.bin"),
    ] {
        let bytes = forged(|forge| {
            forge.entries = vec![Entry::stored(first, b"one"), Entry::stored(second, b"two")];
        });
        let (title, expected) = (format!("names {first} and {second}"), [first, second]);
        refused!(cases, title, bytes, ArchiveError::SameName { first, second } if [first, second] == expected);
    }
    let thrice = vec![Entry::stored("a", b"1"), Entry::stored("b", b"2"), Entry::stored("A", b"3")];
    refused!(cases, "names a and A with b between", Forge::of(thrice).bytes(), ArchiveError::SameName { .. });
}

fn kinds(cases: &mut Vec<Case>) {
    use EntryKind::{Device, Directory, Pipe, Socket, SymbolicLink, Unknown, VolumeLabel};
    for (what, external_attributes, kind) in [
        ("a directory by its mode", 0o040_755 << 16, Directory),
        ("a directory by its attribute", FILE | 0x10, Directory),
        ("a symbolic link", 0o120_777 << 16, SymbolicLink),
        ("a reparse point", 0x400, SymbolicLink),
        ("a character device", 0o020_666 << 16, Device),
        ("a block device", 0o060_660 << 16, Device),
        ("a device of Windows", 0x40, Device),
        ("a pipe", 0o010_644 << 16, Pipe),
        ("a socket", 0o140_755 << 16, Socket),
        ("a volume label", 0x08, VolumeLabel),
        ("a kind that does not exist", 0o170_000 << 16, Unknown),
        ("a whiteout", 0o160_000 << 16, Unknown),
    ] {
        let bytes = with(|entry| entry.external_attributes = external_attributes);
        refused!(cases, what, bytes, ArchiveError::NotAFile { kind: found, .. } if *found == kind);
    }
    let slash = with(|entry| *entry = Entry::stored("folder/", b""));
    refused!(cases, "a directory by its name", slash, ArchiveError::NotAFile { kind: Directory, .. });
    let with_content = with(|entry| *entry = Entry::stored("folder/", b"content"));
    refused!(cases, "a directory with content", with_content, ArchiveError::NotAFile { kind: Directory, .. });
    // A link counts as one whichever system claims to have made it.
    for made_by in [20, 10 << 8 | 20, 19 << 8 | 20, 255 << 8 | 255] {
        let bytes = with(|entry| {
            (entry.made_by, entry.external_attributes) = (made_by, 0o120_777 << 16);
        });
        let title = format!("a symbolic link made by {made_by:#06x}");
        refused!(cases, title, bytes, ArchiveError::NotAFile { kind: SymbolicLink, .. });
    }
}

fn flags(cases: &mut Vec<Case>) {
    for (what, bits) in [
        ("encrypted", 1),
        ("encrypted and described", 1 | 1 << 3),
        ("strongly encrypted", 1 << 6 | 1),
        ("with the strong flag alone", 1 << 6),
        ("with masked headers", 1 << 13),
    ] {
        let bytes = with(|entry| entry.say(|said| said.flags = bits));
        refused!(cases, what, bytes, ArchiveError::Encrypted { name } if name == "firmware.bin");
    }
    for bit in [4, 5, 7, 8, 9, 10, 12, 14, 15] {
        let bytes = with(|entry| entry.say(|said| said.flags = 1 << bit));
        let title = format!("flag {bit}");
        refused!(cases, title, bytes, ArchiveError::UnknownFlags { flags, .. } if *flags == 1 << bit);
    }
}

fn methods(cases: &mut Vec<Case>) {
    for method in [1, 2, 6, 9, 10, 12, 14, 16, 20, 93, 94, 95, 96, 97, 98, 99, 0xFFFF] {
        let bytes = with(|entry| entry.say(|said| said.method = method));
        let title = format!("method {method}");
        refused!(cases, title, bytes, ArchiveError::UnknownMethod { method: found, .. } if *found == method);
    }
}

fn extra_fields(cases: &mut Vec<Case>) {
    let unicode_path = |name: &[u8]| extra(0x7075, &[&[1, 0, 0, 0, 0], name].concat());
    for place in ["directory", "local header"] {
        let mut add = |what: &str, field: Vec<u8>, is_expected: fn(&ArchiveError) -> bool| {
            let bytes = with(|entry| match place {
                "directory" => entry.extra = field,
                _ => entry.local_extra = field,
            });
            let title = format!("{what} in the {place}");
            refused!(cases, title, bytes, error if is_expected(error));
        };
        let unknown = |error: &_| matches!(error, ArchiveError::ExtraField { .. });
        add("an unknown extra field", extra(0xBEEF, b"?"), unknown);
        add("a link as an extra field", extra(0x000D, &[0; 16]), unknown);
        add("an ASi link as an extra field", extra(0x756E, &[0; 16]), unknown);
        add("padding as an extra field", extra(0xD935, &[0; 6]), unknown);
        add("an unknown field behind a time", [extra(0x5455, &[0; 5]), extra(0, &[])].concat(), unknown);
        let second = |error: &_| matches!(error, ArchiveError::SecondName { .. });
        add("a second name", unicode_path(b"../../etc/passwd"), second);
        add("an empty second name", unicode_path(b""), second);
        add("a cut second name", extra(0x7075, &[1, 0, 0]), second);
        let damaged = |error: &_| matches!(error, ArchiveError::DamagedExtraField { .. });
        add("half an extra field", vec![0x55, 0x54, 0], damaged);
        add("a cut extra field", extra(0x5455, &[0; 5])[..8].to_vec(), damaged);
        add("an extra field of 65,535 bytes", vec![0x55, 0x54, 0xFF, 0xFF, 1], damaged);
        let encrypted = |error: &_| matches!(error, ArchiveError::Encrypted { .. });
        add("AES", extra(0x9901, b"\x02\0AE\x03\x08\0"), encrypted);
        add("strong encryption", extra(0x0017, &[0; 8]), encrypted);
        let zip64 = |error: &_| matches!(error, ArchiveError::Zip64);
        add("zip64 sizes", extra(0x0001, &(1_u64 << 63).to_le_bytes().repeat(2)), zip64);
        add("an empty zip64 field", extra(0x0001, &[]), zip64);
    }
}

fn sizes(cases: &mut Vec<Case>) {
    let shorter = with(|entry| {
        entry.say(|said| said.method = STORED);
    });
    refused!(cases, "stored with two sizes", shorter, ArchiveError::TwoSizes { .. });

    let zeros = Entry::deflated("firmware.bin", &vec![0; 1 << 20]);
    let bomb = Forge::of(vec![zeros.clone()]).bytes();
    refused!(cases, "1 MiB of zeros", bomb, ArchiveError::TooCompressed { size: 0x10_0000, limit: 20, .. });
    let just = with(|entry| {
        let compressed_size = entry.said.compressed_size;
        entry.say(|said| said.size = compressed_size * 20 + 1);
    });
    refused!(cases, "a ratio just above 20", just, ArchiveError::TooCompressed { .. });
    let nothing = with(|entry| entry.replace_content(Vec::new()));
    refused!(cases, "much of nothing", nothing, ArchiveError::TooCompressed { compressed_size: 0, .. });
    let four_gigabytes = with(|entry| entry.say(|said| said.size = u32::MAX - 1));
    refused!(cases, "4 GiB claimed", four_gigabytes, ArchiveError::TooCompressed { .. });

    // What is claimed is refused before it is looked for.
    let claims = |size: u32, count: usize| {
        let entry = |number| {
            let mut entry = Entry::deflated(&format!("{number}.bin"), &machine_code(64));
            entry.say(|said| (said.size, said.compressed_size) = (size, size / 2));
            entry
        };
        Forge::of((0..count).map(entry).collect()).bytes()
    };
    let limit = 64 << 20;
    refused!(
        cases,
        "64 MiB and a byte",
        claims(limit + 1, 1),
        ArchiveError::TooLarge { size: 0x400_0001, .. }
    );
    refused!(cases, "16 times 5 MiB", claims(5 << 20, 16), ArchiveError::TooLarge { limit: 0x400_0000, .. });
    refused!(cases, "twice 4 GiB", claims(u32::MAX - 1, 2), ArchiveError::TooLarge { .. });
    let disk = with(|entry| entry.disk = 1);
    refused!(cases, "an entry on another disk", disk, ArchiveError::Split);
}

//! A file for each rule, and that what is written is read back.

extern crate std;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{assert_eq, vec};

use proptest::prelude::*;

use super::*;

const BASE_0: &str = ":020000041000EA";
const BASE_1: &str = ":020000041400E6";
const END: &str = ":00000001FF";

/// A record with the checksum that it should have.
fn record(kind: u8, address: u16, data: &[u8]) -> String {
    let [high, low] = address.to_be_bytes();
    let bytes = [&[data.len() as u8, high, low, kind], data].concat();
    let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    format!(":{digits}{:02X}", record::checksum(&bytes))
}

fn data(address: u16, data: &[u8]) -> String {
    record(0, address, data)
}

fn file(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

fn fault_of(text: &str) -> Option<(u32, HexFault)> {
    HexImage::parse(text.as_bytes()).err().map(|error| (error.line, error.fault))
}

#[test]
fn u03_good_files_tell_their_bank() {
    let word = data(0x0A00, &[0xFF, 0x80, 0x40, 0x22]);
    let last = data(0xDFFF, &[1]);
    let files = [
        (file(&[BASE_0, &word, END]), Bank::A),
        (file(&[BASE_1, &word, END]), Bank::B),
        (file(&[BASE_0, &word, END]).replace("\r\n", "\n"), Bank::A),
        (file(&[BASE_0, &word, END]).trim_end().to_string(), Bank::A),
        (file(&[BASE_0, &word.to_lowercase(), END]), Bank::A),
        // The last byte of each bank; then data that goes back.
        (file(&[":020000041003E7", &last, BASE_0, &word, END]), Bank::A),
        (file(&[":020000041403E3", &last, BASE_1, &word, END]), Bank::B),
        // A start address of either kind, an unused segment, the longest record.
        (file(&[&record(5, 0, &[0x10, 0, 0x0A, 1]), BASE_0, &data(0x0A00, &[7; 255]), END]), Bank::A),
        (file(&[&record(3, 0, &[0; 4]), ":020000021000EC", BASE_1, &word, END]), Bank::B),
        // Up to the boundary of 64 KiB.
        (file(&[BASE_0, &data(0xFFFE, &[1, 2]), END]), Bank::A),
    ];
    for (text, bank) in files {
        assert_eq!(bank_of_hex(text.as_bytes()), Ok(bank), "{text}");
        assert!(is_intel_hex(text.as_bytes()));
    }
}

#[test]
fn u03_each_fault_has_its_own_error_and_its_line() {
    use HexFault::*;
    let word = &*data(0x0A00, &[0xFF, 0x80, 0x40, 0x22]);
    let outside = |address| OutsideBanks(MemoryAddress(address));
    let cases = [
        // Lines.
        ("", 1, NoEnd),
        (&file(&[BASE_0, "", word, END]), 2, NotARecord),
        (&file(&[BASE_0, &word[1..], END]), 2, NotARecord),
        (&file(&[BASE_0, &format!(" {word}"), END]), 2, NotARecord),
        (&file(&[BASE_0, &format!("{word} "), END]), 2, NotARecord),
        (&file(&[BASE_0, &word.replace('8', "G"), END]), 2, NotARecord),
        (&file(&[BASE_0, &word[..word.len() - 1], END]), 2, NotARecord),
        (&file(&[BASE_0, &word[..word.len() - 2], END]), 2, WrongLength),
        (&file(&[BASE_0, &format!("{word}00"), END]), 2, WrongLength),
        (&file(&[BASE_0, ":", END]), 2, WrongLength),
        (&file(&[BASE_0, ":00", END]), 2, WrongLength),
        (&file(&[BASE_0, &format!(":{}", "0".repeat(522)), END]), 2, WrongLength),
        (&file(&[BASE_0, &word.replace("11", "12"), END]), 2, WrongChecksum { expected: 0x11, found: 0x12 }),
        (&file(&[BASE_0, &word.replace("80", "81"), END]), 2, WrongChecksum { expected: 0x10, found: 0x11 }),
        ("UPDRAFT\x1A", 1, NotARecord),
        ("PK\x03\x04", 1, NotARecord),
        // Types.
        (&file(&[BASE_0, word, &record(6, 0, &[])]), 3, UnknownType(6)),
        (&file(&[BASE_0, word, &record(0xFF, 0, &[1])]), 3, UnknownType(0xFF)),
        (&file(&[BASE_0, &data(0x0A00, &[]), END]), 2, WrongLength),
        (&file(&[BASE_0, word, &record(1, 0, &[0])]), 3, WrongLength),
        (&file(&[BASE_0, word, &record(1, 0x0A00, &[])]), 3, UnexpectedAddress),
        (&file(&[&record(2, 0, &[0x10]), END]), 1, WrongLength),
        (&file(&[&record(2, 1, &[0x10, 0]), END]), 1, UnexpectedAddress),
        (&file(&[&record(3, 0, &[0; 3]), END]), 1, WrongLength),
        (&file(&[&record(4, 0, &[0x10, 0, 0]), END]), 1, WrongLength),
        (&file(&[&record(4, 0x0A00, &[0x10, 0]), END]), 1, UnexpectedAddress),
        (&file(&[&record(5, 0, &[0; 5]), END]), 1, WrongLength),
        (&file(&[&record(5, 0, &[0; 4]), &record(5, 0, &[0; 4]), END]), 2, SecondStart),
        (&file(&[&record(5, 0, &[0; 4]), &record(3, 0, &[0; 4]), END]), 2, SecondStart),
        // Addresses.
        (&file(&[word, END]), 1, outside(0x0000_0A00)),
        (&file(&[BASE_0, &data(0x09FF, &[1, 2]), END]), 2, outside(0x1000_09FF)),
        (&file(&[":020000041003E7", &data(0xDFFF, &[1, 2]), END]), 2, outside(0x1003_DFFF)),
        (&file(&[":020000041403E3", &data(0xE000, &[1]), END]), 2, outside(0x1403_E000)),
        (&file(&[":020000021000EC", word, END]), 2, outside(0x0001_0A00)),
        (&file(&[":02000004FFFFFC", &data(0xFFFF, &[1]), END]), 2, outside(0xFFFF_FFFF)),
        (&file(&[BASE_0, &data(0xFFFF, &[1, 2]), END]), 2, PassesBoundary),
        (&file(&[BASE_0, word, BASE_1, word, END]), 4, OtherBank(MemoryAddress(0x1400_0A00))),
        (&file(&[BASE_0, word, word, END]), 3, Overlap(MemoryAddress(0x1000_0A00))),
        (&file(&[BASE_0, word, &data(0x0A03, &[0]), END]), 3, Overlap(MemoryAddress(0x1000_0A03))),
        (&file(&[BASE_0, word, &data(0x0A04, &[0]), word, END]), 4, Overlap(MemoryAddress(0x1000_0A00))),
        // The end.
        (&file(&[BASE_0, word]), 3, NoEnd),
        (&file(&[BASE_0, END]), 3, NoData),
        (&file(&[BASE_0, word, END, END]), 4, BehindEnd),
        (&file(&[BASE_0, word, END, word]), 4, BehindEnd),
        (&file(&[BASE_0, word, END, ""]), 4, NotARecord),
        (&format!("{}\x1A", file(&[BASE_0, word, END])), 4, NotARecord),
    ];
    for (text, line, fault) in cases {
        assert_eq!(fault_of(text), Some((line, fault)), "{text}");
    }
}

/// S2-22: two files of one bank put together are no file.
#[test]
fn files_are_not_concatenated() {
    let one = file(&[BASE_0, &data(0x0A00, &[1]), END]);
    let other = file(&[BASE_0, &data(0x0A01, &[2]), END]);
    assert_eq!(fault_of(&format!("{one}{other}")), Some((4, HexFault::BehindEnd)));
}

#[test]
fn what_is_left_out_is_erased() {
    let text = file(&[BASE_0, &data(0x0A04, &[1, 2]), ":020000041003E7", &data(0xDFFF, &[3]), END]);
    let image = HexImage::parse(text.as_bytes()).unwrap();
    let mut bank = [0; HEX_BANK_SIZE];
    image.fill(&mut bank);
    assert_eq!(bank[..8], [0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 0xFF, 0xFF]);
    assert_eq!(bank[HEX_BANK_SIZE - 2..], [0xFF, 3]);
    assert_eq!(image.size(), ByteCount(3));
}

#[test]
fn a_bank_has_491_sectors() {
    assert_eq!(HEX_BANK_SIZE, 491 * 512);
    let last = |bank: Bank| bank.linked_at().0 + HEX_BANK_SIZE as u32 - 1;
    assert_eq!(Bank::BOTH.map(last), [0x1003_DFFF, 0x1403_DFFF]);
    assert_eq!(Bank::BOTH.map(|bank| Bank::from_number(bank.number())), Bank::BOTH.map(Some));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        bank in prop_oneof![Just(Bank::A), Just(Bank::B)],
        pieces in proptest::collection::vec((0..70_000_usize, proptest::collection::vec(any::<u8>(), 1..400)), 1..6),
        backwards in any::<bool>(),
    ) {
        let mut expected = vec![ERASED; HEX_BANK_SIZE];
        let mut placed = Vec::new();
        let (mut at, mut size) = (0, 0);
        for (gap, bytes) in &pieces {
            at += gap;
            if at + bytes.len() > HEX_BANK_SIZE {
                break;
            }
            expected[at..at + bytes.len()].copy_from_slice(bytes);
            placed.push((MemoryAddress(bank.linked_at().0 + at as u32), bytes));
            at += bytes.len();
            size += bytes.len();
        }
        if backwards {
            placed.reverse();
        }
        let mut writer = HexWriter::new(String::new());
        placed.iter().for_each(|(address, bytes)| writer.data(*address, bytes).unwrap());
        let text = writer.finish().unwrap();
        let image = HexImage::parse(text.as_bytes()).unwrap();
        let mut found = vec![0; HEX_BANK_SIZE];
        image.fill(found.as_mut_slice().try_into().unwrap());
        prop_assert!(found == expected);
        prop_assert_eq!((image.bank(), image.size().0 as usize), (bank, size));
    }

    #[test]
    fn a_changed_digit_is_found(at in 0..1_000_usize, digit in 0..16_u32) {
        let mut writer = HexWriter::new(String::new());
        writer.data(Bank::A.linked_at(), &[0x5A; 300]).unwrap();
        let good = writer.finish().unwrap();
        let mut bytes = good.clone().into_bytes();
        let at = at % bytes.len();
        let digit = char::from_digit(digit, 16).unwrap().to_ascii_uppercase();
        prop_assume!(bytes[at].is_ascii_hexdigit() && bytes[at] != digit as u8);
        bytes[at] = digit as u8;
        prop_assert!(HexImage::parse(&bytes).is_err());
    }

    #[test]
    fn parsing_never_panics(text in "(:[0-9A-F]{0,40}[\r\n ]{0,2}){0,20}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = HexImage::parse(text.as_bytes());
        let _ = HexImage::parse(&bytes);
    }
}

//! Good archives: ours, and those of others.
#![expect(clippy::unwrap_used, reason = "all of this file is tests")]

use std::io::{Cursor, Read, Seek, Write};

use package::{Archive, ArchiveError, ArchiveWriter, Limits, is_archive};
use proptest::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

type Files = Vec<(String, Vec<u8>)>;

#[test]
fn the_same_files_make_the_same_bytes() {
    let files = [("firmware.bin".to_owned(), vec![7; 300]), ("固件.dup".to_owned(), b"delta".to_vec())];
    let archive = write(&files);
    assert_eq!(archive, write(&files));
    assert!(is_archive(&archive));
    assert_eq!(read(&archive).unwrap(), files);
}

#[test]
fn what_compresses_more_than_is_allowed_is_stored() {
    let archive = write(&[("erased.bin".to_owned(), vec![0xFF; 1 << 20])]);
    assert!(archive.len() > 1 << 20);
    assert_eq!(read(&archive).unwrap()[0].1.len(), 1 << 20);
}

#[test]
fn an_entry_longer_than_wanted_is_not_read() {
    let archive = write(&[("firmware.bin".to_owned(), vec![7; 300])]);
    let mut archive = Archive::open(Cursor::new(archive), Limits::DEFAULT).unwrap();
    let refused = archive.read("firmware.bin", 299);
    assert!(matches!(refused, Err(ArchiveError::TooLong { size: 300, limit: 299, .. })));
    assert_eq!(archive.read("firmware.bin", 300).unwrap(), [7; 300]);
    assert!(matches!(archive.read("other.bin", 300), Err(ArchiveError::NoSuchEntry { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_back_by_us_and_by_others(files in files()) {
        let archive = write(&files);
        prop_assert_eq!(read(&archive).unwrap(), files.clone());
        prop_assert_eq!(foreign_read(&archive), files);
    }

    #[test]
    fn what_others_write_is_read(files in files(), stored in any::<bool>(), streamed in any::<bool>()) {
        let method = if stored { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let archive = if streamed {
            foreign_write(ZipWriter::new_stream(Vec::new()), method, &files).into_inner()
        } else {
            foreign_write(ZipWriter::new(Cursor::new(Vec::new())), method, &files).into_inner()
        };
        prop_assert_eq!(read(&archive).unwrap(), files);
    }
}

/// Up to 16 files with names that differ, of contents that compress well and that do not.
fn files() -> impl Strategy<Value = Files> {
    let noise = proptest::collection::vec(any::<u8>(), 0..3_000);
    let row = proptest::collection::vec(any::<u8>(), 200..300);
    let rows = (row, 1..9_usize).prop_map(|(row, times)| row.repeat(times));
    let file = ("[a-zé固][a-z0-9 _+-]{0,20}", prop_oneof![noise, rows]);
    proptest::collection::vec(file, 1..=16).prop_map(|files| {
        let numbered = files.into_iter().enumerate();
        numbered.map(|(number, (name, content))| (format!("{name}_{number}.bin"), content)).collect()
    })
}

fn write(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ArchiveWriter::new(Vec::new());
    files.iter().for_each(|(name, content)| writer.add(name, content).unwrap());
    writer.finish().unwrap()
}

fn read(bytes: &[u8]) -> Result<Files, ArchiveError> {
    let mut archive = Archive::open(Cursor::new(bytes), Limits::DEFAULT)?;
    let names: Vec<String> = archive.entries().iter().map(|entry| entry.name.clone()).collect();
    names.into_iter().map(|name| Ok((name.clone(), archive.read(&name, u64::MAX)?))).collect()
}

fn foreign_read(bytes: &[u8]) -> Files {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let entries = 0..archive.len();
    let each = |index| {
        let mut file = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        (file.name().unwrap().into_owned(), content)
    };
    entries.map(each).collect()
}

fn foreign_write<W: Write + Seek>(
    mut writer: ZipWriter<W>,
    method: CompressionMethod,
    files: &[(String, Vec<u8>)],
) -> W {
    for (name, content) in files {
        writer.start_file(name.as_str(), SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap()
}

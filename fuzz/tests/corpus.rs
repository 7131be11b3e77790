//! Every committed input, and what the targets have in common.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Bounds of what is committed for one target.
const MOST_FILES: usize = 300;
const MOST_BYTES: u64 = 200_000;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| {
            entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned()
        })
        .collect()
}

#[test]
fn every_committed_input_passes() {
    for (name, target) in fuzz::TARGETS {
        let corpus = folder("corpus").join(name);
        let mut files: Vec<PathBuf> =
            fs::read_dir(&corpus).expect("a corpus").map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has a corpus");
        assert!(files.len() <= MOST_FILES, "{name}: {} files", files.len());
        let mut bytes = 0;
        for file in files {
            println!("{}", file.display());
            let input = fs::read(&file).expect("a readable file");
            bytes += input.len() as u64;
            target(&input);
        }
        assert!(bytes <= MOST_BYTES, "{name}: {bytes} bytes");
    }
}

#[test]
fn the_empty_input_passes() {
    fuzz::TARGETS.iter().for_each(|(_, target)| target(&[]));
}

#[test]
fn targets_programs_and_corpora_belong_together() {
    let targets: BTreeSet<String> = fuzz::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets, names_in(&folder("fuzz_targets")));
    assert_eq!(targets, names_in(&folder("corpus")));
}

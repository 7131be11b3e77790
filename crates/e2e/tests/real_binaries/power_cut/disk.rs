//! What is on the disk after a cut.
//!
//! Everything before the last sync of a file is there. Of what came after it, any of the 512-byte pieces may
//! be; likewise names after the last sync of their folder. A rename is whole or not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use machine::Random;

use super::trace::{Inode, Operation, write_file};

/// The smallest piece that a disk writes wholly or not at all.
const PIECE: usize = 512;

/// Files and folders by their names.
#[derive(Default, Debug)]
pub struct Disk {
    folders: BTreeSet<String>,
    names: BTreeMap<String, Inode>,
    files: BTreeMap<Inode, Vec<u8>>,
}

/// The disk after the power was cut before the operation of this number.
pub fn after_cut(operations: &[Operation], cut: usize, random: &mut Random) -> Disk {
    let done = &operations[..cut];
    let (mut files, mut folders) = (BTreeMap::new(), BTreeMap::new());
    for (at, operation) in done.iter().enumerate() {
        match operation {
            Operation::SyncFile(inode) => {
                files.insert(*inode, at);
            }
            Operation::SyncFolder(path) => {
                folders.insert(path.as_str(), at);
            }
            _ => {}
        }
    }
    // Of what is not durable nothing, half, nearly all or all may be there.
    let survival = [0, 128, 250, 256][random.below(4) as usize];
    let mut survives = || random.below(256) < survival;
    let mut disk = Disk::default();
    for (at, operation) in done.iter().enumerate() {
        let synced = |inode: &Inode| files.get(inode).is_some_and(|sync| *sync > at);
        let named = |path: &str| folders.get(parent(path)).is_some_and(|sync| *sync > at);
        match operation {
            Operation::Write(inode, offset, bytes) if synced(inode) => disk.write(*inode, *offset, bytes),
            Operation::Write(inode, offset, bytes) => {
                for (offset, piece) in pieces(*offset, bytes) {
                    if survives() {
                        disk.write(*inode, offset, piece);
                    }
                }
            }
            Operation::Resize(inode, size) if synced(inode) || survives() => disk.resize(*inode, *size),
            Operation::Make(path, inode) if named(path) || survives() => disk.name(path, *inode),
            Operation::Rename(from, to, inode) if named(to) || survives() => disk.rename(from, to, *inode),
            Operation::Remove(path) if named(path) || survives() => {
                disk.names.remove(path);
            }
            Operation::MakeFolder(path) if named(path) || survives() => {
                disk.folders.insert(path.clone());
            }
            _ => {}
        }
    }
    disk
}

/// The folder that a name is in; the data folder is "".
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The parts of a write that lie in different pieces of the disk.
fn pieces(offset: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = offset + at as u64;
        let room = PIECE - (start % PIECE as u64) as usize;
        let piece = &bytes[at..(at + room).min(bytes.len())];
        at += piece.len();
        (!piece.is_empty()).then_some((start, piece))
    })
}

impl Disk {
    fn write(&mut self, inode: Inode, offset: u64, bytes: &[u8]) {
        let start = usize::try_from(offset).expect("test files are small");
        let file = self.files.entry(inode).or_default();
        if file.len() < start + bytes.len() {
            file.resize(start + bytes.len(), 0);
        }
        file[start..start + bytes.len()].copy_from_slice(bytes);
    }

    fn resize(&mut self, inode: Inode, size: u64) {
        let size = usize::try_from(size).expect("test files are small");
        self.files.entry(inode).or_default().resize(size, 0);
    }

    fn name(&mut self, path: &str, inode: Inode) {
        if parent(path).is_empty() || self.folders.contains(parent(path)) {
            self.names.insert(path.to_owned(), inode);
        }
    }

    fn rename(&mut self, from: &str, to: &str, inode: Inode) {
        if self.names.get(from) == Some(&inode) {
            self.names.remove(from);
        }
        self.name(to, inode);
    }

    /// Writes it into an empty folder.
    pub fn write_to(&self, folder: &Path) {
        for path in &self.folders {
            fs::create_dir_all(folder.join(path)).expect("the disk has room");
        }
        for (path, inode) in &self.names {
            write_file(&folder.join(path), self.files.get(inode).map_or(&[], Vec::as_slice));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a name was there, and each content of the file, over many cuts at the end.
    fn outcomes(operations: &[Operation]) -> BTreeSet<(bool, Vec<u8>)> {
        let mut random = Random::from_number(1);
        let each = |_| {
            let disk = after_cut(operations, operations.len(), &mut random);
            (disk.names.contains_key("a"), disk.files.get(&0).cloned().unwrap_or_default())
        };
        (0..200).map(each).collect()
    }

    #[test]
    fn what_was_synced_is_there_and_nothing_else_is_sure() {
        let (old, new) = (vec![1; 1_024], vec![2; 1_024]);
        let mut operations = vec![Operation::Make("a".to_owned(), 0), Operation::Write(0, 0, old.clone())];
        assert!(outcomes(&operations).len() > 4, "the name and each half of the file come and go");
        operations.extend([Operation::SyncFile(0), Operation::SyncFolder(String::new())]);
        assert_eq!(outcomes(&operations), BTreeSet::from([(true, old.clone())]));
        operations.push(Operation::Write(0, 0, new.clone()));
        let halves = [&old[..512], &new[..512]];
        let mixed = halves.iter().flat_map(|first| halves.map(|second| (true, [first, second].concat())));
        assert_eq!(outcomes(&operations), mixed.collect());
    }

    #[test]
    fn a_write_is_torn_where_the_disk_has_its_pieces() {
        let bytes = [0; 700];
        let found: Vec<(u64, usize)> = pieces(500, &bytes).map(|(at, piece)| (at, piece.len())).collect();
        assert_eq!(found, [(500, 12), (512, 512), (1_024, 176)]);
    }
}

//! What the server did to its data folder, as `peers/power_cut.c` wrote it down.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::rig::Setting;

/// A file, whatever its names are.
pub type Inode = usize;

/// One operation on the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Bytes at an offset of a file.
    Write(Inode, u64, Vec<u8>),
    /// A file has this size.
    Resize(Inode, u64),
    /// What a file has is durable.
    SyncFile(Inode),
    /// A file got its first name.
    Make(String, Inode),
    /// A file has another name.
    Rename(String, String, Inode),
    /// A name is gone.
    Remove(String),
    /// A folder was made.
    MakeFolder(String),
    /// The names in a folder are durable.
    SyncFolder(String),
    /// What the test was answered up to here.
    Mark(String),
}

/// Where a trace is being written, and the library that does it.
pub struct Tracer {
    folder: tempfile::TempDir,
}

impl Tracer {
    pub fn create() -> Self {
        let folder = tempfile::tempdir().expect("the disk has room");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/power_cut.c");
        let mut command = Command::new("cc");
        command.args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]);
        command.arg(folder.path().join("power_cut.so")).arg(source).arg("-lpthread");
        let output = command.output().expect("a C compiler is there; on Debian: apt-get install gcc");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { folder }
    }

    /// What makes a program write the trace.
    pub fn settings(&self) -> [Setting; 2] {
        // Settings live as long as the test program.
        let text = |path: PathBuf| -> &'static str { path.display().to_string().leak() };
        [
            ("LD_PRELOAD", text(self.folder.path().join("power_cut.so"))),
            ("POWER_CUT_TRACE", text(self.file())),
        ]
    }

    /// Notes that something was acknowledged: everything that the server did for it stands before.
    pub fn mark(&self, text: &str) {
        let mut record = Vec::new();
        record.extend(u32::try_from(13 + text.len()).expect("it is short").to_le_bytes());
        record.push(MARK);
        record.extend([0; 12]);
        record.extend(text.as_bytes());
        let file = OpenOptions::new().append(true).open(self.file());
        file.and_then(|mut file| file.write_all(&record)).expect("the disk has room");
    }

    /// All operations so far.
    pub fn operations(&self) -> Vec<Operation> {
        parse(&fs::read(self.file()).expect("the server wrote it"))
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("trace")
    }
}

const MARK: u8 = 100;

fn parse(mut bytes: &[u8]) -> Vec<Operation> {
    let mut reading = Reading::default();
    // A record that a kill cut short is none.
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let Some((record, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else { break };
        bytes = rest;
        let (head, content) = record.split_first_chunk::<13>().expect("every record has a head");
        let handle = u32::from_le_bytes(head[1..5].try_into().expect("four bytes"));
        let number = u64::from_le_bytes(head[5..13].try_into().expect("eight bytes"));
        reading.take(head[0], handle, number, content);
    }
    reading.operations
}

/// What a handle stands for.
#[derive(Clone)]
enum Opened {
    File(Inode),
    Folder(String),
}

#[derive(Default)]
struct Reading {
    operations: Vec<Operation>,
    names: BTreeMap<String, Inode>,
    handles: BTreeMap<u32, Opened>,
    inodes: Inode,
}

impl Reading {
    fn take(&mut self, kind: u8, handle: u32, number: u64, content: &[u8]) {
        let text = || String::from_utf8(content.to_vec()).expect("paths of ours are text");
        let operation = match kind {
            1 => return self.open(handle, number, text()),
            2 => Operation::Write(self.file(handle), number, content.to_vec()),
            3 => Operation::Resize(self.file(handle), number),
            4 => match self.handles[&handle].clone() {
                Opened::File(inode) => Operation::SyncFile(inode),
                Opened::Folder(path) => Operation::SyncFolder(path),
            },
            5 => {
                let both = text();
                let (from, to) = both.split_once('\0').expect("two paths");
                let inode = self.names.remove(from).expect("it had this name");
                self.names.insert(to.to_owned(), inode);
                Operation::Rename(from.to_owned(), to.to_owned(), inode)
            }
            6 => {
                self.names.remove(&text());
                Operation::Remove(text())
            }
            7 => Operation::MakeFolder(text()),
            8 => return self.handles.clear(),
            MARK => Operation::Mark(text()),
            other => panic!("unknown record {other}"),
        };
        self.operations.push(operation);
    }

    fn open(&mut self, handle: u32, flags: u64, path: String) {
        if flags & 4 != 0 {
            self.handles.insert(handle, Opened::Folder(path));
            return;
        }
        if flags & 1 != 0 {
            self.names.insert(path.clone(), self.inodes);
            self.operations.push(Operation::Make(path.clone(), self.inodes));
            self.inodes += 1;
        }
        let inode = self.names[&path];
        if flags & 2 != 0 {
            self.operations.push(Operation::Resize(inode, 0));
        }
        self.handles.insert(handle, Opened::File(inode));
    }

    fn file(&self, handle: u32) -> Inode {
        match self.handles[&handle] {
            Opened::File(inode) => inode,
            Opened::Folder(_) => panic!("nobody writes into a folder"),
        }
    }
}

/// Writes one file.
pub fn write_file(path: &Path, bytes: &[u8]) {
    // As the server makes all its files: nobody else may read them.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes)).expect("the disk has room");
}

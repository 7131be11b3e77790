//! Builds archives byte by byte, so that any part of one can be wrong.

use std::io::Write;

use firmware::Crc32;
use flate2::Compression;
use flate2::write::DeflateEncoder;

pub const STORED: u16 = 0;
pub const DEFLATED: u16 = 8;
pub const UTF8: u16 = 1 << 11;
pub const DESCRIPTOR: u16 = 1 << 3;
/// External attributes of a file that UNIX made.
pub const FILE: u32 = 0o100_644 << 16;

/// What a header says of a content.
#[derive(Clone, Copy)]
pub struct Said {
    pub flags: u16,
    pub method: u16,
    pub crc: u32,
    pub compressed_size: u32,
    pub size: u32,
}

#[derive(Clone)]
pub struct Entry {
    /// Bytes in front of its local header.
    pub before: Vec<u8>,
    pub mark: [u8; 4],
    pub local_name: Vec<u8>,
    pub local: Said,
    pub local_extra: Vec<u8>,
    /// As it lies in the archive.
    pub content: Vec<u8>,
    pub descriptor: Vec<u8>,

    pub directory_mark: [u8; 4],
    pub name: Vec<u8>,
    pub said: Said,
    pub extra: Vec<u8>,
    pub comment: Vec<u8>,
    pub made_by: u16,
    pub disk: u16,
    pub external_attributes: u32,
    /// Where its local header is, if not where it really is.
    pub at: Option<u32>,
}

impl Entry {
    pub fn stored(name: &str, content: &[u8]) -> Self {
        Self::new(name.as_bytes(), STORED, content, content.to_vec())
    }

    pub fn deflated(name: &str, content: &[u8]) -> Self {
        Self::new(name.as_bytes(), DEFLATED, content, deflate(content))
    }

    fn new(name: &[u8], method: u16, plain: &[u8], content: Vec<u8>) -> Self {
        let flags = if name.is_ascii() { 0 } else { UTF8 };
        let (crc, compressed_size) = (Crc32::of(plain).0, content.len() as u32);
        let said = Said { flags, method, crc, compressed_size, size: plain.len() as u32 };
        Self {
            before: Vec::new(),
            mark: *b"PK\x03\x04",
            local_name: name.to_vec(),
            local: said,
            local_extra: Vec::new(),
            content,
            descriptor: Vec::new(),
            directory_mark: *b"PK\x01\x02",
            name: name.to_vec(),
            said,
            extra: Vec::new(),
            comment: Vec::new(),
            made_by: 3 << 8 | 20,
            disk: 0,
            external_attributes: FILE,
            at: None,
        }
    }

    /// The same name in front of the content and in the directory.
    pub fn named(mut self, name: &[u8], flags: u16) -> Self {
        (self.name, self.local_name) = (name.to_vec(), name.to_vec());
        self.say(|said| said.flags = flags);
        self
    }

    /// Changes what both headers say.
    pub fn say(&mut self, change: impl Fn(&mut Said)) {
        change(&mut self.local);
        change(&mut self.said);
    }

    /// Replaces the content as it lies in the archive; the headers know its length.
    pub fn replace_content(&mut self, content: Vec<u8>) {
        self.say(|said| said.compressed_size = content.len() as u32);
        self.content = content;
    }

    /// Moves checksum and sizes into a descriptor.
    pub fn describe(&mut self, with_mark: bool) {
        self.say(|said| said.flags |= DESCRIPTOR);
        (self.local.crc, self.local.compressed_size, self.local.size) = (0, 0, 0);
        self.descriptor = if with_mark { b"PK\x07\x08".to_vec() } else { Vec::new() };
        let said = self.said;
        for value in [said.crc, said.compressed_size, said.size] {
            self.descriptor.extend(value.to_le_bytes());
        }
    }

    pub fn local_header(&self) -> Vec<u8> {
        let mut bytes = self.mark.to_vec();
        bytes.extend(20_u16.to_le_bytes());
        put_said(&mut bytes, &self.local);
        bytes.extend((self.local_name.len() as u16).to_le_bytes());
        bytes.extend((self.local_extra.len() as u16).to_le_bytes());
        bytes.extend(&self.local_name);
        bytes.extend(&self.local_extra);
        bytes
    }

    fn directory_entry(&self, at: u32) -> Vec<u8> {
        let mut bytes = self.directory_mark.to_vec();
        bytes.extend(self.made_by.to_le_bytes());
        bytes.extend(20_u16.to_le_bytes());
        put_said(&mut bytes, &self.said);
        for length in [self.name.len(), self.extra.len(), self.comment.len()] {
            bytes.extend((length as u16).to_le_bytes());
        }
        bytes.extend(self.disk.to_le_bytes());
        bytes.extend(0_u16.to_le_bytes());
        bytes.extend(self.external_attributes.to_le_bytes());
        bytes.extend(at.to_le_bytes());
        [&bytes, &self.name[..], &self.extra, &self.comment].concat()
    }
}

fn put_said(bytes: &mut Vec<u8>, said: &Said) {
    bytes.extend(said.flags.to_le_bytes());
    bytes.extend(said.method.to_le_bytes());
    bytes.extend([0, 0, 0x21, 0]);
    for value in [said.crc, said.compressed_size, said.size] {
        bytes.extend(value.to_le_bytes());
    }
}

/// An archive; the fields of its end record are right unless they are given.
#[derive(Clone, Default)]
pub struct Forge {
    pub entries: Vec<Entry>,
    pub before_directory: Vec<u8>,
    /// In the directory, behind its entries.
    pub in_directory: Vec<u8>,
    pub before_end: Vec<u8>,
    pub disk: u16,
    pub directory_disk: u16,
    pub entries_here: Option<u16>,
    pub count: Option<u16>,
    pub directory_size: Option<u32>,
    pub directory_at: Option<u32>,
    pub comment_length: Option<u16>,
    pub comment: Vec<u8>,
    pub behind: Vec<u8>,
    /// Entries of the directory in the opposite order.
    pub backwards: bool,
}

impl Forge {
    pub fn of(entries: Vec<Entry>) -> Self {
        Self { entries, ..Self::default() }
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.parts().concat()
    }

    /// Each structure on its own: local header, content and descriptor of each entry, the entries of the
    /// directory, the end record.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        let (mut parts, mut directory, mut at) = (Vec::new(), Vec::new(), 0);
        for entry in &self.entries {
            let place = at + entry.before.len() as u32;
            directory.push(entry.directory_entry(entry.at.unwrap_or(place)));
            let local = [&entry.before[..], &entry.local_header()].concat();
            let all = [local, entry.content.clone(), entry.descriptor.clone()];
            at += all.iter().map(Vec::len).sum::<usize>() as u32;
            parts.extend(all);
        }
        if self.backwards {
            directory.reverse();
        }
        directory.push(self.in_directory.clone());
        let size = directory.iter().map(Vec::len).sum::<usize>() as u32;
        parts.push(self.before_directory.clone());
        at += self.before_directory.len() as u32;
        parts.extend(directory);
        parts.push(self.before_end.clone());
        parts.push(self.end(size, at));
        parts.retain(|part| !part.is_empty());
        parts
    }

    fn end(&self, size: u32, at: u32) -> Vec<u8> {
        let count = self.count.unwrap_or(self.entries.len() as u16);
        let mut bytes = b"PK\x05\x06".to_vec();
        for value in [self.disk, self.directory_disk, self.entries_here.unwrap_or(count), count] {
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend(self.directory_size.unwrap_or(size).to_le_bytes());
        bytes.extend(self.directory_at.unwrap_or(at).to_le_bytes());
        bytes.extend(self.comment_length.unwrap_or(self.comment.len() as u16).to_le_bytes());
        [&bytes, &self.comment[..], &self.behind].concat()
    }
}

/// An extra field.
pub fn extra(id: u16, data: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat()
}

pub fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A stored block of a deflate stream (RFC 1951, section 3.2.4).
pub fn stored_block(last: bool, content: &[u8]) -> Vec<u8> {
    let length = content.len() as u16;
    [&[last.into()][..], &length.to_le_bytes(), &(!length).to_le_bytes(), content].concat()
}

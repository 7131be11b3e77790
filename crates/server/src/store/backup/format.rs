//! The bytes of a backup.
//!
//! ```text
//! "updraft backup 1\n"
//! frame*      kind: 1 byte, length: 4 bytes (big-endian), content
//! SHA-256     32 bytes, over everything before
//!
//! H  what it is (JSON, [`Header`])            first
//! T  a table and its columns (JSON, [`TableHead`])
//! R  one of its rows: per column 0 | 1 integer: 8 bytes | 2 text | 3 bytes, both: length, content
//! F  a file: what it is (JSON, [`FileHead`])
//! B  a piece of it
//! E  how much there is (JSON, [`Count`])      last
//! ```
//! Integers are big-endian, lengths have 4 bytes. A reader checks the SHA-256 before it believes anything.

use std::io::{self, Read, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::BackupError;
use crate::store::catalog::Column;

const MAGIC: &[u8; 17] = b"updraft backup 1\n";
const DIGEST: u64 = 32;

/// The longest frame; the largest values are object definitions of a few MiB.
const LONGEST: u32 = 64 << 20;
/// Pieces of files.
pub const PIECE: usize = 64 << 10;

/// What a backup is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Header {
    /// The schema of its rows.
    pub schema: i64,
    /// The version of the program that made it.
    pub made_by: String,
    /// When, in microseconds since 1970.
    pub made_at: i64,
    /// The value that only the right key file gives, as in the database.
    pub key_check: Option<String>,
}

/// Begins the rows of a table.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct TableHead {
    pub name: String,
    pub columns: Vec<Column>,
}

/// Begins a file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct FileHead {
    pub kind: FileKind,
    pub size_bytes: u64,
}

/// What a file is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// What was uploaded as a package: its SHA-256 in hexadecimal digits.
    Image(String),
    /// A file of the data folder by its name.
    Sealed(String),
}

/// How much a backup has.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default, Debug)]
pub struct Count {
    pub rows: u64,
    pub images: u64,
    pub size_bytes: u64,
}

/// One value of a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A frame that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    Table(TableHead),
    Row(Vec<Value>),
    File(FileHead),
    Piece(Vec<u8>),
    End(Count),
}

/// Writes a backup.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    hasher: Sha256,
    row: Vec<u8>,
}

impl<W: Write> Writer<W> {
    pub fn new(output: W, header: &Header) -> Result<Self, BackupError> {
        let mut writer = Self { output, hasher: Sha256::new(), row: Vec::new() };
        writer.put(MAGIC)?;
        writer.json(b'H', header)?;
        Ok(writer)
    }

    pub fn table(&mut self, head: &TableHead) -> Result<(), BackupError> {
        self.json(b'T', head)
    }

    pub fn row(&mut self, values: &[Value]) -> Result<(), BackupError> {
        let mut row = std::mem::take(&mut self.row);
        row.clear();
        for value in values {
            match value {
                Value::Null => row.push(0),
                Value::Integer(number) => {
                    row.push(1);
                    row.extend(number.to_be_bytes());
                }
                Value::Text(text) => put_bytes(&mut row, 2, text.as_bytes()),
                Value::Bytes(bytes) => put_bytes(&mut row, 3, bytes),
            }
        }
        let written = self.frame(b'R', &row);
        self.row = row;
        written
    }

    pub fn file(&mut self, head: &FileHead) -> Result<(), BackupError> {
        self.json(b'F', head)
    }

    /// At most `PIECE` bytes of the file.
    pub fn piece(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.frame(b'B', bytes)
    }

    /// Writes the end and gives back what was written to.
    pub fn finish(mut self, count: &Count) -> Result<W, BackupError> {
        self.json(b'E', count)?;
        let digest = self.hasher.finalize();
        self.output.write_all(&digest).and_then(|()| self.output.flush()).map_err(BackupError::Write)?;
        Ok(self.output)
    }

    fn json(&mut self, kind: u8, content: &impl Serialize) -> Result<(), BackupError> {
        let bytes = serde_json::to_vec(content).map_err(io::Error::from).map_err(BackupError::Write)?;
        self.frame(kind, &bytes)
    }

    fn frame(&mut self, kind: u8, content: &[u8]) -> Result<(), BackupError> {
        let length = u32::try_from(content.len()).ok().filter(|length| *length <= LONGEST);
        let length = length.ok_or(BackupError::TooLong(content.len()))?;
        self.put(&[kind])?;
        self.put(&length.to_be_bytes())?;
        self.put(content)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.hasher.update(bytes);
        self.output.write_all(bytes).map_err(BackupError::Write)
    }
}

fn put_bytes(row: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    row.push(tag);
    // Longer than a frame may be is refused with the frame.
    row.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    row.extend(bytes);
}

/// Reads a backup whose SHA-256 is right.
#[derive(Debug)]
pub struct Reader<R> {
    input: io::Take<R>,
    header: Header,
}

impl<R: Read + Seek> Reader<R> {
    /// Reads everything once to compare the SHA-256, then the header. `progress` is told how many bytes were
    /// read.
    ///
    /// # Errors
    /// It is no backup, was cut off or changed, or a newer program made it.
    pub fn open(mut input: R, mut progress: impl FnMut(u64)) -> Result<Self, BackupError> {
        let length = input.seek(SeekFrom::End(0)).map_err(BackupError::Read)?;
        input.rewind().map_err(BackupError::Read)?;
        let mut magic = [0; MAGIC.len()];
        read_exact(&mut input, &mut magic, BackupError::NoBackup)?;
        let (name, version) = magic.split_at(MAGIC.len() - 2);
        if name != &MAGIC[..name.len()] {
            return Err(BackupError::NoBackup);
        }
        if version != &MAGIC[name.len()..] {
            return Err(BackupError::NewerFormat);
        }
        let content = length.checked_sub(DIGEST).ok_or(BackupError::Damaged)?;
        input.rewind().map_err(BackupError::Read)?;
        let mut hasher = Sha256::new();
        let mut piece = vec![0; PIECE];
        let mut left = content;
        while left > 0 {
            let take = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            read_exact(&mut input, &mut piece[..take], BackupError::Damaged)?;
            hasher.update(&piece[..take]);
            left -= take as u64;
            progress(take as u64);
        }
        let mut digest = [0; DIGEST as usize];
        read_exact(&mut input, &mut digest, BackupError::Damaged)?;
        if hasher.finalize().as_slice() != digest {
            return Err(BackupError::Damaged);
        }
        input.seek(SeekFrom::Start(MAGIC.len() as u64)).map_err(BackupError::Read)?;
        let mut input = input.take(content - MAGIC.len() as u64);
        let (kind, content) = frame(&mut input)?.ok_or(BackupError::Malformed)?;
        let header = if kind == b'H' { json(&content)? } else { return Err(BackupError::Malformed) };
        Ok(Self { input, header })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next frame; `None` after the last.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, BackupError> {
        let Some((kind, content)) = frame(&mut self.input)? else { return Ok(None) };
        Ok(Some(match kind {
            b'T' => Frame::Table(json(&content)?),
            b'R' => Frame::Row(row(&content).ok_or(BackupError::Malformed)?),
            b'F' => Frame::File(json(&content)?),
            b'B' => Frame::Piece(content),
            b'E' => Frame::End(json(&content)?),
            _ => return Err(BackupError::Malformed),
        }))
    }
}

fn read_exact(input: &mut impl Read, bytes: &mut [u8], short: BackupError) -> Result<(), BackupError> {
    input.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => short,
        _ => BackupError::Read(error),
    })
}

fn frame(input: &mut impl Read) -> Result<Option<(u8, Vec<u8>)>, BackupError> {
    let mut kind = [0];
    if input.read(&mut kind).map_err(BackupError::Read)? == 0 {
        return Ok(None);
    }
    let mut length = [0; 4];
    read_exact(input, &mut length, BackupError::Malformed)?;
    let length = u32::from_be_bytes(length);
    if length > LONGEST {
        return Err(BackupError::Malformed);
    }
    let mut content = vec![0; length as usize];
    read_exact(input, &mut content, BackupError::Malformed)?;
    Ok(Some((kind[0], content)))
}

fn json<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, BackupError> {
    serde_json::from_slice(bytes).map_err(|_| BackupError::Malformed)
}

fn row(mut bytes: &[u8]) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    while let Some((tag, rest)) = bytes.split_first() {
        let (value, rest) = match tag {
            0 => (Value::Null, rest),
            1 => {
                let (number, rest) = rest.split_first_chunk::<8>()?;
                (Value::Integer(i64::from_be_bytes(*number)), rest)
            }
            2 => {
                let (text, rest) = length_and_bytes(rest)?;
                (Value::Text(String::from_utf8(text.to_vec()).ok()?), rest)
            }
            3 => {
                let (content, rest) = length_and_bytes(rest)?;
                (Value::Bytes(content.to_vec()), rest)
            }
            _ => return None,
        };
        values.push(value);
        bytes = rest;
    }
    Some(values)
}

fn length_and_bytes(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn header() -> Header {
        Header { schema: 3, made_by: "0".to_owned(), made_at: 7, key_check: Some("ab".to_owned()) }
    }

    fn written() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), &header()).unwrap();
        writer.table(&TableHead { name: "devices".to_owned(), columns: Vec::new() }).unwrap();
        writer.row(&row_of_all_kinds()).unwrap();
        writer.file(&FileHead { kind: FileKind::Image("00".to_owned()), size_bytes: 3 }).unwrap();
        writer.piece(b"abc").unwrap();
        writer.finish(&Count { rows: 1, images: 1, size_bytes: 3 }).unwrap()
    }

    fn row_of_all_kinds() -> Vec<Value> {
        let text = Value::Text("\u{e9}".to_owned());
        vec![Value::Null, Value::Integer(i64::MIN), text, Value::Bytes(vec![0, 255]), Value::Bytes(vec![])]
    }

    fn open(bytes: Vec<u8>) -> Result<Reader<Cursor<Vec<u8>>>, BackupError> {
        Reader::open(Cursor::new(bytes), |_| ())
    }

    #[test]
    fn what_was_written_is_read() {
        let mut reader = open(written()).unwrap();
        assert_eq!(reader.header(), &header());
        let mut frames = Vec::new();
        while let Some(frame) = reader.next_frame().unwrap() {
            frames.push(frame);
        }
        assert_eq!(frames.len(), 5);
        assert_eq!(frames[1], Frame::Row(row_of_all_kinds()));
        assert_eq!(frames[4], Frame::End(Count { rows: 1, images: 1, size_bytes: 3 }));
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed() {
        let whole = written();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(open(changed).is_err(), "byte {at}");
            assert!(open(whole[..at].to_vec()).is_err(), "cut at {at}");
        }
        assert!(matches!(open([whole, vec![0]].concat()), Err(BackupError::Damaged)));
    }

    #[test]
    fn a_file_of_something_else_and_one_of_a_newer_program_are_told_apart() {
        assert!(matches!(open(b"SQLite format 3\0 and so on".to_vec()), Err(BackupError::NoBackup)));
        let mut newer = written();
        newer[15] = b'2';
        assert!(matches!(open(newer), Err(BackupError::NewerFormat)));
    }

    #[test]
    fn a_frame_that_claims_too_much_is_refused_before_room_is_made_for_it() {
        let mut writer = Writer::new(Vec::new(), &header()).unwrap();
        writer.put(&[b'R', 255, 255, 255, 255]).unwrap();
        let bytes = writer.finish(&Count::default()).unwrap();
        assert!(matches!(open(bytes).unwrap().next_frame(), Err(BackupError::Malformed)));
    }
}

//! Everything about an archive that its headers tell.

use std::io::{Read, Seek, SeekFrom};

use super::content;
use super::error::{ArchiveError, EntryKind, HeaderField};
use super::record::{self, DirectoryEntry, EndRecord, Header, LocalHeader, extra, flag, method};
use super::{Entry, Limits, name};

/// Bytes of the longest comment of an archive.
const LONGEST_COMMENT: u64 = u16::MAX as u64;

/// Bytes of the longest directory: 4 KiB for each of the 16 entries that are allowed.
const LONGEST_DIRECTORY: u64 = 64 << 10;

/// An entry, and where it is.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub name: String,
    pub header: Header,
    /// Where its local header begins.
    at: u64,
    /// Where its content begins.
    pub content_at: u64,
}

impl Member {
    pub fn entry(&self) -> Entry {
        let (size, compressed_size) = (self.header.size.into(), self.header.compressed_size.into());
        Entry { name: self.name.clone(), size, compressed_size }
    }
}

/// The entries in the order of the directory.
pub(super) fn check(file: &mut (impl Read + Seek), limits: Limits) -> Result<Vec<Member>, ArchiveError> {
    let size = file.seek(SeekFrom::End(0)).map_err(ArchiveError::Read)?;
    let (end_at, end) = find_end(file, size)?;
    check_end(file, end_at, &end, limits)?;
    let directory = read_at(file, end.directory_at.into(), end.directory_size as usize)?;
    let mut members = read_directory(&directory, end.entries.into(), limits)?;
    check_layout(file, &mut members, end.directory_at.into())?;
    for member in &members {
        let head = content::head(file, member)?;
        if let Some(format) = content::archive_format(&head) {
            return Err(ArchiveError::Nested { name: member.name.clone(), format });
        }
    }
    Ok(members)
}

/// The one end record. Readers search it from the end; some take the first mark they meet, others the one
/// whose comment ends with the file. Here both must find the same, and no other mark may fit.
fn find_end(file: &mut (impl Read + Seek), size: u64) -> Result<(u64, EndRecord), ArchiveError> {
    let tail_at = size.saturating_sub(EndRecord::SIZE as u64 + LONGEST_COMMENT);
    let tail = read_at(file, tail_at, (size - tail_at) as usize)?;
    let records = tail.windows(EndRecord::SIZE).enumerate().filter_map(|(at, bytes)| {
        let record = EndRecord::parse(bytes.first_chunk()?)?;
        Some((tail_at + at as u64, record))
    });
    let end_of = |at: &u64, record: &EndRecord| at + (EndRecord::SIZE + record.comment_length) as u64;
    let (mut fitting, mut last) = (None, None);
    for (at, record) in records {
        if end_of(&at, &record) == size && fitting.replace((at, record)).is_some() {
            return Err(ArchiveError::TwoEndRecords);
        }
        last = Some((at, record));
    }
    let (last_at, last) = last.ok_or(ArchiveError::NoEndRecord)?;
    match fitting {
        Some((at, record)) if at == last_at => Ok((at, record)),
        Some(_) => Err(ArchiveError::TwoEndRecords),
        None => Err(ArchiveError::WrongEnd { end: end_of(&last_at, &last), size }),
    }
}

fn check_end(
    file: &mut (impl Read + Seek),
    end_at: u64,
    end: &EndRecord,
    limits: Limits,
) -> Result<(), ArchiveError> {
    if let Some(at) = end_at.checked_sub(record::ZIP64_LOCATOR_SIZE)
        && read_at(file, at, record::ZIP64_LOCATOR.len())? == record::ZIP64_LOCATOR
    {
        return Err(ArchiveError::Zip64);
    }
    if end.disk != 0 || end.directory_disk != 0 || end.entries_here != end.entries {
        return Err(ArchiveError::Split);
    }
    let (entries, limit) = (end.entries.into(), limits.entries);
    if entries == 0 {
        return Err(ArchiveError::Empty);
    }
    if entries > limit {
        return Err(ArchiveError::TooManyEntries { entries, limit });
    }
    if end.directory_size == record::IN_ZIP64 || end.directory_at == record::IN_ZIP64 {
        return Err(ArchiveError::Zip64);
    }
    let (size, limit) = (end.directory_size.into(), LONGEST_DIRECTORY);
    if size > limit {
        return Err(ArchiveError::DirectoryTooLong { size, limit });
    }
    if u64::from(end.directory_at) + size != end_at {
        return Err(ArchiveError::MisplacedDirectory);
    }
    Ok(())
}

fn read_directory(mut bytes: &[u8], entries: usize, limits: Limits) -> Result<Vec<Member>, ArchiveError> {
    let mut members: Vec<Member> = Vec::with_capacity(entries);
    let mut folded: Vec<String> = Vec::with_capacity(entries);
    let mut expanded = 0;
    for entry in 1..=entries {
        let (record, texts, rest) = split_record(bytes).ok_or(ArchiveError::DamagedDirectory { entry })?;
        bytes = rest;
        let member = check_entry(entry, &record, texts, limits)?;
        let fold = name::fold(&member.name);
        if let Some(same) = folded.iter().position(|other| *other == fold) {
            return Err(ArchiveError::SameName { first: members[same].name.clone(), second: member.name });
        }
        expanded += u64::from(member.header.size);
        if expanded > limits.expanded {
            return Err(ArchiveError::TooLarge { size: expanded, limit: limits.expanded });
        }
        folded.push(fold);
        members.push(member);
    }
    if !bytes.is_empty() {
        return Err(ArchiveError::DamagedDirectory { entry: entries + 1 });
    }
    Ok(members)
}

/// Name and extra fields of an entry.
type Texts<'a> = (&'a [u8], &'a [u8]);

fn split_record(bytes: &[u8]) -> Option<(DirectoryEntry, Texts<'_>, &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    let record = DirectoryEntry::parse(head)?;
    let (name, rest) = rest.split_at_checked(record.name_length)?;
    let (extra, rest) = rest.split_at_checked(record.extra_length)?;
    let (_comment, rest) = rest.split_at_checked(record.comment_length)?;
    Some((record, (name, extra), rest))
}

fn check_entry(
    entry: usize,
    record: &DirectoryEntry,
    (raw_name, extra): Texts<'_>,
    limits: Limits,
) -> Result<Member, ArchiveError> {
    let header = record.header;
    // What is a directory says so by a slash at the end of its name, which would be refused as a path.
    let (plain, slash) = match raw_name.split_last() {
        Some((b'/', plain)) => (plain, true),
        _ => (raw_name, false),
    };
    let name = name::parse(plain);
    let name = name.map_err(|fault| ArchiveError::Name { entry, fault })?.to_owned();
    if let Some(kind) = kind_of(record.external_attributes, slash) {
        return Err(ArchiveError::NotAFile { name, kind });
    }
    check_coding(&name, &header)?;
    check_extra_fields(&name, raw_name, extra)?;
    if record.disk != 0 {
        return Err(ArchiveError::Split);
    }
    if [header.size, header.compressed_size, record.at].contains(&record::IN_ZIP64) {
        return Err(ArchiveError::Zip64);
    }
    check_sizes(&name, &header, limits)?;
    Ok(Member { name, header, at: record.at.into(), content_at: 0 })
}

/// What an entry is by its external attributes (4.4.15), if not a file: a mode of UNIX in the upper half,
/// attributes of Windows in the lower one, whichever system claims to have made it.
fn kind_of(external_attributes: u32, slash: bool) -> Option<EntryKind> {
    const VOLUME_LABEL: u32 = 0x08;
    const DIRECTORY: u32 = 0x10;
    const DEVICE: u32 = 0x40;
    const REPARSE_POINT: u32 = 0x400;
    let by_mode = match external_attributes >> 28 {
        0o00 | 0o10 => None,
        0o01 => Some(EntryKind::Pipe),
        0o02 | 0o06 => Some(EntryKind::Device),
        0o04 => Some(EntryKind::Directory),
        0o12 => Some(EntryKind::SymbolicLink),
        0o14 => Some(EntryKind::Socket),
        _ => Some(EntryKind::Unknown),
    };
    let attributes = [
        (VOLUME_LABEL, EntryKind::VolumeLabel),
        (DIRECTORY, EntryKind::Directory),
        (DEVICE, EntryKind::Device),
        (REPARSE_POINT, EntryKind::SymbolicLink),
    ];
    let by_attribute = attributes.iter().find(|(bit, _)| external_attributes & bit != 0);
    by_mode.or(by_attribute.map(|(_, kind)| *kind)).or(slash.then_some(EntryKind::Directory))
}

fn check_coding(name: &str, header: &Header) -> Result<(), ArchiveError> {
    const KNOWN: u16 = flag::LEVEL | flag::DESCRIPTOR | flag::UTF8;
    let name = || name.to_owned();
    if header.has(flag::ENCRYPTED | flag::STRONGLY_ENCRYPTED | flag::MASKED) {
        return Err(ArchiveError::Encrypted { name: name() });
    }
    if header.has(!KNOWN) {
        return Err(ArchiveError::UnknownFlags { name: name(), flags: header.flags & !KNOWN });
    }
    match header.method {
        method::STORED | method::DEFLATED => Ok(()),
        method => Err(ArchiveError::UnknownMethod { name: name(), method }),
    }
}

fn check_extra_fields(name: &str, raw_name: &[u8], fields: &[u8]) -> Result<(), ArchiveError> {
    /// Version and CRC-32 in front of the name.
    const UNICODE_PATH_HEAD: usize = 5;
    let name = || name.to_owned();
    for field in record::extra_fields(fields) {
        let (id, data) = field.ok_or_else(|| ArchiveError::DamagedExtraField { name: name() })?;
        match id {
            id if extra::HARMLESS.contains(&id) => {}
            extra::ZIP64 => return Err(ArchiveError::Zip64),
            extra::STRONG_ENCRYPTION | extra::AES_ENCRYPTION => {
                return Err(ArchiveError::Encrypted { name: name() });
            }
            extra::UNICODE_PATH if data.get(UNICODE_PATH_HEAD..) == Some(raw_name) => {}
            extra::UNICODE_PATH => return Err(ArchiveError::SecondName { name: name() }),
            id => return Err(ArchiveError::ExtraField { name: name(), id }),
        }
    }
    Ok(())
}

fn check_sizes(name: &str, header: &Header, limits: Limits) -> Result<(), ArchiveError> {
    let (size, compressed_size) = (u64::from(header.size), u64::from(header.compressed_size));
    if header.method == method::STORED && size != compressed_size {
        return Err(ArchiveError::TwoSizes { name: name.to_owned() });
    }
    if size > compressed_size.saturating_mul(limits.ratio) {
        let (name, limit) = (name.to_owned(), limits.ratio);
        return Err(ArchiveError::TooCompressed { name, size, compressed_size, limit });
    }
    Ok(())
}

/// Checks that the entries lie one behind the other from the first byte to the directory, each behind a
/// header that agrees with the directory, and notes where the contents are.
fn check_layout(
    file: &mut (impl Read + Seek),
    members: &mut [Member],
    directory_at: u64,
) -> Result<(), ArchiveError> {
    let mut in_order: Vec<&mut Member> = members.iter_mut().collect();
    in_order.sort_by_key(|member| member.at);
    let starts: Vec<u64> = in_order.iter().map(|member| member.at).chain([directory_at]).collect();
    let mut expected = 0;
    for (member, next) in in_order.into_iter().zip(&starts[1..]) {
        check_place(&member.name, member.at, expected)?;
        let content_at = check_local_header(file, member, *next)?;
        member.content_at = content_at;
        let content_end = content_at + u64::from(member.header.compressed_size);
        if content_end > *next {
            return Err(ArchiveError::Overlap { name: member.name.clone() });
        }
        expected = content_end + check_descriptor(file, member, content_end, *next)?;
    }
    match directory_at.checked_sub(expected) {
        Some(0) => Ok(()),
        length => Err(ArchiveError::StrayBytes { at: expected, length: length.unwrap_or(0) }),
    }
}

fn check_place(name: &str, at: u64, expected: u64) -> Result<(), ArchiveError> {
    match at.checked_sub(expected) {
        Some(0) => Ok(()),
        Some(length) => Err(ArchiveError::StrayBytes { at: expected, length }),
        None => Err(ArchiveError::Overlap { name: name.to_owned() }),
    }
}

/// Where the content of an entry begins.
fn check_local_header(
    file: &mut (impl Read + Seek),
    member: &Member,
    next: u64,
) -> Result<u64, ArchiveError> {
    let name = || member.name.clone();
    let missing = || ArchiveError::NoHeader { name: name(), at: member.at };
    let texts_at = member.at + LocalHeader::SIZE as u64;
    if texts_at > next {
        return Err(ArchiveError::Overlap { name: name() });
    }
    let bytes = read_at(file, member.at, LocalHeader::SIZE)?;
    let local = bytes.first_chunk().and_then(LocalHeader::parse).ok_or_else(missing)?;
    let content_at = texts_at + (local.name_length + local.extra_length) as u64;
    if content_at > next {
        return Err(ArchiveError::Overlap { name: name() });
    }
    let texts = read_at(file, texts_at, local.name_length + local.extra_length)?;
    let (raw_name, extra) = texts.split_at(local.name_length);
    if raw_name != member.name.as_bytes() {
        return Err(ArchiveError::HeadersDiffer { name: name(), field: HeaderField::Name });
    }
    check_extra_fields(&member.name, raw_name, extra)?;
    if let Some(field) = difference(&local.header, &member.header) {
        return Err(ArchiveError::HeadersDiffer { name: name(), field });
    }
    Ok(content_at)
}

/// What a local header says differently. Where a descriptor follows, it may leave out what that says.
fn difference(local: &Header, directory: &Header) -> Option<HeaderField> {
    let same =
        |local_value: u32, value| local_value == value || local.has(flag::DESCRIPTOR) && local_value == 0;
    let fields = [
        (HeaderField::Flags, local.flags == directory.flags),
        (HeaderField::Method, local.method == directory.method),
        (HeaderField::Checksum, same(local.crc, directory.crc)),
        (HeaderField::CompressedSize, same(local.compressed_size, directory.compressed_size)),
        (HeaderField::Size, same(local.size, directory.size)),
    ];
    fields.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
}

/// How long the descriptor behind a content is: nothing if there is none, 12 bytes, or 16 with its mark.
fn check_descriptor(
    file: &mut (impl Read + Seek),
    member: &Member,
    content_end: u64,
    next: u64,
) -> Result<u64, ArchiveError> {
    if !member.header.has(flag::DESCRIPTOR) {
        return Ok(0);
    }
    let wrong = || ArchiveError::WrongDescriptor { name: member.name.clone() };
    let expected = record::descriptor(&member.header);
    let length = if next - content_end == 12 { 12 } else { 16 };
    if next - content_end < length {
        return Err(wrong());
    }
    let found = read_at(file, content_end, length as usize)?;
    let (mark, found) = found.split_at(found.len() - expected.len());
    if found != expected || !(mark.is_empty() || mark == record::DESCRIPTOR) {
        return Err(wrong());
    }
    Ok(length)
}

/// Bytes that are there: callers have compared place and length with the size of the file, and bounded the
/// length by 64 KiB, or twice that for the texts of a local header.
fn read_at(file: &mut (impl Read + Seek), at: u64, length: usize) -> Result<Vec<u8>, ArchiveError> {
    file.seek(SeekFrom::Start(at)).map_err(ArchiveError::Read)?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes).map_err(ArchiveError::Read)?;
    Ok(bytes)
}

//! Pulls a resource block by block.

use core::fmt;
use core::ops::Range;

use crate::{Block, BlockSize, Code, OptionNumber, Request, Response};

/// Where a download stands: what to ask for next and what the answer must look like.
///
/// It keeps no bytes and can start anywhere, so a client that stored offset and entity tag goes on after
/// a restart. Each request is made with [`Endpoint::request`](crate::Endpoint::request).
///
/// ```
/// use coap::{Block, BlockSize, Code, Download, OptionNumber, Request, Response};
///
/// let mut download = Download::new(BlockSize::at_most(512).unwrap(), 512, None);
/// let request = download.next_request(Request::get("/fw/image"));
/// assert_eq!(request.options.block2().unwrap().offset(), 512);
///
/// let block = Block { number: 1, more: false, size: BlockSize::at_most(512).unwrap() };
/// let mut answer = Response::new(Code::CONTENT).etag(b"v2");
/// answer.options.set_uint(OptionNumber::BLOCK2, block.encode());
/// answer.payload = (&b"the end"[..]).into();
/// let chunk = download.accept(&answer).unwrap();
/// assert_eq!((chunk.offset, chunk.bytes.len(), chunk.last), (512, 7, true));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Download {
    size: BlockSize,
    offset: u64,
    etag: Option<Tag>,
    total: Option<u64>,
    first: bool,
    plain: bool,
}

/// An entity tag: 1 to 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Tag {
    length: u8,
    bytes: [u8; 8],
}

impl Tag {
    fn new(tag: &[u8]) -> Option<Self> {
        let mut bytes = [0; 8];
        bytes.get_mut(..tag.len())?.copy_from_slice(tag);
        (!tag.is_empty()).then_some(Self { length: tag.len() as u8, bytes })
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl Download {
    /// A download in blocks of at most `size` that begins at `offset` bytes. With the entity tag of what
    /// is there already, a change of the resource is noticed; an unusable tag counts as none.
    pub fn new(size: BlockSize, offset: u64, etag: Option<&[u8]>) -> Self {
        Self { size, offset, etag: etag.and_then(Tag::new), total: None, first: true, plain: false }
    }

    /// The first request of a download from the start asks for no block, as those of many devices do, and
    /// the server's choice of size counts.
    #[must_use]
    pub fn begin_plainly(mut self) -> Self {
        self.plain = self.offset == 0;
        self
    }

    /// Bytes that are there.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The entity tag that all blocks share, once known.
    pub fn etag(&self) -> Option<&[u8]> {
        self.etag.as_ref().map(Tag::as_bytes)
    }

    /// The size of the whole resource in bytes, once the server has told.
    pub const fn total(&self) -> Option<u64> {
        self.total
    }

    /// `request` with the options that ask for the next block. Calling it again asks for the same block.
    pub fn next_request(&self, mut request: Request) -> Request {
        if self.first && self.plain {
            return request.one_block();
        }
        let number = u32::try_from(self.offset / self.size.bytes() as u64).unwrap_or(Block::MAX_NUMBER);
        let block = Block { number: number.min(Block::MAX_NUMBER), more: false, size: self.size };
        request.options.set_uint(OptionNumber::BLOCK2, block.encode());
        if self.first {
            request.options.set_uint(OptionNumber::SIZE2, 0);
        }
        request
    }

    /// Checks the answer and says which of its bytes are new. After an error the download stands where it
    /// stood; after [`DownloadError::Changed`] only a new one from the start makes sense.
    pub fn accept(&mut self, response: &Response) -> Result<Chunk, DownloadError> {
        if response.code != Code::CONTENT {
            return Err(DownloadError::Refused(response.code));
        }
        let etag = response.options.etag().and_then(Tag::new);
        if self.etag.is_some() && etag != self.etag {
            return Err(DownloadError::Changed);
        }
        let block = match response.options.get(OptionNumber::BLOCK2) {
            Some(value) => Block::decode(value).map_err(|_| DownloadError::Mismatch)?,
            None => Block { number: 0, more: false, size: self.size },
        };
        let length = response.payload.len();
        let whole = response.options.get(OptionNumber::BLOCK2).is_none();
        let fits =
            whole || if block.more { length == block.size.bytes() } else { length <= block.size.bytes() };
        let end = block.offset() + length as u64;
        let asked = !(self.first && self.plain);
        if !fits || (asked && block.size > self.size) || block.offset() > self.offset || end < self.offset {
            return Err(DownloadError::Mismatch);
        }
        if block.more && end == self.offset {
            return Err(DownloadError::Mismatch);
        }
        self.total = response.options.size2().map(u64::from).or(self.total);
        let chunk = Chunk {
            offset: self.offset,
            bytes: (self.offset - block.offset()) as usize..length,
            last: !block.more,
            total: self.total,
        };
        (self.offset, self.etag, self.size, self.first) = (end, etag, block.size.min(self.size), false);
        Ok(chunk)
    }
}

/// The new bytes in an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chunk {
    /// Where they belong, in bytes from the start of the resource.
    pub offset: u64,
    /// Where they are in the answer's payload.
    pub bytes: Range<usize>,
    /// Whether the resource ends with them.
    pub last: bool,
    /// The size of the whole resource in bytes, once the server has told.
    pub total: Option<u64>,
}

/// Why an answer does not carry a download on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DownloadError {
    /// Another code than 2.05.
    Refused(Code),
    /// The resource is not the one that the download began with.
    Changed,
    /// Not the block that was asked for.
    Mismatch,
}

impl fmt::Display for DownloadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code) => write!(formatter, "the server answered {code}"),
            Self::Changed => formatter.write_str("the resource has changed"),
            Self::Mismatch => formatter.write_str("the server sent another block than the one asked for"),
        }
    }
}

impl core::error::Error for DownloadError {}

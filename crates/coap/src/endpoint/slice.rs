//! Cuts the body of a response into the block that is wanted (RFC 7959 section 2.4).

use core::hash::BuildHasher;
use core::ops::Range;

use super::Peer;
use super::core::Core;
use super::datagram::{Body, Changes, Part};
use super::transfer::fitting_size;
use crate::{Block, Code, OptionNumber, Payload, Response};

/// Which bytes of the payload go into the message.
#[derive(Debug)]
pub(super) struct Sliced(Range<usize>);

impl Sliced {
    pub(super) fn of(self, payload: &Payload) -> Body<'_> {
        match payload {
            Payload::Owned(bytes) => Body::Copied(&bytes[self.0]),
            Payload::Shared(bytes) => Body::Part(Part::new(bytes.clone(), self.0)),
        }
    }
}

/// The wanted block, or the first of a body that needs several. `Err`: there is no such block.
///
/// No state is kept between blocks: the owner gives the same body again, and any block can be asked for
/// first. A body that is not shared may differ each time, so one without an entity tag gets its hash as
/// such, and the peer notices.
pub(super) fn slice<P: Peer>(
    response: &mut Response,
    wanted: Option<Block>,
    size_wanted: bool,
    core: &Core<P>,
) -> Result<(Sliced, Changes), Code> {
    let mut changes = Changes::default();
    let length = response.payload.len();
    let fitting = fitting_size(&core.config, &response.options);
    if !response.code.is_success() {
        // A diagnostic that is too long is cut; it is for human eyes only.
        return Ok((Sliced(0..length.min(fitting.bytes())), changes));
    }
    if wanted.is_none() && length <= fitting.bytes() {
        return Ok((Sliced(0..length), changes));
    }
    let size = wanted.map_or(fitting, |block| block.size.min(fitting));
    let offset = wanted.map_or(0, |block| block.offset());
    if offset > 0 && offset >= length as u64 {
        return Err(Code::BAD_REQUEST);
    }
    let end = length.min(offset as usize + size.bytes());
    let block = Block::at(offset, end < length, size).ok_or(Code::BAD_REQUEST)?;
    changes.set(OptionNumber::BLOCK2, block.encode());
    if size_wanted || offset == 0 {
        changes.set(OptionNumber::SIZE2, length as u32);
    }
    if let (Payload::Owned(body), None) = (&response.payload, response.options.etag())
        && length > size.bytes()
    {
        let tag = core.hasher.hash_one(body).to_be_bytes();
        response.options.set(OptionNumber::ETAG, &tag);
    }
    Ok((Sliced(offset as usize..end), changes))
}

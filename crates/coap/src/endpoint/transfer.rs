//! Bodies in blocks, as the one who asks (RFC 7959): sending a request's body and reading a response's.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::core::Context;
use super::datagram::Part;
use super::requests::{Active, Purpose};
use super::{Config, Event, Failure, Peer};
use crate::{Block, BlockSize, Code, Message, OptionNumber, Options, Payload, Request, Response};

/// What a response leads to.
#[derive(Debug)]
pub(super) enum Step {
    /// The next message of the same exchange.
    Send,
    /// The whole answer.
    Done(Response),
    /// The end.
    Failed(Failure),
}

/// The body of a request on its way in blocks.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) body: Arc<[u8]>,
    /// Bytes that the peer has.
    pub(super) offset: usize,
    size: BlockSize,
    restarts: u8,
}

impl Upload {
    /// Needed if the body does not fit into one message, or if the request has a Block1 option, which
    /// then says how large the blocks are to be.
    pub(super) fn begin(request: &mut Request, config: &Config) -> Option<Self> {
        let asked = request.options.block1().map(|block| block.size);
        let fitting = fitting_size(config, &request.options);
        if request.payload.is_empty() || (asked.is_none() && request.payload.len() <= fitting.bytes()) {
            return None;
        }
        let size = asked.map_or(fitting, |size| size.min(fitting));
        Some(Self::of(request, size))
    }

    fn of(request: &mut Request, size: BlockSize) -> Self {
        let body = core::mem::take(&mut request.payload).into_shared();
        request.payload = Payload::Shared(body.clone());
        Self { body, offset: 0, size, restarts: 0 }
    }

    fn end(&self) -> usize {
        self.body.len().min(self.offset + self.size.bytes())
    }

    fn is_last(&self) -> bool {
        self.end() == self.body.len()
    }

    pub(super) fn block(&self) -> Block {
        let number = (self.offset / self.size.bytes()) as u32;
        Block { number, more: !self.is_last(), size: self.size }
    }

    pub(super) fn part(&self) -> Part {
        Part::new(self.body.clone(), self.offset..self.end())
    }

    /// What the answer to a block means; `None`: it is the answer to the whole request.
    fn advance(&mut self, message: &Message<'_>, config: &Config) -> Option<Step> {
        let answered = message.option(OptionNumber::BLOCK1).and_then(|value| Block::decode(value).ok());
        match message.code() {
            Code::CONTINUE => Some(self.continued(answered)),
            Code::REQUEST_ENTITY_TOO_LARGE => match answered {
                Some(block) if block.size < self.size => {
                    self.size = block.size;
                    Some(Step::Send)
                }
                _ => Some(Step::Failed(Failure::TransferRejected(message.code()))),
            },
            Code::REQUEST_ENTITY_INCOMPLETE if self.restarts < config.upload_restarts => {
                self.restarts += 1;
                self.offset = 0;
                Some(Step::Send)
            }
            Code::REQUEST_ENTITY_INCOMPLETE => Some(Step::Failed(Failure::TransferRejected(message.code()))),
            _ if self.is_last() => None,
            code if code.is_success() => Some(Step::Failed(Failure::TransferEndedEarly(code))),
            code => Some(Step::Failed(Failure::TransferRejected(code))),
        }
    }

    fn continued(&mut self, answered: Option<Block>) -> Step {
        let sent = self.block();
        // With a smaller size the number still counts in the size that was sent; a peer that counts in
        // the new one means the same place.
        let matches = answered.is_none_or(|block| {
            block.number == sent.number || (block.size < sent.size && block.offset() == sent.offset())
        });
        if self.is_last() || !matches {
            return Step::Failed(Failure::TransferMismatch);
        }
        self.offset = self.end();
        self.size = answered.map_or(self.size, |block| block.size.min(self.size));
        Step::Send
    }
}

/// The largest block that fits into a datagram beside these options.
pub(super) fn fitting_size(config: &Config, options: &Options) -> BlockSize {
    let used = HEADER_AND_TOKEN + options.encoded_length() + BLOCK_OPTIONS;
    let room = config.max_datagram_out.saturating_sub(used);
    BlockSize::at_most(room).unwrap_or(BlockSize::SMALLEST).min(config.block_size)
}

const HEADER_AND_TOKEN: usize = 4 + 8;
/// Observe, Block, Size and a generated ETag, each with up to two bytes in front, and the marker.
const BLOCK_OPTIONS: usize = 5 + 5 + 6 + 9 + 1;

/// The body of a response that comes in blocks.
#[derive(Debug)]
pub(super) struct Fetch {
    /// What came with the first block.
    code: Code,
    options: Options,
    body: Vec<u8>,
    size: BlockSize,
}

impl Fetch {
    /// Begins with the first of several blocks; `None` if the response is whole.
    pub(super) fn begin(message: &Message<'_>, config: &Config) -> Result<Option<Self>, Failure> {
        let Some(value) = message.option(OptionNumber::BLOCK2) else { return Ok(None) };
        let block = Block::decode(value).map_err(|_| Failure::Malformed)?;
        if block.number == 0 && !block.more {
            return Ok(None);
        }
        let mut fetch = Self {
            code: message.code(),
            options: Options::of(message),
            body: Vec::new(),
            size: block.size.min(config.block_size),
        };
        fetch.options.remove(OptionNumber::BLOCK2);
        fetch.append(message, block, config)?;
        Ok(Some(fetch))
    }

    pub(super) fn next_block(&self) -> Block {
        Block { number: (self.body.len() / self.size.bytes()) as u32, more: false, size: self.size }
    }

    fn append(&mut self, message: &Message<'_>, block: Block, config: &Config) -> Result<(), Failure> {
        let payload = message.payload();
        let fits = if block.more {
            payload.len() == block.size.bytes()
        } else {
            payload.len() <= block.size.bytes()
        };
        if !fits || block.offset() != self.body.len() as u64 {
            return Err(Failure::TransferMismatch);
        }
        if self.body.len() + payload.len() > config.max_response_body {
            return Err(Failure::BodyTooLarge);
        }
        self.size = self.size.min(block.size);
        self.body.extend_from_slice(payload);
        Ok(())
    }

    fn is_same_body(&self, message: &Message<'_>) -> bool {
        message.option(OptionNumber::ETAG) == self.options.get(OptionNumber::ETAG)
    }

    fn into_response(self) -> Response {
        Response { code: self.code, options: self.options, payload: self.body.into() }
    }
}

impl Active {
    /// Takes the response to the last message.
    pub(super) fn advance<P: Peer>(&mut self, message: &Message<'_>, context: &mut Context<'_, P>) -> Step {
        if self.fetch.is_some() {
            return self.advance_fetch(message, context);
        }
        if let Some(step) = self.advance_upload(message, context) {
            return step;
        }
        let whole = self.request.joins_answer && self.request.options.block2().is_none();
        if !whole || !message.code().is_success() {
            return Step::Done(Response::of(message));
        }
        self.begin_fetch(message, &context.core.config)
    }

    fn begin_fetch(&mut self, message: &Message<'_>, config: &Config) -> Step {
        match Fetch::begin(message, config) {
            Ok(None) => Step::Done(whole(message)),
            Ok(fetch) => {
                self.fetch = fetch;
                Step::Send
            }
            Err(failure) => Step::Failed(failure),
        }
    }

    fn advance_upload<P: Peer>(
        &mut self,
        message: &Message<'_>,
        context: &mut Context<'_, P>,
    ) -> Option<Step> {
        let Some(upload) = &mut self.upload else { return self.begin_late_upload(message) };
        let before = upload.offset;
        let step = upload.advance(message, &context.core.config);
        let done = step.is_none() && message.code().is_success();
        let sent = if done { upload.body.len() } else { upload.offset };
        if sent > before {
            let (peer, id, total) = (context.peer, self.id, upload.body.len() as u64);
            context.event(Event::Progress { peer, id, sent: sent as u64, total });
        }
        step
    }

    /// A peer may ask for blocks although the body fitted into one message (RFC 7959 section 2.9.3).
    fn begin_late_upload(&mut self, message: &Message<'_>) -> Option<Step> {
        if message.code() != Code::REQUEST_ENTITY_TOO_LARGE {
            return None;
        }
        let block = Block::decode(message.option(OptionNumber::BLOCK1)?).ok()?;
        if block.size.bytes() >= self.request.payload.len() {
            return None;
        }
        self.upload = Some(Upload::of(&mut self.request, block.size));
        Some(Step::Send)
    }

    fn advance_fetch<P: Peer>(&mut self, message: &Message<'_>, context: &mut Context<'_, P>) -> Step {
        let Some(mut fetch) = self.fetch.take() else { return Step::Failed(Failure::TransferMismatch) };
        if !message.code().is_success() {
            return Step::Done(Response::of(message));
        }
        if fetch.body.is_empty() {
            return self.begin_fetch(message, &context.core.config);
        }
        let block = message.option(OptionNumber::BLOCK2).and_then(|value| Block::decode(value).ok());
        let Some(block) = block else { return Step::Failed(Failure::TransferMismatch) };
        if message.code() != fetch.code || !fetch.is_same_body(message) {
            return self.restart_fetch(fetch);
        }
        if let Err(failure) = fetch.append(message, block, &context.core.config) {
            return Step::Failed(failure);
        }
        if !block.more {
            return Step::Done(fetch.into_response());
        }
        self.fetch = Some(fetch);
        Step::Send
    }

    /// The body has changed between two blocks: reads the new one from its start, once.
    fn restart_fetch(&mut self, mut fetch: Fetch) -> Step {
        if self.fetch_restarted {
            return Step::Failed(Failure::BodyChanged);
        }
        self.fetch_restarted = true;
        fetch.body.clear();
        self.fetch = Some(fetch);
        Step::Send
    }

    /// Whether a newer notification makes what this reads worthless.
    pub(super) fn reads_notification(&self) -> bool {
        self.fetch.is_some() && matches!(self.purpose, Purpose::Observe | Purpose::Rest)
    }
}

/// A response whose body came in one message; a block option in it says nothing more.
pub(super) fn whole(message: &Message<'_>) -> Response {
    let mut response = Response::of(message);
    response.options.remove(OptionNumber::BLOCK2);
    response
}

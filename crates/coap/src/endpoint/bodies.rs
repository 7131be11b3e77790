//! Bodies of requests that come in blocks (RFC 7959 section 2.5).

use alloc::vec::Vec;

use machine::TimerId;

use super::conversation::Conversation;
use super::core::{Context, Timer};
use super::{BodyBlock, Peer};
use crate::{Block, Code, ContentFormat, Message, OptionNumber, Options, Request};

/// Names a body in the making; later ones are higher.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct BodyId(pub(super) u64);

/// A body in the making.
#[derive(Debug)]
pub(super) struct OpenBody {
    pub(super) id: BodyId,
    method: Code,
    /// What all its blocks have in common: everything but block, size, format and echo.
    key: Options,
    format: Option<ContentFormat>,
    /// Empty if the body is streamed.
    bytes: Vec<u8>,
    /// Where the next block must start, and where the last one did.
    next: u64,
    last: u64,
    total: Option<u64>,
    streamed: bool,
    /// Whether the owner has a block of it and has not answered.
    answering: bool,
    timer: TimerId,
}

/// What a block leads to.
#[derive(Debug)]
pub(super) enum Joined {
    /// The request is whole.
    Whole(Request),
    /// A part of a streamed request.
    Part(Request, BodyBlock, BodyId),
    /// The endpoint answers by itself.
    Answer {
        code: Code,
        /// The limit, for Size1.
        limit: Option<usize>,
    },
}

impl Joined {
    const fn answer(code: Code) -> Self {
        Self::Answer { code, limit: None }
    }
}

impl Conversation {
    /// Takes a block of a request's body.
    pub(super) fn join<P: Peer>(
        &mut self,
        message: &Message<'_>,
        block: Block,
        mut request: Request,
        context: &mut Context<'_, P>,
    ) -> Joined {
        let (length, size) = (message.payload().len(), block.size.bytes());
        if length > size || (block.more && length != size) {
            return Joined::answer(Code::BAD_REQUEST);
        }
        let limit = context.core.config.body_limit(&request.options);
        let streamed = context.core.config.is_streamed(&request.options);
        let declared = request.options.size1().map_or(0, |bytes| bytes as usize);
        if !streamed && declared.max(block.offset() as usize + length) > limit {
            self.drop_body(self.find_body(&request), context);
            return Joined::Answer { code: Code::REQUEST_ENTITY_TOO_LARGE, limit: Some(limit) };
        }
        if block.number == 0 {
            self.drop_body(self.find_body(&request), context);
            if !block.more && !streamed {
                request.options.remove(OptionNumber::BLOCK1);
                return Joined::Whole(request);
            }
            self.open_body(&request, streamed, context);
        }
        match self.find_body(&request) {
            Some(index) => self.append(index, block, request, context),
            None => Joined::answer(Code::REQUEST_ENTITY_INCOMPLETE),
        }
    }

    fn find_body(&self, request: &Request) -> Option<usize> {
        if self.bodies.is_empty() {
            return None;
        }
        let key = key_of(&request.options);
        self.bodies.iter().position(|body| body.method == request.method && body.key == key)
    }

    fn open_body<P: Peer>(&mut self, request: &Request, streamed: bool, context: &mut Context<'_, P>) {
        if self.bodies.len() >= context.core.config.max_bodies_per_peer {
            context.core.statistics.abandoned_bodies += 1;
            self.drop_body(Some(0), context);
        }
        context.core.next_body += 1;
        let id = BodyId(context.core.next_body);
        context.core.open_bodies.insert(id, context.peer);
        self.bodies.push(OpenBody {
            id,
            method: request.method,
            key: key_of(&request.options),
            format: request.options.content_format(),
            bytes: Vec::new(),
            next: 0,
            last: 0,
            total: request.options.size1().map(u64::from),
            streamed,
            answering: false,
            timer: set_timer(id, context),
        });
    }

    fn append<P: Peer>(
        &mut self,
        index: usize,
        block: Block,
        mut request: Request,
        context: &mut Context<'_, P>,
    ) -> Joined {
        let body = &mut self.bodies[index];
        if body.answering {
            return Joined::answer(Code::SERVICE_UNAVAILABLE);
        }
        if body.is_repeated(block, &request) {
            return Joined::answer(Code::CONTINUE);
        }
        if body.next != block.offset() || body.format != request.options.content_format() {
            self.drop_body(Some(index), context);
            return Joined::answer(Code::REQUEST_ENTITY_INCOMPLETE);
        }
        (body.last, body.next) = (body.next, body.next + request.payload.len() as u64);
        context.core.timers.cancel(body.timer);
        body.timer = set_timer(body.id, context);
        if body.streamed {
            return self.pass_on(index, block, request, context);
        }
        body.bytes.extend_from_slice(&request.payload);
        context.core.open_bytes += request.payload.len();
        if block.more {
            return Joined::answer(Code::CONTINUE);
        }
        context.core.open_bytes -= body.bytes.len();
        request.payload = core::mem::take(&mut body.bytes).into();
        request.options.remove(OptionNumber::BLOCK1);
        self.drop_body(Some(index), context);
        Joined::Whole(request)
    }

    /// A block of a streamed body goes to the owner.
    fn pass_on<P: Peer>(
        &mut self,
        index: usize,
        block: Block,
        request: Request,
        context: &mut Context<'_, P>,
    ) -> Joined {
        let body = &mut self.bodies[index];
        body.answering = true;
        let (id, offset, total) = (body.id, body.last, body.total);
        if !block.more {
            self.drop_body(Some(index), context);
        }
        Joined::Part(request, BodyBlock { offset, last: !block.more, size: block.size, total }, id)
    }

    pub(super) fn drop_body<P: Peer>(&mut self, index: Option<usize>, context: &mut Context<'_, P>) {
        let Some(index) = index else { return };
        let body = self.bodies.remove(index);
        context.core.open_bytes -= body.bytes.len();
        context.core.open_bodies.remove(&body.id);
        context.core.timers.cancel(body.timer);
    }

    pub(super) fn abandon_body<P: Peer>(&mut self, id: BodyId, context: &mut Context<'_, P>) {
        let index = self.bodies.iter().position(|body| body.id == id);
        context.core.statistics.abandoned_bodies += u64::from(index.is_some());
        self.drop_body(index, context);
    }

    /// The owner has answered a part of a streamed body; after anything but success it is over.
    pub(super) fn part_answered<P: Peer>(&mut self, id: BodyId, code: Code, context: &mut Context<'_, P>) {
        let Some(index) = self.bodies.iter().position(|body| body.id == id) else { return };
        self.bodies[index].answering = false;
        if !code.is_success() {
            self.drop_body(Some(index), context);
        }
    }
}

impl OpenBody {
    /// The block before once more, in a new message: its answer was lost.
    fn is_repeated(&self, block: Block, request: &Request) -> bool {
        let (start, end) = (block.offset(), block.offset() + request.payload.len() as u64);
        let same = || self.bytes.get(start as usize..end as usize) == Some(&*request.payload);
        block.more && start == self.last && end == self.next && self.next > 0 && (self.streamed || same())
    }
}

fn set_timer<P: Peer>(id: BodyId, context: &mut Context<'_, P>) -> TimerId {
    let at = context.now + context.core.config.exchange_lifetime;
    context.core.timers.set(at, Timer::Body { peer: context.peer, id })
}

fn key_of(options: &Options) -> Options {
    let differs = |number| {
        matches!(
            number,
            OptionNumber::BLOCK1
                | OptionNumber::BLOCK2
                | OptionNumber::SIZE1
                | OptionNumber::SIZE2
                | OptionNumber::CONTENT_FORMAT
                | OptionNumber::OBSERVE
                | OptionNumber::ECHO
        )
    };
    options.iter().filter(|(number, _)| !differs(*number)).collect()
}

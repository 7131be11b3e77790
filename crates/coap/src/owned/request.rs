//! A request.

use super::{Options, Payload};
use crate::{Code, ContentFormat, Message, OptionNumber};

/// A request, made by us or by a peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// What is asked.
    pub method: Code,
    /// Path, query and all else.
    pub options: Options,
    /// The whole body; the endpoint cuts it into blocks and joins it.
    pub payload: Payload,
    /// Whether it is repeated until it is acknowledged.
    pub confirmable: bool,
    /// Whether the endpoint reads the further blocks of the answer, unless the request asks for a block
    /// itself.
    pub joins_answer: bool,
}

impl Request {
    /// A confirmable request for a path like `/5/0/3`.
    ///
    /// The path is cut at slashes; empty segments are left out.
    pub fn new(method: Code, path: &str) -> Self {
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        Self::with_segments(method, segments.map(str::as_bytes))
    }

    /// A confirmable request for a path given segment by segment.
    pub fn with_segments<'a>(method: Code, segments: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut options = Options::new();
        for segment in segments {
            options.push(OptionNumber::URI_PATH, segment);
        }
        Self { method, options, payload: Payload::EMPTY, confirmable: true, joins_answer: true }
    }

    /// GET
    pub fn get(path: &str) -> Self {
        Self::new(Code::GET, path)
    }

    /// POST
    pub fn post(path: &str) -> Self {
        Self::new(Code::POST, path)
    }

    /// PUT
    pub fn put(path: &str) -> Self {
        Self::new(Code::PUT, path)
    }

    /// DELETE
    pub fn delete(path: &str) -> Self {
        Self::new(Code::DELETE, path)
    }

    /// FETCH
    pub fn fetch(path: &str) -> Self {
        Self::new(Code::FETCH, path)
    }

    /// Adds one part of the query, such as `lt=300`.
    #[must_use]
    pub fn query(self, part: &str) -> Self {
        self.option(OptionNumber::URI_QUERY, part.as_bytes())
    }

    /// Says how the answer should be written.
    #[must_use]
    pub fn accept(mut self, format: ContentFormat) -> Self {
        self.options.set_uint(OptionNumber::ACCEPT, format.0.into());
        self
    }

    /// Sets the body and how it is written.
    #[must_use]
    pub fn content(mut self, format: ContentFormat, payload: impl Into<Payload>) -> Self {
        self.options.set_uint(OptionNumber::CONTENT_FORMAT, format.0.into());
        self.payload = payload.into();
        self
    }

    /// Sends it once and does not ask for an acknowledgement.
    #[must_use]
    pub fn non_confirmable(mut self) -> Self {
        self.confirmable = false;
        self
    }

    /// Leaves the further blocks of the answer to the owner.
    #[must_use]
    pub fn one_block(mut self) -> Self {
        self.joins_answer = false;
        self
    }

    /// Adds an option.
    #[must_use]
    pub fn option(mut self, number: OptionNumber, value: &[u8]) -> Self {
        self.options.push(number, value);
        self
    }

    /// The request in a message.
    pub(crate) fn of(message: &Message<'_>, confirmable: bool) -> Self {
        Self {
            method: message.code(),
            options: Options::of(message),
            payload: message.payload().into(),
            confirmable,
            joins_answer: true,
        }
    }
}

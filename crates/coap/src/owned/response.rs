//! A response.

use super::{Options, Payload};
use crate::{Code, ContentFormat, Message, OptionNumber};

/// The answer to a request, or a notification.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// How it went.
    pub code: Code,
    /// Content format, entity tag, location and all else.
    pub options: Options,
    /// The whole body; the endpoint cuts it into blocks and joins it.
    pub payload: Payload,
}

impl Response {
    /// A response without options and body.
    pub const fn new(code: Code) -> Self {
        Self { code, options: Options::new(), payload: Payload::EMPTY }
    }

    /// Sets the body and how it is written.
    #[must_use]
    pub fn content(mut self, format: ContentFormat, payload: impl Into<Payload>) -> Self {
        self.options.set_uint(OptionNumber::CONTENT_FORMAT, format.0.into());
        self.payload = payload.into();
        self
    }

    /// Says in plain words why a request failed (RFC 7252 section 5.5.2).
    #[must_use]
    pub fn diagnostic(mut self, text: &str) -> Self {
        self.payload = text.into();
        self
    }

    /// Names this version of the body with 1 to 8 bytes.
    #[must_use]
    pub fn etag(mut self, tag: &[u8]) -> Self {
        self.options.set(OptionNumber::ETAG, tag);
        self
    }

    /// Says where the created resource is.
    #[must_use]
    pub fn location(self, segments: &[&str]) -> Self {
        segments
            .iter()
            .fold(self, |response, segment| response.option(OptionNumber::LOCATION_PATH, segment.as_bytes()))
    }

    /// Says that an observation is kept, or which state a notification carries (RFC 7641 section 3.4).
    #[must_use]
    pub fn observe(mut self, sequence: u32) -> Self {
        self.options.set_uint(OptionNumber::OBSERVE, sequence & 0x00ff_ffff);
        self
    }

    /// Adds an option.
    #[must_use]
    pub fn option(mut self, number: OptionNumber, value: &[u8]) -> Self {
        self.options.push(number, value);
        self
    }

    /// The response in a message.
    pub(crate) fn of(message: &Message<'_>) -> Self {
        Self { code: message.code(), options: Options::of(message), payload: message.payload().into() }
    }
}

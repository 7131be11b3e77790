//! Firmware images as files: how they are built and what is in them.
//!
//! The format is that of [`firmware::ImageHeader`]: a header of 256 bytes in front of any payload.

mod command;
mod show;

use firmware::{ImageHeader, Model, Version};

pub use command::{Corruption, ImageCommand};
pub use show::{ImageContent, inspect};

/// Whom an image is for and what it brings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The model it is for.
    pub model: Model,
    /// The version it brings.
    pub version: Version,
    /// The version it must be installed over; `None` = any.
    pub source: Option<Version>,
}

/// The image file around a payload.
pub fn build(identity: &Identity, payload: &[u8]) -> Vec<u8> {
    let header = ImageHeader::describe(identity.model, identity.version, identity.source, payload);
    [&header.encode()[..], payload].concat()
}

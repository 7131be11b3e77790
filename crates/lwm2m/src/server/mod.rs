//! The server role.

pub mod upgrade;

/// The path of an image, in front of its token.
pub const IMAGE_PATH: &str = "/fw/";

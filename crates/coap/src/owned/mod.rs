//! Requests and responses that own what they carry.

mod options;
mod payload;
mod request;
mod response;

pub use options::{Options, ValueIter};
pub use payload::Payload;
pub use request::Request;
pub use response::Response;

//! DTLS 1.2 with pre-shared keys, client and server.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;

mod config;
mod endpoint;
mod event;
mod suite;

pub use config::Config;
pub use endpoint::Endpoint;
pub use event::{Dropped, Event, Failures, HandshakeId, Rejection, SendError, Statistics};
pub use suite::Suite;

//! LwM2M 1.0 and 1.1: what server and client share, and both roles as machines.
//!
//! [`path`], [`value`], [`object`] and [`format`] are the vocabulary and the codecs that both roles stand on.
//! `server` and `client` share nothing else, so that a misread sentence of the standard cannot pass its own
//! tests.
//!
//! ```
//! use lwm2m::format::tlv;
//! use lwm2m::model::ObjectModel;
//! use lwm2m::path::Path;
//! use lwm2m::value::{Node, Value};
//!
//! // The firmware version as a client sends it: resource 3 of /3/0 in TLV.
//! let path: Path = "/3/0/3".parse().unwrap();
//! let node = Node::single(Value::String("1.0.3".into()));
//! let mut bytes = Vec::new();
//! tlv::encode(path, &node, &mut bytes).unwrap();
//! assert_eq!(bytes, [0xC5, 0x03, b'1', b'.', b'0', b'.', b'3']);
//! assert_eq!(tlv::decode(path, &bytes, &ObjectModel::CORE).unwrap(), node);
//! ```
//!
//! What this crate will never do: open a socket, read a clock, know DTLS, load an image.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;

pub mod bootstrap;
pub mod client;
pub mod format;
pub mod model;
pub mod object;
pub mod path;
pub mod server;
pub mod value;

//! CoAP over datagrams: RFC 7252, with Observe (RFC 7641) and block-wise transfer (RFC 7959), sans-IO.
//!
//! - [`Message`] and [`Encoder`] read and write datagrams without a copy and without allocation. They need
//!   no `alloc`.
//! - [`Endpoint`] (feature `alloc`) is a [`machine::Machine`] that serves any number of peers in both
//!   directions: it answers their requests and makes requests of its own. It repeats, acknowledges and
//!   tells copies apart, keeps observations, and cuts and joins bodies.
//! - [`Download`] pulls a large resource block by block and can go on where it stopped.
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use coap::{Code, Config, ContentFormat, Endpoint, Event, Request, Response};
//! use machine::{Instant, Machine};
//!
//! // Peers are named by whatever the layer below uses; here by a letter.
//! let mut client = Endpoint::new(Config::default(), [1; 32]);
//! let mut server = Endpoint::new(Config::default(), [2; 32]);
//! let (now, mut buffer) = (Instant::ZERO, [0; 1_500]);
//!
//! let id = client.request('s', Request::get("/3/0/3"), now);
//! let (_, length) = client.poll_transmit(&mut buffer).unwrap();
//! server.handle_input('c', &buffer[..length], now);
//!
//! let Some(Event::Request { id: asked, request, .. }) = server.poll_event() else { unreachable!() };
//! assert_eq!(request.options.path_string(), "/3/0/3");
//! server.respond(asked, Response::new(Code::CONTENT).content(ContentFormat::TEXT_PLAIN, "1.2.0"), now);
//! let (_, length) = server.poll_transmit(&mut buffer).unwrap();
//!
//! client.handle_input('s', &buffer[..length], now);
//! let Some(Event::Response { id: answered, response, .. }) = client.poll_event() else { unreachable!() };
//! assert_eq!(answered, id);
//! assert_eq!(&*response.payload, b"1.2.0");
//! # }
//! ```
//!
//! What this crate will never do: open a socket, know what a resource means, encrypt, be a proxy.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "alloc")]
extern crate alloc;

mod block;
mod code;
#[cfg(feature = "alloc")]
mod download;
mod encoder;
#[cfg(feature = "alloc")]
mod endpoint;
mod message;
mod option;
#[cfg(feature = "alloc")]
mod owned;

pub use block::{Block, BlockError, BlockSize};
pub use code::{Code, Kind, MessageId, Token};
#[cfg(feature = "alloc")]
pub use download::{Chunk, Download, DownloadError};
pub use encoder::{EncodeError, Encoder};
#[cfg(feature = "alloc")]
pub use endpoint::{
    BodyBlock, BodyLimit, CancelBy, Config, Endpoint, Event, Failure, IncomingId, Peer, PeerStatistics,
    RequestId, Statistics,
};
pub use message::{Fault, Message, ParseError, Reply};
pub use option::{ContentFormat, OptionFormat, OptionIter, OptionNumber, decode_uint};
#[cfg(feature = "alloc")]
pub use owned::{Options, Payload, Request, Response, ValueIter};

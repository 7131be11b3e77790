//! DTLS 1.2 with pre-shared keys (RFC 6347, RFC 4279), client and server, as LwM2M devices speak it.
//!
//! An [`Endpoint`] serves and calls all peers of one UDP socket. It is a [`machine::Machine`]: datagrams, time
//! and commands go in, datagrams and [`Event`]s come out. [`Config`] holds what it offers and its bounds,
//! [`Suite`] names the cipher suites, and [`Endpoint::seal`] writes application records.
//!
//! ```
//! use core::net::SocketAddr;
//! use dtls::{Config, Endpoint, Event};
//! use machine::{Credential, Instant, Machine};
//!
//! let (device, server): (SocketAddr, SocketAddr) =
//!     ("192.0.2.1:40000".parse().unwrap(), "192.0.2.2:5684".parse().unwrap());
//! let mut ours = Endpoint::new(Config::default(), [1; 32]);
//! let mut theirs = Endpoint::new(Config::default(), [2; 32]);
//! let credential = Credential { identity: b"urn:imei:1".to_vec(), key: b"a secret of both".to_vec() };
//! let call = theirs.connect(server, credential, Instant::ZERO);
//!
//! let mut buffer = [0; 1_500];
//! let mut is_up = false;
//! while !is_up {
//!     while let Some((_, length)) = theirs.poll_transmit(&mut buffer) {
//!         ours.handle_input(device, &buffer[..length], Instant::ZERO);
//!     }
//!     while let Some(event) = ours.poll_event() {
//!         if let Event::KeyWanted { handshake, .. } = event {
//!             ours.provide_key(handshake, Some(b"a secret of both"), Instant::ZERO);
//!         }
//!     }
//!     while let Some((_, length)) = ours.poll_transmit(&mut buffer) {
//!         theirs.handle_input(server, &buffer[..length], Instant::ZERO);
//!     }
//!     is_up = matches!(theirs.poll_event(), Some(Event::Up { session, .. }) if session == call);
//! }
//! let (to, length) = theirs.seal(call, b"hello", &mut buffer).unwrap();
//! assert_eq!(to, server);
//! ours.handle_input(device, &buffer[..length], Instant::ZERO);
//! assert!(core::iter::from_fn(|| ours.poll_event())
//!     .any(|event| matches!(event, Event::Data { bytes, .. } if bytes == b"hello")));
//! ```
//!
//! What this crate will never do: read a certificate, negotiate a version below 1.2, renegotiate, compress,
//! answer a first contact with more bytes than it sent, keep state for an address that has not proved itself,
//! or tell an unknown identity from a wrong key on the wire (unless told to).
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod channel;
mod config;
mod connection_id;
mod cookie;
mod endpoint;
mod event;
mod fault;
mod handshake;
mod inbox;
mod limits;
mod resumption;
mod saved;
mod secrets;
mod suite;
mod wire;

pub use config::Config;
pub use connection_id::{ConnectionId, ConnectionIds};
pub use cookie::CookieKeys;
pub use endpoint::Endpoint;
pub use event::{Dropped, Event, Failures, HandshakeId, Rejection, SendError, Statistics};
pub use limits::{KeyTries, Limits, NetworkLimits, Rate};
pub use resumption::{ResumableSession, ResumptionId, ResumptionTable, SessionCache, TicketKeys};
pub use saved::{AdvancedSession, RestoreError, SavedSession, SavedSessionError, Spent};
pub use suite::Suite;

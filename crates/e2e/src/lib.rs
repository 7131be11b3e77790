//! What whole-system tests stand on: real binaries, a network that can be made bad, and a foreign dissector.
//!
//! - [`Process`] starts a program and keeps what it prints, for waiting on a line and for the report of a
//!   failed test; [`binary`] finds the programs under test.
//! - [`Relay`] stands between a module and the server. It loses, repeats, delays and reorders datagrams by a
//!   seed, changes the module's address as a NAT does, and writes what got through as a capture file.
//! - [`Tshark`] dissects such a file and fails on anything malformed.
//!
//! ```
//! use std::net::UdpSocket;
//! use e2e::{Conditions, Relay};
//!
//! let server = UdpSocket::bind("127.0.0.1:0")?;
//! let relay = Relay::start(server.local_addr()?, Conditions::PERFECT, 1, None)?;
//! let module = UdpSocket::bind("127.0.0.1:0")?;
//! module.send_to(b"hello", relay.address())?;
//! let (_, seen) = server.recv_from(&mut [0; 16])?;
//! assert_ne!(seen, module.local_addr()?, "the server sees the relay's port");
//! assert_eq!(relay.finish()?.upward.delivered, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What this crate will never do: ship. Nothing depends on it.
#![deny(missing_docs)]

mod binaries;
mod process;
mod relay;
mod tshark;

pub use binaries::{MissingBinary, Program, binary};
pub use process::{Process, ProcessError, free_tcp_port, free_udp_port, wait_until};
pub use relay::{Conditions, Counts, Relay, Traffic};
pub use tshark::{Tshark, TsharkError};

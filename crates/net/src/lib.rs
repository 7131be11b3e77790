//! Drives any state machine over UDP and DTLS.
//!
//! - [`Stack`] puts DTLS under a machine. It is a machine itself: over the virtual network it behaves as it
//!   does over sockets.
//! - [`bind`] opens the sockets of all shards and notices a port that is in use.
//! - [`drive`] is the shell: timeout due? → events up → datagrams out → wait for input. It moves up to
//!   [`BATCH`] datagrams per system call. [`spawn`] gives a shard a thread of its own.
//! - [`Owners`] says which shard has which device.
//!
//! ```
//! use std::collections::VecDeque;
//! use std::net::UdpSocket;
//! use std::num::NonZeroU8;
//!
//! use machine::{Instant, Machine, Path};
//! use net::{Clock, Commanded, SocketOptions};
//! use tokio::sync::{mpsc, oneshot};
//!
//! /// Sends everything back.
//! #[derive(Default)]
//! struct Echo(VecDeque<(Path, Vec<u8>)>);
//!
//! impl Machine for Echo {
//!     type Peer = Path;
//!     type Event = ();
//!     fn handle_input(&mut self, from: Path, bytes: &[u8], _: Instant) {
//!         self.0.push_back((from, bytes.to_vec()));
//!     }
//!     fn handle_timeout(&mut self, _: Instant) {}
//!     fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Path, usize)> {
//!         let (to, bytes) = self.0.pop_front()?;
//!         buffer[..bytes.len()].copy_from_slice(&bytes);
//!         Some((to, bytes.len()))
//!     }
//!     fn poll_event(&mut self) -> Option<()> {
//!         None
//!     }
//!     fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
//!         None
//!     }
//! }
//!
//! impl Commanded for Echo {
//!     type Command = std::convert::Infallible;
//!     fn handle_command(&mut self, command: Self::Command, _: Instant) {
//!         match command {}
//!     }
//! }
//!
//! let mut shards = net::bind(&["127.0.0.1:0".parse()?], NonZeroU8::MIN, SocketOptions::default())?;
//! let sockets = shards.remove(0);
//! let address = sockets[0].address();
//! let (_commands, taken) = mpsc::channel(16);
//! let (stop, stopped) = oneshot::channel::<()>();
//! let shutdown = async { drop(stopped.await) };
//! let shard = net::spawn("echo", Echo::default(), sockets, Clock::start(), taken, |()| {}, shutdown)?;
//!
//! let client = UdpSocket::bind("127.0.0.1:0")?;
//! client.send_to(b"hello", address)?;
//! assert_eq!(client.recv_from(&mut [0; 16])?, (5, address));
//! drop(stop);
//! shard.join().expect("the shard does not panic")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What this crate will never do: know a protocol above DTLS, read a file, keep state of its own that a
//! test over the virtual network would miss.
#![deny(missing_docs)]

mod batch;
mod bind;
mod clock;
mod commanded;
mod drive;
mod keys;
mod owners;
mod ports;
mod stack;
mod statistics;
mod steering;

pub use batch::{BATCH, DATAGRAM_LIMIT};
pub use bind::{BatchSocket, BindError, SocketOptions, bind};
pub use clock::Clock;
pub use commanded::Commanded;
pub use drive::{DriveError, drive, spawn};
pub use keys::{KeySource, NoKeys};
pub use owners::{Owners, Shard};
pub use stack::{RestoreError, SocketKind, Stack};
pub use statistics::{SocketCounts, SocketStatistics};
pub use steering::shard_of;

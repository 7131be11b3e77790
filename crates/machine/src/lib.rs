//! The contract of every state machine in Updraft.
//!
//! A protocol or a campaign is a [`Machine`]: bytes, commands and the time come in, datagrams and events
//! are polled out. It holds no socket, clock, thread or random source. What drives a machine (the tokio
//! driver of `net`, or the event loop of `simulation`) is therefore interchangeable, and the same inputs
//! with the same seed give the same outputs, byte for byte.
//!
//! ```
//! use core::time::Duration;
//! use machine::{Instant, Machine};
//!
//! /// Sends back what it receives, one second later.
//! #[derive(Default)]
//! struct LateEcho(Option<(u8, Instant, u8)>, Option<(u8, u8)>);
//!
//! impl Machine for LateEcho {
//!     type Peer = u8;
//!     type Event = ();
//!     fn handle_input(&mut self, from: u8, bytes: &[u8], now: Instant) {
//!         self.0 = bytes.first().map(|byte| (from, now + Duration::from_secs(1), *byte));
//!     }
//!     fn handle_timeout(&mut self, now: Instant) {
//!         if let Some((peer, _, byte)) = self.0.take_if(|(_, due, _)| *due <= now) {
//!             self.1 = Some((peer, byte));
//!         }
//!     }
//!     fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(u8, usize)> {
//!         let (peer, byte) = self.1.take()?;
//!         buffer[0] = byte;
//!         Some((peer, 1))
//!     }
//!     fn poll_event(&mut self) -> Option<()> {
//!         None
//!     }
//!     fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
//!         self.0.map(|(_, due, _)| (due, "echo is due"))
//!     }
//! }
//!
//! let mut echo = LateEcho::default();
//! echo.handle_input(7, b"x", Instant::ZERO);
//! let (due, _) = echo.poll_timeout().unwrap();
//! echo.handle_timeout(due);
//! assert_eq!(echo.poll_transmit(&mut [0; 16]), Some((7, 1)));
//! ```
//!
//! What this crate will never do: open a socket, read a clock, ask the system for randomness.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "simulation")]
extern crate std;

mod contract;
#[cfg(feature = "alloc")]
mod index;
mod link;
#[cfg(feature = "alloc")]
mod map;
mod random;
#[cfg(feature = "alloc")]
mod session;
#[cfg(feature = "simulation")]
pub mod simulation;
mod time;
#[cfg(feature = "alloc")]
mod timers;

pub use contract::Machine;
#[cfg(feature = "alloc")]
pub use index::Index;
pub use link::{Link, Path, SessionId, Socket};
#[cfg(feature = "alloc")]
pub use map::{KeyedState, Map};
pub use random::{Random, Seed};
#[cfg(feature = "alloc")]
pub use session::{Credential, OpenRequest, SessionCommand, SessionEnd, SessionEvent, SessionMachine};
pub use time::Instant;
#[cfg(feature = "alloc")]
pub use timers::{TimerId, Timers};

//! The virtual network and an event loop in virtual time.
//!
//! A [`World`] holds machines, gives each of their sockets an address, and carries datagrams between them
//! over a [`Network`] that loses, duplicates, delays and reorders them. Nothing waits: the clock jumps to
//! the next thing that happens, so days of a fleet take seconds, and one seed always gives one course of
//! events.
//!
//! ```
//! use core::time::Duration;
//! use machine::simulation::{Network, Quality, World};
//! use machine::{Instant, Machine, Path, Socket};
//!
//! /// Repeats `x` every second until it hears something.
//! struct Caller { to: Option<core::net::SocketAddr>, due: Option<Instant>, heard: bool, send: bool }
//!
//! impl Machine for Caller {
//!     type Peer = Path;
//!     type Event = Instant;
//!     fn handle_input(&mut self, from: Path, _: &[u8], now: Instant) {
//!         self.heard = true;
//!         self.due = self.to.is_none().then_some(now);
//!         self.to.get_or_insert(from.remote);
//!     }
//!     fn handle_timeout(&mut self, now: Instant) {
//!         self.send = true;
//!         self.due = (!self.heard).then_some(now + Duration::from_secs(1));
//!     }
//!     fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(Path, usize)> {
//!         buffer[0] = b'x';
//!         let remote = self.to.filter(|_| core::mem::take(&mut self.send))?;
//!         Some((Path { socket: Socket(0), remote }, 1))
//!     }
//!     fn poll_event(&mut self) -> Option<Instant> {
//!         None
//!     }
//!     fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
//!         self.due.map(|due| (due, "call again"))
//!     }
//! }
//!
//! let lossy = Quality { loss: 0.5, ..Quality::PERFECT };
//! let mut world = World::new(Network::new(lossy), 1);
//! let answering = world.add(1, |_, _| Caller { to: None, due: None, heard: false, send: false });
//! let address = world.address(answering, Socket(0));
//! world.add(1, |_, now| Caller { to: Some(address), due: Some(now), heard: false, send: false });
//! while world.next_event(Instant::from_secs(60)).is_some() {}
//! assert!(world.node(answering).heard);
//! ```

mod either;
mod network;
mod world;

pub use either::Either;
pub use network::{Network, Quality, Traffic};
pub use world::{NodeId, World};

//! Devices as the server sees them. They run in another process than the server, on the other core.

mod channel;
mod fleet;
mod message;
mod wave;

pub use channel::{Channel, Plain, Secured};
pub use fleet::{BLOCK, Fleet};
pub use wave::{WAVE, exchange};

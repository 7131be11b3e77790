//! Devices as the server sees them. They run in another process than the server, on the other core.

mod channel;
mod fleet;
mod message;
mod modules;
mod wave;

pub use channel::{Channel, Plain, Secured};
pub use fleet::Fleet;
pub use modules::{LinkKind, Modules};
pub use wave::WAVE;

use wave::exchange;

//! Machines that take commands through a channel.

use machine::{Instant, Machine};

/// A machine whose owner lives in another thread: its commands arrive as values.
pub trait Commanded: Machine {
    /// What its owner may ask for.
    type Command;

    /// Carries out a command. Like any input it only changes state; effects are polled.
    fn handle_command(&mut self, command: Self::Command, now: Instant);
}

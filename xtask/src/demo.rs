//! The main job, from nothing: one module is updated over the air and back.

use crate::failure::Failure;

/// What becomes of the server and the module when the demo is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    Stop,
    Keep,
}

/// Runs the demo.
pub fn run(_after: After) -> Result<(), Failure> {
    Err(Failure::new("demo", "not there yet"))
}

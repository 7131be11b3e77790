//! What went wrong, and what to do.

use std::fmt;

/// A step that failed, the cause, and the remedy where there is one.
#[derive(Debug)]
pub struct Failure {
    step: String,
    cause: String,
}

impl Failure {
    /// `step` is what was tried.
    pub fn new(step: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self { step: step.into(), cause: cause.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FAILED: {}\n  {}", self.step, self.cause.trim_end().replace('\n', "\n  "))
    }
}

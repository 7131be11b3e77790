//! What the bootstrap server tells its owner.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use coap::Code;
use machine::Link;

use crate::path::Path;
use crate::server::Refusal;

/// Names one bootstrap of one device. Never used twice by one server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunId(pub u64);

/// One request to the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Asks what is there.
    Discover,
    /// Removes an instance or the instances of an object.
    Delete(Path),
    /// Writes an instance. What was written is told to nobody.
    Write(Path),
    /// Reads back.
    Read(Path),
    /// Ends the bootstrap.
    Finish,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discover => formatter.write_str("Discover"),
            Self::Delete(path) => write!(formatter, "Delete {path}"),
            Self::Write(path) => write!(formatter, "Write {path}"),
            Self::Read(path) => write!(formatter, "Read {path}"),
            Self::Finish => formatter.write_str("Finish"),
        }
    }
}

/// Why a bootstrap came to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    /// The owner had no plan, or not in time.
    #[error("there is nothing to write for this device")]
    NoPlan,
    /// The device did not answer.
    #[error("failed at step {number} ({step}): no answer")]
    NoAnswer {
        /// Counted from one.
        number: u32,
        /// Which.
        step: Step,
    },
    /// The device refused.
    #[error("failed at step {number} ({step}): the device answered {code}")]
    Refused {
        /// Counted from one.
        number: u32,
        /// Which.
        step: Step,
        /// What it answered.
        code: Code,
    },
    /// The session ended.
    #[error("failed at step {number} ({step}): the session ended")]
    Disconnected {
        /// Counted from one.
        number: u32,
        /// Which.
        step: Step,
    },
    /// The device finds what was written inconsistent, each time it was written.
    #[error("the device finds its accounts inconsistent (4.06), {0} times")]
    Inconsistent(u8),
    /// The device asked anew.
    #[error("the device began anew")]
    Superseded,
    /// The owner dropped the device.
    #[error("the device was removed")]
    Released,
}

/// What has happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A device wants to be bootstrapped: answer with [`Server::start`](super::Server::start) once what is
    /// to be written is durable, or with [`Server::refuse`](super::Server::refuse).
    Requested {
        /// Names the bootstrap.
        run: RunId,
        /// Which device.
        endpoint: Arc<str>,
        /// Where it is.
        link: Link,
    },
    /// A device may not be bootstrapped; for the audit.
    Refused {
        /// The identity that its session proved.
        identity: Option<Vec<u8>>,
        /// The name that it gave.
        endpoint: Option<String>,
        /// Why.
        refusal: Refusal,
    },
    /// A step was answered, well or not; for the history of the device.
    Step {
        /// Of which bootstrap.
        run: RunId,
        /// Of which device.
        endpoint: Arc<str>,
        /// Counted from one.
        number: u32,
        /// Which.
        step: Step,
        /// What the device answered.
        code: Code,
    },
    /// A bootstrap ended.
    Ended {
        /// Which.
        run: RunId,
        /// Of which device.
        endpoint: Arc<str>,
        /// How.
        result: Result<(), Failure>,
    },
}

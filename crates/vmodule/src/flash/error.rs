//! What can be wrong with a flash file, and what to do about it.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use firmware::{BootError, FlashError, GeometryError, InstallError, LayoutError};

/// The process ends with this when `--power-cut-after` took effect, so that scripts can tell it from a fault.
pub const POWER_LOST_EXIT_CODE: u8 = 3;

/// Why a flash file cannot be made, used or read.
#[derive(Debug, thiserror::Error)]
pub enum FlashFileError {
    /// It is not there.
    #[error("there is no flash file {path}; make one with `vmodule flash init`")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is there already and holds a module's firmware.
    #[error("{path} exists already; give another name, or --force to lose what it holds")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("{path} is in use by another virtual module; stop that one, or give another file")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is something else.
    #[error("{path} is not a flash file; make one with `vmodule flash init`")]
    NotAFlash {
        /// The file.
        path: PathBuf,
    },
    /// Its first bytes were changed, or it was cut short.
    #[error("{path} is damaged: {what}; make a new one with `vmodule flash init --force`")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: Damage,
    },
    /// The operating system refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it did not work.
        #[source]
        source: io::Error,
    },
    /// The numbers are no flash.
    #[error("this shape of flash is not possible")]
    Geometry(#[from] GeometryError),
    /// The flash has no room for two banks.
    #[error("this flash cannot hold a module; give it more or larger sectors")]
    Layout(#[from] LayoutError),
    /// The boot loader could not do its work.
    #[error("the module in {path} cannot start")]
    Boot {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: BootError,
    },
    /// The image was not installed.
    #[error("the image was not installed")]
    Install(#[from] InstallError),
}

/// What is wrong with a flash file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Damage {
    /// The checksum of its head does not match.
    #[error("the checksum of its head does not match")]
    Head,
    /// It has not the length that its head says.
    #[error("it has {found} bytes, its head says {expected}")]
    Length {
        /// What the head says.
        expected: u64,
        /// What there is.
        found: u64,
    },
}

/// Whether this, or what caused it, is the power cut that was asked for by `--power-cut-after`.
pub fn is_power_loss(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<FlashError>() == Some(&FlashError::PowerLost) {
            return true;
        }
        cause = error.source();
    }
    false
}

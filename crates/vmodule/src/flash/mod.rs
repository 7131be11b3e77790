//! Flash memory in a file: what a virtual module keeps when its process is gone.

mod command;
mod error;
mod file;
mod layout;
mod show;
mod update;

pub use command::{FlashCommand, PowerArguments, TearKind};
pub use error::{FlashFileError, POWER_LOST_EXIT_CODE, is_power_loss};
pub use file::{FileFlash, FileMedium, FlashOptions};
pub use show::{BankContent, FlashContent, inspect};
pub use update::{initialise, install};

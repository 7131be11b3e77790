//! `vmodule run`: one module over real sockets, its flash in a file.

mod accounts_file;
mod arguments;
mod command;
mod fetch;
mod key;
mod report;
mod suites;

pub use arguments::RunArguments;
pub use command::{Ending, RunError};
pub use fetch::TrustError;
pub use key::KeyError;

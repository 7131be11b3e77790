//! Where the programs under test are.

use std::path::{Path, PathBuf};

/// A program that tests run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Program {
    /// The server.
    Updraft,
    /// The virtual module.
    Vmodule,
    /// A Python that has the foreign peers of `peers/requirements.txt`.
    ForeignPython,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Updraft => "updraft",
            Self::Vmodule => "vmodule",
            Self::ForeignPython => "python",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Updraft => "UPDRAFT_BIN",
            Self::Vmodule => "VMODULE_BIN",
            Self::ForeignPython => "FOREIGN_PYTHON",
        }
    }
}

/// A program under test is not where it should be.
#[derive(thiserror::Error, Debug)]
#[error("{} is missing (looked at {}); run the tests with `cargo xtask test`, which builds it", name, path.display())]
pub struct MissingBinary {
    name: &'static str,
    path: PathBuf,
}

/// The path of a program: what the environment says (`UPDRAFT_BIN`, `VMODULE_BIN`, `FOREIGN_PYTHON`; set by
/// `cargo xtask test`), otherwise beside the folder of the running test.
///
/// # Errors
/// There is no such file. A package's tests do not build the binaries of other packages.
pub fn binary(program: Program) -> Result<PathBuf, MissingBinary> {
    let path = match std::env::var_os(program.variable()) {
        Some(path) => PathBuf::from(path),
        None => beside_tests().join(program.name()),
    };
    if path.is_file() { Ok(path) } else { Err(MissingBinary { name: program.name(), path }) }
}

/// `target/debug` for a test in `target/debug/deps`.
fn beside_tests() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    test.ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_binary_says_what_to_run() {
        let missing = MissingBinary { name: "updraft", path: "/nowhere/updraft".into() };
        let text = missing.to_string();
        assert!(text.contains("cargo xtask test") && text.contains("/nowhere/updraft"), "{text}");
    }

    #[test]
    fn programs_are_looked_for_beside_the_tests() {
        assert!(!beside_tests().ends_with("deps"));
        assert!(beside_tests().join("deps").is_dir());
    }
}

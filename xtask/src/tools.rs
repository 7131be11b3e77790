//! Runs other programs.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use xtask::Failure;

/// Which build of our programs is meant.
#[derive(Clone, Copy, Debug)]
pub enum Build {
    Debug,
    Release,
}

/// The folder of the workspace.
pub fn workspace() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// The folder that cargo builds into.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// The path of one of our programs, which must have been built.
pub fn program(name: &str, build: Build) -> Result<OsString, Failure> {
    let folder = match build {
        Build::Debug => "debug",
        Build::Release => "release",
    };
    let path = target().join(folder).join(name);
    if path.exists() {
        Ok(path.into_os_string())
    } else {
        Err(Failure::new(format!("find the program {name}"), format!("{} does not exist", path.display())))
    }
}

/// Where the programs are that the whole-system tests run: CARGO_BIN_EXE_* exists only in a binary's own
/// package.
pub fn tested_programs() -> Result<[(&'static str, OsString); 3], Failure> {
    Ok([
        ("UPDRAFT_BIN", program("updraft", Build::Debug)?),
        ("VMODULE_BIN", program("vmodule", Build::Debug)?),
        ("FOREIGN_PYTHON", foreign_python()?),
    ])
}

/// A Python of our own below the target folder, with the foreign peers of the whole-system tests.
fn foreign_python() -> Result<OsString, Failure> {
    let folder = target().join("foreign-python");
    let python = folder.join("bin/python");
    let requirements = workspace().join("crates/e2e/peers/requirements.txt");
    let installed = folder.join("requirements.txt");
    let wanted = fs::read(&requirements).map_err(|error| Failure::new("read what Python needs", error))?;
    if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(python.into_os_string());
    }
    let step = "install the foreign peers that are written in Python";
    run(step, Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut install = Command::new(&python);
    run(step, install.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements))?;
    fs::write(&installed, wanted).map_err(|error| Failure::new(step, error))?;
    Ok(python.into_os_string())
}

fn run(step: &str, command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| Failure::new(step, error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(step, format!("{command:?} ended with {status}")))
    }
}

/// Runs cargo in the workspace.
pub fn cargo(arguments: &[&str]) -> Result<(), Failure> {
    cargo_with(arguments, &[])
}

/// Runs cargo in the workspace with more environment variables.
pub fn cargo_with(arguments: &[&str], variables: &[(&str, OsString)]) -> Result<(), Failure> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(workspace());
    for (name, value) in variables {
        command.env(name, value);
    }
    let step = format!("cargo {}", arguments.join(" "));
    let status = command.status().map_err(|error| Failure::new(&step, error))?;
    if status.success() { Ok(()) } else { Err(Failure::new(step, format!("it ended with {status}"))) }
}

/// Whether a program exists and ends with exit code 0. What it prints is dropped.
pub fn succeeds(name: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(name);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

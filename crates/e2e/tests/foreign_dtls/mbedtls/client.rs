//! The client of `peers/mbedtls_client.c`, built on the spot.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};

use crate::station::{IDENTITY, KEY, Program};

/// Which mbedTLS.
#[derive(Clone, Copy, Debug)]
pub enum Release {
    /// Debian's 2.28.
    V2,
    /// 3.6, which knows connection ids.
    V3,
}

impl Release {
    /// Builds the client against this release. The first time takes minutes, so no test that counts time may
    /// have begun to.
    pub fn build(self) -> PathBuf {
        match self {
            Self::V2 => build_2(),
            Self::V3 => build_3(),
        }
    }
}

/// A running client, told what to do by lines.
pub struct Client {
    pub program: Program,
    input: ChildStdin,
}

impl Client {
    /// Calls a server on this port of the loopback address. `path` is of [`Release::build`].
    pub fn start(path: &Path, port: u16, suite: &str, options: &[&str]) -> Self {
        let port = port.to_string();
        let key: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut command = vec![path.to_str().unwrap(), &port, suite, IDENTITY, &key];
        command.extend(options);
        let (program, input) = Program::start("libmbedtls-dev", "", &command);
        Self { program, input }
    }

    /// Gives one line.
    pub fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }
}

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// Compiled anew by each test that wants it, so that none runs a half-written file of another.
fn build_2() -> PathBuf {
    let folder =
        tempfile::Builder::new().prefix("mbedtls-2").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.keep().join("mbedtls_client");
    let mut command = Command::new("cc");
    command.args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&path);
    command.arg(peers().join("mbedtls_client.c")).args(["-lmbedtls", "-lmbedx509", "-lmbedcrypto"]);
    run(command, "apt-get install gcc libmbedtls-dev");
    path
}

fn build_3() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mbedtls-3");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--locked", "--manifest-path"]);
    command.arg(peers().join("mbedtls_3/Cargo.toml")).arg("--target-dir").arg(&target);
    run(command, "apt-get install cmake clang libclang-dev");
    target.join("debug/mbedtls-3-client")
}

fn run(mut command: Command, remedy: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; on Debian: {remedy}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed; on Debian: {remedy}\n{said}");
}

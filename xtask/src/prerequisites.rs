//! What must be on the machine, and how it gets there.

use std::path::Path;
use std::process::Command;

use crate::tools;
use xtask::{Failure, postgres};

/// Something that we need and the Debian package that has it.
#[derive(Clone, Copy, Debug)]
pub struct Prerequisite {
    wanted: Wanted,
    package: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    Program(&'static str),
    /// By its absolute path.
    File(&'static str),
    PythonModule(&'static str),
    Postgres,
}

const fn needs(program: &'static str, package: &'static str) -> Prerequisite {
    Prerequisite { wanted: Wanted::Program(program), package }
}

/// A C compiler, for SQLite and for the linker.
pub const FOR_BUILDING: &[Prerequisite] = &[needs("cc", "gcc")];

/// Also the foreign peers that our protocols are tested against.
pub const FOR_TESTS: &[Prerequisite] = &[
    needs("cc", "gcc"),
    needs("openssl", "openssl"),
    needs("coap-client-openssl", "libcoap3-bin"),
    needs("coap-server-openssl", "libcoap3-bin"),
    needs("tshark", "tshark"),
    needs("python3", "python3"),
    Prerequisite { wanted: Wanted::PythonModule("ensurepip"), package: "python3-venv" },
    needs("gnutls-cli", "gnutls-bin"),
    Prerequisite { wanted: Wanted::Postgres, package: "postgresql" },
    Prerequisite { wanted: Wanted::File("/usr/include/mbedtls/ssl.h"), package: "libmbedtls-dev" },
    // A crate builds mbedTLS 3.6 with these.
    needs("cmake", "cmake"),
    needs("clang", "clang"),
];

/// Installs what is missing, or says how to.
pub fn install(prerequisites: &[Prerequisite]) -> Result<(), Failure> {
    let mut packages: Vec<&str> =
        prerequisites.iter().filter(|needed| !needed.wanted.exists()).map(|needed| needed.package).collect();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get install --yes {}", packages.join(" "));
    if !exists("apt-get") || !tools::succeeds("sh", &["-c", "test \"$(id -u)\" = 0"]) {
        let cause = format!("Missing: {}. On Debian run as root: {line}", packages.join(", "));
        return Err(Failure::new("check what is installed", cause));
    }
    println!("Installing with apt: {}", packages.join(" "));
    let script = format!("apt-get update --quiet --quiet && {line} --quiet --quiet >/dev/null");
    let status = Command::new("sh").args(["-c", &script]).env("DEBIAN_FRONTEND", "noninteractive").status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new("install what is missing", format!("{line} ended with {status}"))),
        Err(error) => Err(Failure::new("install what is missing", error)),
    }
}

impl Wanted {
    fn exists(self) -> bool {
        match self {
            Self::Program(name) => exists(name),
            Self::File(path) => Path::new(path).is_file(),
            Self::Postgres => postgres::programs().is_ok(),
            Self::PythonModule(name) => tools::succeeds("python3", &["-c", &format!("import {name}")]),
        }
    }
}

fn exists(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

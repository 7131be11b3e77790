//! The project's commands: `cargo xtask demo`, `test`, `bench`, `conformance`, `openapi`.

mod conformance;
mod demo;
mod failure;
mod prerequisites;
mod tools;

use std::process::ExitCode;

use failure::Failure;
use tools::cargo;

const HELP: &str = "\
Usage: cargo xtask <command>

Commands:
  demo [--keep]  Update a virtual module over the air, by PULL and back by PUSH
                 (--keep leaves the server and the module running)
  test [FILTER]  Run all tests, or those whose name contains FILTER
  bench          Measure the server's CPU per message beside a plain UDP echo
  conformance    Run every row of the conformance table and write docs/conformance.md
  openapi        Write the REST interface's description to crates/server/openapi.json
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["demo"] => demo::run(demo::After::Stop),
        ["demo", "--keep"] => demo::run(demo::After::Keep),
        ["test", filter @ ..] => test(filter),
        ["bench", options @ ..] => bench(options),
        ["conformance"] => prerequisites::install(prerequisites::FOR_TESTS).and_then(|()| conformance::run()),
        ["openapi"] => openapi(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        [unknown, ..] => {
            eprintln!("There is no command {unknown:?} with these arguments.\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\n{failure}");
            ExitCode::FAILURE
        }
    }
}

fn test(filter: &[&str]) -> Result<(), Failure> {
    prerequisites::install(prerequisites::FOR_TESTS)?;
    cargo(&["build", "--package", "server", "--package", "vmodule", "--bins"])?;
    let binaries = tools::tested_programs()?;
    if tools::succeeds("cargo", &["nextest", "--version"]) {
        let arguments = [&["nextest", "run", "--workspace"], filter].concat();
        tools::cargo_with(&arguments, &binaries)?;
        if filter.is_empty() {
            tools::cargo_with(&["test", "--workspace", "--doc", "--quiet"], &binaries)?;
        }
    } else {
        tools::cargo_with(&[&["test", "--workspace"], filter].concat(), &binaries)?;
    }
    // The fuzz targets are a workspace of their own; here they replay what fuzzing has found.
    cargo(&[&["test", "--quiet", "--manifest-path", "fuzz/Cargo.toml", "--"], filter].concat())
}

fn bench(options: &[&str]) -> Result<(), Failure> {
    prerequisites::install(prerequisites::FOR_BUILDING)?;
    cargo(&[&["run", "--release", "--quiet", "--package", "bench", "--"], options].concat())
}

fn openapi() -> Result<(), Failure> {
    let write = [("UPDATE_OPENAPI", "1".into())];
    tools::cargo_with(
        &["test", "--quiet", "--package", "server", "--lib", "the_committed_description"],
        &write,
    )
}

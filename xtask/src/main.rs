//! The project's commands: `cargo xtask demo`, `test`, `bench`, `conformance`, `openapi`,
//! `with-postgres`.

mod conformance;
mod demo;
mod prerequisites;
mod tools;

use std::process::{Command, ExitCode};

use tools::cargo;
use xtask::{Failure, postgres};

const HELP: &str = "\
Usage: cargo xtask <command>

Commands:
  demo [--keep]  Update a virtual module over the air, by PULL and back by PUSH
                 (--keep leaves the server and the module running)
  test [FILTER]  Run all tests, or those whose name contains FILTER
  bench          Measure the server's CPU per message beside a plain UDP echo
  conformance    Run every row of the conformance table and write docs/conformance.md
  with-postgres COMMAND...
                 Run a command, such as `cargo nextest run -p server`, beside a PostgreSQL server for tests
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
        ["with-postgres", program, arguments @ ..] => with_postgres(program, arguments),
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
    let server = postgres::Cluster::start(&tools::target())?;
    let mut variables = tools::tested_programs()?.to_vec();
    variables.push((postgres::VARIABLE, server.url().into()));
    if tools::succeeds("cargo", &["nextest", "--version"]) {
        let threads = test_threads().to_string();
        let arguments = [&["nextest", "run", "--workspace", "--test-threads", &threads], filter].concat();
        tools::cargo_with(&arguments, &variables)?;
        if filter.is_empty() {
            tools::cargo_with(&["test", "--workspace", "--doc", "--quiet"], &variables)?;
        }
    } else {
        tools::cargo_with(&[&["test", "--workspace"], filter].concat(), &variables)?;
    }
    // The fuzz targets are a workspace of their own; here they replay what fuzzing has found.
    cargo(&[&["test", "--quiet", "--manifest-path", "fuzz/Cargo.toml", "--"], filter].concat())
}

/// Half as many again as there are processors: tests with real programs wait most of their time.
fn test_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get() * 3 / 2)
}

fn with_postgres(program: &str, arguments: &[&str]) -> Result<(), Failure> {
    prerequisites::install(prerequisites::FOR_TESTS)?;
    let server = postgres::Cluster::start(&tools::target())?;
    let mut command = Command::new(program);
    let status = command.args(arguments).env(postgres::VARIABLE, server.url()).status();
    let status = status.map_err(|error| Failure::new(format!("run {program}"), error))?;
    if status.success() { Ok(()) } else { Err(Failure::new(program, format!("it ended with {status}"))) }
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

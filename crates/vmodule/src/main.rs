//! The command `vmodule`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use vmodule::flash::{FlashCommand, POWER_LOST_EXIT_CODE, is_power_loss};
use vmodule::image::ImageCommand;
use vmodule::run::{Ending, RunArguments};

/// A virtual radio module: an LwM2M device whose firmware lies in emulated flash.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build firmware images and look into them.
    #[command(subcommand)]
    Image(ImageCommand),
    /// Prepare flash files and look into them.
    #[command(subcommand)]
    Flash(FlashCommand),
    /// Run a module against a server until it is stopped.
    Run(Box<RunArguments>),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Image(command) => write(|output| command.run(output)),
        Command::Flash(command) => write(|output| command.run(output)),
        Command::Run(arguments) => {
            log_to_stderr();
            arguments.run().map(Ending::exit_code)
        }
    };
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    // Whoever reads our output may stop early (`vmodule … | head`); that is no fault.
    if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error:#}");
    if is_power_loss(error.as_ref()) { ExitCode::from(POWER_LOST_EXIT_CODE) } else { ExitCode::FAILURE }
}

/// What the layers below say, as much as `RUST_LOG` asks for; nothing but errors unless it is set.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}

fn write(command: impl FnOnce(&mut dyn io::Write) -> anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    let mut output = io::stdout().lock();
    command(&mut output)?;
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

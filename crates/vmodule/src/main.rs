//! The command `vmodule`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use vmodule::flash::{FlashCommand, POWER_LOST_EXIT_CODE, is_power_loss};
use vmodule::image::ImageCommand;

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
}

fn main() -> ExitCode {
    let mut output = io::stdout().lock();
    let result = match Arguments::parse().command {
        Command::Image(command) => command.run(&mut output),
        Command::Flash(command) => command.run(&mut output),
    };
    let Err(error) = result.and_then(|()| Ok(output.flush()?)) else { return ExitCode::SUCCESS };
    // Whoever reads our output may stop early (`vmodule … | head`); that is no fault.
    if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error:#}");
    if is_power_loss(error.as_ref()) { ExitCode::from(POWER_LOST_EXIT_CODE) } else { ExitCode::FAILURE }
}

//! The `updraft` command. Most commands ask the REST API and nothing else; `serve`, `config`, `psk`, `sign`,
//! `backup`, `restore` and `check` need no server.

mod bootstrap;
mod client;
mod config;
mod device;
mod events;
mod failure;
mod files;
mod maintenance;
mod object_model;
mod operation;
mod output;
mod package;
mod product;
mod psk;
mod serve;
mod sign;
mod signing_key;
mod upgrade;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use client::Client;
use output::Output;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the operation failed
  2  the command line or the configuration is wrong
  3  the server cannot be reached
  4  an upgrade ended without success

A first upgrade, start to end:
  updraft serve                                           (in another terminal)
  updraft product import product.json                     (its maker's profile)
  updraft sign keygen
  updraft signing-key add public.pem --manufacturer MAKER
  updraft device add urn:imei:015770000031766 --identity urn:imei:015770000031766 --product MAKER/MODEL
  updraft sign sign firmware.bin
  updraft package upload firmware_signed.zip --name \"May release\" --product MAKER/MODEL
  updraft package approve \"May release\"
  updraft upgrade start urn:imei:015770000031766 \"May release\" --watch";

/// Firmware updates over the air for LwM2M devices.
#[derive(Parser, Debug)]
#[command(name = "updraft", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
#[command(subcommand_required = true, arg_required_else_help = true)]
struct Command {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    action: Action,
}

/// Keeps these options from standing between those of a command.
const EVERYWHERE: &str = "Options of every command";

#[derive(Args, Debug)]
struct Global {
    /// Where the server is.
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        env = "UPDRAFT_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080"
    )]
    server: String,
    /// In whose name it is done; otherwise the user's. It stands in the records, and nobody proves it yet.
    #[arg(
        long = "as",
        global = true,
        help_heading = EVERYWHERE,
        env = "UPDRAFT_ACTOR",
        value_name = "NAME"
    )]
    actor: Option<String>,
    /// Write JSON instead of text, errors too.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,
}

impl Global {
    fn actor(&self) -> String {
        let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
        self.actor.clone().or_else(user).unwrap_or_else(|| "operator".to_owned())
    }
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Run the server.
    Serve(serve::Serve),
    /// Show what can be configured.
    #[command(subcommand)]
    Config(config::Config),
    /// Make pre-shared keys.
    #[command(subcommand)]
    Psk(psk::Psk),
    /// Make keys, sign firmware and verify signatures, offline.
    #[command(subcommand)]
    Sign(sign::Sign),
    /// Add, list and remove devices, and ask them for things.
    #[command(subcommand)]
    Device(device::Device),
    /// What devices are given by the bootstrap server.
    #[command(subcommand)]
    Bootstrap(bootstrap::Bootstrap),
    /// Import profiles of products and say what they decide.
    #[command(subcommand)]
    Product(product::Product),
    /// The public keys with which packages are verified.
    #[command(subcommand)]
    SigningKey(signing_key::SigningKey),
    /// Upload, approve and list firmware.
    #[command(subcommand)]
    Package(Box<package::Package>),
    /// Start and follow upgrades.
    #[command(subcommand)]
    Upgrade(upgrade::Upgrade),
    /// Say which objects and resources devices have.
    #[command(subcommand)]
    ObjectModel(object_model::ObjectModel),
    /// Downloads over HTTP and HTTPS.
    #[command(subcommand)]
    Files(files::Files),
    /// Write everything into one file; the server may run meanwhile.
    Backup(maintenance::Backup),
    /// Restore a backup into an empty data folder and an empty database; the server must not run.
    Restore(maintenance::Restore),
    /// Check the database, every key and every package file; changes nothing.
    Check(maintenance::Check),
    /// Print the description of the REST API (OpenAPI 3.1).
    Openapi,
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let command = Command::parse();
    let output = Output::new(command.global.json);
    let client = || Client::new(&command.global.server, &command.global.actor());
    let result = match &command.action {
        Action::Serve(serve) => serve.run(),
        Action::Config(config) => config.run(&output),
        Action::Psk(psk) => psk.run(&output),
        Action::Sign(sign) => sign.run(&output),
        Action::Device(device) => client().and_then(|client| device.run(&client, &output)),
        Action::Bootstrap(bootstrap) => client().and_then(|client| bootstrap.run(&client, &output)),
        Action::Product(product) => client().and_then(|client| product.run(&client, &output)),
        Action::SigningKey(keys) => client().and_then(|client| keys.run(&client, &output)),
        Action::Package(package) => client().and_then(|client| package.run(&client, &output)),
        Action::Upgrade(upgrade) => client().and_then(|client| upgrade.run(&client, &output)),
        Action::ObjectModel(models) => client().and_then(|client| models.run(&client, &output)),
        Action::Files(files) => client().and_then(|client| files.run(&client, &output)),
        Action::Backup(backup) => backup.run(&output),
        Action::Restore(restore) => restore.run(&output),
        Action::Check(check) => check.run(&output),
        Action::Openapi => {
            output.text(crate::http::document().trim_end());
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Command::command().debug_assert();
    }

    #[test]
    fn every_command_and_every_argument_is_explained() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} has no text", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {} has no text",
                    command.get_name(),
                    argument.get_id()
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&Command::command());
    }
}

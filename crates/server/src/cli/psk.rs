//! `updraft psk`

use clap::Subcommand;

use super::failure::Failure;
use super::output::Output;
use crate::secrets;

/// Make pre-shared keys.
#[derive(Subcommand, Debug)]
pub enum Psk {
    /// Print a new random key of 32 bytes in hexadecimal digits, as `openssl rand -hex 32` does.
    Generate,
}

impl Psk {
    pub fn run(&self, output: &Output) -> Result<(), Failure> {
        let Self::Generate = self;
        let key = secrets::Psk::generate().map_err(Failure::operation)?.to_hex();
        output.value(&serde_json::json!({"key": *key}), || key.to_string());
        Ok(())
    }
}

//! `updraft sign`: keys and signatures, on a machine that needs no server, no configuration and no network.

mod archive;
mod described;
mod files;
mod keygen;
mod passphrase;
mod verify;

use clap::Subcommand;

use super::failure::Failure;
use super::output::Output;

const EXAMPLE: &str = "\
A firmware file, from its supplier to the upload:
  updraft sign keygen                                    (once, away from the server)
  updraft sign sign BC35GJBR01A03_TO_BC35GJBR01A04.bin   (makes .._signed.zip beside it)
  updraft sign verify BC35GJBR01A03_TO_BC35GJBR01A04_signed.zip
Then give public.pem to the server, and upload the signed archive as it is.

The passphrase is asked for on a terminal. Programs pass it by --passphrase-file or
UPDRAFT_PASSPHRASE.";

/// Make keys, sign firmware and verify signatures, offline.
#[derive(Subcommand, Debug)]
#[command(after_help = EXAMPLE)]
pub enum Sign {
    /// Make a key pair: private.pem, which a passphrase protects, and public.pem for the server.
    Keygen(keygen::Keygen),
    /// Sign a firmware file or a zip archive with it, or add a signature to a signed archive.
    #[command(name = "sign")]
    Archive(Box<archive::SignArchive>),
    /// Verify a signed archive as the server does, and show what it says of itself.
    Verify(verify::Verify),
}

impl Sign {
    pub fn run(&self, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Keygen(keygen) => keygen.run(output),
            Self::Archive(sign) => sign.run(output),
            Self::Verify(verify) => verify.run(output),
        }
    }
}

/// Reads the name of an algorithm and lists all of them if there is none such.
fn algorithm(code: &str) -> Result<package::Algorithm, String> {
    package::Algorithm::from_code(code).ok_or_else(|| {
        let codes = package::Algorithm::ALL.map(package::Algorithm::code);
        format!("these are known: {}", codes.join(", "))
    })
}

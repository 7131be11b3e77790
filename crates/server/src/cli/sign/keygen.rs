//! `updraft sign keygen`

use std::path::PathBuf;

use clap::Args;
use package::{Algorithm, PrivateKey};
use serde::Serialize;

use super::files::{self, Readers};
use super::passphrase;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, facts};

#[derive(Args, Debug)]
pub struct Keygen {
    /// What the key signs with: rsa2048-sha256-pkcs1v15 ("RSA2048+SHA256" of other tools),
    /// rsa2048-sha256-pss-mgf1sha256-salt32, ecdsa-p256-sha256 or ed25519.
    #[arg(long, value_name = "ALGORITHM", default_value = "rsa2048-sha256-pkcs1v15", value_parser = super::algorithm)]
    algorithm: Algorithm,
    /// Where the private key goes. Only its owner may read the file.
    #[arg(long, value_name = "FILE", default_value = "private.pem")]
    private: PathBuf,
    /// Where the public key goes.
    #[arg(long, value_name = "FILE", default_value = "public.pem")]
    public: PathBuf,
    #[command(flatten)]
    passphrase: passphrase::Source,
    /// Replace files that are there. A replaced private key is lost.
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Made {
    algorithm: &'static str,
    key_id: String,
    private: PathBuf,
    public: PathBuf,
}

impl Keygen {
    pub fn run(&self, output: &Output) -> Result<(), Failure> {
        if self.private == self.public {
            return Err(Failure::usage(anyhow::anyhow!("the two keys need two files")));
        }
        files::refuse_existing(&self.private, self.force)?;
        files::refuse_existing(&self.public, self.force)?;
        let passphrase = self.passphrase.choose(&self.private)?;
        let key = PrivateKey::generate(self.algorithm).map_err(Failure::operation)?;
        let private = key.to_encrypted_pem(&passphrase).map_err(Failure::operation)?;
        files::write(&self.private, private.as_bytes(), Readers::Owner, self.force)?;
        files::write(&self.public, key.public_key().to_pem().as_bytes(), Readers::Everybody, self.force)?;
        let made = Made {
            algorithm: self.algorithm.code(),
            key_id: key.public_key().id().to_string(),
            private: self.private.clone(),
            public: self.public.clone(),
        };
        output.value(&made, || made.text());
        Ok(())
    }
}

impl Made {
    fn text(&self) -> String {
        let facts = facts(&[
            ("algorithm", self.algorithm.to_owned()),
            ("key id", self.key_id.clone()),
            (
                "private key",
                format!(
                    "{} (keep it and its passphrase; nobody can make them again)",
                    self.private.display()
                ),
            ),
            (
                "public key",
                format!("{} (for the server and for `updraft sign verify`)", self.public.display()),
            ),
        ]);
        format!("made a key pair\n{facts}")
    }
}

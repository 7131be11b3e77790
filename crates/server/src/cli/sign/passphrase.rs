//! Where the passphrase of a private key comes from.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use package::Passphrase;
use zeroize::Zeroizing;

use super::files;
use crate::cli::failure::Failure;

/// Holds it for programs.
const VARIABLE: &str = "UPDRAFT_PASSPHRASE";

/// How the passphrase is given.
#[derive(Args, Debug)]
pub struct Source {
    /// A file that holds the passphrase of the private key; otherwise UPDRAFT_PASSPHRASE, otherwise it is asked for.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Source {
    /// For a new key, by the rules for passphrases; asked for twice.
    pub fn choose(&self, key: &Path) -> Result<Passphrase, Failure> {
        let text = match self.given()? {
            Some(text) => text,
            None => {
                let text = ask(&format!("New passphrase for {}: ", key.display()))?;
                let again = ask("The same again: ")?;
                if text != again {
                    return Err(Failure::usage(anyhow!("the two passphrases differ")));
                }
                text
            }
        };
        Passphrase::new(text).map_err(Failure::usage)
    }

    /// For a key that is there.
    pub fn open(&self, key: &Path) -> Result<Passphrase, Failure> {
        let text = match self.given()? {
            Some(text) => text,
            None => ask(&format!("Passphrase of {}: ", key.display()))?,
        };
        Passphrase::of_existing_key(text).map_err(Failure::usage)
    }

    fn given(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        if let Some(path) = &self.passphrase_file {
            let mut text = Zeroizing::new(files::read_text(path)?);
            let line_end = ["\r\n", "\n"].into_iter().find(|end| text.ends_with(end)).unwrap_or_default();
            let length = text.len() - line_end.len();
            text.truncate(length);
            return Ok(Some(text));
        }
        match std::env::var(VARIABLE) {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(error) => Err(Failure::usage(anyhow!(error).context(VARIABLE))),
        }
    }
}

/// Asks on the terminal, which does not show what is typed.
fn ask(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    if !io::stdin().is_terminal() {
        let what =
            format!("a passphrase is needed: by --passphrase-file FILE or {VARIABLE}, or on a terminal");
        return Err(Failure::usage(anyhow!(what)));
    }
    let text = rpassword::prompt_password(prompt).context("cannot ask for the passphrase");
    Ok(Zeroizing::new(text.map_err(Failure::operation)?))
}

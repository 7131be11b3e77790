//! `updraft config`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::output::Output;
use crate::config::{Config as Settings, KEYS, Sources, effective, template};

/// Show what can be configured.
#[derive(Subcommand, Debug)]
pub enum Config {
    /// Print a commented file with all keys and their defaults.
    Print(Print),
}

#[derive(Args, Debug)]
pub struct Print {
    /// Print what is in force instead, and where each value comes from.
    #[arg(long)]
    effective: bool,
    #[command(flatten)]
    origin: Origin,
}

/// Where settings come from.
#[derive(Args, Debug)]
pub struct Origin {
    /// The configuration file; otherwise ./updraft.toml or /etc/updraft/updraft.toml, if there is one.
    #[arg(long, env = "UPDRAFT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override one key, such as --set http.bind=127.0.0.1:8081. May be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Override data_dir.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => Err("a key, =, and its value are needed".to_owned()),
    }
}

const USUAL_FILES: [&str; 2] = ["updraft.toml", "/etc/updraft/updraft.toml"];

impl Origin {
    /// Reads file, environment and flags.
    pub fn sources(&self) -> Result<Sources, Failure> {
        let path = match &self.config {
            Some(path) => Some(path.clone()),
            None => USUAL_FILES.iter().map(|path| Path::new(path).to_owned()).find(|path| path.exists()),
        };
        let file = path.map(read).transpose()?;
        let mut flags = self.set.clone();
        flags.extend(self.data_dir.iter().map(|path| ("data_dir".to_owned(), path.display().to_string())));
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Sources { file, environment, flags })
    }

    /// Reads and checks all settings.
    pub fn config(&self) -> Result<Settings, Failure> {
        Settings::read(&self.sources()?).map_err(Failure::usage)
    }
}

fn read(path: PathBuf) -> Result<(PathBuf, String), Failure> {
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(error) => {
            let what = format!("cannot read the configuration file {}", path.display());
            Err(Failure::usage(anyhow::Error::new(error).context(what)))
        }
    }
}

impl Config {
    pub fn run(&self, output: &Output) -> Result<(), Failure> {
        let Self::Print(print) = self;
        if output.is_json() {
            let keys: Vec<_> = KEYS
                .iter()
                .map(|key| serde_json::json!({"key": key.name, "default": key.default, "description": key.description}))
                .collect();
            output.json(&keys);
        } else if print.effective {
            output.text(effective(&print.origin.sources()?).map_err(Failure::usage)?.trim_end());
        } else {
            output.text(template().trim_end());
        }
        Ok(())
    }
}

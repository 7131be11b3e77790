//! What can be configured, where it comes from and what is allowed.
//!
//! `updraft.toml` is overridden by `UPDRAFT_A__B` variables, those by flags. [`KEYS`] is the one list of
//! all keys: defaults, the template of `updraft config print` and the check for unknown keys come from it.

mod keys;
mod layers;
mod reader;
mod template;
mod value;

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::path::PathBuf;
use std::time::Duration;

pub use keys::{KEYS, Key};
use layers::Layers;
use reader::Reader;
pub use template::{effective, template};
pub use value::duration as parse_duration;

use crate::size::ByteCount;
use crate::store::ServerUrl;
use crate::uri::Host;

/// Everything that can be configured, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "KEYS describes each of them")]
pub struct Config {
    pub data_dir: PathBuf,
    pub database: Database,
    pub http: Http,
    pub lwm2m: Lwm2m,
    pub bootstrap: Bootstrap,
    pub files: Files,
    pub upgrade: Upgrade,
    pub packages: Packages,
    pub key_file: PathBuf,
    pub log: Log,
}

/// The keys under `database`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Database {
    /// `None` if it is a file in the data folder.
    pub url: Option<ServerUrl>,
    /// Where the password for it is, if it needs one.
    pub password_file: Option<PathBuf>,
}

/// The keys under `http`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "KEYS describes each of them")]
pub struct Http {
    pub bind: SocketAddr,
    pub allow_remote_without_sign_in: bool,
}

/// The keys under `lwm2m`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "KEYS describes each of them")]
pub struct Lwm2m {
    /// Empty if off.
    pub coaps_bind: Vec<SocketAddr>,
    /// Empty if off.
    pub coap_bind: Vec<SocketAddr>,
    pub public_host: Option<Host>,
    pub shards: NonZeroU8,
    pub awake: Duration,
    pub object_models: Option<PathBuf>,
}

/// The keys under `bootstrap`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bootstrap {
    /// Where it listens for DTLS; empty if off.
    pub coaps_bind: Vec<SocketAddr>,
    /// Where it listens for plain CoAP; empty if off.
    pub coap_bind: Vec<SocketAddr>,
}

/// The keys under `files`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    /// Where plain HTTP listens; empty if off.
    pub http_bind: Vec<SocketAddr>,
    /// Where HTTPS listens; empty if off.
    pub https_bind: Vec<SocketAddr>,
    /// Chain and private key; `None` if the server makes its own.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// The keys under `upgrade`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "KEYS describes each of them")]
pub struct Upgrade {
    /// `None` if it is reckoned from the size and the rate of the device.
    pub timeout: Option<Duration>,
    pub reach_timeout: Duration,
    pub return_timeout: Duration,
}

/// The keys under `packages`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "KEYS describes each of them")]
pub struct Packages {
    pub max_size: ByteCount,
    /// `None` if there is no limit.
    pub storage_limit: Option<ByteCount>,
    pub reserve: ByteCount,
    pub store: PackageStore,
}

/// Where the files of packages are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PackageStore {
    /// In the data folder.
    Folder,
    /// In a bucket.
    S3(Bucket),
}

/// A bucket that speaks the protocol of Amazon's S3. What is `None` comes from the usual variables.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What the names of our objects start with, without a slash at either end; may be empty.
    pub prefix: String,
    /// Where it is, if not at Amazon's.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Who we are for it.
    pub access_key_id: Option<String>,
    /// The file with the secret of `access_key_id`.
    pub secret_access_key_file: Option<PathBuf>,
}

/// The keys under `log`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "KEYS describes each of them")]
pub struct Log {
    pub format: LogFormat,
    pub filter: String,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Where settings come from. The default is: nothing but the defaults.
#[derive(Default, Debug)]
pub struct Sources {
    /// The file and its text.
    pub file: Option<(PathBuf, String)>,
    /// Environment variables; those that do not start with `UPDRAFT_` are ignored.
    pub environment: Vec<(String, String)>,
    /// `key=value` pairs of the command line.
    pub flags: Vec<(String, String)>,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// The file is no TOML or has a value of a wrong shape.
    #[error("{origin}: {message}")]
    Syntax {
        /// Where.
        origin: String,
        /// What.
        message: String,
    },
    /// Nothing has this name.
    #[error("{key} ({origin}): there is no such key{}", suggestion(*nearest))]
    UnknownKey {
        /// What was written.
        key: String,
        /// Where.
        origin: String,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// The value cannot be used.
    #[error("{key} = {value:?} ({origin}): allowed is {allowed}")]
    Value {
        /// The key.
        key: &'static str,
        /// What was written.
        value: String,
        /// Where.
        origin: String,
        /// What would be right.
        allowed: &'static str,
    },
}

fn suggestion(nearest: Option<&'static str>) -> String {
    match nearest {
        Some(key) => format!("; did you mean {key}?"),
        None => "; `updraft config print` shows all keys".to_owned(),
    }
}

/// The configuration cannot be used; every fault is named at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError(pub Vec<Fault>);

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the configuration cannot be used")?;
        self.0.iter().try_for_each(|fault| write!(formatter, "\n  {fault}"))
    }
}

impl Config {
    /// Reads and checks all settings.
    ///
    /// # Errors
    /// Every unknown key and every value that is not allowed, with its place and what would be right.
    pub fn read(sources: &Sources) -> Result<Self, ConfigError> {
        let mut reader = Reader(layers(sources));
        let config = reader.config();
        match config {
            Some(config) if reader.0.faults.is_empty() => Ok(config),
            _ => Err(ConfigError(reader.0.faults)),
        }
    }
}

fn layers(sources: &Sources) -> Layers {
    let mut layers = Layers::new();
    if let Some((path, text)) = &sources.file {
        layers.add_file(path, text);
    }
    layers.add_environment(sources.environment.iter().cloned());
    layers.add_flags(sources.flags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    layers
}

#[cfg(test)]
mod tests;

//! What can be configured, where it comes from and what is allowed.
//!
//! `updraft.toml` is overridden by `UPDRAFT_A__B` variables, those by flags. [`KEYS`] is the one list of
//! all keys: defaults, the template of `updraft config print` and the check for unknown keys come from it.

mod layers;
mod template;
mod value;

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use layers::Layers;
pub use template::{effective, template};
pub use value::duration as parse_duration;

use crate::size::ByteCount;
use crate::uri::Host;

/// One setting that can be made.
#[derive(Debug)]
pub struct Key {
    /// Dotted name, as in the file.
    pub name: &'static str,
    /// The value if nothing is set; empty means unset.
    pub default: &'static str,
    /// What it does, for the template.
    pub description: &'static str,
}

const fn key(name: &'static str, default: &'static str, description: &'static str) -> Key {
    Key { name, default, description }
}

/// All keys, in the order of the template.
pub const KEYS: &[Key] = &[
    key(
        "data_dir",
        "updraft-data",
        "Folder for the database, the images and the key file. Created if missing.",
    ),
    key("http.bind", "127.0.0.1:8080", "Where the REST API listens. Port 0 lets the system choose."),
    key(
        "http.allow_remote_without_sign_in",
        "false",
        "This version has no user accounts: whoever reaches the API rules it. It therefore listens on\n\
         addresses of this machine only, unless this is true (for example behind a proxy that signs in).",
    ),
    key(
        "lwm2m.coaps_bind",
        "0.0.0.0:5684",
        "Where devices connect over DTLS (coaps). A list of addresses, or \"off\". 0.0.0.0 is all IPv4\n\
         addresses, [::] all IPv6 ones.",
    ),
    key(
        "lwm2m.coap_bind",
        "off",
        "Where devices connect without encryption (coap). Only devices added with security \"none\" may.",
    ),
    key(
        "lwm2m.public_host",
        "",
        "The name or address under which devices reach this server; stands in the download addresses of\n\
         upgrades by PULL. Needed for those unless the address to listen on is a single one.",
    ),
    key("lwm2m.shards", "0", "Threads that serve devices, 1 to 64; 0 means one for each processor."),
    key(
        "lwm2m.awake",
        "93s",
        "How long a device in queue mode listens after its last message. Shorter for devices that fall\n\
         asleep sooner, such as those in the Power Saving Mode of NB-IoT.",
    ),
    key(
        "lwm2m.allow_short_keys",
        "false",
        "Accept pre-shared keys under 16 bytes, for old devices that cannot hold more.",
    ),
    key(
        "lwm2m.object_models",
        "",
        "A folder with object definitions in OMA's XML (files *.xml), read at the start and by\n\
         `updraft object-model reload`. Files that cannot be used are told in the log and left out.",
    ),
    key(
        "bootstrap.coaps_bind",
        "0.0.0.0:5694",
        "Where devices come to be bootstrapped over DTLS: they are told which management servers they have\n\
         and get fresh keys for them. A list of addresses, or \"off\".",
    ),
    key(
        "bootstrap.coap_bind",
        "off",
        "Where devices are bootstrapped without encryption, such as 0.0.0.0:5693. Whoever listens reads the\n\
         keys that they are given, so only devices added with --bootstrap-no-security are.",
    ),
    key(
        "files.https_bind",
        "off",
        "Where devices download images over HTTPS, such as 0.0.0.0:8443; off unless set, since devices\n\
         that speak CoAP need no other port.",
    ),
    key(
        "files.http_bind",
        "off",
        "Where devices download images over plain HTTP, such as 0.0.0.0:8081. Whoever listens can read\n\
         them, so a device gets such an address only if it offers nothing better, or if told.",
    ),
    key(
        "files.certificate",
        "",
        "The certificate for HTTPS: a chain in PEM, the server's own first. Without it the server makes\n\
         one; `updraft files certificate` prints what devices have to trust.",
    ),
    key("files.private_key", "", "The private key of files.certificate, in PEM."),
    key(
        "upgrade.timeout",
        "auto",
        "How long a device may take to get the image, unless the upgrade is started with another value.\n\
         \"auto\" reckons it from the size and from how fast the device was before.",
    ),
    key("upgrade.reach_timeout", "1d", "How long an upgrade waits for a device that is not there."),
    key(
        "upgrade.return_timeout",
        "35m",
        "How long a device may stay away after it was told to install, before it counts as lost.",
    ),
    key("packages.max_size", "64 MiB", "The largest package that can be uploaded."),
    key(
        "packages.storage_limit",
        "0",
        "The most that all packages together may take on disk; 0 means no limit.",
    ),
    key(
        "packages.reserve",
        "512 MiB",
        "Disk space that uploads leave free so that the database can always be written. On small disks\n\
         5 % of the disk is enough.",
    ),
    key(
        "secrets.key_file",
        "",
        "The file with the key that encrypts device keys. Without it they cannot be read: keep a copy in a\n\
         safe place, apart from backups of data_dir. Default: key-encryption.key in data_dir.",
    ),
    key("log.format", "text", "How log lines look on standard error: \"text\" or \"json\"."),
    key(
        "log.filter",
        "info",
        "What is logged: error, warn, info, debug or trace, also by part: info,server=debug.",
    ),
];

/// Everything that can be configured, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "KEYS describes each of them")]
pub struct Config {
    pub data_dir: PathBuf,
    pub http: Http,
    pub lwm2m: Lwm2m,
    pub bootstrap: Bootstrap,
    pub files: Files,
    pub upgrade: Upgrade,
    pub packages: Packages,
    pub key_file: PathBuf,
    pub log: Log,
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
    pub allow_short_keys: bool,
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

struct Reader(Layers);

impl Reader {
    fn config(&mut self) -> Option<Config> {
        // Each part is read before any is given up, so that all faults are found.
        let data_dir = self.read("data_dir", "the path of a folder", path);
        let http = self.http();
        let lwm2m = self.lwm2m();
        let bootstrap = self.bootstrap();
        let files = self.files();
        let upgrade = self.upgrade();
        let packages = self.packages();
        let key_file = self.read("secrets.key_file", "the path of a file", |text| Some(path(text)));
        let log = self.log();
        let data_dir = data_dir?;
        let key_file = key_file?.unwrap_or_else(|| data_dir.join("key-encryption.key"));
        Some(Config {
            data_dir,
            http: http?,
            lwm2m: lwm2m?,
            bootstrap: bootstrap?,
            files: files?,
            upgrade: upgrade?,
            packages: packages?,
            key_file,
            log: log?,
        })
    }

    fn http(&mut self) -> Option<Http> {
        let allow = self.read("http.allow_remote_without_sign_in", value::BOOL, value::boolean);
        let bind = self.read("http.bind", value::ADDRESS, value::address);
        let (bind, allow_remote_without_sign_in) = (bind?, allow?);
        if !bind.ip().is_loopback() && !allow_remote_without_sign_in {
            self.refuse(
                "http.bind",
                "an address of this machine only (127.0.0.1 or [::1]), since this version has no user \
                 accounts; to let everybody who reaches that address rule the server, set \
                 http.allow_remote_without_sign_in = true",
            );
        }
        Some(Http { bind, allow_remote_without_sign_in })
    }

    fn lwm2m(&mut self) -> Option<Lwm2m> {
        let coaps_bind = self.read("lwm2m.coaps_bind", value::ADDRESSES, value::addresses);
        let coap_bind = self.read("lwm2m.coap_bind", value::ADDRESSES, value::addresses);
        let public_host = self.read("lwm2m.public_host", value::HOST, |text| optional(text, Host::from_str));
        let shards = self.read("lwm2m.shards", "a number from 1 to 64, or 0 for one per processor", shards);
        let awake = self.read("lwm2m.awake", value::DURATION, value::duration);
        let allow_short_keys = self.read("lwm2m.allow_short_keys", value::BOOL, value::boolean);
        let object_models = self.read("lwm2m.object_models", "the path of a folder", |text| Some(path(text)));
        let (coaps_bind, coap_bind) = (coaps_bind?, coap_bind?);
        if coaps_bind.len() + coap_bind.len() > MAX_SOCKETS {
            self.refuse("lwm2m.coaps_bind", "at most 16 addresses together with lwm2m.coap_bind");
        }
        if coaps_bind.is_empty() && coap_bind.is_empty() {
            self.refuse("lwm2m.coaps_bind", "at least one address, since lwm2m.coap_bind is off too");
        }
        Some(Lwm2m {
            coaps_bind,
            coap_bind,
            public_host: public_host?,
            shards: shards?,
            awake: awake?,
            allow_short_keys: allow_short_keys?,
            object_models: object_models?,
        })
    }

    fn bootstrap(&mut self) -> Option<Bootstrap> {
        let coaps_bind = self.read("bootstrap.coaps_bind", value::ADDRESSES, value::addresses);
        let coap_bind = self.read("bootstrap.coap_bind", value::ADDRESSES, value::addresses);
        let (coaps_bind, coap_bind) = (coaps_bind?, coap_bind?);
        if coaps_bind.len() + coap_bind.len() > MAX_SOCKETS {
            self.refuse("bootstrap.coaps_bind", "at most 16 addresses together with bootstrap.coap_bind");
        }
        Some(Bootstrap { coaps_bind, coap_bind })
    }

    fn files(&mut self) -> Option<Files> {
        let http_bind = self.read("files.http_bind", value::ADDRESSES, value::addresses);
        let https_bind = self.read("files.https_bind", value::ADDRESSES, value::addresses);
        let file = |text: &str| Some(path(text));
        let certificate = self.read("files.certificate", "the path of a file", file)?;
        let private_key = self.read("files.private_key", "the path of a file", file)?;
        if certificate.is_some() != private_key.is_some() {
            let (missing, other) = if certificate.is_some() {
                ("files.private_key", "the path of the key, since files.certificate is set")
            } else {
                ("files.certificate", "the path of the certificate, since files.private_key is set")
            };
            self.refuse(missing, other);
        }
        let certificate = certificate.zip(private_key);
        Some(Files { http_bind: http_bind?, https_bind: https_bind?, certificate })
    }

    fn upgrade(&mut self) -> Option<Upgrade> {
        let automatic = "a duration above zero such as 90s, 35m, 1h30m or 2d, or \"auto\"";
        let timeout = self.read("upgrade.timeout", automatic, |text| match text {
            "auto" => Some(None),
            text => value::duration(text).map(Some),
        });
        let return_timeout = self.read("upgrade.return_timeout", value::DURATION, value::duration);
        let reach_timeout = self.read("upgrade.reach_timeout", value::DURATION, value::duration);
        Some(Upgrade { timeout: timeout?, reach_timeout: reach_timeout?, return_timeout: return_timeout? })
    }

    fn packages(&mut self) -> Option<Packages> {
        let size = |text: &str| text.parse::<ByteCount>().ok();
        let above_zero = |text: &str| size(text).filter(|size| size.0 > 0);
        // An image is held in memory while it is sent, hence the upper bound.
        let allowed = "a size from 1 B to 1 GiB, such as 64 MiB";
        let max_size =
            self.read("packages.max_size", allowed, |text| above_zero(text).filter(|size| size.0 <= 1 << 30));
        let storage_limit = self.read("packages.storage_limit", value::SIZE, size);
        let reserve = self.read("packages.reserve", value::SIZE, size);
        let storage_limit = Some(storage_limit?).filter(|limit| limit.0 > 0);
        Some(Packages { max_size: max_size?, storage_limit, reserve: reserve? })
    }

    fn log(&mut self) -> Option<Log> {
        let format = self.read("log.format", "\"text\" or \"json\"", |text| match text {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        });
        let filter =
            self.read("log.filter", "a level, or parts and levels such as info,server=debug", |text| {
                tracing_subscriber::filter::EnvFilter::builder().parse(text).ok().map(|_| text.to_owned())
            });
        Some(Log { format: format?, filter: filter? })
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        allowed: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let setting = self.0.settings.get(key).expect("every key that is read is in KEYS");
        let value = parse(&setting.text);
        if value.is_none() {
            self.refuse(key, allowed);
        }
        value
    }

    fn refuse(&mut self, key: &'static str, allowed: &'static str) {
        let setting = self.0.settings.get(key).expect("every key that is read is in KEYS");
        let (value, origin) = (setting.text.clone(), setting.origin.to_string());
        self.0.faults.push(Fault::Value { key, value, origin, allowed });
    }
}

/// Far more than any machine has networks, and under the 256 that a driver can number.
const MAX_SOCKETS: usize = 16;

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| Path::new(text).to_owned())
}

/// Empty is unset.
fn optional<T, E>(text: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<Option<T>> {
    if text.is_empty() { Some(None) } else { parse(text).ok().map(Some) }
}

fn shards(text: &str) -> Option<NonZeroU8> {
    let number: u8 = text.parse().ok().filter(|number| *number <= 64)?;
    let processors = || std::thread::available_parallelism().map_or(1, |number| number.get().min(64));
    NonZeroU8::new(number).or_else(|| NonZeroU8::new(processors() as u8))
}

#[cfg(test)]
mod tests;

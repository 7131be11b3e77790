//! From texts to values, with all faults at once.

use std::num::NonZeroU8;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::layers::Layers;
use super::{
    Bootstrap, Bucket, Config, Database, Fault, Files, Http, Log, LogFormat, Lwm2m, PackageStore, Packages,
    Upgrade, value,
};
use crate::size::ByteCount;
use crate::store::{ServerUrl, UrlError};
use crate::uri::Host;

/// Reads settings out of all layers, and collects what is wrong with them.
pub(super) struct Reader(pub(super) Layers);

impl Reader {
    pub(super) fn config(&mut self) -> Option<Config> {
        // Each part is read before any is given up, so that all faults are found.
        let data_dir = self.read("data_dir", "the path of a folder", path);
        let database = self.database();
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
            database: database?,
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

    fn database(&mut self) -> Option<Database> {
        // It may have a password in spite of all, so a fault shows nothing of it.
        if let Some(setting) = self.0.settings.get_mut("database.url")
            && !setting.text.is_empty()
            && let Err(error) = setting.text.parse::<ServerUrl>()
        {
            "***".clone_into(&mut setting.text);
            let allowed = match error {
                UrlError::Password => {
                    "an address without a password; put that into a file and set database.password_file"
                }
                UrlError::Scheme | UrlError::Malformed => {
                    "the address of a PostgreSQL database, such as postgres://updraft@db.example.org/updraft"
                }
            };
            self.refuse("database.url", allowed);
            return None;
        }
        let url = self.read("database.url", "an address", |text| optional(text, ServerUrl::from_str))?;
        let file = self.read("database.password_file", "the path of a file", |text| Some(path(text)))?;
        if file.is_some() && url.is_none() {
            self.refuse("database.password_file", "nothing, since database.url is not set");
        }
        Some(Database { url, password_file: file })
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
        let store = self.package_store();
        let storage_limit = Some(storage_limit?).filter(|limit| limit.0 > 0);
        Some(Packages { max_size: max_size?, storage_limit, reserve: reserve?, store: store? })
    }

    fn package_store(&mut self) -> Option<PackageStore> {
        let text = |text: &str| Some((!text.is_empty()).then(|| text.to_owned()));
        let store = self.read("packages.store", "\"folder\" or s3://bucket/prefix", bucket);
        let endpoint =
            self.read("packages.s3_endpoint", "an address that starts with http:// or https://", |given| {
                let is_address =
                    given.is_empty() || given.starts_with("http://") || given.starts_with("https://");
                is_address.then(|| text(given)).flatten()
            });
        let region = self.read("packages.s3_region", "the name of a region", text);
        let access_key_id = self.read("packages.s3_access_key_id", "an access key id", text);
        let file = |given: &str| Some(path(given));
        let secret = self.read("packages.s3_secret_access_key_file", "the path of a file", file);
        let (endpoint, access_key_id, secret) = (endpoint?, access_key_id?, secret?);
        if access_key_id.is_some() != secret.is_some() {
            self.refuse("packages.s3_access_key_id", "set together with packages.s3_secret_access_key_file");
        }
        let Some((name, prefix)) = store? else { return Some(PackageStore::Folder) };
        let region = region?;
        Some(PackageStore::S3(Bucket {
            name,
            prefix,
            endpoint,
            region,
            access_key_id,
            secret_access_key_file: secret,
        }))
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

/// Bucket and prefix; `Some(None)` is the folder.
fn bucket(text: &str) -> Option<Option<(String, String)>> {
    if text == "folder" {
        return Some(None);
    }
    let (name, prefix) = text.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, "")))?;
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-');
    let prefix = prefix.trim_matches('/');
    let has_empty_part = !prefix.is_empty() && prefix.split('/').any(str::is_empty);
    let is_good = (3..=63).contains(&name.len()) && name.chars().all(is_letter) && !has_empty_part;
    is_good.then(|| Some((name.to_owned(), prefix.to_owned())))
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

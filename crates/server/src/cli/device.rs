//! `updraft device`

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{ArgGroup, Args, Subcommand};

use super::bootstrap::{self, AddBootstrap, Trigger};
use super::client::{Client, escaped};
use super::failure::Failure;
use super::operation::Operate;
use super::output::{Output, facts, moment, table};
use crate::api;
use crate::secrets::Psk;

/// Add, list and remove devices, and ask them for things.
#[derive(Subcommand, Debug)]
pub enum Device {
    /// Add a device, so that it may connect.
    Add(Add),
    /// List devices.
    List {
        /// Only devices whose endpoint name or name contains this.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// Show one device.
    Show {
        /// The endpoint name.
        endpoint: String,
    },
    /// Remove a device with its key and its history.
    Remove {
        /// The endpoint name.
        endpoint: String,
    },
    /// Say which product a device is.
    SetProduct {
        /// The endpoint name.
        endpoint: String,
        /// Its id, or its name such as Quectel/NBIoTDevice; none: what the device reports says so.
        product: Option<String>,
    },
    /// Tell a device to bootstrap anew: it gets its accounts and fresh keys from the bootstrap server.
    Bootstrap(Trigger),
    #[command(flatten)]
    Operate(Operate),
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("how").required(true).multiple(true)
    .args(["identity", "no_security", "bootstrap_identity", "bootstrap_no_security"]))]
pub struct Add {
    /// The name that the device registers with, such as urn:imei:015770000031766.
    endpoint: String,
    /// What people call it.
    #[arg(long, default_value = "")]
    name: String,
    /// The identity that the device names in the DTLS handshake; often the same as the endpoint name.
    #[arg(long)]
    identity: Option<String>,
    /// Take the key from this file (- is standard input): hexadecimal digits, or a line of psktool or
    /// shasum. Without a key, one is made and shown once.
    #[arg(long, value_name = "FILE", requires = "identity")]
    key_file: Option<PathBuf>,
    /// The key in hexadecimal digits. Other users of this machine can see it: --key-file is safer.
    #[arg(long, value_name = "HEX", requires = "identity", conflicts_with = "key_file")]
    key: Option<String>,
    /// The product that it is, by id or by name such as Quectel/NBIoTDevice; otherwise what it reports says so.
    #[arg(long)]
    product: Option<String>,
    /// The device connects without encryption, where the server listens for that (lwm2m.coap_bind) and the
    /// product allows it.
    #[arg(long, conflicts_with = "identity")]
    no_security: bool,
    #[command(flatten)]
    bootstrap: AddBootstrap,
}

impl Device {
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.run(client, output),
            Self::List { search } => {
                let devices: Vec<api::Device> =
                    client.all("/api/v1/devices", &[("search", search.as_deref())])?;
                output.value(&devices, || listed(&devices));
                Ok(())
            }
            Self::Show { endpoint } => {
                let device: api::Device = client.get(&path(endpoint))?;
                output.value(&device, || shown(&device));
                Ok(())
            }
            Self::Remove { endpoint } => {
                client.delete(&path(endpoint))?;
                output.value(&serde_json::json!({"removed": endpoint}), || format!("removed {endpoint}"));
                Ok(())
            }
            Self::SetProduct { endpoint, product } => {
                let body = api::SetDeviceProduct { product: product.clone() };
                let device: api::Device = client.put(&format!("{}/product", path(endpoint)), &body)?;
                output.value(&device, || shown(&device));
                Ok(())
            }
            Self::Bootstrap(trigger) => trigger.run(client, output),
            Self::Operate(operate) => operate.run(client, output),
        }
    }
}

fn path(endpoint: &str) -> String {
    format!("/api/v1/devices/{}", escaped(endpoint))
}

impl Add {
    fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let body = api::AddDevice {
            endpoint: self.endpoint.clone(),
            name: self.name.clone(),
            security: if self.no_security { api::Security::None } else { api::Security::Psk },
            identity: self.identity.clone(),
            key: given_key(self.key.as_deref(), self.key_file.as_deref())?,
            product: self.product.clone(),
            bootstrap: self.bootstrap.wanted()?,
        };
        let added: api::AddedDevice = client.post("/api/v1/devices", &body)?;
        output.value(&added, || added_text("added", &added));
        Ok(())
    }
}

/// A key from the command line or from a file, in the one form in which it is sent. Checked here too, so that
/// a mistake costs no round trip.
pub(super) fn given_key(key: Option<&str>, file: Option<&Path>) -> Result<Option<String>, Failure> {
    let text = match (key, file) {
        (Some(key), _) => key.to_owned(),
        (None, Some(file)) => read_key(file).map_err(Failure::Usage)?,
        (None, None) => return Ok(None),
    };
    let psk = Psk::from_text(&text).map_err(Failure::usage)?;
    Ok(Some(psk.to_hex().to_string()))
}

/// More than any key and its decoration.
const LONGEST_FILE: u64 = 4_096;

fn read_key(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin()
            .take(LONGEST_FILE)
            .read_to_string(&mut text)
            .context("cannot read the key from standard input")?;
    } else {
        std::fs::File::open(file)
            .and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text))
            .with_context(|| format!("cannot read the key file {}", file.display()))?;
    }
    Ok(text)
}

pub(super) fn added_text(what: &str, added: &api::AddedDevice) -> String {
    let device = &added.device;
    let bootstrap = device.bootstrap.as_ref();
    let identity = device.identity.clone().unwrap_or_default();
    let bootstrap_identity = bootstrap.and_then(|bootstrap| bootstrap.identity.clone()).unwrap_or_default();
    let mut text = format!("{what} {}", device.endpoint);
    let mut told = false;
    for (what, identity, key) in [
        ("", identity, &added.generated_key),
        (" of the bootstrap server", bootstrap_identity, &added.generated_bootstrap_key),
    ] {
        let Some(key) = key else { continue };
        let names = [format!("identity{what}"), format!("key{what}")];
        let facts = facts(&[(&*names[0], identity), (&*names[1], key.clone())]);
        text.push_str(&format!("\n{facts}"));
        told = true;
    }
    if told {
        text.push_str("\nWrite the key down: it is shown this once and never again.");
    }
    text
}

fn listed(devices: &[api::Device]) -> String {
    if devices.is_empty() {
        return "no devices; `updraft device add` adds one".to_owned();
    }
    let header = ["STATUS", "ENDPOINT", "NAME", "PRODUCT", "MANUFACTURER", "MODEL", "FIRMWARE", "LAST SEEN"];
    table(
        &header,
        devices.iter().map(|device| {
            let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            vec![
                if device.registered { "registered" } else { "away" }.to_owned(),
                device.endpoint.clone(),
                device.name.clone(),
                device.product.as_ref().map_or_else(|| "-".to_owned(), |product| product.name.clone()),
                or_dash(&device.manufacturer),
                or_dash(&device.model),
                or_dash(&device.firmware_version),
                device.last_seen_at.as_deref().map_or("never".to_owned(), moment),
            ]
        }),
    )
}

fn product(device: &api::Device) -> String {
    match &device.product {
        Some(product) if product.assigned => product.name.clone(),
        Some(product) => format!("{} (by what it reports)", product.name),
        None => String::new(),
    }
}

fn shown(device: &api::Device) -> String {
    let known = |text: &Option<String>| text.clone().unwrap_or_default();
    let time = |text: &Option<String>| text.as_deref().map(moment).unwrap_or_default();
    let mut all = vec![
        ("endpoint", device.endpoint.clone()),
        ("name", device.name.clone()),
        ("status", if device.registered { "registered" } else { "away" }.to_owned()),
        (
            "security",
            match device.security {
                api::Security::Psk => "pre-shared key".to_owned(),
                api::Security::None => "none".to_owned(),
            },
        ),
        ("identity", known(&device.identity)),
        ("key", device.key_prefix.as_ref().map(|prefix| format!("{prefix}…")).unwrap_or_default()),
        ("product", product(device)),
        ("address", known(&device.address)),
        ("manufacturer", known(&device.manufacturer)),
        ("model", known(&device.model)),
        ("firmware", known(&device.firmware_version)),
        ("LwM2M version", known(&device.lwm2m_version)),
        ("lifetime", device.lifetime_seconds.map(|seconds| format!("{seconds} s")).unwrap_or_default()),
        ("registered at", time(&device.registered_at)),
        ("last seen", time(&device.last_seen_at)),
        ("added", moment(&device.created_at)),
        ("binding", known(&device.binding)),
        ("queue mode", if device.queue_mode { "yes" } else { "" }.to_owned()),
        ("objects", device.objects.join(" ")),
        ("warnings", device.warnings.join("; ")),
        ("id", device.id.clone()),
    ];
    all.extend(bootstrap::known(device));
    facts(&all)
}

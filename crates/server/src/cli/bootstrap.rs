//! `updraft bootstrap`, and what other commands say about bootstrap.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};

use super::client::{Client, escaped, query};
use super::device::{added_text, given_key};
use super::failure::Failure;
use super::operation::follow;
use super::output::{Output, moment, table};
use crate::api::{self, BootstrapSource, BootstrapState};
use crate::config::parse_duration;

const HELP: &str = "\
A device gets the accounts that were made for it (--device), or else those of its
model (--model), or else the ones for everybody, or else one account at this server.
It bootstraps when it is told to, and by itself while it can reach no server.

A device that knows nothing but this server:
  updraft device add ENDPOINT --bootstrap-identity ENDPOINT
What all devices of a model are given:
  updraft bootstrap set --model GM01Q --lifetime 1d
A device that is registered does it anew:
  updraft device bootstrap ENDPOINT
How it went:
  updraft device show ENDPOINT";

/// What devices are given by the bootstrap server.
#[derive(Subcommand, Debug)]
#[command(after_help = HELP)]
pub enum Bootstrap {
    /// Show what is given to everybody and to models, or what one device would be given now.
    Show {
        /// What this device would be given: its endpoint name.
        #[arg(long, value_name = "ENDPOINT")]
        device: Option<String>,
    },
    /// Set the account of one management server.
    Set(Set),
    /// Let a device that was added already come to the bootstrap server, or give it another key for that.
    Allow(Allow),
    /// Let a device come to the bootstrap server no more. It keeps what it was given.
    Forbid {
        /// The endpoint name.
        endpoint: String,
    },
    /// Remove accounts. Devices keep what they have until they bootstrap again.
    Remove {
        #[command(flatten)]
        target: Target,
        /// Only the account with this number; all of them unless given.
        #[arg(long, value_name = "NUMBER")]
        short_id: Option<i64>,
    },
}

/// Whose accounts; without both, those for everybody.
#[derive(Args, Debug)]
pub struct Target {
    /// For this device only: its endpoint name.
    #[arg(long, value_name = "ENDPOINT", conflicts_with = "model")]
    device: Option<String>,
    /// For all devices of this model that have none of their own.
    #[arg(long)]
    model: Option<String>,
}

#[derive(Args, Debug)]
pub struct Set {
    #[command(flatten)]
    target: Target,
    /// The number of the server in the device, 1 to 65534. An account with this number is replaced.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    short_id: i64,
    /// Where the server is, such as coaps://updates.example.com:5684; this server unless given.
    #[arg(long)]
    uri: Option<String>,
    /// How long a registration lasts without being renewed, such as 90s, 1h or 30d.
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = time)]
    lifetime: Duration,
    /// How long a device waits after the bootstrap before it registers there.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    hold_off: Duration,
    /// The transports it uses: U is UDP, UQ is UDP with queue mode in LwM2M 1.0.
    #[arg(long, default_value = "U")]
    binding: String,
    /// Drop notifications that cannot be sent, instead of keeping them.
    #[arg(long)]
    drop_notifications: bool,
    /// The shortest time between two notifications, unless an attribute says otherwise.
    #[arg(long, value_name = "TIME", value_parser = time)]
    minimum_period: Option<Duration>,
    /// The longest one.
    #[arg(long, value_name = "TIME", value_parser = time)]
    maximum_period: Option<Duration>,
    /// The identity that one device names to another server. For this server devices get fresh keys.
    #[arg(long, requires = "device")]
    identity: Option<String>,
    /// Take the key for the other server from this file (- is standard input).
    #[arg(long, value_name = "FILE", requires = "identity")]
    key_file: Option<PathBuf>,
}

/// Reads `0s` too.
fn time(text: &str) -> Result<Duration, String> {
    let zero = (text == "0" || text == "0s").then_some(Duration::ZERO);
    zero.or_else(|| parse_duration(text))
        .ok_or_else(|| "give a time such as 90s, 35m, 1h30m or 2d".to_owned())
}

const SERVERS: &str = "/api/v1/bootstrap/servers";

impl Bootstrap {
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Show { device: Some(endpoint) } => {
                let accounts: api::BootstrapAccounts = client.get(&of_device(endpoint))?;
                output.value(&accounts, || shown(std::slice::from_ref(&accounts)));
                Ok(())
            }
            Self::Show { device: None } => {
                let accounts: Vec<api::BootstrapAccounts> = client.get(SERVERS)?;
                output.value(&accounts, || shown(&accounts));
                Ok(())
            }
            Self::Set(set) => set.run(client, output),
            Self::Allow(allow) => allow.run(client, output),
            Self::Forbid { endpoint } => {
                client.delete(&of_device(endpoint))?;
                output.value(&serde_json::json!({"forbidden": endpoint}), || {
                    format!("{endpoint} may not bootstrap")
                });
                Ok(())
            }
            Self::Remove { target, short_id } => {
                let number = short_id.map(|number| number.to_string());
                let parameters = [
                    ("device", target.device.as_deref()),
                    ("model", target.model.as_deref()),
                    ("short_id", number.as_deref()),
                ];
                client.delete(&format!("{SERVERS}{}", query(&parameters)))?;
                output.value(&serde_json::json!({"removed": true}), || "removed".to_owned());
                Ok(())
            }
        }
    }
}

fn of_device(endpoint: &str) -> String {
    format!("/api/v1/devices/{}/bootstrap", escaped(endpoint))
}

impl Set {
    fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let body = api::PutBootstrapServer {
            device: self.target.device.clone(),
            model: self.target.model.clone(),
            short_id: self.short_id,
            uri: self.uri.clone(),
            lifetime_seconds: self.lifetime.as_secs(),
            hold_off_seconds: self.hold_off.as_secs(),
            binding: self.binding.clone(),
            store_notifications: !self.drop_notifications,
            minimum_period_seconds: self.minimum_period.map(|time| time.as_secs()),
            maximum_period_seconds: self.maximum_period.map(|time| time.as_secs()),
            identity: self.identity.clone(),
            key: given_key(None, self.key_file.as_deref())?,
        };
        let server: api::BootstrapServer = client.put(SERVERS, &body)?;
        output.value(&server, || {
            format!("set; devices are given it at their next bootstrap\n{}", rows(&[&server]))
        });
        Ok(())
    }
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("way").required(true).args(["identity", "no_security"]))]
pub struct Allow {
    /// The endpoint name.
    endpoint: String,
    /// The identity that the device names to the bootstrap server.
    #[arg(long)]
    identity: Option<String>,
    /// Take the key from this file (- is standard input). Without a key, one is made and shown once.
    #[arg(long, value_name = "FILE", requires = "identity")]
    key_file: Option<PathBuf>,
    /// The device comes without encryption; its product must allow that. Whoever listens reads the keys that it is given.
    #[arg(long)]
    no_security: bool,
    /// What the device is, so that its first bootstrap gives it what others of its model are given.
    #[arg(long)]
    model: Option<String>,
}

impl Allow {
    fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let body = api::AddBootstrap {
            security: if self.no_security { api::Security::None } else { api::Security::Psk },
            identity: self.identity.clone(),
            key: given_key(None, self.key_file.as_deref())?,
            model: self.model.clone(),
        };
        let allowed: api::AddedDevice = client.put(&of_device(&self.endpoint), &body)?;
        output.value(&allowed, || added_text("may bootstrap:", &allowed));
        Ok(())
    }
}

fn shown(accounts: &[api::BootstrapAccounts]) -> String {
    if accounts.is_empty() {
        return "nothing is set: devices are given one account at this server".to_owned();
    }
    let part = |accounts: &api::BootstrapAccounts| {
        let title = match (accounts.source, &accounts.model) {
            (BootstrapSource::Device, _) => "made for this device".to_owned(),
            (BootstrapSource::Model, model) => format!("for model {}", model.as_deref().unwrap_or_default()),
            (BootstrapSource::Default, _) => "for everybody".to_owned(),
            (BootstrapSource::BuiltIn, _) => "nothing is set: one account at this server".to_owned(),
        };
        format!("{title}\n{}", rows(&accounts.servers.iter().collect::<Vec<_>>()))
    };
    accounts.iter().map(part).collect::<Vec<_>>().join("\n\n")
}

fn rows(servers: &[&api::BootstrapServer]) -> String {
    let header = ["ID", "SERVER", "LIFETIME", "HOLD-OFF", "BINDING", "PERIODS", "IDENTITY"];
    let seconds = |time: Option<i64>| time.map(|time| format!("{time} s")).unwrap_or_else(|| "-".to_owned());
    let row = |server: &&api::BootstrapServer| {
        vec![
            server.short_id.to_string(),
            server.uri.clone().unwrap_or_else(|| "this server".to_owned()),
            seconds(Some(server.lifetime_seconds)),
            seconds(Some(server.hold_off_seconds)),
            server.binding.clone(),
            format!(
                "{} to {}",
                seconds(server.minimum_period_seconds),
                seconds(server.maximum_period_seconds)
            ),
            server.identity.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    };
    table(&header, servers.iter().map(row))
}

/// How a new device is bootstrapped.
#[derive(Args, Debug)]
pub struct AddBootstrap {
    /// The device bootstraps at this server (bootstrap.coaps_bind) and names this identity there. It is given
    /// fresh keys for the management server at each bootstrap, so it needs no --identity.
    #[arg(long, value_name = "IDENTITY")]
    bootstrap_identity: Option<String>,
    /// Take the key for the bootstrap server from this file (- is standard input). Without a key, one is made
    /// and shown once.
    #[arg(long, value_name = "FILE", requires = "bootstrap_identity")]
    bootstrap_key_file: Option<PathBuf>,
    /// That key in hexadecimal digits. Other users of this machine can see it: --bootstrap-key-file is safer.
    #[arg(long, value_name = "HEX", requires = "bootstrap_identity", conflicts_with = "bootstrap_key_file")]
    bootstrap_key: Option<String>,
    /// The device bootstraps without encryption, where the server listens for that (bootstrap.coap_bind) and
    /// the product (--product) allows it. Whoever listens reads the keys that it is given.
    #[arg(long, conflicts_with = "bootstrap_identity")]
    bootstrap_no_security: bool,
    /// What the device is, so that its first bootstrap gives it what others of its model are given.
    #[arg(long, value_name = "MODEL")]
    bootstrap_model: Option<String>,
}

impl AddBootstrap {
    pub fn wanted(&self) -> Result<Option<api::AddBootstrap>, Failure> {
        if self.bootstrap_identity.is_none() && !self.bootstrap_no_security {
            return match self.bootstrap_model {
                Some(_) => Err(Failure::usage(anyhow::anyhow!(
                    "--bootstrap-model needs --bootstrap-identity or --bootstrap-no-security"
                ))),
                None => Ok(None),
            };
        }
        Ok(Some(api::AddBootstrap {
            security: if self.bootstrap_no_security { api::Security::None } else { api::Security::Psk },
            identity: self.bootstrap_identity.clone(),
            key: given_key(self.bootstrap_key.as_deref(), self.bootstrap_key_file.as_deref())?,
            model: self.bootstrap_model.clone(),
        }))
    }
}

/// Tells one device to bootstrap.
#[derive(Args, Debug)]
pub struct Trigger {
    /// The endpoint name.
    endpoint: String,
    /// Do not wait for the device; print the id of the operation.
    #[arg(long)]
    queue: bool,
    /// How long the order may wait for the device, in seconds; a day unless given.
    #[arg(long, value_name = "SECONDS")]
    expires_in: Option<u64>,
}

impl Trigger {
    pub fn run(&self, client: &Client, output: &Output) -> Result<(), Failure> {
        let body = api::TriggerBootstrap { expires_in_seconds: self.expires_in };
        let operation = client.post(&of_device(&self.endpoint), &body)?;
        follow(client, output, operation, self.queue)?;
        if !self.queue {
            output.aside("the device goes to the bootstrap server; `updraft device show` tells how it goes");
        }
        Ok(())
    }
}

/// What is known of the bootstrap of a device, for people; without values if it has none.
pub fn known(device: &api::Device) -> Vec<(&'static str, String)> {
    let staged = device.staged_credential.as_ref().map(|staged| {
        let since = moment(&staged.since);
        format!("{} ({}…), written {since} and not proved yet", staged.identity, staged.key_prefix)
    });
    let mut known = vec![("new key", staged.unwrap_or_default())];
    let Some(bootstrap) = &device.bootstrap else { return known };
    let time = |text: &Option<String>| text.as_deref().map(moment).unwrap_or_default();
    let state = match bootstrap.state {
        BootstrapState::Never => "has not come yet",
        BootstrapState::Running => "is under way",
        BootstrapState::Done => "done",
        BootstrapState::Failed => "failed",
    };
    let access = match (&bootstrap.identity, &bootstrap.key_prefix) {
        (Some(identity), prefix) => format!("{identity} ({}…)", prefix.as_deref().unwrap_or_default()),
        (None, _) => "without encryption".to_owned(),
    };
    let steps = bootstrap.steps.iter().map(|step| format!("{} {}", step.request, step.answer));
    known.extend([
        ("bootstrap", state.to_owned()),
        ("  as", access),
        ("  model", bootstrap.model.clone().unwrap_or_default()),
        ("  began", time(&bootstrap.started_at)),
        ("  ended", time(&bootstrap.finished_at)),
        ("  failed", bootstrap.detail.clone().unwrap_or_default()),
        ("  warnings", bootstrap.warnings.join("; ")),
        ("  steps", steps.collect::<Vec<_>>().join(", ")),
    ]);
    known
}

//! Bootstrap as the API shows it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Security;
use crate::app::bootstrap::{Effective, Source};
use crate::clock::Moment;
use crate::store::bootstrap_servers as servers;
use crate::store::bootstraps as row;
use crate::store::devices::StagedKey;

/// How a new device is bootstrapped.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct AddBootstrap {
    /// How it connects to the bootstrap server.
    #[serde(default)]
    pub security: Security,
    /// The identity it names there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "urn:imei:015770000031766")]
    pub identity: Option<String>,
    /// Its pre-shared key there in hexadecimal digits, 16 to 64 bytes; another one than for the management
    /// server. Without it one is made and shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub key: Option<String>,
    /// What it is, so that it is given what others of its model are given. Unless it is said here, it is known
    /// once the device has registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A key that waits for the device to prove it.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct StagedCredential {
    /// The identity that goes with it.
    pub identity: String,
    /// The first four hexadecimal digits of the key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key_prefix: String,
    /// When it was made.
    pub since: String,
}

impl From<StagedKey> for StagedCredential {
    fn from(key: StagedKey) -> Self {
        Self { identity: key.identity, key_prefix: key.prefix, since: key.since.to_string() }
    }
}

/// How the last bootstrap of a device went.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum BootstrapState {
    /// It has not come yet.
    Never,
    /// It is under way.
    Running,
    /// The device has taken everything.
    Done,
    /// It came to nothing; the device begins anew by itself.
    Failed,
}

/// The bootstrap of a device.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct DeviceBootstrap {
    /// How it connects to the bootstrap server.
    pub security: Security,
    /// The identity it names there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The first four hexadecimal digits of its key there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_prefix: Option<String>,
    /// What it is, as an operator said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How the last one went.
    pub state: BootstrapState,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What an operator should know of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// What the device was asked and what it answered. What was written is not told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<BootstrapStep>,
}

/// One step of a bootstrap.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct BootstrapStep {
    /// Such as `Write /0/1`.
    pub request: String,
    /// Such as `2.04`.
    pub answer: String,
}

impl From<row::DeviceBootstrap> for DeviceBootstrap {
    fn from(bootstrap: row::DeviceBootstrap) -> Self {
        let last = bootstrap.last.unwrap_or_default();
        let step = |line: &str| {
            let (request, answer) = line.rsplit_once(' ').unwrap_or((line, ""));
            BootstrapStep { request: request.to_owned(), answer: answer.to_owned() }
        };
        Self {
            security: Security::of(&bootstrap.security),
            identity: bootstrap.identity,
            key_prefix: bootstrap.key_prefix.filter(|prefix| !prefix.is_empty()),
            model: bootstrap.model,
            state: match &*last.result {
                "" => BootstrapState::Never,
                row::RUNNING => BootstrapState::Running,
                row::DONE => BootstrapState::Done,
                _ => BootstrapState::Failed,
            },
            detail: Some(last.detail).filter(|detail| !detail.is_empty()),
            warnings: bootstrap.warning.lines().map(str::to_owned).collect(),
            started_at: (last.started_at != 0).then(|| Moment(last.started_at).to_string()),
            finished_at: last.finished_at.map(|at| Moment(at).to_string()),
            steps: last.steps.lines().map(step).collect(),
        }
    }
}

/// An account at a management server, to be given to devices.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct PutBootstrapServer {
    /// For this device only, by its endpoint name. Excludes `model`; without both it is for all devices that
    /// have none of their own or of their model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// For all devices of this model that have none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The number of the server in the device, 1 to 65534; an account with the same number is replaced.
    #[serde(default = "first")]
    pub short_id: i64,
    /// Where it is; this server unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "coaps://updates.example.com:5684")]
    pub uri: Option<String>,
    /// How long a registration lasts without being renewed; a day unless given.
    #[serde(default = "a_day")]
    pub lifetime_seconds: u64,
    /// How long the device waits after the bootstrap before it registers there.
    #[serde(default)]
    pub hold_off_seconds: u64,
    /// The transports it uses, such as `U`, or `UQ` for queue mode in LwM2M 1.0.
    #[serde(default = "udp")]
    pub binding: String,
    /// Whether it keeps notifications that it cannot send.
    #[serde(default = "yes")]
    pub store_notifications: bool,
    /// The shortest time between two notifications, unless an attribute says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_period_seconds: Option<u64>,
    /// The longest one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_period_seconds: Option<u64>,
    /// What the device names in the handshake with another server; unless given, it is the key that it is
    /// given for this one. For one device only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The pre-shared key that goes with `identity`, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub key: Option<String>,
}

fn first() -> i64 {
    1
}

fn a_day() -> u64 {
    86_400
}

fn udp() -> String {
    "U".to_owned()
}

fn yes() -> bool {
    true
}

/// Where the accounts of a device come from.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum BootstrapSource {
    /// They were made for it.
    Device,
    /// They are those of its model.
    Model,
    /// They are those for everybody.
    Default,
    /// Nobody has made any: it is sent to this server.
    BuiltIn,
}

/// Accounts that devices are given.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct BootstrapAccounts {
    /// Whose they are.
    pub source: BootstrapSource,
    /// The model, if they are those of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// In the order of their short ids.
    pub servers: Vec<BootstrapServer>,
}

impl From<Effective> for BootstrapAccounts {
    fn from(effective: Effective) -> Self {
        let (source, model) = match effective.from {
            Source::Device => (BootstrapSource::Device, None),
            Source::Model(model) => (BootstrapSource::Model, Some(model)),
            Source::Default => (BootstrapSource::Default, None),
            Source::BuiltIn => (BootstrapSource::BuiltIn, None),
        };
        Self { source, model, servers: effective.servers.into_iter().map(Into::into).collect() }
    }
}

/// An account at a management server.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct BootstrapServer {
    /// The number of the server in the device.
    pub short_id: i64,
    /// Where it is; absent for this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// How long a registration lasts without being renewed.
    pub lifetime_seconds: i64,
    /// How long the device waits after the bootstrap before it registers there.
    pub hold_off_seconds: i64,
    /// The transports it uses.
    pub binding: String,
    /// Whether it keeps notifications that it cannot send.
    pub store_notifications: bool,
    /// The shortest time between two notifications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_period_seconds: Option<i64>,
    /// The longest one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_period_seconds: Option<i64>,
    /// What the device names in the handshake with another server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// The first four hexadecimal digits of its key there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_prefix: Option<String>,
}

impl From<servers::BootstrapServer> for BootstrapServer {
    fn from(server: servers::BootstrapServer) -> Self {
        let (identity, key_prefix) = server.given.map(|given| (given.identity, given.prefix)).unzip();
        Self {
            short_id: server.short_id,
            uri: server.uri,
            lifetime_seconds: server.lifetime_seconds,
            hold_off_seconds: server.hold_off_seconds,
            binding: server.binding,
            store_notifications: server.store_notifications,
            minimum_period_seconds: server.minimum_period_seconds,
            maximum_period_seconds: server.maximum_period_seconds,
            identity,
            key_prefix: key_prefix.filter(|prefix| !prefix.is_empty()),
        }
    }
}

/// A wish that a device bootstraps anew.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct TriggerBootstrap {
    /// How long the order may wait for the device, 1 second to 90 days. A day unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
}

//! Upgrades as the API shows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app;
use crate::clock::Moment;
use crate::store::{upgrade_events as event_row, upgrades as row};

/// Who moves the bytes.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// What the device takes; PULL if it takes both.
    #[default]
    Auto,
    /// The device downloads the image from this server.
    Pull,
    /// This server writes the image to the device.
    Push,
}

/// By which protocol a device downloads.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// CoAP without encryption.
    Coap,
    /// CoAP over DTLS.
    Coaps,
    /// HTTP without encryption.
    Http,
    /// HTTP over TLS.
    Https,
}

impl From<Option<firmware::upgrade::Delivery>> for Delivery {
    fn from(delivery: Option<firmware::upgrade::Delivery>) -> Self {
        match delivery {
            None => Self::Auto,
            Some(firmware::upgrade::Delivery::Pull) => Self::Pull,
            Some(firmware::upgrade::Delivery::Push) => Self::Push,
        }
    }
}

impl Protocol {
    /// The one that devices can be told to use here, if it is one of these.
    pub(super) fn of(protocol: firmware::upgrade::Protocol) -> Option<Self> {
        match protocol {
            firmware::upgrade::Protocol::Coap => Some(Self::Coap),
            firmware::upgrade::Protocol::Coaps => Some(Self::Coaps),
            firmware::upgrade::Protocol::Http => Some(Self::Http),
            firmware::upgrade::Protocol::Https => Some(Self::Https),
            _ => None,
        }
    }
}

/// How urgent an update is.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot be put off.
    Critical,
    /// The usual one.
    Mandatory,
    /// The user may decide.
    Optional,
}

/// The package for one component of a device.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct ComponentPackage {
    /// The instance of object 33629.
    pub component: u16,
    /// The id of the package.
    pub package: String,
}

/// An upgrade to be started.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub struct StartUpgrade {
    /// The endpoint name of the device.
    #[schema(example = "urn:imei:015770000031766")]
    pub device: String,
    /// The id of the package.
    pub package: String,
    /// The component that the package is for: an instance of object 33629. Object 5 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<u16>,
    /// Further components, upgraded after the first one in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_components: Vec<ComponentPackage>,
    /// Who moves the bytes.
    #[serde(default)]
    pub delivery: Delivery,
    /// By which protocol the device downloads, instead of the best one that it speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// Whether the device is asked to report changes by itself; otherwise it is asked again and again.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub observe: bool,
    /// Where the device downloads from, instead of the configured address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "coaps://fota.example.org:5684")]
    pub base_uri: Option<String>,
    /// How long the device may take to get the image, instead of the configured time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 3600)]
    pub timeout_seconds: Option<u64>,
    /// How urgent the update is, for a device that asks its user (version 1.1 of object 5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// For how long that user may put the installation off; 0 forbids it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 86400)]
    pub defer_seconds: Option<u64>,
}

fn yes() -> bool {
    true
}

/// How far a transfer is.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// Bytes that the device has.
    pub bytes: u64,
    /// Bytes of the whole image.
    pub total: u64,
}

impl From<app::Transfer> for Transfer {
    fn from(transfer: app::Transfer) -> Self {
        Self { bytes: transfer.bytes, total: transfer.total }
    }
}

/// How an upgrade ended.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// `succeeded`, `already-at-target`, `failed`, `canceled`, `lost` or `postponed`.
    pub code: String,
    /// Whether the device now runs the target version.
    pub success: bool,
    /// What failed, such as `integrity-failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What happened, in a sentence.
    pub reason: String,
    /// What to do about it, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// An upgrade: one package for one device.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct Upgrade {
    /// Its name in the history of the device.
    #[schema(example = "d:urn:imei:015770000031766:20")]
    pub id: String,
    /// The endpoint name of the device.
    pub device: String,
    /// What is done, in a few words.
    #[schema(example = "Upgrade: May release (gm01q-57857.bin)")]
    pub action: String,
    /// The id of the package.
    pub package: String,
    /// The name of the package.
    pub package_name: String,
    /// The version that the device should run afterwards.
    pub target_version: String,
    /// Bytes of the image.
    pub size_bytes: u64,
    /// Who moves the bytes; `auto` until it is decided.
    pub delivery: Delivery,
    /// Whether the device reports changes by itself.
    pub observe: bool,
    /// Where the device downloads from, if not from the configured address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_uri: Option<String>,
    /// How long the device may take to get the image; 0 is reckoned from its size and rate.
    pub timeout_seconds: i64,
    /// How far it is: `waiting`, `precheck`, `offering`, `downloading`, `downloaded`, `executing`,
    /// `updating`, `verifying` or `closing`.
    pub stage: String,
    /// Which try this is, counted from one.
    pub attempt: i64,
    /// Whether an operator wants it canceled.
    pub cancel_requested: bool,
    /// The firmware before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_before: Option<String>,
    /// The firmware after, as the device said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_after: Option<String>,
    /// How far the transfer is, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
    /// Bytes of the image that were sent, repeated ones included.
    pub bytes_sent: i64,
    /// Messages that had to be sent again.
    pub retransmissions: i64,
    /// How it ended; absent while it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// When it was asked for.
    pub created_at: String,
    /// When the device was first addressed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
}

/// What was wanted, or what was decided when the device was read.
fn delivery_of(upgrade: &row::Upgrade) -> Delivery {
    let record = upgrade.progress.record.as_deref().and_then(|record| std::str::from_utf8(record).ok());
    let record = record.and_then(|record| record.parse::<lwm2m::server::upgrade::UpgradeRecord>().ok());
    let decided = record.and_then(|record| record.delivery).map(firmware::upgrade::Delivery::code);
    match decided.unwrap_or(&upgrade.delivery) {
        "pull" => Delivery::Pull,
        "push" => Delivery::Push,
        _ => Delivery::Auto,
    }
}

impl Upgrade {
    /// What is shown of an upgrade whose transfer is that far.
    pub fn new(upgrade: row::Upgrade, transfer: Option<app::Transfer>) -> Self {
        let id = upgrade.history_id();
        let delivery = delivery_of(&upgrade);
        let row::Upgrade { progress, end, .. } = upgrade;
        Self {
            id,
            device: upgrade.endpoint,
            action: format!("Upgrade: {} ({})", upgrade.package_name, upgrade.file_name),
            package: upgrade.package_id,
            package_name: upgrade.package_name,
            target_version: upgrade.target_version,
            size_bytes: u64::try_from(upgrade.size_bytes).unwrap_or_default(),
            delivery,
            observe: upgrade.observe,
            base_uri: upgrade.base_uri,
            timeout_seconds: upgrade.timeout_seconds,
            stage: progress.stage,
            attempt: progress.attempt,
            cancel_requested: progress.cancel_wanted,
            version_before: progress.version_before,
            version_after: progress.version_after,
            transfer: transfer.map(Transfer::from),
            bytes_sent: progress.bytes_sent,
            retransmissions: progress.retransmissions,
            finished_at: end.as_ref().map(|end| end.at.to_string()),
            outcome: end.map(Outcome::from),
            created_at: upgrade.created_at.to_string(),
            started_at: progress.started_at.map(|at| Moment(at).to_string()),
        }
    }
}

/// An upgrade with its history.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct UpgradeHistory {
    /// The upgrade.
    #[serde(flatten)]
    pub upgrade: Upgrade,
    /// What happened to it, oldest first; the first thousand events.
    pub history: Vec<UpgradeEvent>,
}

impl From<row::End> for Outcome {
    fn from(end: row::End) -> Self {
        Self {
            success: matches!(&*end.outcome, "succeeded" | "already-at-target"),
            code: end.outcome,
            cause: end.cause,
            reason: end.reason,
            advice: end.advice,
        }
    }
}

/// The kinds of events, as they are named in the stream.
#[derive(Serialize, Deserialize, ToSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// The upgrade was asked for.
    Created,
    /// A stage was reached.
    Stage,
    /// A new try begins.
    Attempt,
    /// Something odd that does not end it.
    Warning,
    /// An operator wants it canceled.
    CancelRequested,
    /// The server was restarted and goes on.
    Resumed,
    /// The server was restored from a backup; the device is asked what it runs.
    Restored,
    /// It has ended.
    Finished,
    /// Something that a newer server says.
    #[serde(other)]
    Other,
}

/// Something that happened to an upgrade.
#[derive(Serialize, Deserialize, ToSchema, Clone, PartialEq, Eq, Debug)]
pub struct UpgradeEvent {
    /// Counted from one, without gaps; the `id` of the event in the stream.
    pub number: i64,
    /// When.
    pub at: String,
    /// What.
    pub kind: EventKind,
    /// The stage it happened in.
    pub stage: String,
    /// The try it happened in.
    pub attempt: i64,
    /// A sentence about it.
    pub detail: String,
}

impl From<event_row::UpgradeEvent> for UpgradeEvent {
    fn from(event: event_row::UpgradeEvent) -> Self {
        Self {
            number: event.number,
            at: event.at.to_string(),
            kind: match &*event.kind {
                "created" => EventKind::Created,
                "stage" => EventKind::Stage,
                "attempt" => EventKind::Attempt,
                "warning" => EventKind::Warning,
                "cancel-requested" => EventKind::CancelRequested,
                "resumed" => EventKind::Resumed,
                "restored" => EventKind::Restored,
                "finished" => EventKind::Finished,
                _ => EventKind::Other,
            },
            stage: event.stage,
            attempt: event.attempt,
            detail: event.detail,
        }
    }
}

//! What shards are told, and what they report.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use lwm2m::model::ObjectModel;
use lwm2m::object::device::{FIRMWARE_VERSION, MANUFACTURER, MODEL};
use lwm2m::path::Path;
use lwm2m::server::upgrade::{UpgradeEvent, UpgradeId, UpgradePlan, UpgradeRecord};
use lwm2m::server::{Endpoint, Event, OperationError, OperationOutput, RegistrationSnapshot, StartError};
use uuid::Uuid;

use super::station::Restored;
use super::strangers::Stranger;
use crate::app::SessionBytes;
use crate::app::operations::Request;

/// What a shard with its DTLS is told.
#[derive(Debug)]
pub enum Command {
    /// Give the registrations of these devices with their sessions.
    Save(Vec<Endpoint>),
    /// Take this registration up; before the first datagram.
    Restore(Box<Restored>),
    /// For the machine above DTLS.
    Shard(ShardCommand),
}

impl From<ShardCommand> for Command {
    fn from(command: ShardCommand) -> Self {
        Self::Shard(command)
    }
}

/// What the machine of a shard is told.
#[derive(Debug)]
pub enum ShardCommand {
    /// Carry this upgrade out.
    Start { id: UpgradeId, endpoint: String, plan: Box<UpgradePlan>, record: Box<UpgradeRecord> },
    /// Serve the image of an upgrade that another shard carries out.
    Publish { token: String, receiver: Receiver, bytes: Arc<[u8]> },
    /// The device of an upgrade fetched these bytes over HTTP.
    Served { id: UpgradeId, offset: u64, length: u64 },
    /// Serve it no more.
    Withdraw(String),
    /// The intent to install is durable.
    IntentDurable(UpgradeId),
    /// Cancel this upgrade.
    Cancel(UpgradeId),
    /// Forget this device: another shard has it.
    Release(String),
    /// Forget this device and end its session: it was removed (SECURITY rule k07).
    Remove(String),
    /// Ask this device.
    Operate { id: Uuid, endpoint: Endpoint, request: Box<Request> },
    /// Know other objects from now on.
    Model(ObjectModel),
}

/// Who may fetch an image.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Receiver {
    /// The identity that its session must have proved; without one, whoever knows the path.
    pub identity: Option<Vec<u8>>,
    /// Where it is, if it comes without DTLS: it is served there without being asked to prove that it is.
    pub address: Option<IpAddr>,
}

/// What a shard tells.
#[derive(Debug)]
pub enum Report {
    /// Something that its server says.
    Event(Event),
    /// What a device says it is.
    Described { endpoint: Endpoint, fact: Fact, text: String },
    /// An upgrade could not be started there.
    NotStarted(UpgradeId, StartError),
    /// What was asked of a device has ended.
    Operated { id: Uuid, endpoint: Endpoint, result: Box<Result<OperationOutput, OperationError>> },
    /// An operation makes no sense for this device, whose objects it knows by now.
    NotAsked { id: Uuid, endpoint: Endpoint, detail: String },
    /// Registrations that were asked for; those that have ended are missing.
    Saved(Vec<Saved>),
    /// A registration was not taken up.
    NotRestored(Endpoint),
    /// Somebody claimed the identity of this device and had another key.
    KeyRejected { endpoint: String, remote: SocketAddr },
    /// Somebody claimed an identity that no device has.
    IdentityUnknown(Stranger),
}

/// A registration as it is now.
#[derive(Clone, Debug)]
pub struct Saved {
    pub endpoint: Endpoint,
    pub snapshot: RegistrationSnapshot,
    pub session: Option<SessionBytes>,
}

/// What is read from a device when it registers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fact {
    Manufacturer,
    Model,
    FirmwareVersion,
}

/// Where each is.
pub const FACTS: [(Fact, Path); 3] =
    [(Fact::Manufacturer, MANUFACTURER), (Fact::Model, MODEL), (Fact::FirmwareVersion, FIRMWARE_VERSION)];

impl Report {
    /// Whether the next report of its kind makes up for it.
    pub fn is_volatile(&self) -> bool {
        match self {
            Self::Event(Event::Upgrade { event, .. }) => matches!(event, UpgradeEvent::Progress { .. }),
            Self::Event(Event::Registered { .. } | Event::Deregistered { .. })
            | Self::NotStarted(..)
            | Self::Operated { .. }
            | Self::NotAsked { .. }
            | Self::Saved(_)
            | Self::NotRestored(_) => false,
            Self::Event(_) | Self::Described { .. } | Self::KeyRejected { .. } | Self::IdentityUnknown(_) => {
                true
            }
        }
    }
}

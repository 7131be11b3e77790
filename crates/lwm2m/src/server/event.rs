//! What the server tells its owner, and what it can be asked to do with a device.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use coap::Code;
use machine::Link;

use super::directory::Refusal;
use super::objects::ObjectList;
use super::oddity::Oddity;
use super::parameters::Version;
use super::upgrade::{UpgradeEvent, UpgradeId};
use crate::path::Path;
use crate::value::Node;

/// The endpoint name of a device; cheap to copy.
pub type Endpoint = Arc<str>;

/// Names an operation. Never used twice by one server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OperationId(pub u64);

/// What a registered device can be asked for.
#[derive(Clone, PartialEq, Debug)]
pub enum Operation {
    /// Read an object, an instance, a resource or a resource instance.
    Read(Path),
    /// Write a resource (replaces it), or an instance (keeps what is not named).
    Write(Path, Node),
    /// Execute a resource, with the argument as the standard writes it (LwM2M Core 1.1 section 6.3.6).
    Execute(Path, Option<String>),
    /// List what is there, with its attributes.
    Discover(Path),
    /// Report every change as [`Event::Notified`]; replaces an observation of the same path.
    Observe(Path),
    /// Stop that.
    CancelObservation(Path),
}

/// What an operation gave.
#[derive(Clone, PartialEq, Debug)]
pub enum OperationOutput {
    /// What was read, or the first value of an observation.
    Value(Node),
    /// The links of Discover, as the device wrote them.
    Links(String),
    /// It was done.
    Done,
}

/// Why an operation gave nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OperationError {
    /// The device is not registered.
    #[error("the device is not registered")]
    NotRegistered,
    /// The Security object is closed to this server; nothing was sent (LwM2M Core 1.1 section 6.3).
    #[error("the Security object cannot be accessed")]
    SecurityObject,
    /// The resource cannot be used like that according to the object model; nothing was sent.
    #[error("the object model does not allow this")]
    NotAllowedByModel,
    /// The value does not have the type or shape that the object model says; nothing was sent.
    #[error("the value does not have the type that the object model says")]
    WrongType,
    /// The path does not fit the operation; nothing was sent.
    #[error("this operation is not possible at {0}")]
    WrongPath(Path),
    /// The argument is not written as the standard says; nothing was sent.
    #[error("the argument is malformed")]
    WrongArgument,
    /// There is no observation of this path.
    #[error("the path is not observed")]
    NotObserved,
    /// The device refused.
    #[error("the device answered {0}")]
    Refused(Code),
    /// The device answered something that could not be read.
    #[error("the answer could not be read")]
    Unreadable,
    /// No answer came.
    #[error("no answer came")]
    NoAnswer,
    /// Too much waits for the device already.
    #[error("too many operations wait for this device")]
    QueueFull,
}

/// What is known of a registration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// The path behind `/rd/`.
    pub location: String,
    /// Where the device is; `None` while its session is down or, after a restart, not up again.
    pub link: Option<Link>,
    /// The address of its session when that came up; `None` on an open link (the link has it), or when the
    /// session has ended.
    pub remote: Option<SocketAddr>,
    /// The identity that its session proved.
    pub identity: Option<Vec<u8>>,
    /// How long it lives without a message; `Duration::MAX` is endless.
    pub lifetime: Duration,
    /// What the device speaks.
    pub version: Version,
    /// As the device wrote it; empty if it did not.
    pub binding: String,
    /// Whether it listens only for a while after its own messages.
    pub queue_mode: bool,
    /// Its telephone number for SMS.
    pub sms: Option<String>,
    /// What it has.
    pub objects: ObjectList,
    /// What was odd about it.
    pub oddities: Vec<Oddity>,
}

/// Why a registration ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Gone {
    /// The device said so.
    Deregistered,
    /// Its lifetime ran out.
    Expired,
    /// The owner of the server dropped the device, or handed it to another shard.
    Dropped,
}

/// What has happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A device registered, for the first time or again.
    Registered {
        /// Which.
        endpoint: Endpoint,
        /// What it said.
        registration: Box<Registration>,
        /// It was registered already; that registration is gone.
        replaced: bool,
    },
    /// A registration was updated.
    Updated {
        /// Which device.
        endpoint: Endpoint,
        /// What it is now, if anything but the time changed.
        registration: Option<Box<Registration>>,
    },
    /// A registration ended.
    Deregistered {
        /// Which device.
        endpoint: Endpoint,
        /// Why.
        why: Gone,
    },
    /// A device in queue mode listens now: it registered, or was heard after it had slept. What waits for
    /// it can be sent until [`Event::Asleep`].
    Awake {
        /// Which device.
        endpoint: Endpoint,
    },
    /// A device in queue mode was silent for so long that it does not listen any more
    /// ([`Config::awake`](super::Config)).
    Asleep {
        /// Which device.
        endpoint: Endpoint,
    },
    /// A device may not register; for the audit.
    Refused {
        /// The identity that its session proved.
        identity: Option<Vec<u8>>,
        /// The name that it gave.
        endpoint: Option<String>,
        /// Why.
        refusal: Refusal,
    },
    /// An operation ended.
    OperationDone {
        /// Which.
        id: OperationId,
        /// On which device.
        endpoint: Endpoint,
        /// How.
        result: Result<OperationOutput, OperationError>,
    },
    /// An observed value changed.
    Notified {
        /// On which device.
        endpoint: Endpoint,
        /// Where.
        path: Path,
        /// To what.
        value: Node,
    },
    /// An observation ended without our asking.
    ObservationEnded {
        /// On which device.
        endpoint: Endpoint,
        /// Where.
        path: Path,
    },
    /// An upgrade went on.
    Upgrade {
        /// Which.
        id: UpgradeId,
        /// Of which device.
        endpoint: Endpoint,
        /// How.
        event: UpgradeEvent,
    },
}

//! What the server tells its owner, and what it can be asked to do with a device.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use machine::Link;

use super::directory::Refusal;
use super::objects::ObjectList;
use super::oddity::Oddity;
use super::operations::FormatMemory;
pub use super::operations::{OperationError, OperationId, OperationOutput};
use super::parameters::Version;
use super::upgrade::{UpgradeEvent, UpgradeId};
use crate::format::Record;
use crate::path::Path;
use crate::value::Node;

/// The endpoint name of a device; cheap to copy.
pub type Endpoint = Arc<str>;

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
    /// Observed places changed that are observed together.
    CompositeNotified {
        /// On which device.
        endpoint: Endpoint,
        /// What is observed.
        paths: Arc<[Path]>,
        /// What is there now.
        records: Vec<Record>,
    },
    /// A device reported data by itself (Send). Records without a time are of now.
    Sent {
        /// Which device.
        endpoint: Endpoint,
        /// What it said.
        records: Vec<Record>,
    },
    /// It was learnt which content formats a device understands; to be kept with its registration.
    FormatLearnt {
        /// Which device.
        endpoint: Endpoint,
        /// All that is known now.
        memory: FormatMemory,
    },
    /// An observation of several places ended without our asking.
    CompositeEnded {
        /// On which device.
        endpoint: Endpoint,
        /// What was observed.
        paths: Arc<[Path]>,
    },
    /// An observation ended without our asking, for good.
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

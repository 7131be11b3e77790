//! The upgrade of one device, from the first reading of its version to the proof of the new one.
//!
//! ```text
//!  server                                   device
//!    ── GET /3/0, /5/0 ─────────────────────▶      Precheck: model, version, state
//!    ── GET /5/0/3 Observe=0 ───────────────▶      Offering
//!    ── PUT /5/0/1 "coaps://…/fw/<token>" ──▶      PULL, or PUT /5/0/0 in blocks (PUSH)
//!    ◀─ GET /fw/<token> (Block2) ───────────       Downloading: State 1
//!    ◀─ notify State 2 ─────────────────────       Downloaded
//!       intent is made durable                     Executing
//!    ── POST /5/0/2 ────────────────────────▶      Updating: State 3
//!    ◀─ POST /rd (Register, often elsewhere)       Verifying
//!    ── GET /5/0/3, /5/0/5, /3/0/3 ─────────▶
//!    ── GET /5/0/3 Observe=1 ───────────────▶      Closing
//! ```
//!
//! A [`Procedure`] serves one device and knows no CoAP: its server turns each [`Action`] into a request and
//! gives the [`Answer`] back. At most one action is under way, so during a push nothing else is sent to the
//! device. What each pair of State and Result means is written down once, in `reaction`.
//!
//! An exchange that comes to nothing never ends an upgrade: it is tried again, later and later, until the
//! deadline of its stage. Every stage has one, so no upgrade stays running.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use coap::Code;
use firmware::upgrade::{Delivery, Outcome, Protocol, Stage};

use crate::path::Path;
use crate::value::Node;

mod close;
mod components;
mod deliver;
mod facts;
mod install;
mod memory;
mod precheck;
mod procedure;
mod reaction;
mod record;
mod state;
#[cfg(test)]
mod tests;

pub use components::{Component, part_token};
pub use facts::{Facts, Warning};
pub use memory::{MemoryError, TransferMemory};
pub use procedure::Procedure;
pub use record::{RecordError, UpgradeRecord};

/// Names an upgrade: one device in one campaign. Given by the product.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UpgradeId(pub u64);

/// What is to be installed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Package {
    /// For people.
    pub name: String,
    /// The image as the device gets it.
    pub bytes: Arc<[u8]>,
    /// The model (/3/0/1) that it is for; `None` fits all.
    pub model: Option<String>,
    /// The version (/3/0/3) that a device has afterwards. Without it success stands on the device's word.
    pub version: Option<String>,
    /// The only version (/3/0/3) that it can be installed on; `None` fits all.
    pub source_version: Option<String>,
}

/// How one device is to be upgraded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpgradePlan {
    /// What is to be installed.
    pub package: Package,
    /// The components of a device with object 33629, in the order of their installation; then `package` is
    /// that of the first. Empty for object 5. The owner bounds their number.
    pub components: Vec<Component>,
    /// Who moves the bytes; `None` chooses what the device takes, PULL if it takes both.
    pub delivery: Option<Delivery>,
    /// By which protocol a device fetches; `None` chooses among those that it offers.
    pub protocol: Option<Protocol>,
    /// Whether /5/0/3 is observed; otherwise it is read from time to time. Devices of the LiteOS class are
    /// always observed, since they do not install without.
    pub observe: bool,
    /// Where the device fetches from, such as `coaps://updates.example.com:5684`, instead of the server's
    /// own choice.
    pub base_uri: Option<String>,
    /// How long the download may take. `None` reckons it from the size and from how fast the device is:
    /// at least ten minutes, at most ten minutes and the time that the image takes at
    /// [`Timing::slowest_rate`]. A download that moves is given more until then.
    pub timeout: Option<Duration>,
    /// How fast the device was and which blocks it took, if it is known.
    pub memory: TransferMemory,
    /// How urgent the update is, for a device that asks its user (/5/0/11, object version 1.1).
    pub severity: Option<Severity>,
    /// How long the device may put the installation off (/5/0/13, object version 1.1); zero forbids it.
    pub defer_period: Option<Duration>,
    /// A download or image that is on the device already comes from us and may be removed.
    pub leftovers_are_ours: bool,
    /// Waiting times; the default is for cellular modules.
    pub timing: Timing,
}

impl UpgradePlan {
    /// A plan with observation, the server's own URI and the default times.
    pub fn new(package: Package, delivery: impl Into<Option<Delivery>>) -> Self {
        Self {
            package,
            components: Vec::new(),
            delivery: delivery.into(),
            protocol: None,
            observe: true,
            base_uri: None,
            timeout: None,
            memory: TransferMemory::default(),
            severity: None,
            defer_period: None,
            leftovers_are_ours: false,
            timing: Timing::DEFAULT,
        }
    }
}

impl UpgradePlan {
    /// A plan for several components, one after the other; `None` if there are none.
    pub fn of_components(components: Vec<Component>, delivery: impl Into<Option<Delivery>>) -> Option<Self> {
        let first = components.first()?.package.clone();
        Some(Self { components, ..Self::new(first, delivery) })
    }
}

/// How urgent an update is (OMA 5.xml, resource 11).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// It cannot be put off.
    Critical = 0,
    /// The usual one.
    Mandatory = 1,
    /// The user may decide.
    Optional = 2,
}

impl Severity {
    const ALL: [Self; 3] = [Self::Critical, Self::Mandatory, Self::Optional];

    /// The stable name for storage and interfaces.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Mandatory => "mandatory",
            Self::Optional => "optional",
        }
    }

    /// What has this name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.code() == code)
    }
}

/// How long an upgrade waits for what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// For the device to be reachable at all and pass the precheck.
    pub reach: Duration,
    /// The slowest transfer that is still worth waiting for, in bytes per second.
    pub slowest_rate: u32,
    /// For the device to come back after the order to install; the registration's lifetime is added twice.
    pub update: Duration,
    /// For a device that is back to show its final result and version.
    pub settle: Duration,
    /// Between two readings of the state; it grows up to [`Timing::slowest_poll`].
    pub poll: Duration,
    /// Between two readings of the state, at most.
    pub slowest_poll: Duration,
    /// For the end of a cancellation.
    pub cancel: Duration,
}

impl Timing {
    /// A day to be reached, 128 bytes per second, 35 minutes to install (the guard time of BC35-G modules).
    pub const DEFAULT: Self = Self {
        reach: Duration::from_secs(86_400),
        slowest_rate: 128,
        update: Duration::from_secs(35 * 60),
        settle: Duration::from_secs(120),
        poll: Duration::from_secs(10),
        slowest_poll: Duration::from_secs(60),
        cancel: Duration::from_secs(600),
    };
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What the device is to be sent. Each one is answered by [`Procedure::handle_answer`]. Paths are those of
/// object 5; [`Procedure::place`] says where they are on a device with object 33629.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Read this.
    Read(Path),
    /// Observe /5/0/3; an observation of it that is still there is replaced.
    Observe,
    /// End the observation of /5/0/3 by a request (S1-48: this is the end of the task for the module).
    CancelObservation,
    /// Write this into /5/0/1; an empty one resets the device.
    WriteUri(String),
    /// Write this number, as text.
    WriteNumber(Path, i64),
    /// Write the image into /5/0/0, in blocks.
    WritePackage,
    /// Write a single NUL into /5/0/0, which resets a device without /5/0/1.
    ClearPackage,
    /// Execute /5/0/2, without an argument.
    Execute,
    /// Execute /5/0/10, which resets a device whose object has version 1.1.
    ExecuteCancel,
    /// Forget the action that is under way; this one is not answered.
    Abandon,
}

/// What came of an action.
#[derive(Clone, PartialEq, Debug)]
pub enum Answer {
    /// The value that was read or observed.
    Value(Node),
    /// It was done.
    Done,
    /// The device refused with this code, in every content format that was tried.
    Refused(Code),
    /// The device answered something that no codec could read.
    Unreadable,
    /// No answer, or the link ended: it may have been done or not.
    Lost,
}

/// What is told about an upgrade.
#[derive(Clone, PartialEq, Debug)]
pub enum UpgradeEvent {
    /// A new stage began; the record must be stored, though nothing waits for it.
    Stage {
        /// The stage.
        stage: Stage,
        /// What must survive a restart.
        record: UpgradeRecord,
    },
    /// Bytes arrived at the device.
    Progress {
        /// So many.
        bytes: u64,
        /// Of so many.
        total: u64,
    },
    /// The device is ready to install. Store the record, then call `intent_durable`; only then the order
    /// to install is sent.
    IntentWanted {
        /// What must be durable.
        record: UpgradeRecord,
    },
    /// The device was measured: how to send it the next image. For the owner to keep.
    TransferLearnt(TransferMemory),
    /// Something odd that did not end the upgrade.
    Warning(Warning),
    /// The upgrade is over; nothing more is sent for it.
    Finished {
        /// How.
        outcome: Outcome,
        /// For the history.
        facts: Facts,
    },
}

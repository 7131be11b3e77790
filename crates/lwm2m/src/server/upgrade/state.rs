//! What a procedure remembers.

use alloc::string::String;
use alloc::vec::Vec;

use firmware::upgrade::{Delivery, Outcome, UpdateResult, UpdateState};
use machine::Instant;

use super::UpgradeRecord;
use crate::path::{InstanceId, Path};

/// What is sent next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Read these, the last one first, then judge by the stage.
    Look(Vec<Path>),
    /// Reset the device to idle, then look whether it is.
    Reset,
    /// As `Reset`, by the package resource.
    ClearPackage,
    /// As `Reset`, by the order to cancel.
    ExecuteCancel,
    /// Write these, the last one first, then observe and offer.
    Configure(Vec<(Path, i64)>),
    Observe,
    Offer,
    /// Wait for a notification or the time of the next reading.
    Watch,
    /// Wait until the intent is durable.
    Intent,
    Execute,
    CancelObservation,
    Finished,
}

/// What was read last.
#[derive(Clone, Default, Debug)]
pub(super) struct View {
    pub(super) state: Option<UpdateState>,
    pub(super) result: Option<UpdateResult>,
    pub(super) version: Option<String>,
    pub(super) model: Option<String>,
    /// Resource 8 as several values.
    pub(super) protocols: Option<Vec<i64>>,
    /// Resource 8 as a single value: the delivery method of an old draft.
    pub(super) old_delivery: Option<i64>,
    /// Resource 9.
    pub(super) delivery: Option<i64>,
    /// Resource 11 or 13 is there, so the object has version 1.1 and can be canceled.
    pub(super) is_newer: bool,
    /// Resource 13, in seconds.
    pub(super) defer_period: Option<i64>,
    /// It is a component of object 33629: its version is its own.
    pub(super) is_component: bool,
    /// Resource 16 of object 33629: installed together with it.
    pub(super) linked: Vec<InstanceId>,
    /// Whether /5/0 was answered with 4.04.
    pub(super) no_firmware_object: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Observation {
    /// Not wanted, or the device refused.
    Off,
    Wanted,
    On,
}

/// Where an offer stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Download {
    /// The offer has to be made (again).
    pub(super) due: bool,
    /// The device has shown that it works on the offer.
    pub(super) began: bool,
    /// The result before the offer.
    pub(super) result_before: UpdateResult,
    /// When the offer was made.
    pub(super) offered_at: Instant,
    /// How often the device gave up or dropped the image without our fault.
    pub(super) drops: u32,
    /// A push ended without an answer; the device may still wait for its blocks.
    pub(super) push_lost: bool,
    /// The code with which the offer was refused.
    pub(super) refused: Option<coap::Code>,
    /// Bytes that were there when the time was last reckoned.
    pub(super) reckoned: u64,
}

/// Where the order to install stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Install {
    pub(super) intent: Intent,
    /// The order was sent (or may have been, before a restart).
    pub(super) executed: bool,
    pub(super) executed_at: Instant,
    pub(super) result_before: UpdateResult,
    /// The device registered after the order.
    pub(super) came_back: bool,
    pub(super) settled_at: Instant,
    pub(super) refused: Option<coap::Code>,
    /// What it ends with, unless something else is read before the deadline.
    pub(super) pending: Option<Outcome>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Intent {
    None,
    Wanted,
    /// Durable and not used yet.
    Durable,
}

impl Download {
    /// No offer was made in this run of the server; an earlier one may have been. Unlike a download, a push
    /// ended with the server that sent it.
    pub(super) fn new(record: &UpgradeRecord, now: Instant) -> Self {
        let offered = record.offers > 0;
        Self {
            due: !offered,
            began: false,
            result_before: UpdateResult::INITIAL,
            offered_at: now,
            drops: 0,
            push_lost: offered && record.delivery == Some(Delivery::Push),
            refused: None,
            reckoned: record.bytes,
        }
    }
}

impl Install {
    /// `executed`: the order may have been sent before a restart of the server.
    pub(super) const fn new(executed: bool, now: Instant) -> Self {
        Self {
            intent: Intent::None,
            executed,
            executed_at: now,
            result_before: UpdateResult::INITIAL,
            came_back: false,
            settled_at: now,
            refused: None,
            pending: None,
        }
    }
}

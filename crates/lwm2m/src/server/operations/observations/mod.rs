//! Observations that the owner wants: begun by an operation, kept until they are canceled.
//!
//! ```text
//!              Register again, or silence past pmax
//!   Kept ────────────────────────────────────────────► Idle ──asked──► Asked ──confirmed──► Kept
//!    │                                                  ▲  ▲             │
//!    ├─ notification with an error (O05) ── back-off ───┘  └── refused, with back-off; lost, until
//!    └─ session down or restart ► Stored ──device back──► Kept                 the device is heard
//! ```
//! A device that registers again has often forgotten its observations (PEERS 8), so they are begun again
//! with new tokens; until that is confirmed the old token counts too, since some clients go on with it
//! (PEERS 10). Attributes survive in the device.

mod renewal;
mod stored;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use coap::{CancelBy, Code, RequestId, Token};
use machine::{Instant, TimerId};

use super::attributes::Attributes;
use super::check::changes_period;
use super::{OperationError, OperationId, OperationOutput};
use crate::path::Path;
use crate::server::Server;
use crate::server::devices::DeviceKey;
use crate::server::event::Event;
use crate::server::exchange::{Exchange, Purpose, Reply, What};
use crate::value::{Node, Value};

/// How often in a row a device may refuse an observation that it had confirmed before it counts as ended.
const MOST_REFUSALS: u8 = 5;
/// The wait before the first new attempt; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// How late a notification may be, at least, before the observation is begun again: MAX_TRANSMIT_WAIT of
/// RFC 7252, in which a confirmable one is still being repeated.
const LEAST_PATIENCE: Duration = Duration::from_secs(93);
/// Places whose pmax is remembered per device; older ones go first.
const MOST_PERIODS: usize = 64;

/// What is observed.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::server) enum Target {
    One(Path, Attributes),
    Several(Arc<[Path]>),
}

impl Target {
    /// Whether both mean the same observation; attributes do not make another one.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::One(path, _), Self::One(other, _)) => path == other,
            (Self::Several(paths), Self::Several(other)) => paths == other,
            _ => false,
        }
    }

    fn path(&self) -> Path {
        match self {
            Self::One(path, _) => *path,
            Self::Several(_) => Path::Root,
        }
    }

    fn what(&self) -> What {
        match self {
            Self::One(path, attributes) if attributes.is_empty() => What::Observe(*path),
            Self::One(path, attributes) => What::ObserveWith(*path, attributes.clone()),
            Self::Several(paths) => What::ObserveComposite(Arc::clone(paths)),
        }
    }

    fn of(what: &What) -> Option<Self> {
        match what {
            What::Observe(path) => Some(Self::One(*path, Attributes::new())),
            What::ObserveWith(path, attributes) => Some(Self::One(*path, attributes.clone())),
            What::ObserveComposite(paths) => Some(Self::Several(Arc::clone(paths))),
            _ => None,
        }
    }

    fn ended(&self, endpoint: Arc<str>) -> Event {
        match self {
            Self::One(path, _) => Event::ObservationEnded { endpoint, path: *path },
            Self::Several(paths) => Event::CompositeEnded { endpoint, paths: Arc::clone(paths) },
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Standing {
    /// To be begun: at a time, or when the device is heard next.
    Idle(Option<Instant>),
    Asked(RequestId),
    Kept(RequestId),
    /// Confirmed by the device on a link that is gone.
    Stored {
        token: Token,
        format: Option<u16>,
    },
}

/// An observation that the owner wants.
#[derive(Debug)]
pub(in crate::server) struct Wanted {
    target: Target,
    standing: Standing,
    /// The one that was confirmed in the registration before.
    former: Option<RequestId>,
    /// The last notification.
    heard: Instant,
    refusals: u8,
}

/// What is wanted of a device's reports. Kept for devices with observations only.
#[derive(Default, Debug)]
pub(in crate::server) struct Reporting {
    /// Bounded by the observations that the CoAP layer allows.
    wanted: Vec<Wanted>,
    /// pmax in seconds by place, as written there.
    periods: Vec<(Path, u32)>,
    /// The timer for what is due next.
    watch: Option<(Instant, TimerId)>,
    /// The device was told not to send (/1/x/23).
    pub(super) muted: bool,
}

impl Reporting {
    /// After which silence an observation is begun again; `None` if silence means nothing.
    fn patience(&self, target: &Target) -> Option<Duration> {
        let Target::One(path, attributes) = target else { return None };
        let written = self.periods.iter().filter(|(place, _)| place.contains(*path));
        let written = written.max_by_key(|(place, _)| place.depth()).map(|(_, seconds)| *seconds);
        let seconds = attributes.maximum_period().or(written).filter(|seconds| *seconds > 0)?;
        let period = Duration::from_secs(seconds.into());
        Some(period + (period / 2).max(LEAST_PATIENCE))
    }

    fn due(&self, wanted: &Wanted) -> Option<Instant> {
        match wanted.standing {
            Standing::Idle(due) => due,
            Standing::Kept(_) => self.patience(&wanted.target).map(|patience| wanted.heard + patience),
            Standing::Asked(_) | Standing::Stored { .. } => None,
        }
    }

    fn with(&mut self, id: RequestId) -> Option<&mut Wanted> {
        let own = |wanted: &&mut Wanted| {
            matches!(wanted.standing, Standing::Asked(own) | Standing::Kept(own) if own == id)
                || wanted.former == Some(id)
        };
        self.wanted.iter_mut().find(own)
    }
}

impl Server {
    fn reporting(&mut self, key: DeviceKey) -> Option<&mut Reporting> {
        self.devices.get_mut(key)?.reporting.as_deref_mut()
    }

    fn reporting_or_new(&mut self, key: DeviceKey) -> Option<&mut Reporting> {
        Some(self.devices.get_mut(key)?.reporting.get_or_insert_default())
    }

    /// Begins an observation; it is wanted from its confirmation on.
    pub(super) fn observe(
        &mut self,
        id: OperationId,
        key: DeviceKey,
        target: Target,
        now: Instant,
    ) -> Result<(), OperationError> {
        if let Some(before) = self.take_wanted(key, &target) {
            self.forget_wanted(&before, now);
        }
        self.ask(key, Purpose::Operation(id), target.what(), now);
        Ok(())
    }

    pub(super) fn keep_observation(&mut self, id: RequestId, exchange: Exchange, now: Instant) {
        let key = exchange.device;
        let target = Target::of(&exchange.what);
        self.exchanges.insert(id, Exchange { purpose: Purpose::Observed, ..exchange });
        if let (Some(target), Some(reporting)) = (target, self.reporting_or_new(key)) {
            let standing = Standing::Kept(id);
            reporting.wanted.push(Wanted { target, standing, former: None, heard: now, refusals: 0 });
        }
        self.set_watch(key);
    }

    pub(super) fn cancel_observation(
        &mut self,
        id: OperationId,
        key: DeviceKey,
        target: &Target,
        now: Instant,
    ) -> Result<(), OperationError> {
        let wanted = self.take_wanted(key, target);
        let mut wanted = wanted.ok_or(OperationError::NotObserved(target.path()))?;
        let Standing::Kept(request) = wanted.standing else {
            self.forget_wanted(&wanted, now);
            self.finish_operation(key, id, Ok(OperationOutput::Done));
            return Ok(());
        };
        wanted.standing = Standing::Idle(None);
        self.forget_wanted(&wanted, now);
        if let Some(exchange) = self.exchanges.get_mut(&request) {
            exchange.purpose = Purpose::OperationEnd(id);
        }
        if let Some(device) = self.devices.get_mut(key) {
            device.asked.push(request);
        }
        self.coap.cancel_observation(request, CancelBy::Request, now);
        Ok(())
    }

    pub(super) fn reset_observation(
        &mut self,
        id: OperationId,
        key: DeviceKey,
        path: Path,
        now: Instant,
    ) -> Result<(), OperationError> {
        let wanted = self.take_wanted(key, &Target::One(path, Attributes::new()));
        let wanted = wanted.ok_or(OperationError::NotObserved(path))?;
        self.forget_wanted(&wanted, now);
        self.finish_operation(key, id, Ok(OperationOutput::Done));
        Ok(())
    }

    fn take_wanted(&mut self, key: DeviceKey, target: &Target) -> Option<Wanted> {
        let reporting = self.reporting(key)?;
        let index = reporting.wanted.iter().position(|wanted| wanted.target.is_same(target))?;
        Some(reporting.wanted.remove(index))
    }

    /// Drops what the CoAP layer keeps for it; notifications that still come are reset.
    fn forget_wanted(&mut self, wanted: &Wanted, now: Instant) {
        let current = match wanted.standing {
            Standing::Asked(id) | Standing::Kept(id) => Some(id),
            Standing::Idle(_) | Standing::Stored { .. } => None,
        };
        for id in current.into_iter().chain(wanted.former) {
            self.exchanges.remove(&id);
            self.coap.cancel(id, now);
        }
    }

    /// A notification came.
    pub(super) fn heard_of(&mut self, key: DeviceKey, id: RequestId, now: Instant) {
        if let Some(wanted) = self.reporting(key).and_then(|reporting| reporting.with(id)) {
            wanted.heard = now;
            wanted.refusals = 0;
        }
    }

    pub(super) fn tell_notified(&mut self, key: DeviceKey, id: RequestId, reply: Reply) {
        let Some(what) = self.exchanges.get(&id).map(|exchange| exchange.what.clone()) else { return };
        let Some(endpoint) = self.devices.get(key).map(|device| device.endpoint.clone()) else { return };
        match (what, reply) {
            (What::ObserveComposite(paths), Reply::Records(records)) => {
                self.emit(Event::CompositeNotified { endpoint, paths, records });
            }
            (what, Reply::Value(value)) => {
                self.emit(Event::Notified { endpoint, path: what.path(), value });
            }
            _ => {}
        }
    }

    /// The device notifies no more. After an error it is asked again later (O05); otherwise it has said so.
    pub(super) fn observation_ended(
        &mut self,
        key: DeviceKey,
        id: RequestId,
        code: Option<Code>,
        now: Instant,
    ) {
        let Some(wanted) = self.reporting(key).and_then(|reporting| reporting.with(id)) else { return };
        if wanted.former == Some(id) {
            wanted.former = None;
            return;
        }
        match code.filter(|code| !code.is_success()) {
            Some(_) => self.put_off(key, id, now),
            None => self.give_up(key, id, now),
        }
    }

    /// Tries again later, or not any more.
    fn put_off(&mut self, key: DeviceKey, id: RequestId, now: Instant) {
        let Some(wanted) = self.reporting(key).and_then(|reporting| reporting.with(id)) else { return };
        if wanted.refusals == MOST_REFUSALS {
            return self.give_up(key, id, now);
        }
        wanted.standing = Standing::Idle(Some(now + FIRST_WAIT * (1 << wanted.refusals)));
        wanted.refusals += 1;
        self.set_watch(key);
    }

    fn give_up(&mut self, key: DeviceKey, id: RequestId, now: Instant) {
        let target = self.reporting(key).and_then(|reporting| Some(reporting.with(id)?.target.clone()));
        let Some(wanted) = target.and_then(|target| self.take_wanted(key, &target)) else { return };
        self.forget_wanted(&wanted, now);
        if let Some(device) = self.devices.get(key) {
            self.emit(wanted.target.ended(device.endpoint.clone()));
        }
    }

    /// The registration ended, and with it the observations.
    pub(in crate::server) fn end_observations(&mut self, key: DeviceKey, now: Instant) {
        let Some(device) = self.devices.get_mut(key) else { return };
        let Some(reporting) = device.reporting.take() else { return };
        let endpoint = device.endpoint.clone();
        if let Some((_, timer)) = reporting.watch {
            self.timers.cancel(timer);
        }
        for wanted in &reporting.wanted {
            self.forget_wanted(wanted, now);
            self.emit(wanted.target.ended(endpoint.clone()));
        }
    }

    /// Remembers what a device was told about its reports: pmax, and whether it may send.
    pub(super) fn note_done(&mut self, exchange: &Exchange, reply: &Reply) {
        let muting = |path: Path, node: &Node| match (path.object_id(), path.resource_id(), node.value()) {
            (Some(crate::object::SERVER), Some(MUTE_SEND), Some(Value::Boolean(muted))) => Some(*muted),
            _ => None,
        };
        let key = exchange.device;
        match (&exchange.what, reply) {
            (What::WriteAttributes(path, attributes), Reply::Done) if changes_period(attributes) => {
                let seconds = attributes.maximum_period().unwrap_or(0);
                if let Some(reporting) = self.reporting_or_new(key) {
                    reporting.periods.retain(|(place, _)| place != path);
                    if reporting.periods.len() == MOST_PERIODS {
                        reporting.periods.remove(0);
                    }
                    reporting.periods.push((*path, seconds));
                }
                self.set_watch(key);
            }
            (What::Write(path, node) | What::Replace(path, node), Reply::Done)
            | (What::Read(path), Reply::Value(node)) => {
                let Some(muted) = muting(*path, node) else { return };
                let known = self.reporting(key).is_some();
                if let Some(reporting) = self.reporting_or_new(key).filter(|_| muted || known) {
                    reporting.muted = muted;
                }
            }
            _ => {}
        }
    }
}

/// Mute Send of object 1 (OMA 1.xml).
const MUTE_SEND: crate::path::ResourceId = crate::path::ResourceId(23);

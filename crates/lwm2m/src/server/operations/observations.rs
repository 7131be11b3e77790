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

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use coap::{CancelBy, Code, RequestId, Token};
use machine::{Instant, Link, TimerId};

use super::attributes::Attributes;
use super::check::changes_period;
use super::{OperationError, OperationId, OperationOutput};
use crate::path::Path;
use crate::server::devices::DeviceKey;
use crate::server::event::Event;
use crate::server::exchange::{Exchange, Purpose, Reply, What};
use crate::server::snapshot::ObservationSnapshot;
use crate::server::{Server, Timer};
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

    pub(super) fn renewal_confirmed(
        &mut self,
        id: RequestId,
        exchange: Exchange,
        reply: Reply,
        now: Instant,
    ) {
        let key = exchange.device;
        self.exchanges.insert(id, Exchange { purpose: Purpose::Observed, ..exchange });
        let Some(wanted) = self.reporting(key).and_then(|reporting| reporting.with(id)) else { return };
        wanted.standing = Standing::Kept(id);
        wanted.heard = now;
        wanted.refusals = 0;
        if let Some(former) = wanted.former.take() {
            self.exchanges.remove(&former);
            self.coap.cancel(former, now);
        }
        self.tell_notified(key, id, reply);
        self.set_watch(key);
    }

    pub(super) fn renewal_refused(&mut self, key: DeviceKey, id: RequestId, now: Instant) {
        self.put_off(key, id, now);
    }

    /// No answer: the device is asked when it is heard next.
    pub(super) fn renewal_lost(&mut self, key: DeviceKey, id: RequestId, _now: Instant) {
        if let Some(wanted) = self.reporting(key).and_then(|reporting| reporting.with(id)) {
            wanted.standing = Standing::Idle(None);
        }
    }

    /// A renewal has another number now, or could not be sent.
    pub(super) fn renewal_sent_again(&mut self, key: DeviceKey, id: RequestId, sent: Option<RequestId>) {
        if let Some(wanted) = self.reporting(key).and_then(|reporting| reporting.with(id)) {
            wanted.standing = sent.map_or(Standing::Idle(None), Standing::Asked);
        }
    }

    /// The device registered again: what it observed is begun again after the answer.
    pub(in crate::server) fn expect_observations(&mut self, key: DeviceKey, now: Instant) {
        let Some(reporting) = self.reporting(key) else { return };
        let mut dropped = Vec::new();
        for wanted in &mut reporting.wanted {
            match core::mem::replace(&mut wanted.standing, Standing::Idle(None)) {
                Standing::Kept(id) => dropped.extend(wanted.former.replace(id)),
                Standing::Asked(id) => dropped.push(id),
                Standing::Idle(_) | Standing::Stored { .. } => {}
            }
        }
        for id in dropped {
            self.exchanges.remove(&id);
            self.coap.cancel(id, now);
        }
    }

    /// The session of the device is gone; it may come back with its observations.
    pub(in crate::server) fn park_observations(&mut self, key: DeviceKey, now: Instant) {
        let Some(device) = self.devices.get_mut(key) else { return };
        let Some(reporting) = device.reporting.as_deref_mut() else { return };
        for wanted in &mut reporting.wanted {
            let current = match wanted.standing {
                Standing::Asked(id) | Standing::Kept(id) => id,
                Standing::Idle(_) | Standing::Stored { .. } => continue,
            };
            let token = self.coap.observation_token(current);
            let format = self.exchanges.get(&current).and_then(|exchange| exchange.format);
            wanted.standing = match (token, &wanted.standing) {
                (Some(token), Standing::Kept(_)) => Standing::Stored { token, format },
                _ => Standing::Idle(None),
            };
            for id in wanted.former.take().into_iter().chain([current]) {
                self.exchanges.remove(&id);
                self.coap.cancel(id, now);
            }
        }
    }

    /// The device was heard and answered: what it does not observe, and is due, is begun again.
    pub(in crate::server) fn renew_observations(&mut self, link: Link, now: Instant) {
        if let Some(key) = self.devices.by_link(link) {
            self.renew(key, true, now);
        }
    }

    /// The timer for observations has fired.
    pub(in crate::server) fn check_observations(&mut self, key: DeviceKey, now: Instant) {
        if let Some(reporting) = self.reporting(key) {
            reporting.watch = None;
        }
        self.renew(key, false, now);
        self.set_watch(key);
    }

    fn renew(&mut self, key: DeviceKey, heard: bool, now: Instant) {
        let Some(link) = self.link_of(key) else { return };
        let count = self.reporting(key).map_or(0, |reporting| reporting.wanted.len());
        for index in 0..count {
            let Some(reporting) = self.reporting(key) else { return };
            let Some(wanted) = reporting.wanted.get(index) else { return };
            let late = reporting.due(wanted).is_some_and(|due| due <= now);
            match wanted.standing {
                Standing::Idle(None) if heard => self.begin_again(key, index, now),
                Standing::Idle(_) | Standing::Kept(_) if late => self.begin_again(key, index, now),
                Standing::Stored { token, format } => self.recall(key, index, link, token, format, now),
                _ => {}
            }
        }
    }

    fn begin_again(&mut self, key: DeviceKey, index: usize, now: Instant) {
        let wanted = self.reporting(key).and_then(|reporting| reporting.wanted.get(index));
        let Some(what) = wanted.map(|wanted| wanted.target.what()) else { return };
        let asked = self.ask(key, Purpose::Renewal, what, now);
        let wanted = self.reporting(key).and_then(|reporting| reporting.wanted.get_mut(index));
        let Some(wanted) = wanted else { return };
        let next = asked.map_or(Standing::Idle(None), Standing::Asked);
        let dropped = match core::mem::replace(&mut wanted.standing, next) {
            Standing::Kept(id) => wanted.former.replace(id),
            _ => None,
        };
        if let Some(id) = dropped {
            self.exchanges.remove(&id);
            self.coap.cancel(id, now);
        }
    }

    fn recall(
        &mut self,
        key: DeviceKey,
        index: usize,
        link: Link,
        token: Token,
        format: Option<u16>,
        now: Instant,
    ) {
        let root = self.root_of(key).unwrap_or_default();
        let wanted = self.reporting(key).and_then(|reporting| reporting.wanted.get(index));
        let Some(what) = wanted.map(|wanted| wanted.target.what()) else { return };
        let standing = match what.request(&root, format) {
            Some(request) => {
                let id = self.coap.restore_observation(link, token, request, now);
                let (purpose, formats) = (Purpose::Observed, Vec::new());
                self.exchanges.insert(id, Exchange { device: key, purpose, what, format, formats, busy: 0 });
                Standing::Kept(id)
            }
            None => Standing::Idle(None),
        };
        if let Some(wanted) = self.reporting(key).and_then(|reporting| reporting.wanted.get_mut(index)) {
            wanted.standing = standing;
            wanted.heard = now;
        }
        self.set_watch(key);
    }

    /// Sets the timer for what is due next, unless one fires earlier anyway.
    fn set_watch(&mut self, key: DeviceKey) {
        let Some(reporting) = self.reporting(key) else { return };
        let due = reporting.wanted.iter().filter_map(|wanted| reporting.due(wanted)).min();
        let Some(due) = due else { return };
        match reporting.watch {
            Some((set, _)) if set <= due => return,
            Some((_, timer)) => {
                self.timers.cancel(timer);
            }
            None => {}
        }
        let timer = self.timers.set(due, Timer::Observations(key));
        if let Some(reporting) = self.reporting(key) {
            reporting.watch = Some((due, timer));
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

    /// The observations as they are stored.
    pub(in crate::server) fn observation_snapshots(&self, key: DeviceKey) -> Vec<ObservationSnapshot> {
        let reporting = self.devices.get(key).and_then(|device| device.reporting.as_deref());
        let wanted = reporting.map(|reporting| reporting.wanted.as_slice()).unwrap_or_default();
        let snapshots = wanted.iter().map(|wanted| {
            let (token, format) = match &wanted.standing {
                Standing::Stored { token, format } => (Some(*token), *format),
                Standing::Kept(id) => {
                    let format = self.exchanges.get(id).and_then(|exchange| exchange.format);
                    (self.coap.observation_token(*id), format)
                }
                Standing::Idle(_) | Standing::Asked(_) => (None, None),
            };
            let (paths, attributes, is_composite) = match &wanted.target {
                Target::One(path, attributes) => ([*path].to_vec(), attributes.to_string(), false),
                Target::Several(paths) => (paths.to_vec(), String::new(), true),
            };
            let pmax = reporting.and_then(|reporting| {
                let own = reporting.periods.iter().filter(|(place, _)| place.contains(wanted.target.path()));
                own.max_by_key(|(place, _)| place.depth()).map(|(_, seconds)| *seconds)
            });
            let token = token.map(|token| token.as_bytes().to_vec());
            ObservationSnapshot { paths, is_composite, attributes, token, format, pmax }
        });
        snapshots.collect()
    }

    /// Wants again what a snapshot says; taken up when the device is there.
    pub(in crate::server) fn want_stored(
        &mut self,
        key: DeviceKey,
        observations: Vec<ObservationSnapshot>,
        now: Instant,
    ) {
        let most = self.config.coap.max_observations;
        let Some(device) = self.devices.get_mut(key).filter(|_| !observations.is_empty()) else { return };
        let reporting: &mut Box<Reporting> = device.reporting.get_or_insert_default();
        for stored in observations.into_iter().take(most) {
            let target = match (&stored.paths[..], stored.is_composite) {
                ([path], false) => Target::One(*path, stored.attributes.parse().unwrap_or_default()),
                (paths, _) => Target::Several(paths.into()),
            };
            if let (Target::One(path, _), Some(seconds)) = (&target, stored.pmax) {
                reporting.periods.push((*path, seconds));
            }
            let standing = match stored.token.as_deref().and_then(Token::new) {
                Some(token) => Standing::Stored { token, format: stored.format },
                None => Standing::Idle(None),
            };
            reporting.wanted.push(Wanted { target, standing, former: None, heard: now, refusals: 0 });
        }
        self.renew(key, false, now);
    }
}

/// Mute Send of object 1 (OMA 1.xml).
const MUTE_SEND: crate::path::ResourceId = crate::path::ResourceId(23);

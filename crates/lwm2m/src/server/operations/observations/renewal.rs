//! Observations that a device may have lost are begun again, at a pace that it can bear.

use alloc::vec::Vec;

use coap::{RequestId, Token};
use machine::{Instant, Link};

use super::Standing;
use crate::server::devices::DeviceKey;
use crate::server::exchange::{Exchange, Purpose, Reply};
use crate::server::{Server, Timer};

impl Server {
    pub(in crate::server::operations) fn renewal_confirmed(
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

    pub(in crate::server::operations) fn renewal_refused(
        &mut self,
        key: DeviceKey,
        id: RequestId,
        now: Instant,
    ) {
        self.put_off(key, id, now);
    }

    /// No answer: the device is asked when it is heard next.
    pub(in crate::server::operations) fn renewal_lost(&mut self, key: DeviceKey, id: RequestId) {
        if let Some(wanted) = self.reporting(key).and_then(|reporting| reporting.with(id)) {
            wanted.standing = Standing::Idle(None);
        }
    }

    /// A renewal has another number now, or could not be sent.
    pub(in crate::server::operations) fn renewal_sent_again(
        &mut self,
        key: DeviceKey,
        id: RequestId,
        sent: Option<RequestId>,
    ) {
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

    pub(super) fn renew(&mut self, key: DeviceKey, heard: bool, now: Instant) {
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
    pub(super) fn set_watch(&mut self, key: DeviceKey) {
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
}

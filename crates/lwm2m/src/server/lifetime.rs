//! How long a registration lives, and when its device listens.
//!
//! Each registration has one timer at most: for the end of its lifetime or, in queue mode, before that for
//! the end of the time the device listens. It is not set anew with each message: one that fires too early
//! sees that the device was heard since.

use alloc::boxed::Box;

use machine::{Instant, Link};

use super::devices::DeviceKey;
use super::event::{Event, Gone};
use super::registered::Registered;
use super::{Server, Timer};

impl Server {
    fn registered(&mut self, key: DeviceKey) -> Option<&mut Registered> {
        self.devices.get_mut(key)?.registration.as_deref_mut()
    }

    /// Sets the timer of a registration from what is known of it now.
    pub(super) fn renew_timer(&mut self, key: DeviceKey) {
        let (grace, window) = (self.config.grace, self.config.awake);
        let Some(registered) = self.registered(key) else { return };
        let old = registered.timer.take();
        let mut due = registered.expires(grace);
        if registered.queue_mode && registered.awake {
            due = due.min(registered.active + window);
        }
        if let Some(old) = old {
            self.timers.cancel(old);
        }
        if due != Instant::FAR_FUTURE {
            let timer = self.timers.set(due, Timer::Registration(key));
            if let Some(registered) = self.registered(key) {
                registered.timer = Some(timer);
            }
        }
    }

    pub(super) fn check_registration(&mut self, key: DeviceKey, now: Instant) {
        let (grace, window) = (self.config.grace, self.config.awake);
        let Some(registered) = self.registered(key) else { return };
        registered.timer = None;
        if registered.expires(grace) <= now {
            self.end_registration(key, Gone::Expired, now);
            return self.remove_if_idle(key);
        }
        if registered.queue_mode && registered.awake && registered.active + window <= now {
            registered.awake = false;
            self.fell_asleep(key, now);
        }
        self.renew_timer(key);
    }

    /// What is under way goes on; what waits in the CoAP layer does not begin before the device is heard.
    fn fell_asleep(&mut self, key: DeviceKey, now: Instant) {
        let Some(device) = self.devices.get(key) else { return };
        let waiting = !device.asked.is_empty() || device.upgrade.is_some();
        let endpoint = device.endpoint.clone();
        if let Some(link) = self.link_of(key).filter(|_| waiting) {
            self.coap.hold(link, now);
        }
        self.emit(Event::Asleep { endpoint });
    }

    /// The device was heard; `anew` if its timer may be set for too late.
    pub(super) fn keep_awake(&mut self, key: DeviceKey, anew: bool) {
        let Some(registered) = self.registered(key) else { return };
        let woke = !registered.awake;
        registered.awake = true;
        if woke && let Some(device) = self.devices.get(key) {
            let endpoint = device.endpoint.clone();
            self.emit(Event::Awake { endpoint });
        }
        if woke || anew {
            self.renew_timer(key);
        }
    }

    /// A datagram came over this link: an authenticated one is a sign of life, and a sleeping device is
    /// awake.
    pub(super) fn heard(&mut self, link: Link, now: Instant) {
        let Some(key) = self.devices.by_link(link) else { return };
        let Some(registered) = self.registered(key) else { return };
        registered.active = now;
        if link.is_secured() {
            registered.hear(now);
        }
        if registered.queue_mode {
            self.coap.release(link, now);
            self.keep_awake(key, false);
        }
    }

    /// The address of a session changed: the owner shows where the device is.
    pub(super) fn moved(&mut self, link: Link) {
        let remote = self.remote(link);
        let Some(device) = self.devices.by_link(link).and_then(|key| self.devices.get(key)) else { return };
        let Some(registered) = device.registration.as_deref() else { return };
        let (endpoint, registration) = (device.endpoint.clone(), Box::new(registered.describe(remote)));
        self.emit(Event::Updated { endpoint, registration: Some(registration) });
    }

    /// A session ended. The registration lives on: the device may come back on a new session.
    pub(super) fn disconnect(&mut self, link: Link, now: Instant) {
        if let Some(key) = self.devices.by_link(link) {
            self.keep_retransmissions(key, link);
            self.park_observations(key, now);
            self.devices.relink(key, None);
            self.upgrade_gone(key, now);
        }
        self.coap.forget(link, now);
    }
}

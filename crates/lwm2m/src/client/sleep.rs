//! Queue mode: when the client listens, and what it does when it wakes (LwM2M Core 1.1 section 6.5).

use machine::Instant;

use super::Client;
use super::config::QueueMode;
use super::event::Event;
use super::firmware_store::FirmwareStore;

/// Whether the client listens.
#[derive(Debug)]
pub(super) struct Sleep {
    mode: Option<QueueMode>,
    asleep: bool,
    /// When the last message came or went.
    last_message: Instant,
    /// The time of the latest call, for what is sent after it.
    now: Instant,
}

impl Sleep {
    pub(super) const fn new(mode: Option<QueueMode>, now: Instant) -> Self {
        Self { mode, asleep: false, last_message: now, now }
    }

    /// Whether a wake-up begins with a session.
    pub(super) fn needs_session(&self) -> bool {
        self.asleep && self.mode.is_some_and(|mode| mode.new_session)
    }
}

impl<F: FirmwareStore> Client<F> {
    /// Whether the client, in queue mode, listens no more.
    pub fn is_asleep(&self) -> bool {
        self.sleep.asleep
    }

    /// Something has come.
    pub(super) fn stir(&mut self, now: Instant) {
        self.sleep.last_message = now;
        self.wake();
    }

    /// Something goes out.
    pub(super) fn spoken(&mut self) {
        self.sleep.last_message = self.sleep.now;
        self.wake();
    }

    pub(super) fn wake(&mut self) {
        if core::mem::take(&mut self.sleep.asleep) {
            self.events.push_back(Event::Awake);
        }
    }

    /// When the client stops listening, if nothing happens until then.
    pub(super) fn sleep_due(&self) -> Option<Instant> {
        let mode = self.sleep.mode.filter(|_| !self.sleep.asleep && self.is_idle())?;
        Some(self.sleep.last_message + mode.awake)
    }

    pub(super) fn fall_asleep(&mut self, now: Instant) {
        self.sleep.now = now;
        if self.sleep_due().is_some_and(|due| due <= now) {
            self.sleep.asleep = true;
            self.events.push_back(Event::Asleep);
        }
    }

    /// Whether nothing is under way that has to be listened for.
    fn is_idle(&self) -> bool {
        let quiet = self.servers.0.iter().all(|server| server.registration.is_quiet());
        quiet
            && !self.bootstrap.is_under_way()
            && !self.update.is_pushing()
            && self.pull.is_none()
            && self.fetch.is_none()
            && self.sends.is_empty()
    }
}

//! Registrations and sessions: saved behind the protocol, taken up after a restart.

use std::net::SocketAddr;
use std::time::Duration;

use dtls::SavedSession;
use lwm2m::server::{Endpoint, RegistrationSnapshot};
use machine::Link;

use super::super::SouthboundError;
use super::super::index;
use super::super::messages::{Command, Saved};
use super::super::running::Told;
use super::super::station::Restored;
use super::Dispatcher;
use crate::app::operations::paths_text;
use crate::app::{KnownRegistration, StoredRegistration};
use crate::clock::Moment;

/// How often the time at which devices were last heard is stored.
const HEARD: Duration = Duration::from_secs(60);

/// Registrations asked for at once: a shard spends some 200 µs on them and serves devices in between.
const PIECE: usize = 128;

impl Dispatcher {
    /// Takes up the registrations that were stored. Gives the commands that do it.
    pub(super) async fn load_registrations(&mut self) -> Result<Vec<Told>, SouthboundError> {
        let mut told = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.app.stored_registrations(&after, self.life).await?;
            let Some(last) = page.last() else { return Ok(in_order(told)) };
            after.clone_from(&last.device_id);
            for stored in page {
                let device_id = stored.device_id.clone();
                match self.restored(stored) {
                    Some(command) => told.push(command),
                    None => self.ended.push(device_id),
                }
            }
        }
    }

    fn restored(&mut self, stored: StoredRegistration) -> Option<Told> {
        let snapshot = RegistrationSnapshot::from_bytes(&stored.snapshot);
        let snapshot = snapshot.inspect_err(|error| {
            tracing::warn!(device = stored.device_id, %error, "a registration cannot be taken up");
        });
        let mut snapshot = snapshot.ok()?;
        let device = self.app.directory().by_endpoint(&snapshot.endpoint)?;
        if device.device_id != stored.device_id || !device.proves(snapshot.identity.as_deref()) {
            return None;
        }
        self.app.identity_proved(&device, snapshot.identity.as_deref());
        // The device could not reach us while we were down, so its lifetime does not end at once.
        let silence = self.app.now().since(stored.last_seen);
        snapshot.silence = silence.min(snapshot.lifetime);
        let session = stored.session.as_ref().and_then(|(bytes, _)| SavedSession::from_bytes(&bytes.0).ok());
        let named = session.as_ref().and_then(|session| Some(session.connection_id()?.shard()));
        let address = match snapshot.link {
            Some(Link::Open(path)) => Some(path.remote),
            _ => session.map(|session| session.remote()),
        };
        // Without either any shard will do until the device comes.
        let shard = self.reached(named, address).unwrap_or(stored.shard % self.count);
        let endpoint = Endpoint::from(&*snapshot.endpoint);
        for observation in &snapshot.observations {
            self.wanted.restored(&endpoint, &paths_text(&observation.paths), &observation.attributes);
        }
        self.presence.restored(endpoint, shard, !snapshot.queue_mode, snapshot.link);
        let keeps_number = named.is_some();
        let restored = Restored { snapshot, session: stored.session, keeps_number };
        Some((shard, Command::Restore(Box::new(restored))))
    }

    /// The shard that what a device sends reaches now: that of its connection id, or that of its address.
    fn reached(&self, named: Option<u8>, address: Option<SocketAddr>) -> Option<u8> {
        let by_address = || address.map(|address| net::shard_of(address, self.count));
        named.filter(|shard| *shard < self.count.get()).or_else(by_address)
    }

    /// A shard did not take up a registration.
    pub(super) fn not_restored(&mut self, shard: u8, endpoint: &Endpoint) {
        self.deregistered(shard, endpoint);
    }

    /// Asks the shards for the registrations that are newer than the stored ones.
    pub(super) fn save_registrations(&mut self, now: Moment) {
        if now.since(self.heard_saved) >= HEARD {
            self.heard_saved = now;
            self.presence.save_heard();
        }
        let mut unsaved: Vec<Vec<Endpoint>> = vec![Vec::new(); index(self.count.get())];
        for (endpoint, shard) in self.presence.take_unsaved() {
            if let Some(endpoints) = unsaved.get_mut(usize::from(shard)) {
                endpoints.push(endpoint);
            }
        }
        for (shard, endpoints) in (0..).zip(unsaved) {
            for piece in endpoints.chunks(PIECE) {
                self.outboxes.send(shard, Command::Save(piece.to_vec()));
            }
        }
    }

    /// A shard gave registrations as they are now.
    pub(super) fn saved(&mut self, shard: u8, saved: Vec<Saved>) {
        for Saved { endpoint, snapshot, session } in saved {
            let Some(device) = self.app.directory().by_endpoint(&endpoint) else { continue };
            if self.presence.shard(&endpoint) != Some(shard) {
                continue;
            }
            let now = self.app.now();
            let seen = Moment(now.0 - i64::try_from(snapshot.silence.as_micros()).unwrap_or_default());
            self.presence.seen(&device.device_id, seen);
            self.presence.has_objects(&device.device_id, snapshot.objects.clone());
            let known = KnownRegistration {
                device_id: device.device_id.clone(),
                shard,
                snapshot: snapshot.to_bytes(),
                session,
                life: self.life,
            };
            self.registrations.insert(device.device_id.clone(), known);
        }
    }

    /// The registration of a device has ended.
    pub(super) fn forget_registration(&mut self, device_id: &str) {
        self.registrations.remove(device_id);
        self.ended.push(device_id.to_owned());
    }
}

/// Sessions that cannot change their numbers go first.
fn in_order(mut told: Vec<Told>) -> Vec<Told> {
    told.sort_by_key(|(_, command)| match command {
        Command::Restore(restored) => !restored.keeps_number,
        _ => true,
    });
    told
}

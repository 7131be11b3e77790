//! Takes up registrations again after a restart.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use machine::{Instant, Link};

use super::Server;
use super::devices::DeviceKey;
use super::event::{Event, Gone};
use super::objects::ObjectList;
use super::pace::Pace;
use super::registered::{Location, Registered};
use super::snapshot::{ObservationSnapshot, RegistrationSnapshot};

/// A registration was not taken up again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RestoreError {
    /// The device has registered since.
    #[error("the device has registered since")]
    Registered,
    /// The location does not look like one.
    #[error("the location is malformed")]
    Location,
    /// The object list cannot be read.
    #[error("the object list is malformed")]
    Objects,
    /// The server knows as many devices as it is configured to.
    #[error("the server is full")]
    Full,
}

impl Server {
    /// A registration as it is now, to be stored.
    pub fn snapshot(&self, endpoint: &str, now: Instant) -> Option<RegistrationSnapshot> {
        let key = self.devices.by_endpoint(endpoint)?;
        let device = self.devices.get(key)?;
        let registered = device.registration.as_deref()?;
        Some(RegistrationSnapshot {
            endpoint: device.endpoint.to_string(),
            location: registered.location.to_string(),
            link: registered.link,
            identity: registered.identity.as_deref().map(Vec::from),
            lifetime: registered.lifetime,
            version: registered.version,
            binding: registered.binding.clone(),
            queue_mode: registered.queue_mode,
            sms: registered.sms.clone(),
            objects: registered.objects.to_links(),
            oddities: registered.oddities.clone(),
            silence: registered.silence(now),
            observations: self.observation_snapshots(key),
            formats: device.formats,
        })
    }

    /// Takes up a registration that was stored, as if nothing had happened since.
    ///
    /// A device without DTLS is where it was. One with DTLS is there again if the link of the snapshot is a
    /// session of its identity that is up; otherwise nothing can be sent until it comes with a new session
    /// and an Update, which takes its observations up, or a Register, which begins them again. A registration
    /// whose lifetime has passed ends as usual, with [`Event::Deregistered`].
    pub fn restore(&mut self, snapshot: RegistrationSnapshot, now: Instant) -> Result<(), RestoreError> {
        let location = Location::from_path(snapshot.location.as_bytes()).ok_or(RestoreError::Location)?;
        let objects = ObjectList::parse(snapshot.objects.as_bytes());
        let (objects, _) = objects.map_err(|_| RestoreError::Objects)?;
        let known = self.devices.by_endpoint(&snapshot.endpoint);
        if known.is_some_and(|key| self.devices.get(key).is_some_and(|device| device.registration.is_some()))
        {
            return Err(RestoreError::Registered);
        }
        if known.is_none() && self.devices.len() >= self.config.max_devices {
            return Err(RestoreError::Full);
        }
        let (link, identity) = self.restored_link(&snapshot);
        let before = snapshot.silence.saturating_sub(now - Instant::ZERO);
        let heard = Instant::ZERO + (now - Instant::ZERO).saturating_sub(snapshot.silence);
        let registered = Registered {
            location,
            link,
            identity,
            lifetime: snapshot.lifetime,
            version: snapshot.version,
            binding: snapshot.binding,
            queue_mode: snapshot.queue_mode,
            sms: snapshot.sms,
            objects,
            oddities: snapshot.oddities,
            awake: !snapshot.queue_mode || (link.is_some() && snapshot.silence < self.config.awake),
            heard,
            heard_before_start: u32::try_from(before.as_secs()).unwrap_or(u32::MAX),
            active: heard,
            pace: Pace::default(),
            timer: None,
        };
        let key = self.devices.find_or_add(&snapshot.endpoint);
        if let Some(device) = self.devices.get_mut(key) {
            device.formats = snapshot.formats;
        }
        self.take_up(key, registered, snapshot.observations, now);
        self.work(now);
        Ok(())
    }

    /// Where the device is now, and its identity, shared with its session if that is up.
    fn restored_link(&self, snapshot: &RegistrationSnapshot) -> (Option<Link>, Option<Arc<[u8]>>) {
        let Some(identity) = snapshot.identity.as_deref() else {
            return (snapshot.link.filter(|link| !link.is_secured()), None);
        };
        let session = snapshot.link.and_then(|link| self.session(link));
        match session.filter(|session| *session.identity == *identity) {
            Some(session) => (snapshot.link, Some(Arc::clone(&session.identity))),
            None => (None, Some(identity.into())),
        }
    }

    fn take_up(
        &mut self,
        key: DeviceKey,
        registered: Registered,
        observations: Vec<ObservationSnapshot>,
        now: Instant,
    ) {
        let listens = registered.queue_mode && registered.awake;
        let expired = registered.expires(self.config.grace) <= now;
        let link = registered.link;
        self.devices.register(key, Box::new(registered));
        self.renew_timer(key);
        self.want_stored(key, observations, now);
        if expired {
            self.end_registration(key, Gone::Expired, now);
            return self.remove_if_idle(key);
        }
        let Some(device) = self.devices.get(key).filter(|_| listens) else {
            return self.restored_upgrade(key, link, now);
        };
        let endpoint = device.endpoint.clone();
        self.emit(Event::Awake { endpoint });
        self.restored_upgrade(key, link, now);
    }

    /// An upgrade that was taken up before its device can go on.
    fn restored_upgrade(&mut self, key: DeviceKey, link: Option<Link>, now: Instant) {
        if let Some(link) = link {
            self.upgrade_registered(key, now);
            self.after_answer(link, now);
        }
    }
}

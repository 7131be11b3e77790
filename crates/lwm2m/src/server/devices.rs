//! The devices of the shard, found by endpoint name, location and link.

use alloc::boxed::Box;
use alloc::vec::Vec;

use coap::RequestId;
use machine::{Instant, KeyedState, Link, Map, Random, TimerId};

use super::event::{Endpoint, Registration};
use super::exchange::RefusedFormats;
use super::upgrades::Run;
use crate::path::Path;

/// Names a device as long as it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct DeviceKey {
    slot: u32,
    generation: u32,
}

/// A device that is registered or waited for.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) endpoint: Endpoint,
    pub(super) registration: Option<Box<Registered>>,
    pub(super) upgrade: Option<Box<Run>>,
    pub(super) refused: RefusedFormats,
    /// Observations that operations began; bounded by the CoAP layer.
    pub(super) observations: Vec<(Path, RequestId)>,
    /// Requests of operations that are under way or wait; bounded by the CoAP layer.
    pub(super) asked: Vec<RequestId>,
}

/// A registration and what belongs to it.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) registration: Registration,
    /// The session is up; always so on an open link.
    pub(super) connected: bool,
    /// The last message of the device that counts as a sign of life.
    pub(super) heard: Instant,
    pub(super) timer: Option<TimerId>,
}

/// All devices.
#[derive(Debug)]
pub(super) struct Devices {
    slots: Vec<(u32, Option<Device>)>,
    free: Vec<u32>,
    by_endpoint: Map<Endpoint, DeviceKey>,
    by_location: Map<Box<str>, DeviceKey>,
    by_link: Map<Link, DeviceKey>,
}

impl Devices {
    pub(super) fn new(random: &mut Random) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_endpoint: Map::with_hasher(KeyedState::new(random)),
            by_location: Map::with_hasher(KeyedState::new(random)),
            by_link: Map::with_hasher(KeyedState::new(random)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_endpoint.len()
    }

    pub(super) fn by_endpoint(&self, endpoint: &str) -> Option<DeviceKey> {
        self.by_endpoint.get(endpoint).copied()
    }

    pub(super) fn by_location(&self, location: &str) -> Option<DeviceKey> {
        self.by_location.get(location).copied()
    }

    pub(super) fn by_link(&self, link: Link) -> Option<DeviceKey> {
        self.by_link.get(&link).copied()
    }

    pub(super) fn get(&self, key: DeviceKey) -> Option<&Device> {
        let (generation, device) = self.slots.get(key.slot as usize)?;
        device.as_ref().filter(|_| *generation == key.generation)
    }

    pub(super) fn get_mut(&mut self, key: DeviceKey) -> Option<&mut Device> {
        let (generation, device) = self.slots.get_mut(key.slot as usize)?;
        device.as_mut().filter(|_| *generation == key.generation)
    }

    /// The device with this name, new if it was not known.
    pub(super) fn find_or_add(&mut self, endpoint: &str) -> DeviceKey {
        if let Some(key) = self.by_endpoint(endpoint) {
            return key;
        }
        let endpoint = Endpoint::from(endpoint);
        let device = Device {
            endpoint: endpoint.clone(),
            registration: None,
            upgrade: None,
            refused: RefusedFormats::default(),
            observations: Vec::new(),
            asked: Vec::new(),
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            (self.slots.len() - 1) as u32
        });
        let entry = &mut self.slots[slot as usize];
        entry.0 = entry.0.wrapping_add(1);
        entry.1 = Some(device);
        let key = DeviceKey { slot, generation: entry.0 };
        self.by_endpoint.insert(endpoint, key);
        key
    }

    /// Forgets a device that has neither registration nor upgrade.
    pub(super) fn remove(&mut self, key: DeviceKey) {
        let Some(device) = self.get(key) else { return };
        let endpoint = device.endpoint.clone();
        self.by_endpoint.remove(&endpoint);
        self.slots[key.slot as usize].1 = None;
        self.free.push(key.slot);
    }

    /// Stores a registration; its location and link lead to the device from now on. One link leads to the
    /// device that used it last.
    pub(super) fn register(&mut self, key: DeviceKey, registered: Box<Registered>) {
        self.by_location.insert(registered.registration.location.as_str().into(), key);
        self.by_link.insert(registered.registration.link, key);
        if let Some(device) = self.get_mut(key) {
            device.registration = Some(registered);
        }
    }

    /// Takes a registration away.
    pub(super) fn unregister(&mut self, key: DeviceKey) -> Option<Box<Registered>> {
        let registered = self.get_mut(key)?.registration.take()?;
        self.by_location.remove(registered.registration.location.as_str());
        self.unlink(key, registered.registration.link);
        Some(registered)
    }

    /// The device is at another link now.
    pub(super) fn relink(&mut self, key: DeviceKey, from: Link, to: Link) {
        self.unlink(key, from);
        self.by_link.insert(to, key);
    }

    fn unlink(&mut self, key: DeviceKey, link: Link) {
        if self.by_link(link) == Some(key) {
            self.by_link.remove(&link);
        }
    }
}

//! The devices of the shard, found by endpoint name, location and link.

use alloc::boxed::Box;
use alloc::vec::Vec;

use coap::RequestId;
use machine::{Index, KeyedState, Link, Random};

use super::event::Endpoint;
use super::operations::{FormatMemory, Reporting};
use super::pace::Pace;
use super::registered::{Location, Registered};
use super::upgrades::Run;

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
    /// What was learnt of its content formats.
    pub(super) formats: FormatMemory,
    /// Its observations, if there are any.
    pub(super) reporting: Option<Box<Reporting>>,
    /// Counts the bytes that it reports by Send.
    pub(super) sent: Pace,
    /// Requests of operations that are under way or wait; bounded by the CoAP layer.
    pub(super) asked: Vec<RequestId>,
}

/// All devices.
#[derive(Debug)]
pub(super) struct Devices {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_endpoint: Index,
    by_location: Index,
    by_link: Index,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    device: Option<Device>,
}

impl Devices {
    pub(super) fn new(random: &mut Random) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_endpoint: Index::new(KeyedState::new(random)),
            by_location: Index::new(KeyedState::new(random)),
            by_link: Index::new(KeyedState::new(random)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_endpoint.len()
    }

    pub(super) fn by_endpoint(&self, endpoint: &str) -> Option<DeviceKey> {
        self.key(self.by_endpoint.find(Some(endpoint), endpoints(&self.slots)))
    }

    pub(super) fn by_location(&self, location: Location) -> Option<DeviceKey> {
        self.key(self.by_location.find(Some(location), locations(&self.slots)))
    }

    pub(super) fn by_link(&self, link: Link) -> Option<DeviceKey> {
        self.key(self.by_link.find(Some(link), links(&self.slots)))
    }

    fn key(&self, slot: Option<u32>) -> Option<DeviceKey> {
        let slot = slot?;
        Some(DeviceKey { slot, generation: self.slots.get(slot as usize)?.generation })
    }

    pub(super) fn get(&self, key: DeviceKey) -> Option<&Device> {
        let slot = self.slots.get(key.slot as usize)?;
        slot.device.as_ref().filter(|_| slot.generation == key.generation)
    }

    pub(super) fn get_mut(&mut self, key: DeviceKey) -> Option<&mut Device> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        slot.device.as_mut().filter(|_| slot.generation == key.generation)
    }

    /// The device with this name, new if it was not known.
    pub(super) fn find_or_add(&mut self, endpoint: &str) -> DeviceKey {
        if let Some(key) = self.by_endpoint(endpoint) {
            return key;
        }
        let device = Device {
            endpoint: Endpoint::from(endpoint),
            registration: None,
            upgrade: None,
            formats: FormatMemory::default(),
            reporting: None,
            sent: Pace::default(),
            asked: Vec::new(),
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, device: None });
            (self.slots.len() - 1) as u32
        });
        let entry = &mut self.slots[slot as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.device = Some(device);
        let key = DeviceKey { slot, generation: entry.generation };
        self.by_endpoint.insert(slot, endpoints(&self.slots));
        key
    }

    /// Forgets a device that has neither registration nor upgrade.
    pub(super) fn remove(&mut self, key: DeviceKey) {
        if self.get(key).is_some() {
            self.by_endpoint.remove(key.slot, endpoints(&self.slots));
            self.slots[key.slot as usize].device = None;
            self.free.push(key.slot);
        }
    }

    /// Stores the registration of a device that has none; its location and link lead to the device from now
    /// on. One link leads to the device that used it last.
    pub(super) fn register(&mut self, key: DeviceKey, registered: Box<Registered>) {
        if let Some(device) = self.get_mut(key) {
            device.registration = Some(registered);
            self.by_location.insert(key.slot, locations(&self.slots));
            self.by_link.insert(key.slot, links(&self.slots));
        }
    }

    /// Takes a registration away.
    pub(super) fn unregister(&mut self, key: DeviceKey) -> Option<Box<Registered>> {
        self.get(key)?;
        self.by_location.remove(key.slot, locations(&self.slots));
        self.by_link.remove(key.slot, links(&self.slots));
        self.get_mut(key)?.registration.take()
    }

    /// The device is at another link now, or nowhere.
    pub(super) fn relink(&mut self, key: DeviceKey, link: Option<Link>) {
        if self.get(key).is_none() {
            return;
        }
        self.by_link.remove(key.slot, links(&self.slots));
        if let Some(registered) = self.get_mut(key).and_then(|device| device.registration.as_mut()) {
            registered.link = link;
            self.by_link.insert(key.slot, links(&self.slots));
        }
    }
}

fn endpoints<'a>(slots: &'a [Slot]) -> impl Fn(u32) -> Option<&'a str> {
    |slot| Some(&*slots.get(slot as usize)?.device.as_ref()?.endpoint)
}

fn locations(slots: &[Slot]) -> impl Fn(u32) -> Option<Location> {
    |slot| Some(registered(slots, slot)?.location)
}

fn links(slots: &[Slot]) -> impl Fn(u32) -> Option<Link> {
    |slot| registered(slots, slot)?.link
}

fn registered(slots: &[Slot], slot: u32) -> Option<&Registered> {
    slots.get(slot as usize)?.device.as_ref()?.registration.as_deref()
}

//! Which devices are there, in memory, and what is new about them, for the next write.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lwm2m::server::{Endpoint, Registration};
use machine::Link;

use super::messages::Fact;
use crate::clock::Moment;
use crate::store::devices::DeviceChange;

/// The devices that are registered, and what the store does not know yet. Bounded by the devices that were
/// added.
#[derive(Debug, Default)]
pub struct Presence {
    devices: HashMap<Endpoint, Present>,
    /// What is new, by device id.
    changes: BTreeMap<String, DeviceChange>,
    /// Devices whose registrations are newer than the stored ones.
    unsaved: BTreeSet<Endpoint>,
    /// Devices that were heard and are as they were, some of which may have gone since: one entry for each in
    /// a minute, and one more each time that it deregistered and came back.
    heard: Vec<Endpoint>,
}

/// A device that is registered. A million of them must fit into memory: mind the size.
#[derive(Debug)]
struct Present {
    /// The shard that has its registration.
    shard: u8,
    /// Whether it listens, as far as is known.
    listens: bool,
    /// Whether it is among those that were heard.
    heard: bool,
    /// Where it is, if it comes without DTLS.
    address: Option<IpAddr>,
}

impl Presence {
    /// A registration was taken up after a restart, at this shard.
    pub fn restored(&mut self, endpoint: Endpoint, shard: u8, listens: bool, link: Option<Link>) {
        let present = Present { shard, listens, heard: false, address: open_address(link) };
        self.devices.insert(endpoint, present);
    }

    /// A device registered. Gives the shard that had it before, if that was another one.
    pub fn registered(
        &mut self,
        device_id: &str,
        endpoint: &Endpoint,
        shard: u8,
        registration: &Registration,
        now: Moment,
    ) -> Option<u8> {
        let change = DeviceChange { registered_at: Some(now.0), ..described(registration, now) };
        self.change(device_id, change);
        self.unsaved.insert(endpoint.clone());
        let present = Present {
            shard,
            listens: true,
            heard: self.devices.get(endpoint).is_some_and(|before| before.heard),
            address: open_address(registration.link),
        };
        let before = self.devices.insert(endpoint.clone(), present);
        before.map(|before| before.shard).filter(|before| *before != shard)
    }

    /// A registration was renewed.
    pub fn updated(
        &mut self,
        device_id: &str,
        endpoint: &Endpoint,
        registration: Option<&Registration>,
        now: Moment,
    ) {
        let Some(present) = self.devices.get_mut(endpoint) else { return };
        present.listens = true;
        match registration {
            Some(registration) => {
                present.address = open_address(registration.link);
                self.unsaved.insert(endpoint.clone());
                self.change(device_id, described(registration, now));
            }
            None => {
                // Once in a minute for each device, however often it is heard.
                if !std::mem::replace(&mut present.heard, true) {
                    self.heard.push(endpoint.clone());
                }
                if let Some(change) = self.changes.get_mut(device_id) {
                    change.last_seen_at = Some(now.0);
                }
            }
        }
    }

    /// The registration of a device is newer than what is stored.
    pub fn is_newer(&mut self, endpoint: &Endpoint) {
        if self.devices.contains_key(endpoint) {
            self.unsaved.insert(endpoint.clone());
        }
    }

    /// A registration ended at this shard. False if the device is at another one.
    pub fn gone(&mut self, device_id: Option<&str>, endpoint: &Endpoint, shard: u8) -> bool {
        if self.shard(endpoint) != Some(shard) {
            return false;
        }
        self.devices.remove(endpoint);
        self.unsaved.remove(endpoint);
        if let Some(device_id) = device_id {
            self.change(device_id, DeviceChange { registered: Some(false), ..DeviceChange::default() });
        }
        true
    }

    /// Whether the device is registered and listens, as far as is known.
    pub fn listens(&self, endpoint: &str) -> bool {
        self.devices.get(endpoint).is_some_and(|present| present.listens)
    }

    /// A device in queue mode listens, or does not any more.
    pub fn set_listens(&mut self, endpoint: &str, listens: bool) {
        if let Some(present) = self.devices.get_mut(endpoint) {
            present.listens = listens;
        }
    }

    /// The device said what it is.
    pub fn described(&mut self, device_id: &str, fact: Fact, text: String) {
        let mut change = DeviceChange::default();
        *match fact {
            Fact::Manufacturer => &mut change.manufacturer,
            Fact::Model => &mut change.model,
            Fact::FirmwareVersion => &mut change.firmware_version,
        } = Some(text);
        self.change(device_id, change);
    }

    /// Something odd about a device that it may not have done itself, for its page.
    pub fn warned(&mut self, device_id: &str, warning: String) {
        self.change(device_id, DeviceChange { warning: Some(warning), ..DeviceChange::default() });
    }

    /// What the device has, in link-format.
    pub fn has_objects(&mut self, device_id: &str, objects: String) {
        self.change(device_id, DeviceChange { objects: Some(objects), ..DeviceChange::default() });
    }

    /// When the device was last heard of.
    pub fn seen(&mut self, device_id: &str, at: Moment) {
        self.change(device_id, DeviceChange { last_seen_at: Some(at.0), ..DeviceChange::default() });
    }

    /// A device was removed. Gives the shard that has it.
    pub fn removed(&mut self, endpoint: &str) -> Option<u8> {
        self.unsaved.remove(endpoint);
        self.devices.remove(endpoint).map(|present| present.shard)
    }

    /// The shard that has this device's registration.
    pub fn shard(&self, endpoint: &str) -> Option<u8> {
        self.devices.get(endpoint).map(|present| present.shard)
    }

    /// Where a device without DTLS is.
    pub fn address(&self, endpoint: &str) -> Option<IpAddr> {
        self.devices.get(endpoint)?.address
    }

    /// What is newer than the store, to be stored now.
    pub fn take_changes(&mut self) -> Vec<(String, DeviceChange)> {
        std::mem::take(&mut self.changes).into_iter().collect()
    }

    /// Also those that were only heard are to be saved.
    pub fn save_heard(&mut self) {
        for endpoint in self.heard.drain(..) {
            if let Some(present) = self.devices.get_mut(&endpoint) {
                present.heard = false;
                self.unsaved.insert(endpoint);
            }
        }
    }

    /// The devices whose registrations are to be saved, with their shards.
    pub fn take_unsaved(&mut self) -> Vec<(Endpoint, u8)> {
        let unsaved = std::mem::take(&mut self.unsaved);
        unsaved
            .into_iter()
            .filter_map(|endpoint| self.shard(&endpoint).map(|shard| (endpoint, shard)))
            .collect()
    }

    fn change(&mut self, device_id: &str, change: DeviceChange) {
        match self.changes.get_mut(device_id) {
            Some(known) => known.merge(change),
            None => {
                self.changes.insert(device_id.to_owned(), change);
            }
        }
    }
}

fn described(registration: &Registration, now: Moment) -> DeviceChange {
    let texts: Vec<String> = registration.oddities.iter().map(ToString::to_string).collect();
    DeviceChange {
        registered: Some(true),
        address: address(registration),
        secured: Some(registration.identity.is_some()),
        lwm2m_version: Some(registration.version.to_string()),
        lifetime_seconds: Some(match registration.lifetime {
            Duration::MAX => 0,
            lifetime => i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX),
        }),
        last_seen_at: Some(now.0),
        warning: Some(texts.join("\n")),
        binding: Some(registration.binding.clone()),
        queue_mode: Some(registration.queue_mode),
        ..DeviceChange::default()
    }
}

fn open_address(link: Option<Link>) -> Option<IpAddr> {
    match link {
        Some(Link::Open(path)) => Some(path.remote.ip()),
        _ => None,
    }
}

/// Such as `coaps://192.0.2.7:40001`.
fn address(registration: &Registration) -> Option<String> {
    let (scheme, remote): (&str, Option<SocketAddr>) = match registration.link {
        Some(Link::Open(path)) => ("coap", Some(path.remote)),
        _ => ("coaps", registration.remote),
    };
    remote.map(|remote| format!("{scheme}://{remote}"))
}

//! Which devices are there, in memory, and written behind.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use lwm2m::server::Registration;
use machine::Link;

use super::messages::Fact;
use crate::clock::Moment;
use crate::store::devices::DeviceState;

/// What is known of devices that were heard of since the start; bounded by the devices that were added.
#[derive(Debug, Default)]
pub struct Presence {
    devices: HashMap<String, Present>,
    /// Devices whose state is newer than the stored one.
    changed: BTreeSet<String>,
}

#[derive(Debug)]
struct Present {
    device_id: String,
    state: DeviceState,
    /// The shard that has its registration.
    shard: Option<u8>,
    /// Whether it listens, as far as is known.
    listens: bool,
}

impl Presence {
    /// A device registered. Gives the shard that had it before, if that was another one.
    pub fn registered(
        &mut self,
        device_id: String,
        endpoint: &str,
        shard: u8,
        registration: &Registration,
        now: Moment,
    ) -> Option<u8> {
        let before = self.devices.get(endpoint).and_then(|present| present.shard);
        let present = self.present(device_id, endpoint);
        present.state.registered_at = Some(now.0);
        present.shard = Some(shard);
        present.listens = true;
        describe(&mut present.state, registration, now);
        before.filter(|before| *before != shard)
    }

    /// A registration was renewed, at the shard that has it.
    pub fn updated(&mut self, endpoint: &str, registration: Option<&Registration>, now: Moment) {
        if let Some(present) = self.devices.get_mut(endpoint) {
            present.state.last_seen_at = now.0;
            present.listens = true;
            if let Some(registration) = registration {
                describe(&mut present.state, registration, now);
            }
            self.changed.insert(endpoint.to_owned());
        }
    }

    /// A registration ended at this shard. False if the device is at another one.
    pub fn gone(&mut self, endpoint: &str, shard: u8) -> bool {
        let Some(present) = self.devices.get_mut(endpoint).filter(|present| present.shard == Some(shard))
        else {
            return false;
        };
        present.shard = None;
        present.listens = false;
        present.state.registered = false;
        self.changed.insert(endpoint.to_owned());
        true
    }

    /// Whether the device is registered and listens, as far as is known.
    pub fn listens(&self, endpoint: &str) -> bool {
        self.devices.get(endpoint).is_some_and(|present| present.listens)
    }

    /// The device said what it is.
    pub fn described(&mut self, endpoint: &str, fact: Fact, text: String) {
        if let Some(present) = self.devices.get_mut(endpoint) {
            let place = match fact {
                Fact::Manufacturer => &mut present.state.manufacturer,
                Fact::Model => &mut present.state.model,
                Fact::FirmwareVersion => &mut present.state.firmware_version,
            };
            if place.as_ref() != Some(&text) {
                *place = Some(text);
                self.changed.insert(endpoint.to_owned());
            }
        }
    }

    /// Something odd about a device that it may not have done itself, for its page.
    pub fn warned(&mut self, device_id: String, endpoint: &str, warning: String) {
        self.present(device_id, endpoint).state.warning = Some(warning);
    }

    /// A device was removed. Gives the shard that has it.
    pub fn removed(&mut self, endpoint: &str) -> Option<u8> {
        self.changed.remove(endpoint);
        self.devices.remove(endpoint).and_then(|present| present.shard)
    }

    /// The shard that has this device's registration.
    pub fn shard(&self, endpoint: &str) -> Option<u8> {
        self.devices.get(endpoint).and_then(|present| present.shard)
    }

    /// What is newer than the store, to be stored now.
    pub fn take_changed(&mut self) -> Vec<(String, DeviceState)> {
        let changed = std::mem::take(&mut self.changed);
        let states: BTreeMap<&String, &DeviceState> = changed
            .iter()
            .filter_map(|endpoint| self.devices.get(endpoint))
            .map(|present| (&present.device_id, &present.state))
            .collect();
        states.into_iter().map(|(id, state)| (id.clone(), state.clone())).collect()
    }

    fn present(&mut self, device_id: String, endpoint: &str) -> &mut Present {
        self.changed.insert(endpoint.to_owned());
        let present = self.devices.entry(endpoint.to_owned()).or_insert_with(|| Present {
            device_id: String::new(),
            state: DeviceState::default(),
            shard: None,
            listens: false,
        });
        present.device_id = device_id;
        present
    }
}

fn describe(state: &mut DeviceState, registration: &Registration, now: Moment) {
    state.registered = true;
    state.last_seen_at = now.0;
    state.secured = registration.identity.is_some();
    state.address = address(registration);
    state.lwm2m_version = registration.version.to_string();
    state.lifetime_seconds = match registration.lifetime {
        Duration::MAX => 0,
        lifetime => i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX),
    };
    let texts: Vec<String> = registration.oddities.iter().map(ToString::to_string).collect();
    state.warning = Some(texts.join("; ")).filter(|text| !text.is_empty());
}

/// Such as `coaps://192.0.2.7:40001`.
fn address(registration: &Registration) -> String {
    let (scheme, remote): (&str, Option<SocketAddr>) = match registration.link {
        Some(Link::Open(path)) => ("coap", Some(path.remote)),
        _ => ("coaps", registration.remote),
    };
    remote.map(|remote| format!("{scheme}://{remote}")).unwrap_or_default()
}

//! What operators want observed, and what is.

use std::collections::{BTreeMap, HashMap};

use lwm2m::server::Endpoint;

/// The wanted observations of all devices; bounded by what may be wanted of each.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Paths as text, and whether the device has confirmed that it reports them.
    devices: HashMap<Endpoint, BTreeMap<String, bool>>,
}

impl Wanted {
    /// These paths are to be observed whenever the device is there.
    pub fn want(&mut self, endpoint: Endpoint, paths: String) {
        self.devices.entry(endpoint).or_default().insert(paths, false);
    }

    /// The device reported these paths when the server ended. Nothing if they are not wanted.
    pub fn restored(&mut self, endpoint: &Endpoint, paths: String) {
        if let Some(confirmed) = self.devices.get_mut(endpoint).and_then(|wanted| wanted.get_mut(&paths)) {
            *confirmed = true;
        }
    }

    /// The device reports these paths from now on.
    pub fn confirmed(&mut self, endpoint: &Endpoint, paths: String) {
        self.devices.entry(endpoint.clone()).or_default().insert(paths, true);
    }

    /// The device does not report these any more.
    pub fn ended(&mut self, endpoint: &Endpoint, paths: &str) {
        if let Some(confirmed) = self.devices.get_mut(endpoint).and_then(|wanted| wanted.get_mut(paths)) {
            *confirmed = false;
        }
    }

    /// The device has forgotten everything.
    pub fn all_ended(&mut self, endpoint: &Endpoint) {
        if let Some(wanted) = self.devices.get_mut(endpoint) {
            wanted.values_mut().for_each(|confirmed| *confirmed = false);
        }
    }

    /// These are wanted no more.
    pub fn forget(&mut self, endpoint: &Endpoint, paths: &str) {
        if let Some(wanted) = self.devices.get_mut(endpoint) {
            wanted.remove(paths);
            if wanted.is_empty() {
                self.devices.remove(endpoint);
            }
        }
    }

    /// The device was removed.
    pub fn removed(&mut self, endpoint: &str) {
        self.devices.remove(endpoint);
    }

    /// What is wanted of a device and not confirmed.
    pub fn missing(&self, endpoint: &Endpoint) -> Vec<String> {
        let wanted = self.devices.get(endpoint).into_iter().flatten();
        wanted.filter(|(_, confirmed)| !**confirmed).map(|(paths, _)| paths.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_missing_until_confirmed_and_again_when_it_ends() {
        let (mut wanted, device) = (Wanted::default(), Endpoint::from("one"));
        wanted.want(device.clone(), "/3/0/13".to_owned());
        assert_eq!(wanted.missing(&device), ["/3/0/13"]);
        wanted.confirmed(&device, "/3/0/13".to_owned());
        wanted.confirmed(&device, "/4".to_owned());
        assert_eq!(wanted.missing(&device), [""; 0]);
        wanted.ended(&device, "/4");
        assert_eq!(wanted.missing(&device), ["/4"]);
        wanted.forget(&device, "/4");
        wanted.all_ended(&device);
        assert_eq!(wanted.missing(&device), ["/3/0/13"]);
        wanted.removed("one");
        assert_eq!(wanted.missing(&device), [""; 0]);
    }
}

//! What operators want observed, and what is.

use std::collections::{BTreeMap, HashMap};

use lwm2m::server::Endpoint;

/// The wanted observations of all devices; bounded by what may be wanted of each.
#[derive(Debug, Default)]
pub struct Wanted {
    /// By paths as text.
    devices: HashMap<Endpoint, BTreeMap<String, Observation>>,
}

#[derive(Debug, Default)]
struct Observation {
    /// Attributes of this observation alone, as a query.
    attributes: String,
    /// Whether the device has confirmed that it reports this.
    confirmed: bool,
}

impl Wanted {
    /// These paths are to be observed whenever the device is there.
    pub fn want(&mut self, endpoint: Endpoint, paths: String, attributes: String) {
        let observation = Observation { attributes, confirmed: false };
        self.devices.entry(endpoint).or_default().insert(paths, observation);
    }

    /// The device reported these paths when the server ended. Nothing if they are not wanted.
    pub fn restored(&mut self, endpoint: &Endpoint, paths: &str, attributes: &str) {
        if let Some(observation) = self.observation(endpoint, paths) {
            observation.confirmed = observation.attributes == attributes;
        }
    }

    /// The device reports these paths from now on.
    pub fn confirmed(&mut self, endpoint: &Endpoint, paths: String, attributes: String) {
        let observation = Observation { attributes, confirmed: true };
        self.devices.entry(endpoint.clone()).or_default().insert(paths, observation);
    }

    /// The device does not report these any more.
    pub fn ended(&mut self, endpoint: &Endpoint, paths: &str) {
        if let Some(observation) = self.observation(endpoint, paths) {
            observation.confirmed = false;
        }
    }

    fn observation(&mut self, endpoint: &Endpoint, paths: &str) -> Option<&mut Observation> {
        self.devices.get_mut(endpoint)?.get_mut(paths)
    }

    /// The device has forgotten everything.
    pub fn all_ended(&mut self, endpoint: &Endpoint) {
        if let Some(wanted) = self.devices.get_mut(endpoint) {
            wanted.values_mut().for_each(|observation| observation.confirmed = false);
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

    /// Whether these are wanted.
    pub fn is_wanted(&self, endpoint: &Endpoint, paths: &str) -> bool {
        self.devices.get(endpoint).is_some_and(|wanted| wanted.contains_key(paths))
    }

    /// The device was removed.
    pub fn removed(&mut self, endpoint: &str) {
        self.devices.remove(endpoint);
    }

    /// What is wanted of a device and not confirmed: paths and attributes.
    pub fn missing(&self, endpoint: &Endpoint) -> Vec<(String, String)> {
        let wanted = self.devices.get(endpoint).into_iter().flatten();
        let missing = wanted.filter(|(_, observation)| !observation.confirmed);
        missing.map(|(paths, observation)| (paths.clone(), observation.attributes.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_missing_until_confirmed_and_again_when_it_ends() {
        let (mut wanted, device) = (Wanted::default(), Endpoint::from("one"));
        let check = |wanted: &Wanted, expect: &[(&str, &str)]| {
            let missing = wanted.missing(&device);
            let missing: Vec<_> = missing.iter().map(|(paths, with)| (&**paths, &**with)).collect();
            assert_eq!(missing, expect);
        };
        let text = str::to_owned;
        wanted.want(device.clone(), text("/3/0/13"), text("pmin=5"));
        check(&wanted, &[("/3/0/13", "pmin=5")]);
        wanted.confirmed(&device, text("/3/0/13"), text("pmin=5"));
        wanted.confirmed(&device, text("/3/0/0 /4"), text(""));
        check(&wanted, &[]);
        wanted.ended(&device, "/3/0/0 /4");
        check(&wanted, &[("/3/0/0 /4", "")]);
        wanted.forget(&device, "/3/0/0 /4");
        wanted.all_ended(&device);
        // After a restart the device reports it, but as it was wanted before.
        wanted.restored(&device, "/3/0/13", "");
        check(&wanted, &[("/3/0/13", "pmin=5")]);
        wanted.restored(&device, "/3/0/13", "pmin=5");
        check(&wanted, &[]);
        wanted.removed("one");
        check(&wanted, &[]);
    }
}

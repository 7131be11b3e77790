//! The last values of devices, gathered for the next write.

use std::collections::BTreeMap;

use lwm2m::format::{Record, records_of};
use lwm2m::path::Path;
use lwm2m::value::Node;

use crate::app::operations::recorded_values;
use crate::clock::Moment;
use crate::store::values::DeviceValue;

/// Values that wait for a write. When so many are there, others than these wait for the device to tell them
/// again.
const MOST: usize = 65_536;

/// Values that are newer than those in the store.
#[derive(Debug, Default)]
pub struct Values {
    /// By device id and path, so that a device that tells the same again and again takes one place.
    newest: BTreeMap<(String, String), DeviceValue>,
}

impl Values {
    /// A device told this.
    pub fn told(&mut self, device_id: &str, path: Path, node: &Node, now: Moment) {
        // Without a record where it does not have the shape of the path, which no answer has.
        self.recorded(device_id, &records_of(path, node).unwrap_or_default(), now);
    }

    /// A device told these, each with its own time; older ones do not replace newer ones.
    pub fn recorded(&mut self, device_id: &str, records: &[Record], now: Moment) {
        for value in recorded_values(records, now) {
            let key = (device_id.to_owned(), value.path.clone());
            if self.newest.get(&key).is_none_or(|newest| newest.at <= value.at) {
                self.tell(device_id, value);
            }
        }
    }

    fn tell(&mut self, device_id: &str, value: DeviceValue) {
        let key = (device_id.to_owned(), value.path.clone());
        if self.newest.len() < MOST || self.newest.contains_key(&key) {
            self.newest.insert(key, value);
        }
    }

    /// What is to be stored now.
    pub fn take(&mut self) -> Vec<(String, DeviceValue)> {
        let newest = std::mem::take(&mut self.newest);
        newest.into_iter().map(|((device, _), value)| (device, value)).collect()
    }
}

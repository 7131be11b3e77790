//! Payloads in memory, shared by all devices that get them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::store::{ImageHash, Stamp};

/// What is in use now, under the hash of its package. Bounded by the packages of the upgrades that run: an
/// entry is gone with the last device that gets it.
#[derive(Debug, Default)]
pub struct Payloads(Mutex<BTreeMap<ImageHash, Shared>>);

#[derive(Debug)]
struct Shared {
    /// The state of the file that it was read from.
    file: Stamp,
    payload: Weak<[u8]>,
}

impl Payloads {
    /// The payload, if somebody has it and its file has not been touched since it was read.
    pub fn find(&self, package: ImageHash, stamp: &Stamp) -> Option<Arc<[u8]>> {
        let payloads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = payloads.get(&package).filter(|shared| shared.file == *stamp)?;
        shared.payload.upgrade()
    }

    /// Shares a payload that was read from a file in this state.
    pub fn keep(&self, package: ImageHash, stamp: Stamp, payload: Arc<[u8]>) -> Arc<[u8]> {
        let mut payloads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        payloads.retain(|_, shared| shared.payload.strong_count() > 0);
        payloads.insert(package, Shared { file: stamp, payload: Arc::downgrade(&payload) });
        payload
    }
}

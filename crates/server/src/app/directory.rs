//! Who may connect, in memory: the protocol threads ask here and never wait for the database.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::secrets::Psk;

/// How a device may connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Security {
    /// DTLS with a pre-shared key.
    Psk,
    /// Without encryption, where the server listens for that.
    None,
}

impl Security {
    /// The stable name for storage and interfaces.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Psk => "psk",
            Self::None => "none",
        }
    }

    /// The one with this name.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Psk, Self::None].into_iter().find(|security| security.code() == code)
    }
}

/// One device that may connect.
#[derive(Clone, Debug)]
pub struct Admitted {
    pub device_id: String,
    pub endpoint: String,
    pub security: Security,
    /// Identity and key, for [`Security::Psk`].
    pub credential: Option<(String, Psk)>,
}

/// All devices that may connect. Two look-ups at most for each handshake or registration, none per
/// datagram; bounded by the number of devices that were added.
#[derive(Debug, Default)]
pub struct Directory {
    maps: RwLock<Maps>,
}

#[derive(Debug, Default)]
struct Maps {
    by_endpoint: HashMap<String, Arc<Admitted>>,
    by_identity: HashMap<String, Arc<Admitted>>,
}

impl Directory {
    /// Lets a device in.
    pub fn insert(&self, admitted: Admitted) {
        let admitted = Arc::new(admitted);
        let mut maps = self.write();
        if let Some((identity, _)) = &admitted.credential {
            maps.by_identity.insert(identity.clone(), admitted.clone());
        }
        maps.by_endpoint.insert(admitted.endpoint.clone(), admitted);
    }

    /// Lets a device in no more.
    pub fn remove(&self, endpoint: &str) {
        let mut maps = self.write();
        if let Some((identity, _)) =
            maps.by_endpoint.remove(endpoint).as_ref().and_then(|admitted| admitted.credential.as_ref())
        {
            maps.by_identity.remove(identity);
        }
    }

    /// The device with this endpoint name.
    pub fn by_endpoint(&self, endpoint: &str) -> Option<Arc<Admitted>> {
        self.read().by_endpoint.get(endpoint).cloned()
    }

    /// The device that proves this identity.
    pub fn by_identity(&self, identity: &[u8]) -> Option<Arc<Admitted>> {
        // Identities are texts (RFC 4279 section 5.1); another byte string is nobody's.
        let identity = std::str::from_utf8(identity).ok()?;
        self.read().by_identity.get(identity).cloned()
    }

    // A panic elsewhere cannot leave the maps half changed in a way that matters: both are only caches.
    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.maps.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Maps> {
        self.maps.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_device_is_found_by_nothing() {
        let directory = Directory::default();
        directory.insert(Admitted {
            device_id: "1".to_owned(),
            endpoint: "endpoint".to_owned(),
            security: Security::Psk,
            credential: Some(("identity".to_owned(), Psk::from_bytes(vec![1; 16]))),
        });
        assert!(directory.by_endpoint("endpoint").is_some());
        assert!(directory.by_identity(b"identity").is_some());
        assert!(directory.by_identity(b"endpoint").is_none(), "one is never taken for the other");
        directory.remove("endpoint");
        assert!(directory.by_endpoint("endpoint").is_none());
        assert!(directory.by_identity(b"identity").is_none());
        assert!(directory.by_identity(b"\xFF").is_none());
    }
}

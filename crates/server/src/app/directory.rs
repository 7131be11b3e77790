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

/// An identity and its key.
#[derive(Clone, Debug)]
pub struct DeviceKey {
    /// Newer keys of a device have higher versions.
    pub version: i64,
    /// What the device names in the handshake.
    pub identity: String,
    /// The key.
    pub psk: Psk,
}

/// How a device may connect to the bootstrap server.
#[derive(Clone, Debug)]
pub enum BootstrapAccess {
    /// DTLS with this key.
    Psk(DeviceKey),
    /// Without encryption, where the bootstrap server listens for that.
    None,
}

/// One device that may connect.
#[derive(Clone, Debug)]
pub struct Admitted {
    pub device_id: String,
    pub endpoint: String,
    pub security: Security,
    /// What it proves, for [`Security::Psk`]; `None` until its first bootstrap.
    pub active: Option<DeviceKey>,
    /// What a bootstrap wrote and it has not proved yet.
    pub staged: Option<Box<DeviceKey>>,
    pub bootstrap: Option<Box<BootstrapAccess>>,
}

impl Admitted {
    /// Its keys for management.
    fn keys(&self) -> impl Iterator<Item = &DeviceKey> {
        self.active.iter().chain(self.staged.as_deref())
    }

    /// The key that it proves with this identity.
    pub fn key(&self, identity: &[u8]) -> Option<&Psk> {
        self.keys().find(|key| key.identity.as_bytes() == identity).map(|key| &key.psk)
    }

    /// The identity that it proves, as far as is known; before its first proof the one that it was given.
    pub fn identity(&self) -> Option<&str> {
        self.keys().next().map(|key| &*key.identity)
    }

    /// Whether a session with this identity, or a link without one, can be its.
    pub fn proves(&self, identity: Option<&[u8]>) -> bool {
        match identity {
            Some(identity) => self.key(identity).is_some(),
            None => self.security == Security::None,
        }
    }

    /// Whether this is the identity of the key that it has not proved yet.
    pub fn awaits(&self, identity: &[u8]) -> bool {
        self.staged.as_ref().is_some_and(|key| key.identity.as_bytes() == identity)
    }

    fn bootstrap_key(&self) -> Option<&DeviceKey> {
        match self.bootstrap.as_deref() {
            Some(BootstrapAccess::Psk(key)) => Some(key),
            _ => None,
        }
    }
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
    /// Apart from the others, since a key for one port is none for the other (SECURITY rule k05).
    by_bootstrap_identity: HashMap<String, Arc<Admitted>>,
}

impl Maps {
    fn insert(&mut self, admitted: Admitted) {
        let admitted = Arc::new(admitted);
        for key in admitted.keys() {
            self.by_identity.insert(key.identity.clone(), admitted.clone());
        }
        if let Some(key) = admitted.bootstrap_key() {
            self.by_bootstrap_identity.insert(key.identity.clone(), admitted.clone());
        }
        self.by_endpoint.insert(admitted.endpoint.clone(), admitted);
    }

    fn remove(&mut self, endpoint: &str) -> Option<Arc<Admitted>> {
        let admitted = self.by_endpoint.remove(endpoint)?;
        for key in admitted.keys() {
            self.by_identity.remove(&key.identity);
        }
        if let Some(key) = admitted.bootstrap_key() {
            self.by_bootstrap_identity.remove(&key.identity);
        }
        Some(admitted)
    }
}

impl Directory {
    /// Lets a device in.
    pub fn insert(&self, admitted: Admitted) {
        self.write().insert(admitted);
    }

    /// Lets a device in no more.
    pub fn remove(&self, endpoint: &str) {
        self.write().remove(endpoint);
    }

    /// Lets a device in with a new key as well. It is stored.
    pub fn stage(&self, endpoint: &str, key: DeviceKey) {
        self.change(endpoint, |device| {
            let newest = device.keys().map(|known| known.version).max();
            if newest.is_some_and(|newest| newest >= key.version) {
                return;
            }
            // A new key is made only once the one before it was proved, which may not be noted here yet.
            if let Some(proved) = device.staged.take() {
                device.active = Some(*proved);
            }
            device.staged = Some(Box::new(key));
        });
    }

    /// The key of this identity was proved: the one before it lets nobody in any more. That is stored.
    pub fn activate(&self, endpoint: &str, identity: &str) {
        self.change(endpoint, |device| {
            if let Some(proved) = device.staged.take_if(|key| key.identity == identity) {
                device.active = Some(*proved);
            }
        });
    }

    /// Lets a device come to the bootstrap server in another way, or not at all. That is stored.
    pub fn set_bootstrap(&self, endpoint: &str, access: Option<BootstrapAccess>) {
        self.change(endpoint, |device| device.bootstrap = access.map(Box::new));
    }

    fn change(&self, endpoint: &str, change: impl FnOnce(&mut Admitted)) {
        let mut maps = self.write();
        if let Some(known) = maps.remove(endpoint) {
            let mut device = Arc::unwrap_or_clone(known);
            change(&mut device);
            maps.insert(device);
        }
    }

    /// The device with this endpoint name.
    pub fn by_endpoint(&self, endpoint: &str) -> Option<Arc<Admitted>> {
        self.read().by_endpoint.get(endpoint).cloned()
    }

    /// The device that proves this identity to the management server.
    pub fn by_identity(&self, identity: &[u8]) -> Option<Arc<Admitted>> {
        // Identities are texts (RFC 4279 section 5.1); another byte string is nobody's.
        let identity = std::str::from_utf8(identity).ok()?;
        self.read().by_identity.get(identity).cloned()
    }

    /// The device that proves this identity to the bootstrap server.
    pub fn by_bootstrap_identity(&self, identity: &[u8]) -> Option<Arc<Admitted>> {
        let identity = std::str::from_utf8(identity).ok()?;
        self.read().by_bootstrap_identity.get(identity).cloned()
    }

    /// The key of this identity at the bootstrap server.
    pub fn bootstrap_key(&self, identity: &[u8]) -> Option<Psk> {
        Some(self.by_bootstrap_identity(identity)?.bootstrap_key()?.psk.clone())
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

    fn key(version: i64, identity: &str) -> DeviceKey {
        let psk = Psk::from_bytes(vec![version as u8; 16]);
        DeviceKey { version, identity: identity.to_owned(), psk }
    }

    fn device() -> Admitted {
        Admitted {
            device_id: "1".to_owned(),
            endpoint: "endpoint".to_owned(),
            security: Security::Psk,
            active: Some(key(1, "identity")),
            staged: None,
            bootstrap: Some(Box::new(BootstrapAccess::Psk(key(9, "first")))),
        }
    }

    #[test]
    fn a_removed_device_is_found_by_nothing() {
        let directory = Directory::default();
        directory.insert(device());
        directory.stage("endpoint", key(2, "staged"));
        assert!(directory.by_endpoint("endpoint").is_some());
        assert!(directory.by_identity(b"identity").is_some());
        assert!(directory.by_identity(b"staged").is_some());
        assert!(directory.by_identity(b"endpoint").is_none(), "one is never taken for the other");
        assert!(directory.by_bootstrap_identity(b"first").is_some());
        directory.remove("endpoint");
        assert!(directory.by_endpoint("endpoint").is_none());
        assert!(directory.by_identity(b"identity").is_none());
        assert!(directory.by_identity(b"staged").is_none());
        assert!(directory.by_bootstrap_identity(b"first").is_none());
        assert!(directory.by_identity(b"\xFF").is_none());
    }

    #[test]
    fn sec_k05_a_key_for_one_port_is_none_for_the_other() {
        let directory = Directory::default();
        directory.insert(device());
        assert!(directory.by_identity(b"first").is_none());
        assert!(directory.bootstrap_key(b"identity").is_none());
        assert_eq!(directory.bootstrap_key(b"first"), Some(Psk::from_bytes(vec![9; 16])));
    }

    #[test]
    fn sec_k06_two_keys_are_valid_until_the_new_one_is_proved() {
        let directory = Directory::default();
        directory.insert(device());
        directory.stage("endpoint", key(2, "second"));
        let known = directory.by_identity(b"second").unwrap();
        assert!(known.awaits(b"second") && !known.awaits(b"identity"));
        assert!(known.proves(Some(b"identity")) && known.proves(Some(b"second")) && !known.proves(None));
        directory.activate("endpoint", "second");
        let known = directory.by_identity(b"second").unwrap();
        assert_eq!((known.identity(), known.staged.is_none()), (Some("second"), true));
        assert!(directory.by_identity(b"identity").is_none());
        // What comes late changes nothing.
        directory.stage("endpoint", key(2, "second"));
        directory.activate("endpoint", "identity");
        assert!(directory.by_identity(b"second").is_some_and(|known| !known.awaits(b"second")));
    }

    #[test]
    fn sec_k06_a_key_that_follows_before_the_proof_is_noted_locks_nobody_out() {
        let directory = Directory::default();
        directory.insert(device());
        directory.stage("endpoint", key(2, "second"));
        directory.stage("endpoint", key(3, "third"));
        directory.activate("endpoint", "second");
        assert!(directory.by_identity(b"second").is_some());
        assert!(directory.by_identity(b"third").is_some());
        assert!(directory.by_identity(b"identity").is_none());
    }
}

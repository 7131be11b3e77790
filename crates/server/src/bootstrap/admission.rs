//! Answers the bootstrap thread's questions about who may come.

use std::net::SocketAddr;
use std::sync::Arc;

use lwm2m::server::{Admission, Refusal};
use net::KeySource;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::desk::Told;
use crate::app::{BootstrapAccess, Directory};

/// The directory of devices as the bootstrap server sees it: other keys than those for management.
pub struct Admissions {
    directory: Arc<Directory>,
    told: mpsc::Sender<Told>,
}

impl Admissions {
    pub fn new(directory: Arc<Directory>, told: mpsc::Sender<Told>) -> Self {
        Self { directory, told }
    }
}

impl lwm2m::server::Directory for Admissions {
    fn admit(&self, identity: Option<&[u8]>, endpoint: Option<&str>) -> Admission {
        match admitted(&self.directory, identity, endpoint) {
            Ok(endpoint) => Admission::Accept { endpoint },
            Err(refusal) => Admission::Refuse(refusal),
        }
    }
}

fn admitted(
    directory: &Directory,
    identity: Option<&[u8]>,
    endpoint: Option<&str>,
) -> Result<String, Refusal> {
    let device = match (identity, endpoint) {
        (Some(identity), _) => directory.by_bootstrap_identity(identity),
        (None, Some(endpoint)) => directory.by_endpoint(endpoint),
        (None, None) => return Err(Refusal::NoEndpoint),
    };
    let device = device.ok_or(Refusal::UnknownEndpoint)?;
    match (device.bootstrap.as_deref(), identity) {
        (None, _) => return Err(Refusal::UnknownEndpoint),
        (Some(BootstrapAccess::Psk(_)), None) => return Err(Refusal::SecurityRequired),
        _ => {}
    }
    // SECURITY rule k04: the name must be the one that is bound to the identity.
    match endpoint {
        Some(endpoint) if endpoint != device.endpoint => Err(Refusal::WrongEndpoint),
        _ => Ok(device.endpoint.clone()),
    }
}

impl KeySource for Admissions {
    fn key(&self, identity: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let psk = self.directory.bootstrap_key(identity)?;
        Some(Zeroizing::new(psk.as_bytes().to_vec()))
    }

    fn rejected(&self, identity: &[u8], remote: SocketAddr, cause: dtls::Rejection) {
        tracing::debug!(identity = %identity.escape_ascii(), %remote, ?cause, "a handshake was rejected");
        let device = self.directory.by_bootstrap_identity(identity);
        let endpoint = device.map(|device| device.endpoint.clone());
        let identity = identity.escape_ascii().to_string();
        // Told as far as there is room: somebody may send names without end.
        if self.told.capacity() > self.told.max_capacity() / 4 {
            let _ = self.told.try_send(Told::Rejected { identity, endpoint, remote });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{Admitted, DeviceKey, Security};
    use crate::secrets::Psk;

    #[test]
    fn ets_401x_only_those_who_are_bootstrapped_are_admitted_and_by_their_own_key() {
        let directory = Directory::default();
        let key = |identity: &str| DeviceKey {
            version: 1,
            identity: identity.to_owned(),
            psk: Psk::from_bytes(vec![1; 16]),
        };
        for (endpoint, bootstrap) in [
            ("secured", Some(BootstrapAccess::Psk(key("bootstrap")))),
            ("open", Some(BootstrapAccess::None)),
            ("other", None),
        ] {
            directory.insert(Admitted {
                device_id: endpoint.to_owned(),
                endpoint: endpoint.to_owned(),
                security: Security::Psk,
                active: Some(key(&format!("{endpoint} management"))),
                staged: None,
                bootstrap: bootstrap.map(Box::new),
            });
        }
        let check = |identity: Option<&str>, endpoint, expect: Result<&str, Refusal>| {
            let answer = admitted(&directory, identity.map(str::as_bytes), endpoint);
            assert_eq!(answer.as_deref(), expect.as_ref().copied(), "{identity:?} {endpoint:?}");
        };
        check(Some("bootstrap"), Some("secured"), Ok("secured"));
        check(Some("bootstrap"), None, Ok("secured"));
        check(Some("bootstrap"), Some("open"), Err(Refusal::WrongEndpoint));
        check(Some("secured management"), Some("secured"), Err(Refusal::UnknownEndpoint));
        check(None, Some("open"), Ok("open"));
        check(None, Some("secured"), Err(Refusal::SecurityRequired));
        check(None, Some("other"), Err(Refusal::UnknownEndpoint));
        check(None, Some("nobody"), Err(Refusal::UnknownEndpoint));
        check(None, None, Err(Refusal::NoEndpoint));
    }
}

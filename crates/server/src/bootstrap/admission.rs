//! Answers the bootstrap thread's questions about who may come.

use std::net::SocketAddr;
use std::sync::Arc;

use lwm2m::server::Admission;
use net::KeySource;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::desk::Told;
use crate::app::{Directory, Port};

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
        match self.directory.admit(Port::Bootstrap, identity, endpoint) {
            Ok(endpoint) => Admission::Accept { endpoint },
            Err(refusal) => Admission::Refuse(refusal),
        }
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

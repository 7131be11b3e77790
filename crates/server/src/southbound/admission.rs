//! Answers the protocol threads' questions about who may connect.

use std::net::SocketAddr;
use std::sync::Arc;

use lwm2m::server::Admission;
use net::KeySource;
use zeroize::Zeroizing;

use super::messages::Report;
use super::reporter::ShardReporter;
use super::strangers::Stranger;
use crate::app::{Directory, Port};

/// The directory of devices as a shard sees it.
pub struct Admissions {
    directory: Arc<Directory>,
    reporter: ShardReporter,
}

impl Admissions {
    pub fn new(directory: Arc<Directory>, reporter: ShardReporter) -> Self {
        Self { directory, reporter }
    }
}

impl lwm2m::server::Directory for Admissions {
    fn admit(&self, identity: Option<&[u8]>, endpoint: Option<&str>) -> Admission {
        match self.directory.admit(Port::Management, identity, endpoint) {
            Ok(endpoint) => Admission::Accept { endpoint },
            Err(refusal) => Admission::Refuse(refusal),
        }
    }
}

impl KeySource for Admissions {
    fn key(&self, identity: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let device = self.directory.by_identity(identity)?;
        device.key(identity).map(|psk| Zeroizing::new(psk.as_bytes().to_vec()))
    }

    fn rejected(&self, identity: &[u8], remote: SocketAddr, cause: dtls::Rejection) {
        tracing::debug!(identity = %identity.escape_ascii(), %remote, ?cause, "a handshake was rejected");
        // Only a device that exists has a page to show it on.
        self.reporter.mention(match self.directory.by_identity(identity) {
            Some(device) => Report::KeyRejected { endpoint: device.endpoint.clone(), remote },
            None => {
                let identity = identity.escape_ascii().to_string();
                Report::IdentityUnknown(Stranger::Identity { identity, remote })
            }
        });
    }
}

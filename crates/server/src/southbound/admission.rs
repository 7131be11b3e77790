//! Answers the protocol threads' questions about who may connect.

use std::net::SocketAddr;
use std::sync::Arc;

use lwm2m::server::{Admission, Refusal};
use net::KeySource;
use zeroize::Zeroizing;

use super::messages::Report;
use super::reporter::ShardReporter;
use super::strangers::Stranger;
use crate::app::{Directory, Security};

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
        (Some(identity), _) => directory.by_identity(identity),
        (None, Some(endpoint)) => directory.by_endpoint(endpoint),
        (None, None) => return Err(Refusal::NoEndpoint),
    };
    let device = device.ok_or(Refusal::UnknownEndpoint)?;
    if identity.is_none() && device.security == Security::Psk {
        return Err(Refusal::SecurityRequired);
    }
    // SECURITY rule k04: the name must be the one that is bound to the identity.
    match endpoint {
        Some(endpoint) if endpoint != device.endpoint => Err(Refusal::WrongEndpoint),
        _ => Ok(device.endpoint.clone()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{Admitted, DeviceKey};
    use crate::secrets::Psk;

    #[test]
    fn sec_k04_a_name_is_admitted_only_with_its_identity() {
        let directory = Directory::default();
        for (endpoint, security, identity) in
            [("secured", Security::Psk, Some("identity")), ("open", Security::None, None)]
        {
            directory.insert(Admitted {
                device_id: endpoint.to_owned(),
                endpoint: endpoint.to_owned(),
                security,
                active: identity.map(|identity| DeviceKey {
                    version: 1,
                    identity: identity.to_owned(),
                    psk: Psk::from_bytes(vec![1; 16]),
                }),
                staged: None,
                bootstrap: None,
            });
        }
        let check = |identity: Option<&str>, endpoint, expect: Result<&str, Refusal>| {
            let answer = admitted(&directory, identity.map(str::as_bytes), endpoint);
            assert_eq!(answer.as_deref(), expect.as_ref().copied(), "{identity:?} {endpoint:?}");
        };
        check(Some("identity"), Some("secured"), Ok("secured"));
        check(Some("identity"), None, Ok("secured"));
        check(Some("identity"), Some("open"), Err(Refusal::WrongEndpoint));
        check(Some("identity"), Some("other"), Err(Refusal::WrongEndpoint));
        check(Some("secured"), Some("secured"), Err(Refusal::UnknownEndpoint));
        check(None, Some("open"), Ok("open"));
        check(None, Some("secured"), Err(Refusal::SecurityRequired));
        check(None, Some("other"), Err(Refusal::UnknownEndpoint));
        check(None, None, Err(Refusal::NoEndpoint));
    }
}

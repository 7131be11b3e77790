//! Who may register, and who may bootstrap: one rule for both ports.

use lwm2m::server::Refusal;

use super::directory::{Admitted, BootstrapAccess, Directory, Security};

/// Where a device comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Port {
    /// The management server.
    Management,
    /// The bootstrap server, which knows other keys.
    Bootstrap,
}

impl Admitted {
    /// How it may connect there, if it may.
    fn security_at(&self, port: Port) -> Option<Security> {
        match (port, self.bootstrap.as_deref()) {
            (Port::Management, _) => Some(self.security),
            (Port::Bootstrap, Some(BootstrapAccess::Psk(_))) => Some(Security::Psk),
            (Port::Bootstrap, Some(BootstrapAccess::None)) => Some(Security::None),
            (Port::Bootstrap, None) => None,
        }
    }
}

impl Directory {
    /// The endpoint name of the device that proved `identity`, if any, and calls itself `endpoint`.
    ///
    /// # Errors
    /// Why it is turned away.
    pub fn admit(
        &self,
        port: Port,
        identity: Option<&[u8]>,
        endpoint: Option<&str>,
    ) -> Result<String, Refusal> {
        let device = match (identity, endpoint, port) {
            (Some(identity), _, Port::Management) => self.by_identity(identity),
            (Some(identity), _, Port::Bootstrap) => self.by_bootstrap_identity(identity),
            (None, Some(endpoint), _) => self.by_endpoint(endpoint),
            (None, None, _) => return Err(Refusal::NoEndpoint),
        };
        let device = device.ok_or(Refusal::UnknownEndpoint)?;
        let security = device.security_at(port).ok_or(Refusal::UnknownEndpoint)?;
        if identity.is_none() && security == Security::Psk {
            return Err(Refusal::SecurityRequired);
        }
        // SECURITY rule k04: the name must be the one that is bound to the identity.
        match endpoint {
            Some(endpoint) if endpoint != device.endpoint => Err(Refusal::WrongEndpoint),
            _ => Ok(device.endpoint.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::DeviceKey;
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
            let answer = directory.admit(Port::Management, identity.map(str::as_bytes), endpoint);
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
            let answer = directory.admit(Port::Bootstrap, identity.map(str::as_bytes), endpoint);
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

//! Accounts as objects 0 and 1 hold them, and what makes them usable (LwM2M Core 1.1 appendix E.1 and E.2).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use machine::{Credential, Path as Way, Socket};

use super::account::{Access, Accounts, BootstrapAccount, MOST_SERVERS, ServerAccount};
use super::data::{Data, number, text};
use super::package_uri::{PackageUri, Scheme};
use crate::object::{SECURITY, SERVER};
use crate::path::{InstanceId, ResourceId};
use crate::value::{Instance, Resource, Value};

/// `/0/x/2`: pre-shared key, and none at all.
const PRE_SHARED_KEY: i64 = 0;
const NO_SECURITY: i64 = 3;

/// Where a server is and how to prove oneself to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Reach {
    pub(super) host: String,
    port: u16,
    /// `None` for plain CoAP.
    credential: Option<Credential>,
}

impl Reach {
    /// The address if the host is one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    pub(super) fn credential(&self) -> Option<&Credential> {
        self.credential.as_ref()
    }

    pub(super) fn access(&self, address: IpAddr, socket: Socket) -> Access {
        let remote = SocketAddr::new(address, self.port);
        match self.credential.clone() {
            None => Access::Open(Way { socket, remote }),
            Some(credential) => Access::Secured { remote, credential },
        }
    }
}

/// One server to register at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ServerEntry {
    /// Of object 1.
    pub(super) instance: InstanceId,
    /// Of object 0.
    pub(super) security: InstanceId,
    pub(super) short_server_id: u16,
    pub(super) reach: Reach,
}

/// The bootstrap server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct BootstrapEntry {
    /// Of object 0.
    pub(super) instance: InstanceId,
    pub(super) reach: Reach,
    pub(super) hold_off: Duration,
    pub(super) account_timeout: Option<Duration>,
}

/// Why what is in objects 0 and 1 cannot be used: a Bootstrap-Finish gets 4.06.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Inconsistency {
    /// There is no server to register at.
    #[error("there is no account of a server")]
    NoServer,
    /// More than [`MOST_SERVERS`].
    #[error("there are more than {MOST_SERVERS} accounts")]
    TooMany,
    /// A Security instance without short server id, or with one that another has.
    #[error("/0/{0} has no short server id of its own")]
    ShortServerId(u16),
    /// No Server instance has this short server id, or several have.
    #[error("short server id {0} has not exactly one instance of object 1")]
    ServerInstance(u16),
    /// A Server instance has a short server id that no Security instance has.
    #[error("/1/{0} has no instance of object 0")]
    Unsecured(u16),
    /// The URI, the mode or the key of a Security instance is missing or cannot be used here.
    #[error("/0/{0} cannot be reached with what is written there")]
    Unreachable(u16),
}

/// Writes the accounts of a configuration.
pub(super) fn put_accounts(data: &mut Data, accounts: &Accounts, binding: &str) {
    let mut next = 0;
    let mut instance = || {
        next += 1;
        InstanceId(next - 1)
    };
    if let Some(account) = &accounts.bootstrap {
        data.put(SECURITY, instance(), bootstrap_security(account));
    }
    for (account, server) in accounts.servers.iter().take(MOST_SERVERS).zip(0..) {
        data.put(SECURITY, instance(), server_security(account));
        data.put(SERVER, InstanceId(server), server_object(account, binding));
    }
}

fn bootstrap_security(account: &BootstrapAccount) -> Instance {
    let mut security = security(&account.access, true);
    let seconds = |duration: Duration| number(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX));
    security.insert(ResourceId(11), seconds(account.hold_off));
    if let Some(timeout) = account.account_timeout {
        security.insert(ResourceId(12), seconds(timeout));
    }
    security
}

fn server_security(account: &ServerAccount) -> Instance {
    let mut security = security(&account.access, false);
    security.insert(ResourceId(10), number(account.short_server_id));
    security
}

fn security(access: &Access, bootstrap: bool) -> Instance {
    let opaque = |bytes: &[u8]| Resource::Single(Value::Opaque(bytes.to_vec()));
    let (uri, mode, credential) = match access {
        Access::Open(path) => (alloc::format!("coap://{}", path.remote), NO_SECURITY, None),
        Access::Secured { remote, credential } => {
            (alloc::format!("coaps://{remote}"), PRE_SHARED_KEY, Some(credential))
        }
    };
    let mut security = Instance::from([
        (ResourceId(0), text(&uri)),
        (ResourceId(1), Resource::Single(Value::Boolean(bootstrap))),
        (ResourceId(2), number(mode)),
    ]);
    if let Some(credential) = credential {
        security.insert(ResourceId(3), opaque(&credential.identity));
        security.insert(ResourceId(5), opaque(&credential.key));
    }
    security
}

fn server_object(account: &ServerAccount, binding: &str) -> Instance {
    Instance::from([
        (ResourceId(0), number(account.short_server_id)),
        (ResourceId(1), number(account.lifetime)),
        // Zero means none: it is there so that a server can see that it may be written.
        (ResourceId(2), number(0)),
        (ResourceId(3), number(0)),
        (ResourceId(5), number(DEFAULT_DISABLE_TIMEOUT)),
        (ResourceId(6), Resource::Single(Value::Boolean(false))),
        (ResourceId(7), text(binding)),
    ])
}

/// `/1/x/5` unless written (OMA 1.xml).
pub(super) const DEFAULT_DISABLE_TIMEOUT: u32 = 86_400;

/// The bootstrap server, if there is a usable account of one.
pub(super) fn bootstrap_entry(data: &Data) -> Option<BootstrapEntry> {
    let mut accounts =
        data.instances_of(SECURITY).map(|(id, _)| id).filter(|id| data.truth(SECURITY, *id, 1));
    let instance = accounts.next()?;
    let seconds = |resource| {
        data.seconds(SECURITY, instance, resource).map(|number| Duration::from_secs(number.into()))
    };
    Some(BootstrapEntry {
        instance,
        reach: reach(data, instance)?,
        hold_off: seconds(11).unwrap_or_default(),
        account_timeout: seconds(12).filter(|timeout| !timeout.is_zero()),
    })
}

/// All servers to register at, or what is wrong with them.
pub(super) fn server_entries(data: &Data) -> Result<Vec<ServerEntry>, Inconsistency> {
    let mut entries: Vec<ServerEntry> = Vec::new();
    for (security, _) in data.instances_of(SECURITY) {
        if data.truth(SECURITY, security, 1) {
            continue;
        }
        let wrong_id = Inconsistency::ShortServerId(security.0);
        let id = data.number(SECURITY, security, 10).and_then(|id| u16::try_from(id).ok());
        let id = id.filter(|id| (1..u16::MAX).contains(id)).ok_or(wrong_id)?;
        if entries.iter().any(|entry| entry.short_server_id == id) {
            return Err(wrong_id);
        }
        let reach = reach(data, security).ok_or(Inconsistency::Unreachable(security.0))?;
        let instance = server_instance(data, id)?;
        entries.push(ServerEntry { instance, security, short_server_id: id, reach });
    }
    let known = |instance: &InstanceId| entries.iter().any(|entry| entry.instance == *instance);
    match data.instances_of(SERVER).find(|(instance, _)| !known(instance)) {
        Some((instance, _)) => Err(Inconsistency::Unsecured(instance.0)),
        None if entries.is_empty() => Err(Inconsistency::NoServer),
        None if entries.len() > MOST_SERVERS => Err(Inconsistency::TooMany),
        None => Ok(entries),
    }
}

fn server_instance(data: &Data, short_server_id: u16) -> Result<InstanceId, Inconsistency> {
    let wanted = |id: &InstanceId| data.number(SERVER, *id, 0) == Some(short_server_id.into());
    let mut found = data.instances_of(SERVER).map(|(id, _)| id).filter(wanted);
    match (found.next(), found.next()) {
        (Some(instance), None) => Ok(instance),
        _ => Err(Inconsistency::ServerInstance(short_server_id)),
    }
}

fn reach(data: &Data, security: InstanceId) -> Option<Reach> {
    let uri = PackageUri::parse(data.text(SECURITY, security, 0)?).ok()?;
    let bytes = |resource| data.bytes(SECURITY, security, resource).map(<[u8]>::to_vec);
    let credential = match (uri.scheme, data.number(SECURITY, security, 2)?) {
        (Scheme::Coap, NO_SECURITY) => None,
        (Scheme::Coaps, PRE_SHARED_KEY) => {
            let key = bytes(5).filter(|key| !key.is_empty())?;
            Some(Credential { identity: bytes(3)?, key })
        }
        _ => return None,
    };
    Some(Reach { host: uri.host.to_string(), port: uri.port, credential })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Data {
        let credential = Credential { identity: b"me".to_vec(), key: alloc::vec![7; 16] };
        let secured = Access::Secured { remote: "192.0.2.1:5684".parse().unwrap(), credential };
        let open = Access::Open(Way { socket: Socket(0), remote: "[2001:db8::1]:5683".parse().unwrap() });
        let server = |access: &Access, short_server_id| ServerAccount {
            access: access.clone(),
            short_server_id,
            lifetime: 300,
        };
        let bootstrap =
            BootstrapAccount { hold_off: Duration::from_secs(10), ..BootstrapAccount::new(open.clone()) };
        let servers = alloc::vec![server(&secured, 101), server(&open, 102)];
        let mut data = Data::default();
        put_accounts(&mut data, &Accounts { bootstrap: Some(bootstrap), servers }, "U");
        data
    }

    #[test]
    fn accounts_are_found_as_they_were_written() {
        let data = accounts();
        let entries = server_entries(&data).unwrap();
        assert_eq!(entries.iter().map(|entry| entry.short_server_id).collect::<Vec<_>>(), [101, 102]);
        assert_eq!(entries[1].instance, InstanceId(1));
        let access = entries[0].reach.access(entries[0].reach.address().unwrap(), Socket(3));
        assert!(matches!(access, Access::Secured { remote, .. } if remote.port() == 5_684));
        let bootstrap = bootstrap_entry(&data).unwrap();
        assert_eq!((bootstrap.hold_off.as_secs(), bootstrap.account_timeout), (10, None));
        assert!(matches!(bootstrap.reach.access(bootstrap.reach.address().unwrap(), Socket(3)),
            Access::Open(Way { socket: Socket(3), remote }) if remote.is_ipv6()));
    }

    #[test]
    fn whatever_does_not_fit_together_is_named() {
        type Change = fn(&mut Data);
        let cases: [(Change, Inconsistency); 7] = [
            (
                |data| data.retain(|object, _, _| object != SECURITY && object != SERVER),
                Inconsistency::NoServer,
            ),
            (|data| assert!(data.remove(SERVER, InstanceId(1))), Inconsistency::ServerInstance(102)),
            (|data| assert!(data.remove(SECURITY, InstanceId(2))), Inconsistency::Unsecured(1)),
            (
                |data| data.set(SECURITY, InstanceId(2), ResourceId(10), number(101)),
                Inconsistency::ShortServerId(2),
            ),
            (|data| data.unset(SECURITY, InstanceId(1), ResourceId(10)), Inconsistency::ShortServerId(1)),
            (|data| data.unset(SECURITY, InstanceId(1), ResourceId(5)), Inconsistency::Unreachable(1)),
            (
                |data| data.set(SECURITY, InstanceId(1), ResourceId(2), number(2)),
                Inconsistency::Unreachable(1),
            ),
        ];
        for (change, expected) in cases {
            let mut data = accounts();
            change(&mut data);
            assert_eq!(server_entries(&data), Err(expected));
        }
    }
}

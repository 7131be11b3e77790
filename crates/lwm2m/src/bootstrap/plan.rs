//! What a device is given, and how it is written into objects 0, 1 and 2.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use machine::Credential;

use super::discovered::Discovered;
use crate::path::{InstanceId, ObjectId, Path, ResourceId, ResourceInstanceId};
use crate::server::Version;
use crate::value::{Instance, Node, Resource, Value};

/// What a device is given.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    /// Its management servers, each with an account of its own; at most 16 are written.
    pub servers: Vec<ServerAccount>,
    /// With several servers: gives all of them all rights to all that the device lists (object 2). Without,
    /// a device gives rights as it likes.
    pub shared_access: bool,
    /// More to write, such as an APN.
    pub more: Vec<(Path, Node)>,
    /// Reads object 1 back before the end and puts the answer into the history.
    pub read_back: bool,
}

/// Servers of one device.
pub(super) const MOST_SERVERS: usize = 16;
/// Instances of object 2 that are written at most.
const MOST_RIGHTS: usize = 64;

/// The account of one management server.
#[derive(Clone, PartialEq, Debug)]
pub struct ServerAccount {
    /// 1 to 65534 (resources /0/x/10 and /1/x/0).
    pub short_id: u16,
    /// Such as `coaps://updates.example.com:5684`.
    pub uri: String,
    /// How the device proves itself there.
    pub security: Security,
    /// The lifetime of its registration.
    pub lifetime: Duration,
    /// How long it waits before it registers there (/0/x/11; since 1.1 also /1/x/14).
    pub hold_off: Duration,
    /// Such as `U` or `UQ`.
    pub binding: String,
    /// Whether it keeps notifications that it cannot send.
    pub store_notifications: bool,
    /// The shortest time between two notifications, unless an attribute says otherwise.
    pub minimum_period: Option<Duration>,
    /// The longest one.
    pub maximum_period: Option<Duration>,
}

/// How a device proves itself to a server.
#[derive(Clone, PartialEq, Debug)]
pub enum Security {
    /// DTLS with a pre-shared key.
    PreSharedKey(Credential),
    /// Not at all.
    None,
}

fn number(duration: Duration) -> Value {
    Value::Integer(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX))
}

fn instance<const COUNT: usize>(resources: [(u16, Value); COUNT]) -> Instance {
    resources.into_iter().map(|(id, value)| (ResourceId(id), Resource::Single(value))).collect()
}

impl ServerAccount {
    /// An instance of object 0; with `plain` only what every version must have.
    pub(super) fn security_node(&self, plain: bool) -> Node {
        let (mode, identity, key) = match &self.security {
            Security::PreSharedKey(credential) => (0, credential.identity.clone(), credential.key.clone()),
            Security::None => (3, Vec::new(), Vec::new()),
        };
        let mut resources = instance([
            (0, Value::String(self.uri.clone())),
            (1, Value::Boolean(false)),
            (2, Value::Integer(mode)),
            (3, Value::Opaque(identity)),
            (4, Value::Opaque(Vec::new())),
            (5, Value::Opaque(key)),
            (10, Value::Integer(self.short_id.into())),
        ]);
        if !plain && !self.hold_off.is_zero() {
            resources.insert(ResourceId(11), Resource::Single(number(self.hold_off)));
        }
        Node::Instance(resources)
    }

    /// An instance of object 1.
    pub(super) fn server_node(&self, version: Option<Version>, plain: bool) -> Node {
        let mut resources = instance([
            (0, Value::Integer(self.short_id.into())),
            (1, number(self.lifetime)),
            (6, Value::Boolean(self.store_notifications)),
            (7, Value::String(self.binding.clone())),
        ]);
        let mut add = |id: u16, value: Option<Value>| {
            if let Some(value) = value.filter(|_| !plain) {
                resources.insert(ResourceId(id), Resource::Single(value));
            }
        };
        add(2, self.minimum_period.map(number));
        add(3, self.maximum_period.map(number));
        let knows_delay = version.is_some_and(|version| version > Version::V1_0);
        let delay = Some(self.hold_off).filter(|delay| knows_delay && !delay.is_zero());
        add(14, delay.map(|delay| Value::Unsigned(delay.as_secs())));
        Node::Instance(resources)
    }
}

impl Plan {
    /// Instances of object 2 that give all servers all rights to what was discovered.
    pub(super) fn rights(&self, discovered: &Discovered) -> Vec<(Path, Node)> {
        /// Read, write, execute and delete (LwM2M Core 1.1 appendix E.3, resource 2).
        const ALL: i64 = 0b1111;
        let (true, [owner, _, ..]) = (self.shared_access, &self.servers[..]) else { return Vec::new() };
        let values: BTreeMap<_, _> = self
            .servers
            .iter()
            .map(|server| (ResourceInstanceId(server.short_id), Value::Integer(ALL)))
            .collect();
        let of = |(place, (object, instance)): (u16, (ObjectId, InstanceId))| {
            let mut resources = self::instance([
                (0, Value::Integer(object.0.into())),
                (1, Value::Integer(instance.0.into())),
                (3, Value::Integer(owner.short_id.into())),
            ]);
            resources.insert(ResourceId(2), Resource::Multiple(values.clone()));
            (Path::Instance(ObjectId(2), InstanceId(place)), Node::Instance(resources))
        };
        (0..).zip(discovered.others()).take(MOST_RIGHTS).map(of).collect()
    }
}

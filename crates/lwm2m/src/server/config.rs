//! Every parameter and every bound of the server role.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::model::ObjectModel;

/// Parameters and bounds of a [`Server`](super::Server).
#[derive(Clone, Debug)]
pub struct Config {
    /// Where devices fetch images from, most wanted first, such as `coaps://updates.example.com:5684`. A
    /// device gets the first one whose protocol it speaks; `coap:` only if it registered without DTLS and
    /// `coaps:` only if it registered with it, unless there is no other.
    pub public_uris: Vec<String>,
    /// The number of the shard, first in every registration's location.
    pub shard: u8,
    /// The lifetime of a registration that names none (LwM2M Core 1.1 section 6.2.1).
    pub default_lifetime: Duration,
    /// How long after its lifetime a registration is kept, for an Update that is still being repeated
    /// (MAX_TRANSMIT_WAIT of RFC 7252).
    pub grace: Duration,
    /// How long a device in queue mode listens after its last message (LwM2M Core 1.1 section 6.5).
    pub awake: Duration,
    /// How often a device may register in the long run (SECURITY rule n06); zero is without bound.
    pub register_interval: Duration,
    /// So many registrations of a device may come at once.
    pub register_burst: u32,
    /// How many bytes a device may send in the bodies of its requests in a second, and twice that at once
    /// (SECURITY rule n06). Blocks of our images do not count.
    pub upstream_per_second: u32,
    /// How many bytes a device may report by Send in a day, all of them at once if it likes (SECURITY rule
    /// n06).
    pub sent_per_day: u32,
    /// How many devices may be known at a time: registered, or waited for by an upgrade.
    pub max_devices: usize,
    /// What objects and resources are.
    pub model: ObjectModel,
    /// The CoAP layer below.
    pub coap: coap::Config,
}

/// The largest body of a Send, in bytes; that of any other request is `coap::Config::max_body`.
const MAX_SEND: usize = 65_536;

impl Default for Config {
    fn default() -> Self {
        let send = coap::BodyLimit { path: "/dp".into(), bytes: MAX_SEND };
        Self {
            public_uris: Vec::new(),
            shard: 0,
            default_lifetime: Duration::from_secs(86_400),
            grace: Duration::from_secs(93),
            awake: Duration::from_secs(93),
            register_interval: Duration::from_secs(5),
            register_burst: 5,
            upstream_per_second: 65_536,
            sent_per_day: 1 << 20,
            max_devices: 1_000_000,
            model: ObjectModel::CORE,
            coap: coap::Config { body_limits: vec![send], ..coap::Config::default() },
        }
    }
}

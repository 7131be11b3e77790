//! The servers that the client registers at, each with a registration, attributes and observations of its own.

use alloc::vec::Vec;
use core::time::Duration;

use coap::RequestId;
use machine::{Instant, Link, OpenRequest};

use super::account_objects::{ServerEntry, server_entries};
use super::attributes::{Attributes, Conditions};
use super::config::{Config, QueueMode, Version};
use super::data::Data;
use super::observations::Observations;
use super::registration::{Registration, RetryPlan, update_after};
use crate::object::{SECURITY, SERVER};

/// One server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) entry: ServerEntry,
    pub(super) registration: Registration,
    pub(super) attributes: Attributes,
    pub(super) observations: Observations,
    /// Lowered when the server refuses the one of the configuration.
    pub(super) version: Version,
    /// What the next update has to tell.
    pub(super) untold: Untold,
    pub(super) registered_at: Instant,
}

/// What a server has not been told yet.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Untold {
    pub(super) lifetime: bool,
    pub(super) binding: bool,
    pub(super) objects: bool,
}

impl Server {
    fn new(entry: ServerEntry, config: &Config, data: &Data, now: Instant) -> Self {
        let plan = retry_plan(&entry, config, data);
        Self {
            registration: Registration::new(plan, now + first_delay(&entry, data)),
            entry,
            attributes: Attributes::default(),
            observations: Observations::default(),
            version: config.version,
            untold: Untold::default(),
            registered_at: now,
        }
    }

    /// `/1/x/1` in seconds.
    pub(super) fn lifetime(&self, data: &Data) -> u32 {
        data.seconds(SERVER, self.entry.instance, 1).unwrap_or(0)
    }

    /// When its registration has to be updated, counted from the last time.
    pub(super) fn update_after(&self, data: &Data, queue_mode: Option<QueueMode>) -> Option<Duration> {
        let by_lifetime = update_after(self.lifetime(data));
        let by_sleep = queue_mode.and_then(|mode| mode.wakes_every);
        by_lifetime.into_iter().chain(by_sleep).min()
    }

    /// What holds for its observations unless attributes say otherwise (`/1/x/2`, `/1/x/3`).
    pub(super) fn default_conditions(&self, data: &Data) -> Conditions {
        let seconds = |resource| data.seconds(SERVER, self.entry.instance, resource);
        Conditions { minimum: seconds(2), maximum: seconds(3), ..Conditions::default() }
    }

    /// `/1/x/6`: notifications that cannot be sent are kept.
    pub(super) fn stores_notifications(&self, data: &Data) -> bool {
        data.truth(SERVER, self.entry.instance, 6)
    }

    /// `/1/x/23`: no Send.
    pub(super) fn is_mute(&self, data: &Data) -> bool {
        data.truth(SERVER, self.entry.instance, 23)
    }
}

/// How long it holds off its first registration after a start or a bootstrap: `/1/x/14` (LwM2M Core 1.1 section
/// 6.2.1.1), or `/0/x/11`, which is what there is in 1.0.
fn first_delay(entry: &ServerEntry, data: &Data) -> Duration {
    let delay = data.seconds(SERVER, entry.instance, 14);
    let delay = delay.or_else(|| data.seconds(SECURITY, entry.security, 11));
    Duration::from_secs(delay.unwrap_or(0).into())
}

/// Resources 17 to 20 of object 1 if there are any (LwM2M Core 1.1 section 6.2.1.1), else the configuration.
fn retry_plan(entry: &ServerEntry, config: &Config, data: &Data) -> RetryPlan {
    let written = |resource| data.seconds(SERVER, entry.instance, resource);
    if ![17, 18, 19, 20].into_iter().any(|resource| written(resource).is_some()) {
        return RetryPlan {
            shortest: config.shortest_retry,
            longest: config.longest_retry,
            attempts: config.attempts,
            sequences: 1,
            between_sequences: None,
        };
    }
    let seconds = |resource, default: u32| Duration::from_secs(written(resource).unwrap_or(default).into());
    RetryPlan {
        shortest: seconds(18, 60),
        longest: Duration::MAX,
        attempts: written(17).unwrap_or(5),
        sequences: written(20).unwrap_or(1),
        between_sequences: Some(seconds(19, 86_400)),
    }
}

/// All servers, in the order of their Security instances.
#[derive(Default, Debug)]
pub(super) struct Servers(pub(super) Vec<Server>);

impl Servers {
    /// The servers of which objects 0 and 1 tell; none if what they tell cannot be used.
    pub(super) fn of(config: &Config, data: &Data, now: Instant) -> Self {
        let entries = server_entries(data).unwrap_or_default();
        Self(entries.into_iter().map(|entry| Server::new(entry, config, data, now)).collect())
    }

    pub(super) fn by_link(&self, link: Link) -> Option<usize> {
        self.0.iter().position(|server| server.registration.link() == Some(link))
    }

    pub(super) fn opening(&self, request: OpenRequest) -> Option<usize> {
        self.0.iter().position(|server| server.registration.opens(request))
    }

    pub(super) fn asking(&self, request: RequestId) -> Option<usize> {
        self.0.iter().position(|server| server.registration.awaits(request))
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().filter_map(|server| server.registration.due()).min()
    }

    /// Whether there is none that could still be reached by going on.
    pub(super) fn are_exhausted(&self) -> bool {
        self.0.iter().all(|server| server.registration.is_exhausted())
    }
}

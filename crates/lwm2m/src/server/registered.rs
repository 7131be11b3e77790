//! A registration as it is kept.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use machine::{Instant, Link, Random, TimerId};

use super::event::Registration;
use super::objects::ObjectList;
use super::oddity::Oddity;
use super::pace::Pace;
use super::parameters::Version;
use super::url_safe;

/// The path behind `/rd/`: 72 bits in letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Location([u8; 12]);

impl Location {
    /// 64 random bits behind the shard's number.
    pub(super) fn new(shard: u8, random: &mut Random) -> Self {
        let mut bytes = [0; 9];
        random.fill(&mut bytes);
        bytes[0] = shard;
        let mut location = Self([0; 12]);
        location.0.iter_mut().zip(url_safe(&bytes).bytes()).for_each(|(place, letter)| *place = letter);
        location
    }

    /// What a path names; `None` if no location looks like that.
    pub(super) fn from_path(segment: &[u8]) -> Option<Self> {
        segment.try_into().ok().map(Self)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| fmt::Write::write_char(formatter, char::from(*letter)))
    }
}

/// A registration and what belongs to it. A million of them must fit into memory: mind the size.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) location: Location,
    /// Where the device is; `None` while its session is down or, after a restart, not up again.
    pub(super) link: Option<Link>,
    /// Shared with the session that proved it.
    pub(super) identity: Option<Arc<[u8]>>,
    pub(super) lifetime: Duration,
    pub(super) version: Version,
    pub(super) binding: String,
    pub(super) queue_mode: bool,
    pub(super) sms: Option<String>,
    pub(super) objects: ObjectList,
    pub(super) oddities: Vec<Oddity>,
    /// It listens: it does not use queue mode, or was heard a short time ago.
    pub(super) awake: bool,
    /// The last message of the device that counts as a sign of life.
    pub(super) heard: Instant,
    /// How long before the clock started that was, in seconds; zero unless the device was last heard before
    /// a restart.
    pub(super) heard_before_start: u32,
    /// The last message of any kind: whoever sent it, the device listens for a while after its own.
    pub(super) active: Instant,
    /// Counts registrations without DTLS; a session counts its own.
    pub(super) pace: Pace,
    /// For the end of its lifetime, or before that of the time it listens.
    pub(super) timer: Option<TimerId>,
}

impl Registered {
    /// When it runs out if nothing more is heard; [`Instant::FAR_FUTURE`] if never.
    pub(super) fn expires(&self, grace: Duration) -> Instant {
        let silent = Duration::from_secs(self.heard_before_start.into());
        self.heard + self.lifetime.saturating_add(grace).saturating_sub(silent)
    }

    /// How long nothing was heard.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        (now - self.heard) + Duration::from_secs(self.heard_before_start.into())
    }

    /// The device gave a sign of life.
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard = now;
        self.active = now;
        self.heard_before_start = 0;
    }

    /// As the owner of the server is told it; `remote` is the address of the session.
    pub(super) fn describe(&self, remote: Option<SocketAddr>) -> Registration {
        Registration {
            location: self.location.to_string(),
            link: self.link,
            remote,
            identity: self.identity.as_deref().map(Vec::from),
            lifetime: self.lifetime,
            version: self.version,
            binding: self.binding.clone(),
            queue_mode: self.queue_mode,
            sms: self.sms.clone(),
            objects: self.objects.clone(),
            oddities: self.oddities.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_found_by_what_it_prints() {
        let location = Location::new(7, &mut Random::from_number(1));
        assert_eq!(Location::from_path(location.to_string().as_bytes()), Some(location));
        assert_eq!(Location::from_path(b"short"), None);
    }

    #[test]
    fn a_registration_is_small() {
        assert!(size_of::<Registered>() <= 272, "{}", size_of::<Registered>());
    }
}

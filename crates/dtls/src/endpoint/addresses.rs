//! Who is at an address, and what a source may do.

use core::hash::{Hash, Hasher};
use core::net::{IpAddr, SocketAddr};

use machine::Instant;

use super::roster::{Roster, Slot};
use super::{Association, Endpoint};
use crate::limits::{self, Kind, Limits, Source};

impl Endpoint {
    /// The session whose records without connection id come from there.
    pub(super) fn session_at(&self, address: SocketAddr) -> Option<Slot> {
        let place = self.sessions_at.find(Key(Some(address)), |place| address_of(&self.roster, place))?;
        Slot::of_place(place)
    }

    pub(super) fn handshake_at(&self, address: SocketAddr) -> Option<Slot> {
        let place = self.handshakes_at.find(Key(Some(address)), |place| address_of(&self.roster, place))?;
        Slot::of_place(place)
    }

    /// Lets the address of an entry lead to it.
    pub(super) fn occupy(&mut self, slot: Slot) {
        let roster = &self.roster;
        let index = match roster.get(slot) {
            Some(Association::Handshake(_)) => &mut self.handshakes_at,
            _ => &mut self.sessions_at,
        };
        index.insert(slot.place(), |place| address_of(roster, place));
    }

    /// Lets the address of an entry lead to it no more. The entry must still be there.
    pub(super) fn vacate(&mut self, slot: Slot) {
        let roster = &self.roster;
        let index = match roster.get(slot) {
            Some(Association::Handshake(_)) => &mut self.handshakes_at,
            _ => &mut self.sessions_at,
        };
        index.remove(slot.place(), |place| address_of(roster, place));
    }

    fn limits_of(&self, from: SocketAddr) -> Limits {
        limits::limits_of(from.ip(), &self.config.network_limits, &self.config.limits)
    }

    /// Counts something that a source has done, unless it has had its share.
    pub(super) fn take(&mut self, kind: Kind, from: SocketAddr, now: Instant) -> bool {
        let limits = self.limits_of(from);
        self.sources.take(kind, Source::of(from.ip()), &limits, now)
    }

    /// A source has returned its cookie and begins a handshake: its first contact does not count any more.
    pub(super) fn take_handshake_of(&mut self, from: SocketAddr, now: Instant) -> bool {
        let limits = self.limits_of(from);
        self.sources.exchange(Kind::FirstContact, Kind::Handshake, Source::of(from.ip()), &limits, now)
    }

    pub(super) fn has_room(&self, kind: Kind, from: SocketAddr, now: Instant) -> bool {
        self.sources.has_room(kind, Source::of(from.ip()), &self.limits_of(from), now)
    }
}

/// An address to look up by. It is hashed at one go, since a handshake does so a dozen times.
#[derive(PartialEq, Eq)]
struct Key(Option<SocketAddr>);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Some(address) = self.0 else { return };
        let mut bytes = [0; 18];
        let end = match address.ip() {
            IpAddr::V4(ip) => {
                bytes[..4].copy_from_slice(&ip.octets());
                4
            }
            IpAddr::V6(ip) => {
                bytes[..16].copy_from_slice(&ip.octets());
                16
            }
        };
        bytes[end..end + 2].copy_from_slice(&address.port().to_be_bytes());
        state.write(&bytes[..end + 2]);
    }
}

fn address_of(roster: &Roster<Association>, place: u32) -> Key {
    Key(Slot::of_place(place).and_then(|slot| roster.get(slot)).map(Association::remote))
}

//! Who is at an address, and what a source may do.

use core::net::SocketAddr;

use machine::Instant;

use super::roster::{Roster, Slot};
use super::{Association, Endpoint};
use crate::limits::{self, Kind, Limits, Source};

impl Endpoint {
    /// The session whose records without connection id come from there.
    pub(super) fn session_at(&self, address: SocketAddr) -> Option<Slot> {
        let place = self.sessions_at.find(Some(address), |place| address_of(&self.roster, place))?;
        Slot::of_place(place)
    }

    pub(super) fn handshake_at(&self, address: SocketAddr) -> Option<Slot> {
        let place = self.handshakes_at.find(Some(address), |place| address_of(&self.roster, place))?;
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

    pub(super) fn give_back(&mut self, kind: Kind, from: SocketAddr) {
        let limits = self.limits_of(from);
        self.sources.give_back(kind, Source::of(from.ip()), &limits);
    }

    pub(super) fn has_room(&self, kind: Kind, from: SocketAddr, now: Instant) -> bool {
        self.sources.has_room(kind, Source::of(from.ip()), &self.limits_of(from), now)
    }
}

fn address_of(roster: &Roster<Association>, place: u32) -> Option<SocketAddr> {
    roster.get(Slot::of_place(place)?).map(Association::remote)
}

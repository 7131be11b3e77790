//! Records with a connection id, and peers that change their address (RFC 9146 section 6).

use core::net::SocketAddr;

use machine::{Instant, SessionId};

use super::roster::Slot;
use super::{Association, Endpoint};
use crate::channel::{Opened, Unusable};
use crate::connection_id::ConnectionId;
use crate::fault::DropCause;
use crate::limits::Kind;
use crate::wire::record::Record;
use crate::{Event, wire};

impl Endpoint {
    /// A record that says itself which session or handshake it is of.
    pub(super) fn handle_identified(
        &mut self,
        from: SocketAddr,
        id: ConnectionId,
        record: &Record<'_>,
        now: Instant,
    ) {
        let is_ours = self.config.connection_id.is_some_and(|ids| id.is_of(ids));
        let slot = if is_ours { self.roster.find_place(id.place()) } else { None };
        let Some(slot) = slot else { return self.drop_record(DropCause::Stray) };
        let is_home = self.roster.get(slot).is_some_and(|association| association.remote() == from);
        if !is_home && !self.has_room(Kind::Unauthentic, from, now) {
            return self.drop_record(DropCause::Limited);
        }
        match self.roster.get_mut(slot) {
            Some(Association::Handshake(handshake)) if is_home => {
                let step = handshake.handle_sealed(record);
                self.proceed(slot, step, now);
            }
            Some(Association::Session(session)) => match session.channel.open(record) {
                Ok(opened) => {
                    self.locate(slot, from, &opened, record);
                    self.handle_content(slot, opened, now);
                }
                Err(unusable) => {
                    if !is_home {
                        self.take(Kind::Unauthentic, from, now);
                    }
                    self.drop_record(unusable.into());
                }
            },
            _ => self.drop_record(DropCause::Stray),
        }
    }

    /// Follows the peer of a session to where its newest record came from. A client stays with the server that
    /// it has called.
    pub(super) fn locate(&mut self, slot: Slot, from: SocketAddr, opened: &Opened, record: &Record<'_>) {
        let length = wire::record::HEADER_LENGTH + ConnectionId::LENGTH + record.fragment.len();
        let Some(Association::Session(session)) = self.roster.get_mut(slot) else { return };
        if session.remote == from {
            return session.heard_at_home(length, opened.is_newest);
        }
        if !opened.is_newest || session.outgoing {
            return;
        }
        self.vacate(slot);
        if let Some(Association::Session(session)) = self.roster.get_mut(slot) {
            session.move_to(from, length);
        }
        // Whoever is there already and has no connection id could not be found otherwise.
        if self.session_at(from).is_none() {
            self.occupy(slot);
        }
        self.statistics.moves += 1;
        let session = SessionId(self.roster.key(slot).0);
        self.events.push_back(Event::Moved { session, remote: from });
    }
}

impl From<Unusable> for DropCause {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Replayed => Self::Replayed,
            Unusable::Unauthentic => Self::Unauthentic,
        }
    }
}

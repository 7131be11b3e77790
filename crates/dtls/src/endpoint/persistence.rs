//! Sessions that outlive the process, and keys that several endpoints share.

use alloc::boxed::Box;

use machine::{Instant, SessionEnd, SessionId};

use super::roster::Key;
use super::session::Session;
use super::{Association, Endpoint};
use crate::channel::Channel;
use crate::connection_id::ConnectionId;
use crate::cookie::CookieJar;
use crate::resumption::TicketSeal;
use crate::{AdvancedSession, CookieKeys, RestoreError, SavedSession, SessionCache, TicketKeys};

impl Endpoint {
    /// Makes cookies with these keys, so that a hello and its cookie may come to different endpoints. Until then
    /// an endpoint has keys of its own.
    pub fn set_cookie_keys(&mut self, keys: CookieKeys) {
        self.cookies = CookieJar::new(keys, self.config.cookie_rotation);
    }

    /// Seals tickets with these keys, so that others can open them. Until then an endpoint has keys of its own.
    pub fn set_ticket_keys(&mut self, keys: TicketKeys) {
        self.tickets = TicketSeal::new(keys);
    }

    /// Keeps sessions that can be resumed by their id here. Until then an endpoint has a table of its own.
    pub fn set_session_cache(&mut self, cache: Box<dyn SessionCache>) {
        self.cache = cache;
    }

    /// A copy of a session that is up, to go on with it after a restart (see [`SavedSession`]). It may be saved
    /// whenever something about it has changed that is worth keeping: when it came up, when its peer moved, and
    /// now and then for the newest record that came.
    pub fn save(&self, session: SessionId) -> Option<SavedSession> {
        let slot = self.roster.find(Key(session.0))?;
        let Some(Association::Session(live)) = self.roster.get(slot) else { return None };
        let ids = self.config.connection_id.filter(|_| live.channel.receives_connection_id());
        Some(SavedSession {
            session,
            keys: live.channel.keys().duplicate()?,
            block: live.channel.block(),
            newest_read: live.channel.newest_read(),
            extended_master_secret: live.extended_master_secret,
            outgoing: live.outgoing,
            remote: live.remote,
            own_connection_id: ids.and_then(|ids| ConnectionId::new(ids, session.0)),
            peer_connection_id: live.channel.peer_connection_id().to_vec(),
            identity: live.identity.to_vec(),
        })
    }

    /// Goes on with a saved session under the number that it had. One without a connection id gets another
    /// number if that is taken, which happens when the sessions of several endpoints come together. No event
    /// tells of it. Call it before the first datagram comes in, since a new session may take the place of an
    /// old one; sessions with connection ids first.
    pub fn restore(&mut self, session: AdvancedSession, now: Instant) -> Result<SessionId, RestoreError> {
        let AdvancedSession(saved) = session;
        if self.live.len() >= self.config.max_sessions.max(1) {
            return Err(RestoreError::Full);
        }
        let number = saved.session.0;
        let found_by_id = saved.own_connection_id.is_some();
        let id = self.config.connection_id.and_then(|ids| ConnectionId::new(ids, number));
        if found_by_id && id != saved.own_connection_id {
            return Err(RestoreError::Elsewhere);
        }
        let is_free = self.session_at(saved.remote).is_none();
        if !is_free && !found_by_id {
            return Err(RestoreError::Taken);
        }
        let bound = self.config.max_sessions + 2 * self.config.max_half_open + 1;
        let slot = match self.roster.reserve_at(Key(number), bound) {
            Some(slot) => slot,
            None if found_by_id => return Err(RestoreError::Taken),
            None => self.roster.reserve().ok_or(RestoreError::Full)?,
        };
        let number = self.roster.key(slot).0;
        let session = Session {
            remote: saved.remote,
            heard: now,
            identity: saved.identity.as_slice().into(),
            last_flight: None,
            unproved: None,
            outgoing: saved.outgoing,
            extended_master_secret: saved.extended_master_secret,
            channel: Channel::restored(saved),
        };
        self.roster.put(slot, Association::Session(session));
        self.roster.join(&mut self.live, slot);
        if is_free {
            self.occupy(slot);
        }
        Ok(SessionId(number))
    }

    /// Drops a session without a word to its peer, because another endpoint has it now: it was saved there, or
    /// its device came there with a new handshake. [`crate::Event::Down`] follows.
    pub fn forget(&mut self, session: SessionId) {
        if let Some(slot) = self.roster.find(Key(session.0)) {
            self.end_session(slot, SessionEnd::Replaced);
        }
    }

    /// The sessions that are up, the one that was unheard for longest first.
    pub fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.roster.line(&self.live).map(|key| SessionId(key.0))
    }

    /// The identity whose key was proved for a session.
    pub fn identity(&self, session: SessionId) -> Option<&[u8]> {
        match self.roster.get(self.roster.find(Key(session.0))?)? {
            Association::Session(live) => Some(&live.identity),
            Association::Handshake(_) => None,
        }
    }
}

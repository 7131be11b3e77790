//! Going on with an earlier session, on either side, and what is kept of this one for later.

use alloc::vec::Vec;

use machine::{Instant, Random};

use super::{Handshake, LastFlight, Side};
use crate::Config;
use crate::channel::Channel;
use crate::resumption::{ResumableSession, ResumptionId, TicketSeal};
use crate::suite::Role;
use crate::wire::hello;
use crate::wire::message::MessageType;

/// What a client keeps for calling the same server again.
#[derive(Debug)]
pub(crate) struct Remembered {
    pub(crate) session: ResumableSession,
    /// What the server called the session; empty if it has given a ticket instead.
    pub(crate) id: Vec<u8>,
    pub(crate) ticket: Vec<u8>,
}

/// What a server needs beside the key of a client.
pub(crate) struct Tools<'a> {
    pub(crate) config: &'a Config,
    pub(crate) random: &'a mut Random,
    pub(crate) tickets: &'a mut TicketSeal,
    pub(crate) now: Instant,
    /// How long the keys of others are.
    pub(crate) usual_key: usize,
}

/// A finished handshake.
pub(crate) struct Outcome {
    pub(crate) identity: Vec<u8>,
    pub(crate) channel: Channel,
    /// Where ours is the last one: in case it gets lost.
    pub(crate) last_flight: Option<LastFlight>,
    pub(crate) is_resumed: bool,
    pub(crate) extended_master_secret: bool,
    /// For our cache.
    pub(crate) resumable: Option<(ResumptionId, ResumableSession)>,
    /// For calling again.
    pub(crate) remembered: Option<Remembered>,
}

impl Handshake {
    /// The session that comes of it. `wall` is the time by which resumable sessions age.
    pub(crate) fn into_outcome(self, wall: Instant) -> Option<Outcome> {
        let ends_with_ours = (self.role() == Role::Server) != self.is_resumed;
        let secured = self.secured?;
        let extended_master_secret = self.agreed.extended_master_secret;
        let (mut resumable, mut remembered) = (None, None);
        match self.side {
            Side::Server(server) => resumable = server.resumable.map(|(id, session)| (id, *session)),
            Side::Client(client) if self.is_resumed => remembered = client.remember_again(),
            // Without the extended master secret our next hello could not resume it (RFC 7627 section 5.3).
            Side::Client(client) if extended_master_secret => {
                remembered = client.remember(|key| ResumableSession {
                    suite: self.suite,
                    extended_master_secret,
                    master: secured.master,
                    key,
                    server_name: Default::default(),
                    established: wall,
                    identity: self.identity.clone(),
                });
            }
            Side::Client(_) => {}
        }
        let last_flight = if ends_with_ours { self.flight.into_last(self.randoms.client) } else { None };
        Some(Outcome {
            identity: self.identity,
            channel: secured.channel,
            last_flight,
            is_resumed: self.is_resumed,
            extended_master_secret,
            resumable,
            remembered,
        })
    }

    /// The earlier session of a call that the server has not decided about: it may be offered again.
    pub(crate) fn into_undecided(self) -> Option<Remembered> {
        match self.side {
            Side::Client(client) => client.into_undecided(),
            Side::Server(_) => None,
        }
    }

    /// Whether a NewSessionTicket must come before the Finished.
    pub(super) const fn awaits_ticket(&self) -> bool {
        match &self.side {
            Side::Client(client) => client.awaits_ticket(),
            Side::Server(_) => false,
        }
    }

    /// The NewSessionTicket before our Finished, if the client was promised one.
    pub(super) fn ticket_message(&mut self) -> Vec<u8> {
        let mut messages = Vec::new();
        if let Side::Server(server) = &mut self.side
            && let Some((lifetime, ticket)) = server.ticket.take()
        {
            let body = hello::new_session_ticket(lifetime, &ticket);
            let message = self.number_message(MessageType::NEW_SESSION_TICKET, &body);
            self.record_in_transcript(&message);
            message.push(&mut messages);
        }
        messages
    }
}

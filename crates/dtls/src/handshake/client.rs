//! The client's side of a handshake.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use machine::{Credential, Random};
use sha2::{Digest, Sha256};

use super::{Agreed, Flight, Handshake, Remembered, Schedule, Side, Step};
use crate::channel::{MAX_PEER_CONNECTION_ID, PeerConnectionId};
use crate::connection_id::ConnectionId;
use crate::fault::{DropCause, Fault};
use crate::inbox::Inbox;
use crate::resumption::{MAX_TICKET, Print, ResumableSession, ResumptionId};
use crate::secrets::{MasterSecret, PresharedKey};
use crate::wire::Version;
use crate::wire::hello::{self, Extensions, Renegotiation, ServerHello};
use crate::wire::message::{Message, MessageType, is_identity_hint};
use crate::{Config, Suite};

/// How many different cookies a server may ask for.
const MAX_COOKIES: u8 = 8;

pub(super) struct Client {
    state: State,
    key: PresharedKey,
    offered: Vec<Suite>,
    requires_extended_master_secret: bool,
    honors_connection_ids: bool,
    /// Whether this session is to be resumed some day.
    remembers: bool,
    cookie: Vec<u8>,
    cookies: u8,
    /// The session that we want to go on with, until the server has decided.
    earlier: Option<Box<Remembered>>,
    /// What the server calls this one.
    given_id: Vec<u8>,
    given_ticket: Vec<u8>,
    awaits_ticket: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    ServerHello,
    ServerHelloDone,
    Finished,
}

impl Client {
    /// Whether the flight after ServerHelloDone is out.
    pub(super) fn has_answered(&self) -> bool {
        self.state == State::Finished
    }

    pub(super) fn into_undecided(self) -> Option<Remembered> {
        (self.state == State::ServerHello).then_some(*self.earlier?)
    }

    pub(super) const fn awaits_ticket(&self) -> bool {
        self.awaits_ticket
    }

    /// What the server's hello makes of ours.
    fn agree(&self, extensions: &Extensions<'_>, asks_for_id: bool) -> Result<Agreed, Fault> {
        if self.requires_extended_master_secret && !extensions.extended_master_secret {
            return Err(Fault::NoExtendedMasterSecret);
        }
        let id = extensions.connection_id;
        if id.is_some_and(|id| !self.honors_connection_ids || id.len() > MAX_PEER_CONNECTION_ID) {
            return Err(Fault::NotOffered);
        }
        Ok(Agreed {
            encrypt_then_mac: extensions.encrypt_then_mac,
            extended_master_secret: extensions.extended_master_secret,
            peer_connection_id: id.and_then(PeerConnectionId::new),
            receives_connection_id: id.is_some() && asks_for_id,
        })
    }

    /// What to keep of a new session, made with the print of the key.
    pub(super) fn remember(self, session: impl FnOnce(Print) -> ResumableSession) -> Option<Remembered> {
        let is_named = !self.given_id.is_empty() || !self.given_ticket.is_empty();
        (self.remembers && is_named).then(|| Remembered {
            session: session(self.key.print()),
            id: self.given_id,
            ticket: self.given_ticket,
        })
    }

    /// What to keep of a session that was resumed: a new ticket if there is one.
    pub(super) fn remember_again(self) -> Option<Remembered> {
        let mut earlier = *self.earlier?;
        if !self.given_ticket.is_empty() {
            earlier.ticket = self.given_ticket;
        }
        Some(earlier)
    }
}

impl Handshake {
    /// Calls `remote`, to go on with an earlier session if there is one. `None` if identity or key have an
    /// impossible length.
    pub(crate) fn call(
        remote: SocketAddr,
        credential: &Credential,
        earlier: Option<Remembered>,
        own_connection_id: Option<ConnectionId>,
        config: &Config,
        schedule: Schedule,
        random: &mut Random,
    ) -> Option<Self> {
        let key = PresharedKey::new(&credential.key)?;
        if !super::server::is_acceptable(&credential.identity) {
            return None;
        }
        let earlier = earlier.filter(|earlier| earlier.session.is_of_key(&key.print()));
        let earlier = earlier.map(|earlier| Box::new(earlier.named(random)));
        let client = Client {
            state: State::ServerHello,
            key,
            offered: config.suites.clone(),
            requires_extended_master_secret: config.require_extended_master_secret,
            honors_connection_ids: config.honor_connection_ids,
            remembers: !config.resumption_lifetime.is_zero(),
            cookie: Vec::new(),
            cookies: 0,
            earlier,
            given_id: Vec::new(),
            given_ticket: Vec::new(),
            awaits_ticket: false,
        };
        let first_suite = *config.suites.first()?;
        let mut handshake = Self::new(remote, schedule, Side::Client(client), first_suite, random.seed());
        handshake.identity = credential.identity.clone();
        handshake.own_connection_id = own_connection_id.filter(|_| config.honor_connection_ids);
        let hello = handshake.hello();
        // The first one says 1.0, for the sake of servers that know no better (RFC 6347 section 4.2.1).
        handshake.flight = Flight::first(hello, Version::DTLS_1_0, 0);
        Some(handshake)
    }

    /// The ClientHello with the cookie that we have. The transcript starts with the last one sent.
    fn hello(&mut self) -> Vec<u8> {
        let Side::Client(client) = &self.side else { return Vec::new() };
        let own_id = self.own_connection_id.as_ref().map_or(&[][..], |id| &id.0);
        let earlier = client.earlier.as_deref();
        let ticket = earlier.map_or(&[][..], |earlier| &earlier.ticket);
        let extensions = Extensions {
            extended_master_secret: true,
            encrypt_then_mac: client.offered.iter().any(|suite| suite.separates_mac()),
            renegotiation: Renegotiation::First,
            connection_id: client.honors_connection_ids.then_some(own_id),
            ticket: client.remembers.then_some(ticket),
            server_name: &[],
        };
        let session = earlier.map_or(&[][..], |earlier| &earlier.id);
        let suites = &client.offered;
        let body = hello::client_hello(&self.randoms.client, session, &client.cookie, suites, extensions);
        let message = self.number_message(MessageType::CLIENT_HELLO, &body);
        self.transcript = Sha256::new();
        self.record_in_transcript(&message);
        let mut messages = Vec::new();
        message.push(&mut messages);
        messages
    }

    /// The server wants to see that we receive at our address. It may number this message as it likes: a
    /// stateless server counts from zero each time.
    pub(super) fn verify_request(&mut self, message: &Message<'_>) -> Result<Step, Fault> {
        let cookie = hello::parse_verify_request(message.body).ok_or(Fault::Malformed)?;
        let Side::Client(client) = &mut self.side else { return Ok(Step::Nothing) };
        if client.state != State::ServerHello || client.cookies == MAX_COOKIES || client.cookie == cookie {
            return Ok(Step::Dropped(DropCause::Unexpected));
        }
        client.cookie = cookie.to_vec();
        client.cookies += 1;
        self.inbox = Inbox::starting_at(self.inbox.next_sequence().max(message.sequence.wrapping_add(1)));
        let hello = self.hello();
        self.flight = self.flight.followed_by(hello, None);
        Ok(Step::Send)
    }

    pub(super) fn handle_server_message(&mut self, message: &Message<'_>) -> Result<Step, Fault> {
        let Side::Client(client) = &mut self.side else { return Ok(Step::Nothing) };
        match (client.state, message.kind) {
            (_, MessageType::HELLO_REQUEST) => Ok(Step::Dropped(DropCause::Unexpected)),
            (State::ServerHello, MessageType::SERVER_HELLO) => self.server_hello(message),
            (State::ServerHelloDone, MessageType::SERVER_KEY_EXCHANGE) if is_identity_hint(message.body) => {
                self.record_in_transcript(message);
                Ok(Step::Nothing)
            }
            (State::ServerHelloDone, MessageType::SERVER_HELLO_DONE) if message.body.is_empty() => {
                client.state = State::Finished;
                self.record_in_transcript(message);
                self.server_hello_done()
            }
            (State::Finished, MessageType::NEW_SESSION_TICKET) if client.awaits_ticket => {
                let ticket = hello::parse_ticket(message.body).ok_or(Fault::Malformed)?;
                client.awaits_ticket = false;
                if client.remembers && ticket.len() <= MAX_TICKET {
                    client.given_ticket = ticket.to_vec();
                }
                self.record_in_transcript(message);
                self.release_held()
            }
            _ => Err(Fault::UnexpectedMessage),
        }
    }

    fn server_hello(&mut self, message: &Message<'_>) -> Result<Step, Fault> {
        let hello = ServerHello::parse(message.body).ok_or(Fault::Malformed)?;
        let Side::Client(client) = &mut self.side else { return Ok(Step::Nothing) };
        if hello.version != Version::DTLS_1_2 {
            return Err(Fault::Version);
        }
        let suite = Suite::from_code(hello.suite).filter(|suite| client.offered.contains(suite));
        if hello.compresses() || hello.extensions.renegotiation == Renegotiation::Again {
            return Err(Fault::NotOffered);
        }
        self.suite = suite.ok_or(Fault::NotOffered)?;
        self.agreed = client.agree(&hello.extensions, self.own_connection_id.is_some())?;
        client.given_id = hello.session.to_vec();
        client.awaits_ticket = hello.extensions.ticket.is_some();
        client.earlier.take_if(|earlier| earlier.id != hello.session);
        let resumed =
            client.earlier.as_ref().map(|earlier| (earlier.session.suite, earlier.session.master.clone()));
        client.state = if resumed.is_some() { State::Finished } else { State::ServerHelloDone };
        self.randoms.server = *hello.random;
        self.record_in_transcript(message);
        let Some((suite, master)) = resumed else { return Ok(Step::Nothing) };
        if suite != self.suite {
            return Err(Fault::NotOffered);
        }
        if !self.agreed.extended_master_secret {
            return Err(Fault::NoExtendedMasterSecret);
        }
        self.is_resumed = true;
        self.secure(master);
        self.release_held()
    }

    fn server_hello_done(&mut self) -> Result<Step, Fault> {
        let mut body = Vec::with_capacity(2 + self.identity.len());
        body.extend_from_slice(&(self.identity.len() as u16).to_be_bytes());
        body.extend_from_slice(&self.identity);
        let message = self.number_message(MessageType::CLIENT_KEY_EXCHANGE, &body);
        self.record_in_transcript(&message);
        let Side::Client(client) = &self.side else { return Ok(Step::Nothing) };
        let master = if self.agreed.extended_master_secret {
            MasterSecret::extended(&client.key, &self.transcript)
        } else {
            MasterSecret::classic(&client.key, &self.randoms)
        };
        self.secure(master);
        let mut messages = Vec::new();
        message.push(&mut messages);
        self.flight = self.finished_flight(messages);
        // A Finished cannot be here yet; anything that is held was made up.
        self.held = None;
        Ok(Step::Send)
    }
}

impl Remembered {
    /// With a name to know a resumption by: a server that takes the ticket says it again (RFC 5077
    /// section 3.4).
    fn named(mut self, random: &mut Random) -> Self {
        if !self.ticket.is_empty() {
            let mut id = ResumptionId::default();
            random.fill(&mut id);
            self.id = id.to_vec();
        }
        self
    }
}

//! The client's side of a handshake.

use alloc::vec::Vec;
use core::net::SocketAddr;

use machine::{Credential, Random};
use sha2::{Digest, Sha256};

use super::{Flight, Handshake, Schedule, Side, Step};
use crate::fault::{DropCause, Fault};
use crate::inbox::Inbox;
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
    cookie: Vec<u8>,
    cookies: u8,
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
}

impl Handshake {
    /// Calls `remote`. `None` if identity or key have an impossible length.
    pub(crate) fn call(
        remote: SocketAddr,
        credential: &Credential,
        config: &Config,
        schedule: Schedule,
        random: &mut Random,
    ) -> Option<Self> {
        let key = PresharedKey::new(&credential.key)?;
        if !super::server::is_acceptable(&credential.identity) {
            return None;
        }
        let client = Client {
            state: State::ServerHello,
            key,
            offered: config.suites.clone(),
            requires_extended_master_secret: config.require_extended_master_secret,
            cookie: Vec::new(),
            cookies: 0,
        };
        let first_suite = *config.suites.first()?;
        let mut handshake = Self::new(remote, schedule, Side::Client(client), first_suite, random.seed());
        handshake.identity = credential.identity.clone();
        let hello = handshake.hello();
        // The first one says 1.0, for the sake of servers that know no better (RFC 6347 section 4.2.1).
        handshake.flight = Flight::first(hello, Version::DTLS_1_0, 0);
        Some(handshake)
    }

    /// The ClientHello with the cookie that we have. The transcript starts with the last one sent.
    fn hello(&mut self) -> Vec<u8> {
        let Side::Client(client) = &self.side else { return Vec::new() };
        let extensions = Extensions {
            extended_master_secret: true,
            encrypt_then_mac: client.offered.iter().any(|suite| suite.separates_mac()),
            renegotiation: Renegotiation::First,
        };
        let body = hello::client_hello(&self.randoms.client, &client.cookie, &client.offered, extensions);
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
            (State::ServerHello, MessageType::SERVER_HELLO) => {
                client.state = State::ServerHelloDone;
                self.server_hello(message)
            }
            (State::ServerHelloDone, MessageType::SERVER_KEY_EXCHANGE) if is_identity_hint(message.body) => {
                self.record_in_transcript(message);
                Ok(Step::Nothing)
            }
            (State::ServerHelloDone, MessageType::SERVER_HELLO_DONE) if message.body.is_empty() => {
                client.state = State::Finished;
                self.record_in_transcript(message);
                self.server_hello_done()
            }
            _ => Err(Fault::UnexpectedMessage),
        }
    }

    fn server_hello(&mut self, message: &Message<'_>) -> Result<Step, Fault> {
        let hello = ServerHello::parse(message.body).ok_or(Fault::Malformed)?;
        let Side::Client(client) = &self.side else { return Ok(Step::Nothing) };
        if hello.version != Version::DTLS_1_2 {
            return Err(Fault::Version);
        }
        let suite = Suite::from_code(hello.suite).filter(|suite| client.offered.contains(suite));
        if hello.compresses() || hello.extensions.renegotiation == Renegotiation::Again {
            return Err(Fault::NotOffered);
        }
        if client.requires_extended_master_secret && !hello.extensions.extended_master_secret {
            return Err(Fault::NoExtendedMasterSecret);
        }
        self.suite = suite.ok_or(Fault::NotOffered)?;
        self.agreed = hello.extensions;
        self.randoms.server = *hello.random;
        self.record_in_transcript(message);
        Ok(Step::Nothing)
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

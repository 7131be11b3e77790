//! The server's side of a handshake, from a ClientHello whose cookie is good.

use alloc::vec::Vec;
use core::net::SocketAddr;

use machine::Random;

use super::{Flight, Handshake, Schedule, Side, Step};
use crate::fault::{DropCause, Fault};
use crate::inbox::Inbox;
use crate::secrets::{MasterSecret, PresharedKey};
use crate::wire::Version;
use crate::wire::hello::{self, ClientHello, Extensions, Renegotiation};
use crate::wire::message::{Message, MessageType, parse_identity};
use crate::{Config, Rejection, Suite};

/// The longest identity: what RFC 4279 section 5.3 asks everybody to support.
const MAX_IDENTITY: usize = 128;

/// How many copies of a Finished must be undecryptable before the key counts as wrong: one may have been
/// damaged on the way, or made up by somebody else.
const WRONG_FINISHED: u8 = 2;

pub(super) struct Server {
    state: State,
    undecryptable: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    ClientKeyExchange,
    /// Parked until the owner has found the key.
    Key,
    Finished {
        known: bool,
    },
}

impl Server {
    pub(super) const fn waits_for_key(&self) -> bool {
        matches!(self.state, State::Key)
    }

    pub(super) const fn cannot_decrypt(&mut self) -> Result<Step, Fault> {
        self.undecryptable += 1;
        match (self.rejection(), self.undecryptable >= WRONG_FINISHED) {
            (Some(Rejection::WrongKey), true) => Err(Fault::WrongKey),
            (Some(Rejection::UnknownIdentity), true) => Err(Fault::UnknownIdentity),
            _ => Ok(Step::Dropped(DropCause::Unauthentic)),
        }
    }

    const fn rejection(&self) -> Option<Rejection> {
        match self.state {
            State::Finished { known } if self.undecryptable > 0 => {
                Some(if known { Rejection::WrongKey } else { Rejection::UnknownIdentity })
            }
            _ => None,
        }
    }
}

pub(super) fn is_acceptable(identity: &[u8]) -> bool {
    identity.len() <= MAX_IDENTITY
}

impl Handshake {
    /// Answers a ClientHello. Numbers go on from those of the client, since the HelloVerifyRequest left no
    /// trace here (RFC 6347 section 4.2.1).
    pub(crate) fn accept(
        remote: SocketAddr,
        (message, hello): (&Message<'_>, &ClientHello<'_>),
        record_sequence: u64,
        config: &Config,
        schedule: Schedule,
        random: &mut Random,
    ) -> Result<Self, Fault> {
        let (suite, agreed) = agree(hello, config)?;
        let side = Side::Server(Server { state: State::ClientKeyExchange, undecryptable: 0 });
        let mut handshake = Self::new(remote, schedule, side, suite, random.seed());
        handshake.randoms.client = *hello.random;
        handshake.agreed = agreed;
        handshake.inbox = Inbox::starting_at(message.sequence.wrapping_add(1));
        handshake.message_sequence = message.sequence;
        handshake.record_in_transcript(message);
        let mut messages = Vec::new();
        let body = hello::server_hello(&handshake.randoms.server, suite, agreed);
        for (kind, body) in [(MessageType::SERVER_HELLO, &body[..]), (MessageType::SERVER_HELLO_DONE, &[])] {
            let message = handshake.number_message(kind, body);
            handshake.record_in_transcript(&message);
            message.push(&mut messages);
        }
        handshake.flight = Flight::first(messages, Version::DTLS_1_2, record_sequence);
        Ok(handshake)
    }

    /// Whether this ClientHello began this handshake.
    pub(crate) fn began_with(&self, hello: &ClientHello<'_>) -> bool {
        matches!(self.side, Side::Server(_)) && self.randoms.client == *hello.random
    }

    /// The client has repeated its ClientHello.
    pub(crate) const fn hello_repeated(&self) -> Step {
        match &self.side {
            Side::Server(Server { state: State::ClientKeyExchange, .. }) => Step::Repeat,
            _ => Step::Nothing,
        }
    }

    pub(super) fn handle_client_message(&mut self, message: &Message<'_>) -> Result<Step, Fault> {
        let Side::Server(server) = &mut self.side else { return Ok(Step::Nothing) };
        if (server.state, message.kind) != (State::ClientKeyExchange, MessageType::CLIENT_KEY_EXCHANGE) {
            return Err(Fault::UnexpectedMessage);
        }
        let identity = parse_identity(message.body).ok_or(Fault::Malformed)?;
        if !is_acceptable(identity) {
            return Err(Fault::IdentityLength);
        }
        server.state = State::Key;
        self.identity = identity.to_vec();
        self.record_in_transcript(message);
        Ok(Step::WantKey)
    }

    /// The owner has looked the key up. An unknown identity goes on with a random key, so that it looks like
    /// a wrong one.
    pub(crate) fn provide_key(
        &mut self,
        key: Option<&[u8]>,
        config: &Config,
        random: &mut Random,
    ) -> Result<Step, Fault> {
        let Side::Server(server) = &mut self.side else { return Ok(Step::Nothing) };
        if server.state != State::Key {
            return Ok(Step::Nothing);
        }
        let known = key.and_then(PresharedKey::new);
        if known.is_none() && config.reveal_unknown_identities {
            return Err(Fault::IdentityRefused);
        }
        server.state = State::Finished { known: known.is_some() };
        let key = known.unwrap_or_else(|| PresharedKey::random(random));
        let master = if self.agreed.extended_master_secret {
            MasterSecret::extended(&key, &self.transcript)
        } else {
            MasterSecret::classic(&key, &self.randoms)
        };
        self.secure(master);
        self.release_held()
    }

    /// Why the client could not prove itself, as far as it tried.
    pub(crate) const fn rejection(&self) -> Option<Rejection> {
        match &self.side {
            Side::Client(_) => None,
            Side::Server(server) => server.rejection(),
        }
    }
}

/// What both sides want.
fn agree(hello: &ClientHello<'_>, config: &Config) -> Result<(Suite, Extensions), Fault> {
    if !hello.version.includes_1_2() {
        return Err(Fault::Version);
    }
    if !hello.offers_no_compression() {
        return Err(Fault::Compression);
    }
    let suite = config.suites.iter().copied().find(|suite| hello.offers(*suite));
    let suite = suite.ok_or(Fault::NoCommonSuite)?;
    let Extensions { encrypt_then_mac, extended_master_secret, renegotiation } = hello.extensions;
    if renegotiation == Renegotiation::Again {
        return Err(Fault::Renegotiation);
    }
    if config.require_extended_master_secret && !extended_master_secret {
        return Err(Fault::NoExtendedMasterSecret);
    }
    let encrypt_then_mac = encrypt_then_mac && suite.separates_mac();
    Ok((suite, Extensions { encrypt_then_mac, extended_master_secret, renegotiation }))
}

//! The server's side of a handshake, from a ClientHello whose cookie is good.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use machine::{Instant, Random};

use super::{Agreed, Flight, Handshake, Schedule, Side, Step, Tools};
use crate::channel::{MAX_PEER_CONNECTION_ID, PeerConnectionId};
use crate::connection_id::ConnectionId;
use crate::fault::{DropCause, Fault};
use crate::inbox::Inbox;
use crate::resumption::{Print, ResumableSession, ResumptionId, print_of};
use crate::secrets::{MasterSecret, PresharedKey};
use crate::wire::Version;
use crate::wire::hello::{self, ClientHello, Extensions, Renegotiation};
use crate::wire::message::{Message, MessageType, parse_identity};
use crate::{Config, Rejection, Suite};

/// The longest identity: what RFC 4279 section 5.3 asks everybody to support.
pub(crate) const MAX_IDENTITY: usize = 128;

/// How many copies of a Finished must be undecryptable before the key counts as wrong: one may have been
/// damaged on the way, or made up by somebody else.
const WRONG_FINISHED: u8 = 2;

pub(super) struct Server {
    state: State,
    undecryptable: u8,
    /// How the session will be resumed.
    plan: Plan,
    /// The earlier session that the client wants to go on with, until its key is here.
    offered: Option<Box<Offered>>,
    /// Of the name that the client asked for.
    server_name: Print,
    renegotiation: Renegotiation,
    offers_encrypt_then_mac: bool,
    /// What [`Plan::Id`] leads to, once the key is here.
    pub(super) resumable: Option<(ResumptionId, Box<ResumableSession>)>,
    /// What [`Plan::Ticket`] has promised, with its lifetime in seconds, once the key is here.
    pub(super) ticket: Option<(u32, Vec<u8>)>,
}

struct Offered {
    session: ResumableSession,
    /// To be said again by whoever resumes it.
    id: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Plan {
    Nothing,
    Id(ResumptionId),
    Ticket,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    ClientKeyExchange,
    /// Parked until the owner has found the key.
    Key,
    /// The key is wrong for this reason if the Finished is.
    Finished(Rejection),
}

/// What the owner knows of an identity.
#[derive(Clone, Copy)]
pub(crate) enum Lookup<'a> {
    Known(&'a [u8]),
    Unknown,
    /// It was tried too often.
    Slowed,
}

/// A ClientHello whose cookie is good.
pub(crate) struct Request<'a> {
    pub(crate) remote: SocketAddr,
    pub(crate) message: &'a Message<'a>,
    pub(crate) hello: &'a ClientHello<'a>,
    pub(crate) record_sequence: u64,
    pub(crate) own_connection_id: Option<ConnectionId>,
    /// The earlier session that it names, if we know it.
    pub(crate) earlier: Option<ResumableSession>,
    /// The time by which that ages.
    pub(crate) wall: Instant,
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
            (Some(Rejection::TooManyTries), true) => Err(Fault::TooManyTries),
            _ => Ok(Step::Dropped(DropCause::Unauthentic)),
        }
    }

    const fn rejection(&self) -> Option<Rejection> {
        match self.state {
            State::Finished(cause) if self.undecryptable > 0 => Some(cause),
            _ => None,
        }
    }
}

pub(super) fn is_acceptable(identity: &[u8]) -> bool {
    identity.len() <= MAX_IDENTITY
}

impl Handshake {
    /// Answers a ClientHello, or asks for the key of the earlier session that it names. Numbers go on from those
    /// of the client, since the HelloVerifyRequest left no trace here (RFC 6347 section 4.2.1).
    pub(crate) fn accept(
        request: Request<'_>,
        config: &Config,
        schedule: Schedule,
        random: &mut Random,
    ) -> Result<(Self, Step), Fault> {
        let hello = request.hello;
        let (suite, mut agreed) = agree(hello, config)?;
        agreed.receives_connection_id &= request.own_connection_id.is_some();
        let server_name = print_of(hello.extensions.server_name);
        let earlier = match request.earlier {
            Some(session) => resume(session, hello, &server_name, config, request.wall)?,
            None => None,
        };
        let server = Server {
            state: State::ClientKeyExchange,
            undecryptable: 0,
            plan: plan(hello, config, random),
            offered: None,
            server_name,
            renegotiation: hello.extensions.renegotiation,
            offers_encrypt_then_mac: hello.extensions.encrypt_then_mac,
            resumable: None,
            ticket: None,
        };
        let mut handshake = Self::new(request.remote, schedule, Side::Server(server), suite, random.seed());
        handshake.randoms.client = *hello.random;
        handshake.agreed = agreed;
        handshake.own_connection_id = request.own_connection_id;
        handshake.inbox = Inbox::starting_at(request.message.sequence.wrapping_add(1));
        handshake.message_sequence = request.message.sequence;
        handshake.record_in_transcript(request.message);
        handshake.flight = Flight::first(Vec::new(), Version::DTLS_1_2, request.record_sequence);
        let step = match earlier {
            Some(session) => handshake.park(session, hello.session.to_vec()),
            None => handshake.answer_in_full(),
        };
        Ok((handshake, step))
    }

    /// Waits for the key of an earlier session: it may have changed, or be gone.
    fn park(&mut self, session: ResumableSession, id: Vec<u8>) -> Step {
        self.identity.clone_from(&session.identity);
        if let Side::Server(server) = &mut self.side {
            server.offered = Some(Box::new(Offered { session, id }));
            server.state = State::Key;
        }
        Step::WantKey
    }

    /// ServerHello and ServerHelloDone.
    fn answer_in_full(&mut self) -> Step {
        let Side::Server(server) = &mut self.side else { return Step::Nothing };
        server.state = State::ClientKeyExchange;
        let plan = server.plan;
        let (session, ticket) = match &plan {
            Plan::Nothing => (&[][..], None),
            Plan::Id(id) => (&id[..], None),
            Plan::Ticket => (&[][..], Some(&[][..])),
        };
        let mut messages = Vec::new();
        self.push_hello(session, ticket, &mut messages);
        let done = self.number_message(MessageType::SERVER_HELLO_DONE, &[]);
        self.record_in_transcript(&done);
        done.push(&mut messages);
        self.flight = self.flight.followed_by(messages, None);
        Step::Send
    }

    /// ServerHello and Finished, with new keys from the master secret of then.
    fn answer_resumed(&mut self, Offered { session, id }: Offered) -> Step {
        let Side::Server(server) = &mut self.side else { return Step::Nothing };
        server.state = State::Finished(Rejection::WrongKey);
        server.plan = Plan::Nothing;
        self.suite = session.suite;
        self.agreed.encrypt_then_mac = server.offers_encrypt_then_mac && session.suite.separates_mac();
        self.is_resumed = true;
        let mut messages = Vec::new();
        self.push_hello(&id, None, &mut messages);
        self.secure(session.master.clone());
        self.flight = self.finished_flight(messages);
        Step::Send
    }

    fn push_hello(&mut self, session: &[u8], ticket: Option<&[u8]>, messages: &mut Vec<u8>) {
        let Side::Server(server) = &self.side else { return };
        let own = self.own_connection_id.filter(|_| self.agreed.receives_connection_id);
        let uses_ids = own.is_some() || self.agreed.peer_connection_id.is_some();
        let extensions = Extensions {
            encrypt_then_mac: self.agreed.encrypt_then_mac,
            extended_master_secret: self.agreed.extended_master_secret,
            renegotiation: server.renegotiation,
            connection_id: uses_ids.then(|| own.as_ref().map_or(&[][..], |id| &id.0)),
            ticket,
            server_name: &[],
        };
        let body = hello::server_hello(&self.randoms.server, session, self.suite, extensions);
        let message = self.number_message(MessageType::SERVER_HELLO, &body);
        self.record_in_transcript(&message);
        message.push(messages);
    }

    /// Whether this ClientHello began this handshake.
    pub(crate) fn began_with(&self, hello: &ClientHello<'_>) -> bool {
        matches!(self.side, Side::Server(_)) && self.randoms.client == *hello.random
    }

    /// The client has repeated its ClientHello.
    pub(crate) const fn hello_repeated(&self) -> Step {
        match &self.side {
            Side::Server(Server { state: State::ClientKeyExchange, .. }) => Step::Repeat,
            Side::Server(Server { state: State::Finished(_), .. }) if self.is_resumed => Step::Repeat,
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

    /// Whether the key that is waited for proves an identity anew, not an earlier session.
    pub(crate) const fn tries_key(&self) -> bool {
        matches!(&self.side, Side::Server(Server { offered: None, .. }))
    }

    /// The owner has looked the key up. An unknown identity goes on with a random key, so that it looks like
    /// a wrong one.
    pub(crate) fn provide_key(&mut self, lookup: Lookup<'_>, tools: &mut Tools<'_>) -> Result<Step, Fault> {
        let Side::Server(server) = &mut self.side else { return Ok(Step::Nothing) };
        if server.state != State::Key {
            return Ok(Step::Nothing);
        }
        let (known, cause) = match lookup {
            Lookup::Known(key) => match PresharedKey::new(key) {
                Some(key) => (Some(key), Rejection::WrongKey),
                None => (None, Rejection::UnknownIdentity),
            },
            Lookup::Unknown => (None, Rejection::UnknownIdentity),
            Lookup::Slowed => (None, Rejection::TooManyTries),
        };
        if let Some(offered) = server.offered.take() {
            let is_same = known.is_some_and(|key| offered.session.is_of_key(&key.print()));
            return Ok(if is_same { self.answer_resumed(*offered) } else { self.answer_in_full() });
        }
        if cause == Rejection::UnknownIdentity && tools.config.reveal_unknown_identities {
            return Err(Fault::IdentityRefused);
        }
        server.state = State::Finished(cause);
        let key = known.unwrap_or_else(|| PresharedKey::random(tools.usual_key, tools.random));
        let master = if self.agreed.extended_master_secret {
            MasterSecret::extended(&key, &self.transcript)
        } else {
            MasterSecret::classic(&key, &self.randoms)
        };
        self.prepare_resumption(&key, &master, tools);
        self.secure(master);
        self.release_held()
    }

    /// Makes what the client was promised for coming back.
    fn prepare_resumption(&mut self, key: &PresharedKey, master: &MasterSecret, tools: &mut Tools<'_>) {
        let Side::Server(server) = &mut self.side else { return };
        let session = || ResumableSession {
            suite: self.suite,
            extended_master_secret: self.agreed.extended_master_secret,
            master: master.clone(),
            key: key.print(),
            server_name: server.server_name,
            established: tools.tickets.wall(tools.now),
            identity: self.identity.clone(),
        };
        match server.plan {
            Plan::Nothing => {}
            Plan::Id(id) => server.resumable = Some((id, Box::new(session()))),
            Plan::Ticket => {
                let session = session();
                let lifetime = tools.config.resumption_lifetime.as_secs();
                let ticket = tools.tickets.seal(&session, tools.now, tools.random);
                server.ticket = Some((u32::try_from(lifetime).unwrap_or(u32::MAX), ticket));
            }
        }
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
fn agree(hello: &ClientHello<'_>, config: &Config) -> Result<(Suite, Agreed), Fault> {
    if !hello.version.includes_1_2() {
        return Err(Fault::Version);
    }
    if !hello.offers_no_compression() {
        return Err(Fault::Compression);
    }
    let suite = config.suites.iter().copied().find(|suite| hello.offers(*suite));
    let suite = suite.ok_or(Fault::NoCommonSuite)?;
    let Extensions { encrypt_then_mac, extended_master_secret, renegotiation, .. } = hello.extensions;
    if renegotiation == Renegotiation::Again {
        return Err(Fault::Renegotiation);
    }
    if config.require_extended_master_secret && !extended_master_secret {
        return Err(Fault::NoExtendedMasterSecret);
    }
    let encrypt_then_mac = encrypt_then_mac && suite.separates_mac();
    // A client with an id that is too long for us gets no answer to it, and both go without.
    let wanted = hello.extensions.connection_id;
    let wanted = wanted.filter(|id| config.honor_connection_ids && id.len() <= MAX_PEER_CONNECTION_ID);
    let agreed = Agreed {
        encrypt_then_mac,
        extended_master_secret,
        peer_connection_id: wanted.and_then(PeerConnectionId::new),
        receives_connection_id: wanted.is_some(),
    };
    Ok((suite, agreed))
}

/// Whether the earlier session goes on. `None` is a full handshake.
fn resume(
    session: ResumableSession,
    hello: &ClientHello<'_>,
    server_name: &Print,
    config: &Config,
    wall: Instant,
) -> Result<Option<ResumableSession>, Fault> {
    match (session.extended_master_secret, hello.extensions.extended_master_secret) {
        // RFC 7627 section 5.3 asks for exactly this.
        (true, false) => return Err(Fault::NoExtendedMasterSecret),
        (false, true) => return Ok(None),
        (true, true) | (false, false) => {}
    }
    let is_young = wall.since(session.established) <= config.resumption_lifetime;
    let is_spoken = config.suites.contains(&session.suite) && hello.offers(session.suite);
    Ok(Some(session).filter(|session| is_young && is_spoken && session.server_name == *server_name))
}

fn plan(hello: &ClientHello<'_>, config: &Config, random: &mut Random) -> Plan {
    if config.resumption_lifetime.is_zero() {
        Plan::Nothing
    } else if hello.extensions.ticket.is_some() && config.issue_tickets {
        Plan::Ticket
    } else {
        let mut id = ResumptionId::default();
        random.fill(&mut id);
        Plan::Id(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(extended_master_secret: bool) -> ResumableSession {
        ResumableSession {
            suite: Suite::PskAes128Ccm8,
            extended_master_secret,
            master: MasterSecret::from_bytes(&[1; 48]),
            key: [2; 8],
            server_name: Print::default(),
            established: Instant::ZERO,
            identity: b"device".to_vec(),
        }
    }

    #[test]
    fn d24_rfc_7627_decides_about_the_extended_master_secret() {
        for (before, now, expected) in [
            (true, true, Ok(true)),
            (true, false, Err(Fault::NoExtendedMasterSecret)),
            (false, true, Ok(false)),
            // A client that never knew of it saves its flights.
            (false, false, Ok(true)),
        ] {
            let extensions = Extensions { extended_master_secret: now, ..Extensions::default() };
            let body = hello::client_hello(&[7; 32], &[8; 16], &[], &Suite::ALL, extensions);
            let hello = ClientHello::parse(&body).unwrap();
            let config = Config::default();
            let resumed = resume(session(before), &hello, &Print::default(), &config, Instant::ZERO);
            assert_eq!(resumed.map(|session| session.is_some()), expected, "{before} {now}");
        }
    }
}

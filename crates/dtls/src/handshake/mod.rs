//! A handshake, from a ClientHello with a good cookie (server) or a call (client) to both Finished.
//!
//! ```text
//! client                                server
//! ClientHello                  -->                            flight 1
//!                              <--      HelloVerifyRequest    flight 2, stateless
//! ClientHello with cookie      -->                            flight 3
//!                              <--      ServerHello           flight 4
//!                                       [ServerKeyExchange]
//!                                       ServerHelloDone
//! ClientKeyExchange            -->                            flight 5
//! [ChangeCipherSpec] Finished
//!                              <--      [ChangeCipherSpec]    flight 6
//!                                       Finished
//! ```
//! A session that both still know is resumed in fewer messages, with the cookie all the same (RFC 5246
//! section 7.3, RFC 5077):
//!
//! ```text
//! ClientHello with cookie      -->
//!                              <--      ServerHello           flight 4
//!                                       [ChangeCipherSpec]
//!                                       Finished
//! [ChangeCipherSpec] Finished  -->                            flight 5
//! ```
//! RFC 6347 section 4.2, RFC 4279 section 2. Every flight of ours fits into one datagram of
//! [`MAX_FLIGHT`] bytes, so nothing is fragmented on the way out.

mod client;
mod flight;
mod resumed;
mod server;

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use machine::{Instant, Random, TimerId};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use self::client::Client;
pub(crate) use self::flight::{Flight, LastFlight};
pub(crate) use self::resumed::{Remembered, Tools};
use self::server::Server;
pub(crate) use self::server::{Lookup, MAX_IDENTITY, Request};
use crate::Suite;
use crate::channel::{Channel, PeerConnectionId, Unusable};
use crate::connection_id::ConnectionId;
use crate::fault::{DropCause, Fault};
use crate::inbox::Inbox;
use crate::secrets::{MasterSecret, Randoms};
use crate::suite::{Keys, Role};
use crate::wire::Version;
use crate::wire::alert::Alert;
use crate::wire::hello::HelloRandom;
use crate::wire::message::{self, Fragment, Fragments, Message, MessageType};
use crate::wire::record::{ContentType, Record, Records};

/// The longest datagram of a handshake: a ClientHello with a cookie of 255 bytes and a ticket of 512.
pub(crate) const MAX_FLIGHT: usize = 1_024;

/// The longest protected record that is kept until its keys are there: a Finished is at most 141 bytes.
const MAX_HELD: usize = 256;

/// One running handshake.
pub(crate) struct Handshake {
    pub(crate) remote: SocketAddr,
    /// The identity that is proved; empty until the client has named it.
    pub(crate) identity: Vec<u8>,
    pub(crate) schedule: Schedule,
    side: Side,
    inbox: Inbox,
    transcript: Sha256,
    randoms: Randoms,
    suite: Suite,
    agreed: Agreed,
    /// What the peer is asked to put into its records.
    own_connection_id: Option<ConnectionId>,
    /// An earlier session goes on.
    is_resumed: bool,
    flight: Flight,
    message_sequence: u16,
    secured: Option<Secured>,
    /// The peer's ChangeCipherSpec has come.
    change_seen: bool,
    /// A protected record that came before its keys or its ChangeCipherSpec, as it came.
    held: Option<Vec<u8>>,
}

/// What both sides want, beside the suite.
#[derive(Clone, Copy, Default, Debug)]
struct Agreed {
    encrypt_then_mac: bool,
    extended_master_secret: bool,
    peer_connection_id: Option<PeerConnectionId>,
    receives_connection_id: bool,
}

enum Side {
    Client(Client),
    Server(Server),
}

/// What exists from the ClientKeyExchange on.
struct Secured {
    master: MasterSecret,
    channel: Channel,
}

/// When a handshake is repeated and given up.
#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) timer: Option<TimerId>,
    pub(crate) timeout: Duration,
    pub(crate) repeat_at: Instant,
    pub(crate) deadline: Instant,
}

impl Schedule {
    /// Gives up at `deadline`; repeats nothing yet.
    pub(crate) const fn until(deadline: Instant) -> Self {
        Self { timer: None, timeout: Duration::ZERO, repeat_at: Instant::FAR_FUTURE, deadline }
    }
}

/// What to do after an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Wait.
    Nothing,
    /// The input was of no use.
    Dropped(DropCause),
    /// Send the flight, which is new, and start its timer.
    Send,
    /// Send the flight again: the peer has repeated its own.
    Repeat,
    /// Find the key of the identity.
    WantKey,
    /// Both sides are proved.
    Finished,
    /// The peer has given up.
    PeerAlert(Alert),
}

impl Handshake {
    /// Before any message. `random` is ours; the peer's takes its place when its hello is read.
    fn new(remote: SocketAddr, schedule: Schedule, side: Side, suite: Suite, random: HelloRandom) -> Self {
        Self {
            remote,
            identity: Vec::new(),
            schedule,
            side,
            inbox: Inbox::default(),
            transcript: Sha256::new(),
            randoms: Randoms { client: random, server: random },
            suite,
            agreed: Agreed::default(),
            own_connection_id: None,
            is_resumed: false,
            flight: Flight::first(Vec::new(), Version::DTLS_1_2, 0),
            message_sequence: 0,
            secured: None,
            change_seen: false,
            held: None,
        }
    }

    pub(crate) const fn role(&self) -> Role {
        match &self.side {
            Side::Client(_) => Role::Client,
            Side::Server(_) => Role::Server,
        }
    }

    /// A fragment of an unprotected handshake message.
    pub(crate) fn handle_fragment(&mut self, fragment: &Fragment<'_>) -> Result<Step, Fault> {
        if let (Side::Client(_), MessageType::HELLO_VERIFY_REQUEST, Some(message)) =
            (&self.side, fragment.kind, fragment.whole())
        {
            return self.verify_request(&message);
        }
        let ahead = fragment.sequence.wrapping_sub(self.inbox.next_sequence());
        if ahead > u16::MAX / 2 {
            return Ok(self.repeated(fragment.kind));
        }
        let mut step = match fragment.whole() {
            Some(message) if ahead == 0 => self.handle_message(&message)?,
            _ if self.inbox.insert(fragment) => Step::Nothing,
            _ => Step::Dropped(DropCause::Malformed),
        };
        while let Some(assembled) = self.inbox.take() {
            step = self.handle_message(&assembled.message())?;
        }
        Ok(step)
    }

    fn handle_message(&mut self, message: &Message<'_>) -> Result<Step, Fault> {
        self.inbox.advance();
        match self.side {
            Side::Client(_) => self.handle_server_message(message),
            Side::Server(_) => self.handle_client_message(message),
        }
    }

    /// The peer sends a message again that was taken: our answer may have been lost. Only the last one of its
    /// flight counts, so that one lost datagram is answered once.
    fn repeated(&self, kind: MessageType) -> Step {
        match &self.side {
            Side::Client(client) if kind == MessageType::SERVER_HELLO_DONE && client.has_answered() => {
                Step::Repeat
            }
            _ => Step::Nothing,
        }
    }

    /// The peer's ChangeCipherSpec.
    pub(crate) fn handle_change(&mut self) -> Result<Step, Fault> {
        self.change_seen = true;
        self.release_held()
    }

    /// A protected record.
    pub(crate) fn handle_sealed(&mut self, record: &Record<'_>) -> Result<Step, Fault> {
        let may_be_finished = matches!(record.kind, ContentType::HANDSHAKE | ContentType::WITH_CONNECTION_ID);
        let is_ready = self.change_seen && !self.awaits_ticket();
        let Some(secured) = self.secured.as_mut().filter(|_| is_ready) else {
            return Ok(self.hold(record, may_be_finished));
        };
        let opened = match secured.channel.open(record) {
            Ok(opened) => opened,
            Err(Unusable::Replayed) => return Ok(Step::Dropped(DropCause::Replayed)),
            Err(Unusable::Unauthentic) if may_be_finished => return self.cannot_decrypt(),
            Err(Unusable::Unauthentic) => return Ok(Step::Dropped(DropCause::Unauthentic)),
        };
        match opened.kind {
            ContentType::HANDSHAKE => self.handle_finished(&opened.bytes),
            ContentType::ALERT => Ok(Alert::parse(&opened.bytes)
                .filter(|alert| alert.fatal || *alert == Alert::CLOSE_NOTIFY)
                .map_or(Step::Nothing, Step::PeerAlert)),
            _ => Ok(Step::Dropped(DropCause::Unexpected)),
        }
    }

    /// Keeps a record that came before what it needs. With a connection id its kind is not known: what came
    /// first is more likely the Finished than what came after it.
    fn hold(&mut self, record: &Record<'_>, may_be_finished: bool) -> Step {
        let is_better = self.held.is_none() || record.connection_id.is_none();
        if !may_be_finished || !is_better || record.fragment.len() > MAX_HELD {
            return Step::Dropped(DropCause::Unexpected);
        }
        self.held = Some(record.to_bytes());
        Step::Nothing
    }

    /// A Finished under another key. The client cannot know: the server says so.
    fn cannot_decrypt(&mut self) -> Result<Step, Fault> {
        match &mut self.side {
            Side::Client(_) => Ok(Step::Dropped(DropCause::Unauthentic)),
            Side::Server(server) => server.cannot_decrypt(),
        }
    }

    fn release_held(&mut self) -> Result<Step, Fault> {
        if self.secured.is_none() || !self.change_seen || self.awaits_ticket() {
            return Ok(Step::Nothing);
        }
        let Some(raw) = self.held.take() else { return Ok(Step::Nothing) };
        match Records::of(&raw).next() {
            Some(Ok(record)) => self.handle_sealed(&record),
            _ => Ok(Step::Nothing),
        }
    }

    fn handle_finished(&mut self, bytes: &[u8]) -> Result<Step, Fault> {
        let Some(Some(fragment)) = Fragments::of(bytes).next() else { return Err(Fault::Malformed) };
        let message = fragment.whole().ok_or(Fault::Malformed)?;
        if message.kind == MessageType::HELLO_REQUEST {
            return Ok(Step::Dropped(DropCause::Unexpected));
        }
        if message.kind != MessageType::FINISHED || message.sequence != self.inbox.next_sequence() {
            return Err(Fault::UnexpectedMessage);
        }
        let secured = self.secured.as_ref().ok_or(Fault::UnexpectedMessage)?;
        let peer = match self.role() {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        let expected = secured.master.verify_data(peer, &self.transcript);
        if !bool::from(expected.ct_eq(message.body)) {
            return Err(Fault::WrongFinished);
        }
        self.record_in_transcript(&message);
        // Who hears the other's Finished first answers with its own: the server, unless it resumes.
        if (peer == Role::Client) != self.is_resumed {
            let messages = self.ticket_message();
            self.flight = self.finished_flight(messages);
        }
        Ok(Step::Finished)
    }

    /// A flight of these messages and our Finished.
    fn finished_flight(&mut self, messages: Vec<u8>) -> Flight {
        let mut finished = [0; message::FINISHED_LENGTH];
        if let Some(secured) = &self.secured {
            let body = secured.master.verify_data(self.role(), &self.transcript);
            let message = self.number_message(MessageType::FINISHED, &body);
            finished[..message::HEADER_LENGTH].copy_from_slice(&message.header());
            finished[message::HEADER_LENGTH..].copy_from_slice(message.body);
            self.record_in_transcript(&message);
        }
        self.flight.followed_by(messages, Some(finished))
    }

    fn secure(&mut self, master: MasterSecret) {
        let keys =
            Keys::derive(self.suite, self.agreed.encrypt_then_mac, &master, &self.randoms, self.role());
        let Agreed { peer_connection_id, receives_connection_id, .. } = self.agreed;
        let channel = Channel::new(keys, peer_connection_id, receives_connection_id);
        self.secured = Some(Secured { master, channel });
    }

    fn number_message<'a>(&mut self, kind: MessageType, body: &'a [u8]) -> Message<'a> {
        let sequence = self.message_sequence;
        self.message_sequence = sequence.wrapping_add(1);
        Message { kind, sequence, body }
    }

    fn record_in_transcript(&mut self, message: &Message<'_>) {
        self.transcript.update(message.header());
        self.transcript.update(message.body);
    }

    /// Whether repeating the flight makes sense now.
    pub(crate) const fn waits_for_peer(&self) -> bool {
        match &self.side {
            Side::Client(_) => true,
            Side::Server(server) => !server.waits_for_key(),
        }
    }

    /// The datagram of the current flight, with fresh record numbers.
    pub(crate) fn encode_flight(&mut self, random: &mut Random) -> Vec<u8> {
        let channel = self.secured.as_mut().map(|secured| &mut secured.channel);
        self.flight.encode(channel, random)
    }

    /// A datagram that tells the peer why we give up.
    pub(crate) fn encode_alert(&mut self, fault: Fault, random: &mut Random) -> Vec<u8> {
        let alert = Alert::fatal(fault.alert()).encode();
        let mut datagram = Vec::new();
        match (self.role(), &mut self.secured) {
            // A server that got as far as its Finished ignores what is not protected. A client may have
            // another key than we, or has not seen our ChangeCipherSpec.
            (Role::Client, Some(secured)) => {
                secured.channel.push(ContentType::ALERT, &alert, random, &mut datagram);
            }
            _ => self.flight.push_alert(alert, &mut datagram),
        }
        datagram
    }
}

//! Sessions that outlive the process.
//!
//! What is saved is a session as it was; what is restored is one that is far enough ahead of it. A record
//! number that was used twice would give the key stream away, and nobody knows how many records the process
//! sent after it had saved. So the 2^48 numbers of a session are cut into 2^16 *blocks* of 2^32: one life of
//! the process uses one block, and a session that has used its block up ends. Whoever restores says how often
//! the process has started since, and must know that durably *before*:
//!
//! ```text
//! save      bytes := endpoint.save(session).to_bytes()            durable at leisure; any number of times
//! start     starts := starts + 1                                  durable now, once for all sessions
//! restore   SavedSession::from_bytes(bytes)
//!             .advance(starts - starts when it was saved)         a block that no life has used
//!           endpoint.restore(advanced)                            the first record may go
//! ```
//! Who counts no starts makes [`AdvancedSession::saved`] durable in place of the old bytes before it calls
//! [`Endpoint::restore`](crate::Endpoint::restore), and advances by one. A backup is an old state of both the
//! bytes and the count: who restores one discards all sessions.

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::num::NonZeroU32;

use machine::SessionId;
use zeroize::Zeroizing;

use crate::connection_id::ConnectionId;
use crate::suite::Keys;
use crate::wire::reader::Reader;
use crate::{Suite, channel};

/// The form of the bytes; a later one has another number.
const FORM: u8 = 1;

mod flag {
    pub(super) const ENCRYPT_THEN_MAC: u8 = 1;
    pub(super) const EXTENDED_MASTER_SECRET: u8 = 1 << 1;
    pub(super) const OUTGOING: u8 = 1 << 2;
    pub(super) const OWN_CONNECTION_ID: u8 = 1 << 3;
}

/// A session as it was when it was saved. It holds keys: they are wiped when it is dropped and never printed.
pub struct SavedSession {
    pub(crate) session: SessionId,
    pub(crate) keys: Keys,
    /// Which 2^32 of the record numbers were in use.
    pub(crate) block: u16,
    /// The newest record that had come.
    pub(crate) newest_read: u64,
    pub(crate) extended_master_secret: bool,
    pub(crate) outgoing: bool,
    pub(crate) remote: SocketAddr,
    pub(crate) own_connection_id: Option<ConnectionId>,
    pub(crate) peer_connection_id: Vec<u8>,
    pub(crate) identity: Vec<u8>,
}

/// A saved session in a block of record numbers that nobody has used.
#[derive(Debug)]
pub struct AdvancedSession(pub(crate) SavedSession);

/// Why saved bytes are no session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SavedSessionError {
    /// They were written in another form, by another version of this crate.
    #[error("saved in form {0}, which is unknown")]
    Form(u8),
    /// The suite is not spoken here.
    #[error("the suite {0:#06x} is not spoken")]
    Suite(u16),
    /// They are cut off or damaged.
    #[error("the bytes are damaged")]
    Damaged,
}

/// All record numbers of a session are used up; its device makes a new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the session was restored too often")]
pub struct Spent;

/// Why a session cannot be restored into an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RestoreError {
    /// The connection id that its peer uses leads to another shard or node, or to none any more.
    #[error("the session's connection id leads elsewhere")]
    Elsewhere,
    /// Its place is taken, or beyond the bound of the endpoint.
    #[error("the session's place is not free")]
    Taken,
    /// The endpoint has as many sessions as it may.
    #[error("there are as many sessions as there may be")]
    Full,
}

impl SavedSession {
    /// The number that the session had. Restored it has it again, unless it has no connection id and another
    /// session has that number.
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// The identity whose key was proved.
    pub fn identity(&self) -> &[u8] {
        &self.identity
    }

    /// Where the other side was.
    pub const fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// The connection id that the other side writes into its records, if it was asked to.
    pub const fn connection_id(&self) -> Option<ConnectionId> {
        self.own_connection_id
    }

    /// What protects the records.
    pub const fn suite(&self) -> Suite {
        self.keys.suite()
    }

    /// Whether we had called.
    pub const fn is_outgoing(&self) -> bool {
        self.outgoing
    }

    /// Moves on to numbers that were never used: `starts` is how often the process has started since the
    /// session was saved, its present start included. See above for what must be durable before and after.
    pub fn advance(mut self, starts: NonZeroU32) -> Result<AdvancedSession, Spent> {
        let block = u16::try_from(starts.get()).ok().and_then(|starts| self.block.checked_add(starts));
        self.block = block.ok_or(Spent)?;
        Ok(AdvancedSession(self))
    }

    /// The session as bytes: as secret as a pre-shared key. At most 470.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(512));
        bytes.push(FORM);
        bytes.extend_from_slice(&self.session.0.to_be_bytes());
        bytes.extend_from_slice(&self.keys.suite().code().to_be_bytes());
        bytes.push(self.flags());
        self.keys.push(&mut bytes);
        bytes.extend_from_slice(&self.block.to_be_bytes());
        bytes.extend_from_slice(&self.newest_read.to_be_bytes());
        push_address(self.remote, &mut bytes);
        if let Some(ConnectionId(id)) = &self.own_connection_id {
            bytes.extend_from_slice(id);
        }
        for part in [&self.peer_connection_id, &self.identity] {
            bytes.push(part.len() as u8);
            bytes.extend_from_slice(part);
        }
        bytes
    }

    fn flags(&self) -> u8 {
        [
            (self.keys.encrypts_then_macs(), flag::ENCRYPT_THEN_MAC),
            (self.extended_master_secret, flag::EXTENDED_MASTER_SECRET),
            (self.outgoing, flag::OUTGOING),
            (self.own_connection_id.is_some(), flag::OWN_CONNECTION_ID),
        ]
        .into_iter()
        .filter_map(|(is_set, flag)| is_set.then_some(flag))
        .sum()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SavedSessionError> {
        let mut reader = Reader(bytes);
        match reader.u8() {
            Some(FORM) => {}
            Some(form) => return Err(SavedSessionError::Form(form)),
            None => return Err(SavedSessionError::Damaged),
        }
        let session = reader.u64().ok_or(SavedSessionError::Damaged)?;
        let code = reader.u16().ok_or(SavedSessionError::Damaged)?;
        let suite = Suite::from_code(code).ok_or(SavedSessionError::Suite(code))?;
        Self::parse(SessionId(session), suite, &mut reader)
            .filter(|_| reader.is_empty())
            .ok_or(SavedSessionError::Damaged)
    }

    fn parse(session: SessionId, suite: Suite, reader: &mut Reader<'_>) -> Option<Self> {
        let flags = reader.u8()?;
        let has = |flag| flags & flag != 0;
        let keys = Keys::parse(suite, has(flag::ENCRYPT_THEN_MAC), reader)?;
        let (block, newest_read) = (reader.u16()?, reader.u64()?);
        let remote = parse_address(reader)?;
        let own_connection_id = match has(flag::OWN_CONNECTION_ID) {
            true => Some(ConnectionId(*reader.array()?)),
            false => None,
        };
        let (peer_connection_id, identity) = (reader.vector8()?.to_vec(), reader.vector8()?.to_vec());
        let plausible = newest_read <= channel::LAST_NUMBER
            && peer_connection_id.len() <= channel::MAX_PEER_CONNECTION_ID
            && identity.len() <= crate::handshake::MAX_IDENTITY;
        plausible.then_some(Self {
            session,
            keys,
            block,
            newest_read,
            extended_master_secret: has(flag::EXTENDED_MASTER_SECRET),
            outgoing: has(flag::OUTGOING),
            remote,
            own_connection_id,
            peer_connection_id,
            identity,
        })
    }
}

impl AdvancedSession {
    /// What to make durable before [`Endpoint::restore`](crate::Endpoint::restore) if no starts are counted.
    pub const fn saved(&self) -> &SavedSession {
        &self.0
    }
}

impl fmt::Debug for SavedSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SavedSession")
            .field("session", &self.session)
            .field("identity", &format_args!("{}", self.identity.escape_ascii()))
            .field("remote", &self.remote)
            .field("suite", &self.suite())
            .finish_non_exhaustive()
    }
}

fn push_address(address: SocketAddr, out: &mut Vec<u8>) {
    match address.ip() {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

fn parse_address(reader: &mut Reader<'_>) -> Option<SocketAddr> {
    let ip = match reader.u8()? {
        4 => IpAddr::from(*reader.array::<4>()?),
        6 => IpAddr::from(*reader.array::<16>()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, reader.u16()?))
}

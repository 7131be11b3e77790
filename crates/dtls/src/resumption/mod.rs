//! What is kept of a session so that it can be resumed with fewer messages (RFC 5246 section 7.3, RFC 5077).

mod table;
mod ticket;

use alloc::vec::Vec;
use core::fmt;

use machine::Instant;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use self::table::ResumptionTable;
pub use self::ticket::TicketKeys;
pub(crate) use self::ticket::{MAX_TICKET, TicketSeal};
use crate::Suite;
use crate::secrets::MasterSecret;

/// The name of a session that can be resumed, as a server of ours gives it.
pub type ResumptionId = [u8; 16];

/// Tells which key, or which server name, a session was made with.
pub(crate) type Print = [u8; 8];

/// Where a server keeps sessions to be resumed by their id. Shards share one, so that a device may come back to
/// any of them: hand each endpoint a handle. An endpoint has a [`ResumptionTable`] of its own until then.
///
/// Called within a handshake, so it answers from memory.
pub trait SessionCache: Send {
    /// Keeps a session, in place of the oldest one where it is full.
    fn insert(&mut self, id: ResumptionId, session: ResumableSession);

    /// A copy of the session with this id.
    fn find(&self, id: &ResumptionId) -> Option<ResumableSession>;

    /// Forgets a session.
    fn remove(&mut self, id: &ResumptionId);
}

/// What a session is resumed from: its master secret, wiped when dropped, and what it was agreed for.
#[derive(Clone)]
pub struct ResumableSession {
    pub(crate) suite: Suite,
    pub(crate) extended_master_secret: bool,
    pub(crate) master: MasterSecret,
    /// Of the pre-shared key. A session is not resumed once its identity has another key or none.
    pub(crate) key: Print,
    /// Of the server name that the client asked for.
    pub(crate) server_name: Print,
    /// When the key was proved, since 1970 where [`TicketKeys`] know it.
    pub(crate) established: Instant,
    pub(crate) identity: Vec<u8>,
}

impl ResumableSession {
    /// Whether it was made with this key.
    pub(crate) fn is_of_key(&self, key: &Print) -> bool {
        self.key.ct_eq(key).into()
    }
}

/// Of a key or a server name; of nothing it is zero.
pub(crate) fn print_of(bytes: &[u8]) -> Print {
    let mut print = Print::default();
    if !bytes.is_empty() {
        print.copy_from_slice(&Sha256::digest(bytes)[..size_of::<Print>()]);
    }
    print
}

impl fmt::Debug for ResumableSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ResumableSession")
            .field("identity", &format_args!("{}", self.identity.escape_ascii()))
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}
